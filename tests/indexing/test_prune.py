"""Forgetting files that are gone."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from catalog.database import health, models, roots, runs, stored_files
from catalog.database.catalogue import Catalogue
from catalog.database.pruning import Toll
from catalog.errors import CatalogueError, PathError
from catalog.indexing import Settings, Stop, index, newly_gone, plan, prunable, prune, pruning
from tests import builders, tables

NewCatalogue = Callable[[], Catalogue]
NOW = datetime.now().astimezone()


def pruned(catalogue: Catalogue, *paths: Path, days: float | None = None) -> Toll:
    """Prune; hold what was done to what the plan said, and the catalogue to its rules."""
    agreed = plan(catalogue, paths, days, datetime.now().astimezone())
    done = prune(catalogue, agreed)
    assert health.problems(catalogue) == []
    assert done.toll == agreed.toll
    assert done.there == 0
    return done.toll


def sound(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """Return the dump of a catalogue that has no problems."""
    assert health.problems(catalogue) == []
    return tables.dump(catalogue.path)


def raw(catalogue: Catalogue, query: str) -> list[Any]:
    """Return what a query gives."""
    with closing(sqlite3.connect(catalogue.path)) as connection:
        return connection.execute(query).fetchall()


def test_after_pruning_the_rows_are_those_of_the_files_that_are_there(
    new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    folder = tmp_path / "archive"
    builders.archive(folder, patients=3, studies=2, series=2, instances=2)
    (folder / "notes.txt").write_text("not DICOM")
    for i, name in enumerate(["A", "A", "B"]):  # a dispute that ends with the files that began it
        builders.write(folder / "x" / f"{i}", SOPInstanceUID=f"9.{i}", PatientName=name)
    index(catalogue, [folder], Settings())
    shutil.rmtree(folder / "p1")
    shutil.rmtree(folder / "p2" / "t1" / "s1")
    for path in ("notes.txt", "x/0", "x/1", "p3/t1/s1/i1.dcm"):
        (folder / path).unlink()
    index(catalogue, [folder], Settings())
    before = sound(catalogue)
    plan(catalogue, [folder], None, NOW)
    assert sound(catalogue) == before
    assert pruned(catalogue, folder) == Toll(8 + 2 + 1 + 2 + 1, 8 + 2 + 2 + 1, 4 + 1, 2)
    index(fresh, [folder], Settings())
    assert sound(catalogue) == sound(fresh)
    assert pruned(catalogue, folder) == Toll()
    assert raw(catalogue, "SELECT command, outcome FROM run ORDER BY id DESC LIMIT 1") == [
        ("prune", "done")
    ]


def test_of_files_that_are_all_missing_the_rest_decides(
    new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    folder = tmp_path / "archive"
    for i, name in enumerate(["A", "A", "B"]):
        builders.write(folder / "x" / f"{i}", SOPInstanceUID=f"9.{i}", PatientName=name)
    builders.write(folder / "other", PatientID="Q", StudyInstanceUID="8", SeriesInstanceUID="8.1")
    index(catalogue, [folder], Settings())
    (folder / "x" / "0").unlink()
    (folder / "x" / "1").unlink()
    index(catalogue, [folder], Settings())
    with catalogue.write() as connection:
        long_ago = (NOW - timedelta(days=100)).isoformat(timespec="seconds")
        connection.exec_driver_sql(
            f"UPDATE file SET missing_since = '{long_ago}' WHERE status = 'missing'"
        )
    (folder / "x" / "2").unlink()
    index(catalogue, [folder], Settings())
    names = "SELECT patient_name FROM patient WHERE patient_id = 'P1'"
    assert raw(catalogue, names) == [("A",)]
    assert pruned(catalogue, folder, days=30).files == 2
    assert raw(catalogue, names) == [("B",)]
    assert pruned(catalogue, folder, days=30) == Toll()
    assert pruned(catalogue, folder, days=0).files == 1
    index(fresh, [folder], Settings())
    assert sound(catalogue) == sound(fresh)


def test_only_at_the_places_named(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    builders.archive(folder, patients=3, studies=1, series=1, instances=2)
    index(catalogue, [folder], Settings())
    for patient in ("p1", "p2"):
        (folder / patient / "t1/s1/i1.dcm").unlink()
    index(catalogue, [folder], Settings())
    assert pruned(catalogue, folder / "p1").files == 1
    assert pruned(catalogue, folder / "p3").files == 0
    assert pruned(catalogue, folder).files == 1


def test_times_of_different_offsets_are_compared_as_times(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    builders.archive(folder, patients=1, studies=1, series=1, instances=3)
    index(catalogue, [folder], Settings())
    for i in (1, 2):
        (folder / f"p1/t1/s1/i{i}.dcm").unlink()
    index(catalogue, [folder], Settings())
    with catalogue.write() as connection:
        # The earlier of the two as a moment is the later as a text.
        for i, time in ((1, "2024-06-01T01:30:00+12:00"), (2, "2024-05-31T23:30:00-10:00")):
            connection.execute(
                update(models.file)
                .where(models.file.c.path.endswith(f"i{i}.dcm"))
                .values(missing_since=time)
            )
    now = datetime.fromisoformat("2024-06-02T00:00:00+00:00")
    which = plan(catalogue, [folder], 1, now).which
    assert [f.path[-6:] for f in prunable(catalogue, which)] == ["i1.dcm"]


def test_what_a_directory_or_the_ledger_says_stays(catalogue: Catalogue, tmp_path: Path) -> None:
    from catalog.cli.main import main
    from tests.journeys.steps import DICOMDIR_TESTS

    folder = tmp_path / "medium"
    shutil.copytree(DICOMDIR_TESTS, folder)
    db = ["--db", str(catalogue.path)]
    index(catalogue, [folder], Settings())
    assert main(["export", str(tmp_path / "out"), "--patient", "77654033", *db]) == 0
    assert main(["import", str(folder), *db]) in (0, 3)
    ledger = [raw(catalogue, f"SELECT * FROM {t}") for t in ("export", "export_item")]
    records = raw(catalogue, "SELECT count(*) FROM fileset_record")
    named = raw(catalogue, "SELECT count(DISTINCT instance_ref) FROM fileset_record")
    for child in folder.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
    index(catalogue, [folder], Settings())
    assert pruned(catalogue, folder).files > 20
    assert [raw(catalogue, f"SELECT * FROM {t}") for t in ("export", "export_item")] == ledger
    assert len(ledger[1]) > 0
    assert raw(catalogue, "SELECT count(*) FROM fileset_record") == records
    assert raw(catalogue, "SELECT count(*) FROM instance") == named


def test_files_that_only_a_directory_names_are_not_pruned(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    from catalog.cli.main import main
    from tests.journeys.steps import DICOMDIR_TESTS

    (tmp_path / "medium").mkdir()
    shutil.copy(DICOMDIR_TESTS / "DICOMDIR", tmp_path / "medium" / "DICOMDIR")
    assert main(["import", str(tmp_path / "medium"), "--db", str(catalogue.path)]) in (0, 3)
    before = sound(catalogue)
    with catalogue.read() as connection:
        is_known = roots.place_of(connection, str(tmp_path / "medium")) is not None
    if is_known:
        assert pruned(catalogue, tmp_path / "medium") == Toll()
    assert sound(catalogue) == before


# -- folders that are not there --------------------------------------------------------------------


def test_a_folder_that_is_empty_or_gone_is_suspicious(
    new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    catalogue = new_catalogue()
    folder = tmp_path / "archive"
    builders.archive(folder / "a", patients=1, studies=1, series=1, instances=2)
    builders.archive(folder / "b", patients=1, studies=1, series=1, instances=2)
    index(catalogue, [folder], Settings())
    assert plan(catalogue, [folder], None, NOW).suspicions == ()
    shutil.rmtree(folder / "a" / "p1")
    shutil.rmtree(folder / "b")
    agreed = plan(catalogue, [folder / "a", folder / "b"], None, NOW)
    assert [(Path(s.path).name, s.exists) for s in agreed.suspicions] == [("a", True), ("b", False)]
    # Nobody has found the files in `a` missing yet; those in `b` cannot be looked for.
    assert agreed.toll.files == 2
    assert [f.path for f in newly_gone(catalogue, agreed.which)] == [
        "a/p1/t1/s1/i1.dcm",
        "a/p1/t1/s1/i2.dcm",
    ]


def test_a_root_that_is_gone_for_good_goes_with_its_files(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    builders.archive(folder, patients=1, studies=1, series=1, instances=2)
    index(catalogue, [folder], Settings())
    shutil.rmtree(folder)
    assert pruned(catalogue, folder) == Toll(2, 2, 1, 1, 1)
    dump = sound(catalogue)
    assert not any(dump[name] for name in ("root", "file", "instance", "patient"))
    with pytest.raises(PathError, match="never indexed"):
        plan(catalogue, [folder], None, NOW)


def test_a_folder_that_cannot_be_looked_into_is_refused(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    builders.archive(folder, patients=1, studies=1, series=1, instances=2)
    index(catalogue, [folder], Settings())
    real = pruning.os.stat

    def stale(path: Any, **options: Any) -> Any:
        if str(path) == str(folder):
            raise OSError(116, "Stale file handle")
        return real(path, **options)

    monkeypatch.setattr(pruning.os, "stat", stale)
    with pytest.raises(PathError, match=r"Stale file handle.*Nothing was pruned"):
        plan(catalogue, [folder], None, NOW)


def test_a_file_that_is_back_at_the_last_moment_keeps_its_row(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    files = builders.archive(folder, patients=1, studies=1, series=1, instances=3)
    data = files[0].read_bytes()
    index(catalogue, [folder], Settings())
    files[0].unlink()
    files[1].unlink()
    index(catalogue, [folder], Settings())
    agreed = plan(catalogue, [folder], None, NOW)
    files[0].write_bytes(data)
    files[2].unlink()  # missing too by now, but that was not agreed to
    with catalogue.write() as connection:
        (row,) = catalogue.ask(lambda connection: stored_files.known_by_id(connection, [3]))
        run_ref = runs.last_done(catalogue, "index")
        stored_files.mark_missing(connection, [row], run_ref, "2999-01-01T00:00:00+00:00")
    done = prune(catalogue, agreed)
    assert (done.toll.files, done.there) == (1, 1)
    assert {row["path"][-6:] for row in sound(catalogue)["file"]} == {"i1.dcm", "i3.dcm"}


def test_an_archive_that_is_back_keeps_its_members(catalogue: Catalogue, tmp_path: Path) -> None:
    import zipfile

    folder = tmp_path / "archive"
    builders.write(folder / "keep.dcm", SOPInstanceUID="7")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"{i}.dcm", builders.dicom_bytes(SOPInstanceUID=f"5.{i}"))
    index(catalogue, [folder], Settings())
    before = sound(catalogue)
    assert list(newly_gone(catalogue, plan(catalogue, [folder], None, NOW).which)) == []
    (folder / "a.zip").rename(tmp_path / "a.zip")
    index(catalogue, [folder], Settings())
    agreed = plan(catalogue, [folder], None, NOW)
    assert agreed.toll.files == 4
    (tmp_path / "a.zip").rename(folder / "a.zip")
    assert prune(catalogue, agreed).there == 4
    index(catalogue, [folder], Settings())
    assert sound(catalogue) == before
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("0.dcm", builders.dicom_bytes(SOPInstanceUID="5.0"))
    index(catalogue, [folder], Settings())
    assert pruned(catalogue, folder).files == 2


# -- interrupted -----------------------------------------------------------------------------------


def test_stopped_between_batches_and_done_again(
    new_catalogue: NewCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    monkeypatch.setattr(pruning, "BATCH_FILES", 3)
    folder = tmp_path / "archive"
    builders.archive(folder, patients=2, studies=2, series=2, instances=2)
    index(catalogue, [folder], Settings())
    shutil.rmtree(folder / "p1")
    index(catalogue, [folder], Settings())
    stop = Stop()
    batches = []

    def impatient(event: object) -> None:
        if type(event).__name__ == "Progress":
            batches.append(event)
            if len(batches) == 2:
                stop.ask()

    with pytest.raises(KeyboardInterrupt):
        prune(catalogue, plan(catalogue, [folder], None, NOW), listener=impatient, stop=stop)
    assert health.problems(catalogue) == []
    assert raw(catalogue, "SELECT count(*) FROM file WHERE status = 'missing'") == [(8 - 6,)]
    assert pruned(catalogue, folder).files == 2
    index(fresh, [folder], Settings())
    assert sound(catalogue) == sound(fresh)


def test_a_plan_for_roots_that_are_others_by_now_is_refused(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    """While somebody thinks about a plan another may put a root above, or its number be given anew."""
    builders.write(tmp_path / "in" / "a" / "1.dcm", SOPInstanceUID="1.1")
    gone = builders.write(tmp_path / "gone" / "2.dcm", SOPInstanceUID="1.2")
    index(catalogue, [tmp_path / "in" / "a"], Settings())
    index(catalogue, [gone.parent], Settings())
    shutil.rmtree(gone.parent)
    agreed = plan(catalogue, [gone.parent], None, NOW)
    assert agreed.toll.files == 1
    prune(catalogue, plan(catalogue, [gone.parent], None, NOW))
    builders.write(tmp_path / "other" / "3.dcm", SOPInstanceUID="1.3")
    index(catalogue, [tmp_path / "other"], Settings())
    before = sound(catalogue)
    with pytest.raises(CatalogueError, match="Nothing was pruned"):
        prune(catalogue, agreed)
    assert sound(catalogue)["file"] == before["file"]
    agreed = plan(catalogue, [tmp_path / "in" / "a"], None, NOW)
    index(catalogue, [tmp_path / "in"], Settings())
    with pytest.raises(CatalogueError, match="Nothing was pruned"):
        prune(catalogue, agreed)
