"""Changed directories before programs that others wrote: no new error, and the same files found."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.data import data_manager
from pydicom.fileset import FileSet

from catalog.fileset.reader import read
from catalog.fileset.tree import walk
from catalog.maintaining import (
    Fate,
    add,
    create,
    plan_addition,
    plan_creation,
    plan_removal,
    remove,
)
from catalog.verifying import check_medium
from tests import builders
from tests.conftest import SHARED_DATA
from tests.journeys.judging import (
    dcdirdmp,
    dciodvfy_errors,
    dcmdump,
    record_type_lines,
)

pytestmark = pytest.mark.judges

PYDICOM = Path(data_manager.DATA_ROOT) / "test_files" / "dicomdirtests"
MEDIA = {
    "dcmtk-mixed": SHARED_DATA / "filesets/dcmtk-mixed",
    "process-dcm": SHARED_DATA / "process-dcm/tests",
    "pydicom": PYDICOM,
}
UID = "2.25.1"


@pytest.fixture(params=MEDIA)
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a medium that another program wrote, with its one DICOMDIR."""
    source = MEDIA[request.param]
    if not (source / "DICOMDIR").exists():
        pytest.skip(f"{source} is not beside this checkout")
    target = tmp_path / "medium"
    shutil.copytree(source, target)
    for other in target.glob("DICOMDIR-*"):
        other.unlink()
    return target


def errors(folder: Path) -> set[str]:
    """Return dciodvfy's errors, without the numbers of the items that they are about."""
    return {re.sub(r"\d+", "#", line) for line in dciodvfy_errors(folder)}


def file_ids(folder: Path) -> list[str]:
    records = read((folder / "DICOMDIR").read_bytes()).fileset.records
    return ["/".join(r.file_components) for _, r in walk(records) if r.file_components]


def agrees(folder: Path, before: set[str]) -> None:
    """All judges read the DICOMDIR as dcat does, and none finds an error that was not there."""
    records = read((folder / "DICOMDIR").read_bytes()).fileset.records
    assert errors(folder) <= before
    assert dcmdump(folder / "DICOMDIR", "-q").returncode == 0
    assert record_type_lines(folder / "DICOMDIR") == sum(1 for _ in walk(records))
    assert dcdirdmp(folder).returncode == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(folder / "DICOMDIR")
        theirs = [
            "/".join([i] if isinstance(i, str) else i)
            for r in dataset.DirectoryRecordSequence
            if (i := r.get("ReferencedFileID"))
        ]
    assert theirs == file_ids(folder)


def pydicoms(folder: Path) -> set[str] | str:
    """Return the SOP Instance UIDs that pydicom loads, or the error with which it refuses the directory.

    It refuses any directory with one record type that it does not know, or one series twice.
    """
    fileset = FileSet()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fileset.load(folder / "DICOMDIR", raise_orphans=True)
            return {str(each.ReferencedSOPInstanceUIDInFile) for each in fileset}
    except (KeyError, ValueError) as exc:
        return type(exc).__name__
    finally:
        if temporary := fileset._stage.get("t"):
            temporary.cleanup()  # else it warns when it is collected, in whatever test that is


def instance(folder: Path) -> Path:
    return builders.write(folder / "new.dcm", SOPInstanceUID="1.2.3.77")


def test_add(medium: Path, tmp_path: Path) -> None:
    before, old, seen = errors(medium), file_ids(medium), pydicoms(medium)
    findings = {(f.code, f.place) for f in check_medium(medium).findings}
    done = add(plan_addition(medium, [instance(tmp_path)], UID))
    agrees(medium, before)
    assert file_ids(medium) == [*old, done.added[0][1].path]
    new = {(f.code, f.place) for f in check_medium(medium).findings} - findings
    assert new == {("directory-backup", "DICOMDIR.1.bak")}
    assert pydicoms(medium) == (seen | {"1.2.3.77"} if isinstance(seen, set) else seen)


def test_remove(medium: Path) -> None:
    before, old = errors(medium), file_ids(medium)
    gone, seen = old[0], pydicoms(medium)
    uid = pydicom.dcmread(medium / gone, stop_before_pixels=True).SOPInstanceUID
    remove(plan_removal(medium, [gone], UID), Fate.DELETE)
    agrees(medium, before)
    assert file_ids(medium) == old[1:]
    assert pydicoms(medium) == (seen - {uid} if isinstance(seen, set) else seen)


def test_add_to_it_what_was_removed(medium: Path, tmp_path: Path) -> None:
    before, old = errors(medium), file_ids(medium)
    name = next(each for each in old if (medium / each).exists())
    shutil.copy(medium / name, tmp_path / "kept")
    remove(plan_removal(medium, [name], UID), Fate.DELETE)
    plan = plan_addition(medium, [tmp_path / "kept"], UID)
    assert plan.left_out == []
    add(plan)
    agrees(medium, before)
    assert len(file_ids(medium)) == len(old)


def test_create(tmp_path: Path) -> None:
    for number in range(1, 4):
        builders.write(
            tmp_path / "m" / f"I{number}",
            SOPInstanceUID=f"1.2.3.{number}",
            InstanceNumber=str(number),
        )
    create(plan_creation(tmp_path / "m"), UID)
    agrees(tmp_path / "m", set())
    assert len(pydicoms(tmp_path / "m")) == 3


def test_create_chains_all_patients(tmp_path: Path) -> None:
    for number in range(1, 5):
        builders.write(
            tmp_path / "m" / f"I{number}",
            PatientID=f"P{number}",
            StudyInstanceUID=f"1.2.{number}",
            SeriesInstanceUID=f"1.2.{number}.1",
            SOPInstanceUID=f"1.2.3.{number}",
        )
    create(plan_creation(tmp_path / "m"), UID)
    agrees(tmp_path / "m", set())
    assert dcdirdmp(tmp_path / "m").stderr.count("IMAGE") == 4  # it follows the offsets
    assert len(pydicoms(tmp_path / "m")) == 4


def test_create_for_files_of_others(tmp_path: Path) -> None:
    """All that DCMTK put on its medium, under a directory of our own."""
    source = MEDIA["dcmtk-mixed"]
    if not source.exists():
        pytest.skip(f"{source} is not beside this checkout")
    folder = tmp_path / "m"
    shutil.copytree(source, folder)
    plan = plan_creation(folder)
    create(plan, UID, replace=True, partial=True)
    agrees(folder, set())
    # One ANNOTATION record, which pydicom does not know, and it loads nothing at all.
    assert pydicoms(folder) == "KeyError"
