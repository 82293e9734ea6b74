"""What the catalogue knows of the members of archives, while a folder is walked and read.

A walk meets archives, not their members, so the rows of members have no entry to be merged with.
They are taken out of the merge where their archive is met, and are settled with it: at once if it
has not changed, or when it has been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain, starmap
from operator import itemgetter

from catalog.database import stored_files
from catalog.database.catalogue import Catalogue
from catalog.database.roots import Place
from catalog.database.stored_files import KnownFile, KnownRow
from catalog.entities import Reading, Status
from catalog.files.paths import SEPARATOR, is_archive_name, split_member
from catalog.indexing.known_rows import KnownRows

_FOLDER = SEPARATOR[0]
_PATH = KnownFile._fields.index("path")


class KnownMembers:
    """The rows of members whose archives were met and are not settled yet."""

    def __init__(self, catalogue: Catalogue, *, with_digest: bool = False) -> None:
        self._catalogue = catalogue
        self._with_digest = with_digest
        self._unread: dict[tuple[int, str], list[KnownFile]] = {}
        self._taken: set[tuple[int, str]] = set()

    def known_pages(self, place: Place) -> Iterator[list[KnownRow]]:
        """Yield pages of all known files at a place, sorted by path: an archive's members, too."""
        known = self._known(place.root_ref, place.below)
        if not is_archive_name(place.below):
            return known
        members = self._known(place.root_ref, place.below + _FOLDER)
        both = (chain.from_iterable(pages) for pages in (known, members))
        return ([row] for row in merge(*both, key=itemgetter(_PATH)))

    def _known(self, root_ref: int, below: str) -> Iterator[list[KnownRow]]:
        return stored_files.known_pages(
            self._catalogue, root_ref, below, with_digest=self._with_digest
        )

    def take(self, root_ref: int, path: str, known: KnownRows) -> list[KnownFile]:
        """Return the rows of the members of the archive `path`, which `known` has stepped over."""
        start = path + SEPARATOR
        if known.row is not None and known.row.path < start:
            # Files with names such as 'a.zip (1)' sort between an archive and its members.
            self._taken.add((root_ref, path))
            pages = self._known(root_ref, path + _FOLDER)
            return list(starmap(KnownFile, chain.from_iterable(pages)))
        members = []
        while known.row is not None and known.row.path.startswith(start):
            members.append(known.row)
            known.step()
        return members

    def was_taken(self, root_ref: int, row: KnownFile) -> bool:
        """Return whether `row` is of a member that was taken already."""
        if not self._taken:
            return False
        inside = split_member(row.path)
        return inside is not None and (root_ref, inside[0]) in self._taken

    def await_reading(self, root_ref: int, path: str, members: list[KnownFile]) -> None:
        """Remember the rows of the members of an archive that will be read."""
        self._unread[root_ref, path] = members

    def settled(
        self, root_ref: int, readings: Iterable[Reading]
    ) -> Iterator[tuple[Reading | None, KnownFile | None]]:
        """Yield each member that was read, with its row or `None`, and each row that was not met, with `None`."""
        if not self._unread:
            return
        read: dict[str, list[Reading]] = {}
        for reading in readings:
            path = reading.file.path
            inside = split_member(path)
            if inside is not None:
                read.setdefault(inside[0], []).append(reading)
            elif (root_ref, path) in self._unread:
                rows = {row.path: row for row in self._unread.pop((root_ref, path))}
                if _was_not_opened(reading):
                    continue  # nothing is known of its members: they are not missing
                for member in read.pop(path, ()):
                    yield member, rows.pop(member.file.path, None)
                for row in rows.values():
                    yield None, row


def _was_not_opened(reading: Reading) -> bool:
    """Return whether the system could not open or read an archive; the next run tries it again."""
    return reading.file.status is Status.UNREADABLE and reading.file.mtime_ns is None
