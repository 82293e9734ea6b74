"""The walk of places, compared with what is known of them: which files must be read, and which are gone."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from catalog.database import roots
from catalog.database.catalogue import Catalogue
from catalog.database.stored_files import KnownFile
from catalog.entities import Reading, Status, StoredFile
from catalog.events import Listener, Noticed
from catalog.files.paths import absolute_text, is_archive_name
from catalog.files.store import store_at
from catalog.files.walk import Entry, Kind
from catalog.findings import Finding, Severity
from catalog.indexing.counting import Counts, Settings
from catalog.indexing.known_members import KnownMembers
from catalog.indexing.known_rows import KnownRows
from catalog.indexing.proving import Proof

Root = tuple[int, str]
"""A root's row and its path."""

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


class Comparing:
    """The comparison of one run; it counts what it meets.

    Parameters
    ----------
    lacking:
        Names of attributes that files read with a list of them lack, by the list
        (`attribute_sets.lacking`).
    keep:
        Is given what is known of entries that are no files to open.
    returned:
        Is given the rows of files that were missing and are back, unchanged.

    Attributes
    ----------
    counts:
        What was met.
    gone:
        Ids of the rows whose files are not there any more.
    have_rows:
        Root and path of the files to read that have rows.
    proof:
        What is held against the readings of unchanged files, if they are to be proved.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        settings: Settings,
        listener: Listener,
        lacking: Mapping[int | None, Collection[str]],
        keep: Callable[[Root, Sequence[Reading]], None],
        returned: Callable[[KnownFile], None],
    ) -> None:
        self.settings = settings
        self.listener = listener
        self.counts = Counts()
        self.gone: array[int] = array("q")
        self.have_rows: set[tuple[int, str]] = set()
        self.proof = Proof() if settings.prove else None
        self._lacking, self._keep, self._returned = lacking, keep, returned
        self._reads_all = settings.full or settings.prove
        self._changes_only = False
        self._members = KnownMembers(catalogue, with_digest=settings.prove)
        self._being_read: dict[tuple[int, str], str] = {}
        self._passed_over = {absolute_text(path) for path in catalogue.own_paths}

    def take_changes_only(self, unsettled: Collection[str]) -> None:
        """Take places that do not exist as gone, and leave `unsettled` paths alone."""
        self._changes_only = True
        self._passed_over.update(unsettled)

    def to_read(self, place: roots.Place) -> Iterator[str]:
        """Merge the walk with what is known, both sorted by path; yield the paths to read."""
        store = store_at(place.root_path)
        walk = store.runs_at if self._changes_only else store.runs
        walked = walk(place.below, follow_links=self.settings.follow_links)
        known = KnownRows(self._members.known_pages(place))
        gone_before, is_empty = len(self.gone), True
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
        if is_empty and not self._changes_only and len(self.gone) > gone_before:
            self._notice_emptied(place, len(self.gone) - gone_before)

    def settle(self, root_ref: int, readings: Sequence[Reading]) -> None:
        """Count what was read, with the members of archives, and find those that are gone from them."""
        for reading in readings:
            kind = self._being_read.pop((root_ref, reading.file.path), None)
            if kind is not None:
                self.counts.done["opened"] += 1
                self.counts.done[kind] += 1
        for member, row in self._members.settled(root_ref, readings):
            if member is not None:
                self.counts.done[self._change(root_ref, member.file, row)] += 1
                self.counts.done["opened"] += member.file.status != Status.NOT_FOLLOWED
            elif row is not None:
                self._is_gone(row)

    def _are_unchanged(self, run: Sequence[Entry], known: KnownRows) -> bool:
        """Return whether a run of entries are files as they were, each of which was read; count them if so.

        What takes a closer look is left to `_must_be_read`, which comes to the same.
        """
        if self._reads_all or self._lacking or run[0].kind is not Kind.FILE:
            return False
        statuses = known.same(run)
        kinds = dict.fromkeys(statuses)  # in the order in which they are met
        if not kinds or not kinds.keys() <= _READ:
            return False
        for kind in kinds:
            self.counts.by_status[kind] += statuses.count(kind)
        self.counts.done["unchanged"] += len(run)
        known.step_over(len(run))
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
        kind = self._change(place.root_ref, entry, found)
        if found is not None:
            self.have_rows.add((place.root_ref, entry.path))
        if entry.kind is not Kind.FILE:
            self.counts.done[kind] += 1
            self._keep((place.root_ref, place.root_path), [_unread(entry)])
            return False
        # Files are taken ahead of those that are read: a run that is stopped has not met them.
        self._being_read[place.root_ref, entry.path] = kind
        return True

    def _is_unmet(self, place: roots.Place, row: KnownFile) -> None:
        """Deal with a known file that the walk has not met: it is gone, or a member of an archive."""
        if not self._members.was_taken(place.root_ref, row):
            self._is_gone(row)

    def _is_gone(self, row: KnownFile) -> None:
        if row.status != Status.MISSING:
            self.gone.append(row.id)

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
            self._returned(row)
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

    def _change(self, root_ref: int, entry: Entry | StoredFile, row: KnownFile | None) -> str:
        """Return as what an entry counts that is read or stored: new, changed, or what it was if it is read anyway."""
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
            if self.proof is not None:
                self.proof.expect(root_ref, row)
        return kind

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


def _was_left_alone(row: KnownFile) -> bool:
    """Return whether the row is of an archive that was not looked into."""
    status = row.last_status if row.status == Status.MISSING else row.status
    return status == Status.NOT_FOLLOWED


def _unread(entry: Entry) -> Reading:
    """Return the reading of an entry that is not a file to open."""
    return Reading(
        StoredFile(entry.path, status=Status(entry.kind.value), error=entry.reason), None
    )
