"""Runs: what dcat did to a catalogue, when, and how it ended."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from catalog import __version__
from catalog.database.catalogue import LOCKING_COMMANDS, Catalogue
from catalog.database.liveness import is_over
from catalog.database.models import finding, run


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    KILLED = "killed"
    RUNNING = "running"
    """It has not ended yet; never stored."""
    UNKNOWN = "unknown"
    """It has not said that it ended, and whether it is at work cannot be told from here; never stored."""


def now_text() -> str:
    """Return the present moment in ISO 8601 with the local offset, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


@dataclass(slots=True)
class Run:
    """A run under way: its id, and what gives its counts when it ends."""

    ref: int
    counts: Callable[[], Mapping[str, int]] = dict


@contextmanager
def recorded(catalogue: Catalogue, command: str, arguments: str) -> Iterator[Run]:
    """Record the block as a run: that it began, how it ended, and what it counted."""
    with catalogue.session():
        run_under_way = Run(_start(catalogue, command, arguments))
        outcome = Outcome.FAILED
        try:
            yield run_under_way
            outcome = Outcome.DONE
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
            raise
        finally:
            _finish(catalogue, run_under_way.ref, outcome, run_under_way.counts())


def _start(catalogue: Catalogue, command: str, arguments: str) -> int:
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        login = str(os.getuid()) if hasattr(os, "getuid") else ""

    made: list[int] = []

    def begin(connection: Connection) -> int:
        for ref in made:  # of attempts after which the connection was lost
            if connection.execute(select(run.c.id).where(run.c.id == ref)).first() is not None:
                return ref  # it had arrived, and the session has claimed it again
        result = connection.execute(
            insert(run)
            .returning(run.c.id)
            .values(
                command=command,
                arguments=arguments,
                version=__version__,
                login=login,
                host=socket.gethostname(),
                pid=os.getpid(),
                started_at=now_text(),
            )
        )
        ref = int(result.scalar_one())
        made.append(ref)
        catalogue.claim(connection, ref)
        return ref

    return catalogue.store(begin)


def _finish(
    catalogue: Catalogue, run_ref: int, outcome: Outcome, counts: Mapping[str, int]
) -> None:
    change = (
        update(run)
        .where(run.c.id == run_ref)
        .values(finished_at=now_text(), outcome=outcome.value, counts=dict(counts))
    )
    catalogue.store(lambda connection: connection.execute(change))


def last_done(catalogue: Catalogue, command: str) -> int:
    """Return the id of the last run of `command` that was done, 0 if there was none."""
    query = select(func.max(run.c.id)).where(
        run.c.command == command, run.c.outcome == Outcome.DONE.value
    )
    return int(catalogue.ask(lambda connection: connection.execute(query).scalar()) or 0)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as it is known now.

    Attributes
    ----------
    finished_at:
        `None` while it runs, and if it was killed.
    seconds:
        How long it took; `None` where `finished_at` is.
    counts:
        What it did, as numbers by name; empty if it was killed.
    """

    ref: int
    command: str
    arguments: str
    version: str
    login: str
    host: str
    pid: int
    started_at: str
    finished_at: str | None
    outcome: Outcome
    counts: Mapping[str, int]

    @property
    def seconds(self) -> int | None:
        """How long the run took, in whole seconds."""
        if self.finished_at is None:
            return None
        begun, ended = (datetime.fromisoformat(t) for t in (self.started_at, self.finished_at))
        return round((ended - begun).total_seconds())


def listed(catalogue: Catalogue, limit: int | None = None) -> list[RunRow]:
    """Return the latest runs, latest first; all of them without a `limit`."""
    query = select(*_COLUMNS).order_by(run.c.id.desc())
    with catalogue.read() as connection:
        rows = connection.execute(query if limit is None else query.limit(limit)).all()
    return _judged(catalogue, rows)


def one(catalogue: Catalogue, ref: int) -> RunRow | None:
    """Return the run with an id, `None` if there is none."""
    with catalogue.read() as connection:
        rows = connection.execute(select(*_COLUMNS).where(run.c.id == ref)).all()
    return next(iter(_judged(catalogue, rows)), None)


def findings_by_code(catalogue: Catalogue, ref: int) -> list[tuple[str, str, int]]:
    """Return (code, severity, how many) of what a run noticed, by code.

    What it noticed about a file that was read again since is not among them.
    """
    f = finding.c
    with catalogue.read() as connection:
        rows = connection.execute(
            select(f.code, f.severity, func.count())
            .where(f.run_ref == ref)
            .group_by(f.code, f.severity)
            .order_by(f.code, f.severity)
        )
        return [(code, severity, count) for code, severity, count in rows]


_PLAIN = (
    "command",
    "arguments",
    "version",
    "login",
    "host",
    "pid",
    "started_at",
    "finished_at",
)
_COLUMNS = [run.c.id, run.c.outcome, run.c.counts, *(run.c[name] for name in _PLAIN)]


def _judged(catalogue: Catalogue, rows: Sequence[Any]) -> list[RunRow]:
    """Return the rows with their outcome, also of those that never said that they ended."""
    writing: int | None = None
    unended = any(row.outcome is None for row in rows)
    at_work = catalogue.at_work() if unended else None
    if unended and at_work is None and catalogue.is_being_written():
        with catalogue.read() as connection:
            # Only the latest can hold the lock; it may be none of `rows`.
            writing = connection.execute(
                select(func.max(run.c.id)).where(
                    run.c.outcome.is_(None), run.c.command.in_(LOCKING_COMMANDS)
                )
            ).scalar()
    return [
        RunRow(
            ref=row.id,
            outcome=_outcome(row, writing, at_work),
            counts=row.counts or {},
            **{name: row._mapping[name] for name in _PLAIN},
        )
        for row in rows
    ]


def _outcome(row: Any, writing: int | None, at_work: Collection[int] | None) -> Outcome:
    if row.outcome is not None:
        return Outcome(row.outcome)
    if at_work is not None:
        return Outcome.RUNNING if row.id in at_work else Outcome.KILLED
    match is_over(row.host, row.pid, row.started_at):
        case True:
            return Outcome.KILLED
        case False:
            return Outcome.RUNNING
        case None if row.command in LOCKING_COMMANDS:
            return Outcome.RUNNING if row.id == writing else Outcome.KILLED
        case None:
            return Outcome.UNKNOWN
