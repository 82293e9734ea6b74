"""dcat find: columns, order, parts, counts, groups and formats."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from tests.cli.conftest import Dcat
from tests.journeys.steps import rows

CHECKOUT = Path(__file__).parents[2]
FORMATS = ("table", "json", "ndjson", "csv", "tsv", "parquet", "dicom-json", "paths")


def table(out: str) -> list[list[str]]:
    """Return the cells of a table whose cells have no blanks."""
    return [line.split() for line in out.splitlines()]


# -- columns ---------------------------------------------------------------------------------------


def test_columns_in_any_case_and_order(dcat: Dcat, db: Path) -> None:
    said = dcat("find", "series", "--columns", "modality, PATIENTID,ModalitiesInStudy", "-o", "csv", "--limit", "2", "--db", db)  # fmt: skip
    assert said.code == 0
    assert list(csv.reader(io.StringIO(said.out))) == [
        ["Modality", "PatientID", "ModalitiesInStudy"],
        ["MR", "P1", "CT\\MR"],
        ["CT", "P1", "CT\\MR"],
    ]


def test_what_the_table_calls_columns_can_be_typed(dcat: Dcat, db: Path) -> None:
    said = dcat("find", "patients", "--columns", "name,studies,size", "--sort", "-Name", "--db", db)
    size = rows(db, "SELECT SizeBytes FROM v_patient WHERE PatientID = 'P2'")[0]["SizeBytes"]
    assert table(said.out)[0] == ["Name", "Studies", "Size"]
    assert table(said.out)[2] == ["Doe^Number2", "2", f"{size / 1000:.1f}", "kB"]


def test_names_that_would_be_the_same_stay_whole(dcat: Dcat, db: Path) -> None:
    out = dcat("find", "series", "--columns", "StudyDescription,SeriesDescription", "--db", db).out
    assert table(out)[0] == ["StudyDescription", "SeriesDescription"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--columns", "Modality"], "Ask `dcat find series` for it."),
        (["--columns", "PatientIDD"], "Did you mean PatientID?"),
        (["--columns", "PatientID,"], "empty name"),
        (["--columns", ","], "empty name"),
        (["--columns", "PatientID,patientid"], "named twice"),
        (["--columns", "PatientID FROM v_study; DROP TABLE file; --"], "is not a column"),
        (["--columns", "[red]x[/red]"], "'[red]x[/red]' is not a column"),
        (["--columns", "PatientID", "-o", "paths"], "-o paths writes paths alone"),
        (["--sort", "Nonsense"], "is not a column"),
        (["--sort", "-"], "empty name"),
        (["--sort", "--PatientID"], "is not a column"),
        (["--sort", "PatientID,-patientid"], "named twice"),
        (["--sort", "1"], "is not a column"),
        (["--count", "--limit", "1"], "--count gives one number"),
        (["--count", "--group-by", "year"], "--count gives one number"),
        (["--group-by", "year", "--columns", "PatientID"], "--group-by has its own columns"),
        (["--group-by", "year", "-o", "paths"], "cannot be written as -o paths"),
        (["--group-by", "year", "-o", "dicom-json"], "cannot be written as -o dicom-json"),
        (["--group-by", "yaer"], "Did you mean Year?"),
        (["--group-by", ","], "nothing to group by"),
        (["--group-by", "year,Year"], "named twice"),
        (["--group-by", "year", "--sort", "Modality"], "is not a column of these groups"),
        (["--columns", "SizeBytes", "-o", "dicom-json"], "has no place in DICOM JSON"),
        (["study"], "Did you mean studies?"),
        (["wardrobes"], "is nothing to list"),
        (["studies", "series"], "'series' is not expected here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_asked_in_vain(arguments: list[str], said: str, dcat: Dcat, db: Path) -> None:
    answer = dcat("find", *arguments, "--db", db)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert answer.err.endswith(".\n")


def test_files_are_not_dicom_json(dcat: Dcat, db: Path) -> None:
    said = dcat("find", "files", "-o", "dicom-json", "--db", db)
    assert (said.code, said.out) == (2, "")
    assert "Ask `dcat find instances`" in said.err


# -- order and parts -------------------------------------------------------------------------------


def test_order_and_parts(dcat: Dcat, db: Path) -> None:
    def uids(*arguments: str) -> list[str]:
        said = dcat("find", "series", "--columns", "SeriesInstanceUID", *arguments, "-o", "tsv", "--db", db)  # fmt: skip
        assert said.code == 0
        return said.out.splitlines()[1:]

    usual = uids()
    assert usual == sorted(usual)
    assert uids("--sort", "-SeriesInstanceUID") == usual[::-1]
    by_modality = uids("--sort", "Modality")
    assert by_modality == sorted(usual, key=lambda uid: (uid[-1] != "2", uid))
    assert uids("--sort", "-modality,-SeriesInstanceUID") == by_modality[::-1]
    assert uids("--limit", "3") == usual[:3]
    assert uids("--limit", "3", "--offset", "6") == usual[6:]
    assert uids("--offset", "2") == usual[2:]
    assert uids("--limit", "0") == []
    assert uids("--limit", "1000000") == usual
    assert uids("--limit", str(10**30), "--offset", "1") == usual[1:]
    assert uids("--offset", str(10**30)) == []


@pytest.mark.parametrize("arguments", [["--limit", "-1"], ["--offset", "-1"], ["--limit", "many"], ["--limit", "1.5"]], ids=" ".join)  # fmt: skip
def test_amounts_that_are_none(arguments: list[str], dcat: Dcat, db: Path) -> None:
    said = dcat("find", *arguments, "--db", db)
    assert (said.code, said.out) == (2, "")
    assert arguments[0] in said.err


def test_a_part_says_of_how_many(dcat: Dcat, db: Path) -> None:
    assert dcat("find", "series", "--limit", "3", "--db", db).err == "3 of 8 series.\n"
    assert dcat("find", "series", "--offset", "5", "--db", db).err == "3 of 8 series.\n"
    assert dcat("find", "series", "--offset", "8", "--db", db).err == "Nothing more fits.\n"
    assert dcat("find", "series", "--limit", "0", "--db", db).err == ""
    assert dcat("find", "patients", "--patient", "P1", "--db", db).err == "1 patient.\n"


@pytest.mark.parametrize(("what", "number"), [("patients", 2), ("studies", 4), ("series", 8), ("instances", 24), ("files", 24)])  # fmt: skip
def test_count_is_a_number_alone(what: str, number: int, dcat: Dcat, db: Path) -> None:
    said = dcat("find", what, "--count", "--db", db)
    assert said == (0, f"{number}\n", "")
    assert dcat("find", what, "--count", "--patient", "nobody", "--db", db) == (0, "0\n", "")
    assert dcat("find", what, "--count", "--patient", "P1", "-o", "paths", "--db", db).out == "12\n"


def test_paths_of_the_largest(dcat: Dcat, db: Path) -> None:
    listed = dcat("find", "files", "--sort", "-Path", "--limit", "2", "-o", "paths", "--db", db)
    assert [line[-11:] for line in listed.out.splitlines()] == ["t2/s2/i3.dcm"[-11:], "t2/s2/i2.dcm"[-11:]]  # fmt: skip
    of_one = dcat("find", "studies", "--limit", "1", "-o", "paths", "--db", db)
    assert len(of_one.out.splitlines()) == 6
    assert dcat("find", "studies", "--limit", "0", "-o", "paths", "--db", db) == (0, "", "")


# -- groups ----------------------------------------------------------------------------------------


def test_groups(dcat: Dcat, db: Path) -> None:
    said = dcat("find", "--group-by", "modality,month", "--db", db)
    assert said.err == "2 groups.\n"
    size = f"{rows(db, 'SELECT sum(size_bytes) AS n FROM file')[0]['n'] / 2000:.1f}"
    assert table(said.out)[0] == ["Modality", "Month", "Patients", "Studies", "Series", "Instances", "Files", "Size"]  # fmt: skip
    assert table(said.out)[2:] == [
        ["CT", "2024-01", "2", "4", "4", "12", "12", size, "kB"],
        ["MR", "2024-01", "2", "4", "4", "12", "12", size, "kB"],
    ]


def test_groups_without_a_value(dcat: Dcat, db: Path) -> None:
    arguments = ("find", "--group-by", "BodyPartExamined", "--db", db)
    assert table(dcat(*arguments).out)[2][:2] == ["(none)", "2"]
    (group,) = json.loads(dcat(*arguments, "-o", "json").out)
    assert group["BodyPartExamined"] is None
    assert dcat(*arguments, "-o", "csv").out.splitlines()[1].startswith(",2,4,8,24,24,")
    assert dcat(*arguments, "--patient", "nobody").err == "Nothing in the catalogue fits.\n"


def test_advice_where_nothing_fits(dcat: Dcat, db: Path) -> None:
    said = "Modality is written in capitals: CT."
    for arguments in (("--modality", "ct"), ("series", "--modality", "ct", "-o", "json"), ("--group-by", "year", "--modality", "ct")):  # fmt: skip
        assert (
            dcat("find", *arguments, "--db", db).err == f"Nothing in the catalogue fits.\n{said}\n"
        )
    counted = dcat("find", "--count", "--modality", "ct", "--db", db)
    assert (counted.out, counted.err) == ("0\n", f"{said}\n")
    assert said not in dcat("find", "--modality", "CT", "--offset", "1000", "--db", db).err


def test_groups_in_order_and_part(dcat: Dcat, db: Path) -> None:
    def dates(*arguments: str) -> list[str]:
        said = dcat("find", "--group-by", "StudyDate", *arguments, "-o", "ndjson", "--db", db)
        return [json.loads(line)["StudyDate"] for line in said.out.splitlines()]

    assert dates() == ["2024-01-01", "2024-01-02"]
    assert dates("--sort", "-StudyDate") == ["2024-01-02", "2024-01-01"]
    assert dates("--sort", "-Size,StudyDate", "--limit", "1") == ["2024-01-01"]
    assert dates("--offset", "1", "-k", "Modality=MR") == ["2024-01-02"]


# -- formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["patients", "studies", "series", "instances", "files"])
def test_parquet_is_what_json_is(what: str, db: Path, tmp_path: Path, dcat: Dcat) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with (tmp_path / "x.parquet").open("wb") as out:
        subprocess.run([sys.executable, "-m", "catalog", "find", what, "-o", "parquet", "--db", str(db)], stdout=out, check=True, cwd=CHECKOUT, timeout=60)  # fmt: skip
    read = parquet.read_table(tmp_path / "x.parquet")
    assert read.to_pylist() == json.loads(dcat("find", what, "-o", "json", "--db", db).out)
    kinds = {"Rows": "int64", "SliceThickness": "double", "SizeBytes": "int64", "PatientID": "string", "PixelSpacing": "string", "NumberOfFiles": "int64"}  # fmt: skip
    for name, kind in kinds.items():
        if name in read.column_names:
            assert str(read.schema.field(name).type) == kind


def test_parquet_of_nothing_and_of_groups(db: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for arguments, number, first in (
        (["--patient", "nobody"], 0, "PatientID"),
        (["--group-by", "year,Rows"], 1, "Year"),
    ):
        done = subprocess.run([sys.executable, "-m", "catalog", "find", *arguments, "-o", "parquet", "--db", str(db)], capture_output=True, check=True, cwd=CHECKOUT, timeout=60)  # fmt: skip
        read = parquet.read_table(io.BytesIO(done.stdout))
        assert (read.num_rows, read.column_names[0]) == (number, first)


def test_parquet_without_pyarrow(dcat: Dcat, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    said = dcat("find", "-o", "parquet", "--db", db)
    assert (said.code, said.out) == (1, "")
    assert "pip install 'dicom-dcat[parquet]'" in said.err
    assert said.err.count("\n") == 1


def test_parquet_is_not_for_a_terminal(
    dcat: Dcat, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    said = dcat("find", "-o", "parquet", "--db", db)
    assert (said.code, said.out) == (2, "")
    assert "not for a terminal" in said.err


@pytest.mark.parametrize("what", ["patients", "studies", "series", "instances"])
def test_dicom_json_is_one_array_of_data_sets(what: str, dcat: Dcat, db: Path) -> None:
    said = dcat("find", what, "-o", "dicom-json", "--db", db)
    assert said.err == ""
    read = [pydicom.Dataset.from_json(each) for each in json.loads(said.out)]
    plain = json.loads(dcat("find", what, "-o", "json", "--db", db).out)
    assert [each.PatientID for each in read] == [row["PatientID"] for row in plain]
    assert [each.PatientName for each in read] == [row["PatientName"] for row in plain]
    if what == "studies":
        assert [each.ModalitiesInStudy for each in read] == [["CT", "MR"]] * 4
        assert all("RetrieveURL" not in each and "StudyDescription" not in each for each in read)
    if what == "instances":
        assert [each.SOPInstanceUID for each in read] == [row["SOPInstanceUID"] for row in plain]
        assert all(each.Rows == 2 for each in read)
    if what != "patients":
        assert read[0].StudyDate == "20240101"
    assert json.loads(dcat("find", what, "-o", "dicom-json", "--patient", "x", "--db", db).out) == []  # fmt: skip


def test_dicom_json_has_what_was_asked_for(dcat: Dcat, db: Path) -> None:
    said = dcat("find", "-k", "StudyDescription=Thor*", "-k", "Modality=CT", "-o", "dicom-json", "--db", db)  # fmt: skip
    for each in json.loads(said.out):
        assert each["00081030"] == {"vr": "LO", "Value": ["Thorax"]}
        assert "00080060" not in each  # of series, not of studies
    said = dcat("find", "series", "--columns", "Modality,StudyID", "-o", "dicom-json", "--limit", "1", "--db", db)  # fmt: skip
    assert json.loads(said.out) == [
        {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}, "00080060": {"vr": "CS", "Value": ["MR"]}, "00200010": {"vr": "SH", "Value": ["1"]}}
    ]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_twice(form: str, db: Path) -> None:
    command = [sys.executable, "-m", "catalog", "find", "series", "-o", form, "--db", str(db)]
    first, second = (
        subprocess.run(command, capture_output=True, check=True, cwd=CHECKOUT, timeout=60).stdout
        for _ in range(2)
    )
    assert first == second
    assert first


@pytest.mark.judges
@pytest.mark.parametrize("what", ["studies", "series", "instances"])
def test_dcmtk_gives_the_same_data_sets_back(
    what: str, dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    """From our JSON by pydicom to a file, and from that by DCMTK to JSON: nothing is lost or changed."""
    if shutil.which("dcm2json") is None:
        pytest.skip("DCMTK's dcm2json is not installed")
    for each in json.loads(dcat("find", what, "-o", "dicom-json", "--db", db).out):
        read = pydicom.Dataset.from_json(each)
        read.save_as(tmp_path / "x", implicit_vr=False, little_endian=True)
        done = subprocess.run(["dcm2json", "-f", tmp_path / "x"], capture_output=True, check=True, timeout=60)  # fmt: skip
        back = json.loads(done.stdout)
        assert {k: v for k, v in back.items() if not k.startswith("0002")} == each
