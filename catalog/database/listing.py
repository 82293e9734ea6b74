"""Rows in order, read as they are used.

First the ids of all rows that are selected, in their order, which takes little room to sort; then
the rows themselves, a chunk at a time; and what the rows of a chunk share, once. So any number of
rows takes the same memory, and a series is not read again for each of its instances.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    case,
    column,
    func,
    select,
    table,
)
from sqlalchemy.sql.elements import quoted_name

from catalog.attributes import Further
from catalog.database import dialect
from catalog.database import models as m
from catalog.database.columns import Column
from catalog.database.dialect import json_value
from catalog.database.rows import LEVELS
from catalog.database.select import selected_ids
from catalog.entities import Level, Status
from catalog.query.selection import Selection
from catalog.shapes import frozen

VIEWS = {
    Level.PATIENT: "v_patient",
    Level.STUDY: "v_study",
    Level.SERIES: "v_series",
    Level.INSTANCE: "v_instance",
    Level.FILE: "v_file",
}
_JSON_COLUMNS = {level: f"{level.value.capitalize()}Attributes" for level in LEVELS}
"""Where the views have what the configuration added."""

_USUAL_ORDER = {
    Level.PATIENT: ("PatientID", "IssuerOfPatientID"),
    Level.STUDY: ("PatientID", "StudyDate", "StudyTime", "StudyInstanceUID"),
    Level.SERIES: ("PatientID", "StudyDate", "StudyInstanceUID", "SeriesNumber", "SeriesInstanceUID"),
    Level.INSTANCE: ("PatientID", "StudyDate", "StudyInstanceUID", "SeriesNumber", "SeriesInstanceUID", "InstanceNumber", "SOPInstanceUID"),
    Level.FILE: ("Root", "PathInRoot"),
}  # fmt: skip

CHUNK = 1000
"""Rows that are read at once."""

_FACTS_OF_FILES = ("TransferSyntaxUID", "NumberOfFiles", "SizeBytes")
"""What `v_instance` asks three times of the files of an instance, and is asked once here."""


@frozen
class SortKey:
    """A column to sort by. Rows without a value come last, in either direction."""

    column: Column
    is_descending: bool = False


@frozen
class Arrangement:
    """Which columns of what is selected are wanted, in which order, and which part of the rows.

    Attributes
    ----------
    columns:
        In their order.
    sort:
        What decides the order first; ties are broken by the usual order, which is that of the
        identity from the patient down, so that the same catalogue always gives the same rows.
    limit, offset:
        At most so many rows, after leaving out so many; `None` is all.
    """

    columns: tuple[Column, ...]
    sort: tuple[SortKey, ...] = ()
    limit: int | None = None
    offset: int = 0


def ref_name(level: Level) -> str:
    """Return the name that views give to the ids of `level`."""
    return f"{level.value}_ref"


def placed(
    connection: Connection, level: Level, selection: Selection, wanted: Arrangement
) -> Subquery:
    """Return the query for the ids of what is selected (`ref`), each with its `place` from 1.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    """
    ref, keys, query = ordering(connection, level, selection, wanted)
    place = func.row_number().over(order_by=keys).label("place")
    return _part(query.with_only_columns(ref.label("ref"), place), wanted).subquery()


def _ordered(
    connection: Connection, level: Level, selection: Selection, wanted: Arrangement
) -> Select[Any]:
    """Return the query for the ids of what is selected, in order."""
    _, _, query = ordering(connection, level, selection, wanted)
    return _part(query, wanted)


def _part(query: Select[Any], wanted: Arrangement) -> Select[Any]:
    if wanted.limit is not None:
        query = query.limit(wanted.limit)
    return query.offset(wanted.offset) if wanted.offset else query


def ordering(
    connection: Connection, level: Level, selection: Selection, wanted: Arrangement
) -> tuple[ColumnElement[Any], Sequence[ColumnElement[Any]], Select[Any]]:
    """Return the ids, what they are sorted by, and the query for them all."""
    used = [ref_name(level), *_USUAL_ORDER[level]]
    for key in wanted.sort:
        is_own = key.column.home is level
        used += _sources(key.column) if is_own else [ref_name(key.column.home)]
    view = _view(level, used)
    ref = view.c[ref_name(level)]
    keys: list[ColumnElement[Any]] = []
    for key in wanted.sort:
        value = _value(level, view, key.column)
        if key.column.kind == "text":
            value = func.nullif(value, "")
        keys += [
            case((value.is_(None), 1), else_=0),
            value.desc() if key.is_descending else value,
        ]
    keys += [*(view.c[name].nulls_first() for name in _USUAL_ORDER[level]), ref]
    query = select(ref).order_by(*keys)
    if not selection.is_everything:
        query = query.where(ref.in_(selected_ids(connection, level, selection)))
    return ref, keys, query


def _view(level: Level, wanted: Sequence[str]) -> FromClause:
    # Without quotes, as the views were made: PostgreSQL has their names in small letters.
    names = (quoted_name(name, quote=False) for name in dict.fromkeys(wanted))
    return table(VIEWS[level], *(column(name) for name in names))


def _sources(wanted: Column) -> tuple[str, ...]:
    """Return what a view must give so that the column can be told."""
    if isinstance(wanted.attribute, Further):
        return (_JSON_COLUMNS[wanted.attribute.level],)
    return (wanted.name,)


def _value(level: Level, view: FromClause, wanted: Column) -> ColumnElement[Any]:
    """Return the column's value for a row of `view`, which is that of `level`."""
    if wanted.home is not level:
        above = _view(wanted.home, [*_sources(wanted), ref_name(wanted.home)])
        ref = ref_name(wanted.home)
        one = select(_value(wanted.home, above, wanted)).where(above.c[ref] == view.c[ref])
        return one.correlate(view).scalar_subquery()
    if isinstance(wanted.attribute, Further):
        return json_value(view.c[_JSON_COLUMNS[wanted.attribute.level]], wanted.attribute)
    return view.c[wanted.name]


def rows(
    connection: Connection, level: Level, selection: Selection, wanted: Arrangement
) -> Generator[tuple[Any, ...]]:
    """Yield the rows of `level` that are selected, as arranged.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    """
    read = _Reader(connection, level, wanted.columns)
    query = _ordered(connection, level, selection, wanted)
    with connection.execute(query, execution_options={"yield_per": CHUNK}) as found:
        for part in found.scalars().partitions(CHUNK):
            yield from read(part)


class _Reader:
    """Reads chunks of rows, given their ids."""

    def __init__(self, connection: Connection, level: Level, columns: Sequence[Column]) -> None:
        self._connection = connection
        self._level = level
        homes: dict[object, list[Column]] = {}
        for each in columns:
            homes.setdefault(self._home(each), []).append(each)
        own = homes.pop(level, [])
        of_files = homes.pop(_FACTS_OF_FILES, [])
        self._above = {home: _Above(home, members) for home, members in homes.items() if isinstance(home, Level)}  # fmt: skip
        self._of_files = of_files
        refs = [ref_name(home) for home in self._above]
        view = _view(level, [ref_name(level), *refs, *(name for each in own for name in _sources(each))])  # fmt: skip
        self._ref = view.c[ref_name(level)]
        self._query = select(self._ref, *(view.c[ref] for ref in refs), *(_value(level, view, each) for each in own))  # fmt: skip
        self._shared = len(refs)
        read = [
            *own,
            *of_files,
            *(each for above in self._above.values() for each in above.columns),
        ]
        at = [read.index(each) for each in columns]
        # `itemgetter` gives a tuple for two or more; and what is in order already needs no sorting.
        self._arrange: Any = None if at == list(range(len(at))) else _picked(at)

    def _home(self, wanted: Column) -> object:
        is_fact = self._level is Level.INSTANCE and wanted.name in _FACTS_OF_FILES
        return _FACTS_OF_FILES if is_fact else wanted.home

    def __call__(self, refs: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows with these ids, in their order."""
        query = self._query.where(dialect.is_listed(self._ref, refs))
        own = {row[0]: row for row in self._connection.execute(query).fetchall()}
        facts = self._facts(refs) if self._of_files else {}
        for at, above in enumerate(self._above.values(), start=1):
            above.load(self._connection, {row[at] for row in own.values()})
        cut, arrange = 1 + self._shared, self._arrange
        above_all = [
            (at, above.rows, above.blank) for at, above in enumerate(self._above.values(), start=1)
        ]
        for ref in refs:
            row = own[ref]
            values = row[cut:]
            if self._of_files:
                values += facts[ref]
            for at, shared, blank in above_all:
                values += shared.get(row[at], blank)
            yield values if arrange is None else arrange(values)

    def _facts(self, refs: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        f = m.file.c
        is_there = f.status != Status.MISSING.value
        facts = {
            "TransferSyntaxUID": func.min(f.transfer_syntax_uid),
            "NumberOfFiles": dialect.whole_sum(case((is_there, 1), else_=0)),
            "SizeBytes": dialect.whole_sum(case((is_there, f.size_bytes), else_=0)),
        }
        names = [each.name for each in self._of_files]
        query = (
            select(f.instance_ref, *(facts[name] for name in names))
            .where(dialect.is_listed(f.instance_ref, refs))
            .group_by(f.instance_ref)
        )
        none = tuple({"TransferSyntaxUID": None}.get(name, 0) for name in names)
        found = dict.fromkeys(refs, none)
        found.update((row[0], row[1:]) for row in self._connection.execute(query).fetchall())
        return found


class _Above:
    """What rows share that are below one row of the level `home`; the last chunk's is kept."""

    def __init__(self, home: Level, columns: Sequence[Column]) -> None:
        view = _view(home, [ref_name(home), *(name for each in columns for name in _sources(each))])
        self.columns = columns
        self.blank: tuple[Any, ...] = (None,) * len(columns)
        self.rows: dict[int | None, tuple[Any, ...]] = {}
        self._ref = view.c[ref_name(home)]
        self._query = select(self._ref, *(_value(home, view, each) for each in columns))

    def load(self, connection: Connection, refs: set[int | None]) -> None:
        """Have the rows with these ids, and no others; none is read that the last chunk had."""
        self.rows = {ref: self.rows[ref] for ref in refs & self.rows.keys()}
        lacking = [ref for ref in refs if ref is not None and ref not in self.rows]
        if lacking:
            query = self._query.where(dialect.is_listed(self._ref, sorted(lacking)))
            self.rows.update((row[0], row[1:]) for row in connection.execute(query).fetchall())


def _picked(at: Sequence[int]) -> Any:
    if len(at) == 1:
        only = at[0]
        return lambda values: (values[only],)
    return itemgetter(*at)
