"""SQL of the user's own: reading only, by construction, and within limits."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from catalog.database.catalogue import Catalogue, connect_read_only
from catalog.errors import QueryError

Rows = Iterator[Sequence[Any]]


@contextmanager
def query(
    catalogue: Catalogue,
    sql: str,
    parameters: Mapping[str, str] | None = None,
    *,
    limit_s: float = 60.0,
) -> Iterator[tuple[tuple[str, ...], Rows]]:
    """Give the column names and rows of one SQL statement.

    Parameters
    ----------
    parameters:
        Values for the statement's `:name`s; text that is a whole number is passed as one.
    limit_s:
        Seconds after which the statement is stopped.

    Raises
    ------
    QueryError
        If the statement writes, is more than one, is wrong, lacks a parameter, or takes too long.
    """
    connection = connect_read_only(catalogue.path)
    deadline = time.monotonic() + limit_s
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
    try:
        try:
            cursor = connection.execute(
                sql, {name: _typed(text) for name, text in (parameters or {}).items()}
            )
        except sqlite3.Error as exc:
            raise _error(exc, limit_s, time.monotonic() > deadline) from exc
        except UnicodeEncodeError as exc:
            raise QueryError("The SQL holds bytes that are no text.") from exc
        if cursor.description is None:
            raise QueryError(
                "That SQL gives no rows; only statements that read, such as SELECT, can be run."
            )
        yield tuple(entry[0] for entry in cursor.description), _rows(cursor, limit_s, deadline)
    finally:
        connection.close()


def _rows(cursor: sqlite3.Cursor, limit_s: float, deadline: float) -> Rows:
    while True:
        try:
            row = cursor.fetchone()
        except sqlite3.Error as exc:
            raise _error(exc, limit_s, time.monotonic() > deadline) from exc
        if row is None:
            return
        yield row


def _typed(text: str) -> str | int:
    return (
        int(text)
        if text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text
        else text
    )


def _error(exc: sqlite3.Error, limit_s: float, is_late: bool) -> QueryError:
    reason = str(exc)
    if "interrupted" in reason and not is_late:
        raise KeyboardInterrupt from exc  # the user's, which SQLite reports as its own
    if "interrupted" in reason:
        return QueryError(
            f"The query was stopped after {limit_s:g} s. Ask for less, or raise --timeout."
        )
    if "not authorized" in reason or "prohibited" in reason or "readonly" in reason:
        return QueryError(f"Only reading is allowed here ({reason}).")
    if isinstance(exc, sqlite3.ProgrammingError) and "binding" in reason.lower():
        return QueryError(f"A parameter is missing: {reason}. Give it with -p NAME=VALUE.")
    return QueryError(f"The SQL cannot be run: {reason}.")
