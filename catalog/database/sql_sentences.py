"""SQLite's messages as sentences: what is wrong, where in the statement, and what to do."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress

from catalog.database.sql_limits import STATEMENT_BYTES, VALUE_BYTES, Excess
from catalog.database.sql_names import Relations, relations
from catalog.database.sql_telling import (
    ENDS_TOO_EARLY,
    NEEDS_MEMORY,
    NO_JSON,
    SEVERAL,
    Telling,
    stopped,
    too_large,
    too_long,
)
from catalog.errors import CatalogueBusy, CatalogueError, QueryError, StatementError

ELSEWHERE = {
    "concat": "join texts with ||",
    "date_format": "dates are text: substr(StudyDate, 1, 7) is the month",
    "to_char": "dates are text: substr(StudyDate, 1, 7) is the month",
    "extract": "dates are text: substr(StudyDate, 1, 4) is the year",
    "year": "dates are text: substr(StudyDate, 1, 4) is the year",
    "month": "dates are text: substr(StudyDate, 6, 2) is the month",
    "now": "give the date with -p, or use date('now')",
    "getdate": "give the date with -p, or use date('now')",
    "isnull": "use coalesce(a, b)",
    "nvl": "use coalesce(a, b)",
    "len": "use length(text)",
    "left": "use substr(text, 1, n)",
    "string_agg": "use group_concat(text, separator)",
    "regexp": "use LIKE, or pipe the rows into grep",
}
"""What to write instead of functions of other databases."""

_MOST_PLACES = 40
"""How many places of a word are tried to find the one that SQLite means."""


class Teller(Telling):
    """Tells what went wrong with one statement.

    Parameters
    ----------
    connection:
        A reading connection; it is asked what tables and columns there are.
    place:
        The catalogue's path.
    """

    def __init__(
        self, connection: sqlite3.Connection, place: str, statement: str, limit_s: float
    ) -> None:
        super().__init__(place, statement, limit_s, "SQLite", ELSEWHERE)
        self._connection = connection

    def told(self, exc: BaseException, excess: Excess | None) -> CatalogueError:
        """Return the error to raise for what SQLite raised; `excess` is what the budget says.

        Raises
        ------
        KeyboardInterrupt
            If the user stopped the statement, which SQLite reports as an error of its own.
        """
        reason = str(exc)
        if isinstance(exc, MemoryError):
            return QueryError(NEEDS_MEMORY)
        if "interrupted" in reason and excess is None:
            raise KeyboardInterrupt from exc
        if "interrupted" in reason:
            return stopped(excess, self._limit_s)
        for pattern, tell in _TELLERS:
            match = re.search(pattern, reason, re.DOTALL)
            if match:
                # What there is besides is asked now: the statement that failed has none of it open.
                self._connection.set_progress_handler(None, 0)
                return tell(self, match)
        return StatementError(f"The SQL cannot be run: {reason}.")

    def _relations(self) -> Relations:
        return relations(self._connection)

    def _refused(self, match: re.Match[str]) -> CatalogueError:
        function = re.search(r"function: (\w+)", match.string)
        return self.refused(function[1] if function else "")

    def _column(self, match: re.Match[str]) -> CatalogueError:
        return self.no_column(match[1])

    def _table(self, match: re.Match[str]) -> CatalogueError:
        return self.no_table(match[1])

    def _function(self, match: re.Match[str]) -> CatalogueError:
        return self.no_function(match[1])

    def _syntax(self, match: re.Match[str]) -> CatalogueError:
        return self.not_understood(match[1], self._offset(match[1]))

    def _token(self, match: re.Match[str]) -> CatalogueError:
        token = match[1]
        if token[:1] in "'\"`[":
            return self.not_closed(token, self._end(token))
        return StatementError(f"{token!r}{self._at(token)} is no part of SQL.")

    def _parameter(self, match: re.Match[str]) -> CatalogueError:
        return self.no_name() if match[1].isdigit() else self.no_value(match[1])

    def _ambiguous(self, match: re.Match[str]) -> CatalogueError:
        return self.ambiguous(match[1])

    # -- where it stands ----------------------------------------------------------------------

    def _end(self, token: str) -> int | None:
        """Return where the token stands that reaches to the end of the statement."""
        place = len(self._statement) - len(token)
        return place if self._statement.endswith(token) else None

    def _offset(self, token: str) -> int | None:
        """Return where the token stands at which SQLite gave up.

        Python does not tell it. It is the first at which the statement, cut off behind it, fails in
        the same way; EXPLAIN compiles without running anything.
        """
        places = [m.start() for m in re.finditer(re.escape(token), self._statement)]
        if len(places) == 1:
            return places[0]
        for place in places[:_MOST_PLACES]:
            cut = self._statement[: place + len(token)]
            with suppress(UnicodeEncodeError):
                try:
                    self._connection.execute(f"EXPLAIN {cut}")
                except sqlite3.Error as exc:
                    if f'near "{token}": syntax error' in str(exc):
                        return place
        return None


def _wrong(sentence: str) -> Callable[[Teller, re.Match[str]], CatalogueError]:
    return lambda teller, match: StatementError(match.expand(sentence))


def _too_much(sentence: str) -> Callable[[Teller, re.Match[str]], CatalogueError]:
    return lambda teller, match: QueryError(match.expand(sentence))


_TELLERS: tuple[tuple[str, Callable[[Teller, re.Match[str]], CatalogueError]], ...] = (
    ("not authorized|prohibited|readonly database|may not be modified", Teller._refused),
    (r"no such column: \"?([^\s\"]+)", Teller._column),
    (r"no such table: (?:main\.)?(\S+)", Teller._table),
    (r"no such function: (\S+)", Teller._function),
    (r'^near "(.+)": syntax error', Teller._syntax),
    (r'unrecognized token: "(.+)"', Teller._token),
    (r"binding parameter :(\w+)", Teller._parameter),
    (r"[Bb]inding (?:parameter )?:?(\d+)", Teller._parameter),
    (r"^incomplete input", _wrong(ENDS_TOO_EARLY)),
    (r"one statement at a time", _wrong(SEVERAL)),
    (r"null character", _wrong("The SQL holds a NUL character. Leave it out.")),
    (r"ambiguous column name: (\S+)", Teller._ambiguous),
    (r"decode to UTF-8 column '(.*?)' with text", _wrong(r"The column \1 holds bytes that are no UTF-8 text. Ask for hex(…) of it.")),
    (r"fts5: (.+)", _wrong(r'''The text of MATCH cannot be understood: \1. Put words that hold more than letters and digits in double quotes: '"a-b"'.''')),
    (r"no such vtable|unable to use function MATCH", _wrong("MATCH works on the tables of words alone, such as patient_words.")),
    (r"malformed JSON", _wrong(NO_JSON)),
    (r"string or blob too big", lambda teller, match: too_large(VALUE_BYTES)),
    (r"query string is too large", lambda teller, match: too_long(STATEMENT_BYTES)),
    (r"database or disk is full", _too_much("The temporary folder is full. Ask for less, or name a folder with more room in SQLITE_TMPDIR.")),
    (r"database(?: schema| table)? is locked", lambda teller, match: CatalogueBusy(teller._place, "its transaction does not end")),
    (r"malformed|disk I/O error|not a database", lambda teller, match: CatalogueError(f"The catalogue {teller._place} cannot be read: {match.string}. See `dcat db check`.")),
)  # fmt: skip
"""Patterns of SQLite's messages, the more special first, and what tells each of them."""
