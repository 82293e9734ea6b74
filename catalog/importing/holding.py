"""An archive folder that one import at a time copies into, whatever catalogues they write to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import PathError
from catalog.files.paths import to_text
from catalog.files.writing import writing_to

_HELD = frozenset([errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES])


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other imports from copying into `folder` until the block ends, or the process does.

    Two that copy the same instance would write into the same unfinished file. Where the platform
    or the file system cannot lock a folder, nothing is held.

    Raises
    ------
    PathError
        If another import has it.
    ExportError
        If it cannot be opened.
    """
    if os.name == "nt":
        yield
        return
    import fcntl

    with writing_to(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno in _HELD:
                raise PathError(
                    f"Another import is copying into {to_text(str(folder))}. Run the same command again when it is done; nothing was copied."
                ) from exc
        yield
    finally:
        os.close(handle)
