"""Bytes of any number that take little memory: of many, a private copy in a temporary file is mapped."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import cast

MOST_IN_MEMORY_BYTES = 4 << 20


def mapped(blocks: Callable[[], Iterable[bytes]]) -> bytes:
    """Return what `blocks` yields, as bytes; what is longer than some mebibytes is a `mmap.mmap`.

    That can be sliced, searched and unpacked like bytes. It is of a copy that has no name, because
    a medium can be changed or taken away while it is read, and whoever then looks at a mapped file
    is killed. Where no copy can be made, as on a full disk, the bytes are in memory.

    Parameters
    ----------
    blocks:
        Yields the bytes each time it is called; its errors come through.
    """
    with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY_BYTES) as copy:
        if _is_copied(blocks(), copy):
            size_bytes = copy.tell()
            if size_bytes <= MOST_IN_MEMORY_BYTES:
                copy.seek(0)
                return copy.read()
            with suppress(OSError):  # as where a file system cannot map files
                return cast("bytes", mmap.mmap(copy.fileno(), size_bytes, access=mmap.ACCESS_READ))
    return b"".join(blocks())


def _is_copied(blocks: Iterable[bytes], copy: tempfile.SpooledTemporaryFile[bytes]) -> bool:
    """Write the blocks into `copy` and return whether it took them all."""
    for block in blocks:
        try:
            copy.write(block)
            copy.flush()
        except OSError:
            return False
    return True
