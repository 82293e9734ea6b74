"""An archive to readings: one of each member, and the archive's own last. This runs in worker processes.

The archive's own row says whether it has changed since, so it is stored with or after those of
its members: a run that is killed in between reads the archive again.
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO, Protocol, cast

from catalog.entities import Reading, Status, StoredFile
from catalog.errors import ArchiveError
from catalog.files.archives import Archive, Format, format_of, head_bytes, opened
from catalog.files.member_stream import MemberStream
from catalog.files.members import Member, MemberKind
from catalog.files.paths import SEPARATOR, on_disk
from catalog.findings import Finding, Severity

NOT_LOOKED_INTO = "an archive that was not looked into"
"""The error of an archive's row after `--no-archives`."""


class HeaderReader(Protocol):
    """Reads headers; see `catalog.indexing.reading.FileReader`."""

    def read(self, root: str, path: str) -> Reading:
        """Return what is known of one file."""

    def read_stream(self, stream: BinaryIO, path: str, size_bytes: int, mtime_ns: int) -> Reading:
        """Return what is known of a file after reading its header from `stream`."""


def read_archive(
    reader: HeaderReader, root: str, path: str, *, looks_into: bool, with_digest: bool
) -> list[Reading]:
    """Return the readings of an archive's members, and of the archive itself last.

    Never raises. A file that has the name of an archive and is none is read as any other. All
    members have the modification time of the archive. Each member is read to its end, so its
    checksum and size are proved, but for those of a plain tar archive
    or an ISO image, which have no checksums.
    """
    for attempt in (1, 2):
        try:
            with open(on_disk(root, path), "rb", buffering=0) as opened_file:  # noqa: PTH123
                file = cast(BinaryIO, opened_file)
                before = os.fstat(file.fileno())
                name = path.rpartition("/")[2]
                kind = format_of(name, file.read(head_bytes(name)))
                if kind is None:
                    return [reader.read(root, path)]
                own = StoredFile(path, before.st_size, before.st_mtime_ns, Status.ARCHIVE)
                readings = read_members(
                    reader, file, own, kind, looks_into=looks_into, with_digest=with_digest
                )
                if not looks_into:
                    return readings
                after = os.fstat(file.fileno())
        except OSError as exc:
            error = f"cannot be read: {exc.strerror}"
            return [Reading(StoredFile(path, status=Status.UNREADABLE, error=error), None)]
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            break
        if attempt == 2:
            readings = changed_while_read(readings, ARCHIVE_CHANGED)
    return readings


def read_members(
    reader: HeaderReader,
    file: BinaryIO,
    own: StoredFile,
    kind: Format,
    *,
    looks_into: bool,
    with_digest: bool,
) -> list[Reading]:
    """Return the readings of the members of the archive in `file`, and of the archive itself last.

    `own` is the archive's row if all goes well; it alone is returned if nobody looks into it.

    Raises
    ------
    OSError
        If the file cannot be read; what is wrong with the archive in it is told by the readings.
    """
    if not looks_into:
        left_alone = own._replace(status=Status.NOT_FOLLOWED, error=NOT_LOOKED_INTO)
        return [Reading(left_alone, None)]
    return _Reader(reader, own, with_digest).read(file, kind)


ARCHIVE_CHANGED = Finding(
    "changed-while-read",
    Severity.WARNING,
    "The archive changed while it was read. It will be read again by the next run.",
)


def changed_while_read(readings: list[Reading], finding: Finding) -> list[Reading]:
    """Return the readings of one file without digests, as it changed, the last with that finding."""
    without = [r._replace(file=r.file._replace(digest=None)) for r in readings]
    without[-1] = without[-1]._replace(findings=(*without[-1].findings, finding))
    return without


class _Reader:
    """Reads one archive; `own` is its row if all goes well."""

    def __init__(self, reader: HeaderReader, own: StoredFile, with_digest: bool) -> None:
        self._reader = reader
        self._own = own
        self._mtime_ns = own.mtime_ns or 0
        self._with_digest = with_digest

    def read(self, file: BinaryIO, kind: Format) -> list[Reading]:
        """Return the readings of the members and of the archive."""
        readings: list[Reading] = []
        own = self._own
        findings: list[Finding] = []
        error = ""
        try:
            archive = opened(file, own.size_bytes or 0, own.path.rpartition("/")[2], kind)
            for member, stream in archive.members():
                if member.kind is not MemberKind.FOLDER:  # a folder has no row on disk, either
                    readings.append(self._member(archive, kind, member, stream))
            error, findings = archive.error, archive.findings
        except ArchiveError as exc:
            error = str(exc)
        except OSError:
            raise
        except Exception as exc:  # noqa: BLE001 - one odd archive must not end a run over a million
            error = f"dcat itself failed on it ({type(exc).__name__}: {exc}); please report it"
            findings = [Finding("reader-defect", Severity.ERROR, f"On this archive {error}.")]
        if error:
            error = f"the {kind.value} archive cannot be read whole: {error}"
            own = own._replace(status=Status.UNREADABLE, error=error)
        elif self._with_digest:
            file.seek(0)
            stream_of_file = cast("hashlib._FileDigestFileObj", file)
            digest = hashlib.file_digest(stream_of_file, "sha256").hexdigest()
            own = own._replace(digest=digest)
        readings.append(Reading(own, None, tuple(findings)))
        return readings

    def _member(
        self, archive: Archive, kind: Format, member: Member, stream: MemberStream | None
    ) -> Reading:
        stored = StoredFile(
            f"{self._own.path}{SEPARATOR}{member.name}", member.size_bytes, self._mtime_ns
        )
        if stream is None:
            status = Status(member.kind.value)
            return Reading(
                stored._replace(status=status, error=member.reason), None, member.findings
            )
        try:
            reading = self._of_stream(archive, kind, member, stream, stored)
        except ArchiveError as exc:
            reading = Reading(stored._replace(status=Status.UNREADABLE, error=str(exc)), None)
        return reading._replace(findings=member.findings + reading.findings)

    def _of_stream(
        self,
        archive: Archive,
        kind: Format,
        member: Member,
        stream: MemberStream,
        stored: StoredFile,
    ) -> Reading:
        name = member.name.rpartition("/")[2]
        if format_of(name, _head(stream, head_bytes(name))) is not None:
            reason = "an archive in an archive, which dcat does not open"
            finding = Finding(
                "archive-nested",
                Severity.WARNING,
                "It is an archive in an archive. Its members are not catalogued; extract it to have them.",
            )
            nested = stored._replace(status=Status.NOT_FOLLOWED, error=reason)
            return Reading(nested, None, (finding,))
        size_bytes = member.size_bytes
        if size_bytes is None:
            # Only reading a gzip file to its end tells its size, and the header cannot be
            # understood without it.
            size_bytes = archive.listing()[member.name].size_bytes or 0
        if self._with_digest:
            stream.begin_digest()
        reading = self._reader.read_stream(
            cast(BinaryIO, stream), stored.path, size_bytes, self._mtime_ns
        )
        if self._with_digest:
            return reading._replace(file=reading.file._replace(digest=stream.digest()))
        if kind.has_checksums:
            stream.drain()
        return reading


def _head(stream: MemberStream, count: int) -> bytes:
    """Return the first bytes of a member, and go back to its beginning."""
    head = b""
    while len(head) < count and (more := stream.read(count - len(head))):
        head += more
    stream.seek(0)
    return head
