"""CSV that a spreadsheet program may open: no text of a header becomes a formula or another number.

Excel, LibreOffice and others take a text for a formula if it begins with one of a few signs, and
`0042` for 42. Whoever writes a header could so have a command offered for running on the desk of
whoever opens the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

_TAKEN_FOR_SOMETHING_ELSE = re.compile(
    r"\s*[=+\-@\uff0b\uff0d\uff1d\uff20\t\r]|0\d+\s*\Z|\d{16,}\s*\Z"
)
"""Formulas, also after spaces and with the signs' wide forms; numbers with leading zeros, and longer than a cell keeps."""


def write(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """Write rows as CSV with a byte order mark, without which Excel reads no UTF-8, and CRLF."""
    import csv

    out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([as_text(name) for name in columns])
    writer.writerows([as_text(cell) for cell in row] for row in rows)


def as_text(cell: Any) -> Any:
    """Return a cell that stays what it is in a spreadsheet: an apostrophe before a text says that it is one."""
    if cell is None:
        return ""
    if isinstance(cell, str) and _TAKEN_FOR_SOMETHING_ELSE.match(cell):
        return f"'{cell}"
    return cell
