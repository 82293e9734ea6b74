"""Ctrl-C, pressed in a real terminal session at any moment: nothing is lost, and the next run goes on."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from catalog.database import health
from catalog.database.catalogue import open_catalogue
from catalog.indexing import Settings, Stop, index
from tests import tables
from tests.indexing.processes import dcat, interrupt, rows, soon
from tests.indexing.test_index import copies

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

FILES = 10_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many files; do not change it."""
    folder = tmp_path_factory.mktemp("many") / "archive"
    copies(folder, FILES)
    return folder


def test_ctrl_c_at_any_moment(empty_catalogue: Path, tmp_path: Path, many: Path) -> None:
    db, whole = tmp_path / "c.db", tmp_path / "whole.db"
    shutil.copy(empty_catalogue, db)
    shutil.copy(empty_catalogue, whole)
    with open_catalogue(whole) as catalogue:
        index(catalogue, [many], Settings())
    moments = random.Random(5)
    stopped = 0
    for _ in range(6):
        before = rows(db, "SELECT count(*), max(path) FROM file")[0]
        runs = len(rows(db, "SELECT id FROM run"))
        with dcat("index", many, "--db", db, "-j", "2") as process:
            soon(lambda n=runs: len(rows(db, "SELECT id FROM run")), runs + 1)
            time.sleep(moments.uniform(0, 0.12))
            interrupt(process)
            out, said = process.communicate(timeout=60)
        assert process.returncode in (0, 130)
        assert "Traceback" not in said, said
        assert out == ""
        with open_catalogue(db) as catalogue:
            assert health.problems(catalogue) == []
        count, last = rows(db, "SELECT count(*), max(path) FROM file")[0]
        assert count >= before[0]
        (outcome,) = rows(db, "SELECT outcome FROM run ORDER BY id DESC LIMIT 1")[0]
        # A signal that comes when all is stored, and only the summary is missing, finds a run that is done.
        if process.returncode == 130 and outcome != "done":
            stopped += 1
            assert outcome == "interrupted"
            told = re.search(
                r"Stopped after ([\d,]+) files?\.(?: The last that was stored is (.+?)\. )?", said
            )
            assert told is not None, said
            # It may not have come as far as a run before it.
            assert int(told[1].replace(",", "")) <= count
            if count > before[0]:
                assert int(told[1].replace(",", "")) == count
                assert told[2] == f"{many}/{last}"
        else:
            assert outcome == "done"
    assert stopped >= 2
    with open_catalogue(db) as catalogue:
        counts = index(catalogue, [many], Settings())
        assert counts.files == FILES
    assert tables.dump(db) == tables.dump(whole)


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    copies(folder / "a", 300)
    os.mkfifo(folder / "pipe")
    db = tmp_path / "c.db"
    # A reader that hangs, as on a share that does not answer.
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os\nreal = os.open\n"
        "def hang(path, *rest, **more):\n"
        "    if str(path).endswith('00299.dcm'):\n"
        f"        return real({str(folder / 'pipe')!r}, os.O_RDONLY)\n"
        "    return real(path, *rest, **more)\n"
        "os.open = hang\n"
    )
    with dcat("index", folder, "--db", db, "-j", "2", PYTHONPATH=str(site)) as process:
        soon(lambda: len(rows(db, "SELECT id FROM run")), 1)
        time.sleep(1)
        interrupt(process)
        time.sleep(1)
        assert process.poll() is None
        started_s = time.monotonic()
        interrupt(process)
        process.wait(timeout=30)
        assert time.monotonic() - started_s < 5
        assert process.returncode == 130
        assert process.stderr is not None
    with open_catalogue(db) as catalogue:
        assert health.problems(catalogue) == []
    with dcat("db", "runs", "-o", "csv", "--db", db) as listing:
        out, _ = listing.communicate(timeout=60)
    assert out.splitlines()[1].split(",")[4] == "killed"


def test_sigterm_is_heeded_like_ctrl_c(tmp_path: Path, many: Path) -> None:
    db = tmp_path / "c.db"
    with dcat("index", many, "--db", db, "-j", "1") as process:
        soon(lambda: len(rows(db, "SELECT id FROM run")), 1)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped after" in said


# -- the wish to stop ------------------------------------------------------------------------------


def test_a_wish_is_heeded_at_once_where_the_work_is_open_and_later_elsewhere() -> None:
    stop = Stop()
    stop.ask()
    with pytest.raises(KeyboardInterrupt):
        stop.check()
    stop = Stop()
    stop.open()
    with pytest.raises(KeyboardInterrupt):
        stop.ask()
    stop = Stop()
    stop.open()
    done = []

    def transaction() -> None:
        with stop.shut():
            stop.ask()
            done.append("the transaction")

    with pytest.raises(KeyboardInterrupt):
        transaction()
    assert done == ["the transaction"]
    stop = Stop()
    with pytest.raises(KeyboardInterrupt), stop.opened():
        stop.ask()
    stop.close()
    stop.ask()
