"""PostgreSQL's messages as sentences: what is wrong, where in the statement, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from catalog.database import postgresql_errors as errors
from catalog.database.sql_limits import VALUE_BYTES
from catalog.database.sql_names import Relations
from catalog.database.sql_telling import (
    ENDS_TOO_EARLY,
    NEEDS_MEMORY,
    SEVERAL,
    Telling,
    stopped,
    too_large,
)
from catalog.database.sql_tokens import Kind, Token, tokens
from catalog.errors import CatalogueBusy, CatalogueError, QueryError, StatementError

ELSEWHERE = {
    "date_format": "dates are text: substr(StudyDate, 1, 7) is the month",
    "strftime": "dates are text: substr(StudyDate, 1, 7) is the month",
    "julianday": "take dates from each other: CAST(a AS DATE) - CAST(b AS DATE)",
    "year": "dates are text: substr(StudyDate, 1, 4) is the year",
    "month": "dates are text: substr(StudyDate, 6, 2) is the month",
    "getdate": "give the date with -p, or use current_date",
    "ifnull": "use coalesce(a, b)",
    "isnull": "use coalesce(a, b)",
    "nvl": "use coalesce(a, b)",
    "len": "use length(text)",
    "iif": "use CASE WHEN a THEN b ELSE c END",
    "total": "use coalesce(sum(x), 0)",
    "typeof": "use pg_typeof(x)",
    "hex": "use encode(x, 'hex')",
    "printf": "use format('%s', x)",
    "json_extract": "use StudyAttributes ->> 'PatientAge'",
    "regexp": "use ~ 'pattern'",
    "glob": "use LIKE",
}
"""What to write instead of functions of other databases."""

_WRITING = ("INSERT", "UPDATE", "DELETE", "MERGE")
_OTHERS = (
    "REPLACE TRUNCATE COPY CREATE ALTER DROP RENAME GRANT REVOKE REASSIGN COMMENT SECURITY IMPORT LOAD "
    "DO CALL SET RESET SHOW DISCARD BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE PREPARE "
    "EXECUTE DEALLOCATE DECLARE FETCH MOVE CLOSE LISTEN UNLISTEN NOTIFY LOCK VACUUM ANALYZE ANALYSE "
    "CLUSTER REINDEX REFRESH CHECKPOINT ATTACH DETACH PRAGMA"
)
_COMMANDS = frozenset((*_WRITING, *_OTHERS.split()))
"""The words that begin statements which do something else than asking."""


def first_refused(parts: Sequence[Token]) -> str:
    """Return the word that begins a statement which is no question, `''` if it may be one."""
    word = parts[0].text.upper() if parts and parts[0].kind is Kind.WORD else ""
    return word if word in _COMMANDS else ""


class _Clock(Protocol):
    """What knows whether a question took too long."""

    is_over: bool


class Teller(Telling):
    """Tells what went wrong with one statement.

    Parameters
    ----------
    relations:
        Gives the tables and views; asked when something went wrong.
    place:
        The catalogue's name.

    Attributes
    ----------
    origin:
        Gives the place in the statement for one in what was sent to the server.
    """

    def __init__(
        self, relations: Callable[[], Relations], place: str, statement: str, limit_s: float
    ) -> None:
        super().__init__(place, statement, limit_s, "PostgreSQL", ELSEWHERE)
        self._ask_relations = relations
        self.origin: Callable[[int], int] = lambda place: place

    @contextmanager
    def telling(self, clock: _Clock) -> Iterator[None]:
        """Turn the database's errors into ours."""
        import psycopg

        try:
            yield
        except psycopg.Error as exc:
            raise self.told(exc, is_over=clock.is_over) from exc
        except MemoryError as exc:
            raise QueryError(NEEDS_MEMORY) from exc

    def told(self, exc: Any, *, is_over: bool) -> CatalogueError:
        """Return the error to raise for one of the server's."""
        state = str(exc.sqlstate or "")
        message = errors.plain(exc)
        offset = self._offset(exc)
        if is_over:
            return stopped(None, self._limit_s)
        for pattern, tell in _TELLERS:
            if re.match(pattern, state):
                found = tell(self, message, offset)
                if found is not None:
                    return found
        if not state or state.startswith(("08", "57P", "58", "XX", "25P")):
            return errors.told(self._place, exc)
        return StatementError(f"The SQL cannot be run: {message}{self._at('', offset)}.")

    def _relations(self) -> Relations:
        return self._ask_relations()

    def _offset(self, exc: Any) -> int | None:
        position = exc.diag.statement_position
        return self.origin(int(position) - 1) if position else None

    def _at(self, token: str, offset: int | None = None) -> str:
        return super()._at(token, offset) if token or offset is not None else ""

    def _named(self, offset: int | None, message: str) -> str:
        """Return the name that stands at a place, or that the message names."""
        if offset is not None and 0 <= offset < len(self._statement):
            found = re.match(r'[\w$."]+', self._statement[offset:])
            if found:
                return found[0].replace('"', "")
        quoted = re.search(r'"([^"]+)"', message)
        return quoted[1] if quoted else (message.split() or [""])[0]

    # -- what is wrong ------------------------------------------------------------------------

    def _column(self, message: str, offset: int | None) -> CatalogueError:
        return self.no_column(self._named(offset, message), offset)

    def _table(self, message: str, offset: int | None) -> CatalogueError:
        if "FROM-clause" in message:
            return self.no_column(self._named(offset, message), offset)
        return self.no_table(self._named(offset, message), offset)

    def _function(self, message: str, offset: int | None) -> CatalogueError:
        function = re.match(r"function ([^(]+)\((.*)\)", message)
        if function is None:
            kinds = re.match(r"operator (?:does not exist: )?(.*)", message)
            what = kinds[1].removesuffix(" does not exist") if kinds else message
            return StatementError(
                f"PostgreSQL cannot work out {what}{self._at('', offset)}. Make both sides of one kind: a text stands in single quotes, and CAST(x AS TEXT) or CAST(x AS BIGINT) changes a value."
            )
        name = self._named(offset, message)
        if name.lower() in ("round", "substr", "length", "trim", "upper", "lower", "sum", "avg"):
            return StatementError(
                f"There is no function {name} of ({function[2]}){self._at(name, offset)}. Change the kind of a value, as in CAST(x AS NUMERIC) or CAST(x AS TEXT)."
            )
        return self.no_function(name, offset)

    def _syntax(self, message: str, offset: int | None) -> CatalogueError | None:
        if "multiple commands" in message:
            return StatementError(SEVERAL)
        if any(token.text == "?" for token in tokens(self._statement)):
            return self.no_name()
        if "memory exhausted" in message:
            return self._deep(message, offset)
        if "end of input" in message:
            return StatementError(ENDS_TOO_EARLY)
        near = re.search(r'at or near "(.*)"$', message, re.DOTALL)
        if near is None:
            return None
        if near[1].upper() in _WRITING:
            return self.refused(near[1].upper())
        if near[1] == ")" and offset is not None and offset >= len(self._statement):
            return StatementError(ENDS_TOO_EARLY)
        return self.not_understood(near[1], offset)

    def _writes(self, message: str, offset: int | None) -> CatalogueError | None:
        if "INTO" in message:
            return self.refused("INTO")
        if "data-modifying" in message:
            return self.refused(next((t.text.upper() for t in tokens(self._statement) if t.says(*_WRITING)), ""))  # fmt: skip
        done = re.match(r"cannot execute (.*?)(?:\(\))? in a read-only transaction", message)
        return self.refused(done[1]) if done else None

    def _forbidden(self, message: str, offset: int | None) -> CatalogueError:
        return StatementError(f"The server does not allow that to dcat: {message}.")

    def _kind(self, message: str, offset: int | None) -> CatalogueError | None:
        number = re.search(r"parameter \$(\d+)", message)
        names = list(dict.fromkeys(t.text for t in tokens(self._statement) if t.kind is Kind.PARAMETER))  # fmt: skip
        if number is None or int(number[1]) > len(names):
            return None
        name = names[int(number[1]) - 1]
        return StatementError(
            f"What kind of value {name} is cannot be told. Write CAST({name} AS TEXT), or BIGINT."
        )

    def _condition(self, message: str, offset: int | None) -> CatalogueError | None:
        if "must be type boolean" not in message:
            return None
        return StatementError(
            f"A condition must be a comparison, such as IsDisputed = 1{self._at('', offset)}."
        )

    def _ambiguous(self, message: str, offset: int | None) -> CatalogueError:
        return self.ambiguous(self._named(offset, message))

    def _divided(self, message: str, offset: int | None) -> CatalogueError:
        return StatementError("The SQL divides by zero. Write x / nullif(y, 0).")

    def _size(self, message: str, offset: int | None) -> CatalogueError | None:
        if "null character" in message:
            return StatementError("PostgreSQL's texts hold no U+0000; dcat writes U+2400 for it.")
        return too_large(VALUE_BYTES)

    def _alloc(self, message: str, offset: int | None) -> CatalogueError | None:
        return too_large(VALUE_BYTES) if "alloc request size" in message else None

    def _deep(self, message: str, offset: int | None) -> CatalogueError:
        return StatementError("The SQL is nested too deeply. Ask in a simpler way.")

    def _memory(self, message: str, offset: int | None) -> CatalogueError:
        return QueryError(NEEDS_MEMORY)

    def _room(self, message: str, offset: int | None) -> CatalogueError:
        return QueryError(
            f"The query was stopped, because what it put aside on the server was too much: {message}. Ask for less."
        )

    def _stopped(self, message: str, offset: int | None) -> CatalogueError:
        if "timeout" in message:
            return QueryError(
                "The query was stopped, because its rows were not read for too long. Write them to a file."
            )
        return QueryError("The query was stopped by somebody on the server.")

    def _locked(self, message: str, offset: int | None) -> CatalogueError:
        return CatalogueBusy(self._place, "its schema is being changed")


_TELLERS: tuple[tuple[str, Callable[[Teller, str, int | None], CatalogueError | None]], ...] = (
    ("42703", Teller._column),
    ("42P01", Teller._table),
    ("42883", Teller._function),
    ("25006|0A000|42P11|42601", Teller._writes),
    ("42601", Teller._syntax),
    ("42501", Teller._forbidden),
    ("42P18|42P08|42804", Teller._kind),
    ("42804", Teller._condition),
    ("42702", Teller._ambiguous),
    ("22012", Teller._divided),
    ("DC001|54000", Teller._size),
    ("XX000", Teller._alloc),
    ("54001", Teller._deep),
    ("53200", Teller._memory),
    ("53100|53400", Teller._room),
    ("57014", Teller._stopped),
    ("55P03", Teller._locked),
)
"""Codes of PostgreSQL's errors (its Appendix A), and what tells each of them."""
