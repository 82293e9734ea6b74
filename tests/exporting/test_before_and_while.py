"""What is looked at before an export, links in place of copies, several copies at a time, media that go away."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import ExportError, MediaFull
from catalog.exporting import Order, export, make_plan, plan_export, zip_file
from catalog.exporting import folder as folder_module
from catalog.exporting.preflight import needed_bytes, unlike
from catalog.files import copy as copy_module
from catalog.shapes import replace
from tests.builders import archive
from tests.exporting.test_failures import assert_visibly_unfinished, dcat
from tests.exporting.test_plan import candidate, source
from tests.journeys.steps import (
    FILE_SET_UID,
    everything,
    exported,
    files_below,
    indexed,
    planned,
    rows,
    sha256,
)


def sources(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_sources_that_are_not_as_indexed(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    assert unlike(planned(catalogue).items) == ()
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes() + b"\0\0")
    os.utime(files[2], ns=(0, 5))
    found = {Path(each.item.source.path).name: each.reason for each in unlike(planned(catalogue).items)}  # fmt: skip
    assert len(found) == 3
    assert "cannot be found" in found[files[0].name]
    assert "bytes and had" in found[files[1].name]
    assert "written since" in found[files[2].name]


def test_changed_sources_stop_an_export_unless_taken_as_found(tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 4)
    dcat(tmp_path, "index", "archive")
    os.utime(files[2], ns=(0, 5))
    files[3].unlink()
    said = dcat(tmp_path, "export", "medium")
    assert said.returncode == 1
    assert said.stderr.count("  changed  ") == 2
    assert "dcat index" in said.stderr
    assert not (tmp_path / "medium").exists()
    assert dcat(tmp_path, "export", "--dry-run", "medium").returncode == 3
    again = dcat(tmp_path, "export", "--as-found", "medium")
    assert again.returncode == 3
    assert "3 instances" in again.stderr


def test_what_is_decompressed_needs_more_room_than_its_source(tmp_path: Path) -> None:
    small = source(1, size_bytes=1000, transfer_syntax_uid="1.2.840.10008.1.2.5")
    given = candidate(1, files=(small,))
    picture = given.claims.instance._replace(rows=512, columns=512, bits_allocated=16)
    given = given._replace(claims=given.claims._replace(instance=picture))
    items = make_plan([given], {}).items
    order = Order(everything(), tmp_path / "medium", FILE_SET_UID)
    assert needed_bytes(order, items) < 512 * 512
    order = replace(order, transfer_syntax="explicit-le")
    assert needed_bytes(order, items) > 512 * 512 * 2


def test_files_are_counted_in_blocks(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    items = planned(catalogue).items
    order = Order(everything(), tmp_path / "medium", FILE_SET_UID)
    monkeypatch.setattr("catalog.exporting.preflight.block_bytes", lambda path: 65536)
    assert needed_bytes(order, items) >= 4 * 65536
    linked = Order(everything(), tmp_path / "medium", FILE_SET_UID, link="hard")
    assert needed_bytes(linked, items) < 65536
    free = 4 * 65536 - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(free, 0, free))
    with pytest.raises(MediaFull, match="Nothing was written"):
        exported(catalogue, tmp_path / "medium")
    assert not (tmp_path / "medium").exists()


# -- links ----------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["hard", "symbolic"])
def test_links_have_digest_and_proof(link: str, catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in files}
    outcome = exported(catalogue, tmp_path / "medium", link=link)
    assert outcome.is_complete
    assert "links" in {finding.code for finding in outcome.findings}
    copies = sources(tmp_path / "medium/DICOM")
    assert {copy.stat().st_ino for copy in copies} == {path.stat().st_ino for path in files}
    assert all(copy.is_symlink() == (link == "symbolic") for copy in copies)
    items = rows(catalogue.path, "SELECT file_id, digest FROM export_item")
    assert all(sha256(tmp_path / "medium" / i["file_id"]) == i["digest"] for i in items)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in files} == before


def test_a_changed_source_is_not_linked(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 2)
    indexed(catalogue, tmp_path / "archive")
    files[0].write_bytes(b"no longer DICOM")
    outcome = exported(catalogue, tmp_path / "medium", link="hard")
    assert (outcome.copied, len(outcome.failed)) == (1, 1)
    assert files[0].read_bytes() == b"no longer DICOM", "refusing a link leaves its source alone"


def test_hard_links_to_another_disk(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 2)
    indexed(catalogue, tmp_path / "archive")

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ExportError, match="Export without --link"):
        exported(catalogue, tmp_path / "medium", link="hard")
    assert_visibly_unfinished(tmp_path / "medium")


def test_blocks_are_shared_or_the_export_stops(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 2)
    indexed(catalogue, tmp_path / "archive")
    try:
        assert exported(catalogue, tmp_path / "medium", link="reflink").is_complete
    except ExportError as exc:
        assert "Blocks cannot be shared" in str(exc)  # noqa: PT017 - either is right
        assert_visibly_unfinished(tmp_path / "medium")


def test_a_shared_copy_is_digested_and_proved(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that shares blocks, played by one that copies when told to share."""
    import fcntl

    archive(tmp_path / "archive", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "archive")

    def clone(target: int, request: int, source: int) -> int:
        assert request == 0x40049409
        os.write(target, os.pread(source, 1 << 30, 0))
        os.lseek(target, 0, os.SEEK_SET)
        return 0

    monkeypatch.setattr(copy_module, "_cannot_clone", set())
    monkeypatch.setattr(fcntl, "ioctl", clone)
    assert exported(catalogue, tmp_path / "medium", link="reflink").is_complete
    items = rows(catalogue.path, "SELECT file_id, digest FROM export_item")
    assert all(sha256(tmp_path / "medium" / i["file_id"]) == i["digest"] for i in items)


# -- several at a time ----------------------------------------------------------------------


def test_several_at_a_time_write_the_same(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 2, 2, 2, 6)
    indexed(catalogue, tmp_path / "archive")
    for jobs in (1, 4):
        assert exported(catalogue, tmp_path / f"m{jobs}", jobs=jobs).is_complete
    assert {n: sha256(tmp_path / "m1" / n) for n in files_below(tmp_path / "m1")} == {
        n: sha256(tmp_path / "m4" / n) for n in files_below(tmp_path / "m4")
    }
    columns = "sop_instance_uid, file_id, size_bytes, digest, outcome"
    ledgers = [
        rows(
            catalogue.path,
            f"SELECT {columns} FROM export_item WHERE export_ref = ? ORDER BY id",
            ref,
        )
        for ref in (1, 2)
    ]
    assert ledgers[0] == ledgers[1]


@pytest.mark.parametrize("jobs", [1, 4])
def test_failures_among_several(jobs: int, catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 2, 20)
    indexed(catalogue, tmp_path / "archive")
    for path in files[::7]:
        path.write_bytes(b"other")
    outcome = exported(catalogue, tmp_path / "medium", jobs=jobs)
    assert len(outcome.failed) == len(files[::7])
    assert outcome.copied == 40 - len(outcome.failed)


@pytest.mark.parametrize("jobs", [1, 4])
def test_an_interrupt_among_several(jobs: int, catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 2, 20)
    indexed(catalogue, tmp_path / "archive")
    count = 0

    def interrupt(event: object) -> None:
        nonlocal count
        count += type(event).__name__ == "Progress"
        if count == 5:
            raise KeyboardInterrupt

    order = Order(everything(), tmp_path / "medium", FILE_SET_UID, jobs=jobs)
    with pytest.raises(KeyboardInterrupt):
        export(catalogue, order, planned(catalogue), listener=interrupt)
    assert_visibly_unfinished(tmp_path / "medium")
    assert not any(name.endswith(".part") for name in files_below(tmp_path / "medium"))
    noted = rows(catalogue.path, "SELECT file_id FROM export_item WHERE outcome = 'copied'")
    there = {n for n in files_below(tmp_path / "medium") if n.startswith("DICOM/")}
    assert {row["file_id"] for row in noted} <= there
    if jobs == 1:
        assert len(noted) == 5


def test_a_zip_file_by_several_is_the_same(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files in memory, longer ones and some that fail, whoever is done first."""
    files = archive(tmp_path / "archive", 2, 2, 2, 6)
    indexed(catalogue, tmp_path / "archive")
    monkeypatch.setattr(zip_file, "AT_ONCE_BYTES", sorted(p.stat().st_size for p in files)[20])
    for path in files[::9]:
        path.write_bytes(b"other")
    for jobs in (1, 4):
        done = exported(catalogue, tmp_path / f"m{jobs}.zip", jobs=jobs, container="zip")
        assert (done.copied, len(done.failed)) == (42, 6)
    assert sha256(tmp_path / "m1.zip") == sha256(tmp_path / "m4.zip")
    with zipfile.ZipFile(tmp_path / "m4.zip") as packed:
        assert packed.testzip() is None
        items = rows(catalogue.path, "SELECT file_id, digest FROM export_item WHERE export_ref = 2")
        copied = [each for each in items if each["digest"] is not None]
        assert len(copied) == 42
        for each in copied:
            found = hashlib.sha256(packed.read(each["file_id"])).hexdigest()
            assert found == each["digest"]


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("container", ["folder", "zip"])
def test_a_disk_that_fills_while_several_write(
    container: str,
    jobs: int,
    catalogue: Catalogue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is on record as copied is there, and is what the record says."""
    archive(tmp_path / "archive", 1, 1, 2, 20)
    indexed(catalogue, tmp_path / "archive")
    module = zip_file if container == "zip" else copy_module
    real, count = module._write_all, 0

    def full(*given: Any) -> None:
        nonlocal count
        count += 1
        if count == 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*given)

    monkeypatch.setattr(module, "_write_all", full)
    place = tmp_path / ("m.zip" if container == "zip" else "m")
    with pytest.raises(MediaFull):
        exported(catalogue, place, jobs=jobs, container=container)
    noted = rows(catalogue.path, "SELECT file_id, digest FROM export_item WHERE outcome = 'copied'")
    assert len(noted) <= 7 * jobs
    if container == "zip":
        assert not place.exists()
        assert len(noted) == 6
    for each in noted if container == "folder" else ():
        assert sha256(place / each["file_id"]) == each["digest"]


def test_large_copies_are_begun_to_be_written_out(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk works while the next files are read; small ones are left to the system."""
    files = archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    sizes = sorted(p.stat().st_size for p in files)
    begun: list[int] = []
    monkeypatch.setattr(copy_module, "WORTH_FLUSHING_BYTES", sizes[0])
    monkeypatch.setattr(
        copy_module, "begin_flushing", lambda fd: begun.append(os.fstat(fd).st_size)
    )
    assert exported(catalogue, tmp_path / "medium").is_complete
    assert sorted(begun) == sizes[len(sizes) - len(begun) :]
    assert begun
    begun.clear()
    monkeypatch.setattr(copy_module, "WORTH_FLUSHING_BYTES", sizes[-1] + 1)
    assert exported(catalogue, tmp_path / "medium2").is_complete
    assert not begun


def test_failures_to_write_are_told_that_came_long_before_the_end(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells them to the handle that was open by then: it is opened before the first copy."""
    from catalog.files import writing

    archive(tmp_path / "archive", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "archive")
    there: dict[int, set[str]] = {}
    told: list[set[str]] = []
    real = os.open

    def opened(path: Any, *rest: Any, **more: Any) -> int:
        handle = real(path, *rest, **more)
        if str(path) == str(tmp_path / "medium"):
            there[handle] = files_below(tmp_path / "medium")
        return handle

    monkeypatch.setattr(os, "open", opened)
    flush = lambda handle: told.append(there[handle])  # noqa: E731 - a word for a call
    monkeypatch.setattr(writing, "_syncfs", lambda: flush)
    assert exported(catalogue, tmp_path / "medium").is_complete
    (before,) = told
    assert before == {"UNFINISHED.TXT"}


# -- media that go away ---------------------------------------------------------------------


@pytest.mark.parametrize("fate", ["moved", "replaced"])
def test_the_destination_goes_away(fate: str, catalogue: Catalogue, tmp_path: Path) -> None:
    """A medium that is pulled leaves its mount point, a folder of another disk: it stays empty."""
    archive(tmp_path / "archive", 3, 1, 1, 3)
    indexed(catalogue, tmp_path / "archive")
    medium = tmp_path / "medium"
    count = 0

    def pull(event: object) -> None:
        nonlocal count
        count += type(event).__name__ == "Progress"
        if count == 4 and not (tmp_path / "pulled").exists():
            medium.rename(tmp_path / "pulled")
            if fate == "replaced":
                medium.mkdir()

    order = Order(everything(), medium, FILE_SET_UID)
    with pytest.raises(ExportError, match="Has the medium been taken out"):
        export(catalogue, order, plan_export(catalogue, everything()), listener=pull)
    assert not medium.exists() or not any(medium.iterdir())
    assert_visibly_unfinished(tmp_path / "pulled")
    (run,) = rows(catalogue.path, "SELECT outcome FROM run WHERE command = 'export'")
    assert run["outcome"] == "failed"


@pytest.mark.parametrize(
    "code", [errno.EIO, errno.ENODEV, errno.EROFS], ids=lambda c: errno.errorcode[c]
)
def test_errors_of_a_pulled_medium(
    code: int, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "archive")

    def broken(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(copy_module, "_write_all", broken)
    with pytest.raises(ExportError, match=r"cannot be written: .*taken out"):
        exported(catalogue, tmp_path / "medium")
    monkeypatch.undo()
    assert_visibly_unfinished(tmp_path / "medium")


def test_flushing_that_fails_leaves_no_dicomdir(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "archive")

    def full(*_: object) -> None:
        raise MediaFull("No space is left.")

    monkeypatch.setattr(folder_module, "sync_all", full)
    with pytest.raises(MediaFull):
        exported(catalogue, tmp_path / "medium")
    assert_visibly_unfinished(tmp_path / "medium")


def test_without_syncfs_each_file_is_flushed(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.files import writing

    archive(tmp_path / "archive", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "archive")
    flushed: list[Path] = []
    monkeypatch.setattr(writing, "_syncfs", lambda: None)
    monkeypatch.setattr(writing, "sync", flushed.append)
    assert exported(catalogue, tmp_path / "medium").is_complete
    assert {p.relative_to(tmp_path / "medium").as_posix() for p in flushed} == (
        files_below(tmp_path / "medium") - {"DICOMDIR"}
    )
