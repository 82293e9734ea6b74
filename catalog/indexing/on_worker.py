"""What runs on the workers of a cluster.

All that goes to and fro is plain values of Python until both ends are known to be the same
program: then readings go as from a process beside this one.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from catalog import __version__, errors
from catalog.files.paths import from_text
from catalog.indexing import passing

Stamp = dict[str, str]
"""What must be the same at both ends, by what it is called in messages."""

Failure = tuple[str, bytes]
"""What an exception says, and the exception itself, pickled; nothing if that is not safe."""

Answer = tuple[str, Stamp, bytes | Failure]
"""The worker's address, its stamp, and what it read; nothing if it is not of the same program."""

Sample = tuple[str, str, int, int]
"""A folder and a file below it, in text form, with the file's size and time; '' for no file."""


MOST_SAID = 1000
"""So many characters of what an exception says are told."""

MOST_PICKLED = 20_000
"""So many bytes an exception may have that is sent as it is."""


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
    try:
        return address(), own, _packed(given, is_apart)
    except (SystemExit, KeyboardInterrupt):
        raise  # this worker is being ended
    except BaseException as exc:
        # What Dask cannot send it may lose, and then the task is waited for until the end of time.
        logging.getLogger("distributed.worker").warning("dcat failed", exc_info=True)
        return address(), own, failure(exc)


def _packed(given: bytes, is_apart: bool) -> bytes:
    reader, chunk, how = pickle.loads(given)
    if is_apart:
        from catalog.indexing.apart import read_apart

        readings = read_apart(reader, chunk, how)
    else:
        readings = reader(*chunk, how)
    return passing.packed(readings)


def failure(exc: BaseException) -> Failure:
    """Return an exception as plain data, whatever it is.

    One of Python's own or of dcat's goes along if it comes out of pickling as it went in.
    """
    said = type(exc).__name__
    try:
        said = f"{said}: {exc}"[:MOST_SAID]
        if type(exc).__module__ in ("builtins", errors.__name__):
            data = pickle.dumps(exc)
            back = pickle.loads(data)
            if len(data) <= MOST_PICKLED and type(back) is type(exc) and str(back) == str(exc):
                return said, data
    except Exception:  # noqa: BLE001 - its text or its pickling fails: then its name has to do
        pass
    return said, b""


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
