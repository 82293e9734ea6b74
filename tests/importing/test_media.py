"""Media as they come: without DICOMDIR, with a wrong one, spelt by drivers, with much beside."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import DicomdirError, PathError
from tests.archives import zip_bytes
from tests.builders import archive, write
from tests.importing.steps import codes, taken_in, would_take_in
from tests.journeys.steps import exported, files_below, imported, indexed, referencing, rows


@pytest.fixture
def medium(new_catalogue: Callable[[], Catalogue], tmp_path: Path) -> Path:
    archive(tmp_path / "source", 1, 1, 1, 3)
    source = new_catalogue()
    indexed(source, tmp_path / "source")
    assert exported(source, tmp_path / "medium").is_complete
    (tmp_path / "medium/MANIFEST.SHA256").unlink(missing_ok=True)
    return tmp_path / "medium"


def test_without_dicomdir_and_without_copying_it_says_what_to_do(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    write(tmp_path / "medium/a")
    with pytest.raises(PathError) as caught:
        imported(catalogue, tmp_path / "medium")
    assert "--copy-to" in str(caught.value)
    assert "dcat index" in str(caught.value)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_without_dicomdir_every_instance_is_taken(
    packed: bool, catalogue: Catalogue, tmp_path: Path
) -> None:
    write(tmp_path / "medium/a/b", SOPInstanceUID="1.9.1")
    write(tmp_path / "medium/c.dcm", SOPInstanceUID="1.9.2")
    write(tmp_path / "medium/no-uid", SOPInstanceUID=...)
    (tmp_path / "medium/readme.txt").write_text("read me")
    path = tmp_path / "medium"
    if packed:
        content = [(name, (path / name).read_bytes()) for name in sorted(files_below(path))]
        path = tmp_path / "disc.zip"
        path.write_bytes(zip_bytes(content))
    outcome = taken_in(catalogue, path, copy_to=tmp_path / "archive")
    assert (outcome.has_directory, outcome.beside) == (False, 1)
    # pydicom gives a file without SOP Instance UID one in its File Meta Information.
    assert len(files_below(tmp_path / "archive")) == len(outcome.copies) >= 2
    assert "no-dicomdir" in codes(outcome)
    assert rows(catalogue.path, "SELECT * FROM fileset") == []


@pytest.mark.parametrize("content", [b"", b"text", bytes(500)], ids=["empty", "text", "zeros"])
def test_a_dicomdir_that_is_none(
    content: bytes, medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    (medium / "DICOMDIR").write_bytes(content)
    with pytest.raises(DicomdirError):
        imported(catalogue, medium)
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert len(files_below(tmp_path / "archive")) == 3
    assert codes(outcome) == {"directory-unreadable": 1}
    assert not outcome.is_complete
    with pytest.raises(DicomdirError):  # who names the file means it
        taken_in(catalogue, medium / "DICOMDIR", copy_to=tmp_path / "other")


def test_an_empty_folder(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "medium").mkdir()
    outcome = taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "archive")
    assert outcome.copies == []
    assert not (tmp_path / "archive").exists()


def test_a_dicomdir_of_another_disc(
    medium: Path, catalogue: Catalogue, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    archive(tmp_path / "others", 3, 1, 1, 1)
    other = new_catalogue()
    indexed(other, tmp_path / "others")
    exported(other, tmp_path / "other", "PatientID=P3")
    shutil.copy(tmp_path / "other/DICOMDIR", medium / "DICOMDIR")
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert (outcome.present, outcome.absent, len(outcome.unnamed)) == (0, 1, 3)
    assert len(files_below(tmp_path / "archive")) == 3
    assert not outcome.is_complete
    named = taken_in(catalogue, medium, copy_to=tmp_path / "second", named_only=True)
    assert named.copies == []


@pytest.mark.parametrize(
    "spelt",
    [str.lower, lambda name: f"{name};1", lambda name: f"{name}.", lambda name: f"{name.lower()}.dcm"],
    ids=["lower case", "version", "dot", "extension"],
)  # fmt: skip
def test_names_as_drivers_spell_them(
    spelt: Callable[[str], str], medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    for name in files_below(medium):
        folder, _, last = name.rpartition("/")
        as_spelt = last if last == "DICOMDIR" and spelt("X").endswith(".dcm") else spelt(last)
        target = tmp_path / "spelt" / (folder.lower() if spelt("X") == "x" else folder) / as_spelt
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(medium / name, target)
    outcome = taken_in(catalogue, tmp_path / "spelt", copy_to=tmp_path / "archive")
    assert (outcome.present, outcome.unnamed, outcome.differences) == (3, [], [])
    assert outcome.is_complete
    assert len(files_below(tmp_path / "archive")) == 3


def test_several_dicomdirs_below_a_folder_are_listed(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    (tmp_path / "discs").mkdir()
    shutil.copytree(medium, tmp_path / "discs/one")
    shutil.copytree(medium, tmp_path / "discs/two")
    for copy_to in (None, tmp_path / "archive"):
        with pytest.raises(PathError) as caught:
            taken_in(catalogue, tmp_path / "discs", copy_to=copy_to)
        assert "discs/one/DICOMDIR" in str(caught.value)
        assert "discs/two/DICOMDIR" in str(caught.value)
        assert "Name the one" in str(caught.value)


def test_a_dicomdir_below_the_one_that_is_imported(medium: Path, catalogue: Catalogue) -> None:
    shutil.copytree(medium, medium / "OLD")
    outcome = taken_in(catalogue, medium, named_only=True)
    assert codes(outcome) == {"further-dicomdir": 1}
    assert len(taken_in(catalogue, medium).unnamed) == 3


def test_a_link_that_leads_out_is_never_opened(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    secret = write(tmp_path / "secret/x", SOPInstanceUID="1.66")
    (medium / "LINK").symlink_to(secret)
    first = medium.joinpath(*referencing(medium / "DICOMDIR")[0].ReferencedFileID)
    first.unlink()
    first.symlink_to(secret)
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert (outcome.present, outcome.refused) == (2, 1)
    assert codes(outcome)["link-out"] >= 1
    assert not outcome.is_complete
    assert not any(secret.read_bytes() == p.read_bytes() for p in (tmp_path / "archive").rglob("*.dcm"))  # fmt: skip
    assert not rows(catalogue.path, "SELECT * FROM instance WHERE sop_instance_uid = '1.66'")
    assert imported(catalogue, medium).refused == 1


def test_a_link_within_the_medium_is_followed(medium: Path, catalogue: Catalogue) -> None:
    first = medium.joinpath(*referencing(medium / "DICOMDIR")[0].ReferencedFileID)
    first.rename(medium / "REAL")
    first.symlink_to(medium / "REAL")
    outcome = taken_in(catalogue, medium, named_only=True)
    assert (outcome.present, outcome.refused) == (3, 0)


def test_a_dry_run_needs_no_catalogue(medium: Path) -> None:
    outcome = would_take_in(medium)
    assert (outcome.present, outcome.read) == (3, 3)


def test_links_to_folders_are_listed_and_not_followed(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    write(tmp_path / "outside/x", SOPInstanceUID="1.66")
    (medium / "OUT").symlink_to(tmp_path / "outside")
    (medium / "DANGLING").symlink_to(tmp_path / "nowhere")
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "archive")
    assert codes(outcome) == {"not-followed": 1, "file-unreadable": 1}
    assert len(files_below(tmp_path / "archive")) == 3
    assert not outcome.is_complete


def test_a_dry_run_without_copies_reads_no_file_that_it_need_not(medium: Path) -> None:
    outcome = would_take_in(medium, check="exists")
    assert (outcome.present, outcome.read) == (3, 0)
