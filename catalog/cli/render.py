"""Rows as text: tables for people, JSON, CSV and TSV for programs, paths for pipes."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size

from catalog.files.paths import from_text, to_text

SAMPLE_ROWS = 1000
"""Rows from which a table's column widths are taken; the rest streams."""

_AMOUNTS = frozenset(["Size"])
"""Columns of text that stand to the right, as numbers do."""

_KEEPS_END = re.compile(r"/|DICOM/|[0-9]+(\.[0-9]+){3,}")
"""How cells begin whose end matters more."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\udc80-\udcff]")


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    TSV = "tsv"


class FindFormat(StrEnum):
    """How what was found is written."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    TSV = "tsv"
    PATHS = "paths"


def write_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    form: Format,
    stream: TextIO | None = None,
) -> int:
    """Write rows to standard output, or `stream`; return how many there were."""
    out = stream or sys.stdout
    counted = _Counted(rows)
    match form:
        case Format.TABLE:
            write_table(columns, counted, out)
        case Format.JSON:
            _write_json(columns, counted, out)
        case Format.NDJSON:
            for row in counted:
                out.write(_json(columns, row) + "\n")
        case Format.CSV:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(["" if cell is None else cell for cell in row] for row in counted)
        case Format.TSV:
            out.write("\t".join(columns) + "\n")
            for row in counted:
                out.write("\t".join(plain(cell) for cell in row) + "\n")
    return counted.count


class _Counted:
    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for row in self._rows:
            self.count += 1
            yield row


def _json(columns: Sequence[str], row: Sequence[Any]) -> str:
    return json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)


def _write_json(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    out.write("[")
    separator = "\n"
    for row in rows:
        out.write(separator + _json(columns, row))
        separator = ",\n"
    out.write("\n]\n")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """Write rows in aligned columns: cut to the terminal's width on a terminal, whole elsewhere."""
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
    limit = shutil.get_terminal_size((80, 24)).columns if out.isatty() else None
    if limit is not None:
        # Amounts and dates are never cut, as half of one is a wrong one; headings are.
        inside = [max(cell_len(row[i]) for row in sample) for i in range(len(columns))]
        whole = [n or name.endswith("Date") for n, name in zip(numeric, columns, strict=True)]
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


def plain(cell: Any) -> str:
    """Return a cell as text that cannot steer a terminal: control characters are spelled out.

    Bytes of a path that are no UTF-8, which Python holds as lone surrogates, become `\\xNN` as in
    the text form of paths (`catalog.files.paths`).
    """
    return "" if cell is None else _CONTROL.sub(_spelled, str(cell))


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def sentence(text: object) -> str:
    """Return a message that cannot steer a terminal, and that any stream takes; lines stay lines."""
    return "\n".join(plain(line.expandtabs(4)) for line in str(text).split("\n"))


def path_text(path: os.PathLike[str] | str) -> str:
    """Return a path for people in its reversible text form (`catalog.files.paths`)."""
    return plain(to_text(str(path)))


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


def size_text(size_bytes: int) -> str:
    """Return a size for people: `1.4 GB`, in powers of 1000."""
    amount = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            return f"{size_bytes} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


def say(text: str = "") -> None:
    """Write a message to standard error, broken into lines where that is a terminal."""
    text = sentence(text)
    if sys.stderr.isatty():
        width = shutil.get_terminal_size((80, 24)).columns
        indent = " " * (len(text) - len(text.lstrip()) + 2)
        text = textwrap.fill(
            text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
    print(text, file=sys.stderr)  # noqa: T201 - the one place that prints messages


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def there_and_right(right: int, files: int) -> str:
    """Return how many of the files that directory records name are right: `23 of 24 files that they name are …`."""
    verb = "is" if files == 1 else "are"
    return f"{right:,} of {counted(files, 'file')} that they name {verb} there and {verb} what they say"
