"""What the pages will say: patients, studies and series of a medium, with where their pages lie.

Names are legal at ISO 9660 Level 1: eight characters, three for the extension, A-Z, 0-9 and _.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from catalog.entities import Claims, Patient, Series, Study
from catalog.exporting.item import Item
from catalog.shapes import field, frozen, particular

INDEX = "INDEX.HTM"
README = "README.TXT"
FOLDER = "IHE_PDI"
STYLE = f"{FOLDER}/PAGES.CSS"

KEY_IMAGES = 6
"""At most so many images of a series are shown, evenly spread from its first to its last."""

_IMAGE = "IMAGE"


@frozen
class Facility:
    """Who hands the medium out, from the configuration; `''` where nothing was said.

    `contact` and `privacy_notice` may have several lines.
    """

    institution: str = ""
    contact: str = ""
    privacy_notice: str = ""


class Shown(NamedTuple):
    """One key image: its picture's file name, or `None` and why there is no picture."""

    caption: str
    name: str | None
    width: int = 0
    height: int = 0
    problem: str = ""


class Document(NamedTuple):
    """A report or document: `name` is the file to open, or `None` and `problem` says why."""

    kind: str
    title: str
    moment: str
    name: str | None
    problem: str = ""


@particular
class SeriesPart:
    """A series: what was planned, and what was taken in so far.

    Attributes
    ----------
    folder:
        Of its page, from the root of the medium.
    copied, images, frames, size_bytes:
        What was copied: instances, those that are images, their frames, and bytes.
    dicom_folder:
        Where its files lie on the medium.
    others:
        How many instances of a SOP Class there are that no page can show, by its name.
    """

    folder: str
    series: Series | None
    planned: int = 0
    copied: int = 0
    images: int = 0
    frames: int = 0
    size_bytes: int = 0
    dicom_folder: str = ""
    modality: str = ""
    shown: list[Shown] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    files: int = 0

    def next_name(self, prefix: str, extension: str) -> str:
        """Return a file name that is new in the series' folder."""
        self.files += 1
        return f"{prefix}{self.files:06d}.{extension}"


@particular
class StudyPart:
    """A study and its series, in the order of the plan."""

    folder: str
    study: Study | None
    series: dict[str, SeriesPart] = field(default_factory=dict)


@particular
class PatientPart:
    """A patient and the studies, in the order of the plan."""

    folder: str
    patient: Patient | None
    studies: dict[str, StudyPart] = field(default_factory=dict)

    def parts(self) -> Iterator[SeriesPart]:
        """Yield all series."""
        for study in self.studies.values():
            yield from study.series.values()


class Loose(NamedTuple):
    """An instance that belongs to no patient, such as a hanging protocol."""

    label: str
    file_id: str


@particular
class Contents:
    """All of a medium, as planned; filled while instances are copied."""

    patients: dict[str, PatientPart] = field(default_factory=dict)
    loose: list[Loose] = field(default_factory=list)
    key_file_ids: frozenset[str] = frozenset()

    def owners_of(self, item: Item) -> tuple[PatientPart, StudyPart]:
        """Return patient and study of a planned instance that `part_of` has a series for."""
        key = _key(item)
        assert key is not None, "an instance of a series has a patient and a study"
        patient = self.patients[key[0]]
        return patient, patient.studies[key[1]]

    def part_of(self, item: Item) -> SeriesPart | None:
        """Return the series of a planned instance; `None` if it belongs to none."""
        key = _key(item)
        if key is None:
            return None
        return self.patients[key[0]].studies[key[1]].series[key[2]]

    def parts(self) -> Iterator[SeriesPart]:
        """Yield all series."""
        for patient in self.patients.values():
            yield from patient.parts()


def planned(items: Sequence[Item]) -> Contents:
    """Return the contents of a medium with these instances, before any is copied."""
    contents = Contents()
    images: dict[str, list[str]] = {}
    for item in items:
        key = _key(item)
        if key is None:
            continue
        claims = item.candidate.claims
        part = _part(contents, key, claims)
        part.planned += 1
        if claims.directory_record_type == _IMAGE:
            images.setdefault(part.folder, []).append(item.file_id.path)
    chosen = (path for paths in images.values() for path in _spread(paths))
    contents.key_file_ids = frozenset(chosen)
    return contents


def _part(contents: Contents, key: tuple[str, str, str], claims: Claims) -> SeriesPart:
    patients = contents.patients
    if key[0] not in patients:
        patients[key[0]] = PatientPart(_folder(FOLDER, "PA", len(patients)), claims.patient)
    patient = patients[key[0]]
    if key[1] not in patient.studies:
        folder = _folder(patient.folder, "ST", len(patient.studies))
        patient.studies[key[1]] = StudyPart(folder, claims.study)
    study = patient.studies[key[1]]
    if key[2] not in study.series:
        folder = _folder(study.folder, "SE", len(study.series))
        part = SeriesPart(folder, claims.series)
        part.modality = (claims.series and claims.series.modality) or ""
        study.series[key[2]] = part
    return study.series[key[2]]


def _folder(above: str, prefix: str, before: int) -> str:
    return f"{above}/{prefix}{before + 1:06d}"


def _key(item: Item) -> tuple[str, str, str] | None:
    _, study, series, _, _ = item.candidate.claims
    if study is None or series is None:
        return None
    return (
        item.candidate.patient_identity or "",
        study.study_instance_uid or "",
        series.series_instance_uid or "",
    )


def _spread(paths: list[str]) -> Iterable[str]:
    """Return up to `KEY_IMAGES` of `paths`: the first, the last, and evenly spaced ones between."""
    last = len(paths) - 1
    if last < KEY_IMAGES:
        return paths
    return [
        paths[(last * i + (KEY_IMAGES - 1) // 2) // (KEY_IMAGES - 1)] for i in range(KEY_IMAGES)
    ]
