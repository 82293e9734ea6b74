"""dcat sql"""

from __future__ import annotations

from typing import Annotated

import typer

from catalog.cli import options
from catalog.cli.render import Format


def sql(
    statement: Annotated[
        str,
        typer.Argument(
            metavar="SQL",
            help='One statement that reads, such as "SELECT * FROM v_study"; - reads it from standard input.',
        ),
    ],
    output: Annotated[Format, typer.Option("--output", "-o")] = Format.TABLE,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--param", metavar="NAME=VALUE", help="Value for :NAME in the statement."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which the statement is stopped.")
    ] = 60.0,
    db: options.Db = None,
) -> int:
    """Ask the catalogue in SQL. Only reading is possible, whatever the statement says.

    The views v_patient, v_study, v_series, v_instance and v_file have the standard's keywords as
    columns; `dcat db schema` describes everything.
    """
    import sys

    from catalog.cli.render import counted, say, write_rows
    from catalog.database.sql import query

    text = sys.stdin.read() if statement == "-" else statement
    with (
        options.opened(db) as catalogue,
        query(catalogue, text, options.parameters(parameter), limit_s=timeout) as (columns, rows),
    ):
        count = write_rows(columns, rows, output)
    if output is Format.TABLE:
        say(counted(count, "row") + ".")
    return 0
