"""Runs: what dcat did to a catalogue, when, and how it ended."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
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


def start(catalogue: Catalogue, command: str, arguments: str) -> int:
    """Record that a run begins; return its id."""
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


def finish(catalogue: Catalogue, run_ref: int, outcome: Outcome, counts: Mapping[str, int]) -> None:
    """Record how a run ended and what it did."""
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
