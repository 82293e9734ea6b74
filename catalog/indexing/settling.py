"""Changes that wait until they have come to rest."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from catalog.files.paths import from_text
from catalog.shapes import mutable

Stamp = tuple[int, int] | str | None
"""What is at a path: size and time of a file, `folder`, `unknown`, or `None` for nothing."""


def stamp_of(path: str) -> Stamp:
    """Return what is at an absolute path in text form now."""
    try:
        status = os.stat(from_text(path))  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return "unknown"  # indexing tells what is wrong with it
    return "folder" if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)


@mutable
class _Waiting:
    since_s: float
    stamp: Stamp


class Settling:
    """Paths that have changed, until nothing has been heard of them for a while.

    A file that is being written is heard of again and again, or has another size or time when it
    is looked at again; both begin the wait anew. A folder waits for itself alone, not for what
    lies in it.

    Parameters
    ----------
    quiet_s:
        How long nothing may be heard of a path before it is due.
    look:
        Gives what is at a path now.
    """

    def __init__(self, quiet_s: float, look: Callable[[str], Stamp] = stamp_of) -> None:
        self._quiet_s = quiet_s
        self._look = look
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def paths(self) -> frozenset[str]:
        """The paths that wait."""
        return frozenset(self._waiting)

    def note(self, path: str, now_s: float) -> None:
        """Take in that something has happened to a path."""
        self._waiting[path] = _Waiting(now_s, self._look(path))

    def due(self, now_s: float) -> list[str]:
        """Give the paths that have come to rest, sorted, and forget them."""
        found = []
        for path, waiting in self._waiting.items():
            if now_s - waiting.since_s < self._quiet_s:
                continue
            stamp = self._look(path)
            if stamp == waiting.stamp:
                found.append(path)
            else:
                waiting.since_s, waiting.stamp = now_s, stamp
        for path in found:
            del self._waiting[path]
        return sorted(found)

    def forget(self) -> None:
        """Forget all, as when everything is looked at anew."""
        self._waiting.clear()
