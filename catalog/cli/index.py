"""dcat index"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import options

if TYPE_CHECKING:
    from catalog.indexing import Counts


class Journal(StrEnum):
    """SQLite journal modes that are offered."""

    WAL = "wal"
    DELETE = "delete"


def index(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="Folders (or files) to index, with everything below."
        ),
    ],
    db: options.Db = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes that read headers. [default: cores]"),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read unchanged files again too.")] = False,
    follow_links: Annotated[
        bool | None,
        typer.Option(
            "--follow-links/--no-follow-links", help="Follow links to folders. [default: no]"
        ),
    ] = None,
    journal: Annotated[
        Journal, typer.Option(help="Journal of a new catalogue; 'delete' for network file systems.")
    ] = Journal.WAL,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the counts as JSON to standard output.")
    ] = False,
) -> int:
    """Bring the catalogue in step with folders: new, changed, moved and missing files.

    Any file name will do. Files whose size and time are as before are not opened again. Nothing
    is skipped: every file has a row afterwards, with the reason if it is no readable DICOM.
    """
    import json
    import os
    import sys
    import time

    from catalog import config
    from catalog.cli import progress
    from catalog.cli.render import say
    from catalog.indexing import Settings
    from catalog.indexing import index as run

    settled = config.load()
    settings = Settings(
        jobs=jobs or settled.jobs or os.cpu_count() or 1,
        full=full,
        follow_links=follow_links if follow_links is not None else bool(settled.follow_links),
    )
    started = time.monotonic()
    with (
        options.opened(
            db, create=all(path.exists() for path in paths), journal=journal.value
        ) as catalogue,
        progress.shown() as listener,
    ):
        total = _count(paths) if sys.stderr.isatty() else None
        counts = run(catalogue, paths, settings, options.typed(), total, listener)
        elapsed_s = time.monotonic() - started
        place = catalogue.path
    if as_json:
        print(json.dumps(counts.as_dict() | {"seconds": round(elapsed_s, 3)}, indent=2))  # noqa: T201
    else:
        _summary(counts, elapsed_s)
        say(f"The catalogue is {place}.")
    failed = sum(counts.by_status[status] for status in ("unreadable", "truncated", "incomplete"))
    return 3 if failed or counts.done["unlisted"] or counts.done["emptied"] else 0


def _count(paths: list[Path]) -> int:
    """Return how many files lie below, for the time left: a quick look at names only."""
    import os

    return sum(len(files) for path in paths for _, _, files in os.walk(path)) or len(paths)


_WORDS = {
    "ok": "readable instances",
    "truncated": "cut short inside their Pixel Data",
    "dicomdir": "DICOMDIR files",
    "incomplete": "DICOM without a UID that places them",
    "unreadable": "unreadable",
    "not-dicom": "not DICOM",
    "not-followed": "links and special files, not followed",
}


def _summary(counts: Counts, elapsed_s: float) -> None:
    from catalog.cli.render import counted, say

    rate = f", {counts.files / elapsed_s:,.0f} a second" if elapsed_s > 0.1 else ""
    say(
        f"{counted(counts.files, 'file')} in {elapsed_s:.1f} s{rate}; {counted(counts.done['opened'], 'was', 'were')} opened."
    )
    done = counts.done
    parts = [f"{done[name]:,} {name}" for name in ("new", "changed", "unchanged")]
    parts += [
        f"{done[name]:,} {word}"
        for name, word in (
            ("moved", "of the new moved here"),
            ("returned", "back again"),
            ("missing", "gone since the last run"),
        )
        if done[name]
    ]
    say("  " + ", ".join(parts))
    for status, word in _WORDS.items():
        if counts.by_status[status]:
            say(f"  {counts.by_status[status]:>9,}  {word}")
    if done["unlisted"]:
        say(
            f"  {counted(done['unlisted'], 'folder')} could not be listed; what is known of them was left as it is."
        )
    if any(counts.by_status[s] for s in ("unreadable", "truncated", "incomplete")):
        say("`dcat audit unreadable-files` lists what could not be read, with the reason.")
