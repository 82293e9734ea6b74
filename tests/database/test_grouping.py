"""Totals by group are what a person would count."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.attributes import BY_KEYWORD
from catalog.database import grouping, runs, stored_files
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import Location
from catalog.database.upsert import RowWriter
from catalog.entities import Claims, Level, Patient
from catalog.errors import SelectionError
from catalog.query.parse import selection
from catalog.query.selection import Selection
from tests.database.many import fill
from tests.database.stating import copied, reading, stated, store

AMOUNTS = ("NumberOfPatients", "NumberOfStudies", "NumberOfSeries", "NumberOfInstances", "NumberOfFiles", "SizeBytes")  # fmt: skip


def totals(
    catalogue: Catalogue, names: Sequence[str], asked: Selection | None = None
) -> list[tuple[object, ...]]:
    """Return the rows of groups by `names`."""
    keys = grouping.group_keys(names)
    with grouping.grouped(catalogue, keys, asked or Selection()) as (columns, rows):
        assert columns[len(names) :] == AMOUNTS
        return list(rows)


# -- against a count in Python ---------------------------------------------------------------------

WORDS = st.sampled_from([None, "", "CT", "MR", "it's"])
DATES = st.sampled_from([None, "", "2023-12-31", "2024-01-01", "2024-02-01"])
NUMBERS = st.sampled_from([None, 0, 1, 512])
KEYS = ("PatientSex", "year", "month", "StudyDescription", "Modality", "SeriesNumber", "SOPClassUID", "Rows", "ImageType")  # fmt: skip


@st.composite
def archives(draw: st.DrawFn) -> list[tuple[Claims, int, int]]:
    """Draw instances, each with its number of files and their size; what is above them agrees."""
    found = []
    for p in range(draw(st.integers(1, 3))):
        sex = draw(WORDS)
        for t in range(draw(st.integers(1, 2))):
            date, description = draw(DATES), draw(WORDS)
            for s in range(draw(st.integers(1, 2))):
                modality, number = draw(WORDS), draw(NUMBERS)
                for i in range(draw(st.integers(1, 2))):
                    uid = f"1.{p}.{t}.{s}"
                    claims = stated(
                        patient_id=f"P{p}", patient_sex=sex, study_instance_uid=f"1.{p}.{t}",
                        study_date=date, study_description=description, series_instance_uid=uid,
                        modality=modality, series_number=number, sop_instance_uid=f"{uid}.{i}",
                        sop_class_uid=draw(WORDS), rows=draw(NUMBERS), image_type=draw(WORDS),
                    )  # fmt: skip
                    found.append((claims, draw(st.integers(1, 2)), draw(st.integers(0, 5))))
    if draw(st.booleans()):
        instance = stated(sop_instance_uid="1.9", rows=draw(NUMBERS)).instance
        found.append((Claims(None, None, None, instance, "PALETTE"), draw(st.integers(1, 2)), 7))
    return found


ASKED = st.sampled_from(
    [[], ["Modality=CT"], ["PatientSex=CT"], ["StudyDate=20240101-"], ["Rows=512"], ['Modality=""'], ["Modality=CT", "Rows=0"], ["PatientID=P0"], ["SOPClassUID=1.2"], ['StudyDescription=""', "Modality=MR"]]
)  # fmt: skip


def value_of(claims: Claims, name: str) -> object:
    """Return what `claims` state of a key, `None` if that is nothing or empty."""
    keyword = {"year": "StudyDate", "month": "StudyDate"}.get(name, name)
    attribute = BY_KEYWORD[keyword]
    entity = {Level.PATIENT: claims.patient, Level.STUDY: claims.study, Level.SERIES: claims.series, Level.INSTANCE: claims.instance}[attribute.level]  # fmt: skip
    value = getattr(entity, attribute.column) if entity is not None else None
    if name in ("year", "month") and value:
        value = value[: 4 if name == "year" else 7]
    return None if value == "" else value


def counted(
    archive: list[tuple[Claims, int, int]], names: Sequence[str], asked: Selection
) -> dict[tuple[object, ...], tuple[int, ...]]:
    """Return the totals by group, counted one instance at a time."""
    groups: dict[tuple[object, ...], tuple[set[object], set[object], set[object], list[int]]] = {}
    for claims, files, size in archive:
        if asked.matches(claims):
            key = tuple(value_of(claims, name) for name in names)
            patients, studies, series, sums = groups.setdefault(
                key, (set(), set(), set(), [0, 0, 0])
            )
            if claims.patient and claims.study and claims.series:
                patients.add(claims.patient.patient_id)
                studies.add(claims.study.study_instance_uid)
                series.add(claims.series.series_instance_uid)
            for n, each in enumerate((1, files, files * size)):
                sums[n] += each
    return {key: (len(p), len(t), len(s), *sums) for key, (p, t, s, sums) in groups.items()}


@settings(max_examples=120)
@given(archives(), st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True), ASKED)
def test_totals_are_what_is_counted(
    empty_catalogue: Location,
    archive: list[tuple[Claims, int, int]],
    names: list[str],
    keys: list[str],
) -> None:
    asked = selection(keys)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_catalogue(copied(empty_catalogue, folder)) as catalogue,
    ):
        readings = [
            reading(f"{n}/{copy}", claims, size_bytes=size)
            for n, (claims, files, size) in enumerate(archive)
            for copy in range(files)
        ]
        store(catalogue, readings)
        found = totals(catalogue, names, asked)
        width = len(names)
        assert {row[:width]: row[width:] for row in found} == counted(archive, names, asked)
        # In order of the keys, and what has no value last.
        assert found == sorted(found, key=lambda row: [(v is None, v or 0 if isinstance(v, int | None) else v) for v in row[:width]])  # fmt: skip


# -- what is easily lost ---------------------------------------------------------------------------


def test_patients_and_studies_that_hold_nothing_are_counted(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", stated(patient_sex="F"))])
    with runs.recorded(catalogue, "import", "test") as run, catalogue.write() as connection:
        patient = Patient(patient_id="P9", patient_sex="F")
        RowWriter(run.ref).place_entity(connection, Level.PATIENT, None, patient, '["P9", ""]')
    assert totals(catalogue, ["PatientSex"]) == [("F", 2, 1, 1, 1, 1, 100)]
    assert totals(catalogue, ["Modality"]) == [("CT", 1, 1, 1, 1, 1, 100), (None, 1, 0, 0, 0, 0, 0)]
    assert totals(catalogue, ["Modality"], selection(["PatientID=P9"])) == [(None, 1, 0, 0, 0, 0, 0)]  # fmt: skip


def test_missing_files_are_not_counted_and_their_instances_are(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", stated()), reading("2", stated(sop_instance_uid="1.2.3.1.1.2"))])
    with runs.recorded(catalogue, "index", "test") as run:
        (gone,) = (f for f in stored_files.known_files(catalogue, 1, "") if f.path == "2")
        with catalogue.write() as connection:
            stored_files.mark_missing(connection, [gone], run.ref, "2026-01-01T00:00:00+00:00")
    assert totals(catalogue, ["Modality"]) == [("CT", 1, 1, 1, 2, 1, 100)]
    assert totals(catalogue, ["SOPInstanceUID"]) == [
        ("1.2.3.1.1.1", 1, 1, 1, 1, 1, 100),
        ("1.2.3.1.1.2", 1, 1, 1, 1, 0, 0),
    ]


def test_files_of_two_transfer_syntaxes_count_in_both(catalogue: Catalogue) -> None:
    other = reading("2", stated())
    other = other._replace(file=other.file._replace(transfer_syntax_uid="1.2.840.10008.1.2.5"))
    store(catalogue, [reading("1", stated()), other])
    assert totals(catalogue, ["TransferSyntaxUID"]) == [
        ("1.2.840.10008.1.2.1", 1, 1, 1, 1, 1, 100),
        ("1.2.840.10008.1.2.5", 1, 1, 1, 1, 1, 100),
    ]


def test_nothing_has_no_groups(catalogue: Catalogue) -> None:
    assert totals(catalogue, ["Modality"]) == []
    assert totals(catalogue, ["Rows", "year"]) == []


def test_groups_in_another_order(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading(str(n), stated(sop_instance_uid=f"1.{n}", series_instance_uid=f"1.2.{m}", modality=m))
            for n, m in enumerate(["CT", "MR", "MR", "", "US", "US"])
        ],
    )  # fmt: skip
    keys = grouping.group_keys(["Modality"])
    for sort, limit, offset, wanted in (
        ([("sizebytes", True)], None, 0, ["MR", "US", "CT", None]),
        ([("Modality", True)], None, 0, ["US", "MR", "CT", None]),
        ([("NumberOfInstances", False), ("modality", True)], None, 0, ["CT", None, "US", "MR"]),
        ([], 2, 1, ["MR", "US"]),
        ([], 0, 0, []),
        ([], None, 9, []),
    ):
        with grouping.grouped(catalogue, keys, Selection(), sort, limit, offset) as (_, rows):
            assert [row[0] for row in rows] == wanted, sort


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Modalty"], "Did you mean Modality?"),
        ([""], "nothing to group by"),
        (["modality", "MODALITY"], "Modality is named twice"),
        (["NumberOfFiles"], "nothing to group by"),
        (["Modality; DROP TABLE file"], "nothing to group by"),
        (['"'], "nothing to group by"),
    ],
)
def test_what_cannot_be_grouped_by(names: list[str], said: str) -> None:
    with pytest.raises(SelectionError) as caught:
        grouping.group_keys(names)
    assert said in str(caught.value)


def test_what_groups_cannot_be_sorted_by(catalogue: Catalogue) -> None:
    keys = grouping.group_keys(["year"])
    for name in ("Modality", "", "1", "c0", "SizeBytes; --"):
        with (
            pytest.raises(SelectionError, match="is not a column of these groups"),
            grouping.grouped(catalogue, keys, Selection(), [(name, False)]),
        ):
            pytest.fail(name)


def test_groups_of_series_look_at_no_instance(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    """By attributes of series and above the totals that are kept answer: nothing else is read."""
    catalogue = new_catalogue()
    fill(catalogue, 2, 2, 3, 4)
    whole = totals(catalogue, ["Modality", "year"])
    assert sum(row[5] for row in whole) == 48  # type: ignore[misc]
    assert totals(catalogue, ["Modality", "year"], selection(["BitsAllocated=16"])) == whole
    with catalogue.write() as connection:
        connection.exec_driver_sql("DELETE FROM file")
        connection.exec_driver_sql("UPDATE series_total SET number_of_files = 4, number_of_instances = 4, size_bytes = 4000")  # fmt: skip
    assert totals(catalogue, ["Modality", "year"]) == whole
