"""From what a user types for an attribute to the matcher that it means, by the attribute's VR (PS3.4 C.2.2.2)."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

from catalog import normal_forms
from catalog.attributes import INDEXED, INTEGER_VRS, REAL_VRS, Attribute
from catalog.errors import SelectionError
from catalog.query import periods
from catalog.query.matchers import (
    AllOf,
    AnyOf,
    Anything,
    Compared,
    Empty,
    Equal,
    Like,
    Matcher,
    NameLike,
)
from catalog.query.saying import shown
from catalog.query.wildcards import MAX_CHARACTERS, collapsed, is_pattern

WILDCARD_VRS = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
"""VRs that allow wildcard matching (PS3.4 C.2.2.2.4)."""

_UNKNOWN_VRS = frozenset(["UN"])
"""Private elements are text of which nobody knows the VR; wildcards are allowed there too, as an extra."""

_LEADING_SPACES_COUNT = frozenset(["LT", "ST", "UC", "UR", "UT"])
"""VRs whose leading spaces are significant (PS3.5 Table 6.2-1)."""

_NUMBERS = INTEGER_VRS | REAL_VRS
_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


class Manner(NamedTuple):
    """What bears on the meaning of a value beside its attribute.

    Attributes
    ----------
    today:
        The day of the search, by which relative dates are understood; `None` where there is none.
    is_exact:
        Whether names are compared literally, with case and accents.
    follows_links:
        Whether a Patient ID is also that of patients who are linked to it.
    """

    today: date | None = None
    is_exact: bool = False
    follows_links: bool = False


PLAIN = Manner()


def matcher(attribute: Attribute, text: str, manner: Manner = PLAIN, sign: str = "=") -> Matcher:
    """Return how stored values of `attribute` are compared with what the user typed.

    Parameters
    ----------
    sign:
        `=`, or for numbers, dates and times `<`, `<=`, `>` or `>=`.

    Raises
    ------
    SelectionError
        If `text` cannot be a value, pattern or range of the attribute's VR.
    """
    check_text(attribute, text)
    stripped = text.rstrip() if attribute.vr in _LEADING_SPACES_COUNT else text.strip()
    if sign != "=":
        return _comparison(attribute, sign, stripped, manner)
    if text == '""':
        return Empty()
    if stripped.strip() == "" or (stripped.strip("*") == "" and _takes_wildcards(attribute)):
        return Anything()
    if attribute.is_multi_valued and attribute.vr != "UI" and "\\" in stripped:
        values = [part.strip() for part in stripped.split("\\") if part.strip()]
        return AllOf(tuple(_one(attribute, value, manner) for value in values)) if values else Anything()  # fmt: skip
    return _one(attribute, stripped, manner)


def _one(attribute: Attribute, text: str, manner: Manner) -> Matcher:
    """Return the matcher for one value, pattern or range."""
    if attribute.vr in _NUMBERS:
        return _number(attribute, text)
    match attribute.vr:
        case "UI":
            return _uids(attribute, text)
        case "DA":
            return periods.dates(attribute, "=", text, manner.today)
        case "TM":
            return periods.times(attribute, "=", text)
        case "DT":
            return periods.date_times(attribute, "=", text, manner.today)
        case "PN":
            return _name(attribute, text, manner)
    if is_pattern(text):
        return Like(_pattern(attribute, text))
    return Equal((_kept(attribute, text),))


def _kept(attribute: Attribute, text: str) -> str:
    """Return a text as the catalogue keeps it: too long ones are cut where an index holds them."""
    return normal_forms.indexed(text) if attribute.keyword in INDEXED else text


def _comparison(attribute: Attribute, sign: str, text: str, manner: Manner) -> Matcher:
    match attribute.vr:
        case "DA":
            return periods.dates(attribute, sign, text, manner.today)
        case "TM":
            return periods.times(attribute, sign, text)
        case "DT":
            return periods.date_times(attribute, sign, text, manner.today)
        case vr if vr in _NUMBERS:
            bound = normal_forms.number(text)
            if bound is None:
                raise SelectionError(
                    f"{shown(text)} is not a number, with which {attribute.keyword} can be compared.",
                    text,
                )
            return Compared(sign, bound)
    raise SelectionError(
        f"{attribute.keyword} cannot be compared by {sign}: its values are no numbers, dates or times ({attribute.vr}). Write {attribute.keyword}=VALUE or {attribute.keyword}!=VALUE.",
        text,
    )


def _uids(attribute: Attribute, text: str) -> Matcher:
    values = [value.strip() for value in re.split(r"[\\,]", text)]
    for value in values:
        if not _UID.fullmatch(value):
            raise SelectionError(
                f"{shown(value)} is not a UID; {attribute.keyword} takes whole UIDs, several joined by commas.",
                text,
            )
    return Equal(tuple(_kept(attribute, value) for value in values))


def _number(attribute: Attribute, text: str) -> Matcher:
    number: int | float | None
    if attribute.vr in REAL_VRS:
        number = normal_forms.decimal(text)
    elif attribute.vr in ("IS", "US"):
        number = normal_forms.integer(text)
    else:
        number = int(text) if _INTEGER.fullmatch(text) else None
    if number is None:
        raise SelectionError(
            f"{shown(text)} is not a number, and {attribute.keyword} is one.{_in_two(attribute, text)}",
            text,
        )
    return Compared("=", number) if attribute.is_multi_valued else Equal((number,))


def _in_two(attribute: Attribute, text: str) -> str:
    """Return how to ask for a range of numbers, which DICOM has not, if `text` looks like one."""
    low, hyphen, high = text.partition("-")
    if not hyphen or normal_forms.number(low) is None or normal_forms.number(high) is None:
        return ""
    name = attribute.keyword
    return f" A range of numbers is asked for in two: -k '{name}>={low}' -k '{name}<={high}'."


def _name(attribute: Attribute, text: str, manner: Manner) -> Matcher:
    """Return the matcher of a name: its component groups as they are compared, ends dropped.

    A pattern `doe^*` finds `Doe` too, since that is `Doe^`: empty components at the end do not count.
    """
    pattern = _pattern(attribute, text if manner.is_exact else normal_forms.fold(text))
    groups = [group.strip().rstrip("^ ") for group in pattern.split("=")]
    pattern = "=".join(group for group in groups if group) or pattern
    patterns = [pattern]
    while pattern.endswith("^*") and (pattern := pattern[:-2].rstrip("^ ")):
        patterns.append(pattern)
    found = tuple(NameLike(each, manner.is_exact) for each in patterns)
    return found[0] if len(found) == 1 else AnyOf(found)


def _pattern(attribute: Attribute, text: str) -> str:
    if is_pattern(text) and not _takes_wildcards(attribute):
        raise SelectionError(
            f"{attribute.keyword} takes no wildcards: its VR is {attribute.vr} (PS3.4 C.2.2.2.4).",
            text,
        )
    pattern = collapsed(text)
    if is_pattern(pattern) and len(pattern) > MAX_CHARACTERS:
        raise SelectionError(
            f"The pattern for {attribute.keyword} has {len(pattern):,} characters, more than {MAX_CHARACTERS:,}.",
            text,
        )
    return pattern


def _takes_wildcards(attribute: Attribute) -> bool:
    return attribute.vr in WILDCARD_VRS or attribute.vr in _UNKNOWN_VRS


def check_text(attribute: Attribute, text: str) -> None:
    """Raise a `SelectionError` if no value can hold `text`."""
    if "\0" in text:
        raise SelectionError(
            f"The value for {attribute.keyword} holds a NUL, and no value that is kept has one.",
            text,
        )
