"""A header that was read before, and how to read those that are like it."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from io import BytesIO, FileIO
from typing import BinaryIO, NamedTuple, TypeAlias, cast

from catalog.dicom.elements import UNDEFINED, Element, Encoding, parse_items
from catalog.dicom.header import NO_ELEMENTS, Header
from catalog.dicom.pieces import (
    AFTER_META,
    FIXED,
    LONGEST_COMPARED_BYTES,
    PASSED_ITEMS,
    PASSED_LONG,
    PASSED_SHORT,
    TO_END,
    TO_PIXELS,
    WANTED_ITEMS,
    WANTED_LONG,
    WANTED_SHORT,
    Part,
    cut,
    first_window,
)
from catalog.dicom.source import HEAD_BYTES, LEAP_WINDOW, Source
from catalog.dicom.walk import skip_items
from catalog.errors import HeaderError

SERIES_INSTANCE_UID = 0x0020000E
_LONGEST_WANTED_BYTES = 4096
_LONG = struct.Struct("<I").unpack_from


def _pread_by_seeking(fd: int, count: int, offset: int) -> bytes:
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, count)


# Windows has no pread.
_pread: Callable[[int, int, int], bytes] = getattr(os, "pread", _pread_by_seeking)

File: TypeAlias = int | bytes
"""A file to read: its descriptor, or all its bytes."""


def pread(file: File, count: int, offset: int) -> bytes:
    """Return up to `count` bytes of `file` from `offset`, fewer only at its end."""
    if isinstance(file, bytes):
        return file[offset : offset + count]
    return _pread(file, count, offset)


def stream_of(file: File) -> BinaryIO:
    """Return `file` as a stream, which leaves the descriptor open."""
    return BytesIO(file) if isinstance(file, bytes) else cast(BinaryIO, FileIO(file, closefd=False))


class Resembling(NamedTuple):
    """A header that has the same elements as another, and the tags of those with other values."""

    header: Header
    parts: list[Part]
    differing: frozenset[int]


class Remembered:
    """A header that was read, and how to read those that are like it.

    `shape` is one object for all that have the same elements with other values; `window` is how
    many bytes to read first of files like it.
    """

    __slots__ = (
        "_encoding",
        "_pieces",
        "has_matched",
        "header",
        "is_wide",
        "parts",
        "shape",
        "varying",
        "window",
    )

    def __init__(
        self,
        header: Header,
        encoding: Encoding,
        parts: list[Part],
        varying: frozenset[int],
        shape: object,
    ) -> None:
        self.header = header
        self.shape = shape
        self.parts = parts
        self.varying = varying
        self.has_matched = False
        self.window = first_window(parts)
        # Files of other series are like it, too.
        self.is_wide = SERIES_INSTANCE_UID in varying
        self._encoding = encoding
        self._pieces = cut(parts, varying)

    def like(self, fd: File, data: bytes, size_bytes: int) -> Header | None:
        """Return the header of a file that begins with `data` if it is like this one."""
        base = 0
        at = 132
        elements = self.header.elements
        changed: dict[int, Element] = {}
        changed_meta: dict[int, bytes] = {}
        try:
            for piece, count, kind, tag in self._pieces:
                if not data.startswith(piece, at):
                    if at + count <= len(data):
                        return None
                    base += at
                    data = pread(fd, max(count + HEAD_BYTES, LEAP_WINDOW), base)
                    at = 0
                    if not data.startswith(piece):
                        return None
                at += count
                if kind == PASSED_SHORT:
                    at += 2 + data[at] + (data[at + 1] << 8)
                elif kind == WANTED_SHORT:
                    start = at + 2
                    at = start + data[at] + (data[at + 1] << 8)
                    if at > len(data):
                        return None
                    value = data[start:at]
                    if tag < AFTER_META:
                        changed_meta[tag] = value
                    else:
                        was = elements[tag]
                        if was.value != value:
                            changed[tag] = Element(tag, was.vr, value)
                elif kind == PASSED_LONG:
                    (length,) = _LONG(data, at)
                    if length == UNDEFINED:
                        return None
                    at += 4 + length
                elif kind == TO_PIXELS:
                    (length,) = _LONG(data, at)
                    if length != UNDEFINED and base + at + 4 + length > size_bytes:
                        return None
                    break
                elif kind == TO_END:
                    if base + at != size_bytes:
                        return None
                elif kind == PASSED_ITEMS:
                    at = self._end_of_value(fd, size_bytes, base, data, at, kind)
                else:
                    start, at = at + 4, self._end_of_value(fd, size_bytes, base, data, at, kind)
                    if at > len(data) or at - start > _LONGEST_WANTED_BYTES:
                        return None
                    element = self._wanted(kind, tag, data, start, at)
                    if element is not None:
                        changed[tag] = element
        except (IndexError, struct.error, HeaderError):
            return None  # it breaks off, or breaks down, where the other did not
        self.has_matched = True
        return self._header(changed, changed_meta)

    def resembled_by(self, fd: File, data: bytes, size_bytes: int) -> Resembling | None:
        """Return what there is of a file that has the same elements, whatever their values."""
        base = 0
        at = 132
        parts: list[Part] = []
        differing: set[int] = set()
        changed: dict[int, Element] = {}
        changed_meta: dict[int, bytes] = {}
        was_meta = True
        try:
            for part in self.parts:
                tag, vr, kind, key, content, count = part
                if was_meta and tag >= AFTER_META:
                    was_meta = False
                # The head of a sequence of undefined length does not tell where it ends.
                is_telling = kind != TO_PIXELS and not (
                    kind == PASSED_ITEMS and len(content) < count
                )
                if is_telling and data.startswith(content, at):
                    at += count
                    parts.append(part)
                    continue
                if at + len(content) + HEAD_BYTES > len(data):
                    base += at
                    data = pread(fd, max(2 * len(content), LEAP_WINDOW), base)
                    at = 0
                    if is_telling and data.startswith(content):
                        at += count
                        parts.append(part)
                        continue
                if kind == FIXED or not data.startswith(key, at):
                    return None
                start = at + len(key) + (2 if kind <= WANTED_SHORT else 4)
                end = self._end_of_value(fd, size_bytes, base, data, at + len(key), kind)
                if kind == TO_PIXELS:
                    parts.append(part)
                    at = end
                    break
                if base + end > size_bytes:
                    return None
                differing.add(tag)
                is_wanted = kind in (WANTED_SHORT, WANTED_LONG, WANTED_ITEMS)
                if is_wanted and (end > len(data) or end - start > _LONGEST_WANTED_BYTES):
                    return None
                if tag < AFTER_META:
                    changed_meta[tag] = data[start:end]
                elif is_wanted:
                    element = self._wanted(kind, tag, data, start, end)
                    if element is not None:
                        changed[tag] = element
                kept = end if is_wanted or end - start <= LONGEST_COMPARED_BYTES else start
                if kept > len(data):
                    return None
                parts.append(Part(tag, vr, kind, key, data[at:kept], end - at))
                at = end
            else:
                if base + at != size_bytes:
                    return None
        except (IndexError, struct.error, HeaderError):
            return None
        header = self._header(changed, changed_meta)._replace(base=None, changed=NO_ELEMENTS)
        return Resembling(header, parts, frozenset(differing))

    def with_values_of(self, other: Resembling, varying: frozenset[int]) -> Remembered:
        """Return what is remembered of a file that resembles this one."""
        return Remembered(other.header, self._encoding, other.parts, varying, self.shape)

    def _end_of_value(
        self, fd: File, size_bytes: int, base: int, data: bytes, at: int, kind: int
    ) -> int:
        """Return where in `data` the value ends whose length stands at `at`; it may lie beyond."""
        if kind <= WANTED_SHORT:
            return at + 2 + data[at] + (data[at + 1] << 8)
        (length,) = _LONG(data, at)
        if length != UNDEFINED:
            end: int = at + 4 + length
            if kind == TO_PIXELS and base + end > size_bytes:
                raise HeaderError("the file ends inside Pixel Data")
            return end
        if kind == TO_PIXELS:
            return at + 4
        if kind not in (PASSED_ITEMS, WANTED_ITEMS):
            raise HeaderError("a length is undefined where it was defined")
        source = _Window(fd, size_bytes, base, data)
        return skip_items(source, base + at + 4, self._encoding) - base

    def _wanted(self, kind: int, tag: int, data: bytes, start: int, end: int) -> Element | None:
        """Return the wanted element whose value is there, `None` if it is as in this header."""
        was = self.header.elements[tag]
        raw = data[start:end]
        if kind == WANTED_ITEMS:
            (length,) = _LONG(data, start - 4)
            limit = UNDEFINED if length == UNDEFINED else len(raw)
            items, _ = parse_items(raw, 0, limit, len(raw), self._encoding)
            return Element(tag, was.vr, items)
        return None if was.value == raw else Element(tag, was.vr, raw)

    def _header(self, changed: dict[int, Element], changed_meta: dict[int, bytes]) -> Header:
        header = self.header
        return Header(
            header.transfer_syntax_uid,
            {**header.meta, **changed_meta} if changed_meta else header.meta,
            {**header.elements, **changed},
            False,
            False,
            (),
            header,
            changed,
        )


class _Window(Source):
    """A source over a file, whose window has been read."""

    __slots__ = ()

    def __init__(self, fd: File, size_bytes: int, base: int, data: bytes) -> None:
        super().__init__(stream_of(fd), size_bytes)
        self.base = base
        self.data = data
