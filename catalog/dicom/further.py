r"""What a data set states of the attributes that the configuration adds.

A value is a number where the attribute is one, a date or time in normal form, else text; several,
and those of all items on a path through sequences, are joined by `\`. What is no number or date
stands in `raw`, as for the attributes that are always kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from catalog.attributes import REAL_VRS, Further
from catalog.dicom.elements import Element
from catalog.dicom.values import (
    BROKEN_NUMBER,
    CHARACTER_SET_VRS,
    DEFAULT,
    SPECIFIC_CHARACTER_SET,
    UNDECLARED,
    UNDECODABLE,
    Decoded,
    character_sets,
    decode,
    decode_value,
)
from catalog.entities import Value
from catalog.findings import Finding, Severity
from catalog.normal_forms import decimal, normal, without_nul

MAX_VALUE_CHARACTERS = 64 * 1024
"""Longest value that is kept; a longer one is left out with a finding, never cut."""

PROBLEMS = {
    UNDECODABLE: (
        Severity.ERROR,
        "has bytes that its character set does not allow; they are replaced",
    ),
    UNDECLARED: (
        Severity.WARNING,
        "has characters that no character set declares; they are read as ISO 8859-1",
    ),
    BROKEN_NUMBER: (Severity.ERROR, "has a length that is not one of whole numbers"),
}
"""What a finding says of an attribute whose value could not be decoded as it should."""

_CLOCKS = frozenset({"DA", "TM", "DT"})


def stated(
    attribute: Further, elements: Mapping[int, Element], findings: list[Finding]
) -> tuple[Value, str | None]:
    """Return the value and raw text of `attribute`; both `None` if it is absent.

    What is odd about it joins `findings`, which name the attribute and never the value.
    """
    element = elements.get(attribute.tag)
    if element is None:
        return None, None
    data = element.value
    if (
        len(attribute.path) == 1
        and element.vr == attribute.vr
        and data.__class__ is bytes
        and len(data) < 256
        and data.isascii()
        and b"\x1b" not in data
    ):
        value, raw, problem = _plain(attribute, data)
        if raw is None and problem is None:
            return value, raw
    values = list(_decoded(attribute, attribute.path, (elements,), findings))
    if not values:
        return None, None
    text = "\\".join(value.text for value in values) if any(value.text for value in values) else ""
    if len(text) > MAX_VALUE_CHARACTERS:
        message = f"{attribute.keyword} is not kept: it has {len(text):,} characters, more than {MAX_VALUE_CHARACTERS:,}."
        findings.append(Finding("value-too-long", Severity.WARNING, message))
        return None, None
    # The hexadecimal digits of a broken number may look like another one.
    is_broken = any(value.problem == BROKEN_NUMBER for value in values)
    value, raw = (None, text) if is_broken else form(attribute, text)
    if raw:
        message = f"{attribute.keyword} is not a valid {attribute.vr} value."
        findings.append(Finding("invalid-value", Severity.WARNING, message, clause="PS3.5 §6.2"))
    return value, raw


@lru_cache(maxsize=4096)
def _plain(attribute: Further, data: bytes) -> tuple[Value, str | None, str | None]:
    decoded = decode_value(attribute.vr, data)
    return (*form(attribute, decoded.text), decoded.problem)


def form(attribute: Further, text: str) -> tuple[Value, str | None]:
    """Return the value that the catalogue keeps for a decoded text, and the text where that says less."""
    if not text:
        return "", None
    if "\0" in text:
        # No text of the standard has one, and SQL would see what stands before it alone.
        return None, without_nul(text)
    if attribute.is_number:
        number = decimal(text) if attribute.vr in REAL_VRS else _whole(attribute.vr, text)
        return (number, None) if number is not None else (None, text)
    if attribute.vr not in _CLOCKS:
        return text, None
    forms = [normal(attribute.vr, False, part) for part in text.split("\\")]
    if attribute.is_multi_valued:
        # One odd value of several does not take the others along.
        joined = "\\".join(str(part or "") for part, _ in forms)
        is_whole = all(raw is None for _, raw in forms)
        return (joined if joined.strip("\\") else None), (None if is_whole else text)
    return forms[0] if len(forms) == 1 else (None, text)


def _whole(vr: str, text: str) -> int | None:
    if vr == "IS":
        number = normal("IS", False, text)[0]
        return number if isinstance(number, int) else None
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None


def _decoded(
    attribute: Further,
    path: Sequence[int],
    data_sets: Sequence[Mapping[int, Element]],
    findings: list[Finding],
    encodings: tuple[str, ...] | None = None,
) -> Iterator[Decoded]:
    """Yield the value of every element to which `path` leads in `data_sets`, items in file order.

    An item without a character set of its own has that of the data set around it (PS3.3 C.12.1.1.2).
    """
    for data_set in data_sets:
        inner = (
            character_sets(data_set)
            if encodings is None or SPECIFIC_CHARACTER_SET in data_set
            else encodings
        )
        element = data_set.get(path[0])
        if element is None:
            continue
        if (len(path) > 1) != isinstance(element.value, tuple):
            what = "is no sequence" if len(path) > 1 else "is a sequence"
            message = f"{attribute.keyword} cannot be read: {path[0]:08X} {what} in this file."
            findings.append(
                Finding("attribute-unreadable", Severity.WARNING, message, clause="PS3.5 §7.5")
            )
            continue
        if len(path) > 1:
            items = [{e.tag: e for e in item} for item in element.items]
            yield from _decoded(attribute, path[1:], items, findings, inner)
            continue
        uses_charset = element.vr in CHARACTER_SET_VRS or element.vr == "UN"
        decoded = decode(element, inner if uses_charset else DEFAULT)
        if decoded.problem:
            severity, remark = PROBLEMS[decoded.problem]
            message = f"{attribute.keyword} {remark}."
            findings.append(Finding(decoded.problem, severity, message, clause="PS3.5 §6.1"))
        yield decoded
