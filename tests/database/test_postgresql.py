"""What is PostgreSQL's own: opening, the schema, and what is said when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from alembic import command
from sqlalchemy import insert, text

from catalog.database import health, migrate, models, postgresql_make
from catalog.database import postgresql_driver as driver
from catalog.database.catalogue import HEAD, KNOWN_REVISIONS, Catalogue, open_catalogue
from catalog.database.location import Location, PostgresqlUrl, located
from catalog.errors import (
    CatalogueBusy,
    CatalogueError,
    CatalogueMissing,
    ConfigError,
    ConnectionLost,
    DcatError,
    NotACatalogue,
    SchemaTooNew,
    SchemaTooOld,
)
from tests import builders, postgres, tables
from tests.database.stating import reading, stated, store

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="needs a PostgreSQL server")

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def bare() -> Iterator[str]:
    """The URL of a database with nothing in it."""
    with postgres.database() as url:
        yield url


def changed(url: str, **parts: str) -> PostgresqlUrl:
    """Return a URL with another user, password, host or database."""
    head, _, place = url.partition("://")
    authority, _, database = place.partition("/")
    _, _, host = authority.rpartition("@")
    user = parts.get("user", "postgres")
    if "password" in parts:
        user += f":{parts['password']}"
    location = located(
        f"{head}://{user}@{parts.get('host', host)}/{parts.get('database', database)}"
    )
    assert isinstance(location, PostgresqlUrl)
    return location


# -- locations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("postgresql://me@host/dcat", "postgresql://me@host/dcat"),
        ("postgresql+psycopg://me@host:5433/dcat", "postgresql://me@host:5433/dcat"),
        ("postgres:///dcat", "postgresql:///dcat"),
        ("postgresql://me:s3cret@host/dcat?sslmode=require", "postgresql://me@host/dcat?sslmode=require"),
        ("postgresql://me:s3cr%40t@host/dcat", "postgresql://me@host/dcat"),
        ("postgresql://host/dcat?user=me&password=s3cret&sslmode=require", "postgresql://host/dcat?user=me&password=***&sslmode=require"),
        ("postgresql:///?service=s", "postgresql:///?service=s"),
    ],
)  # fmt: skip
def test_a_url_is_shown_without_its_password(typed: str, name: str) -> None:
    location = located(typed)
    assert isinstance(location, PostgresqlUrl)
    assert str(location) == location.name == name
    assert "s3cr" not in repr(location)
    assert location.url.partition("://")[2] == typed.partition("://")[2]


@pytest.mark.parametrize("typed", ["postgresql://me:s3cret@host", "postgresql://", "postgresql://host/", "mysql://me:s3cret@h/x"])  # fmt: skip
def test_what_names_no_database(typed: str) -> None:
    with pytest.raises(ConfigError, match=r"postgresql://USER@HOST/DATABASE") as caught:
        located(typed)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "typed",
    [
        "postgresql://me:s3/cret@host/dcat",
        "postgresql://me:123/s3cret@host/dcat",
        "postgresql://me:s3/c?ret@host/dcat",
        "postgresql://me:123/s?3cret@host/dcat",
        "postgresql://me:s3#cret@host/dcat",
        "postgresql://me:s3?cret@host/dcat",
        "postgresql://me:p@s3cret@host/dcat",
        "postgresql://me:s3cret%zz@host/dcat",
        "postgresql://me:s3cret%00@host/dcat",
        "postgresql://me:s3cret",
        "postgresql://me:s3cret/dcat",
        "postgresql://host/dcat?password=s3%zzcret",
        "postgresql://host/dcat?user=me&password=s3@cret",
    ],
)
def test_a_password_that_was_not_encoded_is_refused_and_not_shown(typed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        located(typed)
    said = str(caught.value)
    assert "s3" not in said
    assert "cret" not in said
    assert "%40" in said or "postgresql://USER@HOST/DATABASE" in said


@pytest.mark.parametrize(
    "typed",
    [
        "postgresql://me@one:5432,two/dcat?target_session_attrs=read-write",
        "postgresql://me@[::1]:5432/dcat",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/dcat",
        "postgresql://server/dcat?user=me@realm&sslmode=require",
        "postgresql://me%40realm@server/dcat",
    ],
)
def test_urls_that_libpq_knows_are_taken(typed: str) -> None:
    from psycopg.conninfo import conninfo_to_dict

    location = located(typed)
    assert isinstance(location, PostgresqlUrl)
    assert conninfo_to_dict(location.url)


def test_what_the_driver_says_of_a_url_does_not_show_its_password() -> None:
    for url in ("postgresql://me:s3cret@host/dcat?nothing=1", "postgresql://me:s3cret@host/d?x"):
        location = located(url)
        assert isinstance(location, PostgresqlUrl)
        with pytest.raises(CatalogueError) as caught:
            driver.connect(location)
        assert "s3cret" not in str(caught.value)


# -- the schema ------------------------------------------------------------------------------------

STRUCTURE = (
    "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1, 2",
    "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' ORDER BY 1, 2",
    "SELECT relname, reloptions FROM pg_class WHERE relkind IN ('S', 'r') AND relnamespace = 'public'::regnamespace ORDER BY 1",
    "SELECT c.relname, a.attname, d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version' ORDER BY 1, 2",
)


def structure(url: str) -> dict[str, Any]:
    return {query[:40]: postgres.execute(query, url) for query in STRUCTURE}


def migrated(url: str, revision: str) -> None:
    from catalog.database.postgresql_make import changing

    location = located(url)
    assert isinstance(location, PostgresqlUrl)
    with changing(location) as connection:
        if revision < postgres_revision(url):
            command.downgrade(migrate.config(connection), revision)
        else:
            command.upgrade(migrate.config(connection), revision)


def postgres_revision(url: str) -> str:
    there = postgres.execute("SELECT to_regclass('alembic_version')::text", url)
    return postgres.execute("SELECT version_num FROM alembic_version", url)[0][0] if there[0][0] else ""  # fmt: skip


def test_the_migrations_make_what_a_new_catalogue_is(bare: str) -> None:
    migrated(bare, "0001")
    migrate.upgrade(located(bare))
    with postgres.database(postgres.template()) as new:
        made, fresh = structure(bare), structure(new)
        for what, rows in fresh.items():
            assert sorted(map(repr, made[what])) == sorted(map(repr, rows)), what


def test_every_text_is_compared_by_code_points() -> None:
    with postgres.database(postgres.template()) as url:
        rows = postgres.execute(
            "SELECT table_name, column_name, collation_name FROM information_schema.columns c "
            "JOIN information_schema.tables t USING (table_schema, table_name) "
            "WHERE table_schema = 'public' AND data_type = 'text' AND table_type = 'BASE TABLE'",
            url,
        )
        assert len(rows) > 80
        assert [row for row in rows if row[2] != "C"] == []


@pytest.mark.parametrize("revision", KNOWN_REVISIONS[:-1])
def test_an_older_catalogue_is_upgraded_and_holds_what_it_did(bare: str, revision: str) -> None:
    migrated(bare, revision)
    postgres.execute(
        "INSERT INTO run (command, arguments, version, login, host, pid, started_at) VALUES ('index', '', '', '', '', 1, '2026-01-01T00:00:00+00:00');"
        "INSERT INTO root (path) VALUES ('/archive');"
        "INSERT INTO patient (id, identity, patient_id, patient_name, provenance, is_disputed) VALUES (1, '[\"P1\", \"\"]', 'P1', 'Müller^Anna', 'header', false);"
        "INSERT INTO study (id, patient_ref, study_instance_uid, study_description, provenance, is_disputed) VALUES (1, 1, '1.2', 'Thorax', 'header', false);"
        "INSERT INTO series (id, study_ref, series_instance_uid, modality, provenance, is_disputed) VALUES (1, 1, '1.2.1', 'CT', 'header', false);"
        "INSERT INTO instance (id, series_ref, sop_instance_uid, provenance, is_disputed) VALUES (1, 1, '1.2.1.1', 'header', false);"
        "INSERT INTO file (id, root_ref, path, status, size_bytes, instance_ref, first_run_ref, last_run_ref) VALUES (1, 1, 'a', 'ok', 100, 1, 1, 1);",
        bare,
    )
    if revision >= "0003":
        postgres.execute(
            "UPDATE patient SET words = 'anna muller p1'; UPDATE study SET words = 'thorax'; UPDATE series SET words = '';"
            "INSERT INTO series_total VALUES (1, 1, 1, 100)",
            bare,
        )
    with pytest.raises(SchemaTooOld, match="dcat db upgrade"):
        open_catalogue(located(bare))
    assert migrate.upgrade(located(bare)) == (True, None)
    assert migrate.upgrade(located(bare)) == (False, None)
    with open_catalogue(located(bare)) as upgraded:
        assert health.problems(upgraded) == []
        with upgraded.read() as connection:
            assert connection.execute(text("SELECT words FROM patient")).scalar() in (
                "anna muller p1",
                "muller anna p1",
            )
            assert connection.execute(text("SELECT NumberOfFiles, SizeBytes FROM v_series")).one() == (1, 100)  # fmt: skip
        store(
            upgraded, [reading("b", stated(study_instance_uid="1.2", patient_name="Müller^Anna"))]
        )
        assert health.problems(upgraded) == []


def test_down_and_up_again(bare: str) -> None:
    migrated(bare, "0001")
    migrate.upgrade(located(bare))
    before = structure(bare)
    migrated(bare, "0005")
    assert migrate.upgrade(located(bare)).is_changed
    after = structure(bare)
    for what, rows in before.items():
        assert sorted(map(repr, after[what])) == sorted(map(repr, rows)), what


def test_two_that_make_the_catalogue_at_once_make_one(bare: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    script = [sys.executable, "-m", "catalog", "index", "--db", bare, str(tmp_path / "a")]
    made = [subprocess.Popen(script, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) for _ in range(3)]  # fmt: skip
    for process in made:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    with open_catalogue(located(bare)) as catalogue:
        assert health.problems(catalogue) == []
        assert health.counts(catalogue)["run"] == 3


def test_making_one_that_another_has_made_and_writes_to_leaves_it_alone(bare: str) -> None:
    with open_catalogue(located(bare), create=True) as catalogue:
        before = health.counts(catalogue)
        with catalogue.writer_lock():
            postgresql_make.make(cast(PostgresqlUrl, located(bare)))
        assert health.problems(catalogue) == []
        assert health.counts(catalogue) == before


# -- what is said ----------------------------------------------------------------------------------


def sentence(location: Location, create: bool = False) -> tuple[type[DcatError], str]:
    with pytest.raises(DcatError) as caught:
        open_catalogue(location, create=create)
    said = str(caught.value)
    assert "\n" not in said
    assert "s3cret" not in said
    return type(caught.value), said


def test_a_server_that_does_not_answer(bare: str) -> None:
    kind, said = sentence(changed(bare, host="127.0.0.1:9", password="s3cret"))
    assert kind is ConnectionLost
    assert said.startswith("The server of postgresql://postgres@127.0.0.1:9/")
    assert "cannot be reached" in said
    kind, said = sentence(changed(bare, host="no-such-host.invalid"))
    assert "cannot be reached" in said


def test_a_database_that_is_not_there(bare: str) -> None:
    for create in (False, True):
        _, said = sentence(changed(bare, database="no_such_database"), create)
        assert "There is no database postgresql://postgres@" in said
        assert "createdb" in said


def test_a_wrong_password_is_not_shown(bare: str) -> None:
    postgres.execute("DROP ROLE IF EXISTS needs_password")
    postgres.execute("CREATE ROLE needs_password LOGIN PASSWORD 'right'")
    try:
        _, said = sentence(changed(bare, user="needs_password", password="s3cret"))
        assert "s3cret" not in said
        if "does not take that user or password" not in said:
            assert "no catalogue" in said  # a server that asks nobody for one
        _, said = sentence(changed(bare, user="needs_password"))
        assert "asks for a password" in said or "no catalogue" in said
    finally:
        postgres.execute("DROP ROLE needs_password")


def test_a_user_without_rights(bare: str) -> None:
    postgres.execute("DROP ROLE IF EXISTS has_no_rights")
    postgres.execute("CREATE ROLE has_no_rights LOGIN PASSWORD 'x'")
    try:
        other = changed(bare, user="has_no_rights", password="x")
        kind, said = sentence(other, create=True)
        assert kind is CatalogueError
        assert "may not do that: permission denied for schema public" in said
        open_catalogue(located(bare), create=True).close()
        _, said = sentence(other)
        assert "may not do that: permission denied for table" in said
    finally:
        postgres.execute("DROP ROLE has_no_rights")


def test_a_time_limit_of_the_server(bare: str) -> None:
    """Whoever runs the server may give a user one; then it is to be raised, and nothing is broken."""
    open_catalogue(located(bare), create=True).close()
    limited = bare + ("&" if "?" in bare else "?") + "options=-c%20statement_timeout%3D50ms"
    with (
        open_catalogue(located(limited)) as catalogue,
        pytest.raises(CatalogueError, match="statement_timeout") as caught,
        catalogue.write() as connection,
    ):
        connection.exec_driver_sql("SELECT pg_sleep(5)")
    assert "cannot be used" not in str(caught.value)
    assert str(caught.value).endswith("run the command again.")


def test_a_database_without_a_catalogue_and_one_of_another_program(bare: str) -> None:
    kind, said = sentence(located(bare))
    assert kind is CatalogueMissing
    assert "dcat index" in said
    postgres.execute("CREATE TABLE file (id int)", bare)
    for create in (False, True):
        kind, said = sentence(located(bare), create)
        assert kind is NotACatalogue
        assert "a table file of another program" in said
    assert postgres.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", bare) == [(1,)]  # fmt: skip


def test_revisions_that_this_dcat_does_not_have(bare: str) -> None:
    open_catalogue(located(bare), create=True).close()
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", bare)
    assert sentence(located(bare))[0] is SchemaTooNew
    with pytest.raises(SchemaTooNew):
        migrate.upgrade(located(bare))
    postgres.execute("DELETE FROM alembic_version", bare)
    assert sentence(located(bare))[0] is NotACatalogue


def test_another_encoding() -> None:
    name = "dcat_test_latin1"
    postgres.execute(f"DROP DATABASE IF EXISTS {name}")
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")  # fmt: skip
    try:
        _, said = sentence(located(postgres.url_of(name)), create=True)
        assert "has the encoding LATIN1" in said
    finally:
        postgres.execute(f"DROP DATABASE {name}")


def test_an_old_server(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LEAST_VERSION", 99)
    _, said = sentence(located(bare))
    assert "dcat needs 99 or later" in said


def test_a_driver_that_is_not_installed(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "psycopg", None)
        _, said = sentence(located(bare))
    assert "pip install 'dicom-dcat[postgres]'" in said


def test_the_command_says_it_in_one_line(bare: str) -> None:
    location = changed(bare, host="127.0.0.1:9", password="s3cret")
    ended = subprocess.run(
        [sys.executable, "-m", "catalog", "find", "--db", location.url],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "s3cret" not in ended.stderr


def test_a_backup_is_the_servers(bare: str, tmp_path: Path) -> None:
    with (
        open_catalogue(located(bare), create=True) as catalogue,
        pytest.raises(CatalogueError, match="pg_dump"),
    ):
        migrate.backup(catalogue, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_an_upgrade_waits_for_no_writer_and_says_so(bare: str) -> None:
    migrated(bare, HEAD)
    with open_catalogue(located(bare)) as catalogue, catalogue.writer_lock(["/a"]):
        postgres.execute("UPDATE alembic_version SET version_num = '0005'", bare)
        with pytest.raises(CatalogueBusy):
            migrate.upgrade(located(bare))


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.both
def test_the_check_finds_what_is_wrong(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", stated())])
    assert health.problems(catalogue) == []
    with tables.connected(catalogue) as raw:
        raw.execute("UPDATE series_total SET size_bytes = 7")
        raw.execute("UPDATE study SET is_disputed = NOT is_disputed")
    assert len(health.problems(catalogue)) == 2


def test_the_check_finds_ids_that_would_be_given_twice(bare: str) -> None:
    with open_catalogue(located(bare), create=True) as catalogue:
        with catalogue.write() as connection:
            connection.execute(insert(models.root).values(id=7, path="/a"))
        (problem,) = health.problems(catalogue)
        assert "setval" in problem


def test_the_size_is_that_of_the_tables(bare: str) -> None:
    with open_catalogue(located(bare), create=True) as catalogue:
        assert 100_000 < catalogue.size_bytes() < 5_000_000


def test_the_check_is_of_the_catalogues_own_tables(bare: str) -> None:
    """Others may stand beside them, with keys of any kind and names that must be quoted."""
    open_catalogue(located(bare), create=True).close()
    postgres.execute('CREATE TABLE "Odd name" (id serial PRIMARY KEY)', bare)
    postgres.execute("CREATE TABLE other (id uuid DEFAULT gen_random_uuid())", bare)
    with open_catalogue(located(bare)) as catalogue:
        assert health.problems(catalogue) == []


def test_the_catalogue_does_not_keep_the_password_that_was_typed(bare: str, tmp_path: Path) -> None:
    from catalog.cli.main import main

    builders.write(tmp_path / "a" / "1.dcm")
    location = changed(bare, password="s3cret")
    assert main(["index", str(tmp_path / "a"), "--db", location.url]) == 0
    assert main(["verify", f"--db={location.url}"]) == 0
    stored = postgres.execute("SELECT arguments FROM run ORDER BY id", bare)
    assert len(stored) == 2
    for (arguments,) in stored:
        assert "s3cret" not in arguments
        assert location.name in arguments
