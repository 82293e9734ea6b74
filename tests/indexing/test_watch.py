"""Keeping up with folders: a real process watches while files come, change, move and go."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalog.database import health
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.errors import PathError
from catalog.events import ignore
from catalog.indexing import Settings, Stop, Watching, index, watching
from catalog.indexing.one_run import Means
from tests import builders, tables
from tests.indexing.processes import ROOT, dcat, interrupt, rows, soon

pytest.importorskip("watchfiles")

UNFINISHED = "SELECT count(*) FROM run WHERE outcome IS NULL"


def known(db: Path) -> dict[str, str]:
    """Return the status of each file by path."""
    return dict(rows(db, "SELECT path, status FROM file"))


def started(db: Path) -> None:
    """Wait until the first run is done."""
    soon(lambda: rows(db, "SELECT outcome FROM run WHERE id = 1"), [("done",)])


def as_fresh(db: Path, folder: Path, tmp_path: Path) -> None:
    """Hold the rows to those of a catalogue that was made now, but for files that are gone."""
    with open_catalogue(tmp_path / "fresh.db", create=True) as fresh:
        index(fresh, [folder], Settings())
    with open_catalogue(db) as catalogue:
        assert health.problems(catalogue) == []
    wanted, found = tables.dump(tmp_path / "fresh.db"), tables.dump(db)
    found["file"] = [row for row in found["file"] if row["status"] != "missing"]
    assert found["file"] == wanted["file"]
    assert found["finding"] == wanted["finding"]


@pytest.mark.parametrize("how", [(), ("--poll",)], ids=["notified", "polling"])
def test_files_come_change_move_and_go(tmp_path: Path, how: tuple[str, ...]) -> None:
    folder, db = tmp_path / "archive", tmp_path / "c.db"
    builders.archive(folder, patients=2, studies=1, series=1, instances=2)
    with dcat("index", "--watch", *how, folder, "--db", db, "-j", "1") as process:
        started(db)
        assert set(known(db).values()) == {"ok"}
        ids = dict(rows(db, "SELECT path, id FROM file"))

        builders.write(folder / "new.dcm", SOPInstanceUID="7.1")
        builders.archive(folder / "deep" / "er", patients=1, studies=1, series=1, instances=1)
        (folder / "notes.txt").write_text("not DICOM")
        soon(
            lambda: {p: s for p, s in known(db).items() if p not in ids},
            {"new.dcm": "ok", "deep/er/p1/t1/s1/i1.dcm": "ok", "notes.txt": "not-dicom"},
        )

        time.sleep(1.1)  # polling tells times apart by the second
        builders.write(folder / "new.dcm", SOPInstanceUID="7.2", PatientName="Changed^Name")
        (folder / "p1" / "t1" / "s1" / "i1.dcm").unlink()
        soon(lambda: known(db)["p1/t1/s1/i1.dcm"], "missing")
        uid = "SELECT sop_instance_uid FROM instance i JOIN file f ON f.instance_ref = i.id WHERE path = 'new.dcm'"
        soon(lambda: rows(db, uid), [("7.2",)])

        (folder / "p2").rename(folder / "renamed")
        shutil.move(folder / "deep", tmp_path / "moved-out")
        incoming = tmp_path / "incoming"
        builders.write(incoming / "sub" / "in.dcm", SOPInstanceUID="7.3")
        incoming.rename(folder / "incoming")
        soon(lambda: known(db).get("incoming/sub/in.dcm"), "ok")
        soon(lambda: known(db).get("deep/er/p1/t1/s1/i1.dcm"), "missing")
        soon(lambda: known(db).get("renamed/t1/s1/i2.dcm"), "ok")
        soon(lambda: known(db).get("p2/t1/s1/i2.dcm", "moved"), "moved")
        moved = dict(rows(db, "SELECT path, id FROM file"))
        assert moved["renamed/t1/s1/i1.dcm"] == ids["p2/t1/s1/i1.dcm"]

        soon(lambda: rows(db, UNFINISHED), [(0,)])
        interrupt(process)
        out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in said
    assert "runs; " in said.splitlines()[-1]
    as_fresh(db, folder, tmp_path)


def test_a_file_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    folder, db = tmp_path / "archive", tmp_path / "archive" / "c.db"
    builders.write(folder / "first.dcm")
    whole = builders.dicom_bytes(SOPInstanceUID="7.1")
    with dcat("index", "--watch", folder, "--db", db, "-j", "1") as process:
        started(db)
        (folder / "new").mkdir()
        with (folder / "new" / "slow.dcm").open("wb", buffering=0) as stream:
            for start in range(0, len(whole), len(whole) // 10):
                stream.write(whole[start : start + len(whole) // 10])
                time.sleep(0.4)
                assert "new/slow.dcm" not in known(db)
        soon(lambda: known(db), {"first.dcm": "ok", "new/slow.dcm": "ok"})
        # Its own writing, into the folder that it watches, is nothing to take in.
        time.sleep(4)
        assert len(rows(db, "SELECT id FROM run")) == 2
        interrupt(process)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_others_write_while_it_idles(tmp_path: Path) -> None:
    folder, db = tmp_path / "archive", tmp_path / "c.db"
    builders.write(folder / "first.dcm")
    builders.write(tmp_path / "other" / "second.dcm", SOPInstanceUID="7.1")
    with dcat("index", "--watch", folder, "--db", db, "-j", "1") as process:
        started(db)
        with open_catalogue(db) as catalogue:  # it waits for nobody
            index(catalogue, [tmp_path / "other"], Settings())
        builders.write(folder / "third.dcm", SOPInstanceUID="7.2")
        soon(lambda: known(db).get("third.dcm"), "ok")
        interrupt(process)
        process.communicate(timeout=60)
    assert rows(db, "SELECT DISTINCT outcome FROM run") == [("done",)]


def test_a_folder_that_vanishes_is_waited_for(tmp_path: Path) -> None:
    folder, db = tmp_path / "archive", tmp_path / "c.db"
    builders.archive(folder, 1, 1, 1, 2)
    with dcat("index", "--watch", folder, "--db", db, "-j", "1") as process:
        started(db)
        folder.rename(tmp_path / "unmounted")
        time.sleep(4)
        assert set(known(db).values()) == {"ok"}
        builders.write(tmp_path / "unmounted" / "new.dcm", SOPInstanceUID="7.1")
        (tmp_path / "unmounted").rename(folder)
        soon(lambda: known(db).get("new.dcm"), "ok")
        builders.write(folder / "newer.dcm", SOPInstanceUID="7.2")
        soon(lambda: known(db).get("newer.dcm"), "ok")
        interrupt(process)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "is not there. Is it mounted?" in said


@pytest.mark.sqlite
@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_a_catalogue_that_is_not_there_any_more_ends_it(tmp_path: Path, replaced: bool) -> None:
    folder, db = tmp_path / "archive", tmp_path / "c.db"
    builders.archive(folder, 1, 1, 1, 2)
    with open_catalogue(tmp_path / "other.db", create=True):
        pass
    with dcat("index", "--watch", folder, "--db", db, "-j", "1") as process:
        started(db)
        time.sleep(1)
        db.unlink()
        if replaced:
            (tmp_path / "other.db").rename(db)
        builders.write(folder / "new.dcm", SOPInstanceUID="7.1")
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert ("is another file now" if replaced else "is not there any more") in said


def test_what_no_event_told_is_found_at_the_interval(tmp_path: Path) -> None:
    folder, db = tmp_path / "archive", tmp_path / "c.db"
    (file,) = builders.archive(folder, 1, 1, 1, 1)
    outside = tmp_path / "outside.dcm"
    shutil.copy(file, outside)
    file.unlink()
    file.symlink_to(outside)  # changes of a link's target are told to nobody
    with dcat("index", "--watch", "--every", "0.05", folder, "--db", db, "-j", "1") as process:
        started(db)
        time.sleep(0.1)
        builders.write(outside, SOPInstanceUID="7.9")
        soon(lambda: rows(db, "SELECT sop_instance_uid FROM instance"), [("7.9",)])
        interrupt(process)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_link_to_a_folder_is_not_stepped_over(tmp_path: Path) -> None:
    folder, db = tmp_path / "archive", tmp_path / "c.db"
    builders.write(folder / "first.dcm")
    builders.write(tmp_path / "elsewhere" / "x.dcm", SOPInstanceUID="7.1")
    with dcat("index", "--watch", folder, "--db", db, "-j", "1") as process:
        started(db)
        (folder / "link").symlink_to(tmp_path / "elsewhere")
        soon(lambda: known(db).get("link"), "not-followed")
        (tmp_path / "elsewhere" / "x.dcm").touch()
        builders.write(folder / os.fsdecode(b"latin-\xe4.dcm"), SOPInstanceUID="7.2")
        soon(lambda: known(db).get("latin-\\xe4.dcm"), "ok")
        assert set(known(db)) == {"first.dcm", "link", "latin-\\xe4.dcm"}
        interrupt(process)
        process.communicate(timeout=60)
    assert process.returncode == 0
    as_fresh(db, folder, tmp_path)


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    builders.write(tmp_path / "archive" / "first.dcm")
    code = (
        "import sys; sys.modules['watchfiles'] = None; from catalog.cli.main import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["index", "--watch", str(tmp_path / "archive"), "--db", str(tmp_path / "c.db")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'dicom-dcat[watch]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_folders_can_be_watched(tmp_path: Path) -> None:
    file = builders.write(tmp_path / "archive" / "first.dcm")
    with dcat("index", "--watch", file, "--db", tmp_path / "c.db") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "only folders can be watched" in said


def test_a_folder_that_is_there_and_cannot_be_listed_is_tried_now_and_then(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after its rights were taken away: its identity is as before."""
    tried: list[float] = []

    def refused(*_: object) -> None:
        tried.append(time.monotonic())
        raise PathError("It cannot be listed.")

    monkeypatch.setattr(watching, "index", refused)
    means = Means(Settings(), ignore, Stop())
    guard = watching._Watch(catalogue, [tmp_path], means, Watching(), "", lambda counts: None)
    for _ in range(5):
        guard._step((set() for _ in range(9)), guard._identities())
    assert len(tried) == 1
    guard._next_walk_s -= watching.RETRY_S
    guard._step((set() for _ in range(9)), guard._identities())
    assert len(tried) == 2
