"""Loops that are measured in a process of their own; each prints its seconds as JSON.

python benchmarks/loops.py read FOLDER      the least that any reader does with each file
python benchmarks/loops.py insert FROM TO   the least that storing dcat's rows takes
python benchmarks/loops.py pydicom LIST     dcmread() of the files that LIST names, NUL after each
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

READ_BYTES = 16 * 1024
BATCH_ROWS = 1000


class Stopwatch:
    """Wall and CPU time of what is done in its `with` blocks."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of this block."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        self.wall_s += time.perf_counter() - wall_s
        self.cpu_s += time.process_time() - cpu_s


def read(folder: str) -> dict[str, float]:
    """Walk in sorted order; stat, open, read 16 kB of and close every file."""
    watch = Stopwatch()
    with watch.running():
        files = _read_below(folder)
    return {"wall_s": watch.wall_s, "cpu_s": watch.cpu_s, "files": files}


def _read_below(folder: str) -> int:
    files = 0
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            files += _read_below(entry.path)
        elif entry.is_file(follow_symlinks=False):
            entry.stat(follow_symlinks=False)
            handle = os.open(entry.path, os.O_RDONLY)
            os.read(handle, READ_BYTES)
            os.close(handle)
            files += 1
    return files


def insert(old: str, new: str) -> dict[str, float]:
    """Put the rows of the catalogue `old` into `new`, which gets its tables, indexes, triggers and views.

    Counted are the transactions of 1,000 rows, not reading the rows.
    """
    Path(new).unlink(missing_ok=True)
    watch, stored = Stopwatch(), 0
    with closing(sqlite3.connect(old)) as source, closing(sqlite3.connect(new)) as target:
        target.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            target.execute(f"PRAGMA {pragma}")
        schema = (
            "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*'"
        )
        order = " ORDER BY type != 'table', type != 'index', rowid"
        shadows = _tables(source, "shadow")  # a virtual table makes its own
        for name, statement in source.execute(schema + order):
            if name not in shadows:
                target.execute(statement)
        for table in _parents_first(source):
            rows = source.execute(f'SELECT * FROM "{table}" ORDER BY rowid')
            marks = ", ".join("?" * len(rows.description))
            statement = f'INSERT INTO "{table}" VALUES ({marks})'
            while batch := rows.fetchmany(BATCH_ROWS):
                with watch.running():
                    target.execute("BEGIN IMMEDIATE")
                    target.executemany(statement, batch)
                    target.execute("COMMIT")
                stored += len(batch)
        with watch.running():
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {"wall_s": watch.wall_s, "cpu_s": watch.cpu_s, "rows": stored}


def _tables(connection: sqlite3.Connection, kind: str) -> list[str]:
    """Return the tables of a kind: `table`, `virtual`, or `shadow`; triggers fill the virtual ones."""
    rows = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = ? AND name NOT GLOB 'sqlite_*'",
        [kind],
    )
    return [name for (name,) in rows]


def _parents_first(connection: sqlite3.Connection) -> list[str]:
    waiting = {
        name: {row[2] for row in connection.execute(f'PRAGMA foreign_key_list("{name}")')} - {name}
        for name in _tables(connection, "table")
    }
    order: list[str] = []
    while waiting:
        ready = [name for name, parents in waiting.items() if parents <= set(order)]
        if not ready:
            sys.exit(f"The tables {', '.join(waiting)} refer to each other in a ring.")
        order += ready
        for name in ready:
            del waiting[name]
    return order


def pydicom(listing: str) -> dict[str, float]:
    """Read the headers of the files named in `listing`."""
    from pydicom import dcmread

    watch, failed = Stopwatch(), 0
    paths = [os.fsdecode(line) for line in Path(listing).read_bytes().split(b"\0") if line]
    with watch.running():
        for path in paths:
            try:
                dcmread(path, stop_before_pixels=True)
            except Exception:  # noqa: BLE001 - what it cannot read has cost its time too
                failed += 1
    return {"wall_s": watch.wall_s, "cpu_s": watch.cpu_s, "files": len(paths), "failed": failed}


LOOPS: dict[str, Callable[..., dict[str, float]]] = {
    "read": read,
    "insert": insert,
    "pydicom": pydicom,
}

if __name__ == "__main__":
    json.dump(LOOPS[sys.argv[1]](*sys.argv[2:]), sys.stdout)
