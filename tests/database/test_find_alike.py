"""`dcat find` says the same of one archive, byte for byte, whichever database knows it."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.cli.main import main
from catalog.dicom import samples
from tests import postgres

pytestmark = [
    pytest.mark.sqlite,  # this test asks both itself
    pytest.mark.skipif(not postgres.is_available(), reason="no PostgreSQL"),
    pytest.mark.skipif(samples.folder() is None, reason="this pydicom has no sample files"),
]

LEVELS = ("patients", "studies", "series", "instances", "files")
FORMS = ("table", "json", "ndjson", "csv", "csv-excel", "tsv", "parquet", "dicom-json", "paths")
CONFIGURATION = """
[index]
attributes = ["PatientAge", "PatientWeight", "KVP", "ExposureTime", "WindowCenter", "OperatorsName", "AcquisitionDate", "RequestAttributesSequence.RequestedProcedureID"]
"""
QUESTIONS = [
    "patients --sort -PatientName",
    "studies --sort StudyDescription,-StudyDate --limit 7 --offset 2",
    "series --sort -SeriesNumber,Modality --columns SeriesNumber,Modality,StudyDate,PatientAge -o csv",
    "instances --sort -KVP,PatientAge --columns KVP,PatientAge,PatientWeight -o json",
    "instances --sort -Rows,SliceThickness -o csv --limit 40",
    "instances --columns SOPInstanceUID,ExposureTime,WindowCenter,TransferSyntaxUID,NumberOfFiles,SizeBytes,IsDisputed -o ndjson",
    "files --sort -SizeBytes -o csv",
    "files -k 'Modality!=CT' --sort Path -o paths",
    "studies --sort StudyDate --limit 3 -o paths",
    "instances -k 'Rows>=512' -k 'PatientName!=\"\"' -o csv",
    "instances -k 'KVP>100' -k 'PatientWeight<90.5' -o csv",
    "instances -k 'ExposureTime>=10' -o json",
    "instances -k 'ImageType=DERIVED' -k 'PixelSpacing<1' -o csv",
    "instances -k 'PatientName=*a*' --exact -o json",
    "series -k 'StudyDate=1990-2010' -k 'StudyTime=08-16' -o tsv",
    "series --text 'ct*' -o json",
    "studies --text 'a* s*' --text mr -o json",
    "studies -k 'ModalitiesInStudy!=MR' -k 'NumberOfStudyRelatedInstances>1' -o json",
    "instances --where \"Modality = 'CT' AND Rows > 100\" -o csv",
    "instances --sql \"SELECT SeriesInstanceUID FROM v_series WHERE Modality <> 'CT'\" -o csv",
    "--group-by Modality,year -o csv",
    "--group-by month -o json",
    "--group-by Rows,TransferSyntaxUID --sort -SizeBytes -o csv",
    "--group-by KVP,PatientSex --sort -KVP -o json",
    "--group-by Manufacturer --sort -NumberOfInstances,-Manufacturer",
    "files --count",
    "studies -k PatientID=nobody",
]  # fmt: skip


def said(*arguments: str) -> tuple[int, bytes]:
    """Return the exit code of a command in this process, and the bytes that it wrote."""
    written = io.BytesIO()
    text = io.TextIOWrapper(written, "utf-8", write_through=True)
    with contextlib.redirect_stdout(text):
        code = main(list(arguments))
    text.flush()
    return code, written.getvalue()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Two catalogues of pydicom's samples, one on each database."""
    folder = tmp_path_factory.mktemp("alike")
    (folder / "dcat.toml").write_text(CONFIGURATION)
    with postgres.database() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCAT_CONFIG", str(folder / "dcat.toml"))
        both = str(folder / "c.db"), url
        for place in both:
            assert main(["index", str(samples.folder()), "--db", place, "-j", "1"]) in (0, 3)
        yield both


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tables as wide whoever runs this."""
    monkeypatch.setenv("COLUMNS", "120")


def alike(places: tuple[str, str], *arguments: str) -> bytes:
    ours, theirs = (said("find", *arguments, "--db", place) for place in places)
    assert ours == theirs
    assert ours[0] == 0
    return ours[1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", LEVELS)
def test_each_form_of_each_level(places: tuple[str, str], level: str, form: str) -> None:
    if form == "dicom-json" and level in ("patients", "files"):
        pytest.skip("QIDO-RS has no such level")
    if form == "parquet":
        pytest.importorskip("pyarrow")
    assert len(alike(places, level, "-o", form)) > 1000


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question(places: tuple[str, str], question: str) -> None:
    asked = shlex.split(question)
    assert alike(places, *asked) or "nobody" in question or "paths" in question


def test_files_of_another_name_are_lists_to_both(places: tuple[str, str], tmp_path: Path) -> None:
    paths = alike(places, "files", "-o", "paths").splitlines()
    uids = alike(places, "series", "--columns", "SeriesInstanceUID", "-o", "csv").splitlines()
    listed = tmp_path / "list"
    listed.write_bytes(b"\n".join([*paths[::7], *uids[1::5], b"1.2.3", b"/none"]))
    for level in LEVELS:
        assert alike(places, level, "--from", os.fspath(listed), "-o", "csv")
