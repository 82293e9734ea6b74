"""Copying one file with proof, and writing one file atomically."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from catalog.errors import ExportError, MediaFull, SourceChanged
from catalog.files.opening import Opened, open_plain

CHUNK_BYTES = 1 << 20
PARTIAL_SUFFIX = ".part"
"""Suffix of a file that is being written; what carries it is never a finished file."""


class Copied(NamedTuple):
    """What was copied: `digest` is the SHA-256 in hexadecimal."""

    size_bytes: int
    digest: str


def copy(source: str, target: Path, check: Callable[[BinaryIO, int], None]) -> Copied:
    """Copy `source` to `target`, byte for byte, and return size and digest of what was written.

    The bytes go to a temporary name beside `target`. `check(stream, size_bytes)` then reads the
    copy and may raise to refuse it; only after that it is renamed, so `target` is either absent or
    whole. Parent folders must exist. The modification time is kept.

    Raises
    ------
    SourceChanged
        If the source vanished, cannot be read, or changed while it was copied.
    MediaFull
        If no space is left at the target.
    ExportError
        If the target cannot be written for another reason.
    """
    return copy_opened(open_plain(source), target, check)


def copy_opened(
    opening: AbstractContextManager[Opened], target: Path, check: Callable[[BinaryIO, int], None]
) -> Copied:
    """Copy what `opening` gives, as `copy` does; it may be a member of an archive.

    The modification time of a member is that of its archive.

    Raises
    ------
    SourceChanged, MediaFull, ExportError
        As `copy`.
    """
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    with ExitStack() as stack:
        try:
            source = stack.enter_context(opening)
        except OSError as exc:
            raise SourceChanged(f"the source cannot be opened: {exc.strerror}") from exc
        digest = hashlib.sha256()
        size = 0
        with _writing(target):
            # Unbuffered: a full disk is noticed by write(), never by a later close().
            opened_copy = partial.open("w+b", buffering=0)
        with removed_on_failure(partial), opened_copy as writer:
            for chunk in _chunks(source.stream):
                digest.update(chunk)
                size += len(chunk)
                with _writing(target):
                    _write_all(writer, chunk)
            if not source.is_as_before(size):
                raise SourceChanged("the source changed while it was copied")
            writer.seek(0)
            check(writer, size)
        with _writing(target):
            os.utime(partial, ns=(source.atime_ns, source.mtime_ns))
            partial.replace(target)
    return Copied(size, digest.hexdigest())


def _write_all(writer: io.FileIO, chunk: bytes) -> None:
    written = writer.write(chunk)
    while written < len(chunk):
        written += writer.write(chunk[written:])


def _chunks(reader: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            chunk = reader.read(CHUNK_BYTES)
        except OSError as exc:
            raise SourceChanged(f"the source cannot be read: {exc.strerror}") from exc
        if not chunk:
            return
        yield chunk


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into ours."""
    try:
        yield
    except OSError as exc:
        raise write_error(exc, target) from exc


def write_error(exc: OSError, target: Path) -> ExportError:
    """Return the error of this project for a failed write to `target`."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MediaFull(f"No space is left at {target.parent} ({exc.strerror}).")
    return ExportError(f"{target} cannot be written: {exc.strerror}.")


@contextmanager
def removed_on_failure(partial: Path) -> Iterator[None]:
    """Remove `partial` when the block raises, so that only whole files stay behind."""
    try:
        yield
    except BaseException:
        with suppress(OSError):  # a medium that was pulled must not hide the first error
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def atomic(target: Path) -> Iterator[BinaryIO]:
    """Write `target` through a temporary name: flushed to the disk, then renamed.

    An existing `target` is replaced only when the block ends without an error.

    Raises
    ------
    MediaFull, ExportError
        If the target cannot be written.
    """
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    with _writing(target), removed_on_failure(partial):
        with partial.open("w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    sync_folder(target.parent)


def sync(path: Path) -> None:
    """Flush a written file to the disk.

    Raises
    ------
    MediaFull, ExportError
        If the operating system cannot.
    """
    with _writing(path), path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the platform can."""
    if os.name == "nt":
        return  # Windows has no handle for a folder that can be flushed
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
            raise write_error(exc, folder) from exc
    finally:
        os.close(handle)
