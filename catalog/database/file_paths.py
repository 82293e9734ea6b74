"""Conditions on `file.path` that an index serves, however long paths are.

An index of PostgreSQL holds some 2,700 bytes, and paths, of members of archives above all, go
beyond. There the index has the beginning of the path and a hash of the rest, so a condition names
the beginning too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, true

from catalog.database import models as m
from catalog.database.dialect import by_database, is_listed

BEGINNING = 500
"""Characters of the beginning."""

FEW = 500
"""Up to so many paths stand in a statement for SQLite each by itself."""

INDEX = f"(root_ref, left(path, {BEGINNING}), hashtextextended(substr(path, {BEGINNING + 1}), 0))"
"""What the unique index on PostgreSQL is over."""

_path: Any = m.file.c.path
_start: Any = func.left(_path, BEGINNING)


def is_one_of(paths: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that the path is one of `paths`."""
    starts = sorted({path[:BEGINNING] for path in paths})
    return by_database(
        sqlite=_path.in_(paths) if len(paths) <= FEW else is_listed(_path, paths),
        postgresql=and_(is_listed(_start, starts), is_listed(_path, paths)),
    )


def is_below(below: str) -> ColumnElement[bool]:
    """Return the condition that the path is `below` or lies in the folder of that name."""
    if not below:
        return true()
    # '0' follows '/' in every encoding in use, so this is the range of paths that start with it.
    first, after = below + "/", below + "0"
    within = and_(_path >= first, _path < after)
    starts = and_(_start >= first[:BEGINNING], _start <= after[:BEGINNING])
    return or_(
        by_database(
            sqlite=_path == below,
            postgresql=and_(_start == below[:BEGINNING], _path == below),
        ),
        by_database(sqlite=within, postgresql=and_(starts, within)),
    )


def is_after(last: str) -> ColumnElement[bool]:
    """Return the condition that the path comes after `last`."""
    after = _path > last
    return by_database(sqlite=after, postgresql=and_(_start >= last[:BEGINNING], after))


def in_order() -> list[ColumnElement[Any]]:
    """Return what sorts the files of one root by path, in order of code points."""
    return [by_database(sqlite=_path, postgresql=_start), by_database(sqlite=m.file.c.root_ref, postgresql=_path)]  # fmt: skip
