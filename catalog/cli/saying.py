"""Words for people: messages on standard error, amounts, and text that cannot steer a terminal."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from catalog.files.paths import to_text

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\udc80-\udcff]")


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
        import shutil
        import textwrap

        width = shutil.get_terminal_size((80, 24)).columns
        indent = " " * (len(text) - len(text.lstrip()) + 2)
        text = textwrap.fill(
            text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
    print(text, file=sys.stderr)  # noqa: T201 - the one place that prints messages


def wrapped(text: str, indent: int) -> str:
    """Return a line of an answer, broken to the width of the terminal if it goes to one."""
    if not sys.stdout.isatty():
        return text
    import shutil
    import textwrap

    width = shutil.get_terminal_size((80, 24)).columns
    return textwrap.fill(text, width, subsequent_indent=" " * indent, break_on_hyphens=False)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def there_and_right(right: int, files: int) -> str:
    """Return how many of the files that directory records name are right: `23 of 24 files that they name are …`."""
    verb = "is" if files == 1 else "are"
    return f"{right:,} of {counted(files, 'file')} that they name {verb} there and {verb} what they say"
