"""A new catalogue in a SQLite file, filled with rows that have their keys already."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table

from catalog.database import full_text
from catalog.database.make import make_schema
from catalog.database.moved_rows import Row, columns, row_name
from catalog.database.sql_reading import connect_read_only
from catalog.database.sqlite import database_sentences, engine_for, own_paths, refuse_journals
from catalog.errors import CatalogueBusy, CatalogueError


class SqliteFilling:
    """A file being filled; it gets its name when the block of `filling` ends without an error."""

    name: str

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection
        self._later: list[str] = []

    def begin(self) -> None:
        """Make the tables; indexes and triggers come when the rows are there."""
        make_schema(self._connection)
        parts = self._connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master "
            "WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid"
        ).fetchall()
        for kind, name, sql in parts:
            self._connection.exec_driver_sql(f'DROP {kind} "{name}"')
            self._later.append(sql)

    def put(self, table: Table, rows: Sequence[Row], written: str) -> None:
        """Store rows."""
        if "NaN" in written:
            _refuse_nan(table, rows)
        names = columns(table)
        listed = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        driver: Any = self._connection.connection.driver_connection
        driver.executemany(f'INSERT INTO "{table.name}" ({listed}) VALUES ({marks})', rows)

    def finish(self) -> None:
        """Make the indexes, and see that every reference leads somewhere."""
        for sql in self._later:
            self._connection.exec_driver_sql(sql)
        for index in full_text.INDEXES:
            self._connection.exec_driver_sql(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")
        broken = self._connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise CatalogueError(
                f"Row {broken[1]} of table {broken[0]} points at a row of {broken[2]} that is not there, so the catalogue is damaged and was not copied. Run `dcat db check` on it."
            )


def _refuse_nan(table: Table, rows: Sequence[Row]) -> None:
    for row in rows:
        for name, value in zip(columns(table), row, strict=True):
            if isinstance(value, float) and math.isnan(value):
                raise CatalogueError(
                    f"SQLite cannot hold {name} of {row_name(table, row)}: it is no number (NaN). Nothing was copied."
                )


class SqliteFile:
    """Where a new catalogue's file is to be.

    Everything is written to a file beside it, which is renamed when it is whole. The writer's lock
    keeps two from doing so at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(f"{path.name}.copying")
        self._lock = path.with_name(f"{path.name}-lock")

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the place: nothing is there, and nobody else makes anything there.

        Raises
        ------
        CatalogueError
            If something is there, somebody else is at it, or nothing can be written there.
        """
        self._refuse_if_there()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CatalogueError(
                f"The folder {self.path.parent} for the catalogue cannot be made: {exc.strerror}."
            ) from exc
        try:
            lock = sqlite3.connect(self._lock, timeout=0, isolation_level=None)
        except sqlite3.Error as exc:
            raise CatalogueError(f"Nothing can be written beside {self.path}: {exc}.") from exc
        with closing(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as exc:
                if "locked" in str(exc):
                    raise CatalogueBusy(str(self.path), "a copy to it is being made") from exc
                raise CatalogueError(f"Nothing can be written beside {self.path}: {exc}.") from exc
            try:
                self._clear()  # of what a killed copy left
                yield
            finally:
                self._clear()
                if not self.path.exists():
                    with suppress(OSError):
                        self._lock.unlink()

    @contextmanager
    def filling(self) -> Iterator[SqliteFilling]:
        """Give what fills the file; stored when the block ends, though not yet under its name."""
        engine = engine_for(self.partial, create=True, journal="off")
        try:
            with database_sentences(self.path), engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                # The file is whole or thrown away, so nothing has to be undone in it.
                driver.execute("PRAGMA synchronous=OFF")
                driver.execute("PRAGMA foreign_keys=OFF")
                try:
                    with connection.begin():
                        filling = SqliteFilling(str(self.path), connection)
                        filling.begin()
                        yield filling
                        filling.finish()
                except sqlite3.Error as exc:
                    raise _told(self.path, exc) from exc
        finally:
            engine.dispose()

    @contextmanager
    def read_back(self) -> Iterator[Connection]:
        """Give a connection that reads what was stored, from the file."""
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        engine = create_engine(
            "sqlite://", creator=lambda: connect_read_only(self.partial), poolclass=NullPool
        )
        with database_sentences(self.path), engine.connect() as connection:
            yield connection

    def keep(self) -> None:
        """Give the file its name, once all of it is on the disk."""
        try:
            with closing(sqlite3.connect(self.partial)) as raw:
                raw.execute("PRAGMA journal_mode=wal")
            _sync(self.partial)
            self._refuse_if_there()
            self.partial.rename(self.path)
            if os.name != "nt":
                _sync(self.path.parent)
        except sqlite3.Error as exc:
            raise _told(self.path, exc) from exc
        except OSError as exc:
            raise CatalogueError(
                f"The catalogue {self.path} cannot be made: {exc.strerror}."
            ) from exc

    def _refuse_if_there(self) -> None:
        if self.path.exists() or self.path.is_symlink():
            raise CatalogueError(
                f"{self.path} is there already, and nothing is written over. Name a file that does not exist, or move this one away."
            )
        refuse_journals(self.path)

    def _clear(self) -> None:
        for path in own_paths(self.partial)[:4]:
            try:
                path.unlink(missing_ok=True)
            except OSError as exc:
                raise CatalogueError(
                    f"{path}, the rest of an earlier copy, cannot be removed: {exc.strerror}."
                ) from exc


def _told(path: Path, error: sqlite3.Error) -> CatalogueError:
    if "full" in str(error):
        return CatalogueError(
            f"No space is left for the catalogue {path}. Nothing was copied; free some space and begin again."
        )
    return CatalogueError(f"The catalogue {path} cannot be made: {error}.")


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)
