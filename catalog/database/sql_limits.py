"""SQLite's part of limits: how long, how large, and how much room a question may take.

Three guards, as none is enough alone. SQLite counts its own steps and asks a `Budget` between them
whether to go on; its limits bound each value, and all of its memory; and a `Watchdog` looks from
outside, because a single step can take hours (`instr` in a text of megabytes) and planning a
statement is not counted.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum

VALUE_BYTES = 8 * 1024**2
"""The longest text or BLOB that SQLite makes, and the longest row that it puts aside."""

STATEMENT_BYTES = 1_000_000
"""The longest statement."""

HEAP_BYTES = 512 * 1024**2
"""All memory of SQLite in this process; what does not fit is sorted in temporary files."""

SPARE_BYTES = 1024**3
"""What temporary files leave free on their disk; half of what was free if that was not more."""

STEPS = 10_000
"""After how many steps of SQLite the budget is asked: a fraction of a millisecond."""

GRACE_S = 3.0
"""How long after the time is over the watchdog waits for SQLite to notice by itself."""

_LOOK_S = 0.5
"""How often the disk is asked for its room."""


class Excess(StrEnum):
    """Why a question was stopped."""

    TIME = "time"
    ROOM = "room"


def bound(connection: sqlite3.Connection) -> None:
    """Set the sizes beyond which SQLite refuses to go on."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    # The limit is the process's, whichever connection sets it; this one may set nothing.
    with closing(sqlite3.connect(":memory:")) as other:
        other.execute(f"PRAGMA hard_heap_limit={HEAP_BYTES}")


class Budget:
    """The time that SQLite may work on one question.

    Only its own work counts: a reader of the rows that takes its time (a pager) costs nothing.

    Attributes
    ----------
    excess:
        Why it is used up, `None` before that.
    """

    def __init__(self, limit_s: float) -> None:
        self.excess: Excess | None = None
        self._left_s = limit_s
        self._deadline: float | None = None
        self._next_look = 0.0
        self._folder = temporary_folder()
        free = _free_bytes(self._folder)
        self._floor_bytes = min(SPARE_BYTES, free // 2)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count the time of the block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """Count from now on."""
        self._deadline = time.monotonic() + self._left_s

    def end(self) -> None:
        """Count no more."""
        if self._deadline is not None:
            self._left_s = self._deadline - time.monotonic()
            self._deadline = None

    def late_s(self) -> float:
        """Return for how many seconds the work under way has been too long; negative if it is not."""
        deadline = self._deadline
        return -1.0 if deadline is None else time.monotonic() - deadline

    def is_over(self) -> bool:
        """Return whether the work has to stop; SQLite asks that every few steps."""
        now = time.monotonic()
        if self._deadline is not None and now > self._deadline:
            self.excess = Excess.TIME
        elif now > self._next_look:
            self._next_look = now + _LOOK_S
            if _free_bytes(self._folder) < self._floor_bytes:
                self.excess = Excess.ROOM
        return self.excess is not None


class Watchdog:
    """Look after a budget from a thread of its own, and give up where SQLite does not come back.

    Parameters
    ----------
    give_up:
        What to do then. It is called in the watchdog's thread, while the question is still being
        worked on and cannot be stopped; it should end the process.
    """

    def __init__(self, budget: Budget, give_up: Callable[[], None]) -> None:
        self._budget = budget
        self._give_up = give_up
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="sql-watchdog")

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(_LOOK_S):
            if self._budget.late_s() > GRACE_S:
                self._give_up()
                return


def temporary_folder() -> str:
    """Return the folder in which SQLite keeps its temporary files (its documentation, "Temporary Files")."""
    places = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp")
    for place in places:
        if place and os.access(place, os.W_OK | os.X_OK) and os.path.isdir(place):  # noqa: PTH112
            return place
    return tempfile.gettempdir()


def _free_bytes(folder: str) -> int:
    return shutil.disk_usage(folder).free
