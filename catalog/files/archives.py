"""Archives, read in place: ZIP, tar (plain, gzip, bzip2, xz), ISO 9660 images, gzipped DICOM files.

An archive is what has the name *and* the first bytes of one: a `.docx` is a ZIP by its bytes and
no archive here, a text that is called `a.zip` is a text. Archives within archives are not opened.
Nothing is ever extracted, so a member's name is text and never a path on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import BinaryIO, Protocol

from catalog.errors import ArchiveError
from catalog.files import iso_archive, zip_archive
from catalog.files.inflating import Codec, Inflated
from catalog.files.iso_archive import IsoArchive, looks_like_iso
from catalog.files.member_stream import MemberStream
from catalog.files.members import (
    MAX_LISTED,
    MAX_MEMBER_BYTES,
    Member,
    MemberKind,
    Names,
    allowance,
)
from catalog.files.paths import from_text, is_archive_name
from catalog.files.tar_archive import BLOCK, TarArchive, looks_like_tar
from catalog.files.zip_archive import ZipArchive
from catalog.findings import Finding, Severity

HEAD_BYTES = BLOCK
"""So many first bytes tell what an archive is; of an ISO image more, see `head_bytes`."""


class Format(Enum):
    """What an archive is."""

    ZIP = "ZIP"
    TAR = "tar"
    TAR_GZIP = "tar.gz"
    TAR_BZIP2 = "tar.bz2"
    TAR_XZ = "tar.xz"
    GZIP = "gzip"
    ISO = "ISO 9660"

    @property
    def has_checksums(self) -> bool:
        """Whether reading a member to its end proves it."""
        return self not in (Format.TAR, Format.ISO)


_CODECS = {
    Format.TAR: None,
    Format.TAR_GZIP: Codec.GZIP,
    Format.TAR_BZIP2: Codec.BZIP2,
    Format.TAR_XZ: Codec.XZ,
}


class Archive(Protocol):
    """An open archive.

    `error` says why not all members are known, and `findings` what is odd about the archive; both
    are complete when the last member has been yielded.
    """

    findings: list[Finding]
    error: str

    def members(self) -> Iterator[tuple[Member, MemberStream | None]]:
        """Yield each member, with its bytes if it is a file; they last until the next is asked for."""

    def listing(self) -> dict[str, Member]:
        """Return the members by name."""

    def open(self, name: str) -> MemberStream:
        """Return the bytes of one member; they last until the next is opened."""


def head_bytes(name: str) -> int:
    """Return how many first bytes tell whether the file called `name` is an archive."""
    return iso_archive.HEAD_BYTES if name.lower().endswith(".iso") else HEAD_BYTES


def format_of(name: str, head: bytes) -> Format | None:
    """Return what the archive called `name` is, whose first `head_bytes(name)` are `head`.

    `None` if the name is not that of an archive, or the bytes are not.
    """
    if not is_archive_name(name):
        return None
    lower = name.lower()
    if lower.endswith(".zip"):
        return Format.ZIP if head.startswith(zip_archive.MAGICS) else None
    if lower.endswith(".iso"):
        return Format.ISO if looks_like_iso(head) else None
    if lower.endswith(".tar"):
        return Format.TAR if looks_like_tar(head) else None
    if head.startswith(Codec.GZIP.value):
        if lower.endswith((".tar.gz", ".tgz")):
            return Format.TAR_GZIP
        return Format.GZIP if lower.endswith(".gz") else None
    if lower.endswith((".tar.bz2", ".tbz2")) and head.startswith(Codec.BZIP2.value):
        return Format.TAR_BZIP2
    if lower.endswith((".tar.xz", ".txz")) and head.startswith(Codec.XZ.value):
        return Format.TAR_XZ
    return None


def opened(
    file: BinaryIO, size_bytes: int, name: str, kind: Format, *, remembers: bool = False
) -> Archive:
    """Return the archive in `file`.

    Parameters
    ----------
    name:
        The last component of its path, in text form.
    remembers:
        Members will be opened by name, in any order: keep what makes that quick.

    Raises
    ------
    ArchiveError
        If it is so damaged that no member can be found.
    OSError
        If the file cannot be read.
    """
    most = MAX_LISTED if remembers else None
    if kind is Format.ZIP:
        return ZipArchive(file, size_bytes, most)
    if kind is Format.ISO:
        return IsoArchive(file, size_bytes, most)
    if kind is Format.GZIP:
        return _Gzip(file, size_bytes, name)
    return TarArchive(file, size_bytes, _CODECS[kind], remembers=remembers)


class _Gzip:
    """One file compressed by gzip: an archive of one member, called as the archive without `.gz`."""

    def __init__(self, file: BinaryIO, size_bytes: int, name: str) -> None:
        self.findings: list[Finding] = []
        self.error = ""
        self._file, self._size_bytes = file, size_bytes
        raw = from_text(name[: -len(".gz")]).encode("utf-8", "surrogateescape")
        self._member = Names().named(raw, MemberKind.FILE, None)

    def members(self) -> Iterator[tuple[Member, MemberStream | None]]:
        """Yield the one member; its size is not known before all was read."""
        flow = self._flow()
        yield self._member, MemberStream(flow, None)
        self.findings += (Finding("archive-goes-on", Severity.WARNING, n) for n in flow.notes)

    def listing(self) -> dict[str, Member]:
        """Return the one member, with its size: all is inflated once."""
        size = MemberStream(self._flow(), None).drain()
        return {self._member.name: Member(self._member.name, MemberKind.FILE, size)}

    def open(self, name: str) -> MemberStream:
        """Return the bytes of the one member."""
        if name != self._member.name:
            raise ArchiveError("the archive has no member of this name")
        return MemberStream(self._flow(), None)

    def _flow(self) -> Inflated:
        allowed = allowance(self._size_bytes, MAX_MEMBER_BYTES)
        return Inflated(self._file, 0, self._size_bytes, Codec.GZIP, allowed)
