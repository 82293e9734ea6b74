"""Attributes that the configuration adds, from folders to rows: read once, read again when asked."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from catalog.database import health
from catalog.database.catalogue import Catalogue
from catalog.dicom.asking import asked
from catalog.indexing.journey import Counts, Settings, index
from tests import builders, tables

NewCatalogue = Callable[[], Catalogue]
REQUESTED = "RequestAttributesSequence.RequestedProcedureID"


def request(*ids: str) -> list[Dataset]:
    items = []
    for each in ids:
        item = Dataset()
        item.RequestedProcedureID = each
        items.append(item)
    return items


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two series of two studies, 12 instances that differ in attributes of every level, and a text."""
    root = tmp_path / "archive"
    for study in (1, 2):
        for number in range(1, 7):
            builders.write(
                root / f"s{study}" / f"{number}.dcm",
                StudyInstanceUID=f"1.{study}",
                SeriesInstanceUID=f"1.{study}.1",
                SOPInstanceUID=f"1.{study}.1.{number}",
                InstanceNumber=str(number),
                PatientAge="033Y" if study == 1 else ...,
                PatientWeight="" if number == 6 else 70 + study,
                EthnicGroup="A" if number < 5 else "B",
                ExposureTime=str(number * 10),
                RequestAttributesSequence=request(*(f"R{study}{i}" for i in range(number % 3))),
            )
    (root / "notes.txt").write_text("no DICOM")
    return root


def indexed(catalogue: Catalogue, folder: Path, *names: str, **settings: Any) -> Counts:
    counts = index(catalogue, [folder], Settings(attributes=asked(names), **settings))
    assert health.problems(catalogue) == []
    assert counts.files == sum(counts.done[k] for k in ("new", "changed", "unchanged", "returned"))
    return counts


def attributes(catalogue: Catalogue, level: str) -> list[Any]:
    """Return the attributes of each row of `level`, in the order in which they were made."""
    with closing(sqlite3.connect(catalogue.path)) as raw:
        rows = raw.execute(f"SELECT attributes FROM {level} ORDER BY id")
        return [text and json.loads(text) for (text,) in rows]


EVERY = ("PatientAge", "PatientWeight", "EthnicGroup", "ExposureTime", REQUESTED, "00191008")


def test_rows_of_every_level(catalogue: Catalogue, folder: Path) -> None:
    indexed(catalogue, folder, *EVERY)
    assert attributes(catalogue, "patient") == [{"EthnicGroup": "A"}]
    assert attributes(catalogue, "study") == [{"PatientAge": "033Y", "PatientWeight": 71.0}, {"PatientWeight": 72.0}]  # fmt: skip
    # Of six instances, two each have no item, one and two: the tie goes to the smaller text.
    assert attributes(catalogue, "series") == [{REQUESTED: "R10"}, {REQUESTED: "R20"}]
    assert sorted(row["ExposureTime"] for row in attributes(catalogue, "instance")) == sorted([10, 20, 30, 40, 50, 60] * 2)  # fmt: skip


@pytest.mark.parametrize("jobs", [2, 3])
def test_neither_processes_nor_the_way_of_reading_change_the_rows(
    new_catalogue: NewCatalogue, folder: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    monkeypatch.setattr("catalog.indexing.executing.CHUNK_FILES", 2)
    monkeypatch.setattr("catalog.indexing.executing.FEW_FILES", 2)
    monkeypatch.setattr("catalog.indexing.one_run.CHUNK_FILES", 2)
    one, other = new_catalogue(), new_catalogue()
    indexed(one, folder, *EVERY)
    indexed(other, folder, *EVERY, jobs=jobs)
    assert tables.dump(other.path) == tables.dump(one.path)


def test_a_longer_list_is_said_and_reads_only_what_lacks_something(
    new_catalogue: NewCatalogue, folder: Path
) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    indexed(catalogue, folder, "PatientAge")
    untouched = indexed(catalogue, folder, "PatientAge")
    assert (untouched.done["opened"], untouched.done["lacking"], untouched.lacking) == (0, 0, {})
    builders.write(folder / "s3" / "1.dcm", StudyInstanceUID="1.3", SeriesInstanceUID="1.3.1", SOPInstanceUID="1.3.1.1", PatientWeight=80)  # fmt: skip
    said = indexed(catalogue, folder, "PatientAge", "PatientWeight")
    assert (said.done["new"], said.done["opened"], said.done["lacking"]) == (1, 1, 12)
    assert said.lacking == {"PatientWeight": 12}
    assert said.as_dict()["lacking"] == 12
    assert attributes(catalogue, "study") == [{"PatientAge": "033Y"}, None, {"PatientWeight": 80.0}]
    again = indexed(catalogue, folder, "PatientAge", "PatientWeight", reread_attributes=True)
    assert (again.done["opened"], again.done["changed"], again.done["unchanged"]) == (12, 0, 14)
    assert again.lacking == {}
    last = indexed(catalogue, folder, "PatientAge", "PatientWeight", reread_attributes=True)
    assert (last.done["opened"], last.done["lacking"]) == (0, 0)
    indexed(fresh, folder, "PatientAge", "PatientWeight")
    assert tables.dump(catalogue.path) == tables.dump(fresh.path)


def test_a_shorter_list_needs_no_reading(catalogue: Catalogue, folder: Path) -> None:
    indexed(catalogue, folder, "PatientAge", "PatientWeight")
    before = tables.dump(catalogue.path)
    shorter = indexed(catalogue, folder, "PatientAge", reread_attributes=True)
    assert (shorter.done["opened"], shorter.lacking) == (0, {})
    assert tables.dump(catalogue.path) == before
    indexed(catalogue, folder, "PatientAge", full=True)
    assert attributes(catalogue, "study") == [{"PatientAge": "033Y"}, None]


def test_another_level_is_another_attribute(new_catalogue: NewCatalogue, folder: Path) -> None:
    catalogue, fresh = new_catalogue(), new_catalogue()
    indexed(catalogue, folder, "PatientAge")
    assert indexed(catalogue, folder, "PatientAge@series").lacking == {"PatientAge": 12}
    indexed(catalogue, folder, "PatientAge@series", reread_attributes=True)
    assert attributes(catalogue, "study") == [None, None]
    assert attributes(catalogue, "series") == [{"PatientAge": "033Y"}, None]
    indexed(fresh, folder, "PatientAge@series")
    assert tables.dump(catalogue.path) == tables.dump(fresh.path)


def test_a_file_that_moves_takes_its_list_along(catalogue: Catalogue, folder: Path) -> None:
    indexed(catalogue, folder, "PatientAge")
    (folder / "s1" / "1.dcm").rename(folder / "s1" / "moved.dcm")
    assert indexed(catalogue, folder, "PatientAge").done["moved"] == 1
    assert indexed(catalogue, folder, "PatientAge", "EthnicGroup").lacking == {"EthnicGroup": 12}
    hidden = folder / "s1" / "2.dcm"
    stamp = hidden.stat()
    data = hidden.read_bytes()
    hidden.unlink()
    indexed(catalogue, folder, "PatientAge", "EthnicGroup")
    hidden.write_bytes(data)
    os.utime(hidden, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    returned = indexed(catalogue, folder, "PatientAge", "EthnicGroup")
    assert (returned.done["returned"], returned.lacking) == (1, {"EthnicGroup": 12})
    again = indexed(catalogue, folder, "PatientAge", "EthnicGroup", reread_attributes=True)
    assert again.done["opened"] == 12


def test_private_and_odd_elements(catalogue: Catalogue, tmp_path: Path) -> None:
    ds = builders.dataset()
    block = ds.private_block(0x0019, "MAKER", create=True)
    block.add_new(0x08, "SH", "p1")
    block.add_new(0x09, "DS", "1.5")
    item = Dataset()
    item.private_block(0x0019, "MAKER", create=True).add_new(0x11, "LO", "deep")
    block.add_new(0x0A, "SQ", [item, item])
    ds.TextValue = "x" * 70_000
    path = tmp_path / "a.dcm"
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    indexed(catalogue, tmp_path / "a.dcm", "00191008", "(0019,1009)", "0019100A.00191011", "00190010", "TextValue")  # fmt: skip
    assert attributes(catalogue, "instance") == [
        {
            "00190010": "MAKER",
            "00191008": "p1",
            "00191009": "1.5",
            "0019100A.00191011": "deep\\deep",
        }
    ]
    assert attributes(catalogue, "patient") == [None]
    assert [f["code"] for f in tables.dump(catalogue.path)["finding"]] == ["value-too-long"]
