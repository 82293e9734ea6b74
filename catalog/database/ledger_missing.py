"""Files that were known at the place of a medium, and that are not on the medium there now."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, select

from catalog.database import models as m
from catalog.database import stored_files
from catalog.database.roots import Place
from catalog.database.stored_files import KnownFile
from catalog.entities import Status

_KNOWN_OTHERWISE = (Status.MISSING.value, Status.REFERENCED.value)
"""What `ledger` looks after."""


def mark_gone(
    connection: Connection, run_ref: int, place: Place, is_gone: Callable[[str], bool], now: str
) -> None:
    """Mark files as missing since `now` that the catalogue has as there, at or below a place.

    Parameters
    ----------
    is_gone:
        Tells of a path below the place whether it is known that no file is there.
    """
    f = m.file.c
    skipped = len(place.below) + 1 if place.below else 0
    rows = connection.execute(
        select(
            f.id, f.path, f.size_bytes, f.mtime_ns, f.status, f.last_status,
            f.instance_ref, f.attribute_set_ref, f.digest,
        )
        .where(
            f.root_ref == place.root_ref,
            stored_files.below_condition(place.below),
            f.status.not_in(_KNOWN_OTHERWISE),
        )
    )  # fmt: skip
    gone = [KnownFile._make(row) for row in rows if is_gone(row.path[skipped:])]
    if gone:
        stored_files.mark_missing(connection, gone, run_ref, now)
