"""SQL of the user's own: it reads, within limits, and does nothing else.

What is PostgreSQL's own is in `test_sql_on_postgresql`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from catalog.database.catalogue import Catalogue
from catalog.database.sql import is_empty, query, relations, statements
from catalog.database.sql_descriptions import described
from catalog.errors import QueryError, StatementError
from tests import tables
from tests.database.stating import reading, stated, store


@pytest.fixture
def filled(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Catalogue:
    """A catalogue of one instance, with its folder as the current one."""
    store(catalogue, [reading("1", stated(image_type="A\\B"))])
    monkeypatch.chdir(catalogue.path.parent if catalogue.path else tmp_path)
    return catalogue


def files() -> set[str]:
    """Return the files of the current folder that are not SQLite's own."""
    return {path.name for path in Path.cwd().iterdir()} - {"catalogue.db", "catalogue.db-wal", "catalogue.db-shm"}  # fmt: skip


def asked(
    catalogue: Catalogue, sql: str, parameters: dict[str, str] | None = None, limit_s: float = 60.0
) -> tuple[tuple[str, ...], list[Any]]:
    with query(catalogue, sql, parameters, limit_s=limit_s) as (columns, rows):
        return columns, list(rows)


@pytest.mark.sqlite
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
    ],
)
def test_what_is_refused_with_a_sentence(filled: Catalogue, sql: str) -> None:
    before = tables.dump(filled)
    with pytest.raises(QueryError) as caught:
        asked(filled, sql)
    assert str(caught.value).endswith((".", "?"))
    assert tables.dump(filled) == before
    assert files() == set()


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


# -- limits ---------------------------------------------------------------------------------------

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
BOMBS = {
    "zeroblob": "SELECT zeroblob(1000000000)",
    "randomblob": "SELECT randomblob(1000000000)",
    "replace": "SELECT replace(hex(zeroblob(1000000)), '0', '0123456789')",
    "concatenation": "SELECT a || a || a || a || a FROM (SELECT hex(zeroblob(1000000)) AS a)",
    "group_concat": NUMBERS + "SELECT group_concat(i, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') FROM (SELECT i FROM n LIMIT 1000000)",
    "json": NUMBERS + "SELECT json_group_array('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') FROM (SELECT i FROM n LIMIT 1000000)",
    "many columns": "SELECT " + ", ".join(["hex(zeroblob(4000000))"] * 200),
    "views in views": "WITH c0 AS (SELECT 1 AS x), " + ", ".join(f"c{n} AS (SELECT * FROM c{n - 1} UNION ALL SELECT * FROM c{n - 1})" for n in range(1, 25)) + " SELECT count(*) FROM c24",
    "a long statement": "SELECT '" + "x" * 1_100_000 + "'",
    "a deep one": "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "a wide one": "SELECT " + "1+" * 3000 + "1",
}  # fmt: skip


@pytest.mark.sqlite
@pytest.mark.parametrize("sql", BOMBS.values(), ids=BOMBS)
def test_what_is_too_large_is_refused(filled: Catalogue, sql: str) -> None:
    with pytest.raises(QueryError) as caught:
        asked(filled, sql)
    assert str(caught.value).endswith(".")
    # SQLite is whole afterwards, and so is the process.
    assert asked(filled, "SELECT count(*) FROM v_instance")[1] == [(1,)]


@pytest.mark.sqlite
def test_printf_makes_no_long_text(filled: Catalogue) -> None:
    """SQLite gives NULL for it, rather than an error."""
    assert asked(filled, "SELECT printf('%.*c', 20000000, 'x')")[1] == [(None,)]


ENDLESS = {
    "cartesian product": "SELECT count(*) FROM " + ", ".join(f"sqlite_master m{n}" for n in range(12)),
    "sorting": NUMBERS + "SELECT i FROM n ORDER BY i DESC",
    "distinct": NUMBERS + "SELECT DISTINCT i % 1000000007 FROM n LIMIT 1 OFFSET 1000000000",
    "window": NUMBERS + "SELECT sum(i) OVER (ORDER BY -i) FROM n",
}  # fmt: skip


@pytest.mark.sqlite
@pytest.mark.parametrize("sql", ENDLESS.values(), ids=ENDLESS)
def test_what_takes_too_long_is_stopped(filled: Catalogue, sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(QueryError, match=r"stopped after 0\.3 s") as caught:
        asked(filled, sql, limit_s=0.3)
    assert caught.value.exit_code == 1
    assert time.monotonic() - started < 5


@pytest.mark.sqlite
def test_like_with_many_wildcards_is_no_bomb(filled: Catalogue) -> None:
    text = "hex(zeroblob(500000))"
    started = time.monotonic()
    assert asked(filled, f"SELECT {text} LIKE '%0%0%0%0%0%0%0%1'")[1] == [(0,)]
    assert time.monotonic() - started < 5


def test_time_of_the_reader_does_not_count(filled: Catalogue) -> None:
    with query(filled, "SELECT 1 UNION ALL SELECT 2", limit_s=0.2) as (_, rows):
        first = next(rows)
        time.sleep(0.4)
        assert [first, *rows] == [(1,), (2,)]


def test_rows_come_as_they_are_found(filled: Catalogue) -> None:
    with query(filled, NUMBERS + "SELECT i FROM n") as (_, rows):
        assert [next(rows) for _ in range(3)] == [(1,), (2,), (3,)]


@pytest.mark.sqlite
def test_a_full_temporary_folder_stops_a_query(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([10 * 1024**3])
    monkeypatch.setattr("catalog.database.sql_limits._free_bytes", lambda folder: next(free, 1000))
    with pytest.raises(QueryError, match="SQLITE_TMPDIR"):
        asked(filled, NUMBERS + "SELECT max(i) FROM n", limit_s=20)


@pytest.mark.sqlite
def test_the_watchdog_gives_up_where_sqlite_does_not_come_back(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`instr` compares megabytes with megabytes in one step, which nothing can interrupt."""
    monkeypatch.setattr("catalog.database.sql_limits.GRACE_S", 0.0)
    monkeypatch.setattr("catalog.database.sql_limits._LOOK_S", 0.05)
    said = threading.Event()
    half = "replace(hex(zeroblob(70000)), '0', 'a')"
    with (
        contextlib.suppress(QueryError),
        query(
            filled,
            f"SELECT instr(t || t, t || 'b') FROM (SELECT {half} AS t)",
            limit_s=0.2,
            give_up=said.set,
        ),
    ):
        pass
    assert said.is_set()


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("sql", "cell"),
    [
        ("x'00ff'", "00ff"),
        ("9e999", "Infinity"),
        ("-9e999", "-Infinity"),
        ("0.0 * 9e999", None),
        ("9223372036854775807", 9223372036854775807),
        ("'ä\u2028'", "ä\u2028"),
        ("1.5", 1.5),
    ],
)
def test_cells_are_numbers_and_texts(filled: Catalogue, sql: str, cell: object) -> None:
    assert asked(filled, f"SELECT {sql}")[1] == [(cell,)]


@given(
    st.text().filter(
        lambda text: "\0" not in text and not any(0xD800 <= ord(c) < 0xE000 for c in text)
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_parameter_is_a_value_whatever_it_says(filled: Catalogue, text: str) -> None:
    ((found,),) = asked(filled, "SELECT :x", {"x": text})[1]
    assert str(found) == text


def test_a_parameter_that_is_no_text_is_refused(filled: Catalogue) -> None:
    with pytest.raises(StatementError, match="A parameter holds bytes that are no text"):
        asked(filled, "SELECT :x", {"x": "\udcff"})


# -- full text ------------------------------------------------------------------------------------


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT rowid FROM patient_words WHERE patient_words MATCH 'doe'",
        "SELECT p.id FROM patient p WHERE p.id IN (SELECT rowid FROM patient_words WHERE words MATCH 'do* jane')",
        "SELECT rowid FROM patient_words('jane') ORDER BY rank",
        "SELECT rowid FROM patient_words WHERE patient_words MATCH 'doe' ORDER BY bm25(patient_words)",
    ],
)
def test_full_text_can_be_asked(filled: Catalogue, sql: str) -> None:
    assert asked(filled, sql)[1] == [(1,)]


@pytest.mark.sqlite
def test_full_text_can_be_asked_after_others_changed_the_schema(filled: Catalogue) -> None:
    """SQLite then declares its virtual tables anew, under the authorizer."""
    with filled.read() as connection:
        ask = text("SELECT count(*) FROM patient_words WHERE words MATCH 'doe'")
        assert connection.execute(ask).scalar() == 1
    with closing(sqlite3.connect(filled.path)) as other:
        other.execute("VACUUM")
    with filled.read() as connection:
        assert connection.execute(ask).scalar() == 1


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "command", ["optimize", "rebuild", "delete-all", "integrity-check", "merge"]
)
def test_commands_of_full_text_tables_are_refused(filled: Catalogue, command: str) -> None:
    with pytest.raises(StatementError, match="INSERT is refused"):
        asked(filled, f"INSERT INTO patient_words (patient_words) VALUES ('{command}')")
    assert asked(filled, "SELECT count(*) FROM patient_words WHERE words MATCH 'doe'")[1] == [(1,)]


@pytest.mark.parametrize("words", ["doe", "do* jane", "JANE", "jan*"])
def test_words_can_be_asked_in_the_same_way_everywhere(filled: Catalogue, words: str) -> None:
    sql = "SELECT rowid FROM patient_words(:words)"
    assert asked(filled, sql, {"words": words}) == (("rowid",), [(1,)])
    assert asked(filled, sql, {"words": "nobody"})[1] == []


# -- more that is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "WITH x AS (SELECT 1) INSERT INTO root (path) SELECT '/x' FROM x",
        "WITH x AS (SELECT 1) DELETE FROM file RETURNING *",
        "DELETE FROM file RETURNING id",
        "/* SELECT */ DELETE FROM file",
        "-- SELECT 1\nDELETE FROM file",
        "SELECT 1 /* ; */; DELETE FROM file",
        "SELECT 1;;; DELETE FROM file --",
        "EXPLAIN DELETE FROM file",
        "UPDATE sqlite_master SET sql = 'x'",
        "UPDATE sqlite_schema SET name = 'x', type = 'table'",
        "DELETE FROM sqlite_master",
        "INSERT INTO sqlite_master VALUES (1, 2, 3, 4, 5)",
        "UPDATE sqlite_sequence SET seq = 1",
        "CREATE TRIGGER x AFTER INSERT ON root BEGIN SELECT 1; END",
        "CREATE TEMP TRIGGER x AFTER INSERT ON root BEGIN SELECT 1; END",
        "CREATE TABLE x AS SELECT 1",
        "DROP TRIGGER patient_words_insert",
        "DROP TABLE patient_words",
        "ALTER TABLE root RENAME TO x",
        "ALTER TABLE root DROP COLUMN path",
        "COMMIT",
        "ROLLBACK",
        "RELEASE x",
        "PRAGMA trusted_schema = ON",
        "PRAGMA hard_heap_limit = 0",
        "PRAGMA temp_store_directory = '/'",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA main.integrity_check",
        "SELECT writefile('x', 'y')",
        "SELECT readfile('/etc/passwd')",
        "SELECT edit('x')",
        "SELECT * FROM fsdir('/')",
        "SELECT zipfile('x')",
        "SELECT * FROM pragma_wal_checkpoint",
        "SELECT * FROM pragma_query_only(0)",
        "\ufeff DELETE FROM file",
        "SELECT '\0'; DELETE FROM file",
        "\udc80",
    ],
)
def test_tricks_are_refused(filled: Catalogue, sql: str) -> None:
    before = tables.dump(filled)
    with pytest.raises(StatementError) as caught:
        asked(filled, sql)
    assert caught.value.exit_code == 2
    assert str(caught.value).endswith((".", "?"))
    assert tables.dump(filled) == before
    assert files() == set()


# -- sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT PatientNam FROM v_study", "no column PatientNam (line 1, column 8). Did you mean PatientName?"),
        ("SELECT 1,\n  patient_name FROM v_study", "(line 2, column 3). Did you mean PatientName?"),
        ("SELECT PATIENTNAM FROM v_study", "Did you mean PatientName?"),
        ("SELECT v.StudyDat FROM v_study v", "no column v.StudyDat (line 1, column 8). Did you mean StudyDate?"),
        ("SELECT s.StudyDate FROM v_study v", "What stands before the dot must be a table of FROM"),
        ("SELECT SliceThickness FROM v_study", "no column SliceThickness in v_study (line 1, column 8), but in v_instance"),
        ("SELECT * FROM v_study WHERE PatientID = P1", "A text stands in single quotes: 'P1'."),
        ("SELECT * FROM v_studie", "no table or view v_studie (line 1, column 15). Did you mean v_study?"),
        ("SELECT * FROM instances", "Did you mean instance?"),
        ("SELECT * FROM wardrobe", "There are the views v_file, v_instance, v_patient, v_series and v_study"),
        ("SELEC 1", "at 'SELEC' (line 1, column 1). Did you mean SELECT for SELEC?"),
        ("SELECT * FORM v_study", "at 'FORM' (line 1, column 10). Did you mean FROM for FORM?"),
        ("SELECT 1, 2 FROM v_study WHRE PatientID = 'x' AND 1, 2", "Did you mean WHERE for WHRE?"),
        ("SELECT a, b,, c", "at ',' (line 1, column 13)"),
        ("SELECT count(* FROM v_study", "at 'FROM'"),
        ("SELECT 'open", "A quotation is not closed: it begins with 'open (line 1, column 8)"),
        ("SELECT 'O'Brien'", "O''Brien"),
        ("SELECT (1", "ends too early"),
        ("SELECT :name", "-p name=VALUE"),
        ("SELECT ?", "Write :name instead"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("/* only */ -- comments\n;", "There is no SQL to run"),
        ("delete from file", "DELETE is refused"),
        ("PRAGMA journal_mode = delete", "PRAGMA is refused"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_place_and_what_to_do(
    filled: Catalogue, sql: str, said: str
) -> None:
    with pytest.raises(StatementError) as caught:
        asked(filled, sql)
    assert said in str(caught.value)
    assert "sqlite" not in str(caught.value)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT year(StudyDate) FROM v_study", "no function year (line 1, column 8). In SQLite, dates are text: substr(StudyDate, 1, 4)"),
        ("SELECT Modality FROM v_series a JOIN v_series b", "Several tables have the column Modality."),
        ("SELECT 1 FROM patient_words WHERE words MATCH 'a AND'", "The text of MATCH cannot be understood"),
        ("SELECT json_extract('{', '$.a')", "A value is no JSON"),
        ("SELECT CAST(x'ff' AS TEXT) AS y", "The column y holds bytes that are no UTF-8 text"),
        ("SELECT load_extension('x')", "load_extension is refused"),
    ],
)  # fmt: skip
def test_a_slip_in_the_sql_of_sqlite_is_told(filled: Catalogue, sql: str, said: str) -> None:
    with pytest.raises(StatementError) as caught:
        asked(filled, sql)
    assert said in str(caught.value)
    assert "sqlite" not in str(caught.value).replace("In SQLite", "")


@given(st.text(st.sampled_from("SELCTFROMabv_,.*()'\"; -/0:?\n%")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_answered_or_told_wrong(filled: Catalogue, sql: str) -> None:
    with contextlib.suppress(QueryError):
        asked(filled, sql, limit_s=5)


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_relations_are_views_first_and_none_of_sqlite_own(filled: Catalogue) -> None:
    known = relations(filled)
    assert list(known)[:5] == ["v_file", "v_instance", "v_patient", "v_series", "v_study"]
    assert known["patient_words"] == ("words",)
    assert "id" in known["patient"]
    assert not [name for name in known if name.startswith("sqlite_") or name.endswith(("_idx", "_data", "_config", "_docsize"))]  # fmt: skip
    assert "alembic_version" not in known


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (";;", []),
        ("-- a; b\n", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1;", "SELECT 2;"]),
        ("SELECT ';'; SELECT 2", ["SELECT ';';", "SELECT 2"]),
        ("SELECT 1 /* ; */; -- ; \n SELECT 2", ["SELECT 1 /* ; */;", "-- ; \n SELECT 2"]),
        ("SELECT 'open; ", ["SELECT 'open;"]),
    ],
)
def test_statements_are_told_apart(text: str, found: list[str]) -> None:
    assert list(statements(text)) == found


@given(st.lists(st.sampled_from(["SELECT 1", "SELECT ';'", 'SELECT ";"', "/* ; */ SELECT 2", "SELECT [;]", "-- ;\n SELECT 3"])))  # fmt: skip
def test_statements_joined_are_told_apart(parts: list[str]) -> None:
    assert [each.rstrip(";").strip() for each in statements(";\n".join(parts))] == [
        each.strip() for each in parts
    ]


@pytest.mark.parametrize(
    ("text", "is_nothing"),
    [("", True), (" ;\n", True), ("-- x", True), ("/* x", True), ("/* x */ ; -- y\n", True),
     ("/* x */ DELETE", False), ("-- x\nSELECT", False), ("/**/*/", False), ("/***/", True), ("-", False)],
)  # fmt: skip
def test_comments_alone_are_nothing(text: str, is_nothing: bool) -> None:
    assert is_empty(text) is is_nothing


def test_every_table_view_and_column_is_described(filled: Catalogue) -> None:
    for name, each in described(relations(filled)).items():
        assert each.text.endswith("."), name
        for column, said in each.columns.items():
            assert said or name.endswith("_words"), (name, column)
