"""Files examined one after the other are what each of them is by itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.maintaining.examiner import Examiner
from catalog.maintaining.examining import Candidate
from tests.dicom.part10 import CT, EXPLICIT, element, part10

SR = "1.2.840.10008.5.1.4.1.1.88.22"
USUAL: dict[int, tuple[str, bytes | str]] = {
    0x00080005: ("CS", "ISO_IR 100"),
    0x00080008: ("CS", "ORIGINAL\\PRIMARY"),
    0x00080016: ("UI", CT),
    0x00080018: ("UI", "1.2.3.4.0"),
    0x00080020: ("DA", "20200101"),
    0x00080023: ("DA", "20200103"),
    0x00080030: ("TM", "120000"),
    0x00080050: ("SH", "A1"),
    0x00080060: ("CS", "CT"),
    0x00100010: ("PN", "M\xfcller^Anna"),
    0x00100020: ("LO", "P1"),
    0x00100021: ("LO", "Here"),
    0x0020000D: ("UI", "1.2.3"),
    0x0020000E: ("UI", "1.2.3.4"),
    0x00200010: ("SH", "S1"),
    0x00200011: ("IS", "2"),
    0x00200013: ("IS", "7"),
    0x00280010: ("US", b"\1\0"),
}
ODD: dict[int, list[bytes | str]] = {
    0x00080008: ["", "lower case"],
    0x00080016: ["", SR, "1.2.3.4"],
    0x00080018: ["", "1.2.3.4.01", "1.2.3.4. 5", "1..2", " 1.2.3.4.5", "1." + "2" * 62, "1." + "2" * 63],
    0x00200013: ["", " 7", "+7", "1A", "7 \0", "7\0", "1\\2", "123456789012", "1234567890123"],
}  # fmt: skip
ANY: list[bytes | str] = ["", "1.2.3.5", "20210101", "2021.01.01", "X", "\xe4", "12"]


@st.composite
def archives(draw: st.DrawFn) -> list[bytes]:
    """Files of a series or two; in most only UID and number vary."""
    usual = dict(USUAL)
    for tag in draw(st.sets(st.sampled_from(sorted(USUAL)), max_size=2)):
        del usual[tag]  # some archives lack Study ID throughout
    found = []
    for number in range(draw(st.integers(2, 12))):
        values: dict[int, tuple[str, Any]] = dict(usual)
        values[0x00080018] = ("UI", f"1.2.3.4.{number}")
        values[0x00200013] = ("IS", str(draw(st.integers(0, 12000))))
        values[0x0020000E] = ("UI", draw(st.sampled_from(["1.2.3.4", "1.2.3.55"])))
        for tag in draw(
            st.sets(st.sampled_from([*ODD, *draw(st.permutations(sorted(USUAL)))[:2]]), max_size=2)
        ):
            if draw(st.booleans()) and tag in values:
                values[tag] = (values[tag][0], draw(st.sampled_from(ODD.get(tag, ANY))))
        if draw(st.integers(0, 9)) == 0:
            del values[draw(st.sampled_from(sorted(values)))]
        data_set = b"".join(element(tag, *values[tag]) for tag in sorted(values))
        stated = draw(st.sampled_from(["1.2.3.4.0", f"1.2.3.4.{number}"]))
        size = draw(st.sampled_from([8, 8, 8, 16]))  # more than there is: cut in the Pixel Data
        pixels = element(0x7FE00010, "OW", bytes(8), length=size)
        class_ = draw(st.sampled_from([CT, CT, SR]))
        found.append(part10(data_set + pixels, EXPLICIT, instance=stated, sop_class=class_))
    return found


def assert_each_by_itself(archive: list[bytes], folder: Path) -> None:
    examiner = Examiner()
    for number, data in enumerate(archive):
        path = folder / f"F{number}"
        path.write_bytes(data)
        place = f"place {number}"
        found = examiner.examine_file(str(path), len(data), "source", place)
        with path.open("rb") as stream:
            assert found == Examiner().examine(stream, len(data), "source", place), number


@given(archives())
@settings(deadline=None)
def test_what_came_before_changes_nothing(archive: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_each_by_itself(archive, Path(folder))


@pytest.mark.parametrize("other_class", [CT, SR, "1.2.3.4"])
@pytest.mark.parametrize(
    ("tag", "value"), [(tag, value) for tag in ODD for value in ODD[tag]], ids=repr
)
def test_odd_files_between_others(
    tag: int, value: bytes | str, other_class: str, tmp_path: Path
) -> None:
    def file(number: int, is_odd: bool, class_: str) -> bytes:
        values: dict[int, tuple[str, Any]] = dict(USUAL)
        values[0x00080018] = ("UI", f"1.2.3.4.{number}")
        values[0x00200013] = ("IS", str(number))
        if is_odd:
            values[tag] = (values[tag][0], value)
        data_set = b"".join(element(each, *values[each]) for each in sorted(values))
        return part10(data_set, EXPLICIT, sop_class=class_)

    odd = [False, False, True, True, False, True, True, False]
    classes = [CT, CT, CT, other_class] * 2
    for order in (odd, odd[2:]):
        files = [file(n, *each) for n, each in enumerate(zip(order, classes, strict=False))]
        assert_each_by_itself(files, tmp_path)


def test_files_alike_share_their_records(tmp_path: Path) -> None:
    examiner = Examiner()
    found = []
    for number in range(4):
        values = USUAL | {0x00080018: ("UI", f"1.2.{number}"), 0x00200013: ("IS", str(number))}
        data = part10(b"".join(element(tag, *values[tag]) for tag in sorted(values)), EXPLICIT)
        path = tmp_path / f"F{number}"
        path.write_bytes(data)
        candidate = examiner.examine_file(str(path), len(data), "source", path.name)
        assert isinstance(candidate, Candidate)
        found.append(candidate)
    assert [c.record.plain(0x00200013) for c in found] == ["0", "1", "2", "3"]
    assert [c.record.plain(0x00041511) for c in found] == ["1.2.0", "1.2.1", "1.2.2", "1.2.3"]
    assert len({id(c.above) for c in found}) == 1
