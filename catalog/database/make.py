"""Making an empty catalogue, without Alembic: importing it takes longer than indexing 10,000 files.

The schema is made from the models, which the migrations lead to as well; a test holds the two
together.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from catalog.database import full_text
from catalog.database.catalogue import HEAD, database_sentences, engine_for
from catalog.database.models import metadata
from catalog.errors import CatalogueError


def migrations_folder() -> Path:
    """Return the folder of the migrations: in the installed package, or in the checkout."""
    packaged = Path(__file__).parent / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "migrations"


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
    views = (migrations_folder() / "views" / f"{HEAD}.sql").read_text(encoding="utf-8")
    engine = engine_for(path, create=True, journal="delete")
    try:
        with database_sentences(path), engine.connect() as connection, connection.begin():
            metadata.create_all(connection, checkfirst=False)
            full_text.make(connection)
            for statement in views.split(";\n"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
            # As Alembic makes it.
            connection.exec_driver_sql(
                "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
                "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))
    finally:
        engine.dispose()
