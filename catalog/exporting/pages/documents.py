"""Encapsulated documents as files that a browser or its helpers open (PS3.3 C.24)."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from catalog.dicom.extents import value_of
from catalog.dicom.header import read_header
from catalog.dicom.values import SPECIFIC_CHARACTER_SET, character_sets, text
from catalog.errors import HeaderError

MAX_BYTES = 128 << 20
"""Most bytes of a document that is written beside the pages; longer ones need a DICOM viewer."""

_DOCUMENT, _TITLE, _MIME_TYPE, _LENGTH = 0x00420011, 0x00420010, 0x00420012, 0x00420015
_WANTED = frozenset({SPECIFIC_CHARACTER_SET, _TITLE, _MIME_TYPE, _LENGTH})

_KINDS = {
    "application/pdf": ("PDF document", "PDF"),
    "text/xml": ("CDA document", "XML"),
    "application/xml": ("XML document", "XML"),
    "text/plain": ("Text", "TXT"),
    "model/stl": ("3D model", "STL"),
    "application/sla": ("3D model", "STL"),
    "model/obj": ("3D model", "OBJ"),
    "model/mtl": ("Materials of a 3D model", "MTL"),
}


class Extracted(NamedTuple):
    """A document: `data` with the `extension` of its file, or `None` and why there is no file."""

    kind: str
    title: str
    extension: str
    data: bytes | None
    problem: str = ""


def extracted(stream: BinaryIO, size_bytes: int) -> Extracted:
    """Return the encapsulated document in `stream`."""
    elements = read_header(stream, size_bytes, _WANTED).elements
    encodings = character_sets(elements)

    def said(tag: int) -> str:
        return text(elements[tag], encodings) if tag in elements else ""

    mime_type = said(_MIME_TYPE)
    kind, extension = _KINDS.get(mime_type.lower(), ("Document", ""))
    title = said(_TITLE)
    if not extension:
        return Extracted(
            kind, title, "", None, f"{mime_type or 'of no stated kind'}, which needs a DICOM viewer"
        )
    try:
        data = value_of(stream, size_bytes, _DOCUMENT, MAX_BYTES)
    except HeaderError as exc:
        return Extracted(kind, title, "", None, f"it cannot be taken out ({exc})")
    if not data:
        return Extracted(kind, title, "", None, "it is empty")
    data = _without_padding(data, said(_LENGTH))
    if extension == "PDF" and b"%PDF-" not in data[:1024]:
        return Extracted(kind, title, "", None, "it says that it is PDF and is not")
    if extension == "XML" and _is_active(data):
        extension = "TXT"
    return Extracted(kind, title, extension, data)


def _without_padding(data: bytes, length: str) -> bytes:
    """Return a document without the NUL that made its length even.

    Where (0042,0015) does not state the length, a last NUL is padding unless the text is UTF-16.
    """
    if length.isdecimal() and int(length) in (len(data), len(data) - 1):
        return data[: int(length)]
    is_padded = data.endswith(b"\0") and data[:2] not in (b"\xff\xfe", b"\xfe\xff")
    return data[:-1] if is_padded else data


def _is_active(data: bytes) -> bool:
    """Return whether a browser might run what stands in an XML document.

    A page from a disc must not run somebody's script, so such a document is shown as text.
    """
    plain = data.replace(b"\0", b"").lower()  # UTF-16 too
    return any(
        mark in plain
        for mark in (b"xml-stylesheet", b"1999/xhtml", b"2000/svg", b"<!doctype", b"<!entity")
    )
