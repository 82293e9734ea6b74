"""SQL of the user's own: it reads, within limits, and does nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from catalog.database.catalogue import Catalogue
from catalog.database.sql import query
from catalog.errors import QueryError
from tests import tables
from tests.database.stating import reading, stated, store


@pytest.fixture
def filled(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """A catalogue of one instance, with its folder as the current one."""
    store(catalogue, [reading("1", stated(image_type="A\\B"))])
    monkeypatch.chdir(catalogue.path.parent)
    return catalogue


def asked(
    catalogue: Catalogue, sql: str, parameters: dict[str, str] | None = None, limit_s: float = 60.0
) -> tuple[tuple[str, ...], list[Any]]:
    with query(catalogue, sql, parameters, limit_s=limit_s) as (columns, rows):
        return columns, list(rows)


@pytest.mark.parametrize(
    ("sql", "parameters", "columns", "rows"),
    [
        ("SELECT PatientID, Modality FROM v_instance", {}, ("PatientID", "Modality"), [("P1", "CT")]),
        ("SELECT :a AS a, :b AS b", {"a": "7", "b": "007"}, ("a", "b"), [(7, "007")]),
        ("SELECT :a", {"a": "x' OR 1"}, (":a",), [("x' OR 1",)]),
        ("SELECT typeof(:a), typeof(:b), typeof(:c)", {"a": "-7", "b": "1.5", "c": "99999999999999999999"}, None, [("text", "text", "text")]),
        ("SELECT count(*) FROM v_instance WHERE PatientID = :p", {"p": "P1", "unused": "1"}, None, [(1,)]),
        ("SELECT 1 WHERE 0", {}, ("1",), []),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n", {}, ("i",), [(1,), (2,), (3,)]),
        ("SELECT json_extract('{\"a\": [1, 2]}', '$.a[1]')", {}, None, [(2,)]),
        ("SELECT value FROM json_each('[1, 2]')", {}, ("value",), [(1,), (2,)]),
        ("SELECT group_concat(PatientID), upper('a'), substr('abc', 2) FROM v_patient", {}, None, [("P1", "A", "bc")]),
        ("SELECT name FROM pragma_table_info('root')", {}, None, [("id",), ("path",)]),
        ("SELECT count(*) > 5 FROM sqlite_master", {}, None, [(1,)]),
        ("SELECT 1;", {}, None, [(1,)]),
        ("SELECT 1 -- and no more", {}, None, [(1,)]),
        ("VALUES (1), (2)", {}, None, [(1,), (2,)]),
    ],
)  # fmt: skip
def test_what_may_be_asked(
    filled: Catalogue,
    sql: str,
    parameters: dict[str, str],
    columns: tuple[str, ...] | None,
    rows: list[Any],
) -> None:
    names, found = asked(filled, sql, parameters)
    assert found == rows
    assert columns is None or names == columns


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO root (path) VALUES ('/x')",
        "INSERT INTO root (path) VALUES ('/x') RETURNING id",
        "UPDATE file SET status = 'missing'",
        "DELETE FROM file",
        "REPLACE INTO root (id, path) VALUES (1, '/x')",
        "DROP TABLE discrepancy",
        "DROP VIEW v_file",
        "ALTER TABLE root ADD COLUMN x",
        "CREATE TABLE x (y)",
        "CREATE TEMP TABLE x (y)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "CREATE VIRTUAL TABLE x USING fts5(y)",
        "CREATE INDEX x ON root (path)",
        "ATTACH 'stolen.db' AS x",
        "ATTACH ':memory:' AS x",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO 'stolen.db'",
        "REINDEX",
        "ANALYZE",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = delete",
        "PRAGMA writable_schema = ON",
        "PRAGMA user_version = 7",
        "PRAGMA wal_checkpoint",
        "PRAGMA optimize",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('x')",
        "SELECT * FROM pragma_journal_mode('delete')",
        "BEGIN",
        "SAVEPOINT x",
        "SELECT 1; DELETE FROM file",
        "SELECT 1; SELECT 2",
        "",
        ";",
        "-- nothing",
        "SELEC 1",
        "SELECT nothing FROM v_file",
        "SELECT * FROM nowhere",
        "SELECT :missing",
        "SELECT ?",
        "SELECT 'open",
        "SELECT 1 \0",
        "SELECT '\udcff'",
        "SELECT CAST(x'ff' AS TEXT)",
    ],
)
def test_what_is_refused_with_a_sentence(filled: Catalogue, sql: str) -> None:
    before = (
        tables.dump(filled.path),
        {p.name for p in Path.cwd().iterdir()} - {"catalogue.db-wal", "catalogue.db-shm"},
    )
    with pytest.raises(QueryError) as caught:
        asked(filled, sql)
    assert str(caught.value).endswith((".", "NAME=VALUE."))
    assert (
        tables.dump(filled.path),
        {p.name for p in Path.cwd().iterdir()} - {"catalogue.db-wal", "catalogue.db-shm"},
    ) == before


@pytest.mark.parametrize(
    "rows_first", [False, True], ids=["before the first row", "after some rows"]
)
def test_an_endless_question_is_stopped(filled: Catalogue, rows_first: bool) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
    sql = endless + ("i FROM n WHERE i < 3 OR i < 0" if rows_first else "max(i) FROM n")
    started = time.monotonic()
    with pytest.raises(QueryError, match=r"stopped after 0\.2 s"):
        asked(filled, sql, limit_s=0.2)
    assert time.monotonic() - started < 5
