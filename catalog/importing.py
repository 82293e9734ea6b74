"""The journey from a DICOMDIR to rows.

Records are walked as the reader gives them, whatever their types; nothing depends on the files
being there. Each record keeps a row of its own, also when it can be placed under no patient.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from catalog.attributes import BY_TAG
from catalog.database import ledger, roots, runs
from catalog.database.catalogue import Catalogue
from catalog.database.rows import patient_identity
from catalog.database.upsert import RowWriter
from catalog.dicom.claims import ClaimsResult, claims, partial_claims
from catalog.dicom.elements import Element
from catalog.dicom.values import (
    CHARACTER_SET_VRS,
    DEFAULT,
    SPECIFIC_CHARACTER_SET,
    character_sets,
    decode,
    decode_bytes,
)
from catalog.entities import Claims, Level
from catalog.errors import DicomdirError
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.medium import Medium, content, medium_at
from catalog.files.paths import absolute_text, to_text
from catalog.fileset.file_id import Listing, resolve
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.reader import Directory, read, refused
from catalog.fileset.records import record_type_for
from catalog.fileset.tree import Record, paths
from catalog.findings import Finding, Severity

_LOST = frozenset(["truncated", "damaged"])
"""Findings of the reader that mean that records may be lost."""

STAGE = "Importing"
BATCH_RECORDS = 1000
_UTF_8 = Element(SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192")
_REFERENCES = {0x00041510: 0x00080016, 0x00041511: 0x00080018}
"""Where a record names the instance, and where a data set would."""
_TRANSFER_SYNTAX = 0x00041512
_HIERARCHY = frozenset(["PATIENT", "STUDY", "SERIES"])


@dataclass(slots=True)
class Imported:
    """What an import met and did.

    Attributes
    ----------
    records:
        Directory records by type.
    present, absent, refused:
        Files that records name: there, not there, and not looked for because their File ID would
        lead out of the medium or is no File ID.
    unplaced:
        Records that name a file but not which instance it is or where that belongs.
    findings:
        Everything that deviates from the standard, and every file that is not there.
    """

    folder: Path
    file_set_id: str = ""
    file_set_uid: str = ""
    records: Counter[str] = field(default_factory=Counter)
    present: int = 0
    absent: int = 0
    refused: int = 0
    unplaced: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the directory was lost, and either all of the files are there or none is."""
        lost = any(finding.code in _LOST for finding in self.findings)
        return not (lost or self.unplaced or self.refused or (self.absent and self.present))

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, for the run's row."""
        return {
            "records": self.records.total(), "present": self.present, "absent": self.absent,
            "refused": self.refused, "unplaced": self.unplaced, "findings": len(self.findings),
        }  # fmt: skip


class _Step(NamedTuple):
    """One record on its way into the catalogue."""

    position: int
    chain: tuple[Record, ...]
    """The record last, those above it first."""
    claims: Claims | None
    path: str | None
    named: str | None
    """Where the record says that the file is, below the folder; `None` if it names none or may not."""

    @property
    def record(self) -> Record:
        """The record itself."""
        return self.chain[-1]


class Opened(NamedTuple):
    """A medium whose DICOMDIR could be read."""

    medium: Medium
    directory: Directory
    dicomdir_digest: str


def open_medium(path: Path) -> Opened:
    """Read the DICOMDIR at `path`: the file, or the folder that has it.

    Raises
    ------
    PathError
        If there is no DICOMDIR, or it cannot be read.
    DicomdirError
        If nothing can be made of it.
    """
    medium = medium_at(path, dicomdir_names)
    data = content(medium.dicomdir)
    try:
        return Opened(medium, read(data), hashlib.sha256(data).hexdigest())
    except DicomdirError as exc:
        raise exc.of(to_text(str(medium.dicomdir))) from exc


def import_medium(
    catalogue: Catalogue,
    path: Path | Opened,
    arguments: str = "",
    listener: Listener = ignore,
) -> Imported:
    """Bring the records of the DICOMDIR at `path` (or of an opened medium) into the catalogue.

    Rows made from headers stay as they are. Importing a File-set again replaces its records; a
    File-set is known by its UID and place, so another disc at the same place does not replace the
    first, whose files there are then missing.

    Raises
    ------
    PathError, DicomdirError
        As `open_medium` does.
    CatalogueBusy
        If another process is writing.
    """
    opened = path if isinstance(path, Opened) else open_medium(path)
    medium, directory, dicomdir_digest = opened
    with catalogue.writer_lock():
        catalogue.mark_dead_runs()
        with runs.recorded(catalogue, "import", arguments) as run:
            journey = _Importing(catalogue, medium, directory, run.ref, listener)
            run.counts = journey.imported.as_dict
            journey.run(dicomdir_digest)
    return journey.imported


class _Importing:
    """The state of one import."""

    def __init__(
        self,
        catalogue: Catalogue,
        medium: Medium,
        directory: Directory,
        run_ref: int,
        listener: Listener,
    ) -> None:
        self.catalogue = catalogue
        self.medium = medium
        self.directory = directory
        self.run_ref = run_ref
        self.listener = listener
        fileset = directory.fileset
        self.imported = Imported(medium.folder, fileset.file_set_id, fileset.file_set_uid)
        self.imported.findings += directory.findings
        self._listing = Listing(medium.files)
        self._refused = refused(directory)
        self._writer = RowWriter(run_ref)
        self._rows: list[ledger.RecordRow] = []
        self._now = runs.now_text()

    def run(self, dicomdir_digest: str) -> None:
        folder = absolute_text(self.medium.folder)
        with self.catalogue.write() as connection:
            place = roots.place_for(connection, folder)
        total = len(self.directory.entries)
        self.listener(Started(STAGE, total, "records"))
        batch: list[_Step] = []
        for step in self._steps():
            batch.append(step)
            if len(batch) == BATCH_RECORDS:
                self._store(place, batch)
                batch = []
                self.listener(Progress(STAGE, step.position + 1, total))
        self._store(place, batch)
        fileset = self.directory.fileset
        stored = ledger.StoredFileSet(
            folder, "imported", fileset.file_set_uid, fileset.file_set_id, dicomdir_digest
        )
        with self.catalogue.write() as connection:
            ledger.mark_unnamed_missing(
                connection, self.run_ref, place, self._named(place), self._now
            )
            ledger.store_fileset(
                connection, self.run_ref, stored, self._rows, self.imported.findings
            )
        self.listener(Finished(STAGE, total))

    def _steps(self) -> Iterator[_Step]:
        for position, chain in enumerate(paths(self.directory.fileset.records)):
            record = chain[-1]
            self.imported.records[record.type] += 1
            path, named = self._file(record, position)
            yield _Step(position, chain, self._claims(chain, position), path, named)

    def _file(self, record: Record, position: int) -> tuple[str | None, str | None]:
        """Return the path of the file that the record names, if there, and where it says that it is."""
        components = record.file_components
        if components is None:
            return None, None
        resolution = resolve(
            components, self._listing, self.directory.entries[position].offset_bytes
        )
        is_refused = any(finding.code == "file-id-unsafe" for finding in resolution.findings)
        if not is_refused or self.directory.entries[position].offset_bytes not in self._refused:
            self.imported.findings += resolution.findings
        if resolution.path is not None:
            self.imported.present += 1
            return resolution.path, resolution.path
        if is_refused:
            self.imported.refused += 1
            return None, None
        self.imported.absent += 1
        return None, "/".join(components)

    def _claims(self, chain: Sequence[Record], position: int) -> Claims | None:
        """Return what the record and those above it state; `None` for a record of no instance."""
        record = chain[-1]
        if record.file_components is None and not record.plain(0x00041511):
            return None
        stated: ClaimsResult = claims(_elements(chain), {})
        offset = self.directory.entries[position].offset_bytes
        place = "/".join(record.file_components or ())
        if stated.claims is None:
            self.imported.unplaced += 1
            message = f"The {record.type} record {stated.reason}, so no instance is made of it."
            self.imported.findings.append(
                Finding("record-unplaced", Severity.ERROR, message, place, "PS3.3 F.5", offset)
            )
            return None
        record_type = record_type_for(stated.claims.instance.sop_class_uid or "").record_type
        # Its character set is that of the records, re-coded; the instance's own is not known.
        instance = stated.claims.instance._replace(specific_character_set=None)
        return stated.claims._replace(
            instance=instance, directory_record_type=record_type or record.type
        )

    def _store(self, place: roots.Place, batch: list[_Step]) -> None:
        with_claims = [step for step in batch if step.claims is not None]
        with self.catalogue.write() as connection:
            placed = self._writer.store_records(
                connection, [step.claims for step in with_claims if step.claims]
            )
            instance_of = {
                step.position: rows.instance for step, rows in zip(with_claims, placed, strict=True)
            }
            self._store_empty(connection, batch)
            files = []
            for step in with_claims:
                if step.named is None:
                    continue
                entry = self.medium.files.get(step.path) if step.path else None
                files.append(
                    ledger.ReferencedFile(
                        f"{place.below}/{step.named}" if place.below else step.named,
                        entry.size_bytes if entry else None,
                        entry.mtime_ns if entry else None,
                        step.record.plain(_TRANSFER_SYNTAX),
                        instance_of[step.position],
                    )
                )
            ledger.store_referenced(connection, self.run_ref, place.root_ref, files, self._now)
        self._rows += [self._row(step, instance_of.get(step.position)) for step in batch]

    def _named(self, place: roots.Place) -> set[str]:
        """Return the paths, below the root, of the files that the directory names and that are there."""
        prefix = f"{place.below}/" if place.below else ""
        return {prefix + row.path for row in self._rows if row.path is not None}

    def _store_empty(self, connection: Any, batch: Sequence[_Step]) -> None:
        """Store patients, studies and series that have no records below them."""
        for step in batch:
            if step.record.type not in _HIERARCHY or step.record.children:
                continue
            stated = partial_claims(_elements(step.chain))
            types = {record.type for record in step.chain}
            uid = stated.study.study_instance_uid if "STUDY" in types else None
            patient = self._writer.place_entity(
                connection,
                Level.PATIENT,
                None,
                stated.patient,
                patient_identity(stated.patient, uid),
            )
            if not uid:
                continue
            study = self._writer.place_entity(connection, Level.STUDY, patient, stated.study, uid)
            series_uid = stated.series.series_instance_uid if "SERIES" in types else None
            if series_uid:
                self._writer.place_entity(
                    connection, Level.SERIES, study, stated.series, series_uid
                )

    def _row(self, step: _Step, instance_ref: int | None) -> ledger.RecordRow:
        record = step.record
        components = record.file_components
        return ledger.RecordRow(
            step.position,
            len(step.chain) - 1,
            record.type,
            self.directory.entries[step.position].offset_bytes,
            None if components is None else "/".join(components),
            step.path,
            record.plain(0x00041510),
            record.plain(0x00041511),
            record.plain(_TRANSFER_SYNTAX),
            _keys(record),
            instance_ref,
        )


def _elements(chain: Sequence[Record]) -> dict[int, Element]:
    """Return the keys of a record and of those above it as one data set in UTF-8.

    Each record has a character set of its own, so text is re-coded to one that holds them all.
    """
    elements: dict[int, Element] = {SPECIFIC_CHARACTER_SET: _UTF_8}
    for record in chain:
        encodings = character_sets(
            {e.tag: e for e in record.keys if e.tag == SPECIFIC_CHARACTER_SET}
        )
        for element in record.keys:
            if element.tag == SPECIFIC_CHARACTER_SET:
                continue
            tag = _REFERENCES.get(element.tag, element.tag)
            if element.vr in CHARACTER_SET_VRS and (
                encodings != DEFAULT or not element.data.isascii()
            ):
                text = decode_bytes(element.data, encodings).text
                element = Element(tag, element.vr, text.encode("utf-8", "replace"))
            elements[tag] = Element(tag, element.vr, element.value)
    return elements


def _keys(record: Record) -> dict[str, Any]:
    """Return the record's keys as text by keyword or tag, its reference to a file aside."""
    encodings = character_sets({e.tag: e for e in record.keys if e.tag == SPECIFIC_CHARACTER_SET})
    return {_name(e.tag): _plain(e, encodings) for e in record.keys if e.tag >> 16 != 0x0004}


def _name(tag: int) -> str:
    known = BY_TAG.get(tag)
    return known.keyword if known else f"{tag:08X}"


def _plain(element: Element, encodings: tuple[str, ...]) -> Any:
    if element.vr == "SQ":
        return [{_name(e.tag): _plain(e, encodings) for e in item} for item in element.items]
    return decode(element, encodings).text
