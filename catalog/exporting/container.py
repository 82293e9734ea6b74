"""What ZIP files and ISO images have in common: one new file, and other files that may go into it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from catalog.errors import ExportError, MediaFull
from catalog.exporting.receiver import DICOMDIR
from catalog.files.paths import to_text
from catalog.files.writing import PARTIAL_SUFFIX

MAX_LEVELS = 8
"""Deepest folder of a File ID (PS3.10 §8.2), the root aside; PS3.12 Annexes F and V say the same."""

_UNPRINTABLE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')


def partial_of(path: Path) -> Path:
    """Return the name of a container that is not finished."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


def check_new_file(path: Path, size_bytes: int) -> None:
    """Make sure that a container of so many bytes can be made at `path`.

    Raises
    ------
    ExportError, MediaFull
        If something is there already, it cannot be written, or there is too little space.
    """
    name = to_text(str(path))
    partial = partial_of(path)
    try:
        for found in (path, partial):
            if os.path.lexists(found):
                raise ExportError(_taken(found, is_partial=found is partial))
        folder = path.parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise ExportError(
                f"{to_text(str(folder))} is not a folder, so {name} cannot be made. Nothing was written."
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ExportError(
                f"{to_text(str(folder))} cannot be written by this user. Nothing was written."
            )
        free = shutil.disk_usage(folder).free
    except OSError as exc:
        raise ExportError(f"{name} cannot be made: {exc.strerror}. Nothing was written.") from exc
    if free < size_bytes:
        raise MediaFull(
            f"{to_text(str(folder))} has {free:,} bytes free and {path.name} needs {size_bytes:,}. Nothing was written."
        )


def _taken(path: Path, *, is_partial: bool) -> str:
    name = to_text(str(path))
    if is_partial:
        return f"{name} is there: an export to it was interrupted, or is under way. If no dcat is writing it, remove it; nothing was written."
    if path.is_dir():
        return f"{name} is a folder. Name a new file; nothing was written."
    return f"{name} exists. Name a new file; nothing was written."


def check_other_name(name: str) -> None:
    """Make sure that `name` can be that of a file beside the DICOM files; `/` separates folders.

    Raises
    ------
    ExportError
        If it is absolute, leads out of its folder, lies too deep, or no file system takes it.
    """
    parts = name.split("/")
    if name.casefold() == DICOMDIR.casefold():
        raise ExportError("DICOMDIR is the directory's own name; no other file can have it.")
    if (
        len(parts) > MAX_LEVELS
        or any(part in ("", ".", "..") for part in parts)
        or _UNPRINTABLE.search(name)
    ):
        raise ExportError(
            f"{name!r} cannot be the name of a file on the medium: up to {MAX_LEVELS} components joined by /, none empty or of dots alone."
        )
