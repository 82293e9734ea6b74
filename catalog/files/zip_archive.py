"""ZIP archives (APPNOTE 6.3): the central directory, and members one at a time.

The standard library's `zipfile` refuses a whole archive for one name, reads a directory of any
length into memory and inflates bzip2 without limit, so dcat reads the format itself.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from catalog.errors import ArchiveError
from catalog.files.inflating import Codec, Flow, Inflated, Plain
from catalog.files.member_stream import MemberStream
from catalog.files.members import (
    MAX_MEMBER_BYTES,
    MAX_MEMBERS,
    Member,
    MemberKind,
    Names,
    allowance,
)
from catalog.findings import Finding

MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

MAX_DIRECTORY_BYTES = 256 << 20
"""Longest central directory that is read."""

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_MAX_COMMENT_BYTES = 0xFFFF

_CODECS = {8: Codec.DEFLATE, 12: Codec.BZIP2}
_METHODS = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    14: "LZMA",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
    99: "AES encryption",
}


class _Entry(NamedTuple):
    """One entry of the central directory."""

    raw_name: bytes
    member: Member
    method: int
    crc: int
    compressed_bytes: int
    header_at: int


class ZipArchive:
    """The members of a ZIP archive, in the order of its central directory.

    Parameters
    ----------
    file:
        Open for reading and seekable.

    Raises
    ------
    ArchiveError
        If there is no central directory that can be read.
    OSError
        If the file cannot be read.
    """

    def __init__(self, file: BinaryIO, size_bytes: int, most_members: int | None = None) -> None:
        self._most_members = MAX_MEMBERS if most_members is None else most_members
        self.findings: list[Finding] = []
        self.error = ""
        """Why not all members are known; empty if they are."""
        self._file = file
        self._left = allowance(size_bytes)
        start, length, self._shift, count = _directory(file, size_bytes)
        self._entries = self._read_directory(start, length, count)
        self._by_name = {entry.member.name: entry for entry in reversed(self._entries)}

    def listing(self) -> dict[str, Member]:
        """Return the members by name; nothing is inflated."""
        return {entry.member.name: entry.member for entry in self._entries}

    def members(self) -> Iterator[tuple[Member, MemberStream | None]]:
        """Yield each member, with its bytes if it is a file; they last until the next is asked for."""
        for entry in self._entries:
            member = entry.member
            if member.kind is not MemberKind.FILE:
                yield member, None
                continue
            try:
                flow, stream = self._opened(entry, self._left)
            except ArchiveError as exc:
                yield _unreadable(member, str(exc)), None
                continue
            yield member, stream
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
            raise ArchiveError("the archive has no member of this name")
        if entry.member.kind is not MemberKind.FILE:
            raise ArchiveError(entry.member.reason or "it is a folder of the archive")
        return self._opened(entry, allowance(entry.compressed_bytes))[1]

    # -- the directory ---------------------------------------------------------------------

    def _read_directory(self, start: int, length: int, count: int) -> list[_Entry]:
        self._file.seek(start)
        data = _exactly(self._file, length)
        entries: list[_Entry] = []
        names = Names()
        at = 0
        while at + _ENTRY.size <= length and data.startswith(b"PK\x01\x02", at):
            if len(entries) == self._most_members:
                self.error = f"it has more than {self._most_members:,} members, and the others were not looked at; extract it"
                return entries
            fixed = _ENTRY.unpack_from(data, at)
            name_at = at + _ENTRY.size
            extra_at = name_at + fixed[12]
            at = extra_at + fixed[13] + fixed[14]
            if at > length:
                break
            entries.append(
                _entry(fixed, data[name_at:extra_at], data[extra_at : extra_at + fixed[13]], names)
            )
        if at != length or len(entries) & 0xFFFF != count & 0xFFFF:
            self.error = f"its central directory is damaged: {len(entries):,} of {count:,} members can be read"
        return entries

    # -- the bytes -------------------------------------------------------------------------

    def _opened(self, entry: _Entry, allowed: int) -> tuple[Flow, MemberStream]:
        size = entry.member.size_bytes or 0
        allowed = min(allowed, allowance(entry.compressed_bytes, MAX_MEMBER_BYTES))
        if size > allowed:
            raise ArchiveError(
                f"it states {size:,} bytes, and dcat would take {max(allowed, 0):,} more from this archive"
            )
        at = entry.header_at + self._shift
        self._file.seek(at)
        head = self._file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(MAGICS[0]):
            raise ArchiveError("its local header is not where the archive says")
        *_, name_bytes, extra_bytes = _LOCAL.unpack(head)
        if self._file.read(name_bytes) != entry.raw_name:
            raise ArchiveError("its local header has another name than the archive's directory")
        start = at + _LOCAL.size + name_bytes + extra_bytes
        flow: Flow
        if entry.method == 0:
            flow = Plain(self._file, start, entry.compressed_bytes)
        else:
            codec = _CODECS[entry.method]
            flow = Inflated(self._file, start, entry.compressed_bytes, codec, size + 1, is_one=True)
        return flow, MemberStream(flow, size, entry.crc, ends_flow=True)


def _directory(file: BinaryIO, size_bytes: int) -> tuple[int, int, int, int]:
    """Return where the central directory begins, its length, the shift of all offsets, and how many entries it has."""
    tail_at = max(0, size_bytes - _END.size - _MAX_COMMENT_BYTES)
    file.seek(tail_at)
    tail = _exactly(file, size_bytes - tail_at)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0 and at + _END.size > len(tail):
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if at < 0:
        raise ArchiveError("it has no end: it is cut short, or no ZIP archive")
    _, disk, first_disk, _, count, length, start, _ = _END.unpack_from(tail, at)
    end_at = tail_at + at
    if count == 0xFFFF or length == 0xFFFFFFFF or start == 0xFFFFFFFF:
        found = _directory_64(file, end_at)
        if found is not None:
            end_at, disk, first_disk, count, length, start = found
    if disk or first_disk:
        raise ArchiveError("it is one part of an archive of several files")
    shift = end_at - length - start
    if shift < 0:
        raise ArchiveError("its central directory is not where its end says")
    if length > MAX_DIRECTORY_BYTES:
        raise ArchiveError(f"its central directory has {length:,} bytes, more than dcat reads")
    return start + shift, length, shift, count


def _directory_64(file: BinaryIO, end_at: int) -> tuple[int, int, int, int, int, int] | None:
    at = end_at - _LOCATOR_64.size
    if at < 0:
        return None
    file.seek(at)
    signature, _, _, _ = _LOCATOR_64.unpack(_exactly(file, _LOCATOR_64.size))
    at -= _END_64.size
    if signature != b"PK\x06\x07" or at < 0:
        return None
    file.seek(at)
    fields = _END_64.unpack(_exactly(file, _END_64.size))
    if fields[0] != b"PK\x06\x06":
        raise ArchiveError("its ZIP64 end is not where it belongs")
    _, _, _, _, disk, first_disk, _, count, length, start = fields
    return at, disk, first_disk, count, length, start


def _entry(fixed: tuple[int, ...], raw: bytes, extra: bytes, names: Names) -> _Entry:
    _, _, made_by, _, _, flags, method, _, _, crc, packed, size, *_ = fixed
    header_at, mode = fixed[18], fixed[17] >> 16
    packed, size, header_at = _wide(extra, packed, size, header_at)
    kind, reason = MemberKind.FILE, ""
    if raw.endswith(b"/") and size == 0:
        kind = MemberKind.FOLDER
    elif made_by == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = MemberKind.NOT_FOLLOWED
        reason = "a link" if stat.S_ISLNK(mode) else "a special file"
    elif flags & 0x2041:
        kind, reason = MemberKind.UNREADABLE, "it is encrypted"
    elif method != 0 and method not in _CODECS:
        what = f"{method} ({_METHODS[method]})" if method in _METHODS else str(method)
        kind = MemberKind.UNREADABLE
        reason = f"it is compressed by method {what}, which dcat cannot inflate"
    return _Entry(raw, names.named(raw, kind, size, reason), method, crc, packed, header_at)


def _wide(extra: bytes, packed: int, size: int, header_at: int) -> tuple[int, int, int]:
    """Return sizes and offset with those that stand in the ZIP64 field."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == 1:
            values = iter(struct.iter_unpack("<Q", extra[at + 4 : at + 4 + length // 8 * 8]))
            if size == 0xFFFFFFFF:
                size = next(values, (size,))[0]
            if packed == 0xFFFFFFFF:
                packed = next(values, (packed,))[0]
            if header_at == 0xFFFFFFFF:
                header_at = next(values, (header_at,))[0]
        at += 4 + length
    return packed, size, header_at


def _unreadable(member: Member, reason: str) -> Member:
    return Member(member.name, MemberKind.UNREADABLE, member.size_bytes, reason, member.findings)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := file.read(count - len(data))):
        data = data + more if data else more
    if len(data) < count:
        raise ArchiveError("it became shorter while it was read")
    return data
