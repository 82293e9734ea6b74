"""`--profile`, `--charset`, `--icons` and `--private`, from files to a medium."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from catalog.cli.main import main
from catalog.database.catalogue import Catalogue
from catalog.dicom import icons
from catalog.errors import ExportError, FileSetError
from catalog.exporting import Order, Outcome, Plan, export, plan_export
from catalog.fileset.check import check
from catalog.fileset.reader import read
from catalog.fileset.tree import FileSet, Record, walk
from catalog.indexing import Settings, index
from catalog.query import parse
from catalog.verifying.medium import verify_medium
from tests.builders import write

SOP = "1.2.840.10008.5.1.4.1.1."
IMPLICIT = "1.2.840.10008.1.2"
PRIVATE_CLASS = "1.2.3.4.5.6"
needs_icons = pytest.mark.skipif(
    not icons.are_possible(), reason="numpy is not installed: pip install 'dicom-dcat[pixels]'"
)


class World:
    """An archive, its catalogue, and exports of all of it."""

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        self.catalogue, self.folder, self.count = catalogue, folder, 0
        self.medium = folder / "medium"

    def add(self, **values: Any) -> None:
        self.count += 1
        instance = {"SOPInstanceUID": f"1.2.3.1.1.{self.count}", "InstanceNumber": str(self.count)}
        write(self.folder / "archive" / f"{self.count}.dcm", **instance | values)

    def planned(self, **options: Any) -> Plan:
        index(self.catalogue, [self.folder / "archive"], Settings())
        return plan_export(self.catalogue, parse.selection(), **options)

    def exported(self, **options: Any) -> Outcome:
        planning = {key: options[key] for key in ("profile", "private") if key in options}
        plan = self.planned(**planning)
        order = Order(parse.selection(), self.medium, "1.2.3.999", **options)
        return export(self.catalogue, order, plan)

    @property
    def directory(self) -> FileSet:
        directory = read((self.medium / "DICOMDIR").read_bytes())
        assert directory.findings == ()
        return directory.fileset

    def records(self, kind: str) -> list[Record]:
        return [record for _, record in walk(self.directory.records) if record.type == kind]

    def record(self, kind: str) -> Record:
        (record,) = self.records(kind)
        return record


@pytest.fixture
def world(catalogue: Catalogue, tmp_path: Path) -> World:
    return World(catalogue, tmp_path)


def codes(found: Sequence[Any]) -> list[str]:
    return [each.code for each in found]


def why(outcome: Outcome) -> str:
    ((_, reason),) = outcome.failed
    return reason


def test_what_does_not_fit_is_left_out_before_anything_is_written(world: World) -> None:
    world.add()
    world.add(transfer_syntax=IMPLICIT)
    world.add(SOPClassUID=SOP + "1.1", SeriesInstanceUID="1.2.3.1.2", Modality="DX")
    plan = world.planned(profile="STD-CTMR-CD")
    assert len(plan.items) == 1
    assert codes(plan.left_out) == ["profile", "profile"]
    first, second = plan.left_out
    assert "Transfer Syntax (Implicit VR Little Endian)" in first.reason
    assert "SOP Class (Digital X-Ray Image Storage - For Presentation)" in second.reason
    assert not world.medium.exists()
    assert len(world.planned().items) == 3


def test_a_general_cd_without_remarks(world: World) -> None:
    world.add()
    outcome = world.exported(profile="STD-GEN-CD", file_set_id="DISC1")
    assert (outcome.is_complete, outcome.findings) == (True, ())
    assert check(world.directory) == ()
    assert verify_medium(world.medium).findings == []


def test_keys_of_people_come_from_any_instance_below(world: World) -> None:
    world.add(PatientBirthDate="", PatientSex="")
    world.add(PatientBirthDate="19700131", InstitutionName="Klinik")
    world.add(PatientBirthDate="19710101", InstitutionName="Praxis", PatientSex="F")
    assert world.exported(profile="STD-GEN-USB-JPEG").findings == ()
    patient, series = world.record("PATIENT"), world.record("SERIES")
    assert (patient.plain(0x00100030), patient.plain(0x00100040)) == ("19700131", "F")
    assert series.plain(0x00080080) == "Klinik"
    assert series.element(0x00081050) is None
    assert [r.element(0x00280010) is not None for r in world.records("IMAGE")] == [True] * 3


def test_a_key_in_another_character_set_makes_the_record_utf8(world: World) -> None:
    world.add(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^A", SeriesDescription="x")
    world.add(
        SpecificCharacterSet="ISO_IR 144",
        PatientName="Müller^A".encode(),
        InstitutionName="Больница",
    )
    outcome = world.exported(profile="STD-GEN-USB-JPEG")
    series = world.record("SERIES")
    assert series.character_set == ("ISO_IR 192",)
    assert (series.value(0x00080080) or b"").decode("utf-8") == "Больница"
    assert world.record("PATIENT").character_set == ("ISO_IR 100",)
    assert codes(outcome.findings) == ["character-sets-mixed"]


def test_a_key_that_cannot_be_decoded_is_omitted_and_reported(world: World) -> None:
    # The first instance says more, so the record is made from it.
    more = {"Manufacturer": "M", "StationName": "S", "SeriesDescription": "D"}
    world.add(SpecificCharacterSet="ISO_IR 100", **more)
    world.add(SpecificCharacterSet="ISO_IR 192", InstitutionName="KKKK")
    path = world.folder / "archive/2.dcm"
    path.write_bytes(path.read_bytes().replace(b"KKKK", b"K\xff\xfeK"))
    outcome = world.exported(profile="STD-GEN-USB-JPEG")
    assert "key-omitted" in codes(outcome.findings)
    assert world.record("SERIES").element(0x00080080) is None


def test_geometry_comes_from_shared_functional_groups(world: World) -> None:
    spacing, group = Dataset(), Dataset()
    spacing.PixelSpacing = ["0.5", "0.25"]
    group.PixelMeasuresSequence = DicomSequence([spacing])
    world.add(SOPClassUID=SOP + "4.1", SharedFunctionalGroupsSequence=DicomSequence([group]))
    assert world.exported(profile="STD-GEN-BD-J2K").findings == ()
    assert world.record("IMAGE").plain(0x00280030) == "0.5\\0.25"


def test_an_image_without_rows_fails_where_they_are_type_1(world: World) -> None:
    world.add()
    world.add(Rows=..., PixelData=b"\0\0")
    outcome = world.exported(profile="STD-GEN-USB-J2K")
    assert outcome.copied == 1
    assert "Rows (0028,0010), Type 1" in why(outcome)
    assert len(world.records("IMAGE")) == 1


def test_attribute_values_that_the_profile_demands(world: World) -> None:
    world.add()
    world.add(PhotometricInterpretation="MONOCHROME1")
    outcome = world.exported(profile="STD-CTMR-CD")
    assert why(outcome).startswith(
        "its PhotometricInterpretation (0028,0004) is not as STD-CTMR-CD"
    )
    assert (outcome.copied, outcome.findings) == (1, ())


def test_text_in_utf8(world: World) -> None:
    world.add(
        SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Zoë", StudyDescription="Schädel"
    )
    world.add(
        SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientID="P2", PatientName="Yamada=山田^太郎",
        StudyInstanceUID="1.2.3.2", SeriesInstanceUID="1.2.3.2.1",
    )  # fmt: skip
    assert world.exported(charset="utf-8").findings == ()
    names = [
        (record.value(0x00100010) or b"").decode("utf-8") for record in world.records("PATIENT")
    ]
    assert names == ["Müller^Zoë", "Yamada=山田^太郎"]
    sets = [record.character_set for _, record in walk(world.directory.records)]
    assert sets == [("ISO_IR 192",), ("ISO_IR 192",), None, None, ("ISO_IR 192",), None, None, None]


@pytest.mark.parametrize("declared", [..., "ISO_IR 192"])
def test_text_that_cannot_be_decoded_fails_and_is_never_replaced(
    world: World, declared: Any
) -> None:
    world.add()
    write(world.folder / "archive/bad.dcm", SOPInstanceUID="1.2.3.1.1.9", SpecificCharacterSet=declared,
          StudyDescription="KKKK")  # fmt: skip
    path = world.folder / "archive/bad.dcm"
    path.write_bytes(path.read_bytes().replace(b"KKKK", b"K\xff\xfeK"))
    outcome = world.exported(charset="utf-8")
    assert outcome.copied == 1
    assert "(0008,1030) cannot be written in UTF-8" in why(outcome)
    assert b"?" not in (world.medium / "DICOMDIR").read_bytes()


def test_private_sop_classes_are_refused_unless_asked_for(world: World) -> None:
    world.add(SOPClassUID=PRIVATE_CLASS)
    world.add()
    assert codes(world.planned().left_out) == ["no-record-type"]
    assert codes(world.planned(private=True, profile="STD-GEN-CD").left_out) == ["profile"]
    outcome = world.exported(private=True)
    assert (outcome.is_complete, outcome.copied) == (True, 2)
    record = world.record("PRIVATE")
    assert record.plain(0x00041432) == record.plain(0x00041510) == PRIVATE_CLASS
    assert {element.tag >> 16 for element in record.keys} == {0x0004}
    assert record in world.record("SERIES").children
    assert check(world.directory) == ()
    assert verify_medium(world.medium).findings == []
    assert verify_medium(world.medium).right == 2


def test_standard_classes_without_a_record_are_no_private_ones(world: World) -> None:
    world.add(SOPClassUID=SOP + "200.2")
    assert codes(world.planned(private=True).left_out) == ["no-record-type"]


@needs_icons
@pytest.mark.parametrize("size", [64, 128])
def test_icons_stand_in_image_records_only(world: World, size: int) -> None:
    world.add()
    assert world.exported(icons=size).findings == ()
    element = world.record("IMAGE").element(0x00880200)
    assert element is not None
    pixels = {each.tag: each.data for each in element.items[0]}[0x7FE00010]
    assert len(pixels) == size * size
    assert world.record("SERIES").element(0x00880200) is None


@needs_icons
def test_no_icon_where_nothing_can_be_decoded(world: World) -> None:
    world.add(PixelData=b"\1\2", SOPClassUID=SOP + "7")
    outcome = world.exported(icons=64)
    assert codes(outcome.findings) == ["icon-missing"]
    assert outcome.is_complete
    assert world.record("IMAGE").element(0x00880200) is None


@needs_icons
def test_where_the_profile_demands_icons_an_instance_without_one_fails(world: World) -> None:
    gray = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "SOPClassUID": SOP + "7"}
    world.add(**gray, PixelData=b"\1\2\3\4")
    world.add(**gray, PixelData=b"\1\2")
    outcome = world.exported(profile="STD-XA1K-CD")
    assert why(outcome).startswith("the profile demands an icon of it: its pixel data")
    assert (outcome.copied, outcome.findings) == (1, ())
    assert world.record("IMAGE").element(0x00880200) is not None


ORDERS = [
    ({"icons": 128, "profile": "STD-CTMR-CD"}, "Icons of STD-CTMR-CD have 64 rows"),
    ({"icons": 32}, "64 or 128"),
    ({"charset": "latin-1"}, "no character set"),
    ({"profile": "STD-GEN-CDROM"}, "Did you mean STD-GEN-CD"),
    ({"profile": "STD-GEN-SEC-CD"}, "Secure DICOM Files"),
    ({"file_set_id": "lower"}, "no File-set ID"),
]


@pytest.mark.parametrize(("options", "message"), ORDERS)
def test_orders_that_cannot_be_carried_out(
    world: World, options: dict[str, Any], message: str
) -> None:
    world.add()
    plan = world.planned()
    order = Order(parse.selection(), world.medium, "1.2.3.999", **options)
    with pytest.raises((ExportError, FileSetError), match=message):
        export(world.catalogue, order, plan)
    assert not world.medium.exists()


def test_the_command_line(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world.add()
    world.add(transfer_syntax=IMPLICIT)

    def dcat(*words: str) -> int:
        capsys.readouterr()
        return main([*words, "--db", str(tmp_path / "cli.db")])

    assert dcat("index", str(tmp_path / "archive"), "-j", "1") == 0
    export_to = ("export", str(world.medium), "--profile", "std-gen-cd")
    assert dcat(*export_to, "--dry-run", "-o", "json") == 3
    plan = json.loads(capsys.readouterr().out)
    assert [out["code"] for out in plan["left_out"]] == ["profile"]
    assert dcat(*export_to, "--charset", "utf-8", "--private", "record") == 3
    assert "1 instance: its Transfer Syntax (Implicit VR Little Endian)" in capsys.readouterr().err
    assert len(world.records("IMAGE")) == 1
    assert dcat("export", str(tmp_path / "other"), "--profile", "STD-GEN-DC") == 2
    assert "Did you mean STD-GEN-CD" in capsys.readouterr().err
