"""One entry of the ledger for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.cli.render import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.database.ledger_reading import Entry, StudyShare

SHOWN = 20
"""How many instances that are not on the medium are named."""


def print_entry(entry: Entry, shares: Sequence[StudyShare], notices: Sequence[str]) -> None:
    """Print what is known of an export, and its studies."""
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, plain, size_text, wrapped

    def line(name: str, value: object) -> None:
        if value:
            print(wrapped(f"{name:<12}{plain(value)}", 12))  # noqa: T201 - the answer

    volume = f", volume {entry.volume} of {entry.volumes}" if entry.volume else ""
    line("Export", f"{entry.number}{volume}")
    line("Outcome", str(entry.outcome))
    line("Who", entry.who)
    line("Begun", entry.run.started_at)
    if entry.resumed:
        line("Resumed", f"{entry.resumed.started_at} by {entry.resumed.login}@{entry.resumed.host}")
    line("Ended", entry.last_run.finished_at)
    line("Recipient", entry.recipient)
    line("Reason", entry.reason)
    line("Destination", entry.destination)
    line("Selection", entry.selection)
    if entry.run.arguments != entry.selection:
        line("Command", entry.run.arguments and f"dcat {entry.run.arguments}")
    line("File-set ID", entry.file_set_id)
    line("UID", entry.file_set_uid)
    line("DICOMDIR", entry.dicomdir_digest and f"SHA-256 {entry.dicomdir_digest}")
    counts = ", ".join(
        f"{entry.outcomes[outcome]:,} {_WORDS[outcome]}"
        for outcome in _WORDS
        if entry.outcomes.get(outcome)
    )
    line("Instances", counts)
    line("Copied", f"{size_text(entry.size_bytes)} of {counted(entry.patients, 'patient')}, {counted(entry.studies, 'study', 'studies')}")  # fmt: skip
    for notice in notices:
        line("Noticed", notice)
    print()  # noqa: T201
    write_rows(
        ("PatientID", "Issuer", "Study", "Accession", "Copied", "Size", "SOPClasses"),
        [
            (
                s.patient_id, s.issuer_of_patient_id, s.study_instance_uid, s.accession_number,
                s.outcomes.get("copied", 0), size_text(s.size_bytes), _class_names(s),
            )
            for s in shares
        ],
        Format.TABLE,
    )  # fmt: skip


_WORDS = {
    "copied": "copied",
    "failed": "failed",
    "left-out": "left out",
    "planned": "not recorded as copied",
    "removed": "removed",
}


def print_missing(entry: Entry, items: Iterator[Any]) -> None:
    """Name the first instances that are not on the medium."""
    from itertools import islice

    from catalog.cli.render import write_rows
    from catalog.cli.saying import say

    rows = [
        (_WORDS[item.outcome], item.sop_instance_uid, item.reason, item.source)
        for item in islice(items, SHOWN)
    ]
    if not rows:
        return
    print()  # noqa: T201
    write_rows(("Outcome", "SOPInstanceUID", "Reason", "Source"), rows, Format.TABLE)
    more = sum(entry.outcomes.get(name, 0) for name in ("failed", "left-out", "planned")) - SHOWN
    if more > 0:
        say(f"… and {more:,} more; `dcat ledger show {entry.number} -o csv` lists all.")


def _class_names(share: StudyShare) -> str:
    from catalog.fileset.records import record_type_for

    return ", ".join(
        f"{count:,} {(record_type_for(uid).name or uid) if uid else 'not known any more'}"
        for uid, count in share.sop_classes.items()
    )


def classes_text(share: StudyShare) -> str:
    """Return the SOP Classes of a study's instances with how many there are of each."""
    return "\\".join(f"{uid or '?'}={count}" for uid, count in share.sop_classes.items())
