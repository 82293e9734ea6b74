"""Turns: what several threads do side by side, and what they do one after the other, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """Lets threads through one after the other, by numbers that count from 0.

    Every number must be `done` in the end, whether its turn was taken or not; whoever takes a turn
    waits until all numbers before it are.
    """

    def __init__(self) -> None:
        self._next = 0
        self._early: set[int] = set()
        self._changed = Condition()

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait until it is the turn of `number`; nobody else is let through before it is `done`."""
        with self._changed:
            while self._next < number:
                self._changed.wait()
        yield

    def done(self, number: int) -> None:
        """Let the next one through."""
        with self._changed:
            self._early.add(number)
            while self._next in self._early:
                self._early.discard(self._next)
                self._next += 1
            self._changed.notify_all()
