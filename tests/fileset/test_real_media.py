"""DICOMDIRs that others wrote: as many records as a generic reading finds, and a writable tree."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.data import data_manager

from catalog.fileset.reader import read
from catalog.fileset.tree import count, walk
from catalog.fileset.writer import Writing, write

PYDICOM = Path(data_manager.DATA_ROOT) / "test_files" / "dicomdirtests"
SHARED = Path(__file__).parents[3] / "shared" / "data"

EXPECTED = {
    "DICOMDIR": set(),
    "DICOMDIR-empty.dcm": set(),
    "DICOMDIR-reordered": set(),
    "DICOMDIR-implicit": {"transfer-syntax"},
    "DICOMDIR-bigEnd": {"transfer-syntax"},
    "DICOMDIR-nooffset": {"item-length", "link-missing"},
    "DICOMDIR-nopatient": {"first-root-offset", "rebuilt", "record-type-unknown"},
}
OTHERS = [SHARED / "filesets/dcmtk-mixed/DICOMDIR", SHARED / "process-dcm/tests/DICOMDIR"]


def generic(path: Path) -> list[pydicom.Dataset]:
    """Return the items of the Directory Record Sequence as pydicom reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(pydicom.dcmread(path, force=True).get("DirectoryRecordSequence", []))


def record_count(path: Path) -> int:
    return len(generic(path))


@pytest.mark.parametrize("name", EXPECTED)
def test_pydicoms_files(name: str) -> None:
    path = PYDICOM / name
    if not path.exists():
        pytest.skip(f"this pydicom has no {name}")
    directory = read(path.read_bytes())
    assert count(directory.fileset.records) == record_count(path)
    assert {finding.code for finding in directory.findings} == EXPECTED[name]


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.parts[-3])
def test_files_of_other_programs(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} of {path.parts[-2]} is not beside the checkout")
    directory = read(path.read_bytes())
    assert count(directory.fileset.records) == record_count(path)
    assert {finding.code for finding in directory.findings} <= {"duplicate-series"}


@pytest.mark.parametrize(
    "path",
    [PYDICOM / name for name in EXPECTED if name != "DICOMDIR-nopatient"] + OTHERS,
    ids=lambda path: f"{path.parts[-2]}-{path.name}",
)
def test_what_was_read_can_be_written_and_pydicom_reads_the_same_keys(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path} is absent")
    fileset = read(path.read_bytes()).fileset
    out = io.BytesIO()
    write(out, fileset, Writing("1.2.3", "X"))
    assert read(out.getvalue()).fileset == fileset
    out.seek(0)
    written = pydicom.dcmread(out)
    originals = {signature(item) for item in generic(path)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert {signature(item) for item in written.DirectoryRecordSequence} == originals
    if "reordered" not in path.name:
        return
    assert [record.type for _, record in walk(fileset.records)][:3] == [
        "PATIENT",
        "STUDY",
        "SERIES",
    ]


def signature(item: pydicom.Dataset) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return "\n".join(
            f"{element.tag} {element.value!r}"
            for element in item
            if element.tag not in (0x00041400, 0x00041410, 0x00041420)
        )
