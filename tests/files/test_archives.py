"""Archives read in place: whole ones as the standard library reads them, hostile ones within bounds."""

from __future__ import annotations

import io
import os
import random
import stat
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ArchiveError, SourceChanged
from catalog.files import inflating, member_stream, members, tar_archive, zip_archive
from catalog.files.archives import HEAD_BYTES, Archive, Format, format_of, opened
from catalog.files.copy import copy_opened
from catalog.files.digest import digest_of
from catalog.files.inflating import Plain
from catalog.files.member_stream import MemberStream
from catalog.files.members import MemberKind
from catalog.files.opening import Opener, Source, open_source
from catalog.files.paths import from_text, is_archive_name, named, split_member, to_text
from tests.archives import (
    COMPRESS,
    gz,
    raw_deflate,
    raw_zip,
    special,
    tar_bytes,
    tar_of,
    zip_bytes,
)

SMALL = [("a/one.dcm", b"one"), ("a/two.dcm", b"two" * 5000), ("empty", b"")]


def open_bytes(name: str, data: bytes, *, remembers: bool = False) -> Archive:
    kind = format_of(name, data[:HEAD_BYTES])
    assert kind is not None
    return opened(io.BytesIO(data), len(data), name, kind, remembers=remembers)


def read_all(archive: Archive) -> dict[str, bytes | str]:
    """Return every member's bytes, or why it has none."""
    found: dict[str, bytes | str] = {}
    for member, stream in archive.members():
        assert member.name not in found or member.kind is MemberKind.FOLDER
        if stream is None:
            found[member.name] = f"{member.kind.value}: {member.reason}"
            continue
        try:
            found[member.name] = stream.read()
        except ArchiveError as exc:
            found[member.name] = str(exc)
    return found


def refusal(name: str, data: bytes) -> str:
    """Return why the archive cannot be listed whole."""
    try:
        archive = open_bytes(name, data)
        read_all(archive)
    except ArchiveError as exc:
        return str(exc)
    return archive.error


# -- what is an archive ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.zip", zip_bytes(SMALL), Format.ZIP),
        ("A.ZIP", zip_bytes([]), Format.ZIP),
        ("a.docx", zip_bytes(SMALL), None),
        ("a.zip", b"some text", None),
        ("a.zip", b"", None),
        ("a.tar", tar_bytes(SMALL), Format.TAR),
        ("a.tar", tar_bytes([]), Format.TAR),
        ("a.tar", b"x" * 1024, None),
        ("a.tar", zip_bytes(SMALL), None),
        ("a.tar.gz", gz(tar_bytes(SMALL)), Format.TAR_GZIP),
        ("a.TGZ", gz(tar_bytes(SMALL)), Format.TAR_GZIP),
        ("a.tar.bz2", COMPRESS[".tar.bz2"](tar_bytes(SMALL)), Format.TAR_BZIP2),
        ("a.txz", COMPRESS[".tar.xz"](tar_bytes(SMALL)), Format.TAR_XZ),
        ("a.dcm.gz", gz(b"x"), Format.GZIP),
        ("a.DCM.GZ", gz(b"x"), Format.GZIP),
        ("a.nii.gz", gz(b"x"), None),
        ("a.dcm.gz", b"x", None),
        ("a.tar.gz", zip_bytes(SMALL), None),
    ],
)
def test_an_archive_has_the_name_and_the_first_bytes_of_one(
    name: str, data: bytes, kind: Format | None
) -> None:
    assert format_of(name, data[:HEAD_BYTES]) is kind


# -- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("study.zip!/a/b.dcm", ("study.zip", "a/b.dcm")),
        ("x/S.TAR.GZ!/b", ("x/S.TAR.GZ", "b")),
        ("x.dcm.gz!/x.dcm", ("x.dcm.gz", "x.dcm")),
        ("o.zip!/i.zip\\x21/b", ("o.zip", "i.zip\\x21/b")),
        ("odd!/study.zip!/b", ("odd!/study.zip", "b")),
        ("odd!/b.dcm", None),
        ("study.zip", None),
        ("study.zip\\x21/b", None),
    ],
)
def test_paths_of_members(path: str, parts: tuple[str, str] | None) -> None:
    assert split_member(path) == parts


@given(st.text(st.sampled_from("a.!/\\zipZIPtargz\0#2"), max_size=24))
def test_no_file_in_a_folder_has_the_path_of_a_member(name: str) -> None:
    text = to_text(name)
    assert split_member(text) is None
    assert from_text(text) == name
    assert split_member(f"x.zip!/{text}") == ("x.zip", text)
    assert to_text(from_text(f"q/{text}")) == f"q/{text}"


def test_paths_that_people_name(tmp_path: Path) -> None:
    folder = tmp_path / "real.zip!"
    folder.mkdir()
    (folder / "a").write_bytes(b"")
    assert named(f"{folder}/a") == f"{tmp_path}/real.zip\\x21/a"
    assert named("/x/other.zip!/a") == "/x/other.zip!/a"
    assert named("/x/other.zip!/a\\#2") == "/x/other.zip!/a\\#2"
    assert named("/x/other.zip!/a\\b\udce4") == "/x/other.zip!/a\\\\b\\xe4"
    assert named("/x/a\\b") == "/x/a\\\\b"


# -- whole archives ----------------------------------------------------------------------------

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30
).filter(lambda name: not name.endswith("/"))
DATA = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda n, seed: random.Random(seed).randbytes(n), st.integers(0, 90_000), st.integers()
    ),
    st.integers(0, 200_000).map(bytes),
)
CONTENT = st.lists(st.tuples(NAMES, DATA), max_size=5, unique_by=lambda pair: pair[0])


@given(CONTENT, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
def test_zip_members_are_what_was_put_in(content: list[tuple[str, bytes]], method: int) -> None:
    archive = open_bytes("a.zip", zip_bytes(content, method))
    expected = {to_text(name): data for name, data in content}
    assert read_all(archive) == expected
    assert archive.error == ""
    assert {n: m.size_bytes for n, m in archive.listing().items()} == {
        n: len(d) for n, d in expected.items()
    }


@given(
    CONTENT,
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.sampled_from(sorted(COMPRESS)),
)
@settings(max_examples=100)
def test_tar_members_are_what_was_put_in(
    content: list[tuple[str, bytes]], form: int, suffix: str
) -> None:
    content = [(name.lstrip("/") or "x", data) for name, data in content]
    content = [pair for i, pair in enumerate(content) if pair[0] not in dict(content[:i])]
    if form == tarfile.USTAR_FORMAT:
        content = [pair for pair in content if len(pair[0].encode()) < 100]
    archive = open_bytes("a" + suffix, COMPRESS[suffix](tar_bytes(content, form)))
    assert read_all(archive) == {to_text(name): data for name, data in content}
    assert (archive.error, archive.findings) == ("", [])


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_tar(form: int) -> None:
    name = "a" * 90 + "/" + "b" * 90
    archive = open_bytes("a.tar", tar_bytes([(name, b"x"), ("after", b"y")], form))
    assert read_all(archive) == {name: b"x", "after": b"y"}


@given(DATA)
def test_a_gzipped_file_is_an_archive_of_one_member(data: bytes) -> None:
    archive = open_bytes("x.dcm.gz", gz(data))
    assert read_all(archive) == {"x.dcm": data}
    assert archive.listing()["x.dcm"].size_bytes == len(data)


def test_gzip_of_several_streams_is_one_file() -> None:
    data = b"".join(map(gz, (b"one ", b"", b"two"))) + bytes(500)
    assert read_all(open_bytes("x.dcm.gz", data)) == {"x.dcm": b"one two"}
    archive = open_bytes("x.dcm.gz", data + b"more")
    assert read_all(archive) == {"x.dcm": b"one two"}
    assert [f.code for f in archive.findings] == ["archive-goes-on"]


def test_a_zip64_archive_and_one_behind_other_bytes() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, archive.open("a", "w", force_zip64=True) as one:
        one.write(b"abc")
    assert read_all(open_bytes("a.zip", stream.getvalue())) == {"a": b"abc"}
    before = b"PK\x03\x04 is what it begins with"
    assert read_all(open_bytes("a.zip", before + zip_bytes(SMALL))) == dict(SMALL)


def test_a_zip64_end_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    data = zip_bytes(SMALL)
    assert b"PK\x06\x06" in data
    # As writers do for whom the old fields are too small.
    at = data.rindex(b"PK\5\6")
    data = data[: at + 8] + b"\xff" * 12 + data[at + 20 :]
    assert read_all(open_bytes("a.zip", data)) == dict(SMALL)


# -- streams -----------------------------------------------------------------------------------


@given(
    st.integers(0, 3000).map(lambda n: random.Random(n).randbytes(n)),
    st.lists(st.tuples(st.integers(0, 3500), st.integers(0, 1500)), max_size=12),
    st.booleans(),
)
def test_a_stream_is_read_like_a_file(
    data: bytes, steps: list[tuple[int, int]], size_is_known: bool
) -> None:
    plain = io.BytesIO(data)
    stream = MemberStream(
        Plain(io.BytesIO(b"??" + data), 2, len(data)), len(data) if size_is_known else None
    )
    for offset, count in steps:
        plain.seek(offset)
        stream.seek(offset)
        expected, found = plain.read(count), stream.read(count)
        while len(found) < len(expected) and (more := stream.read(count - len(found))):
            found += more
        assert found == expected
    stream.seek(0)
    assert stream.read() == data
    assert stream.drain() == len(data)


def test_going_far_back_is_refused_and_memory_stays_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_stream, "HISTORY_BYTES", 1 << 20)
    size = 64 << 20
    data = gz(bytes(size))
    tracemalloc.start()
    for member, stream in open_bytes("x.dcm.gz", data).members():
        assert stream is not None, member
        stream.seek(size - 10)
        assert stream.read(100) == bytes(10)
        stream.seek(size - (1 << 19))
        assert stream.read(10) == bytes(10)
        stream.seek(0)
        with pytest.raises(ArchiveError, match="so far back"):
            stream.read(10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_stream_ends_when_another_member_is_asked_for() -> None:
    archive = open_bytes("a.tar.gz", gz(tar_bytes(SMALL)))
    streams = [stream for _, stream in archive.members()]
    assert streams[0] is not None
    with pytest.raises(ArchiveError, match="another member"):
        streams[0].read(1)


@pytest.mark.parametrize("suffix", [".zip", *sorted(COMPRESS)])
def test_members_are_opened_in_any_order(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflating, "CHECKPOINT_BYTES", 10_000)
    monkeypatch.setattr(inflating, "MAX_CHECKPOINTS", 8)
    rng = random.Random(7)
    content = [(f"d/{i}", rng.randbytes(rng.randrange(60_000))) for i in range(40)]
    data = zip_bytes(content) if suffix == ".zip" else COMPRESS[suffix](tar_bytes(content))
    (tmp_path / f"a{suffix}").write_bytes(data)
    rng.shuffle(content)
    with Opener() as opener:
        for name, expected in content:
            with opener.open(Source(str(tmp_path), f"a{suffix}!/{name}")) as file:
                assert file.stream.read() == expected
                assert file.is_as_before(len(expected))
                assert file.mtime_ns == (tmp_path / f"a{suffix}").stat().st_mtime_ns


def test_the_opener_sees_that_an_archive_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes([("x", b"old")]))
    with Opener() as opener:
        source = Source(str(tmp_path), "a.zip!/x")
        with opener.open(source) as file:
            assert file.stream.read() == b"old"
            path.write_bytes(zip_bytes([("x", b"newer")]))
            assert not file.is_as_before(3)
        with opener.open(source) as file:
            assert file.stream.read() == b"newer"
        path.write_bytes(b"text")
        with pytest.raises(ArchiveError, match="no archive any more"), opener.open(source):
            pass
        path.unlink()
        with pytest.raises(FileNotFoundError), opener.open(source):
            pass


def test_the_opener_closes_archives(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    for i in range(9):
        (tmp_path / f"{i}.zip").write_bytes(zip_bytes([("x", b"%d" % i)]))
    with Opener() as opener:
        for i in [*range(9), *range(9)]:
            with opener.open(Source(str(tmp_path), f"{i}.zip!/x")) as file:
                assert file.stream.read() == b"%d" % i
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_copy_and_digest_of_a_member(tmp_path: Path) -> None:
    data = random.Random(3).randbytes(3_000_000)
    (tmp_path / "a.zip").write_bytes(zip_bytes([("x", data)]))
    os.utime(tmp_path / "a.zip", ns=(5, 1_600_000_000_123_456_789))
    source = Source(str(tmp_path), "a.zip!/x")
    done = copy_opened(open_source(*source), tmp_path / "target", lambda stream, size: None)
    assert (tmp_path / "target").read_bytes() == data
    assert (tmp_path / "target").stat().st_mtime_ns == 1_600_000_000_123_456_789
    (tmp_path / "plain").write_bytes(data)
    with Opener() as opener:
        assert digest_of(source, opener) == done.digest
        assert digest_of(Source(str(tmp_path), "plain"), opener) == done.digest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "plain", "target"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (raw_zip(b"x", b"abc", crc=1), "the source cannot be read: its CRC-32 is 352441c2, the archive states 00000001"),
        (raw_zip(b"y", b"abc"), "the source cannot be opened: the archive has no member of this name"),
        (raw_zip(b"x", b"abc", flags=1), "the source cannot be opened: it is encrypted"),
    ],
    ids=["crc", "gone", "encrypted"],
)  # fmt: skip
def test_a_member_that_cannot_be_copied(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    opening = open_source(str(tmp_path), "a.zip!/x")
    with pytest.raises(SourceChanged) as caught:
        copy_opened(opening, tmp_path / "target", lambda stream, size: None)
    assert str(caught.value) == why
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


# -- odd names ---------------------------------------------------------------------------------


def odd_names() -> Iterator[tuple[str, bytes, list[str]]]:
    unsafe = ["member-name-unsafe"]
    yield "a/b.dcm", b"a/b.dcm", []
    yield "ä", "ä".encode(), []
    yield "\\x84", b"\x84", ["member-name-not-utf8"]
    yield "a\\\\b", b"a\\b", []
    yield "/etc/passwd", b"/etc/passwd", unsafe
    yield "../x", b"../x", unsafe
    yield "a/../x", b"a/../x", unsafe
    yield "..\\\\x", b"..\\x", unsafe
    yield "C:\\\\x", b"C:\\x", unsafe
    yield "a..b/..c", b"a..b/..c", []
    yield "\\#1", b"", unsafe
    yield "a\nb", b"a\nb", []
    yield "b.zip\\x21/c", b"b.zip!/c", []


@pytest.mark.parametrize(("text", "raw", "codes"), list(odd_names()), ids=repr)
def test_odd_names_are_kept_and_noted(
    text: str, raw: bytes, codes: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a.zip").write_bytes(raw_zip(raw, b"abc"))
    archive = open_bytes("a.zip", raw_zip(raw, b"abc"))
    [(member, stream)] = archive.members()
    assert (member.name, [f.code for f in member.findings]) == (text, codes)
    assert stream is not None
    with open_source(str(tmp_path), f"a.zip!/{text}") as file:
        assert file.stream.read() == b"abc"
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_nul_in_a_name_is_escaped() -> None:
    assert list(open_bytes("a.zip", raw_zip(b"a\0b", b"")).listing()) == ["a\\x00b"]


def test_a_name_of_no_sensible_length() -> None:
    [(member, stream)] = open_bytes("a.zip", raw_zip(b"n" * 5000, b"x")).members()
    assert (member.kind, member.reason, stream) == (
        MemberKind.UNREADABLE, "its name has 5,000 bytes", None,
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_members_of_one_name_are_all_there(suffix: str, tmp_path: Path) -> None:
    content = [("x", b"first"), ("x", b"second"), ("y", b"other"), ("x", b"third")]
    data = zip_bytes(content) if suffix == ".zip" else COMPRESS[suffix](tar_bytes(content))
    archive = open_bytes("a" + suffix, data)
    assert read_all(archive) == {
        "x": b"first",
        "x\\#2": b"second",
        "y": b"other",
        "x\\#3": b"third",
    }
    (tmp_path / f"a{suffix}").write_bytes(data)
    with open_source(str(tmp_path), f"a{suffix}!/x\\#2") as file:
        assert file.stream.read() == b"second"
    codes = [f.code for m in archive.listing().values() for f in m.findings]
    assert codes == ["member-name-twice"] * 2


# -- members that are no plain files -----------------------------------------------------------


def test_links_folders_and_devices_in_tar() -> None:
    data = tar_of(
        special("folder", tarfile.DIRTYPE),
        special("soft", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard", tarfile.LNKTYPE, "soft"),
        special("pipe", tarfile.FIFOTYPE),
        special("disk", tarfile.BLKTYPE),
        special("tty", tarfile.CHRTYPE),
        special("odd", b"Q"),
        special("sparse", tarfile.GNUTYPE_SPARSE),
    )
    assert read_all(open_bytes("a.tar", data)) == {
        "folder/": "folder: ",
        "soft": "not-followed: a link",
        "hard": "not-followed: a link to the member soft",
        "pipe": "not-followed: a named pipe",
        "disk": "not-followed: a block device",
        "tty": "not-followed: a character device",
        "odd": "unreadable: it is a member of the unknown type b'Q'",
        "sparse": "unreadable: it is a sparse file, which dcat cannot read in place",
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (raw_zip(b"d/", b""), "folder: "),
        (raw_zip(b"l", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "not-followed: a link"),
        (raw_zip(b"p", b"", mode=stat.S_IFIFO), "not-followed: a special file"),
        (raw_zip(b"x", b"?" * 20, flags=1), "unreadable: it is encrypted"),
        (raw_zip(b"x", b"?" * 20, flags=0x41), "unreadable: it is encrypted"),
        (raw_zip(b"x", b"?", method=9), "unreadable: it is compressed by method 9 (Deflate64), which dcat cannot inflate"),
        (raw_zip(b"x", b"?", method=42), "unreadable: it is compressed by method 42, which dcat cannot inflate"),
        (raw_zip(b"x", b"abc", local_name=b"y"), "unreadable: its local header has another name than the archive's directory"),
        (raw_zip(b"x", b"abc", crc=1), "its CRC-32 is 352441c2, the archive states 00000001"),
        (raw_zip(b"x", raw_deflate(b"abc"), method=8, size=3, crc=1), "its CRC-32 is 352441c2, the archive states 00000001"),
        (raw_zip(b"x", raw_deflate(b"abc"), method=8, size=2), "it gives more than the 2 bytes that the archive states"),
        (raw_zip(b"x", raw_deflate(b"abc"), method=8, size=9), "it ends after 3 of 9 bytes"),
        (raw_zip(b"x", b"\xff\xff\xff", method=8, size=9), "its deflated data cannot be inflated (Error -3 while decompressing data: invalid block type)"),
        (raw_zip(b"x", raw_deflate(bytes(9999))[:-3], method=8, size=9999), "its deflated data break off after 9,"),
    ],
)  # fmt: skip
def test_zip_members_that_cannot_be_read(data: bytes, expected: str) -> None:
    [found] = read_all(open_bytes("a.zip", data)).values()
    assert isinstance(found, str)
    assert found.startswith(expected)


# -- bombs -------------------------------------------------------------------------------------


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (members, zip_archive, tar_archive):
        for name, value in (
            ("FREE_BYTES", 1_000_000), ("MAX_MEMBERS", 5), ("MAX_MEMBER_BYTES", 3_000_000),
            ("MAX_ARCHIVE_BYTES", 4_000_000), ("MAX_DIRECTORY_BYTES", 10_000),
        ):  # fmt: skip
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.zip", zip_bytes([(str(i), b"") for i in range(6)]), "more than 5 members"),
        ("a.tar", tar_bytes([(str(i), b"") for i in range(6)]), "more than 5 members"),
        ("a.zip", raw_zip(b"n" * 3000, b"", count=4), "central directory has 12,184 bytes"),
        ("a.tar.gz", gz(tar_bytes([("x", bytes(2_000_000))])), "inflates to more than 1,000,000"),
        ("a.tar.gz", gz(tar_bytes([("x", random.Random(1).randbytes(4_500_000))])), "inflates to more than 4,000,000"),
        ("a.tar", tar_bytes([("n" * (1 << 21), b"")]), "more than dcat reads"),
    ],
)  # fmt: skip
def test_archives_beyond_the_limits(name: str, data: bytes, why: str) -> None:
    assert why in refusal(name, data)


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.zip", zip_bytes([("x", bytes(2_000_000))]), "it states 2,000,000 bytes, and dcat would take 1,000,000 more"),
        ("a.zip", raw_zip(b"x", raw_deflate(bytes(2_000_000)), method=8, size=500), "more than the 500 bytes"),
        ("a.zip", zip_bytes([("x", bytes(2_000_000))], zipfile.ZIP_BZIP2), "dcat would take"),
        ("a.zip", raw_zip(b"x", random.Random(1).randbytes(3_500_000)), "dcat would take 3,000,000 more"),
        ("x.dcm.gz", gz(bytes(2_000_000)), "inflates to more than 1,000,000 bytes"),
        ("x.dcm.gz", gz(b"") * 2000, "more than 1,000 empty streams"),
    ],
)  # fmt: skip
def test_members_beyond_the_limits(name: str, data: bytes, why: str) -> None:
    tracemalloc.start()
    [found] = read_all(open_bytes(name, data)).values()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, str)
    assert why in found
    assert peak < 6_000_000


@pytest.mark.usefixtures("low_limits")
def test_entries_that_share_their_bytes_count_each_time() -> None:
    data = raw_zip(
        b"x",
        raw_deflate(bytes(400_000)),
        method=8,
        size=400_000,
        crc=zlib.crc32(bytes(400_000)),
        count=5,
    )
    found = list(read_all(open_bytes("a.zip", data)).values())
    assert found[:2] == [bytes(400_000)] * 2
    assert all("dcat would take 200,000 more" in str(why) for why in found[2:])


# -- damage ------------------------------------------------------------------------------------


def whole_archives() -> Iterator[tuple[str, bytes]]:
    content = [("a", b"alpha" * 30), ("b", b"beta"), ("c", b"")]
    yield "a.zip", zip_bytes(content)
    yield "a.zip", zip_bytes(content, zipfile.ZIP_STORED)
    for suffix, compress in COMPRESS.items():
        yield "a" + suffix, compress(tar_bytes(content))
    yield "a.dcm.gz", gz(b"alpha" * 30)


WHOLE = list(whole_archives())


@pytest.mark.parametrize(("name", "data"), WHOLE, ids=lambda v: v if isinstance(v, str) else "")
def test_an_archive_cut_short_anywhere_says_so(name: str, data: bytes) -> None:
    whole = read_all(open_bytes(name, data))
    zeros = len(data) - len(data.rstrip(b"\0")) if name == "a.tar" else 0
    for end in range(HEAD_BYTES if name == "a.tar" else 6, len(data) - zeros):
        try:
            archive = open_bytes(name, data[:end])
        except ArchiveError:
            continue
        found = read_all(archive)
        lost = {k: v for k, v in whole.items() if found.get(k) != v}
        assert archive.error or archive.findings or any(isinstance(found.get(k), str) for k in lost)
        assert set(found) <= set(whole)


@given(
    st.integers(0, len(WHOLE) - 1),
    st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), min_size=1, max_size=4),
)
@settings(max_examples=300)
def test_damaged_archives_are_refused_or_read(number: int, changes: list[tuple[int, int]]) -> None:
    name, data = WHOLE[number][0], bytearray(WHOLE[number][1])
    for at, byte in changes:
        data[at % len(data)] = byte
    if format_of(name, bytes(data[:HEAD_BYTES])) is None:
        return
    try:
        archive = open_bytes(name, bytes(data))
        found = read_all(archive)
        names = archive.listing()
    except ArchiveError:
        return
    assert set(found) == set(names)


@given(st.sampled_from([".zip", *sorted(COMPRESS), ".dcm.gz"]), st.binary(max_size=3000))
@settings(max_examples=200)
def test_noise_is_refused_or_read(suffix: str, noise: bytes) -> None:
    starts = {".zip": b"PK\x03\x04", ".tar.bz2": b"BZh9", ".tar.xz": b"\xfd7zXZ\0"}
    data = starts.get(suffix, b"\x1f\x8b\x08" if suffix.endswith("gz") else b"") + noise
    if suffix == ".zip":
        data += raw_zip(b"x", b"")[-22:]
    assert is_archive_name("a" + suffix)
    if format_of("a" + suffix, data[:HEAD_BYTES]) is not None:
        refusal("a" + suffix, data)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.zip", zip_bytes(SMALL)[:-30], "no end: it is cut short"),
        ("a.zip", raw_zip(b"x", b"")[:-4] + b"\xff\0\0\0", "not where its end says"),
        ("a.zip", raw_zip(b"x", b"")[:-18] + b"\1\0" + raw_zip(b"x", b"")[-16:], "one part of an archive of several"),
        ("a.zip", raw_zip(b"x", b"")[:-12] + b"\5\0" + raw_zip(b"x", b"")[-10:], "1 of 5 members can be read"),
        ("a.tar", tar_bytes(SMALL)[:1700], "breaks off at byte 1,700, inside a member, at or after member 2"),
        ("a.tar", tar_bytes(SMALL)[:1100], "breaks off at byte 1,100, inside a header, at or after member 1"),
        ("a.tar", tar_bytes(SMALL)[:1024] + b"junk" * 200, "at byte 1,024 should be a header"),
        ("a.tar.gz", gz(tar_bytes(SMALL))[:-9], "gzip data break off"),
        ("a.tar.gz", gz(tar_bytes(SMALL))[:-6] + b"abcdef", "incorrect data check"),
    ],
)  # fmt: skip
def test_what_is_said_of_damaged_archives(name: str, data: bytes, why: str) -> None:
    assert why in refusal(name, data)


def test_a_tar_without_an_end_and_one_that_goes_on() -> None:
    whole = tar_bytes([("a", b"x")])
    without = open_bytes("a.tar", whole[:1024])
    assert read_all(without) == {"a": b"x"}
    assert ([f.code for f in without.findings], without.error) == (["archive-without-end"], "")
    both = open_bytes("a.tar", whole + tar_bytes([("b", b"y")]))
    assert read_all(both) == {"a": b"x"}
    assert [f.code for f in both.findings] == ["archive-goes-on"]
