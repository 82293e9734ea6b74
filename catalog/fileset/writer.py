"""DICOMDIR bytes from records: Explicit VR Little Endian, defined lengths, exact offsets.

Records stream through: only the open chain of ancestors and about a mebibyte of output are held,
however many records there are. The same arguments always give the same bytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from typing import BinaryIO

from catalog.dicom.elements import Element, encode
from catalog.errors import EncodingError, FileSetError
from catalog.fileset.file_id import file_id
from catalog.fileset.record_bytes import FORBIDDEN_GROUPS, Shapes, check_record, encode_record
from catalog.fileset.record_types import a_record
from catalog.fileset.tree import FileSet, Record, walk
from catalog.shapes import frozen

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

_FILE_SET_ID = re.compile(r"[A-Z0-9_]{0,16}")
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
_LIMIT = 0xFFFFFFFF
_BUFFER_BYTES = 1 << 20
_MAX_DEPTH = 32

_UL = struct.Struct("<I")


@frozen
class Writing:
    """Which implementation writes: (0002,0012) and (0002,0013), PS3.10 §7.1.

    `version_name` has at most 16 characters; `None` leaves it out.
    """

    implementation_class_uid: str
    implementation_version_name: str | None = None


def write(
    stream: BinaryIO,
    fileset: FileSet,
    writing: Writing,
    *,
    check: Callable[[Record], None] | None = None,
) -> int:
    """Write the DICOMDIR of `fileset` to `stream` and return its size in bytes.

    As `write_records`, with the records of the tree.
    """
    return write_records(stream, fileset, walk(fileset.records), writing, check=check)


def write_records(
    stream: BinaryIO,
    fileset: FileSet,
    records: Iterable[tuple[int, Record]],
    writing: Writing,
    *,
    check: Callable[[Record], None] | None = None,
) -> int:
    """Write a DICOMDIR to `stream` and return its size in bytes.

    Parameters
    ----------
    stream:
        Binary, writable and seekable; the DICOMDIR begins at its position, which offsets count from.
    fileset:
        The File-set's own attributes; its `records` are not looked at.
    records:
        (depth, record) depth first, roots at depth 0. The children of each record are not looked at.
    check:
        Called with every record; `check_record` by default. An updater that keeps records which
        it does not understand passes a more lenient one.

    Raises
    ------
    FileSetError
        If a record breaks its type's rules, a depth skips a level, or an identifier is illegal.
    EncodingError
        If a value cannot be encoded, or the directory would exceed 4 GiB (PS3.3 F.3.2.2: UL).
    """
    return _Writer(stream, check or check_record).write(
        _head(fileset, writing), records, _tail(fileset)
    )


def _uid(text: str, what: str) -> bytes:
    if len(text) > 64 or not _UID.fullmatch(text):
        raise FileSetError(f"The {what} {text!r} is not a UID (PS3.5 §9.1).")
    return text.encode("ascii")


def _head(fileset: FileSet, writing: Writing) -> tuple[bytes, int]:
    """Return everything before the records and the position of the two root offsets in it."""
    meta = [
        Element(0x00020001, "OB", b"\0\1"),
        Element(0x00020002, "UI", MEDIA_STORAGE_DIRECTORY.encode("ascii")),
        Element(0x00020003, "UI", _uid(fileset.file_set_uid, "File-set UID")),
        Element(0x00020010, "UI", EXPLICIT_VR_LITTLE_ENDIAN.encode("ascii")),
        Element(
            0x00020012, "UI", _uid(writing.implementation_class_uid, "implementation class UID")
        ),
    ]
    version = writing.implementation_version_name
    if version is not None:
        if not 1 <= len(version) <= 16 or not version.isascii() or not version.isprintable():
            raise FileSetError(
                f"The implementation version name {version!r} is not 1 to 16 ASCII characters."
            )
        meta.append(Element(0x00020013, "SH", version.encode("ascii")))
    body = b"".join(map(encode, meta))
    head = [bytes(128), b"DICM", encode(Element(0x00020000, "UL", _UL.pack(len(body)))), body]
    head += map(encode, _identification(fileset))
    position = sum(map(len, head))
    head.append(encode(Element(0x00041200, "UL", bytes(4))))
    head.append(encode(Element(0x00041202, "UL", bytes(4))))
    head.append(encode(Element(0x00041212, "US", bytes(2))))
    head.append(struct.pack("<HH2sHI", 0x0004, 0x1220, b"SQ", 0, 0))
    return b"".join(head), position


def _identification(fileset: FileSet) -> list[Element]:
    """Return the File-set Identification Module (PS3.3 F.3.2.1)."""
    if not _FILE_SET_ID.fullmatch(fileset.file_set_id):
        raise FileSetError(
            f"The File-set ID {fileset.file_set_id!r} is not 0 to 16 of A-Z, 0-9 and _ (PS3.10 §8.5)."
        )
    elements = [Element(0x00041130, "CS", fileset.file_set_id.encode("ascii"))]
    if fileset.descriptor_file_id:
        elements.append(Element(0x00041141, "CS", file_id(fileset.descriptor_file_id).value))
    if fileset.descriptor_character_set is not None:
        text = fileset.descriptor_character_set
        if not fileset.descriptor_file_id or not text.isascii() or len(text) > 16:
            raise FileSetError(
                f"{text!r} is no character set of a descriptor file (PS3.3 F.3.2.1)."
            )
        elements.append(Element(0x00041142, "CS", text.encode("ascii")))
    return elements


def _tail(fileset: FileSet) -> bytes:
    """Return the elements that follow the Directory Record Sequence."""
    if any(e.tag <= 0x00041220 or e.tag >> 16 in FORBIDDEN_GROUPS for e in fileset.extra):
        raise FileSetError("An extra element of a DICOMDIR comes after (0004,1220) or not at all.")
    return b"".join(map(encode, sorted(fileset.extra, key=lambda e: e.tag)))


class _Writer:
    """Writes records one after the other and patches the offsets of those still open."""

    def __init__(self, stream: BinaryIO, check: Callable[[Record], None]) -> None:
        self._stream = stream
        self._shapes = Shapes(check)
        self._base = stream.tell()
        self._buffer = bytearray()
        self._flushed = 0  # bytes of the file before the buffer

    def write(
        self, head: tuple[bytes, int], records: Iterable[tuple[int, Record]], tail: bytes
    ) -> int:
        prefix, root_position = head
        self._append(prefix)
        start = len(prefix)
        first, last = self._records(records)
        self._patch(root_position + 8, first)
        self._patch(root_position + 20, last)
        self._patch(start - 4, self._size - start)
        self._append(tail)
        self._flush()
        return self._flushed

    @property
    def _size(self) -> int:
        return self._flushed + len(self._buffer)

    def _records(self, records: Iterable[tuple[int, Record]]) -> tuple[int, int]:
        """Write all records; return the offsets of the first and last one at the root, or zeros."""
        first = last = 0
        encoded = self._shapes.encoded
        links: list[tuple[int, int]] = []  # where the two offsets of each depth's latest record are
        for depth, record in records:
            if depth > len(links) or depth >= _MAX_DEPTH or depth < 0:
                raise FileSetError(
                    f"{a_record(record.type, capital=True)} at depth {depth} follows one at depth {len(links) - 1}."
                )
            item, next_, lower = encoded(record)
            offset = self._size
            if offset + len(item) > _LIMIT:
                raise EncodingError(
                    "A DICOMDIR cannot exceed 4 GiB: split the File-set (PS3.3 F.3.2.2)."
                )
            if depth == len(links):
                if links:
                    self._patch(links[-1][1], offset)
            else:
                self._patch(links[depth][0], offset)
                del links[depth:]
            links.append((offset + next_, offset + lower))
            if depth == 0:
                first, last = first or offset, offset
            self._append(item)
        return first, last

    def _append(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > 2 * _BUFFER_BYTES:
            self._flush(keep=_BUFFER_BYTES)

    def _flush(self, keep: int = 0) -> None:
        """Send the buffer on, except its last `keep` bytes: most patches fall into those."""
        out = self._buffer[: len(self._buffer) - keep]
        self._stream.seek(self._base + self._flushed)
        self._stream.write(out)
        del self._buffer[: len(out)]
        self._flushed += len(out)

    def _patch(self, position: int, value: int) -> None:
        """Put `value` as UL at `position`, in the buffer or in what was sent on."""
        inside = position - self._flushed
        if inside >= 0:
            _UL.pack_into(self._buffer, inside, value)
            return
        data = _UL.pack(value)
        if inside > -4:  # astride
            self._buffer[0 : 4 + inside] = data[-inside:]
            data = data[:-inside]
        self._stream.seek(self._base + position)
        self._stream.write(data)


__all__ = [
    "EXPLICIT_VR_LITTLE_ENDIAN",
    "MEDIA_STORAGE_DIRECTORY",
    "Writing",
    "check_record",
    "encode_record",
    "write",
    "write_records",
]
