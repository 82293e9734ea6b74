"""SQL of the user's own in selections: conditions over `v_instance`, and queries that name what is selected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, column, select, table, text
from sqlalchemy.exc import DatabaseError

from catalog.database import models as m
from catalog.database.matching import TABLES
from catalog.entities import Level
from catalog.errors import SelectionError
from catalog.query.selection import Selection

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


class Free(NamedTuple):
    """A condition in SQL of the user's own, and the level whose rows it is about."""

    level: Level
    condition: ColumnElement[bool]


def conditions(connection: Connection, selection: Selection) -> list[Free]:
    """Return what the selection says in SQL of the user's own.

    A condition that names files is turned into one on the instances that they hold.

    Raises
    ------
    SelectionError
        If one of them is not SQL that can be run.
    """
    found: list[Free] = []
    for condition in selection.conditions:
        view = table("v_instance", column("instance_ref"))
        query = select(view.c.instance_ref).where(text(f"({_escaped(condition)}\n)"))
        _try(connection, query.limit(0), condition)
        found.append(Free(Level.INSTANCE, m.instance.c.id.in_(query)))
    for statement in selection.statements:
        bare = statement.strip().rstrip(";")
        # With a parameter, as PostgreSQL then takes one statement and no more.
        none = text(f"SELECT * FROM ({_escaped(bare)}\n) AS asked LIMIT :none")
        names = _try(connection, none.bindparams(none=0), statement)
        name = names[0].lower() if names else ""
        known = _NAMED.get(name) or _NAMED.get(name.replace("_", ""))
        if known is None:
            called = f"is called {names[0]!r}" if names else "is not there"
            raise SelectionError(
                f"The first column of --sql {called}; it must be one of "
                "SOPInstanceUID, SeriesInstanceUID, StudyInstanceUID, PatientID, instance_ref, series_ref, study_ref, patient_ref or file_ref.",
                statement,
            )
        level, column_name = known
        quoted = names[0].replace('"', '""')
        chosen = text(f'SELECT "{_escaped(quoted)}" FROM ({_escaped(bare)}\n) AS asked')
        named = TABLES[level].c[column_name].in_(chosen)
        # A database that tells numbers from text says so here.
        _try(connection, select(TABLES[level].c.id).where(named).limit(0), statement)
        if level is Level.FILE:
            holding = select(m.file.c.instance_ref).where(named)
            found.append(Free(Level.INSTANCE, m.instance.c.id.in_(holding)))
        else:
            found.append(Free(level, named))
    return found


def _escaped(sql: str) -> str:
    """Return SQL in which no colon is taken for a parameter."""
    return sql.replace(":", "\\:")


def _try(connection: Connection, query: Any, typed: str) -> Sequence[str]:
    """Run a query that gives no rows; return its column names, or say what is wrong with it."""
    try:
        return tuple(connection.execute(query).keys())
    except DatabaseError as exc:
        raise SelectionError(
            f"{typed!r} is not SQL that the catalogue can answer: {_reason(exc)}.", typed
        ) from exc


def _reason(exc: DatabaseError) -> str:
    """Return what the database says; where in its own statement is no help."""
    return str(exc.orig).partition("\n")[0].rstrip(".")
