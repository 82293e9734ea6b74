"""DICOMDIRs into rows: real ones, hostile ones, again and again, and beside indexing."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import DcatError, PathError
from tests.builders import archive, write
from tests.journeys import judging
from tests.journeys.steps import (
    DICOMDIR_TESTS,
    exported,
    files_below,
    generic,
    imported,
    indexed,
    planned,
    records,
    referencing,
    rows,
)
from tests.tables import dump

VARIANTS = [
    "DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-empty.dcm", "DICOMDIR-implicit",
    "DICOMDIR-nooffset", "DICOMDIR-nopatient", "DICOMDIR-reordered",
]  # fmt: skip
SHARED = ["filesets/dcmtk-mixed", "process-dcm/tests"]


@pytest.fixture(params=[*VARIANTS, *SHARED])
def dicomdir(request: pytest.FixtureRequest) -> Path:
    if request.param in SHARED:
        return request.getfixturevalue("shared_data") / request.param / "DICOMDIR"
    return DICOMDIR_TESTS / request.param


def kept(catalogue: Catalogue) -> list[dict[str, object]]:
    return rows(catalogue.path, "SELECT * FROM fileset_record ORDER BY position")


def test_every_record_has_a_row(catalogue: Catalogue, dicomdir: Path) -> None:
    outcome = imported(catalogue, dicomdir)
    seen = Counter(str(record.DirectoryRecordType) for record in records(dicomdir))
    assert outcome.records == seen
    assert Counter(row["record_type"] for row in kept(catalogue)) == seen


@pytest.mark.judges
def test_as_many_records_as_dcmdump_prints(catalogue: Catalogue, dicomdir: Path) -> None:
    assert imported(catalogue, dicomdir).records.total() == judging.record_type_lines(dicomdir)


def test_every_referenced_instance_is_in_the_catalogue(
    catalogue: Catalogue, dicomdir: Path
) -> None:
    imported(catalogue, dicomdir)
    wanted = {str(r.ReferencedSOPInstanceUIDInFile) for r in referencing(dicomdir)}
    if dicomdir.name == "DICOMDIR-nopatient":
        wanted = set()  # without PATIENT records above it, nothing says whose it is
    found = {
        row["uid"] for row in rows(catalogue.path, "SELECT sop_instance_uid AS uid FROM instance")
    }
    assert wanted <= found


def test_without_the_files(catalogue: Catalogue, dicomdir: Path, tmp_path: Path) -> None:
    shutil.copy(dicomdir, tmp_path / "DICOMDIR")
    outcome = imported(catalogue, tmp_path)
    assert (outcome.present, outcome.absent) == (0, len(referencing(dicomdir)) - outcome.refused)
    assert len(kept(catalogue)) == len(records(dicomdir))
    assert all(row["path"] is None for row in kept(catalogue))
    plan = planned(catalogue)
    assert plan.items == ()
    assert {out.code for out in plan.left_out} <= {"missing", "no-file"}


def test_importing_twice_changes_nothing(catalogue: Catalogue, dicomdir: Path) -> None:
    imported(catalogue, dicomdir)
    once, once_kept = (
        dump(catalogue.path),
        [r | {"id": 0, "fileset_ref": 0} for r in kept(catalogue)],
    )
    imported(catalogue, dicomdir)
    assert dump(catalogue.path) == once
    again = [r | {"id": 0, "fileset_ref": 0} for r in kept(catalogue)]
    assert again == once_kept


def test_a_folder_and_its_file_are_the_same(new_catalogue: Callable[[], Catalogue]) -> None:
    by_folder, by_file = new_catalogue(), new_catalogue()
    imported(by_folder, DICOMDIR_TESTS)
    imported(by_file, DICOMDIR_TESTS / "DICOMDIR")
    assert dump(by_folder.path) == dump(by_file.path)


@pytest.mark.parametrize("name", ["dicomdir", "Dicomdir", "DICOMDIR.", "DICOMDIR;1"])
def test_other_spellings_of_dicomdir(name: str, catalogue: Catalogue, tmp_path: Path) -> None:
    shutil.copy(DICOMDIR_TESTS / "DICOMDIR", tmp_path / name)
    assert imported(catalogue, tmp_path).records["IMAGE"] == 31


def test_lower_case_files_are_found(catalogue: Catalogue, tmp_path: Path) -> None:
    for path in (p for p in DICOMDIR_TESTS.rglob("*") if p.is_file()):
        target = tmp_path / path.relative_to(DICOMDIR_TESTS).as_posix().lower()
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    outcome = imported(catalogue, tmp_path)
    assert (outcome.present, outcome.absent) == (31, 0)


@pytest.mark.parametrize(
    "make", [lambda p: p / "nowhere", lambda p: p], ids=["absent", "no DICOMDIR"]
)
def test_nothing_to_import(make, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(PathError):
        imported(catalogue, make(tmp_path))


@pytest.mark.parametrize("content", [b"", b"text", bytes(132), bytes(128) + b"DICM"], ids=repr)
def test_no_dicomdir_at_all(content: bytes, catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").write_bytes(content[:200])
    with pytest.raises(DcatError):
        imported(catalogue, tmp_path)
    assert rows(catalogue.path, "SELECT * FROM fileset") == []


# -- records and headers ------------------------------------------------------------------


def _medium(new_catalogue: Callable[[], Catalogue], folder: Path) -> Path:
    """Return a small medium of two patients, one of them with text beyond ASCII."""
    archive(folder / "archive", 2, 1, 1, 2)
    write(folder / "archive/x.dcm", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^J", PatientID="P3", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", SOPInstanceUID="1.9.1.1", PatientBirthDate="19500101")  # fmt: skip
    catalogue = new_catalogue()
    indexed(catalogue, folder / "archive")
    assert exported(catalogue, folder / "medium").is_complete
    return folder / "medium"


def test_a_later_import_changes_no_row_of_a_header(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    medium, catalogue = _medium(new_catalogue, tmp_path), new_catalogue()
    indexed(catalogue, medium)
    before = dump(catalogue.path)
    # A DICOMDIR that tells lies: another name and study description for everything.
    ds = pydicom.dcmread(medium / "DICOMDIR")
    for record in ds.DirectoryRecordSequence:
        if record.DirectoryRecordType == "PATIENT":
            record.PatientName = "Lie"[: len(str(record.PatientName))].ljust(
                len(str(record.PatientName)), "x"
            )
    ds.save_as(medium / "DICOMDIR", enforce_file_format=True)
    imported(catalogue, medium)
    after = dump(catalogue.path)
    for table in ("patient", "study", "series", "instance"):
        assert after[table] == before[table]
    # Of the files, only the DICOMDIR's own row could differ, and import does not read it as a file.
    assert after["file"] == before["file"]


def test_import_then_index_is_index_alone(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    medium = _medium(new_catalogue, tmp_path)
    both, alone = new_catalogue(), new_catalogue()
    imported(both, medium)
    indexed(both, medium)
    indexed(alone, medium)
    first, second = dump(both.path), dump(alone.path)
    for table in ("patient", "study", "series", "instance", "file", "discrepancy", "root"):
        assert first[table] == second[table], table
    # Findings about the File-set itself are what only an import knows.
    assert [f for f in first["finding"] if f["file"]] == [f for f in second["finding"] if f["file"]]


def test_a_directory_row_says_that_it_is_one(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    medium, catalogue = _medium(new_catalogue, tmp_path), new_catalogue()
    imported(catalogue, medium)
    told = rows(catalogue.path, "SELECT DISTINCT Provenance AS p FROM v_instance")
    assert [row["p"] for row in told] == ["record"]
    indexed(catalogue, medium)
    told = rows(catalogue.path, "SELECT DISTINCT Provenance AS p FROM v_instance")
    assert [row["p"] for row in told] == ["header"]


def test_an_imported_medium_can_be_exported(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    medium, catalogue = _medium(new_catalogue, tmp_path), new_catalogue()
    imported(catalogue, medium)
    assert exported(catalogue, tmp_path / "second").is_complete
    assert files_below(tmp_path / "second") == files_below(medium)
    for name in files_below(medium):
        assert (tmp_path / "second" / name).read_bytes() == (medium / name).read_bytes()


def test_two_discs_of_one_patient(new_catalogue: Callable[[], Catalogue], tmp_path: Path) -> None:
    source, catalogue = new_catalogue(), new_catalogue()
    archive(tmp_path / "archive", 1, 2, 1, 2)
    indexed(source, tmp_path / "archive")
    for number in (1, 2):
        disc = tmp_path / f"disc{number}"
        exported(source, disc, f"StudyInstanceUID=1.2.3.1.{number}")
        imported(catalogue, disc)
    (patient,) = rows(catalogue.path, "SELECT * FROM v_patient")
    assert patient["PatientID"] == "P1"
    assert patient["NumberOfPatientRelatedStudies"] == 2
    assert patient["NumberOfPatientRelatedInstances"] == 4
    assert len(rows(catalogue.path, "SELECT * FROM fileset")) == 2
    # The second disc again, now without one of its files' records: the first stays whole.
    imported(catalogue, tmp_path / "disc1")
    assert len(rows(catalogue.path, "SELECT * FROM instance")) == 4


def test_another_disc_at_the_same_place_leaves_the_first_on_record(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    source, catalogue = new_catalogue(), new_catalogue()
    archive(tmp_path / "archive", 2, 1, 1, 1)
    indexed(source, tmp_path / "archive")
    exported(source, tmp_path / "disc")
    imported(catalogue, tmp_path / "disc")
    shutil.rmtree(tmp_path / "disc")
    exported(source, tmp_path / "disc", "PatientID=P2", file_set_uid="1.2.3.999.7")
    imported(catalogue, tmp_path / "disc")
    filesets = rows(catalogue.path, "SELECT * FROM fileset ORDER BY id")
    assert len(filesets) == 2
    assert filesets[1]["file_set_uid"] == "1.2.3.999.7"
    assert len(kept(catalogue)) == 8 + 4
    # The former disc's other file was once known; it is not there now, so nothing claims it is.
    there = rows(catalogue.path, "SELECT path FROM file WHERE status <> 'missing'")
    assert len(there) == 1


# -- hostile and odd records --------------------------------------------------------------


def _edited(medium: Path, change: Callable[[pydicom.Dataset], None], of: str = "IMAGE") -> None:
    """Change the first record of a type; only values of one length, as offsets stay as they are."""
    ds = pydicom.dcmread(medium / "DICOMDIR")
    record = next(r for r in ds.DirectoryRecordSequence if of == r.DirectoryRecordType)
    change(record)
    ds.save_as(medium / "DICOMDIR", enforce_file_format=True)


def _one(new_catalogue: Callable[[], Catalogue], folder: Path) -> Path:
    write(folder / "archive/a.dcm")
    catalogue = new_catalogue()
    indexed(catalogue, folder / "archive")
    assert exported(catalogue, folder / "medium").is_complete
    (folder / "secret.dcm").write_bytes((folder / "archive/a.dcm").read_bytes())
    return folder / "medium"


@pytest.mark.parametrize(
    "file_id",
    [["..", "secret.dcm"], ["DICOM", "..", "..", "secret.dcm"], "../secret.dcm", "/etc/passwd", ["", "etc", "passwd"],
     "C:\\secret", ["."], "CON\0"],
    ids=str,
)  # fmt: skip
def test_a_file_id_never_leads_out_of_the_medium(
    file_id: list[str] | str, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    medium, catalogue = _one(new_catalogue, tmp_path), new_catalogue()

    def change(record: pydicom.Dataset) -> None:
        text = file_id if isinstance(file_id, str) else "\\".join(file_id)
        record["ReferencedFileID"] = pydicom.DataElement(0x00041500, "CS", text, validation_mode=0)

    ds = pydicom.dcmread(medium / "DICOMDIR")
    change(ds.DirectoryRecordSequence[-1])
    ds.save_as(medium / "DICOMDIR", enforce_file_format=True)
    outcome = imported(catalogue, medium)
    assert outcome.present == 0
    assert outcome.absent + outcome.refused == 1
    assert outcome.findings
    assert sum(f.code == "file-id-unsafe" for f in outcome.findings) == outcome.refused  # once each
    for row in rows(catalogue.path, "SELECT path, status FROM file"):
        assert row["status"] == "missing"
        assert ".." not in row["path"].split("/")
        assert not row["path"].startswith("/")
    assert planned(catalogue).items == ()


def test_a_symbolic_link_out_of_the_medium_is_not_followed(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    medium, catalogue = _one(new_catalogue, tmp_path), new_catalogue()
    (leaf,) = referencing(medium / "DICOMDIR")
    target = medium.joinpath(*leaf.ReferencedFileID)
    shutil.move(target.parent, tmp_path / "outside")
    target.parent.symlink_to(tmp_path / "outside")
    outcome = imported(catalogue, medium)
    assert outcome.present == 0
    assert planned(catalogue).items == ()


@pytest.mark.parametrize("kind", ["NONSENS", "PRIVATE", "OVERLAY"])
def test_a_record_of_an_unknown_type_keeps_its_row(
    kind: str, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    medium, catalogue = _one(new_catalogue, tmp_path), new_catalogue()
    data = (medium / "DICOMDIR").read_bytes()
    assert data.count(b"\x04\x00\x30\x14CS\x06\x00IMAGE ") == 1
    patched = data.replace(b"\x04\x00\x30\x14CS\x06\x00IMAGE ", b"\x04\x00\x30\x14CS\x06\x00" + kind.ljust(6)[:6].encode())  # fmt: skip
    (medium / "DICOMDIR").write_bytes(patched)
    imported(catalogue, medium)
    assert [row["record_type"] for row in kept(catalogue)][-1] == kind[:6].strip()
    assert len(kept(catalogue)) == 4


def test_a_record_without_a_uid(new_catalogue: Callable[[], Catalogue], tmp_path: Path) -> None:
    medium, catalogue = _one(new_catalogue, tmp_path), new_catalogue()
    ds = pydicom.dcmread(medium / "DICOMDIR")
    del ds.DirectoryRecordSequence[-1].ReferencedSOPInstanceUIDInFile
    ds.save_as(medium / "DICOMDIR", enforce_file_format=True)
    outcome = imported(catalogue, medium)
    assert outcome.unplaced == 1
    assert not outcome.is_complete
    assert "record-unplaced" in {finding.code for finding in outcome.findings}
    assert len(kept(catalogue)) == 4
    assert rows(catalogue.path, "SELECT * FROM instance") == []


def test_the_shared_medium_matches_its_files(catalogue: Catalogue, shared_data: Path) -> None:
    medium = shared_data / "filesets/dcmtk-mixed"
    outcome = imported(catalogue, medium)
    assert outcome.absent == outcome.refused == outcome.unplaced == 0
    for record in referencing(medium / "DICOMDIR"):
        own = generic(medium.joinpath(*record.ReferencedFileID))
        (row,) = rows(
            catalogue.path,
            "SELECT sop_instance_uid FROM fileset_record WHERE file_id = ?",
            "/".join(record.ReferencedFileID),
        )
        assert row["sop_instance_uid"] == own.get("SOPInstanceUID")
