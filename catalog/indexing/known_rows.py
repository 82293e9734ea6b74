"""The known files of a place, sorted by path, as they are merged with a walk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from catalog.database.stored_files import KnownFile, KnownRow
from catalog.files.walk import Entry, Files

_PATH = KnownFile._fields.index("path")
_STATUS = itemgetter(KnownFile._fields.index("status"))
_DESCRIBED = itemgetter(
    *(KnownFile._fields.index(name) for name in ("path", "size_bytes", "mtime_ns"))
)
_DESCRIBED_ENTRY = itemgetter(
    *(Entry._fields.index(name) for name in ("path", "size_bytes", "mtime_ns"))
)


class KnownRows:
    """A cursor over known files; `row` is the one it stands at, `None` behind the last.

    Parameters
    ----------
    pages:
        The files in pages, none of them empty.
    """

    def __init__(self, pages: Iterator[list[KnownRow]]) -> None:
        self._pages = pages
        self._page: list[KnownRow] = next(pages, [])
        self._at = 0
        self.row: KnownFile | None = KnownFile(*self._page[0]) if self._page else None

    def step(self) -> None:
        """Go on to the next."""
        self._at += 1
        if self._at >= len(self._page):
            self._page = next(self._pages, [])
            self._at = 0
        self.row = KnownFile(*self._page[self._at]) if self._page else None

    def same(self, run: Sequence[Entry]) -> list[str]:
        """Return the statuses of the files that come next, if they are those of a run of plain files, with the same sizes and times.

        Nothing if they are not, or not all at hand: then each has to be looked at.
        """
        described = run.described if isinstance(run, Files) else list(map(_DESCRIBED_ENTRY, run))
        if self.row is None or self.row.path != described[0][0]:
            return []
        rows = self._page[self._at : self._at + len(run)]
        if len(rows) < len(run):
            more = next(self._pages, [])
            self._page = self._page[self._at :] + more
            self._at = 0
            rows = self._page[: len(run)]
        if list(map(_DESCRIBED, rows)) != described:
            return []
        return list(map(_STATUS, rows))

    def step_over(self, count: int) -> None:
        """Go on by `count` files that `same` has met."""
        self._at += count - 1
        self.step()
