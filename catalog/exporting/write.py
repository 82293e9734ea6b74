"""Carrying out a plan: copies first, each proved from its own bytes; the DICOMDIR last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from catalog import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from catalog.errors import DestinationNotEmpty, ExportError, MediaFull, SourceChanged
from catalog.events import Finished, Listener, Progress, Started
from catalog.exporting.directory import Directory
from catalog.exporting.making import PLAIN, Making
from catalog.exporting.plan import Item, Plan
from catalog.exporting.proof import Proof
from catalog.files.copy import atomic, copy_opened, sync, sync_folder, write_error
from catalog.files.opening import Opener, Source
from catalog.fileset.profiles import check_profile
from catalog.fileset.tree import FileSet
from catalog.fileset.writer import Writing, write
from catalog.findings import Finding

DICOMDIR = "DICOMDIR"
UNFINISHED = "UNFINISHED.TXT"
"""A plain text file (PS3.10 §8.1 allows them) that stands on the medium until it is complete."""

STAGE = "Copying"
_UNFINISHED_TEXT = (
    "This export is not complete. It has no DICOMDIR yet, and files may be missing.\r\n"
    "If no dcat is running that writes here, the export was interrupted:\r\n"
    "remove this folder and export again.\r\n"
)


class Done(NamedTuple):
    """What became of one item: `digest` is `None` and `reason` says why if it failed."""

    item: Item
    size_bytes: int | None
    digest: str | None
    reason: str | None


@dataclass(slots=True)
class Written:
    """What an export wrote."""

    fileset: FileSet
    findings: list[Finding] = field(default_factory=list)
    dicomdir_size_bytes: int = 0


def check_destination(destination: Path, size_bytes: int) -> None:
    """Make sure that an export can start at `destination`.

    Raises
    ------
    DestinationNotEmpty, ExportError, MediaFull
        If it holds something, is no folder, cannot be written, or has too little space.
    """
    try:
        if destination.exists():
            if not destination.is_dir():
                raise ExportError(f"{destination} is not a folder. Name a new or empty folder.")
            if any(destination.iterdir()):
                raise DestinationNotEmpty(str(destination))
        nearest = destination
        while not nearest.exists():
            nearest = nearest.parent
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise ExportError(f"{nearest} cannot be written by this user. Nothing was written.")
        free = shutil.disk_usage(nearest).free
    except OSError as exc:
        raise ExportError(f"{destination} cannot be used: {exc.strerror}.") from exc
    if free < size_bytes:
        raise MediaFull(
            f"{destination} has {free:,} bytes free and the export needs {size_bytes:,}. Nothing was written."
        )


def write_plan(
    plan: Plan,
    destination: Path,
    file_set_id: str,
    file_set_uid: str,
    report: Callable[[Done], None],
    listener: Listener,
    making: Making = PLAIN,
) -> Written:
    """Copy every item below `destination` and write the DICOMDIR; return what was written.

    `report` is called once for each item, when its copy stands or has failed. A failed item is
    left out of the directory and work goes on. What the directory breaks of the profile that
    `making` names is among the findings.

    Raises
    ------
    MediaFull, ExportError
        If the destination cannot be written. What was copied stays, with a file that says that
        the export is unfinished, and without a DICOMDIR.
    """
    try:
        destination.mkdir(parents=True, exist_ok=True)
        (destination / UNFINISHED).write_text(_UNFINISHED_TEXT, encoding="ascii", newline="")
    except OSError as exc:
        raise write_error(exc, destination / UNFINISHED) from exc
    tree = Directory(making)
    findings: list[Finding] = []
    copied: list[Path] = []
    total = plan.size_bytes
    done_bytes = 0
    listener(Started(STAGE, total, "bytes"))
    with Opener() as opener:
        for item in plan.items:
            target = destination.joinpath(*item.file_id.components)
            proof = Proof(item, findings, making)
            source = Source(item.source.root, item.source.path)
            try:
                _make_folder(target.parent)
                result = copy_opened(opener.open(source), target, proof.check)
            except SourceChanged as exc:
                report(Done(item, None, None, str(exc)))
                continue
            assert proof.proved is not None
            tree.add(item, proof.proved)
            copied.append(target)
            report(Done(item, result.size_bytes, result.digest, None))
            done_bytes += result.size_bytes
            listener(Progress(STAGE, done_bytes, total))
    listener(Finished(STAGE, done_bytes))
    for path in copied:
        sync(path)
    fileset = FileSet(file_set_id, file_set_uid, tree.records(findings))
    written = Written(fileset, findings)
    if copied:
        if making.profile is not None:
            findings += check_profile(fileset, making.profile)
        with atomic(destination / DICOMDIR) as stream:
            written.dicomdir_size_bytes = write(
                stream, fileset, Writing(IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME)
            )
        (destination / UNFINISHED).unlink(missing_ok=True)
        sync_folder(destination)
    return written


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise write_error(exc, folder) from exc
