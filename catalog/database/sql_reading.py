"""SQLite's part of reading: a connection that cannot write anything, anywhere, whatever it is told."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from catalog.database import sql_functions

READING_PRAGMAS = frozenset(
    [
        "table_info",
        "table_xinfo",
        "table_list",
        "index_list",
        "index_info",
        "index_xinfo",
        "foreign_key_list",
        "data_version",
    ]
)
"""The PRAGMAs that tell something, and change nothing whatever their argument is."""

_ALLOWED = frozenset(
    [
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
    ]
)
_REFUSED_FUNCTIONS = frozenset(["load_extension", "fts3_tokenizer"])
_SCHEMA_COLUMNS = frozenset(["type", "name", "tbl_name", "rootpage", "sql"])


def connect_read_only(path: Path, busy_timeout_ms: int = 30_000) -> sqlite3.Connection:
    """Return a connection that cannot write anything, anywhere, whatever SQL it is given.

    Opened read-only; and since that alone still lets ATTACH create files and PRAGMA change
    settings, also `query_only`, and an authorizer that allows reading and nothing else.

    Raises
    ------
    sqlite3.Error
        If it cannot be opened, or is no database.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = _opened(uri, busy_timeout_ms)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        journal = path.with_name(path.name + "-wal")
        if os.access(path.parent, os.W_OK) or (journal.exists() and journal.stat().st_size):
            raise
        # On a disc or in a folder where nobody can write, there is no journal to look at.
        connection = _opened(uri + "&immutable=1", busy_timeout_ms)
    sql_functions.register(connection)
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.set_authorizer(_authorise)
    return connection


def _opened(uri: str, busy_timeout_ms: int) -> sqlite3.Connection:
    return sqlite3.connect(
        uri,
        uri=True,
        timeout=busy_timeout_ms / 1000,
        isolation_level=None,
        check_same_thread=False,
    )


def _authorise(action: int, first: str | None, second: str | None, *rest: object) -> int:
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in READING_PRAGMAS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first == "read_uncommitted" and second is None:
        return sqlite3.SQLITE_OK  # SQLAlchemy asks for the isolation level at its first connection
    if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master" and second in _SCHEMA_COLUMNS:
        # What SQLite asks of itself when a virtual table (FTS5, json_each) is first used, in memory.
        # A statement that says so is refused by SQLite, without writable_schema, which nobody can set.
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
