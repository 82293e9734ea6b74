"""Carrying out a plan: copies first, each proved from its own bytes; the DICOMDIR last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from catalog import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from catalog.database.rows import differences, entity_at
from catalog.dicom import claims as dicom_claims
from catalog.dicom.elements import Element
from catalog.dicom.header import Header, read_header
from catalog.entities import Claims, Level
from catalog.errors import DestinationNotEmpty, ExportError, HeaderError, MediaFull, SourceChanged
from catalog.events import Finished, Listener, Progress, Started
from catalog.exporting.plan import Item, Plan
from catalog.files.copy import atomic, copy, sync, sync_folder, write_error
from catalog.files.paths import on_disk
from catalog.fileset import build
from catalog.fileset.tree import FileSet, Record
from catalog.fileset.writer import Writing, write
from catalog.findings import Finding, Severity

DICOMDIR = "DICOMDIR"
UNFINISHED = "UNFINISHED.TXT"
"""A plain text file (PS3.10 §8.1 allows them) that stands on the medium until it is complete."""

STAGE = "Copying"
_UNFINISHED_TEXT = (
    "This export is not complete. It has no DICOMDIR yet, and files may be missing.\r\n"
    "If no dcat is running that writes here, the export was interrupted:\r\n"
    "remove this folder and export again.\r\n"
)
_WANTED = build.WANTED | dicom_claims.WANTED
_META_FALLBACK = {0x00080016: 0x00020002, 0x00080018: 0x00020003}
"""SOP Class and Instance UID of the data set, and where File Meta Information has them too."""


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


class _Proved(NamedTuple):
    """What a copy's own header gives: its record, and what it states."""

    record: Record
    elements: dict[int, Element]
    claims: Claims


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
) -> Written:
    """Copy every item below `destination` and write the DICOMDIR; return what was written.

    `report` is called once for each item, when its copy stands or has failed. A failed item is
    left out of the directory and work goes on.

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
    tree = _Tree()
    findings: list[Finding] = []
    copied: list[Path] = []
    total = plan.size_bytes
    done_bytes = 0
    listener(Started(STAGE, total, "bytes"))
    for item in plan.items:
        target = destination.joinpath(*item.file_id.components)
        proof = _Proof(item, findings)
        try:
            _make_folder(target.parent)
            result = copy(on_disk(item.source.root, item.source.path), target, proof.check)
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


class _Proof:
    """Reads a copy's header from its own bytes: it must still be the instance that was planned."""

    def __init__(self, item: Item, findings: list[Finding]) -> None:
        self.item = item
        self.proved: _Proved | None = None
        self._findings = findings

    def check(self, stream: BinaryIO, size_bytes: int) -> None:
        """Refuse the copy with SourceChanged unless it can stand in the File-set as planned."""
        try:
            header = read_header(stream, size_bytes, _WANTED)
        except HeaderError as exc:
            raise SourceChanged(f"its header can no longer be read: {exc}") from exc
        if any(finding.code == "no-preamble" for finding in header.findings):
            raise SourceChanged(
                "it has no preamble and prefix, so it is no DICOM file of a File-set (PS3.10 §7.1)"
            )
        stated = dicom_claims.claims(header.elements, header.meta).claims
        if stated is None or _identity(stated) != _identity(self.item.candidate.claims):
            raise SourceChanged(
                "it holds another instance than when it was indexed; index it again"
            )
        elements = _with_meta_uids(header)
        built = build.instance_record(
            elements,
            self.item.file_id,
            header.transfer_syntax_uid or "",
            place=self.item.file_id.path,
        )
        if built.record is None:
            raise SourceChanged(" ".join(f.message for f in built.findings))
        self._findings += built.findings
        if header.is_truncated:
            message = "The file ends inside its Pixel Data; it was copied as it is."
            self._findings.append(
                Finding("truncated", Severity.WARNING, message, self.item.file_id.path)
            )
        self.proved = _Proved(built.record, elements, stated)


def _identity(claims: Claims) -> tuple[str | None, ...]:
    patient, study, series, instance, _ = claims
    return (
        (patient and patient.patient_id) or None,
        study and study.study_instance_uid,
        series and series.series_instance_uid,
        instance.sop_instance_uid,
    )


def _with_meta_uids(header: Header) -> dict[int, Element]:
    elements = dict(header.elements)
    for tag, meta_tag in _META_FALLBACK.items():
        if (
            tag not in elements or not elements[tag].data.strip(b" \0")
        ) and meta_tag in header.meta:
            elements[tag] = Element(tag, "UI", header.meta[meta_tag])
    return elements


@dataclass(slots=True)
class _Node:
    """A PATIENT, STUDY or SERIES in the making, and the header that speaks for it best so far."""

    rank: tuple[int, str] = (1 << 30, "")
    elements: dict[int, Element] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)


class _Tree:
    """The directory in the order of the plan.

    PATIENT, STUDY and SERIES records are made from the header of one of their instances: the one
    that differs least from the catalogue's row, and of those the one with the smallest SOP Instance UID.
    """

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, item: Item, proved: _Proved) -> None:
        _, study, series, _, _ = item.candidate.claims
        uid = proved.claims.instance.sop_instance_uid or ""
        node = self._root
        if study is not None and series is not None:
            keys = (
                item.candidate.patient_identity or "",
                study.study_instance_uid or "",
                series.series_instance_uid or "",
            )
            for key, level in zip(keys, (Level.PATIENT, Level.STUDY, Level.SERIES), strict=True):
                node = node.children.setdefault(key, _Node())
                ours, theirs = (
                    entity_at(item.candidate.claims, level),
                    entity_at(proved.claims, level),
                )
                assert ours is not None
                assert theirs is not None
                rank = (len(differences(level, ours, theirs)), uid)
                if rank < node.rank:
                    node.rank, node.elements = rank, proved.elements
        node.records.append(proved.record)

    def records(self, findings: list[Finding]) -> tuple[Record, ...]:
        """Return the records of the root entity; what had to be supplied joins `findings`."""
        makers = (build.patient_record, build.study_record, build.series_record)

        def make(node: _Node, depth: int) -> Iterator[Record]:
            for child in node.children.values():
                built = makers[depth](child.elements)
                assert built.record is not None, "an instance without UIDs cannot be planned"
                findings.extend(built.findings)
                yield Record(built.record.type, built.record.keys, tuple(make(child, depth + 1)))
            yield from node.records

        return tuple(make(self._root, 0))
