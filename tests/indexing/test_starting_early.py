"""Processes that cannot all be started: nothing waits for those that were."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from pathlib import Path

import pytest

from catalog.indexing.pool import ProcessPool
from catalog.indexing.reading import How
from catalog.indexing.stopping import Stop
from tests import builders

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are started early on Linux"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def fail_after(count: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `count` processes be started and no more."""
    fork, forked = os.fork, []

    def limited() -> int:
        if len(forked) == count:
            raise error
        forked.append(None)
        return fork()

    monkeypatch.setattr(os, "fork", limited)
    # Tests that run side by side have a thread that talks to the others.
    monkeypatch.setattr(threading, "active_count", lambda: 1)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_where_processes_cannot_be_started_this_one_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    builders.write(tmp_path / "1.dcm")
    before = multiprocessing.active_children()
    fail_after(count, BlockingIOError(11, "Resource temporarily unavailable"), monkeypatch)
    workers = ProcessPool(3, early=True)
    assert set(multiprocessing.active_children()) <= set(before)
    chunks = iter([(str(tmp_path), ("1.dcm",))] * 5)
    assert [len(readings) for _, readings in workers.read(chunks, How(), Stop())] == [1] * 5
    workers.close()


def test_interrupted_while_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    before = multiprocessing.active_children()
    fail_after(1, KeyboardInterrupt(), monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        ProcessPool(3, early=True)
    assert set(multiprocessing.active_children()) <= set(before)
