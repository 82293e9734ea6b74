"""A medium with a manifest is proved by it after a change, and what was wrong before stays to be seen."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ExportError, FileSetError, MediaFull, SourceChanged
from catalog.fileset import manifest
from catalog.maintaining import Fate, Updated, add, opening, plan_addition, plan_removal, remove
from catalog.maintaining import manifesting as manifesting_module
from catalog.maintaining import removing as removing_module
from catalog.verifying import verify_medium
from tests import builders
from tests.cli.conftest import dcat  # noqa: F401 - a fixture
from tests.maintaining.test_updating import UID, new_file, snapshot
from tests.media.medium import Medium

NAME = "MANIFEST.SHA256"


def listing(folder: Path, name: str = NAME) -> None:
    """Write the manifest of everything in `folder`."""
    digests = {path: digest for path, digest in snapshot(folder).items() if path != name}
    (folder / name).write_text(manifest.text(digests.items()))


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    folder = Medium(tmp_path / "medium").write()
    (folder / "README.TXT").write_text("hello")
    listing(folder)
    return folder


def proved(folder: Path, name: str = NAME) -> None:
    """Let `sha256sum` and `dcat verify --media` judge the medium."""
    if shutil.which("sha256sum"):
        command = ["sha256sum", "-c", "--strict", "--quiet", name]
        checked = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout) == (0, b""), checked
    found = verify_medium(folder)
    assert {f.code for f in found.findings} <= {"directory-backup", "manifest-backup"}, (
        found.findings
    )
    kept = {path for path in snapshot(folder) if path.endswith(".bak")}
    assert listed(folder, name).keys() == snapshot(folder).keys() - {name} - kept


def listed(folder: Path, name: str = NAME) -> dict[str, str]:
    found = manifest.Listed({}, [])
    manifest.read((folder / name).read_bytes(), name, found)
    return found.digests


def added(folder: Path, *files: Path, **options: Any) -> Updated:
    return add(plan_addition(folder, files, UID), **options)


def codes(done: Updated) -> dict[str, str]:
    return {finding.code: finding.place for finding in done.findings}


@pytest.mark.parametrize("name", [NAME, "MANIFEST.SHA", "manifest.sha256"])
def test_after_an_addition(name: str, medium: Path, tmp_path: Path) -> None:
    (medium / NAME).rename(medium / name)
    before = (medium / name).read_bytes()
    done = added(medium, new_file(tmp_path))
    assert codes(done) == {}
    proved(medium, name)
    assert done.manifest_backup == medium / f"{name}.1.bak"
    assert done.manifest_backup.read_bytes() == before
    again = added(medium, builders.write(tmp_path / "x", SOPInstanceUID="1.2.9", StudyInstanceUID="1.2.8", SeriesInstanceUID="1.2.7", PatientID="P9"))  # fmt: skip
    assert again.manifest_backup == medium / f"{name}.2.bak"
    assert codes(again) == {}
    proved(medium, name)
    assert not [path for path in snapshot(medium) if path.endswith(".part")]


def test_a_file_on_the_medium_is_listed_when_it_is_named(medium: Path, tmp_path: Path) -> None:
    new_file(tmp_path).rename(medium / "DICOM" / "NEW")
    assert {f.code for f in verify_medium(medium).findings} == {"file-unnamed", "manifest-unlisted"}
    assert codes(added(medium, medium / "DICOM")) == {}
    proved(medium)


@pytest.mark.parametrize("fate", Fate)
def test_after_a_removal(fate: Fate, medium: Path, tmp_path: Path) -> None:
    plan = plan_removal(medium, ["1.1.1"], UID)
    done = remove(plan, fate, tmp_path / "away" if fate is Fate.MOVE else None)
    assert codes(done) == {}
    if fate is Fate.KEEP:
        assert {f.code for f in verify_medium(medium).findings} == {"file-unnamed", "directory-backup", "manifest-backup"}  # fmt: skip
        assert "DICOM/IM1" in listed(medium)
    else:
        proved(medium)
    assert done.manifest_backup == medium / f"{NAME}.1.bak"


def test_a_file_that_cannot_be_deleted_stays_listed(
    medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = removing_module.os.unlink

    def refuse(path: str, **more: Any) -> None:
        if path.endswith("IM1"):
            raise PermissionError(13, "Permission denied")
        unlink(path, **more)

    monkeypatch.setattr(removing_module.os, "unlink", refuse)
    before = listed(medium)
    done = remove(plan_removal(medium, ["1.1.1"], UID), Fate.DELETE)
    assert [each.place for each in done.failed] == ["DICOM/IM1"]
    after = listed(medium)
    assert after["DICOM/IM1"] == before["DICOM/IM1"]
    assert "DICOM/IM2" not in after
    assert {f.code for f in verify_medium(medium).findings} <= {
        "file-unnamed",
        "directory-backup",
        "manifest-backup",
    }


# -- what was wrong before ------------------------------------------------------------------


def _bytes_changed(folder: Path) -> None:
    data = bytearray((folder / "DICOM/IM1").read_bytes())
    data[-1] ^= 1
    (folder / "DICOM/IM1").write_bytes(data)


def _unlisted(folder: Path) -> None:
    (folder / "VIEWER.EXE").write_bytes(b"MZ")


def _missing(folder: Path) -> None:
    (folder / "README.TXT").unlink()


def _directory_changed(folder: Path) -> None:
    lines = listed(folder) | {"DICOMDIR": "0" * 64}
    (folder / NAME).write_text(manifest.text(lines.items()))


def _bad_line(folder: Path) -> None:
    with (folder / NAME).open("ab") as stream:
        stream.write(b"not a line\n" + b"0" * 64 + b"  ../../etc/passwd\n")


WRONG = {
    _bytes_changed: ({"digest-differs": "DICOM/IM1"}, {"digest-differs"}),
    _unlisted: ({"manifest-unlisted": "VIEWER.EXE"}, {"manifest-unlisted"}),
    _missing: ({"manifest-missing": "README.TXT"}, {"manifest-missing"}),
    _bad_line: ({"manifest-line": f"{NAME} line 8", "manifest-path": f"{NAME} line 9"}, {"manifest-line", "manifest-path"}),
    _directory_changed: ({"digest-differs": "DICOMDIR"}, set()),
}  # fmt: skip


@pytest.mark.parametrize("change", WRONG, ids=lambda c: c.__name__)
@pytest.mark.parametrize("how", ["add", "remove"])
def test_what_was_wrong_is_told_and_stays_wrong(
    change: Any, how: str, medium: Path, tmp_path: Path
) -> None:
    told, left = WRONG[change]
    change(medium)
    if how == "add":
        done = added(medium, new_file(tmp_path))
    else:
        done = remove(plan_removal(medium, ["1.2.3.4.5.5"], UID), Fate.DELETE)
    assert codes(done) == told
    found = {f.code for f in verify_medium(medium).findings} - {
        "directory-backup",
        "manifest-backup",
    }
    assert found == left


def test_what_is_too_much_to_read_is_said_to_be_unread(
    medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifesting_module, "MOST_READ_BYTES", 100)
    _bytes_changed(medium)
    done = added(medium, new_file(tmp_path))
    assert codes(done) == {"manifest-not-proved": NAME}
    assert "verify --media" in done.findings[0].message
    assert "digest-differs" in {f.code for f in verify_medium(medium).findings}


def test_lists_of_others_stay_and_that_is_said(medium: Path, tmp_path: Path) -> None:
    (medium / NAME).rename(medium / "SHA256SUMS")
    (medium / "MD5SUMS").write_text("")
    before = (medium / "SHA256SUMS").read_bytes()
    done = added(medium, new_file(tmp_path))
    places = [f.place for f in done.findings if f.code == "manifest-not-in-step"]
    assert places == ["SHA256SUMS", "MD5SUMS"]
    assert done.manifest_backup is None
    assert (medium / "SHA256SUMS").read_bytes() == before


def test_without_a_manifest_none_is_made(medium: Path, tmp_path: Path) -> None:
    (medium / NAME).unlink()
    assert added(medium, new_file(tmp_path)).manifest_backup is None
    assert not (medium / NAME).exists()


# -- when it cannot be done -----------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_full_medium_leaves_both_as_they_were(
    nth: int, medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Directory and manifest are written with their backups: whichever fails, both are the old ones."""
    before = snapshot(medium)
    plan = plan_addition(medium, [new_file(tmp_path)], UID)
    flushes = 0
    fsync = os.fsync

    def full(fd: int) -> None:
        nonlocal flushes
        flushes += 1
        if flushes == nth + 1:  # the first is that of the copy
            raise OSError(28, "No space left on device")
        fsync(fd)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MediaFull):
        add(plan)
    monkeypatch.undo()
    left = {path: digest for path, digest in snapshot(medium).items() if not path.endswith(".bak")}
    assert left == before


def test_a_manifest_that_cannot_be_replaced_is_told(
    medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_addition(medium, [new_file(tmp_path)], UID)
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target.name == NAME:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    done = add(plan)
    monkeypatch.undo()
    assert "manifest-not-in-step" in codes(done)
    found = verify_medium(medium)
    assert {f.code for f in found.findings} >= {"digest-differs", "manifest-unlisted"}
    assert "file-missing" not in {f.code for f in found.findings}  # what is named is there


def test_an_interruption_after_the_directory_leaves_what_it_names(
    medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_addition(medium, [new_file(tmp_path)], UID)
    put = opening.put

    def interrupted(*given: Any) -> Path | None:
        put(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add(plan)
    assert "file-missing" not in {f.code for f in verify_medium(medium).findings}


def test_a_manifest_that_changed_meanwhile_stops_it(
    medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_addition(medium, [new_file(tmp_path)], UID)
    made = manifesting_module.Manifest.after

    def changed(self: Any, *given: Any) -> bytes:
        return made(self, *given)

    monkeypatch.setattr(manifesting_module.Manifest, "after", changed)
    encoded = opening.encoded

    def meanwhile(*given: Any, **more: Any) -> bytes:
        (medium / NAME).write_bytes(b"")
        return encoded(*given, **more)

    monkeypatch.setattr(opening, "encoded", meanwhile)
    before = snapshot(medium)
    with pytest.raises((SourceChanged, ExportError)):
        add(plan)
    after = snapshot(medium)
    assert {p: d for p, d in after.items() if p != NAME} == {p: d for p, d in before.items() if p != NAME}  # fmt: skip


def test_a_manifest_that_cannot_be_read_stops_it(medium: Path, tmp_path: Path) -> None:
    plan = plan_addition(medium, [new_file(tmp_path)], UID)
    (medium / NAME).unlink()
    (medium / NAME).mkdir()
    with pytest.raises(FileSetError, match="Nothing was written"):
        add(plan)


# -- lines ------------------------------------------------------------------------------------

NAMES = st.text("aB\\\n é", min_size=1, max_size=3).filter(lambda name: name.strip(". "))
DIGESTS = st.sampled_from(["a" * 64, "b" * 64])


@given(
    before=st.dictionaries(NAMES, DIGESTS, max_size=6),
    others=st.lists(st.sampled_from([b"# a remark", b"nonsense", b"  "]), max_size=2),
    gone=st.sets(NAMES, max_size=3),
    fresh=st.dictionaries(NAMES, DIGESTS, max_size=3),
)
@settings(max_examples=100)
def test_no_other_line_is_touched(
    before: dict[str, str], others: list[bytes], gone: set[str], fresh: dict[str, str]
) -> None:
    data = manifest.text(before.items()).encode() + b"".join(line + b"\n" for line in others)
    after = manifest.edited(data, gone, fresh)
    read = manifest.Listed({}, [])
    manifest.read(after, "", read)
    expected = {name: digest for name, digest in before.items() if name not in gone} | fresh
    assert read.digests == {n: d for n, d in expected.items() if manifest._refusal(n) is None}
    stay = {manifest.line(name, digest).encode() for name, digest in before.items() if name not in gone and name not in fresh}  # fmt: skip
    lines = after.splitlines(keepends=True) if b"\r" not in after else after.split(b"\n")
    assert stay <= set(lines)
    assert [line for line in lines if line.rstrip(b"\n") in others] == [line + b"\n" for line in others]  # fmt: skip
    if not others:
        assert after == manifest.text(expected.items()).encode()


def test_the_commands(medium: Path, tmp_path: Path, dcat: Any) -> None:  # noqa: F811
    said = dcat("dicomdir", "add", medium, new_file(tmp_path))
    assert said.code == 0
    assert "The manifest is in step. The old DICOMDIR and manifest are kept as" in said.err
    assert dcat("verify", "--media", medium).code in (0, 4)
    proved(medium)
    _bytes_changed(medium)
    said = dcat("dicomdir", "remove", medium, "1.2.3.4.5.5", "--delete-files")
    assert said.code == 0
    assert "error    digest-differs: DICOM/IM1: Its bytes are not those that the manifest lists" in said.err  # fmt: skip
    said = dcat("dicomdir", "create", medium, "--replace")
    assert said.code == 0
    assert "The manifest is in step." in said.err
    assert "error    digest-differs: DICOM/IM1: Its bytes are not those that the manifest lists" in said.err  # fmt: skip
    assert hashlib.sha256((medium / "DICOMDIR").read_bytes()).hexdigest() == listed(medium)["DICOMDIR"]  # fmt: skip
