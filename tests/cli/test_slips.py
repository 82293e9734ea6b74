"""Slips of everyday: a variable that is not set, a share that is not mounted, a list that is out of date."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from catalog.cli.main import main
from tests import builders
from tests.cli.conftest import Dcat


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A catalogue of the folder `archive` beside it."""
    builders.archive(tmp_path / "archive", 1, 1, 1, 2)
    path = str(tmp_path / "c.db")
    assert main(["index", str(tmp_path / "archive"), "--db", path]) == 0
    return path


@pytest.mark.parametrize(
    "arguments",
    [["export", "OUT", "--patient", ""], ["index", ""], ["find", "--date", " "]],
    ids=str,
)
def test_an_empty_argument_never_means_everything(
    db: str, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    capsys.readouterr()
    assert main([str(out) if a == "OUT" else a for a in arguments] + ["--db", db]) == 2
    assert "dcat: " in capsys.readouterr().err
    assert not out.exists()


def test_an_empty_mount_point_is_said_and_is_no_success(
    db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(tmp_path / "archive", tmp_path / "elsewhere")
    (tmp_path / "archive").mkdir()
    assert main(["index", str(tmp_path / "archive"), "--db", db]) == 3
    assert "Is it mounted?" in capsys.readouterr().err
    (tmp_path / "archive").rmdir()
    shutil.move(tmp_path / "elsewhere", tmp_path / "archive")
    assert main(["index", str(tmp_path / "archive"), "--db", db]) == 0
    assert "2 back again" in capsys.readouterr().err


def test_a_date_in_the_form_of_acr_nema_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = builders.dicom_bytes(StudyDate="19970424").replace(
        b"DA\x08\x0019970424", b"DA\x0a\x001997.04.24"
    )
    assert b"1997.04.24" in data
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "old.dcm").write_bytes(data)
    db = str(tmp_path / "c.db")
    main(["index", str(tmp_path / "archive"), "--db", db])
    capsys.readouterr()
    assert main(["find", "studies", "--date", "19970424", "-o", "ndjson", "--db", db]) == 0
    assert '"StudyDate": "1997-04-24"' in capsys.readouterr().out
    with closing(sqlite3.connect(db)) as raw:
        assert "1997.04.24" in raw.execute("SELECT raw FROM study").fetchone()[0]


def test_what_a_list_names_in_vain_makes_an_export_incomplete(db: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("1.2.3.1.1.1.1\n9.9.9\n")
    assert (
        main(["export", str(tmp_path / "out"), "--from", str(tmp_path / "list"), "--db", db]) == 3
    )
    assert (tmp_path / "out" / "DICOMDIR").is_file()


def test_files_that_are_gone_are_not_said_to_fit_nothing(
    db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(tmp_path / "archive" / "p1")
    main(["index", str(tmp_path / "archive"), "--db", db])
    capsys.readouterr()
    assert main(["find", "instances", "-o", "paths", "--db", db]) == 0
    assert "no file of them is there" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGTERM")
def test_a_terminated_query_ends_as_an_interrupted_one(db: str) -> None:
    endless = (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "catalog", "sql", endless, "--db", db],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in said


@pytest.mark.parametrize("closed", ["0", "1", "2", "012"])
def test_closed_standard_streams_are_no_obstacle(tmp_path: Path, closed: str) -> None:
    """What is opened first must not get their numbers, and messages for nobody end nowhere."""
    builders.archive(tmp_path / "archive", 1, 1, 1, 2)
    code = (
        "import os, sys; "
        f"[os.close(int(n)) for n in {closed!r}]; "
        "os.execv(sys.executable, [sys.executable, '-m', 'catalog', *sys.argv[1:]])"
    )
    words = ["index", str(tmp_path / "archive"), "--db", str(tmp_path / "c.db")]
    done = subprocess.run([sys.executable, "-c", code, *words], timeout=60, check=False)
    assert done.returncode == 0
    with closing(sqlite3.connect(tmp_path / "c.db")) as raw:
        assert raw.execute("SELECT count(*) FROM instance").fetchone() == (2,)
    assert main(["db", "check", "--db", str(tmp_path / "c.db")]) == 0


def test_facts_about_files_are_asked_for_in_sql(dcat: Dcat, db: Path) -> None:
    for name, fact in (("Status", "Status"), ("size", "SizeBytes"), ("PATH", "Path")):
        said = dcat("find", "files", "-k", f"{name}=x", "--db", db)
        assert said.code == 2
        assert f"WHERE {fact} = …" in said.err
    query = "SELECT file_ref FROM v_file WHERE Status = 'ok'"
    assert int(dcat("find", "files", "--count", "--sql", query, "--db", db).out) > 0


def test_an_attribute_that_is_not_kept_is_no_slip_of_another(dcat: Dcat, db: Path) -> None:
    for arguments in (("--columns", "PatientAge"), ("--sort", "patientage"), ("--group-by", "PatientAge"), ("-k", "PatientAge=1")):  # fmt: skip
        said = dcat("find", *arguments, "--db", db)
        assert said.code == 2
        assert said.err.startswith("dcat: PatientAge is an attribute of DICOM, but this catalogue does not keep it.")  # fmt: skip


def test_a_value_without_a_name(dcat: Dcat, db: Path) -> None:
    said = dcat("find", "-k", "=x", "--db", db)
    assert (said.code, said.err) == (2, "dcat: '' names no attribute. Write KEYWORD=VALUE, such as Modality=CT.\n")  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (["--db", "postgresql://me:s3cret@host/dcat?sslmode=require"], "--db 'postgresql://me@host/dcat?sslmode=require'"),
        (["--db=postgres://me:s3cret@host/dcat"], "--db=postgresql://me@host/dcat"),
        (["--db", "POSTGRESQL://host/dcat?password=s3cret"], "--db 'postgresql://host/dcat?password=***'"),
        (["--db", "postgresql://me:s3/cret@host/dcat"], "--db postgresql://..."),
        (["s3://bucket/a", "x=y"], "s3://bucket/a x=y"),
    ],
)  # fmt: skip
def test_the_line_that_is_kept_holds_no_password(typed: list[str], kept: str) -> None:
    from catalog.cli import typed_line

    typed_line.remember(["index", *typed])
    assert typed_line.typed() == f"index {kept}"
