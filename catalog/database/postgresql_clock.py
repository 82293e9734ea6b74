"""The time that a PostgreSQL server may work on one question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from catalog.database.postgresql_driver import psycopg
from catalog.database.sql_limits import GRACE_S

if TYPE_CHECKING:
    from psycopg import Connection

_LOOK_S = 0.05
"""How often the time is looked at."""


class Clock:
    """The time that the server may work on one question, and what stops it then.

    Only its own work counts: a reader of the rows that takes its time (a pager) costs nothing.

    Attributes
    ----------
    is_over:
        Whether the time is used up.
    """

    def __init__(
        self, connection: Connection[Any], limit_s: float, give_up: Callable[[], None] | None
    ) -> None:
        self._connection = connection
        self._give_up = give_up
        self._left_s = limit_s
        self._deadline: float | None = None
        self._done = threading.Event()
        self.is_over = False
        self._thread = threading.Thread(target=self._watch, daemon=True, name="sql-clock")

    def __enter__(self) -> Clock:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join(GRACE_S)

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

    def _watch(self) -> None:
        cancelled: float | None = None
        while not self._done.wait(_LOOK_S):
            deadline = self._deadline
            now = time.monotonic()
            if deadline is None or now < deadline:
                cancelled = None
            elif cancelled is None:
                self.is_over = True
                cancelled = now
                with suppress(psycopg().Error):
                    self._connection.cancel_safe(timeout=GRACE_S)
            elif now - cancelled > GRACE_S and self._give_up is not None:
                self._give_up()
                return
