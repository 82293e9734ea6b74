"""dcat db: the catalogue itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from catalog.cli import declared, options
from catalog.cli.render import Format

if TYPE_CHECKING:
    from catalog.attributes import Further
    from catalog.database.runs import RunRow


def info(db: options.Db = None) -> int:
    """Say which catalogue is in use, why, and what it holds."""
    from catalog import config
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say, size_text
    from catalog.database import attribute_sets, health, runs
    from catalog.database.catalogue import HEAD, open_catalogue

    settled = config.load()
    asked = config.asked(settled)
    place = config.database_place(db, settled)
    with open_catalogue(place.location) as catalogue:
        counts = health.counts(catalogue)
        with catalogue.read() as connection:
            lacking = attribute_sets.files_lacking(connection, asked)
            kept = attribute_sets.kept(connection)
        rows: list[tuple[str, str]] = [
            (
                "catalogue",
                catalogue.name if catalogue.path is None else str(catalogue.path.absolute()),
            ),
            ("chosen by", place.said_by),
            ("size", size_text(catalogue.size_bytes())),
            ("schema revision", HEAD),
        ]
        rows += [
            (name, f"{counts[name]:,}")
            for name in (
                "patient",
                "study",
                "series",
                "instance",
                "file",
                "discrepancy",
                "finding",
                "fileset",
                "export",
            )
        ]
        rows += [
            ("root", f"{path} ({counted(files, 'file')}, {size_text(size)})")
            for path, files, size in health.roots(catalogue)
        ]
        rows += [("attribute", _attribute_text(a, lacking[a.keyword])) for a in asked]
        rows += [
            ("attribute", f"{a.column}: kept of some files, no longer in the configuration")
            for a in kept
            if a not in asked
        ]
        rows += [
            ("run", f"{row.started_at} {row.command} {row.outcome.value}")
            for row in runs.listed(catalogue, 5)
        ]
    write_rows(("What", "Value"), rows, Format.TABLE)
    say()
    return 0


def _attribute_text(attribute: Further, lacking: int) -> str:
    from catalog.cli.saying import counted

    if not lacking:
        return f"{attribute.column}: every file was read with it"
    return f"{attribute.column}: {counted(lacking, 'file was', 'files were')} read without it; see dcat index --reread-attributes"


def runs(
    number: Annotated[
        int | None,
        declared.Argument(metavar="[ID]", help="Show this run alone, with all it counted."),
    ] = None,
    limit: Annotated[
        int, declared.Option("--limit", min=1, help="How many runs, the latest first.")
    ] = 20,
    output: options.Output = Format.TABLE,
    db: options.Db = None,
) -> int:
    """List the runs: what dcat did to the catalogue, when, and how it ended; or show one."""
    from catalog.cli.render import write_rows
    from catalog.cli.saying import say
    from catalog.database import runs as kept
    from catalog.errors import SelectionError

    with options.opened(db) as catalogue:
        if number is not None:
            run = kept.one(catalogue, number)
            if run is None:
                raise SelectionError(
                    f"There is no run {number}. `dcat db runs` lists those that there are."
                )
            write_rows(
                ("What", "Value"), _all_of(run, kept.findings_by_code(catalogue, number)), output
            )
            return 0
        rows = [
            (
                run.ref,
                run.command,
                run.started_at,
                _duration(run.seconds) if output is Format.TABLE else run.seconds,
                run.outcome.value,
                _by(run),
                _in_words(run.counts),
            )
            for run in kept.listed(catalogue, limit)
        ]
    heading = "Duration" if output is Format.TABLE else "Seconds"
    write_rows(("Run", "Command", "Started", heading, "Outcome", "By", "Counts"), rows, output)
    if not rows:
        say("No run is recorded.")
    return 0


def _all_of(run: RunRow, findings: Sequence[tuple[str, str, int]]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        ("run", run.ref),
        ("command", run.command),
        ("arguments", run.arguments),
        ("version", run.version),
        ("login", run.login),
        ("host", run.host),
        ("process", run.pid),
        ("started", run.started_at),
        ("finished", run.finished_at),
        ("seconds", run.seconds),
        ("outcome", run.outcome.value),
    ]
    rows += [(f"count {name}", number) for name, number in run.counts.items()]
    rows += [(f"finding {code} ({severity})", number) for code, severity, number in findings]
    return rows


def _by(run: RunRow) -> str:
    """Return who ran it and where; of one that is at work the process too: `ann@pc7 (process 4711)`."""
    process = f" (process {run.pid})" if run.outcome.value in ("running", "unknown") else ""
    return f"{run.login}@{run.host}{process}"


def _in_words(counts: Mapping[str, int]) -> str:
    """Return what is not nothing of a run's counts: `176 files, 3 new, 173 unchanged`."""
    return ", ".join(
        f"{number:,} {'file' if (name, number) == ('files', 1) else name.removeprefix('status ')}"
        for name, number in counts.items()
        if number
    )


def _duration(seconds: int | None) -> str | None:
    """Return a duration for people: `1:02:03`, `2:03`, `3 s`."""
    if seconds is None:
        return None
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def check(db: options.Db = None) -> int:
    """Check that the catalogue is sound. Exit code 4 if it is not."""
    from catalog.cli.saying import counted, say
    from catalog.database import health

    with options.opened(db) as catalogue:
        found = health.problems(catalogue)
        place = catalogue.name
    for sentence in found:
        say(sentence)
    say(f"{place} has {counted(len(found), 'problem')}." if found else f"{place} is sound.")
    return 4 if found else 0


def backup(
    target: Annotated[
        Path, declared.Argument(metavar="FILE", help="A file that does not exist yet.")
    ],
    db: options.Db = None,
) -> int:
    """Copy the catalogue's file to another, whole, also while others use it; on PostgreSQL use pg_dump."""
    from catalog.cli.saying import say
    from catalog.database.migrate import backup as run

    with options.opened(db) as catalogue:
        run(catalogue, target)
    say(f"The backup is {target}.")
    return 0


def upgrade(db: options.Db = None) -> int:
    """Bring the catalogue to the schema of this dcat; of a file a backup is made first."""
    from catalog import config
    from catalog.cli.saying import say
    from catalog.database.migrate import upgrade as run

    location = config.database_place(db, config.load()).location
    done = run(location)
    if not done.is_changed:
        say(f"{location} is up to date.")
    elif done.backup is not None:
        say(f"{location} was upgraded; the backup is {done.backup}.")
    else:
        say(f"{location} was upgraded.")
    return 0


def datasette_metadata(db: options.Db = None) -> int:
    """Write metadata for Datasette as JSON: titles, descriptions, units, and the audits as queries.

    `dcat db datasette-metadata > metadata.json`, then `datasette -m metadata.json` with the
    catalogue's file.
    """
    import json

    from catalog.cli.datasette import metadata

    with options.opened(db) as catalogue:
        sys.stdout.write(json.dumps(metadata(catalogue), ensure_ascii=False, indent=2) + "\n")
    return 0


def schema(
    diagram: Annotated[
        bool,
        declared.Option(
            "--diagram", help="Only the tables' keys and how they refer to each other."
        ),
    ] = False,
) -> int:
    """Describe all tables and views, as Markdown."""
    if diagram:
        from catalog.database.sql_descriptions import diagram as markdown
    else:
        from catalog.database.schema_doc import markdown

    sys.stdout.write(markdown())
    return 0


app = declared.Group(
    "The catalogue itself: where it is, whether it is sound, backups, copies and upgrades.",
    {
        "info": info,
        "runs": runs,
        "check": check,
        "backup": backup,
        "copy": "db_copy.copy",
        "upgrade": upgrade,
        "datasette-metadata": datasette_metadata,
        "schema": schema,
    },
)
