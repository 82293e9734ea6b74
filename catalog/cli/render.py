"""Rows as text: tables for people, JSON, CSV and TSV for programs, paths for pipes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice
from typing import Any, TextIO

from catalog.cli.json_rows import json_objects
from catalog.cli.saying import plain
from catalog.files.paths import from_text

SAMPLE_ROWS = 1000
"""Rows from which a table's column widths are taken; the rest streams."""

_AMOUNTS = frozenset(["Size"])
"""Columns of text that stand to the right, as numbers do."""

_KEEPS_END = re.compile(r"/|DICOM/|[0-9]+(\.[0-9]+){3,}")
"""How cells begin whose end matters more."""


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    CSV_EXCEL = "csv-excel"
    TSV = "tsv"


class FindFormat(StrEnum):
    """How what was found is written."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    CSV_EXCEL = "csv-excel"
    TSV = "tsv"
    PARQUET = "parquet"
    DICOM_JSON = "dicom-json"
    PATHS = "paths"


def write_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    form: Format,
    stream: TextIO | None = None,
    shared: int = 0,
) -> int:
    """Write rows to standard output, or `stream`; return how many there were.

    `shared` is for `json_objects`.
    """
    out = stream or sys.stdout
    counted = Counted(rows)
    match form:
        case Format.TABLE:
            write_table(columns, counted, out)
        case Format.JSON:
            write_array(json_objects(columns, counted, shared), out)
        case Format.NDJSON:
            out.writelines(f"{text}\n" for text in json_objects(columns, counted, shared))
        case Format.CSV:
            import csv

            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(["" if cell is None else cell for cell in row] for row in counted)
        case Format.CSV_EXCEL:
            from catalog.cli import spreadsheet

            spreadsheet.write(columns, counted, out)
        case Format.TSV:
            out.write("\t".join(columns) + "\n")
            for row in counted:
                out.write("\t".join(plain(cell) for cell in row) + "\n")
    return counted.count


class Counted:
    """Rows that are counted as they pass."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for row in self._rows:
            self.count += 1
            yield row


def write_array(objects: Iterable[str], out: TextIO) -> None:
    """Write JSON texts as one array, one a line."""
    out.write("[")
    separator = "\n"
    for each in objects:
        out.write(separator + each)
        separator = ",\n"
    out.write("\n]\n")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """Write rows in aligned columns: cut to the terminal's width on a terminal, whole elsewhere."""
    from rich.cells import cell_len

    source = iter(rows)
    first = [list(row) for row in islice(source, SAMPLE_ROWS)]
    if not first:
        return
    sample = [[plain(cell) for cell in row] for row in first]
    numeric = [
        name in _AMOUNTS or all(isinstance(row[i], int | float | None) for row in first)
        for i, name in enumerate(columns)
    ]
    widths = [
        max([cell_len(name), *(cell_len(row[i]) for row in sample)])
        for i, name in enumerate(columns)
    ]
    import shutil

    limit = shutil.get_terminal_size((80, 24)).columns if out.isatty() else None
    if limit is not None:
        # Amounts and dates are never cut, as half of one is a wrong one; headings are.
        inside = [max(cell_len(row[i]) for row in sample) for i in range(len(columns))]
        whole = [
            n or name.endswith(("Date", "Year", "Month"))
            for n, name in zip(numeric, columns, strict=True)
        ]
        tiers = [
            [w if keep else min(w, tier) for w, keep in zip(inside, whole, strict=True)]
            for tier in (10, 6, 3)
        ]
        widths = fitted(widths, limit, tiers)
    bold, dim, reset = (
        ("\x1b[1m", "\x1b[2m", "\x1b[0m")
        if out.isatty() and not os.environ.get("NO_COLOR")
        else ("", "", "")
    )
    out.write(bold + _line(columns, widths, numeric, limit) + reset + "\n")
    out.write(dim + "  ".join("─" * width for width in widths) + reset + "\n")
    for row in chain(sample, ([plain(cell) for cell in row] for row in source)):
        out.write(_line(row, widths, numeric, limit) + "\n")


def _line(
    cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], limit: int | None
) -> str:
    from rich.cells import cell_len

    parts = []
    for cell, width, to_right in zip(cells, widths, right, strict=True):
        length = cell_len(cell)
        if length > width and limit is not None:
            parts.append(_cut(cell, width))
        else:
            pad = " " * (width - length)
            parts.append(pad + cell if to_right else cell + pad)
    return "  ".join(parts).rstrip()


def _cut(cell: str, width: int) -> str:
    """Return `cell` cut to `width` cells: paths and UIDs keep their end, which tells them apart."""
    from rich.cells import set_cell_size

    if width < 2:
        return "…"
    if _KEEPS_END.match(cell):
        return "…" + set_cell_size(cell[::-1], width - 1)[::-1]
    return set_cell_size(cell, width - 1) + "…"


def fitted(widths: Sequence[int], limit: int, tiers: Sequence[Sequence[int]]) -> list[int]:
    """Return column widths that fit into `limit` cells, if that is possible at all.

    The widest column gives first; none goes below its width in the first of `tiers` before every
    column has come down to that, then the same with the next tier.
    """
    result = list(widths)
    excess = sum(result) + 2 * (len(result) - 1) - limit
    for floor in tiers:
        while excess > 0:
            candidates = [i for i in range(len(result)) if result[i] > max(floor[i], 1)]
            if not candidates:
                break
            result[max(candidates, key=lambda i: result[i])] -= 1
            excess -= 1
    return result


def write_paths(paths: Iterable[str], *, nul: bool) -> int:
    """Write file system paths as the bytes that they are, each ended by a newline or NUL; return how many."""
    end = b"\0" if nul else b"\n"
    out = sys.stdout.buffer
    count = 0
    for path in paths:
        out.write(os.fsencode(from_text(path)) + end)
        count += 1
    out.flush()
    return count
