"""dcat dicomdir: one DICOMDIR shown, checked, made, changed and compared, without any catalogue."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli.render import Format

if TYPE_CHECKING:
    from catalog.findings import Finding
    from catalog.maintaining import LeftOut, Updated

app = typer.Typer(
    help="Show, check, create, change or compare a DICOMDIR. Needs no catalogue.",
    no_args_is_help=True,
)

SHOWN = 20
"""How many of what is listed for one reason are shown."""

Medium = Annotated[
    Path, typer.Argument(metavar="PATH", help="A DICOMDIR, or the folder of a medium that has one.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]
Repair = Annotated[
    bool,
    typer.Option(
        "--repair", help="Change a damaged DICOMDIR all the same, and say what is repaired."
    ),
]


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


@app.command("show")
def show_(
    path: Medium,
    form: Annotated[
        ShowFormat,
        typer.Option(
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
    from catalog.cli.render import counted, say
    from catalog.findings import Severity
    from catalog.maintaining import show

    if form is ShowFormat.DUMP:
        from catalog.files.medium import content, medium_at
        from catalog.fileset.medium import dicomdir_names

        lines = forms.dump_lines(content(medium_at(path, dicomdir_names).dicomdir))
        sys.stdout.writelines(f"{line}\n" for line in lines)
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


@app.command("check")
def check_(
    path: Medium,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Also hold it against an application profile, such as STD-GEN-CD.",
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--output", "-o")] = Format.TABLE,
) -> int:
    """Hold a DICOMDIR against PS3.3 Annex F and PS3.10 §8, and against the files of its medium.

    Exit code 4 if anything is an error; warnings and notes alone are said and give 0.
    """
    from catalog.cli import progress
    from catalog.cli.render import counted, say, write_rows
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
        f"{counted(result.records.total(), 'directory record')}; {result.right:,} of {counted(result.files, 'file')} that they name are there and are what they say."
    )
    say(
        f"{counted(counts[Severity.ERROR], 'error')}, {counted(counts[Severity.WARNING], 'warning')}, {counted(counts[Severity.NOTE], 'note')}."
    )
    return 4 if counts[Severity.ERROR] else 0


@app.command("create")
def create_(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder whose files get a DICOMDIR.")
    ],
    file_set_id: Annotated[
        str | None,
        typer.Option(
            "--file-set-id", metavar="ID", help="File-set ID: up to 16 of A-Z, 0-9 and _."
        ),
    ] = None,
    rename: Annotated[
        bool,
        typer.Option(
            "--rename",
            help="Rename files whose names are no File IDs; the mapping is written first and printed.",
        ),
    ] = False,
    undo_rename: Annotated[
        bool,
        typer.Option(
            "--undo-rename",
            help="Give renamed files their old names back; the DICOMDIR is kept as a backup.",
        ),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace a DICOMDIR that is there; the old one is kept beside it."
        ),
    ] = False,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Write it although some DICOM files can have no record (against PS3.3 F.2.1); exit code 3.",
        ),
    ] = False,
    dry_run: DryRun = False,
) -> int:
    """Make a DICOMDIR for the files of a folder, which stay in place.

    Every header is read. Unless --partial is given nothing is written when a DICOM file could not
    be referenced: a directory must name them all (PS3.3 F.2.1). The DICOMDIR is written last and at once.
    """
    from catalog.cli import progress
    from catalog.cli.render import counted, plain, say, size_text
    from catalog.errors import SelectionError
    from catalog.fileset.file_id import is_file_set_id
    from catalog.fileset.tree import walk
    from catalog.maintaining import create, plan_creation, undo_renames
    from catalog.maintaining.creating import refused

    if file_set_id is not None and not is_file_set_id(file_set_id):
        raise SelectionError(
            f"{file_set_id!r} is no File-set ID: up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1).",
            file_set_id,
        )
    if undo_rename:
        if rename or replace or partial or dry_run or file_set_id is not None:
            raise SelectionError("--undo-rename goes with no other option.")
        back, backup = undo_renames(folder)
        for old, new in back:
            print(f"{plain(old)}\t{plain(new)}")  # noqa: T201
        say(f"{counted(len(back), 'file')} renamed back.")
        if backup is not None:
            say(f"The DICOMDIR, which named them otherwise, is kept as {backup}.")
        return 0
    with progress.shown() as listener:
        plan = plan_creation(folder, renaming=rename, listener=listener)
    _say_left_out([*plan.illegal, *plan.left_out])
    for old, new in plan.renames:
        print(f"{plain(old)}\t{plain(new)}")  # noqa: T201
    amount = (
        f"{counted(len(plan.items), 'file')}, {size_text(sum(c.size_bytes for c, _ in plan.items))}"
    )
    if dry_run:
        refusal = refused(plan, replace=replace, partial=partial)
        say(refusal or f"{amount}, would be named by a DICOMDIR. Nothing was written.")
        return 1 if refusal else 3 if plan.left_out else 0
    done = create(plan, _new_uid(), file_set_id, replace=replace, partial=partial)
    _say_findings(plan.findings)
    if plan.renames:
        say(
            f"{counted(len(plan.renames), 'file')} renamed; the mapping is in {folder / 'dcat-renames.ndjson'}, and --undo-rename takes it back."
        )
    records = sum(1 for _ in walk(done.fileset.records))
    say(
        f"{folder / 'DICOMDIR'} has {counted(records, 'record')} for {amount}."
        + (f" {counted(plan.others, 'other file')} not DICOM." if plan.others else "")
    )
    if done.backup is not None:
        say(f"The old DICOMDIR is kept as {done.backup}.")
    return 3 if plan.left_out else 0


@app.command("add")
def add_(
    path: Medium,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="DICOM files, or folders of them.")
    ],
    repair: Repair = False,
    dry_run: DryRun = False,
) -> int:
    """Copy files into a File-set and name them in its DICOMDIR; files on the medium stay in place.

    What was in the DICOMDIR stays as it is, in its order. The old DICOMDIR is kept beside the new.
    """
    from catalog.cli import progress
    from catalog.cli.render import counted, plain, say
    from catalog.maintaining import add, plan_addition

    with progress.shown() as listener:
        plan = plan_addition(path, files, _new_uid(), repair=repair, listener=listener)
    for place, name in plan.already[:SHOWN]:
        say(f"  already there: {plain(place)} is {plain(name)}")
    if len(plan.already) > SHOWN:
        say(f"  already there: {len(plan.already) - SHOWN:,} more")
    _say_left_out(plan.left_out)
    if not plan.items:
        say("Nothing is to be added; nothing was written.")
        return 3 if plan.left_out else 0
    if dry_run:
        _say_repairs(plan.opened.repairs)
        for item in plan.items:
            print(f"{plain(item.candidate.place)}\t{item.file_id.path}")  # noqa: T201
        say(f"{counted(len(plan.items), 'file')} would be added. Nothing was written.")
        return 3 if plan.left_out else 0
    with progress.shown() as listener:
        done = add(plan, listener)
    for place, file_id, _ in done.added:
        print(f"{plain(place)}\t{file_id.path}")  # noqa: T201
    _say_findings(done.findings)
    _say_left_out(done.failed)
    _say_repairs(plan.opened.repairs if done.added else [])
    in_place = sum(was for _, _, was in done.added)
    say(
        f"{counted(len(done.added), 'file')} added"
        + (f", {in_place:,} of them where they were" if in_place else "")
        + "."
    )
    _say_backup(done)
    return 3 if plan.left_out or done.failed else 0


@app.command("remove")
def remove_(
    path: Medium,
    selectors: Annotated[
        list[str],
        typer.Argument(
            metavar="SELECTOR...", help="Study, Series or SOP Instance UIDs, or File IDs."
        ),
    ],
    delete_files: Annotated[
        bool, typer.Option("--delete-files", help="Delete the files, too.")
    ] = False,
    move_files: Annotated[
        Path | None,
        typer.Option(
            "--move-files", metavar="FOLDER", help="Move the files out of the medium, below FOLDER."
        ),
    ] = None,
    keep_files: Annotated[
        bool,
        typer.Option(
            "--keep-files",
            help="Leave the files, which breaks PS3.3 F.2.1 until they are taken away; exit code 3.",
        ),
    ] = False,
    repair: Repair = False,
    dry_run: DryRun = False,
) -> int:
    """Take records out of a DICOMDIR, with what is below them and parents that become empty.

    A DICOMDIR must name every DICOM file of its File-set (PS3.3 F.2.1), so say what becomes of the
    files: --delete-files, --move-files or --keep-files. The DICOMDIR is changed first.
    """
    from catalog.cli import progress
    from catalog.cli.render import counted, plain, say
    from catalog.errors import SelectionError
    from catalog.maintaining import Fate, plan_removal, remove

    if delete_files + keep_files + (move_files is not None) > 1:
        raise SelectionError("Name one of --delete-files, --move-files and --keep-files.")
    plan = plan_removal(path, selectors, _new_uid(), repair=repair)
    if plan.missing:
        say(f"{counted(plan.missing, 'file')} of these records are not on the medium.")
    if dry_run:
        _say_repairs(plan.opened.repairs)
        for file in plan.files:
            print(plain(file))  # noqa: T201
        say(
            f"{counted(len(plan.records), 'record')} and {counted(len(plan.files), 'file')} would go. Nothing was written."
        )
        return 0
    chosen = delete_files or keep_files or move_files is not None
    if plan.files and not chosen:
        raise SelectionError(
            f"Say what becomes of {counted(len(plan.files), 'file')}: --delete-files, --move-files FOLDER, or --keep-files, which leaves DICOM files that no record names (against PS3.3 F.2.1). Nothing was changed."
        )
    fate = (
        Fate.DELETE
        if delete_files
        else Fate.KEEP
        if keep_files or move_files is None
        else Fate.MOVE
    )
    with progress.shown() as listener:
        done = remove(plan, fate, move_files, listener)
    for file in plan.files:
        print(plain(file))  # noqa: T201
    _say_left_out(done.failed)
    _say_repairs(plan.opened.repairs)
    word = {Fate.DELETE: "deleted", Fate.MOVE: "moved", Fate.KEEP: "left where they are"}[fate]
    number = len(plan.files) if fate is Fate.KEEP else len(done.files)
    say(f"{counted(len(done.removed), 'record')} removed, {counted(number, 'file')} {word}.")
    _say_backup(done)
    return 3 if done.failed or (fate is Fate.KEEP and plan.files) else 0


@app.command("diff")
def diff_(
    a: Annotated[Path, typer.Argument(metavar="A", help="A DICOMDIR, or the folder of a medium.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    records: Annotated[
        bool, typer.Option("--records", help="Compare the records alone, not File-set UID and ID.")
    ] = False,
    output: Annotated[DiffFormat, typer.Option("--output", "-o")] = DiffFormat.TABLE,
) -> int:
    """Compare two DICOMDIRs record by record, matched by identity and not by position.

    Exit code 0 if they say the same, 4 if not.
    """
    from catalog.cli.render import counted, say, write_rows
    from catalog.maintaining import compare

    result = compare(a, b, records_only=records)
    columns = ("Change", "Record", "Identity", "Keyword", "A", "B")
    write_rows(columns, result.changes, Format(output.value))
    say(f"{counted(result.same, 'record')} the same, {counted(len(result.changes), 'difference')}.")
    return 4 if result.changes else 0


def _new_uid() -> str:
    import uuid

    return f"2.25.{uuid.uuid4().int}"


def _say_left_out(left_out: Sequence[LeftOut]) -> None:
    """Say what has no place in the directory: the first of each kind, then how many more."""
    from itertools import groupby

    from catalog.cli.render import plain, say

    for code, group in groupby(
        sorted(left_out, key=lambda out: (out.code, out.place)), key=lambda out: out.code
    ):
        members = list(group)
        for out in members[:SHOWN]:
            say(f"  {code}: {plain(out.place)}: {plain(out.reason)}")
        if len(members) > SHOWN:
            say(f"  {code}: {len(members) - SHOWN:,} more")


def _say_findings(findings: Sequence[Finding]) -> None:
    from catalog.cli.import_ import show_findings

    if findings:
        show_findings(list(findings), every=False)


def _say_repairs(findings: Sequence[Finding]) -> None:
    from catalog.cli.render import say

    if findings:
        say("Repaired or not carried over:")
        _say_findings(findings)


def _say_backup(done: Updated) -> None:
    from catalog.cli.render import say

    if done.backup is not None:
        say(f"The old DICOMDIR is kept as {done.backup}.")
