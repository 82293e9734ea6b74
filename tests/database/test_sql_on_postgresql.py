"""SQL of the user's own on PostgreSQL: it reads, within limits, and does nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.database import postgresql_asking
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import PostgresqlUrl, located
from catalog.database.models import metadata
from catalog.database.postgresql_driver import connect
from catalog.database.sql import query, relations
from catalog.database.sql_descriptions import described, keywords
from catalog.database.sql_headers import Field, headers
from catalog.database.sql_tokens import Kind, numbered, tokens
from catalog.errors import QueryError, StatementError
from tests import postgres, tables
from tests.database.stating import reading, stated, store

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="there is no PostgreSQL server")

PLAIN = "dcat_test_plain"
"""A role that may change everything in the catalogue and nothing else."""


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """A catalogue of one instance: its URL for the server's superuser, and for a plain user."""
    url = postgres.take_catalogue()
    with open_catalogue(located(url)) as catalogue:
        store(catalogue, [reading("1", stated(image_type="A\\B"))])
    with suppress(Exception):  # another test session on this server has made it
        postgres.execute(f"CREATE ROLE {PLAIN} LOGIN")
    for kind in ("TABLES", "SEQUENCES"):
        postgres.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {PLAIN}", url)
    yield {"superuser": url, "plain": re.sub("//[^@/]*@", f"//{PLAIN}@", url)}
    postgres.give_back(url)


@pytest.fixture(scope="module", params=["superuser", "plain"])
def filled(request: pytest.FixtureRequest, urls: dict[str, str]) -> Iterator[Catalogue]:
    """The catalogue, opened by each of the two."""
    with open_catalogue(located(urls[request.param])) as catalogue:
        yield catalogue


def asked(
    catalogue: Catalogue, sql: str, parameters: dict[str, str] | None = None, limit_s: float = 60.0
) -> tuple[tuple[str, ...], list[Any]]:
    with query(catalogue, sql, parameters, limit_s=limit_s) as (columns, rows):
        return columns, list(rows)


@pytest.mark.parametrize(
    ("sql", "parameters", "columns", "rows"),
    [
        ("SELECT PatientID, Modality FROM v_instance", {}, ("PatientID", "Modality"), [("P1", "CT")]),
        ("SELECT :a AS a, :b + 1 AS b", {"a": "7", "b": "7"}, ("a", "b"), [("7", 8)]),
        ("SELECT :a", {"a": "x' OR 1"}, (":a",), [("x' OR 1",)]),
        ("SELECT ':a', \":b\", '{1,2}'::text AS c, 1 AS \"D\" FROM (SELECT 1 AS \":b\") x", {}, ("':a'", ":b", "c", "D"), [(":a", 1, "{1,2}", 1)]),
        ("SELECT count(*) FROM v_instance WHERE PatientID = :p OR PatientID = :p", {"p": "P1", "unused": "1"}, ("count(*)",), [(1,)]),
        ("SELECT count(*) FROM file WHERE id > :n", {"n": "0"}, None, [(1,)]),
        ("SELECT 1 WHERE 1 = 2", {}, ("1",), []),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n", {}, ("i",), [(1,), (2,), (3,)]),
        ("SELECT i FROM generate_series(3, 1, -1) AS g(i) ORDER BY i", {}, ("i",), [(1,), (2,), (3,)]),
        ("SELECT group_concat(PatientID, ','), group_concat(PatientID), upper('a'), substr('abc', 2), instr('abc', 'c') FROM v_patient", {}, None, [("P1", "P1", "A", "bc", 3)]),
        ("SELECT IsDisputed, NumberOfSeriesRelatedInstances, SizeBytes FROM v_series WHERE IsDisputed = 0", {}, None, [(0, 1, 100)]),
        ("SELECT $$a ' :b$$, $x$ $$ $x$, E'\\'', /* ' /* :c */ */ 1 -- :d", {}, None, [("a ' :b", " $$ ", "'", 1)]),
        ("SELECT 1;;", {}, None, [(1,)]),
        ("VALUES (1), (2)", {}, ("column1",), [(1,), (2,)]),
        ("TABLE root", {}, ("id", "path"), [(1, "/archive")]),
        ("(SELECT 1 AS One)", {}, ("One",), [(1,)]),
        ("EXPLAIN QUERY PLAN SELECT 1", {}, ("QUERY PLAN",), [("Result  (cost=0.00..0.01 rows=1 width=4)",)]),
        ("SELECT random() < 2, pg_relation_size('file') > 0, current_setting('transaction_read_only')", {}, None, [(1, 1, "on")]),
        ("SELECT 'pg_sleep' || ' is no call' WHERE 1 = 2", {}, None, StatementError),
    ],
)  # fmt: skip
def test_what_may_be_asked(
    filled: Catalogue,
    sql: str,
    parameters: dict[str, str],
    columns: tuple[str, ...] | None,
    rows: Any,
) -> None:
    if rows is StatementError:  # names are looked for everywhere, also in texts
        with pytest.raises(StatementError):
            asked(filled, sql, parameters)
        return
    names, found = asked(filled, sql, parameters)
    assert found == rows
    assert columns is None or names == columns


@pytest.mark.parametrize(
    ("sql", "cell"),
    [
        ("'\\x00ff'::bytea", "00ff"),
        ("'inf'::float8", "Infinity"),
        ("'-inf'::real", "-Infinity"),
        ("'nan'::float8", "NaN"),
        ("'nan'::numeric", "NaN"),
        ("9223372036854775807", 9223372036854775807),
        ("sum(x) FROM generate_series(1, 3) x", 6),
        ("avg(x) FROM generate_series(1, 3) x", 2.0),
        ("'ä\u2028'", "ä\u2028"),
        ("1.50", 1.5),
        ("-3::numeric", -3),
        ("true", 1),
        ("NULL", None),
        ("DATE '2024-01-31'", "2024-01-31"),
        ("TIMESTAMP '2024-01-31 10:15'", "2024-01-31 10:15:00"),
        ("ARRAY[1, 2]", "{1,2}"),
        ("'{\"a\":  1.0}'::json", '{"a":  1.0}'),
        ("ROW(1, 'a')", "(1,a)"),
        ("'00000000-0000-0000-0000-000000000001'::uuid", "00000000-0000-0000-0000-000000000001"),
        ("1::oid", 1),
    ],
)
def test_cells_are_numbers_and_texts(filled: Catalogue, sql: str, cell: object) -> None:
    ((found,),) = asked(filled, f"SELECT {sql}")[1]
    assert (found, type(found)) == (cell, type(cell))


# -- what is refused ------------------------------------------------------------------------------

WRITING = [
    "COPY root FROM STDIN",
    "COPY root TO STDOUT",
    "COPY root TO '/tmp/stolen'",
    "COPY (SELECT 1) TO PROGRAM 'touch /tmp/stolen'",
    "WITH x AS (INSERT INTO root (path) VALUES ('/x') RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM file RETURNING *) SELECT * FROM x",
    "SELECT * FROM (WITH x AS (DELETE FROM file RETURNING *) SELECT * FROM x) y",
    "MERGE INTO root USING (SELECT 1 AS a) x ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE file",
    "SELECT 1 INTO stolen",
    "SELECT 1 AS a INTO TEMP stolen",
    "SELECT * INTO stolen FROM file",
    "CREATE TEMP TABLE stolen AS SELECT 1",
    "SELECT * FROM file FOR UPDATE",
    "SELECT * FROM file FOR KEY SHARE",
    "LOCK TABLE file IN ACCESS EXCLUSIVE MODE",
    "SET default_transaction_read_only = off",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET ROLE postgres",
    "RESET ROLE",
    "RESET ALL",
    "DISCARD ALL",
    "SHOW data_directory",
    "COMMIT",
    "COMMIT; DELETE FROM file",
    "SELECT 1; COMMIT; DELETE FROM file",
    "SELECT 1); DELETE FROM file; SELECT (1",
    "SELECT 1) AS t; DELETE FROM file; --",
    "SELECT 1\n) AS t OFFSET 0) AS q(c0); DELETE FROM file; --",
    "DO $$ BEGIN DELETE FROM file; END $$",
    "CALL nothing()",
    "PREPARE x AS DELETE FROM file",
    "EXECUTE x",
    "DECLARE x CURSOR FOR SELECT 1",
    "LISTEN x",
    "NOTIFY x",
    "VACUUM",
    "ANALYZE",
    "CHECKPOINT",
    "LOAD 'x'",
    "REFRESH MATERIALIZED VIEW x",
    "EXPLAIN ANALYZE DELETE FROM file",
    "EXPLAIN (ANALYZE) INSERT INTO root (path) VALUES ('/x')",
    "EXPLAIN ANALYZE SELECT 1 INTO stolen",
    "EXPLAIN (ANALYZE) EXECUTE x",
    "EXPLAIN ANALYZE CREATE TABLE stolen AS SELECT 1",
    "EXPLAIN (ANALYZE) DECLARE x CURSOR FOR SELECT 1",
]
DOING = [
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT SET_CONFIG ('role', 'postgres', false)",
    "SELECT pg_catalog.set_config('statement_timeout', '0', false)",
    "SELECT \"set_config\"('statement_timeout', '0', false)",
    "SELECT pg_catalog /* ; */ . -- x\n set_config/**/('statement_timeout', '0', false)",
    "SELECT U&\"\\0073et_config\"('statement_timeout', '0', false)",
    "SELECT u& \"s!0065t_config\" UESCAPE '!' ('statement_timeout', '0', false)",
    "SELECT * FROM set_config('statement_timeout', '0', false)",
    "SELECT pg_sleep(0.1)",
    "SELECT pg_sleep_for('1 second')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_xact_lock_shared(1)",
    "SELECT pg_advisory_unlock_all()",
    "SELECT pg_notify('x', 'y')",
    "SELECT nextval('dcat_write')",
    "SELECT setval('dcat_write', 1)",
    "SELECT lo_create(0)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/stolen')",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT * FROM pg_hba_file_rules()",
    "SELECT query_to_xml('DELETE FROM file', true, false, '')",
    "SELECT cursor_to_xml('x', 1, true, false, '')",
    "SELECT * FROM ts_stat('DELETE FROM file')",
    "SELECT ts_rewrite('a'::tsquery, 'DELETE FROM file')",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
    "SELECT pg_export_snapshot()",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_stat_reset()",
    "SELECT pg_promote()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_drop_replication_slot('x')",
    "SELECT gin_clean_pending_list('patient_words')",
    "SELECT dcat_too_large()",
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_catalog.pg_shadow",
    "SELECT * FROM pg_largeobject",
    "SELECT v FROM (SELECT pg_sleep(1) AS v) x",
    "WITH x AS (SELECT pg_sleep(1) AS v) SELECT v FROM x",
    "SELECT 1 ORDER BY pg_sleep(1)",
    "SELECT 1 WHERE pg_sleep(1) IS NULL",
    "VALUES (pg_sleep(1))",
    "EXPLAIN ANALYZE SELECT pg_sleep(1)",
]


@pytest.mark.parametrize("sql", WRITING + DOING)
def test_what_does_more_than_read_is_refused(filled: Catalogue, sql: str) -> None:
    before = tables.dump(filled)
    with pytest.raises(StatementError) as caught:
        asked(filled, sql, limit_s=5)
    assert caught.value.exit_code == 2
    assert str(caught.value).endswith((".", "?"))
    assert tables.dump(filled) == before
    assert not Path("/tmp/stolen").exists()
    with filled.read() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM pg_class WHERE relname = 'stolen'")
        assert found.scalar() == 0


@pytest.mark.parametrize("sql", [sql for sql in DOING if "U&" not in sql.upper()])
def test_what_is_refused_is_named(filled: Catalogue, sql: str) -> None:
    with pytest.raises(StatementError, match=r"Only reading is allowed here; [a-z_]+ is refused"):
        asked(filled, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/stolen')",
        "SELECT setval('dcat_write', 1)",
        "SELECT query_to_xml('DELETE FROM file', true, false, '')",
        "SELECT query_to_xml('COPY root TO ''/tmp/stolen''', true, false, '')",
        "SELECT query_to_xml('SET transaction_read_only = off', true, false, '')",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT pg_reload_conf()",
    ],
)
def test_what_is_not_known_by_name_is_refused_by_the_server(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    """The transaction, and the role that a superuser takes, hold by themselves."""
    monkeypatch.setattr(postgresql_asking, "_refused", lambda connection, sql: "")
    before = tables.dump(filled)
    with pytest.raises(QueryError) as caught:
        asked(filled, sql)
    assert str(caught.value).endswith(".")
    assert tables.dump(filled) == before
    assert not Path("/tmp/stolen").exists()


def test_a_superuser_takes_a_role_that_may_only_read(urls: dict[str, str]) -> None:
    with open_catalogue(located(urls["superuser"])) as catalogue:
        assert asked(catalogue, "SELECT current_user")[1] == [("pg_read_all_data",)]
        assert asked(catalogue, "SELECT current_setting('temp_file_limit')")[1] == [("16GB",)]
    with open_catalogue(located(urls["plain"])) as catalogue:
        assert asked(catalogue, "SELECT current_user")[1] == [(PLAIN,)]


def test_a_function_of_others_that_may_write_is_refused(urls: dict[str, str]) -> None:
    url = urls["superuser"]
    postgres.execute(
        'CREATE FUNCTION "Wild thing"() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$', url
    )
    postgres.execute(
        "CREATE FUNCTION tame(x integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT x $$",
        url,
    )
    try:
        with open_catalogue(located(url)) as catalogue:
            assert asked(catalogue, "SELECT tame(1)")[1] == [(1,)]
            with pytest.raises(StatementError, match="Wild thing is refused"):
                asked(catalogue, 'SELECT "Wild thing"()')
    finally:
        postgres.execute('DROP FUNCTION "Wild thing"(), tame(integer)', url)


def test_no_table_view_or_column_has_the_name_of_a_refused_function(filled: Catalogue) -> None:
    names = [*metadata.tables, *(c.name for t in metadata.tables.values() for c in t.columns)]
    words = " ".join([*names, *keywords().values()])
    assert asked(filled, f"SELECT 1 -- {words}")[1] == [(1,)]


def test_nothing_is_left_behind(filled: Catalogue) -> None:
    with suppress(QueryError):
        asked(filled, "SELECT 1 FROM nowhere")
    with query(filled, "SELECT * FROM generate_series(1, 10000000)") as (_, rows):
        next(rows)
    asked(filled, "SELECT 1")
    left = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1000%' AND pid <> pg_backend_pid()"
    for _ in range(50):
        if asked(filled, left)[1] == [(0,)]:
            return
        time.sleep(0.1)
    pytest.fail("the server still works on a question that nobody waits for")


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 9000000)",
        "SELECT repeat('x', 3000000), repeat('y', 3000000), repeat('z', 3000000)",
        "SELECT repeat('x', 9000000)::bytea",
        "SELECT json_agg(repeat('x', 100)) FROM generate_series(1, 100000)",
        "SELECT array_agg(x) FROM generate_series(1, 3000000) x",
        "SELECT * FROM (VALUES ('a'), (repeat('x', 9000000))) v",
        "SELECT repeat('x', 2000000000)",
        "SELECT '" + "x" * 1_100_000 + "'",
        "SELECT " + "(" * 30000 + "1" + ")" * 30000,
    ],
    ids=lambda sql: sql[:50],
)
def test_what_is_too_large_is_refused(filled: Catalogue, sql: str) -> None:
    with pytest.raises(QueryError) as caught:
        asked(filled, sql)
    assert str(caught.value).endswith(".")
    assert asked(filled, "SELECT count(*) FROM v_instance")[1] == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
        "SELECT a FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b ORDER BY -a",
        "EXPLAIN ANALYZE SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    ],
)  # fmt: skip
def test_what_takes_too_long_is_stopped(filled: Catalogue, sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(QueryError, match=r"stopped after 0\.3 s") as caught:
        asked(filled, sql, limit_s=0.3)
    assert caught.value.exit_code == 1
    assert time.monotonic() - started < 10


def test_the_time_of_all_rows_counts(filled: Catalogue) -> None:
    endless = "SELECT a FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    with pytest.raises(QueryError, match="stopped after 1 s"):
        asked(filled, endless, limit_s=1)


def test_time_of_the_reader_does_not_count(filled: Catalogue) -> None:
    sql = "SELECT repeat('x', 1000) FROM generate_series(1, 50000)"  # more than waits on the way
    with query(filled, sql, limit_s=5) as (_, rows):
        next(rows)
        time.sleep(6)
        assert sum(1 for _ in rows) == 49_999


def test_the_server_looks_after_what_dcat_forgets(filled: Catalogue) -> None:
    found = asked(
        filled,
        "SELECT current_setting('statement_timeout'), current_setting('client_connection_check_interval'), current_setting('transaction_isolation')",
        limit_s=60,
    )[1]
    assert found == [("61min", "5s", "repeatable read")]


# -- sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT ifnull(StudyDate, 1) FROM v_study", "no function ifnull (line 1, column 8). In PostgreSQL, use coalesce(a, b)."),
        ("SELECT strftime('%Y', StudyDate) FROM v_study", "dates are text: substr(StudyDate, 1, 7)"),
        ("SELECT round(avg(slice_thickness), 1) FROM instance", "no function round of (double precision, integer) (line 1, column 8). Change the kind of a value"),
        ("SELECT * FROM v_series WHERE SizeBytes LIKE '1%'", "cannot work out bigint ~~ unknown (line 1, column 40). Make both sides of one kind: a text stands in single quotes"),
        ("SELECT 1 FROM patient_words('a-b')", "the words 'a-b' cannot be understood"),
        ("SELECT 1 / 0", "divides by zero"),
        ("SELECT 'a' || chr(0)", "PostgreSQL's texts hold no U+0000"),
        ("SELECT * FROM file WHERE :x IS NULL", "What kind of value :x is cannot be told. Write CAST(:x AS TEXT)"),
        ("SELECT * FROM file WHERE id = :x", 'invalid input syntax for type bigint: "a"'),
        ("SELECT Modality, count(*) FROM v_series", "must appear in the GROUP BY clause"),
        ("SELECT 'a'::json", "invalid input syntax for type json"),
        ("SELECT $1", "Write :name instead"),
        ("SELECT 1 FROM v_series WHERE Modality = :x AND StudyDat = '1'", "no column StudyDat (line 1, column 48). Did you mean StudyDate?"),
        ("EXPLAIN SELECT StudyDat FROM v_study", "no column StudyDat (line 1, column 16)"),
        ("SELECT Modality FROM v_series a JOIN v_series b ON a.series_ref = b.series_ref", "Several tables have the column Modality."),
        ("SELECT 1 WHERE 1", "A condition must be a comparison, such as IsDisputed = 1 (line 1, column 16)."),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_place_and_what_to_do(
    filled: Catalogue, sql: str, said: str
) -> None:
    with pytest.raises(StatementError) as caught:
        asked(filled, sql, {"x": "a"})
    assert said in str(caught.value)


@given(st.text(st.sampled_from("SELCTFROMabv_,.*()'\"; -/0:?\n%$Ee&u[]")))
def test_tokens_are_parts_of_the_text_in_its_order(sql: str) -> None:
    end = 0
    parts = list(tokens(sql))
    for token in parts:
        assert sql[token.start : token.end] == token.text
        assert token.start >= end
        end = token.end
    asked = numbered(parts, sql, 0, len(sql))
    for token in parts:
        if token.kind is not Kind.PARAMETER:
            place = asked.text.find(token.text)
            assert place >= 0
    assert [asked.origin(place) for place, _ in asked.pieces] == [origin for _, origin in asked.pieces]  # fmt: skip


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "fields", "names"),
    [
        ("SELECT PatientID, count(*) FROM v_study GROUP BY 1", "patientid count", ("PatientID", "count(*)")),
        ("SELECT count(*) AS Studies, max(a) Most, (1) x FROM v", "studies most x", ("Studies", "Most", "x")),
        ("SELECT a.*, count(*) FROM v_study a", "patientid studydate count", ("PatientID", "StudyDate", "count(*)")),
        ("WITH x AS (SELECT Modality AS Kind FROM v_series) SELECT x.kind, upper( kind ) FROM x", "kind upper", ("Kind", "upper( kind )")),
        ("SELECT DISTINCT CASE WHEN 1 = 1 THEN 2 END, a IS DISTINCT FROM b, NULL FROM t", "case ?column? ?column?", ("CASE WHEN 1 = 1 THEN 2 END", "a IS DISTINCT FROM b", "NULL")),
        ("(SELECT 1 One) UNION SELECT 2 AS Two", "one", ("One",)),
        ("SELECT extract(year FROM d), x[1], 'a, b' FROM t", "extract x ?column?", ("extract(year FROM d)", "x[1]", "'a, b'")),
        ('SELECT "Odd One", modality AS "MODALITY" FROM t', "Odd_One MODALITY", ("Odd_One", "MODALITY")),
        ("VALUES (1, 2)", "column1 column2", ("column1", "column2")),
        ("SELECT", "", ()),
        ("TABLE v_study", "studydate", ("StudyDate",)),
    ],
)  # fmt: skip
def test_columns_are_called_as_on_sqlite(sql: str, fields: str, names: tuple[str, ...]) -> None:
    given = [Field(name) for name in fields.split()]
    assert headers(sql, list(tokens(sql)), given, keywords()) == names


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM v_study",
        "SELECT patientid, STUDYDATE FROM v_study",
        "SELECT s.*, count(*) OVER () FROM v_series s",
        "SELECT modality FROM series",
        "SELECT x.modality FROM (SELECT s.modality AS Modality FROM series s) x",
        "SELECT x.pid FROM (SELECT PatientID AS Pid FROM v_study) x",
        "SELECT count(*), max( Modality ) FROM v_series",
        "SELECT 1, 'a', NULL, 1 + 1 AS Two",
        "SELECT CAST(1 AS TEXT) || 'x' FROM v_study t",
        "SELECT * FROM (SELECT * FROM v_patient) x",
        "SELECT a.PatientID, b.patient_id FROM v_patient a JOIN patient b ON b.id = a.patient_ref",
        "WITH c AS (SELECT Modality, count(*) AS Number FROM v_series GROUP BY Modality) SELECT * FROM c",
        "SELECT Modality FROM v_series UNION ALL SELECT 'x' ORDER BY 1",
        "VALUES (1, 'a'), (2, 'b')",
    ],
)  # fmt: skip
def test_columns_and_rows_are_those_of_sqlite(
    filled: Catalogue, sql: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "headers.db"
    if not path.exists():
        with open_catalogue(path, create=True) as other:
            store(other, [reading("1", stated(image_type="A\\B"))])
    with open_catalogue(path) as other:
        assert asked(filled, sql) == asked(other, sql)


def test_relations_are_views_first_with_the_names_of_the_standard(filled: Catalogue) -> None:
    known = relations(filled)
    assert list(known)[:5] == ["v_file", "v_instance", "v_patient", "v_series", "v_study"]
    assert known["v_study"][:2] == ("PatientID", "IssuerOfPatientID")
    assert known["root"] == ("id", "path")
    assert "alembic_version" not in known
    for name, each in described(known).items():
        assert each.text.endswith("."), name
        assert all(each.columns.values()), name


def test_a_catalogue_in_a_schema_of_the_user_can_be_asked(urls: dict[str, str]) -> None:
    """Names are looked for where they were before the superuser took another role."""
    with postgres.database() as url:
        location = located(url)
        assert isinstance(location, PostgresqlUrl)
        connection = connect(location, autocommit=True)
        user = connection.info.user
        connection.execute(f'CREATE SCHEMA "{user}"')
        connection.close()
        with open_catalogue(location, create=True) as catalogue:
            assert asked(catalogue, "SELECT count(*) AS N FROM v_study") == (("N",), [(0,)])
            assert "v_study" in relations(catalogue)
