"""Commands of dcat as real processes, and waiting for what they do."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
"""How long a test waits for what must come; a machine may be busy with other things."""


@contextmanager
def dcat(*arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process group of its own, as a terminal does; it is killed if it is left.

    Folders of `PYTHONPATH` come behind those that are there.
    """
    if (own := environment.get("PYTHONPATH")) and (there := os.environ.get("PYTHONPATH")):
        environment["PYTHONPATH"] = os.pathsep.join([there, own])
    with subprocess.Popen(
        [sys.executable, "-m", "catalog", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C: every process of the group hears of it."""
    os.killpg(process.pid, signal.SIGINT)


def rows(db: Path, query: str) -> list[Any]:
    """Return what a query gives; none while there is no catalogue yet."""
    try:
        with closing(sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def soon(found: Callable[[], Any], wanted: Any) -> None:
    """Wait until `found` gives what is wanted.

    Raises
    ------
    AssertionError
        If it does not in time.
    """
    end_s = time.monotonic() + PATIENCE_S
    while (now := found()) != wanted and time.monotonic() < end_s:
        time.sleep(0.1)
    assert now == wanted
