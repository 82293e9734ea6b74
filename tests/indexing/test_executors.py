"""Whoever reads, the rows are the same: one suite for all executors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.database import health
from catalog.database.catalogue import Catalogue
from catalog.dicom.asking import asked
from catalog.entities import Reading
from catalog.errors import DcatError
from catalog.files.paths import absolute_text
from catalog.indexing import (
    Counts,
    Executor,
    Interrupted,
    Settings,
    Stop,
    apart,
    cluster,
    index,
    pool,
)
from catalog.indexing.executing import Chunk, InProcess
from catalog.indexing.journey import index_changes
from catalog.indexing.reading import How, read_all
from tests import builders, tables
from tests.archives import tar_bytes, zip_bytes
from tests.indexing import readers

NewCatalogue = Callable[[], Catalogue]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind that an executor hands over; do not change it."""
    folder = tmp_path_factory.mktemp("executors") / "archive"
    for i in range(60):
        builders.write(
            folder / f"p{i % 3}" / f"{i:02}.dcm",
            PatientID=f"P{i % 3}",
            PatientName=("Doe^Jane", "Müller^Jörg", "山田^太郎")[i % 3],
            SpecificCharacterSet="ISO_IR 192",
            StudyDescription=f"Thorax{i % 2}",  # a study that is disputed
            StudyInstanceUID=f"1.2.{i % 3}",
            SeriesInstanceUID=f"1.2.{i % 3}.{i % 6}",
            SOPInstanceUID=f"1.2.{i % 3}.{i % 6}.{i}",
            PatientAge="033Y" if i % 2 else "034Y",
        )
    whole = builders.dicom_bytes(SOPInstanceUID="1.8")
    odd = folder / "odd"
    odd.mkdir()
    builders.write(odd / "no-series.dcm", SeriesInstanceUID=...)
    (odd / "short.dcm").write_bytes(whole[:-4])
    (odd / "bare.dcm").write_bytes(whole[132:])
    (odd / "cut.dcm").write_bytes(whole[:200])
    (odd / "notes.txt").write_text("no DICOM")
    (odd / os.fsdecode(b"latin-\xe4.dcm")).write_bytes(builders.dicom_bytes(SOPInstanceUID="1.9"))
    (odd / "back\\slash!.dcm").write_bytes(builders.dicom_bytes(SOPInstanceUID="1.10"))
    (odd / "new\nline.dcm").write_bytes(builders.dicom_bytes(SOPInstanceUID="1.11"))
    os.mkfifo(odd / "pipe")
    (odd / "loop").symlink_to("..")
    latin = os.fsdecode(b"a-\xe4")
    (folder / latin).mkdir()
    members = [(f"{i}.dcm", builders.dicom_bytes(SOPInstanceUID=f"1.7.{i}")) for i in range(5)]
    (folder / latin / "many.zip").write_bytes(zip_bytes(members))
    (folder / latin / "many.tar").write_bytes(tar_bytes(members[:2]))
    (folder / "broken.zip").write_bytes(zip_bytes(members)[:-40])
    return folder


def dump(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a catalogue that has no problems."""
    assert health.problems(catalogue) == []
    return tables.dump(catalogue.path)


def indexed(catalogue: Catalogue, folder: Path, executor: Executor, **settings: Any) -> Counts:
    return index(catalogue, [folder], Settings(**settings), executor=executor)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="plain"),
        pytest.param({"digest": True, "prove": True}, id="digest"),
        pytest.param({"archives": False}, id="no archives"),
        pytest.param({"attributes": asked(["PatientAge", "EthnicGroup@series"])}, id="attributes"),
        pytest.param({"follow_links": True}, id="links"),
    ],
)
def test_rows_are_those_of_one_process(
    new_catalogue: NewCatalogue,
    archive: Path,
    executor: Executor,
    settings: dict[str, Any],
    small_chunks: Callable[[int], None],
) -> None:
    single, other = new_catalogue(), new_catalogue()
    index(single, [archive], Settings(**settings))
    small_chunks(7)
    counts = indexed(other, archive, executor, **settings)
    assert dump(other) == dump(single)
    assert counts.files == counts.done["new"]
    again = indexed(other, archive, executor, **settings)
    assert again.files == again.done["unchanged"]
    full = indexed(other, archive, executor, full=True, **settings)
    assert full.files == full.done["unchanged"]
    assert dump(other) == dump(single)


def test_changes_are_taken_in(
    new_catalogue: NewCatalogue,
    tmp_path: Path,
    executor: Executor,
    small_chunks: Callable[[int], None],
) -> None:
    small_chunks(3)
    catalogue, fresh = new_catalogue(), new_catalogue()
    folder = tmp_path / "a"
    files = builders.archive(folder, patients=1, studies=2, series=2, instances=5)
    indexed(catalogue, folder, executor)
    for path in files[:8]:
        path.unlink()
    builders.write(files[8], SOPInstanceUID="1.99", PatientName="Longer^Name")
    builders.write(folder / "new" / "1.dcm", SOPInstanceUID="1.98")
    (folder / "new" / "2.zip").write_bytes(
        zip_bytes([("1", builders.dicom_bytes(SOPInstanceUID="1.97"))])
    )
    counts = index_changes(catalogue, [absolute_text(folder)], Settings(), executor=executor)
    assert counts is not None
    assert (counts.done["missing"], counts.done["changed"], counts.done["new"]) == (8, 1, 3)
    moved = folder / "moved"
    (folder / "new").rename(moved)
    counts = indexed(catalogue, folder, executor)
    assert (counts.done["moved"], counts.done["missing"]) == (2, 1)  # an archive does not move
    assert health.problems(catalogue) == []
    indexed(fresh, folder, executor)
    there = [row for row in tables.dump(catalogue.path)["file"] if row["status"] != "missing"]
    assert [row["path"] for row in there] == [row["path"] for row in dump(fresh)["file"]]


# -- chunks ----------------------------------------------------------------------------------------


def chunks(folder: Path, count: int, files: int = 1) -> Iterator[Chunk]:
    paths = tuple(sorted(path.name for path in (folder / "p0").iterdir())[:files])
    for _ in range(count):
        yield absolute_text(folder / "p0"), paths


def test_no_chunk_is_lost_and_none_comes_twice(
    archive: Path, executor: Executor, small_chunks: Callable[[int], None]
) -> None:
    small_chunks(1)
    folder = archive / "p0"
    root = absolute_text(folder)
    names = sorted(path.name for path in folder.iterdir())
    read = list(executor.read(iter([(root, (name,)) for name in names]), How(), Stop()))
    assert sorted(reading.file.path for _, readings in read for reading in readings) == names
    expected = {name: read_all(root, (name,), How()) for name in names}
    assert all(readings == expected[readings[0].file.path] for _, readings in read)
    assert list(executor.read(iter([]), How(), Stop())) == []


def test_chunks_are_taken_only_so_far_ahead(
    archive: Path, executor: Executor, small_chunks: Callable[[int], None]
) -> None:
    """However many there are: memory stays flat, also while the one writer is slow."""
    small_chunks(2)
    taken = 0

    def counting() -> Iterator[Chunk]:
        nonlocal taken
        for chunk in chunks(archive, 400, files=2):
            taken += 1
            yield chunk

    given = most = 0
    for _ in executor.read(counting(), How(), Stop()):
        given += 1
        most = max(most, taken - given)
        time.sleep(0.001)
    assert given == taken == 400
    assert most <= pool.MOST_CHUNKS


def test_who_stops_asking_leaves_nothing_behind(
    archive: Path, executor: Executor, small_chunks: Callable[[int], None]
) -> None:
    small_chunks(1)
    for _ in executor.read(chunks(archive, 100), How(), Stop()):
        break
    assert len(list(executor.read(chunks(archive, 30), How(), Stop()))) == 30


def test_a_wish_to_stop_keeps_what_was_read(
    new_catalogue: NewCatalogue,
    archive: Path,
    executor: Executor,
    small_chunks: Callable[[int], None],
) -> None:
    small_chunks(4)
    catalogue, single = new_catalogue(), new_catalogue()
    index(single, [archive], Settings())
    stop = Stop()
    calls = 0

    def impatient(event: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            stop.wanted = True

    with pytest.raises(Interrupted) as caught:
        index(catalogue, [archive], Settings(), listener=impatient, stop=stop, executor=executor)
    assert health.problems(catalogue) == []
    kept = len(tables.dump(catalogue.path)["file"])
    assert 0 < kept == caught.value.files
    indexed(catalogue, archive, executor)
    assert dump(catalogue) == dump(single)


# -- files that end their reader -------------------------------------------------------------------

OTHERS = ("processes", "cluster")
"""Executors that outlive what they read; this process, alone, does not."""


def with_reader(monkeypatch: pytest.MonkeyPatch, reader: object) -> None:
    monkeypatch.setattr(pool, "read_all", reader)
    monkeypatch.setattr(cluster, "read_all", reader)


@pytest.mark.parametrize("executor", OTHERS, indirect=True)
def test_a_file_that_kills_its_reader_costs_only_itself(
    new_catalogue: NewCatalogue,
    tmp_path: Path,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
    small_chunks: Callable[[int], None],
) -> None:
    small_chunks(6)
    catalogue, fresh = new_catalogue(), new_catalogue()
    folder = tmp_path / "a"
    files = builders.archive(folder, patients=1, studies=1, series=1, instances=40)
    deadly = [files[8].rename(files[8].with_name("8-deadly.dcm"))]
    deadly.append(folder / "deadly.zip")
    deadly[1].write_bytes(zip_bytes([("1", builders.dicom_bytes(SOPInstanceUID="1.97"))]))
    with_reader(monkeypatch, readers.deadly)
    counts = indexed(catalogue, folder, executor)
    assert counts.by_status == {"ok": 39, "unreadable": 2}
    found = dump(catalogue)
    assert {(row["file"], row["code"]) for row in found["finding"]} == {
        (path.relative_to(folder).as_posix(), "reader-killed") for path in deadly
    }
    monkeypatch.undo()
    counts = indexed(catalogue, folder, executor)
    assert (counts.done["changed"], counts.done["new"], counts.done["unchanged"]) == (2, 1, 39)
    index(fresh, [folder], Settings())
    assert dump(catalogue) == dump(fresh)


@pytest.mark.parametrize("executor", OTHERS, indirect=True)
def test_storage_that_nobody_can_read_is_the_same_error_everywhere(
    catalogue: Catalogue,
    archive: Path,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
    small_chunks: Callable[[int], None],
) -> None:
    small_chunks(6)
    with_reader(monkeypatch, readers.failing)
    with pytest.raises(DcatError, match="The storage is gone"):
        indexed(catalogue, archive, executor)


def test_read_apart_is_read_the_same(archive: Path) -> None:
    folder = archive / "odd"
    names = tuple(sorted(path.name for path in folder.iterdir() if path.is_file()))
    root = absolute_text(folder)
    paths = tuple(absolute_text(folder / name)[len(root) + 1 :] for name in names)
    assert apart.read_apart(read_all, (root, paths), How()) == read_all(root, paths, How())


def test_a_child_that_cannot_start_is_an_error_and_no_file_s_fault(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_CHILD", "raise SystemExit(3)")
    with pytest.raises(DcatError, match="as soon as they are started \\(exit code 3\\)"):
        apart.read_apart(read_all, (absolute_text(archive), ("broken.zip",)), How())


def test_this_process_reads_in_order(archive: Path) -> None:
    folder = archive / "p0"
    names = sorted((path.name for path in folder.iterdir()), reverse=True)
    found: list[Reading] = []
    for _, readings in InProcess().read(
        iter([(absolute_text(folder), (name,)) for name in names]), How(), Stop()
    ):
        found += readings
    assert [reading.file.path for reading in found] == names
