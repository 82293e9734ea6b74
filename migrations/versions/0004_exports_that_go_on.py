"""what an export needs to go on, and its volumes

Revision ID: 0004
Revises: 0003

Columns are added and no table is written anew. An export from before has NULL in them: it cannot be
resumed, and what it wrote is one volume.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ADDED = (
    sa.Column(
        "options",
        sa.JSON(none_as_null=True),
        nullable=True,
        comment="what was ordered, by name, so that it can be resumed; NULL for exports of earlier versions",
    ),
    sa.Column(
        "volume", sa.Integer(), nullable=True, comment="1, 2, … of the volumes of one export; NULL if it was not divided"
    ),
    sa.Column(
        "volumes", sa.Integer(), nullable=True, comment="how many volumes the export has; NULL if it was not divided"
    ),
    sa.Column(
        "base_destination",
        TEXT,
        nullable=True,
        comment="the destination as ordered, which several volumes share; NULL for exports of earlier versions",
    ),
)  # fmt: skip


def upgrade():
    for column in ADDED:
        op.add_column("export", column)
    # Alembic would write the table anew for a reference; SQLite takes one with the column.
    big = BIG_ID.dialect_impl(op.get_bind().dialect).compile(op.get_bind().dialect)
    op.execute(
        f"ALTER TABLE export ADD COLUMN resumed_run_ref {big} "
        "CONSTRAINT fk_export_resumed_run_ref_run REFERENCES run (id)"
    )


def downgrade():
    # Before, an instance stood in the ledger once it was copied or had failed.
    op.execute("DELETE FROM export_item WHERE outcome IN ('planned', 'removed')")
    with op.batch_alter_table("export") as batch:
        batch.drop_column("resumed_run_ref")
    for column in reversed(ADDED):
        op.drop_column("export", column.name)
