"""Exports that were interrupted and are finished later: the medium is the one of an undisturbed export."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from catalog.database import models as m
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.errors import DcatError, ExportError
from catalog.exporting import Order, Outcome, export, plan_export
from catalog.exporting.resuming import resume
from tests.builders import archive, write
from tests.exporting.test_failures import environment
from tests.journeys.steps import FILE_SET_UID, everything, files_below, indexed, rows, sha256

SLOW_EXPORT = """
import sys, time
from pathlib import Path
from catalog.database.catalogue import open_catalogue
from catalog.exporting import Order, export, plan_export
from catalog.query import parse
from tests.exporting.test_resuming import order
with open_catalogue(Path(sys.argv[1])) as catalogue:
    capacity = int(sys.argv[3]) or None
    plan = plan_export(catalogue, parse.selection(), capacity_bytes=capacity)
    print("begun", flush=True)
    export(catalogue, order(Path(sys.argv[2]), capacity_bytes=capacity), plan)
"""


def order(destination: Path, **more: Any) -> Order:
    return Order(everything(), destination, FILE_SET_UID, "SET", created_s=1_700_000_000, **more)


def exported_whole(catalogue: Catalogue, destination: Path, **more: Any) -> Outcome:
    plan = plan_export(catalogue, everything(), capacity_bytes=more.get("capacity_bytes"))
    return export(catalogue, order(destination, **more), plan)


def contents(folder: Path) -> dict[str, str]:
    return {name: sha256(folder / name) for name in files_below(folder)}


class Stopped(BaseException):
    """What stands for the end of the process."""


def interrupted(
    catalogue: Catalogue,
    destination: Path,
    after: int,
    **more: Any,
) -> None:
    """Export, and stop without a farewell after so many events."""
    seen = 0

    def stop(event: object) -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            raise Stopped

    plan = plan_export(catalogue, everything(), capacity_bytes=more.get("capacity_bytes"))
    with pytest.raises(Stopped):
        export(catalogue, order(destination, **more), plan, listener=stop)


@pytest.mark.parametrize("after", [0, 1, 3, 8])
def test_what_was_copied_stays(after: int, catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 2, 1, 2, 2)
    indexed(catalogue, tmp_path / "archive")
    exported_whole(catalogue, tmp_path / "whole")
    interrupted(catalogue, tmp_path / "medium", after)
    medium = tmp_path / "medium"
    before = {p: p.stat().st_ino for p in medium.rglob("*") if p.is_file() and p.name[0] == "I"}
    outcome = resume(catalogue, medium)
    assert outcome.is_complete
    assert outcome.copied == 8
    assert outcome.kept == len(before)
    assert all(path.stat().st_ino == inode for path, inode in before.items())
    assert contents(medium) == contents(tmp_path / "whole")
    found = rows(catalogue.path, "SELECT e.*, r.outcome FROM export e JOIN run r ON r.id = e.resumed_run_ref")  # fmt: skip
    assert [(row["destination"], row["outcome"]) for row in found] == [(str(medium), "done")]
    assert found[0]["fileset_ref"] is not None
    items = rows(catalogue.path, "SELECT * FROM export_item WHERE export_ref = ?", found[0]["id"])
    assert {item["outcome"] for item in items} == {"copied"}
    assert {item["file_id"]: item["digest"] for item in items}.items() <= contents(medium).items()
    with pytest.raises(ExportError, match="nothing to resume"):
        resume(catalogue, medium)


def test_volumes_go_on_where_they_stopped(catalogue: Catalogue, tmp_path: Path) -> None:
    large(tmp_path / "archive", 6)
    indexed(catalogue, tmp_path / "archive")
    whole = exported_whole(catalogue, tmp_path / "whole", capacity_bytes=4_000_000)
    assert len(whole.volumes) == 3
    interrupted(catalogue, tmp_path / "medium", 5, capacity_bytes=4_000_000)
    left = [p.name for p in sorted((tmp_path / "medium").iterdir()) if (p / "UNFINISHED.TXT").exists()]  # fmt: skip
    assert left == ["DISC2", "DISC3"], "each volume that is not finished says so"
    before = contents(tmp_path / "medium/DISC1")
    outcome = resume(catalogue, tmp_path / "medium")
    assert [volume.place.name for volume in outcome.volumes] == ["DISC2", "DISC3"]
    assert contents(tmp_path / "medium") == contents(tmp_path / "whole")
    assert contents(tmp_path / "medium/DISC1") == before


def large(folder: Path, count: int) -> None:
    for number in range(count):
        write(
            folder / f"{number}.dcm", PatientID=f"P{number}", StudyInstanceUID=f"1.{number + 1}",
            SeriesInstanceUID=f"1.{number + 1}.1", SOPInstanceUID=f"1.{number + 1}.1.1",
            Rows=600, Columns=700, PixelData=bytes(840_000),
        )  # fmt: skip


@pytest.mark.parametrize("container", ["zip", "iso"])
def test_containers_are_made_anew(container: str, catalogue: Catalogue, tmp_path: Path) -> None:
    if container == "iso":
        pytest.importorskip("pycdlib")
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    exported_whole(catalogue, tmp_path / f"whole.{container}", container=container)
    medium = tmp_path / f"medium.{container}"
    interrupted(catalogue, medium, 2, container=container)
    assert not medium.exists()
    outcome = resume(catalogue, medium)
    assert (outcome.copied, outcome.kept) == (4, 0)
    assert sha256(medium) == sha256(tmp_path / f"whole.{container}")
    assert not list(tmp_path.glob("*.part"))


# -- what stands there is not as it was left ------------------------------------------------


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _remove(path: Path) -> None:
    path.unlink()


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.with_name("elsewhere").replace(path.parents[5] / "elsewhere")
    path.symlink_to(path.parents[5] / "elsewhere")


@pytest.mark.parametrize("damage", [_cut, _flip, _empty, _remove, _link])
def test_a_damaged_copy_is_made_again(
    damage: Callable[[Path], None], catalogue: Catalogue, tmp_path: Path
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    exported_whole(catalogue, tmp_path / "whole")
    interrupted(catalogue, tmp_path / "medium", 3)
    copy = min(p for p in (tmp_path / "medium/DICOM").rglob("I*") if p.is_file())
    damage(copy)
    assert resume(catalogue, tmp_path / "medium").is_complete
    assert contents(tmp_path / "medium") == contents(tmp_path / "whole")
    assert not copy.is_symlink()


@pytest.mark.parametrize("damage", [None, _cut, _flip])
def test_a_copy_that_the_ledger_has_not_noted(
    damage: Callable[[Path], None] | None, catalogue: Catalogue, tmp_path: Path
) -> None:
    """Killed in the second between two entries: the copy is recognised by its source's digest."""
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    exported_whole(catalogue, tmp_path / "whole")
    interrupted(catalogue, tmp_path / "medium", 3)
    copies = [p for p in (tmp_path / "medium/DICOM").rglob("I*") if p.is_file()]
    with catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE export_item SET outcome = 'planned', digest = NULL, size_bytes = NULL")  # fmt: skip
    if damage is not None:
        damage(copies[0])
    outcome = resume(catalogue, tmp_path / "medium")
    assert outcome.kept == len(copies) - (damage is not None)
    assert contents(tmp_path / "medium") == contents(tmp_path / "whole")


def test_foreign_files_are_refused_with_a_list(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    interrupted(catalogue, tmp_path / "medium", 2)
    for name in ("notes.txt", "DICOM/other"):
        (tmp_path / "medium" / name).write_text("mine")
    before = contents(tmp_path / "medium")
    with pytest.raises(ExportError, match=r"not of this export: DICOM/other, notes\.txt\. Move"):
        resume(catalogue, tmp_path / "medium")
    assert contents(tmp_path / "medium") == before


def test_another_export_there_is_not_taken_for_it(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    interrupted(catalogue, tmp_path / "medium", 2)
    mark = tmp_path / "medium/UNFINISHED.TXT"
    mark.write_text(mark.read_text().replace(FILE_SET_UID, "1.2.3"))
    with pytest.raises(ExportError, match="is not the unfinished export"):
        resume(catalogue, tmp_path / "medium")


def test_all_was_written_but_the_ledger_does_not_know(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    exported_whole(catalogue, tmp_path / "medium")
    whole = contents(tmp_path / "medium")
    with catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE export SET fileset_ref = NULL")
    outcome = resume(catalogue, tmp_path / "medium")
    assert outcome.kept == 4
    assert contents(tmp_path / "medium") == whole


def test_a_folder_that_was_never_made(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    exported_whole(catalogue, tmp_path / "whole")
    interrupted(catalogue, tmp_path / "medium", 0)
    for path in sorted((tmp_path / "medium").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "medium").rmdir()
    assert resume(catalogue, tmp_path / "medium").is_complete
    assert contents(tmp_path / "medium") == contents(tmp_path / "whole")


def test_sources_that_are_gone_meanwhile_fail_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    interrupted(catalogue, tmp_path / "medium", 2)
    files[-1].unlink()
    outcome = resume(catalogue, tmp_path / "medium")
    assert (outcome.copied, len(outcome.failed)) == (3, 1)


def test_the_catalogue_forgot_a_source(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    interrupted(catalogue, tmp_path / "medium", 2)
    with catalogue.write() as connection:
        path = files[-1].relative_to(tmp_path / "archive").as_posix()
        connection.execute(update(m.file).where(m.file.c.path == path).values(path="elsewhere"))
    outcome = resume(catalogue, tmp_path / "medium")
    assert (outcome.copied, len(outcome.failed)) == (3, 1)


def test_nothing_is_known_of_the_place(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="knows of no export to"):
        resume(catalogue, tmp_path / "medium")


def test_an_export_under_way_is_left_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    met: list[DcatError] = []

    def meddle(event: object) -> None:
        if type(event).__name__ == "Progress" and not met:
            with pytest.raises(ExportError, match="under way: process") as caught:
                resume(catalogue, tmp_path / "medium")
            met.append(caught.value)

    plan = plan_export(catalogue, everything())
    assert export(catalogue, order(tmp_path / "medium"), plan, listener=meddle).is_complete
    assert met


def add_option(catalogue: Catalogue, name: str) -> None:
    """Have the only export say that it was ordered with one more option."""
    with catalogue.write() as connection:
        (options,) = connection.execute(select(m.export.c.options)).scalars()
        connection.execute(update(m.export).values(options={**options, name: 1}))


def test_options_of_another_version_are_not_guessed(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    interrupted(catalogue, tmp_path / "medium", 2)
    add_option(catalogue, "novelty")
    with pytest.raises(ExportError, match="another version of dcat, which knows novelty"):
        resume(catalogue, tmp_path / "medium")


# -- killed ---------------------------------------------------------------------------------


def killed_and_resumed(folder: Path, after_s: float, capacity_bytes: int = 0) -> float:
    """Kill an export in the middle and resume it; return the seconds that it had."""
    command = [sys.executable, "-c", SLOW_EXPORT, "c.db", "medium", str(capacity_bytes)]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        start = time.monotonic()
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lasted = time.monotonic() - start
    with open_catalogue(folder / "c.db") as catalogue:
        try:
            resume(catalogue, folder / "medium")
        except ExportError as exc:
            # Killed before the ledger had it, or after all was done.
            if not ("nothing to resume" in str(exc) or "knows of no export" in str(exc)):
                raise
            if not (folder / "medium").exists():
                exported_whole(catalogue, folder / "medium", capacity_bytes=capacity_bytes or None)
    return lasted


def kill_at_random(folder: Path, times: int, seed: int) -> None:
    large(folder / "archive", 12)
    archive(folder / "archive/more", 2, 2, 2, 12)
    with open_catalogue(folder / "c.db", create=True) as catalogue:
        indexed(catalogue, folder / "archive")
    chance = random.Random(seed)
    for capacity in (0, 6_000_000):
        with open_catalogue(folder / "c.db") as catalogue:
            start = time.monotonic()
            exported_whole(catalogue, folder / "whole", capacity_bytes=capacity or None)
            whole_s = time.monotonic() - start
        for _ in range(times // 2):
            killed_and_resumed(folder, chance.uniform(0, 1.2 * whole_s), capacity)
            assert contents(folder / "medium") == contents(folder / "whole")
            (folder / "medium").rename(folder / f"medium-{os.urandom(4).hex()}")
        (folder / "whole").rename(folder / f"whole-{capacity}")


def test_killed_at_random_points(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 6, 7)


@pytest.mark.heavy
def test_killed_at_many_random_points(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 20, random.randrange(1 << 30))


def test_web_pages_are_the_same(catalogue: Catalogue, tmp_path: Path) -> None:
    from catalog.exporting.pages import Facility

    facility = Facility("General Hospital", "1 Main Street", "")
    archive(tmp_path / "archive", 2, 1, 2, 2)
    indexed(catalogue, tmp_path / "archive")
    more = {"facility": facility, "created": "2024-01-31"}
    exported_whole(catalogue, tmp_path / "whole", **more)
    interrupted(catalogue, tmp_path / "medium", 5, **more)
    assert resume(catalogue, tmp_path / "medium").kept > 0
    assert contents(tmp_path / "medium") == contents(tmp_path / "whole")
    assert "INDEX.HTM" in contents(tmp_path / "medium")
