"""Stopping a run on request: at the next moment at which nothing is lost, and soon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """A run was interrupted, after what had been read was stored.

    Attributes
    ----------
    files:
        How many entries it had dealt with.
    last_stored:
        The last path that it stored, in text form; `None` if it stored none.
    """

    def __init__(self, files: int, last_stored: str | None) -> None:
        super().__init__(files, last_stored)
        self.files, self.last_stored = files, last_stored


class Stop:
    """A wish to stop, which a signal handler may utter at any moment.

    It is heeded at once where the work only looks (`open`), and at the next `check` elsewhere: so
    that a transaction is finished, and that a walk over millions of unchanged files needs no test
    for each of them.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._is_open = False

    def ask(self) -> None:
        """Ask to stop; call it in the main thread, where signals are handled."""
        self.wanted = True
        if self._is_open:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Stop here if that is wanted.

        Raises
        ------
        KeyboardInterrupt
            If it is.
        """
        if self.wanted:
            raise KeyboardInterrupt

    def open(self) -> None:
        """From here on `ask` interrupts at once."""
        self._is_open = True
        self.check()

    def close(self) -> None:
        """From here on `ask` waits for the next `check`."""
        self._is_open = False

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let the block be interrupted at once."""
        try:
            self.open()
            yield
        finally:
            self.close()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Let the block end before anything is heeded."""
        was_open, self._is_open = self._is_open, False
        yield
        if was_open:
            self.open()
