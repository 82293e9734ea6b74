"""PostgreSQL's advisory locks as dcat uses them: of runs, of places, and of the transactions that write."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, text

from catalog.database.places import Lock, number_of


def enter(connection: Connection) -> None:
    """Wait for the other writers' transactions, and count this one."""
    number = connection.execute(_ENTER, {"key": number_of("write")}).scalar_one()
    connection.info["dcat_write"] = number


_ENTER = text("SELECT nextval('dcat_write') FROM (SELECT pg_advisory_xact_lock(:key)) AS held")
_CLAIM = text("SELECT pg_advisory_lock(:class, :run)")
_OURS = (
    "l.locktype = 'advisory' AND l.granted "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_AT_WORK = text(
    f"SELECT CAST(l.objid AS BIGINT) FROM pg_locks l WHERE {_OURS} "
    "AND l.objsubid = 2 AND CAST(l.classid AS BIGINT) = :class"
)
_GIVEN = "unnest(CAST(:keys AS BIGINT[]), CAST(:shared AS BOOLEAN[])) AS w(key, shared)"
_TAKE = text(
    "SELECT w.key, w.shared, CASE WHEN w.shared THEN pg_try_advisory_lock_shared(w.key) "
    f"ELSE pg_try_advisory_lock(w.key) END AS taken FROM {_GIVEN}"
)
_GIVE_BACK = text(
    "SELECT CASE WHEN w.shared THEN pg_advisory_unlock_shared(w.key) "
    f"ELSE pg_advisory_unlock(w.key) END FROM {_GIVEN}"
)
_GIVE_BACK_ALL = text("SELECT pg_advisory_unlock_all()")
_HOLDERS = text(
    f"SELECT DISTINCT l.pid FROM pg_locks l JOIN {_GIVEN} "
    "ON CAST(l.classid AS BIGINT) = ((w.key >> 32) & 4294967295) "
    "AND CAST(l.objid AS BIGINT) = (w.key & 4294967295) "
    f"WHERE {_OURS} AND l.objsubid = 1 AND l.pid <> pg_backend_pid() "
    "AND NOT (w.shared AND l.mode = 'ShareLock')"
)
_RUN_OF = text(
    "SELECT r.command, r.pid, r.host, r.started_at FROM pg_locks l "
    f"JOIN run r ON r.id = CAST(l.objid AS BIGINT) WHERE {_OURS} "
    "AND l.objsubid = 2 AND CAST(l.classid AS BIGINT) = :class AND l.pid = ANY(CAST(:pids AS INTEGER[])) "
    "ORDER BY r.id LIMIT 1"
)


def run_class(connection: Connection) -> int:
    """Return the first half of the locks of runs; the second is the run's id."""
    return number_of(f"run {connection.dialect.default_schema_name}") & 0x7FFFFFFF


def claim(connection: Connection, run_ref: int) -> None:
    """Hold a run for the connection's session."""
    connection.execute(_CLAIM, {"class": run_class(connection), "run": run_ref})


def at_work(connection: Connection) -> frozenset[int]:
    """Return the runs that some session holds."""
    return frozenset(connection.execute(_AT_WORK, {"class": run_class(connection)}).scalars())


def took(connection: Connection, places: Collection[Lock], runs: Collection[int]) -> bool:
    """Take all of these locks for the connection's session, or none; return whether it could."""
    if places:
        taken = [
            (key, shared)
            for key, shared, is_taken in connection.execute(_TAKE, _arrays(places))
            if is_taken
        ]
        if len(taken) < len(places):
            connection.execute(_GIVE_BACK, _arrays(taken))
            return False
    for run_ref in runs:
        claim(connection, run_ref)
    return True


def give_back(connection: Connection) -> None:
    """Give back all locks of the connection's session."""
    connection.execute(_GIVE_BACK_ALL)


def _arrays(locks: Collection[Lock]) -> dict[str, list[Any]]:
    ordered = sorted(locks)
    return {"keys": [key for key, _ in ordered], "shared": [shared for _, shared in ordered]}


def holder_pids(connection: Connection, wanted: Collection[Lock]) -> list[int]:
    """Return the server's processes that hold what stands in the way of these locks."""
    return list(connection.execute(_HOLDERS, _arrays(wanted)).scalars())


def holder_of(connection: Connection, wanted: Collection[Lock]) -> str:
    """Return which dcat holds what stands in the way of these locks, for people."""
    given = {"class": run_class(connection), "pids": holder_pids(connection, wanted)}
    row = connection.execute(_RUN_OF, given).first()
    if row is None:
        return "it has just started"
    return f"dcat {row.command}, process {row.pid} on {row.host}, since {row.started_at}"
