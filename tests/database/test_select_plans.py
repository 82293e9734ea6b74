"""Selections that indexes serve: the plan of either database looks at no table from end to end."""

from __future__ import annotations

import re

import pytest

from catalog.database.catalogue import Catalogue
from catalog.database.columns import usual
from catalog.database.listing import Arrangement, ordering
from catalog.database.select import selected_ids
from catalog.entities import Level
from catalog.query.parse import selection
from catalog.query.selection import Selection
from tests.database.many import fill
from tests.database.plans import steps

LEVELS = list(Level)[:4]
FROM_END_TO_END = {
    "sqlite": re.compile("SCAN (patient|study|series|instance|file)( |$)"),
    # It may read thousands of patients to find those of a hundred studies, as that takes no longer.
    "postgresql": re.compile("Seq Scan on (series|instance|file)( |$)"),
}

SERVED = [
    ["PatientID=P000077"],
    ["PatientID=P00007*"],
    ["PatientID=P000001", "PatientID=P00002*", "PatientID=P00003?"],
    [f"PatientID=P{i:06d}" for i in range(60)],
    ["AccessionNumber=A77"],
    ["AccessionNumber=A77*1"],
    ["StudyInstanceUID=1.2.826.0.1.3680043.8.498.77,1.3"],
    ["SeriesInstanceUID=1.2.826.0.1.3680043.8.498.1.77"],
    ["SOPInstanceUID=1.2.826.0.1.3680043.8.498.3.77"],
    ["SOPClassUID=1.2"],
    ["Modality=XC"],
    ["StudyDate=20240101-20240107"],
    ["StudyDate=20240105", "StudyDate=20220106"],
    ["StudyDate>=2024-12-28", "StudyDate<2025"],
    ["StudyDate+StudyTime=2024010112-2024010513"],
    ["PatientName=doe^number77*"],
    ["PatientName=doe^number77"],
    ["PatientName=doe^number7*", "StudyDate=2024", "Modality=CT", "Rows>512"],
    ["ReferringPhysicianName=roe^richard77*"],
]
TEXTS = ["number77 chest", "number77*"]


@pytest.fixture(scope="module")
def asked(backend: str, lasting_catalogue: Catalogue) -> Catalogue:
    """A catalogue to ask for plans: PostgreSQL makes its own by what is in the tables."""
    if backend == "postgresql":
        fill(lasting_catalogue, 3000, 2, 2, 2)
    return lasting_catalogue


def plan(catalogue: Catalogue, level: Level, asked_for: Selection) -> list[str]:
    with catalogue.read() as connection:
        found = steps(connection, selected_ids(connection, level, asked_for))
    assert found
    return found


@pytest.mark.parametrize("keys", SERVED, ids=lambda keys: " ".join(keys[:4]))
@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_no_table_is_read_from_end_to_end(
    asked: Catalogue, backend: str, keys: list[str], level: Level
) -> None:
    found = plan(asked, level, selection(keys))
    assert not [s for s in found if FROM_END_TO_END[backend].match(s)], found


@pytest.mark.parametrize(
    ("level", "keys", "index"),
    [
        (Level.PATIENT, ["PatientID=P000077"], "ix_patient_patient_id"),
        (Level.PATIENT, ["PatientID=P00007*"], "ix_patient_patient_id"),
        (Level.PATIENT, [f"PatientID=P{i:06d}" for i in range(60)], "ix_patient_patient_id"),
        (Level.PATIENT, ["PatientName=doe^number77"], "patient_words"),
        (Level.PATIENT, ["PatientName=doe^number77*"], "patient_words"),
        (Level.PATIENT, ["PatientName=doe^number77", "PatientName=doe^number78*"], "patient_words"),
        (Level.STUDY, ["AccessionNumber=A77"], "ix_study_accession_number"),
        (Level.STUDY, ["AccessionNumber=A77*"], "ix_study_accession_number"),
        (Level.STUDY, ["StudyDate=20240101-20240107"], "ix_study_study_date"),
        (Level.STUDY, ["StudyDate+StudyTime=2024010112-2024010513"], "ix_study_study_date"),
        (Level.STUDY, ["ReferringPhysicianName=roe^richard77*"], "study_words"),
        (Level.STUDY, ["StudyInstanceUID=1.2.826.0.1.3680043.8.498.77"], "study_instance_uid"),
        (Level.SERIES, ["Modality=XC"], "ix_series_modality_study_ref"),
        (Level.SERIES, ["SeriesInstanceUID=1.2.826.0.1.3680043.8.498.1.77"], "series_instance_uid"),
        (Level.INSTANCE, ["SOPInstanceUID=1.2.826.0.1.3680043.8.498.3.77"], "sop_instance_uid"),
        (Level.INSTANCE, ["SOPClassUID=1.2"], "sop_class_uid"),
    ],
    ids=str,
)  # fmt: skip
def test_an_index_serves_each_look_up(
    asked: Catalogue, backend: str, level: Level, keys: list[str], index: str
) -> None:
    found = plan(asked, level, selection(keys))
    assert not [s for s in found if s.startswith("Seq Scan") or FROM_END_TO_END["sqlite"].match(s)]
    assert [s for s in found if index in s], found


@pytest.mark.parametrize("level", list(Level), ids=str)
@pytest.mark.parametrize(
    "keys",
    [["PatientID=P000077"], ["AccessionNumber=A77", "Modality=CT", "Rows>1"]],
    ids=" ".join,
)
def test_rows_in_order_are_looked_up(
    asked: Catalogue, backend: str, keys: list[str], level: Level
) -> None:
    wanted = Arrangement(usual(level, ()))
    with asked.read() as connection:
        _, _, query = ordering(connection, level, selection(keys), wanted)
        found = steps(connection, query)
    assert not [s for s in found if FROM_END_TO_END[backend].match(s)], found


@pytest.mark.parametrize("level", LEVELS, ids=str)
@pytest.mark.parametrize("text", TEXTS)
def test_words_are_looked_up(asked: Catalogue, backend: str, level: Level, text: str) -> None:
    found = plan(asked, level, selection(words=[text]))
    if backend == "sqlite":
        # The studies may be gone through, their words are not.
        assert not [s for s in found if re.match("SCAN (patient|series|instance|file)( |$)", s)]
        assert [s for s in found if "_words VIRTUAL TABLE" in s]
        return
    # A word that all rows have is read with the rows.
    assert not [s for s in found if re.match("Seq Scan on (instance|file)( |$)", s)], found
    assert [s for s in found if re.match("Bitmap Index Scan on patient_words", s)], found


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_what_a_list_names_is_looked_up(asked: Catalogue, backend: str, level: Level) -> None:
    uids = [f"1.2.826.0.1.3680043.8.498.3.{i}" for i in range(10)]
    found = plan(asked, level, selection(listed=[*uids, "/archive/000000/000000001.dcm"]))
    assert not [s for s in found if FROM_END_TO_END[backend].match(s)], found
