"""Indexing what lies behind a URL: the rows are those of a folder, and little is asked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from catalog.database import health, roots
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.files.paths import to_text
from catalog.files.urls import where
from catalog.indexing import Settings, index
from catalog.indexing.executing import FEW_FILES
from tests import builders
from tests.storage.server import BUCKET, Server
from tests.storage.steps import (
    ROOT,
    Ear,
    files,
    findings,
    indexed,
    large,
    objects,
    on_disk,
    statuses,
)

NewCatalogue = Callable[[], Catalogue]
ALIKE = ("size_bytes", "status", "error", "transfer_syntax_uid", "digest")


def test_rows_are_those_of_the_same_files_in_a_folder(
    s3: Server, new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    whole = builders.dicom_bytes(SOPInstanceUID="1.8")
    mixed = objects() | {
        "a/text.txt": b"not DICOM",
        "a/empty": b"",
        "a/short.dcm": whole[:-4],
        "a/header-only.dcm": whole[:200],
        "a/no-series.dcm": builders.dicom_bytes(SeriesInstanceUID=...),
        "a/long header.dcm": builders.dicom_bytes(
            SOPInstanceUID="1.9", TextValue="x" * 100_000, AcquisitionContextDescription="y" * 999
        ),
    }
    s3.put_all(mixed)
    folder = on_disk(tmp_path, mixed) / "a"
    s3.put("a/s0/", b"")  # a folder, as consoles make them
    local, remote = new_catalogue(), new_catalogue()
    for digest in (False, True):
        of_folder = indexed(local, str(folder), digest=digest, prove=digest)
        of_url = indexed(remote, digest=digest, prove=digest)
        assert of_url.as_dict() == of_folder.as_dict()
        here = {
            path.removeprefix(f"{to_text(str(tmp_path))}/a/"): row
            for path, row in files(local, *ALIKE).items()
        }
        there = {path.removeprefix(f"{ROOT}/"): row for path, row in files(remote, *ALIKE).items()}
        assert there == here
        assert findings(remote) == findings(local)
    assert health.problems(remote) == []


def test_a_second_run_asks_for_the_listing_alone(s3: Server, catalogue: Catalogue) -> None:
    s3.put_all(objects(count=30))
    assert indexed(catalogue).done["new"] == 30
    s3.forget()
    counts = indexed(catalogue)
    assert (counts.done["unchanged"], counts.done["opened"]) == (30, 0)
    assert set(s3.counts) == {"list"}
    assert s3.counts["list"] <= 2


def test_a_listing_of_many_pages_comes_a_page_at_a_time(s3: Server, catalogue: Catalogue) -> None:
    s3.put_all({f"a/{i:02d}": b"not DICOM" for i in range(25)})
    s3.faults.page_keys = 10
    assert indexed(catalogue).files == 25
    s3.forget()
    assert indexed(catalogue).done["unchanged"] == 25
    assert s3.counts == {"list": 4}  # is it there; and three pages


def test_of_a_large_object_the_first_kilobytes_come(s3: Server, catalogue: Catalogue) -> None:
    s3.put("a/large.dcm", large(4, SOPInstanceUID="1.5"))
    s3.put(
        "a/leap.dcm",
        builders.dicom_bytes(SOPInstanceUID="1.6", TextValue="x" * 300_000),
    )
    indexed(catalogue)
    assert set(statuses(catalogue).values()) == {"ok"}
    ranges = {}
    for request in s3.requests:
        if request.what == "get":
            assert request.range is not None
            start, _, end = request.range.removeprefix("bytes=").partition("-")
            ranges.setdefault(request.key, []).append((int(start), int(end) + 1))
    assert ranges["a/large.dcm"] == [(0, 16 << 10)]
    # Of a header that goes on after a long value there is a second range, and the value is not asked for.
    assert len(ranges["a/leap.dcm"]) == 2
    assert sum(end - start for start, end in ranges["a/leap.dcm"]) <= 32 << 10


def test_changed_moved_missing_and_back(s3: Server, catalogue: Catalogue) -> None:
    s3.put_all(objects())
    indexed(catalogue)
    before = files(catalogue, "id", "status")
    first, second, third, *_ = objects()
    changed = builders.dicom_bytes(SOPInstanceUID="1.2.3.9.0", PatientName="Doe^John")
    s3.put(first, changed)
    moved = s3.data(second)
    s3.delete(second)
    s3.put("a/elsewhere/moved.dcm", moved)
    away = s3.data(third)
    s3.delete(third)
    counts = indexed(catalogue)
    done = counts.done
    assert (done["changed"], done["moved"], done["missing"]) == (1, 1, 1)
    now = files(catalogue, "id", "status")
    assert now[f"{ROOT}/elsewhere/moved.dcm"] == before[f"s3://{BUCKET}/{second}"]
    assert now[f"s3://{BUCKET}/{third}"][1] == "missing"
    s3.put(third, away)
    assert indexed(catalogue).files == 6
    assert set(statuses(catalogue).values()) == {"ok"}


def test_an_object_replaced_within_the_second_by_one_of_its_size_has_changed(
    s3: Server, catalogue: Catalogue
) -> None:
    key = "a/one.dcm"
    s3.put(key, builders.dicom_bytes(PatientName="Doe^Jane"))
    stamp = s3.backend.get_object(BUCKET, key).last_modified
    indexed(catalogue)
    s3.put(key, builders.dicom_bytes(PatientName="Roe^Jane"))
    s3.backend.get_object(BUCKET, key).last_modified = stamp
    assert indexed(catalogue).done["changed"] == 1
    seconds = {row[0] // 10**9 for row in files(catalogue, "mtime_ns").values()}
    assert seconds == {int(stamp.timestamp())}


def test_full_reads_again_and_digest_finds_what_size_and_time_do_not_tell(
    s3: Server, catalogue: Catalogue
) -> None:
    s3.put_all(objects(count=3))
    indexed(catalogue, digest=True, prove=True)
    s3.forget()
    assert indexed(catalogue, full=True).done["opened"] == 3
    assert s3.counts["get"] == 3
    key = next(iter(objects()))
    object_ = s3.backend.get_object(BUCKET, key)
    stamp, etag = object_.last_modified, object_.etag
    s3.put(key, s3.data(key).replace(b"Doe^Jane", b"Roe^Jane"))
    object_ = s3.backend.get_object(BUCKET, key)
    object_.last_modified, object_._etag = stamp, etag.strip('"')
    assert object_.etag == etag  # a store that lies about its ETags
    assert indexed(catalogue).done["changed"] == 0
    assert indexed(catalogue, digest=True, prove=True).done["changed"] == 1
    assert "content-changed" in findings(catalogue)[key.removeprefix("a/")]


def test_a_single_object_a_prefix_and_the_bucket_are_one_name_space(
    s3: Server, catalogue: Catalogue
) -> None:
    s3.put_all(objects() | {"a": b"not DICOM", "ab/x": b"not DICOM"})
    key = next(iter(objects()))
    assert indexed(catalogue, f"s3://{BUCKET}/{key}").files == 1
    assert indexed(catalogue, f"{ROOT}/").done["new"] == 5
    counts = indexed(catalogue, f"s3://{BUCKET}")
    assert (counts.done["new"], counts.done["unchanged"], counts.done["missing"]) == (2, 6, 0)
    with catalogue.read() as connection:
        assert [place.root_path for place in roots.all_places(connection)] == [f"s3://{BUCKET}"]
    # The object `a` and what lies below it as in a folder, but not `ab/x`.
    assert indexed(catalogue, ROOT).done["unchanged"] == 7


def test_an_emptied_bucket_is_told_and_everything_is_missing(
    s3: Server, catalogue: Catalogue
) -> None:
    s3.put_all(objects(count=2))
    indexed(catalogue, f"s3://{BUCKET}")
    for key in objects(count=2):
        s3.delete(key)
    ear = Ear()
    index(catalogue, [where(f"s3://{BUCKET}")], Settings(), listener=ear)
    assert ear.codes == ["folder-emptied"]
    assert set(statuses(catalogue).values()) == {"missing"}


def test_several_objects_are_asked_for_at_a_time(s3: Server, catalogue: Catalogue) -> None:
    s3.put_all({f"a/{i:03d}": b"not DICOM" for i in range(64)})
    s3.faults.delay_s = 0.05
    indexed(catalogue)
    assert 16 <= s3.most_at_once <= 34  # and a page of the listing beside 32 objects


def test_worker_processes_read_urls_too(s3: Server, tmp_path: Path) -> None:
    count = FEW_FILES + 8  # fewer are read by the process itself
    s3.put_all(objects(count=count))
    rows = []
    for jobs in (1, 2):
        db = tmp_path / f"{jobs}.db"
        # A command of its own: what starts this process's readers may have begun in another test,
        # with that one's environment.
        command = [sys.executable, "-m", "catalog", "index", ROOT, "--jobs", str(jobs), "--db", db]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with open_catalogue(db) as catalogue:
            rows.append(files(catalogue, *ALIKE, "mtime_ns"))
    assert rows[0] == rows[1]
    assert len(rows[1]) == count
