"""The files that the catalogue knows, as the walk of a folder needs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, or_, select, true, update

from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.rows import LEVELS, in_chunks
from catalog.database.settle import settle
from catalog.database.upsert import chains
from catalog.entities import Level, Status

PAGE_ROWS = 20_000


class KnownFile(NamedTuple):
    """A file as the catalogue knows it; `last_status` is what it was before it went missing."""

    id: int
    path: str
    size_bytes: int | None
    mtime_ns: int | None
    status: str
    last_status: str | None
    instance_ref: int | None


def below_condition(below: str) -> ColumnElement[bool]:
    """Return the condition that `file.path` is `below` or lies in the folder of that name."""
    if not below:
        return true()
    # '0' follows '/' in every encoding in use, so this is the range of paths that start with it.
    return or_(
        m.file.c.path == below, and_(m.file.c.path >= below + "/", m.file.c.path < below + "0")
    )


def known_files(catalogue: Catalogue, root_ref: int, below: str) -> Iterator[KnownFile]:
    """Yield the known files at or below a path, sorted by path in code point order.

    They are read in pages, each its own transaction, so that a walk of hours blocks no writer and
    takes no memory.
    """
    last: str | None = None
    f = m.file.c
    while True:
        query = (
            select(f.id, f.path, f.size_bytes, f.mtime_ns, f.status, f.last_status, f.instance_ref)
            .where(f.root_ref == root_ref, below_condition(below))
            .order_by(f.path)
            .limit(PAGE_ROWS)
        )
        if last is not None:
            query = query.where(f.path > last)
        with catalogue.read() as connection:
            page = connection.execute(query).all()
        for row in page:
            yield KnownFile(*row)
        if len(page) < PAGE_ROWS:
            return
        last = page[-1].path


def mark_missing(
    connection: Connection, files: Sequence[KnownFile], run_ref: int, now: str
) -> None:
    """Mark files as missing since `now`; their instances and what they stated stay."""
    _change(
        connection,
        [
            {
                "file_id": f.id,
                "status": Status.MISSING.value,
                "last_status": f.status,
                "missing_since": now,
                "last_run_ref": run_ref,
            }
            for f in files
        ],
    )
    _settle_owners(connection, {f.instance_ref for f in files if f.instance_ref is not None})


def mark_returned(connection: Connection, files: Sequence[KnownFile], run_ref: int) -> None:
    """Mark files that are back, unchanged, as what they were before they went missing."""
    _change(
        connection,
        [
            {
                "file_id": f.id,
                "status": f.last_status,
                "last_status": None,
                "missing_since": None,
                "last_run_ref": run_ref,
            }
            for f in files
        ],
    )
    _settle_owners(connection, {f.instance_ref for f in files if f.instance_ref is not None})


def _change(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        columns = [name for name in rows[0] if name != "file_id"]
        connection.execute(
            update(m.file)
            .where(m.file.c.id == bindparam("file_id"))
            .values({c: bindparam(c) for c in columns}),
            rows,
        )


def _settle_owners(connection: Connection, instances: set[int]) -> None:
    """Settle the disputed rows above the files of these instances, whose votes have come or gone."""
    refs: dict[Level, set[int]] = {level: set() for level in LEVELS}
    for chain in chains(connection, instances):
        for level, ref in zip(LEVELS, chain, strict=True):
            if ref is not None:
                refs[level].add(ref)
    for level, members in refs.items():
        table = m.ENTITY_TABLES[level]
        disputed: set[int] = set()
        for chunk in in_chunks(sorted(members)):
            disputed.update(
                connection.execute(
                    select(table.c.id).where(table.c.id.in_(chunk), table.c.is_disputed.is_(True))
                ).scalars()
            )
        settle(connection, level, disputed)


def known_by_id(catalogue: Catalogue, ids: Sequence[int]) -> list[KnownFile]:
    """Return the known files with these ids, sorted by path."""
    f = m.file.c
    found: list[KnownFile] = []
    with catalogue.read() as connection:
        for chunk in in_chunks(ids):
            rows = connection.execute(
                select(
                    f.id, f.path, f.size_bytes, f.mtime_ns, f.status, f.last_status, f.instance_ref
                ).where(f.id.in_(chunk))
            )
            found += [KnownFile(*row) for row in rows]
    return sorted(found, key=lambda known: known.path)


def recognise_moved(connection: Connection, first_seen_after: int, run_ref: int) -> set[int]:
    """Join rows of missing files with rows of the same files under a new name.

    A missing file has moved if, since the last complete run, a file of the same size with the
    same instance has appeared. Its row, with its history, takes the new path; the new row goes.
    Several of one instance are paired in order of path.

    Parameters
    ----------
    first_seen_after:
        The id of the last complete run; only files first seen later can be the result of a move.

    Returns
    -------
    The ids of the files that have moved.
    """
    old, new = m.file.alias("old"), m.file.alias("new")
    pairs = connection.execute(
        select(old.c.id.label("old_id"), new)
        .join_from(
            old,
            new,
            and_(new.c.instance_ref == old.c.instance_ref, new.c.size_bytes == old.c.size_bytes),
        )
        .where(
            old.c.status == Status.MISSING.value,
            new.c.status != Status.MISSING.value,
            new.c.first_run_ref > first_seen_after,
        )
        .order_by(old.c.root_ref, old.c.path, new.c.root_ref, new.c.path)
    ).all()
    moved: set[int] = set()
    taken: set[int] = set()
    for pair in pairs:
        if pair.old_id not in moved and pair.id not in taken:
            taken.add(pair.id)
            moved.add(pair.old_id)
            _take_over(connection, pair.old_id, pair, run_ref)
    _settle_owners(connection, {pair.instance_ref for pair in pairs})
    return moved


def _take_over(connection: Connection, old_id: int, new: Any, run_ref: int) -> None:
    """Give the old row the new row's place and what its file states; remove the new row."""
    for table in (m.discrepancy, m.finding):
        connection.execute(delete(table).where(table.c.file_ref == old_id))
        connection.execute(update(table).where(table.c.file_ref == new.id).values(file_ref=old_id))
    connection.execute(delete(m.file).where(m.file.c.id == new.id))
    kept = {"old_id", "id", "first_run_ref", "digest"}
    values = {name: value for name, value in new._mapping.items() if name not in kept}
    connection.execute(
        update(m.file).where(m.file.c.id == old_id).values(values | {"last_run_ref": run_ref})
    )
