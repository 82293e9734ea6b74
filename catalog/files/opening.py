"""Opening a catalogued file for reading, whether it lies in a folder or in an archive."""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from catalog.errors import ArchiveError
from catalog.files.archives import Archive, format_of, head_bytes, opened
from catalog.files.members import Member
from catalog.files.paths import SEPARATOR, on_disk, split_member
from catalog.files.urls import is_url

if TYPE_CHECKING:
    from catalog.files.remote import RemoteFile

OPEN_ARCHIVES = 4
"""How many archives an `Opener` keeps open."""


class Source(NamedTuple):
    """A file as the catalogue names it: `path` is relative to `root`, both in text form."""

    root: str
    path: str


class Opened:
    """A file that is open for reading.

    Attributes
    ----------
    stream:
        Its bytes. A member of an archive can be sought back only a little.
    mtime_ns, atime_ns:
        Of the file, or of the archive that it lies in.
    """

    def __init__(self, stream: BinaryIO, file: BinaryIO, before: os.stat_result) -> None:
        self.stream = stream
        self.mtime_ns, self.atime_ns = before.st_mtime_ns, before.st_atime_ns
        self._file, self._before = file, before
        self._is_member = stream is not file

    def is_as_before(self, size_bytes: int) -> bool:
        """Return whether the file has not changed since it was opened, and has had `size_bytes`."""
        after = os.fstat(self._file.fileno())
        same = _version(after) == _version(self._before)
        return same and (self._is_member or size_bytes == after.st_size)


class Opening(AbstractContextManager[Opened]):
    """A file that can be opened by `with`, also more than once: each time anew."""

    __slots__ = ("_open", "mtime_ns", "opener", "source")

    def __init__(self, opener: Opener, source: Source, mtime_ns: int | None = None) -> None:
        self.opener, self.source, self.mtime_ns = opener, source, mtime_ns
        self._open: AbstractContextManager[Opened] | None = None

    @property
    def local_path(self) -> str | None:
        """The file system's path of a file that lies in a folder; `None` if it is not one."""
        root, path = self.source
        if is_url(root) or (SEPARATOR in path and split_member(path)):
            return None
        return on_disk(root, path)

    def __enter__(self) -> Opened:
        """Return the file, open for reading.

        Raises
        ------
        OSError
            As `Opener.open` says.
        """
        opening = self.opener.opened(self.source, self.mtime_ns)
        opened_file = opening.__enter__()
        self._open = opening
        return opened_file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Close it; an archive stays open until its opener is closed."""
        opening, self._open = self._open, None
        assert opening is not None
        return opening.__exit__(kind, error, traceback)


class Opener:
    """Opens files one after the other; archives stay open in between, and are listed once.

    One member of an archive can be read at a time. Use it in a `with` block.

    Parameters
    ----------
    whole:
        Files will be read to their ends, so that of storage behind a URL as much is asked for at
        once as possible; `False`: little of each.
    """

    def __init__(self, *, whole: bool = True) -> None:
        self._archives: OrderedDict[str, tuple[BinaryIO, os.stat_result, Archive]] = OrderedDict()
        self._remote: OrderedDict[str, tuple[RemoteFile, Archive]] = OrderedDict()
        self._whole = whole

    def __enter__(self) -> Opener:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all archives."""
        self.close()

    def close(self) -> None:
        """Close all archives; what is opened later opens them again."""
        self._remote.clear()
        while self._archives:
            self._close(next(iter(self._archives)))

    def open(self, source: Source, mtime_ns: int | None = None) -> Opening:
        """Return the file for a `with` block, which gives it open for reading.

        Parameters
        ----------
        mtime_ns:
            That of its row: of storage behind a URL no other version of it is opened.

        Raises
        ------
        OSError
            When the block begins, if it, or its archive, cannot be opened; an `ArchiveError` if
            the archive has no such member or the member cannot be read.
        """
        return Opening(self, source, mtime_ns)

    @contextmanager
    def opened(self, source: Source, mtime_ns: int | None = None) -> Iterator[Opened]:
        """Give the file, open for reading, once; `mtime_ns` as for `open`.

        Raises
        ------
        OSError
            If it, or its archive, cannot be opened; an `ArchiveError` if the archive has no such
            member or the member cannot be read.
        """
        inside = split_member(source.path)
        if is_url(source.root):
            with self._opened_remote(source, inside, mtime_ns) as file_behind_url:
                yield file_behind_url
            return
        if inside is None:
            with open_plain(on_disk(source.root, source.path)) as file_in_folder:
                yield file_in_folder
            return
        archive_path, name = inside
        file, before, archive = self._archive(on_disk(source.root, archive_path), archive_path)
        with archive.open(name) as stream:
            yield Opened(cast(BinaryIO, stream), file, before)

    def listing(self, source: Source) -> dict[str, Member]:
        """Return the members of the archive `source` by name.

        Raises
        ------
        OSError
            If it cannot be opened; an `ArchiveError` if it is no archive, or a damaged one.
        """
        return self.listed(source)[0]

    def listed(self, source: Source) -> tuple[dict[str, Member], str]:
        """Return the members as `listing` does, and why they are not all; `''` if they are."""
        if is_url(source.root):
            archive = self._remote_archive(source.root, source.path, None)[1]
        else:
            _, _, archive = self._archive(on_disk(source.root, source.path), source.path)
        return archive.listing(), archive.error

    @contextmanager
    def _opened_remote(
        self, source: Source, inside: tuple[str, str] | None, mtime_ns: int | None
    ) -> Iterator[RemoteFile]:
        if inside is None:
            from catalog.files.store import remote_store

            file = remote_store(source.root).open_now(source.path, whole=self._whole)
            _check_version(file, mtime_ns)
            yield file
            return
        file, archive = self._remote_archive(source.root, inside[0], mtime_ns)
        with archive.open(inside[1]) as stream:
            yield file.member(cast(BinaryIO, stream))

    def _remote_archive(
        self, root: str, path: str, mtime_ns: int | None
    ) -> tuple[RemoteFile, Archive]:
        """Return an archive behind a URL; reading it fails where it has been replaced meanwhile."""
        from catalog.files.store import remote_store

        full = f"{root}/{path}"
        if full not in self._remote:
            file = remote_store(root).open_now(path, whole=False)
            _check_version(file, mtime_ns)
            name = path.rpartition("/")[2]
            kind = format_of(name, first_bytes(file.stream, head_bytes(name)))
            if kind is None:
                raise ArchiveError("it is no archive any more")
            archive = opened(file.stream, file.stat.size_bytes, name, kind, remembers=True)
            while len(self._remote) >= OPEN_ARCHIVES:
                self._remote.popitem(last=False)
            self._remote[full] = file, archive
        self._remote.move_to_end(full)
        return self._remote[full]

    def _archive(self, path: str, text: str) -> tuple[BinaryIO, os.stat_result, Archive]:
        """Return the archive at `path`, opened again if another file lies there now."""
        if path in self._archives:
            if _version(os.stat(path)) == _version(self._archives[path][1]):  # noqa: PTH116
                self._archives.move_to_end(path)
                return self._archives[path]
            self._close(path)
        file = cast(BinaryIO, open(path, "rb", buffering=0))  # noqa: SIM115, PTH123
        try:
            before = os.fstat(file.fileno())
            name = text.rpartition("/")[2]
            kind = format_of(name, file.read(head_bytes(name)))
            if kind is None:
                raise ArchiveError("it is no archive any more")
            archive = opened(file, before.st_size, name, kind, remembers=True)
        except BaseException:
            file.close()
            raise
        while len(self._archives) >= OPEN_ARCHIVES:
            self._close(next(iter(self._archives)))
        self._archives[path] = file, before, archive
        return self._archives[path]

    def _close(self, path: str) -> None:
        self._archives.pop(path)[0].close()


def _check_version(file: RemoteFile, mtime_ns: int | None) -> None:
    """Refuse a file behind a URL that is another than the one that was indexed."""
    if mtime_ns not in (None, file.stat.mtime_ns):
        raise OSError(errno.ESTALE, "it was replaced since it was indexed; index it again")


def first_bytes(stream: BinaryIO, count: int) -> bytes:
    """Return up to `count` bytes that come next, fewer only at the end."""
    data = b""
    while len(data) < count and (more := stream.read(count - len(data))):
        data += more
    return data


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def open_plain(path: str) -> Iterator[Opened]:
    """Give the file at the file system path `path`, open for reading.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    with open(path, "rb", buffering=0) as opened_file:  # noqa: PTH123 - the name may not be UTF-8
        file = cast(BinaryIO, opened_file)
        yield Opened(file, file, os.fstat(file.fileno()))


@contextmanager
def open_source(root: str, path: str) -> Iterator[Opened]:
    """Give the file `path` below `root`, both in text form, open for reading.

    For many files an `Opener` is quicker, as it keeps archives open.

    Raises
    ------
    OSError
        If it, or its archive, cannot be opened; an `ArchiveError` if the archive has no such
        member or the member cannot be read.
    """
    with Opener() as opener, opener.open(Source(root, path)) as file:
        yield file
