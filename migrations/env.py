"""Alembic's entry: on dcat's own connection where dcat calls it, else on `-x url=…` for developers."""

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from catalog.database.models import metadata


def run(connection):
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        include_name=lambda name, kind, parents: kind != "table" or name in metadata.tables,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.get_x_argument(as_dictionary=True).get("url")
    if url is None:
        raise SystemExit(
            "Name a scratch database: alembic -x url=sqlite:////tmp/scratch.db COMMAND"
        )
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        run(connection)
