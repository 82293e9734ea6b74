"""Items that are kept in little room are those that came in, in their order."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.database.fetch import Candidate, SourceFile
from catalog.entities import Claims, Instance, Patient, Series, Status, Study
from catalog.exporting import make_plan
from catalog.exporting.item import Item
from catalog.exporting.kept_items import PER_BLOCK, kept, picked, roots_of, sizes_of
from catalog.fileset.file_id import FileId
from tests.exporting.test_plan import candidate, source

texts = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["", "Ä^ß", "\udc80"]))
numbers = st.one_of(st.none(), st.integers(-(2**40), 2**60))
raw = st.sampled_from([(), (("SeriesNumber", "x"),), (("A", ""), ("B", "\\"))])
attributes = st.sampled_from([(), (("KVP", 1.5), ("PatientAge", "003Y"))])
patients = st.builds(
    lambda *values: Patient(values[0], values[1], raw=values[2], attributes=values[3]),
    texts, texts, raw, attributes,
)  # fmt: skip
studies = st.builds(lambda uid, stated: Study(study_instance_uid=uid, raw=stated), texts, raw)
series = st.builds(lambda n, stated: Series(series_number=n, raw=stated), numbers, raw)
instances = st.builds(
    lambda uid, n, mm, stated: Instance(uid, "1.2", n, slice_thickness=mm, raw=stated),
    texts, numbers, st.one_of(st.none(), st.floats(allow_nan=False)), raw,
)  # fmt: skip
files = st.builds(SourceFile, st.integers(0, 2**62), st.sampled_from(["/a", "s3://b/"]), st.text(max_size=4), numbers, numbers, st.sampled_from(Status), texts, texts)  # fmt: skip


@st.composite
def items(draw: st.DrawFn) -> Item:
    has_owners = draw(st.booleans())
    claims = Claims(
        draw(patients) if has_owners else None,
        draw(studies) if has_owners else None,
        draw(series) if has_owners else None,
        draw(instances),
        draw(texts),
    )
    some = tuple(draw(st.lists(files, min_size=1, max_size=3)))
    foreign = draw(st.booleans())  # a source may be none of the candidate's files
    chosen = draw(files) if foreign else draw(st.sampled_from(some))
    folder = draw(st.sampled_from([("DICOM",), ("DICOM", "P1", "T1", "S1"), ("A",)]))
    name = FileId((*folder, f"I{draw(st.integers(0, 99))}"))
    return Item(Candidate(draw(st.integers(0, 2**62)), draw(texts), claims, some), chosen, name)


many = st.lists(items(), max_size=12)


@given(many)
def test_what_comes_out_is_what_came_in(drawn: list[Item]) -> None:
    found = kept(drawn)
    for _ in range(2):  # it can be asked again
        assert list(found) == drawn
        assert found == drawn
        assert drawn == found
        assert found == tuple(drawn)
    assert len(found) == len(drawn)
    assert [found[n] for n in range(len(drawn))] == drawn
    assert [found[-n] for n in range(1, len(drawn) + 1)] == drawn[::-1]
    assert list(found[1:-1]) == drawn[1:-1]
    assert list(sizes_of(found)) == list(sizes_of(drawn))
    assert roots_of(found) == roots_of(drawn)
    assert bool(found) is bool(drawn)
    assert found != [*drawn, *drawn, None]
    with pytest.raises(IndexError):
        found[len(drawn)]


@given(many, st.lists(st.integers(0, 12), max_size=6))
def test_some_of_them(drawn: list[Item], cuts: list[int]) -> None:
    ends = sorted(min(cut, len(drawn)) for cut in cuts)
    ranges = list(zip(ends[::2], ends[1::2], strict=False))
    expected = [item for start, stop in ranges for item in drawn[start:stop]]
    found = picked(kept(drawn), ranges)
    assert list(found) == expected
    assert list(picked(drawn, ranges)) == expected
    assert list(sizes_of(found)) == list(sizes_of(expected))
    again = picked(found, [(0, len(found))])  # what was picked can be picked from
    assert list(again) == expected


def test_more_than_a_block() -> None:
    plan = make_plan(_series(2 * PER_BLOCK + 3), {})
    refs = [item.candidate.instance_ref for item in plan.items]
    assert refs == list(range(2 * PER_BLOCK + 3))
    middle = picked(plan.items, [(PER_BLOCK - 1, PER_BLOCK + 2), (2 * PER_BLOCK, len(refs))])
    assert [item.candidate.instance_ref for item in middle] == [511, 512, 513, 1024, 1025, 1026]
    assert middle[3].candidate.instance_ref == 1024
    assert plan.size_bytes == 100 * len(refs)


def test_a_plan_takes_little_room() -> None:
    """Of each instance beyond the first thousands less than the head of two of Python's objects."""

    def taken(count: int) -> int:
        tracemalloc.start()
        try:
            plan = make_plan(_series(count), {})
            gc.collect()
            assert len(plan.items) == count
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    # Caches of names hold a thousand in either case.
    assert (taken(6000) - taken(2000)) / 4000 < 96


def _series(count: int) -> Sequence[Candidate]:
    """Instances of series of a thousand."""
    found = []
    for n in range(count):
        uid = f"1.2.840.113619.2.55.3.604688119.{n // 1000}"
        file = source(n, f"archive/study/series {n // 1000}/IM-{n:06}.dcm")
        made = candidate(n, study="1.2", series=uid, uid=f"{uid}.{n}", files=(file,))
        claims = made.claims._replace(
            series=Series(series_instance_uid=uid, series_number=n // 1000),
            instance=made.claims.instance._replace(instance_number=n),
        )
        found.append(made._replace(claims=claims))
    return found
