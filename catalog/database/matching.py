"""Terms of selections as SQL: the twin of `Term.accepts`. Tests hold the two together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, literal, or_, select, true

from catalog.attributes import INTEGER_VRS, WORDS, Attribute, Further
from catalog.database import dialect
from catalog.database import models as m
from catalog.entities import Level
from catalog.normal_forms import fold, words
from catalog.query.computed import COMPUTED, COUNTS, MODALITIES
from catalog.query.matchers import (
    COMPARISONS,
    AllOf,
    AnyOf,
    Anything,
    Between,
    Compared,
    Empty,
    Equal,
    Like,
    Matcher,
    Moments,
    NameLike,
)
from catalog.query.selection import Term
from catalog.query.wildcards import beginning, is_pattern
from catalog.query.words import Word

TABLES: dict[Level, Any] = {**m.ENTITY_TABLES, Level.FILE: m.file}
PARENT_REFS: dict[Level, ColumnElement[Any]] = {
    Level.STUDY: m.study.c.patient_ref,
    Level.SERIES: m.series.c.study_ref,
    Level.INSTANCE: m.instance.c.series_ref,
    Level.FILE: m.file.c.instance_ref,
}
"""By level: the column that names what a row belongs to."""


def term_condition(term: Term, columns: Any = None) -> ColumnElement[bool]:
    """Return the condition on the rows of the term's level that fit it, or on others that have its columns."""
    attribute = term.attribute
    columns = TABLES[attribute.level].c if columns is None else columns
    if attribute in COMPUTED:
        found = any_of(_computed(attribute, matcher) for matcher in term.matchers)
    elif term.time is not None:
        found = any_of(_combined(columns, term, matcher) for matcher in term.matchers)
    else:
        found = _alternatives(columns, attribute, term.matchers)
    return dialect.is_not_true(found) if term.is_negated else found


def stored_value(columns: Any, attribute: Attribute) -> ColumnElement[Any]:
    """Return the value of `attribute` in a table with these columns: a column, or a part of `attributes`."""
    if isinstance(attribute, Further):
        return dialect.json_value(columns.attributes, attribute)
    stored: ColumnElement[Any] = columns[attribute.column]
    return stored


def any_of(conditions: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return whether any of the conditions holds; false if there is none."""
    return _halved(list(conditions), "OR", 2)


def all_of(conditions: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return whether all of the conditions hold; true if there is none."""
    return _halved(list(conditions), "AND", 3)


_FEW = 20


def _halved(
    given: list[ColumnElement[bool]], operator: str, precedence: int
) -> ColumnElement[bool]:
    """Return the conditions joined: many of them in halves, as databases bound how deep a statement nests.

    The precedences are those that SQLAlchemy gives to the operators.
    """
    if len(given) <= _FEW:
        return or_(false(), *given) if operator == "OR" else and_(true(), *given)
    half = len(given) // 2
    join = _halved(given[:half], operator, precedence).op(
        operator, precedence=precedence, is_comparison=True
    )
    return join(_halved(given[half:], operator, precedence))


def _alternatives(
    columns: Any, attribute: Attribute, matchers: tuple[Matcher, ...]
) -> ColumnElement[bool]:
    """Return the condition that any of the matchers accepts; those of many values as few conditions."""
    stored = stored_value(columns, attribute)
    values = tuple(v for each in matchers if isinstance(each, Equal) for v in each.values)
    patterns = [each.pattern for each in matchers if isinstance(each, Like)]
    are_many = len(patterns) > dialect.FEW
    joined: list[ColumnElement[bool]] = []
    if values:
        joined.append(_condition(columns, attribute, Equal(tuple(dict.fromkeys(values)))))
    if are_many:
        joined.append(_part(attribute, stored, lambda part: dialect.fits_one_of(part, patterns)))
    rest = [
        each
        for each in matchers
        if not isinstance(each, Equal) and not (are_many and isinstance(each, Like))
    ]
    return any_of([*joined, *(_condition(columns, attribute, each) for each in rest)])


def _condition(columns: Any, attribute: Attribute, matcher: Matcher) -> ColumnElement[bool]:
    """Return the condition that does what `matcher.accepts` does."""
    stored = stored_value(columns, attribute)
    in_json = isinstance(attribute, Further)
    match matcher:
        case Anything():
            return true()
        case Empty() if attribute.is_number:
            return stored.is_(None)
        case Empty():
            return or_(stored.is_(None), stored == "")
        case Equal(values) if attribute.is_number and in_json:
            return dialect.is_number_among(stored, values)  # type: ignore[arg-type]  # of an attribute that is a number all values are numbers
        case Equal(values) if attribute.is_multi_valued:
            return dialect.holds_one_of(stored, [str(value) for value in values])
        case Equal(values):
            return dialect.is_among(stored, values)
        case AllOf(matchers):
            return all_of(_condition(columns, attribute, each) for each in matchers)
        case AnyOf(matchers):
            return any_of(_condition(columns, attribute, each) for each in matchers)
        case Like(pattern):
            return _part(attribute, stored, lambda part: _fits(part, pattern))
        case Between():
            return _part(attribute, stored, lambda part: _lies_within(part, matcher))
        case Moments():
            return _part(attribute, stored, lambda part: _is_within(part, matcher))
        case Compared(sign, bound):
            if attribute.is_multi_valued:
                holds, limit = COMPARISONS[sign], dialect.number_literal(bound)
                return dialect.any_part(stored, "\\", lambda part: holds(dialect.number(part), limit))  # fmt: skip
            return and_(stored.is_not(None), _compares(stored, attribute, sign, bound))
        case NameLike():
            return and_(stored != "", _name_fits(columns, attribute, stored, matcher))


def _part(attribute: Attribute, stored: ColumnElement[Any], condition: Any) -> ColumnElement[bool]:
    r"""Return whether `condition` holds for the value, or for any of several joined by `\`."""
    if attribute.is_multi_valued:
        return dialect.any_part(stored, "\\", condition)
    return and_(stored != "", condition(stored))


def _compares(
    stored: ColumnElement[Any], attribute: Attribute, sign: str, bound: float
) -> ColumnElement[bool]:
    sign, bound = of_kind(sign, bound, whole=attribute.vr in INTEGER_VRS)
    in_json = isinstance(attribute, Further)
    limit = dialect.json_number(bound) if in_json else dialect.number_literal(bound)
    found: ColumnElement[bool] = COMPARISONS[sign](stored, limit)
    return found


def of_kind(sign: str, bound: float, *, whole: bool) -> tuple[str, float]:
    """Return the comparison of a number, whole or not, with a bound of its own kind that comes to the same.

    `sign` is one of `<`, `<=`, `>` and `>=`. Whole numbers are not rounded to be compared with
    others, which PostgreSQL would do.
    """
    if whole is isinstance(bound, int) or (whole and abs(bound) >= 2**63):
        return sign, bound
    below: float
    above: float
    if whole:
        below, above = math.floor(bound), math.ceil(bound)
    else:
        near = float(bound)
        below = near if near <= bound else math.nextafter(near, -math.inf)
        above = near if near >= bound else math.nextafter(near, math.inf)
    if below == above:
        return sign, below
    return ("<=", below) if sign in ("<", "<=") else (">=", above)


def _fits(stored: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    start = beginning(pattern)
    found = dialect.fits(stored, pattern)
    return and_(dialect.begins(stored, start), found) if start else found


def _lies_within(stored: ColumnElement[Any], range_: Between) -> ColumnElement[bool]:
    return _ends(stored, range_.low, range_.high, range_.is_open)


def _ends(
    stored: ColumnElement[Any], low: str | None, high: str | None, is_open: bool
) -> ColumnElement[bool]:
    above = true() if low is None else stored > low if is_open else stored >= low
    below = true() if high is None else stored < high if is_open else stored <= high
    return and_(above, below)


def _is_within(form: ColumnElement[Any], range_: Moments) -> ColumnElement[bool]:
    """Return whether a date-time lies in the range; each end by instants where both have an offset."""
    found = []
    for low, high, low_instant, high_instant in (
        (range_.low, None, range_.low_instant, None),
        (None, range_.high, None, range_.high_instant),
    ):
        if low is None and high is None:
            continue
        by_clock = _ends(dialect.clock(form), low, high, range_.is_open)
        if low_instant is None and high_instant is None:
            found.append(by_clock)
        else:
            moment = dialect.instant(form)
            by_instant = _ends(moment, low_instant, high_instant, range_.is_open)
            found.append(case((moment.is_not(None), by_instant), else_=by_clock))
    return and_(true(), *found)


def _combined(columns: Any, term: Term, matcher: Matcher) -> ColumnElement[bool]:
    """Return the condition on a date and a time as one text; that on the date alone lets an index serve."""
    assert term.time is not None
    date, time = stored_value(columns, term.attribute), stored_value(columns, term.time)
    if not isinstance(matcher, Between):  # universal and empty matching are about the date
        return _condition(columns, term.attribute, matcher)
    moment = case((and_(time.is_not(None), time != ""), date.concat("T").concat(time)), else_=date)
    low = matcher.low[:10] if matcher.low else None
    high = matcher.high[:10] if matcher.high else None
    return and_(date != "", _ends(date, low, high, False), _lies_within(moment, matcher))


def _name_fits(
    columns: Any, attribute: Attribute, stored: ColumnElement[Any], name: NameLike
) -> ColumnElement[bool]:
    pattern = name.pattern
    if name.is_exact:
        key = dialect.name_key(stored)
    elif isinstance(attribute, Further):
        key = dialect.folded_name(stored)
    else:
        key = columns[f"{attribute.column}_folded"]
    bordered = literal("=").concat(key).concat("=")
    if not is_pattern(pattern):
        found = dialect.contains(bordered, f"={pattern}=")
    elif "=" in pattern or not is_pattern(pattern.strip("*")):
        # A wildcard at an end cannot make more of two groups than of one.
        found = dialect.fits(bordered, f"*={pattern}=*")
    else:
        found = dialect.any_part(key, "=", lambda group: dialect.fits(group, pattern))
    sure = () if isinstance(attribute, Further) else _sure_words(attribute, pattern)
    if not sure:
        return found
    return and_(dialect.has_words(columns, attribute.level.value, sure), found)


def _sure_words(attribute: Attribute, pattern: str) -> tuple[Word, ...]:
    """Return words that everybody has whose name fits, for the full-text index to find them by.

    They are those of what stands before the first wildcard; the last of them may go on beyond it.
    """
    if attribute.keyword not in WORDS[attribute.level]:
        return ()
    whole = fold(pattern)
    start = beginning(whole)
    known = words(start)
    goes_on = start != whole and words(start + "x")[-1:] == tuple(f"{word}x" for word in known[-1:])
    made = (Word(word, goes_on and word == known[-1]) for word in known)
    # What a letter beyond ASCII becomes may depend on the one that follows.
    return tuple(word for word in made if word.text.isascii())


# -- what is computed ------------------------------------------------------------------------------


def _computed(attribute: Attribute, matcher: Matcher) -> ColumnElement[bool]:
    """Return the condition on rows of the attribute's level that does what `matcher.accepts` does with the computed value."""
    counted = COUNTS.get(attribute)
    if counted is not None:
        return _number_fits(_count(attribute.level, counted), matcher)
    ids: ColumnElement[int] = TABLES[attribute.level].c.id
    if attribute == MODALITIES:
        value: ColumnElement[Any] = m.series.c.modality
        refs = select(m.series.c.study_ref)
    else:
        value = m.instance.c.sop_class_uid
        refs = select(m.series.c.study_ref).join_from(m.series, m.instance)
    match matcher:
        case Anything():
            return true()
        case Empty():
            return ids.not_in(refs.where(value != ""))
        case AllOf(matchers):
            return all_of(_computed(attribute, each) for each in matchers)
        case Equal(values):
            return ids.in_(refs.where(dialect.is_among(value, values)))
        case Like(pattern):
            return ids.in_(refs.where(value != "", _fits(value, pattern)))
    raise AssertionError(f"{attribute.keyword} is matched by {matcher!r}")


def _count(of: Level, counted: Level) -> ColumnElement[Any]:
    """Return the number of rows of the level `counted` that belong to a row of the level `of`."""
    order = list(TABLES)
    between = order[order.index(of) + 1 : order.index(counted) + 1]
    joined: Any = TABLES[between[0]]
    for level in between[1:]:
        joined = joined.join(TABLES[level], PARENT_REFS[level] == TABLES[order[order.index(level) - 1]].c.id)  # fmt: skip
    query = select(func.count()).select_from(joined).where(PARENT_REFS[between[0]] == TABLES[of].c.id)  # fmt: skip
    return query.correlate(TABLES[of]).scalar_subquery()


def _number_fits(value: ColumnElement[Any], matcher: Matcher) -> ColumnElement[bool]:
    match matcher:
        case Anything():
            return true()
        case Empty():
            return false()
        case Equal(values):
            return value.in_(values)
        case Compared(sign, bound):
            sign, bound = of_kind(sign, bound, whole=True)
            found: ColumnElement[bool] = COMPARISONS[sign](value, dialect.number_literal(bound))
            return found
    raise AssertionError(f"a count is matched by {matcher!r}")
