"""dcat find"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from catalog.cli import options
from catalog.cli.render import FindFormat

NOTHING = "Nothing in the catalogue fits."


class What(StrEnum):
    """The levels, in the plural as people type them."""

    PATIENTS = "patients"
    STUDIES = "studies"
    SERIES = "series"
    INSTANCES = "instances"
    FILES = "files"


_LEVELS = {
    "patients": "patient",
    "studies": "study",
    "series": "series",
    "instances": "instance",
    "files": "file",
}

_TABLES = {
    "patients": ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances", "SizeBytes"),
    "studies": ("PatientID", "PatientName", "StudyDate", "ModalitiesInStudy", "StudyDescription", "AccessionNumber", "NumberOfStudyRelatedInstances", "SizeBytes"),
    "series": ("PatientID", "StudyDate", "Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances", "SizeBytes", "SeriesInstanceUID"),
    "instances": ("PatientID", "Modality", "SeriesNumber", "InstanceNumber", "NumberOfFiles", "SizeBytes", "SOPInstanceUID"),
    "files": ("Status", "SizeBytes", "Path"),
}  # fmt: skip
"""Columns of the table for people; every other format has all columns."""

_SHORT = {
    "PatientName": "Name",
    "StudyDate": "Date",
    "StudyDescription": "Description",
    "SeriesDescription": "Description",
    "SeriesNumber": "Series",
    "InstanceNumber": "Number",
    "NumberOfPatientRelatedStudies": "Studies",
    "NumberOfPatientRelatedInstances": "Instances",
    "NumberOfStudyRelatedInstances": "Instances",
    "NumberOfSeriesRelatedInstances": "Instances",
    "NumberOfFiles": "Files",
    "ModalitiesInStudy": "Modalities",
    "SizeBytes": "Size",
    "PatientBirthDate": "BirthDate",
    "PatientSex": "Sex",
    "AccessionNumber": "Accession",
}


def find(
    what: Annotated[What, typer.Argument(help="What to list.")] = What.STUDIES,
    output: Annotated[
        FindFormat,
        typer.Option("--output", "-o", help="table has the main columns; the others have all."),
    ] = FindFormat.TABLE,
    nul: Annotated[
        bool,
        typer.Option(
            "-0", "--null", help="With -o paths: end each path with NUL instead of a newline."
        ),
    ] = False,
    db: options.Db = None,
    patient: options.PatientIds = None,
    study: options.StudyUids = None,
    series: options.SeriesUids = None,
    instance: options.InstanceUids = None,
    modality: options.Modalities = None,
    date: options.Dates = None,
    accession: options.Accessions = None,
    key: options.Keys = None,
    where: options.Where = None,
    sql: options.Sql = None,
    listed: options.From = None,
) -> int:
    """List patients, studies, series, instances or files that fit a selection; all without one.

    -o paths lists the files that are there of whatever was found, one a line.
    """
    from catalog.cli.render import Format, counted, say, size_text, write_paths, write_rows
    from catalog.database import fetch, select
    from catalog.entities import Level
    from catalog.errors import SelectionError

    chosen = options.selection(
        patient, study, series, instance, modality, date, accession, key, where, sql, listed, db
    )
    level = Level(_LEVELS[what.value])
    if nul and output is not FindFormat.PATHS:
        raise SelectionError("-0 goes with -o paths.")
    with options.opened(db) as catalogue:
        if chosen.listed is not None:
            with catalogue.read() as connection:
                report_unmatched(select.unmatched(connection, chosen.listed))
        if output is FindFormat.PATHS:
            count = write_paths(fetch.file_paths(catalogue, level, chosen), nul=nul)
            if count == 0:
                with catalogue.read() as connection:
                    fitting = fetch.count_of(connection, level, chosen)
                say(
                    f"{counted(fitting, 'row')} fit, and no file of them is there."
                    if fitting
                    else NOTHING
                )
            return 0
        else:
            with fetch.found(catalogue, level, chosen) as (columns, rows):
                if output is FindFormat.TABLE:
                    asked = (term.attribute.keyword for term in chosen.terms)
                    further = columns[len(fetch.columns_of(level)) :]
                    names = (*_TABLES[what.value], *(name for name in asked if name in further))
                    at = [columns.index(name) for name in names]
                    size = names.index("SizeBytes") if "SizeBytes" in names else -1
                    shown = (
                        [size_text(row[j] or 0) if i == size else row[j] for i, j in enumerate(at)]
                        for row in rows
                    )
                    count = write_rows(
                        [_SHORT.get(name, name) for name in names], shown, Format.TABLE
                    )
                else:
                    count = write_rows(columns, rows, Format(output.value))
    if count == 0:
        say(NOTHING)
    elif output is FindFormat.TABLE:
        say(f"{counted(count, _LEVELS[what.value], what.value)}.")
    return 0


def report_unmatched(items: list[str]) -> bool:
    """Say which lines of a list the catalogue does not know; return whether there are any."""
    from catalog.cli.render import counted, plain, say

    if items:
        shown = ", ".join(plain(item) for item in items[:5]) + (", …" if len(items) > 5 else "")
        say(
            f"{counted(len(items), 'line')} of the list name nothing that the catalogue knows: {shown}"
        )
    return bool(items)
