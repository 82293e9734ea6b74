"""Attributes that the configuration adds: stored, settled, selected, and known by the files that lack them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from catalog.attributes import Further
from catalog.database import attribute_sets, fetch, health, models
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import Location
from catalog.dicom.asking import asked
from catalog.dicom.further import form
from catalog.entities import Claims, Level, Reading
from catalog.errors import CatalogueError, SelectionError
from catalog.query.parse import selection
from catalog.query.selection import Selection
from tests import tables
from tests.database.stating import copied, reading, stated, store
from tests.database.test_select import found

EVERY = asked(
    [
        "EthnicGroup", "PatientAge", "PatientWeight", "OperatorsName", "ExposureTime", "AcquisitionDate",
        "AcquisitionTime", "FrameAcquisitionDateTime", "WindowCenter", "IrradiationEventUID", "RegionLocationMinX0",
        "RequestAttributesSequence.RequestedProcedureID", "00191008", "DateOfLastCalibration",
    ]
)  # fmt: skip
NAMES = {attribute.keyword: attribute for attribute in EVERY}


def with_values(claims: Claims, **values: str | None) -> Claims:
    """Return claims that state these texts, as a file would hold them, of further attributes."""
    entities: list[Any] = list(claims[:4])
    for i, level in enumerate((Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE)):
        pairs, raws = [], []
        for name in sorted(values):
            text = values[name]
            attribute = NAMES[name]
            if attribute.level is level and text is not None:
                value, raw = form(attribute, text)
                if value is not None:
                    pairs.append((name, value))
                if raw is not None:
                    raws.append((name, raw))
        if entities[i] is not None:
            entities[i] = entities[i]._replace(attributes=tuple(pairs), raw=tuple(raws))
    return Claims(*entities, claims.directory_record_type)


def the(catalogue: Catalogue, table: str) -> dict[str, Any]:
    """Return the one row of `table`."""
    (row,) = tables.dump(catalogue)[table]
    return row


def further_of(catalogue: Catalogue, table: str) -> Any:
    """Return the attributes of the one row of `table`."""
    text = the(catalogue, table)["attributes"]
    return None if text is None else json.loads(text)


def disputes(catalogue: Catalogue) -> set[tuple[str, str, str | None, str | None]]:
    """Return (path, keyword, value, raw) of every discrepancy."""
    return {
        (d["file"], d["keyword"], d["value"], d["raw"])
        for d in tables.dump(catalogue)["discrepancy"]
    }


def sound(place: Location | Catalogue) -> dict[str, list[dict[str, Any]]]:
    """Return the dump of a catalogue that has no problems."""
    location = place.location if isinstance(place, Catalogue) else place
    with open_catalogue(location) as catalogue:
        assert health.problems(catalogue) == []
    return tables.dump(location)


# -- what is stored --------------------------------------------------------------------------------


def test_each_level_has_its_attributes(catalogue: Catalogue) -> None:
    claims = with_values(
        stated(), EthnicGroup="", PatientAge="033Y", PatientWeight="70", ExposureTime="12", OperatorsName="Doe^Jane",
    )  # fmt: skip
    store(catalogue, [reading("1", claims), reading("2", claims)], further=EVERY)
    assert further_of(catalogue, "patient") == {"EthnicGroup": ""}
    assert further_of(catalogue, "study") == {"PatientAge": "033Y", "PatientWeight": 70.0}
    assert further_of(catalogue, "series") == {"OperatorsName": "Doe^Jane"}
    assert further_of(catalogue, "instance") == {"ExposureTime": 12}
    assert disputes(catalogue) == set()
    with catalogue.read() as connection:
        assert attribute_sets.kept(connection) == EVERY
    (candidate,) = fetch.candidates(catalogue, Selection())
    assert candidate.claims == claims


def test_without_any_the_columns_are_null(catalogue: Catalogue) -> None:
    store(catalogue, [reading("1", stated())])
    assert {further_of(catalogue, level) for level in ("patient", "study", "series", "instance")} == {None}  # fmt: skip
    with tables.connected(catalogue) as raw:
        assert raw.execute("SELECT count(*) FROM attribute_set").fetchone() == (0,)
        assert raw.execute("SELECT attribute_set_ref FROM file").fetchone() == (None,)


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("batches", [(), (1, 1, 1, 1, 1)], ids=["one batch", "a file a batch"])
@pytest.mark.parametrize(
    ("texts", "winner", "differing"),
    [
        (["70"], 70.0, {}),
        (["70", "70.0"], 70.0, {}),
        (["70", "80", "80"], 80.0, {0: ("70.0", None)}),
        (["80", "70"], 70.0, {0: ("80.0", None)}),
        ([None, "70"], 70.0, {0: (None, None)}),
        ([None, None, "", "70"], 70.0, {0: (None, None), 1: (None, None), 2: ("", None)}),
        ([None, ""], "", {0: (None, None)}),
        (["heavy", "heavy", "70"], None, {2: ("70.0", None)}),
        (["heavy", "70", "70"], 70.0, {0: (None, "heavy")}),
        ([None, None], None, {}),
    ],
)
def test_which_value_the_row_shows(
    catalogue: Catalogue,
    texts: list[str | None],
    winner: Any,
    differing: dict[int, tuple[str | None, str | None]],
    batches: tuple[int, ...],
    backwards: bool,
) -> None:
    readings = [
        reading(f"{i}", with_values(stated(sop_instance_uid=f"1.{i}"), PatientWeight=text))
        for i, text in enumerate(texts)
    ]
    store(
        catalogue,
        reversed(readings) if backwards else readings,
        batches=batches,
        further=asked(["PatientWeight"]),
    )
    assert (further_of(catalogue, "study") or {}).get("PatientWeight") == winner
    assert the(catalogue, "study")["is_disputed"] == bool(differing)
    assert disputes(catalogue) == {
        (f"{i}", "PatientWeight@study", *claim) for i, claim in differing.items()
    }
    sound(catalogue)


def test_one_name_at_two_levels_while_files_are_read_again(catalogue: Catalogue) -> None:
    by_study, by_series = asked(["PatientAge"]), asked(["PatientAge@series"])
    one = stated(sop_instance_uid="1.1")
    two = stated(sop_instance_uid="1.2")
    assert one.study is not None
    assert two.series is not None
    age = (("PatientAge", "033Y"),)
    store(catalogue, [reading("1", one._replace(study=one.study._replace(attributes=age)))], further=by_study)  # fmt: skip
    store(catalogue, [reading("2", two._replace(series=two.series._replace(attributes=age)))], further=by_series)  # fmt: skip
    assert further_of(catalogue, "study") == further_of(catalogue, "series") == {"PatientAge": "033Y"}  # fmt: skip
    assert disputes(catalogue) == {("2", "PatientAge@study", None, None), ("1", "PatientAge@series", None, None)}  # fmt: skip
    with catalogue.read() as connection:
        assert attribute_sets.kept(connection) == by_series
    store(catalogue, [reading("1", one._replace(series=two.series._replace(attributes=age)))], further=by_series)  # fmt: skip
    assert further_of(catalogue, "study") is None
    assert disputes(catalogue) == set()
    sound(catalogue)


def test_an_attribute_that_is_no_longer_asked_for_stays_until_its_files_are_read_again(
    catalogue: Catalogue,
) -> None:
    old = with_values(stated(sop_instance_uid="1.1"), PatientAge="033Y", PatientWeight="70")
    also = with_values(stated(sop_instance_uid="1.2"), PatientAge="033Y", PatientWeight="70")
    store(catalogue, [reading("1", old), reading("2", also)], further=asked(["PatientAge", "PatientWeight"]))  # fmt: skip
    fewer = asked(["PatientAge"])
    read_again = with_values(stated(sop_instance_uid="1.1"), PatientAge="033Y")
    store(catalogue, [reading("1", read_again)], further=fewer)
    assert further_of(catalogue, "study") == {"PatientAge": "033Y", "PatientWeight": 70.0}
    assert disputes(catalogue) == {("1", "PatientWeight@study", None, None)}
    sound(catalogue)
    store(catalogue, [reading("2", with_values(stated(sop_instance_uid="1.2"), PatientAge="033Y"))], further=fewer)  # fmt: skip
    assert further_of(catalogue, "study") == {"PatientAge": "033Y"}
    assert disputes(catalogue) == set()
    sound(catalogue)


# -- which files lack what -------------------------------------------------------------------------


def lists(*names: Sequence[str]) -> list[tuple[Further, ...]]:
    return [asked(each) for each in names]


def test_which_lists_lack_what(catalogue: Catalogue) -> None:
    none, one, two, moved = lists([], ["PatientAge"], ["PatientAge", "KVP"], ["PatientAge@series"])
    refs = []
    for further in (none, one, two, one):
        with catalogue.write() as connection:
            refs.append(attribute_sets.set_ref(connection, further))
    assert refs[0] is None
    assert refs[1] == refs[3] != refs[2]
    with catalogue.read() as connection:
        assert attribute_sets.lacking(connection, none) == {}
        assert attribute_sets.lacking(connection, one) == {None: ("PatientAge",)}
        assert attribute_sets.lacking(connection, two) == {None: ("KVP", "PatientAge"), refs[1]: ("KVP",)}  # fmt: skip
        assert set(attribute_sets.lacking(connection, moved)) == {None, refs[1], refs[2]}
        assert attribute_sets.kept(connection) == ()  # no file was read with any


def test_how_many_files_lack_what(catalogue: Catalogue) -> None:
    readings = [reading(f"{i}", stated(sop_instance_uid=f"1.{i}")) for i in range(6)]
    store(catalogue, readings[:3])
    store(catalogue, readings[3:5], further=asked(["PatientAge"]))
    store(catalogue, readings[5:], further=asked(["PatientAge", "KVP"]))
    with catalogue.read() as connection:
        found = attribute_sets.files_lacking(connection, asked(["PatientAge", "KVP", "EthnicGroup"]))  # fmt: skip
        assert found == {"PatientAge": 3, "KVP": 5, "EthnicGroup": 6}
        assert attribute_sets.kept(connection) == asked(["PatientAge", "KVP"])


@pytest.mark.parametrize("text", ["", "{", "[1]", "[{}]", '[{"name": "A", "path": [], "vr": "LO", "vm": "1", "level": "study"}]', '[{"name": "A", "path": ["x"], "vr": "LO", "vm": "1", "level": "study"}]'])  # fmt: skip
def test_a_list_that_was_changed_by_hand_is_one_sentence(catalogue: Catalogue, text: str) -> None:
    store(catalogue, [reading("1", stated())], further=asked(["PatientAge"]))
    with catalogue.write() as connection:
        connection.execute(update(models.attribute_set).values(attributes=text))
    with (
        catalogue.read() as connection,
        pytest.raises(CatalogueError, match="List 1 of attributes"),
    ):
        attribute_sets.kept(connection)


# -- order, batches, history -----------------------------------------------------------------------

WORDS = st.sampled_from([None, "", "A", "B", "b", "A\\B"])
NUMBERS = st.sampled_from([None, "", "0", "1", "-1", "1.5", "15e-1", "x", "7"])
DATES = st.sampled_from([None, "", "20240131", "20240230", "2024.01.31", "20231231", "20240131\\x"])
CLOCKS = st.sampled_from([None, "", "08", "0830", "083000.50", "99"])
MOMENTS = st.sampled_from([None, "", "2024", "20240131083000.5+0100", "y"])
UIDS = st.sampled_from([None, "", "1.2", "1.2.3", "1.2\\1.2.3"])
PEOPLE = st.sampled_from([None, "", "Müller^Anna", "MULLER^ANNA\\Roe^Jo", "Yamada^Taro=山田^太郎=やまだ^たろう"])  # fmt: skip
ODD = st.sampled_from(["[a]*", 'a"b', "a'b", "a]b", "%", "ü\n", "1A", '"', "\\", "a\\\\b", "a\0b"])
BY_VR = {"DS": NUMBERS, "IS": NUMBERS, "UL": NUMBERS, "DA": DATES, "TM": CLOCKS, "DT": MOMENTS, "UI": UIDS, "PN": PEOPLE}  # fmt: skip


@st.composite
def texts(draw: st.DrawFn, names: Sequence[str] = tuple(NAMES)) -> dict[str, str | None]:
    """Draw what a file states of the attributes."""
    return {name: draw(BY_VR.get(NAMES[name].vr, WORDS | ODD)) for name in names}


@st.composite
def conflicting(draw: st.DrawFn) -> list[tuple[Reading, tuple[Further, ...]]]:
    """Draw files of few entities, read with several lists of attributes, that disagree."""
    chosen = []
    for i in range(draw(st.integers(1, 6))):
        study = draw(st.sampled_from(["1.1", "1.2"]))
        claims = stated(
            study_instance_uid=study,
            study_description=draw(st.sampled_from([None, "A", "B"])),
            series_instance_uid=study + ".1",
            sop_instance_uid=draw(st.sampled_from(["1.5", "1.6"])),
        )
        names = draw(st.sampled_from([(), ("EthnicGroup", "PatientWeight"), ("ExposureTime", "PatientWeight", "WindowCenter")]))  # fmt: skip
        chosen.append((reading(f"{i:02d}", with_values(claims, **draw(texts(names)))), asked(names)))  # fmt: skip
    return chosen


@given(conflicting(), st.data())
@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_neither_order_nor_batches_nor_history_matter(
    empty_catalogue: Location,
    chosen: list[tuple[Reading, tuple[Further, ...]]],
    data: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        paths = [copied(empty_catalogue, folder) for folder in (one, two)]
        with open_catalogue(paths[0]) as fresh:
            for each, further in chosen:
                store(fresh, [each], further=further)
        with open_catalogue(paths[1]) as other:
            if data.draw(st.booleans(), "read with other lists before"):
                for each, further in data.draw(conflicting())[: len(chosen)]:
                    store(other, [each], further=further)
            by_list: dict[tuple[Further, ...], list[Reading]] = {}
            for each, further in data.draw(st.permutations(chosen)):
                by_list.setdefault(further, []).append(each)
            for further, readings in by_list.items():
                store(other, readings, batches=data.draw(st.lists(st.integers(1, 2), max_size=3)), further=further)  # fmt: skip
        assert sound(paths[1]) == sound(paths[0])


# -- selections ------------------------------------------------------------------------------------

PATTERNS = st.text("aAbB*?[]\"'\\^=ü山1 ", max_size=5) | st.sampled_from(
    [
        "", '""', "*", "**", "?*", "[a]*", '*"*', "a\\b", "A\\B", "1.2", "1.2.3", "20240101-20240131", "2024-01-31", "-20240101",
        "20240101-", "0830-12", "-0830", "083000.5", "2024-2024", "mul*", "muller^anna", "山*", "roe^jo", "7", "1.5", "-1", "0",
        "4294967295",
    ]
)  # fmt: skip


@given(st.lists(texts(), min_size=1, max_size=4), st.data())
@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_sql_finds_what_memory_finds(
    empty_catalogue: Location, stated_texts: list[dict[str, str | None]], data: st.DataObject
) -> None:
    archive = [
        with_values(
            stated(
                patient_id=f"P{i}",
                study_instance_uid=f"1.{i}",
                series_instance_uid=f"1.{i}.1",
                sop_instance_uid=f"1.{i}.1.1",
            ),
            **values,
        )
        for i, values in enumerate(stated_texts)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_catalogue(copied(empty_catalogue, folder)) as catalogue,
    ):
        store(
            catalogue,
            [reading(f"{i}", claims) for i, claims in enumerate(archive)],
            further=EVERY,
        )
        for _ in range(8):
            name = data.draw(st.sampled_from(sorted(NAMES)))
            asked_text = data.draw(
                PATTERNS | BY_VR.get(NAMES[name].vr, WORDS | ODD).map(lambda text: text or '""')
            )
            try:
                wanted = selection([f"{name}={asked_text}"], further=EVERY)
            except SelectionError:
                continue
            expected = {c.instance.sop_instance_uid for c in archive if wanted.matches(c)}
            assert found(catalogue, Level.INSTANCE, wanted) == expected, (name, asked_text)


@pytest.mark.parametrize(
    ("key", "fitting"),
    [
        ("PatientWeight=70", {"1"}),
        ("patientweight=70.0", {"1"}),
        ("PatientWeight@study=70.0", {"1"}),
        ('PatientWeight=""', {"2", "3"}),
        ("PatientWeight=", {"1", "2", "3"}),
        ("OperatorsName=muller*", {"1"}),
        ("OperatorsName=Roe^Jo", {"1"}),
        ("OperatorsName=Roe", set()),
        ("AcquisitionDate=20240101-20240131", {"2"}),
        ("RequestAttributesSequence.RequestedProcedureID=R2", {"1"}),
        ("RequestAttributesSequence.RequestedProcedureID=R?", {"1", "2"}),
        ("00191008=a*", {"3"}),
    ],
)
def test_what_is_found(catalogue: Catalogue, key: str, fitting: set[str]) -> None:
    values: dict[str, dict[str, str | None]] = {
        "1": {
            "PatientWeight": "70",
            "OperatorsName": "Müller^Anna\\Roe^Jo",
            "RequestAttributesSequence.RequestedProcedureID": "R1\\R2",
        },
        "2": {
            "PatientWeight": "",
            "AcquisitionDate": "20240131",
            "RequestAttributesSequence.RequestedProcedureID": "R1",
        },
        "3": {"AcquisitionDate": "20240230", "00191008": "abc"},
    }
    for name, texts_ in values.items():
        claims = stated(study_instance_uid=f"1.{name}", series_instance_uid=f"1.{name}.1", sop_instance_uid=name)  # fmt: skip
        store(catalogue, [reading(name, with_values(claims, **texts_))], further=EVERY)
    asked_for = selection([key], further=EVERY)
    assert found(catalogue, Level.INSTANCE, asked_for) == fitting


def test_an_unknown_keyword_says_how_to_have_it_kept() -> None:
    with pytest.raises(SelectionError, match=r"Did you mean PatientAge\?.*\[index\]"):
        selection(["PatientAgee=1"], further=asked(["PatientAge"]))
    with pytest.raises(SelectionError, match=r"not a keyword.*add it to `attributes`"):
        selection(["PatientAge=1"])


def test_the_rows_of_find_have_columns_for_them(catalogue: Catalogue) -> None:
    claims = with_values(stated(), EthnicGroup="", PatientWeight="70", ExposureTime="12")
    store(catalogue, [reading("1", claims)], further=EVERY)
    shown: dict[Level, dict[str, Any]] = {}
    for level in Level:
        with fetch.found(catalogue, level, Selection()) as (columns, rows):
            assert len(set(columns)) == len(columns)
            (row,) = rows
            shown[level] = dict(zip(columns, row, strict=True))
    assert [level for level in Level if "EthnicGroup" in shown[level]] == list(Level)[:4]
    assert [level for level in Level if "PatientWeight" in shown[level]] == list(Level)[1:4]
    assert [level for level in Level if "ExposureTime" in shown[level]] == [Level.INSTANCE]
    row = shown[Level.INSTANCE]
    assert (row["EthnicGroup"], row["PatientWeight"], row["ExposureTime"], row["PatientAge"]) == (
        "",
        70.0,
        12,
        None,
    )


def test_sql_reads_them_from_the_views(catalogue: Catalogue) -> None:
    claims = with_values(stated(), PatientWeight="70", ExposureTime="12", EthnicGroup="Ä")
    store(catalogue, [reading("1", claims)], further=EVERY)
    with tables.connected(catalogue) as raw:
        assert raw.execute(
            "SELECT PatientAttributes ->> 'EthnicGroup', StudyAttributes ->> 'PatientWeight',"
            " SeriesAttributes, InstanceAttributes ->> 'ExposureTime' FROM v_instance"
        ).fetchone() in (("Ä", 70.0, None, 12), ("Ä", "70.0", None, "12"))  # texts on PostgreSQL
        assert raw.execute("SELECT CAST(StudyAttributes ->> 'PatientWeight' AS REAL) + 1 FROM v_study").fetchone() == (71.0,)  # fmt: skip
