"""The known files of a place, sorted by path, as they are merged with a walk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from catalog.database.stored_files import KnownFile
from catalog.files.walk import Entry

_PATH_SIZE_TIME_OF_ROW = itemgetter(
    *(KnownFile._fields.index(name) for name in ("path", "size_bytes", "mtime_ns"))
)
_PATH_SIZE_TIME_OF_ENTRY = itemgetter(
    *(Entry._fields.index(name) for name in ("path", "size_bytes", "mtime_ns"))
)


class KnownRows:
    """A cursor over known files; `row` is the one it stands at, `None` behind the last.

    Parameters
    ----------
    pages:
        The files in pages, none of them empty.
    """

    def __init__(self, pages: Iterator[list[KnownFile]]) -> None:
        self._pages = pages
        self._page: list[KnownFile] = next(pages, [])
        self._at = 0
        self.row: KnownFile | None = self._page[0] if self._page else None

    def step(self) -> None:
        """Go on to the next."""
        self._at += 1
        if self._at >= len(self._page):
            self._page = next(self._pages, [])
            self._at = 0
        self.row = self._page[self._at] if self._page else None

    def same(self, run: Sequence[Entry]) -> Sequence[KnownFile]:
        """Return the rows of a run of plain files, if those that come next are theirs, with the same sizes and times.

        Nothing if they are not, or not all at hand: then each has to be looked at.
        """
        if self.row is None or self.row.path != run[0].path:
            return ()
        rows = self._page[self._at : self._at + len(run)]
        if len(rows) < len(run):
            more = next(self._pages, [])
            self._page = self._page[self._at :] + more
            self._at = 0
            rows = self._page[: len(run)]
        if list(map(_PATH_SIZE_TIME_OF_ROW, rows)) != list(map(_PATH_SIZE_TIME_OF_ENTRY, run)):
            return ()
        return rows

    def step_over(self, count: int) -> None:
        """Go on by `count` files that `same` has returned."""
        self._at += count - 1
        self.step()
