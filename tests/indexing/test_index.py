"""From folders to rows."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from catalog.database import health, models
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.upsert import RowWriter
from catalog.dicom.alike import HeaderReader
from catalog.errors import CatalogueBusy, CatalogueError, PathError
from catalog.events import Event, Finished, Noticed, Progress, Started
from catalog.indexing import (
    Counts,
    Interrupted,
    Settings,
    Stop,
    executing,
    index,
    index_changes,
    one_run,
    pool,
)
from tests import builders, tables
from tests.indexing import readers

NewCatalogue = Callable[[], Catalogue]


def indexed(catalogue: Catalogue, *paths: Path, **settings: Any) -> Counts:
    """Index and hold the counts to the rules that they obey."""
    counts = index(catalogue, list(paths), Settings(**settings))
    done = counts.done
    assert counts.files == sum(done[kind] for kind in ("new", "changed", "unchanged", "returned"))
    assert counts.files == sum(counts.by_status.values())
    if not (settings.get("full") or settings.get("prove")):
        assert done["opened"] <= done["new"] + done["changed"]
    return counts


def sound(catalogue: Catalogue, *, without: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return the dump of a catalogue that has no problems."""
    assert health.problems(catalogue) == []
    return tables.dump(catalogue.path, without=tuple(without))


def statuses(catalogue: Catalogue) -> dict[str, str]:
    """Return the status of each file by path."""
    return {row["path"]: row["status"] for row in tables.dump(catalogue.path)["file"]}


def last_run(catalogue: Catalogue) -> tuple[str, dict[str, int]]:
    """Return outcome and counts of the latest run."""
    with closing(sqlite3.connect(catalogue.path)) as raw:
        outcome, counts = raw.execute(
            "SELECT outcome, counts FROM run ORDER BY id DESC LIMIT 1"
        ).fetchone()
    return outcome, json.loads(counts or "{}")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of everything: 12 instances and what else lies about in archives."""
    folder = tmp_path / "archive"
    builders.archive(folder, patients=1, studies=2, series=2, instances=3)
    builders.write(folder / "odd" / "no-series.dcm", SeriesInstanceUID=...)
    builders.write(
        folder / "odd" / "DICOMDIR-like.dcm", SOPInstanceUID="1.7", PatientBirthDate="19700131"
    )
    whole = builders.dicom_bytes(SOPInstanceUID="1.8")
    (folder / "odd" / "short.dcm").write_bytes(whole[:-4])
    (folder / "odd" / "header-only.dcm").write_bytes(whole[:200])
    (folder / "notes.txt").write_text("not DICOM", encoding="utf-8")
    (folder / "empty").touch()
    (folder / "link.dcm").symlink_to("p1/t1/s1/i1.dcm")
    (folder / "broken").symlink_to("nowhere")
    (folder / "loop").symlink_to(".")
    os.mkfifo(folder / "pipe")
    (folder / os.fsdecode(b"latin-\xe4.dcm")).write_bytes(
        builders.dicom_bytes(SOPInstanceUID="1.9")
    )
    return folder


def test_every_entry_has_a_row_whatever_it_is(catalogue: Catalogue, mixed: Path) -> None:
    counts = indexed(catalogue, mixed)
    found = statuses(catalogue)
    on_disk = [Path(folder) / name for folder, _, names in os.walk(mixed) for name in names]
    links_to_folders = 1
    assert counts.files == len(found) == len(on_disk) + links_to_folders
    assert {path: status for path, status in found.items() if status != "ok"} == {
        "odd/no-series.dcm": "incomplete",
        "odd/short.dcm": "truncated",
        "odd/header-only.dcm": "unreadable",
        "notes.txt": "not-dicom",
        "empty": "not-dicom",
        "broken": "unreadable",
        "loop": "not-followed",
        "pipe": "not-followed",
    }
    assert found["link.dcm"] == found["latin-\\xe4.dcm"] == "ok"
    assert len(sound(catalogue)["instance"]) == 12 + 3
    assert counts.done["new"] == counts.files
    assert last_run(catalogue) == ("done", counts.as_dict())


def test_a_second_run_opens_nothing(catalogue: Catalogue, mixed: Path) -> None:
    indexed(catalogue, mixed)
    before = sound(catalogue)
    counts = indexed(catalogue, mixed)
    assert (
        counts.done["opened"]
        == counts.done["new"]
        == counts.done["changed"]
        == counts.done["missing"]
        == 0
    )
    assert counts.done["unchanged"] == counts.files
    assert sound(catalogue) == before


def test_a_full_run_opens_all_and_changes_nothing(catalogue: Catalogue, mixed: Path) -> None:
    first = indexed(catalogue, mixed)
    before = sound(catalogue)
    counts = indexed(catalogue, mixed, full=True)
    assert counts.done["opened"] == first.done["opened"]
    assert sound(catalogue) == before


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([[""], [""]], id="twice"),
        pytest.param([["p1/t1"], ["p1/t2"], [""]], id="parts, then the folder above"),
        pytest.param([[""], ["p1"]], id="the folder, then a part"),
        pytest.param([["p1/t1/s1/i1.dcm"], [""]], id="a file first"),
        pytest.param([["p1", "odd"], [""]], id="two folders in one run"),
        pytest.param([["", ""]], id="the same folder twice in one run"),
        pytest.param([["", "p1"]], id="a folder and a part of it in one run"),
        pytest.param([["p1", ""]], id="a part and the folder above it in one run"),
        pytest.param([["p1/t1/s1/i1.dcm", "p1"]], id="a file and its folder in one run"),
    ],
)
def test_in_parts_or_whole_the_rows_are_the_same(
    new_catalogue: NewCatalogue, mixed: Path, parts: list[list[str]]
) -> None:
    whole, pieces = new_catalogue(), new_catalogue()
    indexed(whole, mixed)
    for paths in parts:
        indexed(pieces, *(mixed / path for path in paths))
    if "" not in parts[-1] and not any("" in paths for paths in parts):
        indexed(pieces, mixed)
    assert sound(pieces) == sound(whole)


def test_jobs_do_not_matter(
    new_catalogue: NewCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executing, "FEW_FILES", 64)
    copies(tmp_path / "many", 200)
    one, two = new_catalogue(), new_catalogue()
    indexed(one, tmp_path / "many")
    indexed(two, tmp_path / "many", jobs=2)
    assert sound(one) == sound(two)
    assert len(tables.dump(two.path)["instance"]) == 200


def copies(folder: Path, count: int) -> None:
    """Write `count` small instances of a few series that do not quite agree, by editing bytes."""
    folder.mkdir(parents=True)
    bytes_of = builders.dicom_bytes(
        SOPInstanceUID="1.2.3.90000", SeriesInstanceUID="1.2.4.900", StudyDescription="Thorax0"
    )
    for i in range(count):
        data = bytes_of.replace(b"1.2.3.90000", f"1.2.3.{10000 + i}".encode()).replace(
            b"1.2.4.900", f"1.2.4.{100 + i // 50}".encode()
        )
        (folder / f"{i:05d}.dcm").write_bytes(data.replace(b"Thorax0", f"Thorax{i % 3}".encode()))


# -- files that change -----------------------------------------------------------------------------


def test_missing_returned_changed(new_catalogue: NewCatalogue, tmp_path: Path) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    folder = tmp_path / "archive"
    files = builders.archive(folder, patients=1, studies=1, series=1, instances=4)
    indexed(catalogue, folder)
    before = sound(catalogue)
    away = tmp_path / "away"
    files[0].rename(away)
    counts = indexed(catalogue, folder)
    assert (counts.done["missing"], counts.done["unchanged"], counts.files) == (1, 3, 3)
    assert statuses(catalogue)["p1/t1/s1/i1.dcm"] == "missing"
    assert len(sound(catalogue)["instance"]) == 4
    assert indexed(catalogue, folder).done["missing"] == 0
    away.rename(files[0])
    counts = indexed(catalogue, folder)
    assert (counts.done["returned"], counts.done["opened"]) == (1, 0)
    assert sound(catalogue) == before
    builders.write(
        files[0],
        PatientID="P9",
        StudyInstanceUID="1.9",
        SeriesInstanceUID="1.9.1",
        SOPInstanceUID="1.9.1.1",
    )
    builders.write(
        files[1],
        PatientID="P9",
        StudyInstanceUID="1.9",
        SeriesInstanceUID="1.9.1",
        SOPInstanceUID="1.9.1.2",
    )
    assert indexed(catalogue, folder).done["changed"] == 2
    indexed(fresh, folder)
    assert sound(catalogue) == sound(fresh)
    assert len(sound(catalogue)["instance"]) == 4


def test_a_returned_file_that_changed_is_read_again(
    new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    (path, *_) = builders.archive(tmp_path / "a", 1, 1, 1, 2)
    indexed(catalogue, tmp_path / "a")
    path.unlink()
    indexed(catalogue, tmp_path / "a")
    builders.write(path, SOPInstanceUID="1.99", PatientName="Longer^Name")
    counts = indexed(catalogue, tmp_path / "a")
    assert (counts.done["changed"], counts.done["opened"]) == (1, 1)
    indexed(fresh, tmp_path / "a")
    assert sound(catalogue) == sound(fresh)


def test_missing_files_lose_their_vote(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for i, name in enumerate(["Usual", "Usual", "Rare"]):
        builders.write(folder / f"{i}.dcm", SOPInstanceUID=f"1.{i}", PatientName=name)
    indexed(catalogue, folder)
    assert sound(catalogue)["patient"][0]["patient_name"] == "Usual"
    (folder / "0.dcm").unlink()
    (folder / "1.dcm").unlink()
    indexed(catalogue, folder)
    assert sound(catalogue)["patient"][0]["patient_name"] == "Rare"


def test_moved_files_keep_their_rows(new_catalogue: NewCatalogue, tmp_path: Path) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    folder = tmp_path / "archive"
    builders.archive(folder, patients=2, studies=1, series=1, instances=3)
    indexed(catalogue, folder)
    with closing(sqlite3.connect(catalogue.path)) as raw:
        ids = {row[0] for row in raw.execute("SELECT id FROM file")}
    (folder / "p1").rename(folder / "renamed")
    counts = indexed(catalogue, folder)
    assert (counts.done["moved"], counts.done["missing"], counts.done["new"]) == (3, 0, 3)
    with closing(sqlite3.connect(catalogue.path)) as raw:
        assert {row[0] for row in raw.execute("SELECT id FROM file")} == ids
    indexed(fresh, folder)
    assert sound(catalogue) == sound(fresh)


def test_a_renamed_folder_is_joined_in_batches_and_after_a_stop_by_the_next_run(
    new_catalogue: NewCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of millions of files none is waited for, and no writer waits for all of them."""
    catalogue, fresh = new_catalogue(), new_catalogue()
    folder = tmp_path / "archive"
    builders.archive(folder, patients=2, studies=1, series=2, instances=2)
    builders.write(folder / "p1" / "x.dcm", SOPInstanceUID="9.1", PatientName="Another")
    indexed(catalogue, folder)
    with closing(sqlite3.connect(catalogue.path)) as raw:
        ids = {row[0] for row in raw.execute("SELECT id FROM file")}
    for name in ("p1", "p2"):
        (folder / name).rename(folder / f"renamed-{name}")
    monkeypatch.setattr(one_run, "BATCH_FILES", 2)
    stop, join = Stop(), one_run.OneRun._join

    def stopped(self: Any, *given: Any) -> Any:
        stop.wanted = True
        return join(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(one_run.OneRun, "_join", stopped)
        with pytest.raises(Interrupted):
            index(catalogue, [folder], Settings(), stop=stop)
    assert [row["status"] for row in sound(catalogue)["file"]].count("missing") == 7
    counts = indexed(catalogue, folder)
    assert (counts.done["moved"], counts.done["missing"]) == (7, 0)
    with closing(sqlite3.connect(catalogue.path)) as raw:
        assert {row[0] for row in raw.execute("SELECT id FROM file")} == ids
    indexed(fresh, folder)
    assert sound(catalogue) == sound(fresh)


def test_a_run_that_is_stopped_counts_what_it_stored(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executing, "CHUNK_FILES", 4)
    monkeypatch.setattr(one_run, "CHUNK_FILES", 4)
    copies(tmp_path / "archive", 40)
    stop = Stop()

    def impatient(event: Event) -> None:
        stop.wanted = isinstance(event, Progress)

    with pytest.raises(Interrupted):
        index(
            catalogue,
            [tmp_path / "archive"],
            Settings(),
            listener=impatient,
            stop=stop,
            executor=Ahead(),
        )
    outcome, counts = last_run(catalogue)
    stored = len(tables.dump(catalogue.path)["file"])
    assert (outcome, counts["files"]) == ("interrupted", stored)
    assert 0 < stored < 40
    assert (counts["new"], counts["opened"], counts["status ok"]) == (stored, stored, stored)
    done = indexed(catalogue, tmp_path / "archive").done
    assert (done["new"], done["unchanged"]) == (40 - stored, stored)


class Ahead(executing.InProcess):
    """Takes chunks ahead of those that it reads, as processes do."""

    def read(self, chunks: Any, how: Any, stop: Any, listener: Any = None) -> Any:
        following, _ = executing.looked_ahead(chunks)
        for root, readings in super().read(following, how, stop):
            yield root, readings
            if stop.wanted:
                return


def test_a_run_that_cannot_store_does_not_count_what_is_not_stored(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_run, "BATCH_FILES", 10)
    monkeypatch.setattr(one_run, "MOST_FILES", 10)
    monkeypatch.setattr(executing, "CHUNK_FILES", 5)
    monkeypatch.setattr(one_run, "CHUNK_FILES", 5)
    copies(tmp_path / "archive", 40)
    store, calls = RowWriter.store, 0

    def full(self: RowWriter, *given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise CatalogueError("No space is left.")
        store(self, *given)

    monkeypatch.setattr(RowWriter, "store", full)
    with pytest.raises(CatalogueError, match="No space"):
        index(catalogue, [tmp_path / "archive"], Settings())
    outcome, counts = last_run(catalogue)
    stored = len(tables.dump(catalogue.path)["file"])
    assert (outcome, counts["files"], counts["new"]) == ("failed", stored, stored)
    assert stored == 20


def test_a_file_that_moved_and_changed_its_mind_leaves_no_false_dispute(
    new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    folder = tmp_path / "a"
    for i, sex in enumerate("FFM"):
        builders.write(folder / f"{i}.dcm", SOPInstanceUID=f"1.{i}", PatientSex=sex)
    indexed(catalogue, folder)
    (folder / "2.dcm").unlink()
    builders.write(folder / "moved.dcm", SOPInstanceUID="1.2", PatientSex="F")
    assert indexed(catalogue, folder).done["moved"] == 1
    indexed(fresh, folder)
    assert sound(catalogue) == sound(fresh)


def test_a_copy_is_not_a_move(catalogue: Catalogue, tmp_path: Path) -> None:
    (path,) = builders.archive(tmp_path / "a", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "a")
    shutil.copy2(path, path.with_name("copy.dcm"))
    indexed(catalogue, tmp_path / "a")
    path.unlink()
    counts = indexed(catalogue, tmp_path / "a")
    assert (counts.done["missing"], counts.done["moved"]) == (1, 0)


def test_a_file_becomes_a_folder_and_back(new_catalogue: NewCatalogue, tmp_path: Path) -> None:
    catalogue = new_catalogue()
    data = builders.dicom_bytes()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(data)
    indexed(catalogue, tmp_path / "a")
    (tmp_path / "a" / "x").unlink()
    builders.write(tmp_path / "a" / "x" / "y", SOPInstanceUID="1.5")
    indexed(catalogue, tmp_path / "a")
    assert statuses(catalogue) == {"x": "missing", "x/y": "ok"}
    sound(catalogue)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = builders.archive(tmp_path / "a", 1, 1, 1, 1)
    real = HeaderReader.read

    def growing(*arguments: Any) -> Any:
        header = real(*arguments)
        with path.open("ab") as more:
            more.write(b"\0\0")
        return header

    monkeypatch.setattr(HeaderReader, "read", growing)
    indexed(catalogue, tmp_path / "a")
    assert [f["code"] for f in sound(catalogue)["finding"]] == ["changed-while-read"]
    monkeypatch.setattr(HeaderReader, "read", real)
    assert indexed(catalogue, tmp_path / "a").done["changed"] == 1
    assert sound(catalogue)["finding"] == []


# -- folders that cannot be read -------------------------------------------------------------------


def test_files_of_an_unlisted_folder_are_not_missing(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    builders.archive(folder, patients=3, studies=1, series=1, instances=2)
    indexed(catalogue, folder)
    before = statuses(catalogue)
    real = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda path: denied() if str(path).endswith("p2") else real(path)
    )
    (folder / "p3" / "t1" / "s1" / "i1.dcm").unlink()
    events: list[Event] = []
    counts = index(catalogue, [folder], Settings(), listener=events.append)
    assert (counts.done["unlisted"], counts.done["missing"], counts.files) == (1, 1, 3)
    assert statuses(catalogue) == before | {"p3/t1/s1/i1.dcm": "missing"}
    assert [e.finding.code for e in events if isinstance(e, Noticed)] == ["folder-unlisted"]
    monkeypatch.undo()
    assert indexed(catalogue, folder).done["unchanged"] == 5


def denied() -> Any:
    """Refuse like a folder of somebody else."""
    raise PermissionError(13, "Permission denied")


def test_a_vanished_root_is_an_error_that_marks_nothing(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    builders.archive(folder, 1, 1, 1, 2)
    indexed(catalogue, folder)
    before = sound(catalogue)
    folder.rename(tmp_path / "gone")
    with pytest.raises(PathError, match="archive cannot be indexed"):
        index(catalogue, [folder], Settings())
    assert sound(catalogue) == before


def test_one_path_that_is_not_there_stops_all(catalogue: Catalogue, tmp_path: Path) -> None:
    builders.archive(tmp_path / "a", 1, 1, 1, 1)
    with pytest.raises(PathError):
        index(catalogue, [tmp_path / "a", tmp_path / "none"], Settings())
    assert sound(catalogue)["root"] == sound(catalogue)["file"] == []


def test_a_root_that_cannot_be_listed_marks_nothing(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    builders.archive(folder, 1, 1, 1, 2)
    indexed(catalogue, folder)
    before = sound(catalogue)
    monkeypatch.setattr(os, "scandir", lambda path: denied())
    with pytest.raises(PathError, match="cannot be listed"):
        index(catalogue, [folder], Settings())
    monkeypatch.undo()
    assert sound(catalogue) == before


@pytest.mark.sqlite
def test_the_catalogue_itself_is_not_indexed(empty_catalogue: Path, tmp_path: Path) -> None:
    builders.archive(tmp_path, 1, 1, 1, 1)
    shutil.copy(empty_catalogue, tmp_path / "own.db")
    for _ in range(2):
        with open_catalogue(tmp_path / "own.db") as catalogue:
            indexed(catalogue, tmp_path)
            assert statuses(catalogue) == {"p1/t1/s1/i1.dcm": "ok"}


# -- while it runs ---------------------------------------------------------------------------------


def test_the_events_of_a_run(catalogue: Catalogue, mixed: Path) -> None:
    events: list[Event] = []
    counts = index(catalogue, [mixed], Settings(), total=7, listener=events.append)
    assert isinstance(events[0], Started)
    assert events[0].total == 7
    assert isinstance(events[-1], Finished)
    assert events[-1].done == counts.files
    done = [e.done for e in events if isinstance(e, Progress)]
    assert done == sorted(done)


def test_ctrl_c_keeps_what_was_read(new_catalogue: NewCatalogue, tmp_path: Path) -> None:
    copies(tmp_path / "many", 300)
    catalogue, fresh = new_catalogue(), new_catalogue()

    def impatient(event: Event) -> None:
        if isinstance(event, Progress) and event.done >= 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index(catalogue, [tmp_path / "many"], Settings(), listener=impatient)
    assert last_run(catalogue)[0] == "interrupted"
    kept = len(sound(catalogue)["file"])
    assert 128 <= kept < 300
    counts = indexed(catalogue, tmp_path / "many")
    assert (counts.done["unchanged"], counts.done["opened"]) == (kept, 300 - kept)
    indexed(fresh, tmp_path / "many")
    assert sound(catalogue) == sound(fresh)


@pytest.mark.parametrize("writing_s", [0, 0.05], ids=["quick writer", "slow writer"])
def test_a_file_that_kills_its_reader_costs_only_itself(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writing_s: float
) -> None:
    copies(tmp_path / "many", 480)
    for i in (70, 200):
        (tmp_path / "many" / f"{i:05d}.dcm").rename(tmp_path / "many" / f"{i:05d}-deadly.dcm")
    monkeypatch.setattr(pool, "read_all", readers.deadly)
    monkeypatch.setattr(executing, "FEW_FILES", 32)
    monkeypatch.setattr(executing, "CHUNK_FILES", 16)
    monkeypatch.setattr(one_run, "CHUNK_FILES", 16)
    counts = index(
        catalogue,
        [tmp_path / "many"],
        Settings(jobs=2),
        listener=lambda event: time.sleep(writing_s),
    )
    assert counts.by_status == {"ok": 478, "unreadable": 2}
    assert {f["code"] for f in sound(catalogue)["finding"]} == {"reader-killed"}
    monkeypatch.undo()
    counts = indexed(catalogue, tmp_path / "many")
    assert (counts.done["changed"], counts.done["unchanged"]) == (2, 478)
    assert set(statuses(catalogue).values()) == {"ok"}


def test_while_one_writes_another_is_told_who(catalogue: Catalogue, tmp_path: Path) -> None:
    builders.archive(tmp_path / "a", 1, 1, 1, 1)

    def second(event: Event) -> None:
        if isinstance(event, Started):
            with (
                open_catalogue(catalogue.path) as other,
                pytest.raises(CatalogueBusy, match=f"dcat index, process {os.getpid()}"),
            ):
                index(other, [tmp_path / "a"], Settings())

    index(catalogue, [tmp_path / "a"], Settings(), listener=second)
    assert last_run(catalogue)[0] == "done"


def test_folders_whose_files_have_the_same_names(
    new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    """A file of one folder is known, or not, whatever is known of its namesake in another."""
    catalogue, fresh = new_catalogue(), new_catalogue()
    north, south = tmp_path / "north", tmp_path / "south"
    north.mkdir()
    builders.write(south / "x.dcm", SOPInstanceUID="1.2")
    indexed(catalogue, north, south)
    builders.write(north / "x.dcm", SOPInstanceUID="1.1")
    builders.write(south / "x.dcm", SOPInstanceUID="1.2", PatientName="Roe^Longer")
    counts = indexed(catalogue, north, south)
    assert (counts.done["new"], counts.done["changed"]) == (1, 1)
    indexed(catalogue, north, south, full=True)
    indexed(fresh, south, north)
    assert sound(catalogue) == sound(fresh)


@pytest.mark.both
def test_changes_below_a_root_that_another_run_takes_in_meanwhile(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits for its turn the folder above is indexed, and becomes the root."""
    builders.write(tmp_path / "in" / "a" / "1.dcm", SOPInstanceUID="1.1")
    index(catalogue, [tmp_path / "in" / "a"], Settings())
    lock = type(catalogue).writer_lock
    others = [tmp_path / "in"]

    def late(self: Catalogue, *places: Any) -> Any:
        if others:
            index(catalogue, [others.pop()], Settings())
        return lock(self, *places)

    changed = builders.write(tmp_path / "in" / "a" / "2.dcm", SOPInstanceUID="1.2")
    monkeypatch.setattr(type(catalogue), "writer_lock", late)
    builders.write(tmp_path / "in" / "a" / "1.dcm", SOPInstanceUID="1.1", PatientName="x")
    counts = index_changes(catalogue, [str(changed), str(changed.with_name("1.dcm"))], Settings())
    assert counts is not None
    assert counts.done["unchanged"] == 2
    assert health.problems(catalogue) == []
    with catalogue.read() as connection:
        paths = connection.execute(select(models.file.c.path)).scalars().all()
    assert sorted(paths) == ["a/1.dcm", "a/2.dcm"]
