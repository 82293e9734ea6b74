"""Storing new files.

Nearly every file of an archive that is indexed for the first time adds a row to `file`, one to
`instance`, and what it states otherwise than patient, study and series to `discrepancy`. These
rows are written as they are, without asking what is there; the database's own constraint tells
which instances had a row already. Their files are left to the general way, which gives the same
rows (`catalog.database.upsert`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Table, func, select

from catalog.database import models as m
from catalog.database.rows import COLUMNS, Claim
from catalog.entities import Instance, Level, Provenance, Reading, StoredFile, Value

_INSTANCE_COLUMNS = (
    "id",
    "series_ref",
    "directory_record_type",
    "provenance",
    "is_disputed",
    *COLUMNS[Level.INSTANCE],
    "raw",
    "attributes",
)
_FILE_COLUMNS = (
    "id",
    "root_ref",
    "instance_ref",
    "first_run_ref",
    "last_run_ref",
    "attribute_set_ref",
    *StoredFile._fields,
)
_FINDING_COLUMNS = (
    "run_ref",
    "file_ref",
    "code",
    "severity",
    "place",
    "message",
    "clause",
    "offset_bytes",
)
_DISCREPANCY_COLUMNS = ("file_ref", "keyword", "value", "raw")
_STATUS = StoredFile._fields.index("status")
_UID = Instance._fields.index("sop_instance_uid")
_HEADER = Provenance.HEADER.value


class Standing(NamedTuple):
    """How what a file states stands to the rows of its patient, study and series.

    Attributes
    ----------
    series_ref:
        The row of its series.
    discrepancies:
        Keyword, value and raw text of what differs from those rows, as `discrepancy` holds it.
    differing:
        The same by level: the row, and keywords and claims that differ from it.
    """

    series_ref: int
    discrepancies: tuple[tuple[str, str | None, str | None], ...]
    differing: tuple[tuple[Level, int, tuple[tuple[str, Claim], ...]], ...]


Arrival: TypeAlias = tuple[Reading, Standing | None]
"""The reading of a file that has no row, and how it stands; `None` if it holds no instance."""


def store_arrivals(
    connection: Connection,
    run_ref: int,
    attribute_set_ref: int | None,
    root_ref: int,
    arrivals: Sequence[Arrival],
) -> list[Arrival]:
    """Store new files; return those whose instance has a row already, which are not stored."""
    first = next_free_id(connection, m.instance)
    instances: list[tuple[Any, ...]] = []
    stored: list[tuple[Reading, Standing | None, int | None]] = []
    rest: list[Arrival] = []
    taken: set[tuple[int, Value]] = set()
    for reading, standing in arrivals:
        claims = reading.claims
        if claims is None or standing is None:
            stored.append((reading, None, None))
            continue
        *values, raw, attributes = claims.instance
        series_ref = standing.series_ref
        key = (series_ref, values[_UID])
        if key in taken:
            rest.append((reading, standing))
            continue
        taken.add(key)
        ref = first + len(instances)
        kept = _json_object(raw) if raw else None
        further = json.dumps(dict(attributes)) if attributes else None
        instances.append(
            (ref, series_ref, claims.directory_record_type, _HEADER, 0, *values, kept, further)
        )
        stored.append((reading, standing, ref))
    unique = ("series_ref", "sop_instance_uid")
    inserted = _insert(connection, m.instance, _INSTANCE_COLUMNS, instances, unique)
    if inserted < len(instances):
        i = m.instance.c.id
        new = {None, *connection.execute(select(i).where(i >= first)).scalars()}
        rest += [(reading, standing) for reading, standing, ref in stored if ref not in new]
        stored = [each for each in stored if each[2] in new]
    _store_files(connection, (run_ref, attribute_set_ref, root_ref), stored)
    return rest


def _json_object(pairs: Iterable[tuple[str, str]]) -> str:
    """Return what `json.dumps` makes of texts by name, in a third of the time."""
    return f"{{{', '.join(f'{_quoted(name)}: {_quoted(text)}' for name, text in pairs)}}}"


def _store_files(
    connection: Connection,
    refs: tuple[int, int | None, int],
    stored: Sequence[tuple[Reading, Standing | None, int | None]],
) -> None:
    run_ref, attribute_set_ref, root_ref = refs
    file_ref = next_free_id(connection, m.file)
    files: list[tuple[Any, ...]] = []
    findings: list[tuple[Any, ...]] = []
    discrepancies: list[tuple[Any, ...]] = []
    for (file, _, noticed), standing, instance_ref in stored:
        values = list(file)
        values[_STATUS] = file.status.value
        files.append(
            (file_ref, root_ref, instance_ref, run_ref, run_ref, attribute_set_ref, *values)
        )
        for f in noticed:
            severity = f.severity.value
            findings.append(
                (run_ref, file_ref, f.code, severity, f.place, f.message, f.clause, f.offset_bytes)
            )
        if standing is not None:
            discrepancies += [(file_ref, *stated) for stated in standing.discrepancies]
        file_ref += 1
    _insert(connection, m.file, _FILE_COLUMNS, files)
    _insert(connection, m.finding, _FINDING_COLUMNS, findings)
    _insert(connection, m.discrepancy, _DISCREPANCY_COLUMNS, discrepancies)


def next_free_id(connection: Connection, table: Any) -> int:
    """Return the next free id: safe, as there is one writer, and ten times faster than asking after."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()) + 1


def _insert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: list[tuple[Any, ...]],
    unless_there: Sequence[str] = (),
) -> int:
    """Insert rows as the driver takes them; return how many were not there already."""
    if not rows:
        return 0
    # Values go to the driver as they are: through SQLAlchemy's dictionaries they cost half as
    # much again as the insertion itself.
    sql = (
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    )
    if unless_there:
        sql += f" ON CONFLICT ({', '.join(unless_there)}) DO NOTHING"
    return connection.exec_driver_sql(sql, rows).rowcount
