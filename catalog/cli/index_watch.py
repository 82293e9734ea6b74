"""`dcat index --watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue
    from catalog.indexing import Counts, Executor, Settings

EVERY_MINUTES = 60.0
POLL_S = 5.0
INTERRUPTED = 130


def index_and_watch(
    catalogue: Catalogue,
    paths: list[Path],
    settings: Settings,
    poll: bool,
    every_minutes: float | None,
    executor: Executor | None = None,
) -> int:
    """Index, and go on with what changes until Ctrl-C.

    That is how a watch ends, so the exit code is 0 then; 130 if it cut an index run short.
    """
    from catalog.cli import progress, typed_line
    from catalog.cli.index_summary import in_short
    from catalog.cli.saying import counted, path_text, say
    from catalog.cli.stopping import stoppable
    from catalog.indexing import Watching, watch

    watching = Watching(
        every_s=60 * (every_minutes or EVERY_MINUTES), poll_s=POLL_S if poll else None
    )

    def told(counts: Counts) -> None:
        say(f"{_clock()} {in_short(counts)}")

    with stoppable() as stop, progress.shown() as listener:
        say(
            f"Watching {', '.join(path_text(path) for path in paths)} for {path_text(catalogue.name)}; Ctrl-C ends it."
        )
        watched = watch(
            catalogue,
            paths,
            settings,
            watching,
            typed_line.typed(),
            listener,
            stop,
            told,
            executor,
        )
    say(f"{counted(watched.runs, 'run')}; {in_short(watched.counts)}.")
    return INTERRUPTED if watched.was_cut_short else 0


def _clock() -> str:
    from datetime import datetime

    return datetime.now().astimezone().strftime("%H:%M:%S")
