"""Headers of files that are alike: read by comparing them with one that was read before.

The files of a series are written by one program: the same elements in the same order, and all but
a few values equal to the byte. So the header of one file, cut into pieces at the elements that
vary, tells that of the next by as many comparisons of memory as there are pieces. Where any byte
outside a varying value differs, the file is read as any other; the result is the same either
way, and tests hold the two together.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from io import FileIO
from typing import NamedTuple

from catalog.dicom.elements import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    PIXEL_DATA,
    SHORT_VRS,
    UNDEFINED,
    Element,
    Encoding,
    parse_items,
)
from catalog.dicom.header import (
    MEDIA_STORAGE_SOP_CLASS_UID,
    NO_ELEMENTS,
    TRANSFER_SYNTAX_UID,
    Header,
    read_header,
)
from catalog.dicom.sop_classes import DEFLATED, EXPLICIT_VR_BIG_ENDIAN
from catalog.dicom.source import FIRST_WINDOW, HEAD_BYTES, LEAP_WINDOW, Source
from catalog.dicom.walk import skip_items
from catalog.errors import HeaderError

_SERIES_INSTANCE_UID = 0x0020000E

_VARYING = frozenset({0x00020000, 0x00020003, 0x00080018, 0x00200013})
"""What varies from file to file of any series: the instance's UID and number."""

_CONSTANT = frozenset({MEDIA_STORAGE_SOP_CLASS_UID, TRANSFER_SYNTAX_UID, 0x00080005})
"""What decides how the rest is read: a file that differs here is not alike."""

_LONGEST_COMPARED_BYTES = 256
"""Values longer than this that nobody wants are passed over, not compared."""

_LONGEST_WANTED_BYTES = 4096
_MOST_ELEMENTS = 4096
_MOST_BYTES = 256 * 1024
"""Bounds of what is remembered of one header; others are read as if there were no memory."""

_A_SERIES = 4
"""So many files of one series in a row make it worth remembering by itself."""

_SPARE_BYTES = 256

_REMEMBERED = 8
"""Headers kept. Files of several series may lie mixed in one folder."""

_PATIENCE = 16
"""So many files in a row that are like no other, and only every so-manieth is remembered."""

_AFTER_META = 0x00030000
_PIXELS = frozenset({PIXEL_DATA, 0x7FE00008, 0x7FE00009})

_SHORT = struct.Struct("<H").unpack_from
_LONG = struct.Struct("<I").unpack_from


# What follows a piece that is compared. Plain numbers: they are compared millions of times.
_PASSED_SHORT = 0  # a value nobody wants, its length in two bytes
_WANTED_SHORT = 1
_PASSED_LONG = 2  # a value nobody wants, its length in four bytes
_WANTED_LONG = 3
_PASSED_ITEMS = 4  # a sequence of undefined length that nobody wants
_WANTED_ITEMS = 5  # a wanted sequence, its length in four bytes
_TO_PIXELS = 6  # the length of Pixel Data
_TO_END = 7  # the end of the file
_FIXED = 8  # an element that must be the same

_PASSED = frozenset({_PASSED_SHORT, _PASSED_LONG, _PASSED_ITEMS})

_Piece = tuple[bytes, int, int, int]
"""Bytes to compare, their number, what follows them, and the tag of the element that follows."""


def _pread_by_seeking(fd: int, count: int, offset: int) -> bytes:
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, count)


# Windows has no pread.
_pread: Callable[[int, int, int], bytes] = getattr(os, "pread", _pread_by_seeking)


class _Part(NamedTuple):
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


class _Resembling(NamedTuple):
    """A header that has the same elements as another, and the tags of those with other values."""

    header: Header
    parts: list[_Part]
    differing: frozenset[int]


class _Remembered:
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
        parts: list[_Part],
        varying: frozenset[int],
        shape: object,
    ) -> None:
        self.header = header
        self.shape = shape
        self.parts = parts
        self.varying = varying
        self.has_matched = False
        self.window = _window(parts)
        # Files of other series are like it, too.
        self.is_wide = _SERIES_INSTANCE_UID in varying
        self._encoding = encoding
        self._pieces = _pieces(parts, varying)

    def like(self, fd: int, data: bytes, size_bytes: int) -> Header | None:
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
                    data = _pread(fd, max(count + HEAD_BYTES, LEAP_WINDOW), base)
                    at = 0
                    if not data.startswith(piece):
                        return None
                at += count
                if kind == _PASSED_SHORT:
                    at += 2 + data[at] + (data[at + 1] << 8)
                elif kind == _WANTED_SHORT:
                    start = at + 2
                    at = start + data[at] + (data[at + 1] << 8)
                    if at > len(data):
                        return None
                    value = data[start:at]
                    if tag < _AFTER_META:
                        changed_meta[tag] = value
                    else:
                        was = elements[tag]
                        if was.value != value:
                            changed[tag] = Element(tag, was.vr, value)
                elif kind == _PASSED_LONG:
                    (length,) = _LONG(data, at)
                    if length == UNDEFINED:
                        return None
                    at += 4 + length
                elif kind == _TO_PIXELS:
                    (length,) = _LONG(data, at)
                    if length != UNDEFINED and base + at + 4 + length > size_bytes:
                        return None
                    break
                elif kind == _TO_END:
                    if base + at != size_bytes:
                        return None
                elif kind == _PASSED_ITEMS:
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

    def resembled_by(self, fd: int, data: bytes, size_bytes: int) -> _Resembling | None:
        """Return what there is of a file that has the same elements, whatever their values."""
        base = 0
        at = 132
        parts: list[_Part] = []
        differing: set[int] = set()
        changed: dict[int, Element] = {}
        changed_meta: dict[int, bytes] = {}
        was_meta = True
        try:
            for part in self.parts:
                tag, vr, kind, key, content, count = part
                if was_meta and tag >= _AFTER_META:
                    was_meta = False
                # The head of a sequence of undefined length does not tell where it ends.
                is_telling = kind != _TO_PIXELS and not (
                    kind == _PASSED_ITEMS and len(content) < count
                )
                if is_telling and data.startswith(content, at):
                    at += count
                    parts.append(part)
                    continue
                if at + len(content) + HEAD_BYTES > len(data):
                    base += at
                    data = _pread(fd, max(2 * len(content), LEAP_WINDOW), base)
                    at = 0
                    if is_telling and data.startswith(content):
                        at += count
                        parts.append(part)
                        continue
                if kind == _FIXED or not data.startswith(key, at):
                    return None
                start = at + len(key) + (2 if kind <= _WANTED_SHORT else 4)
                end = self._end_of_value(fd, size_bytes, base, data, at + len(key), kind)
                if kind == _TO_PIXELS:
                    parts.append(part)
                    at = end
                    break
                if base + end > size_bytes:
                    return None
                differing.add(tag)
                is_wanted = kind in (_WANTED_SHORT, _WANTED_LONG, _WANTED_ITEMS)
                if is_wanted and (end > len(data) or end - start > _LONGEST_WANTED_BYTES):
                    return None
                if tag < _AFTER_META:
                    changed_meta[tag] = data[start:end]
                elif is_wanted:
                    element = self._wanted(kind, tag, data, start, end)
                    if element is not None:
                        changed[tag] = element
                kept = end if is_wanted or end - start <= _LONGEST_COMPARED_BYTES else start
                if kept > len(data):
                    return None
                parts.append(_Part(tag, vr, kind, key, data[at:kept], end - at))
                at = end
            else:
                if base + at != size_bytes:
                    return None
        except (IndexError, struct.error, HeaderError):
            return None
        header = self._header(changed, changed_meta)._replace(base=None, changed=NO_ELEMENTS)
        return _Resembling(header, parts, frozenset(differing))

    def with_values_of(self, other: _Resembling, varying: frozenset[int]) -> _Remembered:
        """Return what is remembered of a file that resembles this one."""
        return _Remembered(other.header, self._encoding, other.parts, varying, self.shape)

    def _end_of_value(
        self, fd: int, size_bytes: int, base: int, data: bytes, at: int, kind: int
    ) -> int:
        """Return where in `data` the value ends whose length stands at `at`; it may lie beyond."""
        if kind <= _WANTED_SHORT:
            return at + 2 + data[at] + (data[at + 1] << 8)
        (length,) = _LONG(data, at)
        if length != UNDEFINED:
            end: int = at + 4 + length
            if kind == _TO_PIXELS and base + end > size_bytes:
                raise HeaderError("the file ends inside Pixel Data")
            return end
        if kind == _TO_PIXELS:
            return at + 4
        if kind not in (_PASSED_ITEMS, _WANTED_ITEMS):
            raise HeaderError("a length is undefined where it was defined")
        source = _Window(fd, size_bytes, base, data)
        return skip_items(source, base + at + 4, self._encoding) - base

    def _wanted(self, kind: int, tag: int, data: bytes, start: int, end: int) -> Element | None:
        """Return the wanted element whose value is there, `None` if it is as in this header."""
        was = self.header.elements[tag]
        raw = data[start:end]
        if kind == _WANTED_ITEMS:
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


class HeaderReader:
    """Reads the headers of many files, those that are alike many times faster.

    Files are best given in the order in which they lie in their folders. One reader serves one
    thread.

    Parameters
    ----------
    wanted:
        As for `read_header`.

    Attributes
    ----------
    alike, resembling, anew:
        How many files were read by comparison, how many had the same elements with other values,
        and how many were read by `read_header`.
    """

    def __init__(self, wanted: frozenset[int]) -> None:
        self.wanted = wanted
        self.alike = 0
        self.resembling = 0
        self.anew = 0
        self._remembered: list[_Remembered] = []
        self._in_vain = 0
        # By shape: what is known to vary between files of one series.
        self._within: dict[object, frozenset[int]] = {}
        self._last_series: bytes | None = None
        self._in_series = 0

    def read(self, fd: int, size_bytes: int) -> Header:
        """Return the header of the file open as `fd`: what `read_header` returns, and raises.

        `Header.base` is the header that it was found to be like, `None` if there is none.
        """
        window = self._remembered[0].window if self._remembered else FIRST_WINDOW
        data = _pread(fd, min(window, size_bytes), 0)
        has_prefix = data[128:132] == b"DICM"
        if has_prefix:
            for index, remembered in enumerate(self._remembered):
                header = remembered.like(fd, data, size_bytes)
                if header is not None:
                    if index:
                        self._remembered.insert(0, self._remembered.pop(index))
                    self.alike += 1
                    self._in_vain = 0
                    if remembered.is_wide:
                        self._narrow(remembered, header, fd, data, size_bytes)
                    return header
            header = self._resembling(fd, data, size_bytes)
            if header is not None:
                self.resembling += 1
                return header
        self.anew += 1
        with FileIO(fd, closefd=False) as stream:
            header = read_header(stream, size_bytes, self.wanted)
            self._in_vain += 1
            # Where no two files are alike, remembering them is work for nothing.
            if has_prefix and (self._in_vain < _PATIENCE or self._in_vain % _PATIENCE == 0):
                self._remember(header, Source(stream, size_bytes))
        return header

    def _resembling(self, fd: int, data: bytes, size_bytes: int) -> Header | None:
        """Return the header if a remembered one has the same elements, and remember it as well."""
        tried = set()
        for index, remembered in enumerate(self._remembered):
            if remembered.shape in tried:
                continue
            tried.add(remembered.shape)
            found = remembered.resembled_by(fd, data, size_bytes)
            if found is None:
                continue
            within = self._within.get(remembered.shape, _VARYING)
            if _SERIES_INSTANCE_UID not in found.differing:
                within = self._within[remembered.shape] = within | found.differing - _CONSTANT
                varying = within
                del self._remembered[index]
            elif remembered.has_matched and not remembered.is_wide:
                varying = within  # the next series
            else:
                # Series of one file each: what differs between them will differ again.
                varying = remembered.varying | found.differing - _CONSTANT
                del self._remembered[index]
            self._keep(remembered.with_values_of(found, varying))
            return found.header
        return None

    def _narrow(
        self, remembered: _Remembered, header: Header, fd: int, data: bytes, size_bytes: int
    ) -> None:
        """Remember a header for its series alone, once some files of that have followed each other.

        What varies between series need then not be looked at in each file.
        """
        element = header.elements.get(_SERIES_INSTANCE_UID)
        series = element.data if element is not None else None
        if series != self._last_series:
            self._last_series, self._in_series = series, 0
        self._in_series += 1
        if self._in_series == _A_SERIES:
            found = remembered.resembled_by(fd, data, size_bytes)
            if found is not None:
                within = self._within.get(remembered.shape, _VARYING)
                self._keep(remembered.with_values_of(found, within))

    def _remember(self, header: Header, source: Source) -> None:
        if (
            header.findings
            or header.is_dicomdir
            or header.is_truncated
            or header.transfer_syntax_uid is None
            or header.transfer_syntax_uid in DEFLATED
            or header.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
            or max(self.wanted, default=0) > PIXEL_DATA
        ):
            return
        try:
            found = _parts(source, header)
        except HeaderError:
            return
        if found is not None:
            parts, encoding = found
            self._keep(_Remembered(header, encoding, parts, _VARYING, object()))

    def _keep(self, remembered: _Remembered) -> None:
        self._remembered.insert(0, remembered)
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[_REMEMBERED:]
            shapes = {each.shape for each in self._remembered}
            self._within = {s: tags for s, tags in self._within.items() if s in shapes}


class _Window(Source):
    """A source over a file descriptor, whose window has been read."""

    __slots__ = ()

    def __init__(self, fd: int, size_bytes: int, base: int, data: bytes) -> None:
        super().__init__(FileIO(fd, closefd=False), size_bytes)
        self.base = base
        self.data = data


def _parts(source: Source, header: Header) -> tuple[list[_Part], Encoding] | None:
    """Return all top-level elements up to Pixel Data or the end, in file order, and their encoding.

    `None` if the file is too large or too odd to be remembered: elements twice, VRs that the
    standard does not know, undefined lengths of what is no sequence.
    """
    parts: list[_Part] = []
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
            kind = _TO_PIXELS
        else:
            if length != UNDEFINED:
                end = start + length
            elif vr in (b"SQ", b""):
                end = skip_items(source, start, encoding)
            else:
                return None
            kind = _kind(tag, vr, length, header)
            if is_first and not encoding.explicit:
                kind = _FIXED  # by its length the encoding is recognised
            is_left_out = kind in _PASSED and end - start > _LONGEST_COMPARED_BYTES
            kept = start if is_left_out else end
        content = source.bytes_at(at, kept - at)
        total += len(content)
        if len(content) != kept - at or total > _MOST_BYTES or len(parts) == _MOST_ELEMENTS:
            return None
        parts.append(_Part(tag, vr, kind, content[:key], content, end - at))
        if tag in _PIXELS:
            break
        at = end
    return (parts, encoding) if tags >= header.elements.keys() else None


def _has_vr(head: bytes) -> bool:
    return 0x41 <= head[4] <= 0x5A and 0x41 <= head[5] <= 0x5A


def _window(parts: list[_Part]) -> int:
    """Return how many bytes hold the header, or what of it comes before the first long value that is passed over."""
    count = 132
    for part in parts:
        count += len(part.content)
        if len(part.content) < part.bytes_in_file:
            break
    # Values that vary may be a little longer in the next file.
    return min(count + _SPARE_BYTES, FIRST_WINDOW)


def _kind(tag: int, vr: bytes, length: int, header: Header) -> int:
    """Return how the element is read where it differs."""
    if tag in _CONSTANT:
        return _FIXED
    if tag < _AFTER_META:
        return _WANTED_SHORT if vr in SHORT_VRS else _FIXED
    is_wanted = tag in header.elements
    if vr in SHORT_VRS:
        return _WANTED_SHORT if is_wanted else _PASSED_SHORT
    if is_wanted:
        return _WANTED_ITEMS if header.elements[tag].vr == "SQ" else _WANTED_LONG
    return _PASSED_ITEMS if length == UNDEFINED else _PASSED_LONG


def _pieces(parts: list[_Part], varying: frozenset[int]) -> tuple[_Piece, ...]:
    """Cut the bytes of a header at the elements that vary."""
    pieces: list[_Piece] = []
    same: list[bytes] = []
    for tag, _, kind, key, content, count in parts:
        is_compared = kind == _FIXED or (tag not in varying and len(content) == count)
        if is_compared and kind != _TO_PIXELS:
            same.append(content)
            continue
        same.append(key)
        piece = b"".join(same)
        pieces.append((piece, len(piece), kind, tag))
        same.clear()
        if kind == _TO_PIXELS:
            return tuple(pieces)
    piece = b"".join(same)
    pieces.append((piece, len(piece), _TO_END, 0))
    return tuple(pieces)
