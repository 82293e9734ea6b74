"""From the ledger to events and reports: exports that went well, half, and to no end."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import html5lib
import pytest

from catalog.database import ledger_reading
from catalog.database.catalogue import Catalogue
from catalog.database.ledger_reading import Entry
from catalog.disclosing import Account, AuditEvent, Form, export_events, message, report
from catalog.errors import ExportError
from tests.builders import archive, write
from tests.disclosing.audit_schema import valid_event
from tests.journeys.steps import exported, indexed

HOSTILE = '<script>alert(1)</script> & "x" \u202e'


def account(catalogue: Catalogue, entry: Entry) -> Account:
    with catalogue.read() as connection:
        items = list(ledger_reading.items(connection, entry))
        shares = tuple(ledger_reading.studies(connection, entry))
        notices = tuple(ledger_reading.findings(connection, entry).get("", ()))
    return Account(entry, shares, lambda: items, notices)


def events(catalogue: Catalogue, entry: Entry) -> list[AuditEvent]:
    return export_events(entry, account(catalogue, entry).shares, "", None)


@pytest.fixture
def half(catalogue: Catalogue, tmp_path: Path) -> Catalogue:
    """A catalogue with an export of which three were copied, one failed and one was left out."""
    files = archive(tmp_path / "in", 2, 1, 1, 2)
    write(tmp_path / "in/private.dcm", SOPClassUID="1.2.3.4", SOPInstanceUID="1.2.9", PatientID="P9", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", IssuerOfPatientID="X")  # fmt: skip
    indexed(catalogue, tmp_path / "in")
    files[0].unlink()
    exported(catalogue, tmp_path / "out", reason=HOSTILE, recipient="=HYPERLINK(1)")
    return catalogue


def text(catalogue: Catalogue, form: Form) -> str:
    (entry,) = ledger_reading.entries(catalogue)
    return "".join(report([account(catalogue, entry)], form))


def test_success_and_failure_are_messages_of_their_own(half: Catalogue) -> None:
    (entry,) = ledger_reading.entries(half)
    good, bad = events(half, entry)
    assert (good.outcome, bad.outcome) == (0, 4)
    assert sum(sum(s.sop_classes.values()) for s in good.studies) == 3
    assert [dict(s.sop_classes) for s in bad.studies] == [{"": 1}]
    assert {p.patient_id for p in good.patients} == {"P1", "P2"}
    assert {p.patient_id for p in bad.patients} == {"P1"}
    assert good.patients[0].name == "Doe^Number1"
    assert good.source_id == entry.run.host
    for event in (good, bad):
        valid_event(message(event))


def test_a_medium_that_was_not_finished_is_one_serious_failure(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "in", 1, 1, 1, 2)
    indexed(catalogue, tmp_path / "in")

    def broken(*args: object) -> None:
        raise ExportError("The medium was pulled.")

    monkeypatch.setattr("catalog.exporting.folder.FolderReceiver.finish", broken)
    with pytest.raises(ExportError):
        exported(catalogue, tmp_path / "out")
    (entry,) = ledger_reading.entries(catalogue)
    assert (entry.outcome, entry.is_finished) == ("failed", False)
    (event,) = events(catalogue, entry)
    assert event.outcome == 8
    assert [dict(s.sop_classes) for s in event.studies] == [{"1.2.840.10008.5.1.4.1.1.2": 2}]
    valid_event(message(event))
    page = "".join(report([account(catalogue, entry)], Form.HTML))
    assert '<dd class="bad">failed</dd>' in page


def test_json(half: Catalogue, tmp_path: Path) -> None:
    (told,) = json.loads(text(half, Form.JSON))["Exports"]
    assert told["Outcome"] == "done"
    assert told["Reason"] == HOSTILE
    assert told["Instances"] == {"copied": 3, "failed": 1, "left-out": 1}
    assert told["Destination"] == str(tmp_path / "out")
    rows: list[dict[str, Any]] = told["PerInstance"]
    assert sorted(row["Outcome"] for row in rows) == ["copied"] * 3 + ["failed", "left-out"]
    copied = [row for row in rows if row["Outcome"] == "copied"]
    for row in copied:
        assert (tmp_path / "out" / row["FileID"]).stat().st_size == row["Bytes"]
        assert len(row["SHA256"]) == 64
        assert Path(row["Source"]).exists()
    (left_out,) = [row for row in rows if row["Outcome"] == "left-out"]
    assert left_out["Reason"]
    assert left_out["IssuerOfPatientID"] == "X"


def test_what_was_supplied_is_told_with_its_instance(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "in/a.dcm", InstanceNumber=None)
    indexed(catalogue, tmp_path / "in")
    exported(catalogue, tmp_path / "out")
    (told,) = json.loads(text(catalogue, Form.JSON))["Exports"]
    (row,) = told["PerInstance"]
    assert any("InstanceNumber" in finding for finding in row["Findings"])


def test_csv(half: Catalogue) -> None:
    rows = list(csv.DictReader(io.StringIO(text(half, Form.CSV))))
    assert len(rows) == 5
    assert {row["Outcome"] for row in rows} == {"copied", "failed", "left-out"}
    assert rows[0]["Export"] == "1"


def test_no_cell_is_a_formula(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "in/a.dcm", PatientID="=1+1", IssuerOfPatientID="@x")
    indexed(catalogue, tmp_path / "in")
    exported(catalogue, tmp_path / "out")
    (row,) = csv.DictReader(io.StringIO(text(catalogue, Form.CSV)))
    assert (row["PatientID"], row["IssuerOfPatientID"]) == ("'=1+1", "'@x")


def test_html_is_strict_inert_and_escaped(half: Catalogue) -> None:
    page = text(half, Form.HTML)
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    assert document.find(".//script") is None
    assert not any(name.startswith("on") for each in document.iter() for name in each.attrib)
    assert not re.search(r"(src|href)\s*=", page)
    assert "default-src 'none'; style-src 'sha256-" in page
    assert "&lt;script&gt;" in page
    assert "\\u202e" in page
    assert "\u202e" not in page
    cells = ["".join(row.itertext()) for row in document.iter("tr")]
    assert sum("left out" in cell for cell in cells) == 2  # its study, and the instance


def test_the_policy_allows_the_pages_own_style(half: Catalogue) -> None:
    import base64
    import hashlib

    page = text(half, Form.HTML)
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page


@pytest.mark.parametrize("form", list(Form))
def test_one_ledger_gives_one_report(half: Catalogue, form: Form) -> None:
    assert text(half, form) == text(half, form)
    text(half, form).encode("utf-8")
