"""What is on a medium and cannot be had: told as what it is, wherever it lies, never passed over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import PathError
from catalog.findings import Severity
from catalog.importing import CopyOutcome, Imported, open_medium
from catalog.importing.holding import held
from tests.archives import zip_bytes
from tests.builders import archive, dicom_bytes, write
from tests.cli.conftest import Dcat, dcat  # noqa: F401 - a fixture
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


def packed(medium: Path, *locked: str) -> Path:
    """Return a ZIP file of the medium in which the members `locked` say that they are encrypted."""
    names = sorted(files_below(medium))
    data = bytearray(zip_bytes([(name, (medium / name).read_bytes()) for name in names]))
    for name in locked:
        raw, at = name.encode(), 0
        while (at := data.find(raw, at)) >= 0:
            for mark, header, flags in ((b"PK\3\4", 30, 6), (b"PK\1\2", 46, 8)):
                if data[at - header : at - header + 4] == mark:
                    data[at - header + flags] |= 1
            at += 1
    path = medium.with_name("disc.zip")
    path.write_bytes(bytes(data))
    return path


def named(medium: Path) -> list[str]:
    """Return the files that the DICOMDIR names, sorted."""
    return sorted("/".join(each.ReferencedFileID) for each in referencing(medium / "DICOMDIR"))


def errors(outcome: Imported) -> dict[str, str]:
    """Return the messages of the errors by their places."""
    return {f.place: f.message for f in outcome.findings if f.severity is Severity.ERROR}


@pytest.mark.parametrize("how", ["exists", "header", "copied"])
def test_what_a_record_names_and_what_is_encrypted_is_not_called_missing(
    how: str, medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    names = named(medium)
    path = packed(medium, *names)
    if how == "exists":
        outcome = imported(catalogue, path)
    else:
        outcome = taken_in(catalogue, path, copy_to=tmp_path / "new" if how == "copied" else None)
    assert (outcome.present, outcome.shut, outcome.absent) == (0, 3, 0)
    assert not outcome.is_complete
    assert codes(outcome) == {"file-unreadable": 3}
    found = errors(outcome)
    assert sorted(found) == names
    assert all("encrypted" in message for message in found.values())
    assert outcome.as_dict()["shut"] == 3


@pytest.mark.parametrize("named_only", [False, True])
def test_one_of_three(named_only: bool, medium: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    first = named(medium)[0]
    outcome = taken_in(catalogue, packed(medium, first), copy_to=tmp_path / "new", named_only=named_only)  # fmt: skip
    assert (outcome.present, outcome.shut) == (2, 1)
    assert codes(outcome) == {"file-unreadable": 1}
    assert list(errors(outcome)) == [first]
    assert outcome.copied(CopyOutcome.COPIED) == 2


@pytest.mark.parametrize("named_only", [False, True])
def test_a_pipe_and_a_link_to_nothing_in_the_place_of_files(
    named_only: bool, medium: Path, catalogue: Catalogue
) -> None:
    pipe, link, _ = named(medium)
    for name in (pipe, link):
        (medium / name).unlink()
    os.mkfifo(medium / pipe)
    (medium / link).symlink_to("nowhere")
    outcome = taken_in(catalogue, medium, named_only=named_only)
    assert (outcome.present, outcome.shut, outcome.absent) == (1, 2, 0)
    assert {place: "pipe" in message for place, message in errors(outcome).items()} == {pipe: True, link: False}  # fmt: skip
    assert not outcome.is_complete


def test_a_dicomdir_that_is_encrypted_is_not_said_to_be_none(
    medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    path = packed(medium, "DICOMDIR")
    with pytest.raises(PathError, match="DICOMDIR cannot be read: it is encrypted"):
        imported(catalogue, path)
    outcome = taken_in(catalogue, path, copy_to=tmp_path / "new")
    assert len(files_below(tmp_path / "new")) == 3
    assert codes(outcome) == {"directory-unreadable": 1, "file-unreadable": 1}
    assert not outcome.is_complete


def test_what_is_cut_short_on_a_medium_without_dicomdir(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    whole = dicom_bytes(SOPInstanceUID="1.9.1", PixelData=bytes(2000), Rows=10, Columns=100)
    write(tmp_path / "medium/whole", SOPInstanceUID="1.9.2")
    (tmp_path / "medium/pixels").write_bytes(whole[:-500])
    (tmp_path / "medium/header").write_bytes(whole[:300])
    (tmp_path / "medium/readme.txt").write_text("read me")
    outcome = taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "new")
    assert codes(outcome) == {"no-dicomdir": 1, "file-truncated": 1, "file-unreadable": 1}
    assert set(errors(outcome)) == {"pixels", "header"}
    assert not outcome.is_complete
    assert outcome.copied(CopyOutcome.COPIED) == 2


def test_what_is_cut_short_and_named_is_lost_as_well(medium: Path, catalogue: Catalogue) -> None:
    first = medium / named(medium)[0]
    first.write_bytes(first.read_bytes()[:-2])
    outcome = taken_in(catalogue, medium)
    assert codes(outcome) == {"file-truncated": 1}
    assert not outcome.is_complete


@pytest.mark.parametrize("directory", [False, True])
def test_a_link_out_that_no_record_names_is_told(
    directory: bool, medium: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    if not directory:
        (medium / "DICOMDIR").unlink()
    secret = write(tmp_path / "secret/x", SOPInstanceUID="1.66")
    (medium / "LINK").symlink_to(secret)
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "new")
    assert [f.place for f in outcome.findings if f.code == "link-out"] == ["LINK"]
    assert not outcome.is_complete
    assert len(files_below(tmp_path / "new")) == 3


def test_a_file_that_was_read_and_is_gone_is_missing(medium: Path, catalogue: Catalogue) -> None:
    first, second, _ = named(medium)
    taken_in(catalogue, medium)
    (medium / first).unlink()
    (medium / second).unlink()
    (medium / second).symlink_to("nowhere")
    taken_in(catalogue, medium)
    found = {row["path"]: row["status"] for row in rows(catalogue.path, "SELECT * FROM file")}
    assert [path for path, status in found.items() if status == "missing"] == [first]
    assert found[second] == "ok"  # something is there; `dcat verify` says what
    shutil.copy(medium / named(medium)[2], medium / first)
    taken_in(catalogue, medium)
    assert not rows(catalogue.path, "SELECT * FROM file WHERE status = 'missing'")


@pytest.mark.parametrize("check", ["exists", "header"])
def test_another_disc_in_the_drive_makes_the_files_of_the_first_missing(
    check: str, medium: Path, catalogue: Catalogue, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:  # fmt: skip
    taken_in(catalogue, medium)
    first = set(named(medium))
    shutil.move(medium, tmp_path / "first")
    archive(tmp_path / "other", 2, 1, 1, 1)
    source = new_catalogue()
    indexed(source, tmp_path / "other")
    assert exported(source, medium).is_complete
    second = set(named(medium))
    assert taken_in(catalogue, medium, check).is_complete
    found = {row["path"]: row["status"] for row in rows(catalogue.path, "SELECT * FROM file")}
    assert {path for path, status in found.items() if status == "missing"} == first - second
    assert all(found[path] in ("ok", "referenced") for path in second)


def test_what_may_be_there_is_not_called_gone(medium: Path, catalogue: Catalogue, tmp_path: Path) -> None:  # fmt: skip
    (medium / "more.zip").write_bytes(zip_bytes([("a", dicom_bytes(SOPInstanceUID="1.9.7"))]))
    write(tmp_path / "elsewhere/b", SOPInstanceUID="1.9.8")
    (medium / "LINKED").symlink_to(tmp_path / "elsewhere")
    indexed(catalogue, medium, follow_links=True, archives=True)
    before = rows(catalogue.path, "SELECT path, status FROM file ORDER BY path")
    assert {"more.zip!/a", "LINKED/b"} <= {row["path"] for row in before}
    taken_in(catalogue, medium)
    assert rows(catalogue.path, "SELECT path, status FROM file ORDER BY path") == before
    (medium / "more.zip").unlink()
    taken_in(catalogue, medium)
    gone = rows(catalogue.path, "SELECT path FROM file WHERE status = 'missing' ORDER BY path")
    assert [row["path"] for row in gone] == ["more.zip", "more.zip!/a"]


def test_archives_on_the_medium_are_told(medium: Path, catalogue: Catalogue, tmp_path: Path) -> None:  # fmt: skip
    (medium / "more.zip").write_bytes(zip_bytes([("a", dicom_bytes(SOPInstanceUID="1.9.7"))]))
    outcome = taken_in(catalogue, medium, copy_to=tmp_path / "new")
    assert [f.place for f in outcome.findings] == ["more.zip"]
    assert codes(outcome) == {"archive-passed-over": 1}
    assert (outcome.beside, outcome.is_complete) == (1, True)


def test_several_media_in_one_archive_have_to_be_extracted(medium: Path, tmp_path: Path) -> None:
    content = [(name, (medium / name).read_bytes()) for name in sorted(files_below(medium))]
    path = tmp_path / "two.zip"
    path.write_bytes(zip_bytes([(f"{disc}/{name}", data) for disc in "ab" for name, data in content]))  # fmt: skip
    with pytest.raises(PathError, match="Extract it, and name one of the folders"):
        open_medium(path)


def test_a_directory_of_other_files_than_those_that_are_there(medium: Path, catalogue: Catalogue) -> None:  # fmt: skip
    (medium / "DICOM").rename(medium / "IMAGES")
    outcome = taken_in(catalogue, medium)
    assert codes(outcome) == {"file-missing": 3, "file-unnamed": 3}
    assert not outcome.is_complete
    shutil.rmtree(medium / "IMAGES")
    assert taken_in(catalogue, medium).is_complete  # the records alone


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_where_a_folder_is_needed_keeps_no_other_patient_out(
    kind: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    for number in (1, 2):
        write(tmp_path / f"medium/{number}", SOPInstanceUID=f"1.9.{number}", PatientID=f"P{number}", StudyInstanceUID=f"1.{number}", SeriesInstanceUID=f"1.{number}.1")  # fmt: skip
    if kind == "file":
        (new / "P1").write_text("something else")
    else:
        (new / "P1").symlink_to("nowhere")
    for outcome in (
        would_take_in(tmp_path / "medium", copy_to=new),
        taken_in(catalogue, tmp_path / "medium", copy_to=new),
    ):
        assert [f.place for f in outcome.findings if f.code == "not-copied"] == ["1"]
        assert [each.source for each in outcome.copies] == ["2"]
        assert not outcome.is_complete
    assert any(name.startswith("P2/") for name in files_below(new))
    assert kind == "link" or (new / "P1").read_text() == "something else"


def test_a_link_to_nothing_is_no_archive_folder(medium: Path, catalogue: Catalogue) -> None:
    (medium.parent / "new").symlink_to("nowhere")
    with pytest.raises(PathError, match="is not a folder"):
        taken_in(catalogue, medium, copy_to=medium.parent / "new")


def test_a_url_is_said_to_be_one() -> None:
    with pytest.raises(PathError, match="is a URL"):
        open_medium(Path("s3://bucket/disc"))


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be locked there")
def test_two_imports_do_not_copy_into_one_folder(
    medium: Path, catalogue: Catalogue, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    with held(new), pytest.raises(PathError, match="Another import is copying into"):
        taken_in(catalogue, medium, copy_to=new)
    assert files_below(new) == set()
    assert taken_in(new_catalogue(), medium, copy_to=new).is_complete
    assert len(files_below(new)) == 3


def test_the_command_says_it(dcat: Dcat, medium: Path, tmp_path: Path) -> None:  # noqa: F811
    first = named(medium)[0]
    code, out, err = dcat("import", packed(medium, first), "--db", tmp_path / "c.db")
    assert (code, out) == (3, "")
    assert "3 of 3 files that it names are there." in err
    assert "1 of them cannot be looked into." in err
    assert "it is encrypted" in err
    code, out, err = dcat("import", packed(medium, *named(medium)), "--db", tmp_path / "c.db")
    assert (code, out) == (3, "")
    assert "None of the" not in err
    code, out, err = dcat("import", packed(medium, *named(medium)), "--check", "header", "--db", tmp_path / "c.db")  # fmt: skip
    assert code == 3
    assert "say the same" not in err  # nothing was compared


def test_a_link_of_a_patient_that_the_medium_does_not_state_is_told(
    dcat: Dcat, medium: Path, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    def said(link: str) -> str:
        result = dcat("import", medium, "--patient", link, "--db", tmp_path / "c.db")
        assert result.code == 0
        return str(result.err)

    assert "has no study of P1^ACME" in said("P1^ACME=4711")
    assert "has no study" not in said("P1=4711")
