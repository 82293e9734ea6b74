"""The catalogue's file, which others can remove or replace while a run writes to it.

SQLite goes on writing to a file that has no name any more, and says nothing; all of it is gone
when the run ends.
"""

from __future__ import annotations

from pathlib import Path

from catalog.database.catalogue import Catalogue
from catalog.errors import CatalogueError


class Keeping:
    """Knows which file a catalogue was in when this was made; one on a server cannot go that way."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._path = catalogue.path
        self._name = catalogue.name
        self._was = _identity(self._path) if self._path is not None else None

    def check(self) -> None:
        """Make sure that the file is still in its place.

        Raises
        ------
        CatalogueError
            If it is not, or another is.
        """
        if self._path is None:
            return
        now = _identity(self._path)
        if now == self._was:
            return
        what = "is not there any more" if now is None else "is another file now"
        raise CatalogueError(
            f"The catalogue {self._name} {what}: it was removed, moved or replaced while dcat wrote to it. "
            "What this run stored went with it; put it back, and index again."
        )


def _identity(path: Path) -> int | None:
    # The inode is what SQLite tells files by, too.
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
