"""Keeping the catalogue in step with folders while they change.

The system's notifications only say where to look: what is there is then found out as by any other
index run, and each batch of changes is one, with a row of its own. Between batches the writer's
lock is free. Notifications can be lost (a full queue, a storage that changes behind a network), so
everything is walked anew at an interval.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from catalog.database.catalogue import Catalogue
from catalog.errors import CatalogueBusy, DcatError, PathError
from catalog.events import Event, Listener, Noticed, ignore
from catalog.files.paths import absolute_text, to_text
from catalog.files.store import check_folder
from catalog.findings import Finding, Severity
from catalog.indexing.counting import Counts, Settings
from catalog.indexing.executing import Executor
from catalog.indexing.journey import index, index_changes
from catalog.indexing.one_run import Means
from catalog.indexing.settling import Settling
from catalog.indexing.stopping import Stop
from catalog.shapes import field, frozen, mutable, replace

LOOK_S = 0.5
"""How often the folders and the clock are looked at while nothing happens."""

RETRY_S = 10.0
"""How long to wait before trying again what another process or a missing folder stands against."""


@frozen
class Watching:
    """How to watch.

    Attributes
    ----------
    every_s:
        How often everything is walked anew.
    quiet_s:
        How long nothing may have happened to a file before it is read.
    poll_s:
        How often to look at every file, instead of asking the system for notifications, which
        it has none of for network file systems; `None` to ask the system.
    """

    every_s: float = 3600.0
    quiet_s: float = 2.0
    poll_s: float | None = None


@mutable
class Watched:
    """What a watch did until it was stopped.

    Attributes
    ----------
    runs:
        How many index runs it made.
    counts:
        The sum of the counts of those that came to their end.
    was_cut_short:
        A run was under way when it was stopped; it is recorded as interrupted.
    """

    runs: int = 0
    counts: Counts = field(default_factory=Counts)
    was_cut_short: bool = False


class WatchUnavailable(DcatError):
    """Folders cannot be watched, for want of a package or of what the system allows."""


def watch(  # noqa: PLR0913 - `index`, and how to go on
    catalogue: Catalogue,
    paths: Sequence[Path],
    settings: Settings,
    watching: Watching,
    arguments: str = "",
    listener: Listener = ignore,
    stop: Stop | None = None,
    told: Callable[[Counts], None] = lambda counts: None,
    executor: Executor | None = None,
) -> Watched:
    """Index folders, and then what changes in them, until `stop` is asked for.

    `settings.full` and `settings.prove` are for the first run. `told` hears of every run.
    `executor` reads in all of them; if `None`, each run starts `settings.jobs` processes if it must.

    Raises
    ------
    PathError
        If a path is no folder, or cannot be listed at the start.
    WatchUnavailable
        If the package `watchfiles` is absent, or the system refuses to watch so many folders.
    CatalogueError
        If the catalogue cannot be written. That another process writes is waited for.
    ExecutorError
        If nobody is left to read.
    """
    for path in paths:
        check_folder(path)
        if not path.is_dir():
            raise PathError(f"{path} is not a folder; only folders can be watched.")
    means = Means(settings, listener, stop or Stop(), executor)
    guard = _Watch(catalogue, paths, means, watching, arguments, told)
    try:
        guard.run()
    except KeyboardInterrupt:
        if not guard.stop.wanted:
            raise
    return guard.watched


class _Watch:
    """The state of one watch."""

    def __init__(
        self,
        catalogue: Catalogue,
        paths: Sequence[Path],
        means: Means,
        watching: Watching,
        arguments: str,
        told: Callable[[Counts], None],
    ) -> None:
        self.catalogue = catalogue
        self.paths = [Path(os.path.realpath(path)) for path in paths]
        self.settings = means.settings
        self.watching = watching
        self.arguments = arguments
        self.listener = means.listener
        self.stop = means.stop
        self.told = told
        self._executor = means.executor
        self.watched = Watched()
        self._own = {absolute_text(path) for path in catalogue.own_paths}
        self._settling = Settling(watching.quiet_s)
        self._next_walk_s = 0.0
        self._has_walked = False

    def run(self) -> None:
        """Watch until stopped; begin anew whenever a folder was exchanged or events were lost."""
        while True:
            self._await_folders()
            identities = self._identities()
            try:
                with closing(_changes(self.paths, self.watching)) as changes:
                    # What changes while everything is walked is heard of afterwards.
                    self._next(changes)
                    self._next_walk_s = 0.0
                    while self._identities() == identities:
                        self._step(changes, identities)
            except _EventsLost as exc:
                self._notice("events-lost", f"{exc} Everything is looked at anew.")

    def _step(
        self, changes: Generator[set[tuple[int, str]]], identities: list[tuple[int, int] | None]
    ) -> None:
        self.catalogue.check_place()
        now_s = time.monotonic()
        if now_s >= self._next_walk_s:
            self._walk_all(now_s)
        for kind, path in self._next(changes):
            self._note(kind, path)
        if self._has_walked and self._identities() == identities:
            due = self._settling.due(time.monotonic())
            if due:
                self._take_in(due)

    def _next(self, changes: Generator[set[tuple[int, str]]]) -> set[tuple[int, str]]:
        with self.stop.opened():
            return next(changes)

    def _note(self, kind: int, path: str) -> None:
        text = to_text(path)
        if text in self._own:
            return
        if kind == _MODIFIED and os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
            return  # what changed in it has an event of its own
        self._settling.note(text, time.monotonic())

    # -- runs ------------------------------------------------------------------------------

    def _walk_all(self, now_s: float) -> None:
        settings = self._following() if self._has_walked else self.settings
        try:
            counts = index(
                self.catalogue,
                self.paths,
                settings,
                self.arguments,
                None,
                self.listener,
                self.stop,
                self._executor,
            )
        except CatalogueBusy as exc:
            self._notice("catalogue-busy", f"{exc}")
            self._next_walk_s = now_s + RETRY_S
        except PathError as exc:
            self._notice("folder-gone", f"{exc}")
            # If it is gone its identity differs, and this begins anew; it may be there and refuse.
            self._next_walk_s = now_s + RETRY_S
        except KeyboardInterrupt:
            self.watched.was_cut_short = True
            raise
        else:
            self._has_walked = True
            self._next_walk_s = time.monotonic() + self.watching.every_s
            self._count(counts)

    def _take_in(self, due: list[str]) -> None:
        try:
            counts = index_changes(
                self.catalogue,
                due,
                self._following(),
                self.arguments,
                self._settling.paths,
                self._findings_only,
                self.stop,
                self._executor,
            )
        except CatalogueBusy as exc:
            self._notice("catalogue-busy", f"{exc}")
            for path in due:
                self._settling.note(path, time.monotonic() + RETRY_S)
        except KeyboardInterrupt:
            self.watched.was_cut_short = True
            raise
        else:
            if counts is not None:
                self._count(counts)

    def _following(self) -> Settings:
        """Return how to index after the first run: what has changed, and no more."""
        return replace(self.settings, full=False, prove=False)

    def _count(self, counts: Counts) -> None:
        self.watched.runs += 1
        self.watched.counts.add(counts)
        self.told(counts)

    def _findings_only(self, event: Event) -> None:
        if isinstance(event, Noticed):
            self.listener(event)

    def _notice(self, code: str, message: str) -> None:
        self.listener(Noticed(Finding(code, Severity.WARNING, message)))

    # -- folders that come and go ----------------------------------------------------------

    def _identities(self) -> list[tuple[int, int] | None]:
        """Return device and inode of each folder; `None` for one that is not there."""
        found: list[tuple[int, int] | None] = []
        for path in self.paths:
            try:
                status = path.stat()
                found.append((status.st_dev, status.st_ino))
            except OSError:
                found.append(None)
        return found

    def _await_folders(self) -> None:
        """Wait until all folders are there: a share that is not mounted tells nothing of its files."""
        is_told = False
        while None in (identities := self._identities()):
            if not is_told:
                gone = self.paths[identities.index(None)]
                self._notice(
                    "folder-gone",
                    f"{gone} is not there. Is it mounted? Nothing is marked missing; the watch goes on when it is back.",
                )
                is_told = True
            with self.stop.opened():
                time.sleep(LOOK_S)
        if is_told:
            self._settling.forget()


_MODIFIED = 2


class _EventsLost(Exception):
    """The watcher failed while it was running."""


def _changes(paths: Sequence[Path], watching: Watching) -> Generator[set[tuple[int, str]]]:
    """Yield what has changed, as (kind, path), at least every `LOOK_S`; nothing at first."""
    try:
        import watchfiles
    except ImportError as exc:
        raise WatchUnavailable(
            "--watch needs the package watchfiles, which is not installed. "
            "Install it with `pip install 'dicom-dcat[watch]'`."
        ) from exc
    feed = watchfiles.watch(
        *paths,
        watch_filter=None,
        debounce=int(LOOK_S * 1000),
        step=100,
        rust_timeout=int(LOOK_S * 1000),
        yield_on_timeout=True,
        force_polling=watching.poll_s is not None,
        poll_delay_ms=int((watching.poll_s or 1) * 1000),
        ignore_permission_denied=True,
    )
    has_begun = False
    with closing(feed):
        while True:
            try:
                found = next(feed)
            except (OSError, RuntimeError) as exc:
                if has_begun:
                    raise _EventsLost(f"Watching failed: {exc}.") from exc
                raise WatchUnavailable(
                    f"The folders cannot be watched: {exc}. Try --poll; or raise the number of folders "
                    "that the system lets one user watch (on Linux, fs.inotify.max_user_watches)."
                ) from exc
            has_begun = True
            yield {(int(kind), path) for kind, path in found}
