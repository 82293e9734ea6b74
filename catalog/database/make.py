"""Making an empty catalogue in a SQLite file, without Alembic: importing it takes longer than indexing 10,000 files.

The schema is made from the models, which the migrations lead to as well; a test holds the two
together.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection

from catalog.database import full_text
from catalog.database.catalogue import HEAD
from catalog.database.models import metadata
from catalog.database.sqlite import (
    BUSY_TIMEOUT_MS,
    database_sentences,
    engine_for,
    lock_path,
    refuse_journals,
)
from catalog.database.views import view_statements
from catalog.errors import CatalogueBusy, CatalogueError


def make(path: Path, journal: str = "wal") -> None:
    """Make an empty catalogue at `path`; all of it or nothing.

    Two that begin at once make one: the second finds it there, and leaves it alone.

    Raises
    ------
    CatalogueBusy
        If another process makes something there, and does not end in time.
    CatalogueError
        If the folder cannot be made or the file cannot be written.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise CatalogueError(
            f"The folder {path.parent} for the catalogue cannot be made: {exc.strerror}."
        ) from exc
    with _alone(path):
        if path.exists():
            return  # somebody may have stored something in it already
        refuse_journals(path)
        # Made under another name, so that a process killed meanwhile leaves no half catalogue behind.
        partial = path.with_name(f"{path.name}.new")
        partial.unlink(missing_ok=True)
        try:
            _make_schema(partial)
            with closing(sqlite3.connect(partial)) as raw:
                raw.execute(f"PRAGMA journal_mode={journal}")
            partial.replace(path)
        except OSError as exc:
            raise CatalogueError(f"The catalogue {path} cannot be made: {exc.strerror}.") from exc
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of the catalogue that is to be at `path`."""
    try:
        lock = sqlite3.connect(
            lock_path(path), timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None
        )
    except sqlite3.Error as exc:
        raise CatalogueError(f"The catalogue {path} cannot be made: {exc}.") from exc
    with closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as exc:
            if "locked" in str(exc):
                raise CatalogueBusy(str(path), "it is being made") from exc
            raise CatalogueError(f"The catalogue {path} cannot be made: {exc}.") from exc
        yield


def _make_schema(path: Path) -> None:
    engine = engine_for(path, create=True, journal="delete")
    try:
        with database_sentences(path), engine.connect() as connection, connection.begin():
            make_schema(connection)
    finally:
        engine.dispose()


def make_schema(connection: Connection) -> None:
    """Make all tables, indexes and views, in the transaction of `connection`."""
    metadata.create_all(connection, checkfirst=False)
    full_text.make(connection)
    make_views(connection)


def make_views(connection: Connection) -> None:
    """Make the views of this dcat's schema, and say which schema it is."""
    for statement in view_statements(HEAD, connection.dialect.name):
        connection.exec_driver_sql(statement)
    # As Alembic makes it.
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{HEAD}')")
