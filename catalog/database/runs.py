"""Runs: what dcat did to a catalogue, when, and how it ended."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, insert, select, update

from catalog import __version__
from catalog.database.catalogue import Catalogue
from catalog.database.models import run


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    KILLED = "killed"


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
    with catalogue.write() as connection:
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
        return int(result.scalar_one())


def _finish(
    catalogue: Catalogue, run_ref: int, outcome: Outcome, counts: Mapping[str, int]
) -> None:
    with catalogue.write() as connection:
        connection.execute(
            update(run)
            .where(run.c.id == run_ref)
            .values(finished_at=now_text(), outcome=outcome.value, counts=dict(counts))
        )


def last_done(catalogue: Catalogue, command: str) -> int:
    """Return the id of the last run of `command` that was done, 0 if there was none."""
    with catalogue.read() as connection:
        found = connection.execute(
            select(func.max(run.c.id)).where(
                run.c.command == command, run.c.outcome == Outcome.DONE.value
            )
        ).scalar()
    return int(found or 0)
