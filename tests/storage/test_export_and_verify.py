"""From storage to a medium and back: every byte streamed, digested and held against the index."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from tests import builders
from tests.storage.conftest import Dcat
from tests.storage.server import BUCKET, Server
from tests.storage.steps import ROOT, large, objects


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def instances(out: Path) -> list[str]:
    """Return the digests of the copies on a medium."""
    return sorted(
        sha256(path.read_bytes())
        for path in out.rglob("*")
        if path.is_file() and path.read_bytes()[128:132] == b"DICM" and path.name != "DICOMDIR"
    )


@pytest.fixture
def stored(s3: Server) -> dict[str, bytes]:
    """An archive in the bucket; one object takes several requests."""
    keys = objects() | {"a/large.dcm": large(17, SOPInstanceUID="1.2.3.9.99")}
    s3.put_all(keys)
    return keys


def test_round_trip(s3: Server, stored: dict[str, bytes], dcat: Dcat, tmp_path: Path) -> None:
    assert dcat("index", ROOT, "-j", "1", "--digest").code == 0
    out = tmp_path / "disc"
    said = dcat("export", out, "--reason", "transfer")
    assert said.code == 0, said.err
    assert instances(out) == sorted(map(sha256, stored.values()))
    assert dcat("verify", "--media", out).code == 0
    said = dcat("ledger", "list", "-o", "json")
    assert said.code == 0
    said = dcat("verify", "--digest")
    assert (said.code, said.out) == (0, ""), said
    # A copy is as old as its object.
    stamps = {path.stat().st_mtime for path in out.rglob("*") if path.name.startswith("I")}
    assert all(stamp == int(stamp) for stamp in stamps)


def test_verify_asks_for_the_listing_alone_and_with_digests_for_each_object_once(
    s3: Server, dcat: Dcat
) -> None:
    s3.put_all(objects())
    dcat("index", ROOT, "-j", "1", "--digest")
    s3.forget()
    assert dcat("verify").code == 0
    assert s3.counts == {"list": 1}
    s3.forget()
    assert dcat("verify", ROOT, "--digest").code == 0
    assert s3.counts == {"list": 1, "get": 6}
    s3.forget()
    assert dcat("verify", "--patient", "P1").code == 0
    assert s3.counts == {"head": 6}


def test_verify_tells_what_is_missing_changed_new_and_of_other_content(
    s3: Server, dcat: Dcat
) -> None:
    s3.put_all(objects())
    dcat("index", ROOT, "-j", "1", "--digest")
    gone, changed, other, *_ = objects()
    s3.delete(gone)
    s3.put(changed, builders.dicom_bytes(PatientName="Roe^John"))
    s3.put("a/new.dcm", b"not DICOM")
    before = s3.backend.get_object(BUCKET, other)
    s3.put(other, s3.data(other).replace(b"Doe^Jane", b"Roe^Jane"))
    now = s3.backend.get_object(BUCKET, other)
    now.last_modified, now._etag = before.last_modified, before.etag.strip('"')
    said = dcat("verify", "--digest", "-o", "csv")
    assert said.code == 4
    lines = sorted(line.rpartition(",")[0] or line for line in said.out.splitlines()[1:])
    states = {tuple(line.split(",")[:2]) for line in said.out.splitlines()[1:]}
    assert states == {
        ("missing", f"s3://{BUCKET}/{gone}"),
        ("changed", f"s3://{BUCKET}/{changed}"),
        ("unindexed", f"{ROOT}/new.dcm"),
        ("changed", f"s3://{BUCKET}/{other}"),
    }, lines
    said = dcat("verify", "--patient", "P1", "-o", "csv")
    assert {tuple(line.split(",")[:2]) for line in said.out.splitlines()[1:]} == {
        ("missing", f"s3://{BUCKET}/{gone}"),
        ("changed", f"s3://{BUCKET}/{changed}"),
    }


def test_an_object_that_was_replaced_since_is_exported_only_as_found(
    s3: Server, dcat: Dcat, tmp_path: Path
) -> None:
    s3.put_all(objects())
    dcat("index", ROOT, "-j", "1")
    key = next(iter(objects()))
    s3.put(key, s3.data(key).replace(b"Doe^Jane", b"Roe^Jane"))
    said = dcat("export", tmp_path / "out")
    assert said.code == 1
    assert "it was written since it was indexed" in said.err
    said = dcat("export", tmp_path / "out", "--as-found")
    assert said.code == 0, said.err
    assert sha256(s3.data(key)) in instances(tmp_path / "out")


def test_an_object_that_is_replaced_before_it_is_opened_is_not_exported(
    s3: Server, dcat: Dcat, tmp_path: Path
) -> None:
    s3.put_all(objects())
    dcat("index", ROOT, "-j", "1")
    key = next(iter(objects()))

    def replace(asked: str) -> None:
        if asked == key:
            s3.put(key, objects()[key].replace(b"Doe^Jane", b"Roe^Jane"))

    s3.faults.on_get = replace
    said = dcat("export", tmp_path / "out")
    assert said.code == 3
    assert "it was replaced since it was indexed; index it again" in said.err
    s3.faults.on_get = None
    assert sha256(s3.data(key)) not in instances(tmp_path / "out")
    assert len(instances(tmp_path / "out")) == 5


def test_an_object_that_is_replaced_in_the_middle_is_not_exported(
    s3: Server, dcat: Dcat, tmp_path: Path
) -> None:
    key = "a/large.dcm"
    s3.put(key, large(17, SOPInstanceUID="1.2.3.9.99"))
    s3.put_all(objects(count=2))
    dcat("index", ROOT, "-j", "1")
    s3.forget()

    def replace(asked: str) -> None:
        if asked == key and sum(r.what == "get" and r.key == key for r in s3.requests) == 2:
            s3.put(key, large(17, SOPInstanceUID="1.2.3.9.99", PatientName="Roe^John"))

    s3.faults.on_get = replace
    said = dcat("export", tmp_path / "out")
    assert said.code == 3
    assert "replaced while it was read" in said.err
    assert len(instances(tmp_path / "out")) == 2
    assert not list((tmp_path / "out").rglob("*.part"))


def test_into_a_zip_file_and_in_another_transfer_syntax(
    s3: Server, dcat: Dcat, tmp_path: Path
) -> None:
    keys = objects(count=4)
    s3.put_all(keys)
    dcat("index", ROOT, "-j", "1")
    said = dcat("export", tmp_path / "disc.zip", "--zip")
    assert said.code == 0, said.err
    with zipfile.ZipFile(tmp_path / "disc.zip") as archive:
        digests = {sha256(archive.read(name)) for name in archive.namelist()}
    assert set(map(sha256, keys.values())) <= digests
    said = dcat("export", tmp_path / "out", "--transfer-syntax", "explicit-le", "--dry-run")
    assert said.code == 0, said.err


@pytest.mark.parametrize("link", ["hard", "symbolic", "reflink"])
def test_no_link_can_be_made(s3: Server, dcat: Dcat, tmp_path: Path, link: str) -> None:
    s3.put_all(objects(count=1))
    dcat("index", ROOT, "-j", "1")
    said = dcat("export", tmp_path / "out", "--link", link)
    assert said.code == 1
    assert "to which no link can be made; export without --link" in said.err
    assert not (tmp_path / "out").exists()


def test_an_export_that_lost_its_storage_is_resumed(
    s3: Server, dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.files import s3_client as s3_module

    monkeypatch.setattr(s3_module, "PAUSE_S", 0.001)
    keys = objects(count=5)
    s3.put_all(keys)
    dcat("index", ROOT, "-j", "1")
    s3.faults.broken_bodies = 1000
    said = dcat("export", tmp_path / "out")
    assert said.code == 1
    assert "connection" in said.err
    s3.faults.broken_bodies = 0
    said = dcat("export", "--resume", tmp_path / "out")
    assert said.code == 0, said.err
    assert instances(tmp_path / "out") == sorted(map(sha256, keys.values()))


def test_prune_looks_once_more_and_refuses_what_it_cannot_see(s3: Server, dcat: Dcat) -> None:
    s3.put_all(objects())
    dcat("index", f"s3://{BUCKET}", "-j", "1")
    gone = next(iter(objects()))
    s3.delete(gone)
    said = dcat("index", f"s3://{BUCKET}", "--prune", "--yes", "-j", "1", "--json")
    assert said.code == 0, said.err
    assert '"files": 1' in said.out
    said = dcat("index", "s3://no-such-bucket", "--prune", "--yes", "-j", "1")
    assert said.code == 1
    assert "never indexed" in said.err
    for key in list(objects())[1:]:
        s3.delete(key)
    s3.faults.code = "AccessDenied"
    said = dcat("index", f"s3://{BUCKET}", "--prune", "--yes", "-j", "1")
    assert said.code == 1
    s3.faults.code = ""
    said = dcat("find", "files", "-o", "csv")
    assert len(said.out.splitlines()) == 6


def test_no_medium_is_written_to_a_url(s3: Server, dcat: Dcat, tmp_path: Path) -> None:
    s3.put_all(objects(count=1))
    dcat("index", ROOT, "-j", "1")
    said = dcat("export", f"s3://{BUCKET}/out")
    assert said.code == 1
    assert f"s3://{BUCKET}/out is a URL" in said.err
    assert not Path("s3:").exists()
