"""Upgrading the schema with Alembic. Imported only when that is needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from catalog.database.catalogue import HEAD, KNOWN_REVISIONS, Catalogue, revision_of
from catalog.database.location import Location, PostgresqlUrl
from catalog.database.sqlite import database_sentences, engine_for
from catalog.database.views import migrations_folder
from catalog.errors import CatalogueError, SchemaTooNew


class Upgraded(NamedTuple):
    """What an upgrade did; `backup` is the copy that was made first, of a file alone."""

    is_changed: bool
    backup: Path | None = None


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for this project."""
    result = Config()
    result.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    result.attributes["connection"] = connection
    return result


def upgrade(location: Location) -> Upgraded:
    """Bring the catalogue at `location` to the schema of this dcat.

    A migration that fails leaves the catalogue as it was. On a server it is one transaction, and
    whoever runs the server makes the backups.

    Raises
    ------
    CatalogueMissing, NotACatalogue, CatalogueError
        If it is none, or cannot be upgraded.
    """
    revision = revision_of(location)
    if revision == HEAD:
        return Upgraded(False)
    if revision not in KNOWN_REVISIONS:
        raise SchemaTooNew(str(location), revision)
    if isinstance(location, PostgresqlUrl):
        from catalog.database.postgresql_make import changing, comment

        with changing(location) as connection:
            command.upgrade(config(connection), "head")
            comment(connection)
        return Upgraded(True)
    names = (f"{location.name}.{revision}.backup{(n and f'-{n}') or ''}" for n in count())
    target = next(p for p in map(location.with_name, names) if not p.exists())
    saved = backup_file(location, target)
    _upgrade(location)
    return Upgraded(True, saved)


def _upgrade(path: Path, *, create: bool = False) -> None:
    with _migrating(path, create=create) as connection:
        command.upgrade(config(connection), "head")


@contextmanager
def _migrating(path: Path, *, create: bool) -> Iterator[Connection]:
    """Give a connection for migrating: one transaction, foreign keys checked at its end.

    Foreign keys are off meanwhile, because SQLite rewrites a table by dropping it, and a dropped
    parent would take its children along.
    """
    engine = engine_for(path, create=create, journal="delete" if create else "wal")
    try:
        with database_sentences(path), engine.connect() as connection:
            # On the driver's own connection: inside a transaction, which SQLAlchemy begins with its
            # first statement, SQLite passes over this without a word.
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.execute("PRAGMA foreign_keys=OFF")
            connection = connection.execution_options(dcat_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise CatalogueError(
                        f"The migration of {path} would break {len(broken)} references; it was rolled back."
                    )
    finally:
        engine.dispose()


def backup(catalogue: Catalogue, target: Path) -> Path:
    """Copy a catalogue that is a file to `target` while others may use it; return `target`.

    Raises
    ------
    CatalogueError
        If it is on a server, or `target` exists or cannot be written.
    """
    if catalogue.path is None:
        raise CatalogueError(
            f"{catalogue.name} is on a server, whose own tool makes the backups: `pg_dump --format=custom --file={target} {catalogue.name}`, and `pg_restore` brings one back."
        )
    return backup_file(catalogue.path, target)


def backup_file(path: Path, target: Path) -> Path:
    """Copy the catalogue in the file `path`, as `backup` does."""
    if target.exists():
        raise CatalogueError(f"{target} exists already; name another file for the backup.")
    partial = target.with_name(target.name + ".part")
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=delete")
            if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise CatalogueError(
                    f"The backup of {path} is damaged; is the catalogue itself? Run `dcat db check`."
                )
        partial.replace(target)
    except (OSError, sqlite3.Error) as exc:
        raise CatalogueError(f"The backup {target} cannot be written: {exc}.") from exc
    finally:
        partial.unlink(missing_ok=True)
    return target
