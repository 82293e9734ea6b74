"""dcat dicomdir: one DICOMDIR shown, checked, made, changed and compared, without any catalogue."""

from __future__ import annotations

import typer

from catalog.cli import dicomdir_reading as reading
from catalog.cli import dicomdir_writing as writing

app = typer.Typer(
    help="Show, check, create, change or compare a DICOMDIR. Needs no catalogue.",
    no_args_is_help=True,
)

app.command("show")(reading.show_)
app.command("check")(reading.check_)
app.command("create")(writing.create_)
app.command("add")(writing.add_)
app.command("remove")(writing.remove_)
app.command("diff")(reading.diff_)
