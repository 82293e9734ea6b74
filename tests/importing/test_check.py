"""Records against headers and digests: what is found, what becomes of the rows."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from catalog.database.catalogue import Catalogue
from catalog.importing import Difference
from tests.archives import zip_bytes
from tests.builders import archive, write
from tests.importing.steps import codes, taken_in
from tests.journeys.steps import (
    DICOMDIR_TESTS,
    exported,
    files_below,
    generic,
    imported,
    indexed,
    referencing,
    rows,
)
from tests.tables import dump

STATED = ("patient", "study", "series", "instance", "file", "discrepancy", "root")


@pytest.fixture
def medium(new_catalogue: Callable[[], Catalogue], tmp_path: Path) -> Path:
    """A medium of two patients with two instances each, whose DICOMDIR is right."""
    archive(tmp_path / "archive", 2, 1, 1, 2)
    source = new_catalogue()
    indexed(source, tmp_path / "archive")
    assert exported(source, tmp_path / "medium").is_complete
    (tmp_path / "medium/MANIFEST.SHA256").unlink(missing_ok=True)
    return tmp_path / "medium"


def changed_records(medium: Path, kind: str, **values: object) -> None:
    """Change all records of a type, with values of the same length: offsets stay as they are."""
    ds = pydicom.dcmread(medium / "DICOMDIR")
    for record in ds.DirectoryRecordSequence:
        if record.DirectoryRecordType == kind:
            for keyword, value in values.items():
                setattr(record, keyword, value)
    ds.save_as(medium / "DICOMDIR", enforce_file_format=True)


def said(differences: list[Difference]) -> list[tuple[str, str, str | None, str | None, int]]:
    return [(d.record_type, d.keyword, d.in_record, d.in_file, d.files) for d in differences]


def test_a_medium_that_is_right(medium: Path, new_catalogue: Callable[[], Catalogue]) -> None:
    outcome = taken_in(new_catalogue(), medium)
    assert outcome.differences == []
    assert outcome.is_complete
    assert outcome.read == 4
    assert not [f for f in outcome.findings if f.severity == "error"]


@pytest.mark.parametrize("check", ["header", "digest"])
def test_rows_are_those_of_importing_and_then_indexing(
    check: str, medium: Path, new_catalogue: Callable[[], Catalogue]
) -> None:
    changed_records(medium, "PATIENT", PatientSex="O")
    (medium / "AUTORUN.INF").write_text("[autorun]")
    (medium / "MORE").mkdir()
    shutil.copy(medium / "DICOMDIR", medium / "MORE/DICOMDIR")
    one, other = new_catalogue(), new_catalogue()
    taken_in(one, medium, check)
    imported(other, medium)
    indexed(other, medium)
    first, second = (dump(c.path, without=("digest",)) for c in (one, other))
    for table in STATED:
        assert first[table] == second[table], table
    assert [f for f in first["finding"] if f["file"]] == [f for f in second["finding"] if f["file"]]
    assert {r["p"] for r in rows(one.path, "SELECT Provenance AS p FROM v_instance")} == {"header"}


@pytest.mark.parametrize("check", ["exists", "header", "digest"])
def test_a_second_import_changes_nothing(
    check: str, medium: Path, new_catalogue: Callable[[], Catalogue]
) -> None:
    changed_records(medium, "SERIES", Modality="MR")
    catalogue = new_catalogue()
    first = taken_in(catalogue, medium, check) if check != "exists" else imported(catalogue, medium)
    before = dump(catalogue.path)
    again = taken_in(catalogue, medium, check) if check != "exists" else imported(catalogue, medium)
    assert dump(catalogue.path) == before
    assert again.as_dict() == first.as_dict()
    assert again.differences == first.differences


def test_each_difference_is_listed_once_with_its_place(medium: Path, catalogue: Catalogue) -> None:
    changed_records(medium, "PATIENT", PatientSex="O")
    changed_records(medium, "STUDY", StudyDate="19990101")
    changed_records(medium, "IMAGE", InstanceNumber="9")
    outcome = taken_in(catalogue, medium)
    assert sorted(set(said(outcome.differences))) == [
        ("IMAGE", "InstanceNumber", "9", "1", 1),
        ("IMAGE", "InstanceNumber", "9", "2", 1),
        ("PATIENT", "PatientSex", "O", "F", 2),
        ("STUDY", "StudyDate", "19990101", "20240101", 2),
    ]
    starts = pydicom.dcmread(medium / "DICOMDIR").DirectoryRecordSequence
    assert {d.offset_bytes for d in outcome.differences} <= {r.seq_item_tell for r in starts}
    assert outcome.is_complete  # nothing is lost: the header decides, and the list says so
    finding = next(f for f in outcome.findings if "StudyDate" in f.message)
    assert (finding.code, finding.severity, finding.clause) == ("key-differs", "warning", "PS3.3 F.5.2")  # fmt: skip
    assert finding.message == "StudyDate is '19990101' in the STUDY record and '20240101' in the file; so it is in 1 more."  # fmt: skip
    assert rows(catalogue.path, "SELECT DISTINCT StudyDate AS d FROM v_study") == [{"d": "2024-01-01"}]  # fmt: skip


def test_no_finding_names_a_patient(medium: Path, catalogue: Catalogue) -> None:
    changed_records(medium, "PATIENT", PatientName="Smith^Jo", PatientID="Q9")
    outcome = taken_in(catalogue, medium)
    assert {d.keyword for d in outcome.differences} == {"PatientName", "PatientID"}
    assert not any("Smith" in f.message or "Q9" in f.message for f in outcome.findings)


def test_a_record_that_names_another_instance_is_an_error(
    medium: Path, catalogue: Catalogue
) -> None:
    ds = pydicom.dcmread(medium / "DICOMDIR")
    uid = str(ds.DirectoryRecordSequence[-1].ReferencedSOPInstanceUIDInFile)
    other = uid[:-1] + ("7" if uid[-1] != "7" else "8")
    ds.DirectoryRecordSequence[-1].ReferencedSOPInstanceUIDInFile = other
    ds.save_as(medium / "DICOMDIR", enforce_file_format=True)
    outcome = taken_in(catalogue, medium)
    assert said(outcome.differences) == [("IMAGE", "ReferencedSOPInstanceUIDInFile", other, uid, 1)]
    assert codes(outcome) == {"reference-wrong": 1}
    assert not outcome.is_complete
    held = {r["u"] for r in rows(catalogue.path, "SELECT SOPInstanceUID AS u FROM v_file WHERE Status = 'ok'")}  # fmt: skip
    assert uid in held
    assert other not in held
    # The record keeps what it says.
    assert other in {r["u"] for r in rows(catalogue.path, "SELECT sop_instance_uid AS u FROM fileset_record")}  # fmt: skip


def test_a_patient_record_of_another_patient_is_an_error(
    medium: Path, catalogue: Catalogue
) -> None:
    changed_records(medium, "PATIENT", PatientID="XX")
    outcome = taken_in(catalogue, medium)
    assert not outcome.is_complete
    there = rows(catalogue.path, "SELECT PatientID AS p FROM v_instance WHERE NumberOfFiles > 0 ORDER BY 1")  # fmt: skip
    assert [r["p"] for r in there] == ["P1", "P1", "P2", "P2"]


def test_a_file_that_is_no_dicom_any_more(medium: Path, catalogue: Catalogue) -> None:
    (first, *_) = referencing(medium / "DICOMDIR")
    target = medium.joinpath(*first.ReferencedFileID)
    target.write_bytes(b"\0" * 500)
    outcome = taken_in(catalogue, medium)
    assert codes(outcome) == {"file-unreadable": 1}
    assert not outcome.is_complete
    (row,) = rows(catalogue.path, "SELECT status FROM file WHERE path = ?", target.relative_to(medium).as_posix())  # fmt: skip
    assert row["status"] == "not-dicom"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(medium: Path, catalogue: Catalogue) -> None:
    (first, *_) = referencing(medium / "DICOMDIR")
    medium.joinpath(*first.ReferencedFileID).chmod(0)
    assert codes(taken_in(catalogue, medium)) == {"file-unreadable": 1}


def test_dicom_files_that_no_record_names(medium: Path, catalogue: Catalogue) -> None:
    write(medium / "MORE/X", SOPInstanceUID="1.9.9", PatientID="P9")
    (medium / "AUTORUN.INF").write_text("[autorun]\nopen=VIEWER.EXE\n")
    (medium / "VIEWER.EXE").write_bytes(b"MZ" + bytes(300))
    outcome = taken_in(catalogue, medium)
    assert (outcome.unnamed, outcome.beside) == (["MORE/X"], 2)
    assert codes(outcome) == {"file-unnamed": 1}
    assert rows(catalogue.path, "SELECT Path FROM v_file WHERE SOPInstanceUID = '1.9.9'")
    paths = {r["path"] for r in rows(catalogue.path, "SELECT path FROM file")}
    # As indexing keeps them: what is known to be no DICOM.
    assert paths >= {"AUTORUN.INF", "VIEWER.EXE"}


def test_named_only(medium: Path, catalogue: Catalogue) -> None:
    write(medium / "MORE/X", SOPInstanceUID="1.9.9", PatientID="P9")
    outcome = taken_in(catalogue, medium, named_only=True)
    assert (outcome.unnamed, outcome.read) == ([], 4)
    assert not rows(catalogue.path, "SELECT Path FROM v_file WHERE SOPInstanceUID = '1.9.9'")


# -- digests ------------------------------------------------------------------------------


def manifest(medium: Path) -> None:
    lines = [
        f"{hashlib.sha256((medium / name).read_bytes()).hexdigest()}  {name}\n"
        for name in sorted(files_below(medium) - {"MANIFEST.SHA256"})
    ]
    (medium / "MANIFEST.SHA256").write_text("".join(lines))


def test_digests_are_kept(medium: Path, catalogue: Catalogue) -> None:
    outcome = taken_in(catalogue, medium, "digest")
    assert outcome.is_complete
    kept = rows(catalogue.path, "SELECT path, digest FROM file")
    assert len(kept) == 5  # four instances and the DICOMDIR
    for row in kept:
        assert row["digest"] == hashlib.sha256((medium / row["path"]).read_bytes()).hexdigest()


def test_a_manifest_that_is_right(medium: Path, catalogue: Catalogue) -> None:
    manifest(medium)
    outcome = taken_in(catalogue, medium, "digest")
    assert outcome.is_complete
    assert codes(outcome) == {}


def test_the_manifest_of_an_export(new_catalogue: Callable[[], Catalogue], tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 2)
    source = new_catalogue()
    indexed(source, tmp_path / "archive")
    exported(source, tmp_path / "medium")
    assert (tmp_path / "medium/MANIFEST.SHA256").exists()
    assert codes(taken_in(new_catalogue(), tmp_path / "medium", "digest")) == {}


def test_a_bit_that_fell_over(medium: Path, catalogue: Catalogue) -> None:
    manifest(medium)
    (first, *_) = referencing(medium / "DICOMDIR")
    target = medium.joinpath(*first.ReferencedFileID)
    data = bytearray(target.read_bytes())
    data[-1] ^= 1  # in Pixel Data, which no header tells
    target.write_bytes(data)
    outcome = taken_in(catalogue, medium, "digest")
    (finding,) = outcome.findings
    assert (finding.code, finding.severity) == ("digest-differs", "error")
    assert finding.place == target.relative_to(medium).as_posix()
    assert not outcome.is_complete
    assert taken_in(catalogue, medium, "header").is_complete


def test_a_file_of_the_manifest_that_is_gone(medium: Path, catalogue: Catalogue) -> None:
    (medium / "README.TXT").write_text("read me")
    manifest(medium)
    (medium / "README.TXT").unlink()
    outcome = taken_in(catalogue, medium, "digest")
    assert [(f.code, f.place) for f in outcome.findings] == [("digest-differs", "README.TXT")]


@pytest.mark.parametrize(
    "content",
    [b"no digest\n", b"\xff\xfe\0", b"0" * 63 + b"  x\n", b"a" * 64 + b"  x\n" + b"b" * 64 + b"  x\n"],
    ids=["text", "bytes", "short", "contradiction"],
)  # fmt: skip
def test_a_manifest_that_is_none(content: bytes, medium: Path, catalogue: Catalogue) -> None:
    (medium / "MANIFEST.SHA256").write_bytes(content)
    outcome = taken_in(catalogue, medium, "digest")
    assert len(outcome.findings) >= 1
    assert {f.code for f in outcome.findings} <= {
        "manifest-line",
        "manifest-twice",
        "digest-differs",
    }
    assert not outcome.is_complete


@pytest.mark.parametrize("name", ["a b.txt", "x\\y", "new\nline", "carriage\rreturn", "é"])
def test_odd_names_in_a_manifest_as_sha256sum_writes_them(
    name: str, medium: Path, catalogue: Catalogue
) -> None:
    (medium / name).write_text("beside")
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("sha256sum is not installed")
    import subprocess

    made = subprocess.run([program, name], cwd=medium, capture_output=True, check=True)
    (medium / "MANIFEST.SHA256").write_bytes(made.stdout)
    assert taken_in(catalogue, medium, "digest").is_complete
    (medium / name).write_text("other")
    assert codes(taken_in(catalogue, medium, "digest")) == {"digest-differs": 1}


# -- containers ---------------------------------------------------------------------------


def test_a_medium_in_a_zip_file_says_the_same(
    medium: Path, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    changed_records(medium, "STUDY", StudyDate="19990101")
    manifest(medium)
    content = [(name, (medium / name).read_bytes()) for name in sorted(files_below(medium))]
    (tmp_path / "disc.zip").write_bytes(zip_bytes(content))
    one, other = new_catalogue(), new_catalogue()
    of_folder = taken_in(one, medium, "digest")
    of_zip = taken_in(other, tmp_path / "disc.zip", "digest")
    assert of_zip.differences == of_folder.differences != []
    assert of_zip.as_dict() == of_folder.as_dict()
    for table in ("patient", "study", "series", "instance"):
        assert dump(one.path)[table] == dump(other.path)[table]
    digests = {r["digest"] for r in rows(other.path, "SELECT digest FROM file")}
    assert digests == {r["digest"] for r in rows(one.path, "SELECT digest FROM file")}


# -- media that others made ----------------------------------------------------------------

FOREIGN = {
    "DICOMDIR": [],
    "DICOMDIR-bigEnd": [],
    "DICOMDIR-empty.dcm": [],
    "DICOMDIR-implicit": [],
    "DICOMDIR-nooffset": [],
    "DICOMDIR-nopatient": [],
    "DICOMDIR-reordered": [],
    "TINY_ALPHA/DICOMDIR": [],
}
"""What differs on the media that pydicom ships, as dcmdump shows it: nothing."""


@pytest.mark.parametrize("name", FOREIGN)
def test_media_of_pydicom(name: str, catalogue: Catalogue) -> None:
    outcome = taken_in(catalogue, DICOMDIR_TESTS / name, named_only=True)
    assert said(outcome.differences) == FOREIGN[name]
    assert outcome.read == len({tuple(r.ReferencedFileID) for r in referencing(DICOMDIR_TESTS / name)})  # fmt: skip


def test_a_medium_of_dcmtk(catalogue: Catalogue, shared_data: Path) -> None:
    """DCMTK wrote one PATIENT record for files that disagree, and one SERIES record for two modalities."""
    medium = shared_data / "filesets/dcmtk-mixed"
    outcome = taken_in(catalogue, medium, named_only=True)
    assert said(outcome.differences) == [
        ("PATIENT", "PatientName", "Test^Patient", "Anonymous", 10),
        ("PATIENT", "PatientName", "Test^Patient", "Dog^AVeryGood", 1),
        ("SERIES", "Modality", "CT", "SR", 1),
    ]
    for difference in outcome.differences:
        own = generic(medium / difference.path)
        assert str(own[difference.keyword].value) == difference.in_file
    assert outcome.is_complete


def test_another_medium_of_dcmtk(catalogue: Catalogue, shared_data: Path) -> None:
    outcome = taken_in(catalogue, shared_data / "process-dcm/tests", named_only=True)
    assert outcome.differences == []
    assert codes(outcome)["file-missing"] == 1
    assert not outcome.is_complete


@pytest.mark.parametrize("name", [*FOREIGN, "filesets/dcmtk-mixed", "process-dcm/tests"])
def test_comparing_finds_what_pydicom_finds(
    name: str, catalogue: Catalogue, request: pytest.FixtureRequest
) -> None:
    """Every key of every record that names a file, by a comparison that shares no code with dcat's."""
    path = DICOMDIR_TESTS / name
    if name not in FOREIGN:
        path = request.getfixturevalue("shared_data") / name / "DICOMDIR"
    wanted = set()
    for record in referencing(path):
        file = path.parent.joinpath(*([record.ReferencedFileID] if isinstance(record.ReferencedFileID, str) else record.ReferencedFileID))  # fmt: skip
        if not file.is_file():
            continue
        own = generic(file)
        pairs = [(e.keyword, e.value, own.get(e.tag)) for e in record if e.tag.group not in (0x0004, 0x0088) and e.VR != "SQ" and e.keyword != "SpecificCharacterSet"]  # fmt: skip
        for keyword, value, theirs in pairs:
            if theirs is None or theirs.value in (None, ""):
                continue  # what a directory must supply
            if str(value) != str(theirs.value):
                wanted.add((keyword, file.name))
    outcome = taken_in(catalogue, path, named_only=True)
    below = [d for d in outcome.differences if d.record_type not in ("PATIENT", "STUDY", "SERIES")]
    assert {(d.keyword, Path(d.path).name) for d in below} == wanted
