"""What a verification found right is kept by file, whatever ends it; nothing else is marked."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from catalog.database import models as m
from catalog.database import proofs as proofs_module
from catalog.database.catalogue import Catalogue
from catalog.indexing import one_run
from catalog.query import parse
from catalog.verifying import contents, verify_roots, verify_selection
from tests.builders import archive, dicom_bytes, write
from tests.journeys.steps import indexed


def marked(catalogue: Catalogue) -> dict[str, int]:
    """Return the run that found a file right, by path, of the files that have one."""
    f = m.file.c
    query = select(f.path, f.verified_run_ref).where(f.verified_run_ref.is_not(None))
    with catalogue.read() as connection:
        return dict(map(tuple, connection.execute(query)))  # type: ignore[arg-type]


def latest(catalogue: Catalogue) -> int:
    with catalogue.read() as connection:
        return max(connection.execute(select(m.run.c.id)).scalars())


@pytest.fixture
def files(catalogue: Catalogue, tmp_path: Path) -> list[Path]:
    """Six files with digests: in `a` of P1, in `b` of P2."""
    made = [write(tmp_path / "in" / ("a" if n < 4 else "b") / f"{n}", PatientID="P1" if n < 4 else "P2", StudyInstanceUID=f"1.{n // 4}", SeriesInstanceUID=f"1.{n // 4}.1", SOPInstanceUID=f"1.{n // 4}.1.{n}") for n in range(6)]  # fmt: skip
    indexed(catalogue, tmp_path / "in", digest=True)
    return made


@pytest.mark.both
def test_files_whose_bytes_are_right_are_marked(catalogue: Catalogue, files: list[Path]) -> None:
    data = files[1].read_bytes()
    status = files[1].stat()
    files[1].write_bytes(data[:-1] + b"x")
    import os

    os.utime(files[1], ns=(status.st_atime_ns, status.st_mtime_ns))  # changed in secret
    os.utime(files[2], ns=(1, 1))  # changed in the open
    files[3].unlink()
    verify_roots(catalogue, digest=True)
    assert marked(catalogue) == dict.fromkeys(["a/0", "b/4", "b/5"], latest(catalogue))
    before = marked(catalogue)
    verify_roots(catalogue)
    assert marked(catalogue) == before  # by size and time nothing is proved


def test_a_selection_and_a_folder_count(
    catalogue: Catalogue, files: list[Path], tmp_path: Path
) -> None:
    verify_selection(catalogue, parse.selection(["PatientID=P2"]), digest=True)
    first = latest(catalogue)
    assert marked(catalogue) == {"b/4": first, "b/5": first}
    verify_roots(catalogue, [tmp_path / "in/a"], digest=True)
    second = latest(catalogue)
    assert marked(catalogue) == {"b/4": first, "b/5": first} | dict.fromkeys(["a/0", "a/1", "a/2", "a/3"], second)  # fmt: skip


@pytest.mark.parametrize("by", ["folder", "selection"])
def test_what_was_proved_before_an_interruption_stays_proved(
    by: str, catalogue: Catalogue, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    proved = contents._proved
    left = [3]

    def interrupted(*given: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return proved(*given)

    monkeypatch.setattr(contents, "_proved", interrupted)
    everything = parse.selection()
    with pytest.raises(KeyboardInterrupt):
        _ = verify_roots(catalogue, digest=True) if by == "folder" else verify_selection(catalogue, everything, digest=True)  # fmt: skip
    assert len(marked(catalogue)) == 3


def test_they_are_stored_in_batches(
    catalogue: Catalogue, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs_module, "BATCH_FILES", 2)
    stored: list[int] = []
    marking = proofs_module._marked

    def counted(run_ref: int, batch: Any, *more: Any) -> None:
        stored.append(len(batch))
        marking(run_ref, batch, *more)

    monkeypatch.setattr(proofs_module, "_marked", counted)
    verify_roots(catalogue, digest=True)
    assert stored == [2, 2, 2]


def test_a_file_that_was_read_anew_meanwhile_is_not_marked(
    catalogue: Catalogue, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    marking = proofs_module._marked

    def meanwhile(*given: Any) -> None:
        connection = given[-1]
        connection.execute(update(m.file).where(m.file.c.path == "a/0").values(digest="0" * 64))
        marking(*given)

    monkeypatch.setattr(proofs_module, "_marked", meanwhile)
    verify_roots(catalogue, digest=True)
    assert "a/0" not in marked(catalogue)
    assert len(marked(catalogue)) == 5


@pytest.mark.both
def test_members_are_right_if_their_archive_is(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / "in" / name, "w") as made:
            made.writestr("one", dicom_bytes(SOPInstanceUID=f"1.2.3.1.1.{name == 'a.zip':d}"))
            made.writestr("text", "hello")
    write(tmp_path / "in/a.zipped", SOPInstanceUID="1.2.3.1.1.7")
    indexed(catalogue, tmp_path / "in", digest=True)
    (tmp_path / "in/b.zip").write_bytes(b"PK")
    (tmp_path / "in/a.zipped").unlink()
    verify_roots(catalogue, digest=True)
    assert set(marked(catalogue)) == {"a.zip", "a.zip!/one", "a.zip!/text"}


def test_files_without_a_digest_prove_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "in", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "in")
    assert verify_roots(catalogue, digest=True).without_digest == 3
    assert marked(catalogue) == {}


@pytest.mark.both
def test_a_file_that_became_a_copy_of_another_is_not_marked(
    catalogue: Catalogue, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest was proved, but of the other."""
    marking = proofs_module._marked
    f = m.file.c

    def meanwhile(*given: Any) -> None:
        connection = given[-1]
        (other,) = connection.execute(select(f.digest).where(f.path == "a/1")).scalars()
        connection.execute(update(m.file).where(f.path == "a/0").values(digest=other))
        marking(*given)

    monkeypatch.setattr(proofs_module, "_marked", meanwhile)
    verify_roots(catalogue, digest=True)
    assert "a/0" not in marked(catalogue)
    assert len(marked(catalogue)) == 5


@pytest.mark.both
@pytest.mark.parametrize("has_come_far", [False, True], ids=["members", "all"])
def test_members_that_an_earlier_run_reads_meanwhile_are_not_marked(
    has_come_far: bool, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index run that began first may come to the archive last; its members are stored before it."""
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "a.zip", "w") as made:
        made.writestr("one", dicom_bytes(SOPInstanceUID="1.2.3.1.1.1"))
    indexed(catalogue, tmp_path / "in", digest=True)
    marking = proofs_module._marked
    f = m.file.c

    def meanwhile(*given: Any) -> None:
        connection = given[-1]
        anew = {"mtime_ns": 7, "digest": "0" * 64}
        paths = ["a.zip!/one", *(["a.zip"] if has_come_far else [])]
        connection.execute(update(m.file).where(f.path.in_(paths)).values(anew))
        marking(*given)

    monkeypatch.setattr(proofs_module, "_marked", meanwhile)
    verify_roots(catalogue, digest=True)
    assert set(marked(catalogue)) == (set() if has_come_far else {"a.zip"})


@pytest.mark.both
def test_what_an_earlier_run_reads_after_the_verification_is_proved_no_more(
    catalogue: Catalogue, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long index run goes on while its files are verified, and comes to one that changed since."""
    run = one_run.OneRun.run

    def late(self: Any, *given: Any) -> None:
        verify_roots(catalogue, digest=True)
        assert len(marked(catalogue)) == 6
        files[0].write_bytes(dicom_bytes(PatientID="P1", SOPInstanceUID="1.0.1.0", PatientName="x"))
        run(self, *given)

    monkeypatch.setattr(one_run.OneRun, "run", late)
    indexed(catalogue, files[0].parents[1], digest=True)
    assert set(marked(catalogue)) == {"a/1", "a/2", "a/3", "b/4", "b/5"}
