"""Dates, times and date-times as a user types them, and the periods for which they stand (PS3.4 C.2.2.2.5).

What is typed stands for all that it covers: `2024` for a year, `2024-01` for a month, `20240131` for a
day, `1030` for a minute. A range `a-b` lasts from the beginning of a to the end of b. Dates may be
relative to the day of the search: `today`, `yesterday`, `last-30d` (also w, m, y).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from catalog import normal_forms
from catalog.attributes import Attribute
from catalog.errors import SelectionError
from catalog.query.matchers import Between, Matcher, Moments
from catalog.query.saying import shown

_AFTER_ALL = "~"
"""Sorts after every character of a normal form, so that an end takes in all that it begins."""

_DA = re.compile(r"(\d{4})(?:(\d\d)(\d\d)?|-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_TM = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,6})?)?)?)?)?(Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_LAST = re.compile(r"last-(\d{1,5})([dwmy])", re.ASCII)
_MOST_HYPHENS = 8

DATES = "20240131, 2024-01-31, 2024-01, 2024, 20240101-20240131, 20240101-, -20240131, today, yesterday or last-30d"
TIMES = "0830, 08:30:15, 0800-1200, 0800- or -1200"
DATE_TIMES = "20240131120000, 2024-01-31T12:00+01:00, 20240101-20240131235959, 20240101-, -20240131, today or last-30d"
"""What can be written, for messages."""


class Period(NamedTuple):
    """The first and the last normal form that something typed covers; `None` where it has no end."""

    low: str | None
    high: str | None


def dates(attribute: Attribute, sign: str, text: str, today: date | None) -> Matcher:
    """Return the matcher of a DA attribute for a date or range.

    Parameters
    ----------
    sign:
        `=`, or how a date is compared: `<`, `<=`, `>` or `>=`.
    today:
        The day of the search, by which relative dates are understood.

    Raises
    ------
    SelectionError
        If `text` is no date or range.
    """
    period = _period(attribute, sign, text, lambda end: _date(attribute, end, today), "date", DATES)
    return _between(attribute, sign, text, period)


def times(attribute: Attribute, sign: str, text: str) -> Matcher:
    """Return the matcher of a TM attribute; a range does not cross midnight (C.2.2.2.5.2). Otherwise as `dates`."""
    period = _period(attribute, sign, text, _time, "time", TIMES)
    return _between(attribute, sign, text, period)


def date_times(attribute: Attribute, sign: str, text: str, today: date | None) -> Matcher:
    """Return the matcher of a DT attribute, otherwise as `dates`.

    A hyphen before four digits that can be a UTC offset begins one.
    """
    found = _period(attribute, sign, text, lambda end: _date_time(attribute, end, today), "date and time", DATE_TIMES)  # fmt: skip
    low, high = found
    ends = (
        normal_forms.clock(low) if low else None,
        normal_forms.clock(high, last=True) if high else None,
        normal_forms.instant(low) if low else None,
        normal_forms.instant(high, last=True) if high else None,
    )
    if ends[2] and ends[3]:
        _in_order(attribute, text, ends[2], ends[3])
    else:
        _in_order(attribute, text, ends[0], ends[1])
    match sign:
        case "<=":
            return Moments(None, ends[1], None, ends[3])
        case ">=":
            return Moments(ends[0], None, ends[2], None)
        case "<":
            return Moments(None, ends[0], None, ends[2], is_open=True)
        case ">":
            return Moments(ends[1], None, ends[3], None, is_open=True)
    return Moments(*ends)


def combined(attribute: Attribute, sign: str, text: str, today: date | None) -> Matcher:
    """Return the matcher of a date and a time taken together (C.2.2.2.5, combined date-time matching).

    The stored side is the date, `T` and the time, or the date alone where there is no time.
    """

    def end(typed: str) -> Period | None:
        found = _date_time(attribute, typed, today)
        if found is None or any(form is not None and _has_offset(form) for form in found):
            return None
        low, high = found
        first = normal_forms.clock(low) if low else None
        return Period(
            None if first is None else f"{first[:10]}T{_shortest(first[11:])}".removesuffix("T00"),
            None if high is None else _latest(normal_forms.clock(high, last=True) or ""),
        )

    what = "date and time without a UTC offset"
    period = _period(attribute, sign, text, end, what, DATE_TIMES.replace("+01:00", ""))
    return _between(attribute, sign, text, period)


def _between(attribute: Attribute, sign: str, text: str, period: Period) -> Matcher:
    low, high = period
    _in_order(attribute, text, low, high)
    match sign:
        case "<=":
            return Between(None, high)
        case ">=":
            return Between(low, None)
        case "<":
            return Between(None, low, is_open=True)
        case ">":
            return Between(high, None, is_open=True)
    return Between(low, high)


def _period(
    attribute: Attribute,
    sign: str,
    text: str,
    end: Callable[[str], Period | None],
    what: str,
    forms: str,
) -> Period:
    """Return what `text` covers: one end, or a range of two."""
    single = end(text)
    if single is not None:
        return single
    if sign != "=":
        raise SelectionError(
            f"{shown(text)} is not one {what}, with which {attribute.keyword} can be compared. Write {attribute.keyword}{sign}{forms.split(',', maxsplit=1)[0]}.",
            text,
        )
    for low, high in _splits(text):
        first, last = end(low) if low else None, end(high) if high else None
        if (first or not low) and (last or not high):
            return Period(first.low if first else None, last.high if last else None)
    raise SelectionError(
        f"{shown(text)} is not a {what} or range for {attribute.keyword}. Write {forms}.", text
    )


def _splits(text: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before and after each hyphen; none for a hyphen alone, or for far too many."""
    if text.count("-") <= _MOST_HYPHENS and text != "-":
        for found in re.finditer("-", text):
            yield text[: found.start()].strip(), text[found.end() :].strip()


def _in_order(attribute: Attribute, text: str, low: str | None, high: str | None) -> None:
    if low is not None and high is not None and low > high:
        raise SelectionError(
            f"The range {shown(text)} for {attribute.keyword} ends before it begins.", text
        )


def _date(attribute: Attribute, text: str, today: date | None) -> Period | None:
    if (relative := _relative(attribute, text, today)) is not None:
        return relative
    found = _DA.fullmatch(text)
    if not found:
        return None
    year, month, day = found[1], found[2] or found[4], found[3] or found[5]
    if normal_forms.date(f"{year}{month or '01'}{day or '01'}") is None:
        return None
    first, last = month or "01", month or "12"
    end = day or f"{monthrange(int(year), int(last))[1]:02d}"
    return Period(f"{year}-{first}-{day or '01'}", f"{year}-{last}-{end}")


def _relative(attribute: Attribute, text: str, today: date | None) -> Period | None:
    """Return the days that `today`, `yesterday` or `last-30d` means, today and the day 30 days ago included."""
    word = text.lower()
    if word not in ("today", "yesterday") and not _LAST.fullmatch(word):
        return None
    if today is None:
        raise SelectionError(
            f"{text!r} for {attribute.keyword} has no meaning here, where no day is today.", text
        )
    if word == "today":
        return Period(today.isoformat(), today.isoformat())
    if word == "yesterday":
        day = today - timedelta(days=1)
        return Period(day.isoformat(), day.isoformat())
    count, unit = _LAST.fullmatch(word).groups()  # type: ignore[union-attr]  # seen above
    try:
        return Period(_before(today, int(count), unit).isoformat(), today.isoformat())
    except (OverflowError, ValueError) as exc:
        raise SelectionError(
            f"{text!r} for {attribute.keyword} begins before the first year.", text
        ) from exc


def _before(today: date, count: int, unit: str) -> date:
    """Return the day so many days, weeks, months or years ago; the last of its month if it has no such day."""
    if unit in "dw":
        return today - timedelta(days=count * (7 if unit == "w" else 1))
    months = today.year * 12 + today.month - 1 - count * (12 if unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(today.day, monthrange(year, month)[1] if year > 0 else 1))


def _time(text: str) -> Period | None:
    found = _TM.fullmatch(text)
    form = None
    if found:
        hour, minute, second, fraction = found.groups()
        whole = "".join(part for part in (hour, minute, second) if part)
        form = normal_forms.time(whole + (f".{fraction}" if fraction else ""))
    return None if form is None else Period(_shortest(form), _latest(form))


def _date_time(attribute: Attribute, text: str, today: date | None) -> Period | None:
    if (relative := _relative(attribute, text, today)) is not None:
        return relative
    if found := _ISO.fullmatch(text):
        *digits, offset = found.groups()
        zone = "" if offset is None else "+0000" if offset == "Z" else offset.replace(":", "")
        text = "".join(part for part in digits if part) + zone
    form = normal_forms.date_time(text)
    return None if form is None else Period(form, form)


def _shortest(form: str) -> str:
    """Return a time without the trailing zeros that do not change its earliest moment."""
    clock, _, fraction = form.partition(".")
    if fraction.strip("0"):
        return f"{clock}.{fraction.rstrip('0')}"
    while clock.endswith(":00"):
        clock = clock[:-3]
    return clock


def _latest(form: str) -> str:
    """Return what sorts last of the spellings of what a time covers; a fraction of a second is exact."""
    clock, dot, fraction = form.partition(".")
    return f"{clock}.{fraction.ljust(6, '0')}" if dot else clock + _AFTER_ALL


def _has_offset(form: str) -> bool:
    return normal_forms.instant(form) is not None
