"""Reading in a process of its own, so that a file that ends its reader is known by name.

A reader that dies takes its whole process along, and nobody can tell of which file of a chunk. So
the chunk is read once more by a child that says after each file that it has done it: the one it
did not come to say that of is the one it died of. Executors of all kinds end up here.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any, BinaryIO, cast

from catalog.entities import Reading, Status, StoredFile
from catalog.errors import DcatError, ExecutorError
from catalog.findings import Finding, Severity
from catalog.indexing.executing import Chunk, Reader
from catalog.indexing.passing import packed, unpacked
from catalog.indexing.reading import How

_LENGTH = struct.Struct(">Q")
_READ, _ERROR = b"r", b"e"

KILLED = "reader-killed"
"""The code of the finding of a file that ended its reader."""
_CHILD = "import pickle, sys; given = sys.stdin.buffer; sys.path[:] = pickle.load(given); pickle.load(given)"


class Call:
    """A call that is made where it is unpickled; what is unpickled is what it returns.

    Only the side that makes the call needs the module of the function.
    """

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.function, self.arguments


def read_apart(reader: Reader, chunk: Chunk, how: How) -> list[Reading]:
    """Return the readings of a chunk, read file by file in child processes.

    A file that ends the child is unreadable, with a finding, and the next child goes on behind it.

    Raises
    ------
    ExecutorError
        If children end before they have begun, or the reader raises an error; it has its words.
    """
    root, paths = chunk
    readings: list[Reading] = []
    done = 0
    while done < len(paths):
        with _Child(reader, (root, paths[done:]), how) as child:
            while done < len(paths):
                found = child.next()
                done += 1
                if found is None:
                    readings.append(killed(paths[done - 1]))
                    break
                readings += found
    return readings


def killed(path: str) -> Reading:
    """Return the reading of a file that ended the process that read it."""
    error = "reading it ended the reader process"
    finding = Finding(
        KILLED,
        Severity.ERROR,
        "The process that read the file died. The file will be tried again by the next run.",
    )
    return Reading(StoredFile(path, status=Status.UNREADABLE, error=error), None, (finding,))


class _Child:
    """A process that reads the files of a chunk one after the other."""

    def __init__(self, reader: Reader, chunk: Chunk, how: How) -> None:
        self._given = pickle.dumps(sys.path) + pickle.dumps(Call(_answer, reader, chunk, how))

    def __enter__(self) -> _Child:
        """Start it.

        Not by multiprocessing: a worker of a cluster is a daemon, which may have no such children.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONUTF8": str(sys.flags.utf8_mode)},  # names are the same bytes
            start_new_session=True,  # Ctrl-C is for the main process
        )
        self._in = cast(IO[bytes], self._process.stdin)
        self._out = cast(IO[bytes], self._process.stdout)
        try:
            self._in.write(self._given)
            self._in.flush()
        except OSError:
            pass  # it has ended already, and does not answer
        if self._frame() is None:
            self.__exit__()
            raise ExecutorError(
                f"Processes that read files end as soon as they are started (exit code {self._process.returncode}). "
                "Is there memory for them? What was read before is stored; the same command goes on from there."
            )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.kill()
        for stream in (self._in, self._out):
            try:
                stream.close()
            except OSError:
                pass  # what was not written is for nobody any more
        self._process.wait()

    def next(self) -> list[Reading] | None:
        """Return the readings of the next file; `None` if the process died of it."""
        data = self._frame()
        if data is None:
            return None
        if data[:1] == _ERROR:
            raise pickle.loads(data[1:])
        return unpacked(data[1:])

    def _frame(self) -> bytes | None:
        head = self._out.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(head)
        data = self._out.read(length)
        return data if len(data) == length else None


def _answer(reader: Reader, chunk: Chunk, how: How) -> None:
    """Read a chunk in the child, and write each file's readings to what was standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # whoever prints does not print between the frames
        _write(out, b"")
        root, paths = chunk
        for path in paths:
            try:
                _write(out, _READ + packed(reader(root, (path,), how)))
            except DcatError as exc:
                _write(out, _ERROR + pickle.dumps(ExecutorError(str(exc))))
                return


def _end_with_parent() -> None:
    """Wait until the parent closes standard input, or dies and so does."""
    os.read(0, 1)
    os._exit(1)


def _write(out: BinaryIO, data: bytes) -> None:
    try:
        out.write(_LENGTH.pack(len(data)) + data)
        out.flush()
    except BrokenPipeError:
        os._exit(1)  # nobody is left to hear it
