"""What is selected at each level: SQL of the user's own, lists, and what lies above and below."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database import fetch, models, runs
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import Location
from catalog.database.select import selected_ids, unmatched
from catalog.database.upsert import RowWriter
from catalog.entities import Claims, Instance, Level, Patient, Study
from catalog.errors import DcatError, SelectionError
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
    ({"conditions": ["1 = 0"]}, "", "", "", ""),
    ({"conditions": ["PatientName LIKE 'Doe^%'", "1 < 2 AND '%s' <> ':x'"]}, "P1 P2", "1.2.3.1 1.2.3.2", "1.2.3.1.1 1.2.3.1.2 1.2.3.2.1", "a/1 a/2 b/1 b/2"),
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
    before = tables.dump(catalogue), beside(catalogue)
    with pytest.raises(SelectionError) as caught:
        found(catalogue, level, asked)
    assert str(caught.value)
    assert "\n" not in str(caught.value).replace("\\n", "")
    assert (tables.dump(catalogue), beside(catalogue)) == before
    if catalogue.path is not None:
        with tables.connected(catalogue) as raw:
            assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def beside(catalogue: Catalogue) -> set[str]:
    """Return the names of the files where a catalogue is, and where dcat works."""
    folders = [Path.cwd()] if catalogue.path is None else [Path.cwd(), catalogue.path.parent]
    names = {path.name for folder in folders for path in folder.iterdir()}
    return {name for name in names if not name.endswith(("-wal", "-shm"))}


@pytest.mark.parametrize("level", [Level.STUDY, Level.FILE], ids=str)
@pytest.mark.parametrize("condition", HOSTILE_CONDITIONS)
def test_hostile_conditions_are_refused(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, condition: str, level: Level
) -> None:
    monkeypatch.chdir(tmp_path)
    untouched(filled, selection(conditions=[condition]), level)


@pytest.mark.parametrize("statement", HOSTILE_STATEMENTS)
def test_hostile_statements_are_refused(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, statement: str
) -> None:
    monkeypatch.chdir(tmp_path)
    untouched(filled, selection(statements=[statement]), Level.INSTANCE)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["1", ")", "(", "'", '"', ";", "--", "/*", "*/", "\n", " OR ", "Modality", "=", "DELETE FROM file", "ATTACH 'x' AS y", ":a", "?", "%", "\\", "[", "`", "$b", "@c", "?1"]), max_size=6))  # fmt: skip
def test_no_condition_does_anything_but_select_or_fail(
    empty_catalogue: Location, parts: list[str]
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
        assert {p.name.partition("-")[0] for p in Path(folder).iterdir()} <= {"catalogue.db"}


# -- selections together, and levels ------------------------------------------------------------------


def test_two_lists_must_both_name_an_instance(filled: Catalogue) -> None:
    both = selection(listed=["1.2.3.2", "/archive/a/1"]) & selection(listed=["1.2.3.2.1.2", "1.2.3.1.2"])  # fmt: skip
    assert found(filled, Level.FILE, both) == {"b/2"}
    assert found(filled, Level.STUDY, both) == {"1.2.3.2"}
    assert found(filled, Level.PATIENT, both) == {"P2"}
    none = selection(listed=["1.2.3.1"]) & selection(listed=["1.2.3.2"])
    assert all(found(filled, level, none) == set() for level in EVERY)


@pytest.mark.parametrize(
    ("keys", "studies", "files"),
    [
        (["Modality!=MR"], "1.2.3.1 1.2.3.2", "a/1 b/1 b/2 palette"),
        (["ModalitiesInStudy!=MR"], "1.2.3.2", "b/1 b/2 palette"),
        (["ModalitiesInStudy=MR"], "1.2.3.1", "a/1 a/2"),
        (["ModalitiesInStudy=CT\\MR"], "1.2.3.1", "a/1 a/2"),
        (["ModalitiesInStudy=MR", "Modality=CT"], "1.2.3.1", "a/1"),
        (["NumberOfStudyRelatedSeries>1"], "1.2.3.1", "a/1 a/2"),
        (["NumberOfSeriesRelatedInstances=2"], "1.2.3.2", "b/1 b/2"),
        (["NumberOfPatientRelatedInstances=2", "InstanceNumber>=2"], "1.2.3.2", "b/2"),
        (["SOPClassesInStudy=1.2.3"], "", ""),
        (["TransferSyntaxUID=1.2.840.10008.1.2.1", "Modality=MR"], "1.2.3.1", "a/2"),
        (["TransferSyntaxUID!=1.2.840.10008.1.2.1"], "", ""),
        (["Modality=MR", "InstanceNumber=1"], "", ""),
    ],
)
def test_what_a_study_has_as_a_whole_and_what_one_thing_below_it_has(
    filled: Catalogue, keys: list[str], studies: str, files: str
) -> None:
    assert found(filled, Level.STUDY, selection(keys)) == set(studies.split())
    assert found(filled, Level.FILE, selection(keys)) == set(files.split())


def test_an_instance_fits_if_one_of_its_files_does(catalogue: Catalogue) -> None:
    other = "1.2.840.10008.1.2.4.70"
    one, two = reading("1", stated()), reading("2", stated())
    store(catalogue, [one, two._replace(file=two.file._replace(transfer_syntax_uid=other))])
    asked = selection([f"TransferSyntaxUID={other}"])
    assert found(catalogue, Level.FILE, asked) == {"2"}
    assert found(catalogue, Level.INSTANCE, asked) == {"1.2.3.1.1.1"}
    none = selection([f"TransferSyntaxUID={other}", "TransferSyntaxUID!=1.2.840.10008.1.2.4.70"])
    assert found(catalogue, Level.INSTANCE, none) == set()


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

    for words, fits in (("doe", False), ("P1", True), ("thorax p1", True), ("thorax head", False)):
        with catalogue.write() as connection:
            connection.execute(models.study.update().values(words="thorax"))
        asked = selection(words=[words])
        assert found(catalogue, Level.STUDY, asked) == ({"1.5"} if fits else set()), words
        assert found(catalogue, Level.PATIENT, asked) == ({"P1"} if fits else set()), words
        assert found(catalogue, Level.SERIES, asked) == set()


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
