"""A faultless medium of five instances that a builder of a defect can change anywhere before it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import builders
from tests.fileset.by_hand import Layout, R, flatten, laid_out, two_patients

WHERE = {1: ("P1", "1.1", "1.1.1"), 2: ("P1", "1.1", "1.1.1"), 3: ("P1", "1.1", "1.1.2"), 4: ("P1", "1.1", "1.1.2"), 5: ("P2", "2.1", "2.1.1")}  # fmt: skip
"""Patient, study and series of each of the five instances of `two_patients`."""


def values_of(number: int) -> dict[str, Any]:
    """Return what the header of instance `number` says, as its records by hand do."""
    patient, study, series = WHERE[number]
    return {
        "PatientID": patient, "PatientName": "Doe", "StudyInstanceUID": study, "SeriesInstanceUID": series,
        "StudyDate": "20200101", "StudyTime": "1200", "StudyID": "1", "AccessionNumber": "", "StudyDescription": ...,
        "SeriesNumber": "1", "Modality": "CT", "InstanceNumber": str(number), "SOPInstanceUID": f"1.2.3.4.5.{number}",
    }  # fmt: skip


@dataclass
class Medium:
    """What is to be written: records, their layout, file names, headers, and an edit of the bytes."""

    folder: Path
    roots: list[R] = field(default_factory=two_patients)
    layout: Layout = field(default_factory=Layout)
    names: dict[int, str | None] = field(default_factory=lambda: {n: f"DICOM/IM{n}" for n in WHERE})
    values: dict[int, dict[str, Any]] = field(
        default_factory=lambda: {n: values_of(n) for n in WHERE}
    )
    dicomdir: str = "DICOMDIR"
    edit: Callable[[bytes, dict[R, int]], bytes] = lambda data, offsets: data

    @property
    def patient(self) -> R:
        return self.roots[0]

    @property
    def study(self) -> R:
        return self.roots[0].children[0]

    @property
    def series(self) -> R:
        return self.study.children[0]

    def image(self, number: int) -> R:
        return [record for record in flatten(self.roots) if record.type == "IMAGE"][number - 1]

    def all(self) -> Iterator[R]:
        yield from flatten(self.roots)

    def write(self) -> Path:
        """Write files and DICOMDIR; return the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, name in self.names.items():
            if name is not None:
                builders.write(self.folder / name, **self.values[number])
        data, offsets = laid_out(self.roots, self.layout)
        (self.folder / self.dicomdir).write_bytes(self.edit(data, offsets))
        return self.folder
