"""ISO images: what other programs made, made by hand, and made to harm."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ArchiveError
from catalog.files import iso_archive
from catalog.files.archives import Format, format_of, head_bytes
from catalog.files.iso_archive import IsoArchive
from catalog.files.members import MemberKind
from tests.discs import (
    ASSOCIATED,
    GOES_ON,
    SECTOR,
    Disc,
    both,
    continued,
    folder,
    record,
    rock_ridge,
    rock_ridge_name,
    simple,
    use,
)
from tests.journeys.judging import need


def opened(data: bytes) -> IsoArchive:
    return IsoArchive(io.BytesIO(data), len(data))


def read(data: bytes) -> dict[str, bytes | str]:
    """Return every file's bytes, or why it has none."""
    found: dict[str, bytes | str] = {}
    for member, stream in opened(data).members():
        if stream is None:
            found[member.name] = f"{member.kind.value}: {member.reason}"
            continue
        try:
            found[member.name] = stream.read()
        except ArchiveError as exc:
            found[member.name] = str(exc)
    return found


# -- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_disc", "name"),
    [
        (b"DICOMDIR.;1", "DICOMDIR"),
        (b"DICOMDIR;1", "DICOMDIR"),
        (b"DICOMDIR", "DICOMDIR"),
        (b"README.TXT;1", "README.TXT"),
        (b"README.TXT;32767", "README.TXT"),
        (b"readme.txt", "readme.txt"),
        (b"A.B.;1", "A.B"),
        (b"X;Y;1", "X;Y"),
        (b".;1", "."),
        (b"\xc4RZTE.TXT;1", "\\xc4RZTE.TXT"),
    ],
)
def test_names_of_iso_9660(on_disc: bytes, name: str) -> None:
    assert read(simple([(on_disc, b"x")]).bytes()) == {name: b"x"}


def test_joliet_names_come_before_iso_9660() -> None:
    disc = simple([(b"LONGNA_1.HTM;1", b"x")])
    disc.joliet(record("Ärzte und Patienten.html;1".encode("utf-16-be"), 30, 1))
    assert read(disc.bytes()) == {"Ärzte und Patienten.html": b"x"}


def test_rock_ridge_names_come_before_joliet() -> None:
    disc = rock_ridge(record(b"A.;1", 30, 1, use=rock_ridge_name(b"a long name"))).data(30, b"x")
    disc.joliet(record("Joliet".encode("utf-16-be"), 30, 1))
    assert read(disc.bytes()) == {"a long name": b"x"}


def test_rock_ridge_names_in_pieces_and_elsewhere() -> None:
    area = b"\0" * 100 + rock_ridge_name(b"three")
    disc = rock_ridge(
        record(
            b"A.;1", 30, 1,
            use=rock_ridge_name(b"one", goes_on=True) + rock_ridge_name(b"two", goes_on=True)
            + continued(40, 100, len(area) - 100),
        )
    )  # fmt: skip
    disc.data(30, b"x").data(40, area)
    assert read(disc.bytes()) == {"onetwothree": b"x"}


def test_links_and_special_files_are_not_followed() -> None:
    link = rock_ridge_name(b"link") + use(b"SL", b"\0\x08\0etc")
    pipe = rock_ridge_name(b"pipe") + use(b"PX", both(0o010644, "L") + both(1, "L") * 3)
    plain = rock_ridge_name(b"plain") + use(b"PX", both(0o100644, "L") + both(1, "L") * 3)
    disc = rock_ridge(
        record(b"A.;1", 30, 1, use=link), record(b"B.;1", 30, 1, use=pipe), record(b"C.;1", 30, 1, use=plain)
    )  # fmt: skip
    assert read(disc.data(30, b"x").bytes()) == {
        "link": "not-followed: a link",
        "pipe": "not-followed: a special file",
        "plain": b"x",
    }


def test_folders_that_rock_ridge_moved_stand_where_they_belong() -> None:
    moved = rock_ridge_name(b"deep") + use(b"CL", both(25, "L"))
    disc = rock_ridge(
        folder(b"D", 22, rock_ridge_name(b"d")), folder(b"RR_MOVED", 23, use(b"RE", b""))
    )
    disc.entries(22, record(b"DEEP", 0, 0, use=moved))
    disc.entries(23, folder(b"DEEP", 25))
    disc.entries(25, record(b"A.;1", 30, 1, use=rock_ridge_name(b"a"))).data(30, b"x")
    assert read(disc.bytes()) == {"d/deep/a": b"x"}


@pytest.mark.parametrize("name", [b"..", b"../../etc/passwd", b"/etc/passwd", b"a\\..\\b", b"C:x"])
def test_names_that_lead_out_are_text_and_said(name: bytes) -> None:
    disc = rock_ridge(record(b"A.;1", 30, 1, use=rock_ridge_name(name))).data(30, b"x")
    (member,) = opened(disc.bytes()).listing().values()
    assert "member-name-unsafe" in {finding.code for finding in member.findings}


def test_names_that_occur_twice_are_numbered() -> None:
    found = read(simple([(b"A.;1", b"x"), (b"A.;2", b"y"), (b"A", b"z")]).bytes())
    assert found == {"A": b"x", "A\\#2": b"y", "A\\#3": b"z"}


# -- places --------------------------------------------------------------------------------


def test_folders_and_files_of_all_sorts() -> None:
    disc = Disc().entries(
        20,
        folder(b"DICOM", 22),
        record(b"EMPTY.;1", 0, 0),
        record(b"FORK.;1", 30, 5, ASSOCIATED),
        record(b"WITH_XA.;1", 30, 5, attributes=1),
        record(b"TWO.;1", 32, 2048, GOES_ON),
        record(b"TWO.;1", 34, 3),
        record(b"MIXED.;1", 30, 5, unit=2),
    )
    disc.entries(22, record(b"IM1.;1", 30, 5))
    disc.data(30, b"first").data(31, b"secnd").data(32, b"z" * 2048).data(34, b"end")
    data = disc.bytes()
    assert read(data) == {
        "EMPTY": b"",
        "WITH_XA": b"secnd",
        "TWO": b"z" * 2048 + b"end",
        "MIXED": "unreadable: it is interleaved with another file",
        "DICOM/IM1": b"first",
    }
    archive = opened(data)
    assert (archive.error, archive.findings, archive.volume_identifier) == ("", [], "DISC1")
    assert archive.listing()["TWO"].size_bytes == 2051


def test_folders_of_several_sectors() -> None:
    records = [record(b"F%06d.;1" % number, 30, 1) for number in range(100)]
    disc = Disc()
    first = folder(b"\0", 20, size=3 * SECTOR) + folder(b"\1", 20) + b"".join(records[:40])
    disc.data(20, first).data(21, b"".join(records[40:80])).data(22, b"".join(records[80:]))
    disc.descriptors[0] = disc.descriptors[0][:156] + folder(b"\0", 20, size=3 * SECTOR) + disc.descriptors[0][190:]  # fmt: skip
    assert len(read(disc.data(30, b"x").bytes())) == 100


def test_a_file_is_read_from_anywhere_forwards() -> None:
    data = os.urandom(20_000)
    disc = Disc().entries(20, record(b"A.;1", 30, len(data))).data(30, data)
    with opened(disc.bytes()).open("A") as stream:
        stream.seek(15_000)
        assert stream.read(10) == data[15_000:15_010]
        stream.seek(0)
        assert stream.read(10) == data[:10]


def test_names_that_are_not_there() -> None:
    archive = opened(simple([(b"A.;1", b"x")]).bytes())
    with pytest.raises(ArchiveError, match="no file of this name"):
        archive.open("B")


# -- made to harm, or damaged ------------------------------------------------------------------


def refusal(data: bytes) -> str:
    try:
        return opened(data).error
    except ArchiveError as exc:
        return str(exc)


def _loop() -> bytes:
    return Disc().entries(20, folder(b"A", 22)).entries(22, folder(b"B", 20)).bytes()


def _itself() -> bytes:
    return Disc().entries(20, folder(b"A", 20)).bytes()


def _twins() -> bytes:
    return Disc().entries(20, folder(b"A", 22), folder(b"B", 22)).entries(22).bytes()


def _chain() -> bytes:
    disc = Disc()
    for sector in range(20, 99):
        disc.entries(sector, folder(b"A", sector + 1))
    return disc.bytes(110 * SECTOR)


def _folder_outside() -> bytes:
    return Disc().entries(20, folder(b"A", 4_000_000_000)).bytes()


def _folder_too_long() -> bytes:
    return Disc().entries(20, folder(b"A", 22, size=0xFFFFFFFF)).entries(22).bytes()


def _short_record() -> bytes:
    return Disc().data(20, folder(b"\0", 20) + b"\x05abcd").bytes()


def _name_beyond_its_record() -> bytes:
    bad = bytearray(record(b"A.;1", 30, 1))
    bad[32] = 200
    return Disc().entries(20, bytes(bad)).bytes()


def _blocks_of_zero() -> bytes:
    disc = Disc()
    disc.descriptors[0] = disc.descriptor(1, 20, block=0)
    return disc.bytes()


def _no_primary() -> bytes:
    disc = Disc()
    disc.descriptors[0] = disc.descriptor(2, 20)
    return disc.bytes()


def _udf_alone() -> bytes:
    disc = Disc()
    disc.descriptors = [b"\0BEA01\1", b"\0NSR03\1", b"\0TEA01\1"]
    return disc.bytes()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (_loop, "same as another folder"),
        (_itself, "same as another folder"),
        (_twins, "same as another folder"),
        (_chain, "lies too deep"),
        (_folder_outside, "lies outside of the image"),
        (_folder_too_long, "lies outside of the image"),
        (_short_record, "damaged record"),
        (_name_beyond_its_record, "damaged record"),
        (_blocks_of_zero, "blocks of 0 bytes"),
        (_no_primary, "no Primary Volume Descriptor"),
        (_udf_alone, "mount it"),
        (lambda: b"", "no Primary Volume Descriptor"),
        (lambda: bytes(17 * SECTOR), "no Primary Volume Descriptor"),
    ],
    ids=lambda v: v.__name__.strip("_") if callable(v) else "",
)
def test_what_cannot_be_read_whole_is_said(data: object, why: str) -> None:
    started = time.monotonic()
    assert why in refusal(data())  # type: ignore[operator]
    assert time.monotonic() - started < 5


def test_files_outside_of_the_image() -> None:
    disc = Disc().entries(20, record(b"A.;1", 59, 5000), record(b"B.;1", 0xFFFFFFF0, 0xFFFFFFFF))
    found = opened(disc.bytes()).listing()
    assert {m.kind for m in found.values()} == {MemberKind.UNREADABLE}
    assert "outside of the image" in found["A"].reason
    with pytest.raises(ArchiveError, match="outside of the image"):
        opened(disc.bytes()).open("B")


def test_an_image_cut_short_says_so() -> None:
    whole = simple([(b"A.;1", b"x" * 2000), (b"B.;1", b"y" * 2000)]).bytes()
    archive = opened(whole[: 31 * SECTOR])
    assert [finding.code for finding in archive.findings] == ["image-short"]
    assert archive.listing()["A"].kind is MemberKind.FILE
    assert archive.listing()["B"].kind is MemberKind.UNREADABLE


def test_many_names_for_the_same_bytes_are_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iso_archive, "allowance", lambda size: 3 * SECTOR)
    records = [record(b"F%02d.;1" % number, 30, SECTOR) for number in range(20)]
    found = read(Disc().entries(20, *records).bytes())
    assert sum(isinstance(data, bytes) for data in found.values()) == 3
    assert "dcat would take 0 more from this image" in found["F19"]


def test_more_files_than_are_looked_at() -> None:
    data = simple([(b"A.;1", b"x"), (b"B.;1", b"y"), (b"C.;1", b"z")]).bytes()
    archive = IsoArchive(io.BytesIO(data), len(data), 2)
    assert len(archive.listing()) == 2
    assert "more than 2 files" in archive.error


def test_folders_longer_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iso_archive, "MAX_DIRECTORY_BYTES", 3000)
    assert "more than 3,000 bytes" in refusal(
        Disc().entries(20, folder(b"A", 22)).entries(22).bytes()
    )


def test_continuations_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    on_and_on = continued(40, 0, 28)
    records = [record(b"F%02d.;1" % n, 30, 1, use=on_and_on) for n in range(20)]
    disc = rock_ridge(*records).data(40, on_and_on)
    assert set(read(disc.bytes())) == {f"F{n:02}" for n in range(20)}
    monkeypatch.setattr(iso_archive, "MAX_CONTINUED_BYTES", 1000)
    assert "go on in more than 1,000 bytes" in refusal(disc.bytes())


def _rich() -> bytes:
    disc = rock_ridge(
        folder(b"D", 22, rock_ridge_name(b"d")),
        record(b"A.;1", 30, 5, use=rock_ridge_name(b"a") + continued(40, 0, 40)),
        record(b"M.;1", 31, 0, use=rock_ridge_name(b"m") + use(b"CL", both(23, "L"))),
    )
    disc.entries(22, record(b"B.;1", 32, 100, use=rock_ridge_name(b"b")))
    disc.entries(23, record(b"C.;1", 33, 2048, GOES_ON), record(b"C.;1", 34, 9))
    disc.data(40, rock_ridge_name(b"more") + use(b"ZZ", b"1234"))
    return disc.joliet(record("J".encode("utf-16-be"), 30, 5)).bytes()


RICH = _rich()


@given(
    st.lists(st.tuples(st.integers(0, 44 * SECTOR), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(20 * SECTOR, len(RICH)),
)
@settings(max_examples=300)
def test_damaged_images_are_refused_or_read(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(RICH)
    for at, byte in changes:
        # nearly all of an image is empty, so what is changed is moved to where something stands
        sector = (16, 17, 20, 21, 22, 23, 40)[at // SECTOR % 7]
        data[sector * SECTOR + at % 300] = byte
    try:
        archive = opened(bytes(data[:end]))
    except ArchiveError:
        return
    listing = archive.listing()
    names = set()
    for member, stream in archive.members():
        names.add(member.name)
        if stream is not None:
            try:
                stream.read()
            except ArchiveError:
                continue
    assert names == set(listing)


# -- what others make ------------------------------------------------------------------------


def _tree(folder_: Path) -> dict[str, bytes]:
    content = {
        "DICOMDIR": b"D" * 5000,
        "DICOM/PT000000/ST000000/IM000000": os.urandom(3000),
        "DICOM/PT000000/ST000000/IM000001": b"",
        "README.TXT": b"hello",
        **{f"MANY/M{number}": b"%d" % number for number in range(150)},
    }
    for name, data in content.items():
        path = folder_ / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return content


@pytest.mark.judges
@pytest.mark.parametrize(
    "options", [(), ("-J",), ("-R",), ("-J", "-R"), ("-iso-level", "4"), ("-udf",)]
)
def test_images_of_genisoimage(options: tuple[str, ...], tmp_path: Path) -> None:
    content = _tree(tmp_path / "t")
    program = need("genisoimage")
    subprocess.run(
        (program, "-quiet", *options, "-o", tmp_path / "a.iso", tmp_path / "t"),
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    data = (tmp_path / "a.iso").read_bytes()
    assert read(data) == content
    assert opened(data).error == ""


@pytest.mark.judges
def test_deep_and_long_names_of_genisoimage(tmp_path: Path) -> None:
    """Rock Ridge moves folders below the eighth level elsewhere."""
    deep = "/".join(f"level {number}" for number in range(12))
    content = {f"{deep}/{'n' * 200}.dcm": b"deep", "übung": b"x"}
    for name, data in content.items():
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_bytes(data)
    (tmp_path / "t" / "link").symlink_to("/etc/passwd")
    program = need("genisoimage")
    subprocess.run((program, "-quiet", "-R", "-o", tmp_path / "a.iso", tmp_path / "t"), check=True, capture_output=True, timeout=60)  # fmt: skip
    assert read((tmp_path / "a.iso").read_bytes()) == {**content, "link": "not-followed: a link"}


@pytest.mark.skipif(shutil.which("xorriso") is None, reason="xorriso is not installed")
def test_images_of_xorriso(tmp_path: Path) -> None:
    content = _tree(tmp_path / "t")
    subprocess.run(
        ("xorriso", "-as", "mkisofs", "-quiet", "-J", "-o", tmp_path / "a.iso", tmp_path / "t"),
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert read((tmp_path / "a.iso").read_bytes()) == content


@pytest.mark.parametrize("extra", [{}, {"joliet": 3}, {"rock_ridge": "1.12"}, {"udf": "2.60"}])
def test_images_of_pycdlib(extra: dict[str, object], tmp_path: Path) -> None:
    pycdlib = pytest.importorskip("pycdlib")
    iso = pycdlib.PyCdlib()
    iso.new(**extra)
    iso.add_directory("/D", **({"joliet_path": "/D"} if "joliet" in extra else {}), **({"rr_name": "D"} if "rock_ridge" in extra else {}), **({"udf_path": "/D"} if "udf" in extra else {}))  # fmt: skip
    iso.add_fp(io.BytesIO(b"x"), 1, "/D/A.;1", **({"joliet_path": "/D/A"} if "joliet" in extra else {}), **({"rr_name": "A"} if "rock_ridge" in extra else {}), **({"udf_path": "/D/A"} if "udf" in extra else {}))  # fmt: skip
    stream = io.BytesIO()
    iso.write_fp(stream)
    iso.close()
    assert read(stream.getvalue()) == {"D/A": b"x"}


# -- as an archive ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.iso", Disc().bytes(), Format.ISO),
        ("A.ISO", Disc().bytes(), Format.ISO),
        ("a.iso", _udf_alone(), Format.ISO),
        ("a.img", Disc().bytes(), None),
        ("a.iso", b"some text", None),
        ("a.iso", b"", None),
        ("a.iso", bytes(40_000), None),
    ],
)
def test_an_image_has_the_name_and_the_first_bytes_of_one(
    name: str, data: bytes, kind: Format | None
) -> None:
    assert format_of(name, data[: head_bytes(name)]) is kind


def test_the_first_record_of_rock_ridge_may_have_a_skip() -> None:
    skipping = use(b"SP", b"\xbe\xef\x02")
    disc = Disc().entries(
        20, record(b"A.;1", 30, 1, use=b"\0\0" + rock_ridge_name(b"a")), use=skipping
    )
    assert read(disc.data(30, b"x").bytes()) == {"a": b"x"}
