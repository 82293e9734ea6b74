"""The catalogue against the disk."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import PathError
from catalog.query import parse
from catalog.verifying import Verified, verify_roots, verify_selection
from tests.builders import archive, write
from tests.journeys.steps import indexed
from tests.tables import dump


def states(result: Verified, folder: Path) -> dict[str, str]:
    return {os.path.relpath(d.path, folder.resolve()): d.state for d in result.differences}


def test_nothing_changed(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "a")
    indexed(catalogue, tmp_path / "a")
    result = verify_roots(catalogue)
    assert result.differences == []
    assert result.counts == {"same": 24}


def test_missing_changed_and_unindexed(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "a", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "a")
    files[0].unlink()
    write(files[1], PatientName="Another^Length of name")
    (tmp_path / "a/new.txt").write_text("new")
    before = dump(catalogue.path)
    result = verify_roots(catalogue)
    assert states(result, tmp_path / "a") == {
        "p1/t1/s1/i1.dcm": "missing",
        "p1/t1/s1/i2.dcm": "changed",
        "new.txt": "unindexed",
    }
    assert result.counts == {"missing": 1, "changed": 1, "unindexed": 1, "same": 1}
    assert dump(catalogue.path) == before, "verifying only reads"


def test_same_size_other_time_is_changed(catalogue: Catalogue, tmp_path: Path) -> None:
    (file,) = archive(tmp_path / "a", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "a")
    os.utime(file, ns=(1, 1))
    (found,) = verify_roots(catalogue).differences
    assert (found.state, found.detail) == ("changed", "same size, another modification time")


def test_a_known_missing_file_and_its_return(catalogue: Catalogue, tmp_path: Path) -> None:
    (file,) = archive(tmp_path / "a", 1, 1, 1, 1)
    content = file.read_bytes()
    indexed(catalogue, tmp_path / "a")
    file.unlink()
    indexed(catalogue, tmp_path / "a")
    assert [d.detail for d in verify_roots(catalogue).differences] == ["known as missing"]
    file.write_bytes(content)
    assert [d.state for d in verify_roots(catalogue).differences] == ["unindexed"]


def test_one_of_two_roots(catalogue: Catalogue, tmp_path: Path) -> None:
    for name in ("a", "b"):
        archive(tmp_path / name, 1, 1, 1, 2)
        indexed(catalogue, tmp_path / name)
    next((tmp_path / "a").rglob("*.dcm")).unlink()
    assert len(verify_roots(catalogue, [tmp_path / "a"]).differences) == 1
    assert verify_roots(catalogue, [tmp_path / "b"]).differences == []
    assert verify_roots(catalogue, [tmp_path / "b"]).counts == {"same": 2}


def test_a_folder_below_a_root(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "a", 2, 1, 1, 1)
    indexed(catalogue, tmp_path / "a")
    files[0].unlink()
    assert verify_roots(catalogue, [tmp_path / "a/p2"]).counts == {"same": 1}
    assert verify_roots(catalogue, [tmp_path / "a/p1"]).counts == {"missing": 1}


def test_a_root_that_is_gone(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "a", 1, 1, 1, 2)
    indexed(catalogue, tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert [d.state for d in verify_roots(catalogue).differences] == ["unknown"]


def test_a_folder_that_cannot_be_listed(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "a", 2, 1, 1, 2)
    write(tmp_path / "a/p1.dcm", SOPInstanceUID="1.9")
    indexed(catalogue, tmp_path / "a")
    scandir = os.scandir

    def refusing(path: object = ".") -> object:
        if str(path).endswith("/p1"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    result = verify_roots(catalogue)
    assert Counter(d.state for d in result.differences) == {"unknown": 1}
    assert result.counts["same"] == 3, "what could be listed was compared"


def test_a_folder_that_was_never_indexed(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(PathError, match="never indexed"):
        verify_roots(catalogue, [tmp_path])


def test_only_what_is_selected(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "a", 2, 1, 1, 2)
    indexed(catalogue, tmp_path / "a")
    files[0].unlink()
    write(files[3], PatientComments="changed")
    first = verify_selection(catalogue, parse.selection(["PatientID=P1"]))
    assert states(first, tmp_path / "a") == {"p1/t1/s1/i1.dcm": "missing"}
    second = verify_selection(catalogue, parse.selection(["PatientID=P2"]))
    assert states(second, tmp_path / "a") == {"p2/t1/s1/i2.dcm": "changed"}
    assert second.counts == {"changed": 1, "same": 1}
