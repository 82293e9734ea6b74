"""Any storage that fsspec knows, here its memory; and `file://`, which is a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import PathError, StorageError
from catalog.files import any_store
from catalog.files.any_store import AnyStore
from catalog.files.store import remote_store, stat_of
from catalog.files.walk import Kind
from tests import builders
from tests.storage.conftest import Dcat
from tests.storage.steps import files, indexed, objects, on_disk, statuses

ROOT = "memory://store/a"


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty store in memory."""
    monkeypatch.setattr(any_store, "PAUSE_S", 0.001)
    remote_store.cache_clear()
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()
    remote_store.cache_clear()


def put(fs: Any, keys: dict[str, bytes]) -> None:
    for key, data in keys.items():
        fs.pipe_file(f"/store/{key}", data)


def test_index_change_missing_and_back(memory: Any, catalogue: Catalogue) -> None:
    put(memory, objects() | {"a/s0.txt": b"not DICOM", "a/s0/é!.zip!/x": b"not DICOM"})
    assert indexed(catalogue, ROOT).done["new"] == 8
    assert indexed(catalogue, ROOT).done["unchanged"] == 8
    first, second, *_ = objects()
    memory.pipe_file(f"/store/{first}", builders.dicom_bytes(PatientName="Roe^John"))
    memory.rm(f"/store/{second}")
    done = indexed(catalogue, ROOT).done
    assert (done["changed"], done["missing"]) == (1, 1)
    put(memory, {second: objects()[second]})
    indexed(catalogue, ROOT)
    assert "missing" not in statuses(catalogue).values()


def test_export_and_verify(memory: Any, dcat: Dcat, tmp_path: Path) -> None:
    put(memory, objects())
    assert dcat("index", ROOT, "-j", "1", "--digest").code == 0
    assert dcat("export", tmp_path / "out").code == 0
    assert dcat("verify", "--media", tmp_path / "out").code == 0
    assert dcat("verify", "--digest").code == 0
    key = next(iter(objects()))
    memory.pipe_file(f"/store/{key}", builders.dicom_bytes(PatientName="Roe^John"))
    assert dcat("verify", "--digest").code == 4


def test_an_object_alone_and_nothing(memory: Any, catalogue: Catalogue) -> None:
    put(memory, objects(count=2))
    assert indexed(catalogue, "memory://store/a/s0/i000.dcm").files == 1
    with pytest.raises(PathError, match="no object at or below memory://store/b"):
        indexed(catalogue, "memory://store/b")
    assert stat_of(ROOT, "s0/i000.dcm").size_bytes == len(objects()["a/s0/i000.dcm"])


def test_a_listing_that_breaks_off_marks_nothing_missing(
    memory: Any, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(memory, objects())
    indexed(catalogue, ROOT)
    memory.rm("/store/" + next(iter(objects())))
    whole = type(memory).ls

    def ls(self: Any, path: str, **kwargs: Any) -> Any:
        if path.endswith("/s1"):
            raise ConnectionResetError("as the test has it")
        return whole(self, path, **kwargs)

    monkeypatch.setattr(type(memory), "ls", ls)
    with pytest.raises(StorageError, match="broke off after s1"):
        indexed(catalogue, ROOT)
    assert set(statuses(catalogue).values()) == {"ok"}


def test_what_a_hostile_server_lists_leads_nowhere(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(memory, {"a/x": b"1"})
    store = remote_store(ROOT)
    assert isinstance(store, AnyStore)

    def listing(*described: dict[str, Any]) -> Any:
        return lambda self, path, **kwargs: list(described)

    monkeypatch.setattr(
        type(memory), "ls", listing({"name": "/elsewhere/x", "type": "file", "size": 1})
    )
    with pytest.raises(StorageError, match="does not lie in it"):
        list(store.runs(""))
    odd = (
        {"name": "/store/a/..", "type": "directory", "size": 0},
        {"name": "/store/a/link", "type": "link", "size": 0},
        {"name": "/store/a/unknown", "type": "file", "size": None},
        {"name": "/store/a", "type": "directory", "size": 0},
    )
    monkeypatch.setattr(type(memory), "ls", listing(*odd))
    found = [entry for run in store.runs("") for entry in run]
    assert [(entry.path, entry.kind) for entry in found] == [
        ("../", Kind.UNLISTED),
        ("link", Kind.NOT_FOLLOWED),
        ("unknown", Kind.UNREADABLE),
    ]


def test_a_folder_that_may_not_be_listed_leaves_its_rows(
    memory: Any, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(memory, objects())
    indexed(catalogue, ROOT)
    whole = type(memory).ls

    def ls(self: Any, path: str, **kwargs: Any) -> Any:
        if path.endswith("/s1"):
            raise PermissionError("as the test has it")
        return whole(self, path, **kwargs)

    monkeypatch.setattr(type(memory), "ls", ls)
    counts = indexed(catalogue, ROOT)
    assert (counts.done["unlisted"], counts.done["missing"]) == (1, 0)


def test_a_file_url_is_a_folder(dcat: Dcat, tmp_path: Path, catalogue: Catalogue) -> None:
    folder = on_disk(tmp_path / "with space", objects(count=2)) / "a"
    assert dcat("index", folder.as_uri(), "-j", "1").code == 0
    said = dcat("index", folder, "-j", "1", "--json")
    assert '"unchanged": 2' in said.out
    assert files(catalogue) == {}


@pytest.mark.parametrize(
    "info", [{"mtime": 12.5}, {"LastModified": "1970-01-01T00:00:12+00:00"}, {}]
)
def test_times_by_any_name(
    memory: Any, monkeypatch: pytest.MonkeyPatch, info: dict[str, Any]
) -> None:
    described = {"name": "/store/a/x", "type": "file", "size": 3, **info}
    monkeypatch.setattr(type(memory), "info", lambda self, path, **kwargs: described)
    store = AnyStore(ROOT)
    seconds = 12 if info else 0
    assert store.version("x").mtime_ns // 10**9 == seconds
    with_etag = described | {"ETag": '"abc"'}
    monkeypatch.setattr(type(memory), "info", lambda self, path, **kwargs: with_etag)
    assert store.version("x").mtime_ns // 10**9 == seconds
    assert store.version("x").mtime_ns % 10**9
