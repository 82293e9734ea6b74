"""Objects in S3 and in what speaks its protocol, by their keys."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from catalog.errors import BucketMissing, StorageError
from catalog.files.paths import from_text, to_text
from catalog.files.remote import (
    RemoteStore,
    Replaced,
    Version,
    broken_off,
    plain_etag,
    version,
    why_of,
)
from catalog.files.s3_client import Client
from catalog.files.walk import RUN_ENTRIES, Entry, Kind


class S3Store(RemoteStore):
    """A bucket, or the objects in it whose keys begin with a prefix and a slash."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        place = from_text(root).partition("://")[2]
        self._bucket, _, prefix = place.partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = Client(root, self._bucket)

    def _key(self, path: str) -> str:
        return self._prefix + from_text(path)

    # -- listing ---------------------------------------------------------------------------

    def runs_at(self, below: str, *, follow_links: bool = False) -> Iterator[list[Entry]]:
        """Yield what lies at or below a path; nothing if nothing is there.

        Raises
        ------
        StorageError
            If the listing broke off.
        """
        if below:
            try:
                found = self.version(below)
                yield [Entry(below, Kind.FILE, *found.stat)]
            except FileNotFoundError:
                pass
            except PermissionError:
                yield [Entry(below, Kind.FILE)]  # it is there, and reading it tells the rest
            except OSError as exc:
                raise StorageError(f"{self.root}/{below} cannot be read: {why_of(exc)}.") from exc
            yield from self._listed(f"{self._key(below)}/")
        else:
            yield from self._listed(self._prefix)

    def _listed(self, prefix: str) -> Iterator[list[Entry]]:
        """Yield the entries of all keys that begin with `prefix`, sorted by their text form.

        Keys come in the order of code points. Their text form has another where it spells a letter
        with a backslash, which always puts it further back: those wait until it is their turn.
        """
        waiting: list[Entry] = []
        run: list[Entry] = []
        for entry, is_spelled in self._entries(prefix):
            while waiting and waiting[0].path < entry.path:
                run.append(heapq.heappop(waiting))
            if is_spelled:
                heapq.heappush(waiting, entry)
            else:
                run.append(entry)
            if len(run) >= RUN_ENTRIES:
                yield run
                run = []
        run += sorted(waiting)
        if run:
            yield run

    def _entries(self, prefix: str) -> Iterator[tuple[Entry, bool]]:
        """Yield an entry of each object, in the order of keys, and whether its text form is another than its key."""
        last = ""
        start = len(self._prefix)
        with closing(self._pages(prefix)) as pages:
            for page in pages:
                for described in page:
                    key = described["Key"]
                    if key <= last or not key.startswith(prefix):
                        raise StorageError(
                            f"{self.root} is not listed in the order of its keys, as S3 says it is: {to_text(key)} comes after {to_text(last)}. It cannot be indexed so; nothing is taken for missing."
                        )
                    last = key
                    found = version(
                        described["Size"],
                        described.get("LastModified"),
                        plain_etag(described["ETag"]) if described.get("ETag") else None,
                    )
                    if key.endswith("/") and not found.size_bytes:
                        continue  # stands for a folder; folders have no rows on disk, either
                    path = to_text(key[start:])
                    yield Entry(path, Kind.FILE, *found.stat), path != key[start:]

    def _pages(self, prefix: str) -> Generator[list[dict[str, Any]]]:
        """Yield pages of a listing; the next is asked for while one is worked on."""
        last, token = "", None
        with ThreadPoolExecutor(1, thread_name_prefix="listing") as pool:
            asked = pool.submit(self._client.page, prefix, None)
            while True:
                try:
                    page = asked.result()
                    before, token = token, page.get("NextContinuationToken")
                    goes_on = bool(page.get("IsTruncated"))
                    if goes_on and (not token or token == before):
                        raise StorageError("the storage does not say how it goes on")
                except BucketMissing:
                    raise
                except StorageError as exc:
                    if not last:
                        raise
                    broken_off(self.root, to_text(last), exc)
                contents = page.get("Contents", [])
                if goes_on:
                    asked = pool.submit(self._client.page, prefix, token)
                if contents:
                    last = contents[-1]["Key"]
                    yield contents
                if not goes_on:
                    return

    def has_below(self, below: str) -> bool:
        """Return whether any key begins with a path and a slash."""
        prefix = f"{self._key(below)}/" if below else self._prefix
        return bool(self._client.page(prefix, None, 1).get("Contents")) or not prefix

    # -- objects ---------------------------------------------------------------------------

    def version(self, path: str) -> Version:
        """Return the version of an object, or raise OSError or StorageError."""
        return self._client.version(self._key(path))

    def is_current(self, path: str, found: Version) -> bool:
        """Return `True`: every request asks for bytes of one version, and is refused if there is another."""
        return True if found.etag is not None else self.version(path) == found

    def first(self, path: str, count: int) -> tuple[Version, bytes]:
        """Return the version of an object and up to `count` of its first bytes; one request."""
        return self._client.read(self._key(path), 0, count, None)

    def between(self, path: str, found: Version, start: int, end: int) -> bytes:
        """Return bytes of this version of an object."""
        now, data = self._client.read(self._key(path), start, end, found.etag)
        if now.size_bytes != found.size_bytes or now.etag != found.etag:
            raise Replaced
        return data
