"""What help and messages say: whole at 80 columns, in plain English, and what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import builders
from tests.cli.conftest import Dcat

WIDTH = 80
ANSI = re.compile(r"\x1b\[[0-9;]*m")
COMMANDS = [
    *(
        ("index",),
        ("find",),
        ("export",),
        ("import",),
        ("verify",),
        ("audit",),
        ("sql",),
        ("demo",),
    ),
    *(("dicomdir", name) for name in ("show", "check", "create", "add", "remove", "diff")),
    *(
        ("db", name)
        for name in ("info", "runs", "check", "backup", "upgrade", "schema", "datasette-metadata")
    ),
]


def shown_help(*command: str) -> str:
    """Return what `--help` shows in a terminal of 80 columns."""
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)}
    done = subprocess.run(
        [sys.executable, "-m", "catalog", *command, "--help"],
        env=environment, capture_output=True, check=True, encoding="utf-8",
    )  # fmt: skip
    return ANSI.sub("", done.stdout)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_and_names_options_whole(command: tuple[str, ...]) -> None:
    text = shown_help(*command)
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert not re.search(r"--[a-z-]+…", text)


def test_help_breaks_sentences_at_the_margin_only() -> None:
    lines = [line.strip() for line in shown_help("index").splitlines()]
    assert "again. Nothing is skipped: every file has a row afterwards, with the reason if" in lines


def test_help_tells_defaults_that_are_found_at_run_time() -> None:
    text = shown_help("index")
    assert "cores" in text
    assert "(60)" in text
    assert "DCAT_DB" in text


def test_an_absent_folder_is_named_where_no_catalogue_is_either(dcat: Dcat, tmp_path: Path) -> None:
    said = dcat("index", tmp_path / "absent", "--db", tmp_path / "c.db")
    assert said.code == 1
    assert f"{tmp_path / 'absent'} cannot be indexed: No such file" in said.err
    assert "There is no catalogue" not in said.err
    assert not (tmp_path / "c.db").exists()


def test_one_absent_folder_keeps_the_others_from_being_indexed(dcat: Dcat, tmp_path: Path) -> None:
    builders.archive(tmp_path / "archive", 1, 1, 1, 1)
    db = tmp_path / "c.db"
    assert dcat("index", tmp_path / "archive", tmp_path / "absent", "--db", db).code == 1
    assert not db.exists()


def test_one_file_is_there_and_two_are(dcat: Dcat, tmp_path: Path) -> None:
    values = {"PatientID": "P", "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"}
    builders.write(tmp_path / "IM1", **values, SOPInstanceUID="1.2.3.1.1")
    assert dcat("dicomdir", "create", tmp_path).code == 0
    one = "1 of 1 file that they name is there and is what they say."
    assert one in dcat("verify", "--media", tmp_path).err
    assert one in dcat("dicomdir", "check", tmp_path).err
    said = dcat("import", tmp_path, "--db", tmp_path.with_suffix(".db"))
    assert "1 of 1 file that it names is there." in said.err
    builders.write(tmp_path / "IM2", **values, SOPInstanceUID="1.2.3.1.2")
    assert dcat("dicomdir", "add", tmp_path, tmp_path / "IM2").code == 0
    said = dcat("verify", "--media", tmp_path)
    assert "2 of 2 files that they name are there and are what they say." in said.err


def test_a_file_under_an_illegal_name_is_told_what_to_do(dcat: Dcat, tmp_path: Path) -> None:
    values = {"PatientID": "P", "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"}
    builders.write(tmp_path / "IM1", **values, SOPInstanceUID="1.2.3.1.1")
    assert dcat("dicomdir", "create", tmp_path).code == 0
    odd = builders.write(tmp_path / "im2.dcm", **values, SOPInstanceUID="1.2.3.1.2")
    said = dcat("dicomdir", "add", tmp_path, odd)
    assert said.code == 3
    assert "is no component of a File ID" in said.err
    assert "rename it, or move it off the medium and add it from there" in " ".join(
        said.err.split()
    )


def test_a_run_of_one_file_is_one_file(dcat: Dcat, tmp_path: Path) -> None:
    builders.archive(tmp_path / "archive", 1, 1, 1, 1)
    db = tmp_path / "c.db"
    assert dcat("index", tmp_path / "archive", "--db", db, "-j", "1").code == 0
    assert "1 file, 1 opened, 1 new" in dcat("db", "runs", "--db", db).out
