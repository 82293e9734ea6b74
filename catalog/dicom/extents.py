"""Where the top-level elements of a data set lie in its file, for copying them without reading."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, cast

from catalog.dicom.elements import (
    ITEM,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
    dictionary_vr,
    tag_text,
)
from catalog.dicom.header import Beginning, read_beginning
from catalog.dicom.source import Source
from catalog.dicom.walk import skip_items
from catalog.errors import HeaderError, TruncatedHeader

PIXEL_TAGS = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009})
"""Pixel Data, Float Pixel Data and Double Float Pixel Data."""

MAX_INFLATED_BYTES = 2 << 30
"""Most bytes that a deflated data set may give; they go to a temporary file."""

CHUNK_BYTES = 1 << 20
_IN_MEMORY_BYTES = 16 << 20


class Extent(NamedTuple):
    """Where one element lies.

    Attributes
    ----------
    vr:
        As the file has it, or of the dictionary where it has none.
    is_explicit:
        Whether the element itself states its VR.
    at, start, end:
        Offsets of its first byte, of its value, and of the byte after it.
    is_undefined:
        Its length is undefined: `end` is the offset after its delimiter.
    """

    tag: int
    vr: str
    is_explicit: bool
    at: int
    start: int
    end: int
    is_undefined: bool


class DataSet(NamedTuple):
    """A data set that can be read from `stream`, inflated if it was deflated."""

    stream: BinaryIO
    size_bytes: int
    at: int
    encoding: Encoding
    beginning: Beginning


@contextmanager
def data_set(stream: BinaryIO, size_bytes: int) -> Iterator[DataSet]:
    """Give the data set of the file in `stream`; a deflated one waits in a temporary file.

    Raises
    ------
    HeaderError
        If the file is none of DICOM, or what is deflated cannot be inflated or gives too much.
    """
    beginning = read_beginning(stream, size_bytes)
    if not beginning.is_deflated:
        yield DataSet(stream, size_bytes, beginning.at, beginning.encoding, beginning)
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as spooled:
        inflated = cast(BinaryIO, spooled)
        size = _inflate(stream, beginning.at, inflated)
        yield DataSet(inflated, size, 0, beginning.encoding, beginning)


def _inflate(stream: BinaryIO, at: int, into: BinaryIO) -> int:
    """Write what the raw deflate stream from `at` on gives; return how many bytes."""
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    stream.seek(at)
    chunk = stream.read(CHUNK_BYTES)
    while not decompressor.eof:
        try:
            more = decompressor.decompress(chunk, CHUNK_BYTES)
        except zlib.error as exc:
            raise HeaderError("its deflated data set cannot be inflated") from exc
        size += into.write(more)
        if size > MAX_INFLATED_BYTES:
            raise HeaderError(f"its deflated data set gives more than {MAX_INFLATED_BYTES} bytes")
        chunk = decompressor.unconsumed_tail or stream.read(CHUNK_BYTES)
        if not chunk and not more and not decompressor.eof:
            raise TruncatedHeader("its deflated data set breaks off")
    return size


def extents(it: DataSet) -> Iterator[Extent]:
    """Yield the elements of a data set, in file order, up to zeros that some writers append.

    Raises
    ------
    TruncatedHeader
        If the file ends inside an element.
    HeaderError
        If the bytes are not elements.
    """
    source = Source(it.stream, it.size_bytes)
    order = "<" if it.encoding.little_endian else ">"
    at = it.at
    while not source.ends_at(at):
        index = source.at(at)
        data = source.data
        group, number = struct.unpack_from(order + "HH", data, index)
        tag = group << 16 | number
        raw_vr = bytes(data[index + 4 : index + 6])
        start = at + 8
        is_explicit = it.encoding.explicit and raw_vr.isalpha() and raw_vr.isupper()
        if is_explicit and raw_vr in LONG_VRS:
            (length,) = struct.unpack_from(order + "I", data, index + 8)
            start = at + 12
        elif is_explicit:
            (length,) = struct.unpack_from(order + "H", data, index + 6)
        else:
            (length,) = struct.unpack_from(order + "I", data, index + 4)
        if tag == 0 and length == 0:
            return
        if group == 0xFFFE:
            raise HeaderError(f"{tag_text(tag)} stands at byte {at}, outside any sequence")
        known = is_explicit and (raw_vr in LONG_VRS or raw_vr in SHORT_VRS)
        vr = raw_vr.decode("ascii") if known else dictionary_vr(tag)
        if length != UNDEFINED:
            end = start + length
        elif tag in PIXEL_TAGS:
            end = _after_fragments(it, start)
        else:
            end = skip_items(source, start, it.encoding)
        if end > it.size_bytes:
            raise TruncatedHeader(
                f"{tag_text(tag)} at byte {at} reaches to byte {end}, the file ends at byte {it.size_bytes}"
            )
        yield Extent(tag, vr, is_explicit, at, start, end, length == UNDEFINED)
        at = end


def _after_fragments(it: DataSet, at: int) -> int:
    """Return the offset after encapsulated Pixel Data whose first item is at `at` (PS3.5 §A.4)."""
    while True:
        it.stream.seek(at)
        head = it.stream.read(8)
        if len(head) < 8:
            raise TruncatedHeader("the file ends inside its Pixel Data")
        group, number, length = struct.unpack("<HHI", head)
        at += 8
        if group << 16 | number == SEQUENCE_END:
            return at
        if group << 16 | number != ITEM or length == UNDEFINED:
            raise HeaderError(f"no fragment of Pixel Data stands at byte {at - 8}")
        at += length


def chunks(stream: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from `start` to `end` in chunks of a whole number of eight bytes but the last.

    Raises
    ------
    TruncatedHeader
        If the file ends before.
    """
    while start < end:
        stream.seek(start)
        count = min(CHUNK_BYTES, end - start)
        data = stream.read(count)
        while len(data) < count and (more := stream.read(count - len(data))):
            data += more
        if len(data) < count:
            raise TruncatedHeader(f"the file ends at byte {start + len(data)}")
        yield data
        start += count


def value_of(stream: BinaryIO, size_bytes: int, tag: int, most_bytes: int) -> bytes | None:
    """Return the value of the top-level element `tag`, with its padding; `None` if it is not there.

    Raises
    ------
    HeaderError
        If it cannot be read, or has more than `most_bytes`.
    """
    with data_set(stream, size_bytes) as it:
        for extent in extents(it):
            if extent.tag == tag:
                if extent.end - extent.start > most_bytes:
                    raise HeaderError(f"{tag_text(tag)} has more than {most_bytes} bytes")
                return b"".join(chunks(it.stream, extent.start, extent.end))
            if extent.tag > tag:
                break
    return None
