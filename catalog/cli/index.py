"""dcat index"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from catalog.cli import declared, options, typed_line

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue
    from catalog.files.urls import Where
    from catalog.indexing import Counts, Executor, Settings

_READ = "Read: which files are opened"
_LOOK = "Look: where files are sought"
_PRUNE = "Prune: forget files that are gone"
_WATCH = "Watch: keep up with what changes"


class Journal(StrEnum):
    """SQLite journal modes that are offered."""

    WAL = "wal"
    DELETE = "delete"


def index(
    named: Annotated[
        list[str],
        declared.Argument(
            metavar="PATH...",
            help="Folders (or files) to index, with everything below; also URLs, such as s3://bucket/prefix.",
        ),
    ],
    db: options.Db = None,
    jobs: Annotated[
        int | None,
        declared.Option(
            "--jobs", "-j", min=1, help="Processes that read headers.", show_default="cores"
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        declared.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Read headers on the workers of the Dask scheduler at tcp://HOST:PORT or tls://HOST:PORT, which see the same storage; 'local' starts as many as --jobs here.",
        ),
    ] = None,
    full: Annotated[
        bool,
        declared.Option("--full", help="Read unchanged files again too.", rich_help_panel=_READ),
    ] = False,
    reread_attributes: Annotated[
        bool,
        declared.Option(
            "--reread-attributes",
            help="Read unchanged files again that were read before an attribute was added to the configuration.",
            rich_help_panel=_READ,
        ),
    ] = False,
    follow_links: Annotated[
        bool | None,
        declared.Option(
            "--follow-links/--no-follow-links",
            help="Follow links to folders.",
            show_default="no",
            rich_help_panel=_LOOK,
        ),
    ] = None,
    archives: Annotated[
        bool,
        declared.Option(
            "--archives/--no-archives",
            help="Look into .zip, .tar (.gz, .bz2, .xz) and .dcm.gz files.",
            rich_help_panel=_LOOK,
        ),
    ] = True,
    journal: Annotated[
        Journal,
        declared.Option(help="Journal of a new catalogue; 'delete' for network file systems."),
    ] = Journal.WAL,
    digest: Annotated[
        bool,
        declared.Option(
            "--digest",
            help="Read all files to their end, store their SHA-256, and find those that changed although size and time did not.",
            rich_help_panel=_READ,
        ),
    ] = False,
    prune: Annotated[
        bool,
        declared.Option(
            "--prune",
            help="Then delete what the catalogue knows of files that are missing; asks first.",
            rich_help_panel=_PRUNE,
        ),
    ] = False,
    older_than: Annotated[
        float | None,
        declared.Option(
            "--older-than",
            metavar="DAYS",
            min=0,
            help="Only files that have been missing for so many days.",
            rich_help_panel=_PRUNE,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        declared.Option(
            "--dry-run",
            help="List what --prune would delete, and do nothing, not even index.",
            rich_help_panel=_PRUNE,
        ),
    ] = False,
    yes: Annotated[
        bool,
        declared.Option(
            "--yes",
            help="Do not ask; needed for folders that are empty or do not exist.",
            rich_help_panel=_PRUNE,
        ),
    ] = False,
    watch: Annotated[
        bool,
        declared.Option(
            "--watch",
            help="Go on with what changes, until Ctrl-C. Needs the package watchfiles.",
            rich_help_panel=_WATCH,
        ),
    ] = False,
    poll: Annotated[
        bool,
        declared.Option(
            "--poll",
            help="Look for changes every few seconds, for network file systems.",
            rich_help_panel=_WATCH,
        ),
    ] = False,
    every: Annotated[
        float | None,
        declared.Option(
            "--every",
            metavar="MINUTES",
            min=0.01,
            help="How often to walk everything anew, as notifications can be lost.",
            show_default="60",
            rich_help_panel=_WATCH,
        ),
    ] = None,
    as_json: Annotated[
        bool, declared.Option("--json", help="Write the counts as JSON to standard output.")
    ] = False,
) -> int:
    """Bring the catalogue in step with folders: new, changed, moved and missing files.

    Any file name will do. Files whose size and time are as before are not opened again. Nothing
    is skipped: every file has a row afterwards, with the reason if it is no readable DICOM.
    """
    import json
    import os
    from contextlib import ExitStack, closing

    from catalog import config
    from catalog.cli.index_prune import dry_prune, prune_after, refuse_absent
    from catalog.cli.index_watch import index_and_watch
    from catalog.cli.saying import path_text, say
    from catalog.cli.stopping import undisturbed
    from catalog.errors import SelectionError
    from catalog.files.store import is_there
    from catalog.files.urls import Url, where
    from catalog.indexing import Counts, Settings

    paths = [where(each) for each in named]
    if cluster is not None:
        _check_cluster(cluster, jobs)
    if prune or dry_run or yes or older_than is not None:
        _check_prune(prune, dry_run, yes, watch)
    if (poll or every is not None) and not watch:
        raise SelectionError("--poll and --every go with --watch only.")
    if watch and as_json:
        raise SelectionError("--watch has no end, and so no --json; see `dcat db runs -o json`.")
    if watch and any(isinstance(path, Url) for path in paths):
        raise SelectionError(
            "--watch is for folders; storage behind a URL does not tell what changes in it. Run `dcat index` again now and then: unchanged files are not opened."
        )
    settled = config.load()
    config.settle_storage(settled)
    settings = Settings(
        jobs=jobs or settled.jobs or os.cpu_count() or 1,
        full=full,
        follow_links=follow_links if follow_links is not None else bool(settled.follow_links),
        digest=digest,
        prove=digest,
        attributes=config.asked(settled),
        reread_attributes=reread_attributes,
        archives=archives,
    )
    if dry_run:
        return dry_prune(paths, db, settings, older_than, yes=yes, as_json=as_json)
    present = [path for path in paths if is_there(path)]
    if prune and not yes:
        refuse_absent(paths)
    elif present != paths and not prune:
        # Before the catalogue is sought: a mistyped folder is not a catalogue that is lacking.
        _refuse_absent(paths)
    with (
        ExitStack() as last,
        closing(_executor(cluster, settings.jobs, present, watch)) as executor,
        options.opened(db, create=not prune, journal=journal.value) as catalogue,
    ):
        if watch:
            own = executor if cluster is not None else None
            folders = [path for path in paths if isinstance(path, Path)]
            return index_and_watch(catalogue, folders, settings, poll, every, own)
        counts, elapsed_s = Counts(), 0.0
        if present or not prune:
            counts, elapsed_s = _index(
                catalogue, present if prune else paths, settings, executor, as_json=as_json
            )
        pruned = prune_after(catalogue, paths, settings, older_than, yes=yes) if prune else None
        if as_json:
            gone = {} if pruned is None else {"pruned": pruned._asdict()}
            print(json.dumps(counts.as_dict() | {"seconds": round(elapsed_s, 3)} | gone, indent=2))  # noqa: T201
        else:
            say(f"The catalogue is {path_text(catalogue.name)}.")
        last.enter_context(undisturbed())
    failed = sum(counts.by_status[status] for status in ("unreadable", "truncated", "incomplete"))
    return 3 if failed or counts.done["unlisted"] or counts.done["emptied"] else 0


def _refuse_absent(paths: list[Where]) -> None:
    from catalog.files.store import standing

    for path in paths:
        standing(path)


def _check_cluster(address: str, jobs: int | None) -> None:
    from catalog.errors import SelectionError
    from catalog.indexing.connecting import LOCAL, check_address

    check_address(address)
    if jobs is not None and address != LOCAL:
        raise SelectionError(
            "--jobs is for processes on this machine; how many workers a cluster has is settled where they are started. "
            "Leave it out, or say `--cluster local`."
        )


def _executor(cluster: str | None, jobs: int, paths: list[Where], watch: bool) -> Executor:
    """Return who reads. A watch reads little at a time, and starts processes when it needs them."""
    if cluster is None:
        from catalog.indexing import executor

        return executor(1 if watch else jobs, early=True)
    from catalog.cli.saying import say
    from catalog.files.urls import text_of
    from catalog.indexing.cluster import Cluster

    return Cluster(cluster, jobs, [text_of(path) for path in paths], say)


def _check_prune(prune: bool, dry_run: bool, yes: bool, watch: bool) -> None:
    from catalog.errors import SelectionError

    if not prune:
        raise SelectionError("--older-than, --dry-run and --yes go with --prune only.")
    if watch:
        raise SelectionError("--prune and --watch do not go together.")
    if not (yes or dry_run or _can_be_asked()):
        raise SelectionError(
            "--prune asks before it deletes, and here nobody can answer: add --yes, or --dry-run to see what would go."
        )


def _can_be_asked() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()


def _index(
    catalogue: Catalogue,
    paths: list[Where],
    settings: Settings,
    executor: Executor,
    *,
    as_json: bool,
) -> tuple[Counts, float]:
    """Index, say what was done unless that is for `--json`, and return the counts and the seconds."""
    import sys
    import time

    from catalog.cli import index_summary, progress
    from catalog.cli.saying import counted, say
    from catalog.cli.stopping import stoppable
    from catalog.indexing import Interrupted
    from catalog.indexing import index as run

    started_s = time.monotonic()
    try:
        with stoppable() as stop, progress.shown() as listener:
            total = _count(paths) if sys.stderr.isatty() else None
            counts = run(
                catalogue, paths, settings, typed_line.typed(), total, listener, stop, executor
            )
    except Interrupted as exc:
        last = f" The last that was stored is {exc.last_stored}." if exc.last_stored else ""
        say(
            f"Stopped after {counted(exc.files, 'file')}.{last} The same command goes on from there."
        )
        raise
    elapsed_s = time.monotonic() - started_s
    if not as_json:
        index_summary.summary(counts, elapsed_s)
    index_summary.lacking(counts)
    return counts, elapsed_s


def _count(paths: list[Where]) -> int | None:
    """Return how many files lie below, for the time left: a quick look at names only; `None` of a URL."""
    import os

    folders = [path for path in paths if isinstance(path, Path)]
    if len(folders) < len(paths):
        return None
    return sum(len(files) for path in folders for _, _, files in os.walk(path)) or len(paths)
