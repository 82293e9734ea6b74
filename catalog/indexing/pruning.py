"""The journey that forgets: rows of files that are gone are deleted, when that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from itertools import islice

from catalog.database import pruning, roots, runs, stored_files
from catalog.database.catalogue import Catalogue, Connection
from catalog.database.pruning import MissingFile, Toll, Which
from catalog.database.roots import Place
from catalog.entities import Status
from catalog.errors import BucketMissing, CatalogueError, PathError, StorageError
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.opening import Opener, Source
from catalog.files.paths import from_text, split_member
from catalog.files.store import store_at
from catalog.files.urls import Where, is_url, text_of
from catalog.files.walk import Kind, walk
from catalog.indexing.stopping import Interrupted, Stop
from catalog.shapes import frozen

BATCH_FILES = 1000
"""Files a transaction."""

STAGE = "Pruning"


def path_of(place: Place) -> str:
    """Return a place as an absolute path in text form, or a URL."""
    return f"{place.root_path.rstrip('/')}/{place.below}".rstrip("/") or "/"


@frozen
class Suspicion:
    """A folder whose files may be out of sight rather than gone.

    It is empty, or it does not even exist.
    """

    place: Place
    exists: bool

    @property
    def path(self) -> str:
        """The folder, as an absolute path in text form."""
        return path_of(self.place)


@frozen
class Plan:
    """What pruning would do.

    Attributes
    ----------
    which:
        The files whose rows would be deleted.
    toll:
        How many rows would go.
    suspicions:
        Folders of which somebody must say that their files are gone for good.
    """

    which: Which
    toll: Toll
    suspicions: tuple[Suspicion, ...]


@frozen
class Pruned:
    """What pruning did: `there` are files whose rows were kept, as they are back or out of reach."""

    toll: Toll
    there: int


def plan(
    catalogue: Catalogue, paths: Sequence[Where], older_than_days: float | None, now: datetime
) -> Plan:
    """Return what pruning at `paths` would do. Nothing is changed.

    Parameters
    ----------
    older_than_days:
        Only files that have been missing for so many days; all that are missing if it is `None`.

    Raises
    ------
    PathError
        If a path was never indexed, or cannot be looked into: then nothing is known of its files.
    """
    places = _places(catalogue, paths)
    suspicions = tuple(found for place in places if (found := _suspicion(place)) is not None)
    deserted = [s.place for s in suspicions if not s.exists]
    which = pruning.chosen(catalogue, places, deserted, older_than_days, now)
    return Plan(which, pruning.toll(catalogue, which), suspicions)


def prunable(
    catalogue: Catalogue, which: Which, *, follow_links: bool = False
) -> Iterator[MissingFile]:
    """Yield the files whose rows would be deleted, without those that are back."""
    files = pruning.missing_files(catalogue, which)
    with Opener() as archives:
        yield from (file for file in files if not _is_there(file, follow_links, archives))


def newly_gone(
    catalogue: Catalogue, which: Which, *, follow_links: bool = False
) -> Iterator[MissingFile]:
    """Yield files at the places that are gone, and that no run has found missing yet."""
    for place in which.places:
        if place in which.deserted:
            continue  # they are all chosen
        for row in stored_files.known_files(catalogue, place.root_ref, place.below):
            file = MissingFile(row.id, place.root_path, row.path, None)
            if row.status != Status.MISSING and not _is_there(file, follow_links):
                yield file


def prune(
    catalogue: Catalogue,
    agreed: Plan,
    arguments: str = "",
    *,
    follow_links: bool = False,
    listener: Listener = ignore,
    stop: Stop | None = None,
) -> Pruned:
    """Do what was agreed to; return what was done.

    Each batch of files is one transaction with all that follows from it, so that it can be killed
    at any moment. Each file is looked for once more before its row goes. Where the whole folder of
    a suspicion does not exist, all files below it are marked missing first.

    Raises
    ------
    CatalogueBusy
        If another process is writing, and does not end in time.
    CatalogueError
        If the roots are others than when the plan was made; then nothing was pruned.
    Interrupted
        After Ctrl-C, when the batch that was under way is finished.
    """
    heeded = stop or Stop()
    done: list[Toll] = []
    there = 0
    with ExitStack() as stack:
        archives = stack.enter_context(Opener())
        with heeded.opened():
            stack.enter_context(catalogue.writer_lock(_held(agreed)))
        _check_places(catalogue, agreed)
        catalogue.mark_dead_runs()
        with runs.recorded(catalogue, "prune", arguments) as run:
            run.counts = lambda: {**pruning.added(done)._asdict(), "there": there}
            listener(Started(STAGE, agreed.toll.files, "files"))
            try:
                _mark_deserted(catalogue, agreed, run.ref, heeded)
                for batch in _batches(pruning.missing_files(catalogue, agreed.which)):
                    heeded.check()
                    gone = [
                        file.id for file in batch if not _is_there(file, follow_links, archives)
                    ]
                    there += len(batch) - len(gone)
                    toll = catalogue.store(partial(_delete, gone), run.ref)
                    done.append(toll)
                    listener(Progress(STAGE, sum(t.files for t in done), agreed.toll.files))
                _remove_deserted_roots(catalogue, agreed)
            except KeyboardInterrupt as exc:
                raise Interrupted(sum(t.files for t in done), None) from exc
            finally:
                listener(Finished(STAGE, sum(t.files for t in done)))
    return Pruned(pruning.added(done), there)


def _delete(ids: Sequence[int], connection: Connection) -> Toll:
    return pruning.delete_files(connection, ids)


def _held(agreed: Plan) -> set[str]:
    """Return the folders to hold: those that are pruned, and roots that may go."""
    return {path_of(place) for place in (*agreed.which.places, *agreed.which.deserted)}


def _check_places(catalogue: Catalogue, agreed: Plan) -> None:
    """Refuse a plan for places that are others by now: their files would be other files."""
    with catalogue.read() as connection:
        for place in (*agreed.which.places, *agreed.which.deserted):
            if roots.place_of(connection, path_of(place)) != place:
                raise CatalogueError(
                    f"What the catalogue knows of {path_of(place)} was rearranged by another dcat since it was asked. Nothing was pruned; run the command again."
                )


def _places(catalogue: Catalogue, paths: Sequence[Where]) -> list[Place]:
    found = []
    with catalogue.read() as connection:
        for path in paths:
            place = roots.place_of(connection, text_of(path))
            if place is None:
                raise PathError(f"{path} was never indexed; there is nothing to prune.")
            found.append(place)
    return sorted(set(found))


def _suspicion(place: Place) -> Suspicion | None:
    folder = Suspicion(place, exists=True).path
    if is_url(place.root_path):
        return _suspicion_of_url(place)
    try:
        os.stat(from_text(folder))  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return Suspicion(place, exists=False)
    except OSError as exc:
        raise PathError(
            f"{folder} cannot be read ({exc.strerror}), so nothing is known of its files. Nothing was pruned."
        ) from exc
    is_empty = next(walk(from_text(place.root_path), place.below), None) is None
    return Suspicion(place, exists=True) if is_empty else None


def _suspicion_of_url(place: Place) -> Suspicion | None:
    """As `_suspicion`, of storage behind a URL: where there is no object nothing exists."""
    try:
        is_empty = next(store_at(place.root_path).runs_at(place.below), None) is None
    except BucketMissing:
        is_empty = True
    except StorageError as exc:
        raise PathError(
            f"{exc} So nothing is known of the files there; nothing was pruned."
        ) from exc
    return Suspicion(place, exists=False) if is_empty else None


def _is_there(file: MissingFile, follow_links: bool, archives: Opener | None = None) -> bool:
    """Return whether a walk would meet the file now, or could not tell.

    A member of an archive is there if its archive is; with `archives`, if that lists it, too.
    """
    inside = split_member(file.path)
    path = file.path if inside is None else inside[0]
    try:
        run = next(store_at(file.root).runs_at(path, follow_links=follow_links), None)
    except BucketMissing:
        return False
    except StorageError:
        return True
    first = None if run is None else run[0]
    if first is None or not (first.path == path or path.startswith(first.path)):
        return False
    if inside is None or archives is None or first.kind is not Kind.FILE:
        return True
    try:
        return inside[1] in archives.listing(Source(file.root, path))
    except OSError:
        return True


def _mark_deserted(catalogue: Catalogue, agreed: Plan, run_ref: int, stop: Stop) -> None:
    """Mark as missing what was known below folders that do not exist; no index run can."""
    for place in agreed.which.deserted:
        known = stored_files.known_files(catalogue, place.root_ref, place.below)
        present = (row for row in known if row.status != Status.MISSING)
        now = runs.now_text()
        while batch := list(islice(present, BATCH_FILES)):
            stop.check()
            with catalogue.write() as connection:
                stored_files.mark_missing(connection, batch, run_ref, now)


def _remove_deserted_roots(catalogue: Catalogue, agreed: Plan) -> None:
    for place in agreed.which.deserted:
        if place.below == "":
            with catalogue.write() as connection:
                pruning.remove_root(connection, place)


def _batches(files: Iterable[MissingFile]) -> Iterator[list[MissingFile]]:
    iterator = iter(files)
    while batch := list(islice(iterator, BATCH_FILES)):
        yield batch
