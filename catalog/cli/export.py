"""dcat export"""

from __future__ import annotations

from typing import Literal

from catalog.cli import disclosures, export_options, options, typed_line
from catalog.cli.dicomdir_options import Charset, Private
from catalog.cli.export_options import PlanFormat
from catalog.cli.new_uid import new_uid


def export(
    saved: export_options.Saved,
    destination: export_options.Destination,
    dry_run: export_options.DryRun = False,
    output: export_options.PlanOutput = PlanFormat.TABLE,
    file_set_id: export_options.FileSetId = "",
    take_first: export_options.TakeFirst = False,
    profile: export_options.ProfileName = None,
    charset: export_options.Charset = Charset.SOURCE,
    icons: export_options.Icons = None,
    private: export_options.Private = Private.REFUSE,
    as_zip: export_options.AsZip = False,
    as_iso: export_options.AsIso = False,
    pdi: export_options.Pdi = False,
    transfer_syntax: export_options.TransferSyntax = None,
    media: export_options.Media = None,
    link: export_options.Link = None,
    jobs: export_options.Jobs = None,
    as_found: export_options.AsFound = False,
    resume: export_options.Resume = False,
    update: export_options.Update = False,
    remove: export_options.Remove = False,
    reason: export_options.Reason = None,
    recipient: export_options.Recipient = None,
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

    from catalog.cli import export_choices, export_resume, progress
    from catalog.cli import saved as saved_selections
    from catalog.cli.export_saying import (
        in_ledger,
        show_changed,
        show_left_out,
        show_outcome,
        show_way_out,
    )
    from catalog.cli.find import report_links, report_unmatched
    from catalog.cli.saying import counted, path_text, say, size_text
    from catalog.database import select
    from catalog.errors import ExportError, SelectionError
    from catalog.exporting import Order, plan_export
    from catalog.exporting import export as run
    from catalog.exporting.preflight import as_found as taken_as_found
    from catalog.exporting.preflight import unlike

    export_choices.check_file_set_id(file_set_id)
    if resume or update:
        ordered = {
            "--file-set-id": file_set_id,
            "--take-first": take_first,
            "--profile": profile,
            "--charset": charset is not Charset.SOURCE,
            "--icons": icons,
            "--private": private is not Private.REFUSE,
            "--pdi": pdi,
            "--transfer-syntax": transfer_syntax,
            "--media": media,
            "--link": link,
            "--jobs": jobs,
        }
        more = {"--as-found": as_found, "--update": update, "--remove": remove, "--reason": reason, "--recipient": recipient}  # fmt: skip
        export_choices.check_as_ordered(
            "--resume" if resume else "--update", ordered | (more if resume else {})
        )
    container: Literal["folder", "zip", "iso"] = "folder"
    if not resume:  # the ledger has what was ordered
        container = export_choices.container_of(destination, as_zip=as_zip, as_iso=as_iso)
    disclosures.check(report, audit_message, destination, may_replace=resume)
    is_implied = pdi and profile is None
    profile = export_choices.profile_of(profile, pdi=pdi)
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
    export_choices.check_destination(destination)
    chosen = saved_selections.beside(chosen, saved, db)
    if resume:
        if not chosen.is_everything or dry_run:
            raise SelectionError(
                "--resume goes on with what was selected then; leave out the selection, and --dry-run.",
                "--resume",
            )
        return export_resume.resumed(destination, db, report, audit_message)
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
                as_json=output is PlanFormat.JSON,
                reason=reason,
                recipient=recipient,
            )
    if link is not None and (container != "folder" or transfer_syntax is not None):
        raise SelectionError(
            "--link makes links in a folder: not with --zip, --iso or --transfer-syntax.", "--link"
        )
    capacity_bytes = export_choices.capacity_of(media)
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
            export_choices.facility() if pdi and plan.items and not dry_run else None,
            export_choices.today(),
            container,
            int(time.time()),
            capacity_bytes,
            None if link is None else link.value,
            jobs or export_choices.suitable_jobs(plan),
        )
        changed = unlike(plan.items)
        failing = 0
        if dry_run:
            from catalog.cli.export_dry_run import rehearsed

            failing = rehearsed(plan, order, changed, as_json=output is PlanFormat.JSON)
        if not plan.items:
            if plan.left_out:
                show_left_out(plan)
                if is_implied:
                    show_way_out(plan, export_choices.PDI_PROFILE)
                say("Nothing that was selected can go into a File-set; nothing was written.")
                return 3
            say("Nothing in the catalogue fits; nothing was written.")
            return 3 if is_short else 0
        if changed:
            show_changed(changed)
        export_choices.say_what_holds(catalogue, destination)
        if dry_run:
            say(
                f"{counted(len(plan.items), 'instance')}, {size_text(plan.size_bytes)}, would be copied to {path_text(destination)}; {len(plan.left_out):,} left out. Nothing was written."
            )
            return 3 if plan.left_out or is_short or changed or failing else 0
        if changed and not as_found:
            raise ExportError("Nothing was written, as sources changed.")
        plan = taken_as_found(plan, changed)
        with disclosures.told(catalogue, report, audit_message, media):
            with export_resume.hinted(order, plan), progress.shown() as listener:
                outcome = run(catalogue, order, plan, typed_line.typed(), listener)
            # Before the report is written: should that fail, it is known what stands where.
            show_left_out(plan, in_ledger(outcome.refs))
            if is_implied:
                show_way_out(plan, export_choices.PDI_PROFILE)
            show_outcome(outcome)
    return 0 if outcome.is_complete and not is_short else 3
