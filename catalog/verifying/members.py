"""Members of archives against the archives."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from operator import attrgetter
from types import TracebackType
from typing import NamedTuple

from catalog.database import stored_files
from catalog.database.catalogue import Catalogue
from catalog.database.roots import Place
from catalog.database.stored_files import KnownFile
from catalog.files.opening import Opener, Source
from catalog.files.paths import SEPARATOR, is_archive_name, split_member
from catalog.files.store import stat_of


class MemberState(NamedTuple):
    """How a member is: `same`, `changed`, `missing` or `unknown`, and the reason."""

    state: str
    detail: str = ""


def known_files(catalogue: Catalogue, place: Place) -> Iterator[KnownFile]:
    """Yield the known files at a place, sorted by path: an archive's members, too."""
    known = stored_files.known_files(catalogue, place.root_ref, place.below)
    if not is_archive_name(place.below):
        return known
    members = stored_files.known_files(catalogue, place.root_ref, place.below + SEPARATOR[0])
    return merge(known, members, key=attrgetter("path"))


class Archives:
    """Tells how members of archives are. Use it in a `with` block.

    An archive whose modification time is that of the member's row is not opened: as with files in
    folders, time and size are what is looked at. One that has changed is listed.
    """

    def __init__(self) -> None:
        self._opener = Opener()
        self._last: tuple[tuple[str, str], int | OSError] = ("", ""), 0

    def __enter__(self) -> Archives:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all archives."""
        self._opener.__exit__(kind, error, traceback)

    def state(
        self, root: str, path: str, size_bytes: int | None, mtime_ns: int | None
    ) -> MemberState | None:
        """Return how the member `path` below `root` is; `None` if it is no path of a member.

        `size_bytes` and `mtime_ns` are those of its row.
        """
        inside = split_member(path)
        if inside is None:
            return None
        archive, name = inside
        now_ns = self._mtime_ns(root, archive)
        if isinstance(now_ns, OSError):
            return MemberState("missing", f"its archive is not there ({now_ns.strerror})")
        if now_ns == mtime_ns:
            return MemberState("same")
        try:
            member = self._opener.listing(Source(root, archive)).get(name)
        except OSError as exc:
            return MemberState("unknown", f"its archive has changed and cannot be listed: {exc}")
        if member is None:
            return MemberState(
                "missing", "its archive has changed, and has no such member any more"
            )
        if member.size_bytes is not None and member.size_bytes != size_bytes:
            return MemberState(
                "changed", f"{size_bytes} bytes when catalogued, {member.size_bytes} now"
            )
        return MemberState("changed", "same size, its archive has another modification time")

    def _mtime_ns(self, root: str, path: str) -> int | OSError:
        """Return an archive's modification time, or why there is none; the last one is remembered."""
        if self._last[0] != (root, path):
            try:
                self._last = (root, path), stat_of(root, path).mtime_ns
            except OSError as exc:
                self._last = (root, path), exc
        return self._last[1]
