"""`dcat ledger`, `--report` and `--audit-message`: asked at the command line."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.builders import write
from tests.cli.conftest import Dcat
from tests.disclosing.audit_schema import participants, valid_event


@pytest.fixture
def kept(dcat: Dcat, db: Path, tmp_path: Path) -> Path:
    """A catalogue with two exports: of patient P1 to Dr Müller, and of all to nobody."""
    first = dcat("export", tmp_path / "one", "--patient", "P1", "--recipient", "Dr Müller", "--reason", "second opinion", "--file-set-id", "ONE", "--db", db)  # fmt: skip
    assert first.code == 0, first.err
    assert dcat("export", tmp_path / "two", "--db", db).code == 0
    return db


def rows(out: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out)))


def test_list(dcat: Dcat, kept: Path, tmp_path: Path) -> None:
    said = dcat("ledger", "list", "-o", "json", "--db", kept)
    assert said.code == 0
    second, first = json.loads(said.out)
    assert (first["Export"], second["Export"]) == (1, 2)
    assert first["Outcome"] == "done"
    assert (first["Recipient"], first["Reason"]) == ("Dr Müller", "second opinion")
    assert first["Destination"] == str(tmp_path / "one")
    assert (first["FileSetID"], first["Copied"], first["Failed"]) == ("ONE", 12, 0)
    assert (first["Patients"], first["Studies"]) == (1, 2)
    assert "--recipient 'Dr Müller'" in first["Command"]
    assert "@" in first["Who"]
    assert first["Started"][-6] in "+-"  # the offset of its zone
    table = dcat("ledger", "list", "--db", kept)
    assert "Dr Müller" in table.out
    assert "2 exports" in table.err


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        (("--recipient", "MULLER"), ["1"]),
        (("--destination", "/TWO"), ["2"]),
        (("--since", "today"), ["2", "1"]),
        (("--until", "yesterday"), []),
        (("--since", "1999-12-31", "--until", "20000101"), []),
    ],
)
def test_list_of_some(dcat: Dcat, kept: Path, asked: tuple[str, ...], numbers: list[str]) -> None:
    said = dcat("ledger", "list", *asked, "-o", "csv", "--db", kept)
    assert [row["Export"] for row in rows(said.out)] == numbers
    assert ("no such export" in said.err) == (not numbers)


def test_an_empty_ledger_says_so(dcat: Dcat, db: Path) -> None:
    said = dcat("ledger", "list", "--db", db)
    assert (said.code, said.out) == (0, "")
    assert "has no export" in said.err
    assert dcat("ledger", "list", "-o", "json", "--db", db).out == "[\n]\n"
    assert dcat("ledger", "patient", "P1", "--db", db).code == 0


@pytest.mark.parametrize(
    ("line", "code", "part"),
    [
        (("show", "9"), 1, "no export 9"),
        (("show", "x"), 2, ""),
        (("list", "--since", "soon"), 2, "no day"),
        (("list", "--since", "2024-02-01", "--until", "2024-01-31"), 2, "nothing can lie between"),
        (("patient", "P1", "--since", "2024-02-01", "--until", "2024-01-31"), 2, "nothing can lie"),
        (("patient", "P1", "--recipient", "nobody"), 0, "No export that is asked for holds images"),
        (("patient", "P9"), 0, "No export in the ledger holds images of patient P9."),
        (("patient",), 2, ""),
    ],
)
def test_wrong_questions(
    dcat: Dcat, kept: Path, line: tuple[str, ...], code: int, part: str
) -> None:
    said = dcat("ledger", *line, "--db", kept)
    assert said.code == code
    assert part in said.err


def test_show(dcat: Dcat, kept: Path) -> None:
    said = dcat("ledger", "show", 1, "--db", kept)
    assert said.code == 0
    for part in ("Dr Müller", "second opinion", "ONE", "12 copied", "6 CT Image Storage"):
        assert part in said.out
    (told,) = json.loads(dcat("ledger", "show", 1, "-o", "json", "--db", kept).out)["Exports"]
    assert len(told["PerInstance"]) == 12
    instances = rows(dcat("ledger", "show", 1, "-o", "csv", "--db", kept).out)
    assert [row["FileID"] for row in instances] == [row["FileID"] for row in told["PerInstance"]]


def test_who_received_this_patients_images(dcat: Dcat, kept: Path) -> None:
    found = rows(dcat("ledger", "patient", "P1", "-o", "csv", "--db", kept).out)
    assert [(row["Export"], row["Recipient"]) for row in found] == [
        ("2", ""), ("2", ""), ("1", "Dr Müller"), ("1", "Dr Müller"),
    ]  # fmt: skip
    assert {row["Instances"] for row in found} == {"6"}
    only_two = rows(dcat("ledger", "patient", "P2", "-o", "csv", "--db", kept).out)
    assert {row["Export"] for row in only_two} == {"2"}
    nobody = dcat("ledger", "patient", "P*", "--db", kept)
    assert nobody.out == ""
    assert "No export" in nobody.err


def test_patients_of_one_id_and_several_issuers(dcat: Dcat, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    for number, issuer in enumerate(("A", "B", None), 1):
        study = f"1.2.{number}"
        write(tmp_path / f"in/{number}.dcm", IssuerOfPatientID=issuer, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=f"{study}.1.1")  # fmt: skip
    assert dcat("index", tmp_path / "in", "--db", db, "-j", "1").code == 0
    for number in (1, 2, 3):
        assert dcat("export", tmp_path / f"m{number}", "--study", f"1.2.{number}", "--db", db).code == 0  # fmt: skip

    def exports(*more: str) -> list[str]:
        said = dcat("ledger", "patient", "P1", *more, "-o", "csv", "--db", db)
        return [row["Export"] for row in rows(said.out)]

    assert exports() == ["3", "2", "1"]
    assert exports("--issuer", "B") == ["2"]
    assert exports("--issuer", "-") == ["3"]
    assert exports("--issuer", "C") == []

    def written(text: str, *more: str) -> list[str]:
        said = dcat("ledger", "patient", text, *more, "-o", "csv", "--db", db)
        return [row["Export"] for row in rows(said.out)]

    assert written("P1^B") == ["2"]  # as messages write it
    assert written("P1^C") == []
    assert written("P1^B", "--issuer", "-") == []


def test_a_patient_id_with_a_circumflex_is_read_as_it_is_recorded(
    dcat: Dcat, tmp_path: Path
) -> None:
    db = tmp_path / "c.db"
    for number, (own, issuer) in enumerate((("P1^B", None), ("P1", "B")), 1):
        study = f"1.2.{number}"
        write(tmp_path / f"in/{number}.dcm", PatientID=own, IssuerOfPatientID=issuer, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=f"{study}.1.1")  # fmt: skip
    assert dcat("index", tmp_path / "in", "--db", db, "-j", "1").code == 0
    for number in (2, 1):
        assert dcat("export", tmp_path / f"m{number}", "--study", f"1.2.{number}", "--db", db).code == 0  # fmt: skip
    said = dcat("ledger", "patient", "P1^B", "-o", "csv", "--db", db)
    assert [row["Export"] for row in rows(said.out)] == ["2"]
    assert [row["PatientID"] for row in rows(said.out)] == ["P1^B"]


@pytest.mark.sqlite  # it deletes rows against their references
def test_the_answer_outlives_the_rows(dcat: Dcat, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    write(tmp_path / "in/a.dcm")
    dcat("index", tmp_path / "in", "--db", db, "-j", "1")
    assert dcat("export", tmp_path / "m", "--recipient", "Dr Who", "--db", db).code == 0
    (tmp_path / "in/a.dcm").unlink()
    write(tmp_path / "in/b.dcm", PatientID="P2", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", SOPInstanceUID="1.9.1.1")  # fmt: skip
    pruned = dcat("index", tmp_path / "in", "--prune", "--yes", "--db", db, "-j", "1")
    assert pruned.code == 0, pruned.err
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT path FROM file").fetchall() == [("b.dcm",)]
    (row,) = rows(dcat("ledger", "patient", "P1", "-o", "csv", "--db", db).out)
    assert (row["Recipient"], row["Instances"], row["AccessionNumber"]) == ("Dr Who", "1", "A1")
    assert row["SOPClasses"] == "1.2.840.10008.5.1.4.1.1.2=1"
    with closing(sqlite3.connect(db)) as connection:
        # The records of the exported File-set still name the patient; without them nothing does.
        for table in ("fileset_record", "instance", "series_total", "series", "study", "patient"):
            connection.execute(f"DELETE FROM {table}")
        connection.commit()
    (row,) = rows(dcat("ledger", "patient", "P1", "-o", "csv", "--db", db).out)
    assert (row["Recipient"], row["Instances"], row["AccessionNumber"]) == ("Dr Who", "1", "")
    assert row["SOPClasses"] == "?=1"
    said = dcat("ledger", "show", 1, "--audit-message", tmp_path / "a.xml", "--db", db)
    assert said.code == 0
    valid_event((tmp_path / "a.xml").read_bytes())


def test_an_interrupted_export_is_shown_as_such(
    dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("catalog.exporting.folder.FolderReceiver.finish", interrupted)
        said = dcat("export", tmp_path / "m", "--patient", "P1", "--report", tmp_path / "r.json", "--audit-message", tmp_path / "a.xml", "--db", db)  # fmt: skip
    assert said.code == 130
    (told,) = json.loads((tmp_path / "r.json").read_text())["Exports"]
    assert told["Outcome"] == "interrupted"
    root = valid_event((tmp_path / "a.xml").read_bytes())
    assert root[0].get("EventOutcomeIndicator") == "8"
    (entry,) = json.loads(dcat("ledger", "list", "-o", "json", "--db", db).out)
    assert (entry["Outcome"], entry["FileSetID"]) == ("interrupted", None)
    answer = dcat("ledger", "patient", "P1", "--db", db)
    assert "interrupted" in answer.out
    assert "Not finished: export 1" in answer.err

    resumed = dcat("export", "--resume", tmp_path / "m", "--report", tmp_path / "r.json", "--audit-message", tmp_path / "a2.xml", "--db", db)  # fmt: skip
    assert resumed.code == 0, resumed.err
    (told,) = json.loads((tmp_path / "r.json").read_text())["Exports"]
    assert (told["Outcome"], told["Instances"]) == ("done", {"copied": 12})
    root = valid_event((tmp_path / "a2.xml").read_bytes())
    assert root[0].get("EventOutcomeIndicator") == "0"


def test_what_a_saved_selection_meant_is_kept(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    assert dcat("selection", "save", "ct", "--patient", "P2", "--db", db).code == 0
    assert dcat("export", "@ct", tmp_path / "m", "--db", db).code == 0
    assert dcat("selection", "save", "ct", "--patient", "P1", "--replace", "--db", db).code == 0
    said = dcat("ledger", "show", 1, "--db", db)
    assert "[@ct is --patient P2]" in said.out


# -- the files of an export ----------------------------------------------------------------------


def test_report_and_audit_message_of_an_export(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[audit]\nsource_id = "archive-1"\n')
    for name in ("r.json", "r.csv", "r.html"):
        message = tmp_path / f"{name}.xml"
        said = dcat("export", tmp_path / f"m-{name}", "--patient", "P1", "--recipient", "Dr Who", "--report", tmp_path / name, "--audit-message", message, "--db", db)  # fmt: skip
        assert said.code == 0, said.err
        assert "identifies people" in said.err
        root = valid_event(message.read_bytes())
        (medium,) = participants(root, "110154")
        assert (medium.get("UserID") or "").endswith(f"/m-{name}")
        (receiver,) = participants(root, "110152")
        assert receiver.get("UserID") == "Dr Who"
        assert sum(int(c.get("NumberOfInstances") or 0) for c in root.iter("SOPClass")) == 12
    assert len(json.loads((tmp_path / "r.json").read_text())["Exports"][0]["PerInstance"]) == 12
    assert len(rows((tmp_path / "r.csv").read_text())) == 12
    assert "<!DOCTYPE html>" in (tmp_path / "r.html").read_text()


def test_the_source_of_messages_is_configured(
    dcat: Dcat, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text('[audit]\nsource_id = "archive-1"\n')
    monkeypatch.setenv("DCAT_CONFIG", str(tmp_path / "config.toml"))
    dcat("ledger", "show", 1, "--audit-message", tmp_path / "a.xml", "--db", kept)
    (source,) = valid_event((tmp_path / "a.xml").read_bytes()).iter("AuditSourceIdentification")
    assert source.get("AuditSourceID") == "archive-1"


def test_success_and_failure_are_two_files(dcat: Dcat, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    write(tmp_path / "in/a.dcm", SOPInstanceUID="1.2.3.1")
    write(tmp_path / "in/b.dcm", SOPInstanceUID="1.2.3.2")
    dcat("index", tmp_path / "in", "--db", db, "-j", "1")
    (tmp_path / "in/b.dcm").unlink()
    (tmp_path / "a-2.xml").write_text("mine")
    said = dcat("export", tmp_path / "m", "--as-found", "--audit-message", tmp_path / "a.xml", "--db", db)  # fmt: skip
    assert said.code == 3
    outcomes = [
        valid_event((tmp_path / name).read_bytes())[0].get("EventOutcomeIndicator")
        for name in ("a.xml", "a-3.xml")
    ]
    assert outcomes == ["0", "4"]
    assert (tmp_path / "a-2.xml").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "part", "code"),
    [
        (("--report", "{}/r.txt"), "must end in", 2),
        (("--report", "{}/there.csv"), "exists already", 1),
        (("--report", "{}/folder.csv"), "is a folder", 1),
        (("--report", "{}/none/r.csv"), "no folder", 1),
        (("--report", "{}/m/r.csv"), "", 1),
        (("--audit-message", "{}/there.csv"), "exists already", 1),
        (("--report", "{}/x.csv", "--audit-message", "{}/x.csv"), "name one file", 2),
        (("--report", "{}/link.csv"), "exists already", 1),
    ],
)
def test_files_that_cannot_be_are_refused_before_anything_is_written(
    dcat: Dcat, db: Path, tmp_path: Path, options: tuple[str, ...], part: str, code: int
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    said = dcat("export", tmp_path / "m", *(o.format(tmp_path) for o in options), "--db", db)
    assert said.code == code, said.err
    assert part in said.err
    assert not (tmp_path / "m").exists()
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert json.loads(dcat("ledger", "list", "-o", "json", "--db", db).out) == []


def test_a_report_does_not_go_onto_the_medium(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    said = dcat("export", tmp_path / "m", "--report", tmp_path / "m/r.csv", "--db", db)
    assert said.code == 2
    assert "lies on the medium" in said.err
    assert list((tmp_path / "m").iterdir()) == []


def test_verify_media_says_what_the_manifest_proves(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    dcat("export", tmp_path / "m", "--patient", "P1", "--db", db)
    good = dcat("verify", "--media", tmp_path / "m")
    assert (good.code, good.out) == (0, "")
    assert "13 of 13 files that MANIFEST.SHA256 lists" in good.err
    assert "its DICOMDIR and its manifest say" in good.err
    (tmp_path / "m/MANIFEST.SHA256").unlink()
    without = dcat("verify", "--media", tmp_path / "m", "-o", "json")
    assert without.code == 0
    assert [row["Code"] for row in json.loads(without.out)] == ["no-manifest"]
    assert "headers alone" in without.err


# -- imports, and patients that are linked -------------------------------------------------------


def test_audit_message_of_an_import(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    dcat("export", tmp_path / "m", "--db", db)
    new = tmp_path / "new.db"
    message = tmp_path / "a.xml"
    said = dcat("import", tmp_path / "m", "--audit-message", message, "--db", new)
    assert said.code == 0, said.err
    root = valid_event(message.read_bytes())
    assert root[0][0].get("csd-code") == "110107"
    assert root[0].get("EventOutcomeIndicator") == "0"
    (medium,) = participants(root, "110155")
    assert (medium.get("UserID") or "").startswith("file://")
    assert (medium.get("UserID") or "").endswith("/m")
    assert (medium.get("AlternativeUserID") or "").startswith("2.25.")
    assert sum(int(c.get("NumberOfInstances") or 0) for c in root.iter("SOPClass")) == 24
    objects = [o.get("ParticipantObjectID") for o in root.iter("ParticipantObjectIdentification")]
    assert objects == ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.2.1", "1.2.3.2.2", "P1", "P2"]
    again = dcat("import", tmp_path / "m", "--audit-message", message, "--db", new)
    assert again.code == 1
    assert "exists already" in again.err


def test_an_import_without_a_directory_has_its_message_too(dcat: Dcat, tmp_path: Path) -> None:
    write(tmp_path / "m/a.dcm")
    message = tmp_path / "a.xml"
    said = dcat("import", tmp_path / "m", "--copy-to", tmp_path / "archive", "--audit-message", message, "--db", tmp_path / "c.db")  # fmt: skip
    assert message.exists(), said.err
    root = valid_event(message.read_bytes())
    assert sum(int(c.get("NumberOfInstances") or 0) for c in root.iter("SOPClass")) == 1
    (medium,) = participants(root, "110155")
    assert (medium.get("UserID") or "").endswith("/m")


def test_an_import_that_is_interrupted_is_a_serious_failure(
    dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.database import ledger

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    dcat("export", tmp_path / "m", "--db", db)
    monkeypatch.setattr(ledger, "store_fileset", interrupted)
    said = dcat("import", tmp_path / "m", "--audit-message", tmp_path / "a.xml", "--db", tmp_path / "n.db")  # fmt: skip
    assert said.code == 130
    root = valid_event((tmp_path / "a.xml").read_bytes())
    assert root[0].get("EventOutcomeIndicator") == "8"
    assert "interrupted" in (root[0].findtext("EventOutcomeDescription") or "")


def test_patients_that_are_linked_are_asked_for_together(
    dcat: Dcat, kept: Path, tmp_path: Path
) -> None:
    linked = dcat("patient", "link", "P1=LOCAL^HOSP", "--db", kept)
    assert linked.code == 0, linked.err
    for line in (("LOCAL",), ("LOCAL", "--issuer", "HOSP"), ("P1",)):
        said = dcat("ledger", "patient", *line, "-o", "csv", "--db", kept)
        assert [row["Export"] for row in rows(said.out)] == ["2", "2", "1", "1"], line
        assert "linked to this patient" in said.err
    other = dcat("ledger", "patient", "LOCAL", "--issuer", "-", "-o", "csv", "--db", kept)
    assert rows(other.out) == []


def test_an_update_hands_out_anew_what_was_on_the_medium(
    dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    medium = tmp_path / "m"
    dcat("export", medium, "--patient", "P1", "--recipient", "A", "--db", db)
    added = dcat("export", "--update", medium, "--patient", "P1", "--patient", "P2", "--recipient", "B", "--db", db)  # fmt: skip
    assert added.code == 0, added.err
    assert dcat("verify", "--media", medium).code == 0
    taken = dcat("export", "--update", "--remove", medium, "--patient", "P2", "--recipient", "C", "--db", db)  # fmt: skip
    assert taken.code == 0, taken.err
    assert dcat("verify", "--media", medium).code == 0

    def recipients(patient: str) -> list[str]:
        found = rows(dcat("ledger", "patient", patient, "-o", "csv", "--db", db).out)
        assert {row["Instances"] for row in found} == {"6"}
        return [row["Recipient"] for row in found]

    assert recipients("P1") == ["B", "B", "A", "A"]
    assert recipients("P2") == ["C", "C", "B", "B"]


def test_of_an_export_that_was_killed_nobody_says_that_nothing_was_copied(
    dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    dcat("export", tmp_path / "m", "--patient", "P1", "--recipient", "Z", "--db", db)
    with closing(sqlite3.connect(db)) as connection:  # as it stands after kill -9, early
        connection.execute("UPDATE export SET fileset_ref = NULL")
        connection.execute("DELETE FROM fileset_record")
        connection.execute("DELETE FROM fileset")
        connection.execute("UPDATE run SET outcome = NULL, finished_at = NULL, pid = 999999999 WHERE command = 'export'")  # fmt: skip
        connection.execute("UPDATE export_item SET outcome = 'planned', digest = NULL, size_bytes = NULL WHERE id > 4")  # fmt: skip
        connection.commit()
    found = rows(dcat("ledger", "patient", "P1", "-o", "csv", "--db", db).out)
    assert {row["Outcome"] for row in found} == {"killed"}
    assert [(row["Instances"], row["MostInstances"]) for row in found] == [("4", "6"), ("0", "6")]
    said = dcat("ledger", "patient", "P1", "--db", db)
    assert "4 to 6" in said.out
    assert "killed" in said.err
    shown = dcat("ledger", "show", 1, "--audit-message", tmp_path / "a.xml", "--db", db)
    assert "8 not recorded as copied" in shown.out
    root = valid_event((tmp_path / "a.xml").read_bytes())
    assert root[0].get("EventOutcomeIndicator") == "8"
    assert sum(int(c.get("NumberOfInstances") or 0) for c in root.iter("SOPClass")) == 12
