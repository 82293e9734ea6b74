"""The walk over the top level of a data set: what is wanted is kept, the rest is skipped unread.

It reads what pydicom reads (tests hold the two together), without recursion and without loading
what nobody asked for. Values are the bytes of the file, numbers little endian.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from catalog.dicom.elements import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    LONG_VRS,
    PIXEL_DATA,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    VRS,
    WIDTH,
    Element,
    Encoding,
    dictionary_vr,
    item_encoding,
    parse_items,
    swap,
    tag_text,
)
from catalog.dicom.source import HEAD_BYTES, Source
from catalog.errors import HeaderError, TruncatedHeader
from catalog.findings import Finding, Severity
from catalog.shapes import field, frozen, mutable

MAX_VALUE_BYTES = 1024 * 1024
"""Longest wanted value that is loaded; no attribute of the catalogue comes near it."""

MAX_SEQUENCE_BYTES = 8 * 1024 * 1024
"""Longest wanted sequence that is loaded."""

MAX_ZEROS_BYTES = 1024 * 1024
"""Longest run of zeros after a data set that is taken for padding."""

MAX_OPEN = 1000
"""Most sequences and items that may be open at once while one is skipped."""

DIRECTORY_RECORDS = 0x00041220
STOPS = frozenset({PIXEL_DATA, 0x7FE00008, 0x7FE00009, DIRECTORY_RECORDS})
"""Where reading ends: Pixel Data in its three forms, and the records of a DICOMDIR."""

_VR_TEXT = {vr: vr.decode("ascii") for vr in VRS}
_LITTLE_HEAD = struct.Struct("<I2sH").unpack_from
_BIG_HEAD = struct.Struct(">I2sH").unpack_from
_LITTLE_TWO = struct.Struct("<II").unpack_from
_BIG_TWO = struct.Struct(">II").unpack_from
_LITTLE_LENGTH = struct.Struct("<I").unpack_from
_BIG_LENGTH = struct.Struct(">I").unpack_from


@mutable
class Walk:
    """What a walk has found so far.

    `stop` is the element that ended it, one of `STOPS`, or `None` at the end of the data;
    `is_truncated` says whether that element's value reaches beyond the end of the file.
    """

    elements: dict[int, Element] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    stop: int | None = None
    is_truncated: bool = False

    def note(
        self, code: str, severity: Severity, message: str, offset: int, clause: str | None = None
    ) -> None:
        """Keep a finding about the byte at `offset`."""
        self.findings.append(Finding(code, severity, message, clause=clause, offset_bytes=offset))


def key_of(tag: int) -> int:
    """Return `tag` as its four little endian bytes read as one number."""
    return (tag & 0xFFFF) << 16 | tag >> 16


_ITEM_END_LITTLE = key_of(ITEM_END)


@lru_cache(maxsize=16)
def _notable(wanted: frozenset[int], little_endian: bool) -> frozenset[int]:
    """Return the keys that the walk must not pass over."""
    tags = wanted | STOPS | {0, ITEM, ITEM_END, SEQUENCE_END}
    return frozenset(map(key_of, tags)) if little_endian else tags


@lru_cache(maxsize=16)
def _plain(wanted: frozenset[int]) -> dict[int, int]:
    """Return the little endian keys, with their tags, of elements that need no more than keeping."""
    return {key_of(tag): tag for tag in wanted - STOPS - {0, ITEM, ITEM_END, SEQUENCE_END}}


def walk(
    source: Source, offset: int, encoding: Encoding, wanted: frozenset[int], into: Walk
) -> None:
    """Walk the top level of the data set at `offset`, keeping the elements of `wanted` in `into`.

    Ends at Pixel Data (unless something behind it is wanted), at the records of a DICOMDIR, or at
    the end of the data. Of an element that occurs twice the last stays, with a finding.

    Raises
    ------
    TruncatedHeader
        If the file ends inside an element other than Pixel Data.
    HeaderError
        If the bytes are not elements. In both cases `into` holds what came before.
    """
    notable = _notable(wanted, encoding.little_endian)
    plain = _plain(wanted) if encoding.little_endian else {}
    elements = into.elements
    little = encoding.little_endian
    head, two, long_length = (
        (_LITTLE_HEAD, _LITTLE_TWO, _LITTLE_LENGTH)
        if little
        else (_BIG_HEAD, _BIG_TWO, _BIG_LENGTH)
    )
    explicit = encoding.explicit
    base, data, index, last = offset, b"", 0, -1
    while True:
        if index > last:
            offset = base + index
            if source.ends_at(offset):
                return
            index = source.at(offset)
            base, data = source.base, source.data
            last = len(data) - HEAD_BYTES
        if explicit:
            key, vr, length = head(data, index)
            if vr in SHORT_VRS:
                start = index + 8
                if key not in notable:
                    index = start + length
                    continue
                if key in plain and start + length <= last + 8:  # wholly in the window
                    tag = plain[key]
                    if tag not in elements:
                        index = start + length
                        elements[tag] = Element(tag, _VR_TEXT[vr], data[start:index])
                        continue
            elif vr in LONG_VRS:
                (length,) = long_length(data, index + 8)
                start = index + 12
                if key not in notable and length != UNDEFINED:
                    index = start + length
                    continue
            elif b"AA" <= vr <= b"ZZ":
                # A VR that the standard does not know; pydicom takes it for one of short length.
                start = index + 8
                if key not in notable:
                    index = start + length
                    continue
            else:
                # Some writers fall into implicit VR within an explicit data set (pydicom #1035).
                vr = b""
                key, length = two(data, index)
                start = index + 8
        else:
            vr = b""
            key, length = two(data, index)
            start = index + 8
            if key not in notable and length != UNDEFINED:
                index = start + length
                continue
        tag = (key & 0xFFFF) << 16 | key >> 16 if little else key
        after = _meet(
            source, into, wanted, encoding, _Met(tag, vr, length, base + index, base + start)
        )
        if after is None:
            return
        base, data = source.base, source.data  # the window moved if a sequence was long
        index, last = after - base, len(data) - HEAD_BYTES


@frozen
class _Met:
    """The head of one element: `at` is where it begins, `start` where its value does."""

    tag: int
    vr: bytes
    length: int
    at: int
    start: int


def _meet(
    source: Source, into: Walk, wanted: frozenset[int], encoding: Encoding, met: _Met
) -> int | None:
    """Deal with an element that cannot just be passed over; return the offset after it, or `None` to end."""
    tag, length, start = met.tag, met.length, met.start
    if tag in STOPS and tag not in wanted:
        into.stop = tag
        if tag == DIRECTORY_RECORDS:
            return None
        into.is_truncated = length != UNDEFINED and source.is_short_of(start + length)
        if into.is_truncated or max(wanted) <= PIXEL_DATA:
            return None
        if length != UNDEFINED:
            return start + length
        try:
            return skip_items(source, start, encoding)
        except TruncatedHeader:
            into.is_truncated = True
            return None
    if tag == 0 and length == 0:
        _expect_zeros(source, met.at)
        into.note(
            "trailing-zeros", Severity.NOTE, "Zeros follow the data set.", met.at, "PS3.10 §7.2"
        )
        return None
    if tag in (ITEM, ITEM_END, SEQUENCE_END):
        raise HeaderError(f"{tag_text(tag)} stands at byte {met.at}, outside any sequence")
    if length == UNDEFINED:
        after = skip_items(source, start, _inner_encoding(source, met, encoding))
        if tag in wanted:
            _load(source, into, encoding, met, after)
        return after
    if tag in wanted:
        _load(source, into, encoding, met, start + length)
    return start + length


def _expect_zeros(source: Source, offset: int) -> None:
    """Raise HeaderError unless nothing but zeros follows, as far as is looked."""
    end = min(source.size, offset + MAX_ZEROS_BYTES)
    while offset < end:
        chunk = source.bytes_at(offset, min(64 * 1024, end - offset))
        if chunk.strip(b"\0"):
            raise HeaderError(f"zeros stand at byte {offset} in place of elements")
        if not chunk:
            return
        offset += len(chunk)


def _vr(met: _Met) -> str:
    """Return the element's VR; by the dictionary where the file gives none, a wrong one, or UN."""
    vr = _VR_TEXT.get(met.vr)
    return dictionary_vr(met.tag) if vr is None or vr == "UN" else vr


def _inner_encoding(source: Source, met: _Met, encoding: Encoding) -> Encoding:
    """Return the encoding of the items in a value of undefined length."""
    if met.vr != b"UN" or encoding.little_endian:
        return encoding
    # An UN keeps the encoding it came in, Implicit VR Little Endian (PS3.5 §6.2.2); the first
    # item's own tag settles it.
    return EXPLICIT_LITTLE if source.bytes_at(met.start, 2) == b"\xfe\xff" else EXPLICIT_BIG


def _load(source: Source, into: Walk, encoding: Encoding, met: _Met, after: int) -> None:
    """Keep a wanted element, whose value ends at `after`; report it if it cannot be kept."""
    tag, start = met.tag, met.start
    count = after - start
    vr = _vr(met)
    undefined = met.length == UNDEFINED
    if undefined and vr != "SQ" and met.vr in (b"", b"UN"):
        vr = "SQ"
    if after > source.size:
        raise TruncatedHeader(
            f"{tag_text(tag)} at byte {met.at} needs {count} bytes, the file ends at byte {source.size}"
        )
    limit = MAX_SEQUENCE_BYTES if vr == "SQ" else MAX_VALUE_BYTES
    if count > limit or (undefined and vr != "SQ"):
        message = f"{tag_text(tag)} was not read: its value has {count} bytes."
        into.note("value-too-large", Severity.WARNING, message, met.at)
        return
    raw = source.bytes_at(start, count)
    if len(raw) < count:
        raise TruncatedHeader(
            f"{tag_text(tag)} at byte {met.at} needs {count} bytes, the file holds {len(raw)}"
        )
    value: bytes | tuple[tuple[Element, ...], ...] = raw
    if vr == "SQ":
        inner = _inner_encoding(source, met, encoding)
        try:
            value, _ = parse_items(raw, 0, met.length if undefined else count, count, inner)
        except HeaderError as error:
            into.note(
                "sequence-unreadable",
                Severity.ERROR,
                f"{tag_text(tag)} was not read: {error}.",
                met.at,
                "PS3.5 §7.5",
            )
            return
    elif not encoding.little_endian and (width := WIDTH.get(vr)):
        value = swap(raw, width)
    if met.vr and met.vr not in VRS:
        into.note(
            "invalid-vr",
            Severity.WARNING,
            f"{tag_text(tag)} has no valid VR, {vr} is taken.",
            met.at,
            "PS3.5 §6.2",
        )
    if tag in into.elements:
        into.note(
            "duplicate-element",
            Severity.WARNING,
            f"{tag_text(tag)} occurs twice, the last is taken.",
            met.at,
            "PS3.5 §7.1",
        )
    into.elements[tag] = Element(tag, vr, value)


def skip_items(source: Source, offset: int, encoding: Encoding) -> int:
    """Return the offset after the value of undefined length that begins at `offset`.

    Items and nested sequences of undefined length are kept on a list, not on the call stack;
    whatever states its length is passed over unread. Fragments are items, too.

    Raises
    ------
    TruncatedHeader
        If the file ends before the sequence does.
    HeaderError
        If something else stands where an item was due.
    """
    # One entry for each open sequence and item: `True` where an item comes next, and its encoding.
    open_: list[tuple[bool, Encoding]] = []
    wants_item = True
    base, data, last = source.base, source.data, len(source.data) - HEAD_BYTES
    two, long_length = (
        (_LITTLE_TWO, _LITTLE_LENGTH) if encoding.little_endian else (_BIG_TWO, _BIG_LENGTH)
    )
    little = encoding.little_endian
    while True:
        index = offset - base
        if not 0 <= index <= last:
            index = source.at(offset)
            base, data, last = source.base, source.data, len(source.data) - HEAD_BYTES
        key, length = two(data, index)
        if wants_item:
            tag = (key & 0xFFFF) << 16 | key >> 16 if little else key
            offset += 8
            if tag == SEQUENCE_END:
                if not open_:
                    return offset
                wants_item, encoding = open_.pop()
            elif tag != ITEM:
                raise HeaderError(
                    f"{tag_text(tag)} stands at byte {offset - 8} where an item was due"
                )
            elif length == UNDEFINED:
                open_.append((True, encoding))
                wants_item = False
                ahead = source.bytes_at(offset, 8)
                encoding = item_encoding(ahead, 0, len(ahead), encoding)
            else:
                offset += length
            continue
        if key == (_ITEM_END_LITTLE if little else ITEM_END):
            offset += 8
            wants_item, encoding = open_.pop()
            continue
        start = 8
        if encoding.explicit:
            vr = data[index + 4 : index + 6]
            if vr in SHORT_VRS:
                length = length >> 16 if little else length & 0xFFFF
            elif vr in LONG_VRS:
                (length,) = long_length(data, index + 8)
                start = 12
            elif b"AA" <= vr <= b"ZZ":
                length = length >> 16 if little else length & 0xFFFF
        offset += start
        if length != UNDEFINED:
            offset += length
            continue
        if len(open_) >= MAX_OPEN:
            raise HeaderError(f"sequences are nested too deeply at byte {offset}")
        open_.append((False, encoding))
        wants_item = True
