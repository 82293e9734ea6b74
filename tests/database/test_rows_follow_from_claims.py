"""The rows are a function of what files state: not of order, batches, runs or history."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from catalog.database import health, ledger, models, roots, runs, settle
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import Location
from catalog.database.upsert import RowWriter
from catalog.entities import Claims, Reading
from tests import tables
from tests.database.stating import copied, reading, stated, store, store_records

Rows = dict[str, list[dict[str, Any]]]
NewCatalogue = Callable[[], Catalogue]


def the(catalogue: Catalogue, table: str) -> dict[str, Any]:
    """Return the one row of `table`."""
    (row,) = tables.dump(catalogue)[table]
    return row


def disputes(catalogue: Catalogue) -> set[tuple[str, str, str | None, str | None]]:
    """Return (path, keyword, value, raw) of every discrepancy."""
    return {
        (d["file"], d["keyword"], d["value"], d["raw"])
        for d in tables.dump(catalogue)["discrepancy"]
    }


def sound(catalogue: Catalogue) -> Rows:
    """Return the dump of a catalogue that has no problems."""
    assert health.problems(catalogue) == []
    return tables.dump(catalogue)


# -- who wins --------------------------------------------------------------------------------------

DESCRIPTIONS = [
    pytest.param(["A"], "A", {}, id="one file"),
    pytest.param(["A", "A"], "A", {}, id="agreement"),
    pytest.param(["A", "B", "B"], "B", {0: "A"}, id="the majority"),
    pytest.param(["B", "A"], "A", {0: "B"}, id="a tie goes to the smaller"),
    pytest.param(["B", "A", "B", "A"], "A", {0: "B", 2: "B"}, id="a tie of two each"),
    pytest.param([None, "A"], "A", {0: None}, id="absent does not count"),
    pytest.param([None, None, "", "A"], "A", {0: None, 1: None, 2: ""}, id="silence does not outvote"),
    pytest.param([None, None, None, "B", "B", "A"], "B", {0: None, 1: None, 2: None, 5: "A"}, id="the majority of those who speak"),
    pytest.param([None, ""], "", {0: None}, id="empty before absent"),
    pytest.param([None, None, ""], "", {0: None, 1: None}, id="empty before absent, however many"),
    pytest.param([None, None], None, {}, id="all absent"),
    pytest.param(["a", "A"], "A", {0: "a"}, id="case"),
]  # fmt: skip


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("batches", [(), (1, 1, 1, 1, 1)], ids=["one batch", "a file a batch"])
@pytest.mark.parametrize(("values", "winner", "differing"), DESCRIPTIONS)
def test_which_value_the_row_shows(
    catalogue: Catalogue,
    values: list[str | None],
    winner: str | None,
    differing: dict[int, str | None],
    batches: tuple[int, ...],
    backwards: bool,
) -> None:
    readings = [
        reading(f"{i}", stated(sop_instance_uid=f"1.{i}", study_description=value)) for i, value in enumerate(values)
    ]  # fmt: skip
    store(catalogue, reversed(readings) if backwards else readings, batches=batches)
    study = the(catalogue, "study")
    assert study["study_description"] == winner
    assert study["is_disputed"] == bool(differing)
    assert disputes(catalogue) == {
        (f"{i}", "StudyDescription", value, None) for i, value in differing.items()
    }
    sound(catalogue)


def test_a_value_that_no_column_holds_has_a_vote_too(catalogue: Catalogue) -> None:
    odd = stated()
    odd = odd._replace(patient=odd.patient._replace(raw=(("PatientBirthDate", "unknown"),)))
    dated = stated(patient_birth_date="1970-01-31")
    store(catalogue, [reading("1", odd), reading("2", odd), reading("3", dated)])
    assert the(catalogue, "patient")["patient_birth_date"] is None
    assert "unknown" in the(catalogue, "patient")["raw"]
    assert disputes(catalogue) == {("3", "PatientBirthDate", "1970-01-31", None)}
    store(catalogue, [reading("4", dated), reading("5", dated)])
    assert the(catalogue, "patient")["patient_birth_date"] == "1970-01-31"
    assert the(catalogue, "patient")["raw"] is None
    assert disputes(catalogue) == {
        ("1", "PatientBirthDate", None, "unknown"),
        ("2", "PatientBirthDate", None, "unknown"),
    }


def test_people_without_an_id_are_kept_apart_by_study(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading("1", stated(patient_id="", study_instance_uid="1.1", sop_instance_uid="1")),
            reading("2", stated(patient_id=None, study_instance_uid="1.1", sop_instance_uid="2")),
            reading("3", stated(patient_id="", study_instance_uid="1.2", sop_instance_uid="3")),
            reading("4", stated(patient_id="P", issuer_of_patient_id="X", sop_instance_uid="4")),
            reading("5", stated(patient_id="P", issuer_of_patient_id="", sop_instance_uid="5")),
            reading("6", stated(patient_id="P", sop_instance_uid="6")),
            reading("7", stated(patient_id="p", sop_instance_uid="7")),
        ],
    )
    assert len(tables.dump(catalogue)["patient"]) == 5
    sound(catalogue)


# -- order, batches, history -----------------------------------------------------------------------

WORDS = st.sampled_from([None, "", "A", "B", "b"])


@st.composite
def conflicting(draw: st.DrawFn) -> list[Reading]:
    """Draw files of few entities that disagree about everything."""
    readings = []
    for i in range(draw(st.integers(1, 7))):
        study = draw(st.sampled_from(["1.1", "1.2"]))
        claims = stated(
            patient_id=draw(st.sampled_from(["P1", "P2", ""])),
            patient_name=draw(WORDS),
            patient_birth_date=draw(st.sampled_from([None, "", "1970-01-31", "1970-02-01"])),
            study_instance_uid=study,
            study_description=draw(WORDS),
            series_instance_uid=study + ".1",
            series_number=draw(st.sampled_from([None, 1, 2, 10])),
            modality=draw(st.sampled_from(["CT", "MR"])),
            sop_instance_uid=draw(st.sampled_from(["1.5", "1.6"])),
            slice_thickness=draw(st.sampled_from([None, 1.5, 0.1, 2.0])),
            image_type=draw(st.sampled_from([None, "A\\B", "B\\A"])),
        )
        if draw(st.integers(0, 4)) == 0:
            claims = claims._replace(series=claims.series._replace(series_number=None, raw=(("SeriesNumber", draw(st.sampled_from(["", "1A"]))),)))  # fmt: skip
        placed = draw(st.integers(0, 9)) > 0
        readings.append(reading(f"{i:02d}", claims if placed else None, size_bytes=100 + i))
    return readings


def rebuilt(place: Location) -> dict[str, Claims | None]:
    """Return what each file states, from its instance's rows and its discrepancies alone."""
    with open_catalogue(place) as catalogue, catalogue.read() as connection:
        d = models.discrepancy.c
        other: dict[int, dict[str, tuple[str | None, str | None]]] = {}
        for file_ref, keyword, value, raw in connection.execute(
            select(d.file_ref, d.keyword, d.value, d.raw)
        ):
            other.setdefault(file_ref, {})[keyword] = (value, raw)
        refs = {
            path: ref
            for ref, path in connection.execute(select(models.file.c.id, models.file.c.path))
        }
    from catalog.attributes import BY_KEYWORD
    from catalog.database import fetch
    from catalog.query.selection import Selection

    claims: dict[str, Claims | None] = dict.fromkeys(refs)
    with open_catalogue(place) as catalogue:
        for candidate in fetch.candidates(catalogue, Selection()):
            for file in candidate.files:
                entities = []
                for entity in candidate.claims[:4]:
                    values, raws = entity._asdict(), dict(entity.raw)
                    for keyword, (value, raw) in other.get(refs[file.path], {}).items():
                        attribute = BY_KEYWORD[keyword]
                        if attribute.column in values:
                            raws.pop(keyword, None)
                            number = float if attribute.vr == "DS" else int
                            values[attribute.column] = (
                                number(value)
                                if attribute.is_number and value is not None
                                else value
                            )
                            if raw is not None:
                                raws[keyword] = raw
                    values["raw"] = tuple(sorted(raws.items()))
                    entities.append(type(entity)(**values))
                claims[file.path] = Claims(*entities, candidate.claims.directory_record_type)
    return claims


@given(conflicting(), st.data())
@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_neither_order_nor_batches_nor_history_matter(
    empty_catalogue: Location, readings: list[Reading], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first = copied(empty_catalogue, one)
        with open_catalogue(first) as fresh:
            store(fresh, readings)
            expected = sound(fresh)
        with open_catalogue(copied(empty_catalogue, two)) as other:
            if data.draw(st.booleans(), "stated something else before"):
                former = data.draw(conflicting())[: len(readings)]
                store(other, former)
            order = data.draw(st.permutations(readings))
            store(other, order, batches=data.draw(st.lists(st.integers(1, 3), max_size=4)))
            if data.draw(st.booleans(), "stored again"):
                store(other, data.draw(st.permutations(readings)))
            assert sound(other) == expected
        assert rebuilt(first) == {r.file.path: r.claims for r in readings}


def test_an_overwritten_file_leaves_no_orphans(new_catalogue: NewCatalogue) -> None:
    old, fresh = new_catalogue(), new_catalogue()
    other = stated(
        patient_id="P2",
        study_instance_uid="1.8",
        series_instance_uid="1.8.1",
        sop_instance_uid="1.8.1.1",
    )
    store(old, [reading("1", stated()), reading("2", stated(sop_instance_uid="1.7"))])
    store(old, [reading("1", other)])
    assert len(sound(old)["patient"]) == 2
    store(old, [reading("2", other)])
    store(fresh, [reading("1", other), reading("2", other)])
    assert sound(old) == sound(fresh)
    store(old, [reading("1", None), reading("2", None)])
    assert [
        len(sound(old)[table]) for table in ("patient", "study", "series", "instance", "file")
    ] == [0, 0, 0, 0, 2]


# -- folders within folders ------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["/archive/a", "/archive/a/b", "/archive/a.b"])
def test_a_parent_folder_adopts_what_was_indexed_below_it(
    new_catalogue: NewCatalogue, inner: str
) -> None:
    parts, whole = new_catalogue(), new_catalogue()
    prefix = inner.removeprefix("/archive/") + "/"
    store(
        parts,
        [reading("1", stated()), reading("sub/2", stated(sop_instance_uid="1.2"))],
        root=inner,
    )
    store(parts, [reading("3", stated(sop_instance_uid="1.3"))], root="/archive")
    store(
        whole,
        [
            reading(prefix + "1", stated()),
            reading(prefix + "sub/2", stated(sop_instance_uid="1.2")),
            reading("3", stated(sop_instance_uid="1.3")),
        ],
    )
    assert sound(parts) == sound(whole)
    with parts.write() as connection:
        assert roots.place_for(connection, inner)[1:] == ("/archive", prefix.rstrip("/"))
        assert roots.place_of(connection, "/archive2") is None
        assert roots.place_of(connection, "/arch") is None
        assert roots.place_of(connection, "/archive").below == ""


def test_the_top_folder_adopts_all(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", stated())], root="/a")
    store(catalogue, [reading("1", stated(sop_instance_uid="1.2"))], root="/ab")
    store(catalogue, [], root="/")
    assert {(f["root"], f["path"]) for f in sound(catalogue)["file"]} == {
        ("/", "a/1"),
        ("/", "ab/1"),
    }


# -- records and headers ---------------------------------------------------------------------------


def test_a_header_supersedes_a_record_and_never_the_reverse(new_catalogue: NewCatalogue) -> None:
    header = stated(patient_name="Header", study_description=None, modality="MR")
    record = stated(patient_name="Record", study_description="Record", accession_number="7")
    first, last, alone = new_catalogue(), new_catalogue(), new_catalogue()
    store_records(first, [record])
    assert the(first, "patient")["provenance"] == "record"
    assert the(first, "patient")["patient_name"] == "Record"
    store(first, [reading("1", header)])
    store(last, [reading("1", header)])
    store_records(last, [record])
    store(alone, [reading("1", header)])
    assert sound(first) == sound(last) == sound(alone)
    assert the(first, "study")["study_description"] is None
    assert the(first, "study")["accession_number"] is None
    assert the(first, "study")["provenance"] == "header"


RECORDS = st.builds(
    lambda i, name, date, number, kind: stated(sop_instance_uid=f"1.{i}", patient_name=name, study_date=date, series_number=number)._replace(directory_record_type=kind),
    st.integers(1, 2),
    WORDS,
    st.sampled_from([None, "", "2024-01-31", "2024-02-01"]),
    st.sampled_from([None, 1, 2]),
    st.just("IMAGE"),
)  # fmt: skip


@given(st.lists(RECORDS, min_size=1, max_size=4), st.lists(RECORDS, min_size=1, max_size=4))
@settings(max_examples=15)
def test_two_imports_commute(
    empty_catalogue: Location, one: list[Claims], other: list[Claims]
) -> None:
    dumps = []
    for first, second in ((one, other), (other, one), (one + other, one)):
        with (
            tempfile.TemporaryDirectory() as folder,
            open_catalogue(copied(empty_catalogue, folder)) as catalogue,
        ):
            store_records(catalogue, first)
            store_records(catalogue, second)
            dumps.append(sound(catalogue))
    assert dumps[0] == dumps[1] == dumps[2]


def test_two_imports_that_call_a_record_differently_commute(new_catalogue: NewCatalogue) -> None:
    one = stated(patient_name="A", image_type="A\\B")._replace(directory_record_type="IMAGE")
    other = stated(patient_name="A", image_type="A\\A")._replace(directory_record_type="PRIVATE")
    forwards, backwards = new_catalogue(), new_catalogue()
    for catalogue, order in ((forwards, (one, other)), (backwards, (other, one))):
        for claims in order:
            store_records(catalogue, [claims])
    assert sound(forwards) == sound(backwards)


def referenced(catalogue: Catalogue, claims: list[Claims]) -> None:
    """Store what a DICOMDIR states, and the files that it names, unread."""
    with runs.recorded(catalogue, "import", "test") as run, catalogue.write() as connection:
        placed = RowWriter(run.ref).store_records(connection, claims)
        root_ref = roots.place_for(connection, "/archive").root_ref
        files = [
            ledger.ReferencedFile(f"{i}", 1, 1, None, rows.instance)
            for i, rows in enumerate(placed)
        ]
        ledger.store_referenced(connection, run.ref, root_ref, files, "2024-01-31T00:00:00+00:00")


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)], ids=str)
def test_files_that_were_not_read_have_no_vote(
    catalogue: Catalogue, order: tuple[int, ...]
) -> None:
    referenced(
        catalogue, [stated(sop_instance_uid=f"1.{i}", patient_name="Record") for i in range(9)]
    )
    names = ["Rare", "Usual", "Usual"]
    for i in order:
        store(
            catalogue, [reading(f"{i}", stated(sop_instance_uid=f"1.{i}", patient_name=names[i]))]
        )
    assert the(catalogue, "patient")["patient_name"] == "Usual"


# -- one fact, one place ---------------------------------------------------------------------------


def test_views_say_what_the_tables_say(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading("1", stated(slice_thickness=1.5, rows=512)),
            reading("2", stated(slice_thickness=1.5, rows=512)),
            reading("x", None),
        ],
    )
    with catalogue.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM v_instance").mappings()
        (instance,) = [{key.lower(): value for key, value in row.items()} for row in rows]
        assert (
            instance["patientid"],
            instance["rows"],
            instance["slicethickness"],
            instance["numberoffiles"],
        ) == ("P1", 512, 1.5, 2)
        assert instance["sizebytes"] == 200
        rows = connection.exec_driver_sql("SELECT * FROM v_patient").mappings()
        (patient,) = [{key.lower(): value for key, value in row.items()} for row in rows]
        assert (patient["numberofpatientrelatedstudies"], patient["numberoffiles"]) == (1, 2)
        assert connection.exec_driver_sql("SELECT Path FROM v_file ORDER BY 1").scalars().all() == [
            "/archive/1",
            "/archive/2",
            "/archive/x",
        ]


# -- bounds ----------------------------------------------------------------------------------------


def test_what_is_remembered_is_bounded_where_every_file_differs(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.database.upsert.CACHED_ROWS", 50)
    with runs.recorded(catalogue, "index", "test") as run:
        with catalogue.write() as connection:
            root_ref = roots.place_for(connection, "/archive").root_ref
        writer = RowWriter(run.ref)
        for start in range(0, 300, 10):
            batch = [
                reading(f"{i:03}", stated(sop_instance_uid=f"1.{i}", study_description=f"{i:03}"))
                for i in range(start, start + 10)
            ]
            with catalogue.write() as connection:
                writer.store(connection, root_ref, batch)
            assert len(writer._standings) <= 50 + 10
    assert the(catalogue, "study")["study_description"] == "000"
    assert len(disputes(catalogue)) == 299
    sound(catalogue)


def test_the_time_of_a_vote_does_not_grow_with_the_votes() -> None:
    class Uncounted(dict[Any, int]):
        def values(self) -> Any:
            raise AssertionError("all votes were counted again")

    tally = settle.Tally(3, {"Modality": ("MR", None)}, {"Modality": {("CT", None): 1}})
    tally._others["Modality"] = Uncounted(tally._others["Modality"])
    assert tally.add(1, [("Modality", ("CT", None))]) is False  # two and two: the row may change
    assert tally.add(3, []) is True
    assert tally.add(1, [("Modality", ("US", None))]) is True
