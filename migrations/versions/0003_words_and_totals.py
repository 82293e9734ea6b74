"""full text, totals of series, saved selections

Revision ID: 0003
Revises: 0002

Columns and tables are added and no table is written anew. What they hold follows from what is
stored already, so an upgraded catalogue is the one that indexing the same files anew would make.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from catalog.database.views import in_dialect
from catalog.normal_forms import words

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

VIEWS = Path(__file__).parents[1] / "views"
NAMES = ("v_patient", "v_study", "v_series", "v_instance", "v_file")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PAGE_ROWS = 5000
WORDS = {
    "patient": {
        "patient_name": "PatientName",
        "patient_id": "PatientID",
        "other_patient_ids": "OtherPatientIDs",
    },
    "study": {
        "study_description": "StudyDescription",
        "accession_number": "AccessionNumber",
        "referring_physician_name": "ReferringPhysicianName",
        "study_id": "StudyID",
    },
    "series": {
        "series_description": "SeriesDescription",
        "protocol_name": "ProtocolName",
        "body_part_examined": "BodyPartExamined",
        "institution_name": "InstitutionName",
        "institution_address": "InstitutionAddress",
        "manufacturer": "Manufacturer",
        "manufacturer_model_name": "ManufacturerModelName",
        "station_name": "StationName",
        "performing_physician_name": "PerformingPhysicianName",
    },
}


def upgrade():
    _drop_views()
    for table, columns in WORDS.items():
        op.add_column(
            table,
            sa.Column(
                "words",
                TEXT,
                nullable=True,
                comment=f"words of {', '.join(columns.values())} for full text: without case and accents, each once, joined by spaces; searched through {table}_words",
            ),
        )
        _fill_words(table, columns)
        _make_index(table)
    op.drop_index("ix_series_modality", "series")
    op.create_index("ix_series_modality_study_ref", "series", ["modality", "study_ref"])
    op.create_table(
        "series_total",
        sa.Column("series_ref", BIG_ID, autoincrement=False, nullable=False, comment="the series"),
        sa.Column(
            "number_of_instances", sa.Integer(), nullable=False, comment="instances of the series"
        ),
        sa.Column(
            "number_of_files",
            sa.Integer(),
            nullable=False,
            comment="files of these instances, those that are missing aside",
        ),
        sa.Column(
            "size_bytes",
            sa.BigInteger(),
            nullable=False,
            comment="size of these files together",
        ),
        sa.ForeignKeyConstraint(
            ["series_ref"],
            ["series.id"],
            name=op.f("fk_series_total_series_ref_series"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("series_ref", name=op.f("pk_series_total")),
        comment="what each series holds, one row for each: kept in step by whatever writes instances and files, so that counting takes no time",
    )
    op.execute("""
        INSERT INTO series_total (series_ref, number_of_instances, number_of_files, size_bytes)
        SELECT s.id, count(DISTINCT i.id), count(f.id), coalesce(sum(f.size_bytes), 0)
        FROM series s
        LEFT JOIN instance i ON i.series_ref = s.id
        LEFT JOIN file f ON f.instance_ref = i.id AND f.status <> 'missing'
        GROUP BY s.id
    """)
    op.create_table(
        "saved_selection",
        sa.Column("id", BIG_ID, nullable=False, comment="surrogate key"),
        sa.Column("name", TEXT, nullable=False, comment="what it is called"),
        sa.Column("definition", sa.JSON(), nullable=False, comment="the selection itself"),
        sa.Column("text", TEXT, nullable=False, comment="the selection as typed"),
        sa.Column(
            "created_at",
            TEXT,
            nullable=False,
            comment="when it was saved, ISO 8601 with offset",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_selection")),
        sa.UniqueConstraint("name", name=op.f("uq_saved_selection_name")),
        comment="selections that were given a name",
    )
    _make_views("0003")


def downgrade():
    _drop_views()
    op.drop_table("saved_selection")
    op.drop_table("series_total")
    for table in WORDS:
        if op.get_bind().dialect.name == "sqlite":
            for event in ("insert", "delete", "update"):
                op.execute(f"DROP TRIGGER {table}_words_{event}")
            op.execute(f"DROP TABLE {table}_words")
        op.drop_column(table, "words")
    op.drop_index("ix_series_modality_study_ref", "series")
    op.create_index("ix_series_modality", "series", ["modality"])
    _make_views("0002")


def _fill_words(table, columns):
    """Write the words of every row: in pages, so that any number takes no memory."""
    bind = op.get_bind()
    rows = sa.table(table, sa.column("id"), sa.column("words"), *map(sa.column, columns))
    query = sa.select(rows.c.id, *(rows.c[name] for name in columns)).order_by(rows.c.id)
    change = (
        sa.update(rows)
        .where(rows.c.id == sa.bindparam("ref"))
        .values(words=sa.bindparam("text", type_=TEXT))
    )
    last = None
    while True:
        page = query if last is None else query.where(rows.c.id > last)
        found = bind.execute(page.limit(PAGE_ROWS)).all()
        if not found:
            return
        last = found[-1].id
        bind.execute(
            change,
            [
                {"ref": ref, "text": " ".join(words(" ".join(value or "" for value in values)))}
                for ref, *values in found
            ],
        )


def _make_index(table):
    if op.get_bind().dialect.name == "postgresql":
        return  # 0006 makes it: no catalogue is as old as this one there
    index = f"{table}_words"
    put = f"INSERT INTO {index} (rowid, words) VALUES (new.id, new.words);"
    take = f"INSERT INTO {index} ({index}, rowid, words) VALUES ('delete', old.id, old.words);"
    for statement in (
        f"CREATE VIRTUAL TABLE {index} USING fts5"
        f"(words, content='{table}', content_rowid='id', tokenize='ascii')",
        f"INSERT INTO {index} ({index}) VALUES ('rebuild')",
        f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN {put} END",
        f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN {take} END",
        f"CREATE TRIGGER {index}_update AFTER UPDATE OF words ON {table} "
        f"WHEN old.words IS NOT new.words BEGIN {take} {put} END",
    ):
        op.get_bind().exec_driver_sql(statement)


def _drop_views():
    for view in NAMES:
        op.execute(f"DROP VIEW {view}")


def _make_views(revision):
    statements = (VIEWS / f"{revision}.sql").read_text(encoding="utf-8").split(";\n")
    for statement in statements:
        if statement.strip():
            op.get_bind().exec_driver_sql(in_dialect(statement, op.get_bind().dialect.name))
