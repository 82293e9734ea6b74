"""Where `dcat index --jobs 1` spends its time, by room, as JSON: python benchmarks/profiling.py FOLDER DB

Time within built-in functions is counted where they were called from, but for SQLite's and the
file system's, which are rooms of their own. The profiler makes calls of Python functions dearer
than they are, so the shares are a guide.
"""

from __future__ import annotations

import cProfile
import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any

Function = tuple[str, int, str]

OTHER = "Python's library and other"
FILES = "file system calls"
SQLITE = "sqlite3 (C)"
UNSEEN = "waiting, other threads"
_FILE_CALLS = ("open", "scandir", "lstat", "fstat", "stat", "read", "seek", "close", "is_dir")
_OWN = ("indexing", "database", "dicom", "files", "fileset", "cli")
_FOREIGN = ("sqlalchemy", "pydicom", "alembic")


def room_of(function: Function) -> str | None:
    """Return the room of a function; `None` of a built-in that belongs to its callers."""
    path, _, name = function
    if path == "~":
        if "sqlite3" in name:
            return SQLITE
        is_file = any(owner in name for owner in ("posix.", "_io.", "FileIO", "DirEntry"))
        return FILES if is_file and any(call in name for call in _FILE_CALLS) else None
    parts = path.replace("\\", "/").split("/")
    if "catalog" in parts:
        room = parts[parts.index("catalog") + 1]
        return f"catalog.{room}" if room in _OWN else "catalog, the rest"
    return next((name for name in _FOREIGN if name in parts), OTHER)


def by_room(stats: Mapping[Function, tuple[Any, ...]]) -> dict[str, float]:
    """Return the seconds spent in each room, of a profile's `stats`."""
    seconds: dict[str, float] = defaultdict(float)
    for function, (_, _, own_s, _, callers) in stats.items():
        room = room_of(function)
        if room is not None:
            seconds[room] += own_s
            continue
        left_s = own_s
        for caller, (_, _, for_caller_s, _) in callers.items():
            seconds[room_of(caller) or OTHER] += for_caller_s
            left_s -= for_caller_s
        seconds[OTHER] += max(0.0, left_s)
    return seconds


def main() -> None:
    """Index under the profiler."""
    folder, database = sys.argv[1:]
    sys.argv = ["dcat", "index", folder, "--jobs", "1", "--db", database]
    profiler = cProfile.Profile()
    start = perf_counter()
    with suppress(SystemExit):
        profiler.enable()
        from catalog.cli.main import run

        run()
    profiler.disable()
    wall_s = perf_counter() - start
    profiler.create_stats()
    seconds = by_room(profiler.stats)
    seconds[UNSEEN] = max(0.0, wall_s - sum(seconds.values()))
    json.dump(seconds, sys.stdout)


if __name__ == "__main__":
    main()
