"""A File-set in a ZIP file, read back by other programs."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import ExportError, MediaFull, SourceChanged
from catalog.exporting import zip_file
from catalog.exporting.zip_file import ZipReceiver
from catalog.files.copy import Copied
from catalog.files.opening import Opened, Opener, Source
from catalog.files.zip_archive import ZipArchive
from tests.archives import gz, zip_bytes
from tests.exporting.receiving import WHEN_S, below, expected, fill, named, put_all, sources
from tests.journeys.judging import need

SMALL = [("PT000000/IM000000", b"one"), ("PT000000/IM000001", b"two" * 1000), ("PT000001/X", b"")]
OTHERS = [("README.TXT", b"hello"), ("IHE_PDI/P1.HTM", b"<p>" * 40), ("ÄRZTE.TXT", b"x")]


def read(path: Path) -> dict[str, bytes]:
    """Return what Python's own reader finds, its checksums proved."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(set(names))
        return {name: archive.read(name) for name in names}


def part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


@pytest.mark.parametrize("deflate", [False, True])
def test_what_is_put_is_what_is_read(deflate: bool, tmp_path: Path) -> None:
    fill(ZipReceiver(tmp_path / "a.zip", deflate=deflate), tmp_path / "s", SMALL, OTHERS)
    assert read(tmp_path / "a.zip") == expected(SMALL, OTHERS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "s"]


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z0-9_]{1,8}(/[A-Z0-9_]{1,8}){1,7}", fullmatch=True),
        st.binary(max_size=300).flatmap(lambda b: st.sampled_from([b, b * 20])),
        max_size=8,
    ),
    st.booleans(),
    st.binary(min_size=1, max_size=64),
)
def test_any_content_is_read_back(
    content: dict[str, bytes], deflate: bool, directory: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        fill(ZipReceiver(path, deflate=deflate), Path(folder) / "s", list(content.items()), directory=directory)  # fmt: skip
        assert read(path) == {**content, "DICOMDIR": directory}
        with path.open("rb") as stream:
            own = ZipArchive(stream, path.stat().st_size)
            assert {m.name: s.read() for m, s in own.members() if s} == {**content, "DICOMDIR": directory}  # fmt: skip


@pytest.mark.parametrize("deflate", [False, True])
def test_files_of_several_pieces(
    deflate: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_file, "CHUNK_BYTES", 100)
    content = [("A/B", os.urandom(1000)), ("A/C", b"x" * 100), ("A/D", b"y" * 101)]
    fill(ZipReceiver(tmp_path / "a.zip", deflate=deflate), tmp_path / "s", content)
    assert read(tmp_path / "a.zip") == expected(content)


def test_the_same_sources_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, zone in (("a.zip", "UTC"), ("b.zip", "Asia/Kolkata")):
        monkeypatch.setenv("TZ", zone)
        fill(ZipReceiver(tmp_path / name, dated_s=WHEN_S), tmp_path / "s", SMALL, OTHERS)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_names_times_and_modes(tmp_path: Path) -> None:
    fill(ZipReceiver(tmp_path / "a.zip", dated_s=WHEN_S), tmp_path / "s", SMALL, OTHERS)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        infos = {info.filename: info for info in archive.infolist()}
    assert next(iter(infos)) == "DICOMDIR", "a reader that stops early has found it"
    assert infos["DICOMDIR"].header_offset == max(i.header_offset for i in infos.values())
    assert infos["DICOMDIR"].date_time == (2001, 9, 9, 1, 46, 40)
    assert infos["PT000001/X"].date_time == (2001, 9, 9, 1, 46, 42)
    assert {info.external_attr >> 16 for info in infos.values()} == {stat.S_IFREG | 0o644}
    assert {info.compress_type for info in infos.values()} == {zipfile.ZIP_STORED}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, (1980, 1, 1, 0, 0, 0)),
        (0, (1980, 1, 1, 0, 0, 0)),
        (1 << 40, (2107, 12, 31, 23, 59, 58)),
        (1 << 70, (1980, 1, 1, 0, 0, 0)),
    ],
)
def test_times_that_zip_cannot_say(seconds: int, said: tuple[int, ...], tmp_path: Path) -> None:
    fill(ZipReceiver(tmp_path / "a.zip", dated_s=seconds), tmp_path / "s", [])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.infolist()[0].date_time == said


# -- unfinished, and taken back -----------------------------------------------------------------


def test_until_it_is_finished_it_is_no_zip_file(tmp_path: Path) -> None:
    receiver = ZipReceiver(tmp_path / "sub" / "a.zip")
    receiver.prepare(0)
    receiver.begin()
    put_all(receiver, sources(tmp_path / "s", SMALL), SMALL)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["a.zip.part"]
    assert not zipfile.is_zipfile(tmp_path / "sub" / "a.zip.part")
    receiver.finish(io.BytesIO(b"D"))
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["a.zip"]


@pytest.mark.parametrize("deflate", [False, True])
def test_what_its_check_refuses_is_taken_back(deflate: bool, tmp_path: Path) -> None:
    receiver = ZipReceiver(tmp_path / "a.zip", deflate=deflate)
    receiver.begin()
    folder = sources(tmp_path / "s", [*SMALL, ("A/BAD", os.urandom(3_000_000))])
    put_all(receiver, folder, SMALL)
    before = part(tmp_path / "a.zip").read_bytes()

    def refuse(stream: object, size_bytes: int) -> None:
        raise SourceChanged("not the instance that was planned")

    with Opener() as opener, pytest.raises(SourceChanged, match="not the instance"):
        receiver.put(named("A/BAD"), opener.open(Source(str(folder), "3")), refuse)
    assert part(tmp_path / "a.zip").read_bytes() == before
    put_all(receiver, sources(tmp_path / "t", [("A/GOOD", b"good")]), [("A/GOOD", b"good")])
    receiver.finish(io.BytesIO(b"D"))
    assert read(tmp_path / "a.zip") == expected([*SMALL, ("A/GOOD", b"good")])


class _Odd(Opened):
    """A source that changes, or fails, while it is read."""

    def __init__(self, stream: Any, same: bool) -> None:
        self.stream, self.mtime_ns, self.atime_ns, self._same = stream, 0, 0, same

    def is_as_before(self, size_bytes: int) -> bool:
        return self._same


class _Breaks(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


@contextmanager
def _gives(opened: Opened) -> Iterator[Opened]:
    yield opened


@contextmanager
def _vanished() -> Iterator[Opened]:
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    yield


@pytest.mark.parametrize(
    ("opening", "why"),
    [
        (_vanished, "cannot be opened: No such file"),
        (lambda: _gives(_Odd(io.BytesIO(b"a" * 3_000_000), False)), "changed while it was copied"),
        (lambda: _gives(_Odd(_Breaks(b"a" * 3_000_000), True)), "cannot be read: Input/output"),
    ],
    ids=["vanished", "changed", "broken"],
)
def test_a_source_that_fails_is_taken_back(opening: Any, why: str, tmp_path: Path) -> None:
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.begin()
    put_all(receiver, sources(tmp_path / "s", SMALL), SMALL)
    before = part(tmp_path / "a.zip").read_bytes()
    with pytest.raises(SourceChanged, match=why):
        receiver.put(named("A/BAD"), opening(), lambda stream, size: None)
    assert part(tmp_path / "a.zip").read_bytes() == before
    receiver.finish(io.BytesIO(b"D"))
    assert read(tmp_path / "a.zip") == expected(SMALL)


def test_members_of_archives(tmp_path: Path) -> None:
    data = os.urandom(50_000)
    (tmp_path / "s.zip").write_bytes(zip_bytes([("a.dcm", data)]))
    (tmp_path / "b.dcm.gz").write_bytes(gz(data))
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.begin()
    with Opener() as opener:
        for name, path in (("A/A", "s.zip!/a.dcm"), ("A/B", "b.dcm.gz!/b.dcm")):
            copied = receiver.put(
                named(name), opener.open(Source(str(tmp_path), path)), lambda s, n: None
            )
            assert isinstance(copied, Copied)
    receiver.finish(io.BytesIO(b"D"))
    assert read(tmp_path / "a.zip") == expected([("A/A", data), ("A/B", data)])


# -- what it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.zip", "a.zip.part"])
def test_an_existing_file_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(ExportError, match="nothing was written"):
        ZipReceiver(tmp_path / "a.zip").prepare(0)
    assert below(tmp_path) == {name: b"mine"}


def test_a_file_that_comes_between_is_left_alone(tmp_path: Path) -> None:
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.prepare(0)
    receiver.begin()
    (tmp_path / "a.zip").write_bytes(b"mine")
    with pytest.raises(ExportError, match="made by somebody else"):
        receiver.finish(io.BytesIO(b"D"))
    assert (tmp_path / "a.zip").read_bytes() == b"mine"
    assert read(part(tmp_path / "a.zip")) == {"DICOMDIR": b"D"}


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    with pytest.raises(ExportError, match="is a folder"):
        ZipReceiver(tmp_path / "a.zip").prepare(0)


def test_too_little_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil._ntuple_diskusage(10_000, 9_900, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(MediaFull, match=r"100 bytes free .* needs 101"):
        ZipReceiver(tmp_path / "a.zip").prepare(101)


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/./b", "DICOMDIR", "dicomdir", "C:x", "a\\b", "a\nb",
     "a/b/c/d/e/f/g/h/i"],
)  # fmt: skip
def test_names_that_no_other_file_may_have(name: str, tmp_path: Path) -> None:
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.begin()
    with pytest.raises(ExportError):
        receiver.put_data(name, b"x")


def test_a_name_that_was_given_already(tmp_path: Path) -> None:
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.begin()
    receiver.put_data("README.TXT", b"x")
    with pytest.raises(ExportError, match="already"):
        receiver.put_data("readme.txt", b"x")


def test_a_disk_that_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.begin()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zip_file, "_write_all", full)
    with pytest.raises(MediaFull, match="No space is left"):
        receiver.put_data("README.TXT", b"x")
    with pytest.raises(MediaFull):
        receiver.finish(io.BytesIO(b"D"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip.part"]


# -- large ------------------------------------------------------------------------------------


def test_64_bit_sizes_and_offsets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a lower limit everything takes the forms that are else for beyond 4 GiB."""
    monkeypatch.setattr(zip_file, "_WIDE_BYTES", 1000)
    fill(ZipReceiver(tmp_path / "a.zip"), tmp_path / "s", SMALL, OTHERS)
    assert read(tmp_path / "a.zip") == expected(SMALL, OTHERS)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.getinfo("PT000000/IM000001").extract_version == 45
        assert archive.getinfo("PT000000/IM000000").extract_version == 10


@pytest.mark.skipif(shutil.which("truncate") is None, reason="needs sparse files")
def test_beyond_4_gib(tmp_path: Path) -> None:
    """The copies are sparse too: the writer's position is moved on, as if much had been put."""
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.begin()
    content = [("A/FIRST", b"first")]
    put_all(receiver, sources(tmp_path / "s", content), content)
    receiver._at += 5 << 30
    put_all(receiver, sources(tmp_path / "t", [("A/LAST", b"last")]), [("A/LAST", b"last")])
    receiver.finish(io.BytesIO(b"D"))
    assert read(tmp_path / "a.zip") == expected([*content, ("A/LAST", b"last")])
    with (tmp_path / "a.zip").open("rb") as stream:
        own = ZipArchive(stream, (tmp_path / "a.zip").stat().st_size)
        assert own.open("A/LAST").read() == b"last"


def test_more_entries_than_16_bits_count(tmp_path: Path) -> None:
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.begin()
    for number in range(65_600):
        receiver.put_data(f"N{number}", b"")
    receiver.finish(io.BytesIO(b"D"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert archive.read("DICOMDIR") == b"D"
    assert (len(names), names[0], names[-1]) == (65_601, "DICOMDIR", "N65599")


@pytest.mark.judges
@pytest.mark.parametrize("deflate", [False, True])
def test_other_programs_extract_it(deflate: bool, tmp_path: Path) -> None:
    content = [*SMALL, ("PT000002/ST000000/SE000000/IM000000", os.urandom(100_000))]
    fill(ZipReceiver(tmp_path / "a.zip", deflate=deflate), tmp_path / "s", content, OTHERS)
    programs: list[tuple[str, ...]] = [
        (need("7z"), "x", "-y", f"-o{tmp_path}/7z", str(tmp_path / "a.zip"))
    ]
    if found := shutil.which("unzip"):
        programs.append((found, "-q", str(tmp_path / "a.zip"), "-d", f"{tmp_path}/unzip"))
    for command in programs:
        subprocess.run(command, check=True, capture_output=True, timeout=60, env={"LC_ALL": "C.UTF-8"})  # fmt: skip
        assert below(tmp_path / Path(command[0]).name) == expected(content, OTHERS)


# -- small files, from memory ------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["none", "all"])
def test_files_from_memory_are_stored_as_any_other(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit == "none":
        monkeypatch.setattr(zip_file, "AT_ONCE_BYTES", -1)
    sizes = [0, 1, zip_file.ASIDE_BYTES - 1, zip_file.ASIDE_BYTES, (4 << 20) + 1]
    content = [(f"A/N{n}", os.urandom(8).ljust(size, b"x")[:size]) for n, size in enumerate(sizes)]
    receiver = ZipReceiver(tmp_path / "a.zip")
    receiver.begin()
    sources(tmp_path / "s", content)
    kinds = []

    def check(stream: BinaryIO, size_bytes: int) -> None:
        kinds.append(isinstance(stream, io.BytesIO))
        assert (stream.read(), size_bytes) == (data, len(data))

    with Opener() as opener:
        for number, (name, data) in enumerate(content):
            opening = opener.open(Source(str(tmp_path / "s"), str(number)))
            done = receiver.put(named(name), opening, check)
            assert done == (len(data), hashlib.sha256(data).hexdigest())

            def refuse(stream: BinaryIO, size_bytes: int) -> None:
                raise SourceChanged("another")

            with pytest.raises(SourceChanged, match="another"):
                receiver.put(named(name), opening, refuse)
    receiver.finish(io.BytesIO(b"D"))
    assert read(tmp_path / "a.zip") == expected(content)
    assert kinds == [limit == "all"] * 4 + [False]
