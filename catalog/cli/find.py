"""dcat find"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any

from catalog.cli import declared, options
from catalog.cli.render import FindFormat

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue
    from catalog.database.columns import Column
    from catalog.entities import Level
    from catalog.query.selection import Selection

NOTHING = "Nothing in the catalogue fits."

_SHOWN = "What is shown"
_WHAT = ("patients", "studies", "series", "instances", "files")
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
        declared.Option("--output", "-o", help="table has the main columns; the others have all."),
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
    where: options.Where = None,
    sql: options.Sql = None,
    listed: options.From = None,
) -> int:
    """List patients, studies, series, instances or files that fit a selection; all without one.

    -o paths lists the files that are there of whatever was found, one a line; -o dicom-json gives
    what a QIDO-RS server would return (DICOM PS3.18).
    """
    from catalog.cli import saved as saved_selections
    from catalog.cli.saying import say
    from catalog.database import select

    limit, offset = None if limit is None else min(limit, _MOST), min(offset, _MOST)
    level, names = _level(what, saved or ())
    _check(output, level, nul, columns, sort, limit, offset, count, group_by)
    chosen = options.selection(
        patient, study, series, instance, modality, date, accession, key, where, sql, listed, db,
        words, exact,
    )  # fmt: skip
    chosen = saved_selections.beside(chosen, names, db)
    with options.opened(db) as catalogue:
        if chosen.listed is not None:
            with catalogue.read() as connection:
                report_unmatched(select.unmatched(connection, chosen.listed))
        if count:
            return _count(catalogue, level, chosen, output)
        if group_by is not None:
            shown = _groups(catalogue, chosen, group_by, sort, limit, offset, output)
        else:
            shown = _list(catalogue, level, chosen, columns, sort, limit, offset, output, nul)
    if shown == 0 and limit != 0:
        say("Nothing more fits." if offset else NOTHING)
    return 0


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
    return 0


def _list(
    catalogue: Catalogue,
    level: Level,
    chosen: Selection,
    columns: str | None,
    sort: str | None,
    limit: int | None,
    offset: int,
    output: FindFormat,
    nul: bool,
) -> int:
    """Write what fits; return how much it was, so that nothing can be told from no row of it."""
    from catalog.cli import find_columns
    from catalog.cli.render import Format, write_paths, write_rows
    from catalog.cli.saying import counted, say
    from catalog.database import fetch
    from catalog.database.columns import PLURALS

    is_table = output is FindFormat.TABLE
    with catalogue.read() as connection:
        further = fetch.further_of(connection)
    keys = find_columns.sort_keys(level, sort, further)
    if output is FindFormat.DICOM_JSON:
        shown = _dicom_columns(level, columns, further, chosen.keywords)
    elif output is FindFormat.PATHS:
        shown = ()
    else:
        shown = find_columns.chosen(level, columns, further, chosen.keywords, is_table=is_table)
    wanted = fetch.Arrangement(shown, keys, limit, offset)
    if output is FindFormat.PATHS:
        count = write_paths(fetch.file_paths(catalogue, level, chosen, wanted), nul=nul)
        if count == 0:
            with catalogue.read() as connection:
                fitting = fetch.count_of(connection, level, chosen)
            if fitting > offset and limit != 0:
                say(f"{counted(fitting, 'row')} fit, and no file of them is there.")
                return fitting
        return count
    with fetch.found(catalogue, level, chosen, wanted) as (names, rows):
        if output in (FindFormat.PARQUET, FindFormat.DICOM_JSON):
            return _write_typed(shown, rows, output)
        if not is_table:
            above = sum(1 for _ in takewhile(lambda each: each.home is not level, shown))
            return write_rows(names, rows, Format(output.value), shared=above)
        shown_rows = find_columns.for_people(names, rows)
        count = write_rows(find_columns.headings(names), shown_rows, Format.TABLE)
    if count:
        of_all = ""
        if limit is not None or offset:
            with catalogue.read() as connection:
                of_all = f" of {fetch.count_of(connection, level, chosen):,}"
        say(f"{count:,}{of_all} {level.value if count == 1 and not of_all else PLURALS[level]}.")
    return count


def _dicom_columns(
    level: Level, names: str | None, further: Sequence[Any], asked: Sequence[str]
) -> tuple[Column, ...]:
    """Return the columns of DICOM JSON: those named, else those of QIDO-RS and those asked for.

    Raises
    ------
    SelectionError
        If one is named that a data set cannot carry.
    """
    from catalog.cli import find_columns
    from catalog.database import columns
    from catalog.dicom import json_model
    from catalog.errors import SelectionError

    if names is None:
        # Matching keys are returned too (PS3.18 10.6.3.3), if they are of the level or above it.
        known = {each.name for each in columns.usual(level, further)}
        wanted = [*json_model.RETURNED[level], *(name for name in asked if name in known)]
        found = columns.named(level, list(dict.fromkeys(wanted)), further)
        return tuple(each for each in found if json_model.element(each.name, each.attribute))
    found = find_columns.chosen(level, names, further, (), is_table=False)
    for each in found:
        if json_model.element(each.name, each.attribute) is None:
            raise SelectionError(
                f"{each.name} has no place in DICOM JSON: a data set holds no facts about files, "
                "no private elements and no parts of sequences here. Write -o json instead.",
                each.name,
            )
    return found


def _write_typed(
    columns: Sequence[Column], rows: Iterable[Sequence[Any]], output: FindFormat
) -> int:
    """Write rows in a format that has types."""
    from catalog.cli.parquet import write_parquet
    from catalog.cli.render import Counted, write_array
    from catalog.dicom import json_model

    if output is FindFormat.PARQUET:
        return write_parquet(columns, rows, sys.stdout.buffer)
    elements = [json_model.element(each.name, each.attribute) for each in columns]
    counted_rows = Counted(rows)
    write_array(json_model.data_sets([each for each in elements if each], counted_rows), sys.stdout)
    return counted_rows.count


def _groups(
    catalogue: Catalogue,
    chosen: Selection,
    group_by: str,
    sort: str | None,
    limit: int | None,
    offset: int,
    output: FindFormat,
) -> int:
    """Write totals by group; return how many groups there are."""
    from catalog.cli import find_columns
    from catalog.cli.render import Format, write_rows
    from catalog.cli.saying import counted, say
    from catalog.database import fetch, grouping
    from catalog.database.columns import Column

    with catalogue.read() as connection:
        further = fetch.further_of(connection)
    keys = grouping.group_keys(find_columns.listed(group_by), further)
    order = [] if sort is None else find_columns.sort_names(sort, grouping.AMOUNTS)
    with grouping.grouped(catalogue, keys, chosen, order, limit, offset) as (names, rows):
        if output is FindFormat.PARQUET:
            columns = [Column(key.name, key.attribute.level, None if key.characters else key.attribute) for key in keys]  # fmt: skip
            columns += [Column(name, columns[0].home) for name in grouping.AMOUNTS]
            return _write_typed(columns, rows, output)
        if output is not FindFormat.TABLE:
            return write_rows(names, rows, Format(output.value))
        heads = [*(key.name for key in keys), *find_columns.headings(grouping.AMOUNTS)]
        count = write_rows(
            heads, find_columns.for_people(names, rows, keys=len(keys)), Format.TABLE
        )
    if count:
        say(f"{counted(count, 'group')}.")
    return count


def report_unmatched(items: list[str]) -> bool:
    """Say which lines of a list the catalogue does not know; return whether there are any."""
    from catalog.cli.saying import counted, plain, say

    if items:
        shown = ", ".join(plain(item) for item in items[:5]) + (", …" if len(items) > 5 else "")
        say(
            f"{counted(len(items), 'line')} of the list name nothing that the catalogue knows: {shown}"
        )
    return bool(items)
