"""The keys of a chain of directory records: as one data set, and as text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from catalog.attributes import BY_TAG
from catalog.dicom.elements import Element
from catalog.dicom.values import (
    CHARACTER_SET_VRS,
    DEFAULT,
    SPECIFIC_CHARACTER_SET,
    decode,
    decode_bytes,
)
from catalog.fileset.texts import encodings_of
from catalog.fileset.tree import Record

_UTF_8 = Element(SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192")
REFERENCES = {0x00041510: 0x00080016, 0x00041511: 0x00080018}
"""Where a record names the instance, and where a data set would."""


class ChainReader:
    """Gives the keys of records with those above them; what siblings have above them is made once."""

    def __init__(self) -> None:
        self._parent: Record | None = None
        self._above: dict[int, Element] = {}

    def elements(self, chain: Sequence[Record]) -> dict[int, Element]:
        """Return the keys of a record, last in `chain`, and of those above it as one data set in UTF-8.

        Each record has a character set of its own, so text is re-coded to one that holds them all.
        """
        parent = chain[-2] if len(chain) > 1 else None
        if parent is not self._parent or parent is None:
            self._parent = parent
            self._above = {SPECIFIC_CHARACTER_SET: _UTF_8}
            for record in chain[:-1]:
                _add(self._above, record)
        elements = self._above.copy()
        _add(elements, chain[-1])
        return elements


def _add(elements: dict[int, Element], record: Record) -> None:
    encodings = encodings_of(record)
    for element in record.keys:
        tag = element.tag
        if tag == SPECIFIC_CHARACTER_SET:
            continue
        if element.vr in CHARACTER_SET_VRS and (encodings != DEFAULT or not element.data.isascii()):
            text = decode_bytes(element.data, encodings).text
            element = Element(tag, element.vr, text.encode("utf-8", "replace"))
        elements[REFERENCES.get(tag, tag)] = element


def texts(record: Record) -> dict[str, Any]:
    """Return the record's keys as text by keyword or tag, its reference to a file aside."""
    encodings = encodings_of(record)
    return {_name(e.tag): _plain(e, encodings) for e in record.keys if e.tag >> 16 != 0x0004}


@lru_cache(maxsize=1024)
def _name(tag: int) -> str:
    known = BY_TAG.get(tag)
    return known.keyword if known else f"{tag:08X}"


def _plain(element: Element, encodings: tuple[str, ...]) -> Any:
    if element.vr == "SQ":
        return [{_name(e.tag): _plain(e, encodings) for e in item} for item in element.items]
    return decode(element, encodings).text
