"""Copies in an archive: whole, never over other bytes, and in the catalogue as indexing would have them."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.errors import ConfigError, ExportError, MediaFull, PathError
from catalog.files import copy as copy_module
from catalog.importing import copying as copying_module
from tests.archives import zip_bytes
from tests.builders import archive, dicom_bytes, write
from tests.importing.steps import codes, taken_in, would_take_in
from tests.journeys.steps import DICOMDIR_TESTS, exported, files_below, indexed, rows
from tests.tables import dump


@pytest.fixture
def medium(new_catalogue: Callable[[], Catalogue], tmp_path: Path) -> Path:
    """A medium of two patients with two instances each, with a viewer beside them."""
    archive(tmp_path / "source", 2, 1, 1, 2)
    source = new_catalogue()
    indexed(source, tmp_path / "source")
    assert exported(source, tmp_path / "medium").is_complete
    (tmp_path / "medium/MANIFEST.SHA256").unlink(missing_ok=True)
    (tmp_path / "medium/VIEWER").mkdir()
    (tmp_path / "medium/VIEWER/RUN.EXE").write_bytes(b"MZ" + bytes(300))
    (tmp_path / "medium/AUTORUN.INF").write_text("[autorun]\n")
    return tmp_path / "medium"


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


def test_instances_are_copied_and_nothing_else(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "new/archive")
    assert outcome.is_complete
    assert outcome.beside == 2
    made = contents(tmp_path / "new/archive")
    sources = {data for name, data in contents(medium).items() if name.startswith("DICOM/")}
    assert set(made.values()) == sources
    assert len(made) == 4
    assert min(made) == "P1/20240101_1.2.3.1.1/1_MR/1.2.3.1.1.1.1.dcm"


def test_rows_are_those_that_indexing_would_make(
    medium: Path, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    one, other = new_catalogue(), new_catalogue()
    taken_in(one, medium, copy_to=tmp_path / "archive")
    counts = indexed(one, tmp_path / "archive")
    assert (counts.done["unchanged"], counts.done["opened"], counts.done["missing"]) == (4, 0, 0)
    indexed(other, tmp_path / "archive", digest=True)
    first, second = dump(one.path), dump(other.path)
    for table in ("patient", "study", "series", "instance", "file", "discrepancy", "root", "series_total"):  # fmt: skip
        assert first[table] == second[table], table


def test_a_second_import_changes_nothing(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    before, files = dump(catalogue.path), contents(tmp_path / "archive")
    again = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert {item.outcome for item in again.copies} == {"there"}
    assert again.is_complete
    assert dump(catalogue.path) == before
    assert contents(tmp_path / "archive") == files


def test_below_a_root_that_is_known(medium: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "archive/old/x.dcm", SOPInstanceUID="1.9.1")
    indexed(catalogue, tmp_path / "archive")
    taken_in(catalogue, medium, copy_to=tmp_path / "archive/incoming")
    assert len(rows(catalogue.path, "SELECT * FROM root")) == 1
    counts = indexed(catalogue, tmp_path / "archive")
    assert (counts.done["unchanged"], counts.done["opened"]) == (5, 0)


def test_a_dry_run_writes_nothing_and_says_what_would_be(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    planned = would_take_in(medium, copy_to=tmp_path / "archive")
    assert not (tmp_path / "archive").exists()
    done = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert [i[:2] for i in planned.copies] == [i[:2] for i in done.copies]
    assert {i.outcome for i in planned.copies} == {"planned"}
    again = would_take_in(medium, copy_to=tmp_path / "archive")
    assert {i.outcome for i in again.copies} == {"there"}


# -- names that are taken -----------------------------------------------------------------


def test_other_bytes_are_never_written_over(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    taken = tmp_path / "archive/P1/20240101_1.2.3.1.1/1_MR/1.2.3.1.1.1.1.dcm"
    write(taken, SOPInstanceUID="1.2.3.1.1.1.1", PatientID="P1", StudyDescription="Mine")
    mine = taken.read_bytes()
    indexed(catalogue, tmp_path / "archive")
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert taken.read_bytes() == mine
    (renamed,) = [item for item in outcome.copies if item.renamed]
    assert renamed.target.startswith("P1/20240101_1.2.3.1.1/1_MR/1.2.3.1.1.1.1~")
    assert renamed.target.endswith(".dcm")
    assert codes(outcome)["copy-renamed"] == 1
    held = rows(catalogue.path, "SELECT Path FROM v_file WHERE SOPInstanceUID = '1.2.3.1.1.1.1'")
    assert len(held) == 2
    before = contents(tmp_path / "archive")
    again = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert {item.outcome for item in again.copies} == {"there"}
    assert contents(tmp_path / "archive") == before


@pytest.mark.parametrize("kind", ["folder", "link to nothing", "link elsewhere", "pipe"])
def test_what_else_may_stand_under_the_name(
    kind: str, medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    taken = tmp_path / "archive/P1/20240101_1.2.3.1.1/1_MR/1.2.3.1.1.1.1.dcm"
    taken.parent.mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    if kind == "folder":
        taken.mkdir()
    elif kind == "pipe":
        os.mkfifo(taken)
    else:
        taken.symlink_to(secret if kind == "link elsewhere" else tmp_path / "nowhere")
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert secret.read_bytes() == b"secret"
    assert not (tmp_path / "nowhere").exists()
    assert [item.renamed for item in outcome.copies].count(True) == 1
    assert outcome.is_complete


def test_two_files_with_the_same_bytes_are_one_copy(catalogue: Catalogue, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"medium/{name}")
    outcome = taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "archive")
    assert len(files_below(tmp_path / "archive")) == 1
    assert [item.outcome for item in outcome.copies] == ["copied", "there"]
    assert len(rows(catalogue.path, "SELECT * FROM file")) == 1


def test_two_files_of_one_instance_with_other_bytes_are_two(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    write(tmp_path / "medium/a")
    write(tmp_path / "medium/b", StudyDescription="Another")
    outcome = taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "archive")
    assert codes(outcome) == {"no-dicomdir": 1, "copy-renamed": 1}
    assert len(files_below(tmp_path / "archive")) == 2
    assert len(rows(catalogue.path, "SELECT * FROM file WHERE status = 'ok'")) == 2
    again = taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "archive")
    assert {item.outcome for item in again.copies} == {"there"}
    assert len(files_below(tmp_path / "archive")) == 2


def test_patients_that_case_alone_tells_apart(catalogue: Catalogue, tmp_path: Path) -> None:
    for number, patient in enumerate(["abc", "ABC", "Abc"]):
        write(tmp_path / f"medium/{number}", PatientID=patient, StudyInstanceUID=f"1.9.{number}", SeriesInstanceUID=f"1.9.{number}.1", SOPInstanceUID=f"1.9.{number}.1.1")  # fmt: skip
    taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "archive")
    folders = [path.name for path in (tmp_path / "archive").iterdir()]
    assert len({name.casefold() for name in folders}) == 3
    before = files_below(tmp_path / "archive")
    taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "archive")
    assert files_below(tmp_path / "archive") == before


ATTACKS = ["..", "../../../x", "/etc", "CON", "a/../../b", "C:\\x", "x" * 64, " ", ".", "~", "-rf", "$(id)", "a.zip", "é" * 30, "x.part", "*", "NUL.txt"]  # fmt: skip


def test_what_attackers_write_into_a_header(catalogue: Catalogue, tmp_path: Path) -> None:
    for number, value in enumerate(ATTACKS):
        write(tmp_path / f"medium/{number}", PatientID=value, SeriesDescription=value, SpecificCharacterSet="ISO_IR 192", StudyInstanceUID=f"1.9.{number}", SeriesInstanceUID=f"1.9.{number}.1", SOPInstanceUID=f"1.9.{number}.1.1")  # fmt: skip
    outcome = taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "a/b/archive", name="{PatientID}/{SeriesDescription}/{SOPInstanceUID}")  # fmt: skip
    assert outcome.is_complete
    assert {p.name for p in tmp_path.iterdir()} == {"medium", "a"}
    made = files_below(tmp_path / "a/b/archive")
    assert len(made) == len(ATTACKS)
    assert all(path.count("/") == 2 for path in made)
    counts = indexed(catalogue, tmp_path / "a/b/archive")
    assert (counts.done["unchanged"], counts.done["opened"]) == (len(ATTACKS), 0)


@settings(max_examples=15)
@given(ids=st.lists(st.text(alphabet="aAéÉ./\\ ~:x\u0301", min_size=1, max_size=6), min_size=1, max_size=5), same=st.booleans())  # fmt: skip
def test_importing_twice_is_importing_once(
    ids: list[str], same: bool, empty_catalogue: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("twice")
    for number, value in enumerate(ids):
        uid = "1.9.1" if same else f"1.9.{number}"
        write(folder / f"medium/{number}", PatientID=value, SpecificCharacterSet="ISO_IR 192", StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", SOPInstanceUID=f"{uid}.1.1")  # fmt: skip
    shutil.copy(empty_catalogue, folder / "c.db")
    with open_catalogue(folder / "c.db") as catalogue:
        first = taken_in(catalogue, folder / "medium", copy_to=folder / "archive")
        before, made = dump(catalogue.path), contents(folder / "archive")
        assert set(made.values()) == set(contents(folder / "medium").values())
        again = taken_in(catalogue, folder / "medium", copy_to=folder / "archive")
        assert dump(catalogue.path) == before
        assert contents(folder / "archive") == made
        assert [i.target for i in again.copies] == [i.target for i in first.copies]
        counts = indexed(catalogue, folder / "archive")
        assert counts.done["opened"] == 0


# -- folders that will not do -------------------------------------------------------------


def test_a_folder_on_the_medium_is_refused(medium: Path, catalogue: Catalogue) -> None:
    for folder in (medium, medium / "copies"):
        with pytest.raises(PathError, match="lies on the medium itself"):
            taken_in(catalogue, medium, copy_to=folder)
    assert rows(catalogue.path, "SELECT * FROM run") == []


def test_a_file_is_no_folder(medium: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(PathError, match="is not a folder"):
        taken_in(catalogue, medium, copy_to=tmp_path / "file")


def test_a_template_that_is_none(medium: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean"):
        taken_in(catalogue, medium, copy_to=tmp_path / "archive", name="{PatientIDs}")
    assert not (tmp_path / "archive").exists()


# -- what goes wrong meanwhile ------------------------------------------------------------


def test_no_space_is_said_before_a_byte_is_written(
    medium: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10, 10, 0)  # type: ignore[attr-defined]
    monkeypatch.setattr(copying_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(MediaFull, match="nothing was copied"):
        taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert not (tmp_path / "archive").exists()


def test_a_disk_that_runs_full_leaves_whole_files_and_goes_on(
    medium: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    write_all = copy_module._write_all

    def full(writer: object, chunk: object) -> None:
        nonlocal written
        written += 1
        if written > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(writer, chunk)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(copy_module, "_is_cloned", lambda *_: False)
        patched.setattr(copy_module, "_write_all", full)
        with pytest.raises(
            MediaFull, match=r"No space is left.* 2 of 4 instances are in the archive"
        ):
            taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert len(files_below(tmp_path / "archive")) == 2  # nothing half
    assert len(rows(catalogue.path, "SELECT * FROM file WHERE status = 'ok'")) == 2
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert sorted(item.outcome for item in outcome.copies) == ["copied", "copied", "there", "there"]
    assert outcome.is_complete


def test_a_medium_that_is_pulled(
    medium: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = copying_module.copy_opened
    count = 0

    def pulled(*arguments: object, **more: object) -> object:
        nonlocal count
        count += 1
        if count == 3:
            shutil.move(medium, tmp_path / "pulled")
        return made(*arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(copying_module, "copy_opened", pulled)
        with pytest.raises(PathError, match="is gone"):
            taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert len(rows(catalogue.path, "SELECT * FROM file WHERE status = 'ok'")) == 2
    shutil.move(tmp_path / "pulled", medium)
    assert taken_in(catalogue, medium, copy_to=tmp_path / "archive").is_complete


def test_a_source_that_changes_is_a_finding(
    medium: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = copying_module.copy_opened
    (victim,) = list(medium.glob("DICOM/*/*/*/*"))[:1]
    other = dicom_bytes(SOPInstanceUID="1.99", PatientID="Other")

    def changing(opening: object, *more: object) -> object:
        victim.write_bytes(other)
        return made(opening, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(copying_module, "copy_opened", changing)
        outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert codes(outcome)["not-copied"] == 1
    assert not outcome.is_complete
    assert other not in contents(tmp_path / "archive").values()
    assert not any(name.endswith(".part") for name in files_below(tmp_path / "archive"))


def test_a_folder_that_takes_nothing(
    medium: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", refused)
        with pytest.raises(ExportError, match="cannot be written"):
            taken_in(catalogue, medium, copy_to=tmp_path / "archive")


def test_a_copy_that_a_killed_run_began_is_made_anew(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    begun = tmp_path / "archive/P1/20240101_1.2.3.1.1/1_MR/1.2.3.1.1.1.1.dcm.part"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"half")
    assert taken_in(catalogue, medium, copy_to=tmp_path / "archive").is_complete
    assert not begun.exists()


def test_copies_that_a_killed_run_did_not_catalogue(
    medium: Path, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    taken_in(new_catalogue(), medium, copy_to=tmp_path / "archive")
    catalogue = new_catalogue()  # one that knows nothing of these copies
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert {item.outcome for item in outcome.copies} == {"there"}
    assert indexed(catalogue, tmp_path / "archive").done["opened"] == 0


# -- containers and real media ------------------------------------------------------------


def test_out_of_a_zip_file(
    medium: Path, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    content = [(name, data) for name, data in sorted(contents(medium).items())]
    (tmp_path / "disc.zip").write_bytes(zip_bytes(content))
    catalogue = new_catalogue()
    outcome = taken_in(catalogue, tmp_path / "disc.zip", copy_to=tmp_path / "one")
    taken_in(new_catalogue(), medium, copy_to=tmp_path / "two")
    assert outcome.is_complete
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert indexed(catalogue, tmp_path / "one").done["opened"] == 0
    again = taken_in(catalogue, tmp_path / "disc.zip", copy_to=tmp_path / "one")
    assert {item.outcome for item in again.copies} == {"there"}


@pytest.mark.parametrize("level", ["1", "3"])
def test_out_of_an_iso_image_that_genisoimage_made(
    level: str, medium: Path, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    program = shutil.which("genisoimage") or shutil.which("mkisofs")
    if program is None:
        pytest.skip("genisoimage is not installed")
    done = subprocess.run([program, "-quiet", "-iso-level", level, "-o", tmp_path / "disc.iso", medium], check=False, capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    catalogue = new_catalogue()
    outcome = taken_in(catalogue, tmp_path / "disc.iso", copy_to=tmp_path / "one")
    taken_in(new_catalogue(), medium, copy_to=tmp_path / "two")
    assert outcome.is_complete
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_media_of_pydicom(catalogue: Catalogue, tmp_path: Path) -> None:
    outcome = taken_in(catalogue, DICOMDIR_TESTS, copy_to=tmp_path / "archive")
    assert (len(outcome.copies), outcome.copied(outcome.copies[0].outcome)) == (81, 81)
    wanted = {path.read_bytes() for path in DICOMDIR_TESTS.rglob("*") if path.is_file() and "DICOMDIR" not in path.name}  # fmt: skip
    assert set(contents(tmp_path / "archive").values()) <= wanted
    counts = indexed(catalogue, tmp_path / "archive")
    assert (counts.done["unchanged"], counts.done["opened"]) == (81, 0)


def test_a_medium_of_dcmtk(catalogue: Catalogue, shared_data: Path, tmp_path: Path) -> None:
    outcome = taken_in(
        catalogue, shared_data / "filesets/dcmtk-mixed", copy_to=tmp_path / "archive"
    )
    assert {item.outcome for item in outcome.copies} == {"copied"}
    assert (len(outcome.copies), len(outcome.unnamed)) == (99, 5)
    assert indexed(catalogue, tmp_path / "archive").done["opened"] == 0
