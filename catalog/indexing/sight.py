"""What workers elsewhere see of the storage, held against what this process sees.

A worker on another machine may lack the mount, have another storage at the same path, or run as
somebody who may not read. It then says of files that are there that they are not. Such answers
are never stored: what a worker cannot open is opened here, and a worker that sees nothing of what
is here is an error.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

from catalog.entities import Reading, Status
from catalog.errors import ExecutorError
from catalog.events import Listener, Noticed
from catalog.files.paths import from_text, on_disk, split_member, to_text
from catalog.findings import Finding, Severity
from catalog.indexing.apart import KILLED
from catalog.indexing.executing import Chunk
from catalog.indexing.on_worker import Sample
from catalog.indexing.reading import How, read_all

MOST_MISSED = 16
"""So many files in a row that are here and that a worker does not see are no coincidence, as one
that has just been written may be: network file systems show it to others some seconds later."""

_FOLDERS = 100
"""In so many folders a file is looked for that workers can be asked for."""


class Sight:
    """What each worker has missed lately."""

    def __init__(self) -> None:
        self._missed: Counter[str] = Counter()
        self._told: set[str] = set()

    def held(
        self, worker: str, chunk: Chunk, readings: list[Reading], how: How, listener: Listener
    ) -> list[Reading]:
        """Return what is true of the files of a chunk, given what a worker says of them.

        Raises
        ------
        ExecutorError
            If the worker does not see the storage.
        """
        root, _ = chunk
        if "://" in root:
            return readings  # behind a URL there is one storage, whoever asks
        own = [each for each in readings if split_member(each.file.path) is None]
        # What ends its reader must not be read by the process that everything hangs on.
        own = [each for each in own if not any(found.code == KILLED for found in each.findings)]
        unseen = [reading for reading in own if _was_not_opened(reading)]
        if not own or any(_is_as_here(root, reading) for reading in own):
            self._missed.pop(worker, None)
        else:
            here = [reading.file.path for reading in own if _stamp(root, reading.file.path)]
            self._missed[worker] += len(here)
            if self._missed[worker] >= MOST_MISSED:
                raise _blind(worker, on_disk(root, here[0]), unseen)
            unseen = own  # what it says of the others is of other files
        again = {
            reading.file.path: read_all(root, (reading.file.path,), how)
            for reading in unseen
            if _stamp(root, reading.file.path)
        }
        if not again:
            return readings
        self._tell(worker, on_disk(root, next(iter(again))), listener)
        return list(_replaced(readings, again))

    def _tell(self, worker: str, path: str, listener: Listener) -> None:
        if worker not in self._told:
            self._told.add(worker)
            message = (
                f"The worker {worker} does not see all files as this machine does, the first {to_text(path)}. "
                "Such files are read here. Has it the rights to read them?"
            )
            listener(Noticed(Finding("worker-blind", Severity.WARNING, message)))


def samples(places: Sequence[str]) -> tuple[Sample, ...]:
    """Return what workers are asked to look at, to know that they see `places`, in text form."""
    found: list[Sample] = []
    for place in places:
        if "://" in place:
            continue
        folder = from_text(place)
        path = _some_file(folder)
        try:
            status = os.stat(path) if path else None  # noqa: PTH116
        except OSError:
            status = None  # it has gone meanwhile
        if status is None:
            found.append((place, "", 0, 0))
        else:
            found.append((place, to_text(path), status.st_size, status.st_mtime_ns))
    return tuple(found)


def blind_to(worker: str, what: str) -> ExecutorError:
    """Return the error that says what a worker does not see."""
    return ExecutorError(
        f"The worker {worker} does not see what this machine sees ({what}). All workers need the storage at the same "
        "path and the right to read it: mount it there, or stop that worker. No file was marked missing."
    )


def _blind(worker: str, path: str, unseen: Sequence[Reading]) -> ExecutorError:
    reason = unseen[0].file.error if unseen else "it has another size or time there"
    return blind_to(worker, f"{to_text(path)}: {reason}")


def _was_not_opened(reading: Reading) -> bool:
    """Return whether the system refused: nothing but the reason is known then."""
    file = reading.file
    return file.status is Status.UNREADABLE and file.size_bytes is None and not reading.findings


def _is_as_here(root: str, reading: Reading) -> bool:
    file = reading.file
    return file.mtime_ns is not None and _stamp(root, file.path) == (file.size_bytes, file.mtime_ns)


def _stamp(root: str, path: str) -> tuple[int, int] | None:
    """Return size and time of a file as they are here; `None` if it is not here."""
    try:
        found = os.stat(on_disk(root, path))  # noqa: PTH116
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _replaced(readings: Sequence[Reading], again: dict[str, list[Reading]]) -> Iterator[Reading]:
    """Yield the readings with those of some files, and of their members, replaced."""
    for reading in readings:
        path = reading.file.path
        inside = split_member(path)
        if path in again:
            yield from again[path]
        elif inside is None or inside[0] not in again:
            yield reading


def _some_file(folder: str) -> str:
    """Return a file at or below `folder` that can be read here; '' if none is found soon."""
    if os.path.isfile(folder):  # noqa: PTH113 - text as the system gives it
        return folder
    for number, (above, _, names) in enumerate(os.walk(folder)):
        for name in names:
            path = os.path.join(above, name)  # noqa: PTH118
            if os.path.isfile(path) and os.access(path, os.R_OK):  # noqa: PTH113
                return path
        if number == _FOLDERS:
            break
    return ""
