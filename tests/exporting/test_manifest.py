"""Every medium that an export writes has its manifest, and `sha256sum` proves it."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue
from catalog.exporting.manifest import WithManifest
from catalog.exporting.pages import Facility
from catalog.exporting.receiver import ANY_TIME, Check, Turn, chunks_of
from catalog.files.copy import Copied
from catalog.files.opening import Opened
from catalog.fileset.file_id import FileId
from tests.builders import archive
from tests.journeys.steps import exported, files_below, indexed, sha256


def proved(folder: Path, name: str) -> None:
    """Let `sha256sum` judge the medium in `folder`, and see that the manifest lists every other file."""
    lines = (folder / name).read_bytes().decode("ascii").splitlines()
    listed = [line[66:] for line in lines]
    assert set(listed) == files_below(folder) - {name}
    assert listed == sorted(listed)
    assert b"\r" not in (folder / name).read_bytes()
    if shutil.which("sha256sum"):
        command = ["sha256sum", "-c", "--strict", "--quiet", name]
        checked = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout) == (0, b""), checked


@pytest.fixture
def filled(catalogue: Catalogue, tmp_path: Path) -> Catalogue:
    archive(tmp_path / "in", 2, 1, 2, 2)
    indexed(catalogue, tmp_path / "in")
    return catalogue


def test_of_a_folder(filled: Catalogue, tmp_path: Path) -> None:
    exported(filled, tmp_path / "out")
    proved(tmp_path / "out", "MANIFEST.SHA256")


@pytest.mark.parametrize("container", ["folder", "zip"])
def test_one_that_is_too_long_for_memory(
    filled: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    monkeypatch.setattr("catalog.exporting.manifest.MOST_IN_MEMORY_BYTES", 100)
    monkeypatch.setattr("catalog.exporting.manifest.PER_BLOCK", 2)
    monkeypatch.setattr("catalog.exporting.receiver.CHUNK_BYTES", 100)
    exported(filled, tmp_path / "out", container=container)
    if container == "zip":
        with zipfile.ZipFile(tmp_path / "out") as packed:
            packed.extractall(tmp_path / "read")
        proved(tmp_path / "read", "MANIFEST.SHA256")
    else:
        proved(tmp_path / "out", "MANIFEST.SHA256")


def test_with_pages_it_has_a_name_of_level_1_and_lists_them(
    filled: Catalogue, tmp_path: Path
) -> None:
    facility = Facility("General Hospital", "", "")
    exported(filled, tmp_path / "out", facility=facility, created="2024-01-31")
    proved(tmp_path / "out", "MANIFEST.SHA")
    assert " INDEX.HTM\n" in (tmp_path / "out/MANIFEST.SHA").read_text()


def test_of_a_zip_file(filled: Catalogue, tmp_path: Path) -> None:
    exported(filled, tmp_path / "out.zip", container="zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        packed.extractall(tmp_path / "read")
    proved(tmp_path / "read", "MANIFEST.SHA256")


def test_of_an_iso_image(filled: Catalogue, tmp_path: Path) -> None:
    pycdlib = pytest.importorskip("pycdlib")
    exported(filled, tmp_path / "out.iso", container="iso", file_set_id="SET")
    image = pycdlib.PyCdlib()
    image.open(str(tmp_path / "out.iso"))
    for folder, _, names in image.walk(iso_path="/"):
        target = tmp_path / "read" / folder.strip("/")
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            whole = f"{folder.rstrip('/')}/{name}"
            plain = name.partition(";")[0].rstrip(".")
            image.get_file_from_iso(str(target / plain), iso_path=whole)
    image.close()
    proved(tmp_path / "read", "MANIFEST.SHA")


class Recorder:
    """A receiver that writes down what it is asked."""

    place = Path("nowhere")

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def prepare(self, size_bytes: int) -> None:
        self.asked.append(("prepare", size_bytes))

    def begin(self) -> None:
        self.asked.append(("begin", None))

    def put(
        self,
        file_id: FileId,
        opening: AbstractContextManager[Opened],
        check: Check,
        turn: Turn = ANY_TIME,
    ) -> Copied:
        self.asked.append(("put", file_id.path))
        return Copied(1, "c" * 64)

    def put_data(self, name: str, data: bytes | BinaryIO) -> None:
        self.asked.append((name, b"".join(chunks_of(data)[0])))

    def finish(self, dicomdir: BinaryIO) -> None:
        self.asked.append(("finish", dicomdir.read()))


def test_the_dicomdir_is_the_last_that_is_written_and_is_listed(tmp_path: Path) -> None:
    inner = Recorder()
    receiver = WithManifest(inner)
    receiver.prepare(5)
    receiver.begin()
    receiver.put(FileId(("DICOM", "X")), cast(Any, None), cast(Any, None))
    receiver.put_data("README.TXT", b"hello")
    receiver.finish(io.BytesIO(b"directory"))
    names = [name for name, _ in inner.asked]
    assert names == ["prepare", "begin", "put", "README.TXT", "MANIFEST.SHA256", "finish"]
    assert inner.asked[-1][1] == b"directory"  # from its first byte
    (tmp_path / "d").write_bytes(b"directory")
    (tmp_path / "r").write_bytes(b"hello")
    expected = f"{'c' * 64}  DICOM/X\n{sha256(tmp_path / 'd')}  DICOMDIR\n{sha256(tmp_path / 'r')}  README.TXT\n"
    assert inner.asked[-2][1] == expected.encode()


def test_one_selection_gives_one_manifest(filled: Catalogue, tmp_path: Path) -> None:
    for name in ("one", "two"):
        exported(filled, tmp_path / name)
    one, two = ((tmp_path / name / "MANIFEST.SHA256").read_bytes() for name in ("one", "two"))
    assert one == two


@given(st.sets(st.from_regex(r"[A-Z0-9_]{1,8}(/[A-Z0-9_]{1,8}){0,7}", fullmatch=True), max_size=12))
def test_lines_are_sorted_by_path(names: set[str]) -> None:
    """Components are compared, and the paths that they make have the same order."""
    inner = Recorder()
    receiver = WithManifest(inner)
    for name in names:
        receiver.put(FileId(tuple(name.split("/"))), cast(Any, None), cast(Any, None))
    receiver.put_data("INDEX.HTM", b"hello")
    receiver.finish(io.BytesIO(b"directory"))
    lines = dict(inner.asked)["MANIFEST.SHA256"].decode().splitlines()
    listed = [line[66:] for line in lines]
    assert listed == sorted([*names, "INDEX.HTM", "DICOMDIR"])
