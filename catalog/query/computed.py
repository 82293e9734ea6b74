"""Attributes of queries that no file states: what a patient, study or series holds (PS3.4 C.3.4).

They are asked for as all others are, and are about everything of the patient, study or series in the
catalogue, whatever else is asked: `ModalitiesInStudy!=SR` is a study without any SR.
"""

from __future__ import annotations

from catalog.attributes import Attribute
from catalog.entities import Level

_CLAUSE = "PS3.4 C.3.4"

MODALITIES = Attribute("ModalitiesInStudy", 0x00080061, "CS", "1-n", "-", Level.STUDY, _CLAUSE, "modalities of its series")  # fmt: skip
SOP_CLASSES = Attribute("SOPClassesInStudy", 0x00080062, "UI", "1-n", "-", Level.STUDY, _CLAUSE, "SOP Classes of its instances")  # fmt: skip

COUNTS: dict[Attribute, Level] = {
    Attribute(keyword, tag, "IS", "1", "-", of, _CLAUSE, f"number of its {counted.value} rows"): counted
    for keyword, tag, of, counted in (
        ("NumberOfPatientRelatedStudies", 0x00201200, Level.PATIENT, Level.STUDY),
        ("NumberOfPatientRelatedSeries", 0x00201202, Level.PATIENT, Level.SERIES),
        ("NumberOfPatientRelatedInstances", 0x00201204, Level.PATIENT, Level.INSTANCE),
        ("NumberOfStudyRelatedSeries", 0x00201206, Level.STUDY, Level.SERIES),
        ("NumberOfStudyRelatedInstances", 0x00201208, Level.STUDY, Level.INSTANCE),
        ("NumberOfSeriesRelatedInstances", 0x00201209, Level.SERIES, Level.INSTANCE),
    )
}  # fmt: skip
"""The attributes that are numbers, and the level whose rows each of them counts."""

COMPUTED: tuple[Attribute, ...] = (MODALITIES, SOP_CLASSES, *COUNTS)
