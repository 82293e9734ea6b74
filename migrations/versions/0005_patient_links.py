"""links from foreign patients to those of this place

Revision ID: 0005
Revises: 0004

A table and columns of views are added; no table is written anew.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from catalog.database.views import in_dialect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

VIEWS = Path(__file__).parents[1] / "views"
NAMES = ("v_patient", "v_study", "v_series", "v_instance", "v_file")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade():
    op.create_table(
        "patient_link",
        sa.Column("id", BIG_ID, nullable=False, comment="surrogate key"),
        sa.Column("identity", TEXT, nullable=False, comment="the foreign patient, in the form of patient.identity; it need not be in the catalogue"),
        sa.Column("patient_id", TEXT, nullable=False, comment="the foreign Patient ID"),
        sa.Column("issuer_of_patient_id", TEXT, nullable=False, comment="its issuer; '' if unknown"),
        sa.Column("local_identity", TEXT, nullable=False, comment="the patient of this place, in the form of patient.identity; it need not be in the catalogue"),
        sa.Column("local_patient_id", TEXT, nullable=False, comment="the Patient ID of this place"),
        sa.Column("local_issuer_of_patient_id", TEXT, nullable=False, comment="its issuer; '' if unknown"),
        sa.Column("run_ref", BIG_ID, nullable=True, comment="the import that stated it; NULL if it was stated by itself"),
        sa.Column("said_at", TEXT, nullable=False, comment="when it was stated, ISO 8601 with offset"),
        sa.Column("said_by", TEXT, nullable=False, comment="login that stated it"),
        sa.Column("reason", TEXT, nullable=True, comment="why, as the user said"),
        sa.ForeignKeyConstraint(["run_ref"], ["run.id"], name=op.f("fk_patient_link_run_ref_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_link")),
        sa.UniqueConstraint("identity", name=op.f("uq_patient_link_identity")),
        comment="foreign patients that are one of this place, as people stated; nothing else in the catalogue, and no file, is changed by it",
    )  # fmt: skip
    op.create_index("ix_patient_link_local_identity", "patient_link", ["local_identity"])
    _make_views("0005")


def downgrade():
    _make_views("0004")
    op.drop_table("patient_link")


def _make_views(revision):
    for view in NAMES:
        op.execute(f"DROP VIEW {view}")
    statements = (VIEWS / f"{revision}.sql").read_text(encoding="utf-8").split(";\n")
    for statement in statements:
        if statement.strip():
            op.get_bind().exec_driver_sql(in_dialect(statement, op.get_bind().dialect.name))
