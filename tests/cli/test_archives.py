"""Files in archives, from the command line: indexed in place, found, exported, verified."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from catalog.dicom import samples
from catalog.files import members
from tests.archives import COMPRESS, gz, raw_deflate, raw_zip, special, tar_bytes, tar_of, zip_bytes
from tests.builders import dicom_bytes
from tests.cli.conftest import Dcat


class Row(NamedTuple):
    status: str
    error: str
    size: str


class World:
    """A folder `f`, its catalogue, and what is asked of them."""

    def __init__(self, folder: Path, dcat: Dcat) -> None:
        self.folder, self.db, self.dcat = folder / "f", folder / "c.db", dcat
        self.folder.mkdir()

    def put(self, name: str, data: bytes, mtime_s: int = 1_700_000_000) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (mtime_s, mtime_s))
        return path

    def index(self, *options: str, code: int = 0, jobs: int = 1) -> dict[str, int]:
        said = self.dcat("index", self.folder, "--db", self.db, "-j", jobs, "--json", *options)
        assert said.code == code, said.err
        counts: dict[str, int] = json.loads(said.out)
        return counts

    def rows(self) -> dict[str, Row]:
        said = self.dcat(
            "sql", "SELECT PathInRoot, Status, Error, SizeBytes FROM v_file ORDER BY PathInRoot",
            "--db", self.db, "-o", "csv",
        )  # fmt: skip
        assert said.code == 0, said.err
        return {row[0]: Row(*row[1:]) for row in list(csv.reader(io.StringIO(said.out)))[1:]}

    def statuses(self) -> dict[str, str]:
        return {path: row.status for path, row in self.rows().items()}

    def findings(self) -> list[tuple[str, str]]:
        said = self.dcat(
            "sql", "SELECT f.path, n.code FROM finding n JOIN file f ON f.id = n.file_ref ORDER BY 1, 2",
            "--db", self.db, "-o", "csv",
        )  # fmt: skip
        return [(row[0], row[1]) for row in list(csv.reader(io.StringIO(said.out)))[1:]]

    def verify(self, *options: object) -> tuple[int, dict[str, str]]:
        said = self.dcat("verify", *options, "--db", self.db, "-o", "csv")
        rows = list(csv.reader(io.StringIO(said.out)))[1:]
        return said.code, {
            str(Path(r[1]).relative_to(self.folder)): f"{r[0]}: {r[2]}" for r in rows
        }


@pytest.fixture
def world(tmp_path: Path, dcat: Dcat) -> World:
    return World(tmp_path, dcat)


def one(number: int) -> bytes:
    return dicom_bytes(SOPInstanceUID=f"1.2.3.1.1.{number}", InstanceNumber=str(number))


CONTENT = [("a/1.dcm", one(1)), ("a/2.dcm", one(2)), ("note.txt", b"hello")]
MEMBERS = {"a/1.dcm": "ok", "a/2.dcm": "ok", "note.txt": "not-dicom"}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("suffix", [".zip", *sorted(COMPRESS)])
def test_members_are_indexed_and_opened_once(world: World, suffix: str, jobs: int) -> None:
    data = zip_bytes(CONTENT) if suffix == ".zip" else COMPRESS[suffix](tar_bytes(CONTENT))
    world.put("s/study" + suffix.upper(), data)
    if jobs > 1:
        for i in range(300):
            world.put(f"t/{i}", b"text")
    counts = world.index(jobs=jobs)
    path = f"s/study{suffix.upper()}"
    expected = {path: "archive"} | {f"{path}!/{name}": s for name, s in MEMBERS.items()}
    assert {p: s for p, s in world.statuses().items() if p.startswith("s/")} == expected
    assert (counts["files"], counts["opened"], counts["new"]) == (
        (4,) * 3 if jobs == 1 else (304,) * 3
    )
    again = world.index(jobs=jobs)
    assert (again["opened"], again["new"], again["changed"]) == (0, 0, 0)
    assert again["unchanged"] == counts["files"]
    assert world.verify() == (0, {})


def test_a_gzipped_file(world: World) -> None:
    world.put("x.dcm.gz", gz(one(1)))
    world.index()
    rows = world.rows()
    assert rows["x.dcm.gz"].status == "archive"
    assert rows["x.dcm.gz!/x.dcm"] == Row("ok", "", str(len(one(1))))


def test_real_files_found_exported_and_verified(world: World, tmp_path: Path) -> None:
    folder = samples.folder()
    assert folder is not None
    names = [
        "CT_small.dcm",
        "MR_small.dcm",
        "rtplan.dcm",
        "JPEG2000.dcm",
        "waveform_ecg.dcm",
        "SC_rgb_rle.dcm",
    ]
    real = {name: (folder / name).read_bytes() for name in names}
    with zipfile.ZipFile(world.folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names[:3]:
            archive.writestr(f"d/{name}", real[name])
    with tarfile.open(world.folder / "b.tar.gz", "w:gz") as tar:
        for name in names[3:5]:
            tar.add(folder / name, name)
    (world.folder / "SC_rgb_rle.dcm.gz").write_bytes(gz(real["SC_rgb_rle.dcm"]))
    world.index()
    found = world.dcat("find", "instances", "--db", world.db, "-o", "paths").out.splitlines()
    assert found == [
        f"{world.folder}/{path}"
        for path in (
            "SC_rgb_rle.dcm.gz!/SC_rgb_rle.dcm", "a.zip!/d/CT_small.dcm", "a.zip!/d/MR_small.dcm",
            "a.zip!/d/rtplan.dcm", "b.tar.gz!/JPEG2000.dcm", "b.tar.gz!/waveform_ecg.dcm",
        )
    ]  # fmt: skip
    listed = tmp_path / "list"
    listed.write_text("\n".join(found[2:4]) + "\n")
    said = world.dcat("find", "instances", "--from", listed, "--db", world.db, "-o", "csv")
    assert len(said.out.splitlines()) == 3
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "out"
    said = world.dcat("export", out, "--db", world.db)
    assert said.code == 0, said.err
    copies = {
        p.read_bytes()
        for p in out.rglob("*")
        if p.is_file() and "." not in p.name and p.name != "DICOMDIR"
    }
    assert copies == set(real.values())
    assert [p for p in sorted(tmp_path.rglob("*")) if out not in (p, *p.parents)] == before
    assert world.dcat("verify", "--media", out).code == 0
    assert world.verify() == (0, {})
    assert world.verify("--modality", "MR") == (0, {})


def test_a_changed_archive_is_read_again_and_what_is_gone_is_missing(world: World) -> None:
    world.put("s.zip", zip_bytes(CONTENT))
    world.put("other.zip", zip_bytes([("1", one(9))]))
    world.index()
    world.put("s.zip", zip_bytes([("a/2.dcm", one(2)), ("a/3.dcm", one(3))]), 1_700_000_001)
    code, differences = world.verify()
    assert code == 4
    assert differences == {
        "s.zip": f"changed: {len(zip_bytes(CONTENT))} bytes when catalogued, {(world.folder / 's.zip').stat().st_size} now",
        "s.zip!/a/1.dcm": "missing: its archive has changed, and has no such member any more",
        "s.zip!/a/2.dcm": "changed: same size, its archive has another modification time",
        "s.zip!/note.txt": "missing: its archive has changed, and has no such member any more",
    }
    assert world.verify("--instance", "1.2.3.1.1.1")[1] == {
        "s.zip!/a/1.dcm": "missing: its archive has changed, and has no such member any more"
    }
    counts = world.index()
    assert (counts["new"], counts["changed"], counts["unchanged"], counts["missing"]) == (
        1,
        2,
        2,
        2,
    )
    assert world.statuses() == {
        "other.zip": "archive", "other.zip!/1": "ok",
        "s.zip": "archive", "s.zip!/a/1.dcm": "missing", "s.zip!/a/2.dcm": "ok",
        "s.zip!/a/3.dcm": "ok", "s.zip!/note.txt": "missing",
    }  # fmt: skip
    again = world.index()
    assert (again["opened"], again["missing"], again["unchanged"], again["returned"]) == (
        0,
        0,
        5,
        0,
    )


def test_an_archive_that_is_gone_and_comes_back(world: World, tmp_path: Path) -> None:
    path = world.put("s.tar", tar_bytes(CONTENT))
    world.put("stays", b"")
    world.index()
    shutil.move(path, tmp_path / "aside")
    assert world.index()["missing"] == 4
    assert {s for p, s in world.statuses().items() if p != "stays"} == {"missing"}
    assert set(world.verify()[1]) == {"s.tar", *(f"s.tar!/{name}" for name in MEMBERS)}
    shutil.move(tmp_path / "aside", path)
    counts = world.index()
    assert (counts["returned"], counts["changed"]) == (4, 0)
    assert world.statuses() == {"s.tar": "archive", "stays": "not-dicom"} | {
        f"s.tar!/{name}": status for name, status in MEMBERS.items()
    }


def test_a_moved_archive_moves_its_members(world: World) -> None:
    path = world.put("s.zip", zip_bytes(CONTENT))
    world.index()
    path.rename(world.folder / "t.zip")
    assert world.index()["moved"] == 2
    assert {p: s for p, s in world.statuses().items() if s == "ok"} == {
        "t.zip!/a/1.dcm": "ok", "t.zip!/a/2.dcm": "ok",
    }  # fmt: skip


def test_names_that_sort_between_an_archive_and_its_members(world: World) -> None:
    world.put("a.zip", zip_bytes(CONTENT))
    world.put("a.zip (1)", b"text")
    world.put("a.zip .zip", zip_bytes([("1", one(7))]))
    world.put("a.zip!/a/1.dcm", one(8))  # a real folder that is called as members are
    world.put("a.zip!x", b"")
    counts = world.index()
    assert counts["files"] == 9
    expected = {
        "a.zip": "archive", "a.zip .zip": "archive", "a.zip .zip!/1": "ok", "a.zip (1)": "not-dicom",
        "a.zip!/a/1.dcm": "ok", "a.zip!/a/2.dcm": "ok", "a.zip!/note.txt": "not-dicom",
        "a.zip!x": "not-dicom", "a.zip\\x21/a/1.dcm": "ok",
    }  # fmt: skip
    assert world.statuses() == expected
    again = world.index()
    assert (again["unchanged"], again["opened"], again["missing"]) == (9, 0, 0)
    assert world.statuses() == expected
    assert world.verify() == (0, {})
    world.put("a.zip", zip_bytes(CONTENT[:1]), 1_700_000_005)
    assert world.index()["missing"] == 2


def test_one_archive_named_alone(world: World) -> None:
    path = world.put("a.zip", zip_bytes(CONTENT))
    world.put("b.zip", zip_bytes([("1", one(9))]))
    world.index()
    said = world.dcat("index", path, "--db", world.db, "--json")
    assert json.loads(said.out)["unchanged"] == 4
    world.put("a.zip", zip_bytes(CONTENT[1:]), 1_700_000_005)
    said = world.dcat("index", path, "--db", world.db, "--json")
    assert (json.loads(said.out)["changed"], json.loads(said.out)["missing"]) == (3, 1)
    assert world.verify(path) == (4, {"a.zip!/a/1.dcm": "missing: known as missing"})


def test_no_archives(world: World) -> None:
    world.put("a.zip", zip_bytes(CONTENT))
    world.index("--no-archives")
    row = world.rows()["a.zip"]
    assert (row.status, row.error) == ("not-followed", "an archive that was not looked into")
    assert world.index("--no-archives")["opened"] == 0
    world.index()
    assert len(world.statuses()) == 4
    assert world.index("--no-archives")["unchanged"] == 4
    world.put("a.zip", zip_bytes(CONTENT), 1_700_000_009)
    assert world.index("--no-archives")["missing"] == 3
    assert world.statuses()["a.zip"] == "not-followed"


def test_what_only_seems_to_be_an_archive_is_a_file(world: World) -> None:
    world.put("a.zip", one(1))
    world.put("b.tar", b"text")
    world.put("c.docx", zip_bytes(CONTENT))
    world.index()
    assert world.statuses() == {"a.zip": "ok", "b.tar": "not-dicom", "c.docx": "not-dicom"}


DEFECTS: dict[str, tuple[str, bytes, dict[str, str], int]] = {
    "encrypted": ("a.zip", raw_zip(b"x", one(1), flags=1), {"x": "unreadable: it is encrypted"}, 3),
    "crc": ("a.zip", raw_zip(b"x", one(1), crc=1), {"x": "unreadable: its CRC-32 is "}, 3),
    "method": ("a.zip", raw_zip(b"x", one(1), method=9), {"x": "unreadable: it is compressed by method 9 (Deflate64)"}, 3),
    "bomb": (
        "a.zip", raw_zip(b"x", raw_deflate(bytes(3_000_000)), method=8, size=3_000_000),
        {"x": "unreadable: it states 3,000,000 bytes, and dcat would take 1,000,000"}, 3,
    ),
    "gzip bomb": ("x.dcm.gz", gz(bytes(3_000_000)), {"x.dcm": "unreadable: it inflates to more than 1,000,000 bytes"}, 3),
    "tar bomb": (
        "a.tar.gz", gz(tar_bytes([("1", one(1)), ("2", bytes(3_000_000))])),
        {"": "unreadable: the tar.gz archive cannot be read whole: it inflates to more than 1,000,000 bytes, at or after member 2", "1": "ok", "2": "unreadable: it inflates to more"}, 3,
    ),
    "cut gzip": ("x.dcm.gz", gz(one(1))[:-10], {"x.dcm": "unreadable: its gzip data break off"}, 3),
    "cut zip": ("a.zip", zip_bytes(CONTENT)[:-40], {"": "unreadable: the ZIP archive cannot be read whole: it has no end"}, 3),
    "cut tar": (
        "a.tar", tar_bytes(CONTENT)[:2300],
        {"": "unreadable: the tar archive cannot be read whole: it breaks off at byte 2,300, inside a member", "a/1.dcm": "ok", "a/2.dcm": "unreadable: the archive breaks off inside it, at byte 2,300"}, 3,
    ),
    "cut dicom": ("a.zip", zip_bytes([("x", one(1)[:-4])]), {"x": "truncated: the file ends inside its Pixel Data"}, 3),
    "nested": ("a.zip", zip_bytes([("i.zip", zip_bytes(CONTENT))]), {"i.zip": "not-followed: an archive in an archive"}, 0),
    "special": (
        "a.tar", tar_of(special("l", tarfile.SYMTYPE, "x"), special("p", tarfile.FIFOTYPE), special("d", tarfile.DIRTYPE)),
        {"l": "not-followed: a link", "p": "not-followed: a named pipe"}, 0,
    ),
    "unsafe": ("a.zip", zip_bytes([("../../x", one(1)), ("/y", one(2))]), {"../../x": "ok", "/y": "ok"}, 0),
    "twice": ("a.zip", zip_bytes([("x", one(1)), ("x", one(2))]), {"x": "ok", "x\\#2": "ok"}, 0),
    "latin-1": ("a.zip", raw_zip(b"\xe4.dcm", one(1)), {"\\xe4.dcm": "ok"}, 0),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "expected", "code"), DEFECTS.values(), ids=DEFECTS)
def test_odd_archives_hide_nothing(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    data: bytes,
    expected: dict[str, str],
    code: int,
) -> None:
    monkeypatch.setattr(members, "FREE_BYTES", 1_000_000)
    monkeypatch.setattr(members, "MAX_RATIO", 2)
    world.put(name, data)
    world.index(code=code)
    found = world.rows()
    wanted = {"": "archive"} | expected
    assert {path.removeprefix(f"{name}!/") if path != name else "" for path in found} == set(wanted)
    for member, text in wanted.items():
        row = found[f"{name}!/{member}" if member else name]
        status, _, error = text.partition(": ")
        assert row.status == status
        assert row.error.startswith(error)
    again = world.index(code=code)
    assert (again["opened"], again["unchanged"]) == (0, len(wanted))
    assert world.verify() == (0, {})
    assert [p.name for p in world.folder.iterdir()] == [name]


@pytest.mark.parametrize(
    ("data", "findings"),
    [
        (zip_bytes([("../x", b"")]), [("a.zip!/../x", "member-name-unsafe")]),
        (zip_bytes([("x", b"1"), ("x", b"2")]), [("a.zip!/x\\#2", "member-name-twice")]),
        (raw_zip(b"\xe4", b""), [("a.zip!/\\xe4", "member-name-not-utf8")]),
        (zip_bytes([("i.zip", zip_bytes([]))]), [("a.zip!/i.zip", "archive-nested")]),
    ],
    ids=["unsafe", "twice", "latin-1", "nested"],
)
def test_what_is_noticed_in_archives(
    world: World, data: bytes, findings: list[tuple[str, str]]
) -> None:
    world.put("a.zip", data)
    world.index()
    assert world.findings() == findings


@pytest.mark.sqlite  # it lists the folder in which the catalogue lies
def test_members_of_odd_names_are_exported(world: World, tmp_path: Path) -> None:
    content = [("../../x", one(1)), ("y", one(2)), ("y", one(3))]
    world.put("a.zip", zip_bytes(content))
    world.put("b.zip", raw_zip(b"\xe4\\b", one(4)))
    world.index()
    assert world.dcat("export", tmp_path / "out", "--db", world.db).code == 0
    copies = sorted(p.read_bytes() for p in (tmp_path / "out" / "DICOM").rglob("*") if p.is_file())
    assert copies == sorted(map(one, (1, 2, 3, 4)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.db", "c.db-lock", "f", "out"]
    # As `find -o paths` writes them: the text of captured output could not hold the third.
    names = [b"a.zip!/../../x", b"a.zip!/y\\#2", b"b.zip!/\xe4\\b"]
    lines = [os.fsencode(world.folder) + b"/" + name for name in names]
    (tmp_path / "list").write_bytes(b"\n".join(lines))
    said = world.dcat(
        "find", "instances", "--from", tmp_path / "list", "--db", world.db, "-o", "csv"
    )
    assert len(said.out.splitlines()) == 4, said.err


def test_an_archive_that_changed_since_is_not_exported_blindly(
    world: World, tmp_path: Path
) -> None:
    world.put("a.zip", zip_bytes([("1", one(1)), ("2", one(2)), ("3", one(3))]))
    world.index()
    world.put("a.zip", zip_bytes([("1", one(1)), ("2", one(9))]), 1_700_000_009)
    said = world.dcat("export", tmp_path / "out", "--db", world.db)
    assert said.code == 1
    assert "it was written since it was indexed" in said.err
    assert not (tmp_path / "out").exists()
    said = world.dcat("export", "--as-found", tmp_path / "out", "--db", world.db)
    assert said.code == 3
    assert "the archive has no member of this name" in said.err
    assert "it holds another instance than when it was indexed" in said.err
    copies = [p for p in (tmp_path / "out" / "DICOM").rglob("*") if p.is_file()]
    assert [p.read_bytes() for p in copies] == [one(1)]


def test_a_killed_run_leaves_no_member_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between storing the archive and marking what is gone from it."""
    from catalog.indexing.one_run import OneRun

    world.put("a.zip", zip_bytes(CONTENT))
    world.index()
    world.put("a.zip", zip_bytes(CONTENT[:1]), 1_700_000_009)
    with monkeypatch.context() as patched:
        patched.setattr(OneRun, "_mark_gone", lambda self: None)
        world.index()
    assert world.statuses()["a.zip!/note.txt"] == "not-dicom"
    assert world.index()["missing"] == 2
    assert world.statuses()["a.zip!/note.txt"] == "missing"


def test_an_archive_that_changes_while_it_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.files import zip_archive

    path = world.put("a.zip", zip_bytes(CONTENT))
    members_of: Callable[..., object] = zip_archive.ZipArchive.members
    times = iter(range(1_700_000_100, 1_700_000_200))

    def changing(self: zip_archive.ZipArchive) -> object:
        os.utime(path, (1, next(times)))
        return members_of(self)

    with monkeypatch.context() as patched:
        patched.setattr(zip_archive.ZipArchive, "members", changing)
        world.index()
    assert world.findings() == [("a.zip", "changed-while-read")]
    assert world.index()["opened"] == 4
    assert world.findings() == []
    assert world.index()["opened"] == 0
