"""dcat sql: where the statement comes from, how its rows are written, how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cli.sql import First, distinct
from tests import behind
from tests.cli.conftest import Dcat

CHECKOUT = Path(__file__).parents[2]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "


def given_on_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


# -- where the statement comes from ---------------------------------------------------------------


def test_the_statement_may_be_an_argument_a_file_or_standard_input(
    dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "SELECT 'ä' AS x, count(*) AS n FROM v_file -- all"
    (tmp_path / "question.sql").write_text(text + "\n;\n", encoding="utf-8-sig")
    expected = (0, '{"x": "ä", "n": 24}\n', "")
    assert dcat("sql", text, "-o", "ndjson", "--db", db) == expected
    assert dcat("sql", "--file", tmp_path / "question.sql", "-o", "ndjson", "--db", db) == expected
    for words in (["-"], ["--file", "-"], ["-f", "-"]):
        given_on_stdin(monkeypatch, text.encode())
        assert dcat("sql", *words, "-o", "ndjson", "--db", db) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Give one of the three"),
        (["SELECT 1", "--shell"], "Give one of the three"),
        (["SELECT 1", "--file", "x.sql"], "Give one of the three"),
        (["--file", "absent.sql"], "The SQL in absent.sql cannot be read: No such file"),
        (["--file", "."], "cannot be read"),
        (["--file", "not-text.sql"], "is no UTF-8 text: the byte at 8"),
        (["--file", "long.sql"], "is longer than 1,000,000 bytes"),
        (["--file", "empty.sql"], "There is no SQL to run"),
        (["--file", "nul.sql"], "holds a NUL character"),
        (["--file", "two.sql"], "more than one statement"),
        (["SELECT :a", "-p", "a"], "not of the form NAME=VALUE"),
        (["SELECT :a", "-p", "b=1"], "Give it with -p a=VALUE"),
        (["SELECT '\udcff'"], "bytes that are no text"),
        (["SELECT :a", "-p", "a=\udcff"], "bytes that are no text"),
        (["DELETE FROM file"], "Only reading is allowed here; DELETE is refused."),
        (["SELECT nothing_at_all"], "There is no column nothing_at_all"),
    ],
)
def test_what_is_wrong_is_2_and_says_so(
    words: list[str],
    said: str,
    dcat: Dcat,
    db: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in {"not-text": b"SELECT '\xff'", "long": b"SELECT 1 -- " + b"x" * 1_000_000, "empty": b"\n", "nul": b"SELECT 1\0", "two": b"SELECT 1;\nSELECT 2;"}.items():  # fmt: skip
        Path(f"{name}.sql").write_bytes(data)
    answer = dcat("sql", *words, "--db", db)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("dcat: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1


# -- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("table", "id  id  b\n──  ──  ────\n 1   2  00ff\n"),
        ("json", '[\n{"id": 1, "id_2": 2, "b": "00ff"}\n]\n'),
        ("ndjson", '{"id": 1, "id_2": 2, "b": "00ff"}\n'),
        ("csv", "id,id_2,b\n1,2,00ff\n"),
        ("tsv", "id\tid_2\tb\n1\t2\t00ff\n"),
    ],
)
def test_no_column_is_lost_and_a_blob_is_text(form: str, out: str, dcat: Dcat, db: Path) -> None:
    blob = r"'\x00ff'::bytea" if behind.is_on() else "x'00ff'"
    assert dcat("sql", f"SELECT 1 AS id, 2 AS id, {blob} AS b", "-o", form, "--db", db).out == out


@given(st.lists(st.sampled_from(["id", "id_2", "id_3", "x", ""])))
def test_names_become_distinct_and_those_that_are_stay(names: list[str]) -> None:
    found = distinct(names)
    assert len(set(found)) == len(found) == len(names)
    for before, after in zip(names, found, strict=True):
        assert after.startswith(before)
    if len(set(names)) == len(names):
        assert found == tuple(names)


@given(st.lists(st.integers()), st.none() | st.integers(0, 10))
def test_the_first_rows_and_whether_there_were_more(numbers: list[int], limit: int | None) -> None:
    rows = First([(n,) for n in numbers], limit)
    assert [n for (n,) in rows] == numbers[:limit]
    assert rows.is_cut is (limit is not None and limit < len(numbers))


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv", "tsv"])
def test_a_cut_is_said_and_is_no_error(form: str, dcat: Dcat, db: Path) -> None:
    ask = ("sql", "SELECT SOPInstanceUID FROM v_instance ORDER BY 1", "-o", form, "--db", db)
    said = dcat(*ask, "--limit-rows", "5")
    assert said.code == 0
    assert said.err == "Only the first 5 rows are shown, as --limit-rows says; there are more.\n"
    if form == "json":
        assert len(json.loads(said.out)) == 5
    assert "more" not in dcat(*ask, "--limit-rows", "24").err
    assert "Only the first row is" not in dcat(*ask, "--limit-rows", "25").err


def test_a_cut_of_an_endless_answer_ends(dcat: Dcat, db: Path) -> None:
    said = dcat("sql", ENDLESS + "i FROM n", "--limit-rows", "2", "-o", "csv", "--db", db)
    assert (said.code, said.out) == (0, "i\n1\n2\n")


def test_rows_too_long_for_a_table_are_refused(dcat: Dcat, db: Path) -> None:
    long = "repeat('00', 4000000)" if behind.is_on() else "hex(zeroblob(4000000))"
    said = dcat("sql", f"SELECT {long} FROM v_file", "--db", db)
    assert (said.code, said.out) == (1, "")
    assert "-o ndjson" in said.err


def test_what_takes_too_long_is_1(dcat: Dcat, db: Path) -> None:
    said = dcat("sql", ENDLESS + "max(i) FROM n", "--timeout", "0.2", "--db", db)
    assert (said.code, said.out) == (1, "")
    assert (
        said.err == "dcat: The query was stopped after 0.2 s. Ask for less, or raise --timeout.\n"
    )


# -- what cannot be stopped -----------------------------------------------------------------------


@pytest.mark.sqlite  # a server stops any function (test_asking_postgresql.py)
def test_a_function_without_end_ends_the_process(db: Path) -> None:
    """After the time and a grace of 3 s; rows that were found before are written."""
    half = "replace(hex(zeroblob(1000000)), '0', 'a')"
    sql = f"SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT instr(t || t, t || 'b') FROM (SELECT {half} AS t)"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "catalog", "sql", sql, "--timeout", "0.5", "-o", "csv", "--db", str(db)],
        capture_output=True, text=True, check=False, timeout=60, cwd=CHECKOUT,
    )  # fmt: skip
    assert done.returncode == 1
    assert "could not be stopped after 0.5 s, so dcat has ended" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.endswith("\n1\n")
    assert time.monotonic() - started < 30
    with closing(sqlite3.connect(db)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_a_query(db: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "catalog", "sql", ENDLESS + "max(i) FROM n", "--db", str(db)],
        stderr=subprocess.PIPE, text=True, cwd=CHECKOUT,
    ) as process:  # fmt: skip
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_date_as_dicom_writes_it_finds_nothing_and_is_told_of(dcat: Dcat, db: Path) -> None:
    said = "Dates are stored as text with hyphens, such as '2024-01-31'.\n"
    query = "SELECT * FROM v_study WHERE StudyDate = "
    assert dcat("sql", f"{query}'20240131'", "--db", db).err == f"0 rows.\n{said}"
    assert dcat("sql", f"{query}:d", "-p", "d=20240131", "--db", db).err == f"0 rows.\n{said}"
    assert said not in dcat("sql", f"{query}'1999-01-31'", "--db", db).err
    assert said not in dcat("sql", "SELECT '20240131'", "--db", db).err
