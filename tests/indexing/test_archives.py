"""Members of archives where only some places are looked at, and where rows are deleted."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.files.paths import absolute_text
from catalog.indexing import Settings, index, pruning
from catalog.indexing.journey import index_changes
from tests.archives import zip_bytes
from tests.builders import dicom_bytes


def one(number: int) -> bytes:
    return dicom_bytes(SOPInstanceUID=f"1.2.3.1.1.{number}")


def put(path: Path, data: bytes, mtime_s: int = 1_700_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (mtime_s, mtime_s))


def statuses(catalogue: Catalogue) -> dict[str, str]:
    with catalogue.read() as connection:
        rows = connection.execute(select(m.file.c.path, m.file.c.status).order_by(m.file.c.path))
        return {row.path: row.status for row in rows}


@pytest.fixture
def folder(tmp_path: Path, catalogue: Catalogue) -> Path:
    put(tmp_path / "f" / "d" / "a.zip", zip_bytes([("1", one(1)), ("2", one(2))]))
    put(tmp_path / "f" / "x", b"text")
    index(catalogue, [tmp_path / "f"], Settings())
    return tmp_path / "f"


BEFORE = {"d/a.zip": "archive", "d/a.zip!/1": "ok", "d/a.zip!/2": "ok", "x": "not-dicom"}


@pytest.mark.parametrize("place", ["d/a.zip", "d", ""])
def test_a_change_of_an_archive_is_taken_in(folder: Path, catalogue: Catalogue, place: str) -> None:
    assert statuses(catalogue) == BEFORE
    path = folder / "d" / "a.zip"
    put(path, zip_bytes([("2", one(2)), ("3", one(3))]), 1_700_000_001)
    at = absolute_text(folder / place)
    assert index_changes(catalogue, [at], Settings(), unsettled=[absolute_text(path)]) is not None
    assert statuses(catalogue) == BEFORE, "an archive that is being written keeps its members"
    index_changes(catalogue, [at], Settings())
    after = BEFORE | {"d/a.zip!/1": "missing", "d/a.zip!/3": "ok"}
    assert statuses(catalogue) == after
    path.unlink()
    index_changes(catalogue, [at], Settings())
    assert statuses(catalogue) == {p: "missing" if p != "x" else s for p, s in after.items()}


def test_only_members_that_are_gone_are_pruned(folder: Path, catalogue: Catalogue) -> None:
    path = folder / "d" / "a.zip"
    whole = path.read_bytes()
    put(path, zip_bytes([("2", one(2))]), 1_700_000_001)
    index(catalogue, [folder], Settings())
    path.unlink()
    index(catalogue, [folder], Settings())
    assert set(statuses(catalogue).values()) == {"missing", "not-dicom"}
    put(path, zip_bytes([("2", one(2))]), 1_700_000_002)  # it is back, and no run has seen it yet
    agreed = pruning.plan(catalogue, [folder], None, datetime.now(UTC))
    assert [f.path for f in pruning.prunable(catalogue, agreed.which)] == ["d/a.zip!/1"]
    assert pruning.prune(catalogue, agreed).there == 2
    assert set(statuses(catalogue)) == {"d/a.zip", "d/a.zip!/2", "x"}
    put(path, whole, 1_700_000_003)
    index(catalogue, [folder], Settings())
    assert statuses(catalogue) == BEFORE
    agreed = pruning.plan(catalogue, [folder], None, datetime.now(UTC))
    assert list(pruning.newly_gone(catalogue, agreed.which)) == []
    path.unlink()
    assert {f.path for f in pruning.newly_gone(catalogue, agreed.which)} == {
        "d/a.zip", "d/a.zip!/1", "d/a.zip!/2",
    }  # fmt: skip


def test_members_of_an_archive_that_cannot_be_opened_are_not_missing(
    folder: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "d" / "a.zip"
    put(path, path.read_bytes(), 1_700_000_001)

    def refusing(*given: object, **named: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("catalog.indexing.members.open", refusing, raising=False)
        for _ in range(2):
            counts = index(catalogue, [folder], Settings())
            assert (counts.done["missing"], counts.files) == (0, 2)
            assert statuses(catalogue) == BEFORE | {"d/a.zip": "unreadable"}
    counts = index(catalogue, [folder], Settings())
    assert (counts.done["missing"], counts.files) == (0, 4)
    assert statuses(catalogue) == BEFORE


def test_digests_of_members_are_of_their_bytes(tmp_path: Path, catalogue: Catalogue) -> None:
    import hashlib

    content = [("1", one(1)), ("n", b"note")]
    put(tmp_path / "f" / "a.zip", zip_bytes(content))
    index(catalogue, [tmp_path / "f"], Settings(digest=True))
    with catalogue.read() as connection:
        rows = connection.execute(select(m.file.c.path, m.file.c.digest))
        found = {row.path: row.digest for row in rows}
    expected = {f"a.zip!/{name}": hashlib.sha256(data).hexdigest() for name, data in content}
    expected["a.zip"] = hashlib.sha256((tmp_path / "f" / "a.zip").read_bytes()).hexdigest()
    assert found == expected


def test_an_archive_that_is_back_has_all_its_members_again(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    """While it was away a copy of a member appeared, which was taken for the member, moved."""
    path = tmp_path / "f" / "a.zip"
    put(path, zip_bytes([("1", one(1)), ("2", one(2))]))
    index(catalogue, [tmp_path / "f"], Settings())
    before = statuses(catalogue)
    path.rename(tmp_path / "away")
    put(tmp_path / "f" / "copy", one(1))
    assert index(catalogue, [tmp_path / "f"], Settings()).done["moved"] == 1
    (tmp_path / "away").rename(path)
    done = index(catalogue, [tmp_path / "f"], Settings()).done
    assert (done["returned"], done["new"], done["changed"]) == (2, 1, 0)
    assert statuses(catalogue) == before | {"copy": "ok"}
