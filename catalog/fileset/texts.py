"""The text that a record's keys hold."""

from __future__ import annotations

from catalog.dicom.values import character_sets, text
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET, Record


def key_text(record: Record, tag: int) -> str:
    """Return key `tag` of `record` as text in its own character set; `''` if absent or empty."""
    element = record.element(tag)
    return "" if element is None else text(element, encodings_of(record))


def encodings_of(record: Record) -> tuple[str, ...]:
    """Return the encodings that the record's own (0008,0005) declares (PS3.5 §7.5.3)."""
    element = record.element(SPECIFIC_CHARACTER_SET)
    return character_sets({} if element is None else {SPECIFIC_CHARACTER_SET: element})
