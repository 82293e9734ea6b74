"""Copying or linking one file with proof."""

from __future__ import annotations

import errno
import hashlib
import io
import mmap
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast

from catalog.errors import ExportError, SourceChanged
from catalog.files.opening import Opened, Opening, open_plain
from catalog.files.paths import on_disk, split_member
from catalog.files.writing import (
    MOST_AT_ONCE_BYTES,
    PARTIAL_SUFFIX,
    WORTH_FLUSHING_BYTES,
    begin_flushing,
    removed_on_failure,
    write_error,
    writing_to,
)

CHUNK_BYTES = MOST_AT_ONCE_BYTES
"""Stays in the processor's cache between being read, digested and written."""

AT_ONCE_BYTES = 1 << 20
"""Files up to this are in memory as a whole between being read and written, and never read again."""

Link = Literal["hard", "symbolic", "reflink"]

_FICLONE = 0x40049409
_NO_CLONES = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EPERM)
_cannot_clone: set[tuple[int, int]] = set()
"""Pairs of file systems between which blocks cannot be shared, as was found out."""

_of_thread = threading.local()

# A pipe in the place of a source must not make us wait for somebody who writes into it.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)


class Copied(NamedTuple):
    """What was copied: `digest` is the SHA-256 in hexadecimal."""

    size_bytes: int
    digest: str


def copy(source: str, target: Path | str, check: Callable[[BinaryIO, int], None]) -> Copied:
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
    opening: AbstractContextManager[Opened],
    target: Path | str,
    check: Callable[[BinaryIO, int], None],
    *,
    must_share: bool = False,
) -> Copied:
    """Copy what `opening` gives, as `copy` does; it may be a member of an archive.

    The modification time of a member is that of its archive. Where the file system can share
    blocks between files, source and copy share them, and the digest is read from the copy. Small
    files are in memory from their first byte to their last; what `check` reads is what is written.

    Parameters
    ----------
    must_share:
        Refuse to copy where blocks cannot be shared.

    Raises
    ------
    SourceChanged, MediaFull, ExportError
        As `copy`.
    """
    if not must_share and isinstance(opening, Opening):
        path = opening.local_path
        copied = None if path is None else _copied_at_once(path, str(target), check)
        if copied is not None:
            return copied
    unfinished = (
        f"{target}{PARTIAL_SUFFIX}"  # text: making Path objects takes longer than the checks
    )
    with ExitStack() as stack:
        source = _entered(stack, opening)
        digest = hashlib.sha256()
        with writing_to(target):
            # Unbuffered: a full disk is noticed by write(), never by a later close().
            opened_copy = io.FileIO(unfinished, "w+b")
        with removed_on_failure(unfinished), opened_copy as writer:
            if _is_cloned(source.stream, writer, target):
                with writing_to(target):
                    size = sum(map(len, _digested(writer, digest)))
            elif must_share:
                raise ExportError(
                    f"Blocks cannot be shared between {Path(target).parent} and the source's file system; export without --link, or with another."
                )
            else:
                size = 0
                for chunk in _digested(source.stream, digest):
                    size += len(chunk)
                    with writing_to(target):
                        _write_all(writer.write, chunk)
            if not source.is_as_before(size):
                raise SourceChanged("the source changed while it was copied")
            writer.seek(0)
            check(cast(BinaryIO, writer), size)
            with writing_to(target):
                os.utime(writer.fileno(), ns=(source.atime_ns, source.mtime_ns))
        with removed_on_failure(unfinished), writing_to(target):
            os.replace(unfinished, target)  # noqa: PTH105 - as above
    return Copied(size, digest.hexdigest())


def _copied_at_once(
    source: str, target: str, check: Callable[[BinaryIO, int], None]
) -> Copied | None:
    """Copy a small file; `None`, with nothing done, if it is to be copied as any other.

    The bytes are digested, checked and written from memory, so a copy takes a third of the calls.
    """
    whole = read_at_once(source, AT_ONCE_BYTES, lambda device: _is_without_clones(device, target))
    if whole is None:
        return None
    data, status = whole
    digest = hashlib.sha256(data).hexdigest()
    check(io.BytesIO(data), len(data))
    _write_at_once(data, target, status)
    return Copied(len(data), digest)


def read_at_once(
    path: str, most_bytes: int, is_wanted: Callable[[int], bool] = lambda device: True
) -> tuple[bytes, os.stat_result] | None:
    """Return all of a file, with its status; `None` if it is longer, no file, or cannot be read so.

    Parameters
    ----------
    is_wanted:
        Asked with the file's device before it is read.

    Raises
    ------
    SourceChanged
        If it changed while it was read.
    """
    try:
        fd = os.open(path, _READ)
    except OSError:
        return None  # which whoever opens it anew tells
    try:
        before = os.fstat(fd)
        size = before.st_size
        if size > most_bytes or not stat.S_ISREG(before.st_mode) or not is_wanted(before.st_dev):
            return None
        data = os.read(fd, size + 1)
        after = os.fstat(fd)
    except OSError:
        return None
    finally:
        os.close(fd)
    if (len(data), after.st_size, after.st_mtime_ns) != (size, size, before.st_mtime_ns):
        raise SourceChanged("the source changed while it was copied")
    return data, before


def _write_at_once(data: bytes, target: str, dated: os.stat_result) -> None:
    """Make the file `target` with the times of `dated`; it is whole, or not there."""
    unfinished = target + PARTIAL_SUFFIX
    fd = -1
    try:
        try:
            fd = os.open(unfinished, _WRITE, 0o666)
            _write_all(partial(os.write, fd), data)
            if len(data) >= WORTH_FLUSHING_BYTES:
                begin_flushing(fd)
            os.utime(fd, ns=(dated.st_atime_ns, dated.st_mtime_ns))
        finally:
            if fd >= 0:
                os.close(fd)
        os.replace(unfinished, target)  # noqa: PTH105 - as above
    except BaseException as exc:
        if fd >= 0:
            with suppress(OSError):  # a medium that was pulled must not hide the first error
                os.unlink(unfinished)  # noqa: PTH108 - as above
        if isinstance(exc, OSError):
            raise write_error(exc, target) from exc
        raise


def _is_without_clones(device: int, target: str) -> bool:
    """Return whether it is known that blocks of files of `device` cannot be shared with `target`."""
    if os.name == "nt":
        return True
    folder = target.rpartition("/")[0]
    last = getattr(_of_thread, "folder", None)
    if last is None or last[0] != folder:
        last = _of_thread.folder = folder, os.stat(folder).st_dev  # noqa: PTH116
    return (device, last[1]) in _cannot_clone


def link_opened(
    opening: AbstractContextManager[Opened],
    target: Path | str,
    check: Callable[[BinaryIO, int], None],
    link: Link,
) -> Copied:
    """Make `target` a link to what `opening` gives, with the digest and the check that a copy gets.

    A member of an archive, and what is made while it is read, has no file of its own and is copied.

    Raises
    ------
    SourceChanged, MediaFull, ExportError
        As `copy`; also where the file systems do not allow such a link.
    """
    if not isinstance(opening, Opening) or split_member(opening.source.path) is not None:
        return copy_opened(opening, target, check)
    if link == "reflink":
        return copy_opened(opening, target, check, must_share=True)
    target = Path(target)
    path = os.path.realpath(on_disk(opening.source.root, opening.source.path))
    unfinished = Path(f"{target}{PARTIAL_SUFFIX}")
    with ExitStack() as stack:
        source = _entered(stack, opening)
        digest = hashlib.sha256()
        with removed_on_failure(unfinished):
            try:
                unfinished.unlink(missing_ok=True)  # of an export that was killed
                if link == "hard":
                    os.link(path, unfinished)
                else:
                    unfinished.symlink_to(path)
            except OSError as exc:
                if exc.errno in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                    raise ExportError(
                        f"No {link} link can be made at {target}: {exc.strerror}. Export without --link, or with another."
                    ) from exc
                with writing_to(target):
                    raise
            # What was opened is what is linked, or another file took its place in between.
            with _reading(unfinished) as linked:
                size = sum(map(len, _digested(linked, digest)))
                if not source.is_as_before(size) or not os.path.samestat(
                    os.fstat(linked.fileno()), os.fstat(source.stream.fileno())
                ):
                    raise SourceChanged("the source changed while it was linked")
                linked.seek(0)
                check(linked, size)
            with writing_to(target):
                unfinished.replace(target)
    return Copied(size, digest.hexdigest())


def _entered(stack: ExitStack, opening: AbstractContextManager[Opened]) -> Opened:
    try:
        return stack.enter_context(opening)
    except OSError as exc:
        raise SourceChanged(f"the source cannot be opened: {exc.strerror}") from exc


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        opened = io.FileIO(path)
    except OSError as exc:
        raise SourceChanged(f"the source cannot be opened: {exc.strerror}") from exc
    with opened as stream:
        yield cast(BinaryIO, stream)


def _is_cloned(source: BinaryIO, writer: io.FileIO, target: Path | str) -> bool:
    """Make `writer` share all blocks of `source`, where both file systems can."""
    if not isinstance(source, io.FileIO) or os.name == "nt":
        return False
    pair = os.fstat(source.fileno()).st_dev, os.fstat(writer.fileno()).st_dev
    if pair in _cannot_clone:
        return False
    import fcntl

    try:
        fcntl.ioctl(writer.fileno(), _FICLONE, source.fileno())
    except OSError as exc:
        if exc.errno in _NO_CLONES:
            _cannot_clone.add(pair)
            return False
        with writing_to(target):
            raise
    return True


def _write_all(write: Callable[[memoryview | bytes], int], data: memoryview | bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[write(left[:MOST_AT_ONCE_BYTES]) :]


def _digested(reader: BinaryIO | io.FileIO, digest: hashlib._Hash) -> Iterator[memoryview | bytes]:
    """Yield the content of `reader` in pieces, each digested; a piece is valid until the next."""
    buffer = _buffer()
    while True:
        try:
            if isinstance(reader, io.FileIO):
                count = reader.readinto(buffer)
                chunk: memoryview | bytes = buffer[:count]
            else:
                chunk = reader.read(CHUNK_BYTES)
                count = len(chunk)
        except OSError as exc:
            raise SourceChanged(f"the source cannot be read: {exc.strerror}") from exc
        if not count:
            return
        digest.update(chunk)
        yield chunk


def _buffer() -> memoryview:
    """Return this thread's own buffer.

    It begins a page of memory: where a buffer begins a few bytes after one, as those of a bytearray
    do, some processors take four times as long to copy pages of files into it.
    """
    found = getattr(_of_thread, "buffer", None)
    if found is None:
        found = _of_thread.buffer = memoryview(mmap.mmap(-1, CHUNK_BYTES))
    return cast(memoryview, found)
