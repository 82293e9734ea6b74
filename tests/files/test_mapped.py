"""Bytes in little memory: the same bytes, whatever becomes of the file that they were of."""

from __future__ import annotations

import errno
import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import PathError
from catalog.files import mapped as mapping
from catalog.files.mapped import mapped
from catalog.files.medium import medium_at
from catalog.files.whole import blocks

MOST = 1000


@pytest.fixture(autouse=True)
def few_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "MOST_IN_MEMORY_BYTES", MOST)


def pieces(size_bytes: int) -> Iterator[bytes]:
    """Yield so many bytes, none like the one beside it."""
    content = bytes(i % 251 for i in range(size_bytes))
    for start in range(0, size_bytes, 300):
        yield content[start : start + 300]


@pytest.mark.parametrize("size_bytes", [0, 1, MOST - 1, MOST, MOST + 1, 10 * MOST])
def test_it_is_the_same_bytes(size_bytes: int) -> None:
    found = mapped(lambda: pieces(size_bytes))
    assert found[:] == b"".join(pieces(size_bytes))
    assert len(found) == size_bytes
    assert isinstance(found, bytes) == (size_bytes <= MOST)


def test_the_file_may_change_and_go_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "DICOMDIR"
    path.write_bytes(b"a" * 5 * MOST)
    found = mapped(lambda: blocks(path))
    assert isinstance(found, mmap.mmap)
    path.write_bytes(b"")  # whoever looked at the file itself, mapped, would be killed now
    path.unlink()
    assert found[:] == b"a" * 5 * MOST


class Full:
    """A temporary file on a disk that takes `most` bytes more."""

    def __init__(self, file: Any, most: int) -> None:
        self.file, self.most = file, most

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, block: bytes) -> int:
        self.most -= len(block)
        if self.most < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self.file.write(block))


def test_a_full_disk_keeps_nobody_from_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tempfile.SpooledTemporaryFile
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda most: Full(made(most), 2 * MOST))
    found = mapped(lambda: pieces(5 * MOST))
    assert isinstance(found, bytes)
    assert found == b"".join(pieces(5 * MOST))


def test_where_nothing_can_be_mapped_it_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(mmap, "mmap", refused)
    assert mapped(lambda: pieces(5 * MOST)) == b"".join(pieces(5 * MOST))


def test_what_cannot_be_read_is_an_error_of_reading(tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").write_bytes(b"x")
    medium = medium_at(tmp_path, lambda names: names)
    assert medium.directory_mapped() == b"x"
    (tmp_path / "DICOMDIR").unlink()
    with pytest.raises(PathError, match="cannot be read: No such file"):
        medium.directory_mapped()


def test_what_is_too_long_is_refused_before_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.files.medium.MAX_DIRECTORY_BYTES", 5)
    (tmp_path / "DICOMDIR").write_bytes(b"123456")
    with pytest.raises(PathError, match="6 bytes, which is no DICOMDIR: dcat takes 5"):
        medium_at(tmp_path, lambda names: names).directory_mapped()
