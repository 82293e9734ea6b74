"""The one table of attributes that the catalogue keeps.

Entities, models, selection terms, views and documentation follow this table; tests prove it.
The keyword gives the column by one rule (`StudyInstanceUID` → `study_instance_uid`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from catalog.entities import Level
from catalog.shapes import frozen


@frozen
class Attribute:
    """One attribute of the standard as the catalogue keeps it.

    Attributes
    ----------
    keyword, tag, vr, vm:
        From PS3.6; `tag` is the 32-bit number `0xGGGGEEEE`.
    type:
        Its Type in the module that defines it (PS3.5 §7.4); `-` for file-level facts.
    level:
        The entity that it describes in the catalogue.
    clause:
        The module of PS3.3 (or clause of PS3.10) that defines it.
    description:
        What the column holds, for people who write SQL.
    """

    keyword: str
    tag: int
    vr: str
    vm: str
    type: str
    level: Level
    clause: str
    description: str

    @property
    def column(self) -> str:
        """The column's name, from the keyword by rule."""
        return column_name(self.keyword)

    @property
    def is_multi_valued(self) -> bool:
        """Whether more than one value is allowed; they are kept joined by `\\`."""
        return self.vm != "1"

    @property
    def is_number(self) -> bool:
        """Whether the column is numeric: one IS, US or DS value."""
        return not self.is_multi_valued and self.vr in ("IS", "US", "DS")


INTEGER_VRS = frozenset(["IS", "US", "SS", "UL", "SL", "SV"])
REAL_VRS = frozenset(["DS", "FL", "FD"])
"""VRs whose single values are kept as numbers. UV is none of them: 64 bits without a sign fit no column."""


@frozen
class Further(Attribute):
    """An attribute that the configuration adds to those of the table.

    Its values stand in the JSON column `attributes` of its level, by `keyword`: the keywords of a
    path through sequences joined by dots, `GGGGEEEE` for what PS3.6 does not name. Where a
    path leads through sequences, the values of all items are taken, joined by `\\`.

    Attributes
    ----------
    path:
        The tags from the data set's top level down; `tag` is the first of them.
    """

    path: tuple[int, ...]

    @property
    def column(self) -> str:
        """What `discrepancy` calls it: its name and level, `PatientAge@study`."""
        return further_label(self.keyword, self.level)

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers: one value of a numeric VR."""
        return not self.is_multi_valued and (self.vr in INTEGER_VRS or self.vr in REAL_VRS)

    def as_dict(self) -> dict[str, Any]:
        """Return the definition as JSON can hold it; `further_from` is the way back."""
        return {
            "name": self.keyword,
            "level": self.level.value,
            "vr": self.vr,
            "vm": self.vm,
            "path": [f"{tag:08X}" for tag in self.path],
        }


def further_label(name: str, level: Level) -> str:
    """Return what `discrepancy` calls a further attribute: no keyword has an `@`, and one name may stand at two levels."""
    return f"{name}@{level.value}"


def further_from(definition: Mapping[str, Any]) -> Further:
    """Return the attribute whose `as_dict` is `definition`."""
    path = tuple(int(tag, 16) for tag in definition["path"])
    return further(
        definition["name"], path, definition["vr"], definition["vm"], Level(definition["level"])
    )


def further(name: str, path: tuple[int, ...], vr: str, vm: str, level: Level) -> Further:
    """Return the further attribute of that name."""
    return Further(name, path[0], vr, vm, "-", level, "", "named by the configuration", path)


_WORD = re.compile(r"IDs|UIDs|[A-Z]{2,}(?=[A-Z][a-z]|$)|[A-Z]+[a-z0-9]*|[a-z0-9]+")


def column_name(keyword: str) -> str:
    """Return the column for a keyword: `SOPInstanceUID` → `sop_instance_uid`."""
    return "_".join(word.lower() for word in _WORD.findall(keyword))


P, T, S, I, F = Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE, Level.FILE  # noqa: E741

ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("PatientID", 0x00100020, "LO", "1", "2", P, "C.7.1.1", "Patient ID, trimmed"),
    Attribute(
        "IssuerOfPatientID", 0x00100021, "LO", "1", "3", P, "C.7.1.1", "who assigned the Patient ID"
    ),
    Attribute(
        "PatientName",
        0x00100010,
        "PN",
        "1",
        "2",
        P,
        "C.7.1.1",
        "name with its component groups (=) and components (^)",
    ),
    Attribute(
        "PatientBirthDate", 0x00100030, "DA", "1", "2", P, "C.7.1.1", "birth date, YYYY-MM-DD"
    ),
    Attribute("PatientSex", 0x00100040, "CS", "1", "2", P, "C.7.1.1", "M, F or O"),
    Attribute(
        "OtherPatientIDs",
        0x00101000,
        "LO",
        "1-n",
        "3",
        P,
        "C.7.1.1",
        "other IDs (retired attribute), joined by \\",
    ),
    Attribute("StudyInstanceUID", 0x0020000D, "UI", "1", "1", T, "C.7.2.1", "UID of the study"),
    Attribute(
        "StudyID",
        0x00200010,
        "SH",
        "1",
        "2",
        T,
        "C.7.2.1",
        "ID of the study given by people or equipment",
    ),
    Attribute(
        "StudyDate",
        0x00080020,
        "DA",
        "1",
        "2",
        T,
        "C.7.2.1",
        "date on which the study started, YYYY-MM-DD",
    ),
    Attribute(
        "StudyTime",
        0x00080030,
        "TM",
        "1",
        "2",
        T,
        "C.7.2.1",
        "time at which the study started, HH:MM:SS as precise as given",
    ),
    Attribute(
        "AccessionNumber",
        0x00080050,
        "SH",
        "1",
        "2",
        T,
        "C.7.2.1",
        "number of the order in the departmental system",
    ),
    Attribute("StudyDescription", 0x00081030, "LO", "1", "3", T, "C.7.2.1", "what was done"),
    Attribute(
        "ReferringPhysicianName",
        0x00080090,
        "PN",
        "1",
        "2",
        T,
        "C.7.2.1",
        "who asked for the study",
    ),
    Attribute("SeriesInstanceUID", 0x0020000E, "UI", "1", "1", S, "C.7.3.1", "UID of the series"),
    Attribute("SeriesNumber", 0x00200011, "IS", "1", "2", S, "C.7.3.1", "number of the series"),
    Attribute(
        "Modality",
        0x00080060,
        "CS",
        "1",
        "1",
        S,
        "C.7.3.1",
        "kind of equipment or document: CT, MR, SR, …",
    ),
    Attribute(
        "SeriesDate",
        0x00080021,
        "DA",
        "1",
        "3",
        S,
        "C.7.3.1",
        "date on which the series started, YYYY-MM-DD",
    ),
    Attribute(
        "SeriesTime", 0x00080031, "TM", "1", "3", S, "C.7.3.1", "time at which the series started"
    ),
    Attribute(
        "SeriesDescription", 0x0008103E, "LO", "1", "3", S, "C.7.3.1", "description of the series"
    ),
    Attribute("BodyPartExamined", 0x00180015, "CS", "1", "3", S, "C.7.3.1", "body part"),
    Attribute(
        "Laterality", 0x00200060, "CS", "1", "2C", S, "C.7.3.1", "L or R for paired body parts"
    ),
    Attribute("ProtocolName", 0x00181030, "LO", "1", "3", S, "C.7.3.1", "name of the protocol"),
    Attribute(
        "Manufacturer", 0x00080070, "LO", "1", "2", S, "C.7.5.1", "manufacturer of the equipment"
    ),
    Attribute(
        "ManufacturerModelName", 0x00081090, "LO", "1", "3", S, "C.7.5.1", "model of the equipment"
    ),
    Attribute("StationName", 0x00081010, "SH", "1", "3", S, "C.7.5.1", "name of the machine"),
    Attribute(
        "DeviceSerialNumber",
        0x00181000,
        "LO",
        "1",
        "3",
        S,
        "C.7.5.1",
        "serial number of the machine",
    ),
    Attribute(
        "SoftwareVersions",
        0x00181020,
        "LO",
        "1-n",
        "3",
        S,
        "C.7.5.1",
        "software versions of the machine, joined by \\",
    ),
    Attribute(
        "InstitutionName", 0x00080080, "LO", "1", "3", S, "C.7.5.1", "where the equipment stands"
    ),
    Attribute(
        "InstitutionAddress", 0x00080081, "ST", "1", "3", S, "C.7.5.1", "address of the institution"
    ),
    Attribute(
        "PerformingPhysicianName",
        0x00081050,
        "PN",
        "1-n",
        "3",
        S,
        "C.7.3.1",
        "who performed the series, names joined by \\",
    ),
    Attribute(
        "FrameOfReferenceUID",
        0x00200052,
        "UI",
        "1",
        "1",
        S,
        "C.7.4.1",
        "UID of the frame of reference",
    ),
    Attribute("SOPInstanceUID", 0x00080018, "UI", "1", "1", I, "C.12.1", "UID of the instance"),
    Attribute("SOPClassUID", 0x00080016, "UI", "1", "1", I, "C.12.1", "UID of its SOP Class"),
    Attribute("InstanceNumber", 0x00200013, "IS", "1", "2", I, "C.7.6.1", "number of the instance"),
    Attribute(
        "AcquisitionNumber", 0x00200012, "IS", "1", "3", I, "C.7.6.1", "number of the acquisition"
    ),
    Attribute(
        "ContentDate",
        0x00080023,
        "DA",
        "1",
        "2C",
        I,
        "C.7.6.1",
        "date on which the content was made, YYYY-MM-DD",
    ),
    Attribute(
        "ContentTime",
        0x00080033,
        "TM",
        "1",
        "2C",
        I,
        "C.7.6.1",
        "time at which the content was made",
    ),
    Attribute(
        "AcquisitionDateTime",
        0x0008002A,
        "DT",
        "1",
        "3",
        I,
        "C.7.6.1",
        "start of the acquisition, YYYY-MM-DDTHH:MM:SS as precise as given",
    ),
    Attribute(
        "ImageType", 0x00080008, "CS", "2-n", "3", I, "C.7.6.1", "ORIGINAL\\PRIMARY\\… joined by \\"
    ),
    Attribute(
        "NumberOfFrames",
        0x00280008,
        "IS",
        "1",
        "1",
        I,
        "C.7.6.6",
        "frames of a multi-frame instance",
    ),
    Attribute("Rows", 0x00280010, "US", "1", "1", I, "C.7.6.3", "rows of the image"),
    Attribute("Columns", 0x00280011, "US", "1", "1", I, "C.7.6.3", "columns of the image"),
    Attribute("BitsAllocated", 0x00280100, "US", "1", "1", I, "C.7.6.3", "bits of a pixel cell"),
    Attribute(
        "PhotometricInterpretation", 0x00280004, "CS", "1", "1", I, "C.7.6.3", "MONOCHROME2, RGB, …"
    ),
    Attribute(
        "ImagePositionPatient",
        0x00200032,
        "DS",
        "3",
        "1",
        I,
        "C.7.6.2",
        "x\\y\\z of the upper left pixel in mm",
    ),
    Attribute(
        "ImageOrientationPatient",
        0x00200037,
        "DS",
        "6",
        "1",
        I,
        "C.7.6.2",
        "direction cosines of row and column",
    ),
    Attribute(
        "PixelSpacing", 0x00280030, "DS", "2", "1", I, "C.7.6.2", "row and column spacing in mm"
    ),
    Attribute(
        "SliceThickness", 0x00180050, "DS", "1", "2", I, "C.7.6.2", "nominal slice thickness in mm"
    ),
    Attribute(
        "BurnedInAnnotation",
        0x00280301,
        "CS",
        "1",
        "3",
        I,
        "C.7.6.1",
        "YES if the pixels show who the patient is",
    ),
    Attribute(
        "LossyImageCompression",
        0x00282110,
        "CS",
        "1",
        "3",
        I,
        "C.7.6.1",
        "01 if it ever was compressed with loss",
    ),
    Attribute(
        "SpecificCharacterSet",
        0x00080005,
        "CS",
        "1-n",
        "1C",
        I,
        "C.12.1",
        "character set of its text, joined by \\",
    ),
    Attribute(
        "TransferSyntaxUID",
        0x00020010,
        "UI",
        "1",
        "1",
        F,
        "PS3.10 §7.1",
        "how the file's data set is encoded",
    ),
    Attribute(
        "ImplementationClassUID",
        0x00020012,
        "UI",
        "1",
        "1",
        F,
        "PS3.10 §7.1",
        "which implementation wrote the file",
    ),
    Attribute(
        "ImplementationVersionName",
        0x00020013,
        "SH",
        "1",
        "3",
        F,
        "PS3.10 §7.1",
        "version of the implementation that wrote the file",
    ),
)

BY_KEYWORD: dict[str, Attribute] = {a.keyword: a for a in ATTRIBUTES}
BY_TAG: dict[int, Attribute] = {a.tag: a for a in ATTRIBUTES}
BY_COLUMN: dict[str, Attribute] = {a.column: a for a in ATTRIBUTES}

WORDS: dict[Level, tuple[str, ...]] = {
    P: ("PatientName", "PatientID", "OtherPatientIDs"),
    T: ("StudyDescription", "AccessionNumber", "ReferringPhysicianName", "StudyID"),
    S: (
        "SeriesDescription", "ProtocolName", "BodyPartExamined", "InstitutionName", "InstitutionAddress",
        "Manufacturer", "ManufacturerModelName", "StationName", "PerformingPhysicianName",
    ),
}  # fmt: skip
"""The attributes whose words are searched as full text, by level: names, numbers that people quote,
descriptions, protocols, institutions and equipment. Each level has them in its column `words`."""

INDEXED = frozenset(
    [
        "PatientID", "IssuerOfPatientID", "PatientName", "StudyInstanceUID", "AccessionNumber",
        "SeriesInstanceUID", "Modality", "SOPInstanceUID", "SOPClassUID",
    ]
)  # fmt: skip
"""The attributes whose texts stand in an index, as a column or as part of one; those that are too
long for it are cut (`normal_forms.indexed`)."""


def at(level: Level) -> tuple[Attribute, ...]:
    """Return the attributes of `level`, in column order."""
    return tuple(a for a in ATTRIBUTES if a.level is level)
