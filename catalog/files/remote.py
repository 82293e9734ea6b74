"""Storage behind a URL, by fsspec: listed, and read in ranges. Loaded only where a root is a URL.

What tells that an object has changed is its size and its `mtime_ns`: the whole seconds of its time
of modification, and in the place of the nanoseconds, which stores do not have, a number that is
made of its ETag. So an object that was replaced within the second, by one of the same size, has
another `mtime_ns`. Where a store has no ETags `mtime_ns` is the time alone; where it has no times
either, 0.
"""

from __future__ import annotations

import errno
import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from io import SEEK_SET
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast

from catalog.errors import DcatError, PathError, StorageError
from catalog.files.opening import Opened
from catalog.files.paths import from_text
from catalog.files.ranged import LEAST_BYTES, MOST_BYTES, RangedStream
from catalog.files.store import Stat
from catalog.files.walk import Entry

_SECOND_NS = 1_000_000_000

# They write what they send at these levels, signatures and session tokens too.
for _name in ("botocore", "aiobotocore", "s3fs", "fsspec", "aiohttp", "asyncio", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Version(NamedTuple):
    """One version of an object: `modified_ns` is its time without what is made of its ETag."""

    size_bytes: int
    mtime_ns: int
    modified_ns: int
    etag: str | None

    @property
    def stat(self) -> Stat:
        """What its row says of it."""
        return Stat(self.size_bytes, self.mtime_ns)


def version(size_bytes: int, modified: datetime | float | None, etag: str | None) -> Version:
    """Return the version that a listing or an answer describes."""
    if isinstance(modified, datetime):
        modified = modified.timestamp()
    if modified is None:
        seconds, exact_ns = 0, 0
    else:
        seconds, exact_ns = int(modified // 1), int(modified * 1_000_000) * 1000
    if etag is None:
        return Version(size_bytes, exact_ns, exact_ns, None)
    made = int.from_bytes(hashlib.sha256(etag.encode()).digest()[:8], "big") % _SECOND_NS
    return Version(size_bytes, seconds * _SECOND_NS + made, seconds * _SECOND_NS, etag)


class Replaced(OSError):
    """An object was replaced while it was read."""

    def __init__(self) -> None:
        super().__init__(errno.ESTALE, "it was replaced while it was read")


class RemoteFile(Opened):
    """An object that is open for reading, or a member of an archive that is one.

    Attributes
    ----------
    stat:
        Size and `mtime_ns` of the object, as a row has them; `mtime_ns` of the file itself, and
        so of its copies, is its time alone.
    """

    def __init__(self, store: RemoteStore, path: str, stream: BinaryIO, found: Version) -> None:
        self.stream = stream
        self.mtime_ns = self.atime_ns = found.modified_ns
        self.stat = found.stat
        self.version = found
        self._store, self._path = store, path
        self._is_member = False

    def member(self, stream: BinaryIO) -> RemoteFile:
        """Return a member of the archive that this is; `stream` has its bytes."""
        made = RemoteFile(self._store, self._path, stream, self.version)
        made._is_member = True
        return made

    def is_as_before(self, size_bytes: int) -> bool:
        """Return whether the object has not been replaced, and has had `size_bytes`."""
        if not self._is_member and size_bytes != self.version.size_bytes:
            return False
        return self._store.is_current(self._path, self.version)


class RemoteStore(ABC):
    """What lies below one root that is a URL; see `catalog.files.store.Store`."""

    def __init__(self, root: str) -> None:
        self.root = root

    @abstractmethod
    def runs_at(self, below: str, *, follow_links: bool = False) -> Iterator[list[Entry]]:
        """Yield what lies at or below a path; nothing if nothing is there."""

    @abstractmethod
    def has_below(self, below: str) -> bool:
        """Return whether anything lies below a path as in a folder."""

    @abstractmethod
    def first(self, path: str, count: int) -> tuple[Version, bytes]:
        """Return the version of an object and up to `count` of its first bytes.

        Raises
        ------
        OSError
            If it is not there or cannot be read.
        StorageError
            If the storage cannot be reached or used.
        """

    @abstractmethod
    def between(self, path: str, found: Version, start: int, end: int) -> bytes:
        """Return bytes of an object, from `start` to before `end`; raise as `first`, or `Replaced`."""

    @abstractmethod
    def version(self, path: str) -> Version:
        """Return the version of an object, or raise as `first`."""

    def is_current(self, path: str, found: Version) -> bool:
        """Return whether an object is still of this version, where reading has not told already."""
        return self.version(path) == found

    def runs(self, below: str, *, follow_links: bool = False) -> Iterator[list[Entry]]:
        """Yield what lies at or below a path.

        Raises
        ------
        PathError
            If nothing is there.
        StorageError
            If the listing broke off.
        """
        is_empty = True
        for run in self.runs_at(below, follow_links=follow_links):
            is_empty = False
            yield run
        if is_empty and not self._exists(below):
            place = f"{self.root}/{below}".removesuffix("/")
            raise PathError(f"{place} cannot be read: there is no object at or below it.")

    def _exists(self, below: str) -> bool:
        """Return whether a place without entries is an empty folder."""
        return self.has_below(below)

    def is_object(self, path: str) -> bool:
        """Return whether there is an object of this path."""
        try:
            self.version(path)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def stat(self, path: str) -> Stat:
        """Return size and time of an object, or raise OSError."""
        return self.version(path).stat

    @contextmanager
    def opened(self, path: str, *, whole: bool = True) -> Iterator[RemoteFile]:
        """Give an object open for reading, as `open_now`."""
        yield self.open_now(path, whole=whole)

    def open_now(self, path: str, *, whole: bool = True) -> RemoteFile:
        """Return an object open for reading; it needs no closing.

        Parameters
        ----------
        whole:
            It will be read to its end: as much of it is asked for at once as possible.

        Raises
        ------
        OSError, StorageError
            As `first`.
        """
        found, head = self.first(path, MOST_BYTES if whole else LEAST_BYTES)

        def fetch(start: int, end: int) -> bytes:
            return self.between(path, found, start, end)

        stream = RangedStream(fetch, found.size_bytes, head)
        stream.seek(0, SEEK_SET)
        return RemoteFile(self, path, cast(BinaryIO, stream), found)


def store_of(root: str) -> RemoteStore:
    """Return the store of a root that is a URL, in text form.

    Raises
    ------
    PathError
        If no package that is installed knows such URLs.
    """
    scheme = root.partition("://")[0]
    try:
        if scheme == "s3":
            from catalog.files.s3 import S3Store

            return S3Store(root)
        from catalog.files.any_store import AnyStore

        return AnyStore(root)
    except ImportError as exc:
        if scheme != "s3" and exc.name != "fsspec":
            raise PathError(f"{from_text(root)} cannot be used: {why_of(exc)}.") from exc
        needed = "s3fs" if scheme == "s3" else "fsspec"
        raise PathError(
            f"{from_text(root)} needs the package {needed}, which is not installed. Install it with `pip install 'dicom-dcat[s3]'`."
        ) from exc


def broken_off(root: str, after: str, exc: BaseException) -> NoReturn:
    """Raise that a listing is not complete."""
    where = f"after {after}" if after else "before its first entry"
    why = str(exc).rstrip(".") if isinstance(exc, DcatError) else why_of(exc)
    end = "" if why.endswith("?") else "."
    raise StorageError(
        f"The listing of {root} broke off {where}: {why}{end} Nothing that it did not list is taken for missing; run it again."
    ) from exc


def why_of(exc: BaseException) -> str:
    """Return why something failed, in a few words."""
    return str(getattr(exc, "strerror", None) or exc or type(exc).__name__).rstrip(".")


def time_of(info: Mapping[str, Any]) -> datetime | float | None:
    """Return the time of modification that a description of fsspec's gives, by whatever name."""
    for name in ("mtime", "LastModified", "last_modified", "modified", "updated", "created"):
        found = info.get(name)
        if isinstance(found, datetime | float | int) and not isinstance(found, bool):
            return found
        if isinstance(found, str):
            try:
                return datetime.fromisoformat(found)
            except ValueError:
                continue
    return None


def etag_of(info: Mapping[str, Any]) -> str | None:
    """Return the ETag that a description of fsspec's gives, by whatever name."""
    for name in ("ETag", "etag", "md5Hash", "content_md5", "checksum"):
        found = info.get(name)
        if isinstance(found, str | bytes) and found:
            return plain_etag(found) if isinstance(found, str) else found.hex()
    return None


def plain_etag(etag: str) -> str:
    """Return an ETag as listings and answers have it alike: without quotes, and without the mark that it is weak."""
    return etag.removeprefix("W/").strip('"')
