"""What Datasette is told about a catalogue: titles, descriptions, units, sort orders, facets, queries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from catalog.auditing import Audit, audits
from catalog.database.catalogue import Catalogue
from catalog.database.sql import relations
from catalog.database.sql_descriptions import described
from catalog.errors import CatalogueError

TITLES = {
    "v_patient": "Patients",
    "v_study": "Studies",
    "v_series": "Series",
    "v_instance": "SOP Instances",
    "v_file": "Files",
}
"""Titles of the views, which are for people; a table is called what it is called."""

SORTS: Mapping[str, Mapping[str, str]] = {
    "run": {"sort_desc": "id"},
    "export": {"sort_desc": "id"},
    "finding": {"sort_desc": "id"},
    "study": {"sort_desc": "study_date"},
}
"""How rows are ordered at first; views cannot be, which Datasette reads in the order they come."""

FACETS = {
    "v_study": ["PatientSex", "IsDisputed"],
    "v_series": ["Modality", "Manufacturer"],
    "v_instance": ["Modality", "SOPClassUID"],
    "v_file": ["Status", "Modality"],
    "v_patient": ["PatientSex", "IsDisputed"],
    "file": ["status"],
    "series": ["modality", "manufacturer"],
    "finding": ["severity", "code"],
    "run": ["command", "outcome"],
    "export_item": ["outcome"],
}
"""By what the rows are counted at the side."""

UNITS = {
    "SizeBytes": "byte",
    "size_bytes": "byte",
    "offset_bytes": "byte",
    "MtimeNs": "ns",
    "mtime_ns": "ns",
    "SliceThickness": "mm",
    "slice_thickness": "mm",
}
"""Units of columns that hold numbers."""

LABELS = {
    "patient": "patient_name",
    "study": "study_description",
    "series": "series_description",
    "instance": "sop_instance_uid",
    "file": "path",
    "root": "path",
    "run": "command",
    "fileset": "file_set_id",
    "export": "destination",
}
"""The column that stands for a row where another table refers to it."""


def metadata(catalogue: Catalogue) -> dict[str, Any]:
    """Return Datasette's metadata for `catalogue`, as it goes into JSON.

    The database is called as Datasette calls it: by its file's name without the ending.

    Raises
    ------
    CatalogueError
        If the catalogue cannot be read, or is no file, which Datasette needs.
    """
    if catalogue.path is None:
        raise CatalogueError(
            f"Datasette reads SQLite files alone, and {catalogue.name} is on PostgreSQL. Copy it to a file with `dcat db copy`, and name that file."
        )
    tables = {}
    for name, each in described(relations(catalogue)).items():
        entry: dict[str, Any] = {
            "title": TITLES.get(name, name),
            "description": each.text,
            "columns": {column: text for column, text in each.columns.items() if text},
            **SORTS.get(name, {}),
        }
        for key, values in (("facets", FACETS), ("label_column", LABELS)):
            if name in values:
                entry[key] = values[name]
        units = {column: UNITS[column] for column in each.columns if column in UNITS}
        if units:
            entry["units"] = units
        tables[name] = entry
    name = "catalogue" if catalogue.path is None else catalogue.path.stem
    return {
        "title": "dcat: a catalogue of DICOM files",
        "description": "Patients, studies, series, SOP Instances and files, as the files' headers state them.",
        "databases": {
            name: {
                "title": f"The catalogue {name}",
                "description": "Begin with the views v_patient, v_study, v_series, v_instance and v_file: their columns are the standard's keywords. The queries are dcat's audits.",
                "tables": tables,
                "queries": {name: _query(audit) for name, audit in audits().items()},
            }
        },
    }


def _query(audit: Audit) -> dict[str, Any]:
    statement = _statement(audit)
    entry: dict[str, Any] = {
        "title": audit.title,
        "description": f"{audit.description} Columns: {audit.columns}",
        "sql": statement,
    }
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    if names:
        entry["params"] = names
    return entry


_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")


def _statement(audit: Audit) -> str:
    """Return an audit's SQL for Datasette: without the header, and with defaults.

    The header's words with colons would look like parameters; and Datasette gives '' for what the
    user leaves empty, and text for numbers.
    """
    body = re.sub(r"\A(?:--[^\n]*\n)+", "", audit.sql).strip()
    defaults = {"since": "0", **audit.defaults}
    return _PARAMETER.sub(lambda match: _defaulted(match[1], defaults.get(match[1])), body)


def _defaulted(name: str, default: str | None) -> str:
    """Return the parameter `name` as SQL, with its default where it is left empty."""
    if default is None:
        return f":{name}"
    given = f"nullif(:{name}, '')"
    if default.isdigit():
        return f"CAST(coalesce({given}, {default}) AS INTEGER)"
    days = re.fullmatch(r"(\d+) days ago", default)
    if days:
        return f"coalesce({given}, date('now', '-{days[1]} days'))"
    text = "date('now')" if default == "today" else "'" + default.replace("'", "''") + "'"
    return f"coalesce({given}, {text})"
