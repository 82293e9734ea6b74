"""The files of a medium, listed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from catalog.errors import PathError
from catalog.files.paths import to_text
from catalog.files.walk import Entry, Kind, walk


class Medium(NamedTuple):
    """A medium or folder: its folder, its DICOMDIR's path, and its files by relative path."""

    folder: Path
    dicomdir: Path
    files: dict[str, Entry]
    others: tuple[Entry, ...]
    """Entries that are no plain files or cannot be examined."""


def medium_at(path: Path, dicomdir_names: Callable[[list[str]], list[str]]) -> Medium:
    """Return the medium at `path`: a DICOMDIR file, or the folder that has one.

    Raises
    ------
    PathError
        If `path` does not exist or holds no DICOMDIR.
    """
    name = to_text(str(path))
    try:
        if path.is_dir():
            names = dicomdir_names([entry.name for entry in path.iterdir() if entry.is_file()])
            if not names:
                raise PathError(
                    f"{name} has no DICOMDIR. To catalogue its files all the same, use `dcat index {name}`."
                )
            folder, dicomdir = path, path / names[0]
        else:
            path.stat()
            folder, dicomdir = path.parent, path
        files, others = {}, []
        for entry in walk(str(folder)):
            if entry.kind is Kind.FILE:
                files[entry.path] = entry
            else:
                others.append(entry)
    except OSError as exc:
        raise PathError(f"{name} cannot be read: {exc.strerror}.") from exc
    return Medium(folder, dicomdir, files, tuple(others))


def content(path: Path) -> bytes:
    """Return the bytes of `path`.

    Raises
    ------
    PathError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise PathError(f"{to_text(str(path))} cannot be read: {exc.strerror}.") from exc
