"""A run that is killed at any moment, and run again, ends where an undisturbed one does."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from datetime import datetime
from pathlib import Path

import pytest

from catalog.database import health
from catalog.database.catalogue import open_catalogue
from catalog.indexing import Settings, index, plan, prune
from tests import tables
from tests.indexing.test_index import copies

ROOT = Path(__file__).parents[2]
RUN = """
import sys
from pathlib import Path
from catalog.database.catalogue import open_catalogue
from catalog.indexing import Settings, index, one_run
if __name__ == "__main__":
    one_run.BATCH_FILES = 100
    with open_catalogue(Path(sys.argv[1])) as catalogue:
        print("open", flush=True)
        index(catalogue, [Path(sys.argv[2])], Settings(jobs=int(sys.argv[3])))
"""
PRUNE = """
import sys
from datetime import datetime
from pathlib import Path
from catalog.database.catalogue import open_catalogue
from catalog.indexing import plan, prune, pruning
if __name__ == "__main__":
    pruning.BATCH_FILES = 20
    with open_catalogue(Path(sys.argv[1])) as catalogue:
        agreed = plan(catalogue, [Path(sys.argv[2])], None, datetime.now().astimezone())
        print("open", flush=True)
        prune(catalogue, agreed)
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="needs Linux's /proc"
)


def alive(mark: str) -> list[int]:
    """Return the processes whose environment carries `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def test_killed_and_run_again(empty_catalogue: Path, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    copies(folder, 1500)
    whole, killed = tmp_path / "whole.db", tmp_path / "killed.db"
    shutil.copy(empty_catalogue, whole)
    shutil.copy(empty_catalogue, killed)
    with open_catalogue(whole) as catalogue:
        started = time.monotonic()
        index(catalogue, [folder], Settings())
        needed_s = time.monotonic() - started
    expected = tables.dump(whole)
    script = tmp_path / "run.py"
    script.write_text(RUN, encoding="utf-8")
    mark = f"DCAT_TEST_MARK={uuid.uuid4().hex}"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "DCAT_TEST_MARK": mark.partition("=")[2],
    }
    moments = random.Random(7)
    interrupted = 0
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, str(script), str(killed), str(folder), moments.choice("128")],
            env=environment,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moments.uniform(0, needed_s * 1.2))
            process.kill()
            interrupted += process.wait() == -signal.SIGKILL
        end = time.monotonic() + 20
        while alive(mark) and time.monotonic() < end:
            time.sleep(0.02)
        assert alive(mark) == [], "workers outlive their run"
        with open_catalogue(killed) as catalogue:
            assert health.problems(catalogue) == []
    assert interrupted >= 2
    with open_catalogue(killed) as catalogue:
        counts = index(catalogue, [folder], Settings())
        assert counts.files == 1500
        assert health.problems(catalogue) == []
    assert tables.dump(killed) == expected


def test_pruning_killed_and_done_again(empty_catalogue: Path, tmp_path: Path) -> None:
    folder, db, fresh = tmp_path / "archive", tmp_path / "c.db", tmp_path / "fresh.db"
    copies(folder, 1200)
    shutil.copy(empty_catalogue, db)
    shutil.copy(empty_catalogue, fresh)
    with open_catalogue(db) as catalogue:
        index(catalogue, [folder], Settings())
        for path in sorted(folder.iterdir())[100:]:
            path.unlink()
        index(catalogue, [folder], Settings())
    with open_catalogue(fresh) as catalogue:
        index(catalogue, [folder], Settings())
    script = tmp_path / "prune.py"
    script.write_text(PRUNE, encoding="utf-8")
    moments = random.Random(3)
    left = [1200]
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, str(script), str(db), str(folder)],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moments.uniform(0, 0.15))
            process.kill()
        with open_catalogue(db) as catalogue:
            assert health.problems(catalogue) == []
        left.append(len(tables.dump(db)["file"]))
        assert left[-1] <= left[-2]
        assert (left[-1] - 100) % 20 == 0
    with open_catalogue(db) as catalogue:
        prune(catalogue, plan(catalogue, [folder], None, datetime.now().astimezone()))
        assert health.problems(catalogue) == []
    assert tables.dump(db) == tables.dump(fresh)
