"""What the audits find in files of other projects; each expected row was held against the files once.

That was done by a program with pydicom alone, and dcmdump where pydicom reads no further.

`python -m tests.auditing.test_real_files` writes the rows anew: read the difference before keeping it.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.errors import InvalidDicomError

from catalog.auditing import asked, audits, problems
from catalog.cli.main import main
from catalog.database.catalogue import open_catalogue
from tests.conftest import SHARED_DATA

EXPECTED = Path(__file__).parent / "expected"
PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
TODAY = date(2026, 1, 1)
PASSING = {"MissingSince", "NoticedAt"}
"""Columns that depend on the day of the test."""
FIGURES = ("findings", "volumes", "volumes-by-institution", "volumes-by-scanner", "volumes-by-sop-class",
           "volumes-by-transfer-syntax")  # fmt: skip
"""Audits of what is there, but for those of what happened when."""
DICOMDIRS = {
    "shared": ("filesets/dcmtk-mixed/DICOMDIR", "process-dcm/tests/DICOMDIR"),
    "pydicom": ("dicomdirtests/DICOMDIR", "dicomdirtests/TINY_ALPHA/DICOMDIR"),
}
FOLDERS = {"shared": SHARED_DATA.resolve(), "pydicom": PYDICOM.resolve()}

Found = dict[str, list[dict[str, Any]]]


def found_in(name: str, db: Path) -> Found:
    """Return the rows of all problem audits that have some, and of those that give figures."""
    folder = FOLDERS[name]
    assert main(["index", str(folder), "--digest", "-j", "1", "--db", str(db)]) == 3
    for dicomdir in DICOMDIRS[name]:
        assert main(["import", str(folder / dicomdir), "--db", str(db)]) in (0, 3)
    result: Found = {}
    with open_catalogue(db) as catalogue:
        for answer in problems(catalogue, first=10_000, today=TODAY):
            assert answer.error == ""
            if answer.count:
                result[answer.audit.name] = told(answer.columns, answer.rows, folder)
        for figures in FIGURES:
            with asked(catalogue, audits()[figures], {}, today=TODAY) as (columns, rows):
                result[figures] = told(columns, rows, folder)
    return dict(sorted(result.items()))


def told(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], folder: Path
) -> list[dict[str, Any]]:
    """Return rows by column name, paths below `folder`, without what passes."""
    return [
        {
            column: cell.replace(f"{folder}/", "").replace(str(folder), ".")
            if isinstance(cell, str)
            else cell
            for column, cell in zip(columns, row, strict=True)
            if column not in PASSING
        }
        for row in rows
    ]


@pytest.fixture(scope="module", params=["shared", "pydicom"])
def real(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Found]:
    name = request.param
    if not FOLDERS[name].is_dir():
        pytest.skip("the real files of other projects are not beside this checkout")
    if name == "pydicom" and not pydicom.__version__.startswith("3.0."):
        pytest.skip(f"the rows were checked with the files of pydicom 3.0, not {pydicom.__version__}")  # fmt: skip
    return name, found_in(name, tmp_path_factory.mktemp(name) / "c.db")


def test_the_rows_are_those_that_were_checked(real: tuple[str, Found]) -> None:
    name, found = real
    expected = json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))
    assert list(found) == list(expected)
    for audit, rows in expected.items():
        assert found[audit] == rows, audit


def test_instances_in_several_files_are_those_that_pydicom_reads(real: tuple[str, Found]) -> None:
    name, found = real
    digests: dict[str, list[str]] = defaultdict(list)
    warnings.simplefilter("ignore")  # what pydicom says of odd files is not the question
    for path in FOLDERS[name].rglob("*"):
        if path.is_file():
            try:
                dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])  # fmt: skip
            except (InvalidDicomError, EOFError):
                continue
            digests[str(dataset.get("SOPInstanceUID", ""))].append(
                hashlib.sha256(path.read_bytes()).hexdigest()
            )
    differing = {uid for uid, values in digests.items() if uid and len(set(values)) > 1}
    alike = {uid for uid, values in digests.items() if uid and len(values) > 1} - differing
    conflicting = {row["SOPInstanceUID"] for row in found["conflicting-instances"]}
    duplicate = {row["SOPInstanceUID"] for row in found["duplicate-instances"]}
    # pydicom refuses files without preamble, and dcat files without a study: what both read must agree.
    assert conflicting <= differing | NOT_READ_BY_PYDICOM
    assert duplicate <= alike | NOT_READ_BY_PYDICOM
    assert differing - conflicting <= WITHOUT_STUDY
    assert alike - duplicate <= WITHOUT_STUDY | NOT_READ_BY_PYDICOM


NOT_READ_BY_PYDICOM: set[str] = {"1.2.333.4444.5.6.7.8"}
WITHOUT_STUDY: set[str] = set()


def _write() -> None:
    import tempfile

    EXPECTED.mkdir(exist_ok=True)
    for name in FOLDERS:
        with tempfile.TemporaryDirectory() as folder:
            found = found_in(name, Path(folder) / "c.db")
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        (EXPECTED / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write()
