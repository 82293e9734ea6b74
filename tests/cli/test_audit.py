"""dcat audit: lists, one audit, all of them, and what scripts rely on."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.builders import write
from tests.cli.conftest import Dcat

MINE = """-- Title: Series of a modality
-- Columns: UID: the series
-- Options: modality=XA: which one
-- Tags: problem, warning
-- Description: It is there.
-- Action: Nothing.
SELECT series_instance_uid AS UID FROM series WHERE modality = :modality
"""


@pytest.fixture
def troubled(dcat: Dcat, tmp_path: Path) -> Path:
    """A catalogue with a file that is cut short and a study under two patients, from runs 1 and 2."""
    db = tmp_path / "t.db"
    values = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"}
    write(tmp_path / "archive" / "1", **values, PatientID="A", SOPInstanceUID="1.2.3.1.1")
    assert dcat("index", tmp_path / "archive", "--db", db, "-j", "1").code == 0
    write(tmp_path / "archive" / "2", **values, PatientID="B", SOPInstanceUID="1.2.3.1.2")
    assert dcat("index", tmp_path / "archive", "--db", db, "-j", "1").code == 0
    return db


def test_the_list_is_grouped(dcat: Dcat) -> None:
    said = dcat("audit")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Volumes and growth\n  growth-by-month ")
    assert "(needs -p patient=…)" in said.out


def test_the_list_is_data_too(dcat: Dcat) -> None:
    rows = json.loads(dcat("audit", "-o", "json").out)
    short = next(row for row in rows if row["Name"] == "short-series")
    assert (short["Kind"], short["Parameters"], short["KnowsSince"]) == ("note", "alike=5, part=50", True)  # fmt: skip


def test_one_audit_says_what_a_row_means_and_what_to_do(dcat: Dcat, troubled: Path) -> None:
    said = dcat("audit", "studies-under-several-patients", "--db", troubled)
    assert said.code == 4
    assert said.out.count("1.2.3") == 2
    assert "A row: One of the patients" in said.err
    assert "What to do: Find out" in said.err
    assert said.err.endswith("2 rows.\n")


def test_one_audit_that_finds_nothing(dcat: Dcat, troubled: Path) -> None:
    said = dcat("audit", "missing-files", "--db", troubled)
    assert (said.code, said.out) == (0, "")
    assert said.err == "Files that were there and are not any more (error).\nNone.\n"
    assert json.loads(dcat("audit", "missing-files", "--db", troubled, "-o", "json").out) == []


def test_all_of_them(dcat: Dcat, troubled: Path) -> None:
    said = dcat("audit", "--all", "--db", troubled)
    assert said.code == 4
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[0] == ["Severity", "Rows", "Audit", "Title"]
    assert ["error", "2", "studies-under-several-patients"] in [line[:3] for line in lines]
    assert "found something (" in said.err


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "tsv"])
def test_all_of_them_as_data(dcat: Dcat, troubled: Path, form: str) -> None:
    said = dcat("audit", "--all", "-o", form, "--db", troubled)
    assert said.code == 4
    rows = {
        "json": lambda: json.loads(said.out),
        "ndjson": lambda: [json.loads(line) for line in said.out.splitlines()],
        "csv": lambda: list(csv.DictReader(io.StringIO(said.out))),
        "tsv": lambda: list(csv.DictReader(io.StringIO(said.out), delimiter="\t")),
    }[form]()
    found = next(row for row in rows if row["Audit"] == "studies-under-several-patients")
    assert (found["Severity"], str(found["Rows"]), found["Error"]) in [("error", "2", None), ("error", "2", "")]  # fmt: skip


def test_severity_and_fail_on(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    notes = dcat("audit", "--all", "-o", "json", "--db", db)
    found = {row["Severity"] for row in json.loads(notes.out) if row["Rows"]}
    worst = next((s for s in ("error", "warning", "note") if s in found), None)
    write(tmp_path / "more" / "1", PatientID="", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", SOPInstanceUID="1.9.1.1", StudyDate="")  # fmt: skip
    assert worst is None or notes.code == 4
    assert dcat("index", tmp_path / "more", "--db", db, "-j", "1").code == 0
    everything = json.loads(dcat("audit", "--all", "-o", "json", "--db", db).out)
    assert any(row["Rows"] for row in everything if row["Audit"] == "missing-dates")
    errors = dcat("audit", "--all", "--severity", "error", "-o", "json", "--db", db)
    assert {row["Severity"] for row in json.loads(errors.out)} == {"error"}
    has_errors = any(row["Rows"] for row in json.loads(errors.out))
    assert errors.code == (4 if has_errors else 0)
    said = dcat("audit", "--all", "--fail-on", "error", "-o", "json", "--db", db)
    assert said.code == (4 if has_errors else 0)
    assert len(json.loads(said.out)) == len(everything)


def test_since_a_run(dcat: Dcat, troubled: Path) -> None:
    name = "studies-under-several-patients"
    assert dcat("audit", name, "--since", "1", "--db", troubled).code == 4
    said = dcat("audit", name, "--since", "2", "--db", troubled)
    assert (said.code, said.out) == (0, "")
    assert dcat("audit", "--all", "--since", "2", "--db", troubled).code == 0
    assert dcat("audit", "--all", "--since", "1", "--db", troubled).code == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("volumes", "--all"), "Name an audit or say --all, not both."),
        (("volumes", "--severity", "error"), "--severity and --fail-on go with --all."),
        (("--fail-on", "error"), "--severity and --fail-on go with --all."),
        (("--all", "-p", "a=b"), "-p goes with one audit"),
        (("-p", "a=b"), "Name an audit; `dcat audit` lists them."),
        (("--since", "1"), "Name an audit; `dcat audit` lists them."),
        (
            ("--all", "--since", "99"),
            "There is no run 99; the latest is 2. `dcat db runs` lists them.",
        ),
        (("volumes", "--since", "1"), "The audit volumes cannot tell what is new since a run"),
        (("missing-file",), "Did you mean missing-files?"),
        (("--all", "--since", "0"), "--since"),
        (("--all", "--severity", "fatal"), "fatal"),
    ],
)
def test_wrong_usage(dcat: Dcat, troubled: Path, arguments: tuple[str, ...], said: str) -> None:
    found = dcat("audit", *arguments, "--db", troubled)
    assert (found.code, found.out) == (2, "")
    assert said in found.err


def test_audits_of_ones_own(
    dcat: Dcat, troubled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "modalities.sql").write_text(MINE)
    assert "Your own\n  modalities " in dcat("audit", "--folder", folder).out
    assert dcat("audit", "modalities", "--folder", folder, "--db", troubled).code == 0
    assert dcat("audit", "modalities", "-p", "modality=CT", "--folder", folder, "--db", troubled).code == 4  # fmt: skip
    said = dcat("audit", "--all", "--since", "2", "--folder", folder, "--db", troubled)
    assert said.code == 0
    monkeypatch.setenv("DCAT_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text('[audit]\nfolder = "mine"\n')
    assert dcat("audit", "modalities", "--db", troubled).code == 0
    (folder / "volumes.sql").write_text(MINE)
    said = dcat("audit", "--db", troubled)
    assert said.code == 1
    assert "has the name of one that dcat has. Rename the file." in said.err
    said = dcat("audit", "--folder", tmp_path / "none", "--db", troubled)
    assert said.code == 1
    assert "cannot be read: No such file or directory. Name a folder" in said.err


def test_an_audit_that_cannot_be_answered_is_3_and_the_others_go_on(
    dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    (tmp_path / "wrong.sql").write_text(MINE.replace("FROM series", "FROM nowhere").replace("warning", "error"))  # fmt: skip
    said = dcat("audit", "--all", "--severity", "error", "--folder", tmp_path, "--db", db)
    assert "failed  wrong" in " ".join(said.out.split("\n")).replace("    ", " ") or "failed" in said.out  # fmt: skip
    assert "The audit wrong cannot be answered." in said.err
    assert "could not be answered." in said.err
    assert said.code == (4 if any(line.split()[1] not in ("0", "failed", "Rows") for line in said.out.splitlines()) else 3)  # fmt: skip
    alone = dcat("audit", "wrong", "--folder", tmp_path, "--db", db)
    assert alone.code == 2
    assert "nowhere" in alone.err


def test_a_title_cannot_steer_the_terminal(dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "odd.sql").write_text(MINE.replace("Series of", "\x1b[31mSeries of"))
    said = dcat("audit", "--folder", tmp_path)
    assert "\x1b" not in said.out
