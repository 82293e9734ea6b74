"""Selections that indexes serve: SQLite's own plan looks at no table from end to end."""

from __future__ import annotations

import re

import pytest

from catalog.database.catalogue import Catalogue
from catalog.database.select import selected_ids
from catalog.entities import Level
from catalog.query.parse import selection

SERVED = [
    ["PatientID=P1"],
    ["PatientID=P1*"],
    ["PatientID=P1", "PatientID=P2*", "PatientID=P3?"],
    [f"PatientID=P{i}" for i in range(1000)],
    ["AccessionNumber=A1"],
    ["AccessionNumber=A*1"],
    ["StudyInstanceUID=1.2,1.3"],
    ["SeriesInstanceUID=1.2"],
    ["SOPInstanceUID=1.2"],
    ["SOPClassUID=1.2"],
    ["Modality=CT"],
    ["StudyDate=20240101-20240131"],
    ["StudyDate=2024", "StudyDate=2022"],
    ["StudyDate>=2024-01-01", "StudyDate<2025"],
    ["StudyDate+StudyTime=2024010112-2024010213"],
    ["PatientName=doe*"],
    ["PatientName=doe^jane"],
    ["PatientName=doe^*", "StudyDate=2024", "Modality=CT", "Rows>512"],
    ["ReferringPhysicianName=roe*"],
]


@pytest.mark.parametrize("keys", SERVED, ids=lambda keys: " ".join(keys[:4]))
@pytest.mark.parametrize("level", list(Level)[:4], ids=str)
def test_no_table_is_read_from_end_to_end(
    catalogue: Catalogue, keys: list[str], level: Level
) -> None:
    with catalogue.read() as connection:
        query = selected_ids(connection, level, selection(keys)).compile(
            dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
        )
        values = tuple(query.params[name] for name in query.positiontup or ())
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
    steps = [row[3] for row in plan]
    assert steps
    assert not [s for s in steps if re.match("SCAN (patient|study|series|instance|file)( |$)", s)], steps  # fmt: skip


@pytest.mark.parametrize("level", list(Level)[:4], ids=str)
def test_words_are_looked_up(catalogue: Catalogue, level: Level) -> None:
    with catalogue.read() as connection:
        query = selected_ids(connection, level, selection(words=["doe thorax"])).compile(
            dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
        )
        values = tuple(query.params[name] for name in query.positiontup or ())
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
    # The studies may be gone through, their words are not.
    assert not [r[3] for r in plan if re.match("SCAN (patient|series|instance|file)( |$)", r[3])]
    assert [r[3] for r in plan if "_words VIRTUAL TABLE" in r[3]]
