"""dcat dicomdir: one DICOMDIR shown, checked, made, changed and compared, without any catalogue."""

from __future__ import annotations

from catalog.cli.declared import Group

app = Group(
    "Show, check, create, change or compare a DICOMDIR. Needs no catalogue.",
    {
        "show": "dicomdir_reading.show_",
        "check": "dicomdir_reading.check_",
        "create": "dicomdir_writing.create_",
        "add": "dicomdir_writing.add_",
        "remove": "dicomdir_writing.remove_",
        "diff": "dicomdir_reading.diff_",
    },
)
