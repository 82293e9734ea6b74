"""The files that the catalogue knows, as the walk of a folder needs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, starmap
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    or_,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError, OperationalError

from catalog.database import file_paths, totals
from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.owners import settle_owners
from catalog.database.rows import in_chunks
from catalog.database.settle import remove_unclaimed
from catalog.entities import Status

PAGE_ROWS = 20_000


class KnownFile(NamedTuple):
    """A file as the catalogue knows it; `last_status` is what it was before it went missing.

    `digest` is `None` too where it was not asked for.
    """

    id: int
    path: str
    size_bytes: int | None
    mtime_ns: int | None
    status: str
    last_status: str | None
    instance_ref: int | None
    attribute_set_ref: int | None = None
    """The list of further attributes with which it was read (`attribute_sets`)."""
    digest: str | None = None


KnownRow: TypeAlias = tuple[Any, ...]
"""The values of a `KnownFile`, maybe without the last."""

_PATH = KnownFile._fields.index("path")


def below_condition(below: str) -> ColumnElement[bool]:
    """Return the condition that `file.path` is `below` or lies in the folder of that name."""
    return file_paths.is_below(below)


def known_files(
    catalogue: Catalogue, root_ref: int, below: str, *, with_digest: bool = False
) -> Iterator[KnownFile]:
    """Yield the files of `known_pages` one by one."""
    pages = known_pages(catalogue, root_ref, below, with_digest=with_digest)
    return starmap(KnownFile, chain.from_iterable(pages))


def known_pages(
    catalogue: Catalogue, root_ref: int, below: str, *, with_digest: bool = False
) -> Iterator[list[KnownRow]]:
    """Yield the known files at or below a path, sorted by path in code point order.

    They come in pages that are not empty, each its own transaction, so that a walk of hours blocks
    no writer and takes no memory. Rows are what the driver gives, to make a `KnownFile` of where one
    is needed: whether a million files are as they were is told without.
    """
    last: str | None = None
    f = m.file.c
    while True:
        query = (
            select(
                f.id,
                f.path,
                f.size_bytes,
                f.mtime_ns,
                f.status,
                f.last_status,
                f.instance_ref,
                f.attribute_set_ref,
                *((f.digest,) if with_digest else ()),
            )
            .where(f.root_ref == root_ref, below_condition(below))
            .order_by(*file_paths.in_order())
            .limit(PAGE_ROWS)
        )
        if last is not None:
            query = query.where(file_paths.is_after(last))
        page = catalogue.ask(partial(_fetched, query))
        if page:
            yield page
            last = page[-1][_PATH]
        if len(page) < PAGE_ROWS:
            return


def _fetched(query: Select[Any], connection: Connection) -> list[KnownRow]:
    """Return the rows of a query as the driver gives them: SQLAlchemy's take a sixth longer.

    Its errors are SQLAlchemy's.
    """
    driver: Any = connection.dialect.dbapi
    with connection.execute(query) as result:
        try:
            return list(result.cursor.fetchall())
        except driver.OperationalError as exc:
            raise OperationalError(None, None, exc) from exc
        except driver.Error as exc:
            raise DatabaseError(None, None, exc) from exc


def mark_missing(
    connection: Connection, files: Sequence[KnownFile], run_ref: int, now: str
) -> None:
    """Mark files as missing since `now`; their instances and what they stated stay."""
    _change(
        connection,
        files,
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


def mark_returned(connection: Connection, files: Sequence[KnownFile], run_ref: int) -> None:
    """Mark files that are back, unchanged, as what they were before they went missing."""
    _change(
        connection,
        files,
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


def _change(connection: Connection, files: Sequence[KnownFile], rows: list[dict[str, Any]]) -> None:
    """Change whether these files are there, and what follows from it."""
    instances = {f.instance_ref for f in files if f.instance_ref is not None}
    if rows:
        columns = [name for name in rows[0] if name != "file_id"]
        with totals.kept(connection, instances):
            connection.execute(
                update(m.file)
                # Another writer may have found the file elsewhere, and given its row that path.
                .where(
                    m.file.c.id == bindparam("file_id"), m.file.c.path == bindparam("known_path")
                )
                .values({c: bindparam(c) for c in columns}),
                [{**row, "known_path": file.path} for row, file in zip(rows, files, strict=True)],
            )
    settle_owners(connection, instances)


def known_by_id(connection: Connection, ids: Sequence[int]) -> list[KnownFile]:
    """Return the known files with these ids, sorted by path."""
    f = m.file.c
    found: list[KnownFile] = []
    for chunk in in_chunks(ids):
        rows = connection.execute(
            select(
                f.id, f.path, f.size_bytes, f.mtime_ns, f.status, f.last_status, f.instance_ref
            ).where(f.id.in_(chunk))
        )
        found += [KnownFile(*row) for row in rows]
    return sorted(found, key=lambda known: known.path)


def recognise_moved(connection: Connection, first_seen_after: int) -> list[tuple[int, int]]:
    """Return (id of a missing file, id of the same file under a new name), each id once.

    A missing file has moved if, since the last complete run, a file of the same size has appeared
    that has the same digest; or, where one of the two has no digest, holds the same instance.
    Several candidates are paired in order of path.

    Parameters
    ----------
    first_seen_after:
        The id of the last complete run; only files first seen later can be the result of a move.
    """
    old, new = m.file.alias("old"), m.file.alias("new")
    found: list[tuple[int, int]] = []
    if connection.execute(
        select(exists().where(_IS_MISSING, m.file.c.digest.is_not(None)))
    ).scalar():
        # There is no index for this join; it is not made where nobody computes digests.
        found += _pairs(connection, old, new, new.c.digest == old.c.digest, first_seen_after)
    lacks_digest = or_(new.c.digest.is_(None), old.c.digest.is_(None))
    same_instance = and_(new.c.instance_ref == old.c.instance_ref, lacks_digest)
    found += _pairs(connection, old, new, same_instance, first_seen_after)
    moved: set[int] = set()
    taken: set[int] = set()
    pairs = []
    for pair in found:
        if pair[0] not in moved and pair[1] not in taken:
            moved.add(pair[0])
            taken.add(pair[1])
            pairs.append(pair)
    return pairs


_IS_MISSING = m.file.c.status == Status.MISSING.value


def _pairs(
    connection: Connection, old: Any, new: Any, is_same: ColumnElement[bool], first_seen_after: int
) -> list[tuple[int, int]]:
    """Return the ids of missing files, each with that of a new file that it may be."""
    rows = connection.execute(
        select(old.c.id, new.c.id)
        .join_from(old, new, and_(is_same, new.c.size_bytes == old.c.size_bytes))
        .where(
            old.c.status == Status.MISSING.value,
            new.c.status != Status.MISSING.value,
            new.c.first_run_ref > first_seen_after,
            new.c.size_bytes > 0,  # empty files are all alike
        )
        .order_by(old.c.root_ref, old.c.path, new.c.root_ref, new.c.path)
    )
    return [(old_id, new_id) for old_id, new_id in rows]


def join_moved(connection: Connection, pairs: Sequence[tuple[int, int]], run_ref: int) -> set[int]:
    """Join rows of missing files with rows of the same files under a new name; return the ids joined.

    The row of the missing file, with its history, takes the new path; the new row goes. Pairs that
    another writer has changed since `recognise_moved` are left alone.
    """
    rows = {row.id: row for row in _rows(connection, [ref for pair in pairs for ref in pair])}
    still = [
        (rows[old_id], rows[new_id])
        for old_id, new_id in pairs
        if old_id in rows and new_id in rows and _is_moved(rows[old_id], rows[new_id])
    ]
    former = {old.instance_ref for old, _ in still if old.instance_ref is not None}
    touched = former | {new.instance_ref for _, new in still if new.instance_ref is not None}
    with totals.kept(connection, touched):
        _take_over(connection, still, run_ref)
    settle_owners(connection, touched)
    remove_unclaimed(connection, former)
    return {old.id for old, _ in still}


def _rows(connection: Connection, ids: Sequence[int]) -> Iterator[Any]:
    for chunk in in_chunks(ids):
        yield from connection.execute(select(m.file).where(m.file.c.id.in_(chunk)))


def _is_moved(old: Any, new: Any) -> bool:
    """Return whether a missing file and another are still the same."""
    if (
        old.status != Status.MISSING.value
        or new.status == Status.MISSING.value
        or old.size_bytes != new.size_bytes
    ):
        return False
    if old.digest is not None and new.digest is not None:
        return bool(old.digest == new.digest)
    return old.instance_ref is not None and bool(old.instance_ref == new.instance_ref)


def _take_over(connection: Connection, pairs: Sequence[tuple[Any, Any]], run_ref: int) -> None:
    """Give the old rows the new rows' places and what their files state; remove the new rows."""
    old_of = {new.id: old.id for old, new in pairs}
    for table in (m.discrepancy, m.finding):
        for chunk in in_chunks(old_of.values()):
            connection.execute(delete(table).where(table.c.file_ref.in_(chunk)))
        stated: list[int] = []
        for chunk in in_chunks(old_of):
            query = select(table.c.file_ref).where(table.c.file_ref.in_(chunk)).distinct()
            stated += connection.execute(query).scalars()
        if stated:
            connection.execute(
                update(table)
                .where(table.c.file_ref == bindparam("new_id"))
                .values(file_ref=bindparam("old_id")),
                [{"new_id": ref, "old_id": old_of[ref]} for ref in stated],
            )
    for chunk in in_chunks(old_of):
        connection.execute(delete(m.file).where(m.file.c.id.in_(chunk)))
    names = [c.name for c in m.file.c if c.name not in ("id", "first_run_ref")]
    changes = []
    for old, new in pairs:
        values = {name: new._mapping[name] for name in names} | {"last_run_ref": run_ref}
        if new.digest is None and new.mtime_ns == old.mtime_ns:
            values["digest"] = old.digest  # as for a file that stayed where it was
        changes.append(values | {"old_id": old.id})
    if changes:
        connection.execute(
            update(m.file)
            .where(m.file.c.id == bindparam("old_id"))
            .values({name: bindparam(name) for name in names}),
            changes,
        )
