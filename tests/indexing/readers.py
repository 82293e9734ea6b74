"""Readers for worker processes that do what the real one must never do, or more slowly."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

from catalog.entities import Reading
from catalog.errors import PathError
from catalog.indexing.reading import How
from catalog.indexing.reading import read_all as real_read_all


def deadly(root: str, paths: Sequence[str], how: How) -> list[Reading]:
    """Read like the real reader, but end the process at a file whose name says so."""
    if any("deadly" in path for path in paths):
        os._exit(7)
    return real_read_all(root, paths, how)


def always_deadly(root: str, paths: Sequence[str], how: How) -> list[Reading]:
    """End the process, whatever it is to read, and its parent if it has one that may die."""
    os._exit(7)


def slow(root: str, paths: Sequence[str], how: How) -> list[Reading]:
    """Read like the real reader, after a while."""
    time.sleep(0.05)
    return real_read_all(root, paths, how)


def failing(root: str, paths: Sequence[str], how: How) -> list[Reading]:
    """Fail as storage does that nobody can read any more."""
    raise PathError("The storage is gone.")


class UnsayableError(Exception):
    """What it says cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class UnpicklableError(Exception):
    """It holds what no other process can have."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class OneWayError(Exception):
    """It can be sent, and cannot be received."""

    def __init__(self, text: str, *, place: str) -> None:
        super().__init__(text)
        self.place = place


class OtherThingError(Exception):
    """What is received is no exception, and is so where it was made, too."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return str, ("no exception",)


class EndingError(Exception):
    """Whoever receives it ends, but for a process that made it."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return _ends_others, (os.getpid(),)


def _ends_others(pid: int) -> None:
    if os.getpid() != pid:
        os._exit(9)


class BareError(BaseException):
    """It is no `Exception`."""


HOSTILE: dict[str, Callable[[], BaseException]] = {
    "without a text": UnsayableError,
    "with a lock": lambda: UnpicklableError("holds a lock"),
    "of one way": lambda: OneWayError("goes one way", place="x"),
    "which is another thing": lambda: OtherThingError("is another thing"),
    "that ends who receives it": lambda: EndingError("ends others"),
    "bare": lambda: BareError("is bare"),
    "long": lambda: ValueError("is long " * 1_000_000),
    "of a system": lambda: OSError(5, "is of a system"),
}
"""Exceptions that are hard to send, by what they are called."""


def hostile(root: str, paths: Sequence[str], how: How) -> list[Reading]:
    """Raise the exception of `HOSTILE` that the folder is called after."""
    raise HOSTILE[os.path.basename(root)]()  # noqa: PTH119 - text as the system gives it
