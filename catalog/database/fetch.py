"""Rows out of the catalogue: what `find` shows, and what an export is planned from."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import accumulate, chain, groupby, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, func, select

from catalog.attributes import Further
from catalog.database import attribute_sets, listing
from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.columns import columns_of, usual
from catalog.database.listing import Arrangement, SortKey
from catalog.database.rows import COLUMNS, LEVELS, Entity, entity_from, in_chunks, selected_columns
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
        # Who stops before the last row leaves nothing open on the server.
        with closing(listing.rows(connection, level, selection, wanted)) as rows:
            yield names, rows


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
        with connection.execute(query, execution_options={"yield_per": 1000}) as paths:
            yield from paths.scalars()


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


_PLANNED = ("sop_instance_uid", "sop_class_uid", "instance_number", "number_of_frames", "rows", "columns", "bits_allocated", "photometric_interpretation")  # fmt: skip
"""What of an instance an export is planned from."""

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

_FILES = ("id", "path", "size_bytes", "mtime_ns", "status", "transfer_syntax_uid", "digest")


def candidates(
    catalogue: Catalogue,
    selection: Selection,
    *,
    export_ref: int | None = None,
    whole: bool = True,
    by_series: bool = False,
) -> Generator[Candidate]:
    """Yield the selected instances for an export, in order of their ids.

    Those of one series share what is above them, as one object. With an `export_ref` only
    instances whose SOP Instance UID that export has in the ledger.

    Parameters
    ----------
    whole:
        Instances have all that is known of them; otherwise what an export is planned from.
    by_series:
        All of a series come one after the other.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    """
    i, f = m.instance.c, m.file.c
    names = (*COLUMNS[Level.INSTANCE], "raw", "attributes") if whole else _PLANNED
    own = [i.id, m.series.c.id, m.patient.c.identity, i.directory_record_type, m.root.c.path]
    first_file = len(own)
    first_name = first_file + len(_FILES)
    with catalogue.read() as connection, ExitStack() as opened:
        query = (
            select(*own, *(f[name] for name in _FILES), *(i[name] for name in names))
            .select_from(
                m.instance.outerjoin(m.series).outerjoin(m.study).outerjoin(m.patient)
                .outerjoin(m.file, f.instance_ref == i.id).outerjoin(m.root, f.root_ref == m.root.c.id)
            )
            .order_by(*([i.series_ref] if by_series else []), i.id, m.root.c.path, f.path)
        )  # fmt: skip
        if not selection.is_everything:
            query = query.where(i.id.in_(selected_ids(connection, Level.INSTANCE, selection)))
        if export_ref is not None:
            x = m.export_item.c
            named = select(x.sop_instance_uid).where(x.export_ref == export_ref)
            query = query.where(i.sop_instance_uid.in_(named))
        result = connection.execute(query, execution_options={"yield_per": 1000})
        rows = opened.enter_context(result)
        shared: Any = {}.setdefault  # one object of texts that many rows have
        above: dict[int | None, list[Entity | None]] = {None: [None, None, None]}

        def prepared() -> Iterator[Sequence[Any]]:
            latest: int | None = None
            for some in rows.partitions(1000):
                wanted = {row[1] for row in some}
                if by_series:  # none comes again, except the last, whose instances may go on
                    for done in above.keys() - wanted - {latest, None}:
                        del above[done]
                    latest = some[-1][1]
                above.update(_owners(connection, wanted - above.keys()))
                yield from some

        for ref, group in groupby(prepared(), itemgetter(0)):
            files = []
            for row in group:
                file_ref, path, size_bytes, mtime_ns, status, syntax, digest = row[
                    first_file:first_name
                ]
                if file_ref is not None:
                    root, syntax = shared(row[4], row[4]), shared(syntax, syntax)
                    files.append(
                        SourceFile(
                            file_ref, root, path, size_bytes, mtime_ns, _STATUS[status], syntax, digest
                        )
                    )  # fmt: skip
            _, series_ref, identity, record_type = row[: first_file - 1]
            owners = above[series_ref]
            if whole:
                instance = entity_from(Level.INSTANCE, row[first_name:])
                values = {name: getattr(instance, name) for name in _REPEATED}
                instance = instance._replace(**{n: shared(v, v) for n, v in values.items() if v})
            else:
                values = dict(zip(names, row[first_name:], strict=True))
                for name in ("sop_class_uid", "photometric_interpretation"):
                    values[name] = shared(values[name], values[name])
                instance = Instance(**values)
            claims = _claims([*owners, instance], record_type)
            yield Candidate(ref, shared(identity, identity), claims, tuple(files))


_STATUS = {status.value: status for status in Status}


def _owners(
    connection: Connection, series_refs: Iterable[int | None]
) -> Iterator[tuple[int, list[Entity | None]]]:
    """Yield the patient, study and series of the instances of each series."""
    levels = LEVELS[:-1]
    columns = [selected_columns(level) for level in levels]
    ends = list(accumulate(map(len, columns), initial=1))
    for refs in in_chunks(series_refs):
        query = (
            select(m.series.c.id, *chain(*columns))
            .select_from(m.series.outerjoin(m.study).outerjoin(m.patient))
            .where(m.series.c.id.in_(refs))
        )
        for row in connection.execute(query):
            parts = zip(levels, pairwise(ends), strict=True)
            yield row[0], [entity_from(level, row[a:b]) for level, (a, b) in parts]


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
