r"""What SQLite says in a way of its own, for selections. A second database gets a second module of these names.

Everything else in selections is plain SQL. Texts are compared by code points, as Python does, which
is what SQLite's BINARY collation does with UTF-8 (elsewhere: collation "C"). Functions called
`dcat_…` are dcat's own (`catalog.database.sql_functions`), on connections that read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    table,
    text,
    true,
)

from catalog.attributes import Further
from catalog.database.full_text import index_name
from catalog.query.words import Word

FEW = 50
"""Up to so many values stand in a statement each by itself; more pass as one parameter."""

_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


# -- values ----------------------------------------------------------------------------------------


def json_value(document: ColumnElement[Any], attribute: Further) -> ColumnElement[Any]:
    """Return the value of `attribute` in a JSON column: a number or text, NULL if it is absent."""
    # Names hold letters, digits and dots alone (`catalog.dicom.asking`).
    path = f'$."{attribute.keyword}"'
    return func.json_extract(document, path, type_=None if attribute.is_number else Text())


def json_number(value: float) -> ColumnElement[Any]:
    """Return a number as a JSON column would have it, equal to the last bit: SQLite reads both texts."""
    return func.json_extract(json.dumps(value), "$")


def folded_name(names: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the search key of names that have none stored beside them."""
    return func.dcat_folded_name(names)


def name_key(names: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return names as `catalog.normal_forms.name_key` has them."""
    return func.dcat_name_key(names)


def clock(form: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the first moment of a date-time, by the clock as written."""
    return func.dcat_clock(form)


def instant(form: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the first moment of a date-time in UTC, NULL if it has no offset."""
    return func.dcat_instant(form)


def number(part: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the number that a text is, NULL if it is none."""
    return func.dcat_number(part)


# -- conditions ------------------------------------------------------------------------------------


def is_not_true(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return whether `condition` is false or NULL."""
    return condition.is_not(true())


def is_among(stored: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return whether the stored value is one of `values`, however many."""
    if len(values) <= FEW or any(isinstance(value, float) for value in values):
        return stored.in_(values)
    return stored.in_(listed(values))


def listed(values: Iterable[Any]) -> Select[Any]:
    """Return a query for `values`, however many: they pass as one parameter."""
    given = func.json_each(json.dumps(list(values))).table_valued("value")
    return select(given.c.value)


def holds_one_of(stored: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    r"""Return whether one of `values` is among those that the stored text joins by `\`."""
    borders = literal("\\").concat(stored).concat("\\")
    if len(values) == 1:
        return func.instr(borders, f"\\{values[0]}\\") > 0
    given = func.json_each(json.dumps([f"\\{value}\\" for value in values])).table_valued("value")
    return and_(
        stored != "",
        select(given.c.value).where(func.instr(borders, given.c.value) > 0).exists(),
    )


def contains(stored: ColumnElement[Any], piece: str) -> ColumnElement[bool]:
    """Return whether `piece` stands somewhere in the stored text."""
    return func.instr(stored, piece) > 0


def fits_one_of(stored: ColumnElement[Any], patterns: Sequence[str]) -> ColumnElement[bool]:
    """Return whether the stored text fits one of several wildcard patterns, however many."""
    globs = json.dumps([_glob(pattern) for pattern in patterns])
    given = func.json_each(globs).table_valued("value")
    return select(given.c.value).where(stored.op("GLOB")(given.c.value)).exists()


def fits(stored: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Return whether the stored text fits a wildcard pattern; an index serves what it begins with."""
    return stored.op("GLOB")(_glob(pattern))


def begins(stored: ColumnElement[Any], start: str) -> ColumnElement[bool]:
    """Return whether the stored text begins with `start`, as a range that an index serves."""
    after = _successor(start)
    return and_(stored >= start, stored < after) if after else stored >= start


def _successor(start: str) -> str:
    """Return the smallest text above all that begin with `start`; `''` if there is none."""
    kept = start.rstrip(chr(_LAST_CHARACTER))
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


def _glob(pattern: str) -> str:
    """Return a DICOM wildcard pattern for GLOB, whose `*` and `?` mean the same."""
    return pattern.replace("[", "[[]")


def any_part(
    stored: ColumnElement[Any],
    separator: str,
    condition: Callable[[ColumnElement[Any]], ColumnElement[bool]],
) -> ColumnElement[bool]:
    r"""Return whether `condition` holds for one of the values that the stored text joins by `separator`."""
    # JSON writes a backslash as two, so replacing it by the border of two strings splits the values.
    border = "\\\\" if separator == "\\" else separator
    array = literal("[").concat(func.replace(func.json_quote(cast(stored, Text)), border, '","')).concat("]")  # fmt: skip
    parts = func.json_each(array).table_valued("value")
    return and_(
        stored != "",
        select(parts.c.value).where(parts.c.value != "", condition(parts.c.value)).exists(),
    )


# -- full text -------------------------------------------------------------------------------------


def with_words(level: str, words: Sequence[Word]) -> Select[Any]:
    """Return a query for the ids of the rows of the table `level` that have all the words."""
    index = index_name(level)
    found = table(index, column("rowid"))
    # Words are letters and digits, so nothing in them is syntax; quotes keep AND, OR and NEAR words.
    asked = " ".join(f'"{word.text}"{"*" if word.is_prefix else ""}' for word in words)
    match = text(f"{index} MATCH :words").bindparams(bindparam("words", asked, unique=True))
    return select(found.c.rowid).where(match)
