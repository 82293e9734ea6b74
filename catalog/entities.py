"""The nouns of the catalogue as frozen values.

Named tuples rather than dataclasses: millions of them cross process borders and are compared
with each other, and a tuple does both several times faster.

In every entity *absent* is `None` and *present but empty* is `''`. `raw` holds (keyword, text)
pairs, sorted by keyword, for values that their typed field cannot hold: an invalid number or
date as it stood in the file, or `''` where a number was present but empty. Field order is the
order of `catalog.attributes`, which tests hold them to.

`attributes` holds (name, value) pairs, sorted by name, of the attributes that the configuration
adds (`catalog.attributes.Further`); *absent* is a name that is not there. A name of theirs that
stands in `raw` means the same as a keyword there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from catalog.findings import Finding

Raw = tuple[tuple[str, str], ...]
Value = str | int | float | None
Attributes = tuple[tuple[str, str | int | float], ...]


class Level(StrEnum):
    """The levels of the catalogue, outermost first."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"
    FILE = "file"


class Status(StrEnum):
    """What is known of a file on disk."""

    OK = "ok"
    """A readable instance."""
    TRUNCATED = "truncated"
    """The header is whole, the file ends inside Pixel Data."""
    DICOMDIR = "dicomdir"
    """A Media Storage Directory."""
    INCOMPLETE = "incomplete"
    """DICOM, but without a UID that places it."""
    UNREADABLE = "unreadable"
    """DICOM or perhaps DICOM, and its header cannot be read."""
    NOT_DICOM = "not-dicom"
    """Something else."""
    NOT_FOLLOWED = "not-followed"
    """A link or special file, or an archive, that was left alone."""
    ARCHIVE = "archive"
    """An archive whose members have rows of their own."""
    REFERENCED = "referenced"
    """Named by a DICOMDIR and there, its header not read yet."""
    MISSING = "missing"
    """It was there, or a DICOMDIR says so, and it is not."""


class Provenance(StrEnum):
    """Where a row's values come from."""

    HEADER = "header"
    RECORD = "record"


class Patient(NamedTuple):
    """A patient as one source states it (PS3.3 C.7.1.1)."""

    patient_id: str | None = None
    issuer_of_patient_id: str | None = None
    patient_name: str | None = None
    patient_birth_date: str | None = None
    patient_sex: str | None = None
    other_patient_ids: str | None = None
    raw: Raw = ()
    attributes: Attributes = ()


class Study(NamedTuple):
    """A study as one source states it (PS3.3 C.7.2.1)."""

    study_instance_uid: str | None = None
    study_id: str | None = None
    study_date: str | None = None
    study_time: str | None = None
    accession_number: str | None = None
    study_description: str | None = None
    referring_physician_name: str | None = None
    raw: Raw = ()
    attributes: Attributes = ()


class Series(NamedTuple):
    """A series as one source states it (PS3.3 C.7.3.1, C.7.5.1)."""

    series_instance_uid: str | None = None
    series_number: int | None = None
    modality: str | None = None
    series_date: str | None = None
    series_time: str | None = None
    series_description: str | None = None
    body_part_examined: str | None = None
    laterality: str | None = None
    protocol_name: str | None = None
    manufacturer: str | None = None
    manufacturer_model_name: str | None = None
    station_name: str | None = None
    device_serial_number: str | None = None
    software_versions: str | None = None
    institution_name: str | None = None
    institution_address: str | None = None
    performing_physician_name: str | None = None
    frame_of_reference_uid: str | None = None
    raw: Raw = ()
    attributes: Attributes = ()


class Instance(NamedTuple):
    """A SOP Instance as one source states it (PS3.3 C.12.1, C.7.6)."""

    sop_instance_uid: str | None = None
    sop_class_uid: str | None = None
    instance_number: int | None = None
    acquisition_number: int | None = None
    content_date: str | None = None
    content_time: str | None = None
    acquisition_date_time: str | None = None
    image_type: str | None = None
    number_of_frames: int | None = None
    rows: int | None = None
    columns: int | None = None
    bits_allocated: int | None = None
    photometric_interpretation: str | None = None
    image_position_patient: str | None = None
    image_orientation_patient: str | None = None
    pixel_spacing: str | None = None
    slice_thickness: float | None = None
    burned_in_annotation: str | None = None
    lossy_image_compression: str | None = None
    specific_character_set: str | None = None
    raw: Raw = ()
    attributes: Attributes = ()


class StoredFile(NamedTuple):
    """A file on disk.

    `path` is relative to its root, with `/` between components, in the reversible text form of
    `catalog.files.walk`; `size_bytes` and `mtime_ns` are those seen before it was read. A member of an
    archive has the path `ARCHIVE!/MEMBER` and the archive's `mtime_ns`.
    """

    path: str
    size_bytes: int | None = None
    mtime_ns: int | None = None
    status: Status = Status.OK
    error: str | None = None
    transfer_syntax_uid: str | None = None
    implementation_class_uid: str | None = None
    implementation_version_name: str | None = None
    digest: str | None = None


class Claims(NamedTuple):
    """What one source (a header, or a chain of directory records) says of one instance.

    `study` and `series` are `None` for instances that belong to no patient, such as hanging
    protocols and colour palettes; `patient` is then `None` too.
    """

    patient: Patient | None
    study: Study | None
    series: Series | None
    instance: Instance
    directory_record_type: str | None = None
    """Type of the directory record that can hold the instance (PS3.3 F.5); `None` if there is none."""


class Reading(NamedTuple):
    """The result of reading one file: `claims` is `None` unless it holds a placed instance."""

    file: StoredFile
    claims: Claims | None
    findings: tuple[Finding, ...] = ()
