"""Who reads the files: what the journey asks of them, and the simplest of them, this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

from catalog.entities import Reading
from catalog.events import Listener, ignore
from catalog.indexing.reading import How, read_all
from catalog.indexing.stopping import Stop

CHUNK_FILES = 128

FEW_FILES = 256
"""Up to so many files are read in this process: handing them over takes longer."""

Chunk = tuple[str, tuple[str, ...]]
"""A root and paths below it, in text form; an archive is a chunk of its own."""

Reader = Callable[[str, Sequence[str], How], list[Reading]]
"""What reads the paths of a chunk."""


class Executor(Protocol):
    """Reads files for whoever stores their rows.

    Rows do not depend on who reads and in which order (decisions 1 and 24), so an executor may
    give chunks in any order. It keeps to three things: each chunk comes back once, with a reading
    of each file, whatever happened to it; chunks are taken only so far ahead of those that were
    given that memory stays flat; and what it cannot read at all is an error, not a loss.
    """

    def read(
        self, chunks: Iterator[Chunk], how: How, stop: Stop, listener: Listener = ignore
    ) -> Iterator[tuple[str, list[Reading]]]:
        """Yield (root, readings) for each chunk.

        Who wants to stop ends `chunks`; `stop` is for executors that may wait long for what is
        under way. `listener` hears what a person should know meanwhile.

        Raises
        ------
        ExecutorError
            If there is nobody left to read.
        """

    def close(self) -> None:
        """End what was started; what has not begun is not read. Afterwards nothing is read."""


class InProcess:
    """Reads in this process, one chunk after the other."""

    def read(
        self, chunks: Iterator[Chunk], how: How, stop: Stop, listener: Listener = ignore
    ) -> Iterator[tuple[str, list[Reading]]]:
        """Yield (root, readings) for each chunk, in order."""
        for root, paths in chunks:
            yield root, read_all(root, paths, how)

    def close(self) -> None:
        """Do nothing: nothing was started."""


def looked_ahead(chunks: Iterator[Chunk]) -> tuple[Iterator[Chunk], bool]:
    """Return the chunks, and whether they hold so few files that this process may as well read them."""
    few = list(islice(chunks, FEW_FILES // CHUNK_FILES))
    following = next(chunks, None)
    return chain(few, () if following is None else (following,), chunks), following is None
