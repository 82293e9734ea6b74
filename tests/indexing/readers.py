"""Readers for worker processes that do what the real one must never do, or more slowly."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

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
