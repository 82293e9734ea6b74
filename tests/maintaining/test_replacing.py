"""A DICOMDIR made anew on a medium with a manifest: its line is right again, and nothing else is made right."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import ExportError, FileSetError, MediaFull, SourceChanged
from catalog.maintaining import Created, create, plan_creation
from catalog.verifying import verify_medium
from tests import builders
from tests.cli.conftest import dcat  # noqa: F401 - a fixture
from tests.maintaining.test_manifest import NAME, listed, listing, proved
from tests.maintaining.test_updating import UID, snapshot
from tests.media.medium import Medium


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    folder = Medium(tmp_path / "medium").write()
    (folder / "README.TXT").write_text("hello")
    listing(folder)
    return folder


def replaced(folder: Path, file_set_id: str = "ANOTHER", **options: Any) -> tuple[Created, dict[str, str]]:  # fmt: skip
    """Make the DICOMDIR anew with another ID; return what was made, and the findings' places by code."""
    renaming = options.pop("renaming", False)
    plan = plan_creation(folder, renaming=renaming)
    made = create(plan, UID, file_set_id, replace=True, **options)
    about = {f.code: f.place for f in plan.findings if f.code.startswith(("manifest", "digest"))}
    return made, about


@pytest.mark.parametrize("name", [NAME, "MANIFEST.SHA", "manifest.sha256"])
def test_the_manifest_is_in_step(name: str, medium: Path) -> None:
    (medium / NAME).rename(medium / name)
    before = (medium / name).read_bytes()
    made, about = replaced(medium)
    assert about == {}
    assert made.manifest_backup == medium / f"{name}.1.bak"
    assert made.manifest_backup.read_bytes() == before
    proved(medium, name)
    old, new = before.splitlines(), (medium / name).read_bytes().splitlines()
    assert [line for line in old if line not in new] == [line for line in old if b"  DICOMDIR" in line]  # fmt: skip


def test_a_second_time(medium: Path) -> None:
    replaced(medium)
    made, about = replaced(medium, "THIRD")
    assert about == {}
    assert made.manifest_backup == medium / f"{NAME}.2.bak"
    proved(medium)


def test_a_manifest_that_lists_another_dicomdir_stays_and_that_is_said(medium: Path) -> None:
    (medium / "DICOMDIR").write_bytes((medium / "DICOMDIR").read_bytes() + b"\0\0")
    before = (medium / NAME).read_bytes()
    made, about = replaced(medium)
    assert about == {"manifest-not-in-step": NAME}
    assert made.manifest_backup is None
    assert (medium / NAME).read_bytes() == before
    assert "digest-differs" in {f.code for f in verify_medium(medium).findings}


def test_a_manifest_that_lists_no_dicomdir(medium: Path) -> None:
    lines = (medium / NAME).read_bytes().splitlines(keepends=True)
    (medium / NAME).write_bytes(b"".join(line for line in lines if b"  DICOMDIR" not in line))
    before = (medium / NAME).read_bytes()
    _, about = replaced(medium)
    assert about == {"manifest-not-in-step": NAME}
    assert (medium / NAME).read_bytes() == before


def test_what_was_wrong_is_told_and_stays_wrong(medium: Path) -> None:
    path = next(p for p in sorted(medium.rglob("*")) if p.is_file() and p.name not in ("DICOMDIR", "README.TXT", NAME))  # fmt: skip
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (medium / "VIEWER.EXE").write_bytes(b"MZ")
    (medium / "README.TXT").unlink()
    made, about = replaced(medium)
    place = path.relative_to(medium).as_posix()
    assert about == {
        "digest-differs": place,
        "manifest-unlisted": "VIEWER.EXE",
        "manifest-missing": "README.TXT",
    }
    assert made.manifest_backup is not None
    found = {f.code for f in verify_medium(medium).findings}
    assert {"digest-differs", "manifest-unlisted", "manifest-missing"} <= found


def test_a_file_that_is_named_now_is_listed_now(medium: Path) -> None:
    builders.write(medium / "NEW", PatientID="P9", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", SOPInstanceUID="1.9.1.1")  # fmt: skip
    _, about = replaced(medium)
    assert about == {}
    proved(medium)
    assert "NEW" in listed(medium)


def test_a_file_that_was_named_and_not_listed_stays_unlisted(medium: Path) -> None:
    (medium / NAME).unlink()
    builders.write(medium / "NEW", PatientID="P9", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", SOPInstanceUID="1.9.1.1")  # fmt: skip
    replaced(medium)
    for kept in medium.glob("*.bak"):
        kept.unlink()
    listing(medium)
    lines = (medium / NAME).read_bytes().splitlines(keepends=True)
    (medium / NAME).write_bytes(b"".join(line for line in lines if not line.endswith(b"  NEW\n")))
    _, about = replaced(medium, "THIRD")
    assert about == {"manifest-unlisted": "NEW"}
    assert "NEW" not in listed(medium)


def test_lists_of_others_stay(medium: Path) -> None:
    (medium / NAME).rename(medium / "SHA256SUMS")
    (medium / "MD5SUMS").write_text("")
    before = (medium / "SHA256SUMS").read_bytes()
    plan = plan_creation(medium)
    made = create(plan, UID, "ANOTHER", replace=True)
    places = [f.place for f in plan.findings if f.code == "manifest-not-in-step"]
    assert places == ["SHA256SUMS", "MD5SUMS"]
    assert made.manifest_backup is None
    assert (medium / "SHA256SUMS").read_bytes() == before


def test_without_a_manifest_none_is_made(medium: Path) -> None:
    (medium / NAME).unlink()
    assert replaced(medium)[0].manifest_backup is None
    assert not (medium / NAME).exists()


def test_without_a_dicomdir_a_manifest_is_left_alone(medium: Path) -> None:
    (medium / "DICOMDIR").unlink()
    before = (medium / NAME).read_bytes()
    plan = plan_creation(medium)
    made = create(plan, UID, "X")
    assert made.manifest_backup is None
    assert [f.place for f in plan.findings if f.code == "manifest-not-in-step"] == [NAME]
    assert (medium / NAME).read_bytes() == before


@pytest.mark.parametrize("spelling", ["dicomdir", "DICOMDIR;1"])
def test_a_dicomdir_in_another_spelling(spelling: str, medium: Path) -> None:
    (medium / "DICOMDIR").rename(medium / spelling)
    listing(medium)
    _, about = replaced(medium)
    assert about == {}
    kept = [p.name for p in medium.glob("*.bak")]
    assert sorted(kept) == sorted([f"{spelling}.1.bak", f"{NAME}.1.bak"])
    assert "DICOMDIR" in listed(medium)
    assert spelling not in listed(medium)
    proved(medium)


def test_renamed_files_keep_the_digests_that_are_listed(medium: Path) -> None:
    builders.write(medium / "longer name.dcm", PatientID="P9", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", SOPInstanceUID="1.9.1.1")  # fmt: skip
    listing(medium)
    before = listed(medium)["longer name.dcm"]
    plan = plan_creation(medium, renaming=True)
    (rename,) = plan.renames
    create(plan, UID, "ANOTHER", replace=True)
    after = listed(medium)
    assert "longer name.dcm" not in after
    assert after[rename.new] == before
    assert {f.code for f in verify_medium(medium).findings} - {"directory-backup", "manifest-backup"} == {"manifest-unlisted"}  # fmt: skip
    assert [f.place for f in verify_medium(medium).findings if f.code == "manifest-unlisted"] == ["dcat-renames.ndjson"]  # fmt: skip


def test_a_manifest_that_cannot_be_read_stops_it(
    medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.fileset import manifest as form

    monkeypatch.setattr(form, "MAX_MANIFEST_BYTES", 10)
    before = snapshot(medium)
    with pytest.raises(FileSetError, match="Nothing was written"):
        replaced(medium)
    assert snapshot(medium) == before


@pytest.mark.parametrize("nth", [0, 1, 2, 3])
def test_a_full_medium_leaves_both_as_they_were(
    nth: int, medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(medium)
    plan = plan_creation(medium)
    flushes = 0
    fsync = os.fsync

    def full(fd: int) -> None:
        nonlocal flushes
        if flushes == nth:
            raise OSError(28, "No space left on device")
        flushes += 1
        fsync(fd)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MediaFull):
        create(plan, UID, "ANOTHER", replace=True)
    monkeypatch.undo()
    left = {path: digest for path, digest in snapshot(medium).items() if not path.endswith(".bak")}
    assert left == before


def test_a_manifest_that_cannot_be_replaced_is_told(
    medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target.name == NAME:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    made, about = replaced(medium)
    monkeypatch.undo()
    assert "manifest-not-in-step" in about
    assert made.backup is not None
    assert "digest-differs" in {f.code for f in verify_medium(medium).findings}


def test_a_manifest_that_changes_meanwhile_stops_it(
    medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.maintaining import creating

    real = creating._in_step

    def meanwhile(*given: Any) -> Any:
        found = real(*given)
        (medium / NAME).write_bytes(b"")
        return found

    monkeypatch.setattr(creating, "_in_step", meanwhile)
    before = snapshot(medium)
    with pytest.raises((SourceChanged, ExportError)):
        replaced(medium)
    after = snapshot(medium)
    assert {p: d for p, d in after.items() if p != NAME} == {p: d for p, d in before.items() if p != NAME}  # fmt: skip


def test_the_command(medium: Path, dcat: Any) -> None:  # noqa: F811
    code, _, err = dcat("dicomdir", "create", "--replace", "--file-set-id", "OTHER", medium)
    assert code == 0, err
    assert "The manifest is in step." in err
    assert "MANIFEST.SHA256.1.bak" in err
    proved(medium)
    (medium / "DICOMDIR").write_bytes((medium / "DICOMDIR").read_bytes() + b"\0\0")
    code, _, err = dcat("dicomdir", "create", "--replace", medium)
    assert code == 0
    assert "The manifest is in step." not in err
    assert "manifest-not-in-step" in err
