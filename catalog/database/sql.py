"""SQL of the user's own: reading only, by construction, and within limits.

What is SQLite's own stands in `sql_reading` (the connection), `sql_limits` (time and sizes),
`sql_sentences` (its messages) and `sql_names` (its catalogue of tables); what is PostgreSQL's in
`postgresql_asking` and `postgresql_telling`.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from catalog.database import sql_names
from catalog.database.catalogue import Catalogue
from catalog.database.sql_limits import STEPS, Budget, Watchdog, bound
from catalog.database.sql_names import (
    FUNCTIONS,
    KEYWORDS,
    Relations,
    is_complete,
    is_empty,
    nearest,
    statements,
    tables_in,
)
from catalog.database.sql_reading import connect_read_only
from catalog.database.sql_sentences import Teller
from catalog.errors import StatementError

__all__ = [
    "FUNCTIONS",
    "KEYWORDS",
    "Relations",
    "Rows",
    "is_complete",
    "is_empty",
    "nearest",
    "query",
    "relations",
    "statements",
    "tables_in",
]

Rows = Iterator[Sequence[Any]]


@contextmanager
def query(
    catalogue: Catalogue,
    sql: str,
    parameters: Mapping[str, str] | None = None,
    *,
    limit_s: float = 60.0,
    give_up: Callable[[], None] | None = None,
) -> Iterator[tuple[tuple[str, ...], Rows]]:
    """Give the column names and rows of one SQL statement.

    The rows come as they are found; cells are numbers, texts or `None`. A BLOB comes as hexadecimal
    text, an infinite number as `Infinity` or `-Infinity`.

    Parameters
    ----------
    parameters:
        Values for the statement's `:name`s; text that is a whole number is passed as one.
    limit_s:
        Seconds of work on it after which the statement is stopped; the time that the caller takes
        between rows does not count.
    give_up:
        What to do if it cannot be stopped, which a single step of hours can bring about: called in
        another thread, it should end the process. `None` waits.

    Raises
    ------
    StatementError
        If the statement writes, is more than one, is wrong, or lacks a parameter.
    QueryError
        If it takes too long, or needs too much memory or room.
    CatalogueError
        If the catalogue cannot be read.
    KeyboardInterrupt
        If the user stops it.
    """
    if sql_names.is_empty(sql):
        raise StatementError("There is no SQL to run; write one statement, such as SELECT.")
    asking = _on_sqlite if isinstance(catalogue.location, Path) else _on_postgresql
    with asking(catalogue, sql, parameters or {}, limit_s, give_up) as answer:
        yield answer


@contextmanager
def _on_postgresql(
    catalogue: Catalogue,
    sql: str,
    parameters: Mapping[str, str],
    limit_s: float,
    give_up: Callable[[], None] | None,
) -> Iterator[tuple[tuple[str, ...], Rows]]:
    from catalog.database import postgresql_asking

    assert not isinstance(catalogue.location, Path)
    with postgresql_asking.query(
        catalogue.location, sql, parameters, limit_s=limit_s, give_up=give_up
    ) as answer:
        yield answer


@contextmanager
def _on_sqlite(
    catalogue: Catalogue,
    sql: str,
    parameters: Mapping[str, str],
    limit_s: float,
    give_up: Callable[[], None] | None,
) -> Iterator[tuple[tuple[str, ...], Rows]]:
    assert isinstance(catalogue.location, Path)
    budget = Budget(limit_s)
    with ExitStack() as stack:
        connection = stack.enter_context(closing(connect_read_only(catalogue.location)))
        if give_up is not None:
            stack.enter_context(Watchdog(budget, give_up))
        teller = Teller(connection, catalogue.name, sql, limit_s)
        bound(connection)
        connection.set_progress_handler(lambda: int(budget.is_over()), STEPS)
        values = {name: _typed(text) for name, text in parameters.items()}
        try:
            with budget.work():
                cursor = connection.execute(sql, values)
        except (sqlite3.Error, sqlite3.Warning, MemoryError) as exc:
            raise teller.told(exc, budget.excess) from exc
        except UnicodeEncodeError as exc:
            where = "The SQL" if _is_not_text(sql) else "A parameter"
            raise StatementError(f"{where} holds bytes that are no text.") from exc
        if cursor.description is None:
            raise StatementError(
                "That SQL gives no rows; only statements that read, such as SELECT, can be run."
            )
        names = tuple(entry[0] for entry in cursor.description)
        yield names, _rows(cursor, budget, teller)


def _rows(cursor: sqlite3.Cursor, budget: Budget, teller: Teller) -> Rows:
    while True:
        budget.begin()
        try:
            row = cursor.fetchone()
        except (sqlite3.Error, MemoryError) as exc:
            raise teller.told(exc, budget.excess) from exc
        finally:
            budget.end()
        if row is None:
            return
        for cell in row:
            if type(cell) is bytes or (type(cell) is float and math.isinf(cell)):
                row = tuple(map(_cell, row))
                break
        yield row


def _cell(cell: Any) -> Any:
    if type(cell) is bytes:
        return cell.hex()
    if type(cell) is float and math.isinf(cell):
        return "Infinity" if cell > 0 else "-Infinity"
    return cell


def relations(catalogue: Catalogue) -> Relations:
    """Return the columns of each table and view, views first.

    Raises
    ------
    CatalogueError
        If the catalogue cannot be read.
    """
    if not isinstance(catalogue.location, Path):
        from catalog.database import postgresql_asking

        return postgresql_asking.relations(catalogue.location)
    with closing(connect_read_only(catalogue.location)) as connection:
        try:
            return sql_names.relations(connection)
        except sqlite3.Error as exc:
            raise Teller(connection, catalogue.name, "", 0).told(exc, None) from exc


def _typed(text: str) -> str | int:
    return (
        int(text)
        if text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text
        else text
    )


def _is_not_text(text: str) -> bool:
    return text.encode("utf-8", "replace").decode() != text
