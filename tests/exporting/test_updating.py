"""An export that is brought in step with its selection later."""

from __future__ import annotations

import os
from pathlib import Path

import pydicom
import pytest

from catalog.cli.main import main
from catalog.database.catalogue import Catalogue, open_catalogue
from tests.builders import archive, write
from tests.exporting.test_failures import dcat
from tests.exporting.test_resuming import add_option
from tests.journeys.steps import files_below, indexed, referencing, rows, sha256


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an indexed archive of four instances and an export of them."""
    archive(tmp_path / "archive", 1, 1, 1, 4)
    index(tmp_path)
    assert dcat(tmp_path, "export", "medium", "--file-set-id", "SET").returncode == 0
    return tmp_path


def index(place: Path) -> None:
    assert dcat(place, "index", "archive").returncode == 0


def sources(place: Path) -> list[Path]:
    return sorted(p for p in (place / "archive").rglob("*") if p.is_file())


def manifest_holds(medium: Path) -> None:
    """Every file is listed with its digest, as sha256sum would find; what is kept of before is not."""
    lines = (medium / "MANIFEST.SHA256").read_text().splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    kept = {name for name in files_below(medium) if name.endswith(".bak")}
    others = files_below(medium) - {"MANIFEST.SHA256"} - kept
    assert listed == {name: sha256(medium / name) for name in others}


def stands(place: Path) -> dict[str, str]:
    """Return SOP Instance UID and File ID of what the DICOMDIR names; every file is there."""
    medium = place / "medium"
    found = {}
    for record in referencing(medium / "DICOMDIR"):
        path = "/".join(record.ReferencedFileID)
        uid = str(record.ReferencedSOPInstanceUIDInFile)
        assert pydicom.dcmread(medium / path).SOPInstanceUID == uid
        found[uid] = path
    manifest_holds(medium)
    assert dcat(place, "verify", "--media", "medium").returncode == 0
    return found


def test_new_instances_are_added(place: Path) -> None:
    before = stands(place)
    kept = {path: (place / "medium" / path).stat().st_ino for path in before.values()}
    uid = pydicom.dcmread(place / "medium/DICOMDIR").file_meta.MediaStorageSOPInstanceUID
    old = (place / "medium/DICOMDIR").read_bytes()
    archive(place / "archive", 2, 1, 1, 4)
    index(place)
    said = dcat(place, "export", "--update", "medium", "--recipient", "Dr Roe")
    assert said.returncode == 0, said.stderr
    assert "4 added, 0 replaced, 0 removed, 4 as before; 0 failed" in said.stderr
    after = stands(place)
    assert len(after) == 8
    assert before.items() <= after.items()
    assert {path: (place / "medium" / path).stat().st_ino for path in kept} == kept
    again = pydicom.dcmread(place / "medium/DICOMDIR").file_meta.MediaStorageSOPInstanceUID
    assert again == uid
    assert (place / "medium/DICOMDIR.1.bak").read_bytes() == old
    entries = rows(place / "c.db", "SELECT * FROM export ORDER BY id")
    assert [entry["recipient"] for entry in entries] == [None, "Dr Roe"]
    assert entries[0]["fileset_ref"] == entries[1]["fileset_ref"] is not None
    items = rows(place / "c.db", "SELECT * FROM export_item WHERE export_ref = ?", entries[1]["id"])
    assert {i["outcome"] for i in items} == {"copied"}
    assert {i["file_id"]: i["digest"] for i in items} == {
        path: sha256(place / "medium" / path) for uid, path in after.items() if uid not in before
    }
    assert "Nothing was written" in dcat(place, "export", "--update", "medium").stderr


def test_the_same_file_ids_as_an_export_of_all(place: Path) -> None:
    archive(place / "archive", 2, 2, 1, 4)
    index(place)
    assert dcat(place, "export", "--update", "medium").returncode == 0
    assert dcat(place, "export", "anew").returncode == 0
    assert set(stands(place).values()) == {n for n in files_below(place / "anew") if n.startswith("DICOM/")}  # fmt: skip


def test_a_changed_source_replaces_its_copy(place: Path) -> None:
    before = stands(place)
    path = sources(place)[1]
    ds = pydicom.dcmread(path)
    ds.ImageComments = "corrected"
    ds.save_as(path)
    os.utime(path, ns=(0, 1_600_000_000_000_000_000))
    stale = dcat(place, "export", "--update", "medium")
    assert "4 copies are as before" in stale.stderr, "what the catalogue does not know yet"
    index(place)
    said = dcat(place, "export", "--update", "medium")
    assert said.returncode == 0, said.stderr
    assert "0 added, 1 replaced, 0 removed, 3 as before" in said.stderr
    assert stands(place) == before
    assert sha256(path) == sha256(place / "medium" / before[str(ds.SOPInstanceUID)])


def test_a_touched_source_is_not_copied_again(place: Path) -> None:
    os.utime(sources(place)[1], ns=(0, 1_600_000_000_000_000_000))
    index(place)
    assert "4 copies are as before" in dcat(place, "export", "--update", "medium").stderr


def test_only_with_remove_anything_goes(place: Path) -> None:
    before = stands(place)
    selection = ("-k", "InstanceNumber<=2")
    said = dcat(place, "export", "--update", *selection, "medium")
    assert "0 to remove" in said.stderr, said.stderr
    assert stands(place) == before
    dry = dcat(place, "export", "--update", "--remove", "--dry-run", *selection, "medium")
    assert "2 to remove" in dry.stderr
    assert dry.stdout.count("\nremove  DICOM/") == 2
    assert stands(place) == before
    said = dcat(place, "export", "--update", "--remove", *selection, "medium")
    assert said.returncode == 0, said.stderr
    after = stands(place)
    assert len(after) == 2
    assert after.items() < before.items()
    assert {n for n in files_below(place / "medium") if n.startswith("DICOM/")} == set(after.values())  # fmt: skip
    gone = rows(place / "c.db", "SELECT sop_instance_uid, digest FROM export_item WHERE outcome = 'removed'")  # fmt: skip
    assert {row["sop_instance_uid"] for row in gone} == before.keys() - after.keys()
    back = dcat(place, "export", "--update", "medium")
    assert "2 added" in back.stderr, back.stderr
    assert stands(place) == before


def test_records_of_others_stay(place: Path) -> None:
    write(place / "foreign/x.dcm", PatientID="F", StudyInstanceUID="9.1", SeriesInstanceUID="9.1.1", SOPInstanceUID="9.1.1.1")  # fmt: skip
    assert dcat_alone(place, "dicomdir", "add", "medium", "foreign").returncode == 0
    said = dcat(place, "export", "--update", "--remove", "-k", "InstanceNumber<=2", "medium")
    assert said.returncode == 0, said.stderr
    uids = {str(r.ReferencedSOPInstanceUIDInFile) for r in referencing(place / "medium/DICOMDIR")}
    assert uids == {"9.1.1.1", "1.2.3.1.1.1.1", "1.2.3.1.1.1.2"}


def dcat_alone(place: Path, *arguments: str):  # type: ignore[no-untyped-def]
    import subprocess
    import sys

    from tests.exporting.test_failures import environment

    return subprocess.run([sys.executable, "-m", "catalog", *arguments], cwd=place, env=environment(), capture_output=True, text=True, check=False, timeout=60)  # fmt: skip


def test_a_member_of_an_archive_is_left_out(place: Path) -> None:
    import zipfile

    write(place / "x.dcm", PatientID="Z", StudyInstanceUID="8.1", SeriesInstanceUID="8.1.1", SOPInstanceUID="8.1.1.1")  # fmt: skip
    with zipfile.ZipFile(place / "archive/z.zip", "w") as packed:
        packed.write(place / "x.dcm", "x.dcm")
    index(place)
    said = dcat(place, "export", "--update", "medium")
    assert said.returncode == 3
    assert "lies in an archive" in said.stderr


def test_places_that_cannot_be_updated(place: Path) -> None:
    assert "knows of no export to" in dcat(place, "export", "--update", "elsewhere").stderr
    (place / "medium/DICOMDIR").unlink()
    said = dcat(place, "export", "--update", "medium")
    assert said.returncode == 1
    assert "DICOMDIR cannot be read" in said.stderr
    assert dcat(place, "export", "--zip", "m.zip").returncode == 0
    assert "made anew" in dcat(place, "export", "--update", "m.zip", "--zip").stderr
    assert dcat(place, "export", "--remove", "medium").returncode == 2


def test_an_interrupted_update_is_repeated_not_resumed(place: Path) -> None:
    with open_catalogue(place / "c.db") as catalogue:
        add_option(catalogue, "update")
        with catalogue.write() as connection:
            connection.exec_driver_sql("UPDATE export SET fileset_ref = NULL")
    said = dcat(place, "export", "--resume", "medium")
    assert "--update" in said.stderr
    assert said.returncode == 1


def test_unfinished_exports_are_resumed_first(catalogue: Catalogue, tmp_path: Path) -> None:
    from catalog.errors import ExportError
    from catalog.exporting.updating import existing
    from tests.exporting.test_resuming import interrupted
    from tests.journeys.steps import everything

    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    interrupted(catalogue, tmp_path / "medium", 2)
    with pytest.raises(ExportError, match="--resume"):
        existing(catalogue, tmp_path / "medium", everything())


class Killed(BaseException):
    pass


def killed(place: Path, monkeypatch: pytest.MonkeyPatch, where: str, *options: str) -> None:
    """Update, and end the process where `where` is called first."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(where, die)
        patched.chdir(place)
        with pytest.raises(Killed):
            main(["export", "--update", *options, "medium", "--db", "c.db"])


LATE = "catalog.exporting.update_entry.Entry.finished"


def on_record(place: Path) -> dict[str, str]:
    """Return what the ledger says stands on the medium: digests by File ID."""
    query = "SELECT x.* FROM export_item x WHERE outcome IN ('copied', 'removed') ORDER BY export_ref, id"  # fmt: skip
    found: dict[str, str] = {}
    for row in rows(place / "c.db", query):
        found.pop(row["file_id"], None)
        if row["outcome"] == "copied":
            found[row["file_id"]] = row["digest"]
    return found


def as_it_stands(place: Path) -> dict[str, str]:
    return {path: sha256(place / "medium" / path) for path in stands(place).values()}


def test_what_a_killed_update_brought_is_on_record_after_the_next(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The medium was finished, and the ledger did not come to know: who received it must not be lost."""
    archive(place / "archive", 2, 1, 1, 4)
    index(place)
    killed(place, monkeypatch, LATE, "--recipient", "Dr Roe")
    assert len(as_it_stands(place)) == 8
    assert len(on_record(place)) == 4
    dry = dcat(place, "export", "--update", "--dry-run", "medium")
    assert "4 changes of an update that was interrupted" in dry.stderr
    assert len(on_record(place)) == 4
    said = dcat(place, "export", "--update", "medium")
    assert said.returncode == 0, said.stderr
    assert on_record(place) == as_it_stands(place)
    assert "0 to add" in dcat(place, "export", "--update", "medium").stderr
    told = dcat(place, "ledger", "patient", "P2").stdout
    assert "Dr Roe" in told


def test_what_a_killed_update_replaced_and_removed_is_on_record_after_the_next(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = sources(place)
    gone = pydicom.dcmread(first).SOPInstanceUID
    changed = pydicom.dcmread(second)
    changed.StudyDescription = "corrected"
    changed.save_as(second)
    index(place)
    selection = ("--remove", "-k", f"SOPInstanceUID!={gone}")
    killed(place, monkeypatch, LATE, *selection)
    assert on_record(place) != as_it_stands(place)
    said = dcat(place, "export", "--update", *selection, "medium")
    assert said.returncode == 0, said.stderr
    assert on_record(place) == as_it_stands(place)


def test_what_a_killed_update_removed_before_it_added(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = sources(place)
    gone = pydicom.dcmread(first).SOPInstanceUID
    changed = pydicom.dcmread(second)
    changed.StudyDescription = "corrected"
    changed.save_as(second)
    index(place)
    selection = ("--remove", "-k", f"SOPInstanceUID!={gone}")
    killed(place, monkeypatch, "catalog.exporting.update_entry.Entry.removed", *selection)
    said = dcat(place, "export", "--update", *selection, "medium")
    assert said.returncode == 0, said.stderr
    assert on_record(place) == as_it_stands(place)


def test_a_killed_update_that_had_not_begun(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it planned and did not do is not said to be done."""
    _, second, *_ = sources(place)
    changed = pydicom.dcmread(second)
    changed.StudyDescription = "corrected"
    changed.save_as(second)
    index(place)
    before = on_record(place)
    killed(place, monkeypatch, "catalog.maintaining.removing.remove", "--remove")
    assert on_record(place) == before
    said = dcat(place, "export", "--update", "--remove", "medium")
    assert said.returncode == 0, said.stderr
    assert on_record(place) == as_it_stands(place)


def test_an_update_under_way_is_left_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(place / "archive", 2, 1, 1, 4)
    index(place)
    said = []

    def meanwhile(*_: object, **__: object) -> None:
        said.append(dcat(place, "export", "--update", "medium"))
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("catalog.maintaining.adding.add", meanwhile)
        patched.chdir(place)
        with pytest.raises(Killed):
            main(["export", "--update", "medium", "--db", "c.db"])
    assert said[0].returncode == 1
    assert "is under way" in said[0].stderr
    assert len(as_it_stands(place)) == 4
