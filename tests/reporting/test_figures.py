"""Figures are what counting in Python gives."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.figures import Figures
from catalog.database.figures_of_time import months_before
from catalog.database.figures_reading import figures
from catalog.entities import Reading, Status, StoredFile
from catalog.findings import Finding, Severity
from tests.builders import write
from tests.cli.conftest import Dcat, dcat
from tests.database.stating import copied, stated, store

__all__ = ["dcat"]

TODAY = date(2024, 3, 31)


class OneSeries(NamedTuple):
    study: int
    modality: str | None
    maker: str | None
    model: str | None
    sizes: tuple[int, ...]
    syntax: str


TEXT = st.sampled_from([None, "", "A", "B", "a'b"])
SERIES = st.builds(
    OneSeries,
    study=st.integers(0, 3),
    modality=st.sampled_from([None, "", "CT", "MR", "SR"]),
    maker=TEXT,
    model=TEXT,
    sizes=st.lists(st.integers(0, 10**12), min_size=1, max_size=4).map(tuple),
    syntax=st.sampled_from(["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.3"]),
)
DATES = st.sampled_from(
    [None, "", "2024-04-01", "2024-03-31", "2024-03-01", "2024-02-29", "2024-02-28", "2023-12-31",
     "2023-12-30", "2014-03-31", "2004-03-31", "2004-04-01", "1900-01-01", "2100-12-31"]
)  # fmt: skip
STRAYS = st.lists(
    st.sampled_from([Status.NOT_DICOM, Status.UNREADABLE, Status.INCOMPLETE, Status.DICOMDIR]),
    max_size=4,
)


def filled(
    catalogue: Catalogue, series: list[OneSeries], dates: list[str | None], strays: list[Status]
) -> Figures:
    readings = []
    for s, each in enumerate(series):
        for i, size in enumerate(each.sizes):
            claims = stated(
                patient_id=f"P{each.study % 2}",
                study_instance_uid=f"1.2.{each.study}",
                study_date=dates[each.study],
                series_instance_uid=f"1.2.{each.study}.{s}",
                modality=each.modality,
                manufacturer=each.maker,
                manufacturer_model_name=each.model,
                sop_instance_uid=f"1.2.{each.study}.{s}.{i}",
            )
            file = StoredFile(f"{s}/{i}", size, 1, transfer_syntax_uid=each.syntax)
            readings.append(Reading(file, claims))
    for n, status in enumerate(strays):
        noticed = Finding(f"code-{n % 2}", Severity.WARNING, "Something.")
        readings.append(Reading(StoredFile(f"stray/{n}", 7, 1, status), None, (noticed,)))
    store(catalogue, readings)
    return figures(catalogue, TODAY, most_scanners=2)


@settings(max_examples=25)
@given(
    st.lists(SERIES, max_size=8), st.lists(DATES, min_size=4, max_size=4), STRAYS
)  # fmt: skip
def test_figures_are_what_counting_gives(
    empty_catalogue: Path, series: list[OneSeries], dates: list[str | None], strays: list[Status]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_catalogue(copied(empty_catalogue, folder)) as catalogue,
    ):
        found = filled(catalogue, series, dates, strays)
    studies = {each.study for each in series}
    everything = sum(sum(each.sizes) for each in series)
    total = found.totals
    assert (total.patients, total.studies) == (len({n % 2 for n in studies}), len(studies))
    assert (total.series, total.instances) == (len(series), sum(len(s.sizes) for s in series))
    assert (total.instance_files, total.size_bytes) == (total.instances, everything)
    assert total.files == total.instances + len(strays)
    assert total.defective == sum(s in (Status.UNREADABLE, Status.INCOMPLETE) for s in strays)
    assert total.missing == 0
    assert {s.status: s.files for s in found.statuses} == Counter(strays) + Counter(
        {Status.OK: total.instances}
    )

    by_syntax: Counter[str] = Counter()
    for each in series:
        by_syntax[each.syntax] += sum(each.sizes)
    assert {s.uid: s.size_bytes for s in found.syntaxes} == dict(by_syntax)
    assert [s.size_bytes for s in found.syntaxes] == sorted(by_syntax.values(), reverse=True)

    weights: dict[int, Counter[str]] = {n: Counter() for n in studies}
    for each in series:
        weights[each.study][each.modality or ""] += len(each.sizes)
    months = Counter(
        ((dates[n] or "")[:7], min(held, key=lambda m: (-held[m], m)))
        for n, held in weights.items()
    )
    assert {(m.month, m.modality): m.studies for m in found.months} == months

    held_bytes: Counter[str] = Counter()
    of_studies: dict[str, set[int]] = {}
    for each in series:
        held_bytes[each.modality or ""] += sum(each.sizes)
        of_studies.setdefault(each.modality or "", set()).add(each.study)
    assert {m.modality: (m.studies, m.size_bytes) for m in found.modalities} == {
        m: (len(of_studies[m]), held_bytes[m]) for m in of_studies
    }

    assert sum(age.studies for age in found.ages) == len(studies)
    assert sum(age.size_bytes for age in found.ages) == everything
    for age in found.ages:
        assert age.studies == sum(
            _is_of_age(dates[n], age.months, age.until_months) for n in studies
        )

    scanners: Counter[tuple[str, str]] = Counter()
    for each in series:
        scanners[each.maker or "", each.model or ""] += len(each.sizes)
    most = {(s.manufacturer, s.model): s.instances for s in found.scanners.most}
    assert most == {key: scanners[key] for key in most}
    assert sorted(most.values(), reverse=True) == sorted(scanners.values(), reverse=True)[:2]
    assert found.scanners.rest_scanners == max(0, len(scanners) - 2)
    assert found.scanners.rest_instances == total.instances - sum(most.values())
    assert {f.code: f.findings for f in found.findings} == Counter(
        f"code-{n % 2}" for n in range(len(strays))
    )


def _is_of_age(when: str | None, months: int | None, until: int | None) -> bool:
    if not when:
        return months is None
    if months is None:
        return False
    if months < 0:
        return when > TODAY.isoformat()
    newest = TODAY.isoformat() if months == 0 else _before(months)
    return when <= newest and (until is None or when > _before(until))


def _before(months: int) -> str:
    """By hand: what is so many months before 2024-03-31."""
    return {
        1: "2024-02-29", 3: "2023-12-31", 12: "2023-03-31", 24: "2022-03-31",
        60: "2019-03-31", 120: "2014-03-31", 240: "2004-03-31",
    }[months]  # fmt: skip


@pytest.mark.parametrize(
    ("today", "months", "day"),
    [
        ("2024-03-31", 1, "2024-02-29"),
        ("2023-03-31", 1, "2023-02-28"),
        ("2024-02-29", 12, "2023-02-28"),
        ("2024-01-15", 1, "2023-12-15"),
        ("2024-12-31", 240, "2004-12-31"),
        ("2024-05-31", 3, "2024-02-29"),
    ],
)
def test_months_before(today: str, months: int, day: str) -> None:
    assert months_before(date.fromisoformat(today), months) == date.fromisoformat(day)


def test_missing_files_do_not_count(tmp_path: Path, dcat: Dcat) -> None:
    for n in (1, 2):
        write(tmp_path / f"a/{n}.dcm", SOPInstanceUID=f"1.2.3.{n}")
    size = (tmp_path / "a/1.dcm").stat().st_size
    dcat("index", tmp_path / "a", "--db", tmp_path / "c.db", "-j", "1")
    (tmp_path / "a/2.dcm").unlink()
    dcat("index", tmp_path / "a", "--db", tmp_path / "c.db", "-j", "1")
    with open_catalogue(tmp_path / "c.db") as catalogue:
        found = figures(catalogue, TODAY)
    total = found.totals
    assert (total.instances, total.files, total.missing, total.size_bytes) == (2, 1, 1, size)
    assert [(s.files, s.size_bytes) for s in found.syntaxes] == [(1, size)]
    assert [m.size_bytes for m in found.modalities] == [size]
    assert found.last_indexed_at


def test_exports(tmp_path: Path, dcat: Dcat) -> None:
    write(tmp_path / "a/1.dcm")
    write(tmp_path / "a/2.dcm", SOPInstanceUID="1.2.9", SOPClassUID="1.2.3.4")
    dcat("index", tmp_path / "a", "--db", tmp_path / "c.db", "-j", "1")
    for n in range(3):
        dcat("export", tmp_path / f"m{n}", "--recipient", f"R{n}", "--db", tmp_path / "c.db")
    with open_catalogue(tmp_path / "c.db") as catalogue:
        found = figures(catalogue, TODAY, most_exports=2)
    assert found.all_exports == 3
    assert [(e.recipient, e.copied, e.left_out, e.failed) for e in found.exports] == [
        ("R2", 1, 1, 0),
        ("R1", 1, 1, 0),
    ]
    assert found.exports[0].size_bytes == (tmp_path / "a/1.dcm").stat().st_size


def test_an_empty_catalogue(new_catalogue: Callable[[], Catalogue]) -> None:
    found = figures(new_catalogue(), TODAY)
    assert not any(getattr(found.totals, name) for name in found.totals.__slots__)
    assert found.months == found.syntaxes == found.modalities == found.findings == ()
    assert not any(age.studies for age in found.ages)
    assert found.last_indexed_at is None
