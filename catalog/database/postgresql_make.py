"""Making an empty catalogue in a PostgreSQL database, without Alembic, and upgrading one with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.schema import SetColumnComment, SetTableComment

from catalog.attributes import WORDS
from catalog.database import file_paths
from catalog.database import postgresql_errors as errors
from catalog.database.catalogue import HEAD
from catalog.database.full_text import index_name
from catalog.database.location import PostgresqlUrl
from catalog.database.make import make_views
from catalog.database.models import metadata
from catalog.database.places import ALL, number_of
from catalog.database.postgresql import engine_for, revision_of
from catalog.database.postgresql_locks import holder_pids
from catalog.database.views import functions
from catalog.errors import CatalogueBusy, CatalogueMissing

OWN = (
    # Unique texts that may be longer than what an index holds.
    "ALTER TABLE file DROP CONSTRAINT uq_file_root_ref_path",
    f"CREATE UNIQUE INDEX uq_file_root_ref_path ON file {file_paths.INDEX}",
    "ALTER TABLE attribute_set DROP CONSTRAINT uq_attribute_set_attributes",
    "CREATE UNIQUE INDEX uq_attribute_set_attributes ON attribute_set (md5(attributes))",
    # As on SQLite: most files are read without further attributes. (Said in the models, it would
    # load SQLAlchemy's module for PostgreSQL into every command.)
    "DROP INDEX ix_file_attribute_set_ref",
    "CREATE INDEX ix_file_attribute_set_ref ON file (attribute_set_ref) WHERE attribute_set_ref IS NOT NULL",
    # Room for the next state of a row beside it, so that reading files again leaves indexes alone.
    "ALTER TABLE file SET (fillfactor = 90)",
)
"""What PostgreSQL has otherwise than the models say."""


def make(location: PostgresqlUrl) -> None:
    """Make the tables of an empty catalogue in a database; all of them or none.

    Two that begin at once make one catalogue: the second finds it there.

    Raises
    ------
    CatalogueError
        If the user may not make tables there.
    """
    with changing(location, is_there=False) as connection:
        try:
            revision_of(location)  # who made it may be writing already
        except CatalogueMissing:
            make_schema(connection)


def make_schema(connection: Connection) -> None:
    """Make all tables, functions, indexes and views, in the transaction of `connection`."""
    metadata.create_all(connection, checkfirst=False)
    driver: Any = connection.connection.driver_connection
    driver.execute(functions(HEAD))
    for level in WORDS:
        table = level.value
        connection.exec_driver_sql(
            f"CREATE INDEX {index_name(table)} ON {table} USING gin (dcat_word_vector(words))"
        )
    for statement in OWN:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql("CREATE SEQUENCE dcat_write")
    make_views(connection)


def comment(connection: Connection) -> None:
    """Describe all tables and columns as this dcat does: an earlier one may have said it otherwise."""
    for table in metadata.sorted_tables:
        connection.execute(SetTableComment(table))
        for column in table.columns:
            connection.execute(SetColumnComment(column))


@contextmanager
def changing(location: PostgresqlUrl, *, is_there: bool = True) -> Iterator[Connection]:
    """Give a transaction that may change the schema; others that would wait for it.

    Parameters
    ----------
    is_there:
        There is a catalogue to change; then nobody may be writing to it.

    Raises
    ------
    CatalogueBusy
        If somebody writes to the catalogue.
    """
    engine = engine_for(location)
    try:
        with (
            errors.sentences(location.name),
            engine.connect() as connection,
            connection.begin(),
        ):
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": number_of("write")}
            )
            if is_there and holder_pids(connection, ALL):
                raise CatalogueBusy(location.name, "its schema cannot be changed meanwhile")
            yield connection
    finally:
        engine.dispose()
