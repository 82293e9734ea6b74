r"""Paths as text that any database can hold, and back without loss.

File systems allow names that are not valid UTF-8; Python shows their bytes as lone surrogates,
which no database takes. The text form is the name itself, with two exceptions: a byte that is not
UTF-8 becomes `\xNN` and a backslash becomes `\\`. The form is reversible, is unchanged for nearly
every real name, and works component by component, so sorting by it is well defined everywhere.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_ODD = re.compile("[\\\\\udc80-\udcff]")
_ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2}))")


def to_text(name: str) -> str:
    r"""Return the text form of a file system name or path, as `os.fsdecode` gives it."""
    if not _ODD.search(name):
        return name
    return _ODD.sub(lambda m: r"\\" if m[0] == "\\" else rf"\x{ord(m[0]) - 0xDC00:02x}", name)


def from_text(text: str) -> str:
    """Return the file system path of a text form; the inverse of `to_text`."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda m: chr(0xDC00 + int(m[1], 16)) if m[1] else "\\", text)


def absolute_text(path: str | os.PathLike[str]) -> str:
    """Return the text form of `path` made absolute, links resolved, `/` between components."""
    return to_text(Path(os.path.realpath(path)).as_posix())


def on_disk(root: str, path: str) -> str:
    """Return the file system path of the file `path` below `root`, both in text form."""
    return os.path.join(from_text(root), from_text(path)) if path else from_text(root)  # noqa: PTH118
