"""Loading pydicom when it is first needed, by one thread at a time."""

from __future__ import annotations

import threading

_lock = threading.Lock()
_loaded = threading.Event()


def load_pydicom() -> None:
    """Load pydicom; call it before importing from it where several threads may get there at once.

    Its modules import each other in a circle, so a thread that comes in while another loads them
    finds some of them half made, and fails.
    """
    if not _loaded.is_set():
        with _lock:
            import pydicom  # noqa: F401 - its modules come with it

            _loaded.set()
