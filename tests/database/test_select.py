"""Selections in SQL find what the same selections find in memory."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from catalog.attributes import ATTRIBUTES, BY_KEYWORD, Attribute
from catalog.database import fetch, models, runs
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.select import selected_ids, unmatched
from catalog.database.upsert import RowWriter
from catalog.entities import Claims, Instance, Level, Patient, Series, Study
from catalog.errors import DcatError, SelectionError
from catalog.normal_forms import normal
from catalog.query.parse import selection
from catalog.query.selection import Selection
from tests import tables
from tests.database.stating import copied, reading, stated, store, store_records

TABLES = {
    Level.PATIENT: models.patient.c.patient_id,
    Level.STUDY: models.study.c.study_instance_uid,
    Level.SERIES: models.series.c.series_instance_uid,
    Level.INSTANCE: models.instance.c.sop_instance_uid,
    Level.FILE: models.file.c.path,
}


def found(catalogue: Catalogue, level: Level, asked: Selection) -> set[str]:
    """Return what names the rows of `level` that are selected."""
    with catalogue.read() as connection:
        name = TABLES[level]
        query = selected_ids(connection, level, asked)
        return set(
            connection.execute(
                name.table.select().with_only_columns(name).where(name.table.c.id.in_(query))
            ).scalars()
        )


# -- the twins -------------------------------------------------------------------------------------

ALPHABET = "aAbB1*?[]()\"'\\^=%_-~,;: üÜß山\n"
TEXTS = st.none() | st.sampled_from(["", "a", "A", "a*", "[a]", 'a"b', "a'b", "a\\b", "\\", "\\\\", "a\\", "\\a"]) | st.text(ALPHABET, max_size=5)  # fmt: skip
DATES = st.none() | st.sampled_from(
    ["", "20231231", "20240101", "20240131", "20240230", "x", "2024.01.31"]
)
CLOCKS = st.none() | st.sampled_from(["", "08", "0830", "083000", "083000.0", "083000.50", "083000.500000", "12", "235960", "99"])  # fmt: skip
MOMENTS = st.none() | st.sampled_from(["", "2024", "202401", "20240131", "2024013108", "20240131083000.5+0100", "20240131083000", "y"])  # fmt: skip
NUMBERS = st.none() | st.sampled_from(
    ["", "0", "1", "-1", "007", "7", "2147483647", "9999999999", "1A"]
)
DECIMALS = st.none() | st.sampled_from(
    ["", "0", "-0", "1.5", "1.50", "15E-1", "0.1", "1e-7", "thick"]
)
LISTS = st.none() | st.lists(
    st.sampled_from(["", "A", "B", "AB", "a*", "[A]", '"', "0.5", "1"]), max_size=3
).map("\\".join)
UIDS = st.sampled_from([None, "", "1.2", "1.2.3", "1.2.34"])


def typed_values(attribute: Attribute) -> st.SearchStrategy[str | None]:
    """Return texts as they may stand in a file for the attribute."""
    if attribute.is_multi_valued:
        return LISTS
    return {"DA": DATES, "TM": CLOCKS, "DT": MOMENTS, "IS": NUMBERS, "US": NUMBERS, "DS": DECIMALS, "UI": UIDS}.get(attribute.vr, TEXTS)  # fmt: skip


KEPT = [a for a in ATTRIBUTES if a.level is not Level.FILE]
IDENTITY = {
    "PatientID",
    "IssuerOfPatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
}


@st.composite
def archives(draw: st.DrawFn) -> list[Claims]:
    """Draw the claims of a few instances; those of one patient, study or series agree on it."""

    def entity(kind: type, level: Level, **identity: str) -> object:
        values, raw = {}, []
        for attribute in KEPT:
            if attribute.level is level and attribute.keyword not in IDENTITY:
                value, text = normal(
                    attribute.vr, attribute.is_multi_valued, draw(typed_values(attribute))
                )
                values[attribute.column] = value
                if text is not None:
                    raw.append((attribute.keyword, text))
        return kind(**values, **identity, raw=tuple(sorted(raw)))

    claims = []
    for p in range(draw(st.integers(1, 2))):
        patient = entity(
            Patient,
            Level.PATIENT,
            patient_id=draw(st.sampled_from(["P", "[P]", "p*", "'P"])) + str(p),
        )
        for t in range(draw(st.integers(1, 2))):
            study = entity(Study, Level.STUDY, study_instance_uid=f"1.{p}.{t}")
            series = entity(Series, Level.SERIES, series_instance_uid=f"1.{p}.{t}.1")
            for i in range(draw(st.integers(1, 2))):
                instance = entity(Instance, Level.INSTANCE, sop_instance_uid=f"1.{p}.{t}.1.{i}")
                claims.append(Claims(patient, study, series, instance, "IMAGE"))
    if draw(st.booleans()):
        claims.append(
            Claims(
                None,
                None,
                None,
                entity(Instance, Level.INSTANCE, sop_instance_uid="1.9"),
                "PALETTE",
            )
        )
    return claims


RANGES = st.sampled_from(["20240101-20240131", "20240101-", "-20240101", "0830-12", "083000.5-", "-0830", "2024-2024", "20240131-20240131"])  # fmt: skip
PATTERNS = st.text("aAbB*?[]\"'\\^=ü山1 ", max_size=5) | st.sampled_from(["", '""', "*", "**", "?*", "*?", "[a]*", "*\\*", '*"*', "a\\b", "A\\B", "1.2,1.2.3"])  # fmt: skip


@st.composite
def asked_keys(draw: st.DrawFn) -> list[str]:
    """Draw one to three KEYWORD=VALUE texts, as a user may type them."""
    keys = []
    for _ in range(draw(st.integers(1, 3))):
        attribute = draw(st.sampled_from(KEPT))
        stored = typed_values(attribute).map(lambda text: text or "")
        keys.append(f"{attribute.keyword}={draw(stored | stored | PATTERNS | RANGES)}")
    return keys


def same_in_both(template: Path, claims: list[Claims], keys: list[list[str]]) -> None:
    """Hold the SQL twin to the one in memory for each of the selections that are well formed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_catalogue(copied(template, folder)) as catalogue,
    ):
        store(catalogue, [reading(f"{i}", each) for i, each in enumerate(claims)])
        for typed in keys:
            try:
                asked = selection(typed)
            except SelectionError:
                continue
            matching = [each for each in claims if asked.matches(each)]
            instances = {str(each.instance.sop_instance_uid) for each in matching}
            assert found(catalogue, Level.INSTANCE, asked) == instances, typed
            placed = [each for each in matching if each.study]
            assert found(catalogue, Level.SERIES, asked) == {
                each.series.series_instance_uid for each in placed
            }, typed
            assert found(catalogue, Level.STUDY, asked) == {
                each.study.study_instance_uid for each in placed
            }, typed
            assert found(catalogue, Level.PATIENT, asked) == {
                each.patient.patient_id for each in placed
            }, typed
            paths = {str(i) for i, each in enumerate(claims) if asked.matches(each)}
            assert found(catalogue, Level.FILE, asked) == paths, typed


@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(archives(), st.lists(asked_keys(), min_size=6, max_size=12))
def test_sql_finds_what_memory_finds(
    empty_catalogue: Path, claims: list[Claims], keys: list[list[str]]
) -> None:
    same_in_both(empty_catalogue, claims, keys)


@pytest.mark.parametrize(
    ("column", "stored", "typed"),
    [
        ("ImageType", "ORIGINAL\\PRIMARY", "ORIGINAL\\PRIMARY"),
        ("ImageType", "ORIGINAL\\PRIMARY", "PRIMARY"),
        ("ImageType", "ORIGINAL\\\\AXIAL", "*"),
        ("ImageType", 'A"\\B', '*"'),
        ("PixelSpacing", "0.5\\0.5", "0.5\\0.5"),
        ("OtherPatientIDs", "A\\B\\C", "A\\C"),
        ("PatientName", "Ａ＝Ｂ", "ａ＝ｂ"),
    ],
)
def test_odd_values_are_alike_in_both(
    empty_catalogue: Path, column: str, stored: str, typed: str
) -> None:
    same_in_both(
        empty_catalogue, [stated(**{BY_KEYWORD[column].column: stored})], [[f"{column}={typed}"]]
    )


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.text("*?[]^-", max_size=4),
)
@example("a", "[^a]")
@settings(max_examples=40)
def test_wildcards_are_alike_in_both(empty_catalogue: Path, text: str, pattern: str) -> None:
    typed = [[f"{keyword}={value}"] for keyword in ("PatientID", "InstitutionAddress", "PatientName", "SoftwareVersions") for value in (pattern, text, f"*{text}", f"{text[:2]}*{pattern}")]  # fmt: skip
    values = {
        "patient_id": text.strip(),
        "institution_address": text,
        "patient_name": text,
        "software_versions": text,
    }
    same_in_both(empty_catalogue, [stated(**values)], typed)


# -- SQL of the user's own, and lists --------------------------------------------------------------


@pytest.fixture
def filled(catalogue: Catalogue) -> Catalogue:
    """Two patients; P1 has a CT and an MR series of one instance, P2 a CT series of two, and a palette."""
    store(
        catalogue,
        [
            reading("a/1", stated()),
            reading("a/2", stated(series_instance_uid="1.2.3.1.2", sop_instance_uid="1.2.3.1.2.1", modality="MR")),
            reading("b/1", stated(patient_id="P2", study_instance_uid="1.2.3.2", series_instance_uid="1.2.3.2.1", sop_instance_uid="1.2.3.2.1.1", instance_number=1)),
            reading("b/2", stated(patient_id="P2", study_instance_uid="1.2.3.2", series_instance_uid="1.2.3.2.1", sop_instance_uid="1.2.3.2.1.2", instance_number=2)),
            reading("palette", Claims(None, None, None, Instance(sop_instance_uid="1.2.3.9", sop_class_uid="1.2.840.10008.5.1.4.39.1"), "PALETTE")),
            reading("notes.txt", None),
        ],
    )  # fmt: skip
    return catalogue


EVERY = {
    Level.PATIENT: {"P1", "P2"},
    Level.STUDY: {"1.2.3.1", "1.2.3.2"},
    Level.SERIES: {"1.2.3.1.1", "1.2.3.1.2", "1.2.3.2.1"},
    Level.INSTANCE: {"1.2.3.1.1.1", "1.2.3.1.2.1", "1.2.3.2.1.1", "1.2.3.2.1.2", "1.2.3.9"},
    Level.FILE: {"a/1", "a/2", "b/1", "b/2", "palette", "notes.txt"},
}


@pytest.mark.parametrize("level", EVERY, ids=str)
def test_nothing_asked_selects_all(filled: Catalogue, level: Level) -> None:
    assert found(filled, level, Selection()) == EVERY[level]


CT_FILES = {"a/1", "b/1", "b/2"}
CASES = [
    ({"conditions": ["Modality = 'CT'"]}, "P1 P2", "1.2.3.1 1.2.3.2", "1.2.3.1.1 1.2.3.2.1", "a/1 b/1 b/2"),
    ({"conditions": ["Modality = 'CT'", "PatientID = 'P1'"]}, "P1", "1.2.3.1", "1.2.3.1.1", "a/1"),
    ({"conditions": ["Modality = 'CT' OR Modality = 'MR'"], "keys": ["PatientID=P1"]}, "P1", "1.2.3.1", "1.2.3.1.1 1.2.3.1.2", "a/1 a/2"),
    ({"conditions": ["PatientID IS NULL"]}, "", "", "", "palette"),
    ({"conditions": ["InstanceNumber > 1"]}, "P2", "1.2.3.2", "1.2.3.2.1", "b/2"),
    ({"conditions": ["PatientName LIKE '%:b'"]}, "", "", "", ""),
    ({"conditions": ["PatientName NOT LIKE '%:b' AND Modality = 'MR' -- why not"]}, "P1", "1.2.3.1", "1.2.3.1.2", "a/2"),
    ({"conditions": ["0"]}, "", "", "", ""),
    ({"keys": ["Modality=CT", "InstanceNumber=2"]}, "P2", "1.2.3.2", "1.2.3.2.1", "b/2"),
    ({"keys": ["Modality=MR", "InstanceNumber=2"]}, "", "", "", ""),
    ({"statements": ["SELECT SOPInstanceUID FROM v_instance WHERE Modality = 'MR'"]}, "P1", "1.2.3.1", "1.2.3.1.2", "a/2"),
    ({"statements": ["SELECT SeriesInstanceUID FROM v_series WHERE Modality = 'CT' ;"]}, "P1 P2", "1.2.3.1 1.2.3.2", "1.2.3.1.1 1.2.3.2.1", "a/1 b/1 b/2"),
    ({"statements": ["SELECT study_instance_uid FROM study WHERE study_instance_uid LIKE '%.2'"]}, "P2", "1.2.3.2", "1.2.3.2.1", "b/1 b/2"),
    ({"statements": ["SELECT PatientID, count(*) FROM v_instance GROUP BY 1 HAVING count(*) = 2"]}, "P1 P2", "1.2.3.1 1.2.3.2", "1.2.3.1.1 1.2.3.1.2 1.2.3.2.1", "a/1 a/2 b/1 b/2"),
    ({"statements": ["SELECT instance_ref FROM v_instance WHERE PatientID IS NULL"]}, "", "", "", "palette"),
    ({"statements": ["SELECT id AS file_ref FROM file WHERE path = 'b/2'"]}, "P2", "1.2.3.2", "1.2.3.2.1", "b/2"),
    ({"statements": ["WITH x AS (SELECT 'P2' AS PatientID) SELECT * FROM x"]}, "P2", "1.2.3.2", "1.2.3.2.1", "b/1 b/2"),
    ({"statements": ["SELECT patient_ref FROM v_patient WHERE PatientID = 'P1' -- one"]}, "P1", "1.2.3.1", "1.2.3.1.1 1.2.3.1.2", "a/1 a/2"),
    ({"listed": ["1.2.3.2"]}, "P2", "1.2.3.2", "1.2.3.2.1", "b/1 b/2"),
    ({"listed": ["1.2.3.1.2", "1.2.3.2.1.2"]}, "P1 P2", "1.2.3.1 1.2.3.2", "1.2.3.1.2 1.2.3.2.1", "a/2 b/2"),
    ({"listed": ["/archive/a/1", "/archive/palette"]}, "P1", "1.2.3.1", "1.2.3.1.1", "a/1 palette"),
    ({"listed": ["/archive/none", "/other/a/1", "7"]}, "", "", "", ""),
    ({"listed": []}, "", "", "", ""),
    ({"listed": ["1.2.3.2"], "keys": ["InstanceNumber=1"]}, "P2", "1.2.3.2", "1.2.3.2.1", "b/1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "patients", "studies", "series", "files"), CASES, ids=[str(case[0]) for case in CASES]
)
def test_conditions_statements_and_lists(
    filled: Catalogue,
    asked: dict[str, list[str]],
    patients: str,
    studies: str,
    series: str,
    files: str,
) -> None:
    wanted = selection(**asked)
    assert found(filled, Level.PATIENT, wanted) == set(patients.split())
    assert found(filled, Level.STUDY, wanted) == set(studies.split())
    assert found(filled, Level.SERIES, wanted) == set(series.split())
    assert found(filled, Level.FILE, wanted) == set(files.split())
    assert len(found(filled, Level.INSTANCE, wanted)) == len(files.split())
    assert {c.claims.instance.sop_instance_uid for c in fetch.candidates(filled, wanted)} == found(
        filled, Level.INSTANCE, wanted
    )


def test_a_list_may_be_long(filled: Catalogue) -> None:
    many = [f"1.9.{i}" for i in range(50_000)]
    assert found(filled, Level.FILE, selection(listed=[*many, "1.2.3.1.2.1"])) == {"a/2"}


def test_what_a_list_names_in_vain(filled: Catalogue) -> None:
    listed = ["1.2.3.2", "1.7", "/archive/a/1", "/archive/a/9", "1.2.3.2.1.2", "x"]
    with filled.read() as connection:
        assert unmatched(connection, listed) == ["1.7", "/archive/a/9", "x"]


HOSTILE_CONDITIONS = [
    "1=1; DELETE FROM file",
    "1=1); DELETE FROM file; --",
    "1=1) ; ATTACH 'stolen.db' AS x; --",
    "1)",
    "(1",
    "1=1) --",
    "1=1 /*",
    "'",
    '"',
    "",
    "no_such_column = 1",
    "load_extension('x') IS NULL",
    "(DELETE FROM file)",
    "EXISTS (PRAGMA journal_mode)",
    "Modality = ",
    "1=1\0",
    ")",
]
HOSTILE_STATEMENTS = [
    "DELETE FROM file",
    "DELETE FROM file RETURNING id AS file_ref",
    "ATTACH 'stolen.db' AS x",
    "PRAGMA journal_mode = delete",
    "VACUUM INTO 'stolen.db'",
    "SELECT file_ref FROM v_file; DELETE FROM file",
    "SELECT file_ref FROM v_file); DELETE FROM file; --",
    "SELECT file_ref FROM v_file) --",
    "SELECT file_ref FROM v_file /*",
    "(SELECT file_ref FROM v_file",
    "SELECT path FROM file",
    "SELECT load_extension('x') AS file_ref",
    "CREATE TEMP TABLE t AS SELECT 1",
    "",
    ";",
    "SELECT",
    "SELECT 1",
]


def untouched(catalogue: Catalogue, asked: Selection, level: Level) -> None:
    """Expect a SelectionError, and everything in the catalogue and beside it as before."""
    before = (
        tables.dump(catalogue.path),
        {p.name for p in catalogue.path.parent.iterdir() if not p.name.endswith(("-wal", "-shm"))},
    )
    with pytest.raises(SelectionError) as caught:
        found(catalogue, level, asked)
    assert str(caught.value)
    after = (
        tables.dump(catalogue.path),
        {p.name for p in catalogue.path.parent.iterdir() if not p.name.endswith(("-wal", "-shm"))},
    )
    assert after == before
    with closing(sqlite3.connect(catalogue.path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("level", [Level.STUDY, Level.FILE], ids=str)
@pytest.mark.parametrize("condition", HOSTILE_CONDITIONS)
def test_hostile_conditions_are_refused(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch, condition: str, level: Level
) -> None:
    monkeypatch.chdir(filled.path.parent)
    untouched(filled, selection(conditions=[condition]), level)


@pytest.mark.parametrize("statement", HOSTILE_STATEMENTS)
def test_hostile_statements_are_refused(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.chdir(filled.path.parent)
    untouched(filled, selection(statements=[statement]), Level.INSTANCE)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["1", ")", "(", "'", '"', ";", "--", "/*", "*/", "\n", " OR ", "Modality", "=", "DELETE FROM file", "ATTACH 'x' AS y", ":a", "?", "%", "\\", "[", "`", "$b", "@c", "?1"]), max_size=6))  # fmt: skip
def test_no_condition_does_anything_but_select_or_fail(
    empty_catalogue: Path, parts: list[str]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_catalogue(copied(empty_catalogue, folder)) as catalogue,
    ):
        store(catalogue, [reading("1", stated())])
        asked = [
            selection(conditions=["".join(parts)]),
            selection(statements=["SELECT 1 AS file_ref WHERE " + "".join(parts)]),
        ]
        for each in asked:
            try:
                found(catalogue, Level.INSTANCE, each)
            except DcatError as exc:
                assert str(exc)  # noqa: PT017
        assert found(catalogue, Level.FILE, Selection()) == {"1"}
        assert sorted(p.name.partition("-")[0] for p in Path(folder).iterdir())[0] == "catalogue.db"


# -- what no file holds yet ------------------------------------------------------------------------


def test_an_instance_without_a_file_row_is_found_by_its_uid(catalogue: Catalogue) -> None:
    """Directory records may name an instance without naming a file."""
    store_records(catalogue, [stated()])
    for asked in ({"keys": ["Modality=CT"]}, {"conditions": ["Modality = 'CT'"]}, {"listed": ["1.2.3.1"]}, {"statements": ["SELECT StudyInstanceUID FROM v_study"]}):  # fmt: skip
        assert found(catalogue, Level.INSTANCE, selection(**asked)) == {"1.2.3.1.1.1"}, asked
        assert found(catalogue, Level.STUDY, selection(**asked)) == {"1.2.3.1"}, asked


def test_a_study_of_which_only_its_record_is_known_is_found_with_its_patient(
    catalogue: Catalogue,
) -> None:
    with runs.recorded(catalogue, "import", "test") as run, catalogue.write() as connection:
        writer = RowWriter(run.ref)
        patient = writer.place_entity(
            connection, Level.PATIENT, None, Patient(patient_id="P1"), '["P1", ""]'
        )
        writer.place_entity(
            connection,
            Level.STUDY,
            patient,
            Study(study_instance_uid="1.5", study_date="2024-01-31"),
            "1.5",
        )
    asked = selection(["StudyDate=20240131"])
    assert found(catalogue, Level.STUDY, asked) == {"1.5"}
    assert found(catalogue, Level.PATIENT, asked) == {"P1"}


@pytest.mark.parametrize("level", EVERY, ids=str)
def test_found_and_counted_alike(filled: Catalogue, level: Level) -> None:
    for asked in (Selection(), selection(["Modality=CT"]), selection(["PatientID=none"])):
        with filled.read() as connection:
            count = fetch.count_of(connection, level, asked)
        with fetch.found(filled, level, asked) as (columns, rows):
            listed = list(rows)
        assert all(len(row) == len(columns) for row in listed)
        assert len(listed) == count == len(found(filled, level, asked))


def test_paths_of_what_is_selected_are_whole_and_sorted(filled: Catalogue) -> None:
    assert list(fetch.file_paths(filled, Level.STUDY, selection(["Modality=CT"]))) == [
        "/archive/a/1",
        "/archive/b/1",
        "/archive/b/2",
    ]
    assert len(list(fetch.file_paths(filled, Level.FILE, Selection()))) == 6
    assert len(list(fetch.file_paths(filled, Level.INSTANCE, Selection()))) == 5
