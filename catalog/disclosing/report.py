"""The report of an export: each instance with its source, File ID, digest and outcome, as JSON, CSV or HTML.

Made from the ledger, so that of a past export it can be had too, and a resumed one is in it whole.
Text comes in pieces, as an export may have a million instances.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from catalog.database.ledger_reading import Entry, Item, StudyShare
from catalog.disclosing import page
from catalog.shapes import frozen


class Form(StrEnum):
    """How a report is written; each is also the ending of its file's name."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


@frozen
class Account:
    """One entry of the ledger with all that a report says of it.

    Attributes
    ----------
    items:
        Gives the instances, anew each time.
    notices:
        Sentences about the medium as a whole: values that the directory had to supply, and so on.
    """

    entry: Entry
    shares: tuple[StudyShare, ...]
    items: Callable[[], Iterable[Item]]
    notices: tuple[str, ...] = ()


COLUMNS = (
    "Export", "Volume", "Outcome", "FileID", "SOPInstanceUID", "SOPClassUID", "StudyInstanceUID",
    "PatientID", "IssuerOfPatientID", "Source", "Bytes", "SHA256", "Reason", "Findings",
)  # fmt: skip
"""Of a report as CSV; a JSON report has the same names."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def report(accounts: Sequence[Account], form: Form) -> Iterator[str]:
    """Yield the text of a report about the exports, or volumes, in `accounts`."""
    match form:
        case Form.JSON:
            yield from _json(accounts)
        case Form.CSV:
            yield from _csv(accounts)
        case Form.HTML:
            yield from page.page([(a.entry, a.shares, a.items, a.notices) for a in accounts])


def head(entry: Entry) -> dict[str, Any]:
    """Return what the ledger says of an export, its instances aside, by name."""
    last = entry.last_run
    return {
        "Export": entry.number,
        "Outcome": str(entry.outcome),
        "Started": entry.run.started_at,
        "Finished": last.finished_at,
        "Resumed": entry.resumed.started_at if entry.resumed else None,
        "Who": entry.who,
        "Version": last.version,
        "Command": f"dcat {entry.run.arguments}" if entry.run.arguments else "",
        "Selection": entry.selection,
        "Reason": entry.reason,
        "Recipient": entry.recipient,
        "Destination": entry.destination,
        "Volume": entry.volume,
        "Volumes": entry.volumes,
        "FileSetID": entry.file_set_id,
        "FileSetUID": entry.file_set_uid,
        "DicomdirSHA256": entry.dicomdir_digest,
        "Patients": entry.patients,
        "Studies": entry.studies,
        "Instances": dict(entry.outcomes),
        "Bytes": entry.size_bytes,
    }


def study(share: StudyShare) -> dict[str, Any]:
    """Return what an export holds of a study, by name."""
    return {
        "PatientID": share.patient_id,
        "IssuerOfPatientID": share.issuer_of_patient_id,
        "PatientName": share.patient_name,
        "StudyInstanceUID": share.study_instance_uid,
        "AccessionNumber": share.accession_number,
        "Instances": dict(share.outcomes),
        "SOPClasses": dict(share.sop_classes),
        "Bytes": share.size_bytes,
    }


def instance(entry: Entry, item: Item) -> tuple[Any, ...]:
    """Return one instance, in the order of `COLUMNS`; findings are a tuple of sentences."""
    return (
        entry.number, entry.volume, item.outcome, item.file_id, item.sop_instance_uid,
        item.sop_class_uid, item.study_instance_uid, item.patient_id, item.issuer_of_patient_id,
        item.source, item.size_bytes, item.digest, item.reason, item.findings,
    )  # fmt: skip


def _json(accounts: Sequence[Account]) -> Iterator[str]:
    yield '{\n"Exports": ['
    between = "\n"
    for account in accounts:
        yield between + "{"
        between = ",\n"
        known: Mapping[str, Any] = {
            **head(account.entry),
            "PerStudy": [study(share) for share in account.shares],
            "Notices": list(account.notices),
        }
        for name, value in known.items():
            yield f"\n{json.dumps(name)}: {_value(value)},"
        yield '\n"PerInstance": ['
        separator = "\n"
        for item in account.items():
            row = dict(zip(COLUMNS, instance(account.entry, item), strict=True))
            yield separator + _value(row)
            separator = ",\n"
        yield "\n]}"
    yield "\n]\n}\n"


def _value(value: object) -> str:
    """Return `value` as JSON that is UTF-8, whatever paths are."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _csv(accounts: Sequence[Account]) -> Iterator[str]:
    yield _line(COLUMNS)
    for account in accounts:
        for item in account.items():
            *cells, findings = instance(account.entry, item)
            yield _line([*cells, " ".join(findings)])


def _line(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return out.getvalue()


def _cell(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula, and that can be UTF-8."""
    if not isinstance(cell, str):
        return "" if cell is None else cell
    text = cell.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"'{text}" if text.startswith(_FORMULAS) else text
