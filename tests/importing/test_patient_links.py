"""Foreign patients that are one of this place: stated, kept, and never written into rows or files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database import patient_links
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.patient_links import Link, LinkRefused, PatientId, parsed, parsed_id
from tests.builders import write
from tests.cli.conftest import dcat  # noqa: F401 - a fixture
from tests.importing.steps import taken_in
from tests.journeys.steps import indexed, rows
from tests.tables import dump

NOW = "2026-01-01T00:00:00+00:00"


def add(catalogue: Catalogue, *texts: str) -> int:
    with catalogue.write() as connection:
        return patient_links.add(connection, [parsed(text) for text in texts], None, NOW)


def standing(catalogue: Catalogue) -> set[tuple[str, str]]:
    with catalogue.read() as connection:
        return {(str(s.link.foreign), str(s.link.local)) for s in patient_links.stored(connection)}


@pytest.mark.parametrize(
    ("text", "foreign", "local"),
    [
        ("A=B", PatientId("A"), PatientId("B")),
        ("A^X=B^Y", PatientId("A", "X"), PatientId("B", "Y")),
        (r"A\=1=B", PatientId("A=1"), PatientId("B")),
        (r"A\^1^X=B\\", PatientId("A^1", "X"), PatientId("B\\")),
        (r"A\n=B", PatientId(r"A\n"), PatientId("B")),
        (" A ^ X = B ", PatientId("A", "X"), PatientId("B")),
    ],
)
def test_what_a_text_means(text: str, foreign: PatientId, local: PatientId) -> None:
    assert parsed(text)[:2] == (foreign, local)


@pytest.mark.parametrize("text", ["", "A", "=", "A=", "=B", "^X=B", "A=B=C", "A^B^C=D", r"A\=B", " = "])  # fmt: skip
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(LinkRefused):
        parsed(text)


@given(st.text(alphabet="=^\\aB ", min_size=1), st.text(alphabet="=^\\aB "))
def test_a_patient_is_read_as_written(patient_id: str, issuer: str) -> None:
    own = PatientId(patient_id.strip() or "x", issuer.strip())
    assert parsed_id(str(own)) == own
    assert parsed(f"{own}={own}x").foreign == own


@pytest.mark.parametrize(
    ("before", "text", "says"),
    [
        ([], "A=A", "itself"),
        ([], "A^X=A^X", "itself"),
        (["A=B"], "B=C", "target"),
        (["A=B"], "C=A", "linked to B itself"),
        (["A=B"], "B=A", "target"),
        (["A=B"], "A=C", "unlink it first"),
    ],
)
def test_chains_circles_and_contradictions(
    before: list[str], text: str, says: str, catalogue: Catalogue
) -> None:
    add(catalogue, *before)
    stood = standing(catalogue)
    with pytest.raises(LinkRefused, match=says):
        add(catalogue, "Z=Y", text)
    assert standing(catalogue) == stood  # all or nothing
    with catalogue.read() as connection, pytest.raises(LinkRefused, match=says):
        patient_links.check(connection, [parsed(text)])


def test_an_issuer_makes_another_patient(catalogue: Catalogue) -> None:
    assert add(catalogue, "1=2", "1^X=3", "2^Y=2", "9=2") == 4
    assert add(catalogue, "1=2") == 0


@settings(max_examples=25)
@given(links=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=12))
def test_links_have_one_step_whatever_is_asked(
    links: list[tuple[str, str]], empty_catalogue: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("links") / "c.db"
    shutil.copy(empty_catalogue, path)
    with open_catalogue(path) as catalogue:
        for foreign, local in links:
            try:
                add(catalogue, f"{foreign}={local}")
            except LinkRefused:
                continue
        stood = standing(catalogue)
        assert not {f for f, _ in stood} & {to for _, to in stood}
        assert len({f for f, _ in stood}) == len(stood)


def test_an_import_links_and_changes_no_row_and_no_file(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    file = write(tmp_path / "medium/a", PatientID="F1", IssuerOfPatientID="ACME")
    before = file.read_bytes()
    one, other = new_catalogue(), new_catalogue()
    links = (Link(PatientId("F1", "ACME"), PatientId("L1"), "letter of 1 May"),)
    outcome = taken_in(one, tmp_path / "medium", copy_to=tmp_path / "archive", links=links)
    taken_in(other, tmp_path / "medium", copy_to=tmp_path / "archive")
    assert outcome.linked == 1
    assert dump(one.path) == dump(other.path)
    assert [p.read_bytes() for p in (tmp_path / "archive").rglob("*.dcm")] == [before]
    for view in ("v_patient", "v_study", "v_series", "v_instance"):
        (row,) = rows(one.path, f"SELECT PatientID, LinkedPatientID, LinkedIssuerOfPatientID FROM {view}")  # fmt: skip
        assert tuple(row.values()) == ("F1", "L1", "")
        (row,) = rows(other.path, f"SELECT LinkedPatientID FROM {view}")
        assert row["LinkedPatientID"] is None
    (kept,) = rows(one.path, "SELECT * FROM patient_link")
    assert kept["reason"] == "letter of 1 May"
    assert kept["run_ref"] == rows(one.path, "SELECT max(id) AS id FROM run")[0]["id"]
    again = taken_in(one, tmp_path / "medium", copy_to=tmp_path / "archive", links=links)
    assert again.linked == 0


def test_a_link_that_cannot_be_stops_the_import_before_it_begins(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    write(tmp_path / "medium/a")
    add(catalogue, "P1=X")
    with pytest.raises(LinkRefused):
        taken_in(catalogue, tmp_path / "medium", copy_to=tmp_path / "archive", links=(parsed("P1=Y"),))  # fmt: skip
    assert not (tmp_path / "archive").exists()
    assert rows(catalogue.path, "SELECT * FROM run") == []


def test_a_link_outlives_the_rows_of_its_patients(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "archive/a", PatientID="F1")
    indexed(catalogue, tmp_path / "archive")
    add(catalogue, "F1=L1")
    (tmp_path / "archive/a").unlink()
    indexed(catalogue, tmp_path / "archive")
    with catalogue.write() as connection:
        from catalog.database import models, pruning

        ids = [row.id for row in connection.execute(models.file.select())]
        pruning.delete_files(connection, ids)
    assert rows(catalogue.path, "SELECT * FROM v_patient") == []
    assert standing(catalogue) == {("F1", "L1")}
    write(tmp_path / "archive/b", PatientID="F1")
    indexed(catalogue, tmp_path / "archive")
    (row,) = rows(catalogue.path, "SELECT LinkedPatientID FROM v_patient")
    assert row["LinkedPatientID"] == "L1"


def test_the_commands(dcat: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:  # noqa: F811
    db = ("--db", str(tmp_path / "c.db"))
    write(tmp_path / "archive/a", PatientID="F1")
    assert dcat("index", tmp_path / "archive", *db)[0] == 0
    assert dcat("patient", "links", *db) == (0, "", "No patient is linked. `dcat patient link FOREIGN=LOCAL` links one.\n")  # fmt: skip
    assert dcat("patient", "link", "F1=L1", "F2^X=L1", "--reason", "letter", *db)[0] == 0
    code, out, _ = dcat("patient", "links", "-o", "csv", *db)
    assert (code, [line.split(",")[:5] for line in out.splitlines()[1:]]) == (0, [["F1", "", "L1", "", "1"], ["F2", "X", "L1", "", "0"]])  # fmt: skip
    found = dcat("find", "studies", "--where", "LinkedPatientID = 'L1'", "-o", "json", *db)
    assert '"F1"' in found[1]
    refused = dcat("patient", "link", "L1=F1", *db)
    assert refused[0] == 2
    assert refused[2].startswith("dcat: L1 is the target of a link")
    assert dcat("patient", "unlink", "F3", *db)[0] == 2
    assert dcat("patient", "unlink", "F1", "F2^X", *db)[0] == 0
    assert dcat("patient", "unlink", "F1", *db)[0] == 2
