"""Making an empty catalogue in a SQLite file, without Alembic: importing it takes longer than indexing 10,000 files.

The schema is made from the models, which the migrations lead to as well; a test holds the two
together.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection

from catalog.database import full_text
from catalog.database.catalogue import HEAD
from catalog.database.models import metadata
from catalog.database.sqlite import database_sentences, engine_for
from catalog.database.views import view_statements
from catalog.errors import CatalogueError


def make(path: Path, journal: str = "wal") -> None:
    """Make an empty catalogue at `path`, which must not exist; all of it or nothing.

    Raises
    ------
    CatalogueError
        If the folder cannot be made or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise CatalogueError(
            f"The folder {path.parent} for the catalogue cannot be made: {exc.strerror}."
        ) from exc
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
