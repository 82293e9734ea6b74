"""dcat dicomdir: one DICOMDIR shown, checked, made, changed and compared, without any catalogue."""

from __future__ import annotations

from catalog.cli import dicomdir_reading as reading
from catalog.cli import dicomdir_writing as writing
from catalog.cli.declared import Group

app = Group(
    "Show, check, create, change or compare a DICOMDIR. Needs no catalogue.",
    {
        "show": reading.show_,
        "check": reading.check_,
        "create": writing.create_,
        "add": writing.add_,
        "remove": writing.remove_,
        "diff": reading.diff_,
    },
)
