"""Totals by group: how many patients, studies, series, instances, files and bytes have a value.

Where a question is about series and what is above them, `series_total` has the answer and no
instance is looked at. Otherwise the instances and their files are counted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    case,
    exists,
    func,
    literal,
    not_,
    null,
    select,
    union_all,
)

from catalog.attributes import BY_KEYWORD, Attribute, Further
from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.dialect import json_value, whole_sum
from catalog.database.rows import LEVELS
from catalog.database.select import selected_ids
from catalog.entities import Level, Status
from catalog.errors import SelectionError
from catalog.query.selection import Selection
from catalog.shapes import frozen

AMOUNTS = ("NumberOfPatients", "NumberOfStudies", "NumberOfSeries", "NumberOfInstances", "NumberOfFiles", "SizeBytes")  # fmt: skip
"""What is counted for each group, in the order of the columns. Files are those that are there."""

_PARTS_OF_DATE = {"Year": 4, "Month": 7}
"""Characters of Study Date (`YYYY-MM-DD`) that the year and the month take."""

_TABLES = {**m.ENTITY_TABLES, Level.FILE: m.file}


@frozen
class GroupKey:
    """What rows have in common in a group: an attribute's value, or the first characters of it."""

    name: str
    attribute: Attribute
    characters: int | None = None

    @property
    def is_below_series(self) -> bool:
        """Whether one series may have several values of it."""
        return self.attribute.level in (Level.INSTANCE, Level.FILE)


def group_keys(names: Sequence[str], further: Sequence[Further] = ()) -> tuple[GroupKey, ...]:
    """Return what `names` name: keywords of any case, `year` or `month` (of Study Date).

    `further` are the attributes that the catalogue keeps beyond those of every catalogue.

    Raises
    ------
    SelectionError
        If one cannot be grouped by, or is named twice.
    """
    known = {
        name.lower(): GroupKey(name, BY_KEYWORD["StudyDate"], characters)
        for name, characters in _PARTS_OF_DATE.items()
    }
    known |= {name.lower(): GroupKey(name, each) for name, each in BY_KEYWORD.items()}
    for each in further:
        known.setdefault(each.keyword.lower(), GroupKey(each.keyword, each))
    keys: list[GroupKey] = []
    for name in names:
        asked = name.strip().lower()
        key = known.get(asked)
        if key is None:
            from catalog.dicom import asking

            if (lacking := asking.not_kept(name)) is not None:
                raise SelectionError(lacking, name)
            near = difflib.get_close_matches(asked, known, n=1)
            hint = f" Did you mean {known[near[0]].name}?" if near else ""
            raise SelectionError(
                f"{name!r} is nothing to group by.{hint} Name keywords that the catalogue keeps, "
                "year or month (of Study Date), joined by commas.",
                name,
            )
        if key in keys:
            raise SelectionError(f"{key.name} is named twice to group by.", name)
        keys.append(key)
    return tuple(keys)


@contextmanager
def grouped(
    catalogue: Catalogue,
    keys: Sequence[GroupKey],
    selection: Selection,
    sort: Sequence[tuple[str, bool]] = (),
    limit: int | None = None,
    offset: int = 0,
) -> Iterator[tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]]:
    """Give the names of the columns, and a row for each group: the values of `keys`, then `AMOUNTS`.

    What is counted is what `find` gives at each level for the same selection. A value that is
    absent and one that is empty are one group, `None`, which comes last. A patient, study or
    series counts in every group in which it has something, so these columns may add up to more
    than there are; instances, files and bytes never do, unless a key is an attribute of files.

    Parameters
    ----------
    sort:
        Names of columns, each with whether it goes down; groups come in order of `keys` otherwise.

    Raises
    ------
    SelectionError
        If `sort` names no column, or the selection holds SQL that cannot be run.
    """
    names = (*(key.name for key in keys), *AMOUNTS)
    places = [(_place(names, name), goes_down) for name, goes_down in sort]
    with catalogue.read() as connection:
        rows = _rows(connection, keys, selection).subquery("counted")
        grouped_by = [rows.c[f"k{n}"] for n in range(len(keys))]
        values = [
            value if key.attribute.is_number else func.nullif(value, "")
            for key, value in zip(keys, grouped_by, strict=True)
        ]
        amounts = (
            *(func.count(rows.c[name].distinct()) for name in ("p", "t")),
            # A series has one row, unless a key below it tells several apart.
            func.count(rows.c.s.distinct() if any(k.is_below_series for k in keys) else rows.c.s),
            *(whole_sum(rows.c[name]) for name in ("i", "f", "b")),
        )
        shown = [each.label(f"c{n}") for n, each in enumerate((*values, *amounts))]
        query = select(*shown).group_by(*grouped_by)
        order = [(shown[place], goes_down) for place, goes_down in places]
        order += [(value, False) for value in shown[: len(keys)]]
        for value, goes_down in order:
            query = query.order_by(
                case((value.is_(None), 1), else_=0), value.desc() if goes_down else value
            )
        query = query if limit is None else query.limit(limit)
        query = query.offset(offset) if offset else query
        with connection.execute(query, execution_options={"yield_per": 1000}) as found:
            yield names, (tuple(row) for row in found)


def _place(names: Sequence[str], name: str) -> int:
    asked = name.strip().lower()
    small = [each.lower() for each in names]
    if asked not in small:
        near = difflib.get_close_matches(asked, small, n=1)
        hint = f" Did you mean {names[small.index(near[0])]}?" if near else ""
        raise SelectionError(
            f"{name!r} is not a column of these groups.{hint} They are {', '.join(names)}.", name
        )
    return small.index(asked)


def _rows(connection: Connection, keys: Sequence[GroupKey], selection: Selection) -> Any:
    """Return the query for what is counted: values of `keys`, ids of patient, study and series, amounts.

    One row for each series (and value of a key below it); patients and studies that hold nothing,
    and instances that belong to no series, have rows of their own.
    """
    by_instance = any(key.is_below_series for key in keys) or not _is_above_instances(selection)
    chosen = [] if selection.is_everything else [selected_ids(connection, level, selection) for level in LEVELS]  # fmt: skip
    totals = (
        _counted(keys, chosen[3] if chosen else None, None).subquery("totals")
        if by_instance
        else m.series_total
    )
    names = ("number_of_instances", "number_of_files", "size_bytes")
    needs_patient = bool(chosen) or any(key.attribute.level is Level.PATIENT for key in keys)
    # From the series up, as an index has all that is asked of them.
    tree: FromClause = m.series.outerjoin(totals, totals.c.series_ref == m.series.c.id).join(
        m.study, m.study.c.id == m.series.c.study_ref
    )
    above = [m.study.c.patient_ref, m.study.c.id]
    parts = [
        _part(
            keys,
            {n: totals.c[f"k{n}"] for n, key in enumerate(keys) if key.is_below_series},
            (*above, m.series.c.id),
            [totals.c[name] for name in names],
            _with_patient(tree, needs_patient),
            _chosen(chosen, 3),
            LEVELS[:3],
        )
    ]
    has_series = exists().where(m.series.c.study_ref == m.study.c.id, *_chosen(chosen[2:3], 1, 2))
    empty_studies = [*_chosen(chosen, 2), not_(has_series)]
    if (chosen or _are_some_empty(connection, m.study, m.series.c.study_ref)) and _is_any(
        connection, m.study.c.id, _with_patient(m.study, needs_patient), empty_studies
    ):
        tree = _with_patient(m.study, needs_patient)
        parts.append(
            _part(keys, {}, (*above, null()), [null()] * 3, tree, empty_studies, LEVELS[:2])
        )
    has_study = exists().where(m.study.c.patient_ref == m.patient.c.id, *_chosen(chosen[1:2], 1, 1))
    empty_patients = [*_chosen(chosen, 1), not_(has_study)]
    if (chosen or _are_some_empty(connection, m.patient, m.study.c.patient_ref)) and _is_any(
        connection, m.patient.c.id, m.patient, empty_patients
    ):
        ids = (m.patient.c.id, null(), null())
        parts.append(_part(keys, {}, ids, [null()] * 3, m.patient, empty_patients, LEVELS[:1]))
    has_no_series = m.instance.c.series_ref.is_(None)
    if _is_any(connection, m.instance.c.id, m.instance, [has_no_series]):
        lone = _counted(keys, chosen[3] if chosen else None, has_no_series).subquery("lone")
        values = {n: lone.c[f"k{n}"] for n, key in enumerate(keys) if key.is_below_series}
        amounts = [lone.c[name] for name in names]
        parts.append(_part(keys, values, [null()] * 3, amounts, lone, [amounts[0] > 0], ()))
    return parts[0] if len(parts) == 1 else union_all(*parts)


def _part(
    keys: Sequence[GroupKey],
    below: Mapping[int, ColumnElement[Any]],
    ids: Sequence[ColumnElement[Any]],
    amounts: Sequence[ColumnElement[Any]],
    source: FromClause,
    conditions: Sequence[ColumnElement[bool]],
    levels: Sequence[Level],
) -> Select[Any]:
    """Return one part of `_rows`; keys `below` series apart, one of none of `levels` is absent."""
    values = [
        below[n] if n in below else _value(key) if key.attribute.level in levels else _absent(key)
        for n, key in enumerate(keys)
    ]
    return (
        select(
            *(value.label(f"k{n}") for n, value in enumerate(values)),
            *(each.label(name) for each, name in zip((*ids, *amounts), "ptsifb", strict=True)),
        )
        .select_from(source)
        .where(*conditions)
    )


def _with_patient(tree: FromClause, is_needed: bool) -> FromClause:
    return tree.join(m.patient, m.patient.c.id == m.study.c.patient_ref) if is_needed else tree


def _chosen(
    chosen: Sequence[Select[Any]], levels: int, first: int = 0
) -> list[ColumnElement[bool]]:
    """Return the conditions that rows of so many levels, from the `first`, are selected."""
    return [_TABLES[LEVELS[first + n]].c.id.in_(ids) for n, ids in enumerate(chosen[:levels])]


def _are_some_empty(connection: Connection, table: Table, below: Column[Any]) -> bool:
    """Return whether any row of `table` is referred to by none in the column `below`.

    Two counts, for which indexes have all that is needed, take a third of the time of looking for
    such a row; that is what a catalogue without one would have to pay each time.
    """
    referred = select(below).distinct().subquery()
    numbers = select(
        select(func.count()).select_from(table).scalar_subquery(),
        select(func.count()).select_from(referred).scalar_subquery(),
    )
    all_of_them, held = connection.execute(numbers).one()
    return bool(all_of_them > held)


def _is_any(
    connection: Connection,
    column: ColumnElement[Any],
    source: FromClause,
    conditions: Sequence[ColumnElement[bool]],
) -> bool:
    query = select(column).select_from(source).where(*conditions).limit(1)
    return connection.execute(query).first() is not None


def _is_above_instances(selection: Selection) -> bool:
    """Return whether the selection asks by attributes of series and above, and by nothing else."""
    above = Selection(terms=selection.terms, texts=selection.texts, identities=selection.identities)
    return selection == above and all(term.level in LEVELS[:3] for term in selection.terms)


def _counted(
    keys: Sequence[GroupKey],
    chosen: Select[Any] | None,
    condition: ColumnElement[bool] | None,
) -> Select[Any]:
    """Return the query for what series hold, as `series_total` has it, by the keys below series too."""
    f = m.file.c
    is_there = and_(f.instance_ref == m.instance.c.id, f.status != Status.MISSING.value)
    below = {n: _value(key) for n, key in enumerate(keys) if key.is_below_series}
    query = select(
        m.instance.c.series_ref,
        *(value.label(f"k{n}") for n, value in below.items()),
        func.count(m.instance.c.id.distinct()).label("number_of_instances"),
        func.count(f.id).label("number_of_files"),
        whole_sum(f.size_bytes).label("size_bytes"),
    ).select_from(m.instance.outerjoin(m.file, is_there))
    if chosen is not None:
        query = query.where(m.instance.c.id.in_(chosen))
    if condition is not None:
        query = query.where(condition)
    return query.group_by(m.instance.c.series_ref, *below.values())


def _value(key: GroupKey) -> ColumnElement[Any]:
    """Return the value of a key; of texts `''` also where it is absent.

    SQLite evaluates it several times for each row, and COALESCE is no call of a function there.
    """
    columns = _TABLES[key.attribute.level].c
    if isinstance(key.attribute, Further):
        value = json_value(columns.attributes, key.attribute)
    else:
        value = columns[key.attribute.column]
    if key.characters is not None:
        value = func.substr(value, 1, key.characters)
    return value if key.attribute.is_number else func.coalesce(value, "")


def _absent(key: GroupKey) -> ColumnElement[Any]:
    """Return what `_value` is where there is none."""
    return null() if key.attribute.is_number else literal("")
