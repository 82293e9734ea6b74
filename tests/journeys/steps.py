"""The journeys as one-liners for tests, and media read by pydicom instead of our own reader."""

from __future__ import annotations

import hashlib
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
from pydicom.data.data_manager import DATA_ROOT

from catalog.database.catalogue import Catalogue
from catalog.exporting import Order, Outcome, Plan, export, plan_export
from catalog.importing import Imported, import_medium
from catalog.indexing import Counts, Settings, index
from catalog.query import parse
from catalog.query.selection import Selection

FILE_SET_UID = "1.2.3.999.1"
PYDICOM_FILES = Path(DATA_ROOT) / "test_files"
DICOMDIR_TESTS = PYDICOM_FILES / "dicomdirtests"


def indexed(catalogue: Catalogue, *places: Path, **settings: Any) -> Counts:
    """Index `places`, in this process."""
    return index(catalogue, places, Settings(**settings))


def everything() -> Selection:
    return parse.selection()


def planned(catalogue: Catalogue, *keys: str, take_first: bool = False) -> Plan:
    """Return the plan for what fits `KEYWORD=VALUE` keys."""
    return plan_export(catalogue, parse.selection(keys), take_first=take_first)


def exported(
    catalogue: Catalogue,
    destination: Path,
    *keys: str,
    where: tuple[str, ...] = (),
    take_first: bool = False,
    **order: Any,
) -> Outcome:
    """Export what fits `KEYWORD=VALUE` keys and SQL conditions; all without one."""
    selection = parse.selection(keys, conditions=where, text=" ".join(keys))
    plan = plan_export(catalogue, selection, take_first=take_first)
    given = {"file_set_uid": FILE_SET_UID, "take_first": take_first} | order
    return export(catalogue, Order(selection, destination, **given), plan)


def imported(catalogue: Catalogue, path: Path) -> Imported:
    return import_medium(catalogue, path)


def rows(path: Path, statement: str, *parameters: object) -> list[dict[str, Any]]:
    """Return the rows of an SQL query, by a connection of our own."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement, parameters)]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def generic(path: Path) -> pydicom.FileDataset:
    """Return any DICOM file as pydicom reads it, however odd."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path, force=True, stop_before_pixels=True)


def records(dicomdir: Path) -> list[pydicom.Dataset]:
    """Return the items of the Directory Record Sequence in physical order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom decodes, and complains, when values are asked for
        found = list(generic(dicomdir).get("DirectoryRecordSequence") or [])
        for record in found:
            record.decode()
            str(record)
    return found


def referencing(dicomdir: Path) -> list[pydicom.Dataset]:
    """Return the records that name a file."""
    return [record for record in records(dicomdir) if "ReferencedFileID" in record]


def named_file(medium: Path, record: pydicom.Dataset) -> Path:
    """Return the file that a record names, by the letter of the standard."""
    value = record.ReferencedFileID
    return medium.joinpath(*([value] if isinstance(value, str) else value))


def files_below(folder: Path) -> set[str]:
    """Return all files below `folder`, as relative paths."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
