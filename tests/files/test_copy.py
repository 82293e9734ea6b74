"""Copying with proof: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from catalog.errors import ExportError, MediaFull, SourceChanged
from catalog.files import copy as copying
from catalog.files.copy import AT_ONCE_BYTES, Copied, copy, copy_opened, read_at_once
from catalog.files.digest import digest
from catalog.files.opening import Opener, Source
from catalog.files.paths import to_text
from catalog.files.writing import atomic

SIZES = [0, 1, 4096, 1 << 20, (1 << 20) + 1, (5 << 20) // 2]


def accept(stream: BinaryIO, size_bytes: int) -> None:
    """Refuse nothing."""


@pytest.mark.parametrize("size", SIZES)
def test_the_copy_is_the_source_and_the_digest_is_its_own(tmp_path: Path, size: int) -> None:
    data = bytes(i * 31 % 251 for i in range(min(size, 5000))).ljust(size, b"x")
    source = tmp_path / os.fsdecode(b"s\xe4")
    source.write_bytes(data)
    os.utime(source, ns=(5, 1_600_000_000_123_456_789))
    seen = []

    def check(stream: BinaryIO, size_bytes: int) -> None:
        seen.append((stream.read(), size_bytes))
        assert not (tmp_path / "target").exists()

    done = copy(str(source), tmp_path / "target", check)
    assert (tmp_path / "target").read_bytes() == data
    assert done == (size, hashlib.sha256(data).hexdigest())
    assert digest(str(tmp_path / "target")) == digest(str(source)) == done.digest
    assert seen == [(data, size)]
    assert (tmp_path / "target").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, "target"])


@pytest.mark.parametrize(
    "error", [SourceChanged("other instance"), ValueError("defect"), KeyboardInterrupt()], ids=repr
)
def test_a_refused_copy_is_removed(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "source").write_bytes(b"abc")

    def check(stream: BinaryIO, size_bytes: int) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        copy(str(tmp_path / "source"), tmp_path / "target", check)
    assert caught.value is error
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_a_source_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="cannot be opened: No such file"):
        copy(str(tmp_path / "none"), tmp_path / "target", accept)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(SourceChanged):
        copy(str(tmp_path / "source"), tmp_path / "target", accept)
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("change", ["grows", "shrinks", "is touched"])
def test_a_source_that_changes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3000)
    real = copying._digested
    monkeypatch.setattr(copying, "_buffer", lambda: memoryview(bytearray(1000)))

    def changing(reader: BinaryIO, digest: Any) -> Iterator[memoryview | bytes]:
        for i, chunk in enumerate(real(reader, digest)):
            yield chunk
            if i == 0:
                if change == "grows":
                    with source.open("ab") as more:
                        more.write(b"y")
                elif change == "shrinks":
                    os.truncate(source, 2000)
                else:
                    os.utime(source, ns=(1, 1))

    monkeypatch.setattr(copying, "_digested", changing)
    with pytest.raises(SourceChanged, match="changed while it was copied"):
        copy(str(source), tmp_path / "target", accept)
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


# -- small files, from memory ----------------------------------------------------------------


def copied(source: Path, target: Path, check: Any = accept) -> Copied:
    with Opener() as opener:
        opening = opener.open(Source(to_text(str(source.parent)), to_text(source.name)))
        return copy_opened(opening, target, check)


@pytest.fixture
def without_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the file system of the tests can do, small files are copied at once."""
    monkeypatch.setattr(copying, "_is_without_clones", lambda device, target: True)


@pytest.mark.usefixtures("without_clones")
@pytest.mark.parametrize("size", [0, 1, 4096, AT_ONCE_BYTES, AT_ONCE_BYTES + 1])
def test_a_small_file_is_copied_as_any_other(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / os.fsdecode(b"s\xe4"), tmp_path / "target"
    data = os.urandom(1) * size
    source.write_bytes(data)
    os.utime(source, ns=(5, 1_600_000_000_123_456_789))
    seen = []

    def check(stream: BinaryIO, size_bytes: int) -> None:
        seen.append((isinstance(stream, io.BytesIO), stream.read(), size_bytes))
        assert not target.exists()

    done = copied(source, target, check)
    assert seen == [(size <= AT_ONCE_BYTES, data, size)]
    assert done == copy(str(source), tmp_path / "other", accept)
    assert target.read_bytes() == data
    assert done.digest == digest(str(target))
    assert target.stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, "target", "other"])


@pytest.mark.usefixtures("without_clones")
@pytest.mark.parametrize(
    "error", [SourceChanged("other instance"), ValueError("defect"), KeyboardInterrupt()], ids=repr
)
def test_a_refused_small_copy_is_not_there(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "source").write_bytes(b"abc")

    def check(stream: BinaryIO, size_bytes: int) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        copied(tmp_path / "source", tmp_path / "target", check)
    assert caught.value is error
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


@pytest.mark.usefixtures("without_clones")
@pytest.mark.parametrize("change", ["grows", "shrinks", "is written again", "is touched"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_small_source_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, when: str
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3000)
    os.utime(source, ns=(5, 5))
    real = os.read

    def changed() -> None:
        if change == "grows":
            with source.open("ab") as more:
                more.write(b"y")
        elif change == "shrinks":
            os.truncate(source, 2000)
        elif change == "is written again":
            source.write_bytes(b"y" * 3000)
        else:
            os.utime(source, ns=(1, 1))

    def reading(fd: int, count: int) -> bytes:
        monkeypatch.setattr(os, "read", real)
        if when == "before":
            changed()
        data = real(fd, count)
        if when == "after":
            changed()
        return data

    monkeypatch.setattr(os, "read", reading)
    with pytest.raises(SourceChanged, match="changed while it was copied"):
        copied(source, tmp_path / "target")
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


@pytest.mark.usefixtures("without_clones")
@pytest.mark.parametrize("name", ["_write_all", "utime", "replace", "close"])
def test_a_small_copy_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "source").write_bytes(b"abc")
    real_close = os.close

    def full(*arguments: Any, **_: Any) -> None:
        if name == "close":
            real_close(arguments[0])
            if not list(tmp_path.glob("*.part")):
                return
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(copying if name == "_write_all" else os, name, full)
    with pytest.raises(MediaFull, match="No space is left"):
        copied(tmp_path / "source", tmp_path / "target")
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names there")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_at_once(str(tmp_path / "pipe"), 1000) is None
    assert read_at_once(str(tmp_path), 1000) is None
    assert read_at_once(str(tmp_path / "none"), 1000) is None


def test_whether_blocks_can_be_shared_is_found_out_first(tmp_path: Path) -> None:
    """Only what cannot be cloned is copied from memory: the first file of a pair of file systems tells."""
    copying._cannot_clone.clear()
    (tmp_path / "source").write_bytes(b"abc")
    kinds = []
    for name in ("a", "b"):
        copied(
            tmp_path / "source", tmp_path / name, lambda stream, size: kinds.append(type(stream))
        )
    assert kinds[0] is io.FileIO
    device = tmp_path.stat().st_dev
    clones = (device, device) not in copying._cannot_clone
    assert kinds[1] is (io.FileIO if clones else io.BytesIO)


def test_a_target_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"abc")
    with pytest.raises(ExportError, match="cannot be written: No such file"):
        copy(str(tmp_path / "source"), tmp_path / "none" / "target", accept)


LIMITED = """
import resource, sys
from pathlib import Path
from catalog.errors import MediaFull
from catalog.files import copy as copying
from catalog.files.copy import copy, copy_opened
from catalog.files.opening import Opener, Source
from catalog.files.writing import atomic
copying._is_without_clones = lambda device, target: True
limit, how, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    if how == "copy":
        copy(str(folder / "source"), folder / "target", lambda stream, size: None)
    elif how == "at once":
        with Opener() as opener:
            opening = opener.open(Source(str(folder), "source"))
            copy_opened(opening, folder / "target", lambda stream, size: None)
    else:
        with atomic(folder / "target") as stream:
            stream.write((folder / "source").read_bytes())
except MediaFull as exc:
    print("MediaFull:", exc)
except BaseException as exc:
    print(type(exc).__name__, exc)
else:
    print("no error")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
@pytest.mark.parametrize("how", ["copy", "at once", "atomic"])
@pytest.mark.parametrize(
    ("size", "limit"), [(100, 0), (5000, 4096), (100_000, 4096), (3 << 20, 1 << 20)]
)
def test_a_full_medium_leaves_nothing(tmp_path: Path, how: str, size: int, limit: int) -> None:
    (tmp_path / "source").write_bytes(b"x" * size)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), how, str(tmp_path)], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )  # fmt: skip
    assert done.stdout.startswith("MediaFull: No space is left at"), done.stdout + done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_atomic_replaces_only_when_done(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with pytest.raises(ValueError, match="defect"), atomic(target) as stream:  # noqa: PT012
        stream.write(b"new")
        raise ValueError("defect")
    assert target.read_bytes() == b"old"
    with atomic(target) as stream:
        stream.write(b"new")
        stream.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["target"]


def test_atomic_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught, atomic(tmp_path / "none" / "target"):
        pass
    assert not isinstance(caught.value, MediaFull)


def test_a_failed_flush_of_the_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MediaFull), atomic(tmp_path / "target") as stream:
        stream.write(b"x")
    assert list(tmp_path.iterdir()) == []
