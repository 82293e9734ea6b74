"""ISO 9660 images (ECMA-119), with Rock Ridge or Joliet names: directories, and files one at a time.

An image comes from a disc that somebody else has burnt, so everything in it is bounded: each
directory is read once, at most so many, so deep and so long; what lies outside of the image is
refused; names are text and never a path on disk. The path table is not needed and not read, nor is
the second copy of each number, as many burners write it wrongly.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from catalog.errors import ArchiveError
from catalog.files.inflating import PIECE_BYTES
from catalog.files.iso_names import Volume, named_entry
from catalog.files.member_stream import MemberStream
from catalog.files.members import (
    MAX_MEMBERS,
    MAX_NAME_BYTES,
    Member,
    MemberKind,
    Names,
    allowance,
)
from catalog.findings import Finding, Severity

SECTOR_BYTES = 2048
SYSTEM_AREA_BYTES = 16 * SECTOR_BYTES

HEAD_BYTES = SYSTEM_AREA_BYTES + 6
"""So many first bytes tell an image from other files."""

MAX_DESCRIPTORS = 64
MAX_DEPTH = 64
"""Deepest folder; ISO 9660 allows eight levels, Rock Ridge and Joliet more."""

MAX_DIRECTORY_BYTES = 256 << 20
"""Most bytes of directories that are read in one image."""

MAX_CONTINUED_BYTES = 16 << 20
"""Most bytes of continuation areas of Rock Ridge that are read in one image."""

_RECORD = struct.Struct("<BBL4xL4x7sBBBH2xB")
_FOLDER, _ASSOCIATED, _GOES_ON = 0x02, 0x04, 0x80
_UDF = (b"BEA01", b"NSR02", b"NSR03")
_JOLIET = (b"%/@", b"%/C", b"%/E")


def looks_like_iso(head: bytes) -> bool:
    """Return whether the first `HEAD_BYTES` of a file are those of an image of a disc."""
    return head[SYSTEM_AREA_BYTES + 1 : SYSTEM_AREA_BYTES + 6] in (b"CD001", *_UDF)


class _Stretch(NamedTuple):
    start: int
    size_bytes: int


class _Entry(NamedTuple):
    """A file, or why what has its name is none."""

    member: Member
    stretches: tuple[_Stretch, ...]


class Stretches:
    """Bytes that lie in one or more stretches of a file (ECMA-119 §6.4: file sections)."""

    def __init__(self, file: BinaryIO, stretches: Sequence[_Stretch]) -> None:
        self._file = file
        self._left = list(reversed(stretches))
        self.position = 0

    def read(self, count: int) -> bytes:
        """Return up to `count` of the following bytes, none only at the end."""
        while self._left and count > 0:
            start, size = self._left.pop()
            if size <= 0:
                continue
            self._file.seek(start)
            data = self._file.read(min(count, size, PIECE_BYTES))
            if not data:
                self._left.clear()
                return b""
            self._left.append(_Stretch(start + len(data), size - len(data)))
            self.position += len(data)
            return data
        return b""


class IsoArchive:
    """The files of an ISO 9660 image, folder by folder in the order of their records.

    Names are those of Rock Ridge, else of Joliet, else of ISO 9660 without version and empty
    extension: as an operating system shows them.

    Parameters
    ----------
    file:
        Open for reading and seekable.

    Raises
    ------
    ArchiveError
        If it is no image with an ISO 9660 volume.
    OSError
        If the file cannot be read.
    """

    def __init__(self, file: BinaryIO, size_bytes: int, most_members: int | None = None) -> None:
        self._most_members = MAX_MEMBERS if most_members is None else most_members
        self.findings: list[Finding] = []
        self.error = ""
        """Why not all files are known; empty if they are."""
        self._file, self._size_bytes = file, size_bytes
        self._left = allowance(size_bytes)
        primary, joliet = _descriptors(file)
        self.volume_identifier = primary[40:72].decode("ascii", "replace").rstrip(" \0")
        """As ISO 9660 has it; for a File-set its File-set ID (PS3.12 F.2)."""
        self._block_bytes = int.from_bytes(primary[128:130], "little")
        if self._block_bytes not in (512, 1024, 2048):
            raise ArchiveError(f"it states blocks of {self._block_bytes:,} bytes")
        stated = int.from_bytes(primary[80:84], "little") * self._block_bytes
        if stated > size_bytes:
            message = f"The image states {stated:,} bytes and has {size_bytes:,}: it is cut short, or was read from a disc without its last blocks."
            self.findings.append(Finding("image-short", Severity.WARNING, message))
        self._names = Names()
        self._directory_bytes = self._continued_bytes = 0
        rock_ridge = self._rock_ridge_skip(primary)
        if rock_ridge is None and joliet is not None:
            volume = Volume(is_joliet=True)
            root = joliet[156:190]
        else:
            volume = Volume(rock_ridge=rock_ridge)
            root = primary[156:190]
        self._entries = list(self._walk(root, volume))
        self._by_name = {entry.member.name: entry for entry in reversed(self._entries)}

    def listing(self) -> dict[str, Member]:
        """Return the members by name; no file is read."""
        return {entry.member.name: entry.member for entry in self._entries}

    def members(self) -> Iterator[tuple[Member, MemberStream | None]]:
        """Yield each member, with its bytes if it is a file; they last until the next is asked for."""
        for entry in self._entries:
            member = entry.member
            if member.kind is not MemberKind.FILE:
                yield member, None
                continue
            if (member.size_bytes or 0) > self._left:
                reason = f"it states {member.size_bytes:,} bytes, and dcat would take {max(self._left, 0):,} more from this image"
                yield Member(member.name, MemberKind.UNREADABLE, member.size_bytes, reason), None
                continue
            flow = Stretches(self._file, entry.stretches)
            yield member, MemberStream(flow, member.size_bytes)
            self._left -= flow.position

    def open(self, name: str) -> MemberStream:
        """Return the bytes of the member `name`; they last until the next is opened.

        Raises
        ------
        ArchiveError
            If there is no such member, or it cannot be read.
        """
        entry = self._by_name.get(name)
        if entry is None:
            raise ArchiveError("the image has no file of this name")
        if entry.member.kind is not MemberKind.FILE:
            raise ArchiveError(entry.member.reason or "it is a folder of the image")
        return MemberStream(Stretches(self._file, entry.stretches), entry.member.size_bytes)

    # -- the directories -------------------------------------------------------------------

    def _walk(self, root: bytes, volume: Volume) -> Iterator[_Entry]:
        """Yield the files below the directory that the record `root` stands for."""
        folders = [(*_place(root, self._block_bytes), b"", 0)]
        seen = {folders[0][0]}
        count = 0
        while folders:
            start, length, prefix, depth = folders.pop()
            below: list[tuple[int, int, bytes, int]] = []
            for name, record, stretches, why_not in self._records(start, length, volume):
                if count == self._most_members:
                    self.error = f"it has more than {self._most_members:,} files, and the others were not looked at; copy them to a folder"
                    return
                count += 1
                raw = prefix + name
                flags = _RECORD.unpack_from(record)[5]
                if why_not:
                    kind = MemberKind.NOT_FOLLOWED
                elif flags & _FOLDER:
                    at, size = stretches[0]
                    too_deep = depth == MAX_DEPTH or len(raw) > MAX_NAME_BYTES
                    if at in seen or too_deep:
                        why = "lies too deep" if too_deep else "is the same as another folder"
                        self._damaged(f"the folder {_shown(raw)} {why}, and was not looked into")
                        continue
                    seen.add(at)
                    below.append((at, size, raw + b"/", depth + 1))
                    continue
                else:
                    kind, why_not = self._kind_of(record, stretches)
                size = sum(stretch.size_bytes for stretch in stretches)
                yield _Entry(self._names.named(raw, kind, size, why_not), tuple(stretches))
            folders += reversed(below)

    def _records(
        self, start: int, length: int, volume: Volume
    ) -> Iterator[tuple[bytes, bytes, list[_Stretch], str]]:
        """Yield name, first record, place and why it is not followed, for each entry of a folder."""
        data = self._directory(start, length)
        at = 0
        going_on: list[_Stretch] = []
        while at < len(data):
            size = data[at]
            if size == 0:  # records do not cross sectors (ECMA-119 §6.8.1.1)
                at = (at // SECTOR_BYTES + 1) * SECTOR_BYTES
                continue
            record = data[at : at + size]
            if size < 34 or len(record) < size or 33 + record[32] > size:
                self._damaged(f"the folder at byte {start:,} has a damaged record at byte {at:,}")
                return
            at += size
            flags = record[25]
            own = record[33 : 33 + record[32]]
            if own in (b"\0", b"\1") or flags & _ASSOCIATED:
                continue
            stretch = _place(record, self._block_bytes)
            if flags & _GOES_ON and not flags & _FOLDER:
                going_on.append(stretch)
                continue
            named = named_entry(record, volume, self._continued)
            if named is None:
                continue
            if named.relocated is not None:
                yield named.name, _as_folder(record), [self._relocated(named.relocated)], ""
            else:
                yield named.name, record, [*going_on, stretch], named.why_not
            going_on = []

    def _directory(self, start: int, length: int) -> bytes:
        if start + length > self._size_bytes:
            self._damaged(
                f"a folder of {length:,} bytes at byte {start:,} lies outside of the image"
            )
        self._directory_bytes += length
        if self._directory_bytes > MAX_DIRECTORY_BYTES:
            self._damaged(f"its folders have more than {MAX_DIRECTORY_BYTES:,} bytes")
            return b""
        return self._at(start, length)

    def _relocated(self, block: int) -> _Stretch:
        """Return the place of a folder that was moved up (RRIP 4.1.5), whose own record states it."""
        start = block * self._block_bytes
        own = self._at(start, 34)
        return _place(own, self._block_bytes) if len(own) == 34 else _Stretch(start, 0)

    def _rock_ridge_skip(self, primary: bytes) -> int | None:
        """Return how many bytes to skip in System Use fields (SUSP 5.3), `None` without Rock Ridge."""
        start, length = _place(primary[156:190], self._block_bytes)
        first = self._at(start, min(length, SECTOR_BYTES))
        size = first[0] if first else 0
        field = first[34:size]
        if field[:2] == b"SP" and len(field) >= 7 and field[4:6] == b"\xbe\xef":
            return field[6]
        return None

    def _kind_of(self, record: bytes, stretches: Sequence[_Stretch]) -> tuple[MemberKind, str]:
        if record[26] or record[27]:
            return MemberKind.UNREADABLE, "it is interleaved with another file"
        for start, size in stretches:
            if size and start + size > self._size_bytes:
                return (
                    MemberKind.UNREADABLE,
                    f"it would end at byte {start + size:,}, outside of the image",
                )
        return MemberKind.FILE, ""

    def _at(self, start: int, count: int) -> bytes:
        """Return the bytes there, fewer where the image ends."""
        self._file.seek(start)
        data = b""
        while len(data) < count and (more := self._file.read(count - len(data))):
            data = data + more if data else more
        return data

    def _continued(self, start: int, count: int) -> bytes:
        self._continued_bytes += count
        if self._continued_bytes > MAX_CONTINUED_BYTES:
            self._damaged(f"its records go on in more than {MAX_CONTINUED_BYTES:,} bytes elsewhere")
            return b""
        return self._at(start, count)

    def _damaged(self, what: str) -> None:
        if not self.error:
            self.error = f"it is damaged: {what}"


def _descriptors(file: BinaryIO) -> tuple[bytes, bytes | None]:
    """Return the Primary Volume Descriptor and that of Joliet (ECMA-119 §8.1)."""
    primary = joliet = None
    udf = False
    for number in range(MAX_DESCRIPTORS):
        file.seek(SYSTEM_AREA_BYTES + number * SECTOR_BYTES)
        data = file.read(SECTOR_BYTES)
        if data[1:6] in _UDF:
            udf = True
            continue
        if len(data) < SECTOR_BYTES or data[1:6] != b"CD001" or (data[0] == 255 and primary):
            break
        if data[0] == 1 and primary is None:
            primary = data
        elif data[0] == 2 and joliet is None and data[88:91] in _JOLIET:
            joliet = data
    if primary is None:
        raise ArchiveError(
            "it is an image with UDF alone, which dcat does not read: mount it and name the folder"
            if udf
            else "it has no Primary Volume Descriptor: it is cut short, or no image with ISO 9660"
        )
    return primary, joliet


def _place(record: bytes, block_bytes: int) -> _Stretch:
    """Return where the data of a directory record lie, behind their extended attributes (§9.1)."""
    _, attributes, block, size, *_ = _RECORD.unpack_from(record)
    return _Stretch((block + attributes) * block_bytes, size)


def _as_folder(record: bytes) -> bytes:
    return record[:25] + bytes((record[25] | _FOLDER,)) + record[26:]


def _shown(raw: bytes) -> str:
    return raw[:200].decode("utf-8", "replace")
