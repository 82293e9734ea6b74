"""attributes that the configuration adds

Revision ID: 0002
Revises: 0001

Columns are added and no table is written anew, so that an archive of millions of files is upgraded
in a moment.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from catalog.database.views import in_dialect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

VIEWS = Path(__file__).parents[1] / "views"
NAMES = ("v_patient", "v_study", "v_series", "v_instance", "v_file")
LEVELS = ("patient", "study", "series", "instance")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade():
    _drop_views()
    op.create_table(
        "attribute_set",
        sa.Column("id", BIG_ID, nullable=False, comment="surrogate key"),
        sa.Column(
            "attributes",
            TEXT,
            nullable=False,
            comment="JSON list of objects, sorted by name: name, level, path (tags from the top level down), vr, vm",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attribute_set")),
        sa.UniqueConstraint("attributes", name=op.f("uq_attribute_set_attributes")),
        comment="lists of attributes that the configuration added, one row for each list with which files were read",
    )
    for level in LEVELS:
        op.add_column(
            level,
            sa.Column(
                "attributes",
                sa.JSON(none_as_null=True),
                nullable=True,
                comment="attributes that the configuration adds, by name: a number, or text in the form of the other columns, several values joined by \\; without the names of those that are absent; NULL if there are none",
            ),
        )
    # Alembic would write the table anew for a reference; SQLite takes one with the column.
    big = BIG_ID.dialect_impl(op.get_bind().dialect).compile(op.get_bind().dialect)
    op.execute(
        f"ALTER TABLE file ADD COLUMN attribute_set_ref {big} "
        "CONSTRAINT fk_file_attribute_set_ref_attribute_set REFERENCES attribute_set (id)"
    )
    op.create_index(
        "ix_file_attribute_set_ref",
        "file",
        ["attribute_set_ref"],
        sqlite_where=sa.text("attribute_set_ref IS NOT NULL"),
        postgresql_where=sa.text("attribute_set_ref IS NOT NULL"),
    )
    _make_views("0002")


def downgrade():
    _drop_views()
    op.drop_index("ix_file_attribute_set_ref", "file")
    with op.batch_alter_table("file") as batch:
        batch.drop_column("attribute_set_ref")
    for level in LEVELS:
        op.drop_column(level, "attributes")
    op.drop_table("attribute_set")
    op.execute("DELETE FROM discrepancy WHERE keyword LIKE '%@%'")
    _make_views("0001")


def _drop_views():
    for view in NAMES:
        op.execute(f"DROP VIEW {view}")


def _make_views(revision):
    statements = (VIEWS / f"{revision}.sql").read_text(encoding="utf-8").split(";\n")
    for statement in statements:
        if statement.strip():
            op.get_bind().exec_driver_sql(in_dialect(statement, op.get_bind().dialect.name))
