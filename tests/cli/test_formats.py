"""Every format parses back to the same rows, whatever stands in them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.cli.main import main
from tests.builders import write
from tests.cli.conftest import Dcat
from tests.journeys.steps import rows

NASTY = {
    "newline": "first\nsecond",
    "comma": "a, b,c",
    "quotes": "say \"hello\" 'now'",
    "markup": "[red]no colour[/red]",
    "escape": "\x1b[31mred\x1b[0m",
    "tab": "left\tright",
    "formula": "=1+1",
    "unicode": "Müller 山田 🩻",
    "carriage return": "a\r\nb",
}


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nasty")
    for number, (name, text) in enumerate(NASTY.items()):
        write(
            folder / "archive" / f"{number} {text[:12].replace('/', '_')}.dcm",
            SpecificCharacterSet="ISO_IR 192",
            PatientID=f"P{number} {name}",
            StudyInstanceUID=f"1.2.{number + 1}",
            SeriesInstanceUID=f"1.2.{number + 1}.1",
            SOPInstanceUID=f"1.2.{number + 1}.1.1",
            StudyDescription=text,
        )
    odd = os.fsencode(folder / "archive") + b"/latin-\xe9\xff.dcm"
    with open(odd, "wb") as stream:  # noqa: PTH123 - pathlib takes it too, but bytes say what is meant
        stream.write(next((folder / "archive").glob("0 *")).read_bytes())
    assert main(["index", str(folder / "archive"), "--db", str(folder / "c.db"), "-j", "1"]) == 0
    return folder


def stored(nasty: Path) -> list[str]:
    found = rows(nasty / "c.db", "SELECT StudyDescription FROM v_study ORDER BY PatientID")
    return [row["StudyDescription"] for row in found]


def test_the_catalogue_has_the_texts(nasty: Path) -> None:
    assert len(stored(nasty)) == len(NASTY)
    assert "[red]no colour[/red]" in stored(nasty)
    assert "say \"hello\" 'now'" in stored(nasty)


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "tsv"])
@pytest.mark.parametrize("what", ["patients", "studies", "series", "instances", "files"])
def test_each_format_parses_to_the_same_rows(form: str, what: str, dcat: Dcat, nasty: Path) -> None:
    reference = json.loads(dcat("find", what, "-o", "json", "--db", nasty / "c.db").out)
    assert len(reference) == len(NASTY) + (what == "files")
    said = dcat("find", what, "-o", form, "--db", nasty / "c.db")
    assert (said.code, said.err) == (0, "")
    if form == "json":
        if what == "studies":
            assert [row["StudyDescription"] for row in reference] == stored(nasty)
    elif form == "ndjson":
        assert [json.loads(line) for line in said.out.split("\n")[:-1]] == reference
    else:
        if form == "csv":
            parsed = list(csv.DictReader(io.StringIO(said.out, newline="")))
        else:
            lines = [line.split("\t") for line in said.out.split("\n")[:-1]]
            parsed = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
        texts = [{k: "" if v is None else str(v) for k, v in row.items()} for row in reference]
        if form == "tsv":  # control characters are spelled out, as TSV has no quotes
            texts = [
                {k: v if v.isprintable() else _spelled(v) for k, v in row.items()} for row in texts
            ]
        assert parsed == texts


def _spelled(text: str) -> str:
    return "".join(f"\\x{ord(c):02x}" if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in text)


def test_a_table_cannot_steer_the_terminal(dcat: Dcat, nasty: Path) -> None:
    out = dcat("find", "studies", "--db", nasty / "c.db").out
    assert "\x1b" not in out
    assert "\r" not in out
    assert "[red]no colour[/red]" in out
    assert len(out.splitlines()) == len(NASTY) + 2


def test_messages_cannot_steer_the_terminal(dcat: Dcat, nasty: Path, tmp_path: Path) -> None:
    for path in (nasty / "archive").glob("4 *"):
        assert "\x1b" in path.name
    said = dcat("verify", "-o", "table", "--db", nasty / "c.db")
    listed = dcat("find", "files", "--db", nasty / "c.db")
    said_dry = dcat("export", tmp_path / "m", "--dry-run", "--db", nasty / "c.db")
    for text in (said.out, said.err, listed.out, listed.err, said_dry.out, said_dry.err):
        assert "\x1b" not in text


@pytest.mark.parametrize("level", ["files", "patients"])
def test_paths_are_bytes(level: str, nasty: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "catalog", "find", level, "-o", "paths", "-0", "--db", str(nasty / "c.db")],
        capture_output=True, check=True, cwd=Path(__file__).parents[2], timeout=60,
    )  # fmt: skip
    archive = os.fsencode(nasty / "archive")
    wanted = sorted(archive + b"/" + name for name in os.listdir(archive))
    assert sorted(done.stdout.split(b"\0")[:-1]) == wanted
    assert all(os.path.exists(path) for path in done.stdout.split(b"\0")[:-1])  # noqa: PTH110


def test_paths_can_be_given_back(nasty: Path) -> None:
    """What `find -o paths -0` writes, `--from -` reads: also names with newlines and odd bytes."""
    command = [sys.executable, "-m", "catalog", "find", "files", "--db", str(nasty / "c.db"), "-o"]
    cwd = Path(__file__).parents[2]
    listed = subprocess.run(
        [*command, "paths", "-0"], capture_output=True, check=True, cwd=cwd, timeout=60
    )
    back = subprocess.run([*command, "paths", "-0", "--from", "-"], input=listed.stdout, capture_output=True, check=True, cwd=cwd, timeout=60)  # fmt: skip
    assert back.stdout == listed.stdout
    assert back.stderr == b""


def test_a_list_with_unknown_lines(dcat: Dcat, nasty: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("1.2.1.1.1\n\n1.2.99\n")
    said = dcat(
        "find", "instances", "--from", tmp_path / "list", "-o", "ndjson", "--db", nasty / "c.db"
    )
    assert said.code == 0
    assert [json.loads(line)["SOPInstanceUID"] for line in said.out.splitlines()] == ["1.2.1.1.1"]
    assert "1.2.99" in said.err


def test_sql_formats(dcat: Dcat, nasty: Path) -> None:
    said = dcat(
        "sql",
        "SELECT :x AS a, NULL AS b, 1 AS c",
        "-p",
        'x=a,"b"',
        "-o",
        "json",
        "--db",
        nasty / "c.db",
    )
    assert json.loads(said.out) == [{"a": 'a,"b"', "b": None, "c": 1}]


@pytest.mark.parametrize("statement", ["DELETE FROM file", "ATTACH 'x' AS y", "PRAGMA user_version=3", "DROP TABLE file", "SELECT 1; SELECT 2"])  # fmt: skip
def test_sql_only_reads(statement: str, dcat: Dcat, nasty: Path) -> None:
    said = dcat("sql", statement, "--db", nasty / "c.db")
    assert said.code in (1, 2)
    assert said.out == ""
    assert "Traceback" not in said.err
    assert len(rows(nasty / "c.db", "SELECT * FROM file")) == len(NASTY) + 1
