"""The files of a medium, read: what each says of itself, and its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple, Protocol, cast

from catalog.dicom.claims import WANTED
from catalog.dicom.header import Header, read_header
from catalog.entities import Reading, Status, StoredFile
from catalog.errors import HeaderError
from catalog.files.medium import Medium
from catalog.fileset.manifest import manifests_among
from catalog.importing.opening import leads_out, link_out
from catalog.importing.outcome import Imported


class HeaderReader(Protocol):
    """Reads headers into what the catalogue keeps, as indexing does.

    It is handed in by whoever asks for an import, so that rows are the same as those of indexing.
    """

    def read_stream(self, stream: BinaryIO, path: str, size_bytes: int, mtime_ns: int) -> Reading:
        """Return what is known of a file after reading its header from `stream`."""


class FileRead(NamedTuple):
    """A file of the medium, read. `reading.file.path` is below the medium's root."""

    path: str
    reading: Reading
    header: Header | None
    """Its header with the wanted tags, `None` if it has none or none was wanted."""


class Files:
    """Reads the files of a medium in the order of their paths; findings go into `imported`."""

    def __init__(
        self, medium: Medium, reader: HeaderReader, imported: Imported, *, with_digest: bool
    ) -> None:
        self._medium = medium
        self._reader = reader
        self._imported = imported
        self._with_digest = with_digest

    def read(self, path: str, wanted: frozenset[int] = frozenset()) -> FileRead:
        """Return what the file at `path` says; `wanted` are tags that its header is to have."""
        header = None
        self._imported.read += 1
        reading = self._reading(path)
        if reading.file.size_bytes is None:
            return FileRead(path, reading, None)
        try:
            if wanted and reading.claims is not None:
                with self._medium.opened(path) as (stream, size_bytes):
                    header = read_header(stream, size_bytes, wanted | WANTED)
            if self._with_digest:
                reading = self._digested(path, reading)
        except (HeaderError, OSError) as exc:
            return FileRead(path, _unread(path, exc), None)
        return FileRead(path, reading, header)

    def _reading(self, path: str) -> Reading:
        """Return what the header of the file at `path` says; without a size if it cannot be read."""
        entry = self._medium.files[path]
        try:
            with self._medium.opened(path) as (stream, size_bytes):
                return self._reader.read_stream(stream, path, size_bytes, entry.mtime_ns)
        except OSError as exc:
            return _unread(path, exc)

    def _digested(self, path: str, reading: Reading) -> Reading:
        with self._medium.opened(path) as (stream, _):
            file = cast("hashlib._FileDigestFileObj", stream)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return reading._replace(file=reading.file._replace(digest=digest))

    def of_file_set(self, digest: str) -> Iterator[Reading]:
        """Yield the readings of the DICOMDIR, whose SHA-256 is `digest`, and of the lists of digests beside it."""
        medium = self._medium
        if medium.dicomdir_path in medium.files:
            reading = self._reading(medium.dicomdir_path)
            if reading.file.size_bytes is not None:
                reading = reading._replace(file=reading.file._replace(digest=digest))
            yield reading
        if medium.is_container:
            return  # each opening may go through the whole of it, and only the container itself is missed
        for path in manifests_among(medium.files)[0]:
            if not leads_out(medium, path):
                yield self._reading(path)

    def unnamed(self, named: Collection[str]) -> Iterator[str]:
        """Yield the paths of files that no record names, sorted; those that lead out are findings."""
        told = {f.place for f in self._imported.findings if f.code == "link-out"}
        for path in sorted(self._medium.files.keys() - set(named)):
            if path == self._medium.dicomdir_path:
                continue
            if not leads_out(self._medium, path):
                yield path
            elif path not in told:
                self._imported.findings.append(link_out(path))


def _unread(path: str, exc: HeaderError | OSError) -> Reading:
    why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    stored = StoredFile(path, status=Status.UNREADABLE, error=f"cannot be read: {why}")
    return Reading(stored, None)
