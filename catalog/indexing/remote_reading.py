"""Files behind a URL to readings, several at a time: an answer takes long, and little of it is work.

This runs in worker processes. What is wrong with one object becomes its status, as with a file. If
the storage itself is out of reach the run ends: otherwise a connection that is lost would make an
archive of unreadable files.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from catalog.entities import Reading, Status, StoredFile
from catalog.files.ahead import answers
from catalog.files.archives import format_of, head_bytes
from catalog.files.opening import first_bytes
from catalog.files.paths import is_archive_name
from catalog.files.store import remote_store
from catalog.indexing.members import ARCHIVE_CHANGED, changed_while_read, read_members
from catalog.indexing.reading import CHANGED_WHILE_READ, without_digest

if TYPE_CHECKING:
    from catalog.files.remote import RemoteFile, RemoteStore
    from catalog.indexing.reading import FileReader, How

Readers = Callable[["How"], "FileReader"]
"""Gives the reader of the thread that asks."""


def read_remote(readers: Readers, root: str, paths: Sequence[str], how: How) -> list[Reading]:
    """Return the readings of `paths` below a root that is a URL, as `read_all` does.

    Raises
    ------
    StorageError
        If the storage cannot be reached or used.
    """
    store = remote_store(root)

    def read(path: str) -> list[Reading]:
        return _read(readers(how), store, path, how)

    return [
        each for some in answers(_threads(how.requests), read, paths, len(paths)) for each in some
    ]


@lru_cache(maxsize=1)
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="reading")


def _read(reader: FileReader, store: RemoteStore, path: str, how: How) -> list[Reading]:
    """Return the reading of one file, after those of its members if it is an archive."""
    for attempt in (1, 2):
        try:
            file = store.open_now(path, whole=how.with_digest)
            readings = _of_file(reader, file, path, how)
            is_same = file.is_as_before(file.version.size_bytes)
        except OSError as exc:
            if exc.errno == errno.ESTALE and attempt == 1:
                continue  # it was replaced while it was read
            error = f"cannot be read: {exc.strerror}"
            return [Reading(StoredFile(path, status=Status.UNREADABLE, error=error), None)]
        if is_same:
            return readings
    finding = ARCHIVE_CHANGED if len(readings) > 1 else CHANGED_WHILE_READ
    return changed_while_read(readings, finding)


def _of_file(reader: FileReader, file: RemoteFile, path: str, how: How) -> list[Reading]:
    size_bytes, mtime_ns = file.stat
    if is_archive_name(path):
        name = path.rpartition("/")[2]
        kind = format_of(name, first_bytes(file.stream, head_bytes(name)))
        file.stream.seek(0)
        if kind is not None:
            own = StoredFile(path, size_bytes, mtime_ns, Status.ARCHIVE)
            return read_members(
                reader,
                file.stream,
                own,
                kind,
                looks_into=how.archives,
                with_digest=how.with_digest,
            )
    reading = reader.read_stream(file.stream, path, size_bytes, mtime_ns)
    return [_with_digest(reading, file) if how.with_digest else reading]


def _with_digest(reading: Reading, file: RemoteFile) -> Reading:
    """Return the reading with the SHA-256 of the whole file."""
    file.stream.seek(0)
    try:
        stream = cast("hashlib._FileDigestFileObj", file.stream)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        if exc.errno == errno.ESTALE:
            raise  # it was replaced, so its header is not known any more, either
        return without_digest(reading, exc)
    return reading._replace(file=reading.file._replace(digest=digest))
