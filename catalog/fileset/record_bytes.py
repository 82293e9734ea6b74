"""The bytes of one Directory Record: its item in Explicit VR Little Endian, and what it must hold.

`check_record` and `encode_record` say all that there is to say about any record. `Shapes` does
both at once for records that have the same elements as one before them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from operator import attrgetter

from catalog.dicom.elements import SHORT_VRS, Element, encode, tag_text
from catalog.errors import FileSetError
from catalog.fileset.file_id import file_id
from catalog.fileset.record_types import RECORD_TYPES, a_record
from catalog.fileset.tree import (
    FILE_ID,
    IN_USE,
    LOWER_RECORD,
    NEXT_RECORD,
    RECORD_TYPE,
    Record,
    is_full,
)
from catalog.shapes import frozen, particular

FORBIDDEN_GROUPS = (0x0000, 0x0002, 0x0006)
"""Groups that items may not hold (PS3.5 §7.5)."""

_ITEM = struct.Struct("<HHI")
_NEXT = _ITEM.size + 8
_LOWER = _NEXT + 4 + 8 + 2 + 8
"""Where the values of (0004,1400) and (0004,1420) are in an item that begins with the links."""

_LENGTHS = [size.to_bytes(2, "little") for size in range(0x100)]
_LEGAL = re.compile(rb"[A-Z0-9_]{1,8}(\\[A-Z0-9_]{1,8}){0,7}")
_BLANK = (0x20, 0x00)
_MOST_SHAPES = 1024
_TAG: Callable[[Element], int] = attrgetter("tag")
_VR: Callable[[Element], str] = attrgetter("vr")

_LINK_PARTS = {
    NEXT_RECORD: encode(Element(NEXT_RECORD, "UL", bytes(4))),
    IN_USE: encode(Element(IN_USE, "US", b"\xff\xff")),
    LOWER_RECORD: encode(Element(LOWER_RECORD, "UL", bytes(4))),
}


def check_record(record: Record) -> None:
    """Accept a record of a known type with every Type 1 key and a legal reference.

    Raises
    ------
    FileSetError
        If the type is unknown, or a Type 1 key is absent or empty (PS3.3 F.5).
    """
    known = RECORD_TYPES.get(record.type)
    if known is None:
        raise FileSetError(f"{record.type!r} is no Directory Record Type.")
    full = {element.tag for element in record.keys if is_full(element)}
    for tag in _type_1(record.type):
        if tag not in full:
            raise FileSetError(
                f"{a_record(record.type, capital=True)} lacks {tag_text(tag)}, which is Type 1 ({known.clause})."
            )
    if 0x00041500 in full:
        components = record.file_components or ()
        file_id(components)


@cache
def _type_1(record_type: str) -> tuple[int, ...]:
    known = RECORD_TYPES[record_type]
    keys = tuple(key.tag for key in known.keys if key.type == "1")
    return (
        (*keys, 0x00041500, 0x00041510, 0x00041511, 0x00041512) if known.references_file else keys
    )


def encode_record(record: Record) -> tuple[bytes, int, int]:
    """Return the item of `record`, and where in it the values of (0004,1400) and (0004,1420) are.

    Both offsets are zero, the In-use Flag is FFFFH (PS3.3 F.3.2.2).

    Raises
    ------
    FileSetError
        If a key is one of the links, occurs twice, or belongs to a group that items may not hold.
    EncodingError
        If a value cannot be encoded.
    """
    parts = dict(_LINK_PARTS)
    parts[0x00041430] = encode(Element(0x00041430, "CS", record.type.encode("ascii", "replace")))
    for element in record.keys:
        tag = element.tag
        if tag in parts or tag >> 16 in FORBIDDEN_GROUPS:
            raise FileSetError(
                f"{a_record(record.type, capital=True)} may not hold {tag_text(tag)}, or only once."
            )
        parts[tag] = encode(element)
    position = _ITEM.size
    tags = sorted(parts)
    next_ = position + sum(len(parts[tag]) for tag in tags if tag < 0x00041400) + 8
    lower = position + sum(len(parts[tag]) for tag in tags if tag < 0x00041420) + 8
    body = b"".join([parts[tag] for tag in tags])
    return _ITEM.pack(0xFFFE, 0xE000, len(body)) + body, next_, lower


@frozen
class _Shape:
    """What records of one type with the same tags and VRs have in common.

    Attributes
    ----------
    start:
        The links and the type, zeros for the offsets.
    heads:
        For each key, tag and VR as bytes and the padding of the VR; `None` for those that only
        `encode` lays out.
    full:
        Places among the keys of those that are Type 1.
    file_id:
        Place of (0004,1500), -1 if there is none.
    """

    start: bytes
    heads: tuple[tuple[bytes, bytes] | None, ...]
    full: tuple[int, ...]
    file_id: int


@particular
class _Last:
    """The record that was encoded last, checked, and the pieces of its item, one for each key after two."""

    type: str
    keys: tuple[Element, ...]
    shape: _Shape
    pieces: list[bytes]


class Shapes:
    """Checks and encodes records; how many shapes it remembers is bounded."""

    def __init__(self, check: Callable[[Record], None]) -> None:
        self._check = check
        self._known: dict[tuple[str | int, ...], _Shape | None] = {}
        self._last: _Last | None = None

    def encoded(self, record: Record) -> tuple[bytes, int, int]:
        """Return what `encode_record` does, after the check; raises as both do."""
        if self._last is not None and (item := self._like_last(record, self._last)) is not None:
            return item, _NEXT, _LOWER
        self._last = None
        return self._by_shape(record)

    def _like_last(self, record: Record, last: _Last) -> bytes | None:
        """Return the item if the record differs from the last one in few, plain values."""
        keys = record.keys
        if record.type != last.type or len(keys) != len(last.keys):
            return None
        shape, pieces = last.shape, last.pieces
        at = 1
        for element, before in zip(keys, last.keys, strict=True):
            at += 1
            if element is before:
                continue
            value = element.value
            head = shape.heads[at - 2]
            if (
                head is None
                or element.tag != before.tag
                or element.vr != before.vr
                or not isinstance(value, bytes)
                or not value
                or value[0] in _BLANK
                or len(value) >= 0xFF
                or (at - 2 == shape.file_id and not _LEGAL.fullmatch(value.rstrip(b" \0")))
            ):
                self._last = None  # some of its pieces are this record's by now
                return None
            size = len(value)
            if size % 2:
                pieces[at] = b"".join((head[0], _LENGTHS[size + 1], value, head[1]))
            else:
                pieces[at] = head[0] + _LENGTHS[size] + value
        last.keys = keys
        pieces[0] = _ITEM.pack(0xFFFE, 0xE000, sum(map(len, pieces)) - _ITEM.size)
        return b"".join(pieces)

    def _by_shape(self, record: Record) -> tuple[bytes, int, int]:
        keys = record.keys
        name: tuple[str | int, ...] = (record.type, *map(_TAG, keys), *map(_VR, keys))
        try:
            shape = self._known[name]
        except KeyError:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            shape = self._known[name] = _shape(record)
        # Whatever is out of the ordinary is refused, or not, by the functions made for it.
        is_passed = self._check is check_record and shape is not None and _passes(keys, shape)
        if not is_passed:
            self._check(record)
        if shape is None:
            return encode_record(record)
        parts = [b"", shape.start]
        for head, element in zip(shape.heads, keys, strict=True):
            value = element.value
            size = len(value)
            if head is None or size >= 0xFF or not isinstance(value, bytes):
                parts.append(encode(element))
            elif size % 2:
                parts.append(b"".join((head[0], _LENGTHS[size + 1], value, head[1])))
            else:
                parts.append(head[0] + _LENGTHS[size] + value)
        parts[0] = _ITEM.pack(0xFFFE, 0xE000, sum(map(len, parts)))
        if is_passed:
            self._last = _Last(record.type, keys, shape, parts)
        return b"".join(parts), _NEXT, _LOWER


def _shape(record: Record) -> _Shape | None:
    """Return the shape of `record`, or `None` if its keys do not simply follow the type."""
    tags = [RECORD_TYPE, *(element.tag for element in record.keys)]
    in_order = all(a < b for a, b in pairwise(tags))
    too_long = len(record.type) > 0xFF
    if not in_order or too_long or any(tag >> 16 in FORBIDDEN_GROUPS for tag in tags):
        return None
    place = {element.tag: at for at, element in enumerate(record.keys)}
    # An absent key, or the key of an unknown type, has a place beyond the others: no record passes.
    full: tuple[int, ...] = (len(place),)
    if record.type in RECORD_TYPES:
        full = tuple(place.get(tag, len(place)) for tag in _type_1(record.type))
    type_ = encode(Element(RECORD_TYPE, "CS", record.type.encode("ascii", "replace")))
    start = b"".join((*_LINK_PARTS.values(), type_))
    return _Shape(start, tuple(map(_head, record.keys)), full, place.get(FILE_ID, -1))


def _head(element: Element) -> tuple[bytes, bytes] | None:
    if element.vr.encode("ascii", "replace") not in SHORT_VRS:
        return None
    padding = b"\0" if element.vr == "UI" else b" "
    return encode(Element(element.tag, element.vr, b""))[:6], padding


def _passes(keys: tuple[Element, ...], shape: _Shape) -> bool:
    """Return whether `check_record` surely accepts a record of `shape` with `keys`."""
    for at in shape.full:
        if at == len(keys):
            return False
        value = keys[at].value
        # A first byte that is no padding is full enough; only the others are looked at closely.
        if not value or (value[0] in _BLANK and not is_full(keys[at])):
            return False
    if shape.file_id < 0:
        return True
    return _LEGAL.fullmatch(keys[shape.file_id].data.rstrip(b" \0")) is not None
