"""`series_total` is exact at every moment, whatever is done to files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database import ledger, roots, runs, stored_files
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import Location
from catalog.database.pruning import delete_files
from catalog.database.upsert import RowWriter
from catalog.entities import Claims, Reading
from tests import tables
from tests.database.stating import copied, reading, stated, store

NOW = "2026-01-31T00:00:00+00:00"
DISC = "/disc"

Totals = list[tuple[int, int, int, int]]


def kept(place: Catalogue) -> Totals:
    """Return what the table says."""
    with tables.connected(place) as raw:
        return raw.execute("SELECT * FROM series_total ORDER BY series_ref").fetchall()


def counted(place: Catalogue) -> Totals:
    """Return what the files and instances of each series add up to, one series after the other."""
    there = "SELECT f.size_bytes FROM instance i JOIN file f ON f.instance_ref = i.id WHERE i.series_ref = {} AND f.status <> 'missing'"
    instances = "SELECT count(*) FROM instance WHERE series_ref = {}"
    with tables.connected(place) as raw:
        found = []
        for (ref,) in raw.execute("SELECT id FROM series ORDER BY id").fetchall():
            sizes = [size or 0 for (size,) in raw.execute(there.format(ref))]
            found.append(
                (ref, raw.execute(instances.format(ref)).fetchone()[0], len(sizes), sum(sizes))
            )
    return found


def shown(place: Catalogue, level: str) -> tuple[int, int, int]:
    """Return the sums of what a view says."""
    related = f"NumberOf{level.capitalize()}RelatedInstances"
    columns = (related, "NumberOfFiles", "SizeBytes")
    with tables.connected(place) as raw:
        sums = ", ".join(f"coalesce(sum({column}), 0)" for column in columns)
        return tuple(raw.execute(f"SELECT {sums} FROM v_{level}").fetchone())


@st.composite
def claims(draw: st.DrawFn) -> Claims:
    """Return what a file states: of one of a few instances, or of one that belongs to no series."""
    number = draw(st.integers(0, 6))
    if number == 0:
        alone = stated(sop_instance_uid="1.0")
        return alone._replace(patient=None, study=None, series=None)
    return stated(
        patient_id=draw(st.sampled_from(["P1", "P2"])),
        study_instance_uid="1.1",
        series_instance_uid=draw(st.sampled_from(["1.1.1", "1.1.2"])),
        sop_instance_uid=f"1.{number}",
    )


@st.composite
def read_files(draw: st.DrawFn) -> list[Reading]:
    """Return readings of files at different paths, some of which hold no instance."""
    paths = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5, unique=True))
    size = st.sampled_from([0, 1, 10, 2**40])
    return [
        reading(p, draw(st.none() | claims()), draw(size), draw(st.integers(1, 3))) for p in paths
    ]


class Hands:
    """Everything that changes files in a catalogue."""

    def __init__(self, catalogue: Catalogue, run_ref: int, draw: st.DrawFn) -> None:
        self.catalogue = catalogue
        self.run_ref = run_ref
        self.draw = draw
        self.writer = RowWriter(run_ref)

    def files(self) -> list[stored_files.KnownFile]:
        with self.catalogue.write() as connection:
            refs = [roots.place_for(connection, root).root_ref for root in ("/archive", DISC)]
        return [f for ref in refs for f in stored_files.known_files(self.catalogue, ref, "")]

    def some(self, *, missing: bool) -> list[stored_files.KnownFile]:
        able = [f for f in self.files() if (f.status == "missing") is missing]
        return [f for f in able if self.draw(st.booleans())]

    def read(self) -> None:
        readings = self.draw(read_files())
        with self.catalogue.write() as connection:
            root_ref = roots.place_for(
                connection, self.draw(st.sampled_from(["/archive", DISC]))
            ).root_ref
            self.writer.store(connection, root_ref, readings)

    def miss(self) -> None:
        gone = self.some(missing=False)
        with self.catalogue.write() as connection:
            stored_files.mark_missing(connection, gone, self.run_ref, NOW)
        self.writer.forget()

    def put_back(self) -> None:
        back = self.some(missing=True)
        with self.catalogue.write() as connection:
            stored_files.mark_returned(connection, back, self.run_ref)
        self.writer.forget()

    def move(self) -> None:
        with self.catalogue.write() as connection:
            pairs = stored_files.recognise_moved(connection, 0)
            stored_files.join_moved(connection, pairs, self.run_ref)
        self.writer.forget()

    def prune(self) -> None:
        gone = self.some(missing=True)
        with self.catalogue.write() as connection:
            delete_files(connection, [f.id for f in gone])
        self.writer.forget()

    def bring_in(self) -> None:
        """Import a File-set, in place of what was imported before."""
        named = [c for c in self.draw(st.lists(claims(), max_size=4)) if c.series is not None]
        paths = self.draw(st.permutations("abcdef"))
        with self.catalogue.write() as connection:
            place = roots.place_for(connection, DISC)
            rows = RowWriter(self.run_ref).store_records(connection, named)
            files = [
                ledger.ReferencedFile(path, self.draw(st.sampled_from([None, 5, 2**33])), 1, None, row.instance)
                for path, row in zip(paths, rows, strict=False)
            ]  # fmt: skip
            ledger.store_referenced(connection, self.run_ref, place.root_ref, files, NOW)
            there = {file.path for file in files if file.size_bytes is not None}
            ledger.mark_unnamed_missing(connection, self.run_ref, place, there, NOW)
            records = [
                ledger.RecordRow(
                    i, 3, "IMAGE", None, None, None, None, None, None, None, row.instance
                )
                for i, row in enumerate(rows)
            ]
            stored = ledger.StoredFileSet(DISC, "imported", "1.9", "", "digest")
            ledger.store_fileset(connection, self.run_ref, stored, records)
        self.writer.forget()


WHAT = ("read", "read", "miss", "put_back", "move", "prune", "bring_in")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_totals_are_exact_after_every_step(empty_catalogue: Location, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = copied(empty_catalogue, folder)
        with open_catalogue(path) as catalogue, runs.recorded(catalogue, "index", "test") as run:
            hands = Hands(catalogue, run.ref, data.draw)
            for what in data.draw(st.lists(st.sampled_from(WHAT), min_size=1, max_size=8), "what"):
                getattr(hands, what)()
                totals = kept(catalogue)
                assert totals == counted(catalogue)
                sums = tuple(sum(row[i] for row in totals) for i in (1, 2, 3))
                assert {shown(catalogue, level) for level in ("series", "study", "patient")} == {
                    sums
                }


def instances(series: str, numbers: Sequence[int]) -> list[Reading]:
    return [
        reading(f"{series}/{n}", stated(series_instance_uid=series, sop_instance_uid=f"{series}.{n}"), n)
        for n in numbers
    ]  # fmt: skip


def test_totals_add_up_over_batches(catalogue: Catalogue) -> None:
    store(catalogue, instances("1.1", range(10)) + instances("1.2", [5, 6]), batches=(3, 1, 6))
    assert [row[1:] for row in kept(catalogue)] == [(10, 10, 45), (2, 2, 11)]


def test_a_batch_that_is_undone_counts_nothing(catalogue: Catalogue) -> None:
    store(catalogue, instances("1.1", range(4)))
    before = kept(catalogue)
    with runs.recorded(catalogue, "index", "test") as run:
        writer = RowWriter(run.ref)
        with pytest.raises(ZeroDivisionError), catalogue.write() as connection:  # noqa: PT012
            writer.store(connection, 1, instances("1.1", range(4, 9)) + instances("1.2", [1]))
            raise ZeroDivisionError
    assert kept(catalogue) == before


def test_a_file_that_changes_its_series_is_counted_where_it_is(catalogue: Catalogue) -> None:
    (one,) = instances("1.1", [7])
    (other,) = instances("1.2", [9])
    store(catalogue, [one, other])
    store(catalogue, [other._replace(file=one.file._replace(size_bytes=8, mtime_ns=2))])
    assert [row[1:] for row in kept(catalogue)] == [(1, 2, 17)]
