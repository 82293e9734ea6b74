"""The schema described for people: `docs/schema.md` and `dcat db schema`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from sqlalchemy import Table, create_engine

from catalog.attributes import BY_KEYWORD, WORDS
from catalog.database import full_text
from catalog.database import models as m
from catalog.database.catalogue import HEAD

_ORDER = (
    m.patient, m.study, m.series, m.instance, m.file, m.root, m.discrepancy, m.finding,
    m.series_total, m.patient_link, m.saved_selection,
    m.attribute_set, m.run, m.fileset, m.fileset_record, m.export, m.export_item,
)  # fmt: skip

_INTRODUCTION = f"""# The schema

Made by `dcat db schema` from `catalog/database/models.py`; do not edit. Schema revision {HEAD}.

Ask the views (`v_patient`, `v_study`, `v_series`, `v_instance`, `v_file`): they are flat and name
their columns by the standard's keywords. The tables below them hold each fact once.

* Every table has a surrogate key `id`; a column that ends in `_ref` points at one. Columns that end
  in `_id` are the standard's own: `patient_id` is Patient ID.
* *Absent* is NULL, *present but empty* is `''`.
* Dates are `YYYY-MM-DD`, times `HH:MM:SS.ffffff` as precise as given. What is no date, time or number
  stands in `raw`, a JSON object by keyword, and its column is NULL.
* Several values are joined by `\\`, as in DICOM.
* `attributes` (in the views `PatientAttributes`, `StudyAttributes`, `SeriesAttributes` and
  `InstanceAttributes`) is a JSON object of what the configuration adds:
  `StudyAttributes ->> 'PatientAge'`, also for a name with dots, `->> 'A.B'`.
* Where files of one entity disagree, its row holds the value that most of them state (silent files
  do not count; of equally common values the smaller), `is_disputed` is true, and `discrepancy` has a
  row for each file that states something else.

## How the tables hang together

"""


def markdown() -> str:
    """Return the description of all tables and views, as Markdown with a Mermaid diagram."""
    parts = [_INTRODUCTION, _diagram(), "\n## Tables\n"]
    parts += [_table(table) for table in _ORDER]
    parts.append(_full_text())
    parts.append("\n## Views\n")
    parts += list(_views())
    return "".join(parts)


def _diagram() -> str:
    lines = ["```mermaid", "erDiagram"]
    for table in _ORDER:
        for column in table.columns:
            for key in column.foreign_keys:
                one = "|o" if column.nullable else "||"
                many = "o|" if [*table.primary_key] == [column] else "o{"
                lines.append(
                    f"    {key.column.table.name} {one}--{many} {table.name} : {column.name}"
                )
    return "\n".join([*lines, "```", ""])


def _table(table: Table) -> str:
    lines = [
        f"\n### {table.name}\n",
        f"\n{_cell(_sentence(table.comment or ''))}.\n",
        "\n| column | type | what it holds |\n|---|---|---|\n",
    ]
    for column in table.columns:
        kind = re.sub(r"\(.*", "", str(column.type)).lower()
        null = "" if column.nullable else ", not null"
        lines.append(f"| `{column.name}` | {kind}{null} | {_cell(column.comment or '')} |\n")
    return "".join(lines)


def _full_text() -> str:
    *first, last = (f"`{name}`" for name in full_text.INDEXES)
    tables = f"{', '.join(first)} and {last}"
    lines = [
        "\n## Full text\n\n",
        f"{tables} find rows by the columns `words`. On SQLite they are\n",
        "tables (FTS5, kept in step by triggers), on PostgreSQL functions over indexes of the same names (GIN).\n",
        "Their `rowid` is the row's `id`. What is asked must be in the form of the words: without case and\n",
        "accents. An asterisk stands for any end of a word; several words must all occur.\n\n```sql\n",
        "SELECT s.* FROM v_series s WHERE s.series_ref IN\n",
        "  (SELECT rowid FROM series_words('thorax lung*'))\n```\n\n",
        "| index | whose words |\n|---|---|\n",
    ]
    for level, keywords in WORDS.items():
        named = ", ".join(f"`{keyword}`" for keyword in keywords)
        lines.append(f"| `{full_text.index_name(level.value)}` | {named} |\n")
    return "".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _views() -> Iterator[str]:
    from catalog.database.views import migrations_folder

    sql = (migrations_folder() / "views" / f"{HEAD}.sql").read_text(encoding="utf-8")
    comments = {name: comment for comment, name in re.findall(r"-- (.*)\nCREATE VIEW (\w+)", sql)}
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        m.metadata.create_all(connection)
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.executescript(sql)
        for name, comment in comments.items():
            with closing(raw.execute(f"SELECT * FROM {name}")) as cursor:
                columns = [entry[0] for entry in cursor.description]
            keywords = [c for c in columns if c in BY_KEYWORD]
            others = [c for c in columns if c not in BY_KEYWORD]
            yield f"\n### {name}\n\n{comment}\n\n"
            yield f"* keywords: {', '.join(f'`{c}`' for c in keywords)}\n"
            yield f"* computed: {', '.join(f'`{c}`' for c in others)}\n"
    engine.dispose()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
