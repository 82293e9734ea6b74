"""Finding or making the rows of patients, studies, series and instances that claims name.

Rows are remembered, so that the many files of a series ask for theirs once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from catalog.database import models as m
from catalog.database import totals
from catalog.database.insertion import insert_entities, next_free_id
from catalog.database.rows import (
    LEVELS,
    PARENT_COLUMN,
    UID_COLUMN,
    Entity,
    Key,
    Row,
    entity_at,
    entity_columns,
    entity_from,
    in_chunks,
    is_record,
    merged,
    patient_identity,
    selected_columns,
)
from catalog.entities import Claims, Level, Provenance


class Placed(NamedTuple):
    """The rows to which one set of claims belongs, outermost first; `None` where there is none."""

    patient: int | None
    study: int | None
    series: int | None
    instance: int


class EntityRows:
    """The rows of entities, those that were met before remembered."""

    def __init__(self) -> None:
        self._rows: dict[Level, dict[Key, Row]] = {level: {} for level in LEVELS}

    def __len__(self) -> int:
        """Return how many rows are remembered."""
        return sum(map(len, self._rows.values()))

    def forget(self, *levels: Level) -> None:
        """Forget the remembered rows of `levels`, or all."""
        for level in levels or LEVELS:
            self._rows[level].clear()

    def by_id(self, levels: Sequence[Level] = LEVELS) -> dict[Level, dict[int, Row]]:
        """Return the remembered rows of `levels` by their ids."""
        return {level: {row.id: row for row in self._rows[level].values()} for level in levels}

    def at(self, level: Level, key: Key) -> Row:
        """Return the remembered row of a key that was resolved."""
        return self._rows[level][key]

    def place(
        self, connection: Connection, claims: Sequence[Claims | None], provenance: Provenance
    ) -> list[Placed | None]:
        """Find or make the rows of every entity that the claims name."""
        refs = self.place_levels(connection, claims, provenance, LEVELS)
        patients, studies, series, instances = (refs[level] for level in LEVELS)
        return [
            None if own is None else Placed(patients[i], studies[i], series[i], own)
            for i, own in enumerate(instances)
        ]

    def place_levels(
        self,
        connection: Connection,
        claims: Sequence[Claims | None],
        provenance: Provenance,
        levels: Sequence[Level],
    ) -> dict[Level, list[int | None]]:
        """Find or make the rows of every entity that the claims name, level by level; return their ids."""
        count = len(claims)
        refs: dict[Level, list[int | None]] = {level: [None] * count for level in levels}
        parent_level: Level | None = None
        for level in levels:
            wanted: dict[Key, tuple[Entity, str | None]] = {}
            keys: list[Key | None] = [None] * count
            for i, claim in enumerate(claims):
                entity = None if claim is None else entity_at(claim, level)
                if claim is None or entity is None:
                    continue
                parent = refs[parent_level][i] if parent_level else None
                key = (parent, _identity(level, claim))
                keys[i] = key
                kind = claim.directory_record_type if level is Level.INSTANCE else None
                if provenance is Provenance.RECORD and key in wanted:
                    before, kind_before = wanted[key]
                    kinds = [k for k in (kind, kind_before) if k is not None]
                    wanted[key] = merged(level, before, entity), min(kinds, default=None)
                else:
                    wanted.setdefault(key, (entity, kind))
            self.resolve(connection, level, wanted, provenance)
            rows = self._rows[level]
            refs[level] = [None if key is None else rows[key].id for key in keys]
            parent_level = level
        return refs

    def resolve(
        self,
        connection: Connection,
        level: Level,
        wanted: dict[Key, tuple[Entity, str | None]],
        provenance: Provenance,
    ) -> None:
        """Make sure that every wanted key has a remembered row."""
        rows = self._rows[level]
        table = m.ENTITY_TABLES[level]
        unknown = [key for key in wanted if key not in rows]
        if unknown:
            rows.update(_load(connection, level, unknown))
        next_id = next_free_id(connection, table) if any(key not in rows for key in unknown) else 0
        made = []
        for key, (entity, record_type) in wanted.items():
            row = rows.get(key)
            if row is None:
                rows[key] = Row(next_id, entity, provenance, False, record_type)
                values = entity_columns(level, entity) | {
                    "id": next_id,
                    "provenance": provenance.value,
                    "is_disputed": False,
                }
                made.append(values | _place_values(level, key, record_type))
                next_id += 1
            elif is_record(row):
                is_header = provenance is Provenance.HEADER
                best = entity if is_header else merged(level, row.entity, entity)
                # Of two directories that disagree the smaller type, whichever came first.
                types = [t for t in (row.record_type, record_type) if t is not None]
                best_type = record_type if is_header else min(types, default=None)
                if (best, best_type) == (row.entity, row.record_type) and not is_header:
                    continue
                rows[key] = Row(row.id, best, provenance, row.is_disputed, best_type)
                values = entity_columns(level, best) | {"provenance": provenance.value}
                if level is Level.INSTANCE:
                    values["directory_record_type"] = best_type
                connection.execute(update(table).where(table.c.id == row.id).values(values))
        insert_entities(connection, table, made)
        if level is Level.SERIES:
            totals.begin(connection, [values["id"] for values in made])
        elif level is Level.INSTANCE:
            totals.add_instances(connection, [values["series_ref"] for values in made])


def _identity(level: Level, claims: Claims) -> str:
    if level is Level.PATIENT:
        assert claims.patient is not None
        return patient_identity(
            claims.patient, claims.study.study_instance_uid if claims.study else None
        )
    return str(getattr(entity_at(claims, level), UID_COLUMN[level]) or "")


def _place_values(level: Level, key: Key, record_type: str | None) -> dict[str, Any]:
    if level is Level.PATIENT:
        return {"identity": key[1]}
    values: dict[str, Any] = {PARENT_COLUMN[level]: key[0]}
    if level is Level.INSTANCE:
        values["directory_record_type"] = record_type
    return values


def _load(connection: Connection, level: Level, keys: Sequence[Key]) -> dict[Key, Row]:
    """Return the stored rows of those of `keys` that have one."""
    table = m.ENTITY_TABLES[level]
    parent = table.c[PARENT_COLUMN[level]] if level in PARENT_COLUMN else None
    identity = table.c[UID_COLUMN[level]] if level in UID_COLUMN else table.c.identity
    first = [table.c.id, table.c.provenance, table.c.is_disputed, identity]
    if parent is not None:
        first.append(parent)
    if level is Level.INSTANCE:
        first.append(m.instance.c.directory_record_type)
    columns = selected_columns(level)
    wanted = set(keys)
    found: dict[Key, Row] = {}
    for chunk in in_chunks({key[1] for key in keys}):
        for row in connection.execute(select(*first, *columns).where(identity.in_(chunk))):
            key = (row[4] if parent is not None else None, row[3])
            if key in wanted:
                kind = row[5] if level is Level.INSTANCE else None
                found[key] = Row(
                    row[0], entity_from(level, row[len(first) :]), row[1], row[2], kind
                )
    return found
