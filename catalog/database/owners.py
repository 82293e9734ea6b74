"""The rows above instances: which they are, and settling those whose files' votes have changed."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from catalog.database import models as m
from catalog.database.rows import LEVELS, in_chunks
from catalog.database.settle import settle
from catalog.entities import Level


def chains(connection: Connection, instances: Iterable[int]) -> Iterable[tuple[int | None, ...]]:
    """Yield (patient, study, series, instance) ids for each of the instances."""
    for chunk in in_chunks(instances):
        yield from connection.execute(
            select(
                m.study.c.patient_ref,
                m.series.c.study_ref,
                m.instance.c.series_ref,
                m.instance.c.id,
            )
            .select_from(m.instance.outerjoin(m.series).outerjoin(m.study))
            .where(m.instance.c.id.in_(chunk))
        )


def settle_owners(connection: Connection, instances: set[int]) -> None:
    """Settle the disputed rows above the files of these instances, whose votes have come or gone."""
    for level, disputed in disputed_owners(connection, instances).items():
        settle(connection, level, disputed)


def disputed_owners(connection: Connection, instances: set[int]) -> dict[Level, set[int]]:
    """Return the disputed rows that these instances are and belong to, by level."""
    refs: dict[Level, set[int]] = {level: set() for level in LEVELS}
    for ids in chains(connection, instances):
        for level, ref in zip(LEVELS, ids, strict=True):
            if ref is not None:
                refs[level].add(ref)
    found: dict[Level, set[int]] = {}
    for level, members in refs.items():
        table = m.ENTITY_TABLES[level]
        found[level] = set()
        for chunk in in_chunks(sorted(members)):
            found[level].update(
                connection.execute(
                    select(table.c.id).where(table.c.id.in_(chunk), table.c.is_disputed.is_(True))
                ).scalars()
            )
    return found
