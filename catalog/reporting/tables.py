"""Tables of a page: what the catalogue holds, its runs and its exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.reporting import wording
from catalog.reporting.values import Report
from catalog.reporting.wording import counted, number, shown, size


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; `numeric` says of each column whether it stands to the right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    more: str = ""
    """What is not in it, a sentence."""


def summary(report: Report) -> list[tuple[str, str, str]]:
    """Return (name, number, remark) of what the catalogue holds."""
    totals = report.figures.totals
    return [
        ("Patients", number(totals.patients), ""),
        ("Studies", number(totals.studies), ""),
        ("Series", number(totals.series), ""),
        ("Instances", number(totals.instances), ""),
        ("Size", size(totals.size_bytes), "of the files that hold instances"),
        ("Files", number(totals.files), f"{number(totals.instance_files)} hold an instance"),
        ("Missing", number(totals.missing), "files that were there, or should be"),
        ("Defective", number(totals.defective), "unreadable, cut short or incomplete"),
    ]


_STATUS_MEANING = {
    "ok": "a readable instance",
    "truncated": "an instance that ends inside its Pixel Data",
    "dicomdir": "a Media Storage Directory",
    "incomplete": "DICOM without a UID that places it",
    "unreadable": "DICOM, or perhaps DICOM, that cannot be read",
    "not-dicom": "something else",
    "not-followed": "a link or special file that was left alone",
    "archive": "an archive whose members are counted too",
    "referenced": "named by a DICOMDIR, not read yet",
    "missing": "was there, or a DICOMDIR says so, and is not",
}


def statuses(report: Report) -> Table:
    """Return the table of files by status."""
    return Table(
        "Files by status",
        ("Status", "What it is", "Files", "Size"),
        [
            (shown(each.status), _STATUS_MEANING.get(each.status, ""), number(each.files), size(each.size_bytes))
            for each in report.figures.statuses
        ],
        (False, False, True, True),
    )  # fmt: skip


def exports(report: Report) -> Table:
    """Return the table of the latest exports."""
    found = report.figures.exports
    further = ("Destination", "Recipient", "Reason") if report.is_identifying else ()
    more = report.figures.all_exports - len(found)
    return Table(
        "The latest exports",
        ("Started", "Outcome", "Copied", "Left out", "Failed", "Size", *further),
        [
            (
                wording.stamp(each.started_at), shown(each.outcome), number(each.copied), number(each.left_out),
                number(each.failed), size(each.size_bytes),
                *((shown(each.destination), shown(each.recipient), shown(each.reason)) if further else ()),
            )
            for each in found
        ],
        (False, False, True, True, True, True, *(False for _ in further)),
        f"{counted(more, 'export')} before {'this' if len(found) == 1 else 'these'}." if more else "",
    )  # fmt: skip


def runs(report: Report) -> Table:
    """Return the table of the latest runs."""
    further = ("As typed", "By") if report.is_identifying else ()
    return Table(
        "The latest runs",
        ("Run", "Command", "Started", "Duration", "Outcome", "Counts", *further),
        [
            (
                str(each.ref), shown(each.command), wording.stamp(each.started_at), wording.duration(each.seconds),
                each.outcome.value, wording.counts(each.counts),
                *((shown(each.arguments), shown(f"{each.login} on {each.host}")) if further else ()),
            )
            for each in report.runs
        ],
        (True, False, False, True, False, False, *(False for _ in further)),
    )  # fmt: skip
