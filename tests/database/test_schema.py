"""Models, migrations, views and the page that describes them agree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Table, create_engine

from catalog.attributes import at
from catalog.database import catalogue as opening
from catalog.database import fetch, models, schema_doc, views
from catalog.entities import Level
from tests.database.test_migrations import migrated

ALL_TABLES = ["attribute_set", "export", "export_item", "discrepancy", "file", "fileset", "fileset_record", "finding", "instance", "patient", "patient_link", "root", "run", "saved_selection", "series", "series_total", "study"]  # fmt: skip
SCHEMA_PAGE = Path(__file__).parents[2] / "docs" / "schema.md"


def test_there_are_these_tables() -> None:
    assert sorted(models.metadata.tables) == sorted(ALL_TABLES)


@pytest.mark.parametrize("table", models.metadata.sorted_tables, ids=lambda t: t.name)
def test_tables_and_columns_are_described_and_constraints_named(table: Table) -> None:
    assert table.comment
    assert all(column.comment for column in table.columns)
    assert all(constraint.name for constraint in table.constraints)
    assert all(index.name for index in table.indexes)
    for column in table.columns:
        assert column.name.endswith("_ref") == bool(column.foreign_keys)


@pytest.mark.parametrize("level", [*models.ENTITY_TABLES, Level.FILE], ids=str)
def test_a_table_has_every_attribute_of_its_level(level: Level) -> None:
    table = models.metadata.tables[level.value]
    for attribute in at(level):
        assert attribute.keyword in (table.c[attribute.column].comment or "")


def test_the_migrations_make_exactly_the_models(tmp_path: Path) -> None:
    path = tmp_path / "migrated.db"
    migrated(path, "head")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True, "include_name": lambda name, kind, parents: kind != "table" or name in models.metadata.tables})  # fmt: skip
        assert compare_metadata(context, models.metadata) == []
    engine.dispose()


def test_the_revision_is_the_last_of_the_migrations() -> None:
    script = ScriptDirectory(str(views.migrations_folder()))
    assert script.get_heads() == [opening.HEAD]
    assert [r.revision for r in script.walk_revisions()][::-1] == list(opening.KNOWN_REVISIONS)


@pytest.mark.parametrize("level", list(Level), ids=str)
def test_a_view_names_its_columns_by_keyword(empty_file: Path, level: Level) -> None:
    with closing(sqlite3.connect(empty_file)) as raw:
        columns = {entry[0] for entry in raw.execute(f"SELECT * FROM v_{level.value}").description}
    above = [Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE]
    levels = [Level.FILE] if level is Level.FILE else above[: above.index(level) + 1]
    assert {a.keyword for each in levels for a in at(each)} <= columns
    assert set(fetch.columns_of(level)) <= columns


def test_the_page_on_the_schema_is_up_to_date() -> None:
    assert SCHEMA_PAGE.read_text(encoding="utf-8") == schema_doc.markdown()


def test_the_page_on_the_schema_names_everything() -> None:
    page = schema_doc.markdown()
    for table in models.metadata.sorted_tables:
        assert f"\n### {table.name}\n" in page
        assert all(f"| `{column.name}` |" in page for column in table.columns)
    assert all(f"\n### v_{level.value}\n" in page for level in Level)
