"""Storing new files.

Nearly every file of an archive that is indexed for the first time adds a row to `file`, one to
`instance`, and what it states otherwise than patient, study and series to `discrepancy`. These
rows are written as they are, without asking what is there; the database's own constraint tells
which instances had a row already. Their files are left to the general way, which gives the same
rows (`catalog.database.upsert`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, select

from catalog.database import models as m
from catalog.database import totals
from catalog.database.insertion import insert_rows, json_object, next_free_id
from catalog.database.rows import COLUMNS, Claim, storable
from catalog.database.totals import Total
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
        kept = json_object(raw) if raw else None
        further = json.dumps(dict(attributes)) if attributes else None
        instances.append(
            (ref, series_ref, claims.directory_record_type, _HEADER, False, *values, kept, further)
        )
        stored.append((reading, standing, ref))
    unique = ("series_ref", "sop_instance_uid")
    inserted = insert_rows(connection, m.instance, _INSTANCE_COLUMNS, instances, unique)
    if inserted < len(instances):
        i = m.instance.c.id
        new = {None, *connection.execute(select(i).where(i >= first)).scalars()}
        rest += [(reading, standing) for reading, standing, ref in stored if ref not in new]
        stored = [each for each in stored if each[2] in new]
    _store_files(connection, (run_ref, attribute_set_ref, root_ref), stored)
    return rest


def _store_files(
    connection: Connection,
    refs: tuple[int, int | None, int],
    stored: Sequence[tuple[Reading, Standing | None, int | None]],
) -> None:
    run_ref, attribute_set_ref, root_ref = refs
    file_ref = next_free_id(connection, m.file)
    files: list[tuple[Any, ...]] = []
    held: dict[int, list[int]] = {}
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
                (
                    run_ref,
                    file_ref,
                    f.code,
                    severity,
                    storable(f.place),
                    storable(f.message),
                    f.clause,
                    f.offset_bytes,
                )
            )
        if standing is not None:
            held.setdefault(standing.series_ref, []).append(file.size_bytes or 0)
            discrepancies += [(file_ref, *stated) for stated in standing.discrepancies]
        file_ref += 1
    insert_rows(connection, m.file, _FILE_COLUMNS, files)
    insert_rows(connection, m.finding, _FINDING_COLUMNS, findings)
    insert_rows(connection, m.discrepancy, _DISCREPANCY_COLUMNS, discrepancies)
    # Each of them brought an instance of its own, and was just read: none is missing.
    added = {ref: Total(len(sizes), len(sizes), sum(sizes)) for ref, sizes in held.items()}
    totals.add(connection, added)
