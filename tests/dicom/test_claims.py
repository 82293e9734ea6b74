"""From elements to the entities of the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.attributes import ATTRIBUTES, Attribute, at
from catalog.dicom.claims import WANTED, claims, decoder_of
from catalog.dicom.elements import Element
from catalog.dicom.sop_classes import NON_PATIENT, is_storage, name
from catalog.dicom.values import decode_value
from catalog.entities import Claims, Instance, Level, Patient, Series, Study
from catalog.normal_forms import normal
from tests.dicom.part10 import CT, SMALL, encode, part10, read

PALETTE = "1.2.840.10008.5.1.4.39.1"
SPEC = Path(__file__).resolve().parents[3] / "shared" / "spec" / "sop_class_records.json"


def elements(*changes: tuple[int, str, bytes], leave: tuple[int, ...] = ()) -> dict[int, Element]:
    found = {tag: Element(tag, vr, value) for tag, vr, value in SMALL if tag not in leave}
    return found | {tag: Element(tag, vr, value) for tag, vr, value in changes}


def stated(*changes: tuple[int, str, bytes], leave: tuple[int, ...] = ()) -> Claims:
    found = claims(elements(*changes, leave=leave), {}).claims
    assert found
    return found


def found_codes(*changes: tuple[int, str, bytes], leave: tuple[int, ...] = ()) -> list[str]:
    return [f.code for f in claims(elements(*changes, leave=leave), {}).findings]


def test_wanted_is_every_attribute_but_those_of_files() -> None:
    assert len(WANTED) == len([a for a in ATTRIBUTES if a.level != "file"])
    assert {0x00100020, 0x0020000D, 0x00080018, 0x00080005} <= WANTED
    assert not any(tag >> 16 == 2 for tag in WANTED)


def test_a_small_header() -> None:
    result = claims(elements(), {})
    assert result.claims == Claims(
        Patient(patient_id="P 1", patient_name="Müller^Anna"),
        Study(study_instance_uid="1.2.3", study_date="2024-02-29", study_time="10:15:00.5"),
        Series(series_instance_uid="1.2.3.1", series_number=7, modality="CT"),
        Instance(
            sop_instance_uid="1.2.3.4",
            sop_class_uid=CT,
            instance_number=12,
            rows=16,
            columns=8,
            specific_character_set="ISO_IR 100",
        ),
    )
    assert (result.findings, result.reason) == ((), None)


def test_from_a_file() -> None:
    header = read(part10(encode()))
    assert claims(header.elements, header.meta).claims == stated()


@pytest.mark.parametrize("keyword", [a.keyword for a in ATTRIBUTES if a.level != "file"])
def test_each_attribute_reaches_its_field(keyword: str) -> None:
    (attribute,) = (a for a in ATTRIBUTES if a.keyword == keyword)
    samples = {
        "DA": (b"20200102", "2020-01-02"), "TM": (b"0102", "01:02"), "DT": (b"2020", "2020"), "IS": (b"5 ", 5),
        "DS": (b"1.50", 1.5), "US": (b"\5\0", 5), "UI": (b"1.2.9\0", "1.2.9"), "PN": (b"A^B ", "A^B"),
    }  # fmt: skip
    data, expected = samples.get(attribute.vr, (b"ISO_IR 100", "ISO_IR 100"))
    if attribute.is_multi_valued and attribute.vr == "DS":
        data, expected = b"1.50\\2 ", "1.50\\2"
    found = stated((attribute.tag, attribute.vr, data))
    entity = getattr(found, attribute.level.value)
    assert getattr(entity, attribute.column) == expected
    empty = claims(elements((attribute.tag, attribute.vr, b"")), {}).claims
    if empty is not None:
        entity = getattr(empty, attribute.level.value)
        if isinstance(expected, str):
            assert getattr(entity, attribute.column) == ""
        else:
            assert getattr(entity, attribute.column) is None
            assert (keyword, "") in entity.raw


INVALID = [
    (0x00100030, "DA", b"19990230", "patient", "PatientBirthDate", "19990230"),
    (0x00080020, "DA", b"2024.01.02", "study", "StudyDate", "2024.01.02"),
    (0x00080031, "TM", b"25:00", "series", "SeriesTime", "25:00"),
    (0x00080030, "TM", b"14:04:38", "study", "StudyTime", "14:04:38"),
    (0x00200011, "IS", b"1A", "series", "SeriesNumber", "1A"),
    (0x00200013, "IS", b"1\\2", "instance", "InstanceNumber", "1\\2"),
    (0x00180050, "DS", b"nan", "instance", "SliceThickness", "nan"),
    (0x0008002A, "DT", b"20241301", "instance", "AcquisitionDateTime", "20241301"),
]


@pytest.mark.parametrize(
    ("tag", "vr", "data", "level", "keyword", "raw"), INVALID, ids=[i[4] for i in INVALID]
)
def test_invalid_values_keep_their_text(
    tag: int, vr: str, data: bytes, level: str, keyword: str, raw: str
) -> None:
    result = claims(elements((tag, vr, data)), {})
    assert result.claims
    assert getattr(result.claims, level).raw == ((keyword, raw),)
    (finding,) = result.findings
    assert (finding.code, finding.severity.value) == ("invalid-value", "warning")
    assert keyword in finding.message
    assert raw not in finding.message + finding.place


def test_raw_is_sorted_by_keyword() -> None:
    found = stated((0x00200013, "IS", b"x"), (0x00200012, "IS", b"y"), (0x00180050, "DS", b""))
    assert found.instance.raw == (
        ("AcquisitionNumber", "y"),
        ("InstanceNumber", "x"),
        ("SliceThickness", ""),
    )


def test_empty_numbers_are_no_finding() -> None:
    assert found_codes((0x00200011, "IS", b"")) == []
    assert stated((0x00200011, "IS", b"")).series == Series(
        "1.2.3.1", None, "CT", raw=(("SeriesNumber", ""),)
    )


@pytest.mark.parametrize(
    ("vr", "data"),
    [("SS", b"\x10\0"), ("UL", b"\x10\0\0\0"), ("IS", b"16"), ("UN", b"\x10\0"), ("LO", b"16 ")],
)
def test_a_number_in_another_vr_is_read_by_that(vr: str, data: bytes) -> None:
    found = stated((0x00280010, vr, data))
    assert found.instance.rows == 16


def test_a_sequence_in_the_place_of_a_text() -> None:
    odd = elements() | {0x00080080: Element(0x00080080, "SQ", ((),))}
    found = claims(odd, {}).claims
    assert found
    assert found.series
    assert found.series.institution_name == ""


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        ((0x00080018,), "has no SOP Instance UID"),
        ((0x0020000D,), "has no Study Instance UID"),
        ((0x0020000E,), "has no Series Instance UID"),
        ((0x0020000D, 0x0020000E), "has no Study Instance UID"),
    ],
)
def test_without_a_place_there_are_no_claims(leave: tuple[int, ...], reason: str) -> None:
    result = claims(elements(leave=leave), {})
    assert (result.claims, result.reason) == (None, reason)
    emptied = claims(elements(*((tag, "UI", b"\0 ") for tag in leave)), {})
    assert (emptied.claims, emptied.reason) == (None, reason)


def test_an_instance_of_no_patient() -> None:
    palette = elements((0x00080016, "UI", PALETTE.encode()), leave=(0x0020000D, 0x0020000E))
    result = claims(palette, {})
    assert result.claims == Claims(
        None, None, None, stated().instance._replace(sop_class_uid=PALETTE)
    )
    half = claims(elements((0x00080016, "UI", PALETTE.encode()), leave=(0x0020000E,)), {})
    assert (half.claims, half.reason) == (None, "has no Series Instance UID")


def test_uids_from_file_meta() -> None:
    meta = {0x00020002: CT.encode() + b"\0", 0x00020003: b"1.2.3.4\0"}
    result = claims(elements(leave=(0x00080016, 0x00080018)), meta)
    assert result.claims == stated()
    assert [f.code for f in result.findings] == ["uid-from-meta", "uid-from-meta"]
    assert claims(elements(), meta).findings == ()


def test_where_file_meta_differs_the_data_set_decides() -> None:
    result = claims(elements(), {0x00020002: b"1.9", 0x00020003: b"1.8 "})
    assert result.claims == stated()
    assert [f.code for f in result.findings] == ["meta-differs", "meta-differs"]


@pytest.mark.parametrize(
    "uid",
    [b"1.2.x", b"1..2", b"1.2\\1.3", b"1." + b"2" * 64],
    ids=["letter", "dots", "two", "long"],
)
def test_invalid_uids_are_kept_and_reported(uid: bytes) -> None:
    assert stated((0x00080018, "UI", uid)).instance.sop_instance_uid == uid.decode()
    assert found_codes((0x00080018, "UI", uid)) == ["invalid-uid"]


@pytest.mark.parametrize(
    ("charset", "name_bytes", "expected", "codes"),
    [
        (b"ISO_IR 192", "Müller".encode(), "Müller", []),
        (b"ISO_IR 192", b"M\xfcller", "M\ufffdller", ["undecodable-text"]),
        (b"", b"M\xfcller", "Müller", ["undeclared-characters"]),
        (b"KLINGON", b"Mueller", "Mueller", ["character-set"]),
        (b"\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B", "山田", []),
    ],
)
def test_text_in_character_sets(
    charset: bytes, name_bytes: bytes, expected: str, codes: list[str]
) -> None:
    changes = ((0x00080005, "CS", charset), (0x00100010, "PN", name_bytes))
    for _ in range(2):  # once built, once remembered
        found = stated(*changes)
        assert found.patient
        assert found.patient.patient_name == expected
        assert found_codes(*changes) == codes


def test_findings_never_show_a_patient() -> None:
    result = claims(
        elements(
            (0x00100010, "PN", b"Secret\xff"),
            (0x00100030, "DA", b"Secret"),
            (0x00080005, "CS", b"ISO_IR 192"),
        ),
        {},
    )
    assert len(result.findings) == 2
    assert not any("Secret" in str(finding) for finding in result.findings)


def test_what_is_remembered_does_not_mix() -> None:
    first = stated((0x00100020, "LO", b"A"))
    second = stated((0x00100020, "LO", b"B"))
    again = stated((0x00100020, "LO", b"A"))
    assert (
        first.patient and first.patient.patient_id,
        second.patient and second.patient.patient_id,
    ) == ("A", "B")
    assert again == first
    assert stated((0x00100020, "LO", b"A"), (0x00100021, "LO", b"")).patient != first.patient
    assert stated((0x00200011, "SS", b"12")).series != stated((0x00200011, "IS", b"12")).series


def test_many_different_patients_do_not_fill_the_memory() -> None:
    for number in range(2000):
        found = stated((0x00100020, "LO", str(number).encode()))
        assert found.patient
        assert found.patient.patient_id == str(number)


def test_directory_records_serve_as_well() -> None:
    keys = {
        0x00080018: Element(0x00080018, "UI", b"1.2.3.4"),
        0x0020000D: Element(0x0020000D, "UI", b"1.2.3"),
        0x0020000E: Element(0x0020000E, "UI", b"1.2.3.1"),
        0x00041500: Element(0x00041500, "CS", b"DICOM\\A"),
    }
    result = claims(keys, {})
    assert result.claims == Claims(
        Patient(),
        Study(study_instance_uid="1.2.3"),
        Series(series_instance_uid="1.2.3.1"),
        Instance(sop_instance_uid="1.2.3.4"),
    )


# --- SOP Classes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        (CT, "CT Image Storage"),
        ("1.2.840.10008.1.2.1", "Explicit VR Little Endian"),
        ("1.2.840.10008.1.3.10", "Media Storage Directory Storage"),
        ("1.2.3.4", "1.2.3.4"),
        ("", ""),
    ],
)
def test_names(uid: str, expected: str) -> None:
    assert name(uid) == expected


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        (CT, True),
        ("1.2.840.10008.5.1.4.1.1.88.11", True),
        (PALETTE, True),
        ("1.2.840.10008.1.3.10", False),
        ("1.2.840.10008.1.20.1", False),
        ("1.2.840.10008.1.1", False),
        ("1.2.840.10008.1.2.1", False),
        ("1.2.3", False),
    ],
)
def test_storage(uid: str, expected: bool) -> None:
    assert is_storage(uid) is expected


@pytest.mark.skipif(not SPEC.is_file(), reason="the table of SOP Classes is not here")
def test_the_table_of_sop_classes_agrees() -> None:
    table = json.loads(SPEC.read_text())
    assert {uid for uid, row in table.items() if row["level"] == "root"} == NON_PATIENT
    unknown = [uid for uid in table if name(uid) != uid and not is_storage(uid)]
    assert unknown == []


@given(
    st.sampled_from([a for level in Level for a in at(level) if level is not Level.FILE]),
    st.text(st.sampled_from("0123456789.+-eE \0\\^:ABab"), max_size=14).map(str.encode)
    | st.binary(max_size=4).filter(bytes.isascii),
)
def test_the_quick_decoders_say_what_the_general_way_says(
    attribute: Attribute, data: bytes
) -> None:
    text = decode_value(attribute.vr, data).text
    assert decoder_of(attribute)(data) == normal(attribute.vr, attribute.is_multi_valued, text)
