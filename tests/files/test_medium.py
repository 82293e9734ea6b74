"""Media in folders and in files that hold one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalog.errors import PathError
from catalog.files import medium as files_medium
from catalog.files.medium import Medium, medium_at
from catalog.files.walk import Kind
from catalog.fileset.medium import dicomdir_names
from tests.archives import raw_zip, tar_bytes, zip_bytes
from tests.discs import Disc, folder, record, rock_ridge, rock_ridge_name, use

FILES = [("DICOMDIR", b"D" * 3000), ("DICOM/IM1", b"one"), ("README.TXT", b"")]


def at(path: Path) -> Medium:
    return medium_at(path, dicomdir_names)


def read(medium: Medium) -> dict[str, bytes]:
    found = {}
    for path in medium.files:
        with medium.opened(path) as (stream, size_bytes):
            found[path] = stream.read()
            assert len(found[path]) == size_bytes
    return found


def _disc() -> bytes:
    disc = Disc().entries(
        20, folder(b"DICOM", 22), record(b"DICOMDIR.;1", 30, 3000), record(b"README.TXT;1", 0, 0)
    )
    disc.entries(22, record(b"IM1.;1", 34, 3))
    return disc.data(30, b"D" * 3000).data(34, b"one").bytes()


def put(path: Path, kind: str) -> Path:
    """Write FILES as a medium of this kind; return what names it."""
    if kind == "folder":
        for name, data in FILES:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path
    whole = path.with_name(path.name + kind)
    inner = "disc/" if kind.startswith(".inner") else ""
    content = [(inner + name, data) for name, data in FILES]
    whole.write_bytes(
        _disc()
        if kind == ".iso"
        else zip_bytes(content)
        if kind.endswith(".zip")
        else tar_bytes(content)
    )
    return whole


@pytest.mark.parametrize("kind", ["folder", ".zip", ".iso", ".tar", ".inner.zip"])
def test_every_kind_has_the_same_files(kind: str, tmp_path: Path) -> None:
    path = put(tmp_path / "disc", kind)
    medium = at(path)
    assert read(medium) == dict(FILES)
    assert medium.directory() == b"D" * 3000
    assert medium.dicomdir_path == "DICOMDIR"
    assert medium.others == ()
    assert medium.is_container == (kind != "folder")
    if kind == "folder":
        assert (medium.base, medium.within) == (str(path), "")
        assert medium.place == f"{path}/DICOMDIR"
    else:
        inner = "/disc" if kind == ".inner.zip" else ""
        assert (medium.base, medium.within) == (str(tmp_path), f"{path.name}!{inner}")
        assert medium.place == f"{path}!{inner}/DICOMDIR"
        stamp = path.stat().st_mtime_ns
        assert {entry.mtime_ns for entry in medium.files.values()} == {stamp}
        source = medium.source("DICOM/IM1")
        assert source == (str(tmp_path), f"{path.name}!{inner}/DICOM/IM1")
    medium.close()


def test_a_container_that_is_never_closed_leaves_nothing_open(tmp_path: Path) -> None:
    medium = at(put(tmp_path / "disc", ".zip"))
    medium.directory()
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    del medium
    assert not before or len(os.listdir("/proc/self/fd")) == before - 1


def test_what_is_no_plain_file_is_among_the_others(tmp_path: Path) -> None:
    link = rock_ridge_name(b"link") + use(b"SL", b"\0\x08\0etc")
    disc = rock_ridge(
        record(b"DICOMDIR.;1", 30, 1, use=rock_ridge_name(b"DICOMDIR")),
        record(b"A.;1", 30, 1, use=link),
        record(b"B.;1", 59, 1 << 20, use=rock_ridge_name(b"cut")),
    )
    (tmp_path / "a.iso").write_bytes(disc.data(30, b"D").bytes())
    medium = at(tmp_path / "a.iso")
    assert set(medium.files) == {"DICOMDIR"}
    assert {(e.path, e.kind) for e in medium.others} == {
        ("link", Kind.NOT_FOLLOWED),
        ("cut", Kind.UNREADABLE),
    }


def test_what_is_not_all_known_is_said(tmp_path: Path) -> None:
    disc = Disc().entries(20, record(b"DICOMDIR.;1", 30, 1), b"\x05abcd").data(30, b"D")
    (tmp_path / "a.iso").write_bytes(disc.bytes())
    (entry,) = at(tmp_path / "a.iso").others
    assert (entry.kind, "damaged record" in entry.reason) == (Kind.UNLISTED, True)


@pytest.mark.parametrize("name", ["dicomdir", "DICOMDIR.", "dicomdir;1"])
def test_names_that_mean_dicomdir(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_bytes([(name, b"D")]))
    assert at(tmp_path / "a.zip").directory() == b"D"


def test_the_topmost_directory_counts(tmp_path: Path) -> None:
    content = [("disc/DICOMDIR", b"top"), ("disc/VENDOR/DICOMDIR", b"below"), ("notes.txt", b"")]
    (tmp_path / "a.zip").write_bytes(zip_bytes(content))
    medium = at(tmp_path / "a.zip")
    assert medium.directory() == b"top"
    assert set(medium.files) == {"DICOMDIR", "VENDOR/DICOMDIR"}


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.zip", zip_bytes([("x", b"")]), "has no DICOMDIR"),
        ("a.zip", zip_bytes([("a/DICOMDIR", b""), ("b/DICOMDIR", b"")]), "holds several media, in a/, b/"),
        ("a.zip", raw_zip(b"DICOMDIR", b"")[:-5], "no end: it is cut short"),
        ("a.iso", Disc().bytes(), "has no DICOMDIR"),
        ("a.iso", Disc().bytes()[: 17 * 2048 - 1], "no Primary Volume Descriptor"),
        ("a.iso", b"short", "not the first bytes of one"),
        ("a.zip", b"", "not the first bytes of one"),
        ("a.img", Disc().bytes(), "name ends in .iso"),
        ("a.tar", tar_bytes([("x", b"")]), "has no DICOMDIR"),
    ],
)  # fmt: skip
def test_containers_that_hold_no_medium(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PathError, match=why):
        at(tmp_path / name)


def test_a_dicomdir_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_medium, "MAX_DIRECTORY_BYTES", 100)
    with pytest.raises(PathError, match="more than dcat takes"):
        at(put(tmp_path / "disc", ".zip")).directory()


def test_a_container_that_goes_away(tmp_path: Path) -> None:
    medium = at(put(tmp_path / "disc", ".iso"))
    (tmp_path / "disc.iso").unlink()
    with pytest.raises(PathError, match="No such file"):
        medium.directory()


def test_no_such_path(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="No such file"):
        at(tmp_path / "none.iso")


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "pipe", "medium/DICOMDIR"])
def test_what_is_no_file_is_not_read(place: str, tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    if not place.startswith("/"):
        os.mkfifo(path)
    with pytest.raises(PathError, match="neither a folder nor a file"):
        medium_at(path, dicomdir_names).directory()


def test_what_fills_the_memory_is_no_dicomdir(tmp_path: Path) -> None:
    with (tmp_path / "DICOMDIR").open("wb") as stream:
        stream.truncate((1 << 30) + 1)
    for path in (tmp_path, tmp_path / "DICOMDIR"):
        with pytest.raises(PathError, match="1,073,741,825 bytes, which is no DICOMDIR"):
            medium_at(path, dicomdir_names).directory()
