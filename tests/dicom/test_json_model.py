"""DICOM JSON: what pydicom reads of it is what the catalogue holds."""

from __future__ import annotations

import json
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from catalog.attributes import ATTRIBUTES, BY_KEYWORD, further
from catalog.dicom.json_model import RETURNED, Element, data_sets, element
from catalog.entities import Level

TABLES = {
    # PS3.18 Tables 10.6.3-3, 10.6.3-4 and 10.6.3-5, without what the catalogue does not know:
    # Instance Availability, Timezone Offset From UTC, Retrieve URL, and the procedure step.
    Level.STUDY: ["00080020", "00080030", "00080050", "00080061", "00080090", "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010", "00201206", "00201208"],
    Level.SERIES: ["00080060", "0008103E", "0020000E", "00200011", "00201209"],
    Level.INSTANCE: ["00080016", "00080018", "00200013", "00280010", "00280011", "00280100", "00280008"],
}  # fmt: skip


def elements(*names: str) -> list[Element]:
    made = [element(name, BY_KEYWORD.get(name)) for name in names]
    assert all(made)
    return [each for each in made if each]


def one(**values: Any) -> dict[str, Any]:
    """Return the data set of a row with these columns, parsed."""
    (text,) = data_sets(elements(*values), [tuple(values.values())])
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_what_is_returned_is_what_the_tables_say() -> None:
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
        levels = list(TABLES)[: list(TABLES).index(level) + 1]
        wanted = {tag for each in levels for tag in TABLES[each]}
        assert {each.key for each in elements(*RETURNED[level])} == wanted


def test_all_have_the_vr_of_the_dictionary() -> None:
    for level, names in RETURNED.items():
        for each in elements(*names):
            assert pydicom.datadict.dictionary_VR(each.tag) == each.vr, level
            assert pydicom.datadict.keyword_for_tag(each.tag) == each.name


def test_each_kind_of_value() -> None:
    found = one(
        PatientName="Doe^Jane^^=山田^太郎=やまだ^たろう",
        PatientBirthDate="1970-01-31",
        StudyTime="10:15:00.5",
        AcquisitionDateTime="2024-01-31T10:15:00.25+01:00",
        SeriesNumber=7,
        Rows=512,
        SliceThickness=1.5,
        PixelSpacing="0.5\\0.25",
        ImageType="ORIGINAL\\PRIMARY",
        ModalitiesInStudy="CT\\MR",
        StudyDescription=None,
        AccessionNumber="",
        NumberOfStudyRelatedSeries=0,
    )
    assert found == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]},
        "0008002A": {"vr": "DT", "Value": ["20240131101500.25+0100"]},
        "00080030": {"vr": "TM", "Value": ["101500.5"]},
        "00080050": {"vr": "SH"},
        "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
        "00081030": {"vr": "LO"},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}]},
        "00100030": {"vr": "DA", "Value": ["19700131"]},
        "00180050": {"vr": "DS", "Value": [1.5]},
        "00200011": {"vr": "IS", "Value": [7]},
        "00201206": {"vr": "IS", "Value": [0]},
        "00280010": {"vr": "US", "Value": [512]},
        "00280030": {"vr": "DS", "Value": [0.5, 0.25]},
    }  # fmt: skip
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("name", "stored", "wanted"),
    [
        ("AcquisitionDateTime", "2024", ["2024"]),
        ("AcquisitionDateTime", "2024-01-31", ["20240131"]),
        ("AcquisitionDateTime", "2024-05:00", ["2024-0500"]),
        ("AcquisitionDateTime", "2024-01-31T10-05:00", ["2024013110-0500"]),
        ("PerformingPhysicianName", "Roe^A\\\\Poe^B", [{"Alphabetic": "Roe^A"}, None, {"Alphabetic": "Poe^B"}]),
        ("PatientName", "=山田", [{"Ideographic": "山田"}]),
        ("PatientName", "^^^", None),
        ("PixelSpacing", "thick\\0.5", [None, 0.5]),
        ("PixelSpacing", "thick\\thin", None),
        ("PixelSpacing", " 1e-7\\1.0", [1e-07, 1]),
        ("ImageType", "\\\\", None),
        ("Rows", 70000, None),
        ("SeriesNumber", -1, [-1]),
        ("InstitutionAddress", "a\\b\n\"c\"", ["a\\b\n\"c\""]),
        ("StudyDescription", "a\\b", ["a", "b"]),
    ],
)  # fmt: skip
def test_odd_values(name: str, stored: object, wanted: object) -> None:
    (made,) = (value for tag, value in one(**{name: stored}).items() if tag != "00080005")
    assert made.get("Value") == wanted


def test_what_is_left_out_where_it_is_not_known() -> None:
    found = one(SeriesDescription=None, Rows=None, NumberOfFrames=None, StudyDate=None)
    assert list(found) == ["00080005", "00080020"]
    assert "0008103E" in one(SeriesDescription="")


def test_what_a_data_set_cannot_carry() -> None:
    for name in ("TransferSyntaxUID", "Path", "NumberOfFiles", "SizeBytes", "DirectoryRecordType", "Provenance"):  # fmt: skip
        assert element(name, BY_KEYWORD.get(name)) is None
    private = further("00191008", (0x00191008,), "LO", "1", Level.SERIES)
    nested = further("A.B", (0x00400275, 0x00401001), "SH", "1-n", Level.SERIES)
    age = further("PatientAge", (0x00101010,), "AS", "1", Level.STUDY)
    assert element("00191008", private) is None
    assert element("A.B", nested) is None
    assert element("PatientAge", age) == Element("PatientAge", 0x00101010, "AS", True)


SIMPLE = [a for a in ATTRIBUTES if a.level is not Level.FILE and a.keyword != "SpecificCharacterSet"]  # fmt: skip
STORED = {
    "DA": st.sampled_from(["2024-01-31", "1999-12-31"]),
    "TM": st.sampled_from(["10", "10:15", "10:15:00", "10:15:00.123456"]),
    "DT": st.sampled_from(["2024", "2024-01", "2024-01-31T10:15:00+01:00"]),
    "UI": st.sampled_from(["1.2.3", "2.25.123"]),
    "PN": st.sampled_from(["Doe^Jane", "Müller^É=山田^太郎=やまだ", "a"]),
    "CS": st.sampled_from(["CT", "ORIGINAL"]),
    "IS": st.integers(-(2**31), 2**31 - 1),
    "US": st.integers(0, 65535),
}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\\", exclude_categories=["C", "Z"]), min_size=1, max_size=12)  # fmt: skip


@given(st.data())
def test_pydicom_reads_what_was_stored(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(SIMPLE), min_size=1, unique=True))
    row = []
    for each in chosen:
        if each.vr == "DS":
            value: Any = data.draw(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
            value = value if each.is_number else "\\".join(["0.5", "1", "-2.25"])
        else:
            value = data.draw(STORED.get(each.vr, TEXT))
        row.append(data.draw(st.sampled_from([value, value, value, None, ""]) if not each.is_number else st.sampled_from([value, value, None])))  # fmt: skip
    made = [element(each.keyword, each) for each in chosen]
    (text,) = data_sets([each for each in made if each], [row])
    read = Dataset.from_json(text)
    assert read.SpecificCharacterSet == "ISO_IR 192"
    back = json.loads(read.to_json())
    assert {k: v.get("Value") for k, v in back.items()} == {k: v.get("Value") for k, v in json.loads(text).items()}  # fmt: skip
    for each, stored in zip(chosen, row, strict=True):
        if stored in (None, ""):
            assert each.keyword not in read or not read[each.keyword].value
        elif each.vr in ("LO", "SH", "ST", "UI", "CS") or each.is_number:
            assert read[each.keyword].value == stored
