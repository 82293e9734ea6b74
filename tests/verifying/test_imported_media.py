"""The catalogue against an imported medium: its DICOMDIR is known, and is told when it is another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from catalog.database.catalogue import Catalogue
from catalog.importing import Order, import_medium
from catalog.indexing.reading import FileReader, How
from catalog.verifying import Verified, verify_roots
from tests.archives import zip_bytes
from tests.builders import archive
from tests.importing.steps import order, taken_in
from tests.journeys.steps import exported, indexed, rows, sha256

pytestmark = pytest.mark.both


@pytest.fixture
def medium(new_catalogue: Callable[[], Catalogue], tmp_path: Path) -> Path:
    """A medium that dcat wrote: a DICOMDIR, a manifest, and two instances."""
    archive(tmp_path / "archive", 1, 1, 1, 2)
    source = new_catalogue()
    indexed(source, tmp_path / "archive")
    assert exported(source, tmp_path / "medium").is_complete
    return tmp_path / "medium"


def taken(catalogue: Catalogue, medium: Path, check: str = "exists") -> None:
    import_medium(catalogue, medium, order=order(check), reader=FileReader(How()))


def told(result: Verified) -> list[tuple[str, str, str]]:
    return [(d.state, Path(d.path).name, d.detail) for d in result.differences]


def edited(medium: Path, patient_name: str) -> None:
    """Change the DICOMDIR as another program would."""
    ds = pydicom.dcmread(medium / "DICOMDIR")
    ds.DirectoryRecordSequence[0].PatientName = patient_name
    ds.save_as(medium / "DICOMDIR", enforce_file_format=True)


@pytest.mark.parametrize("check", ["exists", "header", "digest"])
@pytest.mark.parametrize("digest", [False, True])
def test_what_was_imported_is_known(
    check: str, digest: bool, medium: Path, catalogue: Catalogue
) -> None:
    taken(catalogue, medium, check)
    result = verify_roots(catalogue, digest=digest)
    assert result.differences == []
    assert result.counts == {"same": 4}  # two instances, the DICOMDIR and the manifest
    assert verify_roots(catalogue, [medium]).differences == []


@pytest.mark.parametrize("name", ["dicomdir", "DICOMDIR;1", "DICOMDIR."])
def test_other_spellings(name: str, medium: Path, catalogue: Catalogue) -> None:
    (medium / "DICOMDIR").rename(medium / name)
    taken(catalogue, medium)
    assert verify_roots(catalogue, digest=True).differences == []


def test_a_dicomdir_that_is_gone(medium: Path, catalogue: Catalogue) -> None:
    taken(catalogue, medium)
    (medium / "DICOMDIR").unlink()
    assert told(verify_roots(catalogue)) == [
        ("missing", "DICOMDIR", "it is in the catalogue and not on disk")
    ]


def test_a_dicomdir_that_was_changed(medium: Path, catalogue: Catalogue) -> None:
    taken(catalogue, medium)
    edited(medium, "Somebody^Else entirely")
    ((state, name, detail),) = told(verify_roots(catalogue))
    assert (state, name) == ("changed", "DICOMDIR")
    assert "bytes when catalogued" in detail  # it was imported, never indexed
    taken(catalogue, medium)
    assert verify_roots(catalogue, digest=True).differences == []


def test_a_dicomdir_that_was_indexed_since_is_still_not_the_one_that_was_imported(
    medium: Path, catalogue: Catalogue
) -> None:
    """Its row is right then, and the directory records are those of the former."""
    taken(catalogue, medium)
    edited(medium, "Somebody^Else entirely")
    indexed(catalogue, medium)
    ((state, name, detail),) = told(verify_roots(catalogue))
    assert (state, name) == ("changed", "DICOMDIR")
    assert "not the DICOMDIR that was imported" in detail
    indexed(catalogue, medium, digest=True, full=True)
    assert [d[0] for d in told(verify_roots(catalogue, digest=True))] == ["changed"]
    taken(catalogue, medium)
    assert verify_roots(catalogue).differences == []


def test_other_bytes_of_the_same_size_and_time(medium: Path, catalogue: Catalogue) -> None:
    taken(catalogue, medium)
    path = medium / "DICOMDIR"
    status = path.stat()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"P1", b"P7"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert verify_roots(catalogue).differences == []  # only --digest reads it
    ((state, name, _),) = told(verify_roots(catalogue, digest=True))
    assert (state, name) == ("changed", "DICOMDIR")


def test_a_touched_dicomdir_is_told_as_any_file(medium: Path, catalogue: Catalogue) -> None:
    taken(catalogue, medium)
    os.utime(medium / "DICOMDIR", ns=(1, 1))
    assert told(verify_roots(catalogue)) == [
        ("changed", "DICOMDIR", "same size, another modification time")
    ]


def forget_rows(catalogue: Catalogue, *names: str) -> None:
    """Take the catalogue back to what a version stored that gave a DICOMDIR no row."""
    from sqlalchemy import delete

    from catalog.database import models as m

    with catalogue.write() as connection:
        connection.execute(delete(m.file).where(m.file.c.path.in_(names)))


def test_a_medium_that_an_earlier_version_imported(medium: Path, catalogue: Catalogue) -> None:
    taken(catalogue, medium)
    forget_rows(catalogue, "DICOMDIR")
    result = verify_roots(catalogue)
    assert result.differences == []
    assert result.counts == {"same": 4}
    edited(medium, "Somebody^Else entirely")
    ((state, name, detail),) = told(verify_roots(catalogue))
    assert (state, name) == ("changed", "DICOMDIR")
    assert "not the DICOMDIR that was imported" in detail
    (medium / "DICOMDIR").chmod(0)
    if os.geteuid():
        assert [d[0] for d in told(verify_roots(catalogue))] == ["unknown"]


def test_a_dicomdir_of_another_folder_is_no_imported_one(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    taken(catalogue, medium)
    (medium / "COPY").mkdir()
    shutil.copy2(medium / "DICOMDIR", medium / "COPY/DICOMDIR")
    assert told(verify_roots(catalogue)) == [
        ("unindexed", "DICOMDIR", "it is on disk and not in the catalogue")
    ]


def test_two_discs_at_one_place(
    medium: Path, catalogue: Catalogue, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    taken(catalogue, medium)
    first = tmp_path / "first"
    medium.rename(first)
    archive(tmp_path / "other", 2, 1, 1, 1)
    source = new_catalogue()
    indexed(source, tmp_path / "other")
    assert exported(source, medium, file_set_uid="1.2.3.999.7").is_complete
    taken(catalogue, medium)
    gone = {d[0] for d in told(verify_roots(catalogue))}
    assert gone <= {"missing"}
    shutil.rmtree(medium)
    first.rename(medium)
    states = {(state, name) for state, name, _ in told(verify_roots(catalogue))}
    assert ("unindexed", "DICOMDIR") not in states


def test_files_that_no_record_names_are_told_unless_they_were_read(
    medium: Path, catalogue: Catalogue, new_catalogue: Callable[[], Catalogue]
) -> None:
    (medium / "AUTORUN.INF").write_text("[autorun]")
    (medium / "VIEWER.ZIP").write_bytes(zip_bytes([("x.txt", b"x")]))
    taken(catalogue, medium)
    names = [name for _, name, _ in told(verify_roots(catalogue))]
    assert names == ["AUTORUN.INF", "VIEWER.ZIP"]
    other = new_catalogue()
    taken(other, medium, "header")
    # Nobody has looked into the archive: indexing will.
    assert [name for _, name, _ in told(verify_roots(other))] == ["VIEWER.ZIP"]
    indexed(other, medium)
    assert verify_roots(other).differences == []


def test_a_medium_in_a_zip_file(medium: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "post"
    folder.mkdir()
    members = {
        f"DISC/{path.relative_to(medium)}": path.read_bytes()
        for path in sorted(medium.rglob("*")) if path.is_file()
    }  # fmt: skip
    (folder / "disc.zip").write_bytes(zip_bytes(list(members.items())))
    taken(catalogue, folder / "disc.zip")
    result = verify_roots(catalogue)
    assert (result.differences, result.without_digest) == ([], 0)
    # Nobody has digested the file, and its members are not read one by one: that is said.
    result = verify_roots(catalogue, digest=True)
    assert (result.differences, result.without_digest) == ([], 1)
    (folder / "letter.txt").write_text("beside it")
    assert [d[:2] for d in told(verify_roots(catalogue))] == [("unindexed", "letter.txt")]
    (folder / "letter.txt").unlink()
    os.utime(folder / "disc.zip", ns=(1, 1))
    states = {(state, name) for state, name, _ in told(verify_roots(catalogue))}
    assert ("changed", "disc.zip") in states
    assert ("unindexed", "disc.zip") not in states
    (folder / "disc.zip").unlink()
    assert {d[0] for d in told(verify_roots(catalogue))} == {"missing"}


def test_copies_leave_no_row_of_the_medium(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    taken_in(catalogue, medium, copy_to=tmp_path / "inbox")
    result = verify_roots(catalogue, digest=True)
    assert result.differences == []
    assert result.counts == {"same": 2}


@pytest.mark.sqlite
def test_the_row_is_that_of_indexing_with_the_digest(
    medium: Path, catalogue: Catalogue, new_catalogue: Callable[[], Catalogue]
) -> None:
    taken(catalogue, medium)
    other = new_catalogue()
    indexed(other, medium, digest=True)
    mine, theirs = (
        rows(
            each.path,
            "SELECT size_bytes, mtime_ns, status, error, transfer_syntax_uid, "
            "implementation_class_uid, implementation_version_name, instance_ref, digest "
            "FROM file WHERE path = 'DICOMDIR'",
        )
        for each in (catalogue, other)
    )
    assert mine == theirs
    assert mine[0]["digest"] == sha256(medium / "DICOMDIR")


def test_an_import_without_a_reader_is_known_by_its_records(
    medium: Path, catalogue: Catalogue
) -> None:
    import_medium(catalogue, medium, order=Order())
    names = [name for _, name, _ in told(verify_roots(catalogue))]
    assert "DICOMDIR" not in names
