"""dcat dicomdir show, check and diff: the commands that only read."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from catalog.cli import declared
from catalog.cli.dicomdir_options import Medium
from catalog.cli.render import Format


class ShowFormat(StrEnum):
    """How a DICOMDIR is shown."""

    TREE = "tree"
    JSON = "json"
    NDJSON = "ndjson"
    XML = "xml"
    DUMP = "dump"


class DiffFormat(StrEnum):
    """How differences are written."""

    TABLE = "table"
    JSON = "json"


def show_(
    path: Medium,
    form: Annotated[
        ShowFormat,
        declared.Option(
            "--format",
            "-f",
            help="tree for people; dump for every element with its offset; json, ndjson or xml for programs.",
        ),
    ] = ShowFormat.TREE,
) -> int:
    """Show what a DICOMDIR says, and which of its files are there.

    A damaged DICOMDIR is shown as far as it can be made out; `dcat dicomdir check` says what is wrong.
    """
    from catalog.cli import dicomdir_forms as forms
    from catalog.cli.saying import counted, say
    from catalog.findings import Severity
    from catalog.maintaining import dump_at, show

    if form is ShowFormat.DUMP:
        sys.stdout.writelines(f"{line}\n" for line in forms.dump_lines(dump_at(path)))
        return 0
    shown = show(path)
    makers = {
        ShowFormat.TREE: forms.tree_lines,
        ShowFormat.JSON: forms.json_lines,
        ShowFormat.NDJSON: forms.ndjson_lines,
        ShowFormat.XML: forms.xml_lines,
    }
    sys.stdout.writelines(f"{line}\n" for line in makers[form](shown))
    bad = sum(f.severity is not Severity.NOTE for f in shown.directory.findings)
    if bad:
        say(
            f"The DICOMDIR deviates from the standard in {counted(bad, 'place')}; `dcat dicomdir check` lists them."
        )
    return 0


def check_(
    path: Medium,
    profile: Annotated[
        str | None,
        declared.Option(
            "--profile",
            metavar="NAME",
            help="Also hold it against an application profile, such as STD-GEN-CD.",
        ),
    ] = None,
    output: Annotated[Format, declared.Option("--output", "-o")] = Format.TABLE,
) -> int:
    """Hold a DICOMDIR against PS3.3 Annex F and PS3.10 §8, and against the files of its medium.

    Exit code 4 if anything is an error; warnings and notes alone are said and give 0.
    """
    from catalog.cli import progress
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say, there_and_right
    from catalog.findings import Severity
    from catalog.verifying import check_medium

    with progress.shown() as listener:
        result = check_medium(path, profile, listener)
    rows = [
        (f.severity.value, f.code, f.place, f.message, f.clause, f.offset_bytes)
        for f in result.findings
    ]
    write_rows(("Severity", "Code", "Place", "Message", "Clause", "OffsetBytes"), rows, output)
    counts = {s: sum(f.severity is s for f in result.findings) for s in Severity}
    say(
        f"{counted(result.records.total(), 'directory record')}; {there_and_right(result.right, result.files)}."
    )
    say(
        f"{counted(counts[Severity.ERROR], 'error')}, {counted(counts[Severity.WARNING], 'warning')}, {counted(counts[Severity.NOTE], 'note')}."
    )
    return 4 if counts[Severity.ERROR] else 0


def diff_(
    a: Annotated[
        Path, declared.Argument(metavar="A", help="A DICOMDIR, or the folder of a medium.")
    ],
    b: Annotated[Path, declared.Argument(metavar="B", help="Another one.")],
    records: Annotated[
        bool,
        declared.Option("--records", help="Compare the records alone, not File-set UID and ID."),
    ] = False,
    output: Annotated[DiffFormat, declared.Option("--output", "-o")] = DiffFormat.TABLE,
) -> int:
    """Compare two DICOMDIRs record by record, matched by identity and not by position.

    Exit code 0 if they say the same, 4 if not.
    """
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say
    from catalog.maintaining import compare

    result = compare(a, b, records_only=records)
    columns = ("Change", "Record", "Identity", "Keyword", "A", "B")
    write_rows(columns, result.changes, Format(output.value))
    say(f"{counted(result.same, 'record')} the same, {counted(len(result.changes), 'difference')}.")
    return 4 if result.changes else 0
