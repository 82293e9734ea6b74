"""A File-set in an ISO image, read back by other programs."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.errors import ExportError, SourceChanged
from catalog.events import Event, Finished, Progress, Started
from catalog.exporting import iso_image
from catalog.exporting.iso_image import IsoReceiver, check_level_1, file_system_of
from catalog.files.iso_archive import IsoArchive
from catalog.files.opening import Opened, Opener, Source, open_plain
from tests.archives import gz, zip_bytes
from tests.exporting.receiving import (
    WHEN_S,
    Reads,
    below,
    expected,
    fill,
    named,
    put_all,
    sources,
)
from tests.journeys.judging import need

pytest.importorskip("pycdlib")

DEEPEST = "A2345678/B2345678/C2345678/D2345678/E2345678/F2345678/G2345678"
CONTENT = [
    ("PT000000/IM000000", b"one"),
    ("PT000000/IM000001", os.urandom(5000)),
    ("PT000001/EVEN", os.urandom(2048)),
    (DEEPEST, b"deep"),
    *((f"MANY/M{number}", b"%d" % number) for number in range(120)),
]
OTHERS = [("README.TXT", b"hello"), ("INDEX.HTM", b""), ("IHE_PDI/P1.HTM", b"<p>" * 400)]


def read(path: Path) -> dict[str, bytes]:
    with path.open("rb") as stream:
        archive = IsoArchive(stream, path.stat().st_size)
        assert archive.error == ""
        assert archive.findings == []
        return {member.name: s.read() for member, s in archive.members() if s is not None}


@pytest.mark.parametrize("udf", [False, True])
def test_what_is_put_is_what_is_read(udf: bool, tmp_path: Path) -> None:
    receiver = IsoReceiver(tmp_path / "a.iso", "DISC1", udf=udf)
    fill(receiver, tmp_path / "s", CONTENT, OTHERS)
    assert read(tmp_path / "a.iso") == expected(CONTENT, OTHERS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.iso", "s"]


@pytest.mark.judges
@pytest.mark.parametrize("udf", [False, True])
def test_other_programs_extract_it(udf: bool, tmp_path: Path) -> None:
    """With UDF 7-Zip reads that, the others ISO 9660."""
    image = tmp_path / "a.iso"
    fill(IsoReceiver(image, "DISC1", udf=udf), tmp_path / "s", CONTENT, OTHERS)
    commands = {"7z": (need("7z"), "x", "-y", f"-o{tmp_path}/7z", str(image))}
    if found := shutil.which("bsdtar"):
        (tmp_path / "bsdtar").mkdir()
        commands["bsdtar"] = (found, "-xf", str(image), "-C", f"{tmp_path}/bsdtar")
    if found := shutil.which("xorriso"):
        commands["xorriso"] = (found, "-osirrox", "on", "-indev", f"stdio:{image}", "-extract", "/", f"{tmp_path}/xorriso")  # fmt: skip
    for name, command in commands.items():
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        assert below(tmp_path / name) == expected(CONTENT, OTHERS), name


@pytest.mark.judges
def test_level_1_volume_identifier_and_names(tmp_path: Path) -> None:
    """PS3.12 Annex F: the File-set ID padded with spaces; no extension, version 1; nothing but ISO 9660."""
    isoinfo = need("isoinfo")
    image = tmp_path / "a.iso"
    fill(IsoReceiver(image, "DISC_1", dated_s=WHEN_S), tmp_path / "s", CONTENT, OTHERS)
    about = subprocess.run((isoinfo, "-d", "-i", image), capture_output=True, text=True, check=True, timeout=60).stdout  # fmt: skip
    assert "Volume id: DISC_1\n" in about
    assert "NO Joliet present" in about
    assert "NO Rock Ridge present" in about
    listed = subprocess.run((isoinfo, "-f", "-i", image), capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()  # fmt: skip
    files = {name for name in listed if ";" in name}
    assert f"/{DEEPEST}.;1" in files
    assert "/DICOMDIR.;1" in files
    assert "/README.TXT;1" in files
    level_1 = re.compile(r"(/[A-Z0-9_]{1,8}){0,7}/[A-Z0-9_]{1,8}\.[A-Z0-9_]{0,3};1")
    assert all(level_1.fullmatch(name) for name in files)
    assert len(files) == len(CONTENT) + len(OTHERS) + 1
    descriptor = image.read_bytes()[16 * 2048 : 17 * 2048]
    assert descriptor[40:72] == b"DISC_1".ljust(32)
    assert descriptor[813:830] == b"2001090901464000\0", "the volume's date, in UTC"


def test_how_much_is_written_is_told(tmp_path: Path) -> None:
    heard: list[Event] = []
    receiver = IsoReceiver(tmp_path / "a.iso", listener=heard.append)
    fill(receiver, tmp_path / "s", [("A/A", os.urandom(5_000_000))])
    first, *between, last = heard
    size = (tmp_path / "a.iso").stat().st_size
    assert first == Started("Making the image", size, "bytes")
    done = [event.done for event in between if isinstance(event, Progress)]
    assert len(done) == len(between) == 4
    assert done == sorted(done)
    assert last == Finished("Making the image", size)


def test_udf_says_1_02(tmp_path: Path) -> None:
    """What `file_system_of` and the documentation claim of pycdlib."""
    fill(IsoReceiver(tmp_path / "a.iso", udf=True), tmp_path / "s", CONTENT)
    data = (tmp_path / "a.iso").read_bytes()
    at = data.index(b"*OSTA UDF Compliant")
    assert data[at + 23 : at + 25] == b"\x02\x01"
    assert b"NSR02" in data[: 32 * 2048]


@pytest.mark.parametrize("udf", [False, True])
def test_the_same_sources_give_the_same_bytes(
    udf: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, zone in (("a.iso", "UTC"), ("b.iso", "Asia/Kolkata")):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        receiver = IsoReceiver(tmp_path / name, "D", udf=udf, dated_s=WHEN_S)
        fill(receiver, tmp_path / "s", CONTENT, OTHERS)
    monkeypatch.undo()
    time.tzset()
    assert (tmp_path / "a.iso").read_bytes() == (tmp_path / "b.iso").read_bytes()
    import pycdlib

    assert pycdlib.pycdlib.time is time, "pycdlib has its own clock back"


@pytest.mark.judges
def test_copies_keep_their_times(tmp_path: Path) -> None:
    fill(IsoReceiver(tmp_path / "a.iso"), tmp_path / "s", CONTENT)
    subprocess.run((need("7z"), "x", "-y", f"-o{tmp_path}/x", tmp_path / "a.iso"), check=True, capture_output=True, timeout=60)  # fmt: skip
    for number, (name, _) in enumerate(CONTENT):
        assert int((tmp_path / "x" / name).stat().st_mtime) == WHEN_S + number


# -- sources --------------------------------------------------------------------------------


@contextmanager
def _once(path: Path) -> Iterator[Opened]:
    """Open a file in a way that cannot be repeated, as what is made while it is read."""
    with open_plain(str(path)) as opened:
        yield opened


def test_members_and_what_can_be_opened_only_once(tmp_path: Path) -> None:
    data, made = os.urandom(50_000), os.urandom(70_000)
    (tmp_path / "s.zip").write_bytes(zip_bytes([("a.dcm", data)]))
    (tmp_path / "b.dcm.gz").write_bytes(gz(data))
    (tmp_path / "made").write_bytes(made)
    receiver = IsoReceiver(tmp_path / "a.iso")
    receiver.begin()
    receiver.put_data("README.TXT", b"hello")
    with Opener() as opener:
        for name, path in (("A/A", "s.zip!/a.dcm"), ("A/B", "b.dcm.gz!/b.dcm")):
            receiver.put(named(name), opener.open(Source(str(tmp_path), path)), Reads(data))
    receiver.put(named("A/C"), _once(tmp_path / "made"), Reads(made))
    (tmp_path / "made").write_bytes(b"other")
    receiver.finish(io.BytesIO(b"D"))
    assert read(tmp_path / "a.iso") == expected(
        [("A/A", data), ("A/B", data), ("A/C", made), ("README.TXT", b"hello")]
    )


@pytest.mark.parametrize("once", [False, True])
def test_what_its_check_refuses_is_not_there(once: bool, tmp_path: Path) -> None:
    folder = sources(tmp_path / "s", [*CONTENT, ("A/BAD", b"bad" * 1000)])
    bad = folder / str(len(CONTENT))
    receiver = IsoReceiver(tmp_path / "a.iso")
    receiver.begin()
    put_all(receiver, folder, CONTENT)

    def refuse(stream: object, size_bytes: int) -> None:
        raise SourceChanged("not the instance that was planned")

    with Opener() as opener:
        opening = _once(bad) if once else opener.open(Source(str(folder), bad.name))
        with pytest.raises(SourceChanged, match="not the instance"):
            receiver.put(named("A/BAD"), opening, refuse)
    receiver.put_data("README.TXT", b"after")
    receiver.finish(io.BytesIO(b"D"))
    assert read(tmp_path / "a.iso") == expected(CONTENT, [("README.TXT", b"after")])


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes((data[100] ^ 1,)) + data[101:])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Path.unlink, "cannot be opened any more"),
        (_append, "became longer"),
        (_cut, "became shorter"),
        (_flip, "has other content"),
    ],
)
def test_a_source_that_changes_before_the_image_is_made(
    change: object, why: str, tmp_path: Path
) -> None:
    folder = sources(tmp_path / "s", CONTENT)
    receiver = IsoReceiver(tmp_path / "a.iso")
    receiver.begin()
    put_all(receiver, folder, CONTENT)
    change(folder / "1")  # type: ignore[operator]
    with pytest.raises(ExportError, match=f"{folder}/1 {why}"):
        receiver.finish(io.BytesIO(b"D"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.iso.part", "s"]


def test_a_file_too_long_for_level_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iso_image, "MAX_FILE_BYTES", 4)
    folder = sources(tmp_path / "s", [("A/A", b"12345")])
    receiver = IsoReceiver(tmp_path / "a.iso")
    receiver.begin()
    with Opener() as opener, pytest.raises(SourceChanged, match="5 bytes, and a file on an ISO"):
        receiver.put(named("A/A"), opener.open(Source(str(folder), "0")), Reads(b"12345"))


# -- what it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.iso", "a.iso.part"])
def test_an_existing_file_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(ExportError, match="nothing was written"):
        IsoReceiver(tmp_path / "a.iso").prepare(0)
    assert below(tmp_path) == {name: b"mine"}


def test_without_pycdlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycdlib", None)
    with pytest.raises(ExportError, match=r"pip install 'dicom-dcat\[iso\]'"):
        IsoReceiver(tmp_path / "a.iso").prepare(0)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MANIFEST.SHA256", "MANIFEST.SHA could"),
        ("index.html", "INDEX.HTM could"),
        ("IHE_PDI/a.b.c", "IHE_PDI/A.B_C could"),
        ("IHE PDI/A.HTM", "IHE_PDI/A.HTM could"),
        ("LONGFOLDER/A", "LONGFOLD/A could"),
        ("A.", "A could"),
        (".HTM", "_.HTM could"),
    ],
)
def test_names_beyond_level_1_are_refused_with_one_that_could_be(name: str, near: str) -> None:
    with pytest.raises(ExportError, match=near):
        check_level_1(name)
    check_level_1(near.removesuffix(" could"))


def test_a_file_too_deep(tmp_path: Path) -> None:
    folder = sources(tmp_path / "s", [("", b"x")])
    receiver = IsoReceiver(tmp_path / "a.iso")
    receiver.begin()
    with Opener() as opener:
        opening = opener.open(Source(str(folder), "0"))
        with pytest.raises(ExportError, match="more than 7 components"):
            receiver.put(named(f"{DEEPEST}/H"), opening, Reads(b"x"))
    with pytest.raises(ExportError, match="more than 7 components"):
        receiver.put_data("A/B/C/D/E/F/G/H.TXT", b"x")


def test_a_name_that_was_given_already(tmp_path: Path) -> None:
    receiver = IsoReceiver(tmp_path / "a.iso")
    receiver.begin()
    receiver.put_data("README.TXT", b"x")
    with pytest.raises(ExportError, match="already"):
        receiver.put_data("README.TXT", b"y")


@pytest.mark.parametrize(
    ("profile", "udf", "note"),
    [
        (None, False, ""),
        ("STD-GEN-CD", False, ""),
        ("STD-GEN-DVD-JPEG", True, ""),
        ("STD-GEN-DVD-RAM", True, "UDF 1.5"),
        ("STD-GEN-BD-J2K", True, "UDF 2.5 or 2.6"),
        ("STD-GEN-USB-JPEG", False, "FAT"),
    ],
)
def test_which_file_system_a_profile_gets(profile: str | None, udf: bool, note: str) -> None:
    found = file_system_of(profile)
    assert found[0] is udf
    assert bool(found[1]) is bool(note)
    assert note in found[1]
