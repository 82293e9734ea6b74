"""What `find` reads: the rows of the views, arranged, in little memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.attributes import further
from catalog.database import columns, fetch, listing
from catalog.database.catalogue import Catalogue
from catalog.entities import Claims, Level
from catalog.errors import SelectionError
from catalog.query.parse import selection
from catalog.query.selection import Selection
from tests import tables
from tests.database.many import fill
from tests.database.stating import reading, stated, store

VIEWS = {level: f"v_{level.value}" for level in Level}
EVERY = tuple(Level)
AGE = further("PatientAge", (0x00101010,), "AS", "1", Level.STUDY)
KVP = further("KVP", (0x00180060,), "DS", "1", Level.SERIES)


def arranged(
    catalogue: Catalogue,
    level: Level,
    names: Sequence[str] = (),
    sort: Sequence[tuple[str, bool]] = (),
    asked: Selection | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[tuple[Any, ...]]:
    """Return the rows with the columns `names` (all usual ones without), sorted."""
    with catalogue.read() as connection:
        more = fetch.further_of(connection)
    chosen = columns.named(level, names, more) if names else columns.usual(level, more)
    keys = tuple(
        fetch.SortKey(column, down)
        for (_, down), column in zip(
            sort, columns.named(level, [name for name, _ in sort], more), strict=True
        )
    )
    wanted = fetch.Arrangement(chosen, keys, limit, offset)
    with fetch.found(catalogue, level, asked or Selection(), wanted) as (found, rows):
        assert found == tuple(each.name for each in chosen)
        return list(rows)


@pytest.fixture
def varied(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """Two patients, an instance of none, an instance with two files, in chunks of two rows."""
    monkeypatch.setattr(listing, "CHUNK", 2)
    store(
        catalogue,
        [
            reading(str(n), stated(patient_id=p, study_instance_uid=t, series_instance_uid=s, sop_instance_uid=i, modality=m, study_date=d, rows=r))
            for n, (p, t, s, i, m, d, r) in enumerate([
                ("P2", "1.2", "1.2.1", "1.2.1.1", "CT", "2024-01-31", 512),
                ("P1", "1.1", "1.1.1", "1.1.1.1", "MR", "2024-02-01", 256),
                ("P1", "1.1", "1.1.1", "1.1.1.2", "MR", "2024-02-01", None),
                ("P1", "1.1", "1.1.2", "1.1.2.1", "", "2024-02-01", 64),
                ("P1", "1.3", "1.3.1", "1.3.1.1", None, "", 512),
                ("P2", "1.2", "1.2.1", "1.2.1.1", "CT", "2024-01-31", 512),
            ])
        ] + [reading("lone", Claims(None, None, None, stated(sop_instance_uid="1.9", rows=9).instance, "PALETTE")), reading("text", None)],
    )  # fmt: skip
    return catalogue


@pytest.mark.parametrize("level", EVERY, ids=str)
def test_rows_are_those_of_the_view(varied: Catalogue, level: Level) -> None:
    names = columns.columns_of(level)
    with tables.connected(varied) as raw:
        wanted = raw.execute(
            f"SELECT {', '.join(names)} FROM {VIEWS[level]} ORDER BY {level.value}_ref"
        ).fetchall()
    found = arranged(varied, level)
    assert sorted(map(repr, found)) == sorted(map(repr, wanted))
    assert found == arranged(varied, level)


@pytest.mark.parametrize("level", EVERY, ids=str)
def test_each_column_alone_is_that_of_the_whole_row(varied: Catalogue, level: Level) -> None:
    whole = arranged(varied, level)
    names = columns.columns_of(level)
    for n, name in enumerate(names):
        assert arranged(varied, level, [name.upper()]) == [(row[n],) for row in whole]
    backwards = arranged(varied, level, names[::-1])
    assert backwards == [row[::-1] for row in whole]


def test_columns_of_what_rows_belong_to(varied: Catalogue) -> None:
    assert arranged(varied, Level.SERIES, ["SeriesInstanceUID", "ModalitiesInStudy", "NumberOfPatientRelatedStudies"]) == [
        ("1.3.1", None, 2),
        ("1.1.1", "MR", 2),
        ("1.1.2", "MR", 2),
        ("1.2.1", "CT", 1),
    ]  # fmt: skip
    assert arranged(varied, Level.FILE, ["PathInRoot", "StudyDate", "Rows", "NumberOfSeriesRelatedInstances", "Status"]) == [
        ("0", "2024-01-31", 512, 1, "ok"),
        ("1", "2024-02-01", 256, 2, "ok"),
        ("2", "2024-02-01", None, 2, "ok"),
        ("3", "2024-02-01", 64, 1, "ok"),
        ("4", "", 512, 1, "ok"),
        ("5", "2024-01-31", 512, 1, "ok"),
        ("lone", None, 9, None, "ok"),
        ("text", None, None, None, "ok"),
    ]  # fmt: skip


def test_columns_that_the_configuration_added(catalogue: Catalogue) -> None:
    claims = stated()
    assert claims.study
    assert claims.series
    claims = claims._replace(
        study=claims.study._replace(attributes=(("PatientAge", "042Y"),)),
        series=claims.series._replace(attributes=(("KVP", 120.0),)),
    )
    store(catalogue, [reading("1", claims)], further=[AGE, KVP])
    for level, names in ((Level.STUDY, ["patientage"]), (Level.SERIES, ["PatientAge", "KVP"]), (Level.INSTANCE, ["KVP@series", "PatientAge"]), (Level.FILE, ["KVP", "PatientAge"])):  # fmt: skip
        wanted = {"KVP": 120.0, "PatientAge": "042Y"}
        (row,) = arranged(catalogue, level, names, [(names[0], True)])
        assert row == tuple({k.lower(): v for k, v in wanted.items()}[name.lower().partition("@")[0]] for name in names)  # fmt: skip
    with pytest.raises(SelectionError, match="says something of series"):
        arranged(catalogue, Level.STUDY, ["KVP"])


@pytest.mark.parametrize(
    ("level", "name", "said"),
    [
        (Level.STUDY, "Modality", "something of series. Ask `dcat find series`"),
        (Level.PATIENT, "SOPInstanceUID", "something of instances. Ask `dcat find instances`"),
        (Level.STUDY, "Path", "something of files. Ask `dcat find files`"),
        (Level.STUDY, "StudyDat", "Did you mean StudyDate?"),
        (Level.STUDY, "", "empty name"),
        (Level.STUDY, " ", "empty name"),
        (Level.STUDY, "study_ref", "is not a column of studies"),
        (Level.STUDY, "PatientID; DROP TABLE file", "is not a column of studies"),
        (Level.STUDY, 'PatientID" FROM v_study; --', "is not a column of studies"),
        (Level.STUDY, "*", "is not a column of studies"),
        (Level.STUDY, "(SELECT 1)", "is not a column of studies"),
        (Level.STUDY, "[red]\x1b[31m", "is not a column of studies"),
    ],
)
def test_columns_that_there_are_not(level: Level, name: str, said: str) -> None:
    with pytest.raises(SelectionError) as caught:
        columns.named(level, ["PatientID", name], ())
    assert said in str(caught.value)


def test_a_column_named_twice() -> None:
    with pytest.raises(SelectionError, match="PatientID is named twice"):
        columns.named(Level.STUDY, ["PatientID", "patientid"], ())


SORTABLE = ("PatientID", "StudyDate", "Modality", "Rows", "NumberOfFiles", "SOPInstanceUID", "ModalitiesInStudy", "NumberOfSeriesRelatedInstances")  # fmt: skip


@pytest.fixture(scope="module")
def twelve(lasting_catalogue: Catalogue) -> Catalogue:
    """Twelve instances of three patients, in whose values are gaps, and letters of which one is not like another."""
    store(
        lasting_catalogue,
        [
            reading(str(n), stated(patient_id=["P", "a", "É"][n % 3], study_instance_uid=f"1.{n % 3}", series_instance_uid=f"1.{n % 3}.{n % 2}", sop_instance_uid=f"1.{n}", modality=["CT", "MR", "", None][n % 3 + n % 2], study_date=["2024-01-31", None, ""][n % 3], rows=[512, None, 1][n % 5 % 3]))
            for n in range(12)
        ],
    )  # fmt: skip
    return lasting_catalogue


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(SORTABLE), st.booleans()), max_size=3, unique_by=lambda k: k[0]),
    st.none() | st.integers(0, 8),
    st.integers(0, 8),
    st.sampled_from([[], ["Modality=MR"], ["PatientID=P1"], ["Rows=512"]]),
)  # fmt: skip
def test_sorted_as_python_sorts(
    twelve: Catalogue,
    sort: list[tuple[str, bool]],
    limit: int | None,
    offset: int,
    keys: list[str],
) -> None:
    asked = selection(keys)
    rows = arranged(twelve, Level.INSTANCE, SORTABLE, (), asked)
    for name, is_descending in reversed(sort):
        at = SORTABLE.index(name)
        has, has_not = [], []
        for row in rows:
            (has_not if row[at] in (None, "") else has).append(row)
        # `reverse` keeps the order of what is equal, as ties have their usual order.
        rows = sorted(has, key=lambda row: row[at], reverse=is_descending) + has_not
    end = None if limit is None else offset + limit
    assert arranged(twelve, Level.INSTANCE, SORTABLE, sort, asked, limit, offset) == rows[offset:end]  # fmt: skip


def test_paths_of_a_part_of_the_rows(varied: Catalogue) -> None:
    def paths(level: Level, sort: str | None = None, limit: int | None = None, offset: int = 0, keys: Sequence[str] = ()) -> list[str]:  # fmt: skip
        order = () if sort is None else (fetch.SortKey(columns.named(level, [sort.lstrip("-")], ())[0], sort.startswith("-")),)  # fmt: skip
        wanted = fetch.Arrangement((), order, limit, offset)
        found = fetch.file_paths(varied, level, selection(keys), wanted)
        return [path.removeprefix("/archive/") for path in found]

    assert paths(Level.PATIENT) == ["0", "1", "2", "3", "4", "5", "lone"]
    assert paths(Level.PATIENT, limit=1) == ["1", "2", "3", "4"]
    assert paths(Level.PATIENT, offset=1) == ["0", "5"]
    assert paths(Level.PATIENT, "-PatientID") == ["0", "5", "1", "2", "3", "4"]
    assert paths(Level.STUDY, "-StudyDate", limit=1) == ["1", "2", "3"]
    assert paths(Level.SERIES, limit=1, keys=["Modality=MR"]) == ["1", "2"]
    assert paths(Level.INSTANCE, "Rows", limit=2) == ["lone", "3"]
    assert paths(Level.FILE, "-PathInRoot", limit=3) == ["text", "lone", "5"]
    assert paths(Level.FILE, limit=0) == []


def test_rows_come_before_all_are_read(catalogue: Catalogue) -> None:
    """The first row is there when one chunk has been read; stopping there is no error."""
    fill(catalogue, 3, 1, 1, 1000)
    with fetch.found(catalogue, Level.INSTANCE, Selection()) as (_, rows):
        assert next(rows)[0] == "P000001"
    with fetch.found(catalogue, Level.INSTANCE, Selection()) as (_, rows):
        assert sum(1 for _ in rows) == 3000


PEAK = """
import resource, sys
from itertools import pairwise
from pathlib import Path
from catalog.cli.main import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.heavy
@pytest.mark.parametrize("form", ["ndjson", "json", "csv", "table", "dicom-json", "parquet", "paths"])  # fmt: skip
def test_memory_does_not_grow_with_the_rows(
    form: str, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    peaks_kib = []
    for patients in (10, 200):
        catalogue = new_catalogue()
        fill(catalogue, patients, 1, 5, 100)
        place = str(getattr(catalogue.location, "url", catalogue.location))
        with (tmp_path / "out").open("wb") as out:
            done = subprocess.run(
                [sys.executable, "-c", PEAK, "find", "instances", "-o", form, "--db", place],
                stdout=out, stderr=subprocess.PIPE, check=True, timeout=600, cwd=Path(__file__).parents[2],
            )  # fmt: skip
        assert (tmp_path / "out").stat().st_size > patients * 2_000
        peaks_kib.append(int(done.stderr.split()[-1]))
    assert peaks_kib[1] - peaks_kib[0] < 40_000, peaks_kib


def test_candidates_by_series_are_the_same_ones(catalogue: Catalogue) -> None:
    """More than are read at a time, of series that were indexed in turns; one ends where a thousand do."""
    many = [
        reading(
            f"{n % 25}/{n}",
            stated(
                patient_id=f"P{n % 5}",
                study_instance_uid=f"1.{n % 5}",
                series_instance_uid=f"1.{n % 5}.{n % 25}",
                sop_instance_uid=f"1.{n % 5}.{n % 25}.{n}",
            ),
        )
        for n in range(2500)
    ]
    store(catalogue, many)
    plain = list(fetch.candidates(catalogue, Selection(), whole=False))
    together = list(fetch.candidates(catalogue, Selection(), whole=False, by_series=True))
    assert sorted(together, key=lambda each: each.instance_ref) == plain
    assert len(plain) == 2500
    met = [each.claims.series for each in together]
    assert len({id(series) for series in met}) == 25
    assert sum(one is not other for one, other in pairwise(met)) == 24
