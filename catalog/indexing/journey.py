"""The journey from folders to rows."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalog.database import roots, runs, stored_files
from catalog.database.catalogue import Catalogue
from catalog.database.stored_files import KnownFile
from catalog.database.upsert import RowWriter
from catalog.entities import Reading, Status, StoredFile
from catalog.errors import PathError
from catalog.events import Finished, Listener, Noticed, Progress, Started, ignore
from catalog.files.paths import absolute_text, from_text
from catalog.files.walk import Entry, Kind, walk
from catalog.findings import Finding, Severity
from catalog.indexing.pool import CHUNK_FILES, Chunk, read_chunks

BATCH_FILES = 1000
"""Files a transaction. At most so many are read again after a kill."""

STAGE = "Indexing"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to index.

    Attributes
    ----------
    jobs:
        Processes that read headers.
    full:
        Read every file again, also those whose size and time are as before.
    follow_links:
        Follow links to folders too.
    """

    jobs: int = 1
    full: bool = False
    follow_links: bool = False


_DONE = (
    "opened",
    "new",
    "changed",
    "unchanged",
    "returned",
    "moved",
    "missing",
    "unlisted",
    "emptied",
)


@dataclass(slots=True)
class Counts:
    """What a run met and did.

    Attributes
    ----------
    by_status:
        Every entry met, by what it is now; their sum is `files`.
    done:
        `new`, `changed`, `unchanged`, `returned` (were missing, are back): their sum is `files`
        too. `moved` are among the new; `missing` are gone since the last run, and not among
        `files`. `opened` is how many were opened.
    """

    by_status: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)

    @property
    def files(self) -> int:
        """How many entries were met."""
        return sum(self.by_status.values())

    def as_dict(self) -> dict[str, int]:
        """Return all counts by name, for the run's row."""
        return {
            "files": self.files,
            **{name: self.done[name] for name in _DONE},
            **{f"status {k}": v for k, v in self.by_status.items()},
        }


def index(
    catalogue: Catalogue,
    paths: Sequence[Path],
    settings: Settings,
    arguments: str = "",
    total: int | None = None,
    listener: Listener = ignore,
) -> Counts:
    """Bring the catalogue in step with what lies at `paths`; return what was met and done.

    Every file below the paths has a row afterwards, whatever it is. Files that were known and are
    gone are marked missing; nothing is removed. The work is committed in batches: interrupted or
    killed at any moment, it keeps what it has stored, and the next run goes on from there.

    Parameters
    ----------
    arguments:
        The command line, for the run's row.
    total:
        How many entries to expect, for progress; `None` if not known.

    Raises
    ------
    PathError
        If a path does not exist or cannot be listed; then nothing was changed.
    CatalogueBusy
        If another process is writing.
    KeyboardInterrupt
        After Ctrl-C, when what was read so far has been stored.
    """
    for path in paths:
        _check(path)
    with catalogue.writer_lock():
        catalogue.mark_dead_runs()
        since = runs.last_done(catalogue, "index")
        with runs.recorded(catalogue, "index", arguments) as run:
            journey = _Indexing(catalogue, settings, run.ref, listener)
            run.counts = journey.counts.as_dict
            listener(Started(STAGE, total, "files"))
            try:
                journey.run(_places(catalogue, paths), total)
                journey.join_moved(since)
            finally:
                listener(Finished(STAGE, journey.counts.files))
    return journey.counts


def _check(path: Path) -> None:
    try:
        path.stat()
    except OSError as exc:
        raise PathError(f"{path} cannot be indexed: {exc.strerror}.") from exc
    try:
        if path.is_dir():
            os.scandir(path).close()
    except OSError as exc:
        raise PathError(f"{path} cannot be listed: {exc.strerror}.") from exc


def _places(catalogue: Catalogue, paths: Sequence[Path]) -> list[roots.Place]:
    """Return the places of `paths`, making roots where there are none; none lies within another.

    The root of a file is its folder. Places are looked up when all roots stand, because a root
    that is made can take in one that was made before it.
    """
    with catalogue.write() as connection:
        for path in paths:
            folder = path if path.is_dir() else Path(os.path.realpath(path)).parent
            roots.place_for(connection, absolute_text(folder))
        found = [roots.place_of(connection, absolute_text(path)) for path in paths]
    places = sorted({place for place in found if place is not None})
    outer: list[roots.Place] = []
    for place in places:
        if not any(place.is_within(other) for other in outer):
            outer.append(place)
    return outer


class _Indexing:
    """The state of one run."""

    def __init__(
        self, catalogue: Catalogue, settings: Settings, run_ref: int, listener: Listener
    ) -> None:
        self.catalogue = catalogue
        self.settings = settings
        self.run_ref = run_ref
        self.listener = listener
        self.counts = Counts()
        self._writer = RowWriter(run_ref)
        self._roots: dict[str, int] = {}
        self._gone: array[int] = array("q")
        self._returned: list[KnownFile] = []
        self._batch: list[Reading] = []
        self._batch_root: int | None = None
        self._own = {absolute_text(path) for path in catalogue.own_paths}

    def run(self, places: Sequence[roots.Place], total: int | None) -> None:
        for place in places:
            self._roots[place.root_path] = place.root_ref
        try:
            for root, readings in read_chunks(self._chunks(places), self.settings.jobs):
                self._keep(self._roots[root], readings)
                self.listener(Progress(STAGE, self.counts.files, total))
        finally:
            # Also when interrupted: what was read is worth keeping.
            self._flush()
        self._store_returned()
        self._mark_gone()

    # -- what to read ----------------------------------------------------------------------

    def _chunks(self, places: Sequence[roots.Place]) -> Iterator[Chunk]:
        """Yield the files that must be read, and deal with all others on the way."""
        for place in places:
            waiting: list[str] = []
            for path in self._to_read(place):
                waiting.append(path)
                if len(waiting) == CHUNK_FILES:
                    yield place.root_path, tuple(waiting)
                    waiting = []
            if waiting:
                yield place.root_path, tuple(waiting)

    def _to_read(self, place: roots.Place) -> Iterator[str]:
        """Merge the walk with what is known, both sorted by path; yield the paths to read."""
        entries = walk(
            from_text(place.root_path), place.below, follow_links=self.settings.follow_links
        )
        known = stored_files.known_files(self.catalogue, place.root_ref, place.below)
        row = next(known, None)
        gone_before, is_empty = len(self._gone), True
        for entry in entries:
            is_empty = False
            while row is not None and row.path < entry.path:
                self._is_gone(row)
                row = next(known, None)
            if entry.kind is Kind.UNLISTED:
                self._notice_unlisted(place, entry)
                while row is not None and row.path.startswith(entry.path):
                    row = next(known, None)  # nothing is known of them: they are not missing
                continue
            found = row if row is not None and row.path == entry.path else None
            if found is not None:
                row = next(known, None)
            if f"{place.root_path.rstrip('/')}/{entry.path}" in self._own:
                continue
            if self._is_unchanged(entry, found):
                continue
            self.counts.done["new" if found is None else "changed"] += 1
            if entry.kind is Kind.FILE:
                self.counts.done["opened"] += 1
                yield entry.path
            else:
                self._keep(place.root_ref, [_unread(entry)])
        while row is not None:
            self._is_gone(row)
            row = next(known, None)
        if is_empty and len(self._gone) > gone_before:
            self._notice_emptied(place, len(self._gone) - gone_before)

    def _is_gone(self, row: KnownFile) -> None:
        if row.status != Status.MISSING:
            self._gone.append(row.id)

    def _is_unchanged(self, entry: Entry, row: KnownFile | None) -> bool:
        """Return whether the entry needs no new row; count it and put it back in place if so."""
        if row is None:
            return False
        status = row.last_status if row.status == Status.MISSING else row.status
        if entry.kind is Kind.FILE:
            same = (row.size_bytes, row.mtime_ns) == (entry.size_bytes, entry.mtime_ns)
            if not same or self.settings.full or status in (None, Status.REFERENCED):
                return False
        elif status != entry.kind.value:
            return False
        self.counts.by_status[str(status)] += 1
        if row.status == Status.MISSING:
            self.counts.done["returned"] += 1
            self._returned.append(row)
            if len(self._returned) >= BATCH_FILES:
                self._store_returned()
        else:
            self.counts.done["unchanged"] += 1
        return True

    def _notice_unlisted(self, place: roots.Place, entry: Entry) -> None:
        path = entry.path.rstrip("/")
        message = f"{place.root_path}/{path}: {entry.reason}. What the catalogue knows of it stays as it is."
        self.listener(Noticed(Finding("folder-unlisted", Severity.ERROR, message, path)))
        self.counts.done["unlisted"] += 1

    def _notice_emptied(self, place: roots.Place, gone: int) -> None:
        message = (
            f"{place.root_path} is empty, and {gone:,} catalogued files were there. Is it mounted? "
            "They are marked missing; index it again when it is back."
        )
        self.listener(Noticed(Finding("folder-emptied", Severity.ERROR, message, place.root_path)))
        self.counts.done["emptied"] += 1

    # -- what to store ---------------------------------------------------------------------

    def _keep(self, root_ref: int, readings: Sequence[Reading]) -> None:
        if self._batch_root != root_ref or len(self._batch) >= BATCH_FILES:
            self._flush()
        self._batch_root = root_ref
        self._batch += readings
        for reading in readings:
            self.counts.by_status[reading.file.status.value] += 1

    def _flush(self) -> None:
        if not self._batch or self._batch_root is None:
            return
        batch, self._batch = self._batch, []
        try:
            with self.catalogue.write() as connection:
                self._writer.store(connection, self._batch_root, batch)
        except BaseException:
            self._writer.forget()
            raise

    def _store_returned(self) -> None:
        returned, self._returned = self._returned, []
        if returned:
            with self.catalogue.write() as connection:
                stored_files.mark_returned(connection, returned, self.run_ref)
            self._writer.forget()

    def _mark_gone(self) -> None:
        now = runs.now_text()
        for start in range(0, len(self._gone), BATCH_FILES):
            files = stored_files.known_by_id(
                self.catalogue, self._gone[start : start + BATCH_FILES].tolist()
            )
            with self.catalogue.write() as connection:
                stored_files.mark_missing(connection, files, self.run_ref, now)

    def join_moved(self, since: int) -> None:
        """Recognise moved files; `since` is the last complete run."""
        with self.catalogue.write() as connection:
            moved = stored_files.recognise_moved(connection, since, self.run_ref)
        if moved:
            self.counts.done["moved"] = len(moved)
        self.counts.done["missing"] = len(set(self._gone) - moved)


def _unread(entry: Entry) -> Reading:
    """Return the reading of an entry that is not a file to open."""
    return Reading(
        StoredFile(entry.path, status=Status(entry.kind.value), error=entry.reason), None
    )
