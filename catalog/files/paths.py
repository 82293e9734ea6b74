r"""Paths as text that any database can hold, and back without loss.

File systems allow names that are not valid UTF-8; Python shows their bytes as lone surrogates,
which no database takes. The text form is the name itself, with these exceptions: a byte that is
not UTF-8 becomes `\xNN`, a backslash becomes `\\`, and an exclamation mark that ends a name such as
`study.zip!` becomes `\x21`, as does NUL, which only members of archives can have in their names,
`\x00`. The form is reversible, is unchanged for nearly every real name, and works component by
component, so sorting by it is well defined everywhere.

A member of an archive is `ARCHIVE!/MEMBER`, such as `study.zip!/a/b.dcm`. As no name in text form
ends in `.zip!`, that is never the path of a file in a folder. Of members that have one name the
second is `NAME\#2` and so on; `\#` occurs in no name, either.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from catalog.errors import PathError

ARCHIVE_SUFFIXES = (
    ".zip",
    ".iso",
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tar.xz",
    ".txz",
    ".dcm.gz",
    ".dicom.gz",
    ".ima.gz",
)
"""How names of archives end, in lower case. Other `.gz` files are not looked into."""

SEPARATOR = "!/"
"""Stands between the path of an archive and the name of its member."""

_ENDS = "|".join(rf"(?<={re.escape(suffix)})" for suffix in ARCHIVE_SUFFIXES)
_ODD = re.compile("[\\\\!\0\udc80-\udcff]")
_ESCAPED = re.compile(f"[\\\\\0\udc80-\udcff]|(?:{_ENDS})!(?=/|\\Z)", re.IGNORECASE | re.ASCII)
_ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2}))")
_MEMBER = re.compile(f"(?:{_ENDS}){SEPARATOR}", re.IGNORECASE | re.ASCII)
_AGAIN = re.compile(r"(?:\\#([0-9]{1,9}))?\Z")
_LONGEST_ENDING = max(map(len, ARCHIVE_SUFFIXES))
_LAST = frozenset(
    letter for suffix in ARCHIVE_SUFFIXES for letter in (suffix[-1], suffix[-1].upper())
)


def to_text(name: str) -> str:
    r"""Return the text form of a file system name or path, as `os.fsdecode` gives it."""
    if not _ODD.search(name):
        return name
    return _ESCAPED.sub(_escaped, name)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return r"\\" if match[0] == "\\" else rf"\x{code - 0xDC00 if code > 0xDC00 else code:02x}"


def from_text(text: str) -> str:
    """Return the file system path of a text form; the inverse of `to_text`."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    if not match[1]:
        return "\\"
    code = int(match[1], 16)
    return chr(code if code < 0x80 else 0xDC00 + code)


def absolute_text(path: str | os.PathLike[str]) -> str:
    """Return the text form of `path` made absolute, links resolved, `/` between components."""
    return to_text(Path(os.path.realpath(path)).as_posix())


def on_disk(root: str, path: str) -> str:
    """Return the file system path of the file `path` below `root`, both in text form."""
    return _folder(root) + from_text(path) if path else from_text(_folder(root) and root)


@lru_cache(maxsize=16)
def _folder(root: str) -> str:
    if "://" in root and not os.path.isabs(root):  # noqa: PTH117
        # Joined with a key such as `../x` it would be a path of this machine.
        raise PathError(f"{root} is a URL, and this works on files of this machine only.")
    return os.path.join(from_text(root), "")  # noqa: PTH118


def is_archive_name(path: str) -> bool:
    """Return whether `path` ends as the names of archives do, in whatever case."""
    # The last letter rules out nearly all; this is asked of every file.
    return path[-1:] in _LAST and path[-_LONGEST_ENDING:].lower().endswith(ARCHIVE_SUFFIXES)


def is_single_file(path: str) -> bool:
    """Return whether an archive called `path` holds one file only, compressed by gzip."""
    return path[-len(".gz") :].lower() == ".gz" and not path.lower().endswith(".tar.gz")


def split_member(path: str) -> tuple[str, str] | None:
    """Return the path of the archive and the name of the member that `path` names, in text form.

    `None` if it is the path of a file in a folder.
    """
    if SEPARATOR not in path:
        return None
    found = _MEMBER.search(path)
    return None if found is None else (path[: found.start()], path[found.end() :])


def numbered(name: str, occurrence: int) -> str:
    """Return the name, in text form, of the member that is the `occurrence`th of its name, from 1."""
    return name if occurrence == 1 and name else rf"{name}\#{occurrence}"


def named(path: str) -> str:
    """Return the text form of a path that a person or program names, as `find -o paths` writes them.

    `study.zip!/a.dcm` is a member of the archive `study.zip` there, unless a file has that path.
    """
    found = _MEMBER.search(path) if SEPARATOR in path else None
    if found is None or os.path.lexists(path):
        return to_text(path)
    name = path[found.end() :]
    again = _AGAIN.search(name)
    assert again is not None
    return to_text(path[: found.start()]) + SEPARATOR + to_text(name[: again.start()]) + again[0]
