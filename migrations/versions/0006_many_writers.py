"""many writers, PostgreSQL, verified files

Revision ID: 0006
Revises: 0005

Columns are added and views are made anew; no table is written anew. On PostgreSQL dcat's functions,
the full-text index and the counter of transactions are made.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from catalog.database.views import in_dialect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parents[1]
NAMES = ("v_patient", "v_study", "v_series", "v_instance", "v_file")
WORDS = ("patient", "study", "series")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BATCHES = "transactions that it has stored, by which a writer that lost its connection knows whether the last one arrived; NULL on SQLite"
VERIFIED = "the verification that last found its bytes to have the digest; NULL if none did"


def upgrade():
    bind = op.get_bind()
    op.add_column("run", sa.Column("batches", sa.Integer(), nullable=True, comment=BATCHES))
    # Alembic would write the table anew for a reference; SQLite takes one with the column.
    big = BIG_ID.dialect_impl(bind.dialect).compile(bind.dialect)
    op.execute(
        f"ALTER TABLE file ADD COLUMN verified_run_ref {big} "
        "CONSTRAINT fk_file_verified_run_ref_run REFERENCES run (id)"
    )
    if bind.dialect.name == "postgresql":
        driver = bind.connection.driver_connection
        driver.execute((FOLDER / "functions" / "0006.sql").read_text(encoding="utf-8"))
        for table in WORDS:
            op.execute(f"CREATE INDEX {table}_words ON {table} USING gin (dcat_word_vector(words))")
        op.execute("CREATE SEQUENCE dcat_write")
        # Unique texts that may be longer than what an index holds.
        op.drop_constraint("uq_file_root_ref_path", "file")
        op.execute(
            "CREATE UNIQUE INDEX uq_file_root_ref_path ON file "
            "(root_ref, left(path, 500), hashtextextended(substr(path, 501), 0))"
        )
        op.execute("ALTER TABLE file SET (fillfactor = 90)")
        op.drop_constraint("uq_attribute_set_attributes", "attribute_set")
        op.execute(
            "CREATE UNIQUE INDEX uq_attribute_set_attributes ON attribute_set (md5(attributes))"
        )
    _drop_views()
    _make_views("0006")


def downgrade():
    _drop_views()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP SEQUENCE dcat_write")
        op.execute("ALTER TABLE file RESET (fillfactor)")
        op.drop_index("uq_file_root_ref_path", "file")
        op.create_unique_constraint("uq_file_root_ref_path", "file", ["root_ref", "path"])
        op.drop_index("uq_attribute_set_attributes", "attribute_set")
        op.create_unique_constraint("uq_attribute_set_attributes", "attribute_set", ["attributes"])
        for table in WORDS:
            op.drop_index(f"{table}_words", table)
    with op.batch_alter_table("file") as batch:
        batch.drop_column("verified_run_ref")
    op.drop_column("run", "batches")
    _make_views("0005")


def _drop_views():
    for view in NAMES:
        op.execute(f"DROP VIEW {view}")


def _make_views(revision):
    bind = op.get_bind()
    statements = (FOLDER / "views" / f"{revision}.sql").read_text(encoding="utf-8").split(";\n")
    for statement in statements:
        if statement.strip():
            bind.exec_driver_sql(in_dialect(statement, bind.dialect.name))
