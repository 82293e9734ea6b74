"""Each audit finds what it must, nothing else, and what is new."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from catalog.auditing import Audit, asked, audit_named, audits, problems
from catalog.auditing.describing import GROUPS, column_meanings
from catalog.auditing.headers import parameters_of
from catalog.database import runs
from catalog.database.catalogue import Catalogue
from tests.auditing.cases import CASES, TODAY, clean, verified, whole
from tests.database.stating import reading, stated, store, store_records

pytestmark = pytest.mark.both

DAY = date.fromisoformat(TODAY)
FIGURES = [name for name, audit in audits().items() if not audit.is_problem]
PROBLEMS = [name for name, audit in audits().items() if audit.is_problem]


def rows(
    catalogue: Catalogue, name: str, since: int = 0, **parameters: str
) -> list[dict[str, Any]]:
    audit = audit_named(name)
    with asked(catalogue, audit, parameters, since=since, today=DAY) as (columns, found):
        return [dict(zip(columns, row, strict=True)) for row in found]


def picked(found: list[dict[str, Any]], columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in found]


def latest(catalogue: Catalogue) -> int:
    return runs.listed(catalogue, 1)[0].ref


@pytest.mark.parametrize("audit", audits().values(), ids=lambda a: a.name)
def test_an_audit_is_described_and_runs(catalogue: Catalogue, audit: Audit) -> None:
    assert audit.group in GROUPS
    assert audit.description.endswith(".")
    assert audit.action.endswith(".") == audit.is_problem
    assert audit.knows_since == audit.is_problem
    assert not audit.title.endswith(".")
    given = dict.fromkeys(audit.arguments, "P1")
    with asked(catalogue, audit, given) as (columns, found):
        assert list(found) == []
    described = [name for names, _ in column_meanings(audit.columns) for name in names]
    assert described == list(columns)
    assert all(meaning for _, meaning in column_meanings(audit.columns))
    store(catalogue, [reading("1", stated()), reading("2", None)])
    with asked(catalogue, audit, given) as (_, found):
        list(found)


@pytest.mark.parametrize("audit", audits().values(), ids=lambda a: a.name)
def test_an_audit_is_portable(audit: Audit) -> None:
    sql = re.sub(r"'[^']*'|--[^\n]*", "", audit.sql)
    words = set(re.findall(r"[a-z_]+", sql.lower()))
    assert not words & {"julianday", "strftime", "glob", "rowid", "printf", "ifnull", "json_extract", "group_concat", "instr", "iif"}  # fmt: skip
    assert {word for word in words if word.startswith("dcat_")} <= {"dcat_name_likeness", "dcat_is_uid", "dcat_rounded", "dcat_slice_location"}  # fmt: skip
    assert parameters_of(audit.sql) == {*audit.arguments, *audit.options} | (
        {"since"} if audit.knows_since else set()
    )


def test_every_problem_has_a_case() -> None:
    assert sorted(CASES) == PROBLEMS


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_found_and_what_is_like_it_is_not(catalogue: Catalogue, name: str) -> None:
    case = CASES[name]
    case.make(catalogue)
    assert picked(rows(catalogue, name), case.columns) == case.rows


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_new_until_the_run_that_brought_it(catalogue: Catalogue, name: str) -> None:
    case = CASES[name]
    store(catalogue, [reading("before", whole(sop_instance_uid="1.2.9", study_instance_uid="1.2.8", series_instance_uid="1.2.7", patient_id="P99", patient_name="Before^All", accession_number="B"))], root="/before")  # fmt: skip
    before = latest(catalogue)
    case.make(catalogue)
    everything = rows(catalogue, name)
    if name != "unverified-files":  # what was there before is not verified, too
        assert picked(everything, case.columns) == case.rows
    new = rows(catalogue, name, since=before)
    if name != "unverified-files":
        assert new == everything
    assert new
    assert rows(catalogue, name, since=latest(catalogue)) == []


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_problem_is_found_where_there_is_none(catalogue: Catalogue, name: str) -> None:
    clean(catalogue)
    assert rows(catalogue, name) == []


def test_what_grows_is_new_again(catalogue: Catalogue) -> None:
    CASES["conflicting-instances"].make(catalogue)
    before = latest(catalogue)
    third = reading("size/3", whole(sop_instance_uid="1.2"), size_bytes=102)
    store(catalogue, [third], root="/archive")
    found = rows(catalogue, "conflicting-instances", since=before)
    assert picked(found, ("SOPInstanceUID", "Files")) == [("1.2", 3)]


def test_rows_beside_a_new_one_are_shown_with_it(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", whole(sop_instance_uid="1.1"))])
    before = latest(catalogue)
    store(catalogue, [reading("2", whole(sop_instance_uid="1.2", patient_id="P2"))])
    for name in ("studies-under-several-patients", "people-with-several-ids"):
        found = rows(catalogue, name, since=before)
        assert [row["PatientID"] for row in found] == ["P1", "P2"]


def test_what_only_a_dicomdir_states_otherwise_is_no_conflict(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", whole(patient_id=""))])
    store_records(catalogue, [whole(patient_id="INVENTED000001")])
    assert rows(catalogue, "studies-under-several-patients") == []
    assert rows(catalogue, "series-under-several-studies") == []


def test_series_of_a_study_of_two_patients_are_told_once(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", whole()), reading("2", whole(patient_id="P2"))])
    assert len(rows(catalogue, "studies-under-several-patients")) == 2
    assert rows(catalogue, "series-under-several-studies") == []


def test_what_is_too_long_ago_is_asked_for(catalogue: Catalogue) -> None:
    CASES["unverified-files"].make(catalogue)

    def found(before: str) -> list[tuple[str, int]]:
        return [(row["Why"], row["Files"]) for row in rows(catalogue, "unverified-files", before=before)]  # fmt: skip

    assert found("2001-02-03") == []
    assert found("2001-02-04") == found("2002-03-04") == [("changed since", 1), ("never verified", 2)]  # fmt: skip
    assert found("2002-03-05") == [("changed since", 1), ("never verified", 2), ("too long ago", 2)]


def test_options_change_what_is_found(catalogue: Catalogue) -> None:
    CASES["similar-names"].make(catalogue)
    assert len(rows(catalogue, "similar-names", likeness="100")) == 1
    assert len(rows(catalogue, "similar-names", likeness="0")) > 2


def test_short_series_take_options(catalogue: Catalogue) -> None:
    CASES["short-series"].make(catalogue)
    found = rows(catalogue, "short-series", part="51")
    assert [row["SeriesInstanceUID"] for row in found] == ["1.5", "1.4"]
    assert rows(catalogue, "short-series", alike="6") == []


def test_thousands_with_one_birth_date_are_compared_in_bounds(catalogue: Catalogue) -> None:
    def one(number: int) -> str:
        letters = "abcdefghij"
        return "".join(letters[int(digit)] for digit in f"{number:03d}") * 3

    store(
        catalogue,
        [
            reading(str(n), whole(patient_id=str(n), patient_name=one(n), study_instance_uid=f"1.{n + 1}", series_instance_uid=f"1.{n + 1}.1", sop_instance_uid=f"1.{n + 1}.1.1"))
            for n in range(300)
        ],
    )  # fmt: skip
    assert len(rows(catalogue, "similar-names", likeness="0")) == sum(min(10, 299 - n) for n in range(300))  # fmt: skip


# -- figures ------------------------------------------------------------------------------------


def test_volumes(catalogue: Catalogue) -> None:
    scanner = {
        "manufacturer": "Acme",
        "manufacturer_model_name": "M1",
        "institution_name": "General",
    }
    store(
        catalogue,
        [
            reading("1", stated(sop_instance_uid="1.1", study_date="2024-01-31", **scanner)),
            reading("2", stated(sop_instance_uid="1.1", study_date="2024-01-31", **scanner)),
            reading("3", stated(sop_instance_uid="1.2", study_date="2024-01-31", **scanner)),
            reading("4", stated(sop_instance_uid="1.3", study_instance_uid="1.9", series_instance_uid="1.9.1", modality="MR", study_date="")),
            reading("5", None),
        ],
    )  # fmt: skip
    assert [tuple(r.values()) for r in rows(catalogue, "volumes")] == [
        ("CT", "2024-01", 1, 1, 2, 3, 300),
        ("MR", "", 1, 1, 1, 1, 100),
    ]
    assert [tuple(r.values()) for r in rows(catalogue, "volumes-by-transfer-syntax")] == [
        ("1.2.840.10008.1.2.1", 4, 400, 3)
    ]
    assert [tuple(r.values()) for r in rows(catalogue, "volumes-by-sop-class")] == [
        ("1.2.840.10008.5.1.4.1.1.2", "IMAGE", 3, 4, 400)
    ]
    assert [tuple(r.values()) for r in rows(catalogue, "volumes-by-institution")] == [
        ("General", 1, 1, 1, 2, 3, 300, "2024-01-31", "2024-01-31"),
        ("", 1, 1, 1, 1, 1, 100, None, None),
    ]
    assert [tuple(r.values()) for r in rows(catalogue, "volumes-by-scanner")] == [
        ("Acme", "M1", "", "", "CT", 1, 1, 2, 3, 300, "2024-01-31", "2024-01-31"),
        ("", "", "", "", "MR", 1, 1, 1, 1, 100, None, None),
    ]


def test_growth(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", whole()), reading("2", whole())])
    verified(catalogue, same=2)
    store(catalogue, [reading("1", whole(), mtime_ns=2), reading("3", whole(sop_instance_uid="1.2"), size_bytes=50)])  # fmt: skip
    with catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE run SET started_at = '2024-0' || id || '-01T00:00:00Z'")
    columns = ("Run", "Command", "Outcome", "NewFiles", "NewBytes", "NewInstances")
    assert picked(rows(catalogue, "growth-by-run"), columns) == [
        (1, "index", "done", 2, 200, 1),
        (3, "index", "done", 1, 50, 1),
    ]
    assert [tuple(r.values()) for r in rows(catalogue, "growth-by-month")] == [
        ("2024-01", 2, 200, 1, 2, 200),
        ("2024-03", 1, 50, 1, 3, 250),
    ]


def test_figures_are_not_asked_what_is_new() -> None:
    assert FIGURES == ["disclosures", "findings", "growth-by-month", "growth-by-run", "volumes", "volumes-by-institution", "volumes-by-scanner", "volumes-by-sop-class", "volumes-by-transfer-syntax"]  # fmt: skip
    assert not any(audit_named(name).knows_since for name in FIGURES)


# -- all of them --------------------------------------------------------------------------------


def test_all_problems_are_asked_the_worst_first(catalogue: Catalogue) -> None:
    CASES["missing-files"].make(catalogue)
    answers = list(problems(catalogue, first=2, today=DAY))
    severities = [answer.audit.severity for answer in answers]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert sorted(answer.audit.name for answer in answers) == PROBLEMS
    gone = next(answer for answer in answers if answer.audit.name == "missing-files")
    assert (gone.count, len(gone.rows), gone.error, gone.is_whole) == (3, 2, "", False)
    assert gone.columns == ("MissingSince", "SOPInstanceUID", "OtherFiles", "PatientID", "Path")


def test_problems_of_a_severity(catalogue: Catalogue) -> None:
    assert {a.audit.severity for a in problems(catalogue, severity="error")} == {"error"}
    assert {a.audit.severity for a in problems(catalogue, severity="warning")} == {"error", "warning"}  # fmt: skip
