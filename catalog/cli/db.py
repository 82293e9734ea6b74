"""dcat db: the catalogue itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import options

app = typer.Typer(
    help="The catalogue itself: where it is, whether it is sound, backups and upgrades.",
    no_args_is_help=True,
)


@app.command("info")
def info(db: options.Db = None) -> int:
    """Say which catalogue is in use, why, and what it holds."""
    from catalog import config
    from catalog.cli.render import Format, counted, say, size_text, write_rows
    from catalog.database import health
    from catalog.database.catalogue import HEAD, open_catalogue

    place = config.database_place(db, config.load())
    with open_catalogue(place.path) as catalogue:
        counts = health.counts(catalogue)
        rows: list[tuple[str, str]] = [
            ("catalogue", str(place.path.absolute())),
            ("chosen by", place.said_by),
            ("size", size_text(place.path.stat().st_size)),
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
        rows += [
            ("run", f"{started} {command} {outcome}")
            for started, command, outcome in health.last_runs(catalogue)
        ]
    write_rows(("What", "Value"), rows, Format.TABLE)
    say()
    return 0


@app.command("check")
def check(db: options.Db = None) -> int:
    """Check that the catalogue is sound. Exit code 4 if it is not."""
    from catalog.cli.render import say
    from catalog.database import health

    with options.opened(db) as catalogue:
        found = health.problems(catalogue)
        place = catalogue.path
    for sentence in found:
        say(sentence)
    say(f"{place} has {len(found)} problems." if found else f"{place} is sound.")
    return 4 if found else 0


@app.command("backup")
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A file that does not exist yet.")],
    db: options.Db = None,
) -> int:
    """Copy the catalogue to a file, whole, also while others use it."""
    from catalog.cli.render import say
    from catalog.database.migrate import backup as run

    with options.opened(db) as catalogue:
        run(catalogue.path, target)
    say(f"The backup is {target}.")
    return 0


@app.command("upgrade")
def upgrade(db: options.Db = None) -> int:
    """Bring the catalogue to the schema of this dcat; a backup is made first."""
    from catalog import config
    from catalog.cli.render import say
    from catalog.database.migrate import upgrade as run
    from catalog.errors import CatalogueMissing

    place = config.database_place(db, config.load())
    if not place.path.exists():
        raise CatalogueMissing(str(place.path))
    saved = run(place.path)
    say(
        f"{place.path} is up to date."
        if saved is None
        else f"{place.path} was upgraded; the backup is {saved}."
    )
    return 0


@app.command("schema")
def schema() -> int:
    """Describe all tables and views, as Markdown."""
    from catalog.database.schema_doc import markdown

    typer.echo(markdown(), nl=False)
    return 0
