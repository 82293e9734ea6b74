"""The full-text index: which rows of `patient`, `study` and `series` have a word, or the start of one.

The words of a row stand in its column `words`, written with the row (`catalog.database.rows`) in
the one form that a question takes too (`catalog.normal_forms.words`). The index over them is the
database's own: on SQLite the FTS5 tables `patient_words`, `study_words` and `series_words`, which
hold no text themselves and are kept in step by triggers. Their tokenizer has nothing left to fold.
On PostgreSQL it is an index of that name, and the server keeps it in step. What is asked of either
is in `catalog.database.dialect`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, OperationalError

from catalog.attributes import WORDS
from catalog.errors import CatalogueError


def index_name(table: str) -> str:
    """Return the name of the full-text index over `table`; its rows have the ids of that table's."""
    return f"{table}_words"


INDEXES = tuple(index_name(level.value) for level in WORDS)


def make(connection: Connection) -> None:
    """Make the full-text indexes over the tables, which must be empty.

    Raises
    ------
    CatalogueError
        If this SQLite cannot: FTS5 is left out of it.
    """
    try:
        for level in WORDS:
            for statement in statements(level.value):
                connection.exec_driver_sql(statement)
    except OperationalError as exc:
        if "no such module" in str(exc.orig):
            raise CatalogueError(
                "The SQLite of this Python cannot search for words (it was built without FTS5), so it can hold no catalogue. Use a Python whose SQLite has FTS5."
            ) from exc
        raise


def statements(table: str) -> Iterator[str]:
    """Yield the SQL that makes the index over `table` and keeps it in step."""
    index = index_name(table)
    put = f"INSERT INTO {index} (rowid, words) VALUES (new.id, new.words);"
    take = f"INSERT INTO {index} ({index}, rowid, words) VALUES ('delete', old.id, old.words);"
    yield (
        f"CREATE VIRTUAL TABLE {index} USING fts5"
        f"(words, content='{table}', content_rowid='id', tokenize='ascii')"
    )
    yield f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN {put} END"
    yield f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN {take} END"
    # Without a word, so that a row whose flags alone change costs nothing here.
    yield (
        f"CREATE TRIGGER {index}_update AFTER UPDATE OF words ON {table} "
        f"WHEN old.words IS NOT new.words BEGIN {take} {put} END"
    )


def is_sound(connection: Connection, index: str) -> bool:
    """Return whether a full-text index says of every row what its column `words` says."""
    try:
        connection.exec_driver_sql(
            f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)"
        )
    except DatabaseError as exc:
        if "malformed" in str(exc.orig):
            return False
        raise
    return True
