"""Selections as SQL: the twin of `Selection.matches`. Tests hold the two together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.exc import DatabaseError

from catalog.attributes import Attribute, Further
from catalog.database import models as m
from catalog.database.rows import LEVELS
from catalog.entities import Level
from catalog.errors import SelectionError
from catalog.query.matchers import Anything, Between, EachOf, Empty, Equal, Like, Matcher, NameLike
from catalog.query.selection import Selection, Term

_ORDER = (*LEVELS, Level.FILE)

_JOINS: dict[Level, Any] = {
    Level.PATIENT: m.patient,
    Level.STUDY: m.study.join(m.patient),
    Level.SERIES: m.series.join(m.study).join(m.patient),
    Level.INSTANCE: m.instance.outerjoin(m.series).outerjoin(m.study).outerjoin(m.patient),
    Level.FILE: m.file.outerjoin(m.instance)
    .outerjoin(m.series)
    .outerjoin(m.study)
    .outerjoin(m.patient),
}
"""From each level up to the patient. Outer joins keep what belongs to no patient."""

_TABLES = {**m.ENTITY_TABLES, Level.FILE: m.file}

_NAMED: dict[str, tuple[Level, str]] = {
    "patientid": (Level.PATIENT, "patient_id"),
    "patient_ref": (Level.PATIENT, "id"),
    "studyinstanceuid": (Level.STUDY, "study_instance_uid"),
    "study_ref": (Level.STUDY, "id"),
    "seriesinstanceuid": (Level.SERIES, "series_instance_uid"),
    "series_ref": (Level.SERIES, "id"),
    "sopinstanceuid": (Level.INSTANCE, "sop_instance_uid"),
    "instance_ref": (Level.INSTANCE, "id"),
    "file_ref": (Level.FILE, "id"),
}
"""What the first column of `--sql` may be called, and what it then selects."""


def selected_ids(connection: Connection, level: Level, selection: Selection) -> Select[Any]:
    """Return the query for the ids of the rows of `level` that are selected.

    A patient, study or series is selected if its own attributes fit and, where something is asked
    of what lies below it, one thing below it fits all of that.

    Raises
    ------
    SelectionError
        If a condition or statement of the selection is not SQL that can be run.
    """
    source = _TABLES[level]
    position = _ORDER.index(level)
    conditions = [term_condition(t) for t in selection.at(*_ORDER[: position + 1])]
    lower = selection.at(*_ORDER[position + 1 :])
    free = _free_conditions(connection, selection)
    deepest = max(
        [t.attribute.level for t in lower] + [f.level for f in free] + [level], key=_ORDER.index
    )
    below = [term_condition(t) for t in lower] + [f.condition for f in free]
    if selection.listed is not None:
        if lower or free:
            deepest = max(deepest, Level.INSTANCE, key=_ORDER.index)
            below.append(_listed_condition(connection, selection.listed))
        else:
            conditions.append(_listed_at(connection, level, selection.listed))
    if below and deepest is not level:
        owners = select(source.c.id).select_from(_JOINS[deepest]).where(*below)
        conditions.append(source.c.id.in_(owners))
    else:
        conditions += below
    if level is Level.FILE and not selection.is_everything:
        conditions.append(m.file.c.instance_ref.is_not(None))
    return select(source.c.id).select_from(_JOINS[level]).where(*conditions)


def term_condition(term: Term) -> ColumnElement[bool]:
    """Return the SQL condition of one term."""
    stored = _TABLES[term.attribute.level].c
    return or_(*(matcher_condition(stored, term.attribute, matcher) for matcher in term.matchers))


def matcher_condition(columns: Any, attribute: Attribute, matcher: Matcher) -> ColumnElement[bool]:
    """Return the SQL condition that does what `matcher.accepts` does."""
    stored = stored_value(columns, attribute)
    in_json = isinstance(attribute, Further)
    match matcher:
        case Anything():
            return true()
        case Empty() if attribute.is_number and not in_json:
            return stored.is_(None)
        case Empty():
            return or_(stored.is_(None), stored == "")
        case Equal(values) if attribute.is_number and in_json:
            # SQLite itself reads both texts, so that equal numbers are equal to the last bit.
            return stored.in_([func.json_extract(json.dumps(value), "$") for value in values])
        case Equal(values) if attribute.is_multi_valued:
            parts = literal("\\").concat(stored).concat("\\")
            return or_(*(func.instr(parts, f"\\{value}\\") > 0 for value in values))
        case EachOf(values):
            parts = literal("\\").concat(stored).concat("\\")
            return and_(stored != "", *(func.instr(parts, f"\\{value}\\") > 0 for value in values))
        case Equal(values):
            return stored.in_(values)
        case Like(pattern):
            return _any_part(attribute, stored, lambda part: part.op("GLOB")(glob_pattern(pattern)))
        case Between(low, high):
            return _any_part(
                attribute,
                stored,
                lambda part: and_(
                    part != "",
                    part >= low if low is not None else true(),
                    part <= high if high is not None else true(),
                ),
            )
        case NameLike(pattern):
            folded = (
                func.dcat_folded_name(stored) if in_json else columns[f"{attribute.column}_folded"]
            )
            named = (
                literal("=").concat(folded).concat("=").op("GLOB")(f"*={glob_pattern(pattern)}=*")
            )
            return and_(stored != "", named)


def stored_value(columns: Any, attribute: Attribute) -> ColumnElement[Any]:
    """Return the value of `attribute` in a table with these columns: a column, or a part of `attributes`."""
    if isinstance(attribute, Further):
        return json_value(columns.attributes, attribute)
    stored: ColumnElement[Any] = columns[attribute.column]
    return stored


def json_value(column: ColumnElement[Any], attribute: Further) -> ColumnElement[Any]:
    """Return the value of `attribute` in a JSON column: a number or text, NULL if it is absent."""
    # Names hold letters, digits and dots alone (`catalog.dicom.asking`).
    path = f'$."{attribute.keyword}"'
    return func.json_extract(column, path, type_=None if attribute.is_number else Text())


def _any_part(
    attribute: Attribute, stored: ColumnElement[Any], condition: Any
) -> ColumnElement[bool]:
    r"""Return whether `condition` holds for the value, or for any of several joined by `\`."""
    if not attribute.is_multi_valued:
        return and_(
            stored != "", condition(stored if not attribute.is_number else cast(stored, Text))
        )
    # JSON writes a backslash as two, so replacing two by the border of two strings splits the values.
    array = literal("[").concat(func.replace(func.json_quote(stored), "\\\\", '","')).concat("]")
    parts = func.json_each(array).table_valued("value")
    return and_(
        stored != "",
        select(parts.c.value).where(parts.c.value != "", condition(parts.c.value)).exists(),
    )


def glob_pattern(pattern: str) -> str:
    """Return a DICOM wildcard pattern for GLOB, whose `*` and `?` mean the same."""
    return pattern.replace("[", "[[]")


class _Free(NamedTuple):
    """A condition in SQL of the user's own, and the level whose rows it is about."""

    level: Level
    condition: ColumnElement[bool]


def _free_conditions(connection: Connection, selection: Selection) -> list[_Free]:
    """Return what the selection says in SQL of the user's own.

    A condition that names files is turned into one on the instances that they hold.
    """
    conditions: list[_Free] = []
    for condition in selection.conditions:
        view = table("v_instance", column("instance_ref"))
        query = select(view.c.instance_ref).where(text(f"({_escaped(condition)}\n)"))
        _try(connection, query.limit(0), condition)
        conditions.append(_Free(Level.INSTANCE, m.instance.c.id.in_(query)))
    for statement in selection.statements:
        bare = statement.strip().rstrip(";")
        names = _try(connection, text(f"SELECT * FROM ({_escaped(bare)}\n) LIMIT 0"), statement)
        name = names[0].lower() if names else ""
        known = _NAMED.get(name) or _NAMED.get(name.replace("_", ""))
        if known is None:
            raise SelectionError(
                f"The first column of --sql is called {names[0]!r}; it must be one of "
                "SOPInstanceUID, SeriesInstanceUID, StudyInstanceUID, PatientID, instance_ref, series_ref, study_ref, patient_ref or file_ref.",
                statement,
            )
        level, column_name = known
        quoted = names[0].replace('"', '""')
        chosen = text(f'SELECT "{_escaped(quoted)}" FROM ({_escaped(bare)}\n)')
        if level is Level.FILE:
            holding = select(m.file.c.instance_ref).where(m.file.c.id.in_(chosen))
            conditions.append(_Free(Level.INSTANCE, m.instance.c.id.in_(holding)))
        else:
            conditions.append(_Free(level, _TABLES[level].c[column_name].in_(chosen)))
    return conditions


def _escaped(sql: str) -> str:
    """Return SQL in which no colon is taken for a parameter."""
    return sql.replace(":", "\\:")


def _try(connection: Connection, query: Any, typed: str) -> Sequence[str]:
    """Run a query that gives no rows; return its column names, or say what is wrong with it."""
    try:
        return tuple(connection.execute(query).keys())
    except DatabaseError as exc:
        raise SelectionError(
            f"{typed!r} is not SQL that the catalogue can answer: {exc.orig}.", typed
        ) from exc


def _listed_condition(connection: Connection, listed: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that an instance is named by a UID of any level, or one of its files by path."""
    values = _values(listed)
    return or_(
        m.instance.c.sop_instance_uid.in_(values),
        m.series.c.series_instance_uid.in_(values),
        m.study.c.study_instance_uid.in_(values),
        *(m.instance.c.id.in_(query) for query in _by_path(connection, listed)),
    )


def _listed_at(connection: Connection, level: Level, listed: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a row of `level` is named by the list, or holds what is.

    Each level is looked at by itself, so that a study of which only a directory record is known
    is found although nothing lies below it.
    """
    source = _TABLES[level]
    values = _values(listed)
    uids = {
        Level.STUDY: m.study.c.study_instance_uid,
        Level.SERIES: m.series.c.series_instance_uid,
        Level.INSTANCE: m.instance.c.sop_instance_uid,
    }
    found = []
    for named, uid in uids.items():
        at = max(level, named, key=_ORDER.index)
        found.append(
            source.c.id.in_(select(source.c.id).select_from(_JOINS[at]).where(uid.in_(values)))
        )
    at = max(level, Level.INSTANCE, key=_ORDER.index)
    for query in _by_path(connection, listed):
        found.append(
            source.c.id.in_(
                select(source.c.id).select_from(_JOINS[at]).where(m.instance.c.id.in_(query))
            )
        )
    return or_(*found)


def _by_path(connection: Connection, listed: Sequence[str]) -> list[Select[Any]]:
    """Return queries for the instances of the files whose paths are listed."""
    return [
        select(m.file.c.instance_ref).where(
            m.file.c.root_ref == ref, m.file.c.path.in_(_values(paths))
        )
        for ref, paths in _paths_by_root(connection, listed).items()
    ]


def _values(items: Sequence[str]) -> Select[Any]:
    """Return a query for `items`, however many: a list of them passes as one parameter."""
    listed = func.json_each(json.dumps(list(items))).table_valued("value")
    return select(listed.c.value)


def _paths_by_root(connection: Connection, listed: Sequence[str]) -> dict[int, list[str]]:
    """Return those of `listed` that lie in a known root, relative to it, by the root's id."""
    found: dict[int, list[str]] = {}
    for ref, root_path in connection.execute(select(m.root.c.id, m.root.c.path)):
        start = root_path.rstrip("/") + "/"
        paths = [item[len(start) :] for item in listed if item.startswith(start)]
        if paths:
            found[ref] = paths
    return found


def unmatched(connection: Connection, listed: Sequence[str]) -> list[str]:
    """Return those of the listed UIDs and paths that the catalogue does not know, in their order."""
    known: set[str] = set()
    for uid in (
        m.instance.c.sop_instance_uid,
        m.series.c.series_instance_uid,
        m.study.c.study_instance_uid,
    ):
        known.update(
            connection.execute(select(uid).where(uid.in_(_values(listed))).distinct()).scalars()
        )
    for ref, paths in _paths_by_root(connection, listed).items():
        root_path = connection.execute(select(m.root.c.path).where(m.root.c.id == ref)).scalar_one()
        found = connection.execute(
            select(m.file.c.path).where(m.file.c.root_ref == ref, m.file.c.path.in_(_values(paths)))
        ).scalars()
        known.update(f"{root_path.rstrip('/')}/{path}" for path in found)
    return [item for item in listed if item not in known]
