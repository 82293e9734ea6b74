"""Everything real that can be exported, exported: copies, accounts, and outside judges."""

from __future__ import annotations

import filecmp
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from pydicom.fileset import _PREFIXES  # the record types that pydicom's FileSet knows

from catalog.database.catalogue import open_catalogue
from catalog.exporting import Outcome
from tests.journeys import judging
from tests.journeys.steps import (
    PYDICOM_FILES,
    exported,
    files_below,
    generic,
    indexed,
    named_file,
    records,
    referencing,
    rows,
    sha256,
)


class Exported(NamedTuple):
    source: Path
    catalogue: Path
    medium: Path
    outcome: Outcome
    take_first: bool


@pytest.fixture(scope="module", params=["pydicom", "shared", "shared-take-first"])
def journey(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Exported:
    source = PYDICOM_FILES if request.param == "pydicom" else request.getfixturevalue("shared_data")
    take_first = "take-first" in request.param
    folder = tmp_path_factory.mktemp("journey")
    with open_catalogue(folder / "catalogue.db", create=True) as catalogue:
        indexed(catalogue, source)
        outcome = exported(
            catalogue,
            folder / "medium",
            take_first=take_first,
            file_set_id="REAL",
        )
    return Exported(source, folder / "catalogue.db", folder / "medium", outcome, take_first)


def test_every_copy_is_its_source_byte_for_byte(journey: Exported) -> None:
    items = rows(journey.catalogue, "SELECT * FROM export_item WHERE outcome = 'copied'")
    assert len(items) > 50
    for item in items:
        copy = journey.medium / item["file_id"]
        assert filecmp.cmp(item["source"], copy, shallow=False)
        assert item["digest"] == sha256(copy)
        assert item["size_bytes"] == copy.stat().st_size


def test_every_instance_of_the_catalogue_is_accounted_for(journey: Exported) -> None:
    instances = rows(journey.catalogue, "SELECT sop_instance_uid AS uid FROM instance")
    items = rows(journey.catalogue, "SELECT sop_instance_uid AS uid, outcome FROM export_item")
    assert Counter(i["uid"] for i in items) == Counter(i["uid"] for i in instances)
    outcomes = Counter(item["outcome"] for item in items)
    plan = journey.outcome.plan
    assert outcomes["copied"] == journey.outcome.copied
    assert outcomes["left-out"] == len(plan.left_out) > 0
    assert outcomes["failed"] == len(journey.outcome.failed)
    assert outcomes.total() == len(plan.items) + len(plan.left_out)


def test_nothing_else_is_on_the_medium(journey: Exported) -> None:
    on_disk = {p for p in journey.medium.rglob("*") if p.is_file()}
    named = {named_file(journey.medium, r) for r in referencing(journey.medium / "DICOMDIR")}
    others = {journey.medium / "DICOMDIR", journey.medium / "MANIFEST.SHA256"}
    assert on_disk == named | others


def test_every_record_names_the_file_with_its_instance(journey: Exported) -> None:
    leaves = referencing(journey.medium / "DICOMDIR")
    assert len(leaves) == journey.outcome.copied
    for record in leaves:
        file = generic(named_file(journey.medium, record))
        own = file.get("SOPInstanceUID") or file.file_meta.MediaStorageSOPInstanceUID
        assert record.ReferencedSOPInstanceUIDInFile == own
        assert record.ReferencedTransferSyntaxUIDInFile == file.file_meta.TransferSyntaxUID
        own_class = file.get("SOPClassUID") or file.file_meta.MediaStorageSOPClassUID
        assert record.ReferencedSOPClassUIDInFile == own_class


def test_file_ids_are_legal_and_unique(journey: Exported) -> None:
    seen = set()
    for record in referencing(journey.medium / "DICOMDIR"):
        components = tuple(record.ReferencedFileID)
        assert 1 <= len(components) <= 8
        for component in components:
            assert 1 <= len(component) <= 8
            assert set(component) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
        seen.add(components)
    assert len(seen) == journey.outcome.copied


def test_patients_studies_and_series_are_there_once(journey: Exported) -> None:
    keys = {
        "PATIENT": "PatientID",
        "STUDY": "StudyInstanceUID",
        "SERIES": "SeriesInstanceUID",
    }
    for kind, keyword in keys.items():
        values = [
            str(r.get(keyword))
            for r in records(journey.medium / "DICOMDIR")
            if r.DirectoryRecordType == kind
        ]
        assert "" not in values
        assert len(values) == len(set(values)) > 0


@pytest.mark.judges
def test_dciodvfy_finds_no_error(journey: Exported) -> None:
    assert judging.dciodvfy_errors(journey.medium) == []


@pytest.mark.judges
def test_dcmdump_reads_the_dicomdir_without_a_word(journey: Exported) -> None:
    result = judging.dcmdump(journey.medium / "DICOMDIR", "-q")
    assert (result.returncode, result.stderr) == (0, "")
    assert judging.record_type_lines(journey.medium / "DICOMDIR") == len(
        records(journey.medium / "DICOMDIR")
    )


@pytest.mark.judges
def test_dcdirdmp_follows_every_offset(journey: Exported) -> None:
    result = judging.dcdirdmp(journey.medium)
    assert result.returncode == 0


def test_pydicoms_file_set_loads_every_instance(journey: Exported, tmp_path: Path) -> None:
    medium, copied = journey.medium, journey.outcome.copied
    kinds = {r.DirectoryRecordType for r in records(medium / "DICOMDIR")}
    unknown = kinds - set(_PREFIXES)
    if unknown:  # one of these and pydicom refuses the whole File-set, so export all the others
        medium = tmp_path / "known"
        condition = " AND ".join(f"DirectoryRecordType <> '{kind}'" for kind in sorted(unknown))
        shutil.copy(journey.catalogue, tmp_path)
        with open_catalogue(tmp_path / journey.catalogue.name) as catalogue:
            take_first = journey.take_first
            outcome = exported(catalogue, medium, where=(condition,), take_first=take_first)
        assert copied - 5 < outcome.copied < copied
        copied = outcome.copied
    loaded = judging.loaded_by_pydicom(medium)
    leaves = referencing(medium / "DICOMDIR")
    assert loaded == {str(r.ReferencedSOPInstanceUIDInFile) for r in leaves}
    assert len(loaded) == copied


def test_the_same_export_again_writes_the_same_bytes(journey: Exported, tmp_path: Path) -> None:
    again = tmp_path / "again"
    copy = Path(shutil.copy(journey.catalogue, tmp_path))  # other tests count the ledger
    with open_catalogue(copy) as catalogue:
        exported(catalogue, again, file_set_id="REAL", take_first=journey.take_first)
    assert (again / "DICOMDIR").read_bytes() == (journey.medium / "DICOMDIR").read_bytes()
    assert files_below(again) == files_below(journey.medium)
