"""The disclosure ledger: who got what, also of exports that went wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from catalog.database.catalogue import Catalogue
from tests.builders import archive, write
from tests.journeys.steps import (
    FILE_SET_UID,
    exported,
    files_below,
    indexed,
    planned,
    records,
    rows,
    sha256,
)


def test_an_export_with_all_three_outcomes(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 2, 1, 1, 2)
    write(tmp_path / "archive/private.dcm", SOPClassUID="1.2.3.4", SOPInstanceUID="1.2.9", PatientID="P9", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", IssuerOfPatientID="X")  # fmt: skip
    indexed(catalogue, tmp_path / "archive")
    files[0].unlink()
    outcome = exported(
        catalogue,
        tmp_path / "medium",
        "PatientID=P*",
        reason="second opinion",
        recipient="Dr Müller <m@example.org>",
        file_set_id="SET_1",
    )
    (entry,) = rows(catalogue.path, "SELECT * FROM export")
    assert entry["reason"] == "second opinion"
    assert entry["recipient"] == "Dr Müller <m@example.org>"
    assert entry["selection"] == "PatientID=P*"
    assert entry["file_set_uid"] == FILE_SET_UID
    assert entry["destination"] == str((tmp_path / "medium").resolve())
    (fileset,) = rows(catalogue.path, "SELECT * FROM fileset")
    assert entry["fileset_ref"] == fileset["id"]
    assert fileset["direction"] == "exported"
    assert (fileset["file_set_uid"], fileset["file_set_id"]) == (FILE_SET_UID, "SET_1")
    assert fileset["dicomdir_digest"] == sha256(tmp_path / "medium/DICOMDIR")

    items = {i["sop_instance_uid"]: i for i in rows(catalogue.path, "SELECT * FROM export_item")}
    assert Counter(i["outcome"] for i in items.values()) == {
        "copied": 3,
        "failed": 1,
        "left-out": 1,
    }
    assert items["1.2.3.1.1.1.1"]["outcome"] == "failed"
    assert items["1.2.9"]["outcome"] == "left-out"
    assert items["1.2.9"]["issuer_of_patient_id"] == "X"
    for item in items.values():
        if item["outcome"] != "copied":
            assert item["reason"]
            assert (item["digest"], item["size_bytes"]) == (None, None)
            assert (item["file_id"] is None) == (item["outcome"] == "left-out")
            continue
        copy = tmp_path / "medium" / item["file_id"]
        assert item["digest"] == sha256(copy) == sha256(Path(item["source"]))
        assert item["size_bytes"] == copy.stat().st_size
        assert item["reason"] is None
        assert item["patient_id"] in {"P1", "P2"}
        assert item["study_instance_uid"] == f"1.2.3.{item['patient_id'][1]}.1"
    assert outcome.copied == 3


def test_the_ledger_has_the_records_of_the_medium(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 2, 1, 2)
    indexed(catalogue, tmp_path / "archive")
    exported(catalogue, tmp_path / "medium")
    kept = rows(catalogue.path, "SELECT * FROM fileset_record ORDER BY position")
    on_medium = Counter(str(r.DirectoryRecordType) for r in records(tmp_path / "medium/DICOMDIR"))
    assert Counter(row["record_type"] for row in kept) == on_medium
    assert on_medium == {"PATIENT": 1, "STUDY": 2, "SERIES": 2, "IMAGE": 4}
    assert {row["file_id"] for row in kept if row["file_id"]} == files_below(
        tmp_path / "medium"
    ) - {"DICOMDIR", "MANIFEST.SHA256"}


def test_each_export_is_an_entry_of_its_own(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 2, 1, 1, 1)
    indexed(catalogue, tmp_path / "archive")
    exported(catalogue, tmp_path / "one", "PatientID=P1")
    exported(catalogue, tmp_path / "two")
    counts = rows(
        catalogue.path,
        "SELECT count(*) AS n FROM export_item GROUP BY export_ref ORDER BY export_ref",
    )
    assert [row["n"] for row in counts] == [1, 2]


def test_an_export_over_a_removed_medium_keeps_the_former_entry(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    import shutil

    archive(tmp_path / "archive", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "archive")
    exported(catalogue, tmp_path / "medium")
    shutil.rmtree(tmp_path / "medium")
    exported(catalogue, tmp_path / "medium", file_set_uid="1.2.3.999.2")
    entries = rows(catalogue.path, "SELECT file_set_uid FROM export ORDER BY id")
    assert [e["file_set_uid"] for e in entries] == [FILE_SET_UID, "1.2.3.999.2"]
    assert len(rows(catalogue.path, "SELECT * FROM export_item WHERE outcome = 'copied'")) == 2


def test_planning_writes_nothing_into_the_ledger(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "archive")
    before = rows(catalogue.path, "SELECT count(*) AS n FROM run")
    assert planned(catalogue).items
    assert rows(catalogue.path, "SELECT * FROM export") == []
    assert rows(catalogue.path, "SELECT count(*) AS n FROM run") == before
