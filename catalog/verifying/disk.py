"""The catalogue against the disk. What differs is given back and counted in the run's row.

Rows of files stay as they are, but for the run that last found their bytes right (`--digest`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import NamedTuple

from catalog.database import fetch, roots, runs, stored_files
from catalog.database.catalogue import Catalogue
from catalog.database.proofs import Proofs
from catalog.entities import Status
from catalog.errors import PathError, StorageError
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.opening import Opener
from catalog.files.paths import absolute_text, split_member
from catalog.files.store import Stat, stats_of, store_at
from catalog.files.urls import Where, text_of
from catalog.files.walk import Entry, Kind
from catalog.query.selection import Selection
from catalog.shapes import field, mutable
from catalog.verifying.contents import prove_candidate, prove_place
from catalog.verifying.directories import Imported
from catalog.verifying.members import Archives, known_files

STAGE = "Verifying"
BATCH_FILES = 200


class Difference(NamedTuple):
    """One file that is not as the catalogue says: `state` is missing, changed, unindexed or unknown."""

    state: str
    path: str
    detail: str


@mutable
class Verified:
    """What a verification met: counts by state, `same` for what is as it should be.

    `without_digest` is how many files could not be held against a digest, as they have none.
    """

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    without_digest: int = 0

    def note(self, state: str, path: str, detail: str) -> None:
        """Count and keep one difference."""
        self.counts[state] += 1
        self.differences.append(Difference(state, path, detail))

    def take(self, state: str, path: str, detail: str) -> None:
        """Count a file that is as it should be, or note what it differs in."""
        if state == "same":
            self.counts["same"] += 1
        else:
            self.note(state, path, detail)

    def correct(self, state: str, path: str, detail: str) -> None:
        """Note a difference of a file that was counted as being as it should."""
        self.counts["same"] -= 1
        self.note(state, path, detail)


def verify_roots(
    catalogue: Catalogue,
    places: Sequence[Where] = (),
    arguments: str = "",
    listener: Listener = ignore,
    *,
    digest: bool = False,
) -> Verified:
    """Compare the catalogue with the disk by name, size and time, everywhere or at `places`.

    Files are not opened, but for archives that have changed, which are listed. With `digest` all
    files that have one are read to their end and held against it.

    Raises
    ------
    PathError
        If a place was never indexed.
    """
    with catalogue.read() as connection:
        if places:
            chosen = []
            for path in places:
                place = roots.place_of(connection, text_of(path))
                if place is None:
                    raise PathError(
                        f"{path} was never indexed; there is nothing to verify it against."
                    )
                chosen.append(place)
        else:
            chosen = roots.all_places(connection)
    result = Verified()
    with runs.recorded(catalogue, "verify", arguments) as run:
        run.counts = lambda: dict(result.counts)
        listener(Started(STAGE, None, "files"))
        imported = Imported(catalogue)
        with Archives() as archives:
            for place in chosen:
                _verify_place(catalogue, place, archives, imported, result, listener)
        if digest:
            result.without_digest += imported.containers
            with Opener() as opener, Proofs(catalogue, run.ref) as proofs:
                for place in chosen:
                    prove_place(catalogue, place, opener, result, proofs)
        listener(Finished(STAGE, result.counts.total()))
    return result


def _verify_place(
    catalogue: Catalogue,
    place: roots.Place,
    archives: Archives,
    imported: Imported,
    result: Verified,
    listener: Listener,
) -> None:
    known = known_files(catalogue, place)
    root = place.root_path.rstrip("/")
    owned = {absolute_text(path) for path in catalogue.own_paths}
    row = next(known, None)
    entries = chain.from_iterable(store_at(place.root_path).runs(place.below))
    while True:
        try:
            entry = next(entries, None)
        except (PathError, StorageError) as exc:
            result.note("unknown", place.root_path, str(exc))
            return
        if entry is None:
            break
        while row is not None and row.path < entry.path:
            _unmet(row, place.root_path, archives, result)
            row = next(known, None)
        if entry.kind is Kind.UNLISTED:
            result.note("unknown", f"{root}/{entry.path}", entry.reason)
            while row is not None and row.path.startswith(entry.path):
                row = next(known, None)
            continue
        found = row if row is not None and row.path == entry.path else None
        if found is not None:
            row = next(known, None)
        full = f"{root}/{entry.path}"
        if full in owned:
            continue
        if found is None:
            _unindexed(place, entry, imported, result)
        elif found.status == Status.MISSING:
            result.note("unindexed", full, "it is back; the catalogue has it as missing")
        elif entry.kind is Kind.FILE and (found.size_bytes, found.mtime_ns) != (
            entry.size_bytes,
            entry.mtime_ns,
        ):
            result.note("changed", full, _change(found.size_bytes, entry.size_bytes))
        elif (
            found.status == Status.DICOMDIR
            and (directory := imported.directory(place.root_path, entry.path, found.id)) is not None
        ):
            result.take(directory.state, full, directory.detail)
        else:
            result.counts["same"] += 1
        if result.counts.total() % BATCH_FILES == 0:
            listener(Progress(STAGE, result.counts.total(), None))
    while row is not None:
        _unmet(row, place.root_path, archives, result)
        row = next(known, None)


def _unindexed(place: roots.Place, entry: Entry, imported: Imported, result: Verified) -> None:
    """Note a file that has no row: the catalogue may know it as the DICOMDIR, or the whole, of a medium."""
    full = f"{place.root_path.rstrip('/')}/{entry.path}"
    found = None
    if entry.kind is Kind.FILE:
        found = imported.directory(place.root_path, entry.path) or imported.container(
            place.root_ref, place.root_path, entry.path, entry.mtime_ns
        )
    if found is None:
        result.note("unindexed", full, "it is on disk and not in the catalogue")
    else:
        result.take(found.state, full, found.detail)


_KNOWN_MISSING = "known as missing"
_GONE = "it is in the catalogue and not on disk"


def _unmet(row: stored_files.KnownFile, root: str, archives: Archives, result: Verified) -> None:
    """Note a known file that is not in its folder: it is missing, or a member of an archive."""
    full = f"{root.rstrip('/')}/{row.path}"
    if row.status == Status.MISSING:
        result.note("missing", full, _KNOWN_MISSING)
    elif (found := archives.state(root, row.path, row.size_bytes, row.mtime_ns)) is None:
        result.note("missing", full, _GONE)
    elif found.state == "same":
        result.counts["same"] += 1
    else:
        result.note(found.state, full, found.detail)


def _change(before: int | None, now: int) -> str:
    if before != now:
        return f"{before} bytes when catalogued, {now} now"
    return "same size, another modification time"


def verify_selection(
    catalogue: Catalogue,
    selection: Selection,
    arguments: str = "",
    listener: Listener = ignore,
    *,
    digest: bool = False,
) -> Verified:
    """Compare the files of the selected instances with the disk by name, size and time.

    With `digest` those that have one are read to their end and held against it, too.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    """
    result = Verified()
    with runs.recorded(catalogue, "verify", arguments) as run:
        run.counts = lambda: dict(result.counts)
        listener(Started(STAGE, None, "files"))
        proofs = Proofs(catalogue, run.ref, at_once=True)  # the candidates are one transaction
        found = closing(fetch.candidates(catalogue, selection))
        with proofs, Archives() as archives, Opener() as opener, found as candidates:
            while batch := list(islice(candidates, BATCH_FILES)):
                stats = _stats(batch)
                for candidate in batch:
                    _verify_candidate(candidate, archives, stats, result)
                    if digest:
                        prove_candidate(candidate, opener, result, proofs)
        listener(Finished(STAGE, result.counts.total()))
    return result


def _stats(candidates: Sequence[fetch.Candidate]) -> dict[int, Stat | OSError]:
    """Return size and time, now, of the files of candidates that are no members of archives."""
    files = [f for each in candidates for f in each.files if split_member(f.path) is None]
    found = stats_of([(file.root, file.path) for file in files])
    return {file.file_ref: stat for file, stat in zip(files, found, strict=True)}


def _verify_candidate(
    candidate: fetch.Candidate,
    archives: Archives,
    stats: Mapping[int, Stat | OSError],
    result: Verified,
) -> None:
    for file in candidate.files:
        full = f"{file.root.rstrip('/')}/{file.path}"
        found = archives.state(file.root, file.path, file.size_bytes, file.mtime_ns)
        if found is not None and file.status is Status.MISSING:
            result.note("missing", full, _KNOWN_MISSING)
            continue
        if found is not None and found.state != "same":
            result.note(found.state, full, found.detail)
            continue
        if found is not None:
            result.counts["same"] += 1
            continue
        stat = stats[file.file_ref]
        if isinstance(stat, OSError):
            known = _KNOWN_MISSING if file.status is Status.MISSING else _GONE
            result.note("missing", full, f"{known} ({stat.strerror})")
            continue
        if stat != (file.size_bytes, file.mtime_ns):
            result.note("changed", full, _change(file.size_bytes, stat.size_bytes))
        else:
            result.counts["same"] += 1
    if not candidate.files:
        uid = candidate.claims.instance.sop_instance_uid or ""
        result.note("missing", uid, "no file of this instance is known, only a directory record")
