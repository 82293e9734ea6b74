"""Ctrl-C in two steps: the first ends the work in order, the second ends it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.indexing import Stop

_INTERRUPTED = 130
_SHOW_CURSOR = b"\x1b[?25h"
_AGAIN_S = 0.005


def say_again_what_was_swallowed() -> None:
    """From here on no Ctrl-C is lost because of the moment at which it came.

    A signal's handler may run while Python tidies up (callbacks of weak references, `__del__`),
    and what it raises there is printed and dropped. It is raised again a moment later instead.
    """
    if not hasattr(signal, "setitimer"):  # Windows
        return
    others = sys.unraisablehook

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        else:
            others(what)

    signal.signal(signal.SIGALRM, _again)
    sys.unraisablehook = dropped


def _again(number: int, frame: object) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Give what the work asks whether it should stop; Ctrl-C and SIGTERM say so while this lasts.

    The second one ends the process at once. What is in the catalogue then is what was stored, as
    if it had been killed.
    """
    from catalog.indexing import Stop

    stop = Stop()

    def heed(number: int, frame: object) -> None:
        # Written past Python's streams, which may be in the middle of a line of their own.
        if stop.wanted:
            os.write(2, b"\ndcat: ended at once; what was stored is kept.\n")
            if sys.stderr.isatty():
                os.write(2, _SHOW_CURSOR)
            os._exit(_INTERRUPTED)
        os.write(2, b"\nStopping when the batch under way is stored; again to end at once.\n")
        stop.ask()

    def heed_again(number: int, frame: object) -> None:
        stop.ask()

    if not _is_main_thread():
        yield stop
        return
    before = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM)}
    if hasattr(signal, "SIGALRM"):
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, heed_again)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C while all is stored and said, and only the catalogue is being closed."""
    if not _is_main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _is_main_thread() -> bool:
    import threading  # not at the start of every command

    return threading.current_thread() is threading.main_thread()
