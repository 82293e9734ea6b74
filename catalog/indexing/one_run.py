"""One run: the files that must be read are read, and what comes of it is stored."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from catalog.database import attribute_sets, roots, runs, stored_files
from catalog.database.catalogue import Catalogue, Connection
from catalog.database.stored_files import KnownFile
from catalog.database.upsert import RowWriter
from catalog.dicom.claims import wanted
from catalog.entities import Reading, Status
from catalog.events import Listener, Progress
from catalog.files.paths import SEPARATOR, is_archive_name, is_single_file
from catalog.indexing.comparing import Comparing, Root
from catalog.indexing.counting import Settings
from catalog.indexing.executing import CHUNK_FILES, Chunk, Executor
from catalog.indexing.proving import Proof
from catalog.indexing.reading import How
from catalog.indexing.stopping import Stop
from catalog.shapes import frozen

BATCH_FILES = 1000
"""Fewest files of a transaction, but for the last."""

BATCH_S = 1.0
"""Where files come fast a batch collects them for so long, up to `MOST_FILES`: each transaction
costs something, and what was not stored is read again after a kill."""

MOST_FILES = 5000

LEAST_REQUESTS, MOST_REQUESTS = 4, 32
"""How many files behind a URL a process asks for at a time; the fewer the more processes there are."""

STAGE = "Indexing"


@frozen
class Means:
    """What a run works with: who hears of it, who may stop it, and who reads, if that is settled."""

    settings: Settings
    listener: Listener
    stop: Stop
    executor: Executor | None = None


class OneRun:
    """The state of one run."""

    def __init__(
        self, catalogue: Catalogue, means: Means, run_ref: int, executor: Executor
    ) -> None:
        self.catalogue = catalogue
        self.settings = settings = means.settings
        self.run_ref = run_ref
        self.listener = means.listener
        self.last_stored: str | None = None
        self._stop = means.stop
        self._executor = executor
        self._how = How(
            wanted(settings.attributes),
            with_digest=settings.digest,
            archives=settings.archives,
            requests=min(MOST_REQUESTS, max(LEAST_REQUESTS, 2 * MOST_REQUESTS // settings.jobs)),
        )
        asked, lacking = catalogue.store(
            lambda connection: (
                attribute_sets.set_ref(connection, settings.attributes),
                attribute_sets.lacking(connection, settings.attributes),
            )
        )
        self._writer = RowWriter(run_ref, asked)
        self._comparing = Comparing(
            catalogue, settings, means.listener, lacking, self._keep, self._is_back
        )
        self.counts = self._comparing.counts
        self._stored_counts = self.counts.copy()
        self._roots: dict[str, int] = {}
        self._returned: list[KnownFile] = []
        self._batch: list[Reading] = []
        self._batch_root: Root = (0, "")
        self._stored_s = time.monotonic()

    def take_changes_only(self, unsettled: Collection[str]) -> None:
        """Take places that do not exist as gone, and leave `unsettled` paths alone."""
        self._comparing.take_changes_only(unsettled)

    def run(self, places: Sequence[roots.Place], total: int | None) -> None:
        for place in places:
            self._roots[place.root_path] = place.root_ref
        try:
            read = self._executor.read(self._chunks(places), self._how, self._stop, self.listener)
            for root, readings in read:
                self._keep((self._roots[root], root), readings)
                self.listener(Progress(STAGE, self.counts.files, total))
        finally:
            # Also when interrupted: what was read is worth keeping.
            self._flush()
        self._stop.check()
        self._store_returned()
        self._mark_gone()

    # -- what to read ----------------------------------------------------------------------

    def _chunks(self, places: Sequence[roots.Place]) -> Iterator[Chunk]:
        """Yield the files that must be read, and deal with all others on the way.

        When stopping is wanted they just end, so that what is under way is read and stored.
        """
        root, waiting = "", list[str]()
        try:
            for place in places:
                if waiting and root != place.root_path:
                    yield root, tuple(waiting)
                    waiting = []
                root = place.root_path
                self._stop.open()
                for path in self._comparing.to_read(place):
                    if is_archive_name(path) and not is_single_file(path):
                        self._stop.close()
                        yield root, (path,)  # as much work as many files
                        self._stop.open()
                        continue
                    waiting.append(path)
                    if len(waiting) == CHUNK_FILES:
                        self._stop.close()
                        yield root, tuple(waiting)
                        waiting = []
                        self._stop.open()
                self._stop.close()
            if waiting:
                yield root, tuple(waiting)
        except KeyboardInterrupt:
            if not self._stop.wanted:
                raise
        finally:
            self._stop.close()

    # -- what to store ---------------------------------------------------------------------

    def _keep(self, root: Root, readings: Sequence[Reading]) -> None:
        """Count readings of files below a root, and store them with their batch."""
        if self._batch_root != root or self._is_batch_due():
            self._flush()
        self._comparing.settle(root[0], readings)
        for reading in readings:
            self.counts.by_status[reading.file.status.value] += 1
        if self._comparing.proof is not None:
            readings = self._proved(self._comparing.proof, root[0], readings)
        self._batch_root = root
        self._batch += readings

    def _is_batch_due(self) -> bool:
        if len(self._batch) < BATCH_FILES:
            return False
        return len(self._batch) >= MOST_FILES or time.monotonic() - self._stored_s >= BATCH_S

    def _proved(
        self, proof: Proof, root_ref: int, readings: Sequence[Reading]
    ) -> Sequence[Reading]:
        """Return the readings that must be stored, after they were held against their digests."""
        kept = []
        for reading in readings:
            proved = proof.of(root_ref, reading)
            if proved.is_changed:
                self.counts.done["changed"] += 1
                self.counts.done[proved.was] -= 1
            if proved.reading is not None or self.settings.full:
                kept.append(proved.reading or reading)
        return kept

    def _flush(self) -> None:
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        root_ref, root_path = self._batch_root
        # Files without a row need not be looked for; members of archives may have one or not.
        known = {
            path
            for path in (reading.file.path for reading in batch)
            if (root_ref, path) in self._comparing.have_rows or SEPARATOR in path
        }
        self._comparing.have_rows.difference_update((root_ref, path) for path in known)
        with self._stop.shut():
            try:
                self.catalogue.store(
                    lambda connection: self._writer.store(connection, root_ref, batch, known),
                    self.run_ref,
                    self._writer.forget,
                )
            except BaseException:
                self.counts.take(self._stored_counts)
                raise
            self.last_stored = f"{root_path.rstrip('/')}/{batch[-1].file.path}"
            self._stored_counts = self.counts.copy()
        self._stored_s = time.monotonic()

    def _is_back(self, row: KnownFile) -> None:
        """Put a file that was missing back in place, with its batch."""
        self._returned.append(row)
        if len(self._returned) >= BATCH_FILES:
            self._store_returned()

    def _store_returned(self) -> None:
        returned, self._returned = self._returned, []
        if returned:
            with self._stop.shut():
                self.catalogue.store(
                    lambda connection: stored_files.mark_returned(
                        connection, returned, self.run_ref
                    ),
                    self.run_ref,
                )
                self._writer.forget()

    def _mark_gone(self) -> None:
        now = runs.now_text()
        for start in range(0, len(self._comparing.gone), BATCH_FILES):
            self._stop.check()
            ids = self._comparing.gone[start : start + BATCH_FILES].tolist()
            self.catalogue.store(partial(self._mark_missing, ids, now), self.run_ref)

    def _mark_missing(self, ids: Sequence[int], now: str, connection: Connection) -> None:
        found = stored_files.known_by_id(connection, ids)
        files = [file for file in found if file.status != Status.MISSING]
        stored_files.mark_missing(connection, files, self.run_ref, now)

    def join_moved(self, since: int) -> None:
        """Recognise moved files; `since` is the last complete run.

        They are joined in batches: of a folder that was renamed all have moved. What is not joined
        when this is stopped is joined by the next run.
        """
        pairs = self.catalogue.ask(
            lambda connection: stored_files.recognise_moved(connection, since)
        )
        moved: set[int] = set()
        for start in range(0, len(pairs), BATCH_FILES):
            self._stop.check()
            some = pairs[start : start + BATCH_FILES]
            moved |= self.catalogue.store(partial(self._join, some), self.run_ref)
        if moved:
            self.counts.done["moved"] = len(moved)
        gone = self._comparing.gone  # as many as the archive has files, if it is not mounted
        self.counts.done["missing"] = len(gone) - len(moved.intersection(gone))

    def _join(self, pairs: Sequence[tuple[int, int]], connection: Connection) -> set[int]:
        return stored_files.join_moved(connection, pairs, self.run_ref)
