"""Rows of whole tables in the one form that both databases give and take, and their digest.

A value is text, a whole number, a float, or `None`. JSON is its text as it is stored, false and
true are 0 and 1. Rows come sorted by their key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, TypeAlias

from sqlalchemy import JSON, Boolean, Connection, Table

from catalog.database.models import metadata

Row: TypeAlias = Sequence[Any]

BATCH_ROWS = 5_000
TABLES: tuple[Table, ...] = tuple(metadata.sorted_tables)
"""All tables, each after those that it refers to."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def columns(table: Table) -> tuple[str, ...]:
    """Return the names of a table's columns, in the order of the models."""
    return tuple(column.name for column in table.c)


def key(table: Table) -> tuple[str, ...]:
    """Return the columns of a table's key."""
    return tuple(column.name for column in table.primary_key)


def row_name(table: Table, row: Row) -> str:
    """Return which row this is, for people: `row id 17 of table file`."""
    names = columns(table)
    of_key = ", ".join(f"{name} {row[names.index(name)]}" for name in key(table))
    return f"row {of_key} of table {table.name}"


def count(connection: Connection, table: Table) -> int:
    """Return the number of rows of a table."""
    return int(connection.exec_driver_sql(f'SELECT count(*) FROM "{table.name}"').scalar_one())


def batches(connection: Connection, table: Table) -> Iterator[list[Row]]:
    """Yield all rows of a table, sorted by key, some thousand at a time; memory stays flat.

    The connection must be in the transaction whose state is wanted.
    """
    order = ", ".join(f'"{name}"' for name in key(table))
    if connection.dialect.name == "sqlite":
        wanted = ", ".join(f'"{name}"' for name in columns(table))
        result = connection.exec_driver_sql(f'SELECT {wanted} FROM "{table.name}" ORDER BY {order}')
        while rows := result.fetchmany(BATCH_ROWS):
            yield [tuple(row) for row in rows]
        return
    wanted = ", ".join(map(_on_postgresql, table.c))
    driver: Any = connection.connection.driver_connection
    with driver.cursor(name="dcat_moved") as cursor:  # on the server
        cursor.execute(f'SELECT {wanted} FROM "{table.name}" ORDER BY {order}')
        while rows := cursor.fetchmany(BATCH_ROWS):
            yield rows


def _on_postgresql(column: Any) -> str:
    name = f'"{column.name}"'
    if isinstance(column.type, JSON):
        return f"CAST({name} AS TEXT)"
    return f"CAST({name} AS INTEGER)" if isinstance(column.type, Boolean) else name


class Digest:
    """The number of rows of a table, and the SHA-256 of them all.

    What is hashed is one JSON array in UTF-8, without white space: the names of the columns, and
    then the rows, each an array.
    """

    def __init__(self, table: Table) -> None:
        self.rows = 0
        self._hash = sha256(f"[{_encode(columns(table))}".encode())

    def add(self, rows: Sequence[Row]) -> str:
        """Count and hash the next rows, at least one; return the text of them."""
        written = _encode(rows)[1:-1]
        self._hash.update(b"," + written.encode())
        self.rows += len(rows)
        return written

    def hexdigest(self) -> str:
        """Return the digest of all rows so far."""
        whole = self._hash.copy()
        whole.update(b"]")
        return whole.hexdigest()
