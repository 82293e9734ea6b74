"""Storing what files and directory records state.

The rows are a function of the claims alone: not of the order in which files were read, nor of how
they were batched, nor of runs that were killed. Each batch is one transaction and leaves every
row settled (`catalog.database.settle`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from operator import is_
from typing import Any, TypeAlias

from sqlalchemy import Connection, and_, bindparam, case, delete, func, insert, select, update

from catalog.database import file_paths, roots, totals
from catalog.database import models as m
from catalog.database.arrivals import Arrival, Standing, store_arrivals
from catalog.database.catalogue import PLACES_WERE_FREE
from catalog.database.insertion import next_free_id
from catalog.database.owners import chains
from catalog.database.placing import EntityRows, Placed
from catalog.database.rows import (
    LEVELS,
    Claim,
    Entity,
    differences,
    entity_at,
    finding_values,
    in_chunks,
    stored_claim,
)
from catalog.database.settle import Tallies, remove_unclaimed, settle
from catalog.entities import (
    Claims,
    Level,
    Patient,
    Provenance,
    Reading,
    Series,
    StoredFile,
    Study,
)

CACHED_ROWS = 20_000
"""How many rows of patients, studies and series, and how many ways to differ from them, the writer
remembers between batches."""

Above: TypeAlias = tuple[Patient | None, Study | None, Series | None]
"""What a file states above its instance."""

_NEXT_DIGEST = case(
    (
        and_(
            m.file.c.size_bytes == bindparam("size_bytes"),
            m.file.c.mtime_ns == bindparam("mtime_ns"),
        ),
        func.coalesce(bindparam("digest"), m.file.c.digest),
    ),
    else_=bindparam("digest"),
)
"""The digest of a file that was read again: without a new one the old stays, if size and time did."""

_NEXT_PROOF = case(
    (m.file.c.verified_run_ref < bindparam("last_run_ref"), m.file.c.verified_run_ref),
)
"""The verification that a file keeps which is read again: of a later one than this run nobody knows
whether it was before, so it proves nothing."""


class RowWriter:
    """Writes batches for one run, whose process holds the `Catalogue.writer_lock` of what it reads.

    Parameters
    ----------
    run_ref:
        The run in whose name rows are written.
    attribute_set_ref:
        The list of further attributes with which the files are read (`attribute_sets.set_ref`).
    """

    def __init__(self, run_ref: int, attribute_set_ref: int | None = None) -> None:
        self.run_ref = run_ref
        self.attribute_set_ref = attribute_set_ref
        self._entities = EntityRows()
        self._standings: dict[Above, Standing] = {}
        self._tallies: Tallies = {}
        self._written = 0

    def _catch_up(self, connection: Connection) -> None:
        """Forget all remembered rows if somebody else has written since this writer's last transaction."""
        number = connection.info.get("dcat_write")
        if number is not None:
            if number - self._written > 1:
                self.forget()
            self._written = number

    def forget(self) -> None:
        """Forget all remembered rows, as after a transaction that was rolled back."""
        self._entities.forget()
        self._standings.clear()
        self._tallies.clear()

    # -- files -----------------------------------------------------------------------------

    def store(
        self,
        connection: Connection,
        root_ref: int,
        readings: Sequence[Reading],
        may_have_rows: Collection[str] | None = None,
    ) -> None:
        """Store the readings of files below a root: new rows, or new contents of known ones.

        A file's earlier claims and findings are replaced. All rows that any of its claims touched
        are settled before this returns.

        Parameters
        ----------
        may_have_rows:
            Those paths of the readings that may have a row; `None` if any of them may. So they
            all may, too, once another could write at the same place (`PLACES_WERE_FREE`).

        Raises
        ------
        CatalogueError
            If another made the root part of one above it, then.
        """
        self._make_room(connection)
        if connection.info.get(PLACES_WERE_FREE):
            roots.check(connection, root_ref)
            may_have_rows = None
        if may_have_rows is None:
            may_have_rows = [r.file.path for r in readings]
        known = self._known_files(connection, root_ref, may_have_rows)
        readings = self._store_arrivals(connection, root_ref, readings, known)
        if not readings:
            return
        self._tallies.clear()  # what follows changes votes that were counted
        placed = self._entities.place(connection, [r.claims for r in readings], Provenance.HEADER)
        next_id = next_free_id(connection, m.file)
        new_files, changed_files, file_refs = [], [], []
        for reading, at_rows in zip(readings, placed, strict=True):
            values = _file_values(reading.file)
            values |= {
                "instance_ref": at_rows.instance if at_rows else None,
                "last_run_ref": self.run_ref,
                "missing_since": None,
                "last_status": None,
                "attribute_set_ref": self.attribute_set_ref,
            }
            found = known.get(reading.file.path)
            if found is None:
                values |= {"id": next_id, "root_ref": root_ref, "first_run_ref": self.run_ref}
                new_files.append(values)
                file_refs.append(next_id)
                next_id += 1
            else:
                changed_files.append(values | {"file_id": found[0]})
                file_refs.append(found[0])
        disputed = self._withdraw(connection, known)
        former = {instance for _, instance in known.values() if instance is not None}
        with totals.kept(connection, former | {rows.instance for rows in placed if rows}):
            self._write_files(connection, new_files, changed_files)
        self._state_discrepancies(connection, readings, placed, file_refs, disputed)
        self._store_findings(connection, readings, file_refs)
        self._settle(connection, disputed)
        if remove_unclaimed(connection, former):
            self.forget()

    def _write_files(
        self,
        connection: Connection,
        new_files: Sequence[dict[str, Any]],
        changed_files: Sequence[dict[str, Any]],
    ) -> None:
        if new_files:
            connection.execute(insert(m.file), new_files)
        if changed_files:
            columns = [name for name in changed_files[0] if name != "file_id"]
            connection.execute(
                update(m.file)
                .where(m.file.c.id == bindparam("file_id"))
                .values(
                    {name: bindparam(name) for name in columns}
                    | {"digest": _NEXT_DIGEST, "verified_run_ref": _NEXT_PROOF}
                ),
                changed_files,
            )

    def _store_arrivals(
        self,
        connection: Connection,
        root_ref: int,
        readings: Sequence[Reading],
        known: Collection[str],
    ) -> list[Reading]:
        """Store the files that are new, with new instances; return all others."""
        self._know_standings(connection, [r.claims for r in readings if r.claims])
        others: list[Reading] = []
        arrivals: list[Arrival] = []
        above: Above = (None, None, None)
        standing: Standing | None = None
        for reading in readings:
            claims = reading.claims
            if reading.file.path in known:
                others.append(reading)
                continue
            if claims is None:
                arrivals.append((reading, None))
                continue
            if not all(map(is_, claims, above)):
                above = claims[:3]
                standing = self._standings.get(above)
            if standing is None:
                others.append(reading)
            else:
                arrivals.append((reading, standing))
        rest = store_arrivals(connection, self.run_ref, self.attribute_set_ref, root_ref, arrivals)
        counts = Counter(id(standing) for _, standing in arrivals)
        counts.subtract(id(standing) for _, standing in rest)
        stood = {id(standing): standing for _, standing in arrivals if standing is not None}
        self._count_votes(connection, [(stood[key], counts[key]) for key in stood])
        return others + [reading for reading, _ in rest]

    def _know_standings(self, connection: Connection, stated: Sequence[Claims]) -> None:
        """Find or make the rows above the instances that the claims name, and note how these stand to them."""
        unknown: dict[Above, Claims] = {}
        last: Above = (None, None, None)
        for claims in stated:
            if all(map(is_, claims, last)):
                continue
            last = claims[:3]
            if claims.series is not None and last not in self._standings:
                unknown.setdefault(last, claims)
        if not unknown:
            return
        levels = LEVELS[:-1]
        refs = self._entities.place_levels(
            connection, list(unknown.values()), Provenance.HEADER, levels
        )
        by_id = self._entities.by_id(levels)
        for i, above in enumerate(unknown):
            differing: list[tuple[Level, int, tuple[tuple[str, Claim], ...]]] = []
            for level, entity in zip(levels, above, strict=True):
                ref = refs[level][i]
                if entity is None or ref is None:
                    break
                found = differences(level, by_id[level][ref].entity, entity)
                differing.append((level, ref, tuple(found)))
            else:
                discrepancies = tuple(
                    (keyword, *stored_claim(claim))
                    for _, _, found in differing
                    for keyword, claim in found
                )
                series_ref = differing[-1][1]
                self._standings[above] = Standing(series_ref, discrepancies, tuple(differing))

    def _count_votes(self, connection: Connection, counts: Sequence[tuple[Standing, int]]) -> None:
        """Count the votes of files that were stored, and settle the rows that these may change."""
        disputed: dict[Level, set[int]] = {level: set() for level in LEVELS}
        for standing, count in counts:
            for level, ref, differing in standing.differing if count else ():
                tally = self._tallies.get((level, ref))
                if tally is None:
                    if differing:
                        disputed[level].add(ref)
                elif not tally.add(count, differing):
                    disputed[level].add(ref)
        self._settle(connection, disputed)

    def _known_files(
        self, connection: Connection, root_ref: int, paths: Iterable[str]
    ) -> dict[str, tuple[int, int | None]]:
        """Return (file id, instance id) of the files that have rows, by path."""
        found: dict[str, tuple[int, int | None]] = {}
        for chunk in in_chunks(paths):
            rows = connection.execute(
                select(m.file.c.path, m.file.c.id, m.file.c.instance_ref).where(
                    m.file.c.root_ref == root_ref, file_paths.is_one_of(chunk)
                )
            )
            found.update((path, (ref, instance)) for path, ref, instance in rows)
        return found

    def _withdraw(
        self, connection: Connection, known: dict[str, tuple[int, int | None]]
    ) -> dict[Level, set[int]]:
        """Take back what known files stated before; return the rows that lost a voice, by level."""
        refs = [ref for ref, _ in known.values()]
        for chunk in in_chunks(refs):
            connection.execute(delete(m.discrepancy).where(m.discrepancy.c.file_ref.in_(chunk)))
            connection.execute(delete(m.finding).where(m.finding.c.file_ref.in_(chunk)))
        touched: dict[Level, set[int]] = {level: set() for level in LEVELS}
        for rows in chains(connection, {i for _, i in known.values() if i is not None}):
            for level, ref in zip(LEVELS, rows, strict=True):
                if ref is not None:
                    touched[level].add(ref)
        return touched

    def _state_discrepancies(
        self,
        connection: Connection,
        readings: Sequence[Reading],
        placed: Sequence[Placed | None],
        file_refs: Sequence[int],
        disputed: dict[Level, set[int]],
    ) -> None:
        stated = []
        by_id = self._entities.by_id()
        for reading, at_rows, file_ref in zip(readings, placed, file_refs, strict=True):
            if reading.claims is None or at_rows is None:
                continue
            for level, ref in zip(LEVELS, at_rows, strict=True):
                entity = entity_at(reading.claims, level)
                if entity is None or ref is None:
                    continue
                row = by_id[level][ref]
                found = differences(level, row.entity, entity)
                if found or row.is_disputed:
                    disputed[level].add(ref)
                for keyword, claim in found:
                    value, raw = stored_claim(claim)
                    stated.append(
                        {"file_ref": file_ref, "keyword": keyword, "value": value, "raw": raw}
                    )
        if stated:
            connection.execute(insert(m.discrepancy), stated)

    def _store_findings(
        self, connection: Connection, readings: Sequence[Reading], file_refs: Sequence[int]
    ) -> None:
        rows = [
            finding_values(finding, self.run_ref, file_ref=file_ref)
            for reading, file_ref in zip(readings, file_refs, strict=True)
            for finding in reading.findings
        ]
        if rows:
            connection.execute(insert(m.finding), rows)

    def _settle(self, connection: Connection, disputed: dict[Level, set[int]]) -> None:
        changed = False
        for level, refs in disputed.items():
            changed |= settle(connection, level, refs, self._tallies)
        if changed:
            self.forget()

    # -- entities --------------------------------------------------------------------------

    def store_records(self, connection: Connection, claims: Sequence[Claims]) -> list[Placed]:
        """Store what directory records state; return the rows of each.

        Rows made from headers stay as they are; rows made from records take in what is new.
        """
        self._make_room(connection)
        return [
            placed
            for placed in self._entities.place(connection, claims, Provenance.RECORD)
            if placed
        ]

    def place_entity(
        self,
        connection: Connection,
        level: Level,
        parent: int | None,
        entity: Entity,
        identity: str,
    ) -> int:
        """Store one entity known from a directory record that may have nothing below it; return its row."""
        self._make_room(connection)
        key = (parent, identity)
        self._entities.resolve(connection, level, {key: (entity, None)}, Provenance.RECORD)
        return self._entities.at(level, key).id

    def _make_room(self, connection: Connection) -> None:
        self._catch_up(connection)
        # Of rows that are few each file may state something different.
        if len(self._entities) + len(self._standings) > CACHED_ROWS:
            self.forget()
        self._entities.forget(Level.INSTANCE)


def _file_values(stored: StoredFile) -> dict[str, Any]:
    values = stored._asdict()
    values["status"] = stored.status.value
    return values
