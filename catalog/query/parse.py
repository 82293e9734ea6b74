r"""From what a user types to a `Selection`.

`KEYWORD=VALUE` follows DICOM matching (PS3.4 C.2.2.2): wildcards `*` and `?` for text, ranges
`a-b` for dates and times, lists `uid\uid` (or with commas) for UIDs, `""` for no value, an empty
VALUE for anything. Dates may also be written YYYY-MM-DD.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from catalog import normal_forms
from catalog.attributes import BY_KEYWORD, REAL_VRS, Attribute, Further
from catalog.entities import Level
from catalog.errors import SelectionError
from catalog.query.matchers import Anything, Between, EachOf, Empty, Equal, Like, Matcher, NameLike
from catalog.query.selection import Selection, Term

WILDCARD_VRS = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
"""VRs that allow wildcard matching (PS3.4 C.2.2.2.4)."""

_ALIASES = {keyword.lower(): keyword for keyword in BY_KEYWORD}
_ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_DT_RANGE = re.compile(
    r"(\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?)?-(\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?)?", re.ASCII
)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_LAST_OF_ALL = "~"


def is_always_kept(keyword: str) -> bool:
    """Return whether every catalogue keeps the attribute with that keyword, whatever its case."""
    return keyword.strip().lower() in _ALIASES


def attribute_named(keyword: str, further: Sequence[Further] = ()) -> Attribute:
    """Return the attribute with that keyword, whatever its case.

    Parameters
    ----------
    further:
        The attributes that this catalogue keeps beyond those of every catalogue, by name or by
        name and level.

    Raises
    ------
    SelectionError
        If the catalogue keeps none of that name; the message names the nearest.
    """
    asked = keyword.strip().lower()
    found = _ALIASES.get(asked)
    if found is not None and BY_KEYWORD[found].level is not Level.FILE:
        return BY_KEYWORD[found]
    for attribute in further:
        if asked in (attribute.keyword.lower(), attribute.column.lower()):
            return attribute
    names = _ALIASES | {attribute.keyword.lower(): attribute.keyword for attribute in further}
    near = difflib.get_close_matches(asked, names, n=1)
    hint = f" Did you mean {names[near[0]]}?" if near else ""
    raise SelectionError(
        f"{keyword!r} is not a keyword that the catalogue keeps.{hint} "
        "To have another attribute kept, add it to `attributes` under [index] in the configuration file and index again.",
        keyword,
    )


def term(keyword: str, values: Iterable[str], further: Sequence[Further] = ()) -> Term:
    """Return the term for `keyword` being any of `values`.

    Raises
    ------
    SelectionError
        If the keyword is unknown or a value cannot be a value, pattern or range of its VR.
    """
    attribute = attribute_named(keyword, further)
    return Term(attribute, tuple(matcher(attribute, value) for value in values))


def key_terms(pairs: Sequence[str], further: Sequence[Further] = ()) -> tuple[Term, ...]:
    """Return the terms of `KEYWORD=VALUE` texts; a keyword given twice may be either.

    Raises
    ------
    SelectionError
        If a text has no `=`, or as `term` does.
    """
    values: dict[str, list[str]] = {}
    for pair in pairs:
        keyword, equals, value = pair.partition("=")
        if not equals:
            raise SelectionError(
                f"{pair!r} is not of the form KEYWORD=VALUE, such as Modality=CT.", pair
            )
        values.setdefault(attribute_named(keyword, further).keyword, []).append(value)
    return tuple(term(keyword, texts, further) for keyword, texts in values.items())


def merged(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Return `terms` with those on the same attribute joined into one that may be either."""
    by_attribute: dict[Attribute, tuple[Matcher, ...]] = {}
    for each in terms:
        by_attribute[each.attribute] = by_attribute.get(each.attribute, ()) + each.matchers
    return tuple(Term(attribute, matchers) for attribute, matchers in by_attribute.items())


def selection(
    keys: Sequence[str] = (),
    options: Sequence[tuple[str, Sequence[str]]] = (),
    conditions: Sequence[str] = (),
    statements: Sequence[str] = (),
    listed: Iterable[str] | None = None,
    text: str = "",
    further: Sequence[Further] = (),
) -> Selection:
    """Return the selection that the command line describes.

    `options` pairs keywords with the values of their own options (`--patient` and so on);
    `further` are the attributes that the catalogue keeps beyond those of every catalogue.

    Raises
    ------
    SelectionError
        As `key_terms` does.
    """
    for typed in (*keys, *conditions, *statements, *(v for _, values in options for v in values)):
        if not _is_text(typed):
            raise SelectionError(f"{typed!r} holds bytes that are no text.", typed)
    terms = [term(keyword, values) for keyword, values in options if values]
    lines = (
        None if listed is None else tuple(line.rstrip("\r\n") for line in listed if line.strip())
    )
    return Selection(
        merged([*terms, *key_terms(keys, further)]),
        tuple(conditions),
        tuple(statements),
        lines,
        text,
    )


def matcher(attribute: Attribute, text: str) -> Matcher:
    """Return how stored values of `attribute` are compared with what the user typed.

    Raises
    ------
    SelectionError
        If `text` cannot be a value, pattern or range of the attribute's VR.
    """
    if text == '""':
        return Empty()
    stripped = text.strip()
    if stripped == "" or (stripped == "*" and attribute.vr in WILDCARD_VRS):
        return Anything()
    if attribute.is_number:
        return _number(attribute, stripped)
    match attribute.vr:
        case "UI":
            return _uids(attribute, stripped)
        case "DA":
            return _dates(attribute, stripped)
        case "TM":
            return _times(attribute, stripped)
        case "DT":
            return _date_times(attribute, stripped)
        case "IS" | "US" | "DS":
            return _numbers(attribute, stripped)
        case "PN":
            return NameLike(_folded_pattern(stripped))
    if "*" in stripped or "?" in stripped:
        return Like(stripped)
    if attribute.is_multi_valued and "\\" in stripped:
        values = tuple(part.strip() for part in stripped.split("\\") if part.strip())
        return EachOf(values) if values else Anything()
    return Equal((stripped,))


def _uids(attribute: Attribute, text: str) -> Matcher:
    values = [value.strip() for value in re.split(r"[\\,]", text)]
    for value in values:
        if not _UID.fullmatch(value):
            raise SelectionError(
                f"{value!r} is not a UID; {attribute.keyword} takes whole UIDs, several joined by commas.",
                text,
            )
    return Equal(tuple(values))


def _dates(attribute: Attribute, text: str) -> Matcher:
    compact = _ISO_DATE.sub(r"\1\2\3", text)
    ends = [compact] if "-" not in compact else compact.split("-")
    forms = [normal_forms.date(end) if end else "" for end in ends]
    if len(ends) > 2 or None in forms or not any(forms):
        raise SelectionError(
            f"{text!r} is not a date or range for {attribute.keyword}. "
            "Write 20240131, 20240101-20240131, 20240101- or -20240131.",
            text,
        )
    if len(forms) == 1:
        return Equal((forms[0],))
    return _range(attribute, text, forms[0] or None, forms[1] or None)


def _times(attribute: Attribute, text: str) -> Matcher:
    ends = text.replace(":", "").split("-")
    forms = [normal_forms.time(end) if end else "" for end in ends]
    if len(ends) > 2 or None in forms or not any(forms):
        raise SelectionError(
            f"{text!r} is not a time or range for {attribute.keyword}. "
            "Write 0830, 083015, 0800-1200, 0800- or -1200.",
            text,
        )
    if len(forms) == 1:
        return Equal(_spellings(forms[0] or ""))
    # A range does not cross midnight (PS3.4 C.2.2.2.5.2).
    return _range(attribute, text, _shortest(forms[0]) if forms[0] else None, forms[1] or None)


def _date_times(attribute: Attribute, text: str) -> Matcher:
    form = normal_forms.date_time(text)
    if form is not None:
        return Equal(_date_time_spellings(form))
    found = _DT_RANGE.fullmatch(text)
    ends = (
        [None if not end else normal_forms.date_time(end) for end in found.groups()]
        if found
        else []
    )
    if (
        not found
        or not any(ends)
        or any(end and form is None for end, form in zip(found.groups(), ends, strict=True))
    ):
        raise SelectionError(
            f"{text!r} is not a date and time or range for {attribute.keyword}. "
            "Write 20240131120000, 20240101-20240131235959, 20240101- or -20240131.",
            text,
        )
    return _range(attribute, text, ends[0], ends[1])


def _range(attribute: Attribute, text: str, low: str | None, high: str | None) -> Matcher:
    if low is not None and high is not None and low > high + _LAST_OF_ALL:
        raise SelectionError(
            f"The range {text!r} for {attribute.keyword} ends before it begins.", text
        )
    return Between(low, None if high is None else high + _LAST_OF_ALL)


def _number(attribute: Attribute, text: str) -> Matcher:
    number: int | float | None
    if attribute.vr in REAL_VRS:
        number = normal_forms.decimal(text)
    elif attribute.vr in ("IS", "US"):
        number = normal_forms.integer(text)
    else:
        number = int(text) if _INTEGER.fullmatch(text) else None
    if number is None:
        raise SelectionError(f"{text!r} is not a number, and {attribute.keyword} is one.", text)
    return Equal((number,))


def _numbers(attribute: Attribute, text: str) -> Matcher:
    number = normal_forms.decimal if attribute.vr == "DS" else normal_forms.integer
    values = [part.strip() for part in text.split("\\")]
    if any(number(value) is None for value in values):
        raise SelectionError(f"{text!r} is not a number, and {attribute.keyword} is one.", text)
    return EachOf(tuple(values))


def _spellings(form: str) -> tuple[str, ...]:
    """Return every normal form that means the same time: `10`, `10:00`, `10:00:00.0`, …"""
    shortest = _shortest(form)
    clock, dot, fraction = shortest.partition(".")
    fields = clock.split(":")
    if dot:
        return tuple(f"{clock}.{fraction.ljust(n, '0')}" for n in range(len(fraction), 7))
    whole = [":".join(fields + ["00"] * n) for n in range(4 - len(fields))]
    return (*whole, *(f"{whole[-1]}.{'0' * n}" for n in range(1, 7)))


def _shortest(form: str) -> str:
    """Return a time without the trailing zeros that do not change its earliest moment."""
    clock, _, fraction = form.partition(".")
    if fraction.strip("0"):
        return f"{clock}.{fraction.rstrip('0')}"
    while clock.endswith(":00"):
        clock = clock[:-3]
    return clock


def _date_time_spellings(form: str) -> tuple[str, ...]:
    """Return every normal form that means the same moment, with the same or no offset as given."""
    day, t, rest = form.partition("T")
    if not t:
        return (form,)
    offset = rest[-6:] if len(rest) > 6 and rest[-6] in "+-" else ""
    clock = rest.removesuffix(offset)
    return tuple(f"{day}T{spelling}{offset}" for spelling in _spellings(clock))


def _folded_pattern(text: str) -> str:
    """Return a name pattern in the form of the search key: folded, empty groups and ends dropped."""
    groups = [group.strip() for group in normal_forms.fold(text).split("=")]
    return "=".join(group for group in (g.rstrip("^ ") for g in groups) if group) or text


def _is_text(typed: str) -> bool:
    try:
        typed.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate stands for a byte that is not UTF-8
        return False
    return True
