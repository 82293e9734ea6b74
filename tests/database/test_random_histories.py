"""Whatever happened to files, and however the writing was cut into transactions: the rows are those of a fresh index."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database import health, roots, runs, stored_files, upsert
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import Location
from catalog.database.pruning import delete_files
from catalog.database.upsert import RowWriter
from catalog.entities import Claims, Reading
from tests import tables
from tests.database.stating import copied, reading, stated, store_records
from tests.database.test_totals import counted, kept

NOW = "2024-01-31T00:00:00+00:00"
ROOTS = ("/archive", "/other")
PATHS = tuple(f"{n:02}" for n in range(14))

Place: TypeAlias = tuple[str, str]
"""A root and a path below it."""


class _Undone(Exception):
    """What ends a transaction in its middle."""


WORDS = st.sampled_from([None, "", "A", "B", "C"])


def above(
    patient: str,
    name: str | None,
    study: str,
    description: str | None,
    number: int | None,
    odd: str | None,
) -> Claims:
    """Return claims whose Series Number is `number`, or the text `odd` that is none."""
    claims = stated(
        patient_id=patient,
        patient_name=name,
        study_instance_uid=study,
        study_description=description,
        series_instance_uid=study + ".1",
        series_number=number,
    )
    if number is not None or odd is None:
        return claims
    assert claims.series is not None
    return claims._replace(series=claims.series._replace(raw=(("SeriesNumber", odd),)))


ABOVE = st.builds(
    above,
    st.sampled_from(["P1", "P1", "P2", ""]),
    WORDS,
    st.sampled_from(["1.1", "1.1", "1.2"]),
    WORDS,
    st.sampled_from([None, None, 1, 2, 10]),
    st.sampled_from([None, None, "", "1A"]),
)
"""What files state above their instances, in few series, so that they dispute and tie."""


@st.composite
def files_of(draw: st.DrawFn, kinds: Sequence[Claims]) -> Claims | None:
    """Draw what one file states: entities that are the very objects of other files', as of a series."""
    if draw(st.integers(0, 11)) == 0:
        return None
    above = draw(st.sampled_from(kinds))
    return above._replace(
        instance=above.instance._replace(
            sop_instance_uid=f"1.{draw(st.integers(0, 20))}",
            slice_thickness=draw(st.sampled_from([None, 1.0, 2.5])),
        )
    )


class History:
    """A catalogue, written as runs write it, and beside it what it must say."""

    def __init__(self, catalogue: Catalogue, run_ref: int) -> None:
        self.catalogue = catalogue
        self.run_ref = run_ref
        self.writer = RowWriter(run_ref)
        self.read: dict[Place, Reading] = {}
        self.missing: set[Place] = set()
        with catalogue.write() as connection:
            self.roots = {root: roots.place_for(connection, root).root_ref for root in ROOTS}

    def store(
        self, root: str, readings: Sequence[Reading], *, is_undone: bool, asks_all: bool
    ) -> None:
        """Store a batch, or begin to and fail."""
        known = {r.file.path for r in readings if (root, r.file.path) in self.read}
        try:
            with self.catalogue.write() as connection:
                may = None if asks_all else known
                self.writer.store(connection, self.roots[root], readings, may)
                if is_undone:
                    raise _Undone
        except _Undone:
            self.writer.forget()
            return
        for each in readings:
            self.read[root, each.file.path] = each
            self.missing.discard((root, each.file.path))

    def known(self, places: Sequence[Place]) -> list[stored_files.KnownFile]:
        return [
            known
            for root in ROOTS
            for known in stored_files.known_files(self.catalogue, self.roots[root], "")
            if (root, known.path) in places
        ]

    def miss(self, places: Sequence[Place]) -> None:
        """Mark files as missing, as the end of a run does."""
        with self.catalogue.write() as connection:
            stored_files.mark_missing(connection, self.known(places), self.run_ref, NOW)
        self.missing.update(places)
        self.writer = RowWriter(self.run_ref)

    def put_back(self, places: Sequence[Place]) -> None:
        """Mark files as returned, in the middle of a run."""
        with self.catalogue.write() as connection:
            stored_files.mark_returned(connection, self.known(places), self.run_ref)
        self.writer.forget()
        self.missing.difference_update(places)

    def prune(self, places: Sequence[Place]) -> None:
        with self.catalogue.write() as connection:
            delete_files(connection, [known.id for known in self.known(places)])
        for place in places:
            del self.read[place]
        self.missing.difference_update(places)
        self.writer = RowWriter(self.run_ref)


def store_at_once(place: Location, history: History, records: Sequence[Claims]) -> None:
    """Make the catalogue that a history must have come to."""
    with open_catalogue(place) as catalogue:
        if records:
            store_records(catalogue, records)
        with runs.recorded(catalogue, "index", "test") as run:
            fresh = History(catalogue, run.ref)
            for root in ROOTS:
                readings = [r for (where, _), r in sorted(history.read.items()) if where == root]
                if readings:
                    fresh.store(root, readings, is_undone=False, asks_all=False)
            if history.missing:
                fresh.miss(sorted(history.missing))


def some(places: set[Place]) -> st.SearchStrategy[list[Place]]:
    return st.lists(st.sampled_from(sorted(places)), min_size=1, max_size=8, unique=True)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("with_records", [False, True], ids=["files alone", "after an import"])
def test_rows_do_not_tell_their_history(
    empty_catalogue: Location, data: st.DataObject, with_records: bool
) -> None:
    draw = data.draw
    kinds = draw(st.lists(ABOVE, min_size=1, max_size=6), "above")
    records = (
        [
            k._replace(instance=k.instance._replace(sop_instance_uid=f"1.{i}"))
            for i, k in enumerate(draw(st.lists(ABOVE, min_size=1, max_size=4), "records"))
        ]
        if with_records
        else []
    )
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(upsert, "CACHED_ROWS", draw(st.sampled_from([0, 4, 20_000]), "cached"))
        first = copied(empty_catalogue, two)
        with open_catalogue(first) as catalogue:
            if records:
                store_records(catalogue, records)
            with runs.recorded(catalogue, "index", "test") as run:
                history = History(catalogue, run.ref)
                for step in range(draw(st.integers(1, 9), "steps")):
                    there = set(history.read) - history.missing
                    may = ["store", "store", "store"]
                    may += ["miss"] if there else []
                    # A row that was made from headers stays so; an import alone never made it.
                    may += ["return"] if history.missing else []
                    may += ["prune"] if history.missing and not records else []
                    what = draw(st.sampled_from(may), f"step {step}")
                    if what == "store":
                        root = draw(st.sampled_from(ROOTS), "root")
                        free = [p for p in PATHS if not records or (root, p) not in history.read]
                        if not free:
                            continue
                        paths = draw(
                            st.lists(st.sampled_from(free), min_size=1, max_size=7, unique=True),
                            "paths",
                        )
                        drawn = files_of(kinds)
                        size = draw(st.sampled_from([0, 100, 2**40]), "size")
                        readings = [reading(p, draw(drawn, p), size, step) for p in paths]
                        history.store(
                            root,
                            readings,
                            is_undone=draw(st.integers(0, 5), "undone") == 0,
                            asks_all=draw(st.booleans(), "asks all"),
                        )
                    elif what == "miss":
                        history.miss(draw(some(there), "missing"))
                    elif what == "return":
                        places = draw(some(history.missing), "returned")
                        history.put_back(places)
                    else:
                        places = draw(some(history.missing), "pruned")
                        history.prune(places)
            assert health.problems(catalogue) == []
            assert kept(catalogue) == counted(catalogue)
        path = copied(empty_catalogue, one)
        store_at_once(path, history, records)
        assert tables.dump(first) == tables.dump(path)


@settings(max_examples=40, deadline=None)
@given(
    votes=st.lists(st.tuples(WORDS, st.sampled_from([1, 2])), min_size=4, max_size=30),
    data=st.data(),
)
def test_votes_counted_in_memory_are_those_that_were_cast(
    empty_catalogue: Location, votes: list[tuple[str | None, int]], data: st.DataObject
) -> None:
    """New files alone, of one series, by one writer: none is counted anew unless the row may change."""
    readings = [
        reading(
            f"{n:02}",
            stated(sop_instance_uid=f"1.{n}", study_description=word, series_number=number),
        )
        for n, (word, number) in enumerate(votes)
    ]
    dumps = []
    for size in (len(readings), data.draw(st.integers(1, 3), "files of a batch")):
        with tempfile.TemporaryDirectory() as folder:
            path = copied(empty_catalogue, folder)
            with open_catalogue(path) as catalogue:
                with runs.recorded(catalogue, "index", "test") as run:
                    history = History(catalogue, run.ref)
                    for start in range(0, len(readings), size):
                        batch = readings[start : start + size]
                        history.store(ROOTS[0], batch, is_undone=False, asks_all=False)
                assert health.problems(catalogue) == []
            dumps.append(tables.dump(path))
    assert dumps[0] == dumps[1]
