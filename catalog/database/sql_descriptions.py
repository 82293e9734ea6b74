"""What each table, view and column holds, in a sentence: for the shell, for Datasette, for the page on SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Table, UniqueConstraint

from catalog.attributes import BY_KEYWORD
from catalog.database import models as m
from catalog.database.catalogue import HEAD
from catalog.database.sql_names import Relations

COMPUTED = {
    "Path": "the file: folder and path in it; bytes that are not UTF-8 as \\xNN, backslash as \\\\",
    "Root": "the indexed folder or File-set",
    "PathInRoot": "the path below Root, / between folders; of a member of an archive ARCHIVE!/MEMBER",
    "Status": "ok, truncated, dicomdir, incomplete, unreadable, not-dicom, not-followed, archive, referenced or missing",
    "Error": "why Status is not ok",
    "SizeBytes": "size in bytes; above the file the sum of all files that are there",
    "MtimeNs": "modification time when it was read, nanoseconds since 1970 UTC",
    "Digest": "SHA-256, hexadecimal; NULL if never computed",
    "MissingSince": "when it was first found missing, ISO 8601 with offset; NULL while it is there",
    "NumberOfFiles": "files that are there",
    "DirectoryRecordType": "type of the directory record that can hold the instance (PS3.3 F.5); NULL if the standard has none",
    "ModalitiesInStudy": "the modalities of its series, joined by \\",
    "SOPClassesInStudy": "the SOP Class UIDs of its instances, joined by \\",
    "NumberOfPatientRelatedStudies": "studies of the patient",
    "NumberOfPatientRelatedSeries": "series of the patient",
    "NumberOfPatientRelatedInstances": "instances of the patient",
    "NumberOfStudyRelatedSeries": "series of the study",
    "NumberOfStudyRelatedInstances": "instances of the study",
    "NumberOfSeriesRelatedInstances": "instances of the series",
    "PatientAttributes": "JSON object of what the configuration adds to patients",
    "StudyAttributes": "JSON object of what the configuration adds to studies",
    "SeriesAttributes": "JSON object of what the configuration adds to series",
    "InstanceAttributes": "JSON object of what the configuration adds to instances",
    "LinkedPatientID": "the Patient ID of this place that people linked the patient to; NULL if none",
    "LinkedIssuerOfPatientID": "its issuer, '' if unknown; NULL if there is no link",
    "Provenance": "header: read from a file; record: known from a DICOMDIR only",
    "IsDisputed": "1 if a file states something else than this row; see discrepancy",
    "file_ref": "id in the table file",
    "instance_ref": "id in the table instance",
    "series_ref": "id in the table series",
    "study_ref": "id in the table study",
    "patient_ref": "id in the table patient",
}
"""What the columns of the views hold that are no attributes of the standard."""


class Description(NamedTuple):
    """What a table or view holds."""

    is_view: bool
    text: str
    columns: Mapping[str, str]
    """By column, in their order; `''` for one that is not dcat's."""


def described(known: Relations) -> dict[str, Description]:
    """Return a description of each of the tables and views `known`, in their order."""
    views = _views()
    found = {}
    for name, columns in known.items():
        table = m.metadata.tables.get(name)
        if name in views:
            text = views[name]
        elif table is not None:
            text = sentence(table.comment or "")
        else:
            text = _index_text(name)
        found[name] = Description(
            name in views, text, {column: _column_text(table, column) for column in columns}
        )
    return found


def keywords() -> dict[str, str]:
    """Return the columns of the views, by their names in small letters."""
    return {name.lower(): name for name in (*BY_KEYWORD, *COMPUTED)}


def sentence(text: str) -> str:
    """Return a comment of the models as a sentence."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _column_text(table: Table | None, column: str) -> str:
    if table is not None:
        return (table.columns[column].comment or "") if column in table.columns else ""
    attribute = BY_KEYWORD.get(column)
    if attribute is not None:
        group, number = divmod(attribute.tag, 0x10000)
        return f"{attribute.description} ({group:04X},{number:04X})"
    return COMPUTED.get(column, "")


def _index_text(name: str) -> str:
    owner = name.removesuffix("_words")
    if owner == name or owner not in m.metadata.tables:
        return ""
    return f"Full-text index of {owner}: its rowid is that table's id; ask SELECT rowid FROM {name}('word*')."


def _views() -> dict[str, str]:
    from catalog.database.views import migrations_folder

    sql = (migrations_folder() / "views" / f"{HEAD}.sql").read_text(encoding="utf-8")
    return {name: text for text, name in re.findall(r"-- (.*)\nCREATE VIEW (\w+)", sql)}


def diagram() -> str:
    """Return the tables with their keys and how they refer to each other, as a Mermaid diagram.

    A table shows its keys and what is unique in it; a line is labelled by the column that refers.
    """
    lines = ["```mermaid", "erDiagram"]
    tables = [m.metadata.tables[name] for name in sorted(m.metadata.tables)]
    for table in tables:
        for column in table.columns:
            for key in column.foreign_keys:
                many = "|o" if column.nullable else "||"
                lines.append(
                    f'    {key.column.table.name} {many}--o{{ {table.name} : "{column.name}"'
                )
    for table in tables:
        unique = {
            column.name
            for constraint in table.constraints
            if isinstance(constraint, UniqueConstraint)
            for column in constraint.columns
        }
        lines.append(f"    {table.name} {{")
        for column in table.columns:
            marks = [
                mark
                for mark, applies in (
                    ("PK", column.primary_key),
                    ("FK", bool(column.foreign_keys)),
                    ("UK", column.name in unique),
                )
                if applies
            ]
            if marks:
                kind = re.sub(r"\(.*", "", str(column.type)).lower()
                lines.append(f"        {kind} {column.name} {', '.join(marks)}")
        lines.append("    }")
    return "\n".join([*lines, "```", ""])
