"""Application Profiles: the table, what fits, and what a directory must hold (PS3.11)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from catalog.dicom.elements import Element
from catalog.errors import FileSetError
from catalog.fileset.build import instance_record, patient_record, series_record, study_record
from catalog.fileset.file_id import file_id
from catalog.fileset.profile_doc import profiles_doc
from catalog.fileset.profiles import (
    PROFILES,
    check_profile,
    looks_at,
    misfit,
    profile_named,
    unmet,
)
from catalog.fileset.records import RECORD_TYPES
from catalog.fileset.tree import FileSet, Record
from catalog.shapes import replace

from .synthetic import Header, e, header

SOP = "1.2.840.10008.5.1.4.1.1."
CT, MR, SC, XA, US, US_MF = (SOP + n for n in ("2", "4", "7", "12.1", "6.1", "3.1"))
EXPLICIT, IMPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
JPEG = {n: f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 70, 80, 90, 91, 100, 101, 102, 104, 106)}
MEDIA = ("USB", "MMC", "CF", "SD")

NAMES = {
    "A": "STD-XABC-CD",
    "B": "STD-XA1K-CD STD-XA1K-DVD",
    "C": " ".join(
        f"STD-US-{use}-{frames}-{medium}"
        for use in ("ID", "SC", "CC")
        for frames in ("SF", "MF")
        for medium in ("MOD23-90", "CDR", "DVD-RAM", "DVD")
    ),
    "D": "STD-GEN-CD STD-GEN-DVD-RAM STD-GEN-BD",
    "E": "STD-CTMR-CD STD-CTMR-DVD-RAM STD-CTMR-DVD STD-CTMR-MOD41",
    "F": "STD-WVFM-ECG-FD STD-WVFM-HD-FD",
    "G": "STD-GEN-MIME",
    "H": "STD-GEN-DVD-JPEG STD-GEN-DVD-J2K",
    "I": "STD-DVD-MPEG2-MPML",
    "J": " ".join(f"STD-GEN-{medium}-{coding}" for medium in MEDIA for coding in ("JPEG", "J2K")),
    "K": "STD-DEN-CD",
    "L": "STD-GEN-ZIP-MAIL",
    "M": "STD-GEN-BD-JPEG STD-GEN-BD-J2K STD-GEN-BD-MPEG2-MPML STD-GEN-BD-MPEG2-MPHL "
         "STD-GEN-BD-MPEG4-HPLV41 STD-GEN-BD-MPEG4-HPLV41BD",
    "N": "STD-GEN-BD-MPEG4-HPLV42-2D STD-GEN-BD-MPEG4-HPLV42-3D STD-GEN-BD-MPEG4-SHPLV42",
}  # fmt: skip


def test_names_by_annex() -> None:
    found: dict[str, list[str]] = {}
    for name, profile in PROFILES.items():
        assert profile.name == name
        found.setdefault(profile.clause.removeprefix("PS3.11 Annex "), []).append(name)
    assert found == {annex: names.split() for annex, names in NAMES.items()}


def test_the_table_is_sound() -> None:
    fields = set(PROFILES["STD-GEN-CD"].__slots__)
    for profile in PROFILES.values():
        assert (profile.updater is None) == ("updater" in profile.unverified)
        assert set(profile.unverified) <= fields
        for kind, keys in profile.keys.items():
            assert kind in RECORD_TYPES
            assert len({key.tag for key in keys}) == len(keys)
            for key in keys:
                assert key.type in ("1", "1C", "2")
                assert (key.condition is not None) == key.type.endswith("C")
        for sop_class in (*(profile.classes or ()), *profile.demands):
            assert misfit(PROFILES["STD-GEN-MIME"], sop_class, "") is None


KEYS = {
    "STD-GEN-BD": {"IMAGE": {0x00080008: "1C", 0x00081140: "1C"}},
    "STD-GEN-DVD-JPEG": {
        "PATIENT": {0x00100030: "1C", 0x00100040: "1C"},
        "SERIES": {0x00080080: "1C", 0x00080081: "1C", 0x00081050: "1C"},
        "IMAGE": {
            0x00080008: "1C", 0x0008002A: "1C", 0x00081140: "1C", 0x00181800: "1C", 0x00200032: "1C",
            0x00200037: "1C", 0x00200052: "1C", 0x00200200: "1C", 0x00280008: "1C", 0x00280010: "1",
            0x00280011: "1", 0x00280030: "1C", 0x00282112: "1C", 0x00500004: "1C",
        },
        "SPECTROSCOPY": {
            0x0008002A: "1C", 0x00081140: "1C", 0x00181800: "1C", 0x00200032: "1C", 0x00200037: "1C",
            0x00200052: "1C", 0x00200200: "1C", 0x00280008: "1C", 0x00280010: "1", 0x00280011: "1",
            0x00280030: "1C",
        },
    },
    "STD-DVD-MPEG2-MPML": {
        "PATIENT": {0x00100030: "1C", 0x00100040: "1C"},
        "SERIES": {0x00080080: "1C", 0x00080081: "1C", 0x00081050: "1C"},
        "IMAGE": {0x00080008: "1C", 0x00280010: "1", 0x00280011: "1", 0x00282112: "1C"},
    },
    "STD-CTMR-CD": {
        "IMAGE": {
            0x00081140: "1C", 0x00200032: "1C", 0x00200037: "1C", 0x00200052: "1C", 0x00280010: "1",
            0x00280011: "1", 0x00280030: "1C",
        }
    },
    "STD-XABC-CD": {
        "PATIENT": {0x00100030: "2", 0x00100040: "2"},
        "SERIES": {0x00080080: "2", 0x00080081: "2", 0x00081050: "2"},
        "IMAGE": {0x00080008: "1", 0x00081140: "1C", 0x00500004: "2"},
    },
    "STD-XA1K-DVD": {
        "PATIENT": {0x00100030: "2", 0x00100040: "2"},
        "SERIES": {0x00080080: "2", 0x00080081: "2", 0x00081050: "2"},
        "IMAGE": {0x00080008: "1C", 0x00081140: "1C", 0x00282112: "1C", 0x00500004: "2"},
    },
    "STD-US-ID-SF-CDR": {},
    "STD-DEN-CD": {},
    "STD-GEN-MIME": {},
    "STD-GEN-ZIP-MAIL": {},
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_keys_of_the_tables(name: str) -> None:
    found = {
        kind: {key.tag: key.type for key in sorted(keys, key=lambda key: key.tag)}
        for kind, keys in PROFILES[name].keys.items()
    }
    assert found == KEYS[name]


def test_icons_and_roles() -> None:
    sizes = {p.name: (p.icons.type, p.icons.size) for p in PROFILES.values() if p.icons}
    assert sizes == {
        **dict.fromkeys(NAMES["E"].split(), ("3", 64)),
        **dict.fromkeys(["STD-XABC-CD", "STD-XA1K-CD", "STD-XA1K-DVD"], ("1", 128)),
    }
    assert [p.name for p in PROFILES.values() if not p.needs_dicomdir] == ["STD-GEN-MIME"]
    no_updater = {p.name for p in PROFILES.values() if p.updater is False}
    assert no_updater == {
        "STD-GEN-DVD-JPEG", "STD-GEN-DVD-J2K", "STD-DVD-MPEG2-MPML", "STD-GEN-MIME", "STD-GEN-ZIP-MAIL",
        "STD-CTMR-DVD", "STD-XA1K-DVD", *(name for name in NAMES["C"].split() if name.endswith("-DVD")),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["STD-GEN-CD", "std-gen-cd", " STD-Gen-cd "])
def test_named(name: str) -> None:
    assert profile_named(name).name == "STD-GEN-CD"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("STD-GEN-CDR", "Did you mean STD-GEN-CD"),
        ("STD-US-ID-SF", "STD-US-ID-SF-CDR"),
        ("STD-GEN-SEC-CD", "Secure DICOM Files"),
        ("STD-DTL-SEC-ZIP-MAIL", "Secure DICOM Files"),
        ("nothing like it", r"knows\.$"),
    ],
)
def test_not_named(name: str, message: str) -> None:
    with pytest.raises(FileSetError, match=message):
        profile_named(name)


FITS = [
    ("STD-GEN-CD", {CT: [EXPLICIT], SOP + "88.33": [EXPLICIT], SOP + "4.2": [EXPLICIT]}),
    ("STD-GEN-DVD-JPEG", {CT: [EXPLICIT, JPEG[50], JPEG[51], JPEG[70]]}),
    ("STD-GEN-SD-J2K", {CT: [EXPLICIT, JPEG[90], JPEG[91]]}),
    ("STD-GEN-BD-MPEG2-MPML", {CT: [EXPLICIT, JPEG[100]]}),
    ("STD-GEN-BD-MPEG4-SHPLV42", {CT: [JPEG[106]]}),
    ("STD-DVD-MPEG2-MPML", {CT: [JPEG[100]]}),
    ("STD-GEN-MIME", {CT: [EXPLICIT, IMPLICIT, RLE, *JPEG.values()]}),
    ("STD-CTMR-DVD", {CT: [EXPLICIT, JPEG[70]], MR: [EXPLICIT, JPEG[70]], SC: [EXPLICIT, JPEG[70]],
                      SOP + "11.1": [EXPLICIT], SOP + "88.67": [EXPLICIT]}),
    ("STD-XABC-CD", {XA: [JPEG[70]]}),
    ("STD-XA1K-CD", {XA: [JPEG[70]], SC: [EXPLICIT], SOP + "11.1": [EXPLICIT]}),
    ("STD-XA1K-DVD", {XA: [JPEG[50], JPEG[51], JPEG[70]], SC: [EXPLICIT], SOP + "11.1": [EXPLICIT]}),
    ("STD-US-SC-SF-CDR", {US: [EXPLICIT, RLE, JPEG[50]]}),
    ("STD-US-ID-MF-DVD", {US: [EXPLICIT, RLE, JPEG[50]], US_MF: [EXPLICIT, RLE, JPEG[50]]}),
    ("STD-DEN-CD", {SOP + n: [EXPLICIT] for n in ("1.3", "1.1", "131", "11.1")}),
    ("STD-WVFM-ECG-FD", {SOP + "9.1.1": [EXPLICIT]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fits"), FITS, ids=[name for name, _ in FITS])
def test_what_fits(name: str, fits: dict[str, list[str]]) -> None:
    profile = PROFILES[name]
    classes = [
        CT,
        MR,
        SC,
        XA,
        US,
        US_MF,
        *(SOP + n for n in ["11.1", "88.67", "1.3", "1.1", "131", "9.1.1"]),
    ]
    for sop_class in dict.fromkeys((*fits, *classes)):
        if profile.classes is None and sop_class not in fits:
            continue
        allowed = [
            syntax
            for syntax in (EXPLICIT, IMPLICIT, RLE, *JPEG.values())
            if misfit(profile, sop_class, syntax) is None
        ]
        assert sorted(allowed) == sorted(fits.get(sop_class, [])), sop_class


@pytest.mark.parametrize("sop_class", ["", "1.2.3.4", SOP + "200.2", "1.2.840.10008.5.1.4.1.1.999"])
def test_other_classes_fit_no_profile(sop_class: str) -> None:
    for profile in PROFILES.values():
        reason = misfit(profile, sop_class, EXPLICIT)
        assert reason is not None
        assert "PS3.4 Annex I" in reason


def test_why() -> None:
    assert misfit(PROFILES["STD-GEN-CD"], CT, JPEG[90]) == (
        "its Transfer Syntax (JPEG 2000 Image Compression (Lossless Only)) is none of STD-GEN-CD (PS3.11 Annex D)"
    )
    assert misfit(PROFILES["STD-XABC-CD"], CT, EXPLICIT) == (
        "its SOP Class (CT Image Storage) is none of STD-XABC-CD (PS3.11 Annex A)"
    )
    assert misfit(PROFILES["STD-XABC-CD"], XA, EXPLICIT) == (
        "its Transfer Syntax (Explicit VR Little Endian) is none that STD-XABC-CD allows for its SOP Class (PS3.11 Annex A)"
    )


def attributes(sop_class: str, *elements: Element, **numbers: int) -> Header:
    """Return a header with US attributes by their last four digits, `x0010` for Rows."""
    found = {0x00080016: e(0x00080016, "UI", sop_class.encode())}
    for name, number in numbers.items():
        tag = 0x00280000 | int(name[1:], 16)
        found[tag] = Element(tag, "US", struct.pack("<H", number))
    return found | {element.tag: element for element in elements}


GRAY, PALETTE, RGB = (e(0x00280004, "CS", v) for v in (b"MONOCHROME2", b"PALETTE COLOR", b"RGB"))
YBR = e(0x00280004, "CS", b"YBR_FULL_422")
MODALITY = {name: e(0x00080060, "CS", name.encode()) for name in ("CT", "MR", "XA", "IO")}
REGION = e(0x00186011, "SQ", ((e(0x00186044, "US", b"\1\0"),),))
NO_REGION = e(0x00186011, "SQ", ((),))
SC8 = {"x0002": 1, "x0100": 8, "x0101": 8, "x0102": 7}
XA1K = {"x0010": 1024, "x0011": 1024, "x0101": 12}
DENTAL = tuple(
    e(tag, "LO", b"") for tag in (0x00080080, 0x00081090, 0x0018700A, 0x0018702A, 0x0018702B)
)

DEMANDS = [
    ("STD-CTMR-CD", attributes(CT, MODALITY["CT"], GRAY), None),
    ("STD-CTMR-CD", attributes(CT, MODALITY["MR"], GRAY), "Modality"),
    ("STD-CTMR-CD", attributes(CT, MODALITY["CT"], RGB), "PhotometricInterpretation"),
    ("STD-CTMR-CD", attributes(MR, MODALITY["MR"], GRAY, x0101=12, x0102=11), None),
    ("STD-CTMR-CD", attributes(MR, MODALITY["MR"], GRAY, x0101=12, x0102=15), "HighBit"),
    ("STD-CTMR-CD", attributes(MR, MODALITY["MR"], GRAY, x0101=10, x0102=9), "BitsStored"),
    ("STD-CTMR-CD", attributes(SC, GRAY, **SC8), None),
    ("STD-CTMR-CD", attributes(SC, PALETTE, **SC8), None),
    ("STD-CTMR-CD", attributes(SC, GRAY, **SC8 | {"x0102": 5}), "HighBit"),
    ("STD-CTMR-CD", attributes(SC, RGB, **SC8), "PhotometricInterpretation"),
    ("STD-CTMR-CD", attributes(SOP + "88.67"), None),
    ("STD-XABC-CD", attributes(XA, MODALITY["XA"], x0010=512, x0011=512, x0100=8, x0101=8), None),
    ("STD-XABC-CD", attributes(XA, MODALITY["XA"], x0010=513, x0011=512, x0100=8, x0101=8), "Rows"),
    ("STD-XA1K-CD", attributes(XA, MODALITY["XA"], **XA1K), None),
    ("STD-XA1K-CD", attributes(XA, MODALITY["XA"], **XA1K | {"x0011": 2048}), "Columns"),
    ("STD-XA1K-CD", attributes(SC, GRAY, **SC8, x0010=9, x0011=9, x0103=0), None),
    ("STD-XA1K-CD", attributes(SC, GRAY, e(0x60020010, "US", b"\1\0"), **SC8, x0010=9, x0011=9, x0103=0), "OverlayRows"),
    ("STD-DEN-CD", attributes(SOP + "1.3", *DENTAL, x0100=16, x0101=12), None),
    ("STD-DEN-CD", attributes(SOP + "1.3", *DENTAL, x0100=16, x0101=8), "Bits"),
    ("STD-DEN-CD", attributes(SOP + "1.3", *DENTAL[1:], x0100=8, x0101=8), "InstitutionName"),
    ("STD-US-ID-SF-CDR", attributes(US, RGB), None),
    ("STD-US-ID-SF-CDR", attributes(US, e(0x00280004, "CS", b"YBR_FULL")), "Photometric Interpretation (YBR_FULL)"),
    ("STD-US-SC-SF-CDR", attributes(US, YBR, NO_REGION), None),
    ("STD-US-SC-SF-CDR", attributes(US, YBR), "SequenceOfUltrasoundRegions"),
    ("STD-US-CC-SF-CDR", attributes(US, YBR, REGION), None),
    ("STD-US-CC-SF-CDR", attributes(US, YBR, NO_REGION), "PixelComponentOrganization"),
    ("STD-GEN-CD", attributes(US, RGB), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "missing"), DEMANDS)
def test_demands_on_the_files(name: str, given: Header, missing: str | None) -> None:
    reason = unmet(PROFILES[name], given, EXPLICIT)
    assert (reason is None) == (missing is None), reason
    assert missing is None or f"its {missing}" in (reason or "")
    assert set(given) - {0x00080060} <= looks_at(PROFILES[name]) | {0x00280004, 0x00080016}


def fileset(
    name: str = "STD-GEN-DVD-JPEG", syntax: str = EXPLICIT, icon: Element | None = None
) -> FileSet:
    keys = PROFILES[name].keys
    source = header("IMAGE")
    source |= {tag: e(tag, "US", b"\x40\0") for tag in (0x00280010, 0x00280011)}
    leaf = instance_record(source, file_id(["IM1"]), syntax, extra=keys, icon=icon).record
    assert leaf is not None
    record = leaf
    for make in (series_record, study_record, patient_record):
        above = make(source, extra=keys).record
        assert above is not None
        record = replace(above, children=(record,))
    return FileSet("", "1.2.3", (record,))


def codes(made: FileSet, name: str = "STD-GEN-DVD-JPEG") -> list[str]:
    return [finding.code for finding in check_profile(made, PROFILES[name])]


def changed(made: FileSet, depth: int, **values: object) -> FileSet:
    """Return `made` with fields of its one record at `depth` replaced."""

    def inner(record: Record, at: int) -> Record:
        if at == 0:
            return replace(record, **values)  # type: ignore[arg-type]
        return replace(record, children=tuple(inner(child, at - 1) for child in record.children))

    return replace(made, records=tuple(inner(record, depth) for record in made.records))


def lacking(made: FileSet, tag: int) -> FileSet:
    record = made.records[0].children[0].children[0].children[0]
    return changed(made, 3, keys=tuple(key for key in record.keys if key.tag != tag))


def test_a_directory_that_follows_its_profile() -> None:
    assert codes(fileset()) == []
    assert codes(fileset("STD-GEN-CD"), "STD-GEN-CD") == []


def test_never_empty_and_all_levels() -> None:
    made = fileset()
    assert codes(FileSet("", "1.2.3")) == ["profile-empty"]
    for depth in (0, 1, 2):
        assert codes(changed(made, depth, children=())) == ["profile-empty"]
    (series,) = made.records[0].children[0].children
    assert codes(replace(made, records=series.children)) == ["profile-levels"]


def test_misfits_in_a_directory() -> None:
    assert codes(fileset(syntax=JPEG[90])) == ["profile-misfit"]


def test_keys_of_the_profile() -> None:
    assert codes(lacking(fileset(), 0x00280010)) == ["profile-key"]
    assert codes(lacking(fileset(), 0x00080008)) == []
    empty = tuple(
        replace(key, value=b"") if key.tag == 0x00280010 else key
        for key in fileset().records[0].children[0].children[0].children[0].keys
    )
    assert codes(changed(fileset(), 3, keys=empty)) == ["profile-key"]
    made = fileset("STD-XA1K-CD")
    assert "profile-key" not in codes(made, "STD-XA1K-CD")
    patient = tuple(key for key in made.records[0].keys if key.tag != 0x00100040)
    assert "profile-key" in codes(changed(made, 0, keys=patient), "STD-XA1K-CD")


def test_patient_ids_are_unique_whatever_their_padding() -> None:
    made = fileset()
    (patient,) = made.records
    other = tuple(
        replace(key, value=b" PAT1") if key.tag == 0x00100020 else key for key in patient.keys
    )
    twice = replace(made, records=(patient, replace(patient, keys=other)))
    assert codes(twice) == ["profile-patient-id"]


def icon_of(size: int, bits: int = 8, photometric: bytes = b"MONOCHROME2") -> Element:
    number = struct.Struct("<H").pack
    item = (
        e(0x00280004, "CS", photometric),
        *(Element(tag, "US", number(size)) for tag in (0x00280010, 0x00280011)),
        *(Element(tag, "US", number(bits)) for tag in (0x00280100, 0x00280101)),
    )
    return Element(0x00880200, "SQ", (item,))


ICONS = [
    ("STD-CTMR-CD", None, False),
    ("STD-CTMR-CD", icon_of(64), False),
    ("STD-CTMR-CD", icon_of(64, photometric=b"PALETTE COLOR"), False),
    ("STD-CTMR-CD", icon_of(128), True),
    ("STD-CTMR-CD", icon_of(64, bits=1), True),
    ("STD-CTMR-CD", icon_of(64, photometric=b"MONOCHROME1"), True),
    ("STD-XA1K-CD", None, True),
    ("STD-XA1K-CD", icon_of(128), False),
    ("STD-XA1K-CD", icon_of(128, photometric=b"PALETTE COLOR"), True),
    ("STD-XABC-CD", icon_of(128, photometric=b"PALETTE COLOR"), False),
    ("STD-GEN-CD", icon_of(17), False),
]


@pytest.mark.parametrize(("name", "icon", "wrong"), ICONS)
def test_icons_in_a_directory(name: str, icon: Element | None, wrong: bool) -> None:
    assert ("profile-icon" in codes(fileset(name, icon=icon), name)) == wrong


def test_biplane_images_name_their_partner() -> None:
    made = fileset("STD-XABC-CD")
    keys = made.records[0].children[0].children[0].children[0].keys
    biplane = tuple(
        replace(key, value=b"ORIGINAL\\PRIMARY\\BIPLANE B ") if key.tag == 0x00080008 else key
        for key in keys
    )
    assert "profile-key" not in codes(changed(made, 3, keys=biplane), "STD-XABC-CD")
    alone = lacking(changed(made, 3, keys=biplane), 0x00081140)
    assert "profile-key" in codes(alone, "STD-XABC-CD")
    assert "profile-key" not in codes(lacking(made, 0x00081140), "STD-XABC-CD")


def test_the_documentation_is_that_of_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "profiles.md"
    assert page.read_text("utf-8") == profiles_doc()
