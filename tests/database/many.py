"""A catalogue of very many instances, written as rows: what is measured or bounded needs many."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from catalog.database.catalogue import Catalogue

MODALITIES = ("CT", "MR", "US", "CR", "PT")
SYNTAX = "1.2.840.10008.1.2.1"


def fill(where: Catalogue | Path, patients: int, studies: int, series: int, instances: int) -> None:
    """Fill an empty catalogue: so many studies for each patient, series for each study, …"""
    tables = _tables(patients, studies, series, instances)
    path = where if isinstance(where, Path) else where.path
    if path is not None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA synchronous=OFF")
            for table, rows in tables:
                _insert(db, table, rows)
            db.commit()
        return
    assert not isinstance(where, Path)
    with where.write() as connection:
        driver: Any = connection.connection.driver_connection
        for table, rows in tables:
            _copy(driver.cursor(), table, rows)
    with where.write() as connection:
        connection.exec_driver_sql("ANALYZE")


_Rows = Iterator[dict[str, Any]]


def _tables(*counts: int) -> list[tuple[str, _Rows]]:
    return [
        ("root", iter([{"id": 1, "path": "/archive"}])),
        ("run", iter([{"id": 1, "command": "index", "arguments": "", "version": "1", "login": "me", "host": "here", "pid": 1, "started_at": "2024-01-01T00:00:00+00:00"}])),
        ("patient", _patients(*counts)),
        ("study", _studies(*counts)),
        ("series", _series(*counts)),
        ("series_total", _totals(*counts)),
        ("instance", _instances(*counts)),
        ("file", _files(*counts)),
    ]  # fmt: skip


def _insert(db: sqlite3.Connection, table: str, rows: _Rows) -> None:
    first = next(rows)
    marks = ", ".join("?" for _ in first)
    statement = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({marks})"
    db.execute(statement, tuple(first.values()))
    db.executemany(statement, (tuple(row.values()) for row in rows))


def _copy(cursor: Any, table: str, rows: _Rows) -> None:
    first = next(rows)
    with cursor.copy(f"COPY {table} ({', '.join(first)}) FROM STDIN") as copy:
        copy.write_row(tuple(first.values()))
        for row in rows:
            copy.write_row(tuple(row.values()))


_STATED = {"provenance": "header", "is_disputed": False}


def _patients(patients: int, *_: int) -> Iterator[dict[str, Any]]:
    for p in range(1, patients + 1):
        yield {
            "id": p,
            "identity": f'["P{p:06d}", ""]',
            "patient_id": f"P{p:06d}",
            "patient_name": f"Doe^Number{p}",
            "patient_name_folded": f"doe^number{p}",
            "patient_birth_date": f"19{p % 90 + 10}-01-31",
            "patient_sex": "FMO"[p % 3],
            "words": f"doe number{p} p{p:06d}",
            **_STATED,
        }


def _studies(patients: int, studies: int, *_: int) -> Iterator[dict[str, Any]]:
    for t in range(1, patients * studies + 1):
        yield {
            "id": t,
            "patient_ref": (t - 1) // studies + 1,
            "study_instance_uid": f"1.2.826.0.1.3680043.8.498.{t}",
            "study_id": str(t),
            "study_date": f"{2010 + t % 15}-{t % 12 + 1:02d}-{t % 28 + 1:02d}",
            "study_time": "10:15:00",
            "accession_number": f"A{t}",
            "study_description": "Thorax",
            "referring_physician_name": f"Roe^Richard{t}",
            "referring_physician_name_folded": f"roe^richard{t}",
            "words": f"thorax a{t} roe richard{t} {t}",
            **_STATED,
        }


def _series(patients: int, studies: int, series: int, _: int) -> Iterator[dict[str, Any]]:
    for s in range(1, patients * studies * series + 1):
        yield {
            "id": s,
            "study_ref": (s - 1) // series + 1,
            "series_instance_uid": f"1.2.826.0.1.3680043.8.498.1.{s}",
            "series_number": s % series + 1,
            "modality": MODALITIES[s % len(MODALITIES)],
            "series_date": "2024-01-31",
            "series_description": "axial 1 mm",
            "body_part_examined": "CHEST",
            "manufacturer": "ACME",
            "manufacturer_model_name": "Scanner 3000",
            "institution_name": "General Hospital",
            "words": "axial 1 mm chest general hospital acme scanner 3000",
            "frame_of_reference_uid": f"1.2.826.0.1.3680043.8.498.2.{s}",
            **_STATED,
        }


def _totals(patients: int, studies: int, series: int, instances: int) -> Iterator[dict[str, Any]]:
    for s in range(1, patients * studies * series + 1):
        yield {
            "series_ref": s,
            "number_of_instances": instances,
            "number_of_files": instances,
            "size_bytes": instances * 1000,
        }


def _instances(patients: int, studies: int, series: int, instances: int) -> Iterator[dict[str, Any]]:  # fmt: skip
    for i in range(1, patients * studies * series * instances + 1):
        yield {
            "id": i,
            "series_ref": (i - 1) // instances + 1,
            "sop_instance_uid": f"1.2.826.0.1.3680043.8.498.3.{i}",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
            "instance_number": i % instances + 1,
            "acquisition_number": 1,
            "content_date": "2024-01-31",
            "content_time": "10:16:00",
            "image_type": "ORIGINAL\\PRIMARY\\AXIAL",
            "rows": 512,
            "columns": 512,
            "bits_allocated": 16,
            "photometric_interpretation": "MONOCHROME2",
            "image_position_patient": f"-100\\-100\\{i % instances}",
            "image_orientation_patient": "1\\0\\0\\0\\1\\0",
            "pixel_spacing": "0.5\\0.5",
            "slice_thickness": 1.0,
            "specific_character_set": "ISO_IR 100",
            "directory_record_type": "IMAGE",
            **_STATED,
        }


def _files(patients: int, studies: int, series: int, instances: int) -> Iterator[dict[str, Any]]:
    for i in range(1, patients * studies * series * instances + 1):
        yield {
            "id": i,
            "root_ref": 1,
            "path": f"{i // 1000:06d}/{i:09d}.dcm",
            "size_bytes": 1000,
            "mtime_ns": 1,
            "status": "ok",
            "transfer_syntax_uid": SYNTAX,
            "instance_ref": i,
            "first_run_ref": 1,
            "last_run_ref": 1,
        }
