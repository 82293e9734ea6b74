"""What the user may name in SQL: tables, views, their columns, and words of the language."""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping

_KEYWORDS = (
    "SELECT DISTINCT FROM WHERE GROUP BY HAVING ORDER ASC DESC LIMIT OFFSET JOIN LEFT INNER CROSS "
    "ON USING AS AND OR NOT IN IS NULL LIKE ESCAPE BETWEEN EXISTS CASE WHEN THEN ELSE END UNION "
    "ALL INTERSECT EXCEPT WITH RECURSIVE VALUES CAST COLLATE OVER PARTITION ROWS RANGE PRECEDING "
    "FOLLOWING FILTER MATCH EXPLAIN NULLS FIRST LAST"
)
KEYWORDS = tuple(_KEYWORDS.split())
"""Words that a question may have."""

_FUNCTIONS = (
    "abs avg cast coalesce count group_concat instr json_each lag lead length lower ltrim max min "
    "nullif rank replace round row_number rtrim substr sum trim upper"
)
FUNCTIONS = tuple(_FUNCTIONS.split())
"""Functions that a question often has, and that both databases know."""

Relations = Mapping[str, tuple[str, ...]]
"""Columns by table or view, views first, in the order of their names."""


def relations(connection: sqlite3.Connection) -> Relations:
    """Return the columns of each table and view that is for people."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY type <> 'view', name"
    ).fetchall()
    owned = {
        f"{name}_{part}"
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
        )
        for part in ("data", "idx", "content", "docsize", "config")
    }
    return {
        name: tuple(
            column
            for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
        )
        for (name,) in names
        if name not in owned and name != "alembic_version" and not name.startswith("sqlite_")
    }


def is_complete(text: str) -> bool:
    """Return whether `text` ends a statement: with a semicolon that is in no string and no comment."""
    return sqlite3.complete_statement(text.replace("\0", " ").encode("utf-8", "replace").decode())


def statements(text: str) -> Iterator[str]:
    """Yield the statements of `text` one by one; the last may lack its semicolon."""
    begin = 0
    for match in re.finditer(";", text):
        part = text[begin : match.end()]
        if is_complete(part):
            begin = match.end()
            if not is_empty(part):
                yield part.strip()
    if not is_empty(text[begin:]):
        yield text[begin:].strip()


_NOTHING = re.compile(r"(?>\s|;|--[^\n]*+(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z))*+")


def is_empty(text: str) -> bool:
    """Return whether `text` holds nothing but space, comments and semicolons."""
    return _NOTHING.fullmatch(text) is not None


def first_word(text: str) -> str:
    """Return the word that begins a statement, in capitals; `''` if none does."""
    start = _NOTHING.match(text)
    word = re.match(r"[A-Za-z]+", text[start.end() if start else 0 :])
    return word[0].upper() if word else ""


def tables_in(text: str, known: Relations) -> list[str]:
    """Return the tables and views of `known` that `text` names somewhere."""
    words = {word.lower() for word in re.findall(r"\w+", text)}
    return [name for name in known if name.lower() in words]


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that `word` may stand for: other case, underscores, or a slip."""
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(_plain(name), name)
    plain = _plain(word)
    if plain in by_plain:
        return by_plain[plain]
    near = difflib.get_close_matches(plain, by_plain, n=1, cutoff=0.75)
    return by_plain[near[0]] if near else None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
