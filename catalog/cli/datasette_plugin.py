"""dcat's part in Datasette: the functions `dcat_…` that some audits use. Datasette finds it by itself."""

from __future__ import annotations

from typing import Any

from datasette import hookimpl

from catalog.database.sql_functions import register


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]  # Datasette, an extra, tells no types
def prepare_connection(conn: Any) -> None:
    """Add the functions to each connection that Datasette opens."""
    register(conn)
