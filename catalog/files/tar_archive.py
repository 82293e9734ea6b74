"""tar archives, plain and compressed: ustar, pax and GNU (POSIX.1-2017, pax; GNU tar manual).

The standard library's `tarfile` takes a damaged header for the end of the archive and reads
extended headers of any length, so dcat reads the format itself.
"""

from __future__ import annotations

import math
import re
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
from catalog.files.paths import to_text
from catalog.findings import Finding, Severity
from catalog.shapes import replace

BLOCK = 512
MAX_EXTENDED_BYTES = 1 << 20
"""Longest pax header or long name that is read."""

MAX_EXTENDED_HEADERS = 16
"""Most headers that may stand before a member and tell more of it."""

_ZEROS = bytes(BLOCK)
_AFTER_END_BYTES = 1 << 20
_RECORD = re.compile(rb"([0-9]{1,8}) ")
_SPECIAL = {
    b"2": "a link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
}
_WITHOUT_DATA = frozenset(b"123456")


class _Header(NamedTuple):
    """One header block; `link` is the name that a link leads to."""

    name: bytes
    type: bytes
    size_bytes: int
    link: bytes


class TarArchive:
    """The members of a tar archive, in the order of the archive.

    Parameters
    ----------
    file:
        Open for reading and seekable.
    codec:
        How the archive is compressed; `None`: it is not.
    remembers:
        Members will be opened by name, in any order.
    """

    def __init__(
        self, file: BinaryIO, size_bytes: int, codec: Codec | None, *, remembers: bool = False
    ) -> None:
        self.findings: list[Finding] = []
        self.error = ""
        """Why not all members are known; empty if they are. It is set when the last was yielded."""
        self._flow: Flow = (
            Plain(file, 0, size_bytes)
            if codec is None
            else Inflated(file, 0, size_bytes, codec, allowance(size_bytes), remembers=remembers)
        )
        self._ends_at: float = size_bytes if codec is None else math.inf
        self._places: dict[str, tuple[Member, int]] | None = None

    def members(self) -> Iterator[tuple[Member, MemberStream | None]]:
        """Yield each member, with its bytes if it is a file; they last until the next is asked for.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        names = Names()
        count = 0
        self.error = ""
        self.findings.clear()
        try:
            self._flow.move_to(0)
            for header, sparse in self._headers():
                if count == MAX_MEMBERS:
                    self.error = f"it has more than {MAX_MEMBERS:,} members, and the others were not looked at; extract it"
                    return
                count += 1
                member = _member(header, sparse, names)
                is_file = member.kind is MemberKind.FILE
                if is_file and self._flow.position + header.size_bytes > self._ends_at:
                    reason = f"the archive breaks off inside it, at byte {self._ends_at:,}"
                    yield replace(member, kind=MemberKind.UNREADABLE, reason=reason), None
                elif is_file:
                    yield member, MemberStream(_Part(self._flow), header.size_bytes)
                else:
                    yield member, None
            self._end()
        except ArchiveError as exc:
            self.error = f"{exc}, at or after member {count:,}"

    def listing(self) -> dict[str, Member]:
        """Return the members by name; all is inflated once, if the archive is compressed."""
        return {name: member for name, (member, _) in self._listed().items()}

    def open(self, name: str) -> MemberStream:
        """Return the bytes of the member `name`; they last until the next is opened.

        Raises
        ------
        ArchiveError
            If there is no such member, or it cannot be read.
        """
        found = self._listed().get(name)
        if found is None:
            raise ArchiveError("the archive has no member of this name")
        member, at = found
        if member.kind is not MemberKind.FILE:
            raise ArchiveError(member.reason or "it is a folder of the archive")
        self._flow.move_to(at)
        return MemberStream(_Part(self._flow), member.size_bytes)

    def _listed(self) -> dict[str, tuple[Member, int]]:
        if self._places is None:
            places: dict[str, tuple[Member, int]] = {}
            for member, _ in self.members():
                places.setdefault(member.name, (member, self._flow.position))
            self._places = places
        return self._places

    # -- headers ---------------------------------------------------------------------------

    def _headers(self) -> Iterator[tuple[_Header, bool]]:
        """Yield each member's header and whether its data are sparse; its bytes come next."""
        name = link = b""
        more: dict[bytes, bytes] = {}
        extended = 0
        while (block := self._block()) is not None:
            at = self._flow.position - BLOCK
            header = _header(block, at)
            if header.type in (b"L", b"K", b"x", b"X", b"g"):
                extended += 1
                if extended > MAX_EXTENDED_HEADERS:
                    raise ArchiveError(
                        f"at byte {at:,} are more than {MAX_EXTENDED_HEADERS} headers of one member"
                    )
                data = self._extended(header.size_bytes, at)
                if header.type == b"L":
                    name = data.rstrip(b"\0")
                elif header.type == b"K":
                    link = data.rstrip(b"\0")
                elif header.type != b"g":
                    more = _records(data, at)
                continue
            size = header.size_bytes
            if b"size" in more:
                size = _decimal(more[b"size"], at)
            sparse = header.type == b"S" or any(key.startswith(b"GNU.sparse.") for key in more)
            sparse_name = more.get(b"GNU.sparse.name")
            header = _Header(
                sparse_name or more.get(b"path") or name or header.name,
                header.type,
                size,
                more.get(b"linkpath") or link or header.link,
            )
            name, link, more, extended = b"", b"", {}, 0
            start = self._flow.position
            yield header, sparse
            if header.type[0] not in _WITHOUT_DATA:
                self._skip(start, size)
        if extended:
            raise ArchiveError("it ends before the member that its last header tells of")

    def _skip(self, start: int, size: int) -> None:
        end = start + size
        self._flow.move_to(end)
        if self._flow.position < end:
            raise ArchiveError(f"it breaks off at byte {self._flow.position:,}, inside a member")
        self._flow.move_to(start + -(-size // BLOCK) * BLOCK)

    def _block(self) -> bytes | None:
        """Return the next header block, `None` at the end of the archive."""
        at = self._flow.position
        block = self._exactly(BLOCK)
        if block == _ZEROS:
            return None
        if not block:
            message = "The archive has no mark at its end; it may have been cut short between two members."
            self.findings.append(Finding("archive-without-end", Severity.WARNING, message))
            return None
        if len(block) < BLOCK:
            raise ArchiveError(f"it breaks off at byte {at + len(block):,}, inside a header")
        return block

    def _exactly(self, count: int) -> bytes:
        pieces = []
        while count and (piece := self._flow.read(count)):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _extended(self, size: int, at: int) -> bytes:
        if size > MAX_EXTENDED_BYTES:
            raise ArchiveError(
                f"at byte {at:,} is an extended header of {size:,} bytes, more than dcat reads"
            )
        data = self._exactly(-(-size // BLOCK) * BLOCK)
        if len(data) < size:
            raise ArchiveError(f"it breaks off at byte {at + BLOCK + len(data):,}, inside a header")
        return data[:size]

    def _end(self) -> None:
        """Look at what follows the mark at the end: zeros, as a rule."""
        rest = 0
        is_noted = False
        while (data := self._flow.read(1 << 16)) and (
            isinstance(self._flow, Inflated) or rest < _AFTER_END_BYTES
        ):
            rest += len(data)
            if not is_noted and data.strip(b"\0"):
                is_noted = True
                message = "Something follows the mark at the end of the archive; it was not looked at. `tar --ignore-zeros` can extract it."
                self.findings.append(Finding("archive-goes-on", Severity.WARNING, message))
        if isinstance(self._flow, Inflated):
            self.findings += (
                Finding("archive-goes-on", Severity.WARNING, note) for note in self._flow.notes
            )


class _Part:
    """What comes next of a flow, as long as nobody else reads of it."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._expected = flow.position

    def read(self, count: int) -> bytes:
        """Return up to `count` of the following bytes, none only at the end."""
        if self._flow.position != self._expected:
            raise ArchiveError("another member of the archive was opened since")
        data = self._flow.read(count)
        self._expected += len(data)
        return data


def looks_like_tar(block: bytes) -> bool:
    """Return whether a file that begins with `block` is a tar archive: empty, or with a right header."""
    if len(block) < BLOCK:
        return False
    if block[:BLOCK] == _ZEROS:
        return True
    try:
        _header(block[:BLOCK], 0)
    except ArchiveError:
        return False
    return True


def _member(header: _Header, sparse: bool, names: Names) -> Member:
    size: int | None = header.size_bytes
    kind, reason = MemberKind.FILE, ""
    if header.type == b"5" or (header.type in b"\0" and header.name.endswith(b"/")):
        kind = MemberKind.FOLDER
    elif header.type == b"1":
        link = to_text(header.link.decode("utf-8", "surrogateescape"))
        kind, reason, size = MemberKind.NOT_FOLLOWED, f"a link to the member {link}", None
    elif header.type in _SPECIAL:
        kind, reason, size = MemberKind.NOT_FOLLOWED, _SPECIAL[header.type], None
    elif sparse:
        kind, reason = MemberKind.UNREADABLE, "it is a sparse file, which dcat cannot read in place"
    elif header.type not in (b"0", b"\0", b"7"):
        kind = MemberKind.UNREADABLE
        reason = f"it is a member of the unknown type {header.type!r}"
    elif header.size_bytes > MAX_MEMBER_BYTES:
        kind = MemberKind.UNREADABLE
        reason = f"it states {header.size_bytes:,} bytes, more than dcat takes from an archive"
    return names.named(header.name, kind, size, reason)


def _header(block: bytes, at: int) -> _Header:
    """Return what a header block says.

    Raises
    ------
    ArchiveError
        If its checksum or a number is wrong.
    """
    stated = _number(block[148:156], at)
    zeroed = block[:148] + b"        " + block[156:]
    unsigned = sum(zeroed)
    # Some old programs added the bytes up as signed ones.
    if stated not in (unsigned, unsigned - 256 * sum(byte > 127 for byte in zeroed)):
        raise ArchiveError(f"at byte {at:,} should be a header of a member, and is none")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    return _Header(name, block[156:157], _number(block[124:136], at), _text(block[157:257]))


def _text(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _number(raw: bytes, at: int) -> int:
    """Return a number in octal digits, or in base 256 as GNU tar writes large ones."""
    if raw[0] == 0x80:
        return int.from_bytes(raw[1:], "big")
    text = _text(raw).strip()
    try:
        return int(text or b"0", 8) if not text.startswith((b"-", b"+")) else _wrong(at)
    except ValueError:
        return _wrong(at)


def _wrong(at: int) -> int:
    raise ArchiveError(f"at byte {at:,} should be a header of a member, and is none")


def _decimal(raw: bytes, at: int) -> int:
    if not raw.isdigit() or len(raw) > 19:
        _wrong(at)
    return int(raw)


def _records(data: bytes, at: int) -> dict[bytes, bytes]:
    """Return the records of a pax header, `LENGTH KEY=VALUE` each."""
    found: dict[bytes, bytes] = {}
    position = 0
    while position < len(data) and (match := _RECORD.match(data, position)):
        end = position + int(match[1])
        key, equals, value = data[match.end() : end - 1].partition(b"=")
        if end > len(data) or end <= match.end() or not equals or data[end - 1 : end] != b"\n":
            break
        found[key] = value
        position = end
    if data[position:].strip(b"\0"):
        raise ArchiveError(f"at byte {at:,} is an extended header that cannot be understood")
    return found
