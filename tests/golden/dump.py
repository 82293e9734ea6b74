"""A directory as text, for people to read and for `git diff`."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from pydicom.datadict import keyword_for_tag

from catalog.dicom.elements import Element
from catalog.fileset.reader import read
from catalog.fileset.tree import walk

NUMBERS = {"US": "H", "UL": "I", "SS": "h", "FD": "d", "UV": "Q"}


def dumped(dicomdir: bytes) -> str:
    """Return what a DICOMDIR says: one line an element, records indented by their depth."""
    directory = read(dicomdir)
    fileset = directory.fileset
    lines = [f"File-set ID {fileset.file_set_id!r}, UID {fileset.file_set_uid}"]
    lines += [f"! {finding.code}: {finding.message}" for finding in directory.findings]
    for depth, record in walk(fileset.records):
        lines.append("    " * depth + record.type)
        for element in record.keys:
            lines += ["    " * depth + "  " + line for line in _lines(element)]
    return "\n".join(lines) + "\n"


def _lines(element: Element) -> Iterator[str]:
    name = keyword_for_tag(element.tag) or "?"
    yield f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) {element.vr} {name}{_value(element)}"
    for number, item in enumerate(element.items, start=1):
        yield f"  item {number}"
        for each in item:
            for line in _lines(each):
                yield "    " + line


def _value(element: Element) -> str:
    if element.vr == "SQ":
        return f": {len(element.items)} items"
    data = element.data
    if element.vr in NUMBERS:
        width = struct.calcsize(NUMBERS[element.vr])
        return f" = {struct.unpack(f'<{len(data) // width}{NUMBERS[element.vr]}', data)}"
    if element.vr in ("OB", "OW", "UN"):
        return f" = {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:16]}"
    return f" = {data!r}"[:200]
