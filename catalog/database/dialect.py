r"""What SQLite and PostgreSQL say each in a way of its own, for selections.

Everything else in selections is plain SQL that both understand. An expression that is written in
two ways is a `by_database`: whoever builds a query sees one expression, and the database for which
it is compiled decides. Texts are compared by code points, as Python does, which is what SQLite's
BINARY collation does with UTF-8, and PostgreSQL's "C", which every column of text has. Functions
called `dcat_…` are dcat's own: on SQLite `catalog.database.sql_functions`, on connections that
read; on PostgreSQL they are made with the schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Double,
    FromClause,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    collate,
    column,
    func,
    intersect,
    literal,
    or_,
    select,
    table,
    text,
    true,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from catalog.attributes import INTEGER_VRS, Further
from catalog.database.full_text import index_name
from catalog.query.words import Word

FEW = 50
"""Up to so many values stand in a statement each by itself; more pass as one parameter."""

MOST_BYTES = 2000
"""Rows with more bytes of words than these PostgreSQL's index does not know (`dcat_word_vector`)."""

_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


# -- two ways to say one thing -----------------------------------------------------------------------


class _ByDatabase(ColumnElement[Any]):
    """An expression that stands in a statement in the form of the database that it is for."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared so by SQLAlchemy
        ("sqlite", InternalTraversal.dp_clauseelement),
        ("postgresql", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, sqlite: ColumnElement[Any], postgresql: ColumnElement[Any]) -> None:
        self.sqlite = sqlite
        self.postgresql = postgresql
        self.type: TypeEngine[Any] = sqlite.type

    def self_group(self, against: Any = None) -> ColumnElement[Any]:
        """Return itself: it stands in brackets, and what is a condition needs no comparison."""
        return self

    @property
    def _from_objects(self) -> list[FromClause]:
        return [*self.sqlite._from_objects, *self.postgresql._from_objects]


@compiles(_ByDatabase, "sqlite")
def _for_sqlite(element: _ByDatabase, compiler: Any, **asked: Any) -> str:
    return f"({compiler.process(element.sqlite, **asked)})"


@compiles(_ByDatabase, "postgresql")
def _for_postgresql(element: _ByDatabase, compiler: Any, **asked: Any) -> str:
    return f"({compiler.process(element.postgresql, **asked)})"


def by_database(
    *, sqlite: ColumnElement[Any], postgresql: ColumnElement[Any]
) -> ColumnElement[Any]:
    """Return the expression that is one of the two, by the database that is asked."""
    return _ByDatabase(sqlite, postgresql)


# -- values ------------------------------------------------------------------------------------------


def json_value(document: ColumnElement[Any], attribute: Further) -> ColumnElement[Any]:
    """Return the value of `attribute` in a JSON column: a number or text, NULL if it is absent.

    A number that is present but empty is NULL as well.
    """
    # Names hold letters, digits and dots alone (`catalog.dicom.asking`).
    path = f'$."{attribute.keyword}"'
    name = literal(attribute.keyword, Text())
    stated: ColumnElement[Any] = document.op("->>", return_type=Text())(name)
    if attribute.is_number:
        kind: TypeEngine[Any] = BigInteger() if attribute.vr in INTEGER_VRS else Double()
        return by_database(
            sqlite=func.nullif(func.json_extract(document, path), ""),
            postgresql=cast(func.nullif(stated, ""), kind),
        )
    return by_database(
        sqlite=func.json_extract(document, path, type_=Text()),
        postgresql=collate(stated, "C"),
    )


def json_number(value: float) -> ColumnElement[Any]:
    """Return a number as a JSON column would have it, equal to the last bit."""
    # SQLite reads both texts; its numbers are not always those that Python reads.
    return by_database(
        sqlite=func.json_extract(json.dumps(value), "$"), postgresql=number_literal(value)
    )


def number_literal(value: float) -> ColumnElement[Any]:
    """Return a number of up to 64 bits, whatever the size of what it is compared with."""
    return literal(value, Double() if isinstance(value, float) else BigInteger())


def folded_name(names: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the search key of names that have none stored beside them."""
    return func.dcat_folded_name(names, type_=Text())


def name_key(names: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return names as `catalog.normal_forms.name_key` has them."""
    return func.dcat_name_key(names, type_=Text())


def clock(form: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the first moment of a date-time, by the clock as written."""
    return func.dcat_clock(form, type_=Text())


def instant(form: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the first moment of a date-time in UTC, NULL if it has no offset."""
    return func.dcat_instant(form, type_=Text())


def number(part: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the number that a text is, NULL if it is none."""
    return func.dcat_number(part)


def whole_sum(counted: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the sum of whole numbers as one, 0 of none: PostgreSQL makes decimals of them."""
    return cast(func.coalesce(func.sum(counted), 0), BigInteger)


# -- many values -------------------------------------------------------------------------------------


class _Many(TypeDecorator[Sequence[Any]]):
    """Any number of values as one parameter: JSON text on SQLite, an array on PostgreSQL."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[Text | BigInteger | Double[float]] = Text) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        array = dialect.name == "postgresql"
        return dialect.type_descriptor(ARRAY(self.kind()) if array else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        return list(value or ()) if dialect.name == "postgresql" else json.dumps(value)


def is_among(stored: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return whether the stored value is one of `values`, however many."""
    if len(values) <= FEW:
        return stored.in_(values)
    if any(isinstance(value, float) for value in values):
        # SQLite would read them from a text, and not always as Python does.
        return by_database(sqlite=stored.in_(values), postgresql=stored == any_(_many(values)))
    return is_listed(stored, values)


def is_number_among(stored: ColumnElement[Any], values: Sequence[float]) -> ColumnElement[bool]:
    """Return whether a number in a JSON column is one of `values`."""
    return by_database(
        sqlite=stored.in_([json_number(value) for value in values]),
        postgresql=stored == any_(_many(values)),
    )


def is_listed(stored: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Return whether the stored value is one of `values`, which pass as one parameter."""
    # No value that is kept has a NUL, and PostgreSQL takes none.
    given = _many([v for v in values if not (isinstance(v, str) and "\0" in v)])
    each = func.json_each(given).table_valued("value")
    return by_database(
        sqlite=stored.in_(select(each.c.value)),
        postgresql=stored == any_(given),
    )


def _many(values: Sequence[Any]) -> ColumnElement[Any]:
    kinds = {type(value) for value in values}
    kind: Any = Double if float in kinds else BigInteger if int in kinds else Text
    return bindparam(None, list(values), type_=_Many(kind))


# -- conditions --------------------------------------------------------------------------------------


def is_not_true(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return whether `condition` is false or NULL."""
    return condition.is_not(true())


def any_way(
    ids: ColumnElement[Any], conditions: Sequence[ColumnElement[bool]]
) -> ColumnElement[bool]:
    """Return whether one of the conditions, each about other tables, holds for the row with this id.

    Where they are joined by OR, SQLite looks up each by its index, and PostgreSQL reads all rows.
    """
    if len(conditions) == 1:
        return conditions[0]
    apart = [select(ids).where(each).correlate(None) for each in conditions]
    return by_database(sqlite=or_(*conditions), postgresql=ids.in_(union_all(*apart)))


def all_ways(
    ids: ColumnElement[Any], conditions: Sequence[ColumnElement[bool]]
) -> ColumnElement[bool]:
    """Return whether all conditions, each about other tables, hold for the row with this id.

    PostgreSQL does not know how many rows each has, and joins them one by one in a way that takes
    the product of their numbers if it thinks them few; an INTERSECT takes their sum.
    """
    if len(conditions) == 1:
        return conditions[0]
    apart = [select(ids).where(each).correlate(None) for each in conditions]
    return by_database(sqlite=and_(*conditions), postgresql=ids.in_(intersect(*apart)))


def holds_one_of(stored: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    r"""Return whether one of `values` is among those that the stored text joins by `\`."""
    borders = literal("\\").concat(stored).concat("\\")
    if len(values) == 1:
        return contains(borders, f"\\{values[0]}\\")
    given = _many([f"\\{value}\\" for value in values])
    each = func.json_each(given).table_valued("value")
    return by_database(
        sqlite=and_(
            stored != "",
            select(each.c.value).where(func.instr(borders, each.c.value) > 0).exists(),
        ),
        postgresql=_any_part(stored, "\\", lambda part: part == any_(_many(values))),
    )


def contains(stored: ColumnElement[Any], piece: str) -> ColumnElement[bool]:
    """Return whether `piece` stands somewhere in the stored text."""
    looked_for = literal(piece, Text())
    return by_database(
        sqlite=func.instr(stored, looked_for) > 0, postgresql=func.strpos(stored, looked_for) > 0
    )


def fits_one_of(stored: ColumnElement[Any], patterns: Sequence[str]) -> ColumnElement[bool]:
    """Return whether the stored text fits one of several wildcard patterns, however many."""
    given = func.json_each(_many([_glob(each) for each in patterns])).table_valued("value")
    return by_database(
        sqlite=select(given.c.value).where(stored.op("GLOB")(given.c.value)).exists(),
        postgresql=stored.bool_op("LIKE")(any_(_many([_like(each) for each in patterns]))),
    )


def fits(stored: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Return whether the stored text fits a wildcard pattern; an index serves what it begins with."""
    return by_database(
        sqlite=stored.bool_op("GLOB")(literal(_glob(pattern), Text())),
        postgresql=stored.bool_op("LIKE")(literal(_like(pattern), Text())),
    )


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


_LIKE = str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"})


def _like(pattern: str) -> str:
    """Return a DICOM wildcard pattern for LIKE, where a backslash takes the meaning from a character."""
    return pattern.translate(_LIKE)


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
    return by_database(
        sqlite=and_(
            stored != "",
            select(parts.c.value).where(parts.c.value != "", condition(parts.c.value)).exists(),
        ),
        postgresql=_any_part(stored, separator, condition),
    )


def _any_part(
    stored: ColumnElement[Any],
    separator: str,
    condition: Callable[[ColumnElement[Any]], ColumnElement[bool]],
) -> ColumnElement[bool]:
    """Return `any_part` for PostgreSQL."""
    array = func.string_to_array(stored, literal(separator, Text()))
    part: Column[Any] = column("part", Text())  # type: ignore[assignment]  # table_valued wants a Column, and takes this
    parts = func.unnest(array).table_valued(part).render_derived()
    return select(parts.c.part).where(parts.c.part != "", condition(parts.c.part)).exists()


# -- full text ---------------------------------------------------------------------------------------


class _Question(UserDefinedType[str]):
    """What is asked of words, on PostgreSQL."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "tsquery"


def has_words(columns: Any, level: str, words: Sequence[Word]) -> ColumnElement[bool]:
    """Return whether a row of the table `level` has all the words; the full-text index knows."""
    return by_database(
        sqlite=columns.id.in_(_with_words(level, words)),
        postgresql=_has_words(columns.words, words),
    )


def _with_words(level: str, words: Sequence[Word]) -> Any:
    index = index_name(level)
    found = table(index, column("rowid"))
    # Words are letters and digits, so nothing in them is syntax; quotes keep AND, OR and NEAR words.
    asked = " ".join(f'"{word.text}"{"*" if word.is_prefix else ""}' for word in words)
    match = text(f"{index} MATCH :words").bindparams(bindparam("words", asked, unique=True))
    return select(found.c.rowid).where(match)


def _has_words(stored: ColumnElement[Any], words: Sequence[Word]) -> ColumnElement[bool]:
    """Return `has_words` for PostgreSQL, whose index knows of rows with very many words only that: `' '`."""
    asked = " & ".join(f"'{word.text}'{':*' if word.is_prefix else ''}" for word in words)
    is_known = all(len(word.text.encode()) <= MOST_BYTES for word in words)
    question = f"{asked} | ' '" if is_known else "' '"
    found = func.dcat_word_vector(stored).bool_op("@@")(
        cast(literal(question, Text()), _Question())
    )
    spaced = literal(" ").concat(stored).concat(" ")
    pieces = (f" {word.text}{'' if word.is_prefix else ' '}" for word in words)
    has_all = and_(*(func.strpos(spaced, literal(piece, Text())) > 0 for piece in pieces))
    return and_(found, or_(func.octet_length(stored) <= MOST_BYTES, has_all))
