"""The journey from folders to rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack

from catalog.database import roots, runs, stored_files
from catalog.database.catalogue import Catalogue, Connection
from catalog.events import Finished, Listener, Started, ignore
from catalog.files.paths import from_text
from catalog.files.store import Standing, standing
from catalog.files.urls import Where
from catalog.files.walk import walk_runs_at
from catalog.indexing.counting import Counts, Settings
from catalog.indexing.executing import Executor
from catalog.indexing.one_run import STAGE, Means, OneRun
from catalog.indexing.pool import executor as new_executor
from catalog.indexing.stopping import Interrupted, Stop

MANY_FILES = 10_000
"""After so many new files the database looks at what it holds."""


def index(
    catalogue: Catalogue,
    paths: Sequence[Where],
    settings: Settings,
    arguments: str = "",
    total: int | None = None,
    listener: Listener = ignore,
    stop: Stop | None = None,
    executor: Executor | None = None,
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
    stop:
        What a signal handler asks to stop by; the batch that is under way is finished then.
    executor:
        Who reads; if `None`, `settings.jobs` processes that are started and ended here.

    Raises
    ------
    PathError
        If a path does not exist or cannot be listed; then nothing was changed.
    StorageError
        If storage behind a URL cannot be reached or used, or its listing broke off; what was read
        before has been stored, and nothing is marked missing.
    CatalogueBusy
        If another process is writing, and does not end in time.
    ExecutorError
        If nobody is left to read; what was read before has been stored.
    Interrupted
        After Ctrl-C, when what was read so far has been stored.
    """
    stands = [standing(path) for path in paths]

    def work(journey: OneRun) -> None:
        journey.run(_places(catalogue, stands), total)

    means = Means(settings, listener, stop or Stop(), executor)
    held = {stands_so.folder for stands_so in stands}
    return _recorded(catalogue, means, arguments, work, total, held)


def index_changes(
    catalogue: Catalogue,
    paths: Collection[str],
    settings: Settings,
    arguments: str = "",
    unsettled: Collection[str] = (),
    listener: Listener = ignore,
    stop: Stop | None = None,
    executor: Executor | None = None,
) -> Counts | None:
    """Bring the catalogue in step with what lies at `paths`, or does not lie there any more.

    Returns `None`, and records no run, if there is nothing at the paths and never was.

    Parameters
    ----------
    paths:
        Absolute paths in text form, of files and folders below known roots; others are ignored.
    unsettled:
        Paths of files that are left for later, because they are being written.

    Raises
    ------
    CatalogueBusy, ExecutorError, Interrupted
        As `index` does.
    """

    places = {
        path: place
        for path, place in _known_places(catalogue, paths).items()
        if _matters(catalogue, place, settings, unsettled)
    }
    if not places:
        return None

    def work(journey: OneRun) -> None:
        journey.take_changes_only(unsettled)
        # Until it was this run's turn another may have made a folder above these the root.
        journey.run(_outermost(_known_places(catalogue, places).values()), None)

    means = Means(settings, listener, stop or Stop(), executor)
    held = {place.root_path for place in places.values()}
    return _recorded(catalogue, means, arguments, work, None, held)


def _known_places(catalogue: Catalogue, paths: Iterable[str]) -> dict[str, roots.Place]:
    """Return where absolute paths lie, of those that lie below known roots."""

    def find(connection: Connection) -> dict[str, roots.Place | None]:
        return {path: roots.place_of(connection, path) for path in paths}

    return {path: place for path, place in catalogue.ask(find).items() if place is not None}


def _matters(
    catalogue: Catalogue, place: roots.Place, settings: Settings, unsettled: Collection[str]
) -> bool:
    """Return whether anything is at a place, on disk and not `unsettled`, or in the catalogue."""
    above = place.root_path.rstrip("/")
    walked = walk_runs_at(
        from_text(place.root_path), place.below, follow_links=settings.follow_links
    )
    if any(f"{above}/{entry.path}" not in unsettled for run in walked for entry in run):
        return True
    known = stored_files.known_files(catalogue, place.root_ref, place.below)
    return next(known, None) is not None


def _recorded(
    catalogue: Catalogue,
    means: Means,
    arguments: str,
    work: Callable[[OneRun], None],
    total: int | None,
    held: Collection[str],
) -> Counts:
    """Do the work as a run, as the only writer of what lies in the folders `held`."""
    with ExitStack() as stack:
        with means.stop.opened():  # waiting for another writer may take long
            stack.enter_context(catalogue.writer_lock(held))
        catalogue.mark_dead_runs()
        since = runs.last_done(catalogue, "index")
        with runs.recorded(catalogue, "index", arguments) as run:
            executor = means.executor or new_executor(means.settings.jobs)
            journey = OneRun(catalogue, means, run.ref, executor)
            run.counts = journey.counts.as_dict
            means.listener(Started(STAGE, total, "files"))
            try:
                work(journey)
                journey.join_moved(since)
                if journey.counts.done["new"] >= MANY_FILES:
                    catalogue.note_growth()
            except KeyboardInterrupt as exc:
                raise Interrupted(journey.counts.files, journey.last_stored) from exc
            finally:
                if means.executor is None:
                    executor.close()
                means.listener(Finished(STAGE, journey.counts.files))
    return journey.counts


def _places(catalogue: Catalogue, stands: Sequence[Standing]) -> list[roots.Place]:
    """Return the places of what stands so, making roots where there are none; none lies within another.

    The root of a file is its folder. Places are looked up when all roots stand, because a root
    that is made can take in one that was made before it.
    """

    def stand(connection: Connection) -> list[roots.Place | None]:
        for stands_so in stands:
            roots.place_for(connection, stands_so.folder)
        return [roots.place_of(connection, stands_so.text) for stands_so in stands]

    return _outermost([place for place in catalogue.store(stand) if place is not None])


def _in_folder_order(place: roots.Place) -> tuple[int, list[str]]:
    """Return a key that puts every place right after the one that encloses it."""
    return place.root_ref, place.below.split("/") if place.below else []


def _outermost(places: Iterable[roots.Place]) -> list[roots.Place]:
    """Return those of `places` that lie within no other, in order of their folders."""
    outer: list[roots.Place] = []
    for place in sorted(set(places), key=_in_folder_order):
        if not (outer and place.is_within(outer[-1])):
            outer.append(place)
    return outer
