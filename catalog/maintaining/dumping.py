"""Every element of a DICOMDIR in the order of its bytes, whatever state it is in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from catalog.dicom.elements import (
    EXPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    MAX_DEPTH,
    SEQUENCE_END,
    UNDEFINED,
    VRS,
    WIDTH,
    Element,
    Encoding,
    Head,
    item_encoding,
    read_head,
    swap,
    tag_text,
)
from catalog.dicom.values import DEFAULT, character_sets
from catalog.errors import DicomdirError, HeaderError
from catalog.files.medium import medium_at
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.opening import start_of
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET
from catalog.shapes import frozen, mutable

_ITEM_MARK = re.compile(rb"\xfe\xff\x00\xe0|\xff\xfe\xe0\x00")


@frozen
class Line:
    """One element, item or delimiter.

    Attributes
    ----------
    offset_bytes:
        Of its tag, from the first byte of the file.
    depth:
        How many sequences and items it lies in.
    vr:
        `''` for items and delimiters.
    length_bytes:
        As the file states it; `None` if undefined.
    element:
        Its value, numbers little endian; `None` for sequences, items and delimiters.
    encodings:
        Those in force where it stands, for `catalog.dicom.values.text`.
    damage:
        What keeps the bytes from being read at this place, as the end of a sentence; else `''`.
    """

    offset_bytes: int
    depth: int
    tag: int
    vr: str
    length_bytes: int | None
    element: Element | None = None
    encodings: tuple[str, ...] = DEFAULT
    damage: str = ""


def dump_at(path: Path) -> Iterator[Line]:
    """Return `dump` of the DICOMDIR at `path`, the file itself or the folder that has one.

    Raises
    ------
    PathError
        If there is none, or it cannot be read.
    DicomdirError
        If it is not DICOM: a file that is, whatever its state, is dumped as far as it goes.
    """
    medium = medium_at(path, dicomdir_names)
    data = medium.directory()
    try:
        start_of(data)
    except DicomdirError as exc:
        raise exc.of(medium.place) from exc
    return dump(data)


@mutable
class _Frame:
    """An open sequence or item; `end` is `None` where a delimiter is to end it."""

    is_item: bool
    end: int | None
    encoding: Encoding
    encodings: tuple[str, ...]


def dump(data: bytes) -> Iterator[Line]:
    """Yield every element of `data` in the order of the file, nothing left out.

    No offset is followed and no record is put in place. After damage the walk goes on at the next
    item; the damage is a line of its own. Linear in the size of `data`; memory is that of the nesting.
    """
    offset = 132 if data[128:132] == b"DICM" else 4 if data[:4] == b"DICM" else 0
    end = len(data)
    open_: list[_Frame] = []
    encoding: Encoding | None = None
    while offset < end:
        while open_ and (stop := open_[-1].end) is not None and offset >= stop:
            open_.pop()
        if encoding is None and data[offset : offset + 2] != b"\2\0":
            encoding = _guess(data, offset)
        frame = open_[-1] if open_ else None
        now = frame.encoding if frame else encoding or EXPLICIT_LITTLE
        encodings = frame.encodings if frame else DEFAULT
        depth = len(open_)
        try:
            head = read_head(data, offset, end, now)
            if frame and not frame.is_item and head.tag >> 16 != 0xFFFE:
                raise HeaderError(f"{tag_text(head.tag)} stands where an item was due")
            line, after = _line(data, offset, depth, head, now, encodings)
            if head.tag in (ITEM, SEQUENCE_END, ITEM_END) or line.element is None:
                _enter_or_leave(data, open_, head, now, encodings)
        except HeaderError as error:
            yield Line(offset, depth, 0, "", None, damage=str(error))
            offset = _resumed(data, offset)
            while len(open_) > 1 or (open_ and open_[-1].is_item):
                open_.pop()
            if not open_ and offset < end:
                open_.append(_Frame(False, None, encoding or EXPLICIT_LITTLE, DEFAULT))
            continue
        yield line
        if head.tag == SPECIFIC_CHARACTER_SET and line.element is not None and frame:
            frame.encodings = character_sets({head.tag: line.element})
        offset = after


def _line(
    data: bytes, offset: int, depth: int, head: Head, encoding: Encoding, encodings: tuple[str, ...]
) -> tuple[Line, int]:
    """Return the line of the element at `offset`, and where the next one begins."""
    length = None if head.length == UNDEFINED else head.length
    if head.tag in (ITEM_END, SEQUENCE_END):
        return Line(offset, max(depth - 1, 0), head.tag, "", length), head.start
    if head.tag == ITEM:
        return Line(offset, depth, head.tag, "", length), head.start
    if head.vr == "SQ" or length is None:
        if length is None and head.vr not in ("SQ", "UN") and encoding.explicit:
            raise HeaderError(f"{tag_text(head.tag)} {head.vr} has an undefined length")
        return Line(offset, depth, head.tag, "SQ", length), head.start
    after = head.start + length
    if after > len(data):
        raise HeaderError(
            f"{tag_text(head.tag)} needs {length} bytes at byte {head.start}; the data end at {len(data)}"
        )
    value = data[head.start : after]
    if not encoding.little_endian and (width := WIDTH.get(head.vr)):
        value = swap(value, width)
    element = Element(head.tag, head.vr, value)
    return Line(offset, depth, head.tag, head.vr, length, element, encodings), after


def _enter_or_leave(
    data: bytes, open_: list[_Frame], head: Head, encoding: Encoding, encodings: tuple[str, ...]
) -> None:
    """Open what `head` opens, or close what it closes."""
    if head.tag in (ITEM_END, SEQUENCE_END):
        closes_item = head.tag == ITEM_END
        for i in range(len(open_) - 1, -1, -1):
            if open_[i].is_item == closes_item and open_[i].end is None:
                del open_[i:]
                return
        return
    if len(open_) >= 2 * MAX_DEPTH:
        raise HeaderError(f"sequences nested deeper than {MAX_DEPTH} at byte {head.start}")
    stop = None if head.length == UNDEFINED else head.start + head.length
    is_item = head.tag == ITEM
    inner = item_encoding(data, head.start, len(data), encoding) if is_item else encoding
    if not is_item and head.vr == "UN" and not encoding.little_endian:
        inner = EXPLICIT_LITTLE if data[head.start : head.start + 2] == b"\xfe\xff" else encoding
    open_.append(_Frame(is_item, stop, inner, encodings))


def _guess(data: bytes, offset: int) -> Encoding:
    """Return the data set's encoding as its first element shows it."""
    return Encoding(data[offset + 4 : offset + 6] in VRS, data[offset : offset + 1] != b"\0")


def _resumed(data: bytes, offset: int) -> int:
    """Return where after `offset` an item begins, or the end."""
    found = _ITEM_MARK.search(data, offset + 1)
    return found.start() if found else len(data)
