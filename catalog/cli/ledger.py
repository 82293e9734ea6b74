"""dcat ledger: who got what, when, why and where to"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from catalog.cli import declared, disclosures, options
from catalog.cli.render import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.database.disclosures import Answer, Disclosure
    from catalog.database.ledger_reading import Asked, Entry

Since = Annotated[
    str | None,
    declared.Option("--since", metavar="DATE", help="Exports begun on this day or later."),
]
Until = Annotated[
    str | None,
    declared.Option("--until", metavar="DATE", help="Exports begun on this day or earlier."),
]
Recipient = Annotated[
    str | None,
    declared.Option("--recipient", metavar="TEXT", help="Exports whose recipient contains TEXT."),
]
Destination = Annotated[
    str | None,
    declared.Option(
        "--destination", metavar="TEXT", help="Exports whose destination contains TEXT."
    ),
]
Output = Annotated[Format, declared.Option("--output", "-o", help="How it is written.")]


def list_(
    since: Since = None,
    until: Until = None,
    recipient: Recipient = None,
    destination: Destination = None,
    output: Output = Format.TABLE,
    db: options.Db = None,
) -> int:
    """List the exports, latest first: who, when, what became of it, to whom and where to."""
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say
    from catalog.database import ledger_reading
    from catalog.disclosing.report import head

    asked = _asked(since, until, recipient, destination)
    with options.opened(db) as catalogue:
        found = ledger_reading.entries(catalogue, asked)
    if output is Format.TABLE:
        columns = ("No", "Begun", "Who", "Outcome", "Instances", "Recipient", "Destination")
        rows: list[tuple[Any, ...]] = [
            (
                each.number, each.run.started_at[:16].replace("T", " "), each.who, _outcome(each),
                each.outcomes.get("copied", 0), each.recipient, each.destination,
            )
            for each in found
        ]  # fmt: skip
        write_rows(columns, rows, output)
    else:
        heads = [head(each) for each in found]
        names = [*_HEAD, *_OUTCOMES]
        write_rows(
            names,
            [
                [
                    *(h[name] for name in _HEAD),
                    *(h["Instances"].get(o, 0) for o in _OUTCOMES.values()),
                ]
                for h in heads
            ],
            output,
        )
    if not found:
        say(
            "The ledger has no such export."
            if asked != ledger_reading.ALL
            else "The ledger has no export."
        )
    elif output is Format.TABLE:
        say(f"{counted(len(found), 'export')}. `dcat ledger show NO` says more.")
    return 0


_HEAD = (
    "Export", "Outcome", "Started", "Finished", "Resumed", "Who", "Version", "Command",
    "Selection", "Reason", "Recipient", "Destination", "Volume", "Volumes", "FileSetID",
    "FileSetUID", "DicomdirSHA256", "Patients", "Studies", "Bytes",
)  # fmt: skip
_OUTCOMES = {
    "Copied": "copied",
    "LeftOut": "left-out",
    "Failed": "failed",
    "Planned": "planned",
    "Removed": "removed",
}


def show(
    number: Annotated[
        int, declared.Argument(metavar="NO", help="The export, as `dcat ledger list` numbers it.")
    ],
    report: disclosures.Report = None,
    audit_message: disclosures.AuditMessage = None,
    output: Output = Format.TABLE,
    db: options.Db = None,
) -> int:
    """Show one export: who and why, the selection, patients and studies, what is not on the medium.

    As JSON with every instance; as NDJSON, CSV or TSV the instances alone.
    """
    import sys

    from catalog.cli.ledger_entry import print_entry, print_missing
    from catalog.cli.render import write_rows
    from catalog.database import ledger_reading
    from catalog.disclosing.report import COLUMNS, Account, Form, instance
    from catalog.disclosing.report import report as report_text
    from catalog.errors import CatalogueError

    disclosures.check(report, audit_message)
    with options.opened(db) as catalogue:
        entry = ledger_reading.entry(catalogue, number)
        if entry is None:
            raise CatalogueError(
                f"The ledger has no export {number}. `dcat ledger list` shows those that there are."
            )
        # Files first: who reads the rest may stop early, as `| head` does.
        disclosures.write(catalogue, [entry], report, audit_message, _media(entry))
        with catalogue.read() as connection:
            shares = tuple(ledger_reading.studies(connection, entry))
            notices = tuple(ledger_reading.findings(connection, entry).get("", ()))
            if output is Format.TABLE:
                print_entry(entry, shares, notices)
                missing = ledger_reading.items(connection, entry, "failed", "left-out", "planned")
                print_missing(entry, missing)
            elif output is Format.JSON:
                account = Account(
                    entry, shares, lambda: ledger_reading.items(connection, entry), notices
                )
                sys.stdout.writelines(report_text([account], Form.JSON))
            else:
                rows = (instance(entry, item) for item in ledger_reading.items(connection, entry))
                write_rows(COLUMNS, ((*cells, " ".join(last)) for *cells, last in rows), output)
    return 0


def patient(
    patient_id: Annotated[
        str,
        declared.Argument(
            metavar="ID", help="Patient ID, exactly as it is recorded; or ID^ISSUER."
        ),
    ],
    issuer: Annotated[
        str | None,
        declared.Option(
            "--issuer",
            metavar="ISSUER",
            help="Issuer of the Patient ID; - for none. Without it, every issuer.",
        ),
    ] = None,
    no_links: Annotated[
        bool,
        declared.Option(
            "--no-links",
            help="This Patient ID alone: without patients who are linked to it, or to whom it is linked (`dcat patient link`).",
        ),
    ] = False,
    since: Since = None,
    until: Until = None,
    recipient: Recipient = None,
    destination: Destination = None,
    output: Output = Format.TABLE,
    db: options.Db = None,
) -> int:
    """Answer who received a patient's images: each export with each study that it holds.

    Patients who are linked are asked for together, whichever of them is named. The answer stays
    when the images are no longer catalogued. A medium that was not finished is
    listed with what was copied to it.
    """
    from catalog.cli.ledger_entry import classes_text
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, plain, say
    from catalog.database import disclosures as recorded
    from catalog.database.ledger_reading import ALL

    asked = _asked(since, until, recipient, destination)
    wanted = "" if issuer == "-" else issuer
    with options.opened(db) as catalogue:

        def answered(own: str, by: str | None) -> tuple[list[tuple[str, str | None]], Answer]:
            with catalogue.read() as connection:
                known = recorded.known_as(connection, own, by)
            known = known[:1] if no_links else known
            return known, recorded.patient(catalogue, known, asked)

        identities, answer = answered(patient_id.strip(), wanted)
        with_issuer = _with_issuer(patient_id) if issuer is None else None
        if with_issuer and not answer.disclosures and not answer.without:
            # As `dcat patient links` and messages write them; no ID that is recorded reads so.
            identities, answer = answered(*with_issuer)
    found = answer.disclosures
    if output is Format.TABLE:
        rows: Iterator[Sequence[Any]] = (
            (
                d.entry.number, d.entry.run.started_at[:16].replace("T", " "), d.entry.who,
                d.entry.recipient, d.entry.reason, _instances(d),
                d.share.study_instance_uid, _outcome(d.entry),
            )
            for d in found
        )  # fmt: skip
        columns: tuple[str, ...] = (
            "No", "Begun", "Who", "Recipient", "Reason", "Instances", "Study", "Outcome",
        )  # fmt: skip
    else:
        columns = _DISCLOSURE
        rows = (
            (
                d.entry.number, str(d.entry.outcome), d.entry.run.started_at, d.entry.last_run.finished_at,
                d.entry.who, d.entry.recipient, d.entry.reason, d.entry.destination,
                d.entry.volume, d.entry.volumes, d.entry.file_set_id, d.entry.file_set_uid,
                d.share.patient_id, d.share.issuer_of_patient_id, d.share.study_instance_uid,
                d.share.accession_number, d.instances, d.most_instances, classes_text(d.share),
                d.share.size_bytes, d.entry.selection,
            )
            for d in found
        )  # fmt: skip
    write_rows(columns, rows, output)
    exports = len({d.entry.number for d in found})
    if len(identities) > 1:
        also = ", ".join(f"{each}^{by}" if by else each for each, by in identities[1:])
        say(f"Asked for as well, as linked to this patient: {plain(also)}. --no-links leaves links aside.")  # fmt: skip
    if not found:
        such = "export in the ledger" if asked == ALL else "export that is asked for"
        say(f"No {such} holds images of patient {plain(patient_id)}.")
    elif output is Format.TABLE:
        recipients = {d.entry.recipient for d in found if d.entry.recipient}
        say(f"{counted(exports, 'export')}, {counted(len(recipients), 'recipient')} named.")
    if answer.without:
        numbers = ", ".join(str(each.number) for each in answer.without[:10])
        say(
            f"Images of the patient were selected, but none copied, by export {numbers}{' …' if len(answer.without) > 10 else ''}."
        )
    unfinished = sorted({d.entry.number for d in found if not d.entry.is_finished})
    if unfinished:
        say(
            f"Not finished: export {', '.join(map(str, unfinished))}; what was copied may have been read all the same, and of one that was killed not all of that is on record."
        )
    return 0


_DISCLOSURE = (
    "Export", "Outcome", "Started", "Finished", "Who", "Recipient", "Reason", "Destination",
    "Volume", "Volumes", "FileSetID", "FileSetUID", "PatientID", "IssuerOfPatientID",
    "StudyInstanceUID", "AccessionNumber", "Instances", "MostInstances", "SOPClasses", "Bytes", "Selection",
)  # fmt: skip


def _with_issuer(text: str) -> tuple[str, str] | None:
    """Return Patient ID and issuer of a text of the form `ID^ISSUER`, `None` if it is not of that form."""
    from catalog.database.patient_links import LinkRefused, parsed_id

    try:
        read = parsed_id(text)
    except LinkRefused:
        return None
    return (read.patient_id, read.issuer) if read.issuer else None


def _instances(disclosure: Disclosure) -> int | str:
    """Return how many instances there are, or between how many and how many."""
    least, most = disclosure.instances, disclosure.most_instances
    return least if least == most else f"{least:,} to {most:,}"


def _outcome(entry: Entry) -> str:
    """Return the outcome in a word or two."""
    failed = entry.outcomes.get("failed", 0)
    return (
        f"{entry.outcome}, {failed:,} failed"
        if failed and entry.is_finished
        else str(entry.outcome)
    )


def _media(entry: Entry) -> str | None:
    """Return the medium that was named for an export, as far as its size tells."""
    from catalog.exporting.volumes import MEDIA

    size = entry.options.get("capacity_bytes")
    return next((name for name, capacity in MEDIA.items() if capacity == size), None)


def _asked(
    since: str | None, until: str | None, recipient: str | None, destination: str | None
) -> Asked:
    from catalog.database.ledger_reading import Asked
    from catalog.errors import SelectionError

    asked = Asked(_day(since, "--since"), _day(until, "--until"), recipient, destination)
    if asked.since and asked.until and asked.since > asked.until:
        raise SelectionError(
            f"--since {asked.since} is after --until {asked.until}, so nothing can lie between them."
        )
    return asked


def _day(text: str | None, option: str) -> str | None:
    """Return a day that was typed, such as `2024-01-31`, 20240131, today or yesterday.

    Raises
    ------
    SelectionError
        If it is none.
    """
    from datetime import datetime, timedelta

    from catalog import normal_forms
    from catalog.errors import SelectionError

    if text is None:
        return None
    today = datetime.now().astimezone().date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}.get(text.strip().lower())
    found = named.isoformat() if named else normal_forms.date(text.strip().replace("-", ""))
    if not found:
        raise SelectionError(
            f"{option} {text!r} is no day: write it as 2024-01-31, 20240131, today or yesterday.",
            text,
        )
    return found


app = declared.Group(
    "The disclosure ledger: every export, with who received whose images.",
    {"list": list_, "show": show, "patient": patient},
)
