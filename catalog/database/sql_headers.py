"""The names of an answer's columns as SQLite gives them, for a database that folds names to small letters.

A column that the statement names (`AS Month`) is called as it is written there, one of a table or
view as that declares it, and any other by its text (`count(*)`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from catalog.database.sql_tokens import Kind, Token

_ENDS = (
    "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT",
    "WINDOW", "FETCH", "FOR", "INTO", ";",
)  # fmt: skip
"""What ends the list of columns."""

_NO_NAMES = ("END", "NULL", "TRUE", "FALSE", "UNKNOWN", "ISNULL", "NOTNULL")
"""Words that may end an expression, and are no names."""

_NO_ENDS = (
    "AND", "OR", "NOT", "IS", "IN", "LIKE", "ILIKE", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "COLLATE",
    "OVER", "AT", "TIME", "ZONE", "ESCAPE", "SIMILAR", "TO", "FROM", "DISTINCT", "ALL", "ANY", "SOME",
)  # fmt: skip
"""Words after which an expression goes on."""


class Field(NamedTuple):
    """A column of an answer.

    Attributes
    ----------
    name:
        As the database calls it.
    declared:
        The name of the table's or view's column that it is, `''` if it is none.
    is_of_table:
        Whether that is a table's, whose names have small letters anyway.
    """

    name: str
    declared: str = ""
    is_of_table: bool = False


class _Item(NamedTuple):
    """A part of the list of columns."""

    parts: Sequence[Token]
    text: str

    @property
    def is_star(self) -> bool:
        return self.parts[-1].says("*") and (len(self.parts) == 1 or self.parts[-2].says("."))

    @property
    def alias(self) -> str:
        """Return the name that the statement gives it, `''` if none."""
        last = self.parts[-1]
        if len(self.parts) < 2 or last.kind not in (Kind.WORD, Kind.QUOTED):
            return ""
        before = self.parts[-2]
        if before.says("AS"):
            return last.name
        if last.says(*_NO_NAMES) or before.says(*_NO_ENDS):
            return ""
        ends = before.kind is not Kind.SIGN or before.says(")", "]")
        return last.name if ends else ""

    @property
    def is_column(self) -> bool:
        names = all(
            each.kind in (Kind.WORD, Kind.QUOTED) and not each.says(*_NO_NAMES)
            for each in self.parts[::2]
        )
        return (
            len(self.parts) % 2 == 1 and names and all(each.says(".") for each in self.parts[1::2])
        )


def headers(
    statement: str,
    parts: Sequence[Token],
    fields: Sequence[Field],
    keywords: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the names of an answer's columns.

    Parameters
    ----------
    parts:
        The tokens of the statement.
    keywords:
        The names of the views' columns by their form in small letters.
    """
    items = list(_items(statement, parts))
    aliases: dict[str, str] = {}
    for before, after in pairwise(parts):
        if before.says("AS") and after.kind in (Kind.WORD, Kind.QUOTED):
            aliases.setdefault(after.name.lower(), after.name)
    found = []
    for field, item in zip(fields, _matched(items, len(fields)), strict=True):
        if field.name != field.name.lower():
            found.append(field.name)  # it stands in double quotes somewhere
        elif item is not None and item.alias:
            same = item.alias.lower() == field.name
            found.append(item.alias if same else field.name)
        elif item is not None and not item.is_column:
            found.append(item.text)
        else:
            found.append(_declared(field, aliases, keywords))
    return tuple(found)


def _declared(field: Field, aliases: Mapping[str, str], keywords: Mapping[str, str]) -> str:
    """Return the name of a column that is only passed on."""
    name = field.name
    if field.declared.lower() == name and not (field.is_of_table and name in aliases):
        return field.declared
    return aliases.get(name) or keywords.get(name) or name


def _matched(items: Sequence[_Item], number: int) -> list[_Item | None]:
    """Return the item of each column, `None` where a star stands for it, or it cannot be told."""
    stars = [place for place, item in enumerate(items) if item.is_star]
    if not stars:
        return list(items) if len(items) == number else [None] * number
    first, after = stars[0], len(items) - stars[-1] - 1
    if first + after > number:
        return [None] * number
    left: list[_Item | None] = list(items[:first])
    right = list(items[stars[-1] + 1 :])
    return left + [None] * (number - first - after) + right


def _items(statement: str, parts: Sequence[Token]) -> Iterator[_Item]:
    """Yield the parts of the statement's first list of columns."""
    begin = 0
    while begin < len(parts) and parts[begin].says("("):
        begin += 1
    depth = 0
    place = begin
    while place < len(parts) and not (depth == 0 and parts[place].says("SELECT")):
        depth += parts[place].says("(") - parts[place].says(")")
        place += 1
    place += 1
    if place < len(parts) and parts[place].says("ALL", "DISTINCT"):
        place += 1
    current: list[Token] = []
    for token in parts[place:]:
        # IS DISTINCT FROM goes on.
        goes_on = token.says("FROM") and bool(current) and current[-1].says("DISTINCT")
        if depth == 0 and token.says(*_ENDS, ")") and not goes_on:
            break
        if depth == 0 and token.says(","):
            if current:
                yield _item(statement, current)
            current = []
            continue
        depth += token.says("(", "[") - token.says(")", "]")
        current.append(token)
    if current:
        yield _item(statement, current)


def _item(statement: str, parts: Sequence[Token]) -> _Item:
    return _Item(tuple(parts), statement[parts[0].start : parts[-1].end])
