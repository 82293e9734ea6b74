"""SQL of the user's own on PostgreSQL: reading only, by construction, and within limits.

No single guard is enough. The statement must be one that can stand in a cursor, which the server's
grammar allows for SELECT, VALUES and TABLE alone, and for nothing else inside them that changes
data. It runs in a transaction that is READ ONLY and never committed. Functions that may do more than
read, which the server calls volatile, are refused by their names. And who may do everything on the
server is made somebody who may only read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from catalog.database.location import PostgresqlUrl
from catalog.database.postgresql_cells import read_as_sqlite
from catalog.database.postgresql_clock import Clock
from catalog.database.postgresql_driver import connect, psycopg
from catalog.database.postgresql_errors import sentences
from catalog.database.postgresql_telling import Teller, first_refused
from catalog.database.sql_descriptions import keywords
from catalog.database.sql_headers import Field, headers
from catalog.database.sql_limits import STATEMENT_BYTES, VALUE_BYTES
from catalog.database.sql_names import Relations
from catalog.database.sql_telling import SEVERAL, too_long
from catalog.database.sql_tokens import Kind, Numbered, Token, numbered, tokens
from catalog.errors import StatementError

if TYPE_CHECKING:
    from psycopg import Connection

Rows = Iterator[Sequence[Any]]

READING_S = 3600.0
"""So much longer than its time the server lets a statement live, for a reader who takes the rows slowly."""

MEMORY = "64MB"
"""What each sorting or hashing of a question may use, where the server does not give more anyway."""

CHECK_S = 5
"""How often the server looks whether dcat is still there, while it works for it."""

TEMPORARY_FILES = "16GB"
"""What one question may put aside on the server's disk, where dcat may say so (as a superuser)."""

READER = "pg_read_all_data"
"""The role that a superuser takes for asking: the server has it, and it may read tables and nothing else."""

HARMLESS = (
    "random", "random_normal", "clock_timestamp", "timeofday", "gen_random_uuid", "uuidv4", "uuidv7",
    "current_query", "system", "bernoulli", "array_sample", "array_shuffle", "pg_relation_size",
    "pg_total_relation_size", "pg_table_size", "pg_indexes_size", "pg_database_size",
)  # fmt: skip
"""Functions that the server calls volatile, and that only tell something."""

SECRETS = ("pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "pg_largeobject")
"""Tables of the server that hold passwords, or what may be as large as a file."""

_ROWS_AT_ONCE = 500
_NAME = "dcat_question"
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SPELLED = re.compile(r"u&\s*\"", re.IGNORECASE)
_SETTINGS = {
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "transform_null_equals": "off",
}


@contextmanager
def query(
    location: PostgresqlUrl,
    sql: str,
    parameters: Mapping[str, str],
    *,
    limit_s: float,
    give_up: Callable[[], None] | None,
) -> Iterator[tuple[tuple[str, ...], Rows]]:
    """Give the column names and rows of one statement, as `catalog.database.sql.query` does."""
    with ExitStack() as stack:
        with sentences(location.name):
            connection = connect(location, autocommit=True)
        stack.callback(connection.close)
        read_as_sqlite(connection)
        teller = Teller(lambda: relations_of(connection), location.name, sql, limit_s)
        parts = _checked(sql, parameters, teller)
        clock = stack.enter_context(Clock(connection, limit_s, give_up))
        stack.enter_context(teller.telling(clock))
        _enter(connection, limit_s)
        refused = _refused(connection, sql)
        if refused:
            raise teller.refused(refused)
        question = _Question(connection, sql, parts, parameters, teller)
        with clock.work():
            fields = question.fields()
        if not fields:
            raise StatementError(
                "That SQL gives no rows; only statements that read, such as SELECT, can be run."
            )
        names = headers(sql, parts, fields, keywords())
        rows = _told(question.rows(), clock, teller)
        first = list(islice(rows, 1))  # before anybody writes the names of columns without any row
        yield names, chain(first, rows)


def _checked(sql: str, parameters: Mapping[str, str], teller: Teller) -> list[Token]:
    """Return the tokens of a statement that may be sent to the server."""
    if "\0" in sql:
        raise StatementError("The SQL holds a NUL character. Leave it out.")
    for text, where in (
        (sql, "The SQL"),
        *((value, "A parameter") for value in parameters.values()),
    ):
        try:
            size = len(text.encode())
        except UnicodeEncodeError as exc:
            raise StatementError(f"{where} holds bytes that are no text.") from exc
        if size > STATEMENT_BYTES:
            raise too_long(STATEMENT_BYTES)
    parts = list(tokens(sql))
    last = next((n for n in reversed(range(len(parts))) if not parts[n].says(";")), -1)
    if any(token.says(";") for token in parts[: last + 1]):
        raise StatementError(SEVERAL)
    for token in parts:
        if token.kind is Kind.OPEN:
            raise teller.not_closed(token.text, token.start)
        if token.kind is Kind.NUMBER and token.text.startswith("$"):
            raise teller.no_name()
        if token.kind is Kind.PARAMETER:
            name = token.text[1:]
            if name not in parameters:
                raise teller.no_value(name)
            if "\0" in parameters[name]:
                raise StatementError(
                    f"The value of :{name} holds a NUL character, which PostgreSQL cannot have."
                )
    word = first_refused(parts)
    if word:
        raise teller.refused(word)
    return parts


def _enter(connection: Connection[Any], limit_s: float) -> None:
    """Begin a transaction that only reads, as somebody who may do no more."""
    with suppress(psycopg().Error):  # not every system on which a server runs can do it
        connection.execute(f"SET client_connection_check_interval = '{CHECK_S}s'")
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    connection.execute(
        "SELECT set_config('search_path', string_agg(quote_ident(s.name), ', ' ORDER BY s.place), true) "
        "FROM unnest(current_schemas(false)) WITH ORDINALITY AS s(name, place)"
    )
    connection.execute(
        "SELECT set_config('work_mem', %s, true) "
        "WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes(%s)",
        (MEMORY, MEMORY),
    )
    settings = {**_SETTINGS, "statement_timeout": f"{math.ceil((limit_s + READING_S) * 1000)}"}
    if connection.info.parameter_status("is_superuser") == "on":
        settings |= {"temp_file_limit": TEMPORARY_FILES, "role": READER}
    for name, value in settings.items():
        connection.execute(f"SET LOCAL {name} = '{value}'")


def _refused(connection: Connection[Any], sql: str) -> str:
    """Return what in a statement may do more than read, `''` if nothing.

    All its words are looked at, wherever they stand, as what is a name is the server's to say.
    """
    if _SPELLED.search(sql):
        return 'a name in the form U&"…"'
    plain = sql.lower()
    words = {word[:63] for word in _WORD.findall(plain)}
    secret = next((name for name in SECRETS if name in words), "")
    if secret:
        return secret
    row = connection.execute(
        "SELECT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v' AND prokind <> 'p' "
        "AND NOT (pronamespace = 'pg_catalog'::regnamespace AND proname = ANY (%s)) AND CASE "
        r"WHEN proname ~ '^\w+$' THEN lower(proname) = ANY (%s) "
        "ELSE strpos(%s, lower(proname)) > 0 END ORDER BY 1 LIMIT 1",
        (list(HARMLESS), sorted(words), plain.replace('""', '"')),
    ).fetchone()
    return str(row[0]) if row else ""


class _Question:
    """A statement as the server is asked it."""

    def __init__(
        self,
        connection: Connection[Any],
        sql: str,
        parts: Sequence[Token],
        parameters: Mapping[str, str],
        teller: Teller,
    ) -> None:
        self._connection = connection
        self._teller = teller
        end = len(sql)
        kept = list(parts)
        while kept and kept[-1].says(";"):
            end = kept.pop().start
        self._explain, start = _explained(sql, kept)
        self._asked: Numbered = numbered(kept, sql, start, end)
        self._values = [parameters[name] for name in self._asked.names]
        self._types: Sequence[int] = ()

    def fields(self) -> list[Field]:
        """Return the columns of the answer; the server compiles the statement for that, and no more."""
        declared = f"DECLARE {_NAME} NO SCROLL CURSOR FOR "
        self._run(declared + self._asked.text, len(declared)).close()
        described = self._connection.pgconn.describe_portal(_NAME.encode())
        numbers = range(described.nfields)
        self._types = [described.ftype(n) for n in numbers]
        names = [(described.fname(n) or b"").decode() for n in numbers]
        sources = [(described.ftable(n), described.ftablecol(n)) for n in numbers]
        self._connection.execute(f"CLOSE {_NAME}")
        if self._explain:
            return [Field("QUERY PLAN")]
        columns = self._columns({table for table, _ in sources if table})
        unknown = ("", False)
        return [Field(name, *columns.get(source, unknown)) for name, source in zip(names, sources, strict=True)]  # fmt: skip

    def _columns(self, relations: set[int]) -> dict[tuple[int, int], tuple[str, bool]]:
        """Return the names of these relations' columns, and whether they are a table's."""
        found = self._connection.execute(
            "SELECT a.attrelid::oid::bigint, a.attnum, a.attname, c.relkind = 'r' "
            "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
            "WHERE a.attrelid = ANY (%s::oid[]) AND a.attnum > 0",
            (sorted(relations),),
        )
        known = keywords()
        return {
            (relation, number): (name if is_table else known.get(name, name), is_table)
            for relation, number, name, is_table in found
        }

    def rows(self) -> Rows:
        """Yield the rows as the server finds them."""
        if self._explain:
            # What is explained is a cursor, so it can be nothing else than a question.
            before = f"{self._explain} DECLARE {_NAME} NO SCROLL CURSOR FOR "
            with self._run(before + self._asked.text, len(before)) as cursor:
                yield from cursor
            return
        names = [f"c{number}" for number in range(len(self._types))]
        sizes = [_size(name, kind) for name, kind in zip(names, self._types, strict=True)]
        total = " + ".join(size for size in sizes if size) or "0"
        # OFFSET 0 keeps the statement as it is, and its order.
        before = "SELECT q.* FROM (SELECT * FROM (\n"
        after = (
            f"\n) AS t OFFSET 0) AS q({', '.join(names)}) "
            f"WHERE CASE WHEN {total} > {VALUE_BYTES} THEN dcat_too_large() ELSE true END"
        )
        self._teller.origin = lambda place: self._asked.origin(place - len(before))
        module = psycopg()
        size = _ROWS_AT_ONCE if module.capabilities.has_stream_chunked() else 1
        cursor = module.RawCursor(self._connection)
        yield from cursor.stream(before + self._asked.text + after, self._values, size=size)

    def _run(self, text: str, before: int) -> Any:
        """Run a statement with the values; `before` is how much of it is not the user's."""
        self._teller.origin = lambda place: self._asked.origin(place - before)
        cursor = psycopg().RawCursor(self._connection)
        # Asked in binary, the server takes one statement alone, also if it has no parameters.
        return cursor.execute(text, self._values or None, binary=True)


def _explained(sql: str, parts: Sequence[Token]) -> tuple[str, int]:
    """Return how a statement wants to be explained, `''` if not, and where begins what is explained."""
    if not parts or not parts[0].says("EXPLAIN"):
        return "", 0
    place = 1
    how = "EXPLAIN"
    if place < len(parts) and parts[place].says("("):
        while place < len(parts) and not parts[place].says(")"):
            place += 1
        place += 1
        how = sql[parts[0].start : parts[min(place, len(parts)) - 1].end]
    while place < len(parts) and parts[place].says("ANALYZE", "ANALYSE", "VERBOSE"):
        how += f" {parts[place].text}"
        place += 1
    if place + 1 < len(parts) and parts[place].says("QUERY") and parts[place + 1].says("PLAN"):
        place += 2  # as SQLite has it
    return how, parts[place].start if place < len(parts) else len(sql)


_FIXED = frozenset([16, 18, 19, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 2950])
"""Types whose values are all of one length."""


def _size(name: str, kind: int) -> str:
    """Return an expression for the bytes of a column, `''` if they are always few."""
    if kind in _FIXED:
        return ""
    length = "octet_length" if kind in (17, 25, 1043) else "pg_column_size"
    return f"coalesce({length}(q.{name}), 0)::bigint"


# -- time ----------------------------------------------------------------------------------------


def _told(rows: Rows, clock: Clock, teller: Teller) -> Rows:
    """Yield the rows; what goes wrong meanwhile is told in sentences."""
    with teller.telling(clock):
        while True:
            clock.begin()
            try:
                row = next(rows, None)
            finally:
                clock.end()
            if row is None:
                return
            yield row


# -- names ---------------------------------------------------------------------------------------


def relations(location: PostgresqlUrl) -> Relations:
    """Return the columns of each table and view, views first."""
    with sentences(location.name):
        connection = connect(location, read_only=True, autocommit=True)
        try:
            return relations_of(connection)
        finally:
            connection.close()


def relations_of(connection: Connection[Any]) -> Relations:
    """Return the columns of each table and view that is for people, as the connection sees them."""
    with suppress(psycopg().Error):
        connection.execute("ROLLBACK")  # of the question that went wrong
    found: dict[str, list[str]] = {}
    known = keywords()
    for name, kind, column in connection.execute(
        'SELECT c.table_name::text, t.table_type::text, c.column_name::text COLLATE "C" '
        "FROM information_schema.columns c JOIN information_schema.tables t "
        "ON t.table_schema = c.table_schema AND t.table_name = c.table_name "
        "WHERE c.table_schema = current_schema() AND c.table_name <> 'alembic_version' "
        "ORDER BY t.table_type <> 'VIEW', c.table_name::text COLLATE \"C\", c.ordinal_position"
    ):
        found.setdefault(name, []).append(known.get(column, column) if kind == "VIEW" else column)
    return {name: tuple(columns) for name, columns in found.items()}
