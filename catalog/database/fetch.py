"""Rows out of the catalogue: what `find` shows, and what an export is planned from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, column, func, select, table

from catalog.attributes import Further, at
from catalog.database import attribute_sets
from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.rows import LEVELS, entity_from, selected_columns
from catalog.database.select import json_value, selected_ids
from catalog.entities import Claims, Instance, Level, Patient, Series, Status, Study
from catalog.query.selection import Selection

VIEWS = {
    Level.PATIENT: "v_patient",
    Level.STUDY: "v_study",
    Level.SERIES: "v_series",
    Level.INSTANCE: "v_instance",
    Level.FILE: "v_file",
}
_JSON_COLUMNS = {level: f"{level.value.capitalize()}Attributes" for level in LEVELS}
"""Where the views have what the configuration added."""

_COMPUTED = {
    Level.PATIENT: (
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    ),
    Level.STUDY: (
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: ("NumberOfSeriesRelatedInstances",),
    Level.INSTANCE: ("DirectoryRecordType", "TransferSyntaxUID"),
}
_ORDER = {
    Level.PATIENT: ("PatientID", "IssuerOfPatientID"),
    Level.STUDY: ("PatientID", "StudyDate", "StudyTime", "StudyInstanceUID"),
    Level.SERIES: ("PatientID", "StudyDate", "StudyInstanceUID", "SeriesNumber", "SeriesInstanceUID"),
    Level.INSTANCE: ("PatientID", "StudyDate", "StudyInstanceUID", "SeriesNumber", "SeriesInstanceUID", "InstanceNumber", "SOPInstanceUID"),
    Level.FILE: ("Root", "PathInRoot"),
}  # fmt: skip
_FILE_COLUMNS = ("Path", "Status", "Error", "SizeBytes", "TransferSyntaxUID", "Digest", "MissingSince", "SOPInstanceUID",
                 "SOPClassUID", "SeriesInstanceUID", "Modality", "StudyInstanceUID", "PatientID")  # fmt: skip


def columns_of(level: Level) -> tuple[str, ...]:
    """Return the columns that `find` gives for `level`: keywords from the patient down, then counts."""
    if level is Level.FILE:
        return _FILE_COLUMNS
    levels = LEVELS[: LEVELS.index(level) + 1]
    keywords = tuple(a.keyword for each in levels for a in at(each))
    return (*keywords, *_COMPUTED[level], "NumberOfFiles", "SizeBytes", "Provenance", "IsDisputed")


def further_of(connection: Connection, level: Level) -> tuple[Further, ...]:
    """Return the attributes that the configuration added and that `find` gives for `level`, after all others."""
    if level is Level.FILE:
        return ()
    levels = LEVELS[: LEVELS.index(level) + 1]
    return tuple(a for a in attribute_sets.kept(connection) if a.level in levels)


def _ref_name(level: Level) -> str:
    return f"{level.value}_ref"


@contextmanager
def found(
    catalogue: Catalogue, level: Level, selection: Selection
) -> Iterator[tuple[tuple[str, ...], Iterator[Sequence[Any]]]]:
    """Give the columns and rows of `level` that are selected, in one stable order.

    After `columns_of` follow the attributes that the configuration added.

    Rows are read as they are used, so any number takes no memory.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    """
    names = columns_of(level)
    with catalogue.read() as connection:
        further = further_of(connection, level)
        rows = connection.execution_options(yield_per=1000).execute(
            _view_query(connection, level, selection, names, further)
        )
        yield (*names, *(attribute.keyword for attribute in further)), (tuple(row) for row in rows)


def _view_query(
    connection: Connection,
    level: Level,
    selection: Selection,
    names: Sequence[str],
    further: Sequence[Further],
) -> Select[Any]:
    ref = _ref_name(level)
    json_columns = (_JSON_COLUMNS[attribute.level] for attribute in further)
    used = dict.fromkeys((*names, *_ORDER[level], ref, *json_columns))
    view = table(VIEWS[level], *(column(name) for name in used))
    added = (json_value(view.c[_JSON_COLUMNS[a.level]], a).label(a.keyword) for a in further)
    query = select(*(view.c[name] for name in names), *added).order_by(
        *(view.c[name] for name in _ORDER[level]), view.c[ref]
    )
    if not selection.is_everything:
        query = query.where(view.c[ref].in_(selected_ids(connection, level, selection)))
    return query


def file_paths(catalogue: Catalogue, level: Level, selection: Selection) -> Iterator[str]:
    """Yield the full paths, in text form, of all files there that belong to what is selected, sorted."""
    with catalogue.read() as connection:
        query = (
            select(m.root.c.path.concat("/").concat(m.file.c.path))
            .select_from(m.file.join(m.root))
            .where(m.file.c.status != Status.MISSING.value)
            .order_by(m.root.c.path, m.file.c.path)
        )
        if level is not Level.FILE:
            query = query.where(m.file.c.instance_ref.is_not(None))
        if not selection.is_everything:
            query = query.where(m.file.c.id.in_(selected_ids(connection, Level.FILE, selection)))
        yield from connection.execution_options(yield_per=1000).execute(query).scalars()


class SourceFile(NamedTuple):
    """A file that holds a selected instance; `path` is relative to `root`, both in text form."""

    file_ref: int
    root: str
    path: str
    size_bytes: int | None
    mtime_ns: int | None
    status: Status
    transfer_syntax_uid: str | None
    digest: str | None


class Candidate(NamedTuple):
    """A selected instance with everything above it and all files that hold it, sorted by path."""

    instance_ref: int
    patient_identity: str | None
    claims: Claims
    files: tuple[SourceFile, ...]


def candidates(catalogue: Catalogue, selection: Selection) -> Iterator[Candidate]:
    """Yield the selected instances for an export, in order of their ids.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    """
    columns: list[Any] = []
    spans = []
    for level in LEVELS:
        chosen = selected_columns(level)
        spans.append((len(columns), len(columns) + len(chosen)))
        columns += chosen
    f = m.file.c
    own = [
        m.instance.c.id, m.patient.c.identity, m.instance.c.directory_record_type, m.series.c.id,
        f.id, m.root.c.path, f.path, f.size_bytes, f.mtime_ns, f.status, f.transfer_syntax_uid, f.digest,
    ]  # fmt: skip
    kinds: tuple[type[Any], ...] = (Patient, Study, Series, Instance)
    with catalogue.read() as connection:
        query = (
            select(*own, *columns)
            .select_from(
                m.instance.outerjoin(m.series).outerjoin(m.study).outerjoin(m.patient)
                .outerjoin(m.file, f.instance_ref == m.instance.c.id).outerjoin(m.root, f.root_ref == m.root.c.id)
            )
            .order_by(m.instance.c.id, m.root.c.path, f.path)
        )  # fmt: skip
        if not selection.is_everything:
            query = query.where(
                m.instance.c.id.in_(selected_ids(connection, Level.INSTANCE, selection))
            )
        rows = connection.execution_options(yield_per=1000).execute(query)
        for ref, group in groupby(rows, key=lambda row: row[0]):
            members = list(group)
            first = members[0]
            values = first[len(own) :]
            in_series = first[3] is not None
            entities = [
                entity_from(level, values[a:b]) if in_series or level is Level.INSTANCE else None
                for level, (a, b) in zip(LEVELS, spans, strict=True)
            ]
            assert all(
                e is None or isinstance(e, kind) for e, kind in zip(entities, kinds, strict=True)
            )
            files = tuple(
                SourceFile(row[4], row[5], row[6], row[7], row[8], Status(row[9]), row[10], row[11])
                for row in members
                if row[4] is not None
            )
            patient, study, series, instance = entities
            claims = Claims(patient, study, series, instance, first[2])  # type: ignore[arg-type]
            yield Candidate(ref, first[1], claims, files)


def count_of(connection: Connection, level: Level, selection: Selection) -> int:
    """Return how many rows of `level` are selected."""
    return int(
        connection.execute(
            select(func.count()).select_from(selected_ids(connection, level, selection).subquery())
        ).scalar_one()
    )
