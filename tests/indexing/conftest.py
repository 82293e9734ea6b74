"""Executors for tests: one of each kind for the whole session, as a cluster takes seconds to start."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from catalog.indexing import executing
from catalog.indexing.cluster import Cluster
from catalog.indexing.executing import Executor, InProcess
from catalog.indexing.pool import ProcessPool
from tests.indexing.clusters import HIDING

KINDS = ("in process", "processes", "cluster")


@pytest.fixture(scope="session")
def dask() -> Iterator[Any]:
    """A Dask cluster on this machine: three processes of two threads each."""
    distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
    with distributed.LocalCluster(
        n_workers=3,
        threads_per_worker=2,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        preload=[HIDING],
    ) as cluster:
        cluster.wait_for_workers(3, timeout=60)
        yield cluster


@pytest.fixture(scope="session")
def cluster(dask: Any) -> Iterator[Cluster]:
    """The executor of that cluster."""
    executor = Cluster(dask.scheduler_address)
    yield executor
    executor.close()


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPool]:
    """Two processes."""
    executor = ProcessPool(2)
    yield executor
    executor.close()


@pytest.fixture(params=KINDS)
def executor(request: pytest.FixtureRequest) -> Executor:
    """Each kind of executor in turn."""
    if request.param == "in process":
        return InProcess()
    found: Executor = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that makes chunks of so few files, which go to others even if there is one chunk."""

    def set_to(files: int) -> None:
        monkeypatch.setattr(executing, "CHUNK_FILES", files)
        monkeypatch.setattr(executing, "FEW_FILES", 0)
        monkeypatch.setattr("catalog.indexing.one_run.CHUNK_FILES", files)

    return set_to
