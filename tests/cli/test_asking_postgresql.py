"""dcat sql, audit, report and the shell on a catalogue in a PostgreSQL database: as on SQLite."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.database.location import located
from catalog.database.moving import copy
from tests import postgres
from tests.cli.conftest import Dcat

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="there is no PostgreSQL server")

CHECKOUT = Path(__file__).parents[2]
ENDLESS = "SELECT count(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b"


@pytest.fixture(scope="module")
def url(indexed_once: Path) -> Iterator[str]:
    """The catalogue of `indexed_once` on PostgreSQL."""
    with postgres.database() as found:
        copy(indexed_once / "c.db", located(found))
        yield found


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv", "tsv", "csv-excel"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM v_study ORDER BY study_ref",
        "SELECT Modality, count(*), sum(SizeBytes) AS Bytes FROM v_series GROUP BY Modality ORDER BY Modality NULLS FIRST",
        "SELECT 1 AS a, 2 AS a WHERE 1 = 2",
    ],
)
def test_sql_writes_the_same(dcat: Dcat, db: Path, url: str, sql: str, form: str) -> None:
    assert dcat("sql", sql, "-o", form, "--db", url) == dcat("sql", sql, "-o", form, "--db", db)


def test_parameters_files_limits_and_standard_input(
    dcat: Dcat, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT PatientID FROM v_patient WHERE PatientID >= :least ORDER BY PatientID"
    (tmp_path / "question.sql").write_text(sql + ";\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sql.encode()), encoding="utf-8"))
    asked = ("-p", "least=0", "-o", "csv", "--limit-rows", "1", "--db", url)
    first = dcat("sql", sql, *asked)
    assert first[0] == 0
    assert first[1].splitlines()[0] == "PatientID"
    assert "Only the first 1 row is shown, as --limit-rows says; there are more." in first[2]
    assert dcat("sql", "--file", tmp_path / "question.sql", *asked) == first
    assert dcat("sql", "-", *asked) == first


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("DELETE FROM file", 2, "Only reading is allowed here; DELETE is refused."),
        ("SELECT pg_sleep(1)", 2, "pg_sleep is refused"),
        ("SELECT StudyDat FROM v_study", 2, "Did you mean StudyDate?"),
        ("SELECT :x", 2, "Give it with -p x=VALUE."),
        (ENDLESS, 1, "The query was stopped after 0.3 s. Ask for less, or raise --timeout."),
    ],
)
def test_errors_have_their_exit_code_and_sentence(
    dcat: Dcat, url: str, sql: str, code: int, said: str
) -> None:
    found = dcat("sql", sql, "--timeout", "0.3", "--db", url)
    assert found[:2] == (code, "")
    assert said in found[2]


def test_ctrl_c_stops_the_question_on_the_server(url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "catalog", "sql", ENDLESS, "--db", url],
        cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    at_work = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{ENDLESS[:60]}%' AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 60
    while postgres.execute(at_work) == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    while postgres.execute(at_work) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_shell_takes_one_statement_after_the_other(
    dcat: Dcat, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = b".mode csv\nSELECT count(*) FROM v_study WHERE 1 = 2; SELECT ';' AS x;\n.param a=7\nSELECT :a + 1 AS b;\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8"))
    assert dcat("sql", "--shell", "--db", url) == (0, "count(*)\n0\nx\n;\nb\n8\n", "")


def test_the_shell_tells_tables_and_columns(
    dcat: Dcat, db: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for place in (url, db):
        typed = b".mode ndjson\n.schema v_study\n.schema run\n"
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8"))
        said.append(dcat("sql", "--shell", "--db", place))
    assert said[0] == said[1]
    assert '"Column": "StudyInstanceUID"' in said[0][1]


def test_audits_say_the_same(dcat: Dcat, db: Path, url: str) -> None:
    found, wanted = (dcat("audit", "--all", "-o", "csv", "--db", each) for each in (url, db))
    assert found[0] == wanted[0]
    cut = [[line.rpartition(",")[0] for line in each[1].splitlines()] for each in (found, wanted)]
    assert cut[0] == cut[1]  # without the seconds
    assert found[2] == wanted[2]
    one = ("audit", "volumes", "-o", "json")
    assert dcat(*one, "--db", url) == dcat(*one, "--db", db)


def test_an_audit_of_the_users_own_is_read_only_too(dcat: Dcat, url: str, tmp_path: Path) -> None:
    head = "-- Title: T\n-- Columns: N: n\n-- Tags: figures\n-- Description: D.\n"
    (tmp_path / "own.sql").write_text(head + "SELECT count(*) AS N FROM v_file WHERE Status = 'no'")
    (tmp_path / "bad.sql").write_text(head + "SELECT set_config('a.b', 'c', false) AS N")
    asked = ("-o", "ndjson", "--folder", tmp_path, "--db", url)
    assert dcat("audit", "own", *asked)[:2] == (0, '{"N": 0}\n')
    code, _, said = dcat("audit", "bad", *asked)
    assert code == 2
    assert "The audit bad cannot be answered. Only reading is allowed here; set_config" in said


def test_a_report_names_the_database_and_no_password(dcat: Dcat, url: str, tmp_path: Path) -> None:
    with_password = url.replace("postgres@", "postgres:secret@", 1)
    assert dcat("report", tmp_path / "report.html", "--db", with_password)[0] == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert url.partition("@")[2] in page
    assert "secret" not in page


def test_datasette_is_for_sqlite(dcat: Dcat, url: str) -> None:
    code, out, said = dcat("db", "datasette-metadata", "--db", url)
    assert (code, out) == (1, "")
    assert "Datasette reads SQLite files alone" in said
    assert "dcat db copy" in said


def test_json_of_attributes_is_as_it_was_written(dcat: Dcat, db: Path, url: str) -> None:
    sql = "SELECT raw, counts FROM run LEFT JOIN instance ON instance.raw IS NOT NULL ORDER BY run.id, instance.id"
    found = dcat("sql", sql, "-o", "ndjson", "--db", url)
    assert found == dcat("sql", sql, "-o", "ndjson", "--db", db)
    assert json.loads(json.loads(found[1].splitlines()[0])["counts"])
