"""SQLite's messages as sentences: what is wrong, where in the statement, and what to do."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress

from catalog.database.sql_limits import STATEMENT_BYTES, VALUE_BYTES, Excess
from catalog.database.sql_names import (
    KEYWORDS,
    Relations,
    first_word,
    nearest,
    relations,
    tables_in,
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


class Teller:
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
        self._connection = connection
        self._place = place
        self._statement = statement
        self._limit_s = limit_s

    def told(self, exc: BaseException, excess: Excess | None) -> CatalogueError:
        """Return the error to raise for what SQLite raised; `excess` is what the budget says.

        Raises
        ------
        KeyboardInterrupt
            If the user stopped the statement, which SQLite reports as an error of its own.
        """
        reason = str(exc)
        if isinstance(exc, MemoryError):
            return QueryError(
                "The query needs more memory than it may have. Ask for less, or in several queries."
            )
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

    # -- what is wrong ------------------------------------------------------------------------

    def _refused(self, match: re.Match[str]) -> CatalogueError:
        function = re.search(r"function: (\w+)", match.string)
        word = function[1] if function else first_word(self._statement)
        what = f"; {word} is refused" if word and word not in ("SELECT", "WITH", "VALUES") else ""
        return StatementError(
            f"Only reading is allowed here{what}. Ask with SELECT; what changes the catalogue are "
            "the commands index, import and export."
        )

    def _column(self, match: re.Match[str]) -> CatalogueError:
        name = match[1]
        bare = name.rpartition(".")[2]
        known = self._relations()
        named = tables_in(self._statement, known)
        columns = [column for each in named or known for column in known[each]]
        if "." in name and bare.lower() in (column.lower() for column in columns):
            return StatementError(
                f"There is no column {name}{self._at(name)}. What stands before the dot must be a "
                "table of FROM, or its alias, that has it."
            )
        near = nearest(bare, columns)
        if near:
            return StatementError(
                f"There is no column {name}{self._at(name)}. Did you mean {near}?"
            )
        elsewhere = [each for each in known if bare.lower() in map(str.lower, known[each])]
        if elsewhere and named:
            return StatementError(
                f"There is no column {name} in {_listed(named)}{self._at(name)}, but in "
                f"{_listed(elsewhere[:3])}."
            )
        advice = (
            f"{_listed(named)} {'has' if len(named) == 1 else 'have'} others: see `dcat db schema`"
            if named
            else "`dcat db schema` lists all"
        )
        return StatementError(
            f"There is no column {name}{self._at(name)}. {advice}. A text stands in single quotes: '{bare}'."
        )

    def _table(self, match: re.Match[str]) -> CatalogueError:
        name = match[1]
        known = self._relations()
        near = nearest(name, known) or nearest(f"v_{name.rstrip('s')}", known)
        advice = (
            f"Did you mean {near}?"
            if near
            else f"There are the views {_listed([each for each in known if each.startswith('v_')])}, and the tables that `dcat db schema` lists."
        )
        return StatementError(f"There is no table or view {name}{self._at(name)}. {advice}")

    def _function(self, match: re.Match[str]) -> CatalogueError:
        name = match[1]
        advice = ELSEWHERE.get(name.lower())
        hint = f" In SQLite, {advice}." if advice else ""
        return StatementError(f"There is no function {name}{self._at(name)}.{hint}")

    def _syntax(self, match: re.Match[str]) -> CatalogueError:
        token = match[1]
        # Not only the word at which SQLite stops can be the slip, but also the one before it.
        position = self._offset(token)
        before = re.search(r"([A-Za-z]+)\W*$", self._statement[:position]) if position else None
        for word in (token, before[1] if before else ""):
            if word.isalpha() and word.upper() not in KEYWORDS and len(word) > 3:
                near = nearest(word, (each for each in KEYWORDS if abs(len(each) - len(word)) < 2))
                if near:
                    return StatementError(
                        f"The SQL cannot be understood at {token!r}{self._at(token, position)}. "
                        f"Did you mean {near} for {word}?"
                    )
        return StatementError(
            f"The SQL cannot be understood at {token!r}{self._at(token, position)}. Is something "
            "missing or too much before it: a comma, a bracket, a quote?"
        )

    def _token(self, match: re.Match[str]) -> CatalogueError:
        token = match[1]
        if token[:1] in "'\"`[":
            start = token if len(token) <= 20 else token[:20] + "…"
            return StatementError(
                f"A quotation is not closed: it begins with {start}{self._at(token, self._end(token))}. A quote inside a text is doubled: 'O''Brien'."
            )
        return StatementError(f"{token!r}{self._at(token)} is no part of SQL.")

    def _parameter(self, match: re.Match[str]) -> CatalogueError:
        name = match[1]
        if name.isdigit():
            return StatementError(
                "The statement has a parameter without a name (?). Write :name instead, and give its value with -p name=VALUE."
            )
        return StatementError(
            f"The statement has a parameter :{name} without a value. Give it with -p {name}=VALUE."
        )

    # -- where it stands ----------------------------------------------------------------------

    def _at(self, token: str, offset: int | None = None) -> str:
        """Return `(line 1, column 8)` with a space before it, or nothing where that is not known."""
        if offset is None:
            places = self._places(token)
            if len(places) != 1:
                return ""
            offset = places[0]
        line = self._statement.count("\n", 0, offset) + 1
        column = offset - self._statement.rfind("\n", 0, offset)
        return f" (line {line}, column {column})"

    def _end(self, token: str) -> int | None:
        """Return where the token stands that reaches to the end of the statement."""
        place = len(self._statement) - len(token)
        return place if self._statement.endswith(token) else None

    def _places(self, token: str) -> list[int]:
        edge = r"(?<![\w.])" if token[:1].isalnum() else ""
        end = r"(?!\w)" if token[-1:].isalnum() else ""
        pattern = edge + re.escape(token) + end
        return [m.start() for m in re.finditer(pattern, self._statement, re.IGNORECASE)]

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

    def _relations(self) -> Relations:
        return relations(self._connection)


def stopped(excess: Excess | None, limit_s: float) -> QueryError:
    """Return the error of a query that was stopped."""
    if excess is Excess.ROOM:
        return QueryError(
            "The query was stopped, because what it put aside was about to fill the disk of the "
            "temporary folder. Ask for less, or name a folder with more room in SQLITE_TMPDIR."
        )
    return QueryError(
        f"The query was stopped after {limit_s:g} s. Ask for less, or raise --timeout."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


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
    (r"^incomplete input", _wrong("The SQL ends too early. Is a bracket, a quote or the rest missing?")),
    (r"one statement at a time", _wrong("That is more than one statement. Give one at a time; `dcat sql --shell` runs several.")),
    (r"null character", _wrong("The SQL holds a NUL character. Leave it out.")),
    (r"ambiguous column name: (\S+)", _wrong(r"Several tables have the column \1. Put the table or its alias before it, as in s.\1.")),
    (r"decode to UTF-8 column '(.*?)' with text", _wrong(r"The column \1 holds bytes that are no UTF-8 text. Ask for hex(…) of it.")),
    (r"fts5: (.+)", _wrong(r'''The text of MATCH cannot be understood: \1. Put words that hold more than letters and digits in double quotes: '"a-b"'.''')),
    (r"no such vtable|unable to use function MATCH", _wrong("MATCH works on the tables of words alone, such as patient_words.")),
    (r"malformed JSON", _wrong("A value is no JSON where the statement takes it for JSON.")),
    (r"string or blob too big", _too_much(f"The query makes a text or a row of more than {VALUE_BYTES // 1024**2} MiB, which is refused. Ask for less at once.")),
    (r"query string is too large", _wrong(f"The SQL is longer than {STATEMENT_BYTES:,} bytes. Use `dcat find --from FILE` for long lists.")),
    (r"database or disk is full", _too_much("The temporary folder is full. Ask for less, or name a folder with more room in SQLITE_TMPDIR.")),
    (r"database(?: schema| table)? is locked", lambda teller, match: CatalogueBusy(teller._place, "its transaction does not end")),
    (r"malformed|disk I/O error|not a database", lambda teller, match: CatalogueError(f"The catalogue {teller._place} cannot be read: {match.string}. See `dcat db check`.")),
)  # fmt: skip
"""Patterns of SQLite's messages, the more special first, and what tells each of them."""
