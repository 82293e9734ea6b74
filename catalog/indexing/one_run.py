"""One run: the walk of places merged with what is known of them, and what comes of it stored."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from catalog.database import attribute_sets, roots, runs, stored_files
from catalog.database.catalogue import Catalogue, Connection
from catalog.database.stored_files import KnownFile
from catalog.database.upsert import RowWriter
from catalog.dicom.claims import wanted
from catalog.entities import Reading, Status, StoredFile
from catalog.events import Listener, Noticed, Progress
from catalog.files.paths import SEPARATOR, absolute_text, is_archive_name, is_single_file
from catalog.files.store import store_at
from catalog.files.walk import Entry, Kind
from catalog.findings import Finding, Severity
from catalog.indexing.counting import Counts, Settings
from catalog.indexing.executing import CHUNK_FILES, Chunk, Executor
from catalog.indexing.known_members import KnownMembers
from catalog.indexing.known_rows import KnownRows
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

_READ = frozenset(
    status.value
    for status in Status
    # An archive that cannot be listed whole is unreadable, and may have members.
    if status
    not in (
        Status.MISSING,
        Status.REFERENCED,
        Status.NOT_FOLLOWED,
        Status.ARCHIVE,
        Status.UNREADABLE,
    )
)
"""What a plain file is that was read and is there."""


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
        self.counts = Counts()
        self.last_stored: str | None = None
        self._stop = means.stop
        self._executor = executor
        self._how = How(
            wanted(settings.attributes),
            with_digest=settings.digest,
            archives=settings.archives,
            requests=min(MOST_REQUESTS, max(LEAST_REQUESTS, 2 * MOST_REQUESTS // settings.jobs)),
        )
        self._changes_only = False
        asked, self._lacking = catalogue.store(
            lambda connection: (
                attribute_sets.set_ref(connection, settings.attributes),
                attribute_sets.lacking(connection, settings.attributes),
            )
        )
        self._writer = RowWriter(run_ref, asked)
        self._proof = Proof() if settings.prove else None
        self._reads_all = settings.full or settings.prove
        self._roots: dict[str, int] = {}
        self._gone: array[int] = array("q")
        self._members = KnownMembers(catalogue, with_digest=settings.prove)
        self._returned: list[KnownFile] = []
        self._batch: list[Reading] = []
        self._batch_root: tuple[int, str] = (0, "")
        self._have_rows: set[tuple[int, str]] = set()
        self._stored_s = time.monotonic()
        self._passed_over = {absolute_text(path) for path in catalogue.own_paths}

    def take_changes_only(self, unsettled: Collection[str]) -> None:
        """Take places that do not exist as gone, and leave `unsettled` paths alone."""
        self._changes_only = True
        self._passed_over.update(unsettled)

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
                for path in self._to_read(place):
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

    def _to_read(self, place: roots.Place) -> Iterator[str]:
        """Merge the walk with what is known, both sorted by path; yield the paths to read."""
        store = store_at(place.root_path)
        walk = store.runs_at if self._changes_only else store.runs
        walked = walk(place.below, follow_links=self.settings.follow_links)
        known = KnownRows(self._members.known_pages(place))
        gone_before, is_empty = len(self._gone), True
        for run in walked:
            is_empty = False
            if self._are_unchanged(run, known):
                continue
            for entry in run:
                if self._must_be_read(place, entry, known):
                    yield entry.path
        while known.row is not None:
            self._is_unmet(place, known.row)
            known.step()
        if is_empty and not self._changes_only and len(self._gone) > gone_before:
            self._notice_emptied(place, len(self._gone) - gone_before)

    def _are_unchanged(self, run: Sequence[Entry], known: KnownRows) -> bool:
        """Return whether a run of entries are files as they were, each of which was read; count them if so.

        What takes a closer look is left to `_must_be_read`, which comes to the same.
        """
        if self._reads_all or self._lacking or run[0].kind is not Kind.FILE:
            return False
        rows = known.same(run)
        statuses = Counter(row.status for row in rows)
        if not rows or not statuses.keys() <= _READ:
            return False
        self.counts.by_status.update(statuses)
        self.counts.done["unchanged"] += len(rows)
        known.step_over(len(rows))
        return True

    def _must_be_read(self, place: roots.Place, entry: Entry, known: KnownRows) -> bool:
        """Merge an entry with what is known; return whether it must be read, and deal with it if not."""
        while known.row is not None and known.row.path < entry.path:
            self._is_unmet(place, known.row)
            known.step()
        if entry.kind is Kind.UNLISTED:
            self._notice_unlisted(place, entry)
            while known.row is not None and known.row.path.startswith(entry.path):
                known.step()  # nothing is known of them: they are not missing
            return False
        found = known.row if known.row is not None and known.row.path == entry.path else None
        if found is not None:
            known.step()
        is_archive = is_archive_name(entry.path) and entry.kind is Kind.FILE
        members = self._members.take(place.root_ref, entry.path, known) if is_archive else []
        if f"{place.root_path.rstrip('/')}/{entry.path}" in self._passed_over:
            return False
        if is_archive:
            if self._is_unchanged_archive(entry, found, members):
                return False
            self._members.await_reading(place.root_ref, entry.path, members)
        elif self._is_unchanged(entry, found):
            return False
        self._count_change(place.root_ref, entry, found)
        if found is not None:
            self._have_rows.add((place.root_ref, entry.path))
        if entry.kind is not Kind.FILE:
            self._keep((place.root_ref, place.root_path), [_unread(entry)])
            return False
        self.counts.done["opened"] += 1
        return True

    def _is_unmet(self, place: roots.Place, row: KnownFile) -> None:
        """Deal with a known file that the walk has not met: it is gone, or a member of an archive."""
        if not self._members.was_taken(place.root_ref, row):
            self._is_gone(row)

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
            if not same or self._reads_all or status in (None, Status.REFERENCED):
                return False
            if not self._has_all_attributes(row):
                return False
        elif status != entry.kind.value:
            return False
        self._count_unchanged(row)
        return True

    def _count_unchanged(self, row: KnownFile) -> None:
        """Count a file that is as it was, and put it back in place if it was missing."""
        status = row.last_status if row.status == Status.MISSING else row.status
        self.counts.by_status[str(status)] += 1
        if row.status == Status.MISSING:
            self.counts.done["returned"] += 1
            self._returned.append(row)
            if len(self._returned) >= BATCH_FILES:
                self._store_returned()
        else:
            self.counts.done["unchanged"] += 1

    def _is_unchanged_archive(
        self, entry: Entry, row: KnownFile | None, members: Sequence[KnownFile]
    ) -> bool:
        """Return whether an archive need not be read; if so, count it and its members.

        A member has the archive's modification time; one with another was not in the archive when
        it was read last, and a run that was killed could not say so any more. An archive that is
        back is read: while it was away rows of its members may have gone to files that they were
        taken for the move of.
        """
        if row is None or (self.settings.archives and _was_left_alone(row)):
            return False
        if self.settings.archives and row.status == Status.MISSING:
            return False
        current = [member for member in members if member.mtime_ns == entry.mtime_ns]
        if self.settings.reread_attributes and any(
            member.instance_ref is not None and member.attribute_set_ref in self._lacking
            for member in current
        ):
            return False
        if not self._is_unchanged(entry, row):
            return False
        for member in members:
            if member.mtime_ns != entry.mtime_ns:
                self._is_gone(member)
            elif member.status != Status.MISSING or row.status == Status.MISSING:
                self._has_all_attributes(member)
                self._count_unchanged(member)
        return True

    def _has_all_attributes(self, row: KnownFile) -> bool:
        """Return whether an unchanged file need not be read for its attributes; count it if it lacks some."""
        names = self._lacking.get(row.attribute_set_ref)
        if names is None or row.instance_ref is None:
            return True
        if self.settings.reread_attributes:
            return False
        self.counts.done["lacking"] += 1
        self.counts.lacking.update(names)
        return True

    def _count_change(
        self, root_ref: int, entry: Entry | StoredFile, row: KnownFile | None
    ) -> None:
        """Count an entry that is read or stored: as new or changed, or as what it was if it is read anyway."""
        if row is None:
            kind = "new"
        elif (
            (row.size_bytes, row.mtime_ns) != (entry.size_bytes, entry.mtime_ns)
            or Status.REFERENCED in (row.status, row.last_status)
            or not (
                self._reads_all or self.settings.reread_attributes or row.status == Status.MISSING
            )
        ):
            kind = "changed"
        else:
            kind = "returned" if row.status == Status.MISSING else "unchanged"
            if self._proof is not None:
                self._proof.expect(root_ref, row)
        self.counts.done[kind] += 1

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

    def _keep(self, root: tuple[int, str], readings: Sequence[Reading]) -> None:
        """Count readings of files below a root, and store them with their batch."""
        for member, row in self._members.settled(root[0], readings):
            if member is not None:
                self._count_change(root[0], member.file, row)
                self.counts.done["opened"] += member.file.status != Status.NOT_FOLLOWED
            elif row is not None:
                self._is_gone(row)
        for reading in readings:
            self.counts.by_status[reading.file.status.value] += 1
        if self._proof is not None:
            readings = self._proved(self._proof, root[0], readings)
        if self._batch_root != root or self._is_batch_due():
            self._flush()
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
            if (root_ref, path) in self._have_rows or SEPARATOR in path
        }
        self._have_rows.difference_update((root_ref, path) for path in known)
        with self._stop.shut():
            self.catalogue.store(
                lambda connection: self._writer.store(connection, root_ref, batch, known),
                self.run_ref,
                self._writer.forget,
            )
            self.last_stored = f"{root_path.rstrip('/')}/{batch[-1].file.path}"
        self._stored_s = time.monotonic()

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
        for start in range(0, len(self._gone), BATCH_FILES):
            self._stop.check()
            ids = self._gone[start : start + BATCH_FILES].tolist()
            self.catalogue.store(partial(self._mark_missing, ids, now), self.run_ref)

    def _mark_missing(self, ids: Sequence[int], now: str, connection: Connection) -> None:
        found = stored_files.known_by_id(connection, ids)
        files = [file for file in found if file.status != Status.MISSING]
        stored_files.mark_missing(connection, files, self.run_ref, now)

    def join_moved(self, since: int) -> None:
        """Recognise moved files; `since` is the last complete run."""
        moved = self.catalogue.store(
            lambda connection: stored_files.recognise_moved(connection, since, self.run_ref),
            self.run_ref,
        )
        if moved:
            self.counts.done["moved"] = len(moved)
        self.counts.done["missing"] = len(set(self._gone) - moved)


def _was_left_alone(row: KnownFile) -> bool:
    """Return whether the row is of an archive that was not looked into."""
    status = row.last_status if row.status == Status.MISSING else row.status
    return status == Status.NOT_FOLLOWED


def _unread(entry: Entry) -> Reading:
    """Return the reading of an entry that is not a file to open."""
    return Reading(
        StoredFile(entry.path, status=Status(entry.kind.value), error=entry.reason), None
    )
