"""Icons, UTF-8, PRIVATE records and the keys of a profile for files in place: as an export has them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.data import data_manager

from catalog.dicom.icons import ICON_IMAGE_SEQUENCE, icon
from catalog.errors import FileSetError
from catalog.fileset.making import Making, making
from catalog.fileset.profiles import IconRule, check_profile, profile_named
from catalog.fileset.reader import read
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET, FileSet, Record, walk
from catalog.maintaining import create, plan_creation
from catalog.maintaining.examiner import Examiner
from catalog.maintaining.examining import Candidate, LeftOut
from catalog.shapes import replace
from catalog.verifying import check_medium
from tests import builders
from tests.cli.conftest import Dcat
from tests.media.medium import values_of

from .test_updating import snapshot

DATA = Path(data_manager.DATA_ROOT)
SAMPLES = [
    *(
        DATA / "test_files" / f"{name}.dcm"
        for name in (
            "CT_small", "MR_small", "image_dfl", "liver_1frame", "examples_palette", "rtplan",
            "test-SR", "rtdose_1frame", "waveform_ecg",
        )
    ),
    DATA / "charset_files" / "chrH31.dcm",
    *([DATA / "test_files" / "JPEG2000.dcm"] if find_spec("openjpeg") else []),
]  # fmt: skip
"""`image_dfl` is deflated, so it gets no icon; `chrH31` is Japanese with code extensions."""

PRIVATE_CLASS = "1.2.826.0.1.3680043.9.9999.1"
NAME = 0x00100010
UID = "2.25.1"


def samples(folder: Path) -> Path:
    """Return `folder` with the sample files under legal names, and one of a private SOP Class."""
    folder.mkdir()
    for number, source in enumerate(SAMPLES):
        shutil.copy(source, folder / f"IM{number}")
    builders.write(folder / "PRIV", **values_of(5) | {"SOPClassUID": PRIVATE_CLASS})
    return folder


def fileset_of(folder: Path) -> FileSet:
    return read((folder / "DICOMDIR").read_bytes()).fileset


def records_of(folder: Path, kind: str) -> list[Record]:
    return [record for _, record in walk(fileset_of(folder).records) if record.type == kind]


def records_by_pydicom(folder: Path, kind: str) -> list[Dataset]:
    found = dcmread(folder / "DICOMDIR").DirectoryRecordSequence
    return [each for each in found if each.DirectoryRecordType == kind]


def keys_of(folder: Path) -> set[tuple[str, tuple[Any, ...]]]:
    """Return type and keys of every record, without File IDs."""
    return {
        (record.type, tuple(e for e in record.keys if e.tag != 0x00041500))
        for _, record in walk(fileset_of(folder).records)
    }


def exported(dcat: Dcat, folder: Path, out: Path, *options: str) -> Path:
    db = out.with_suffix(".db")
    assert dcat("index", folder, "--db", db).code == 0
    assert dcat("export", out, "--db", db, *options).code in (0, 3)
    return out


@pytest.mark.parametrize(
    "options",
    [
        ["--icons", "64"],
        ["--icons", "128"],
        ["--charset", "utf-8"],
        ["--private", "record"],
        ["--icons", "64", "--charset", "utf-8", "--private", "record"],
    ],
    ids=" ".join,
)
def test_create_writes_the_records_of_an_export(
    options: list[str],
    tmp_path: Path,
    dcat: Dcat,
) -> None:
    folder = samples(tmp_path / "m")
    is_whole = "--private" in options
    dry = dcat("dicomdir", "create", folder, *options, "--dry-run")
    assert dry.code == (0 if is_whole else 1)
    assert not (folder / "DICOMDIR").exists()
    out = exported(dcat, folder, tmp_path / "out", *options)
    made = dcat("dicomdir", "create", folder, *options, *([] if is_whole else ["--partial"]))
    assert made.code == (0 if is_whole else 3)
    assert keys_of(folder) == keys_of(out)
    checked = dcat("dicomdir", "check", folder, "-o", "json")
    assert checked.code == (0 if is_whole else 4)
    assert checked.out.count('"Code"') == (0 if is_whole else 1)  # the file left out, no more
    for said in (dry, made):
        assert ("icon-missing: IM2: The record has no icon" in said.err) == ("--icons" in options)
        assert (f"no-record-type: PRIV: no record type can refer to it: {PRIVATE_CLASS}" in said.err) != is_whole  # fmt: skip
    if shutil.which("dcmdump"):
        judged = subprocess.run(
            ["dcmdump", "-q", "+P", "0088,0200", str(folder / "DICOMDIR")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert judged.stderr == ""
        images = [r for r in records_of(folder, "IMAGE") if r.element(ICON_IMAGE_SEQUENCE)]
        assert judged.stdout.count("IconImageSequence") == len(images)


def test_without_options_the_bytes_are_those_without_a_making(tmp_path: Path) -> None:
    folder = samples(tmp_path / "m")
    (folder / "PRIV").unlink()
    plain = create(plan_creation(folder), UID)
    again = create(plan_creation(folder, making=Making()), UID, replace=True)
    assert plain.fileset == again.fileset


def test_icons_are_those_of_each_file(tmp_path: Path) -> None:
    """Files that are like one another but for UID, number and pixels."""
    for number in range(6):
        pixels = bytes(255 * (n // 2 == number % 4) for n in range(8))
        builders.write(tmp_path / f"IM{number}", **values_of(1) | {"SOPInstanceUID": f"1.2.{number}", "InstanceNumber": str(number), "PixelData": pixels})  # fmt: skip
    builders.write(tmp_path / "IM9", **values_of(1) | {"SOPInstanceUID": "1.2.9", "InstanceNumber": "9", "PixelData": b"\1"})  # fmt: skip
    create(plan := plan_creation(tmp_path, making=Making(icon_size=64)), UID)
    found = {"".join(r.file_components or ()): r.element(ICON_IMAGE_SEQUENCE) for r in records_of(tmp_path, "IMAGE")}  # fmt: skip
    assert len(found) == 7
    assert found.pop("IM9") is None
    assert [(f.code, f.place) for f in plan.findings if f.code == "icon-missing"] == [
        ("icon-missing", "IM9")
    ]
    for name, element in found.items():
        with (tmp_path / name).open("rb") as stream:
            assert element == icon(stream, 64).element
    assert len({repr(element) for element in found.values()}) == 4


def test_files_alike_share_the_converted_records(tmp_path: Path) -> None:
    examiner = Examiner(Making(utf8=True, icon_size=64))
    text = {"PatientName": "Müller", "SpecificCharacterSet": "ISO_IR 100"}
    found = []
    for number in (1, 2, 1, 2):  # two alike, and two alike
        uid = f"1.2.{len(found)}"
        path = builders.write(tmp_path / uid, **values_of(number) | text | {"SOPInstanceUID": uid})
        candidate = examiner.examine_file(str(path), path.stat().st_size, "source", uid)
        assert isinstance(candidate, Candidate)
        found.append(candidate)
    for level in range(3):
        (record,) = {id(c.above[level].record): c.above[level].record for c in found}.values()
        assert record is not None
        assert (record.type == "PATIENT") == (record.value(NAME) == "Müller".encode())
    assert [c.record.plain(0x00041511) for c in found] == [c.place for c in found]


def test_text_in_utf_8(tmp_path: Path, dcat: Dcat) -> None:
    values = {"PatientName": "Müller^Jörg", "SpecificCharacterSet": "ISO_IR 100"}
    for number in (1, 2):
        builders.write(tmp_path / f"IM{number}", **values_of(number) | values)
    assert dcat("dicomdir", "create", tmp_path, "--charset", "utf-8").code == 0
    (patient,) = records_of(tmp_path, "PATIENT")
    assert patient.value(NAME) == "Müller^Jörg".encode()
    assert patient.plain(SPECIFIC_CHARACTER_SET) == "ISO_IR 192"
    assert dcat("dicomdir", "check", tmp_path).code == 0
    (patient,) = records_by_pydicom(tmp_path, "PATIENT")
    assert str(patient.PatientName) == "Müller^Jörg"


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=str)
def test_text_that_cannot_be_converted_is_an_error(
    more: list[str],
    tmp_path: Path,
    dcat: Dcat,
) -> None:
    path = builders.write(tmp_path / "IM1", **values_of(1) | {"PatientName": "XXXX"})
    path.write_bytes(path.read_bytes().replace(b"XXXX", b"M\xfcll"))
    builders.write(tmp_path / "IM5", **values_of(5))
    before = snapshot(tmp_path)
    said = dcat("dicomdir", "create", tmp_path, "--charset", "utf-8", *more)
    assert said.code == 1
    assert "not-utf-8: IM1: (0010,0010) cannot be written in UTF-8" in said.err
    assert said.err.endswith("Nothing was written.\n")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--undo-rename", "--icons", "64"], "goes with no other option"),
        (["--undo-rename", "--charset", "utf-8"], "goes with no other option"),
        (["--undo-rename", "--private", "record"], "goes with no other option"),
        (["--profile", "STD-XABC-CD", "--icons", "64"], "128 rows and columns, not 64"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together(
    options: list[str],
    said: str,
    tmp_path: Path,
    dcat: Dcat,
) -> None:
    builders.write(tmp_path / "IM1", **values_of(1))
    before = snapshot(tmp_path)
    refused = dcat("dicomdir", "create", tmp_path, *options)
    assert refused.code == (2 if "--undo-rename" in options else 1)
    assert said in refused.err
    assert snapshot(tmp_path) == before


PROFILES: dict[str, dict[str, Any]] = {
    "STD-GEN-CD": {},
    "STD-CTMR-CD": {"PixelSpacing": ["0.5", "0.5"], "FrameOfReferenceUID": "1.2.3.9"},
    "STD-GEN-DVD-JPEG": {"PatientSex": "F", "InstitutionName": "St. Anna"},
}
ANGIOGRAM = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1",
    "Modality": "XA",
    "ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"],
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PixelIntensityRelationship": "LIN",
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profiles_keys_are_those_of_an_export(
    name: str,
    tmp_path: Path,
    dcat: Dcat,
) -> None:
    folder = tmp_path / "m"
    for number in (1, 2, 3, 4, 5):
        builders.write(folder / f"IM{number}", **values_of(number) | PROFILES[name])
    out = exported(dcat, folder, tmp_path / "out", "--profile", name)
    assert dcat("dicomdir", "create", folder, "--profile", name).code == 0
    assert keys_of(folder) == keys_of(out)
    checked = dcat("dicomdir", "check", folder, "--profile", name)
    assert (checked.code, checked.out) == (0, "")


def test_a_profile_that_demands_icons(tmp_path: Path) -> None:
    rule = IconRule("1", 128, frozenset({"MONOCHROME2"}), "PS3.11 x.3.3.2")
    profile = replace(profile_named("STD-GEN-CD"), icons=rule)
    for number in (1, 2):
        builders.write(tmp_path / f"IM{number}", **values_of(number))
    builders.write(tmp_path / "IM3", **values_of(3) | {"PixelData": b"\1"})
    plan = plan_creation(tmp_path, making=making(profile, None, None, private=False))
    assert [(out.place, out.code) for out in plan.misfits] == [("IM3", "profile")]
    assert "the profile demands an icon of it: its pixel data cannot" in plan.misfits[0].reason
    with pytest.raises(FileSetError, match="1 file can have no record"):
        create(plan, UID)
    create(plan, UID, partial=True)
    icons = [record.element(ICON_IMAGE_SEQUENCE) for record in records_of(tmp_path, "IMAGE")]
    assert len(icons) == 2
    assert None not in icons
    assert check_profile(fileset_of(tmp_path), profile) == ()


@pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="dcmcjpeg makes the images")
@pytest.mark.skipif(find_spec("libjpeg") is None, reason="no decoder: libjpeg is not installed")
def test_icons_of_a_profile_are_those_of_an_export(
    tmp_path: Path,
    dcat: Dcat,
) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    for number in (1, 2, 5):
        size = {"Rows": 512, "Columns": 512, "PixelData": bytes(n * number // 512 % 256 for n in range(512 * 512))}  # fmt: skip
        plain = builders.write(tmp_path / f"plain{number}", **values_of(number) | ANGIOGRAM | size)
        subprocess.run(["dcmcjpeg", "+e1", str(plain), str(folder / f"IM{number}")], check=True)
    out = exported(dcat, folder, tmp_path / "out", "--profile", "STD-XABC-CD")
    made = dcat("dicomdir", "create", folder, "--profile", "STD-XABC-CD")
    assert (made.code, made.err.count("profile:")) == (0, 0)
    assert keys_of(folder) == keys_of(out)
    assert all(record.element(ICON_IMAGE_SEQUENCE) for record in records_of(folder, "IMAGE"))
    checked = dcat("dicomdir", "check", folder, "--profile", "STD-XABC-CD", "-o", "json")
    assert checked.code == 0, checked.out


@pytest.mark.parametrize("texts", [("ISO_IR 100", "ISO_IR 100"), ("ISO_IR 100", "ISO_IR 144")])
def test_a_key_that_only_one_of_the_files_has(
    texts: tuple[str, str],
    tmp_path: Path,
    dcat: Dcat,
) -> None:
    """PS3.11 Table H.3-2: in the SERIES record if any instance has it."""
    word = {"ISO_IR 100": "Müller", "ISO_IR 144": "Анна"}
    folder = tmp_path / "m"
    one = {"InstitutionName": word[texts[0]], "SpecificCharacterSet": texts[0]}
    two = {"InstitutionAddress": word[texts[1]], "SpecificCharacterSet": texts[1]}
    builders.write(folder / "IM1", **values_of(1) | one)
    builders.write(folder / "IM2", **values_of(2) | two)
    out = exported(dcat, folder, tmp_path / "out", "--profile", "STD-GEN-DVD-JPEG")
    assert dcat("dicomdir", "create", folder, "--profile", "STD-GEN-DVD-JPEG").code == 0
    (series,) = records_by_pydicom(folder, "SERIES")
    assert (series.InstitutionName, series.InstitutionAddress) == (word[texts[0]], word[texts[1]])
    assert keys_of(folder) == keys_of(out)
    checked = dcat("dicomdir", "check", folder, "--profile", "STD-GEN-DVD-JPEG")
    assert checked.code == 0
    # Both files lack what the other one has, and that is all there is to say.
    assert checked.out.count("note      key-differs") == 2
    assert "error " not in checked.out


def test_add_makes_new_records_so_and_leaves_the_old(
    tmp_path: Path,
    dcat: Dcat,
) -> None:
    folder, new = tmp_path / "m", tmp_path / "new"
    builders.write(folder / "IM1", **values_of(1))
    builders.write(new / "a", **values_of(5) | {"PatientName": "Müller", "SpecificCharacterSet": "ISO_IR 100"})  # fmt: skip
    builders.write(new / "b", **values_of(4) | {"SOPClassUID": PRIVATE_CLASS})
    builders.write(new / "c", **values_of(2) | {"PixelData": b"\1"})
    assert dcat("dicomdir", "create", folder).code == 0
    old = records_of(folder, "IMAGE")
    options = ("--icons", "128", "--charset", "utf-8", "--private", "record")
    refused = dcat("dicomdir", "add", folder, new, "--icons", "64", "--dry-run")
    assert refused.code == 3
    assert PRIVATE_CLASS in refused.err
    dry = dcat("dicomdir", "add", folder, new, *options, "--dry-run")
    done = dcat("dicomdir", "add", folder, new, *options)
    assert (dry.code, done.code, dry.out) == (0, 0, done.out)
    for said in (dry, done):
        assert said.err.count("icon-missing") == 1
        assert "c: The record has no icon" in said.err
    images = records_of(folder, "IMAGE")
    assert images[0] == old[0]
    with (new / "a").open("rb") as stream:
        icons = [r.element(ICON_IMAGE_SEQUENCE) for r in images]
        assert icons == [None, None, icon(stream, 128).element]
    assert [r.plain(0x00041432) for r in records_of(folder, "PRIVATE")] == [PRIVATE_CLASS]
    assert [r.value(NAME) for r in records_of(folder, "PATIENT")] == [b"Doe", "Müller".encode()]
    checked = dcat("dicomdir", "check", folder)
    assert "error" not in checked.out


VALUES: dict[str, list[Any]] = {
    "PatientName": ["Doe", "Müller^Ä", ""],
    "StudyDescription": ["Größe", "Head", ...],
    "InstitutionName": ["Zürich", "Bern", ...],
    "PatientSex": ["F", "", ...],
    "Rows": [2, 2, 2, ...],
    "PixelData": [b"\1\2\3\4\5\6\7\x08", b"\xff" * 8, b"\1"],
    "SOPClassUID": [builders.CT, builders.CT, PRIVATE_CLASS, "1.2.840.10008.5.1.4.1.1.88.22"],
    "SpecificCharacterSet": ["ISO_IR 100", "ISO_IR 100", "ISO_IR 192"],
    "FrameOfReferenceUID": ["1.2.3.9", "1.2.3.10"],
}
MAKINGS = [
    Making(icon_size=64),
    Making(utf8=True, private=True),
    Making(profile_named("STD-GEN-DVD-JPEG"), True, 64, True),
    Making(profile_named("STD-CTMR-CD"), False, None, False),
]


@st.composite
def files(draw: st.DrawFn) -> list[bytes]:
    """Files of one series, most of which differ in UID, number and pixels alone."""
    common = {name: draw(st.sampled_from(values)) for name, values in VALUES.items()}
    found = []
    for number in range(draw(st.integers(1, 6))):
        own = {name: draw(st.sampled_from(VALUES[name])) for name in draw(st.sets(st.sampled_from([*VALUES, "PixelData"]), max_size=2))}  # fmt: skip
        uid = {"SOPInstanceUID": f"1.2.{number}", "InstanceNumber": str(number)}
        found.append(builders.dicom_bytes(**values_of(1) | common | own | uid))
    return found


@given(files(), st.sampled_from(MAKINGS))
@settings(deadline=None, max_examples=40)
def test_what_came_before_changes_nothing(archive: list[bytes], how: Making) -> None:
    with tempfile.TemporaryDirectory() as folder:
        examiner = Examiner(how)
        for number, data in enumerate(archive):
            path = Path(folder) / f"F{number}"
            path.write_bytes(data)
            found = examiner.examine_file(str(path), len(data), "source", path.name)
            with path.open("rb") as stream:
                alone = Examiner(how).examine(stream, len(data), "source", path.name)
            assert found == alone, number
            assert isinstance(found, Candidate | LeftOut)


@given(files(), st.sampled_from(MAKINGS))
@settings(deadline=None, max_examples=25)
def test_check_finds_nothing_in_what_was_created(archive: list[bytes], how: Making) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number, data in enumerate(archive):
            (folder / f"F{number}").write_bytes(data)
        plan = plan_creation(folder, making=how)
        for out in plan.left_out:
            (folder / out.place).unlink(missing_ok=True)
        plan.left_out = []
        if not plan.items:
            return
        create(plan, UID)
        name = how.profile.name if how.profile else None
        errors = [f for f in check_medium(folder, profile=name).findings if f.severity.name == "ERROR"]  # fmt: skip
        assert errors == []
