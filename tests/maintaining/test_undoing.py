"""Files that get their old names back on a medium with a manifest: it goes with them, whatever comes between."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import MediaFull
from catalog.maintaining import create, plan_creation, undo_renames
from catalog.maintaining.storing import JOURNAL
from tests import builders
from tests.cli.conftest import dcat  # noqa: F401 - a fixture
from tests.maintaining.test_manifest import NAME, listed, listing
from tests.maintaining.test_updating import UID, snapshot
from tests.media.medium import Medium


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A medium with a manifest and three files whose names are no File IDs."""
    folder = Medium(tmp_path / "medium").write()
    for number in range(3):
        builders.write(folder / f"odd folder/long name {number}.dcm", PatientID="P9", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", SOPInstanceUID=f"1.9.1.{number}")  # fmt: skip
    (folder / "README.TXT").write_text("hello")
    listing(folder)
    return folder


def renamed(folder: Path) -> None:
    create(plan_creation(folder, renaming=True), UID, "ANOTHER", replace=True)


def kept_aside(folder: Path) -> dict[str, str]:
    return {path: digest for path, digest in snapshot(folder).items() if path.endswith(".bak")}


def proved(folder: Path) -> None:
    """All files but the manifest, what is kept aside and the journal are listed, and have their digests."""
    if shutil.which("sha256sum"):
        command = ["sha256sum", "-c", "--strict", "--quiet", NAME]
        checked = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout) == (0, b""), checked
    there = {path: digest for path, digest in snapshot(folder).items() if path not in (NAME, JOURNAL)}  # fmt: skip
    assert listed(folder) == {p: d for p, d in there.items() if not p.endswith(".bak")}


def test_the_manifest_goes_back_with_the_files(medium: Path) -> None:
    before = listed(medium)
    renamed(medium)
    proved(medium)
    between = (medium / NAME).read_bytes()
    undone = undo_renames(medium)
    assert (len(undone.renames), undone.findings) == (3, [])
    assert undone.manifest_backup == medium / f"{NAME}.2.bak"
    assert undone.manifest_backup.read_bytes() == between
    proved(medium)
    assert listed(medium) == {path: digest for path, digest in before.items() if path != "DICOMDIR"}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(12))
def test_killed_anywhere_it_is_finished_by_another_run(
    at: int, medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing runs after the kill: what would tidy up is refused, too."""
    before = listed(medium)
    renamed(medium)
    whole = sorted(snapshot(medium).values())
    calls = 0

    def dying(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > at:
                raise Killed
            return real(*args, **kwargs)

        return call

    for name in ("rename", "replace", "unlink", "rmdir", "fsync"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    for name in ("rename", "replace", "unlink"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))
    try:
        undo_renames(medium)
    except Killed:
        monkeypatch.undo()
        assert set(whole) <= set(snapshot(medium).values())  # nothing is lost in between
        assert (medium / JOURNAL).exists()
        undo_renames(medium)
    monkeypatch.undo()
    for left in medium.rglob("*.part"):
        left.unlink()
    proved(medium)
    assert listed(medium) == {path: digest for path, digest in before.items() if path != "DICOMDIR"}
    assert not (medium / "DICOMDIR").exists()
    assert kept_aside(medium)


@pytest.mark.parametrize("nth", range(5))
def test_a_full_medium(nth: int, medium: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed(medium)
    before = snapshot(medium)
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
        undo_renames(medium)
    monkeypatch.undo()
    assert {p: d for p, d in snapshot(medium).items() if p in before} == before
    undo_renames(medium)
    proved(medium)


def test_what_is_wrong_stays_wrong(medium: Path) -> None:
    before = listed(medium)
    renamed(medium)
    for path in sorted(medium.rglob("*")):
        if path.is_file() and path.name not in ("DICOMDIR", NAME, JOURNAL) and path.suffix == "":
            path.write_bytes(path.read_bytes() + b"\0\0")
    undo_renames(medium)
    assert listed(medium) == {path: digest for path, digest in before.items() if path != "DICOMDIR"}


def test_a_manifest_that_lists_another_dicomdir_is_told(medium: Path) -> None:
    renamed(medium)
    stated = listed(medium)["DICOMDIR"]
    (medium / "DICOMDIR").write_bytes((medium / "DICOMDIR").read_bytes() + b"\0\0")
    undone = undo_renames(medium)
    assert [f.code for f in undone.findings] == ["manifest-not-in-step"]
    assert listed(medium)["DICOMDIR"] == stated
    assert "odd folder/long name 0.dcm" in listed(medium)


def test_lists_of_others_stay(medium: Path) -> None:
    renamed(medium)
    (medium / NAME).rename(medium / "SHA256SUMS")
    before = (medium / "SHA256SUMS").read_bytes()
    undone = undo_renames(medium)
    assert [f.place for f in undone.findings] == ["SHA256SUMS"]
    assert undone.manifest_backup is None
    assert (medium / "SHA256SUMS").read_bytes() == before


@pytest.mark.parametrize("after", [1, 2])
def test_a_rename_that_was_interrupted_takes_the_manifest_along(
    after: int, medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that the first run renamed keep the digests that are listed, when the second run is done."""
    before = listed(medium)
    real, done = os.rename, []

    def stops(source: str, target: str) -> None:
        if len(done) == after:
            raise Killed
        done.append(target)
        real(source, target)

    monkeypatch.setattr(os, "rename", stops)
    with pytest.raises(Killed):
        renamed(medium)
    monkeypatch.undo()
    renamed(medium)
    proved(medium)
    undo_renames(medium)
    assert listed(medium) == {path: digest for path, digest in before.items() if path != "DICOMDIR"}


def test_renamed_once_more_it_is_as_after_the_first_time(medium: Path) -> None:
    renamed(medium)
    first = listed(medium)
    undo_renames(medium)
    plan = plan_creation(medium, renaming=True)
    made = create(plan, UID, "ANOTHER")
    assert made.manifest_backup is not None
    assert [f.code for f in plan.findings if "manifest" in f.code] == []
    proved(medium)
    assert {**listed(medium), "DICOMDIR": ""} == {**first, "DICOMDIR": ""}


def test_a_first_dicomdir_makes_no_stranger_right(medium: Path) -> None:
    """What lies there and is not listed stays unlisted, and is told."""
    renamed(medium)
    undo_renames(medium)
    builders.write(medium / "NEW", PatientID="P8", StudyInstanceUID="1.8", SeriesInstanceUID="1.8.1", SOPInstanceUID="1.8.1.1")  # fmt: skip
    plan = plan_creation(medium, renaming=True)
    create(plan, UID, "ANOTHER")
    assert [(f.code, f.place) for f in plan.findings if "manifest" in f.code] == [("manifest-unlisted", "NEW")]  # fmt: skip
    assert "NEW" not in listed(medium)


def test_the_command(medium: Path, dcat: Any) -> None:  # noqa: F811
    renamed(medium)
    code, _, err = dcat("dicomdir", "create", medium, "--undo-rename")
    assert code == 0, err
    assert "The manifest is in step" in err
    assert f"{NAME}.2.bak" in err
    proved(medium)
