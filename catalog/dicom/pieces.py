"""Headers cut into pieces at the elements that vary, for `catalog.dicom.remembered`."""

from __future__ import annotations

import struct
from typing import NamedTuple

from catalog.dicom.elements import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    PIXEL_DATA,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
)
from catalog.dicom.header import MEDIA_STORAGE_SOP_CLASS_UID, TRANSFER_SYNTAX_UID, Header
from catalog.dicom.source import FIRST_WINDOW, LEAP_WINDOW, Source
from catalog.dicom.walk import skip_items

CONSTANT = frozenset({MEDIA_STORAGE_SOP_CLASS_UID, TRANSFER_SYNTAX_UID, 0x00080005})
"""What decides how the rest is read: a file that differs here is not alike."""

LONGEST_COMPARED_BYTES = 256
"""Values longer than this that nobody wants are passed over, not compared."""

_MOST_ELEMENTS = 4096
_MOST_BYTES = 256 * 1024
"""Bounds of what is remembered of one header; others are read as if there were no memory."""

_SPARE_BYTES = 256

AFTER_META = 0x00030000
_PIXELS = frozenset({PIXEL_DATA, 0x7FE00008, 0x7FE00009})

_SHORT = struct.Struct("<H").unpack_from
_LONG = struct.Struct("<I").unpack_from

# What follows a piece that is compared. Plain numbers: they are compared millions of times.
PASSED_SHORT = 0  # a value nobody wants, its length in two bytes
WANTED_SHORT = 1
PASSED_LONG = 2  # a value nobody wants, its length in four bytes
WANTED_LONG = 3
PASSED_ITEMS = 4  # a sequence of undefined length that nobody wants
WANTED_ITEMS = 5  # a wanted sequence, its length in four bytes
TO_PIXELS = 6  # the length of Pixel Data
TO_END = 7  # the end of the file
FIXED = 8  # an element that must be the same

PASSED = frozenset({PASSED_SHORT, PASSED_LONG, PASSED_ITEMS})

Piece = tuple[bytes, int, int, int]
"""Bytes to compare, their number, what follows them, and the tag of the element that follows."""


class Part(NamedTuple):
    """One element of a remembered header.

    `content` is the element's bytes, or its head alone if the value is long and nobody wants it;
    `key` its first bytes, up to the length; `bytes_in_file` how many it has there.
    """

    tag: int
    vr: bytes
    kind: int
    key: bytes
    content: bytes
    bytes_in_file: int


def parts_of(source: Source, header: Header) -> tuple[list[Part], Encoding] | None:
    """Return all top-level elements up to Pixel Data or the end, in file order, and their encoding.

    `None` if the file is too large or too odd to be remembered: elements twice, VRs that the
    standard does not know, undefined lengths of what is no sequence.
    """
    parts: list[Part] = []
    tags: set[int] = set()
    total = 0
    at = 132
    encoding = EXPLICIT_LITTLE
    in_meta = True
    while not source.ends_at(at):
        index = source.at(at)
        data = source.data
        group, number = struct.unpack_from("<HH", data, index)
        tag = group << 16 | number
        is_first = in_meta and group != 2
        if is_first:
            in_meta = False
            if group & 0xFF == 0:
                return None  # byte-swapped, under a Transfer Syntax that the standard does not know
            encoding = EXPLICIT_LITTLE if _has_vr(data[index : index + 8]) else IMPLICIT_LITTLE
        vr = data[index + 4 : index + 6] if encoding.explicit else b""
        if vr in SHORT_VRS:
            (length,) = _SHORT(data, index + 6)
            head, key = 8, 6
        elif vr in LONG_VRS:
            (length,) = _LONG(data, index + 8)
            head, key = 12, 8
        elif vr == b"":
            (length,) = _LONG(data, index + 4)
            head, key = 8, 4
        else:
            return None
        if tag in tags or group in (0, 0xFFFE) or (group == 2 and not in_meta):
            return None
        tags.add(tag)
        start = at + head
        if tag in _PIXELS:
            if vr in SHORT_VRS:
                return None
            end = kept = start
            kind = TO_PIXELS
        else:
            if length != UNDEFINED:
                end = start + length
            elif vr in (b"SQ", b""):
                end = skip_items(source, start, encoding)
            else:
                return None
            kind = _kind(tag, vr, length, header)
            if is_first and not encoding.explicit:
                kind = FIXED  # by its length the encoding is recognised
            is_left_out = kind in PASSED and end - start > LONGEST_COMPARED_BYTES
            kept = start if is_left_out else end
        content = source.bytes_at(at, kept - at)
        total += len(content)
        if len(content) != kept - at or total > _MOST_BYTES or len(parts) == _MOST_ELEMENTS:
            return None
        parts.append(Part(tag, vr, kind, content[:key], content, end - at))
        if tag in _PIXELS:
            break
        at = end
    return (parts, encoding) if tags >= header.elements.keys() else None


def _has_vr(head: bytes) -> bool:
    return 0x41 <= head[4] <= 0x5A and 0x41 <= head[5] <= 0x5A


def first_window(parts: list[Part]) -> int:
    """Return how many bytes hold the header, or what of it comes before the first long value that is passed over.

    Over one that is shorter than a leap it is read on: that takes less than to read a second time.
    """
    count = 132
    for part in parts:
        if part.bytes_in_file > LEAP_WINDOW and len(part.content) < part.bytes_in_file:
            count += len(part.content)
            break
        count += part.bytes_in_file
    # Values that vary may be a little longer in the next file.
    return min(count + _SPARE_BYTES, FIRST_WINDOW)


def _kind(tag: int, vr: bytes, length: int, header: Header) -> int:
    """Return how the element is read where it differs."""
    if tag in CONSTANT:
        return FIXED
    if tag < AFTER_META:
        return WANTED_SHORT if vr in SHORT_VRS else FIXED
    is_wanted = tag in header.elements
    if vr in SHORT_VRS:
        return WANTED_SHORT if is_wanted else PASSED_SHORT
    if is_wanted:
        return WANTED_ITEMS if header.elements[tag].vr == "SQ" else WANTED_LONG
    return PASSED_ITEMS if length == UNDEFINED else PASSED_LONG


def cut(parts: list[Part], varying: frozenset[int]) -> tuple[Piece, ...]:
    """Cut the bytes of a header at the elements that vary."""
    pieces: list[Piece] = []
    same: list[bytes] = []
    for tag, _, kind, key, content, count in parts:
        is_compared = kind == FIXED or (tag not in varying and len(content) == count)
        if is_compared and kind != TO_PIXELS:
            same.append(content)
            continue
        same.append(key)
        piece = b"".join(same)
        pieces.append((piece, len(piece), kind, tag))
        same.clear()
        if kind == TO_PIXELS:
            return tuple(pieces)
    piece = b"".join(same)
    pieces.append((piece, len(piece), TO_END, 0))
    return tuple(pieces)
