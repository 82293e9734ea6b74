"""One file to one reading. This runs in worker processes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from io import FileIO
from typing import BinaryIO

from catalog.dicom.alike import HeaderReader
from catalog.dicom.claiming import ClaimsMaker
from catalog.dicom.claims import ALWAYS, Wanted
from catalog.dicom.header import read_header
from catalog.dicom.values import decode_value
from catalog.entities import Claims, Reading, Status, StoredFile
from catalog.errors import HeaderError, NotDicom
from catalog.files.paths import is_archive_name, on_disk
from catalog.files.urls import is_url
from catalog.fileset.records import record_type_for
from catalog.findings import Finding, Severity
from catalog.indexing.members import read_archive
from catalog.normal_forms import normal
from catalog.shapes import frozen

_TRANSFER_SYNTAX_UID = 0x00020010
_IMPLEMENTATION_CLASS_UID = 0x00020012
_IMPLEMENTATION_VERSION_NAME = 0x00020013

CHANGED_WHILE_READ = Finding(
    "changed-while-read",
    Severity.WARNING,
    "The file changed while it was read. It will be read again by the next run.",
)

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


@frozen
class How:
    """How files are read.

    Attributes
    ----------
    what:
        The attributes that are wanted.
    with_digest:
        Read each file to its end, for its SHA-256.
    archives:
        Look into archives.
    requests:
        Of storage behind a URL so many files are asked for at a time, by each process.
    """

    what: Wanted = ALWAYS
    with_digest: bool = False
    archives: bool = True
    requests: int = 32


def read_all(root: str, paths: Sequence[str], how: How) -> list[Reading]:
    """Return the readings of `paths` below `root`, both in text form, in the same order.

    Before the reading of an archive come those of its members.

    Raises
    ------
    StorageError
        If `root` is a URL whose storage cannot be reached or used any more.
    """
    if is_url(root):
        from catalog.indexing.remote_reading import read_remote

        return read_remote(_own.reader, root, paths, how)
    reader = _own.reader(how)
    readings: list[Reading] = []
    for path in paths:
        if is_archive_name(path):
            readings += read_archive(
                reader, root, path, looks_into=how.archives, with_digest=how.with_digest
            )
        else:
            readings.append(reader.read(root, path))
    return readings


class _Own(threading.local):
    """What each thread has of its own: a reader remembers what it read last, for itself alone."""

    def __init__(self) -> None:
        self._how: How | None = None
        self._reader = FileReader(How())

    def reader(self, how: How) -> FileReader:
        """Return this thread's reader."""
        if how != self._how:
            self._how, self._reader = how, FileReader(how)
        return self._reader


class FileReader:
    """Reads files one after the other, best in the order in which they lie in their folders."""

    def __init__(self, how: How) -> None:
        self._how = how
        self._headers = HeaderReader(how.what.tags)
        self._claims = ClaimsMaker(how.what)

    def read(self, root: str, path: str) -> Reading:
        """Return what is known of one file after reading its header, or all of it for its digest.

        Never raises: whatever is wrong with the file becomes its status and error. Size and time
        are those before reading; they are `None` if the system could not open or read the file,
        so that the next run tries again.
        """
        changing: tuple[Finding, ...] = ()
        for attempt in (1, 2):
            try:
                fd = os.open(on_disk(root, path), _FLAGS)
                try:
                    before = os.fstat(fd)
                    reading = self._read(fd, path, before.st_size, before.st_mtime_ns)
                    if self._how.with_digest:
                        reading = _with_digest(reading, fd)
                    after = os.fstat(fd)
                finally:
                    os.close(fd)
            except OSError as exc:
                return Reading(
                    StoredFile(
                        path, status=Status.UNREADABLE, error=f"cannot be read: {exc.strerror}"
                    ),
                    None,
                )
            if before.st_size == after.st_size and before.st_mtime_ns == after.st_mtime_ns:
                break
            if attempt == 2:
                changing = (CHANGED_WHILE_READ,)
                reading = reading._replace(file=reading.file._replace(digest=None))
        return reading._replace(findings=reading.findings + changing) if changing else reading

    def read_stream(self, stream: BinaryIO, path: str, size_bytes: int, mtime_ns: int) -> Reading:
        """Return what is known of a file after reading its header from `stream`.

        Raises
        ------
        OSError
            If the stream cannot be read.
        """
        return self._read(stream, path, size_bytes, mtime_ns)

    def _read(self, file: int | BinaryIO, path: str, size_bytes: int, mtime_ns: int) -> Reading:
        def failed(status: Status, error: str, *findings: Finding) -> Reading:
            return Reading(StoredFile(path, size_bytes, mtime_ns, status, error), None, findings)

        try:
            header = (
                self._headers.read(file, size_bytes)
                if isinstance(file, int)
                else read_header(file, size_bytes, self._how.what.tags)
            )
            stored = StoredFile(
                path,
                size_bytes,
                mtime_ns,
                Status.OK,
                None,
                header.transfer_syntax_uid,
                _meta_text(header.meta.get(_IMPLEMENTATION_CLASS_UID), "UI"),
                _meta_text(header.meta.get(_IMPLEMENTATION_VERSION_NAME), "SH"),
            )
            if header.is_dicomdir:
                return Reading(stored._replace(status=Status.DICOMDIR), None, header.findings)
            stated, noticed, reason = self._claims.claims(header)
        except NotDicom as exc:
            return failed(Status.NOT_DICOM, str(exc))
        except HeaderError as exc:
            return failed(Status.UNREADABLE, str(exc))
        except OSError:
            raise
        except Exception as exc:  # noqa: BLE001 - one odd file must not end a run over a million
            message = (
                f"dcat itself failed on this file ({type(exc).__name__}: {exc}); please report it"
            )
            return failed(
                Status.UNREADABLE, message, Finding("reader-defect", Severity.ERROR, message + ".")
            )
        findings = header.findings + noticed
        if stated is None:
            return Reading(stored._replace(status=Status.INCOMPLETE, error=reason), None, findings)
        if header.is_truncated:
            stored = stored._replace(
                status=Status.TRUNCATED, error="the file ends inside its Pixel Data"
            )
        return Reading(stored, with_record_type(stated), findings)


def _with_digest(reading: Reading, fd: int) -> Reading:
    """Return the reading with the SHA-256 of the whole file open as `fd`, whose header it is of.

    The header has been read from the same open file, so its pages are in the system's cache and
    the digest is of the very bytes that were parsed. A file that cannot be read to its end keeps
    what its header says: it has no digest, and a finding.
    """
    try:
        with FileIO(fd, closefd=False) as stream:
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        return without_digest(reading, exc)
    return reading._replace(file=reading.file._replace(digest=digest))


def without_digest(reading: Reading, exc: OSError) -> Reading:
    """Return the reading of a file that could not be read to its end, which it says in a finding."""
    message = f"The file cannot be read to its end ({exc.strerror}), so it has no digest."
    finding = Finding("content-unreadable", Severity.ERROR, message)
    return reading._replace(findings=(*reading.findings, finding))


def with_record_type(stated: Claims) -> Claims:
    """Return the claims with the type of the directory record that can hold the instance."""
    return Claims(
        stated.patient,
        stated.study,
        stated.series,
        stated.instance,
        _record_type(stated.instance.sop_class_uid or ""),
    )


@lru_cache(maxsize=256)
def _record_type(sop_class_uid: str) -> str | None:
    return record_type_for(sop_class_uid).record_type


@lru_cache(maxsize=256)
def _meta_text(value: bytes | None, vr: str) -> str | None:
    return None if value is None else str(normal(vr, False, decode_value(vr, value).text)[0])


_own = _Own()
