"""Named questions, and what they answer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from catalog.auditing import Audit, asked, audit_named, audits
from catalog.database.catalogue import Catalogue
from catalog.entities import Reading, Status, StoredFile
from catalog.errors import SelectionError
from tests.database.stating import reading, stated, store

NAMES = ["disclosures", "duplicate-instances", "findings", "missing-files", "not-exportable", "patient-id-conflicts", "studies-under-several-patients", "unfinished-exports", "unreadable-files", "volumes"]  # fmt: skip


def rows(catalogue: Catalogue, name: str, **parameters: str) -> list[dict[str, Any]]:
    with asked(catalogue, audit_named(name), parameters) as (columns, found):
        return [dict(zip(columns, row, strict=True)) for row in found]


def test_there_are_these_audits() -> None:
    assert list(audits()) == NAMES


@pytest.mark.parametrize("audit", audits().values(), ids=lambda a: a.name)
def test_an_audit_is_described_and_runs(catalogue: Catalogue, audit: Audit) -> None:
    assert audit.title
    assert audit.description.endswith(".")
    assert audit.is_problem == (audit.severity in {"error", "warning", "note"})
    assert set(re.findall(r"(?<!:):(\w+)", re.sub(r"'[^']*'|--.*", "", audit.sql))) == set(
        audit.arguments
    )
    given = dict.fromkeys(audit.arguments, "P1")
    with asked(catalogue, audit, given) as (columns, found):
        assert list(found) == []
    for column in columns:
        assert re.search(rf"\b{column}\b", audit.columns), column
    store(catalogue, [reading("1", stated()), reading("2", None)])
    with asked(catalogue, audit, given) as (_, found):
        list(found)


def test_an_unknown_audit_and_wrong_parameters(catalogue: Catalogue) -> None:
    with pytest.raises(SelectionError, match=r"Did you mean volumes\?"):
        audit_named("volume")
    with pytest.raises(SelectionError, match="needs -p patient="):
        rows(catalogue, "disclosures")
    with pytest.raises(SelectionError, match="takes no parameter 'x'"):
        rows(catalogue, "volumes", x="1")


def test_duplicate_instances(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading("same/1", stated(sop_instance_uid="1.1")),
            reading("same/2", stated(sop_instance_uid="1.1")),
            reading("size/1", stated(sop_instance_uid="1.2")),
            reading("size/2", stated(sop_instance_uid="1.2"), size_bytes=101),
            reading("series/1", stated(sop_instance_uid="1.3")),
            reading("series/2", stated(sop_instance_uid="1.3", series_instance_uid="1.9")),
            reading("single", stated(sop_instance_uid="1.4")),
        ],
    )
    found = {row["SOPInstanceUID"]: row for row in rows(catalogue, "duplicate-instances")}
    assert {
        uid: (row["Files"], row["Instances"], row["Verdict"]) for uid, row in found.items()
    } == {
        "1.1": (2, 1, "same size"),
        "1.2": (2, 1, "different"),
        "1.3": (2, 2, "different"),
    }
    assert (found["1.1"]["FirstPath"], found["1.1"]["LastPath"]) == (
        "/archive/same/1",
        "/archive/same/2",
    )


def test_patient_id_conflicts(catalogue: Catalogue) -> None:
    odd = stated(sop_instance_uid="1.5", patient_birth_date=None)
    odd = odd._replace(patient=odd.patient._replace(raw=(("PatientBirthDate", "unknown"),)))
    store(
        catalogue,
        [
            reading("1", stated(sop_instance_uid="1.1", patient_birth_date="1970-01-31")),
            reading("2", stated(sop_instance_uid="1.2", patient_birth_date="1970-01-31", patient_name="Doe^Jane")),
            reading("3", stated(sop_instance_uid="1.3", patient_birth_date="1980-01-31", patient_name="Roe^Jane")),
            reading("4", stated(sop_instance_uid="1.4", patient_birth_date="", patient_name="")),
            reading("5", odd),
            reading("6", stated(sop_instance_uid="1.6", study_instance_uid="1.6", patient_id="P2", patient_name="A", patient_sex="F")),
            reading("7", stated(sop_instance_uid="1.7", study_instance_uid="1.6", patient_id="P2", patient_name="A", patient_sex=None)),
        ],
    )  # fmt: skip
    found = [
        (r["PatientID"], r["Attribute"], r["Value"], r["Files"], r["FirstPath"])
        for r in rows(catalogue, "patient-id-conflicts")
    ]
    assert sorted(found) == [
        ("P1", "PatientBirthDate", "1970-01-31", 2, "/archive/1"),
        ("P1", "PatientBirthDate", "1980-01-31", 1, "/archive/3"),
        ("P1", "PatientBirthDate", "unknown", 1, "/archive/5"),
        ("P1", "PatientName", "Doe^Jane", 3, "/archive/1"),
        ("P1", "PatientName", "Roe^Jane", 1, "/archive/3"),
    ]


def test_studies_under_several_patients(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading("1", stated(sop_instance_uid="1.1")),
            reading("2", stated(sop_instance_uid="1.2")),
            reading("3", stated(sop_instance_uid="1.3", patient_id="P2")),
            reading("4", stated(sop_instance_uid="1.4", patient_id="P3", study_instance_uid="1.8")),
        ],
    )
    found = [
        (r["StudyInstanceUID"], r["PatientID"], r["Instances"], r["FirstPath"])
        for r in rows(catalogue, "studies-under-several-patients")
    ]
    assert found == [("1.2.3.1", "P1", 2, "/archive/1"), ("1.2.3.1", "P2", 1, "/archive/3")]


def test_unreadable_and_missing_files(catalogue: Catalogue) -> None:
    def broken(path: str, status: Status) -> Reading:
        return Reading(StoredFile(path, 5, 1, status, f"is {status}"), None)

    gone = reading("gone", stated())
    store(
        catalogue,
        [
            *(
                broken(status.value, status)
                for status in (
                    Status.UNREADABLE,
                    Status.TRUNCATED,
                    Status.INCOMPLETE,
                    Status.NOT_DICOM,
                )
            ),
            gone._replace(file=gone.file._replace(status=Status.MISSING)),
            reading("copy", stated()),
        ],
    )
    assert [(r["Status"], r["Error"], r["Path"]) for r in rows(catalogue, "unreadable-files")] == [
        ("unreadable", "is unreadable", "/archive/unreadable"),
        ("truncated", "is truncated", "/archive/truncated"),
        ("incomplete", "is incomplete", "/archive/incomplete"),
    ]
    assert [
        (r["Path"], r["OtherFiles"], r["PatientID"]) for r in rows(catalogue, "missing-files")
    ] == [("/archive/gone", 1, "P1")]


def test_volumes(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading("1", stated(sop_instance_uid="1.1", study_date="2024-01-31")),
            reading("2", stated(sop_instance_uid="1.1", study_date="2024-01-31")),
            reading("3", stated(sop_instance_uid="1.2", study_date="2024-01-31")),
            reading("4", stated(sop_instance_uid="1.3", study_instance_uid="1.9", series_instance_uid="1.9.1", modality="MR", study_date="")),
        ],
    )  # fmt: skip
    found = [tuple(r.values()) for r in rows(catalogue, "volumes")]
    assert found == [("CT", "2024-01", 1, 1, 2, 3, 300), ("MR", "", 1, 1, 1, 1, 100)]
