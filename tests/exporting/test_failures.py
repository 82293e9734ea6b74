"""Exports that cannot start, cannot go on, or cannot copy some of the files."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import DestinationNotEmpty, ExportError, MediaFull
from catalog.exporting import Order, export
from tests.builders import archive, dicom_bytes, write
from tests.journeys.steps import (
    FILE_SET_UID,
    everything,
    exported,
    files_below,
    generic,
    indexed,
    planned,
    referencing,
    rows,
    sha256,
)

PART = ".part"


def test_a_folder_that_is_not_empty_is_left_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "archive")
    (tmp_path / "medium").mkdir()
    (tmp_path / "medium/mine.txt").write_text("mine")
    with pytest.raises(DestinationNotEmpty, match="is not empty"):
        exported(catalogue, tmp_path / "medium")
    assert files_below(tmp_path / "medium") == {"mine.txt"}
    assert rows(catalogue.path, "SELECT * FROM export") == []


@pytest.mark.parametrize("below", ["", "below"])
def test_a_destination_that_is_a_file_or_below_one(
    below: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "archive")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError) as caught:
        exported(catalogue, tmp_path / "file" / below)
    assert "file" in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "archive")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    with pytest.raises(ExportError, match="cannot be written"):
        exported(catalogue, locked / "medium")


def test_too_little_space_is_noticed_before_anything_is_written(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 2)
    indexed(catalogue, tmp_path / "archive")
    usage = shutil._ntuple_diskusage(10_000, 9_900, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(MediaFull, match=r"100 bytes free.*Nothing was written"):
        exported(catalogue, tmp_path / "medium")
    assert not (tmp_path / "medium").exists()


def assert_visibly_unfinished(medium: Path) -> None:
    found = files_below(medium)
    assert "DICOMDIR" not in found
    assert "UNFINISHED.TXT" in found
    assert b"not complete" in (medium / "UNFINISHED.TXT").read_bytes()


def test_a_file_too_large_for_the_medium(tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that fills while the work goes on."""
    write(tmp_path / "archive/a.dcm", SOPInstanceUID="1.2.3.1")
    write(
        tmp_path / "archive/b.dcm",
        SOPInstanceUID="1.2.3.2",
        InstanceNumber="2",
        Rows=1500,
        Columns=1500,
        PixelData=bytes(4_500_000),
    )
    dcat(tmp_path, "index", "archive")
    limit = 2_000_000
    done = subprocess.run(
        [sys.executable, "-m", "catalog", "export", "medium", "--db", "c.db"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "No space is left" in done.stderr
    assert "Traceback" not in done.stderr
    assert_visibly_unfinished(tmp_path / "medium")
    assert not any(name.endswith(PART) for name in files_below(tmp_path / "medium"))
    (run,) = rows(tmp_path / "c.db", "SELECT outcome FROM run WHERE command = 'export'")
    assert run["outcome"] == "failed"
    items = rows(tmp_path / "c.db", "SELECT outcome FROM export_item ORDER BY id")
    assert [item["outcome"] for item in items] == ["copied", "planned"]


def test_a_dicomdir_that_cannot_be_written(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "archive")
    whole = Path.open

    def full(path: Path, *args: object, **kwargs: object) -> object:
        if path.name.startswith("DICOMDIR"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(MediaFull):
        exported(catalogue, tmp_path / "medium")
    monkeypatch.undo()
    assert_visibly_unfinished(tmp_path / "medium")
    (entry,) = rows(catalogue.path, "SELECT fileset_ref FROM export")
    assert entry["fileset_ref"] is None


# -- sources that are not as they were ------------------------------------------------------


def _three(folder: Path) -> list[Path]:
    return archive(folder, 1, 1, 1, 3)


def _vanish(path: Path) -> None:
    path.unlink()


def _become_another(path: Path) -> None:
    path.write_bytes(dicom_bytes(SOPInstanceUID="1.2.3.77"))


def _move_to_another_patient(path: Path) -> None:
    ds = generic(path)
    write(
        path,
        PatientID="Somebody else",
        SOPInstanceUID=str(ds.SOPInstanceUID),
        StudyInstanceUID=str(ds.StudyInstanceUID),
        SeriesInstanceUID=str(ds.SeriesInstanceUID),
    )


def _become_text(path: Path) -> None:
    path.write_text("no longer DICOM")


def _become_empty(path: Path) -> None:
    path.write_bytes(b"")


def _become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "change",
    [
        _vanish,
        _become_another,
        _move_to_another_patient,
        _become_text,
        _become_empty,
        _become_a_folder,
    ],
    ids=lambda change: change.__name__.strip("_"),
)
def test_a_source_that_is_not_as_indexed_fails_alone(
    change, catalogue: Catalogue, tmp_path: Path
) -> None:
    files = _three(tmp_path / "archive")
    indexed(catalogue, tmp_path / "archive")
    change(files[1])
    outcome = exported(catalogue, tmp_path / "medium")
    assert outcome.copied == 2
    assert not outcome.is_complete
    ((item, reason),) = outcome.failed
    assert item.source.path == files[1].relative_to(tmp_path / "archive").as_posix()
    assert reason
    uids = {
        str(r.ReferencedSOPInstanceUIDInFile) for r in referencing(tmp_path / "medium/DICOMDIR")
    }
    assert uids == {"1.2.3.1.1.1.1", "1.2.3.1.1.1.3"}
    assert not any(
        name.endswith((PART, "UNFINISHED.TXT")) for name in files_below(tmp_path / "medium")
    )
    assert len(files_below(tmp_path / "medium") - {"MANIFEST.SHA256"}) == 3
    (failed,) = rows(catalogue.path, "SELECT * FROM export_item WHERE outcome = 'failed'")
    assert (failed["sop_instance_uid"], failed["reason"]) == ("1.2.3.1.1.1.2", reason)
    assert failed["digest"] is None
    assert failed["file_id"] not in files_below(tmp_path / "medium")


def test_all_sources_gone_leaves_no_dicomdir(catalogue: Catalogue, tmp_path: Path) -> None:
    files = _three(tmp_path / "archive")
    indexed(catalogue, tmp_path / "archive")
    for path in files:
        path.unlink()
    outcome = exported(catalogue, tmp_path / "medium")
    assert (outcome.copied, len(outcome.failed)) == (0, 3)
    assert not (tmp_path / "medium/DICOMDIR").exists()


def test_new_text_in_a_source_is_copied_and_recorded_as_it_is_now(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    write(tmp_path / "archive/a.dcm", StudyDescription="before")
    indexed(catalogue, tmp_path / "archive")
    write(tmp_path / "archive/a.dcm", StudyDescription="after, and longer")
    assert exported(catalogue, tmp_path / "medium").is_complete
    (leaf,) = referencing(tmp_path / "medium/DICOMDIR")
    assert sha256((tmp_path / "medium").joinpath(*leaf.ReferencedFileID)) == sha256(
        tmp_path / "archive/a.dcm"
    )
    study = generic(tmp_path / "medium/DICOMDIR").DirectoryRecordSequence[1]
    assert study.StudyDescription == "after, and longer"


@pytest.mark.parametrize("header", ["no preamble", "no meta at all"])
def test_files_without_preamble_are_not_put_on_a_medium(
    header: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    whole = dicom_bytes()
    start = 132 if header == "no preamble" else 132 + 12 + int.from_bytes(whole[140:144], "little")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/bare.dcm").write_bytes(whole[start:])
    write(tmp_path / "archive/good.dcm", SOPInstanceUID="1.2.3.9", InstanceNumber="2")
    indexed(catalogue, tmp_path / "archive")
    outcome = exported(catalogue, tmp_path / "medium")
    assert outcome.copied == 1
    assert not outcome.is_complete
    assert len(outcome.failed) + len(outcome.plan.left_out) == 1
    assert len(files_below(tmp_path / "medium") - {"MANIFEST.SHA256"}) == 2


def test_a_truncated_file_is_copied_and_reported(catalogue: Catalogue, tmp_path: Path) -> None:
    whole = dicom_bytes(Rows=64, Columns=64, PixelData=bytes(8192))
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/cut.dcm").write_bytes(whole[:-4000])
    indexed(catalogue, tmp_path / "archive")
    outcome = exported(catalogue, tmp_path / "medium")
    assert outcome.copied == 1
    assert "truncated" in {finding.code for finding in outcome.findings}
    (leaf,) = referencing(tmp_path / "medium/DICOMDIR")
    copy = (tmp_path / "medium").joinpath(*leaf.ReferencedFileID)
    assert copy.read_bytes() == whole[:-4000]


# -- interrupted ----------------------------------------------------------------------------


def environment() -> dict[str, str]:
    here = str(Path(__file__).parents[2])
    return dict(os.environ) | {
        "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    }


def dcat(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "catalog", *arguments, "--db", "c.db"],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_an_interrupted_export_is_visibly_unfinished(number: int, tmp_path: Path) -> None:
    # The last source is a pipe that nobody fills once the catalogue knows it as a file, so the
    # export surely waits when the signal comes.
    files = archive(tmp_path / "archive", 1, 1, 1, 5)
    assert dcat(tmp_path, "index", "archive").returncode == 0
    files[-1].unlink()
    os.mkfifo(files[-1])
    with subprocess.Popen(
        [sys.executable, "-m", "catalog", "export", "medium", "--as-found", "--reason", "test", "--db", "c.db"],
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while len(copies(tmp_path / "medium")) < 4 and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        time.sleep(0.1)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert_visibly_unfinished(tmp_path / "medium")
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted" in said
        assert "Traceback" not in said
        assert not any(name.endswith(PART) for name in files_below(tmp_path / "medium"))
        items = rows(tmp_path / "c.db", "SELECT outcome FROM export_item ORDER BY id")
        assert [item["outcome"] for item in items] == ["copied"] * 4 + ["planned"]
    for copy in copies(tmp_path / "medium"):
        assert sha256(copy) in {sha256(path) for path in files[:-1]}
    (entry,) = rows(
        tmp_path / "c.db",
        "SELECT e.*, r.outcome FROM export e JOIN run r ON r.id = e.run_ref",
    )
    assert entry["reason"] == "test"
    assert entry["destination"] == str((tmp_path / "medium").resolve())
    assert entry["fileset_ref"] is None
    assert entry["outcome"] == ("interrupted" if number == signal.SIGINT else None)
    again = dcat(tmp_path, "export", "medium")
    assert again.returncode == 1, "an unfinished medium is not written over"


def copies(medium: Path) -> list[Path]:
    found = [p for p in medium.rglob("*") if p.is_file() and not p.name.startswith("UNFINISHED")]
    return [path for path in found if not path.name.endswith(PART)]


def test_an_interrupt_in_process_leaves_the_ledger_with_what_was_copied(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "archive")
    seen = []

    def interrupt(event: object) -> None:
        seen.append(event)
        if (
            type(event).__name__ == "Progress"
            and sum(type(e).__name__ == "Progress" for e in seen) == 2
        ):
            raise KeyboardInterrupt

    order = Order(everything(), tmp_path / "medium", FILE_SET_UID)
    with pytest.raises(KeyboardInterrupt):
        export(catalogue, order, planned(catalogue), listener=interrupt)
    assert_visibly_unfinished(tmp_path / "medium")
    assert len(rows(catalogue.path, "SELECT * FROM export_item WHERE outcome = 'copied'")) == 2
    (run,) = rows(catalogue.path, "SELECT outcome FROM run WHERE command = 'export'")
    assert run["outcome"] == "interrupted"
