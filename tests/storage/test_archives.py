"""Archives behind a URL are read in place, as on disk."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue
from catalog.files.paths import to_text
from tests import builders
from tests.storage.conftest import Dcat
from tests.storage.server import BUCKET, Server
from tests.storage.steps import (
    ROOT,
    files,
    findings,
    indexed,
    large,
    objects,
    on_disk,
    tarred,
    zipped,
)

ALIKE = ("size_bytes", "status", "error", "digest")


@pytest.fixture
def archives() -> dict[str, bytes]:
    return {
        "a/study.zip": zipped(objects("z", 4)),
        "a/study.tar": tarred(
            {f"t/{i}": builders.dicom_bytes(SOPInstanceUID=f"1.2.4.{i}") for i in range(3)}
        ),
        "a/study.tgz": gzip.compress(
            tarred({"g/1": builders.dicom_bytes(SOPInstanceUID="1.2.5.1")})
        ),
        "a/one.dcm.gz": gzip.compress(builders.dicom_bytes(SOPInstanceUID="1.2.6.1")),
        "a/broken.zip": zipped(objects("b", 2))[:-40],
        "a/plain.dcm": builders.dicom_bytes(SOPInstanceUID="1.2.7.1"),
        "a/no archive.zip": b"a text",
    }


def test_rows_of_members_are_those_of_the_same_archives_on_disk(
    s3: Server,
    archives: dict[str, bytes],
    new_catalogue: Callable[[], Catalogue],
    tmp_path: Path,
) -> None:
    s3.put_all(archives)
    folder = on_disk(tmp_path, archives) / "a"
    local, remote = new_catalogue(), new_catalogue()
    for digest in (False, True):
        here, there = (
            indexed(catalogue, place, digest=digest, prove=digest).as_dict()
            for catalogue, place in ((local, str(folder)), (remote, ROOT))
        )
        assert there == here
        start = f"{to_text(str(folder))}/"
        assert {
            path.removeprefix(f"{ROOT}/"): row for path, row in files(remote, *ALIKE).items()
        } == {path.removeprefix(start): row for path, row in files(local, *ALIKE).items()}
        assert findings(remote) == findings(local)
    s3.forget()
    assert indexed(remote).done["opened"] == 0
    assert set(s3.counts) == {"list"}


def test_left_alone_on_request(
    s3: Server, archives: dict[str, bytes], catalogue: Catalogue
) -> None:
    s3.put_all(archives)
    indexed(catalogue, archives=False)
    found = files(catalogue, "status")
    assert found[f"{ROOT}/study.zip"] == ("not-followed",)
    assert not any("!/" in path for path in found)
    indexed(catalogue)
    assert files(catalogue, "status")[f"{ROOT}/study.zip"] == ("archive",)


def test_of_a_tar_the_pixel_data_do_not_come(s3: Server, catalogue: Catalogue) -> None:
    members = {f"t/{i}": large(2, SOPInstanceUID=f"1.2.4.{i}") for i in range(3)}
    s3.put("a/large.tar", tarred(members))
    indexed(catalogue)
    came = 0
    for request in s3.requests:
        if request.what == "get":
            start, _, end = (request.range or "").removeprefix("bytes=").partition("-")
            came += int(end) + 1 - int(start)
    assert came < 1 << 20
    assert files(catalogue, "status")[f"{ROOT}/large.tar!/t/1"] == ("ok",)


def test_members_are_exported_and_verified(
    s3: Server, archives: dict[str, bytes], dcat: Dcat, tmp_path: Path
) -> None:
    del archives["a/broken.zip"]
    s3.put_all(archives)
    assert dcat("index", ROOT, "-j", "1", "--digest").code == 0
    said = dcat("export", tmp_path / "out")
    assert said.code == 0, said.err
    copies = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    for data in objects("z", 4).values():
        assert hashlib.sha256(data).hexdigest() in copies
    assert dcat("verify", "--digest").code == 0
    said = dcat("verify", "--patient", "P1", "--digest")
    assert said.code == 0, said.out
    # Replaced: no member of the new archive goes out as one of the old.
    s3.put("a/study.zip", zipped(objects("z", 3)))
    said = dcat("verify", "-o", "csv")
    assert said.code == 4
    assert f"s3://{BUCKET}/a/study.zip!/z/s1/i003.dcm" in said.out
    said = dcat("export", tmp_path / "again")
    assert said.code == 1
    assert "it was written since it was indexed" in said.err
