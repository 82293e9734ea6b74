"""Catalogues as comparable values: what they say, without surrogate keys, runs and times."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

_QUERIES = {
    "patient": "SELECT * FROM patient",
    "study": "SELECT p.identity AS parent, x.* FROM study x JOIN patient p ON p.id = x.patient_ref",
    "series": "SELECT t.study_instance_uid || p.identity AS parent, x.* FROM series x JOIN study t ON t.id = x.study_ref JOIN patient p ON p.id = t.patient_ref",
    "instance": "SELECT coalesce(s.series_instance_uid, '') || coalesce(t.study_instance_uid, '') || coalesce(p.identity, '') AS parent, x.* FROM instance x LEFT JOIN series s ON s.id = x.series_ref LEFT JOIN study t ON t.id = s.study_ref LEFT JOIN patient p ON p.id = t.patient_ref",
    "file": "SELECT r.path AS root, i.sop_instance_uid AS holds, x.* FROM file x JOIN root r ON r.id = x.root_ref LEFT JOIN instance i ON i.id = x.instance_ref",
    "discrepancy": "SELECT f.path AS file, x.* FROM discrepancy x JOIN file f ON f.id = x.file_ref",
    "finding": "SELECT f.path AS file, x.* FROM finding x LEFT JOIN file f ON f.id = x.file_ref",
    "root": "SELECT * FROM root",
    "series_total": "SELECT s.series_instance_uid || t.study_instance_uid || p.identity AS parent, x.* FROM series_total x JOIN series s ON s.id = x.series_ref JOIN study t ON t.id = s.study_ref JOIN patient p ON p.id = t.patient_ref",
}  # fmt: skip
_LEFT_OUT = ("id", "missing_since")


def dump(path: Path, *, without: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table, sorted, without keys, references and times; `without` more columns."""
    result = {}
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for table, query in _QUERIES.items():
            rows = [
                {
                    k: row[k]
                    for k in dict(row)
                    if k not in _LEFT_OUT and not k.endswith("_ref") and k not in without
                }
                for row in connection.execute(query)
            ]
            result[table] = sorted(
                rows, key=lambda row: repr(sorted(row.items(), key=lambda pair: pair[0]))
            )
    return result
