"""A new catalogue in an empty PostgreSQL database, filled with rows that have their keys already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import IntegrityError, OperationalError

from catalog.database import postgresql_errors as errors
from catalog.database.location import PostgresqlUrl
from catalog.database.moved_rows import TABLES, Row, columns, row_name
from catalog.database.postgresql_driver import psycopg
from catalog.database.postgresql_make import changing, make_schema
from catalog.errors import CatalogueError

TOO_LONG = "54000"
REMEDY = "This version of dcat stores such values in a form that every database holds: read the files again (`dcat index --full`), then copy again. Nothing was copied."

_PLACE = re.compile(r"COPY \w+, line (\d+)(?:, column (\w+))?")

_NOT_PRESENT = re.compile(r'is not present in table "(\w+)"')

_INDEXES = """
SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
ORDER BY c.relname"""
_REFERENCES = """
SELECT t.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
JOIN pg_class t ON t.oid = k.conrelid
WHERE k.contype = 'f' AND t.relnamespace = current_schema()::regnamespace
ORDER BY t.relname, k.conname"""
_TABLES = """
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')
AND relnamespace = current_schema()::regnamespace ORDER BY relname"""


class PostgresqlFilling:
    """A database being filled, in one transaction."""

    name: str

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection
        self._later: list[tuple[str, str]] = []

    def begin(self) -> None:
        """Make the tables; indexes and references come when the rows are there."""
        make_schema(self._connection)
        references = self._connection.exec_driver_sql(_REFERENCES).fetchall()
        for table, name, _ in references:
            self._connection.exec_driver_sql(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')
        for name, definition in self._connection.exec_driver_sql(_INDEXES).fetchall():
            self._connection.exec_driver_sql(f'DROP INDEX "{name}"')
            self._later.append((name, definition))
        self._later += [
            (name, f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" {definition}')
            for table, name, definition in references
        ]

    def put(self, table: Table, rows: Sequence[Row], written: str) -> None:
        """Store rows, which COPY carries."""
        if "\\u0000" in written:
            _refuse_nul(table, rows)
        listed = ", ".join(f'"{name}"' for name in columns(table))
        driver: Any = self._connection.connection.driver_connection
        try:
            with (
                driver.cursor() as cursor,
                # The table is as new as the transaction, so its rows need no vacuum later.
                cursor.copy(f'COPY "{table.name}" ({listed}) FROM STDIN (FREEZE)') as copy,
            ):
                for row in rows:
                    copy.write_row(row)
        except psycopg().Error as exc:
            raise _told(self.name, table, rows, exc) from exc

    def finish(self) -> None:
        """Make indexes and references, set the counters of keys, and take the statistics."""
        for name, sql in self._later:
            self._make(name, sql)
        for table in TABLES:
            if "id" in table.c:
                self._connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name} HAVING max(id) IS NOT NULL"
                )
        self._connection.exec_driver_sql("ANALYZE")

    def _make(self, name: str, sql: str) -> None:
        try:
            self._connection.exec_driver_sql(sql)
        except IntegrityError as exc:
            raise _dangling(self.name, exc.orig) from exc
        except OperationalError as exc:
            if getattr(exc.orig, "sqlstate", None) != TOO_LONG or exc.orig is None:
                raise
            raise CatalogueError(
                f"PostgreSQL cannot hold a text that is so long in the index {name}: {errors.plain(exc.orig)}. {REMEDY}"
            ) from exc


def _refuse_if_there(name: str, connection: Connection) -> None:
    there = connection.exec_driver_sql(_TABLES).scalars().all()
    if there:
        what = (
            "holds a catalogue already, and nothing is written over"
            if {"alembic_version", "instance"} <= set(there)
            else f"holds a table {there[0]} of another program"
        )
        raise CatalogueError(
            f"{name} {what}. Make an empty database for the copy, `createdb --encoding=UTF8 --template=template0 NAME`, and name that."
        )


def _refuse_nul(table: Table, rows: Sequence[Row]) -> None:
    for row in rows:
        for name, value in zip(columns(table), row, strict=True):
            if isinstance(value, str) and "\0" in value:
                raise CatalogueError(
                    f"PostgreSQL cannot hold {name} of {row_name(table, row)}: it has the character U+0000. {REMEDY}"
                )


def _told(name: str, table: Table, rows: Sequence[Row], error: Any) -> CatalogueError:
    """Return what to say of rows that the server did not take: which one, and why."""
    place = _PLACE.search(getattr(error.diag, "context", None) or "")
    number = int(place[1]) if place else 0
    if not 1 <= number <= len(rows) or (error.sqlstate or "")[:2] not in ("22", "23", "54"):
        return errors.told(name, error)
    column = f"{place[2]} of " if place and place[2] else ""
    remedy = REMEDY if error.sqlstate == TOO_LONG else "Nothing was copied."
    return CatalogueError(
        f"PostgreSQL cannot hold {column}{row_name(table, rows[number - 1])}: {errors.plain(error)}. {remedy}"
    )


def _dangling(name: str, error: Any) -> CatalogueError:
    """Return what to say of a reference that cannot be made."""
    other = _NOT_PRESENT.search(error.diag.message_detail or "")
    if other is None:
        return errors.told(name, error)
    return CatalogueError(
        f"A row of table {error.diag.table_name} points at a row of table {other[1]} that is not there, so the catalogue is damaged and was not copied. Run `dcat db check` on it."
    )


class PostgresqlDatabase:
    """Where a new catalogue is to be: a database without tables.

    Everything happens in one transaction, so that nobody sees a part of it, and the server forgets
    what does not come to its end.
    """

    def __init__(self, location: PostgresqlUrl) -> None:
        self._location = location
        self._connection: Connection | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the database for the making of a catalogue, which the end of the block stores.

        Raises
        ------
        CatalogueError
            If the database holds tables, or somebody else is at it.
        """
        with changing(self._location) as connection:
            _refuse_if_there(self._location.name, connection)
            self._connection = connection
            yield

    @contextmanager
    def filling(self) -> Iterator[PostgresqlFilling]:
        """Give what fills the database."""
        assert self._connection is not None
        with errors.sentences(self._location.name):
            filling = PostgresqlFilling(self._location.name, self._connection)
            filling.begin()
            yield filling
            filling.finish()

    @contextmanager
    def read_back(self) -> Iterator[Connection]:
        """Give the connection, to read what was written."""
        assert self._connection is not None
        yield self._connection

    def keep(self) -> None:
        """Do nothing: the end of `taken` stores it."""
