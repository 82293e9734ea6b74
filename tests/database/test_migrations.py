"""Catalogues of earlier schema revisions, with data, brought to the present one."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database import (
    attribute_sets,
    catalogue,
    fetch,
    full_text,
    health,
    migrate,
    models,
    stored_files,
)
from catalog.database.catalogue import open_catalogue, revision_of
from catalog.database.sqlite import engine_for
from catalog.dicom.asking import asked
from catalog.entities import Level
from catalog.errors import SchemaTooOld
from catalog.query.selection import Selection
from tests import tables
from tests.database.stating import copied, reading, stated, store

pytestmark = pytest.mark.sqlite

DATA = """
INSERT INTO root (id, path) VALUES (1, '/archive');
INSERT INTO run (id, command, arguments, version, login, host, pid, started_at, outcome) VALUES (1, 'index', 'dcat index', '0.1', 'me', 'here', 1, '2026-01-01T00:00:00+00:00', 'done');
INSERT INTO patient (id, identity, patient_id, patient_name, patient_name_folded, raw, provenance, is_disputed) VALUES (1, '["P1", ""]', 'P1', 'Doe^Jane', 'doe^jane', '{"PatientBirthDate": "x"}', 'header', 1);
INSERT INTO study (id, patient_ref, study_instance_uid, study_description, provenance, is_disputed) VALUES (1, 1, '1.2', 'Thorax', 'header', 0);
INSERT INTO series (id, study_ref, series_instance_uid, modality, provenance, is_disputed) VALUES (1, 1, '1.2.1', 'CT', 'header', 0);
INSERT INTO instance (id, series_ref, sop_instance_uid, sop_class_uid, directory_record_type, provenance, is_disputed) VALUES (1, 1, '1.2.1.1', '1.2.840.10008.5.1.4.1.1.2', 'IMAGE', 'header', 0), (2, 1, '1.2.1.2', '1.2.840.10008.5.1.4.1.1.2', 'IMAGE', 'header', 0);
INSERT INTO file (id, root_ref, path, size_bytes, mtime_ns, status, transfer_syntax_uid, instance_ref, first_run_ref, last_run_ref) VALUES (1, 1, 'a', 10, 5, 'ok', '1.2.840.10008.1.2.1', 1, 1, 1), (2, 1, 'b', 11, 6, 'ok', NULL, 2, 1, 1), (3, 1, 'c.txt', 3, 7, 'not-dicom', NULL, NULL, 1, 1);
INSERT INTO discrepancy (file_ref, keyword, value, raw) VALUES (2, 'PatientName', 'Roe', NULL);
INSERT INTO finding (run_ref, file_ref, code, severity, place, message) VALUES (1, 2, 'invalid-uid', 'warning', '', 'UID.');
"""


def migrated(path: Path, revision: str, *, down: bool = False) -> None:
    """Make the catalogue at `path` one of `revision`."""
    with migrate._migrating(path, create=not path.exists()) as connection:
        run = command.downgrade if down else command.upgrade
        run(migrate.config(connection), revision)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A catalogue of revision 0001 with data."""
    path = tmp_path / "catalogue.db"
    migrated(path, "0001")
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(DATA)
    return path


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of revision 0001's tables and views, without what later revisions add."""
    added = {
        "attributes",
        "attribute_set_ref",
        "words",
        "LinkedPatientID",
        "LinkedIssuerOfPatientID",
        "batches",
        "verified_run_ref",
    }
    added |= {f"{level.value.capitalize()}Attributes" for level in models.ENTITY_TABLES}
    with closing(sqlite3.connect(path)) as raw:
        raw.row_factory = sqlite3.Row
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")]  # fmt: skip
        later = (
            "alembic_version",
            "attribute_set",
            "series_total",
            "saved_selection",
            "patient_link",
        )
        return {
            name: [{k: row[k] for k in dict(row) if k not in added} for row in raw.execute(f"SELECT * FROM {name}")]
            for name in names
            if name not in later and "_words" not in name
        }  # fmt: skip


def schema(path: Path) -> dict[str, str]:
    """Return the SQL of every table, view and index by name, blanks aside."""
    with closing(sqlite3.connect(path)) as raw:
        rows = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: re.sub(r"\s+", " ", sql) for name, sql in rows}


def structure(path: Path) -> dict[str, Any]:
    """Return what SQLite knows of every table and index, and the SQL of views, triggers and full text.

    Not the SQL of tables: a column that was added stands elsewhere in it than one that was there
    from the beginning.
    """
    found: dict[str, Any] = {}
    with closing(sqlite3.connect(path)) as raw:
        for kind, name, sql in raw.execute("SELECT type, name, sql FROM sqlite_master").fetchall():
            if kind in ("view", "trigger") or str(sql).startswith("CREATE VIRTUAL TABLE"):
                found[name] = re.sub(r"\s+", " ", sql)
            elif kind == "table":
                found[name] = (
                    raw.execute(f"SELECT * FROM pragma_table_xinfo('{name}')").fetchall(),
                    sorted(row[2:] for row in raw.execute(f"PRAGMA foreign_key_list('{name}')")),
                    sorted(re.findall(r"CONSTRAINT (\w+)", sql)),
                )
            else:
                columns = raw.execute(f"SELECT * FROM pragma_index_xinfo('{name}')").fetchall()
                found[name] = columns, re.sub(r"\s+", " ", sql or "")
    return found


def test_a_new_catalogue_is_what_the_migrations_make(tmp_path: Path, empty_file: Path) -> None:
    path = tmp_path / "migrated.db"
    migrated(path, "head")
    assert structure(empty_file) == structure(path)
    assert revision_of(empty_file) == revision_of(path) == catalogue.HEAD


def test_an_older_catalogue_says_what_to_do(first: Path) -> None:
    with pytest.raises(SchemaTooOld, match="dcat db upgrade"):
        open_catalogue(first)


def test_an_upgrade_keeps_everything_and_works_on(first: Path) -> None:
    before = contents(first)
    saved = migrate.upgrade(first).backup
    assert saved is not None
    assert revision_of(saved) == "0001"
    assert contents(saved) == before
    assert revision_of(first) == catalogue.HEAD
    assert contents(first) == before
    with open_catalogue(first) as upgraded:
        assert health.problems(upgraded) == []
        (one, two) = fetch.candidates(upgraded, Selection())
        assert [c.claims.instance.sop_instance_uid for c in (one, two)] == ["1.2.1.1", "1.2.1.2"]
        assert one.claims.study is not None
        assert one.claims.study.attributes == ()
        with upgraded.read() as connection:
            assert attribute_sets.files_lacking(connection, asked(["PatientAge"])) == {"PatientAge": 2}  # fmt: skip
        claims = stated(patient_name="Doe^Jane", study_instance_uid="1.2", series_instance_uid="1.2.1", sop_instance_uid="1.2.1.1")  # fmt: skip
        assert claims.study is not None
        claims = claims._replace(study=claims.study._replace(study_description="Thorax", attributes=(("PatientAge", "033Y"),)))  # fmt: skip
        store(upgraded, [reading("a", claims)], further=asked(["PatientAge"]))
        assert health.problems(upgraded) == []
        with fetch.found(upgraded, Level.STUDY, Selection()) as (columns, rows):
            assert dict(zip(columns, next(rows), strict=True))["PatientAge"] == "033Y"


def test_an_upgraded_catalogue_has_the_schema_of_a_new_one(first: Path, empty_file: Path) -> None:
    migrate.upgrade(first)
    assert structure(first) == structure(empty_file)


def test_no_table_is_written_anew(first: Path) -> None:
    def roots() -> dict[str, int]:
        with closing(sqlite3.connect(first)) as raw:
            return dict(raw.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'table'"))  # fmt: skip

    before = roots()
    migrate.upgrade(first)
    assert {name: page for name, page in roots().items() if name in before} == before


def as_of(revision: str, present: Path) -> Path:
    """Return a catalogue of an earlier revision that holds what the catalogue `present` does."""
    path = present.with_name(f"{revision}.db")
    migrated(path, revision)
    with closing(sqlite3.connect(path)) as raw:
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]  # fmt: skip
        raw.execute("ATTACH ? AS present", (str(present),))
        for name in names:
            if name != "alembic_version" and "_words" not in name:  # triggers fill those
                columns = ", ".join(row[1] for row in raw.execute(f"PRAGMA main.table_info('{name}')"))  # fmt: skip
                raw.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM present.{name}")  # fmt: skip
        raw.commit()
    return path


def everything(path: Path) -> dict[str, list[Any]]:
    """Return all rows of all tables, and all entries of the full-text indexes."""
    with closing(sqlite3.connect(path)) as raw:
        found = {name: raw.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in models.metadata.tables}  # fmt: skip
        for index in full_text.INDEXES:
            raw.execute(f"CREATE VIRTUAL TABLE temp.{index}_terms USING fts5vocab(main, {index}, instance)")  # fmt: skip
            found[index] = sorted(raw.execute(f"SELECT * FROM {index}_terms").fetchall())
    return found


NAMES = st.sampled_from([None, "", "Doe^Jane", "MÜLLER=山田", "O'Neil", "x\\y"])


@settings(max_examples=12, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("revision", catalogue.KNOWN_REVISIONS[:-1])
def test_an_upgraded_catalogue_holds_what_a_new_one_does(
    empty_file: Path, revision: str, data: st.DataObject
) -> None:
    """The catalogue of the same files, be they there or missing."""
    draw = data.draw
    with tempfile.TemporaryDirectory() as folder:
        path = copied(empty_file, folder)
        with open_catalogue(path) as new:
            store(
                new,
                [
                    reading(
                        f"{i}",
                        stated(
                            patient_id=draw(st.sampled_from(["P1", "P2", ""])),
                            patient_name=draw(NAMES),
                            study_description=draw(NAMES),
                            series_instance_uid=draw(st.sampled_from(["1.1", "1.2"])),
                            institution_name=draw(NAMES),
                            performing_physician_name=draw(NAMES),
                            sop_instance_uid=f"1.1.{draw(st.integers(1, 5))}",
                        ),
                        draw(st.sampled_from([0, 7, 2**33])),
                    )
                    for i in range(draw(st.integers(1, 6)))
                ],
            )
            known = list(stored_files.known_files(new, 1, ""))
            gone = [each for each in known if draw(st.booleans(), "missing")]
            with new.write() as connection:
                stored_files.mark_missing(connection, gone, 1, "2026-01-01T00:00:00+00:00")
        old = as_of(revision, path)
        migrate.upgrade(old)
        assert everything(old) == everything(path)
        with open_catalogue(old) as upgraded:
            assert health.problems(upgraded) == []


def test_words_are_written_page_by_page(first: Path) -> None:
    with closing(sqlite3.connect(first)) as raw:
        raw.executemany(
            "INSERT INTO patient (id, identity, patient_name, provenance, is_disputed) VALUES (?, ?, ?, 'header', 0)",
            [(ref, f"x{ref}", f"Name{ref}^Müller") for ref in range(2, 10_004)],
        )
        raw.commit()
    migrate.upgrade(first)
    with closing(sqlite3.connect(first)) as raw:
        rows = raw.execute("SELECT id, words FROM patient WHERE id > 1").fetchall()
        assert rows == [(ref, f"name{ref} muller") for ref in range(2, 10_004)]
        assert raw.execute("SELECT count(*) FROM patient_words WHERE words MATCH 'mull*'").fetchone() == (10_002,)  # fmt: skip


def test_down_and_up_again(first: Path) -> None:
    before = contents(first)
    migrate.upgrade(first)
    age = (("PatientAge", "033Y"),)
    with open_catalogue(first) as upgraded:
        for name, attributes in (("x", age), ("y", ())):
            claims = stated(sop_instance_uid=f"9.{name == 'x':d}", study_instance_uid="9")
            assert claims.study is not None
            claims = claims._replace(study=claims.study._replace(attributes=attributes))
            store(upgraded, [reading(name, claims)], further=asked(["PatientAge"]))
    keywords = {row["keyword"] for row in tables.dump(first)["discrepancy"]}
    assert "PatientAge@study" in keywords
    migrated(first, "0001", down=True)
    assert schema(first)["v_study"] == schema_of_first(first.with_name("new.db"))["v_study"]
    assert {row["keyword"] for row in contents(first)["discrepancy"]} == keywords - {
        "PatientAge@study"
    }
    assert contents(first)["series"][:1] == before["series"]
    migrated(first, "head")
    assert len(contents(first)["file"]) == 5


def test_a_table_that_a_migration_writes_anew_keeps_what_refers_to_it(first: Path) -> None:
    before = contents(first)
    with migrate._migrating(first, create=False) as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0
        for view in ("v_patient", "v_study", "v_series", "v_instance", "v_file"):
            connection.exec_driver_sql(f"DROP VIEW {view}")
        for statement in (
            "CREATE TABLE anew AS SELECT * FROM file",
            "DROP TABLE file",
            schema(first)["file"],
            "INSERT INTO file SELECT * FROM anew",
            "DROP TABLE anew",
        ):
            connection.exec_driver_sql(statement)
    after = contents(first)
    assert after == {name: rows for name, rows in before.items() if not name.startswith("v_")}
    assert after["discrepancy"]


def schema_of_first(path: Path) -> dict[str, str]:
    migrated(path, "0001")
    return schema(path)


def test_the_engine_is_left_as_it_was(first: Path) -> None:
    migrate.upgrade(first)
    engine = engine_for(first)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    engine.dispose()
