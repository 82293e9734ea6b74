"""Worker processes beside this one read the files."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from catalog.entities import Reading
from catalog.events import Listener, ignore
from catalog.indexing.executing import Chunk, Executor, InProcess, Reader, looked_ahead
from catalog.indexing.passing import packed, unpacked
from catalog.indexing.reading import How, read_all
from catalog.indexing.stopping import Stop

LEAST_CHUNKS = 4
"""Fewest chunks a process that are under way."""

AHEAD_S = 0.5
"""For how long the processes have work, if they go on as fast as they did."""

MOST_CHUNKS = 64


def executor(jobs: int, *, early: bool = False) -> Executor:
    """Return who reads with `jobs` processes on this machine: with one job, this process."""
    return InProcess() if jobs == 1 else ProcessPool(jobs, early=early)


class ProcessPool:
    """Processes that read files, `jobs` of them.

    Parameters
    ----------
    early:
        Start them now, as copies of this process. That takes milliseconds where a new process
        takes a tenth of a second, but only a process without open databases and without other
        threads may be copied: make it before anything is opened.
    """

    def __init__(self, jobs: int, *, early: bool = False) -> None:
        self.jobs = jobs
        self._pool: ProcessPoolExecutor | None = None
        if early and jobs > 1 and sys.platform == "linux" and threading.active_count() == 1:
            others = multiprocessing.active_children()
            self._pool = _pool(jobs, "fork")
            try:
                self._pool.submit(_nothing)  # the first task starts all of them
            except BaseException as exc:
                # Those that were started would be waited for at the end, without an end.
                for started in set(multiprocessing.active_children()).difference(others):
                    started.kill()
                    started.join()
                self.close()
                if not isinstance(exc, OSError):
                    raise
                self.jobs = 1  # no room for so many; one reads the same, only more slowly

    def read(
        self, chunks: Iterator[Chunk], how: How, stop: Stop, listener: Listener = ignore
    ) -> Iterator[tuple[str, list[Reading]]]:
        """Yield (root, readings) for each chunk, in order.

        So many are under way as are read in half a second, and at least four a process: enough to
        keep the processes busy while a batch is stored, few enough for memory to stay flat and for
        Ctrl-C to be heeded at once, on slow storage too.
        """
        chunks, are_few = looked_ahead(chunks)
        if self.jobs == 1 or are_few:
            yield from InProcess().read(chunks, how, stop, listener)
        else:
            yield from self._read_in_processes(chunks, how)

    def close(self) -> None:
        """End the processes; what they have not begun is not read."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _read_in_processes(
        self, chunks: Iterator[Chunk], how: How
    ) -> Iterator[tuple[str, list[Reading]]]:
        under_way: deque[tuple[Chunk, Future[bytes]]] = deque()
        least = self.jobs * LEAST_CHUNKS
        read, started_s = 0, time.monotonic()
        try:
            while True:
                a_second = read / max(time.monotonic() - started_s, AHEAD_S)
                wanted = min(max(least, int(a_second * AHEAD_S)), MOST_CHUNKS)
                # An archive is a chunk of its own, and may hold as much as a thousand others.
                alone = sum(len(chunk[1]) == 1 for chunk, _ in under_way)
                while len(under_way) < wanted and alone < least:
                    chunk = next(chunks, None)
                    if chunk is None:
                        break
                    alone += len(chunk[1]) == 1
                    under_way.append((chunk, self._submit(chunk, how)))
                if not under_way:
                    return
                chunk, future = under_way.popleft()
                try:
                    readings = unpacked(future.result())
                except BrokenProcessPool:
                    # A worker died: of a file that kills it, or for want of memory. Find out which.
                    from catalog.indexing.apart import read_apart  # seldom needed

                    readings = read_apart(read_all, chunk, how)
                    under_way = deque(
                        (waiting, self._submit(waiting, how) if _is_lost(result) else result)
                        for waiting, result in under_way
                    )
                read += len(chunk[1]) > 1
                yield chunk[0], readings
        finally:
            for _, future in under_way:
                future.cancel()

    def _submit(self, chunk: Chunk, how: How) -> Future[bytes]:
        if self._pool is None:
            self._pool = _pool(self.jobs)
        try:
            return self._pool.submit(read_packed, read_all, chunk, how)
        except BrokenProcessPool:
            self.close()
            self._pool = _pool(self.jobs)
            return self._pool.submit(read_packed, read_all, chunk, how)


def _nothing() -> None:
    """Do nothing."""


def read_packed(reader: Reader, chunk: Chunk, how: How) -> bytes:
    """Return the readings of a chunk as bytes; this runs in worker processes."""
    return packed(reader(*chunk, how))


def _is_lost(future: Future[bytes]) -> bool:
    """Return whether the result will never come, as the process that had to give it died."""
    return future.done() and isinstance(future.exception(), BrokenProcessPool)


def _pool(jobs: int, method: str | None = None) -> ProcessPoolExecutor:
    if method is None:
        # Not fork: once a database is open its handles and threads must not be copied.
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_worker)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the main process, and end when it ends, even if it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
