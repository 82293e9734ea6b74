"""`dcat index --prune`: saying what would go, asking, and doing it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue
    from catalog.database.pruning import Toll
    from catalog.files.urls import Where
    from catalog.indexing import Settings


NOTHING = "No file is missing that could be pruned."


def refuse_absent(paths: list[Where]) -> None:
    """Refuse to prune what does not exist.

    Raises
    ------
    PathError
        If one of the paths does not.
    """
    from catalog.errors import PathError
    from catalog.files.store import is_there

    for path in paths:
        if not is_there(path):
            raise PathError(
                f"{path} does not exist. Is it mounted? Nothing was pruned. "
                "If its files are gone for good, say so with --prune --yes."
            )


def dry_prune(
    paths: list[Where],
    db: str | None,
    settings: Settings,
    days: float | None,
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """List what pruning would delete; change nothing."""
    import json
    from itertools import chain

    from catalog.cli import options
    from catalog.cli.render import Format, write_rows
    from catalog.cli.saying import counted, say
    from catalog.indexing import newly_gone, plan, prunable

    with options.opened(db) as catalogue:
        agreed = plan(catalogue, paths, days, _now())
        follow_links = settings.follow_links
        known = prunable(catalogue, agreed.which, follow_links=follow_links)
        new = newly_gone(catalogue, agreed.which, follow_links=follow_links) if not days else ()
        rows = (
            (file.missing_since, f"{file.root.rstrip('/')}/{file.path}")
            for file in chain(known, new)
        )
        if as_json:
            files = [{"missing_since": since, "path": path} for since, path in rows]
            print(json.dumps({**agreed.toll._asdict(), "listed": files}, indent=2))  # noqa: T201
        else:
            found = write_rows(("MissingSince", "Path"), rows, Format.TABLE)
            said = _would_go(agreed.toll) if found else NOTHING
            say(f"{said} Nothing was changed.")
            if found > agreed.toll.files:
                new_ones = counted(found - agreed.toll.files, "file")
                say(
                    f"{new_ones} of the list {'is' if found - agreed.toll.files == 1 else 'are'} gone since the last run, which can tell if they have moved."
                )
        for suspicion in agreed.suspicions:
            say(
                f"{suspicion.path} {_odd(suspicion.exists)}: "
                + ("as --yes says, its files are gone for good." if yes else "--prune needs --yes.")
            )
    return 0


def prune_after(
    catalogue: Catalogue, paths: list[Where], settings: Settings, days: float | None, *, yes: bool
) -> Toll:
    """Say what would go, ask unless `yes`, and delete it; return what went.

    Raises
    ------
    PathError
        If a folder is empty or does not exist, and it is not said with `yes` that its files are
        gone for good.
    """
    import typer

    from catalog.cli import progress, typed_line
    from catalog.cli.saying import counted, say
    from catalog.cli.stopping import stoppable
    from catalog.database.pruning import Toll
    from catalog.errors import PathError
    from catalog.indexing import Interrupted, plan, prune

    agreed = plan(catalogue, paths, days, _now())
    if agreed.toll.files == 0:
        say(NOTHING)
        if not agreed.which.deserted:
            return Toll()
    else:
        say(_would_go(agreed.toll))
    for suspicion in agreed.suspicions:
        if not yes:
            raise PathError(
                f"{suspicion.path} {_odd(suspicion.exists)}. Is it mounted? Nothing was pruned. "
                "If its files are gone for good, say so with --prune --yes."
            )
        say(
            f"{suspicion.path} {_odd(suspicion.exists)}; as --yes says, its files are gone for good."
        )
    if not yes and not typer.confirm("Delete these rows from the catalogue?", err=True):
        say("Nothing was pruned.")
        return Toll()
    try:
        with stoppable() as stop, progress.shown() as listener:
            done = prune(
                catalogue,
                agreed,
                typed_line.typed(),
                follow_links=settings.follow_links,
                listener=listener,
                stop=stop,
            )
    except Interrupted as exc:
        say(
            f"Stopped after {counted(exc.files, 'file')} were pruned. The same command goes on from there."
        )
        raise
    say(f"Pruned: {_amounts(done.toll)}.")
    if done.there:
        say(f"{counted(done.there, 'file was', 'files were')} kept, being back or out of reach.")
    return done.toll


def _now() -> datetime:
    return datetime.now().astimezone()


def _odd(exists: bool) -> str:
    return "is empty" if exists else "does not exist"


def _would_go(toll: Toll) -> str:
    return f"Pruning deletes what is known of {_amounts(toll)}."


def _amounts(toll: Toll) -> str:
    from catalog.cli.saying import counted

    parts = [
        counted(toll.files, "missing file"),
        counted(toll.instances, "instance"),
        counted(toll.series, "series", "series"),
        counted(toll.studies, "study", "studies"),
        counted(toll.patients, "patient"),
    ]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
