"""What is wrong with a statement, in sentences: what, where in it, and what to do.

What each database says of it is taken apart in `sql_sentences` and `postgresql_sentences`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from catalog.database.sql_limits import Excess
from catalog.database.sql_names import KEYWORDS, Relations, first_word, nearest, tables_in
from catalog.errors import QueryError, StatementError

READING = ("SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN")
"""The words that begin a question."""


class Telling(ABC):
    """Tells what went wrong with one statement.

    Parameters
    ----------
    place:
        What messages call the catalogue.
    database:
        The database's name.
    elsewhere:
        What to write instead of functions of other databases.
    """

    def __init__(
        self, place: str, statement: str, limit_s: float, database: str, elsewhere: dict[str, str]
    ) -> None:
        self._place = place
        self._statement = statement
        self._limit_s = limit_s
        self._database = database
        self._elsewhere = elsewhere

    @abstractmethod
    def _relations(self) -> Relations:
        """Return the tables and views that there are."""

    # -- what is wrong ------------------------------------------------------------------------

    def refused(self, word: str = "") -> StatementError:
        """Say that a statement does more than read; `word` is what does."""
        word = word or first_word(self._statement)
        what = f"; {word} is refused" if word and word not in READING else ""
        return StatementError(
            f"Only reading is allowed here{what}. Ask with SELECT; what changes the catalogue are "
            "the commands index, import and export."
        )

    def no_column(self, name: str, offset: int | None = None) -> StatementError:
        """Say that there is no such column, and which may be meant."""
        bare = name.rpartition(".")[2]
        known = self._relations()
        named = tables_in(self._statement, known)
        columns = [column for each in named or known for column in known[each]]
        at = self._at(name, offset)
        if "." in name and bare.lower() in (column.lower() for column in columns):
            return StatementError(
                f"There is no column {name}{at}. What stands before the dot must be a "
                "table of FROM, or its alias, that has it."
            )
        near = nearest(bare, columns)
        if near and near.lower() != bare.lower():
            return StatementError(f"There is no column {name}{at}. Did you mean {near}?")
        elsewhere = [each for each in known if bare.lower() in map(str.lower, known[each])]
        if elsewhere and named:
            return StatementError(
                f"There is no column {name} in {listed(named)}{at}, but in {listed(elsewhere[:3])}."
            )
        advice = (
            f"{listed(named)} {'has' if len(named) == 1 else 'have'} others: see `dcat db schema`"
            if named
            else "`dcat db schema` lists all"
        )
        return StatementError(
            f"There is no column {name}{at}. {advice}. A text stands in single quotes: '{bare}'."
        )

    def no_table(self, name: str, offset: int | None = None) -> StatementError:
        """Say that there is no such table or view, and which may be meant."""
        known = self._relations()
        near = nearest(name, known) or nearest(f"v_{name.rstrip('s')}", known)
        advice = (
            f"Did you mean {near}?"
            if near
            else f"There are the views {listed([each for each in known if each.startswith('v_')])}, and the tables that `dcat db schema` lists."
        )
        return StatementError(f"There is no table or view {name}{self._at(name, offset)}. {advice}")

    def no_function(self, name: str, offset: int | None = None) -> StatementError:
        """Say that there is no such function, and what does the same."""
        advice = self._elsewhere.get(name.lower())
        hint = f" In {self._database}, {advice}." if advice else ""
        return StatementError(f"There is no function {name}{self._at(name, offset)}.{hint}")

    def not_understood(self, token: str, offset: int | None) -> StatementError:
        """Say that the SQL cannot be understood at a token, and which word may be meant."""
        # Not only the word at which the database stops can be the slip, but also the one before it.
        before = re.search(r"([A-Za-z]+)\W*$", self._statement[:offset]) if offset else None
        for word in (token, before[1] if before else ""):
            if word.isalpha() and word.upper() not in KEYWORDS and len(word) > 3:
                near = nearest(word, (each for each in KEYWORDS if abs(len(each) - len(word)) < 2))
                if near:
                    return StatementError(
                        f"The SQL cannot be understood at {token!r}{self._at(token, offset)}. "
                        f"Did you mean {near} for {word}?"
                    )
        return StatementError(
            f"The SQL cannot be understood at {token!r}{self._at(token, offset)}. Is something "
            "missing or too much before it: a comma, a bracket, a quote?"
        )

    def not_closed(self, token: str, offset: int | None) -> StatementError:
        """Say that a quotation is not closed."""
        start = token if len(token) <= 20 else token[:20] + "…"
        return StatementError(
            f"A quotation is not closed: it begins with {start}{self._at(token, offset)}. A quote inside a text is doubled: 'O''Brien'."
        )

    def no_value(self, name: str) -> StatementError:
        """Say that a parameter has no value."""
        return StatementError(
            f"The statement has a parameter :{name} without a value. Give it with -p {name}=VALUE."
        )

    def no_name(self) -> StatementError:
        """Say that a parameter has no name."""
        return StatementError(
            "The statement has a parameter without a name (?). Write :name instead, and give its value with -p name=VALUE."
        )

    def ambiguous(self, name: str) -> StatementError:
        """Say that several tables have a column."""
        return StatementError(
            f"Several tables have the column {name}. Put the table or its alias before it, as in s.{name}."
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

    def _places(self, token: str) -> list[int]:
        edge = r"(?<![\w.])" if token[:1].isalnum() else ""
        end = r"(?!\w)" if token[-1:].isalnum() else ""
        pattern = edge + re.escape(token) + end
        return [m.start() for m in re.finditer(pattern, self._statement, re.IGNORECASE)]


ENDS_TOO_EARLY = "The SQL ends too early. Is a bracket, a quote or the rest missing?"
SEVERAL = "That is more than one statement. Give one at a time; `dcat sql --shell` runs several."
NEEDS_MEMORY = "The query needs more memory than it may have. Ask for less, or in several queries."
NO_JSON = "A value is no JSON where the statement takes it for JSON."


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


def listed(names: list[str]) -> str:
    """Return names as a sentence has them: `a, b and c`."""
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


def too_large(most_bytes: int) -> QueryError:
    """Return the error of a query that makes too long a text or row."""
    return QueryError(
        f"The query makes a text or a row of more than {most_bytes // 1024**2} MiB, which is refused. Ask for less at once."
    )


def too_long(most_bytes: int) -> StatementError:
    """Return the error of a statement that is too long."""
    return StatementError(
        f"The SQL is longer than {most_bytes:,} bytes. Use `dcat find --from FILE` for long lists."
    )
