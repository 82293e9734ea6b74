"""dcat import"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.findings import Finding
    from catalog.importing import Imported


def import_(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="DICOMDIR|FOLDER", help="A DICOMDIR, or the folder of a medium that has one."
        ),
    ],
    db: options.Db = None,
    findings: Annotated[
        bool, typer.Option("--findings", help="List everything that deviates from the standard.")
    ] = False,
) -> int:
    """Bring the records of a DICOMDIR into the catalogue, whether or not the files are there.

    Rows made from files' own headers stay as they are. Files that are there can be found and
    exported at once; `dcat index FOLDER` then reads their headers.
    """
    from catalog.cli import progress
    from catalog.importing import import_medium, open_medium

    medium = open_medium(path)  # before a catalogue is made that nothing could go into
    with options.opened(db, create=True) as catalogue, progress.shown() as listener:
        imported = import_medium(catalogue, medium, options.typed(), listener)
    _summary(imported, findings)
    return 0 if imported.is_complete else 3


def _summary(imported: Imported, every: bool) -> None:
    from catalog.cli.render import counted, path_text, plain, say

    name = f" {plain(imported.file_set_id)!r}" if imported.file_set_id else ""
    total = imported.records.total()
    kinds = ", ".join(
        f"{count:,} {plain(kind)}"
        for kind, count in sorted(imported.records.items(), key=lambda pair: -pair[1])
    )
    say(
        f"File-set{name} at {path_text(imported.folder)}: {counted(total, 'directory record')} ({kinds or 'none'})."
    )
    files = imported.present + imported.absent + imported.refused
    if files and not imported.present:
        say(
            f"  None of the {counted(files, 'file')} that it names is there; the records alone were imported."
        )
    elif files:
        say(
            f"  {imported.present:,} of {counted(files, 'file')} that it names {'is' if files == 1 else 'are'} there."
        )
    if imported.refused:
        say(
            f"  {counted(imported.refused, 'File ID')} lead out of the medium or are none, and were not followed."
        )
    if imported.unplaced:
        say(
            f"  {counted(imported.unplaced, 'record')} do not say which instance they mean or where it belongs."
        )
    show_findings(imported.findings, every)


def show_findings(findings: Sequence[Finding], every: bool) -> None:
    """Say what was noticed: by kind, or each with its place."""
    from collections import Counter

    from catalog.cli.render import counted, plain, say

    if every:
        for finding in findings:
            at = f" at byte {finding.offset_bytes}" if finding.offset_bytes is not None else ""
            clause = f" [{finding.clause}]" if finding.clause else ""
            place = f"{plain(finding.place)}: " if finding.place else ""
            say(
                f"  {finding.severity.value:7}  {finding.code}{at}: {place}{plain(finding.message)}{clause}"
            )
        return
    for (severity, code), count in sorted(
        Counter((f.severity.value, f.code) for f in findings).items()
    ):
        first = next(f for f in findings if f.code == code and f.severity.value == severity)
        place = f"{plain(first.place)}: " if first.place else ""
        more = f" ({counted(count - 1, 'more', 'more')})" if count > 1 else ""
        say(f"  {severity:7}  {code}: {place}{plain(first.message)}{more}")
