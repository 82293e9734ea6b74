"""Writing one file atomically, and what the operating system says against it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from catalog.errors import ExportError, MediaFull

_GONE = frozenset(
    [errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESTALE, errno.EROFS, errno.ENOTCONN]
)
"""What the system says of a medium that was pulled, or that it protects after errors."""

MOST_AT_ONCE_BYTES = 128 << 10
"""So much is written by one call at most.

ext4 of Linux 6.18 looks for larger stretches of memory where it is given more, which takes ten times as
long as copying the bytes.
"""

UNFINISHED = "UNFINISHED.TXT"
"""A plain text file (PS3.10 §8.1 allows them) that stands on an exported medium until it is complete."""

PARTIAL_SUFFIX = ".part"
"""Suffix of a file that is being written; what carries it is never a finished file."""


@contextmanager
def writing_to(target: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals to write into ours."""
    try:
        yield
    except OSError as exc:
        raise write_error(exc, target) from exc


def write_error(exc: OSError, target: Path | str) -> ExportError:
    """Return the error of this project for a failed write to `target`."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        longest = " FAT32 takes files of less than 4 GiB." if exc.errno == errno.EFBIG else ""
        return MediaFull(f"No space is left at {Path(target).parent} ({exc.strerror}).{longest}")
    if exc.errno in _GONE:
        return ExportError(
            f"{target} cannot be written: {exc.strerror}. Has the medium been taken out, or its folder moved?"
        )
    return ExportError(f"{target} cannot be written: {exc.strerror}.")


@contextmanager
def removed_on_failure(partial: Path | str) -> Iterator[None]:
    """Remove `partial` when the block raises, so that only whole files stay behind."""
    try:
        yield
    except BaseException:
        with suppress(OSError):  # a medium that was pulled must not hide the first error
            Path(partial).unlink(missing_ok=True)
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
    with writing_to(target), removed_on_failure(partial):
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
    with writing_to(path), path.open("rb") as stream:
        os.fsync(stream.fileno())


def watch(folder: Path) -> int | None:
    """Return a handle for `sync_all`, which then tells every failure to write since now.

    `None` where the platform flushes file by file. Whoever gets it closes it.

    Raises
    ------
    MediaFull, ExportError
        If the folder cannot be opened.
    """
    if _syncfs() is None:
        return None
    with writing_to(folder):
        return os.open(folder, os.O_RDONLY)


def sync_all(folder: Path, written: Iterable[Path | str], watched: int | None = None) -> None:
    """Flush what was written below `folder` to the disk.

    In one call for the whole file system where the platform has one: many times faster than file
    by file, as the disk may order the writes. `written` are the files, for where it has none.
    `watched` is a handle that `watch` gave before they were written.

    Raises
    ------
    MediaFull, ExportError
        If the operating system cannot.
    """
    syncfs = _syncfs()
    if syncfs is None:
        for path in written:
            sync(Path(path))
        return
    with writing_to(folder):
        handle = os.open(folder, os.O_RDONLY) if watched is None else watched
        try:
            syncfs(handle)
        finally:
            if watched is None:
                os.close(handle)


def syncs_at_once() -> bool:
    """Return whether `sync_all` needs no list of the files."""
    return _syncfs() is not None


@cache
def _syncfs() -> Callable[[int], None] | None:
    """Return Linux's `syncfs` (it reports errors of writing since 5.8), `None` elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None:
        return None

    def syncfs(handle: int) -> None:
        if function(handle):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return syncfs


WORTH_FLUSHING_BYTES = 128 << 10
"""Smaller files are better left to the system, which writes out many in one go."""


def begin_flushing(fd: int) -> None:
    """Have the system begin to write out an open file, where it can be asked to; nothing is waited for.

    So the disk works while the next files are read and digested. What it cannot write is told by
    `sync_all`, as ever.
    """
    start = _sync_file_range()
    if start is not None:
        start(fd)


@cache
def _sync_file_range() -> Callable[[int], None] | None:
    """Return Linux's `sync_file_range` that only starts writing, `None` elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

    def start(fd: int) -> None:
        function(fd, 0, 0, 2)  # SYNC_FILE_RANGE_WRITE, from 0 to the end

    return start


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
