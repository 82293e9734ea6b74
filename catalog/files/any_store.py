"""Objects in any other storage that fsspec knows: `gs://`, `sftp://`, `memory://`, …"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Any, TypeVar

import fsspec

from catalog.errors import PathError, StorageError
from catalog.files.paths import from_text, to_text
from catalog.files.remote import (
    RemoteStore,
    Replaced,
    Version,
    broken_off,
    etag_of,
    time_of,
    version,
    why_of,
)
from catalog.files.walk import RUN_ENTRIES, Entry, Kind

TRIES = 4
PAUSE_S = 0.2

Answer = TypeVar("Answer")

_ELSEWHERE = frozenset(["/", "./", "../"])

_OF_ONE_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


class AnyStore(RemoteStore):
    """What fsspec lists and reads, folder by folder."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        try:
            self._fs, path = fsspec.core.url_to_fs(from_text(root), use_listings_cache=False)
        except ValueError as exc:
            raise PathError(
                f"{from_text(root)} cannot be used: {why_of(exc)}. Storage behind a URL is what fsspec knows, such as s3://bucket/prefix."
            ) from exc
        self._base = path.rstrip("/")
        # One connection of FTP and the like takes one request at a time.
        self._turn: AbstractContextManager[Any] = (
            nullcontext() if getattr(self._fs, "async_impl", False) else Lock()
        )

    def _name(self, path: str) -> str:
        return f"{self._base}/{from_text(path)}" if path else self._base or "/"

    # -- listing ---------------------------------------------------------------------------

    def runs_at(self, below: str, *, follow_links: bool = False) -> Iterator[list[Entry]]:
        """Yield what lies at or below a path; nothing if nothing is there.

        Raises
        ------
        StorageError
            If the listing broke off.
        """
        try:
            info = self._asked(lambda: self._fs.info(self._name(below)))
        except (FileNotFoundError, NotADirectoryError):
            return
        except PermissionError as exc:
            raise PathError(f"{self.root}/{below} cannot be listed: {why_of(exc)}.") from exc
        if info.get("type") != "directory":
            yield [_entry(below, info)]
            return
        yield from self._folder(self._name(below), f"{below}/" if below else "")

    def _folder(self, folder: str, prefix: str) -> Iterator[list[Entry]]:
        """Yield what lies in a folder: files in runs, sorted as `catalog.files.walk` does."""
        try:
            described = self._asked(lambda: self._fs.ls(folder, detail=True))
        except _OF_ONE_FILE as exc:
            yield [Entry(prefix, Kind.UNLISTED, reason=f"cannot be listed: {why_of(exc)}")]
            return
        except StorageError as exc:
            broken_off(self.root, prefix.rstrip("/"), exc)
        found: dict[str, dict[str, Any]] = {}
        for info in described:
            full = info["name"].rstrip("/")
            if full == folder.rstrip("/"):
                continue  # stands for the folder itself
            name = full.rpartition("/")[2]
            if full != f"{folder.rstrip('/')}/{name}":
                raise StorageError(
                    f"{self.root} cannot be listed: of the folder {to_text(folder)} it lists {to_text(full)}, which does not lie in it."
                )
            is_folder = info.get("type") == "directory"
            found[to_text(name) + ("/" if is_folder else "")] = info
        run: list[Entry] = []
        for name in sorted(found):
            entry = None if name.endswith("/") else _entry(prefix + name, found[name])
            if entry is not None and entry.kind is Kind.FILE:
                run.append(entry)
                if len(run) == RUN_ENTRIES:
                    yield run
                    run = []
                continue
            if run:
                yield run
                run = []
            if entry is not None:
                yield [entry]
            elif name in _ELSEWHERE:
                reason = "a folder whose name leads elsewhere"
                yield [Entry(prefix + name, Kind.UNLISTED, reason=reason)]
            else:
                yield from self._folder(found[name]["name"].rstrip("/"), prefix + name)
        if run:
            yield run

    def has_below(self, below: str) -> bool:
        """Return whether there is a folder at a path."""
        try:
            info = self._asked(lambda: self._fs.info(self._name(below)))
        except _OF_ONE_FILE:
            return False
        return bool(info.get("type") == "directory")

    # -- objects ---------------------------------------------------------------------------

    def version(self, path: str) -> Version:
        """Return the version of a file, or raise OSError or StorageError."""
        info = self._asked(lambda: self._fs.info(self._name(path)))
        if info.get("type") == "directory":
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if info.get("size") is None:
            raise OSError(errno.EIO, "its storage does not tell its size")
        return version(int(info["size"]), time_of(info), etag_of(info))

    def first(self, path: str, count: int) -> tuple[Version, bytes]:
        """Return the version of a file and up to `count` of its first bytes."""
        found = self.version(path)
        return found, self.between(path, found, 0, min(count, found.size_bytes))

    def between(self, path: str, found: Version, start: int, end: int) -> bytes:
        """Return bytes of a file, from `start` to before `end`."""
        if start >= end:
            return b""
        data: bytes = self._asked(lambda: self._fs.cat_file(self._name(path), start=start, end=end))
        if len(data) != end - start:
            raise Replaced
        return data

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """Return what came of a request, made again if the connection was lost.

        Raises
        ------
        OSError
            If something is wrong with the one file.
        StorageError
            If there was no answer, or something is wrong with the storage.
        """
        pause_s = PAUSE_S
        for attempt in range(1, TRIES + 1):
            try:
                with self._turn:
                    return ask()
            except FileNotFoundError as exc:
                raise FileNotFoundError(errno.ENOENT, "there is no such object") from exc
            except PermissionError as exc:
                raise PermissionError(errno.EACCES, "access was denied") from exc
            except (NotADirectoryError, IsADirectoryError):
                raise
            except ImportError:
                raise
            except Exception as exc:
                # Each storage has errors of its own.
                if attempt == TRIES:
                    raise StorageError(f"{self.root} cannot be used: {why_of(exc)}.") from exc
            time.sleep(pause_s)
            pause_s *= 2
        raise AssertionError


def _entry(path: str, info: dict[str, Any]) -> Entry:
    kind = info.get("type", "file")
    if kind != "file":
        return Entry(path, Kind.NOT_FOLLOWED, reason=f"a {kind}")
    size = info.get("size")
    if size is None:
        return Entry(path, Kind.UNREADABLE, reason="the storage does not tell its size")
    found = version(int(size), time_of(info), etag_of(info))
    return Entry(path, Kind.FILE, *found.stat)
