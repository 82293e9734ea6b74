"""dcat find"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from catalog.cli import declared, options
from catalog.cli.render import FindFormat

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue
    from catalog.entities import Level
    from catalog.query.selection import Selection

NOTHING = "Nothing in the catalogue fits."

_SHOWN = "What is shown"
_WHAT = ("patients", "studies", "series", "instances", "files")
_TOLD = 5
"""Linked patients that are named."""

_MOST = 2**62
"""More rows than there can be; databases refuse larger numbers."""


def find(
    what: Annotated[
        str,
        declared.Argument(
            metavar="WHAT",
            help="What to list: patients, studies, series, instances or files.",
            autocompletion=lambda: list(_WHAT),
        ),
    ] = "studies",
    saved: Annotated[
        list[str] | None,
        declared.Argument(
            metavar="@NAME",
            help="Saved selections (`dcat selection`); what is listed fits all of them.",
        ),
    ] = None,
    output: Annotated[
        FindFormat,
        declared.Option(
            "--output",
            "-o",
            metavar="FORMAT",
            help="table (the main columns; the others have all), json, ndjson, csv, csv-excel (for spreadsheets: no text becomes a formula or number), tsv, parquet, dicom-json or paths.",
        ),
    ] = FindFormat.TABLE,
    nul: Annotated[
        bool,
        declared.Option(
            "-0", "--null", help="With -o paths: end each path with NUL instead of a newline."
        ),
    ] = False,
    columns: Annotated[
        str | None,
        declared.Option(
            "--columns",
            metavar="KEYWORD,…",
            help="These columns, in this order: any attribute of what is listed or of what it belongs to.",
            rich_help_panel=_SHOWN,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        declared.Option(
            "--sort",
            metavar="KEYWORD,-KEYWORD,…",
            help="In order of these columns; - is descending. What has no value comes last.",
            rich_help_panel=_SHOWN,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        declared.Option(
            "--limit",
            metavar="N",
            min=0,
            help="At most so many rows.",
            rich_help_panel=_SHOWN,
        ),
    ] = None,
    offset: Annotated[
        int,
        declared.Option(
            "--offset",
            metavar="N",
            min=0,
            help="Leave out so many rows at the beginning.",
            rich_help_panel=_SHOWN,
        ),
    ] = 0,
    count: Annotated[
        bool,
        declared.Option("--count", help="Only how many there are.", rich_help_panel=_SHOWN),
    ] = False,
    group_by: Annotated[
        str | None,
        declared.Option(
            "--group-by",
            metavar="KEYWORD,…",
            help="Totals for each value, such as modality,year: how many patients, studies, series, instances and files there are, and their size. year and month are those of Study Date.",
            rich_help_panel=_SHOWN,
        ),
    ] = None,
    db: options.Db = None,
    patient: options.PatientIds = None,
    study: options.StudyUids = None,
    series: options.SeriesUids = None,
    instance: options.InstanceUids = None,
    modality: options.Modalities = None,
    date: options.Dates = None,
    accession: options.Accessions = None,
    key: options.Keys = None,
    words: options.Words = None,
    exact: options.Exact = False,
    no_links: options.NoLinks = False,
    where: options.Where = None,
    sql: options.Sql = None,
    listed: options.From = None,
) -> int:
    """List patients, studies, series, instances or files that fit a selection; all without one.

    -o paths lists the files that are there of whatever was found, one a line; -o dicom-json gives
    what a QIDO-RS server would return (DICOM PS3.18).
    """
    from catalog.cli import found_rows
    from catalog.cli import saved as saved_selections
    from catalog.cli.saying import say
    from catalog.database import select

    limit, offset = None if limit is None else min(limit, _MOST), min(offset, _MOST)
    level, names = _level(what, saved or ())
    _check(output, level, nul, columns, sort, limit, offset, count, group_by)
    chosen = options.selection(
        patient, study, series, instance, modality, date, accession, key, where, sql, listed, db,
        words, exact, no_links,
    )  # fmt: skip
    chosen = saved_selections.beside(chosen, names, db)
    with options.opened(db) as catalogue:
        if chosen.listed is not None:
            with catalogue.read() as connection:
                report_unmatched(select.unmatched(connection, chosen.listed))
        report_links(catalogue, chosen)
        if count:
            return _count(catalogue, level, chosen, output)
        if group_by is not None:
            shown = found_rows.groups(catalogue, chosen, group_by, sort, limit, offset, output)
        else:
            shown = found_rows.rows(
                catalogue, level, chosen, columns, sort, limit, offset, output, nul
            )
    if shown == 0 and limit != 0:
        say("Nothing more fits." if offset else NOTHING)
        if not offset:
            _advise(chosen)
    return 0


def _advise(chosen: Selection) -> None:
    """Say why a selection that finds nothing may not be what was meant."""
    from catalog.cli.saying import say
    from catalog.query.advice import advice

    for each in advice(chosen):
        say(each)


def _level(what: str, words: Sequence[str]) -> tuple[Level, Sequence[str]]:
    """Return the level to list, and the `@NAME` words; the first word may be one of these."""
    import difflib

    from catalog.database.columns import PLURALS
    from catalog.entities import Level
    from catalog.errors import SelectionError

    if what.startswith("@"):
        return Level.STUDY, (what, *words)
    levels = {plural: level for level, plural in PLURALS.items()}
    if what not in levels:
        near = difflib.get_close_matches(what.lower(), levels, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SelectionError(
            f"{what!r} is nothing to list.{hint} Name patients, studies, series, instances or files.",
            what,
        )
    return levels[what], words


def _check(
    output: FindFormat,
    level: Level,
    nul: bool,
    columns: str | None,
    sort: str | None,
    limit: int | None,
    offset: int,
    count: bool,
    group_by: str | None,
) -> None:
    """Refuse options that say nothing together, rather than leave one unheard."""
    from catalog.cli import parquet
    from catalog.entities import Level
    from catalog.errors import SelectionError

    if nul and output is not FindFormat.PATHS:
        raise SelectionError("-0 goes with -o paths.")
    if columns is not None and output is FindFormat.PATHS:
        raise SelectionError("-o paths writes paths alone; --columns goes with the other formats.")
    if count and (columns or sort or group_by or limit is not None or offset):
        raise SelectionError(
            "--count gives one number, of all that fit; it takes no --columns, --sort, --limit, --offset or --group-by."
        )
    if group_by is not None:
        if columns is not None:
            raise SelectionError(
                "--group-by has its own columns: what it groups by, and totals. Leave out --columns."
            )
        if output in (FindFormat.PATHS, FindFormat.DICOM_JSON):
            raise SelectionError(f"Groups cannot be written as -o {output.value}.")
    if level is Level.FILE and output is FindFormat.DICOM_JSON:
        raise SelectionError(
            "DICOM JSON describes patients, studies, series and instances, not files. Ask `dcat find instances`."
        )
    if output is FindFormat.PARQUET:
        parquet.check_possible()


def _count(catalogue: Catalogue, level: Level, chosen: Selection, output: FindFormat) -> int:
    """Write how many rows fit; of paths, how many files are there."""
    from catalog.database import fetch

    if output is FindFormat.PATHS:
        number = sum(1 for _ in fetch.file_paths(catalogue, level, chosen))
    else:
        with catalogue.read() as connection:
            number = fetch.count_of(connection, level, chosen)
    print(number)  # noqa: T201 - the answer
    if number == 0:
        _advise(chosen)
    return 0


def report_links(catalogue: Catalogue, chosen: Selection, *, copied: bool = False) -> None:
    """Say which patients are selected, or left out, because they are linked to one that is asked for."""
    from catalog.cli.saying import plain, say
    from catalog.database import followed_links

    if not chosen.identities:
        return
    with catalogue.read() as connection:
        links = followed_links.links_of(connection, chosen)
    aside = "--no-links leaves links aside."
    if len(links) == 1:
        own = ", and keeps its own Patient ID in files and records" if copied else ""
        (link,) = links
        say(plain(f"{link.foreign} is linked to {link.local} and counts as that patient{own}; {aside}"))  # fmt: skip
    elif links:
        own = ", and keep their own Patient IDs in files and records" if copied else ""
        told = ", ".join(f"{each.foreign} to {each.local}" for each in links[:_TOLD])
        more = ", …" if len(links) > _TOLD else ""
        say(plain(f"{len(links):,} patients are linked to others and count as these{own} ({told}{more}); {aside}"))  # fmt: skip


def report_unmatched(items: list[str]) -> bool:
    """Say which lines of a list the catalogue does not know; return whether there are any."""
    from catalog.cli.saying import counted, plain, say

    if items:
        shown = ", ".join(plain(item) for item in items[:5]) + (", …" if len(items) > 5 else "")
        say(
            f"{counted(len(items), 'line')} of the list name nothing that the catalogue knows: {shown}"
        )
    return bool(items)
