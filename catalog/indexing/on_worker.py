"""What runs on the workers of a cluster.

All that goes to and fro is plain values of Python until both ends are known to be the same
program: then readings go as from a process beside this one.
"""

from __future__ import annotations

import os
import pickle
import sys
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from catalog import __version__
from catalog.files.paths import from_text
from catalog.indexing import passing

Stamp = dict[str, str]
"""What must be the same at both ends, by what it is called in messages."""

Answer = tuple[str, Stamp, bytes]
"""The worker's address, its stamp, and what it read; nothing if it is not of the same program."""

Sample = tuple[str, str, int, int]
"""A folder and a file below it, in text form, with the file's size and time; '' for no file."""


@lru_cache(maxsize=1)
def stamp() -> Stamp:
    """Return what decides how a file becomes rows, on this side."""
    return {
        "dcat": __version__,
        "Python": ".".join(map(str, sys.version_info[:2])),
        "pydicom": version("pydicom"),
        "encoding of file names": sys.getfilesystemencoding(),
        "form of rows": passing.form(),
    }


def read(asked: Stamp, given: bytes, is_apart: bool) -> Answer:
    """Read a chunk: `given` is pickled reader, chunk, and how files are read.

    With `is_apart` file by file in a process of its own, which a file may end.
    """
    own = stamp()
    if own != asked:
        return address(), own, b""
    reader, chunk, how = pickle.loads(given)
    if is_apart:
        from catalog.indexing.apart import read_apart

        readings = read_apart(reader, chunk, how)
    else:
        readings = reader(*chunk, how)
    return address(), own, passing.packed(readings)


def look(samples: tuple[Sample, ...]) -> tuple[Stamp, str]:
    """Return this worker's stamp, and what of `samples` it does not see; '' if it sees them all."""
    for folder, path, size_bytes, mtime_ns in samples:
        try:
            os.stat(from_text(folder))  # noqa: PTH116 - text as the system gives it
        except OSError as exc:
            return stamp(), f"{folder}: {exc.strerror}"
        if path:
            try:
                found = os.stat(from_text(path))  # noqa: PTH116
                os.close(os.open(from_text(path), os.O_RDONLY))
            except OSError as exc:
                return stamp(), f"{path}: {exc.strerror}"
            if (found.st_size, found.st_mtime_ns) != (size_bytes, mtime_ns):
                return stamp(), f"{path} has another size or time there"
    return stamp(), ""


def address() -> str:
    """Return the address of this worker."""
    from distributed import get_worker

    worker: Any = get_worker()
    return str(worker.address)
