"""The journey from folders to rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from catalog.database import roots, runs, stored_files
from catalog.database.catalogue import Catalogue
from catalog.errors import PathError
from catalog.events import Finished, Listener, Started, ignore
from catalog.files.paths import absolute_text, from_text
from catalog.files.walk import walk_runs_at
from catalog.indexing.counting import Counts, Settings
from catalog.indexing.one_run import STAGE, Means, OneRun
from catalog.indexing.pool import Workers
from catalog.indexing.stopping import Interrupted, Stop


def index(
    catalogue: Catalogue,
    paths: Sequence[Path],
    settings: Settings,
    arguments: str = "",
    total: int | None = None,
    listener: Listener = ignore,
    stop: Stop | None = None,
    workers: Workers | None = None,
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
    workers:
        Who reads; if `None`, workers are made and ended here.

    Raises
    ------
    PathError
        If a path does not exist or cannot be listed; then nothing was changed.
    CatalogueBusy
        If another process is writing, and does not end in time.
    Interrupted
        After Ctrl-C, when what was read so far has been stored.
    """
    for path in paths:
        check_path(path)

    def work(journey: OneRun) -> None:
        journey.run(_places(catalogue, paths), total)

    means = Means(settings, listener, stop or Stop(), workers)
    return _recorded(catalogue, means, arguments, work, total)


def index_changes(
    catalogue: Catalogue,
    paths: Collection[str],
    settings: Settings,
    arguments: str = "",
    unsettled: Collection[str] = (),
    listener: Listener = ignore,
    stop: Stop | None = None,
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
    CatalogueBusy, Interrupted
        As `index` does.
    """

    with catalogue.read() as connection:
        found = [roots.place_of(connection, path) for path in paths]
    places = [place for place in found if place and _matters(catalogue, place, settings, unsettled)]
    if not places:
        return None

    def work(journey: OneRun) -> None:
        journey.take_changes_only(unsettled)
        journey.run(_outermost(places), None)

    means = Means(settings, listener, stop or Stop())
    return _recorded(catalogue, means, arguments, work, None)


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
) -> Counts:
    """Do the work as a run, as the only writer."""
    with ExitStack() as stack:
        with means.stop.opened():  # waiting for another writer may take long
            stack.enter_context(catalogue.writer_lock())
        catalogue.mark_dead_runs()
        since = runs.last_done(catalogue, "index")
        with runs.recorded(catalogue, "index", arguments) as run:
            team = means.workers or Workers(means.settings.jobs)
            journey = OneRun(catalogue, means, run.ref, team)
            run.counts = journey.counts.as_dict
            means.listener(Started(STAGE, total, "files"))
            try:
                work(journey)
                journey.join_moved(since)
            except KeyboardInterrupt as exc:
                raise Interrupted(journey.counts.files, journey.last_stored) from exc
            finally:
                if means.workers is None:
                    team.close()
                means.listener(Finished(STAGE, journey.counts.files))
    return journey.counts


def check_path(path: Path) -> None:
    """Raise `PathError` if `path` does not exist or is a folder that cannot be listed."""
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
    return _outermost([place for place in found if place is not None])


def _in_folder_order(place: roots.Place) -> tuple[int, list[str]]:
    """Return a key that puts every place right after the one that encloses it."""
    return place.root_ref, place.below.split("/") if place.below else []


def _outermost(places: Collection[roots.Place]) -> list[roots.Place]:
    """Return those of `places` that lie within no other, in order of their folders."""
    outer: list[roots.Place] = []
    for place in sorted(set(places), key=_in_folder_order):
        if not (outer and place.is_within(outer[-1])):
            outer.append(place)
    return outer
