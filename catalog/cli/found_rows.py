"""What `dcat find` writes of what was found: rows in every format, or totals by group."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from catalog.cli import find_columns
from catalog.cli.render import Counted, FindFormat, Format, write_array, write_paths, write_rows
from catalog.cli.saying import counted, say
from catalog.database import fetch
from catalog.database.columns import PLURALS, Column, named, usual
from catalog.entities import Level
from catalog.errors import SelectionError

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue
    from catalog.query.selection import Selection


def rows(
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
    with fetch.found(catalogue, level, chosen, wanted) as (names, found):
        if output in (FindFormat.PARQUET, FindFormat.DICOM_JSON):
            return _write_typed(shown, found, output)
        if not is_table:
            above = sum(1 for _ in takewhile(lambda each: each.home is not level, shown))
            return write_rows(names, found, Format(output.value), shared=above)
        shown_rows = find_columns.for_people(names, found)
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
    from catalog.dicom import json_model

    if names is None:
        # Matching keys are returned too (PS3.18 10.6.3.3), if they are of the level or above it.
        known = {each.name for each in usual(level, further)}
        wanted = [*json_model.RETURNED[level], *(name for name in asked if name in known)]
        found = named(level, list(dict.fromkeys(wanted)), further)
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
    if output is FindFormat.PARQUET:
        from catalog.cli.parquet import write_parquet

        return write_parquet(columns, rows, sys.stdout.buffer)
    from catalog.dicom import json_model

    elements = [json_model.element(each.name, each.attribute) for each in columns]
    counted_rows = Counted(rows)
    write_array(json_model.data_sets([each for each in elements if each], counted_rows), sys.stdout)
    return counted_rows.count


def groups(
    catalogue: Catalogue,
    chosen: Selection,
    group_by: str,
    sort: str | None,
    limit: int | None,
    offset: int,
    output: FindFormat,
) -> int:
    """Write totals by group; return how many groups there are."""
    from catalog.database import grouping

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
