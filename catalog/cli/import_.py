"""dcat import"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from catalog.cli import declared, disclosures, options, typed_line
from catalog.cli.render import Format

if TYPE_CHECKING:
    from catalog.database.patient_links import Link
    from catalog.importing import Imported, Order
    from catalog.indexing.reading import FileReader

_COPIES = "Copies"


class Check(StrEnum):
    """How much of the files is looked at."""

    EXISTS = "exists"
    HEADER = "header"
    DIGEST = "digest"


def import_(
    path: Annotated[
        Path,
        declared.Argument(
            metavar="MEDIUM",
            help="A DICOMDIR, the folder of a medium that has one, or a ZIP, tar or ISO file that holds a medium.",
        ),
    ],
    check: Annotated[
        Check | None,
        declared.Option(
            "--check",
            help="How much of the files is looked at: whether they exist; their headers too, held against the records; their digests too, held against MANIFEST.SHA256.",
            show_default="exists; with --copy-to header",
        ),
    ] = None,
    copy_to: Annotated[
        Path | None,
        declared.Option(
            "--copy-to",
            metavar="FOLDER",
            help="Copy the medium's instances into this archive folder, and catalogue the copies. A medium without DICOMDIR will do.",
            rich_help_panel=_COPIES,
        ),
    ] = None,
    name: Annotated[
        str | None,
        declared.Option(
            "--name",
            metavar="TEMPLATE",
            help="How copies are named: folders and a name, attributes in braces.",
            show_default="[import] name of the configuration, or {PatientID}/{StudyDate}_{StudyInstanceUID}/{SeriesNumber}_{Modality}/{SOPInstanceUID}.dcm",
            rich_help_panel=_COPIES,
        ),
    ] = None,
    named_only: Annotated[
        bool,
        declared.Option(
            "--named-only",
            help="Leave alone DICOM files that no record of the DICOMDIR names.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        declared.Option(
            "--dry-run", help="Only show what would be met, and where copies would go."
        ),
    ] = False,
    patient: Annotated[
        list[str] | None,
        declared.Option(
            "--patient",
            metavar="FOREIGN=LOCAL",
            help="Link a Patient ID of the medium to one of this place, each as ID or ID^ISSUER (\\= and \\^ for the characters themselves). No file and no other row is changed.",
        ),
    ] = None,
    reason: Annotated[
        str | None, declared.Option("--reason", help="Why the patients are linked.")
    ] = None,
    findings: Annotated[
        bool, declared.Option("--findings", help="List everything that deviates from the standard.")
    ] = False,
    audit_message: disclosures.AuditMessage = None,
    output: Annotated[
        Format,
        declared.Option(
            "--output", "-o", help="How differences, and the copies of --dry-run, are written."
        ),
    ] = Format.TABLE,
    db: options.Db = None,
) -> int:
    """Bring the records of a DICOMDIR into the catalogue, whether or not the files are there.

    Rows made from files' own headers stay as they are. Files that are there can be found and
    exported at once; with --check header their headers are read, and what differs from the records
    is listed. With --copy-to the instances are copied into an archive folder, verified, and never
    over other bytes.
    """
    from catalog.cli import progress
    from catalog.errors import SelectionError
    from catalog.importing import CopyOutcome, import_medium, open_medium, plan_import

    disclosures.check(None, audit_message, path if path.is_dir() else None)
    order = _order(check, copy_to, name, named_only, _links(patient, reason))
    medium = open_medium(path, needs_directory=order.copy is None)  # before a catalogue is made
    if dry_run:
        if audit_message is not None:
            raise SelectionError("--audit-message tells what was imported; leave out --dry-run.")
        with progress.shown() as listener:
            imported = plan_import(medium, order, _reader(order), listener)
    else:
        failed = 0
        with (
            options.opened(db, create=True) as catalogue,
            disclosures.told_of_import(catalogue, audit_message, path, lambda: failed),
            progress.shown() as listener,
        ):
            imported = import_medium(
                catalogue, medium, typed_line.typed(), listener, order, _reader(order)
            )
            failed = imported.copied(CopyOutcome.FAILED)
    _answer(imported, order, output, dry_run)
    _summary(imported, findings)
    if order.copy is not None:
        _say_copies(imported, dry_run)
    if imported.linked:
        from catalog.cli.saying import counted, say

        say(
            f"  {counted(imported.linked, 'patient is', 'patients are')} linked; see `dcat patient links`."
        )
    if imported.linked_without_study:
        from catalog.cli.saying import plain, say

        names = ", ".join(map(str, imported.linked_without_study))
        say(
            f"  warning  The catalogue has no study of {plain(names)}: is that the patient's ID, and its issuer, as the medium states them? `dcat patient unlink` takes a link back."
        )
    return 0 if imported.is_complete else 3


def _links(patient: list[str] | None, reason: str | None) -> tuple[Link, ...]:
    from catalog.errors import SelectionError

    if reason is not None and not patient:
        raise SelectionError("--reason goes with --patient.")
    if not patient:
        return ()
    from catalog.database.patient_links import parsed

    return tuple(parsed(text, reason) for text in patient)


def _order(
    check: Check | None,
    copy_to: Path | None,
    name: str | None,
    named_only: bool,
    links: tuple[Link, ...],
) -> Order:
    """Return what the options and the configuration ask for.

    Raises
    ------
    SelectionError
        If options do not go together.
    ConfigError
        If the configuration or the template of names cannot be used.
    """
    from catalog import config
    from catalog.errors import SelectionError
    from catalog.files.urls import is_url_by_path
    from catalog.importing import Check as Checks
    from catalog.importing import CopyOrder, Order, checked_template

    if name is not None and copy_to is None:
        raise SelectionError("--name says how copies are named; add --copy-to FOLDER.")
    if check is Check.EXISTS and copy_to is not None:
        raise SelectionError(
            "What is copied is read, so --copy-to does not go with --check exists."
        )
    if copy_to is not None and is_url_by_path(copy_to) and not copy_to.exists():
        raise SelectionError(
            "Nothing is written behind a URL; name a folder with --copy-to, and put it there with the storage's own tools."
        )
    settled = config.load()
    copy = None
    if copy_to is not None:
        copy = CopyOrder(copy_to, checked_template(name or settled.import_name))
    chosen = check or (Check.EXISTS if copy is None else Check.HEADER)
    if named_only and chosen is Check.EXISTS:
        raise SelectionError(
            "--named-only goes with --copy-to or with --check header or digest; without them only named files are looked for."
        )
    return Order(Checks(chosen.value), copy, named_only, config.asked(settled), links)


def _reader(order: Order) -> FileReader:
    """Return what reads headers, as indexing does."""
    from catalog.dicom.claims import wanted
    from catalog.indexing.reading import FileReader, How

    return FileReader(How(wanted(order.attributes)))


def _answer(imported: Imported, order: Order, output: Format, dry_run: bool) -> None:
    """Write what was asked for to standard output: where copies would go, or what differs."""
    from catalog.cli.render import write_rows

    if dry_run and order.copy is not None:
        copies = [(item.source, item.target, item.outcome.value) for item in imported.copies]
        if copies or output is not Format.TABLE:
            write_rows(("Source", "Target", "Outcome"), copies, output)
        return
    if not order.reads_files:
        return
    rows = [
        (d.record_type, d.offset_bytes, d.keyword, d.in_record, d.in_file, d.path, d.files)
        for d in imported.differences
    ]
    if rows or output is not Format.TABLE:
        columns = ("Record", "OffsetBytes", "Keyword", "InRecord", "InFile", "Path", "Files")
        write_rows(columns, rows, output)


def _say_copies(imported: Imported, dry_run: bool) -> None:
    from catalog.cli.saying import counted, say
    from catalog.importing import CopyOutcome

    planned, copied = imported.copied(CopyOutcome.PLANNED), imported.copied(CopyOutcome.COPIED)
    there, failed = imported.copied(CopyOutcome.THERE), imported.copied(CopyOutcome.FAILED)
    if dry_run:
        say(
            f"  {counted(planned, 'instance')} would be copied; {there:,} {'is' if there == 1 else 'are'} there already."
        )
    else:
        say(
            f"  {counted(copied, 'instance')} copied; {there:,} {'was' if there == 1 else 'were'} there already."
        )
    if failed:
        say(f"  {counted(failed, 'instance')} could not be copied; --findings says why.")
    if imported.beside:
        say(
            f"  {counted(imported.beside, 'file')} beside them {'is' if imported.beside == 1 else 'are'} not DICOM and stayed on the medium."
        )


def _summary(imported: Imported, every: bool) -> None:
    from catalog.cli.saying import counted, path_text, plain, say

    if imported.has_directory:
        name = f" {plain(imported.file_set_id)!r}" if imported.file_set_id else ""
        total = imported.records.total()
        kinds = ", ".join(
            f"{count:,} {plain(kind)}"
            for kind, count in sorted(imported.records.items(), key=lambda pair: -pair[1])
        )
        say(
            f"File-set{name} at {path_text(imported.folder)}: {counted(total, 'directory record')} ({kinds or 'none'})."
        )
    else:
        say(
            f"{path_text(imported.folder)} has no DICOMDIR that can be read; {counted(len(imported.unnamed), 'instance was', 'instances were')} found."
        )
    files = imported.present + imported.absent + imported.refused + imported.shut
    if files and not imported.present and not imported.shut:
        say(
            f"  None of the {counted(files, 'file')} that it names is there; the records alone were imported."
        )
    elif files:
        say(
            f"  {imported.present + imported.shut:,} of {counted(files, 'file')} that it names {'is' if files == 1 else 'are'} there."
        )
    if imported.shut:
        say(f"  {imported.shut:,} of them cannot be looked into.")
    if imported.refused:
        say(
            f"  {counted(imported.refused, 'File ID')} lead out of the medium or are none, and were not followed."
        )
    if imported.unplaced:
        say(
            f"  {counted(imported.unplaced, 'record')} do not say which instance they mean or where it belongs."
        )
    if imported.has_directory and imported.unnamed:
        say(
            f"  {counted(len(imported.unnamed), 'instance')} that no record names {'was' if len(imported.unnamed) == 1 else 'were'} found beside them."
        )
    if imported.differences:
        say(f"  Records and headers differ in {counted(len(imported.differences), 'value')}.")
    elif imported.read and imported.has_directory and imported.present:
        say("  Records and headers say the same.")
    from catalog.cli.findings_shown import show_findings

    show_findings(imported.findings, every)
