"""dcat export"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from catalog.cli import declared, disclosures, options, typed_line
from catalog.cli.dicomdir_options import Charset, IconSize, Private
from catalog.cli.new_uid import new_uid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.exporting import Order, Plan
    from catalog.exporting.pages import Facility
    from catalog.exporting.preflight import Unlike


_LARGE_FILE_BYTES = 128 << 10
"""Files of that size on average are worth copying several at a time."""

_JOBS_FROM_URLS = 8
"""How many files are copied at a time from storage behind a URL, which answers many as soon as one."""

PDI_PROFILE = "STD-GEN-CD"
"""The Application Profile of a medium with web pages, unless another is named (IHE RAD TF-2 §4.47)."""


class PlanFormat(StrEnum):
    """How a plan is written."""

    TABLE = "table"
    JSON = "json"


class Link(StrEnum):
    """What stands in a folder instead of copies."""

    HARD = "hard"
    SYMBOLIC = "symbolic"
    REFLINK = "reflink"


class TransferSyntax(StrEnum):
    """Into which Transfer Syntax copies are brought."""

    EXPLICIT_LE = "explicit-le"


def export(
    saved: Annotated[
        list[str],
        declared.Argument(
            metavar="@NAME",
            default_factory=list,
            show_default=False,
            help="Saved selections (`dcat selection`); what is written fits all of them.",
        ),
    ],
    destination: Annotated[
        Path,
        declared.Argument(
            metavar="DEST", help="A new or empty folder; with --zip or --iso a new file."
        ),
    ],
    dry_run: Annotated[
        bool,
        declared.Option(
            "--dry-run",
            help="Write nothing; list the plan: each file with its File ID, and what would be left out and why.",
        ),
    ] = False,
    output: Annotated[
        PlanFormat,
        declared.Option("--output", "-o", help="With --dry-run: how the plan is written."),
    ] = PlanFormat.TABLE,
    file_set_id: Annotated[
        str,
        declared.Option(
            "--file-set-id", metavar="ID", help="File-set ID: up to 16 of A-Z, 0-9 and _."
        ),
    ] = "",
    take_first: Annotated[
        bool,
        declared.Option(
            "--take-first",
            help="Where files with one SOP Instance UID differ, take the first by path instead of leaving the instance out.",
        ),
    ] = False,
    profile: Annotated[
        str | None,
        declared.Option(
            "--profile",
            metavar="NAME",
            help="Follow this Application Profile of PS3.11, such as STD-GEN-CD: leave out what does not fit it, write its keys and icons, check the result.",
        ),
    ] = None,
    charset: Annotated[
        Charset,
        declared.Option(
            "--charset",
            help="Text of the directory: as each source has it, or all in UTF-8. What cannot be converted fails.",
        ),
    ] = Charset.SOURCE,
    icons: Annotated[
        IconSize | None,
        declared.Option(
            "--icons", help="Put icons of so many rows and columns into IMAGE records."
        ),
    ] = None,
    private: Annotated[
        Private,
        declared.Option(
            "--private",
            help="Instances of private SOP Classes: leave them out, or refer to them by PRIVATE records.",
        ),
    ] = Private.REFUSE,
    as_zip: Annotated[
        bool,
        declared.Option(
            "--zip", help="DEST is a ZIP file to be made (PS3.12 Annex V), not a folder."
        ),
    ] = False,
    as_iso: Annotated[
        bool,
        declared.Option(
            "--iso",
            help="DEST is an ISO 9660 image to be made (Level 1; with UDF for profiles of DVDs), not a folder. The File-set ID becomes the volume identifier.",
        ),
    ] = False,
    pdi: Annotated[
        bool,
        declared.Option(
            "--pdi",
            help="Add web pages (IHE PDI): README.TXT, INDEX.HTM and IHE_PDI with pages, pictures and reports. Follows STD-GEN-CD unless --profile names another.",
        ),
    ] = False,
    transfer_syntax: Annotated[
        TransferSyntax | None,
        declared.Option(
            "--transfer-syntax",
            help="Bring every copy into this Transfer Syntax: decompress, without loss. Otherwise copies are byte for byte.",
        ),
    ] = None,
    media: Annotated[
        str | None,
        declared.Option(
            "--media",
            metavar="MEDIUM",
            help="Divide into volumes for cd, dvd, dvd-dl, bd, bd-dl or a size such as 650MiB, each a File-set of its own: DEST/DISC1, …, or NAME-1.zip, …; usb: all must fit into the free space of DEST.",
        ),
    ] = None,
    link: Annotated[
        Link | None,
        declared.Option(
            "--link",
            help="Make links instead of copies, for a stage on the same disk; only reflink gives files that do not hang together with the sources.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        declared.Option(
            "--jobs",
            "-j",
            min=1,
            max=64,
            help="Copy so many files at a time to a folder; without it as many as suit their size.",
        ),
    ] = None,
    as_found: Annotated[
        bool,
        declared.Option(
            "--as-found",
            help="Take sources that changed since they were indexed as they are now, and go on without those that are gone.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        declared.Option(
            "--resume",
            help="Finish the export to DEST that was interrupted, as it was ordered; no selection is needed.",
        ),
    ] = False,
    update: Annotated[
        bool,
        declared.Option(
            "--update",
            help="Bring the export in the folder DEST in step with the selection: add what is new, replace copies whose source changed. It stays as it was ordered otherwise.",
        ),
    ] = False,
    remove: Annotated[
        bool,
        declared.Option(
            "--remove", help="With --update: take away copies that the selection no longer has."
        ),
    ] = False,
    reason: Annotated[
        str | None, declared.Option("--reason", help="Why, for the disclosure ledger.")
    ] = None,
    recipient: Annotated[
        str | None, declared.Option("--recipient", help="To whom, for the disclosure ledger.")
    ] = None,
    report: disclosures.Report = None,
    audit_message: disclosures.AuditMessage = None,
    db: options.Db = None,
    patient: options.PatientIds = None,
    study: options.StudyUids = None,
    series: options.SeriesUids = None,
    instance: options.InstanceUids = None,
    modality: options.Modalities = None,
    date: options.Dates = None,
    accession: options.Accessions = None,
    key: options.Keys = None,
    words: options.Words = None,
    exact: options.Exact = False,
    no_links: options.NoLinks = False,
    where: options.Where = None,
    sql: options.Sql = None,
    listed: options.From = None,
) -> int:
    """Write a selection as a DICOM File-set: a tree of copies and a DICOMDIR.

    Copies are byte for byte; each is read again and proved to be the instance that was catalogued.
    What cannot go into a File-set is listed, and the exit code is then 3. The DICOMDIR is written
    last, so a folder without one is not finished.
    """
    import time

    from catalog.cli import progress
    from catalog.cli import saved as saved_selections
    from catalog.cli.export_saying import (
        in_ledger,
        show_changed,
        show_left_out,
        show_outcome,
    )
    from catalog.cli.find import report_links, report_unmatched
    from catalog.cli.saying import counted, path_text, say, size_text
    from catalog.database import select
    from catalog.errors import ExportError, FileSetError, SelectionError
    from catalog.exporting import Order, plan_export
    from catalog.exporting import export as run
    from catalog.exporting.preflight import as_found as taken_as_found
    from catalog.exporting.preflight import unlike
    from catalog.files.urls import is_url_by_path
    from catalog.fileset.file_id import is_file_set_id
    from catalog.fileset.profiles import profile_named

    if not is_file_set_id(file_set_id):
        raise SelectionError(
            f"{file_set_id!r} is no File-set ID: up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1).",
            file_set_id,
        )
    container = _container(destination, as_zip=as_zip, as_iso=as_iso)
    disclosures.check(report, audit_message, destination, may_replace=resume)
    is_implied = pdi and profile is None
    if is_implied:
        profile = PDI_PROFILE
    if profile is not None:
        try:
            profile = profile_named(profile).name
        except FileSetError as exc:
            raise SelectionError(str(exc), profile) from exc
    chosen = options.selection(
        patient,
        study,
        series,
        instance,
        modality,
        date,
        accession,
        key,
        where,
        sql,
        listed,
        db,
        words,
        exact,
        no_links,
    )
    if is_url_by_path(destination):
        url = str(destination).replace(":/", "://", 1)
        raise ExportError(
            f"{url} is a URL; a File-set is written to a folder or file of this machine. Copy it from there with the storage's own program."
        )
    if str(destination).startswith("@"):
        raise SelectionError(
            f"DEST comes last, and {destination} is a saved selection. A folder of that name is written with its whole path.",
            str(destination),
        )
    chosen = saved_selections.beside(chosen, saved, db)
    if resume:
        if not chosen.is_everything or dry_run:
            raise SelectionError(
                "--resume goes on with what was selected then; leave out the selection, and --dry-run.",
                "--resume",
            )
        return _resume(destination, db, report, audit_message)
    if remove and not update:
        raise SelectionError("--remove goes with --update.", "--remove")
    if update:
        from catalog.cli import export_update

        with (
            options.opened(db) as catalogue,
            disclosures.told(catalogue, report, audit_message),
        ):
            report_links(catalogue, chosen, copied=True)
            return export_update.update(
                catalogue,
                destination,
                chosen,
                remove=remove,
                as_found=as_found,
                dry_run=dry_run,
                reason=reason,
                recipient=recipient,
            )
    if link is not None and (container != "folder" or transfer_syntax is not None):
        raise SelectionError(
            "--link makes links in a folder: not with --zip, --iso or --transfer-syntax.", "--link"
        )
    capacity_bytes = _capacity(media, destination)
    with options.opened(db) as catalogue:
        is_short = False
        if chosen.listed is not None:
            with catalogue.read() as connection:
                is_short = report_unmatched(select.unmatched(connection, chosen.listed))
        report_links(catalogue, chosen, copied=True)
        recorded = private is Private.RECORD
        syntax = None if transfer_syntax is None else transfer_syntax.value
        plan = plan_export(
            catalogue,
            chosen,
            take_first=take_first,
            profile=profile,
            private=recorded,
            transfer_syntax=syntax,
            capacity_bytes=capacity_bytes,
            icons=None if icons is None else int(icons),
            with_pages=pdi,
            container=container,
        )
        order = Order(
            chosen,
            destination,
            new_uid(),
            file_set_id,
            reason,
            recipient,
            take_first,
            profile,
            None if charset is Charset.SOURCE else charset.value,
            None if icons is None else int(icons),
            recorded,
            syntax,
            _facility() if pdi and plan.items and not dry_run else None,
            _today(),
            container,
            int(time.time()),
            capacity_bytes,
            None if link is None else link.value,
            jobs or _suitable_jobs(plan),
        )
        changed = unlike(plan.items)
        failing = 0
        if dry_run:
            failing = _rehearsed(plan, order, changed, output)
        if not plan.items:
            if plan.left_out:
                show_left_out(plan)
                if is_implied:
                    _show_way_out(plan)
                say("Nothing that was selected can go into a File-set; nothing was written.")
                return 3
            say("Nothing in the catalogue fits; nothing was written.")
            return 3 if is_short else 0
        if changed:
            show_changed(changed)
        if dry_run:
            say(
                f"{counted(len(plan.items), 'instance')}, {size_text(plan.size_bytes)}, would be copied to {path_text(destination)}; {len(plan.left_out):,} left out. Nothing was written."
            )
            return 3 if plan.left_out or is_short or changed or failing else 0
        if changed and not as_found:
            raise ExportError("Nothing was written, as sources changed.")
        plan = taken_as_found(plan, changed)
        telling = disclosures.told(catalogue, report, audit_message, media)
        with telling, progress.shown() as listener:
            outcome = run(catalogue, order, plan, typed_line.typed(), listener)
    show_left_out(plan, in_ledger(outcome.refs))
    if is_implied:
        _show_way_out(plan)
    show_outcome(outcome)
    return 0 if outcome.is_complete and not is_short else 3


def _rehearsed(plan: Plan, order: Order, changed: Sequence[Unlike], output: PlanFormat) -> int:
    """Show what an export would do; return how many files could not be copied, changed ones aside."""
    from catalog.cli import progress
    from catalog.cli.export_saying import show_plan_json, show_plan_table, show_rehearsed
    from catalog.exporting.journey import parts_of
    from catalog.exporting.preflight import check_container
    from catalog.exporting.rehearsal import Rehearsed, rehearse

    for part in parts_of(order, plan):
        check_container(part.order, part.items)
    with progress.shown() as listener:
        rehearsed = rehearse(order, plan, listener)
    told = {id(each.item) for each in changed}
    failed = tuple((item, why) for item, why in rehearsed.failed if id(item) not in told)
    rehearsed = Rehearsed(rehearsed.findings, failed)
    if output is PlanFormat.JSON:
        show_plan_json(plan, order, changed, rehearsed)
    else:
        show_plan_table(plan, order)
    if plan.items:
        show_rehearsed(plan, rehearsed)
    return len(failed)


def _resume(
    destination: Path, db: str | None, report: Path | None, audit_message: Path | None
) -> int:
    """Finish an interrupted export."""
    from catalog.cli import progress, typed_line
    from catalog.cli.export_saying import show_outcome
    from catalog.cli.saying import counted, say
    from catalog.exporting.resuming import resume

    with (
        options.opened(db) as catalogue,
        disclosures.told(catalogue, report, audit_message),
        progress.shown() as listener,
    ):
        outcome = resume(catalogue, destination, typed_line.typed(), listener)
    if outcome.kept:
        say(
            f"{counted(outcome.kept, 'copy', 'copies')} of before {'is' if outcome.kept == 1 else 'are'} right and stayed."
        )
    show_outcome(outcome)
    return 0 if outcome.is_complete else 3


def _suitable_jobs(plan: Plan) -> int:
    """Return how many files to copy at a time: several where digests, the disk or a network take the time."""
    import os

    from catalog.files.urls import is_url

    if any(is_url(item.source.root) for item in plan.items):
        return _JOBS_FROM_URLS
    if plan.size_bytes < _LARGE_FILE_BYTES * len(plan.items):
        return 1
    return min(4, os.cpu_count() or 1)


def _capacity(media: str | None, destination: Path) -> int | None:
    """Return what a volume holds, `None` if everything goes onto one medium of whatever size."""
    from catalog.errors import ExportError, SelectionError
    from catalog.exporting.volumes import capacity

    if media is None or media.strip().lower() == "usb":  # the free space is looked at in any case
        return None
    try:
        return capacity(media)
    except ExportError as exc:
        raise SelectionError(str(exc), media) from exc


def _show_way_out(plan: Plan) -> None:
    """Say what takes in what does not fit the profile, to somebody who named none."""
    from catalog.cli.saying import say

    if any(out.code == "profile" for out in plan.left_out):
        say(
            f"  --pdi follows {PDI_PROFILE}, which has uncompressed images only: --transfer-syntax explicit-le decompresses, --profile names another."
        )


def _facility() -> Facility:
    """Return who hands the medium out, as configured."""
    from catalog import config
    from catalog.cli.saying import say
    from catalog.exporting.pages import Facility

    settled = config.load()
    if not settled.institution:
        say(
            "The pages name no institution; write `institution` and `contact` under [media] into the configuration."
        )
    institution = " ".join(settled.institution.split())
    return Facility(institution, settled.contact, settled.privacy_notice)


def _container(destination: Path, *, as_zip: bool, as_iso: bool) -> Literal["folder", "zip", "iso"]:
    """Return what DEST becomes; refuse a name that says another thing than the options."""
    from catalog.errors import SelectionError

    suffix = destination.suffix.lower()
    if as_zip and as_iso:
        raise SelectionError("--zip and --iso exclude each other: DEST is one file.", "--iso")
    for wanted, option, ending in ((as_zip, "--zip", ".zip"), (as_iso, "--iso", ".iso")):
        if wanted and suffix != ending:
            raise SelectionError(
                f"With {option} DEST is a file whose name ends in {ending}, such as {destination.stem or 'DICOM'}{ending}.",
                str(destination),
            )
    lacking = {".zip": "--zip", ".iso": "--iso"}.get(suffix)
    if lacking and not (as_zip or as_iso or destination.is_dir()):
        raise SelectionError(
            f"{destination} ends in {suffix}: add {lacking} to make such a file, or name a folder.",
            str(destination),
        )
    return "zip" if as_zip else "iso" if as_iso else "folder"


def _today() -> str:
    """Return the date in this time zone, which the pages bear."""
    from datetime import datetime

    return datetime.now().astimezone().date().isoformat()
