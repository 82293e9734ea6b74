"""The File-sets behind the golden files: one for each Application Profile, and some beside.

Headers are those of Explicit VR Little Endian files that pydicom writes; the Transfer Syntax that
a record states is the family's. `python -m tests.golden.families` writes the golden files anew.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from catalog.dicom import icons
from catalog.dicom.header import read_header
from catalog.fileset import build
from catalog.fileset.file_id import file_id
from catalog.fileset.profiles import PROFILES, looks_at, unmet
from catalog.fileset.recoding import in_utf8
from catalog.fileset.records import GENERAL_PURPOSE_KEYS
from catalog.fileset.tree import FileSet, Record
from catalog.fileset.writer import Writing, write
from tests.builders import dicom_bytes

from .dump import dumped

HERE = Path(__file__).parent
LARGEST_BYTES = 16 * 1024
EXPLICIT = "1.2.840.10008.1.2.1"
SOP = "1.2.840.10008.5.1.4.1.1."
TS = "1.2.840.10008.1.2.4."


@dataclass(frozen=True)
class Family:
    """A File-set to make: instances as (SOP Class UID, Transfer Syntax UID, attributes)."""

    instances: tuple[tuple[str, str, dict[str, Any]], ...]
    profile: str | None = None
    icon_size: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    encode: Callable[[Record], Record] = lambda record: record


def item(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def code(value: str, meaning: str) -> Sequence:
    return Sequence([item(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning)])


def reference(uid: str, sop_class: str = SOP + "2", **more: Any) -> Dataset:
    return item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=uid, **more)


REFERENCES = {"ReferencedImageSequence": Sequence([reference("1.2.3.9", ReferencedFrameNumber=2)])}
PEOPLE = {
    "InstitutionName": "Klinik",
    "InstitutionAddress": "Weg 1",
    "PerformingPhysicianName": "Arzt^A",
}
PLACE = {
    "ImagePositionPatient": [0, 0, 10],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.5],
    "FrameOfReferenceUID": "1.2.3.50",
}
SHARED = {
    "SharedFunctionalGroupsSequence": Sequence(
        [
            item(
                ReferencedImageSequence=Sequence([reference("1.2.3.8", ReferencedFrameNumber=1)]),
                PixelMeasuresSequence=Sequence([item(PixelSpacing=[0.75, 0.75])]),
                PlanePositionSequence=Sequence([item(ImagePositionPatient=[1, 2, 3])]),
                PlaneOrientationSequence=Sequence(
                    [item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
                ),
            )
        ]
    ),
    "NumberOfFrames": "3",
    "AcquisitionDateTime": "20240131101500",
    "AcquisitionTimeSynchronized": "Y",
    "SynchronizationFrameOfReferenceUID": "1.2.3.51",
}
REPORT = {
    "Modality": "SR",
    "ContentDate": "20240131",
    "ContentTime": "11",
    "CompletionFlag": "COMPLETE",
    "VerificationFlag": "VERIFIED",
    "ConceptNameCodeSequence": code("121181", "DICOM Object Catalog"),
    "VerifyingObserverSequence": Sequence(
        [
            item(VerificationDateTime="20240201120000+0100", VerifyingObserverName="A^B"),
            item(VerificationDateTime="20240201113000", VerifyingObserverName="C^D"),
        ]
    ),
    "ContentSequence": Sequence(
        [
            item(
                RelationshipType="HAS CONCEPT MOD",
                ValueType="CODE",
                ConceptNameCodeSequence=code("121049", "Language"),
                ConceptCodeSequence=code("121322", "Source"),
            ),
            item(RelationshipType="CONTAINS", ValueType="TEXT", TextValue="Text"),
        ]
    ),
    "TimezoneOffsetFromUTC": "+0000",
    "Rows": ...,
    "Columns": ...,
}
GRADIENT = {
    "Rows": 128,
    "Columns": 128,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PixelData": bytes(x + y // 2 for y in range(128) for x in range(128)),
}
XA = {**GRADIENT, "Modality": "XA", "ImageType": ["ORIGINAL", "PRIMARY", "BIPLANE A"], **REFERENCES}
ECG = {
    "Modality": "ECG",
    "ContentDate": "20240131",
    "ContentTime": "12",
    "Rows": ...,
    "Columns": ...,
}
STATE = {
    "Modality": "PR",
    "PresentationCreationDate": "20240131",
    "PresentationCreationTime": "13",
    "ContentLabel": "STATE",
    "ContentDescription": "A state",
    "ContentCreatorName": "A^B",
    "ReferencedSeriesSequence": Sequence(
        [
            item(
                SeriesInstanceUID="1.2.3.1.1",
                ReferencedImageSequence=Sequence([reference("1.2.3.1.1.1")]),
            )
        ]
    ),
    "Rows": ...,
    "Columns": ...,
}
DENTAL = {
    "Modality": "IO",
    "InstitutionName": "Praxis",
    "ManufacturerModelName": "",
    "DetectorID": "7",
    "DetectorManufacturerName": "",
    "DetectorManufacturerModelName": "",
}
US = {"Modality": "US", "PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3}
VIDEO = {"Modality": "XC", "NumberOfFrames": "9", "LossyImageCompressionRatio": "20", **PEOPLE}

FAMILIES: dict[str, Family] = {
    "general-cd": Family(
        (
            (SOP + "2", EXPLICIT, {**REFERENCES, "RelatedGeneralSOPClassUID": SOP + "7"}),
            (SOP + "88.33", EXPLICIT, REPORT),
        ),
        "STD-GEN-CD",
    ),
    "general-dvd-jpeg": Family(
        (
            (SOP + "2", TS + "70", {**PLACE, **REFERENCES, **PEOPLE, "PatientBirthDate": ""}),
            (SOP + "4.1", EXPLICIT, {**SHARED, "FrameOfReferenceUID": "1.2.3.50"}),
        ),
        "STD-GEN-DVD-JPEG",
    ),
    "flash-j2k": Family(((SOP + "2", TS + "90", {**PLACE, **PEOPLE}),), "STD-GEN-USB-J2K"),
    "bd-mpeg2": Family(((SOP + "77.1.4.1", TS + "100", VIDEO),), "STD-GEN-BD-MPEG2-MPML"),
    "bd-mpeg4": Family(((SOP + "77.1.4.1", TS + "106", VIDEO),), "STD-GEN-BD-MPEG4-SHPLV42"),
    "dvd-mpeg2": Family(((SOP + "77.1.2.1", TS + "100", VIDEO),), "STD-DVD-MPEG2-MPML"),
    "mime": Family(((SOP + "2", TS + "201", {}),), "STD-GEN-MIME"),
    "zip-mail": Family(((SOP + "2", "1.2.840.10008.1.2", {}),), "STD-GEN-ZIP-MAIL"),
    "ct-mr": Family(
        (
            (SOP + "2", TS + "70", {**PLACE, **REFERENCES, **GRADIENT}),
            (SOP + "11.1", EXPLICIT, STATE),
        ),
        "STD-CTMR-CD",
        64,
    ),
    "cardiac": Family(((SOP + "12.1", TS + "70", XA),), "STD-XABC-CD", 128),
    "angio-1024": Family(
        ((SOP + "12.1", TS + "50", {**XA, "LossyImageCompressionRatio": "9.5", **PEOPLE}),),
        "STD-XA1K-DVD",
        128,
    ),
    "ultrasound": Family(((SOP + "6.1", TS + "50", US),), "STD-US-ID-SF-CDR"),
    "dental": Family(((SOP + "1.3", EXPLICIT, DENTAL),), "STD-DEN-CD"),
    "waveform": Family(((SOP + "9.1.1", EXPLICIT, ECG),), "STD-WVFM-ECG-FD"),
    "utf8": Family(
        ((SOP + "2", EXPLICIT, {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Zoë"}),),
        encode=in_utf8,
    ),
    "private": Family(
        (("1.2.3.4.5.6", EXPLICIT, {}), (SOP + "2", EXPLICIT, {})), options={"private": True}
    ),
}  # fmt: skip


REGIONS = {"SequenceOfUltrasoundRegions": Sequence([item(PixelComponentOrganization=1)])}
FRAMES = {"NumberOfFrames": "3", "FrameTime": "33", "FrameIncrementPointer": 0x00181063}

# Profiles beside those above: the family that is nearest, and the Transfer Syntax instead of its own.
NEAREST: dict[str, tuple[str, str | None]] = {
    "STD-GEN-DVD-RAM": ("general-cd", None),
    "STD-GEN-BD": ("general-cd", None),
    **{
        f"STD-GEN-{medium}-{coding}": ("flash-j2k", syntax)
        for medium in ("DVD", "BD", "USB", "MMC", "CF", "SD")
        for coding, syntax in (("JPEG", TS + "70"), ("J2K", None))
    },
    "STD-GEN-BD-MPEG2-MPHL": ("bd-mpeg2", TS + "101"),
    "STD-GEN-BD-MPEG4-HPLV41": ("bd-mpeg4", TS + "102"),
    "STD-GEN-BD-MPEG4-HPLV41BD": ("bd-mpeg4", TS + "103"),
    "STD-GEN-BD-MPEG4-HPLV42-2D": ("bd-mpeg4", TS + "104"),
    "STD-GEN-BD-MPEG4-HPLV42-3D": ("bd-mpeg4", TS + "105"),
    "STD-CTMR-DVD-RAM": ("ct-mr", None),
    "STD-CTMR-DVD": ("ct-mr", None),
    "STD-CTMR-MOD41": ("ct-mr", None),
    "STD-XA1K-CD": ("angio-1024", TS + "70"),
}


def nearest(profile: str) -> Family:
    """Return the File-set of a profile that has no family of its own above."""
    if profile == "STD-WVFM-HD-FD":
        return Family(((SOP + "9.2.1", EXPLICIT, {**ECG, "Modality": "HD"}),), profile)
    if profile.startswith("STD-US-"):
        _, _, purpose, frames, _ = profile.split("-", 4)
        values = US | ({} if purpose == "ID" else REGIONS) | (FRAMES if frames == "MF" else {})
        sop_class = SOP + ("3.1" if frames == "MF" else "6.1")
        return Family(((sop_class, TS + "50", values),), profile)
    base, syntax = NEAREST[profile]
    family = FAMILIES[base]
    instances = tuple((c, syntax or own, values) for c, own, values in family.instances)
    return replace(family, profile=profile, instances=instances)


OWN = {family.profile for family in FAMILIES.values()}
FAMILIES |= {name.lower(): nearest(name) for name in PROFILES if name not in OWN}


def made(family: Family) -> FileSet:
    """Return the File-set of `family`; a Type 1 key or a demand that is not met fails."""
    profile = PROFILES[family.profile] if family.profile else None
    keys = profile.keys if profile else GENERAL_PURPOSE_KEYS
    wanted = build.wanted(keys) | (looks_at(profile) if profile else frozenset())
    leaves: list[Record] = []
    headers = []
    for number, (sop_class, syntax, values) in enumerate(family.instances, start=1):
        content = dicom_bytes(
            **{
                "SOPClassUID": sop_class,
                "SOPInstanceUID": f"1.2.3.1.1.{number}",
                "InstanceNumber": str(number),
                **values,
            }
        )
        header = dict(read_header(io.BytesIO(content), len(content), wanted).elements)
        assert profile is None or unmet(profile, header, syntax) is None
        icon = None
        if family.icon_size and "Rows" in values and values["Rows"] is not ...:
            icon = icons.icon(io.BytesIO(content), family.icon_size).element
            assert icon is not None
        name = file_id(["DICOM", f"IM{number}"])
        built = build.instance_record(header, name, syntax, extra=keys, icon=icon, **family.options)
        assert built.record is not None, built.findings
        leaves.append(family.encode(built.record))
        headers.append(header)
    record: Record | None = None
    for make in (build.series_record, build.study_record, build.patient_record):
        above = make(headers[0], extra=keys).record
        assert above is not None
        above = family.encode(above)
        record = Record(above.type, above.keys, (record,) if record else tuple(leaves))
    assert record is not None
    return FileSet("GOLDEN", "1.2.3.999", (record,))


def written(fileset: FileSet) -> bytes:
    stream = io.BytesIO()
    write(stream, fileset, Writing("1.2.3.4.9", "GOLDEN"))
    return stream.getvalue()


def files(name: str) -> dict[Path, bytes]:
    """Return the golden files of a family with what should be in them."""
    content = written(made(FAMILIES[name]))
    if len(content) > LARGEST_BYTES:
        digest = hashlib.sha256(content).hexdigest() + "\n"
        proof = {HERE / f"{name}.sha256": digest.encode("ascii")}
    else:
        proof = {HERE / f"{name}.dcmdir": content}
    return {HERE / f"{name}.txt": dumped(content).encode("utf-8"), **proof}


if __name__ == "__main__":
    for family_name in FAMILIES:
        for path, wanted_content in files(family_name).items():
            path.write_bytes(wanted_content)
            print(path.relative_to(HERE.parent), len(wanted_content))
