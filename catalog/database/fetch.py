"""Rows out of the catalogue: what `find` shows, and what an export is planned from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, func, select

from catalog.attributes import Further
from catalog.database import attribute_sets, listing
from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.columns import columns_of, usual
from catalog.database.listing import Arrangement, SortKey
from catalog.database.rows import LEVELS, Entity, entity_from, selected_columns
from catalog.database.select import selected_ids
from catalog.entities import Claims, Instance, Level, Patient, Series, Status, Study
from catalog.query.selection import Selection

__all__ = ["Arrangement", "Candidate", "SortKey", "SourceFile", "candidates", "columns_of", "count_of", "file_paths", "found", "further_of"]  # fmt: skip


def further_of(connection: Connection) -> tuple[Further, ...]:
    """Return the attributes that the configuration added and that any file was read with."""
    return attribute_sets.kept(connection)


@contextmanager
def found(
    catalogue: Catalogue,
    level: Level,
    selection: Selection,
    wanted: Arrangement | None = None,
) -> Iterator[tuple[tuple[str, ...], Iterator[Sequence[Any]]]]:
    """Give the names of the columns and the rows of `level` that are selected, as arranged.

    Without an arrangement all rows with all columns, in the usual order: after `columns_of` follow
    the attributes that the configuration added. Rows are read as they are used, so any number
    takes no memory.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    """
    with catalogue.read() as connection:
        if wanted is None:
            wanted = Arrangement(usual(level, further_of(connection)))
        names = tuple(each.name for each in wanted.columns)
        yield names, listing.rows(connection, level, selection, wanted)


def file_paths(
    catalogue: Catalogue, level: Level, selection: Selection, wanted: Arrangement | None = None
) -> Iterator[str]:
    """Yield the full paths, in text form, of all files there that belong to what is selected.

    Sorted by path. Where `wanted` bounds the rows of `level`, only files of those rows; where it
    sorts them, the files of the first row come first.
    """
    with catalogue.read() as connection:
        path = m.root.c.path.concat("/").concat(m.file.c.path)
        source: FromClause = m.file.join(m.root)
        order: list[ColumnElement[Any]] = [m.root.c.path, m.file.c.path]
        query = select(path)
        if wanted is not None and (wanted.sort or wanted.limit is not None or wanted.offset):
            rows = listing.placed(connection, level, selection, wanted)
            if level not in (Level.INSTANCE, Level.FILE):
                source = source.join(m.instance).join(m.series).join(m.study)
            source = source.join(rows, rows.c.ref == _OWNERS[level])
            if wanted.sort:
                order.insert(0, rows.c.place)
        query = (
            query.select_from(source)
            .where(m.file.c.status != Status.MISSING.value)
            .order_by(*order)
        )
        if level is not Level.FILE:
            query = query.where(m.file.c.instance_ref.is_not(None))
        if not selection.is_everything:
            query = query.where(m.file.c.id.in_(selected_ids(connection, Level.FILE, selection)))
        yield from connection.execution_options(yield_per=1000).execute(query).scalars()


_OWNERS: dict[Level, ColumnElement[Any]] = {
    Level.PATIENT: m.study.c.patient_ref,
    Level.STUDY: m.series.c.study_ref,
    Level.SERIES: m.instance.c.series_ref,
    Level.INSTANCE: m.file.c.instance_ref,
    Level.FILE: m.file.c.id,
}
"""What names the row of each level that a file belongs to."""


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


_REPEATED = (
    "sop_class_uid",
    "content_date",
    "image_type",
    "photometric_interpretation",
    "image_orientation_patient",
    "pixel_spacing",
    "specific_character_set",
)
"""Fields of which the instances of a series mostly have the same text."""


def candidates(
    catalogue: Catalogue, selection: Selection, *, export_ref: int | None = None
) -> Iterator[Candidate]:
    """Yield the selected instances for an export, in order of their ids.

    Those of one series share what is above them, as one object. With an `export_ref` only
    instances whose SOP Instance UID that export has in the ledger.

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
        if export_ref is not None:
            x = m.export_item.c
            named = select(x.sop_instance_uid).where(x.export_ref == export_ref)
            query = query.where(m.instance.c.sop_instance_uid.in_(named))
        rows = connection.execution_options(yield_per=1000).execute(query)
        above: dict[int, list[Entity | None]] = {}
        shared: Any = {}.setdefault  # one object of texts that many rows have
        for ref, group in groupby(rows, key=lambda row: row[0]):
            members = list(group)
            first = members[0]
            values = first[len(own) :]
            owners = above.get(first[3])
            if owners is None:
                owners = [
                    entity_from(level, values[a:b]) if first[3] is not None else None
                    for level, (a, b) in zip(LEVELS[:-1], spans, strict=False)
                ]
                above[first[3]] = owners
            own_values = values[spans[-1][0] : spans[-1][1]]
            instance = entity_from(Level.INSTANCE, own_values)
            entities = [
                *owners,
                instance._replace(
                    **{n: shared(v, v) for n in _REPEATED if (v := getattr(instance, n))}
                ),
            ]
            files = tuple(
                SourceFile(
                    row[4], shared(row[5], row[5]), row[6], row[7], row[8], Status(row[9]),
                    shared(row[10], row[10]), row[11],
                )
                for row in members
                if row[4] is not None
            )  # fmt: skip
            yield Candidate(ref, shared(first[1], first[1]), _claims(entities, first[2]), files)


def _claims(entities: Sequence[Entity | None], record_type: str | None) -> Claims:
    patient, study, series, instance = entities
    assert patient is None or isinstance(patient, Patient)
    assert study is None or isinstance(study, Study)
    assert series is None or isinstance(series, Series)
    assert isinstance(instance, Instance)
    return Claims(patient, study, series, instance, record_type)


def count_of(connection: Connection, level: Level, selection: Selection) -> int:
    """Return how many rows of `level` are selected."""
    return int(
        connection.execute(
            select(func.count()).select_from(selected_ids(connection, level, selection).subquery())
        ).scalar_one()
    )
