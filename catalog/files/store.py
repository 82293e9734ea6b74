"""What files lie on: folders of this machine, or storage behind a URL. One small interface for both.

What only a URL needs (fsspec, s3fs) is loaded when a store behind one is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from catalog.errors import PathError
from catalog.files.paths import from_text, on_disk
from catalog.files.urls import Url, Where, is_url, text_of
from catalog.files.walk import Entry, walk_runs, walk_runs_at

if TYPE_CHECKING:
    from catalog.files.opening import Opened
    from catalog.files.remote import RemoteStore

LOOKS_AHEAD = 32
"""How many objects are asked for at a time where only sizes and times are wanted."""


class Stat(NamedTuple):
    """What tells that a file has changed: the columns of its row (`catalog.files.remote` on objects)."""

    size_bytes: int
    mtime_ns: int


class Store(Protocol):
    """What lies below one root. Paths are relative to it, in text form."""

    def runs(self, below: str, *, follow_links: bool = False) -> Iterator[Sequence[Entry]]:
        """Yield the entries at or below a path, sorted, in runs; `walk_runs` says more.

        Raises
        ------
        PathError
            If nothing is there, or it cannot be listed.
        StorageError
            If the listing broke off: then nothing is known of what was not yielded.
        """

    def runs_at(self, below: str, *, follow_links: bool = False) -> Iterator[Sequence[Entry]]:
        """Yield what `runs` would, nothing if nothing is there."""

    def stat(self, path: str) -> Stat:
        """Return size and time of a file, or raise OSError."""

    def opened(self, path: str, *, whole: bool = True) -> AbstractContextManager[Opened]:
        """Give a file open for reading; `whole` says that it will be read to its end."""


class Folder:
    """A folder of this machine."""

    def __init__(self, root: str) -> None:
        self._root = root

    def runs(self, below: str, *, follow_links: bool = False) -> Iterator[Sequence[Entry]]:
        """As `walk_runs`."""
        return walk_runs(from_text(self._root), below, follow_links=follow_links)

    def runs_at(self, below: str, *, follow_links: bool = False) -> Iterator[Sequence[Entry]]:
        """As `walk_runs_at`."""
        return walk_runs_at(from_text(self._root), below, follow_links=follow_links)

    def stat(self, path: str) -> Stat:
        """Return size and modification time, or raise OSError."""
        status = os.stat(on_disk(self._root, path))  # noqa: PTH116 - the name may not be UTF-8
        return Stat(status.st_size, status.st_mtime_ns)

    def opened(self, path: str, *, whole: bool = True) -> AbstractContextManager[Opened]:
        """As `open_plain`."""
        from catalog.files.opening import open_plain

        return open_plain(on_disk(self._root, path))


def store_at(root: str) -> Store:
    """Return the store of a root, in text form.

    Raises
    ------
    PathError
        If it is a URL and the package that knows such URLs is not installed.
    """
    return remote_store(root) if is_url(root) else Folder(root)


@lru_cache(maxsize=16)
def remote_store(root: str) -> RemoteStore:
    """Return the store of a root that is a URL, in text form.

    Raises
    ------
    PathError
        As `store_at`.
    """
    from catalog.files.remote import store_of

    return store_of(root)


def stat_of(root: str, path: str) -> Stat:
    """Return size and time of the file `path` below `root`, both in text form, or raise OSError."""
    return store_at(root).stat(path)


def stats_of(files: Sequence[tuple[str, str]]) -> list[Stat | OSError]:
    """Return size and time of files, each a root and a path, or why they cannot be had; several at a time if remote.

    Raises
    ------
    StorageError
        If storage behind a URL cannot be reached or used.
    """
    if not any(is_url(root) for root, _ in files):
        return list(map(_stat_or_error, files))
    from concurrent.futures import ThreadPoolExecutor

    from catalog.files.ahead import answers

    with ThreadPoolExecutor(LOOKS_AHEAD) as pool:
        return list(answers(pool, _stat_or_error, files, 2 * LOOKS_AHEAD))


def _stat_or_error(file: tuple[str, str]) -> Stat | OSError:
    try:
        return stat_of(*file)
    except OSError as exc:
        return exc


class Standing(NamedTuple):
    """How a place stands: its text form, and that of the folder that it is or lies in."""

    text: str
    folder: str


def standing(named: Where) -> Standing:
    """Return how a place stands that is there and can be listed.

    Raises
    ------
    PathError
        If it is not there or cannot be listed.
    StorageError
        If storage behind a URL cannot be reached or used.
    """
    if isinstance(named, Url):
        text = named.text
        if remote_store(text).has_below(""):
            return Standing(text, text)
        above = text.rpartition("/")[0].rstrip("/")
        if is_url(above) and remote_store(above).is_object(text[len(above) + 1 :]):
            return Standing(text, above)
        raise PathError(
            f"There is no object at or below {text}. Is it spelled as it is stored, in capital and small letters, too?"
        )
    check_folder(named)
    text = text_of(named)
    if named.is_dir():
        return Standing(text, text)
    return Standing(text, text_of(Path(os.path.realpath(named)).parent))


def check_folder(path: Path) -> None:
    """Raise `PathError` if `path` does not exist or is a folder that cannot be listed."""
    try:
        path.stat()
    except OSError as exc:
        raise PathError(f"{path} cannot be indexed: {exc.strerror}.") from exc
    try:
        if path.is_dir():
            os.scandir(path).close()
    except OSError as exc:
        raise PathError(f"{path} cannot be listed: {exc.strerror}.") from exc


def is_there(named: Where) -> bool:
    """Return whether a place exists.

    Raises
    ------
    StorageError
        If storage behind a URL cannot be reached or used; but a bucket that does not exist is one.
    """
    if not isinstance(named, Url):
        return named.exists()
    from catalog.errors import BucketMissing

    try:
        standing(named)
    except (PathError, BucketMissing):
        return False
    return True
