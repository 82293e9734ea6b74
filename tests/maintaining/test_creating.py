"""A DICOMDIR for files in place: everything named, or nothing written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from catalog.errors import ExportError, FileSetError, PathError
from catalog.fileset.reader import read
from catalog.fileset.tree import walk
from catalog.maintaining import create, plan_creation, undo_renames
from catalog.maintaining.storing import JOURNAL
from catalog.verifying import check_medium
from tests import builders
from tests.media.medium import WHERE, values_of

from .test_updating import snapshot

UID = "2.25.1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five instances under legal names, and a text."""
    for number in WHERE:
        builders.write(tmp_path / "m" / "DICOM" / f"IM{number}", **values_of(number))
    (tmp_path / "m" / "README.TXT").write_text("hello")
    return tmp_path / "m"


def test_files_stay_and_the_directory_is_faultless(folder: Path) -> None:
    before = snapshot(folder)
    plan = plan_creation(folder)
    assert (len(plan.items), plan.others, plan.left_out, plan.illegal) == (5, 1, [], [])
    assert snapshot(folder) == before
    create(plan, UID, "DISC")
    after = snapshot(folder)
    after.pop("DICOMDIR")
    assert after == before
    result = check_medium(folder)
    assert result.findings == []
    assert result.right == 5
    fileset = read((folder / "DICOMDIR").read_bytes()).fileset
    assert (fileset.file_set_id, fileset.file_set_uid) == ("DISC", UID)


def test_the_same_files_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    create(plan_creation(folder), UID)
    for number in sorted(WHERE, reverse=True):
        builders.write(tmp_path / "other" / "DICOM" / f"IM{number}", **values_of(number))
    create(plan_creation(tmp_path / "other"), UID)
    assert (folder / "DICOMDIR").read_bytes() == (tmp_path / "other/DICOMDIR").read_bytes()


def test_records_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    for name, number in (("A", 10), ("B", 9), ("C", 1)):
        builders.write(tmp_path / name, SOPInstanceUID=f"1.2.{number}", InstanceNumber=str(number))
    create(plan_creation(tmp_path), UID)
    records = read((tmp_path / "DICOMDIR").read_bytes()).fileset.records
    assert [r.plain(0x00200013) for _, r in walk(records) if r.type == "IMAGE"] == ["1", "9", "10"]


def test_an_existing_directory_is_replaced_only_on_demand(folder: Path) -> None:
    create(plan_creation(folder), UID, "DISC")
    old = (folder / "DICOMDIR").read_bytes()
    (folder / "DICOM/IM5").unlink()
    with pytest.raises(FileSetError, match="--replace"):
        create(plan_creation(folder), "2.25.2")
    assert (folder / "DICOMDIR").read_bytes() == old
    done = create(plan_creation(folder), "2.25.2", replace=True)
    assert done.backup == folder / "DICOMDIR.1.bak"
    assert done.backup.read_bytes() == old
    fileset = read((folder / "DICOMDIR").read_bytes()).fileset
    # The File-set is the same one though files went (PS3.10 §8.1).
    assert (fileset.file_set_id, fileset.file_set_uid) == ("DISC", UID)


def test_a_directory_in_lower_case_gets_the_right_name(folder: Path) -> None:
    create(plan_creation(folder), UID)
    (folder / "DICOMDIR").rename(folder / "dicomdir")
    create(plan_creation(folder), UID, replace=True)
    assert "DICOMDIR" in os.listdir(folder)
    assert "dicomdir" not in os.listdir(folder)
    assert len(list(folder.glob("*.bak"))) == 1


def test_garbage_called_dicomdir_is_kept_when_replaced(folder: Path) -> None:
    (folder / "DICOMDIR").write_text("garbage")
    done = create(plan_creation(folder), UID, replace=True)
    assert done.backup is not None
    assert done.backup.read_text() == "garbage"
    assert done.fileset.file_set_uid == UID


LEFT_OUT = [
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.200.1"}, "no-record-type"),
    ({"SOPInstanceUID": "1.2.03"}, "illegal-uid"),
    ({"StudyInstanceUID": ...}, "no-identity"),
    ({"StudyInstanceUID": "1.1", "SeriesInstanceUID": "9.1"}, "study-twice"),
    ({"SeriesInstanceUID": "1.1.1", "StudyInstanceUID": "2.1"}, "series-twice"),
    ({"IssuerOfPatientID": "ELSEWHERE", "PatientID": "P2"}, "patient-id-twice"),
    ({"SOPInstanceUID": "1.2.3.4.5.5", "InstanceNumber": "9"}, "sop-instance-twice"),
]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize(("values", "code"), LEFT_OUT, ids=str)
def test_what_can_have_no_record_stops_the_work(
    values: dict[str, object], code: str, folder: Path
) -> None:
    builders.write(folder / "DICOM/ODD", **values_of(5) | {"SOPInstanceUID": "1.2.3.9"} | values)
    plan = plan_creation(folder)
    assert {out.code for out in plan.left_out} == {code}
    assert "DICOM/ODD" in {out.place for out in plan.left_out}
    with pytest.raises(FileSetError, match=r"F\.2\.1"):
        create(plan, UID)
    assert not (folder / "DICOMDIR").exists()
    create(plan, UID, partial=True)
    named = check_medium(folder)
    assert {f.place for f in named.findings if f.code == "file-unnamed"} == {
        out.place for out in plan.left_out
    }
    assert {f.code for f in named.findings} <= {"file-unnamed"}


def test_copies_have_one_record(folder: Path) -> None:
    (folder / "DICOM/IM6").write_bytes((folder / "DICOM/IM5").read_bytes())
    plan = plan_creation(folder)
    assert [(out.place, out.code) for out in plan.left_out] == [("DICOM/IM6", "copy")]


def test_broken_files_and_other_directories_are_told(folder: Path) -> None:
    (folder / "DICOM/CUT").write_bytes((folder / "DICOM/IM5").read_bytes()[:250])
    (folder / "DICOM/BARE").write_bytes((folder / "DICOM/IM5").read_bytes()[132:])
    (folder / "VENDOR").mkdir()
    create(plan_creation(folder), UID, partial=True)
    (folder / "DICOMDIR").rename(folder / "VENDOR/DICOMDIR")
    plan = plan_creation(folder)
    assert {(out.place, out.code) for out in plan.left_out} == {
        ("DICOM/CUT", "file-unreadable"), ("DICOM/BARE", "not-part-10"), ("VENDOR/DICOMDIR", "another-dicomdir"),
    }  # fmt: skip


def test_files_that_disagree_are_told_and_the_majority_speaks(tmp_path: Path) -> None:
    for number, name in enumerate(("Doe", "Roe", "Doe")):
        builders.write(
            tmp_path / f"I{number}", SOPInstanceUID=f"1.2.{number + 1}", PatientName=name
        )
    plan = plan_creation(tmp_path)
    done = create(plan, UID)
    assert done.fileset.records[0].plain(0x00100010) == "Doe"
    assert [f.code for f in plan.findings if f.code == "files-disagree"] == ["files-disagree"]


@pytest.fixture
def illegal(tmp_path: Path) -> Path:
    """One legal name, and names as people give them."""
    for number, name in zip(
        WHERE, ("DICOM/IM1", "a.dcm", "series one/Ünïcode.dcm", "series one/x", "A.B"), strict=True
    ):
        builders.write(tmp_path / "m" / name, **values_of(number))
    return tmp_path / "m"


def test_illegal_names_are_refused_and_listed(illegal: Path) -> None:
    before = snapshot(illegal)
    plan = plan_creation(illegal)
    assert [out.place for out in plan.illegal] == [
        "a.dcm",
        "series one/Ünïcode.dcm",
        "series one/x",
        "A.B",
    ]
    with pytest.raises(FileSetError, match="--rename"):
        create(plan, UID)
    assert snapshot(illegal) == before


def test_rename_and_back(illegal: Path) -> None:
    before = snapshot(illegal)
    plan = plan_creation(illegal, renaming=True)
    create(plan, UID)
    assert check_medium(illegal).findings == []
    assert (illegal / "DICOM/IM1").exists()
    assert not (illegal / "series one").exists()
    lines = [json.loads(line) for line in (illegal / JOURNAL).read_text().splitlines()]
    assert [(line["from"], line["to"]) for line in lines] == plan.renames
    assert sorted(before[old] for old, _ in plan.renames) == sorted(
        snapshot(illegal)[new] for _, new in plan.renames
    )
    undone = undo_renames(illegal)
    assert len(undone.renames) == 4
    assert undone.backup == illegal / "DICOMDIR.1.bak"
    after = snapshot(illegal)
    after.pop("DICOMDIR.1.bak")
    assert after == before


def test_new_names_do_not_depend_on_old_ones(illegal: Path) -> None:
    names = {new for _, new in plan_creation(illegal, renaming=True).renames}
    (illegal / "a.dcm").rename(illegal / "zzz.dcm")
    assert {new for _, new in plan_creation(illegal, renaming=True).renames} == names


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_an_interrupted_rename_goes_on_or_back(
    after: int, illegal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(illegal)
    real, done = os.rename, []

    def stops(source: str, target: str) -> None:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(target)
        real(source, target)

    plan = plan_creation(illegal, renaming=True)
    monkeypatch.setattr(os, "rename", stops)
    with pytest.raises(KeyboardInterrupt):
        create(plan, UID)
    monkeypatch.setattr(os, "rename", real)
    assert not (illegal / "DICOMDIR").exists()
    assert sorted(v for k, v in snapshot(illegal).items() if k != JOURNAL) == sorted(
        before.values()
    )
    again = plan_creation(illegal, renaming=True)
    assert len(again.renames) == 4 - after
    create(again, UID)
    assert check_medium(illegal).findings == []
    assert len((illegal / JOURNAL).read_text().splitlines()) == 4
    undo_renames(illegal)
    assert {k: v for k, v in snapshot(illegal).items() if not k.endswith(".bak")} == before


def test_nothing_is_renamed_over_another_file(illegal: Path) -> None:
    plan = plan_creation(illegal, renaming=True)
    target = illegal / plan.renames[0].new
    target.parent.mkdir(parents=True)
    target.write_text("mine")
    before = snapshot(illegal)
    with pytest.raises(ExportError, match="exists already"):
        create(plan, UID)
    assert snapshot(illegal) == before
    assert [out.code for out in plan_creation(illegal, renaming=True).left_out] == ["name-taken"]


@pytest.mark.parametrize(
    "line",
    [
        '{"from": "../../etc/x", "to": "DICOM/IM1"}',
        '{"from": "/etc/x", "to": "DICOM/IM1"}',
        '{"from": "a", "to": "DICOM/../../IM1"}',
        '{"from": "", "to": "DICOM/IM1"}',
        '{"from": 7, "to": "DICOM/IM1"}',
        "[]",
        "no json",
        "[" * 100_000,
    ],
    ids=lambda line: line[:40],
)
def test_a_hostile_journal_is_refused(line: str, illegal: Path) -> None:
    (illegal / JOURNAL).write_text(line + "\n")
    before = snapshot(illegal)
    with pytest.raises(PathError, match="Line 1"):
        undo_renames(illegal)
    assert snapshot(illegal) == before


def test_a_journal_through_a_link_is_refused(illegal: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (illegal / "LINK").symlink_to(tmp_path / "outside")
    (illegal / JOURNAL).write_text('{"from": "LINK/x", "to": "DICOM/IM1"}\n')
    with pytest.raises(PathError, match="Line 1"):
        undo_renames(illegal)
    assert (illegal / "DICOM/IM1").exists()


def test_no_journal(folder: Path) -> None:
    with pytest.raises(PathError, match="nothing was renamed"):
        undo_renames(folder)


def test_neither_folder_nor_files(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="not a folder"):
        plan_creation(tmp_path / "none")
    with pytest.raises(FileSetError, match="no DICOM file"):
        create(plan_creation(tmp_path), UID)
