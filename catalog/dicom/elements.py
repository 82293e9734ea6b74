"""Data elements and their encodings (PS3.5 §7), as values and as bytes.

An `Element` keeps its value as the bytes of the file, so nothing is lost or re-coded on the way
through; numeric values are little endian whatever the file was. Sequences hold items of elements.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from catalog.dicom.loading import load_pydicom
from catalog.errors import EncodingError, HeaderError, TruncatedHeader
from catalog.shapes import frozen

Buffer: TypeAlias = bytes | bytearray | memoryview

LONG_VRS = frozenset(b"OB OW OF OD OL OV SQ UC UN UR UT SV UV".split())
"""VRs whose explicit encoding has two reserved bytes and a 32-bit length (PS3.5 Table 7.1-1)."""

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""VRs whose explicit encoding has a 16-bit length (PS3.5 Table 7.1-2)."""

VRS = LONG_VRS | SHORT_VRS

WIDTH = {
    "US": 2, "SS": 2, "OW": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4,
    "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8,
}  # fmt: skip
"""Bytes of one number of a VR, for swapping big endian values."""

ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
TRAILING_PADDING = 0xFFFCFFFC

MAX_DEPTH = 32
"""Deepest nesting of sequences that is read. Real objects stay below ten; attackers do not."""


@frozen
class Element:
    """One data element.

    Attributes
    ----------
    tag:
        `0xGGGGEEEE`.
    vr:
        Two letters.
    value:
        For `SQ` a tuple of items, each a tuple of elements in file order. For everything else the
        value's bytes with their padding, little endian.
    """

    tag: int
    vr: str
    value: bytes | tuple[tuple[Element, ...], ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """The items of a sequence; empty for any other element."""
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def data(self) -> bytes:
        """The value's bytes; empty for a sequence."""
        return self.value if isinstance(self.value, bytes) else b""


Item: TypeAlias = tuple[Element, ...]


class Encoding(NamedTuple):
    """How elements are laid out: explicit or implicit VR, little or big endian."""

    explicit: bool = True
    little_endian: bool = True


EXPLICIT_LITTLE = Encoding(True, True)
IMPLICIT_LITTLE = Encoding(False, True)
EXPLICIT_BIG = Encoding(True, False)


@lru_cache(maxsize=4096)
def dictionary_vr(tag: int) -> str:
    """Return the VR of `tag` by PS3.6; `UN` if unknown, `UL` for group lengths, `LO` for private creators."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    load_pydicom()
    from pydicom.datadict import dictionary_VR

    try:
        vr = str(dictionary_VR(tag))
    except KeyError:
        return "UN"
    return vr if len(vr) == 2 else ("OW" if "OW" in vr else "US")


class Head(NamedTuple):
    """Where one element lies: `length` is `UNDEFINED` or the bytes of the value at `start`."""

    tag: int
    vr: str
    length: int
    start: int


def read_head(data: Buffer, offset: int, end: int, encoding: Encoding) -> Head:
    """Return the head of the element at `offset`.

    Raises
    ------
    TruncatedHeader
        If the head does not fit before `end`.
    HeaderError
        If an explicit VR is not two capital letters.
    """
    if offset + 8 > end:
        raise TruncatedHeader(f"the data end inside an element's head at byte {offset}")
    order = "<" if encoding.little_endian else ">"
    group, number = struct.unpack_from(order + "HH", data, offset)
    tag = group << 16 | number
    if group == 0xFFFE or not encoding.explicit:
        (length,) = struct.unpack_from(order + "I", data, offset + 4)
        return Head(tag, "" if group == 0xFFFE else dictionary_vr(tag), length, offset + 8)
    vr = bytes(data[offset + 4 : offset + 6])
    if vr in SHORT_VRS:
        (length,) = struct.unpack_from(order + "H", data, offset + 6)
        return Head(tag, vr.decode("ascii"), length, offset + 8)
    if vr in LONG_VRS:
        if offset + 12 > end:
            raise TruncatedHeader(f"the data end inside an element's head at byte {offset}")
        (length,) = struct.unpack_from(order + "I", data, offset + 8)
        return Head(tag, vr.decode("ascii"), length, offset + 12)
    raise HeaderError(f"({group:04X},{number:04X}) at byte {offset} has no valid VR: {vr!r}")


def parse(
    data: Buffer, offset: int, end: int, encoding: Encoding, *, depth: int = 0
) -> Iterator[Element]:
    """Yield the elements in `data[offset:end]`, in order, sequences with all their items.

    Stops early after an item delimiter. Group lengths and trailing padding are passed over.

    Raises
    ------
    TruncatedHeader
        If a value reaches beyond `end`.
    HeaderError
        If the bytes are not elements, or are nested deeper than `MAX_DEPTH`.
    """
    while offset < end:
        head = read_head(data, offset, end, encoding)
        if head.tag == ITEM_END:
            return
        element, offset = parse_element(data, head, end, encoding, depth)
        if element.tag & 0xFFFF and element.tag != TRAILING_PADDING:
            yield element


def parse_element(
    data: Buffer, head: Head, end: int, encoding: Encoding, depth: int
) -> tuple[Element, int]:
    """Return the element that `head` starts and the offset after it.

    Raises as `parse` does; an item or delimiter tag is no element.
    """
    if head.tag >> 16 == 0xFFFE:
        raise HeaderError(
            f"{tag_text(head.tag)} stands before byte {head.start} where an element was due"
        )
    undefined = head.length == UNDEFINED
    if head.vr == "SQ" or (undefined and head.vr == "UN"):
        # An UN of undefined length is a sequence in Implicit VR Little Endian (PS3.5 §6.2.2),
        # though some writers leave it explicit: `item_encoding` settles that item by item.
        inner = encoding
        if head.vr != "SQ" and not encoding.little_endian:
            inner = (
                EXPLICIT_LITTLE if data[head.start : head.start + 2] == b"\xfe\xff" else encoding
            )
        items, after = parse_items(data, head.start, head.length, end, inner, depth=depth + 1)
        return Element(head.tag, "SQ", items), after
    if undefined:
        if not encoding.explicit:
            items, after = parse_items(
                data, head.start, head.length, end, encoding, depth=depth + 1
            )
            return Element(head.tag, "SQ", items), after
        raise HeaderError(f"{tag_text(head.tag)} {head.vr} has an undefined length")
    after = head.start + head.length
    if after > end:
        raise TruncatedHeader(
            f"{tag_text(head.tag)} needs {head.length} bytes at byte {head.start}; the data end at {end}"
        )
    value = bytes(data[head.start : after])
    if not encoding.little_endian and (width := WIDTH.get(head.vr)):
        value = swap(value, width)
    return Element(head.tag, head.vr, value), after


def item_encoding(data: Buffer, offset: int, end: int, encoding: Encoding) -> Encoding:
    """Return the encoding of the item whose elements begin at `offset`: `encoding`, or implicit VR.

    Items of an explicit data set may be implicit: by the standard inside UN (PS3.5 §6.2.2), by
    habit of some writers elsewhere. An implicit length that looks like a VR would exceed 16 kB
    for the item's first element, which no honest item has.
    """
    if not encoding.explicit or offset + 6 > end:
        return encoding
    first, second = data[offset + 4], data[offset + 5]
    if 0x41 <= first <= 0x5A and 0x41 <= second <= 0x5A:
        return encoding
    return Encoding(False, encoding.little_endian)


def parse_items(
    data: Buffer, start: int, length: int, end: int, encoding: Encoding, *, depth: int = 1
) -> tuple[tuple[Item, ...], int]:
    """Return the items of the sequence whose value begins at `start`, and the offset after it.

    `length` is the sequence's length or `UNDEFINED`. Raises as `parse` does.
    """
    if depth > MAX_DEPTH:
        raise HeaderError(f"sequences nested deeper than {MAX_DEPTH} at byte {start}")
    undefined = length == UNDEFINED
    stop = end if undefined else start + length
    if stop > end:
        raise TruncatedHeader(
            f"a sequence at byte {start} needs {length} bytes; the data end at {end}"
        )
    items: list[Item] = []
    offset = start
    while offset < stop:
        head = read_head(data, offset, stop, encoding)
        if head.tag == SEQUENCE_END:
            return tuple(items), head.start
        if head.tag != ITEM:
            raise HeaderError(f"{tag_text(head.tag)} stands at byte {offset} where an item was due")
        elements: list[Element] = []
        within = item_encoding(data, head.start, stop, encoding)
        if head.length == UNDEFINED:
            offset = head.start
            while True:
                inner = read_head(data, offset, stop, within)
                if inner.tag == ITEM_END:
                    offset = inner.start
                    break
                element, offset = parse_element(data, inner, stop, within, depth)
                if element.tag & 0xFFFF:
                    elements.append(element)
        else:
            offset = head.start + head.length
            if offset > stop:
                raise TruncatedHeader(
                    f"an item at byte {head.start - 8} reaches beyond its sequence"
                )
            elements.extend(parse(data, head.start, offset, within, depth=depth))
        items.append(tuple(elements))
    if undefined:
        raise TruncatedHeader(f"the sequence at byte {start} has no end")
    return tuple(items), offset


def swap(value: bytes, width: int) -> bytes:
    """Return `value` with the bytes of each `width`-byte number reversed; a ragged end stays."""
    whole = len(value) // width * width
    out = bytearray(value)
    for i in range(width):
        out[i:whole:width] = value[width - 1 - i : whole : width]
    return bytes(out)


def tag_text(tag: int) -> str:
    """Return `(gggg,eeee)` in capitals."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


_HEAD_SHORT: Callable[..., bytes] = struct.Struct("<HH2sH").pack
_HEAD_LONG: Callable[..., bytes] = struct.Struct("<HH2sHI").pack


def encode(element: Element) -> bytes:
    """Return `element` in Explicit VR Little Endian, sequences and items with defined lengths.

    Values of odd length get their VR's padding (PS3.5 §6.2): NUL for UI, OB and UN, else a space.

    Raises
    ------
    EncodingError
        If the VR is unknown or the value does not fit its length field.
    """
    vr = element.vr.encode("ascii", "replace")
    value = (
        b"".join(map(encode_item, element.value))
        if isinstance(element.value, tuple)
        else element.value
    )
    if len(value) % 2:
        value += b"\0" if vr in (b"UI", b"OB", b"UN") else b" "
    if vr in LONG_VRS:
        if len(value) >= UNDEFINED:
            raise EncodingError(f"{tag_text(element.tag)} is longer than 4 GiB")
        return _HEAD_LONG(element.tag >> 16, element.tag & 0xFFFF, vr, 0, len(value)) + value
    if vr not in SHORT_VRS:
        raise EncodingError(f"{tag_text(element.tag)} has no valid VR: {element.vr!r}")
    if len(value) > 0xFFFE:
        raise EncodingError(f"{tag_text(element.tag)} {element.vr} is longer than 65,534 bytes")
    return _HEAD_SHORT(element.tag >> 16, element.tag & 0xFFFF, vr, len(value)) + value


def encode_item(item: Iterable[Element]) -> bytes:
    """Return `item` with its head, of defined length, elements sorted by tag."""
    body = b"".join(encode(e) for e in sorted(item, key=lambda e: e.tag))
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body
