"""Two real processes that want to write to one catalogue."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from catalog.database import runs
from catalog.database.catalogue import open_catalogue
from catalog.database.liveness import is_over
from tests import builders
from tests.indexing.processes import ROOT, dcat, interrupt, rows

HOLD = """
import sys
from pathlib import Path
from catalog.database import runs
from catalog.database.catalogue import open_catalogue
with open_catalogue(Path(sys.argv[1])) as catalogue, catalogue.writer_lock(), runs.recorded(catalogue, "import", "x"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holding(db: Path) -> Iterator[subprocess.Popen[str]]:
    """Have a process hold the lock until it is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(db)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def db(empty_catalogue: Path, tmp_path: Path) -> Path:
    """An empty catalogue, beside a folder `archive` with one instance."""
    builders.write(tmp_path / "archive" / "1.dcm")
    return Path(shutil.copy(empty_catalogue, tmp_path / "c.db"))


def configured(tmp_path: Path, timeout_s: int) -> dict[str, str]:
    """Return the environment of a configuration that waits so long for the lock."""
    (tmp_path / "config.toml").write_text(f"lock_timeout_s = {timeout_s}\n")
    return {"DCAT_CONFIG": str(tmp_path / "config.toml")}


def test_the_second_waits_says_for_whom_and_goes_on(db: Path, tmp_path: Path) -> None:
    more = configured(tmp_path, 60)
    with holding(db) as first, dcat("index", tmp_path / "archive", "--db", db, **more) as second:
        assert second.stderr is not None
        said = second.stderr.readline()
        assert (
            f"Waiting for another dcat that is writing (dcat import, process {first.pid} on "
            in said
        )
        assert "since 20" in said
        assert "at most 60 s" in said
        assert rows(db, "SELECT count(*) FROM file") == [(0,)]
        assert first.stdin is not None
        first.stdin.write("end\n")
        first.stdin.flush()
        second.communicate(timeout=60)
    assert second.returncode == 0
    assert rows(db, "SELECT status FROM file") == [("ok",)]


def test_it_gives_up_in_time_and_says_who_has_it(db: Path, tmp_path: Path) -> None:
    with holding(db) as first:
        for timeout_s in (0, 1):
            more = configured(tmp_path, timeout_s)
            started_s = time.monotonic()
            with dcat("index", tmp_path / "archive", "--db", db, **more) as second:
                _, said = second.communicate(timeout=60)
            assert time.monotonic() - started_s >= timeout_s
            assert second.returncode == 1
            assert f"dcat import, process {first.pid} on " in said.splitlines()[-1]
            assert "Try again when it is done." in said.splitlines()[-1]
            assert ("Waiting" in said) == (timeout_s > 0)
    assert [row[0] for row in rows(db, "SELECT command FROM run")] == ["import"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_who_waits_can_be_interrupted(db: Path, tmp_path: Path) -> None:
    more = configured(tmp_path, 60)
    with holding(db), dcat("index", tmp_path / "archive", "--db", db, **more) as second:
        assert second.stderr is not None
        second.stderr.readline()
        interrupt(second)
        second.communicate(timeout=20)
    assert second.returncode == 130


def test_the_lock_of_one_that_was_killed_is_had_at_once(db: Path, tmp_path: Path) -> None:
    with holding(db) as first:
        with open_catalogue(db) as catalogue:
            assert [run.outcome.value for run in runs.listed(catalogue)] == ["running"]
            assert catalogue.is_being_written()
        first.kill()
        first.wait()
    with open_catalogue(db) as catalogue:
        assert not catalogue.is_being_written()
        assert [run.outcome.value for run in runs.listed(catalogue)] == ["killed"]
    with dcat("index", tmp_path / "archive", "--db", db) as second:
        _, said = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "Waiting" not in said
    assert rows(db, "SELECT outcome FROM run ORDER BY id") == [("killed",), ("done",)]


# -- runs ------------------------------------------------------------------------------------------


def listing(db: Path, *arguments: object) -> str:
    """Return what `dcat db runs` writes."""
    with dcat("db", "runs", *arguments, "--db", db) as process:
        out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return out


def test_runs_are_listed_newest_first(db: Path, tmp_path: Path) -> None:
    assert json.loads(listing(db, "-o", "json")) == []
    with dcat("index", tmp_path / "archive", "--db", db) as process:
        process.communicate(timeout=60)
    (tmp_path / "archive" / "cut.dcm").write_bytes(builders.dicom_bytes()[:200])
    with dcat("index", tmp_path / "archive", "--db", db) as process:
        process.communicate(timeout=60)
    with dcat("verify", "--db", db) as process:
        process.communicate(timeout=60)
    found = json.loads(listing(db, "-o", "json"))
    assert [(r["Run"], r["Command"], r["Outcome"]) for r in found] == [
        (3, "verify", "done"),
        (2, "index", "done"),
        (1, "index", "done"),
    ]
    assert found[1]["Counts"].startswith("2 files, 1 opened, 1 new, 1 unchanged")
    assert isinstance(found[0]["Seconds"], int)
    assert [r["Run"] for r in json.loads(listing(db, "--limit", 1, "-o", "json"))] == [3]
    assert (
        listing(db, "-o", "csv").splitlines()[0] == "Run,Command,Started,Seconds,Outcome,By,Counts"
    )
    one = {r["What"]: r["Value"] for r in json.loads(listing(db, 2, "-o", "json"))}
    assert (one["command"], one["outcome"], one["count new"]) == ("index", "done", 1)
    assert one["arguments"] == f"index {tmp_path / 'archive'} --db {db}"
    with dcat("db", "runs", 9, "--db", db) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "There is no run 9" in said


def test_findings_of_a_run_by_code(db: Path, tmp_path: Path) -> None:
    whole = builders.dicom_bytes(SOPInstanceUID="7.1")
    for i in range(3):
        (tmp_path / "archive" / f"bare{i}.dcm").write_bytes(whole[132:])  # no preamble
    with dcat("index", tmp_path / "archive", "--db", db) as process:
        process.communicate(timeout=60)
    one = {r["What"]: r["Value"] for r in json.loads(listing(db, 1, "-o", "json"))}
    assert [value for what, value in one.items() if what.startswith("finding ")] == [3]


@pytest.mark.sqlite  # PostgreSQL knows of every machine (tests/database/test_many_writers.py)
@pytest.mark.parametrize(
    ("command", "outcome"),
    [("index", "killed"), ("prune", "killed"), ("export", "unknown"), ("verify", "unknown")],
)
def test_runs_on_another_machine(db: Path, command: str, outcome: str) -> None:
    insert = (
        "INSERT INTO run (command, arguments, version, login, host, pid, started_at) "
        "VALUES (?, '', '1', 'me', 'elsewhere', 1, '2024-01-01T00:00:00+00:00')"
    )
    with closing(sqlite3.connect(db)) as raw:
        raw.execute(insert, [command])
        raw.commit()
    with open_catalogue(db) as catalogue:
        assert [run.outcome.value for run in runs.listed(catalogue)] == [outcome]
        with catalogue.writer_lock():
            found = runs.one(catalogue, 1)
    assert found is not None
    assert found.seconds is None


def test_a_number_that_another_process_has_now_is_no_life() -> None:
    import socket

    host, now = socket.gethostname(), datetime.now().astimezone()
    assert is_over(host, os.getpid(), now.isoformat(timespec="seconds")) is False
    if Path("/proc/self/stat").exists():
        earlier = (now - timedelta(days=1)).isoformat(timespec="seconds")
        assert is_over(host, os.getpid(), earlier) is True
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert is_over(host, ended.pid, now.isoformat(timespec="seconds")) is True
    assert is_over("elsewhere", ended.pid, now.isoformat()) is None
