"""The content of structured reports and key object selections, as text (PS3.3 C.17.3, C.17.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import BinaryIO, NamedTuple

from catalog.dicom.elements import Element
from catalog.dicom.header import read_header
from catalog.dicom.values import SPECIFIC_CHARACTER_SET, character_sets, text
from catalog.errors import HeaderError

CONTENT_SEQUENCE = 0x0040A730
CONCEPT_NAME = 0x0040A043

_VALUE_TYPE = 0x0040A040
_RELATIONSHIP = 0x0040A010
_REFERENCED_ITEM = 0x0040DB73
_COMPLETION, _VERIFICATION = 0x0040A491, 0x0040A493
_VERIFYING_OBSERVERS = 0x0040A073
_OBSERVER_NAME, _ORGANIZATION, _VERIFIED_AT = 0x0040A075, 0x0040A027, 0x0040A030
_CONTENT_DATE, _CONTENT_TIME = 0x00080023, 0x00080033

_WANTED = frozenset(
    {
        SPECIFIC_CHARACTER_SET, CONTENT_SEQUENCE, CONCEPT_NAME, _VALUE_TYPE, _COMPLETION,
        _VERIFICATION, _VERIFYING_OBSERVERS, _CONTENT_DATE, _CONTENT_TIME,
    }
)  # fmt: skip

_PLAIN = {
    "TEXT": 0x0040A160, "DATETIME": 0x0040A120, "DATE": 0x0040A121, "TIME": 0x0040A122,
    "PNAME": 0x0040A123, "UIDREF": 0x0040A124,
}  # fmt: skip
"""Value Types whose value is one attribute."""

Encodings = tuple[str, ...]
_Own = Mapping[int, Element]


class Reference(NamedTuple):
    """A SOP Instance that a content item refers to; `frames` as the file has them, or `''`."""

    sop_class_uid: str
    sop_instance_uid: str
    frames: str


class ContentItem(NamedTuple):
    """One item of the content tree.

    Attributes
    ----------
    relationship, value_type:
        As the file has them, such as `CONTAINS` and `NUM`; `''` if absent.
    concept:
        The meaning of its Concept Name, or its code if there is no meaning; `''` if absent.
    value:
        For people: text with its lines, a number with its unit, a code's meaning, a description
        of coordinates. Dates, times and names are as the file has them.
    references:
        The instances it refers to.
    by_reference:
        Numbers of the content item that it refers to, such as `1.2.3`; `''` if it is one itself.
    children:
        In file order.
    """

    relationship: str
    value_type: str
    concept: str
    value: str
    references: tuple[Reference, ...]
    by_reference: str
    children: tuple[ContentItem, ...]


class Observer(NamedTuple):
    """Who verified a report, for whom and when."""

    name: str
    organization: str
    date_time: str


class Report(NamedTuple):
    """A structured report.

    `completion` and `verification` are the flags, such as `COMPLETE` and `UNVERIFIED`, `''` if
    absent.
    """

    title: str
    completion: str
    verification: str
    observers: tuple[Observer, ...]
    content_date: str
    content_time: str
    items: tuple[ContentItem, ...]


def read_report(stream: BinaryIO, size_bytes: int) -> Report:
    """Return the structured report in `stream`.

    Raises
    ------
    HeaderError
        If it cannot be read, or is longer than what is read of a sequence.
    """
    header = read_header(stream, size_bytes, _WANTED)
    elements = header.elements
    for finding in header.findings:
        if finding.code in ("sequence-unreadable", "value-too-large", "header-damaged"):
            raise HeaderError(finding.message.rstrip("."))
    encodings = character_sets(elements)
    observers = (
        Observer(*(_text(own, tag, enc) for tag in (_OBSERVER_NAME, _ORGANIZATION, _VERIFIED_AT)))
        for own, enc in _items(elements, _VERIFYING_OBSERVERS, encodings)
    )
    return Report(
        _code(elements, CONCEPT_NAME, encodings),
        _text(elements, _COMPLETION, encodings),
        _text(elements, _VERIFICATION, encodings),
        tuple(observers),
        _text(elements, _CONTENT_DATE, encodings),
        _text(elements, _CONTENT_TIME, encodings),
        _content(elements, encodings),
    )


def _content(elements: _Own, encodings: Encodings) -> tuple[ContentItem, ...]:
    return tuple(
        _content_item(own, enc) for own, enc in _items(elements, CONTENT_SEQUENCE, encodings)
    )


def _content_item(own: _Own, enc: Encodings) -> ContentItem:
    value_type = _text(own, _VALUE_TYPE, enc)
    return ContentItem(
        _text(own, _RELATIONSHIP, enc),
        value_type,
        _code(own, CONCEPT_NAME, enc),
        _value(own, value_type, enc),
        tuple(_references(own, enc)),
        _text(own, _REFERENCED_ITEM, enc).replace("\\", "."),
        _content(own, enc),
    )


def _value(own: _Own, value_type: str, enc: Encodings) -> str:
    if tag := _PLAIN.get(value_type):
        return _text(own, tag, enc)
    if value_type == "CODE":
        return _code(own, 0x0040A168, enc)
    if value_type == "NUM":
        return _number(own, enc)
    if value_type in ("SCOORD", "SCOORD3D"):
        size = 3 if value_type == "SCOORD3D" else 2
        data = _text(own, 0x00700022, enc)
        points = (data.count("\\") + 1) // size if data else 0
        return f"{_text(own, 0x00700023, enc)} of {points} points"
    if value_type == "TCOORD":
        return _text(own, 0x0040A130, enc)
    return ""


def _number(own: _Own, enc: Encodings) -> str:
    values = []
    for measured, inner in _items(own, 0x0040A300, enc):
        number = _text(measured, 0x0040A30A, inner)
        unit = _unit(measured, inner)
        values.append(f"{number} {unit}".strip())
    qualifier = _code(own, 0x0040A301, enc)
    shown = ", ".join(value for value in values if value) or "no value"
    return f"{shown} ({qualifier})" if qualifier else shown


def _unit(measured: _Own, enc: Encodings) -> str:
    """Return the unit as UCUM writes it, which is shorter than its meaning; `''` for no unit."""
    for own, inner in _items(measured, 0x004008EA, enc):
        value, meaning = _text(own, 0x00080100, inner), _text(own, 0x00080104, inner)
        if _text(own, 0x00080102, inner) == "UCUM" and value:
            # Braces and brackets are UCUM's way of writing what is no unit.
            return "" if value == "1" else meaning if value[0] in "{[" and meaning else value
        return meaning or value
    return ""


def _code(own: _Own, tag: int, enc: Encodings) -> str:
    """Return the meaning of a code, or the code itself with its scheme."""
    for code, inner in _items(own, tag, enc):
        meaning = _text(code, 0x00080104, inner)
        if meaning:
            return meaning
        for value_tag in (0x00080100, 0x00080119, 0x00080120):
            if value := _text(code, value_tag, inner):
                return f"{value} ({_text(code, 0x00080102, inner) or 'no scheme'})"
    return ""


def _references(own: _Own, enc: Encodings) -> Iterable[Reference]:
    for referenced, inner in _items(own, 0x00081199, enc):
        yield Reference(
            _text(referenced, 0x00081150, inner),
            _text(referenced, 0x00081155, inner),
            _text(referenced, 0x00081160, inner).replace("\\", ", "),
        )


def _items(own: _Own, tag: int, enc: Encodings) -> Iterable[tuple[_Own, Encodings]]:
    """Yield the items of a sequence, each with the character sets that hold in it."""
    element = own.get(tag)
    for item in element.items if element else ():
        inner = {e.tag: e for e in item}
        yield inner, character_sets(inner) if SPECIFIC_CHARACTER_SET in inner else enc


def _text(own: _Own, tag: int, enc: Encodings) -> str:
    element = own.get(tag)
    return text(element, enc) if element else ""
