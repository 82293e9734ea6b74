"""Describing, dumping, modelling and comparing: nothing left out, nothing followed blindly."""

from __future__ import annotations

import io
import json
import struct
import time
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.elements import Element
from catalog.errors import DicomdirError
from catalog.fileset.texts import encodings_of
from catalog.maintaining import compare, dump, show
from catalog.maintaining.modelling import json_model, native_xml
from tests.fileset.by_hand import dicomdir, image, two_patients
from tests.media.defects import DEFECTS, Defect
from tests.media.medium import Medium


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_whatever_the_damage_every_record_is_shown(defect: Defect, tmp_path: Path) -> None:
    shown = show(defect.write(tmp_path))
    described = list(shown.records())
    assert len(described) == len(shown.directory.entries)
    for each in described:
        json.dumps(json_model(each.record.keys, encodings_of(each.record)))
        list(native_xml(each.record.keys, encodings_of(each.record)))
    top = [each for each in described if each.depth == 0]
    assert sum(each.instances for each in top) == sum(
        each.record.file_components is not None for each in described
    )
    assert sum(each.files_bytes for each in top) == sum(each.size_bytes or 0 for each in described)


def test_counts_sizes_and_missing_files(tmp_path: Path) -> None:
    m = Medium(tmp_path / "m", names={1: "DICOM/IM1", 2: None, 3: "DICOM/IM3"})
    described = list(show(m.write()).records())
    patient = described[0]
    assert (patient.instances, patient.missing) == (4, 2)
    sizes = [(tmp_path / "m/DICOM" / name).stat().st_size for name in ("IM1", "IM3")]
    assert patient.files_bytes == sum(sizes)
    assert [each.parent_offset_bytes for each in described[:3]] == [
        None, described[0].offset_bytes, described[1].offset_bytes,
    ]  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_a_dump_goes_forward_and_ends(defect: Defect, tmp_path: Path) -> None:
    folder = defect.write(tmp_path)
    name = next(p for p in sorted(folder.iterdir()) if p.name.lower().startswith("dicomdir"))
    lines = list(dump(name.read_bytes()))
    offsets = [line.offset_bytes for line in lines]
    assert offsets == sorted(set(offsets))
    assert any(
        line.element and line.element.data.strip() == b"PATIENT" for line in lines
    ) or "case" in str(defect.codes)


def test_a_dump_is_complete() -> None:
    """As many elements as pydicom finds, with their values."""
    data = dicomdir(two_patients())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(data))
        wanted = len(dataset.file_meta) + sum(1 for _ in dataset.iterall())
    lines = list(dump(data))
    assert sum(bool(line.vr) for line in lines) == wanted
    assert not [line for line in lines if line.damage]


@given(st.binary(max_size=400), st.integers(0, 2000))
def test_a_dump_survives_anything(noise: bytes, where: int) -> None:
    data = dicomdir(two_patients())
    where %= len(data)
    for hostile in (noise, data[:where] + noise + data[where + len(noise) :], data[:where]):
        lines = list(dump(hostile))
        assert len(lines) <= len(hostile) + 1


def test_a_dump_of_a_deep_file_ends() -> None:
    item = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    started = time.perf_counter()
    lines = list(dump(dicomdir([]) + item * 20_000))
    assert time.perf_counter() - started < 10
    assert max(line.depth for line in lines) <= 64


ELEMENTS: list[tuple[Element, dict[str, Any]]] = [
    (Element(0x00100010, "PN", b"Y^T=\x1b$B;3\x1b(B=k "), {"vr": "PN", "Value": [{"Alphabetic": "Y^T", "Ideographic": "山", "Phonetic": "k"}]}),
    (Element(0x00200013, "IS", b"12"), {"vr": "IS", "Value": [12]}),
    (Element(0x00200013, "IS", b"1A"), {"vr": "IS", "Value": ["1A"]}),
    (Element(0x00280030, "DS", b"0.5\\2 "), {"vr": "DS", "Value": [0.5, 2.0]}),
    (Element(0x00280010, "US", b"\1\0\2\0"), {"vr": "US", "Value": [1, 2]}),
    (Element(0x00080050, "SH", b""), {"vr": "SH"}),
    (Element(0x00080008, "CS", b"A\\\\B"), {"vr": "CS", "Value": ["A", None, "B"]}),
    (Element(0x00091001, "UN", b"\1\2"), {"vr": "UN", "InlineBinary": "AQI="}),
    (Element(0x00081140, "SQ", ((Element(0x00081155, "UI", b"1.2\0"),),)), {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]}),
    (Element(0x0040A30A, "DS", b"1e999"), {"vr": "DS", "Value": ["1e999"]}),
    (Element(0x00280009, "AT", b"\x18\0\x63\x10"), {"vr": "AT", "Value": ["00181063"]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("element", "expected"), ELEMENTS, ids=lambda v: v.vr if isinstance(v, Element) else ""
)
def test_json_model(element: Element, expected: dict[str, Any]) -> None:
    from catalog.dicom.values import character_sets

    charset = character_sets({0x00080005: Element(0x00080005, "CS", b"\\ISO 2022 IR 87")})
    assert json_model([element], charset) == {f"{element.tag:08X}": expected}


def test_json_model_is_read_by_pydicom(tmp_path: Path) -> None:
    for each in show(Medium(tmp_path / "m").write()).records():
        dataset = pydicom.Dataset.from_json(json_model(each.record.keys, encodings_of(each.record)))
        assert len(dataset) == len(each.record.keys)


# Comparing.


def changes(a: Medium, b: Medium, **options: bool) -> list[tuple[str, ...]]:
    return [tuple(map(str, c)) for c in compare(a.write(), b.write(), **options).changes]


def test_order_layout_and_spelling_are_no_difference(tmp_path: Path) -> None:
    a, b = Medium(tmp_path / "a"), Medium(tmp_path / "b")
    b.roots.reverse()
    b.layout.undefined_items = True
    a.roots[0].with_(0x00080005, "CS", b"ISO_IR 100").with_(0x00100010, "PN", b"M\xfcller")
    b.roots[1].with_(0x00080005, "CS", b"ISO_IR 192").with_(0x00100010, "PN", "Müller".encode())
    assert changes(a, b) == [
        ("differs", "PATIENT", "P1", "SpecificCharacterSet", "ISO_IR 100", "ISO_IR 192")
    ]


def test_what_differs(tmp_path: Path) -> None:
    a, b = Medium(tmp_path / "a"), Medium(tmp_path / "b")
    b.patient.with_(0x00100010, "PN", b"Roe")
    b.image(1).with_(0x00041500, "CS", b"DICOM\\OTHER").with_(0x00091001, "UN", b"\1\2")
    b.study.children[1].children.pop()
    b.roots[1].children[0].children[0].children.append(image(7))
    b.image(2).in_use = 0
    b.layout.file_set_id = b"OTHER"
    assert changes(a, b) == [
        ("differs", "FILE-SET", "", "FileSetID", "MEDIA", "OTHER"),
        ("differs", "PATIENT", "P1", "PatientName", "Doe", "Roe"),
        ("differs", "IMAGE", "1.2.3.4.5.1", "ReferencedFileID", "DICOM\\IM1", "DICOM\\OTHER"),
        ("differs", "IMAGE", "1.2.3.4.5.1", "(0009,1001)", "None", "0102"),
        ("differs", "IMAGE", "1.2.3.4.5.2", "RecordInUseFlag", "FFFF", "0000"),
        ("only-a", "IMAGE", "1.2.3.4.5.4", "", "None", "None"),
        ("only-b", "IMAGE", "1.2.3.4.5.7", "", "None", "None"),
    ]
    assert changes(a, b, records_only=True)[0][1] == "PATIENT"


def test_a_record_that_moved(tmp_path: Path) -> None:
    a, b = Medium(tmp_path / "a"), Medium(tmp_path / "b")
    moved = b.study.children[1].children.pop()
    b.roots[1].children[0].children[0].children.append(moved)
    assert changes(a, b) == [
        ("differs", "IMAGE", "1.2.3.4.5.4", "parent", "SERIES 1.1.2", "SERIES 2.1.1")
    ]


def test_a_file_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no directory")
    with pytest.raises(DicomdirError):
        show(tmp_path / "x")


def test_twenty_thousand_siblings(tmp_path: Path) -> None:
    m = Medium(tmp_path / "m", names={})
    m.series.children = [image(n, b"D%d\\I%d" % (n // 1000, n)) for n in range(20_000)]
    folder = m.write()
    started = time.perf_counter()
    assert sum(1 for _ in show(folder).records()) > 20_000
    assert compare(folder, folder).changes == []
    assert time.perf_counter() - started < 20
