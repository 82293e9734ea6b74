"""Deleting what the catalogue knows of files that are gone.

Only rows of files that went missing, and what then no source states any more: entities without a
file and without a directory record. The disclosure ledger names instances by UID and paths by
text, so it loses nothing. Files that only a DICOMDIR names are that File-set's affair, and stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, false, func, or_, select

from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.owners import disputed_owners
from catalog.database.roots import Place
from catalog.database.rows import LEVELS, PARENT_COLUMN, in_chunks
from catalog.database.settle import remove_unclaimed, settle
from catalog.database.stored_files import below_condition
from catalog.entities import Provenance, Status

PAGE_ROWS = 1000


class Toll(NamedTuple):
    """How many rows go."""

    files: int = 0
    instances: int = 0
    series: int = 0
    studies: int = 0
    patients: int = 0


class MissingFile(NamedTuple):
    """A file that was there once and is not; `path` is below `root`, both in text form."""

    id: int
    root: str
    path: str
    missing_since: str | None


class Which(NamedTuple):
    """Which files: at or below `places`, and missing since one of the times `since`.

    The times are those at the moment of choosing, so that what goes missing later is not among
    them. At or below places that are `deserted` it is all files.
    """

    places: tuple[Place, ...]
    since: tuple[str, ...]
    deserted: tuple[Place, ...] = ()


def chosen(
    catalogue: Catalogue,
    places: Sequence[Place],
    deserted: Sequence[Place],
    days: float | None,
    now: datetime,
) -> Which:
    """Return the files at `places` that went missing `days` or longer before `now`.

    Without `days` those are all missing ones, and all files of the places that are `deserted`.
    Times are compared as times, whatever their offset from UTC: that of a machine changes twice a
    year. A run marks all its missing files with one time, so there are few different ones.
    """
    query = select(m.file.c.missing_since).where(_is_prunable(), _is_at(places)).distinct()
    with catalogue.read() as connection:
        times = [time for time in connection.execute(query).scalars() if time is not None]
    if days is None:
        return Which(tuple(places), tuple(times), tuple(deserted))
    latest = now - timedelta(days=days)
    return Which(
        tuple(places), tuple(time for time in times if datetime.fromisoformat(time) <= latest)
    )


def _is_prunable() -> ColumnElement[bool]:
    """Return the condition for files whose header was read and that are missing."""
    f = m.file.c
    return and_(
        f.status == Status.MISSING.value,
        func.coalesce(f.last_status, "") != Status.REFERENCED.value,
    )


def _is_at(places: Sequence[Place]) -> ColumnElement[bool]:
    f = m.file.c
    return or_(false(), *(and_(f.root_ref == p.root_ref, below_condition(p.below)) for p in places))


def _gone(which: Which) -> ColumnElement[bool]:
    """Return the condition for rows of `file` that go."""
    f = m.file.c
    gone = and_(_is_prunable(), f.missing_since.in_(which.since), _is_at(which.places))
    there = f.status.not_in([Status.MISSING.value, Status.REFERENCED.value])
    return or_(gone, and_(or_(there, _is_prunable()), _is_at(which.deserted)))


def toll(catalogue: Catalogue, which: Which) -> Toll:
    """Return how many rows deleting these files would take with it."""
    if not which.places:
        return Toll()
    stays = m.file.alias("stays")
    gone_ids = select(m.file.c.id).where(_gone(which)).cte("gone_file")
    with catalogue.read() as connection:
        files = connection.execute(select(func.count()).select_from(gone_ids)).scalar_one()
        going = (
            select(m.instance.c.id, m.instance.c.series_ref)
            .where(
                m.instance.c.id.in_(
                    select(m.file.c.instance_ref).where(m.file.c.id.in_(select(gone_ids.c.id)))
                ),
                ~exists().where(
                    stays.c.instance_ref == m.instance.c.id,
                    stays.c.id.not_in(select(gone_ids.c.id)),
                ),
                ~exists().where(m.fileset_record.c.instance_ref == m.instance.c.id),
            )
            .cte("going_instance")
        )
        counts = [files, connection.execute(select(func.count()).select_from(going)).scalar_one()]
        parent_column = going.c.series_ref
        for level in reversed(LEVELS[:-1]):
            table, child = m.ENTITY_TABLES[level], m.ENTITY_TABLES[LEVELS[LEVELS.index(level) + 1]]
            child_parent = child.c[PARENT_COLUMN[LEVELS[LEVELS.index(level) + 1]]]
            columns: list[Any] = [table.c.id]
            if level in PARENT_COLUMN:
                columns.append(table.c[PARENT_COLUMN[level]].label("parent"))
            going_above = (
                select(*columns)
                .where(
                    table.c.id.in_(select(parent_column)),
                    table.c.provenance == Provenance.HEADER.value,
                    ~exists().where(
                        child_parent == table.c.id, child.c.id.not_in(select(going.c.id))
                    ),
                )
                .cte(f"going_{level.value}")
            )
            counts.append(
                connection.execute(select(func.count()).select_from(going_above)).scalar_one()
            )
            going = going_above
            if level in PARENT_COLUMN:
                parent_column = going.c.parent
    return Toll(*counts)


def missing_files(catalogue: Catalogue, which: Which) -> Iterator[MissingFile]:
    """Yield the files that may be deleted, in order of id, in pages that are a transaction each."""
    last = 0
    f = m.file.c
    while which.places:
        query = (
            select(f.id, m.root.c.path, f.path, f.missing_since)
            .join_from(m.file, m.root)
            .where(_gone(which), f.id > last)
            .order_by(f.id)
            .limit(PAGE_ROWS)
        )
        with catalogue.read() as connection:
            page = connection.execute(query).all()
        for row in page:
            yield MissingFile(*row)
        if len(page) < PAGE_ROWS:
            return
        last = page[-1].id


def delete_files(connection: Connection, ids: Collection[int]) -> Toll:
    """Delete rows of missing files, and what no source states any more; return how many of each.

    Rows that are not of a missing file any more are left alone. Rows that remain are settled
    without the files' votes.
    """
    rows: list[Any] = []
    for chunk in in_chunks(sorted(ids)):
        rows += connection.execute(
            select(m.file.c.id, m.file.c.instance_ref).where(
                m.file.c.id.in_(chunk), m.file.c.status == Status.MISSING.value
            )
        ).all()
    instances = {row.instance_ref for row in rows if row.instance_ref is not None}
    disputed = disputed_owners(connection, instances)
    for chunk in in_chunks([row.id for row in rows]):
        # Discrepancies and findings of the files go with them (ON DELETE CASCADE). The totals of
        # series count no missing files, so they stay.
        connection.execute(delete(m.file).where(m.file.c.id.in_(chunk)))
    removed = remove_unclaimed(connection, instances)
    for level, refs in disputed.items():
        settle(connection, level, refs)
    return Toll(len(rows), *(removed[level] for level in reversed(LEVELS)))


def remove_root(connection: Connection, place: Place) -> bool:
    """Remove a root that has no files any more; return whether it was removed."""
    has_files = exists().where(m.file.c.root_ref == place.root_ref)
    result = connection.execute(delete(m.root).where(m.root.c.id == place.root_ref, ~has_files))
    return result.rowcount > 0


def added(tolls: Sequence[Toll]) -> Toll:
    """Return the sum of several tolls."""
    return Toll(*(sum(column) for column in zip(*tolls, strict=True))) if tolls else Toll()
