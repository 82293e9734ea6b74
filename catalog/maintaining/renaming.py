"""Files on a medium renamed to legal File IDs: written down first, never over another file, undone on demand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from catalog.errors import ExportError, PathError
from catalog.files.paths import from_text, to_text
from catalog.files.whole import content
from catalog.files.writing import atomic, sync_folder, write_error
from catalog.findings import Finding
from catalog.maintaining.storing import DICOMDIR, JOURNAL, keep


class Rename(NamedTuple):
    """One file's old and new path, relative to the medium, in text form (`catalog.files.paths`)."""

    old: str
    new: str


def rename(folder: Path, renames: Sequence[Rename]) -> None:
    """Rename files below `folder`; the journal is complete on disk before the first is touched.

    Folders that become empty are removed. After an interruption the same call, or a new plan,
    goes on where it stopped: what was renamed is found under its new name.

    Raises
    ------
    ExportError
        If a new name is taken, or a file cannot be renamed; those before it are renamed.
    """
    if not renames:
        return
    for each in renames:
        if os.path.lexists(_path(folder, each.new)):
            raise ExportError(
                f"{each.new} exists already, so {each.old} cannot take that name. Nothing was renamed."
            )
    known = journal(folder)
    _write_journal(folder, [*known, *(each for each in renames if each not in known)])
    for each in renames:
        _move(folder, each.old, each.new)
    sync_folder(folder)


def journal(folder: Path) -> list[Rename]:
    """Return the renames that `folder`'s journal holds, `[]` without one.

    Raises
    ------
    PathError
        If the journal cannot be read, or names a path outside of `folder`.
    """
    path = folder / JOURNAL
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(content(path).decode("utf-8", "replace").splitlines(), 1):
        try:
            entry = json.loads(line)
            each = Rename(entry["from"], entry["to"])
            _path(folder, each.old)
            _path(folder, each.new)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise PathError(
                f"Line {number} of {to_text(str(path))} is no rename of this folder. Nothing was renamed."
            ) from exc
        found.append(each)
    return found


class Undone(NamedTuple):
    """What was renamed back, where the old DICOMDIR and manifest are kept, and what does not fit."""

    renames: list[Rename]
    backup: Path | None
    manifest_backup: Path | None
    findings: list[Finding]


def undo_renames(folder: Path) -> Undone:
    """Give files below `folder` their old names back.

    The DICOMDIR, whose File IDs would be wrong, is kept as a backup and taken away first. A manifest
    of dcat is brought in step, and kept in the same way; the journal goes last. Can be repeated
    after an interruption.

    Raises
    ------
    PathError
        If there is no journal, it or the manifest cannot be used, or a file that it names is gone.
    ExportError, MediaFull
        If an old name is taken by another file, or something cannot be written.
    """
    from catalog.maintaining.undoing import in_step, manifest_step

    known = journal(folder)
    if not known:
        raise PathError(f"{to_text(str(folder))} has no {JOURNAL}: nothing was renamed here.")
    back = []
    for each in reversed(known):
        is_new = os.path.lexists(_path(folder, each.new))
        if os.path.lexists(_path(folder, each.old)):
            if is_new:
                raise ExportError(
                    f"{each.old} and {each.new} both exist; move one away. Nothing was renamed."
                )
            continue
        if not is_new:
            raise PathError(
                f"Neither {each.new} nor {each.old} is in {to_text(str(folder))}. Nothing was renamed."
            )
        back.append(Rename(each.new, each.old))
    dicomdir, backup = folder / DICOMDIR, None
    directory = content(dicomdir) if dicomdir.exists() else None
    step, findings = manifest_step(folder, known, directory)
    with in_step(step) as manifest_backup:
        if directory is not None:
            backup = keep(dicomdir, directory)
            _unlink(dicomdir)
        for each in back:
            _move(folder, each.old, each.new)
    _unlink(folder / JOURNAL)
    sync_folder(folder)
    return Undone(back, backup, manifest_backup, findings)


def _write_journal(folder: Path, renames: Iterable[Rename]) -> None:
    with atomic(folder / JOURNAL) as stream:
        for each in renames:
            line = json.dumps({"from": each.old, "to": each.new}, ensure_ascii=False)
            stream.write(line.encode("utf-8") + b"\n")


def _path(folder: Path, relative: str) -> str:
    """Return the file system path of `relative`, which must stay below `folder`, links resolved.

    Raises
    ------
    ValueError
        If it does not.
    """
    name = from_text(relative)
    parts = name.split("/")
    if not name or os.path.isabs(name) or any(part in ("", ".", "..") for part in parts):  # noqa: PTH117
        raise ValueError(relative)
    path = os.path.join(folder, *parts)  # noqa: PTH118
    root = os.path.realpath(folder)
    above = os.path.realpath(os.path.dirname(path))  # noqa: PTH120
    if os.path.commonpath((root, above)) != root:
        raise ValueError(relative)
    return path


def _move(folder: Path, old: str, new: str) -> None:
    source, target = _path(folder, old), _path(folder, new)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        if os.path.lexists(target):
            raise ExportError(
                f"{new} exists already, so {old} keeps its name. Run the command again when it is moved away."
            )
        os.rename(source, target)  # noqa: PTH104
    except OSError as exc:
        raise write_error(exc, Path(target)) from exc
    remove_empty(folder, source)


def remove_empty(folder: Path, path: str) -> None:
    """Remove the folders of `path` that are empty now, up to but not including `folder`."""
    above = os.path.dirname(path)  # noqa: PTH120
    with suppress(OSError):  # not empty, or not allowed: it stays
        while os.path.realpath(above) != os.path.realpath(folder):
            os.rmdir(above)  # noqa: PTH106
            above = os.path.dirname(above)  # noqa: PTH120


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise write_error(exc, path) from exc
