"""Records made from headers: which keys, which values, what is supplied, what is refused."""

from __future__ import annotations

import re

import pytest

from catalog.dicom.elements import Element
from catalog.fileset.build import (
    WANTED,
    Built,
    instance_record,
    patient_record,
    series_record,
    study_record,
)
from catalog.fileset.file_id import file_id
from catalog.fileset.tree import Record
from catalog.fileset.writer import check_record
from catalog.findings import Severity

from .synthetic import AT_ROOT, SOP_CLASSES, Header, code, e, header

FILE = file_id(["DICOM", "IM1"])
EXPLICIT = "1.2.840.10008.1.2.1"

OWN_KEYS = {
    "IMAGE": "00080008 00081140 00200013",
    "RT DOSE": "00200013 30040006 3004000A",
    "RT STRUCTURE SET": "00200013 30060002 30060008 30060009",
    "RT PLAN": "00200013 300A0002 300A0006 300A0007",
    "RT TREAT RECORD": "00200013 30080250 30080251",
    "PRESENTATION": "00081115 00200013 00700080 00700081 00700082 00700083 00700084 00700402",
    "WAVEFORM": "00080023 00080033 00200013",
    "SR DOCUMENT": "00080023 00080033 00200013 0040A030 0040A043 0040A491 0040A493 0040A730",
    "KEY OBJECT DOC": "00080023 00080033 00200013 0040A043",
    "SPECTROSCOPY": "00080008 00080023 00080033 00089092 00200013 00280008 00280010 00280011 00289001 00289002",
    "RAW DATA": "00080023 00080033 00200013",
    "HANGING PROTOCOL": "00720002 00720004 00720006 00720008 0072000A 0072000C 0072000E 00720014",
    "ENCAP DOC": "00080023 00080033 00200013 0040A043 0040E001 00420010 00420012",
    "STEREOMETRIC": "",
    "PALETTE": "00700080 00700081",
    "IMPLANT": "00080070 00221095 00221097 00686210",
    "IMPLANT ASSY": "00080070 00760001 00760020",
    "IMPLANT GROUP": "00780001 00780010 00780020",
    "PLAN": "",
    "SURFACE SCAN": "00080023 00080033",
    "ASSESSMENT": "00080012 00080013 00200013",
    "RADIOTHERAPY": "00200013 00700081 00700084 30100033 30100034",
    "INVENTORY": "00080023 00080033 00080400 00080401 00080403 00080426 00080428",
    "WF PRESENTATION": "00081115 00200013 00700080 00700081 00700082 00700083 00700084",
} | dict.fromkeys(
    ("REGISTRATION", "FIDUCIAL", "VALUE MAP", "MEASUREMENT", "SURFACE", "TRACT", "ANNOTATION"),
    "00080023 00080033 00200013 00700080 00700081 00700084",
)  # fmt: skip


def build(source: Header) -> Built:
    return instance_record(source, FILE, EXPLICIT)


def record(built: Built) -> Record:
    assert built.record is not None, built.findings
    return built.record


def codes(built: Built) -> list[str]:
    return [finding.code for finding in built.findings]


@pytest.mark.parametrize("record_type", SOP_CLASSES)
def test_complete_instances(record_type: str) -> None:
    built = build(header(record_type))
    made = record(built)
    assert built.findings == ()
    assert made.type == record_type
    own = [f"{element.tag:08X}" for element in made.keys if element.tag >> 16 != 4]
    assert own == OWN_KEYS[record_type].split()
    assert made.file_components == ("DICOM", "IM1")
    assert made.plain(0x00041510) == SOP_CLASSES[record_type]
    assert made.plain(0x00041511) == "1.2.3.4.5"
    assert made.plain(0x00041512) == EXPLICIT
    assert [element.tag for element in made.keys] == sorted(element.tag for element in made.keys)
    check_record(made)


def test_every_type_that_refers_to_files_is_tested() -> None:
    assert len(SOP_CLASSES) == len(OWN_KEYS) == 31


def test_levels_above() -> None:
    source = header("IMAGE")
    for built, tags in (
        (patient_record(source), "00080005 00100010 00100020"),
        (study_record(source), "00080005 00080020 00080030 00080050 00081030 0020000D 00200010"),
        (series_record(source), "00080060 0020000E 00200011"),
    ):
        assert built.findings == ()
        assert [f"{element.tag:08X}" for element in record(built).keys] == tags.split()
    assert record(patient_record(source)).value(0x00100010) == b"M\xfcller^Anna"
    assert record(patient_record(source)).character_set == ("ISO_IR 100",)


def test_wanted_is_all_that_is_read() -> None:
    for record_type in SOP_CLASSES:
        source = header(record_type)
        reduced = {tag: element for tag, element in source.items() if tag in WANTED}
        for make in (patient_record, study_record, series_record, build):
            assert make(reduced) == make(source)
    assert 0x0040A073 in WANTED
    assert 0x7FE00010 not in WANTED


@pytest.mark.parametrize("missing", ["absent", "empty", "blank"])
def test_type_2_keys_are_always_there(missing: str) -> None:
    source = header("RT PLAN")
    for tag, vr in ((0x300A0006, "DA"), (0x00100010, "PN"), (0x00080050, "SH")):
        if missing == "absent":
            del source[tag]
        else:
            source[tag] = Element(tag, vr, b"" if missing == "empty" else b"  ")
    assert record(build(source)).value(0x300A0006) == b""
    assert record(patient_record(source)).value(0x00100010) == b""
    assert record(study_record(source)).value(0x00080050) == b""
    assert codes(build(source)) == []


def without(source: Header, *tags: int) -> Header:
    return {tag: element for tag, element in source.items() if tag not in tags}


SUPPLIED = [
    pytest.param(patient_record, [0x00100020], 0x00100020, r"NOID_[A-Z2-7]{11}", id="patient-id"),
    pytest.param(study_record, [0x00080020], 0x00080020, "20200102", id="study-date-from-series"),
    pytest.param(study_record, [0x00080020, 0x00080021], 0x00080020, "20200103", id="study-date-from-content"),
    pytest.param(study_record, [0x00080020, 0x00080021, 0x00080023], 0x00080020, "20200104", id="study-date-from-creation"),
    pytest.param(study_record, [0x00080020, 0x00080021, 0x00080023, 0x00080012], 0x00080020, "19000101", id="no-date"),
    pytest.param(study_record, [0x00080030], 0x00080030, "000000", id="study-time"),
    pytest.param(study_record, [0x00080020, 0x00080030], 0x00080030, "100002", id="study-time-from-series"),
    pytest.param(study_record, [0x00200010], 0x00200010, r"S[A-Z2-7]{7}", id="study-id"),
    pytest.param(series_record, [0x00200011], 0x00200011, r"9\d{8}", id="series-number"),
    pytest.param(series_record, [0x00080060], 0x00080060, "OT", id="modality"),
    pytest.param(build, [0x00200013], 0x00200013, r"9\d{8}", id="instance-number"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "missing", "tag", "expected"), SUPPLIED)
def test_type_1_keys_are_supplied(
    make: object, missing: list[int], tag: int, expected: str
) -> None:
    assert callable(make)
    source = without(header("IMAGE"), *missing)
    built = make(source)
    assert re.fullmatch(expected, record(built).plain(tag) or "")
    assert set(codes(built)) == {"type1-supplied"}
    assert all(finding.severity is Severity.WARNING for finding in built.findings)
    assert make(source) == built, "the same every time"
    check_record(record(built))


def test_supplied_identifiers_follow_the_study() -> None:
    one = without(header("IMAGE"), 0x00100020, 0x00200010)
    two = {**one, 0x0020000D: e(0x0020000D, "UI", b"1.2.4")}
    for make, tag in ((patient_record, 0x00100020), (study_record, 0x00200010)):
        assert record(make(one)).plain(tag) != record(make(two)).plain(tag)


LABELS = [
    ("SR DOCUMENT", 0x0040A491, "PARTIAL"),
    ("SR DOCUMENT", 0x0040A493, "UNVERIFIED"),
    ("SR DOCUMENT", 0x00080023, "20200104"),
    ("PRESENTATION", 0x00700080, "UNLABELLED"),
    ("PRESENTATION", 0x00700082, "20200103"),
    ("RT PLAN", 0x300A0002, "UNLABELLED"),
    ("RT STRUCTURE SET", 0x30060002, "UNLABELLED"),
    ("ENCAP DOC", 0x00420012, "text/XML"),
    ("SPECTROSCOPY", 0x00280008, "1"),
    ("HANGING PROTOCOL", 0x0072000A, "20200104100004"),
    ("IMPLANT", 0x00080070, "UNKNOWN"),
    ("ASSESSMENT", 0x00080012, "20200103"),
]


@pytest.mark.parametrize(("record_type", "tag", "expected"), LABELS)
def test_other_type_1_keys_are_supplied(record_type: str, tag: int, expected: str) -> None:
    built = build(without(header(record_type), tag))
    assert record(built).plain(tag) == expected
    assert codes(built) == ["type1-supplied"]


REFUSED = [
    ("SR DOCUMENT", 0x0040A043),
    ("KEY OBJECT DOC", 0x0040A043),
    ("RT DOSE", 0x3004000A),
    ("SPECTROSCOPY", 0x00280010),
    ("SPECTROSCOPY", 0x00080008),
    ("HANGING PROTOCOL", 0x0072000C),
    ("HANGING PROTOCOL", 0x00720006),
    ("IMPLANT", 0x00221097),
    ("IMPLANT ASSY", 0x00760020),
    ("INVENTORY", 0x00080428),
    ("IMAGE", 0x00080016),
    ("IMAGE", 0x00080018),
    ("IMAGE", 0x0020000D),
    ("IMAGE", 0x0020000E),
]


@pytest.mark.parametrize(("record_type", "tag"), REFUSED)
def test_without_an_honest_value_the_instance_is_refused(record_type: str, tag: int) -> None:
    built = build(without(header(record_type), tag))
    assert built.record is None
    assert codes(built) == ["not-exportable"]
    assert built.findings[0].severity is Severity.ERROR


def test_root_level_instances_need_no_study() -> None:
    for record_type in AT_ROOT:
        source = without(header(record_type), 0x0020000D, 0x0020000E)
        assert record(build(source)).type == record_type


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.5.1.4.1.1.200.2", "1.2.840.10008.5.1.4.1.1.501.3", "1.2.3.4"]
)
def test_sop_classes_without_a_record_type_are_refused_by_name(uid: str) -> None:
    built = build({**header("IMAGE"), 0x00080016: e(0x00080016, "UI", uid.encode())})
    assert (built.record, codes(built)) == (None, ["not-exportable"])
    assert built.findings[0].message


def test_retired_record_types_are_reported() -> None:
    source = {**header("IMAGE"), 0x00080016: e(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.8")}
    source[0x00200022] = e(0x00200022, "IS", b"1")
    built = build(source)
    assert record(built).type == "OVERLAY"
    assert codes(built) == ["record-type-retired"]


def test_verification_is_the_most_recent_and_only_when_verified() -> None:
    source = header("SR DOCUMENT")
    assert record(build(source)).plain(0x0040A030) == "20210304050607"
    source[0x0040A493] = e(0x0040A493, "CS", b"UNVERIFIED")
    assert record(build(source)).element(0x0040A030) is None
    source = without(header("SR DOCUMENT"), 0x0040A073)
    assert codes(build(source)) == ["verification-date-time"]


def test_content_holds_all_and_only_concept_modifiers() -> None:
    source = header("SR DOCUMENT")
    content = record(build(source)).element(0x0040A730)
    assert content is not None
    assert content.items == (source[0x0040A730].items[0],)
    assert record(build(header("KEY OBJECT DOC"))).element(0x0040A730) is None


def test_references_are_reduced() -> None:
    made = record(build(header("PRESENTATION")))
    series = made.element(0x00081115)
    blending = made.element(0x00700402)
    assert series is not None
    assert blending is not None
    assert [element.tag for element in series.items[0]] == [0x00081140, 0x0020000E]
    assert [element.tag for element in series.items[0][0].items[0]] == [0x00081150, 0x00081155]
    assert len(blending.items) == 2
    assert [element.tag for element in blending.items[0]] == [0x00081115, 0x0020000D]
    images = record(build(header("IMAGE"))).element(0x00081140)
    assert images is not None
    assert [element.tag for element in images.items[0]] == [0x00081150, 0x00081155]
    hanging = record(build(header("HANGING PROTOCOL"))).element(0x0072000C)
    assert hanging is not None
    assert [f"{element.tag:08X}" for element in hanging.items[0]] == [
        "00080060",
        "00081032",
        "0040100A",
    ]


def test_conditional_keys_are_absent_with_their_cause() -> None:
    source = without(header("PRESENTATION"), 0x00081115, 0x00700402)
    made = record(build(source))
    assert made.element(0x00081115) is None
    assert made.element(0x00700402) is None
    assert (
        record(instance_record(header("IMAGE"), FILE, EXPLICIT, extra={})).element(0x00080008)
        is None
    )


def test_related_general_sop_class() -> None:
    source = header("IMAGE")
    source[0x0008001A] = e(0x0008001A, "UI", b"1.2.840.10008.5.1.4.1.1.7\\1.2")
    assert record(build(source)).plain(0x0004151A) == "1.2.840.10008.5.1.4.1.1.7\\1.2"


@pytest.mark.parametrize(
    ("value", "charset"),
    [
        (b"Smith", False),
        (b"M\xfcller", True),
        (b"Yamada^Tarou=\x1b$B;3ED\x1b(B", True),
    ],
)
def test_character_set_is_written_when_needed(value: bytes, charset: bool) -> None:
    source = header("IMAGE")
    source[0x00100010] = e(0x00100010, "PN", value)
    assert (record(patient_record(source)).character_set is not None) == charset


def test_character_set_of_nested_text_and_of_implants() -> None:
    source = header("IMPLANT ASSY")
    name = (*code()[:2], e(0x00080104, "LO", b"H\xfcfte"))
    source[0x00760020] = e(0x00760020, "SQ", (name,))
    assert record(build(source)).character_set == ("ISO_IR 100",)


def test_missing_character_set_is_reported() -> None:
    built = patient_record(without(header("IMAGE"), 0x00080005))
    assert codes(built) == ["character-set-missing"]
    assert record(built).value(0x00100010) == b"M\xfcller^Anna"


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00080020, "DA", b"20201301"),
        (0x00080030, "TM", b"2500"),
        (0x00200010, "SH", b"a study id longer than sixteen"),
        (0x00080050, "SH", b"0123456789ABCDEFG"),
    ],
)
def test_illegal_values_are_kept_and_reported(tag: int, vr: str, value: bytes) -> None:
    source = header("IMAGE")
    source[tag] = e(tag, vr, value)
    built = study_record(source)
    assert record(built).value(tag) == value
    assert codes(built) == ["illegal-value"]


@pytest.mark.parametrize(
    ("tag", "vr", "value", "expected"),
    [
        (0x00080020, "DA", b"1994.01.31", b"19940131"),
        (0x00080030, "TM", b"12:30", b"1230"),
        (0x00080030, "TM", b"12:30:15.25", b"123015.25"),
    ],
)
def test_dates_of_acr_nemas_days_are_modernised(
    tag: int, vr: str, value: bytes, expected: bytes
) -> None:
    built = study_record({**header("IMAGE"), tag: e(tag, vr, value)})
    assert record(built).value(tag) == expected
    assert codes(built) == ["legacy-value"]


def test_padding_is_repaired_and_values_stay_multiple() -> None:
    source = header("IMAGE")
    source[0x00100020] = Element(0x00100020, "LO", b"12345\0")
    assert record(patient_record(source)).element(0x00100020) == Element(
        0x00100020, "LO", b"12345 "
    )
    image_type = record(build(source)).element(0x00080008)
    assert image_type is not None
    assert image_type.data == b"ORIGINAL\\PRIMARY\\AXIAL"
    source[0x00080018] = Element(0x00080018, "UI", b"1.2.3.4.5 ")
    assert record(build(source)).element(0x00041511) == Element(0x00041511, "UI", b"1.2.3.4.5\0")


def test_elements_of_unknown_vr_get_the_key_s_vr() -> None:
    source = header("SPECTROSCOPY")
    source[0x00280010] = Element(0x00280010, "UN", b"\x40\0")
    source[0x00200013] = Element(0x00200013, "UN", b"7 ")
    made = record(build(source))
    assert made.element(0x00280010) == Element(0x00280010, "US", b"\x40\0")
    assert made.element(0x00200013) == Element(0x00200013, "IS", b"7 ")
    source[0x00280010] = Element(0x00280010, "FD", bytes(8))
    assert "not-exportable" in codes(build(source))


def test_findings_name_their_place_and_never_a_patient() -> None:
    source = without(header("IMAGE"), 0x00100020)
    (finding,) = patient_record(source, place="a/b.dcm").findings
    assert finding.place == "a/b.dcm"
    assert "ller" not in finding.message
