"""What each series holds, kept in step: the table `series_total`.

Every series has a row. Whatever makes or removes instances adds the difference (`add`), and
whatever changes files does so within `kept`, all in the transaction of the change itself. So the
totals are exact at every moment, and no question has to count files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from catalog.database import models as m
from catalog.database.rows import in_chunks
from catalog.entities import Status


class Total(NamedTuple):
    """What a series holds, or by how much that changes."""

    instances: int = 0
    files: int = 0
    size_bytes: int = 0


_T = m.series_total.c
_ADD = (
    update(m.series_total)
    .where(_T.series_ref == bindparam("ref"))
    .values(
        number_of_instances=_T.number_of_instances + bindparam("instances"),
        number_of_files=_T.number_of_files + bindparam("files"),
        size_bytes=_T.size_bytes + bindparam("bytes"),
    )
)


def begin(connection: Connection, series: Iterable[int]) -> None:
    """Give new series their rows: nothing yet."""
    rows = [
        {"series_ref": ref, "number_of_instances": 0, "number_of_files": 0, "size_bytes": 0}
        for ref in series
    ]
    if rows:
        connection.execute(insert(m.series_total), rows)


def add(connection: Connection, changes: Mapping[int, Total]) -> None:
    """Add to the totals of series; of one that is gone there is nothing left to change."""
    rows = [
        {
            "ref": ref,
            "instances": change.instances,
            "files": change.files,
            "bytes": change.size_bytes,
        }
        for ref, change in changes.items()
        if any(change)
    ]
    if rows:
        connection.execute(_ADD, rows)


def add_instances(connection: Connection, series: Iterable[int | None], sign: int = 1) -> None:
    """Add one instance for each of `series`, which may repeat; `None` is an instance of no series."""
    counts = Counter(ref for ref in series if ref is not None)
    add(connection, {ref: Total(sign * count) for ref, count in counts.items()})


@contextmanager
def kept(connection: Connection, instances: Iterable[int | None]) -> Iterator[None]:
    """Keep the totals in step with a block that changes the files of `instances` and of no others.

    Name the instances that files leave as well as those that they come to.
    """
    refs = {ref for ref in instances if ref is not None}
    before = _files_of(connection, refs)
    yield
    after = _files_of(connection, refs)
    changes = {}
    for ref in before.keys() | after.keys():
        old, new = before.get(ref, Total()), after.get(ref, Total())
        changes[ref] = Total(0, new.files - old.files, new.size_bytes - old.size_bytes)
    add(connection, changes)


def _files_of(connection: Connection, instances: set[int]) -> dict[int, Total]:
    """Return the files there of these instances, summed by series."""
    found: dict[int, Total] = {}
    query = (
        select(
            m.instance.c.series_ref, func.count(), func.coalesce(func.sum(m.file.c.size_bytes), 0)
        )
        .join_from(m.instance, m.file, m.file.c.instance_ref == m.instance.c.id)
        .where(m.file.c.status != Status.MISSING.value, m.instance.c.series_ref.is_not(None))
        .group_by(m.instance.c.series_ref)
    )
    for chunk in in_chunks(sorted(instances)):
        for ref, files, size_bytes in connection.execute(query.where(m.instance.c.id.in_(chunk))):
            before = found.get(ref, Total())
            found[ref] = Total(0, before.files + files, before.size_bytes + size_bytes)
    return found


def counted() -> Select[Any]:
    """Return the query that counts every series' total anew, in the columns of `series_total`."""
    f, i = m.file, m.instance
    return (
        select(
            m.series.c.id,
            func.count(i.c.id.distinct()),
            func.count(f.c.id),
            func.coalesce(func.sum(f.c.size_bytes), 0),
        )
        .select_from(
            m.series.outerjoin(i, i.c.series_ref == m.series.c.id).outerjoin(
                f, (f.c.instance_ref == i.c.id) & (f.c.status != Status.MISSING.value)
            )
        )
        .group_by(m.series.c.id)
    )
