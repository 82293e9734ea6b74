"""The text of records in UTF-8 instead of the source's own character sets (PS3.5 §6.1)."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.dicom.elements import Element, Item, tag_text
from catalog.dicom.values import character_sets, decode_bytes
from catalog.errors import EncodingError
from catalog.fileset.tree import (
    SPECIFIC_CHARACTER_SET,
    TEXT_VRS,
    Record,
    needs_character_set,
    padded,
)
from catalog.shapes import replace

_DECLARED = Element(SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192")


def in_utf8(record: Record) -> Record:
    """Return `record` with its text in UTF-8; the children are as they were.

    Specific Character Set is ISO_IR 192 where some text needs it, and absent elsewhere; items of
    sequences follow their record (PS3.5 §7.5.3).

    Raises
    ------
    EncodingError
        If a text is not what its own character set allows, or none is declared for it. Nothing is
        ever replaced by another character.
    """
    return replace(record, keys=utf8(record.keys))


def utf8(elements: Iterable[Element]) -> tuple[Element, ...]:
    """Return the elements of a record or data set with their text in UTF-8, sorted by tag.

    Raises as `in_utf8` does.
    """
    given = tuple(elements)
    declared = {element.tag: element for element in given}
    out = list(_converted(given, character_sets(declared)))
    if needs_character_set(out):
        out.append(_DECLARED)
    return tuple(sorted(out, key=lambda element: element.tag))


def _converted(elements: Item, encodings: tuple[str, ...]) -> Item:
    return tuple(
        _element(element, encodings)
        for element in elements
        if element.tag != SPECIFIC_CHARACTER_SET
    )


def _element(element: Element, encodings: tuple[str, ...]) -> Element:
    if isinstance(element.value, tuple):
        items = []
        for item in element.value:
            own = {each.tag: each for each in item}
            within = character_sets(own) if SPECIFIC_CHARACTER_SET in own else encodings
            items.append(_converted(item, within))
        return replace(element, value=tuple(items))
    data = element.value
    if element.vr not in TEXT_VRS or (data.isascii() and b"\x1b" not in data):
        return element
    decoded = decode_bytes(data, encodings)
    if decoded.problem:
        raise EncodingError(
            f"{tag_text(element.tag)} cannot be written in UTF-8: its bytes are not text of the character set that the instance declares"
        )
    try:
        value = decoded.text.rstrip(" \0").encode("utf-8")
    except UnicodeEncodeError as exc:
        raise EncodingError(
            f"{tag_text(element.tag)} holds a character that UTF-8 cannot carry"
        ) from exc
    return replace(element, value=padded(element.vr, value))
