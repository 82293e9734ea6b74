"""Digests: what they prove, how long they are kept, and what they recognise."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from catalog.database import health
from catalog.database.catalogue import Catalogue
from catalog.indexing import Counts, Settings, index
from catalog.verifying import verify_roots
from tests import builders, tables

NewCatalogue = Callable[[], Catalogue]


def indexed(catalogue: Catalogue, folder: Path, *, digest: bool = False, **more: Any) -> Counts:
    """Index as `dcat index --digest` does, or without it."""
    counts = index(catalogue, [folder], Settings(digest=digest, prove=digest, **more))
    kinds = ("new", "changed", "unchanged", "returned")
    assert counts.files == sum(counts.done[kind] for kind in kinds)
    assert health.problems(catalogue) == []
    return counts


def digests(catalogue: Catalogue) -> dict[str, str | None]:
    """Return the digest of each file by path."""
    with closing(sqlite3.connect(catalogue.path)) as raw:
        return dict(raw.execute("SELECT path, digest FROM file"))


def on_disk(folder: Path) -> dict[str, str]:
    """Return the digests of the files below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def swap(path: Path, **values: Any) -> None:
    """Give a file another content of the same size at the same time, as some storage does."""
    before = path.stat()
    data = builders.dicom_bytes(**values)
    assert len(data) == before.st_size
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four instances and what is no instance."""
    folder = tmp_path / "archive"
    for i in range(4):
        builders.write(folder / f"{i}.dcm", SOPInstanceUID=f"7.{i}", PatientName="AAAA")
    (folder / "notes.txt").write_text("not DICOM")
    (folder / "cut.dcm").write_bytes(builders.dicom_bytes()[:200])
    (folder / "empty").touch()
    return folder


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_file_that_is_read_has_its_digest(
    new_catalogue: NewCatalogue, folder: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.indexing.one_run.CHUNK_FILES", 1)
    monkeypatch.setattr("catalog.indexing.executing.FEW_FILES", 2)
    monkeypatch.setattr("catalog.indexing.executing.CHUNK_FILES", 1)
    catalogue, plain = new_catalogue(), new_catalogue()
    counts = indexed(catalogue, folder, digest=True, jobs=jobs)
    assert counts.done["opened"] == counts.done["new"] == 7
    assert digests(catalogue) == on_disk(folder)
    indexed(plain, folder)
    assert set(digests(plain).values()) == {None}
    without = ("digest",)
    assert tables.dump(plain.path, without=without) == tables.dump(catalogue.path, without=without)


def test_files_without_a_digest_get_one_and_are_unchanged(
    catalogue: Catalogue, folder: Path
) -> None:
    indexed(catalogue, folder)
    counts = indexed(catalogue, folder, digest=True)
    assert (counts.done["opened"], counts.done["unchanged"], counts.done["changed"]) == (7, 7, 0)
    assert digests(catalogue) == on_disk(folder)
    before = tables.dump(catalogue.path)
    counts = indexed(catalogue, folder, digest=True)
    assert (counts.done["opened"], counts.done["unchanged"], counts.done["changed"]) == (7, 7, 0)
    assert tables.dump(catalogue.path) == before


def test_a_content_that_changed_in_secret_is_found(catalogue: Catalogue, folder: Path) -> None:
    indexed(catalogue, folder, digest=True)
    swap(folder / "1.dcm", SOPInstanceUID="7.1", PatientName="BBBB")
    counts = indexed(catalogue, folder)
    assert (counts.done["opened"], counts.done["changed"]) == (0, 0)
    states = verify_roots(catalogue).counts
    assert states["changed"] == 0
    verified = verify_roots(catalogue, digest=True)
    assert [(d.state, Path(d.path).name) for d in verified.differences] == [("changed", "1.dcm")]
    assert "content" in verified.differences[0].detail
    counts = indexed(catalogue, folder, digest=True)
    assert (counts.done["changed"], counts.done["unchanged"]) == (1, 6)
    dump = tables.dump(catalogue.path)
    assert [(f["file"], f["code"]) for f in dump["finding"]] == [("1.dcm", "content-changed")]
    assert [d["value"] for d in dump["discrepancy"]] == ["BBBB"]
    assert digests(catalogue) == on_disk(folder)
    assert verify_roots(catalogue, digest=True).differences == []


def test_how_long_a_digest_is_kept(catalogue: Catalogue, folder: Path) -> None:
    indexed(catalogue, folder, digest=True)
    made = digests(catalogue)
    indexed(catalogue, folder, full=True)
    assert digests(catalogue) == made
    builders.write(folder / "0.dcm", SOPInstanceUID="7.0", PatientName="Longer^Name")
    os.utime(folder / "1.dcm")
    (folder / "2.dcm").unlink()
    indexed(catalogue, folder)
    assert digests(catalogue) == made | {"0.dcm": None, "1.dcm": None}
    assert verify_roots(catalogue, digest=True).without_digest == 2
    indexed(catalogue, folder, digest=True)
    assert digests(catalogue) == on_disk(folder) | {"2.dcm": made["2.dcm"]}


def test_a_missing_file_that_is_back_is_proved(catalogue: Catalogue, folder: Path) -> None:
    indexed(catalogue, folder, digest=True)
    before = tables.dump(catalogue.path)
    for name in ("1.dcm", "2.dcm"):
        (folder / name).rename(folder.parent / name)
    indexed(catalogue, folder)
    swap(folder.parent / "2.dcm", SOPInstanceUID="7.2", PatientName="BBBB")
    for name in ("1.dcm", "2.dcm"):
        (folder.parent / name).rename(folder / name)
    counts = indexed(catalogue, folder, digest=True)
    assert (counts.done["returned"], counts.done["changed"]) == (1, 1)
    assert digests(catalogue) == on_disk(folder)
    swap(folder / "2.dcm", SOPInstanceUID="7.2", PatientName="AAAA")
    indexed(catalogue, folder, digest=True, full=True)
    found = tables.dump(catalogue.path)
    found["finding"] = []
    assert found == before


# -- moved files -----------------------------------------------------------------------------------


def ids(catalogue: Catalogue) -> dict[str, int]:
    """Return the id of each file by path."""
    with closing(sqlite3.connect(catalogue.path)) as raw:
        return dict(raw.execute("SELECT path, id FROM file"))


def test_a_moved_file_is_recognised_by_its_digest_whatever_it_is(
    catalogue: Catalogue, folder: Path
) -> None:
    indexed(catalogue, folder, digest=True)
    before = ids(catalogue)
    (folder / "to").mkdir()
    for name in ("0.dcm", "notes.txt", "cut.dcm", "empty"):
        (folder / name).rename(folder / "to" / name)
    counts = indexed(catalogue, folder, digest=True)
    assert (counts.done["moved"], counts.done["missing"]) == (3, 1)
    after = ids(catalogue)
    for name in ("0.dcm", "notes.txt", "cut.dcm"):
        assert after[f"to/{name}"] == before[name]
    assert {p: d for p, d in digests(catalogue).items() if p != "empty"} == on_disk(folder)


def test_equal_instances_with_other_bytes_are_not_the_same_file(
    catalogue: Catalogue, folder: Path
) -> None:
    indexed(catalogue, folder, digest=True)
    (folder / "0.dcm").unlink()
    builders.write(folder / "new.dcm", SOPInstanceUID="7.0", PatientName="BBBB")
    assert indexed(catalogue, folder, digest=True).done["moved"] == 0


@pytest.mark.parametrize("touched", [False, True])
def test_without_new_digests_a_moved_file_is_recognised_by_its_instance(
    catalogue: Catalogue, folder: Path, touched: bool
) -> None:
    indexed(catalogue, folder, digest=True)
    made = digests(catalogue)
    (folder / "0.dcm").rename(folder / "new.dcm")
    if touched:
        os.utime(folder / "new.dcm")
    assert indexed(catalogue, folder).done["moved"] == 1
    # The digest is of the bytes at that size and time, and moves along as long as these do.
    assert digests(catalogue)["new.dcm"] == (None if touched else made["0.dcm"])


# -- files that cannot be read whole, and archives -------------------------------------------------


def test_members_of_archives_are_proved_too(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()

    def pack(name: str) -> None:
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            for i, who in enumerate(["AAAA", name]):
                info = zipfile.ZipInfo(f"{i}.dcm")
                archive.writestr(
                    info, builders.dicom_bytes(SOPInstanceUID=f"5.{i}", PatientName=who)
                )
        os.utime(folder / "a.zip", ns=(1, 1_600_000_000_000_000_000))

    pack("BBBB")
    indexed(catalogue, folder)
    assert indexed(catalogue, folder, digest=True).done["unchanged"] == 3
    first = digests(catalogue)
    assert None not in first.values()
    assert indexed(catalogue, folder, digest=True).done["unchanged"] == 3
    pack("CCCC")
    counts = indexed(catalogue, folder, digest=True)
    assert (counts.done["changed"], counts.done["unchanged"]) == (2, 1)
    changed = {path for path, digest in digests(catalogue).items() if digest != first[path]}
    assert len(changed) == 2


def test_a_file_that_cannot_be_read_to_its_end_keeps_what_its_header_says(
    catalogue: Catalogue, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.indexing import reading

    indexed(catalogue, folder, digest=True)
    made = digests(catalogue)
    before = tables.dump(catalogue.path)

    def broken(*arguments: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(reading.hashlib, "file_digest", broken)
    indexed(catalogue, folder, digest=True)
    dump = tables.dump(catalogue.path)
    assert {f["code"] for f in dump["finding"]} == {"content-unreadable"}
    assert digests(catalogue) == made
    assert dump | {"finding": []} == before
