"""Who reads the files: this process, or worker processes beside it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing.connection import wait

from catalog.entities import Reading, Status, StoredFile
from catalog.findings import Finding, Severity
from catalog.indexing.reading import read_all

CHUNK_FILES = 64
FEW_FILES = 256
"""Up to so many files are read in this process: starting workers takes longer."""

Chunk = tuple[str, tuple[str, ...]]
"""A root and paths below it."""


def read_chunks(chunks: Iterator[Chunk], jobs: int) -> Iterator[tuple[str, list[Reading]]]:
    """Yield (root, readings) for each chunk, in order, using `jobs` processes.

    At most four chunks a process are under way, so memory stays flat however fast the walk is.
    """
    few = list(islice(chunks, FEW_FILES // CHUNK_FILES))
    following = next(chunks, None)
    if jobs == 1 or following is None:
        rest = chain(few, () if following is None else (following,), chunks)
        for root, paths in rest:
            yield root, read_all(root, paths)
        return
    yield from _read_in_processes(chain(few, (following,), chunks), jobs)


def _read_in_processes(chunks: Iterator[Chunk], jobs: int) -> Iterator[tuple[str, list[Reading]]]:
    workers = _Workers(jobs)
    under_way: deque[tuple[Chunk, Future[list[Reading]]]] = deque()
    try:
        while True:
            for chunk in islice(chunks, jobs * 4 - len(under_way)):
                under_way.append((chunk, workers.submit(chunk)))
            if not under_way:
                return
            chunk, future = under_way.popleft()
            try:
                readings = future.result()
            except BrokenProcessPool:
                # A worker died: of a file that kills it, or for want of memory. Find out which.
                readings = _one_by_one(chunk)
                under_way = deque(
                    (waiting, workers.submit(waiting) if _is_lost(result) else result)
                    for waiting, result in under_way
                )
            yield chunk[0], readings
    finally:
        workers.end()


class _Workers:
    """A pool of processes that is replaced when one of them has died."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool = _pool(jobs)

    def submit(self, chunk: Chunk) -> Future[list[Reading]]:
        """Have `chunk` read."""
        try:
            return self._pool.submit(read_all, *chunk)
        except BrokenProcessPool:
            self.end()
            self._pool = _pool(self._jobs)
            return self._pool.submit(read_all, *chunk)

    def end(self) -> None:
        """End the processes; what they have not begun is not read."""
        self._pool.shutdown(cancel_futures=True)


def _is_lost(future: Future[list[Reading]]) -> bool:
    """Return whether the result will never come, as the process that had to give it died."""
    return future.done() and isinstance(future.exception(), BrokenProcessPool)


def _one_by_one(chunk: Chunk) -> list[Reading]:
    """Read a chunk one file at a time, so that a file that kills its reader is known by name."""
    root, paths = chunk
    readings: list[Reading] = []
    pool = _pool(1)
    try:
        for path in paths:
            try:
                readings += pool.submit(read_all, root, (path,)).result()
            except BrokenProcessPool:
                readings.append(_killer(path))
                pool.shutdown(cancel_futures=True)
                pool = _pool(1)
    finally:
        pool.shutdown(cancel_futures=True)
    return readings


def _killer(path: str) -> Reading:
    error = "reading it ended the reader process"
    finding = Finding(
        "reader-killed",
        Severity.ERROR,
        "The process that read the file died. The file will be tried again by the next run.",
    )
    return Reading(StoredFile(path, status=Status.UNREADABLE, error=error), None, (finding,))


def _pool(jobs: int) -> ProcessPoolExecutor:
    # Not fork: the writer's process has open database handles and threads that must not be copied.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
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
