"""What `dcat export` says when something goes wrong around it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog.cli import disclosures
from catalog.errors import ExportError, MediaFull
from tests.builders import write
from tests.cli.conftest import Dcat
from tests.exporting.test_resuming import contents


def test_a_report_that_cannot_be_written_hides_nothing(
    dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ExportError("The report cannot be written.")

    monkeypatch.setattr(disclosures, "write_report", full)
    said = dcat("export", tmp_path / "m", "--report", tmp_path / "r.json", "--db", db)
    assert said.code == 1
    assert "24 instances" in said.err
    assert f"are in {tmp_path / 'm'}" in said.err
    assert said.err.index("24 instances") < said.err.index("The report cannot be written.")


@pytest.mark.parametrize("options", [(), ("--media", "3MB")])
def test_an_export_that_fails_half_way_says_how_it_goes_on(
    options: tuple[str, ...], dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MediaFull("No space is left.")

    with monkeypatch.context() as patched:
        patched.setattr("catalog.exporting.folder.FolderReceiver.finish", full)
        said = dcat("export", tmp_path / "m", *options, "--db", db)
    assert said.code == 1
    assert f"`dcat export --resume {tmp_path / 'm'}`" in said.err
    assert dcat("export", "--resume", tmp_path / "m", "--db", db).code == 0


def test_an_export_that_never_began_gives_no_such_advice(
    dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/mine.txt").write_text("mine")
    said = dcat("export", tmp_path / "m", "--db", db)
    assert said.code == 1
    assert "--resume" not in said.err


@pytest.mark.parametrize("ending", ["zip", "iso"])
def test_resuming_needs_no_option_that_says_what_it_was(
    ending: str, dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pycdlib")
    place = tmp_path / f"M.{ending.upper()}"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    where = {"zip": "zip_file.ZipReceiver", "iso": "iso_image.IsoReceiver"}[ending]
    with monkeypatch.context() as patched:
        patched.setattr(f"catalog.exporting.{where}.finish", killed)
        assert dcat("export", f"--{ending}", place, "--db", db).code == 130
    said = dcat("export", "--resume", place, "--db", db)
    assert said.code == 0, said.err
    assert dcat("verify", "--media", place).code == 0
    (entry,) = json.loads(dcat("ledger", "list", "-o", "json", "--db", db).out)
    assert entry["Outcome"] == "done"


@pytest.mark.parametrize("goes_on", ["--resume", "--update"])
@pytest.mark.parametrize(
    "options",
    [
        ("--pdi",),
        ("--media", "cd"),
        ("--profile", "STD-GEN-CD"),
        ("--icons", "64"),
        ("--charset", "utf-8"),
        ("--private", "record"),
        ("--link", "hard"),
        ("--file-set-id", "X"),
        ("--take-first",),
        ("--transfer-syntax", "explicit-le"),
        ("--jobs", "2"),
    ],
    ids=lambda options: options[0],
)
def test_what_would_not_be_followed_is_refused(
    goes_on: str, options: tuple[str, ...], dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    said = dcat("export", goes_on, tmp_path / "m", *options, "--db", db)
    assert said.code == 2
    assert f"{goes_on} goes on with the export as it was ordered; leave out {options[0]}" in said.err  # fmt: skip


@pytest.mark.parametrize(
    "options", [("--update",), ("--recipient", "Dr Roe"), ("--reason", "why"), ("--as-found",)]
)
def test_resuming_takes_no_new_recipient(
    options: tuple[str, ...], dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    said = dcat("export", "--resume", tmp_path / "m", *options, "--db", db)
    assert said.code == 2
    assert f"leave out {options[0]}" in said.err


def test_an_update_does_not_fill_a_volume_over_its_size(
    dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    """Each volume is updated by itself; a selection that is all of them does not fit on one."""
    for number in range(4):
        write(tmp_path / f"more/{number}.dcm", PatientID=f"P{number}", StudyInstanceUID=f"1.7.{number}", SeriesInstanceUID=f"1.7.{number}.1", SOPInstanceUID=f"1.7.{number}.1.1", Rows=800, Columns=800, PixelData=bytes(1_280_000))  # fmt: skip
    mine = tmp_path / "mine.db"
    assert dcat("index", tmp_path / "more", "-j", "1", "--db", mine).code == 0
    assert dcat("export", "--media", "4MB", tmp_path / "m", "--db", mine).code == 0
    before = contents(tmp_path / "m")
    for more in (("--dry-run",), ()):
        said = dcat("export", "--update", *more, tmp_path / "m/DISC1", "--db", mine)
        assert said.code == 1
        assert "is a volume of 4,000,000 bytes" in said.err
        assert contents(tmp_path / "m") == before
    (tmp_path / "more/0.dcm").touch()
    assert dcat("index", tmp_path / "more", "-j", "1", "--db", mine).code == 0
    own = ("--patient", "P0")
    assert dcat("export", "--update", *own, tmp_path / "m/DISC1", "--db", mine).code == 0


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_destination_among_indexed_files_is_told(
    more: tuple[str, ...], dcat: Dcat, tmp_path: Path
) -> None:
    write(tmp_path / "archive/a.dcm")
    mine = tmp_path / "mine.db"
    assert dcat("index", tmp_path / "archive", "-j", "1", "--db", mine).code == 0
    told = f"lies in {tmp_path / 'archive'}, which is indexed"
    said = dcat("export", tmp_path / "archive/out", *more, "--db", mine)
    assert said.code == 0
    assert told in said.err
    assert told not in dcat("export", tmp_path / "archive2", *more, "--db", mine).err


def test_a_destination_on_another_medium_is_told(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    assert dcat("export", tmp_path / "m", "--db", db).code == 0
    said = dcat("export", tmp_path / "m/below/other", "--db", db)
    assert said.code == 0
    assert f"lies on the medium {tmp_path / 'm'}, whose DICOMDIR" in said.err
