"""Files that are to go into a directory, and those that cannot."""

from __future__ import annotations

from typing import NamedTuple

from catalog.fileset.build import Built
from catalog.fileset.file_id import FileId
from catalog.fileset.texts import key_text
from catalog.fileset.tree import FILE_ID, Record, file_id_element
from catalog.findings import Finding
from catalog.shapes import frozen

PATIENT_ID = 0x00100020


class LeftOut(NamedTuple):
    """A DICOM file that gets no record: `reason` completes the sentence "It is left out because …"."""

    place: str
    code: str
    reason: str


@frozen
class Candidate:
    """A file that can have a record.

    Attributes
    ----------
    source:
        Its path on disk, in text form (`catalog.files.paths`).
    place:
        Its name for people and findings.
    sop_instance_uid, study_instance_uid, series_instance_uid:
        Study and Series are `''` for instances of no patient.
    patient_id, issuer:
        As the file states them, trimmed, `''` if it does not.
    above:
        The PATIENT, STUDY and SERIES records that its header gives, with what was noticed; empty
        for instances of no patient.
    record:
        Its own record, without its File ID: see `named`.
    """

    source: str
    place: str
    size_bytes: int
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str
    issuer: str
    above: tuple[Built, ...]
    record: Record
    findings: tuple[Finding, ...] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """What its File ID is made from; the same as in an export of the same instance."""
        if not self.above:
            return (self.sop_instance_uid,)
        import json

        parts = [self.patient_id, self.issuer]
        if not self.patient_id:
            parts.append(self.study_instance_uid)
        patient = json.dumps(parts, ensure_ascii=False)
        return (patient, self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid)

    @property
    def directory_patient_id(self) -> str:
        """The Patient ID of its PATIENT record, supplied where the file has none."""
        record = self.above[0].record if self.above else None
        return self.patient_id or (key_text(record, PATIENT_ID) if record else "")


def named(record: Record, file_id: FileId) -> Record:
    """Return `record` with `file_id` as its (0004,1500)."""
    element = file_id_element(file_id)
    keys = tuple([element if e.tag == FILE_ID else e for e in record.keys])
    return Record(record.type, keys, record.children)
