"""dcat audit"""

from __future__ import annotations

from typing import Annotated

import typer

from catalog.cli import options
from catalog.cli.render import Format


def audit(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The audit; without one they are listed.")
    ] = None,
    output: Annotated[Format, typer.Option("--output", "-o")] = Format.TABLE,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", metavar="NAME=VALUE", help="A parameter of the audit."),
    ] = None,
    db: options.Db = None,
) -> int:
    """Ask a question that archives should be asked. Exit code 4 if it finds a problem."""
    from catalog.auditing import asked, audit_named, audits
    from catalog.cli.render import counted, say, write_rows

    if name is None:
        rows = [
            (
                a.name,
                a.severity if a.is_problem else "figures",
                a.title + "".join(f" (needs -p {p}=…)" for p in a.arguments),
            )
            for a in audits().values()
        ]
        write_rows(("Name", "Kind", "Title"), rows, output)
        return 0
    chosen = audit_named(name)
    with (
        options.opened(db) as catalogue,
        asked(catalogue, chosen, options.parameters(parameter)) as (columns, answer),
    ):
        if output is Format.TABLE:
            say(f"{chosen.title}.")
        count = write_rows(columns, answer, output)
    if output is Format.TABLE:
        say(f"{counted(count, 'row')}. {chosen.description}" if count else "None.")
    return 4 if count and chosen.is_problem else 0
