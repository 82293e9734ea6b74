"""dcat export"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.exporting import Item, Plan
    from catalog.findings import Finding


SHOWN = 3
"""How many of what is left out for one reason are shown."""


class PlanFormat(StrEnum):
    """How a plan is written."""

    TABLE = "table"
    JSON = "json"


class Charset(StrEnum):
    """In which character set the text of records is written."""

    SOURCE = "source"
    UTF_8 = "utf-8"


class Private(StrEnum):
    """What becomes of instances of private SOP Classes."""

    REFUSE = "refuse"
    RECORD = "record"


class IconSize(StrEnum):
    """Rows and Columns of icons."""

    SMALL = "64"
    LARGE = "128"


def export(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A new or empty folder.")],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Write nothing; list the plan: each file with its File ID, and what would be left out and why.",
        ),
    ] = False,
    output: Annotated[
        PlanFormat, typer.Option("--output", "-o", help="With --dry-run: how the plan is written.")
    ] = PlanFormat.TABLE,
    file_set_id: Annotated[
        str,
        typer.Option(
            "--file-set-id", metavar="ID", help="File-set ID: up to 16 of A-Z, 0-9 and _."
        ),
    ] = "",
    take_first: Annotated[
        bool,
        typer.Option(
            "--take-first",
            help="Where files with one SOP Instance UID differ, take the first by path instead of leaving the instance out.",
        ),
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Follow this Application Profile of PS3.11, such as STD-GEN-CD: leave out what does not fit it, write its keys and icons, check the result.",
        ),
    ] = None,
    charset: Annotated[
        Charset,
        typer.Option(
            "--charset",
            help="Text of the directory: as each source has it, or all in UTF-8. What cannot be converted fails.",
        ),
    ] = Charset.SOURCE,
    icons: Annotated[
        IconSize | None,
        typer.Option("--icons", help="Put icons of so many rows and columns into IMAGE records."),
    ] = None,
    private: Annotated[
        Private,
        typer.Option(
            "--private",
            help="Instances of private SOP Classes: leave them out, or refer to them by PRIVATE records.",
        ),
    ] = Private.REFUSE,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for the disclosure ledger.")
    ] = None,
    recipient: Annotated[
        str | None, typer.Option("--recipient", help="To whom, for the disclosure ledger.")
    ] = None,
    db: options.Db = None,
    patient: options.PatientIds = None,
    study: options.StudyUids = None,
    series: options.SeriesUids = None,
    instance: options.InstanceUids = None,
    modality: options.Modalities = None,
    date: options.Dates = None,
    accession: options.Accessions = None,
    key: options.Keys = None,
    where: options.Where = None,
    sql: options.Sql = None,
    listed: options.From = None,
) -> int:
    """Write a selection as a DICOM File-set: a tree of copies and a DICOMDIR.

    Copies are byte for byte; each is read again and proved to be the instance that was catalogued.
    What cannot go into a File-set is listed, and the exit code is then 3. The DICOMDIR is written
    last, so a folder without one is not finished.
    """
    import uuid

    from catalog.cli import progress
    from catalog.cli.find import report_unmatched
    from catalog.cli.render import counted, path_text, say, size_text
    from catalog.database import select
    from catalog.errors import FileSetError, SelectionError
    from catalog.exporting import Order, plan_export
    from catalog.exporting import export as run
    from catalog.fileset.file_id import is_file_set_id
    from catalog.fileset.profiles import profile_named

    if not is_file_set_id(file_set_id):
        raise SelectionError(
            f"{file_set_id!r} is no File-set ID: up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1).",
            file_set_id,
        )
    if profile is not None:
        try:
            profile = profile_named(profile).name
        except FileSetError as exc:
            raise SelectionError(str(exc), profile) from exc
    chosen = options.selection(
        patient, study, series, instance, modality, date, accession, key, where, sql, listed, db
    )
    with options.opened(db) as catalogue:
        is_short = False
        if chosen.listed is not None:
            with catalogue.read() as connection:
                is_short = report_unmatched(select.unmatched(connection, chosen.listed))
        recorded = private is Private.RECORD
        plan = plan_export(
            catalogue, chosen, take_first=take_first, profile=profile, private=recorded
        )
        if dry_run:
            _show_plan(plan, output)
        if not plan.items:
            if plan.left_out:
                _show_left_out(plan)
                say("Nothing that was selected can go into a File-set; nothing was written.")
                return 3
            say("Nothing in the catalogue fits; nothing was written.")
            return 3 if is_short else 0
        if dry_run:
            say(
                f"{counted(len(plan.items), 'instance')}, {size_text(plan.size_bytes)}, would be copied to {path_text(destination)}; {len(plan.left_out):,} left out. Nothing was written."
            )
            return 3 if plan.left_out or is_short else 0
        order = Order(
            chosen,
            destination,
            f"2.25.{uuid.uuid4().int}",
            file_set_id,
            reason,
            recipient,
            take_first,
            profile,
            None if charset is Charset.SOURCE else charset.value,
            None if icons is None else int(icons),
            recorded,
        )
        with progress.shown() as listener:
            outcome = run(catalogue, order, plan, options.typed(), listener)
    _show_left_out(plan)
    for item, why in outcome.failed:
        say(f"  failed  {item.source.root}/{item.source.path}: {why}")
    _show_notices(outcome.findings)
    say(
        f"{counted(outcome.copied, 'instance')} ({size_text(outcome.copied_bytes)}) and a DICOMDIR ({size_text(outcome.dicomdir_size_bytes)}) are in {path_text(destination)}."
        if outcome.copied
        else f"No file could be copied; {path_text(destination)} has no DICOMDIR."
    )
    if not outcome.is_complete:
        say(
            f"{counted(len(plan.left_out), 'selected instance was', 'selected instances were')} left out and {len(outcome.failed):,} failed; the ledger has each one."
        )
    return 0 if outcome.is_complete and not is_short else 3


def _record_type(item: Item) -> str:
    """Return the record type that will refer to the instance; only private ones lack their own."""
    return item.candidate.claims.directory_record_type or "PRIVATE"


def _show_plan(plan: Plan, output: PlanFormat) -> None:
    import json

    from catalog.cli.render import Format, write_rows

    if output is PlanFormat.JSON:
        data = {
            "instances": len(plan.items),
            "size_bytes": plan.size_bytes,
            "items": [
                {
                    "file_id": item.file_id.path,
                    "source": f"{item.source.root.rstrip('/')}/{item.source.path}",
                    "size_bytes": item.source.size_bytes,
                    "sop_instance_uid": item.candidate.claims.instance.sop_instance_uid,
                    "record_type": _record_type(item),
                }
                for item in plan.items
            ],
            "left_out": [
                {
                    "sop_instance_uid": out.candidate.claims.instance.sop_instance_uid,
                    "code": out.code,
                    "reason": out.reason,
                    "detail": out.detail,
                }
                for out in plan.left_out
            ],
        }
        print(json.dumps(data, indent=2, ensure_ascii=False))  # noqa: T201
        return
    rows = [
        (
            item.file_id.path,
            item.source.size_bytes or 0,
            _record_type(item),
            f"{item.source.root.rstrip('/')}/{item.source.path}",
        )
        for item in plan.items
    ]
    write_rows(("FileID", "Bytes", "Record", "Source"), rows, Format.TABLE)
    _show_left_out(plan)


def _show_left_out(plan: Plan) -> None:
    """Say what is left out: how many for each reason, and the first of them."""
    from itertools import groupby

    from catalog.cli.render import counted, plain, say

    by_reason = sorted(plan.left_out, key=lambda out: (out.code, out.reason))
    for (_, reason), group in groupby(by_reason, key=lambda out: (out.code, out.reason)):
        members = list(group)
        say(f"  left out: {counted(len(members), 'instance')}: {plain(reason)}")
        for out in members[:SHOWN]:
            uid = plain(out.candidate.claims.instance.sop_instance_uid)
            say(f"      {uid}{f': {_brief(plain(out.detail))}' if out.detail else ''}")
        if len(members) > SHOWN:
            say(f"      … and {len(members) - SHOWN:,} more; `--dry-run -o json` lists all")


def _brief(detail: str) -> str:
    """Return a list of paths with the first two of them."""
    paths = detail.split(", /")
    if len(paths) <= 2:
        return detail
    return f"{', /'.join(paths[:2])} and {len(paths) - 2:,} more"


def _show_notices(findings: Sequence[Finding]) -> None:
    """Say what was supplied or odd, by kind."""
    from catalog.cli.import_ import show_findings

    if findings:
        show_findings(findings, every=False)
