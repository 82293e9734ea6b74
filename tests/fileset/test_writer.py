"""DICOMDIRs written: bytes, order, limits, and that reading gives back what was written."""

from __future__ import annotations

import io
import struct
import tempfile
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.dicom.elements import Element
from catalog.errors import EncodingError, FileIdError, FileSetError
from catalog.fileset import record_bytes, writer
from catalog.fileset.reader import read
from catalog.fileset.tree import FileSet, Record, count, flat, walk
from catalog.fileset.writer import Writing, check_record, write, write_records

from .synthetic import e

WRITING = Writing("1.2.3.4.9", "DCAT_TEST")
SERIES_TYPES = ("PRESENTATION", "RT PLAN", "IMAGE", "RAW DATA")


def bytes_of(fileset: FileSet) -> bytes:
    out = io.BytesIO()
    assert write(out, fileset, WRITING) == len(out.getvalue())
    return out.getvalue()


# Legal trees: texts in several character sets, private records and elements, icons.
name = st.sampled_from(
    [
        (None, b"Doe^Jane"),
        (None, b""),
        (b"ISO_IR 100", b"M\xfcller^J\xf6rg "),
        (b"ISO_IR 192", "Люк".encode()),
        (b"\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
        (b"GB18030 ", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
    ]
)
uid = st.from_regex(r"1\.2(\.[1-9][0-9]{0,8}){1,4}", fullmatch=True).map(str.encode)
private = st.lists(
    st.tuples(st.integers(0x1000, 0x10FF), st.binary(max_size=9)), max_size=2, unique_by=lambda p: p[0]
)  # fmt: skip
component = st.text("ABCXYZ019_", min_size=1, max_size=8)


def keys(draw: st.DrawFn, *elements: Element) -> tuple[Element, ...]:
    extra = [e(0x00090010, "LO", b"TEST")]
    extra += [
        Element(0x00090000 + number, "UN", value + b"\0" * (len(value) % 2))
        for number, value in draw(private)
    ]
    return tuple(sorted((*elements, *extra), key=lambda element: element.tag))


@st.composite
def instances(draw: st.DrawFn) -> Record:
    path = "\\".join(draw(st.lists(component, min_size=1, max_size=8))).encode()
    icon = ((Element(0x00280010, "US", b"\x40\0"), Element(0x7FE00010, "OB", bytes(16))),)
    below = (Record("PRIVATE", (e(0x00041432, "UI", b"1.2.9"),)),) if draw(st.booleans()) else ()
    made = keys(
        draw,
        e(0x00041500, "CS", path),
        e(0x00041510, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
        e(0x00041511, "UI", draw(uid)),
        e(0x00041512, "UI", b"1.2.840.10008.1.2.1"),
        e(0x00080008, "CS", b"ORIGINAL\\PRIMARY"),
        e(0x00200013, "IS", str(draw(st.integers(-9, 99_999))).encode()),
        *((Element(0x00880200, "SQ", icon),) if draw(st.booleans()) else ()),
    )
    return Record("IMAGE", made, below)


@st.composite
def series(draw: st.DrawFn) -> Record:
    made = keys(
        draw,
        e(0x00080060, "CS", b"CT"),
        e(0x0020000E, "UI", draw(uid)),
        e(0x00200011, "IS", b"1"),
    )
    return Record("SERIES", made, tuple(draw(st.lists(instances(), max_size=4))))


@st.composite
def studies(draw: st.DrawFn) -> Record:
    charset, text = draw(name)
    made = keys(
        draw,
        *((e(0x00080005, "CS", charset),) if charset else ()),
        e(0x00080020, "DA", b"20200101"),
        e(0x00080030, "TM", b"1200"),
        e(0x00080050, "SH", b""),
        e(0x00081030, "LO", text),
        e(0x0020000D, "UI", draw(uid)),
        e(0x00200010, "SH", b"1"),
    )
    return Record("STUDY", made, tuple(draw(st.lists(series(), max_size=3))))


@st.composite
def patients(draw: st.DrawFn) -> Record:
    charset, text = draw(name)
    made = keys(
        draw,
        *((e(0x00080005, "CS", charset),) if charset else ()),
        e(0x00100010, "PN", text),
        e(0x00100020, "LO", draw(uid)),
    )
    return Record("PATIENT", made, tuple(draw(st.lists(studies(), max_size=3))))


filesets = st.builds(
    FileSet,
    st.text("ABZ09_", max_size=16),
    uid.map(bytes.decode),
    st.lists(patients(), max_size=4).map(tuple),
    st.sampled_from([(), ("README",), ("A", "B")]),
    st.none(),
    st.sampled_from([(), (e(0x00090010, "LO", b"TEST"), e(0x00091001, "UN", b"xy"))]),
)


@settings(max_examples=60, deadline=None)
@given(filesets)
def test_reading_gives_back_what_was_written(fileset: FileSet) -> None:
    data = bytes_of(fileset)
    directory = read(data)
    assert directory.fileset == fileset
    allowed = {
        "duplicate-patient-id",
        "duplicate-study",
        "duplicate-series",
        "duplicate-file-id",
        "duplicate-sop-instance",
    }
    assert {finding.code for finding in directory.findings} <= allowed
    assert bytes_of(fileset) == data


def in_full(fileset: FileSet, patch: pytest.MonkeyPatch) -> bytes:
    """Return the bytes of `fileset`, each record checked and encoded by itself."""
    with patch.context() as patched:
        patched.setattr(record_bytes, "_shape", lambda record: None)
        return bytes_of(fileset)


@settings(max_examples=30, deadline=None)
@given(filesets)
def test_records_alike_are_encoded_as_any_other(fileset: FileSet) -> None:
    assert in_full(fileset, pytest.MonkeyPatch()) == bytes_of(fileset)


ODD = [
    pytest.param((Element(0x00091001, "LO", b"x" * 255),), id="length-255"),
    pytest.param((Element(0x00091001, "LO", b"x" * 65_534),), id="longest"),
    pytest.param((Element(0x00091001, "UI", b"1"), Element(0x00091002, "LO", b"x")), id="padded"),
    pytest.param((Element(0x00091001, "UN", b"x"),), id="odd-UN"),
    pytest.param((Element(0x00091001, "LO", ()),), id="short-VR-of-items"),
    pytest.param((Element(0x00091002, "LO", b"b"), Element(0x00091001, "LO", b"a")), id="unsorted"),
    pytest.param((Element(0x00040010, "LO", b"first"),), id="before-the-links"),
]


@pytest.mark.parametrize("more", ODD)
def test_odd_keys_are_encoded_as_any_other(
    more: tuple[Element, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = e(0x00100020, "LO", b"P1")
    records = (Record("PATIENT", (key, *more)), Record("PATIENT", (key, *more)))
    fileset = FileSet("X", "1.2.3", records)
    assert in_full(fileset, monkeypatch) == bytes_of(fileset)


def test_memory_does_not_grow_with_the_records() -> None:
    def peak_bytes(images: int) -> int:
        with tempfile.TemporaryFile() as stream:
            tracemalloc.start()
            try:
                write_records(stream, FileSet("X", "1.2.3"), many(images), WRITING)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert peak_bytes(30_000) < 8 << 20


def test_descriptor_character_set_round_trips() -> None:
    fileset = FileSet("X", "1.2", (), ("README",), "ISO_IR 100")
    assert read(bytes_of(fileset)).fileset == fileset


def patient(key: bytes = b"P1", *children: Record) -> Record:
    return Record("PATIENT", (e(0x00100010, "PN", b""), e(0x00100020, "LO", key)), children)


def test_golden_bytes() -> None:
    fileset = FileSet("MEDIA", "1.2.3", (patient(b"P1"), patient(b"P2")))
    meta = (
        b"\2\0\1\0OB\0\0\2\0\0\0\0\1"
        b"\2\0\2\0UI\x14\x001.2.840.10008.1.3.10"
        b"\2\0\3\0UI\x06\x001.2.3\0"
        b"\2\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
        b"\2\0\x12\0UI\x0a\x001.2.3.4.9\0"
        b"\2\0\x13\0SH\x0a\0DCAT_TEST "
    )
    start = bytes(128) + b"DICM\2\0\0\0UL\4\0" + struct.pack("<I", len(meta)) + meta
    first = len(start) + 14 + 12 + 12 + 10 + 12
    second = first + 8 + 34 + 16 + 8 + 10

    def record(next_: int, key: bytes) -> bytes:
        return (
            b"\xfe\xff\0\xe0" + struct.pack("<I", 68)
            + b"\4\0\0\x14UL\4\0" + struct.pack("<I", next_)
            + b"\4\0\x10\x14US\2\0\xff\xff"
            + b"\4\0\x20\x14UL\4\0\0\0\0\0"
            + b"\4\0\x30\x14CS\x08\0PATIENT "
            + b"\x10\0\x10\0PN\0\0"
            + b"\x10\0\x20\0LO\2\0" + key
        )  # fmt: skip

    expected = (
        start
        + b"\4\0\x30\x11CS\6\0MEDIA "
        + b"\4\0\0\x12UL\4\0" + struct.pack("<I", first)
        + b"\4\0\2\x12UL\4\0" + struct.pack("<I", second)
        + b"\4\0\x12\x12US\2\0\0\0"
        + b"\4\0\x20\x12SQ\0\0" + struct.pack("<I", 152)
        + record(second, b"P1") + record(0, b"P2")
    )  # fmt: skip
    assert bytes_of(fileset) == expected


def test_empty_file_set() -> None:
    data = bytes_of(FileSet("", "1.2.3"))
    assert data.endswith(b"\4\0\x20\x12SQ\0\0\0\0\0\0")
    directory = read(data)
    assert directory.findings == ()
    assert directory.fileset.records == ()


def many(images: int) -> Iterator[tuple[int, Record]]:
    yield 0, patient()
    yield 1, Record("STUDY", tuple(
        e(tag, vr, value) for tag, vr, value in (
            (0x00080020, "DA", b"20200101"), (0x00080030, "TM", b"12"), (0x0020000D, "UI", b"1.2"), (0x00200010, "SH", b"1"),
        )
    ))  # fmt: skip
    for number in range(images):
        if number % 50 == 0:
            uid_ = e(0x0020000E, "UI", b"1.2.%d" % number)
            yield 2, Record("SERIES", (e(0x00080060, "CS", b"CT"), uid_, e(0x00200011, "IS", b"1")))
        yield 3, Record("IMAGE", (
            e(0x00041500, "CS", b"I%d" % number), e(0x00041510, "UI", b"1.2"), e(0x00041511, "UI", b"1.3.%d" % number),
            e(0x00041512, "UI", b"1.4"), e(0x00200013, "IS", b"%d" % number),
        ))  # fmt: skip


@pytest.mark.parametrize("buffer_bytes", [1, 30, 1000, 1 << 20])
def test_streaming_equals_the_whole(buffer_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = io.BytesIO()
    write_records(whole, FileSet("X", "1.2.3"), many(500), WRITING)
    tree = read(whole.getvalue()).fileset
    assert count(tree.records) == 512
    monkeypatch.setattr(writer, "_BUFFER_BYTES", buffer_bytes)
    assert bytes_of(tree) == whole.getvalue()


def test_written_where_the_stream_stands() -> None:
    out = io.BytesIO(b"before")
    out.seek(6)
    size = write(out, FileSet("X", "1.2.3", (patient(), patient(b"P2"))), WRITING)
    assert out.getvalue()[:6] == b"before"
    assert read(out.getvalue()[6:]).findings == ()
    assert len(out.getvalue()) == 6 + size


def test_writing_does_not_look_at_children_when_streaming() -> None:
    record = patient(b"P", Record("STUDY"))
    out = io.BytesIO()
    write_records(out, FileSet("X", "1.2.3"), [(0, record)], WRITING)
    assert read(out.getvalue()).fileset.records == (flat(record),)


def write_one(record: Record, depth: int = 0) -> None:
    write_records(io.BytesIO(), FileSet("X", "1.2.3"), [(depth, record)], WRITING)


REFUSED = [
    pytest.param(Record("PATENT"), "no Directory Record Type", id="unknown-type"),
    pytest.param(Record("PATIENT"), "Type 1", id="type-1-absent"),
    pytest.param(patient(b"  "), "Type 1", id="type-1-blank"),
    pytest.param(Record("PRIVATE"), "Type 1", id="private-without-uid"),
    pytest.param(Record("P" * 70_000), "no Directory Record Type", id="long-type"),
    pytest.param(Record("PATIENT", (*patient().keys, e(0x00041430, "CS", b"X"))), "may not hold", id="link-as-key"),
    pytest.param(Record("PATIENT", (*patient().keys, e(0x00100020, "LO", b"X"))), "may not hold", id="key-twice"),
    pytest.param(Record("PATIENT", (*patient().keys, e(0x00020010, "UI", b"1"))), "may not hold", id="group-2"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "message"), REFUSED)
def test_illegal_records_are_refused(record: Record, message: str) -> None:
    with pytest.raises(FileSetError, match=message):
        write_one(record)


def test_one_bad_record_among_good_ones_is_refused() -> None:
    good = patient(b"P1")
    for bad in (patient(b""), patient(b"  "), patient(b"\0\0")):
        with pytest.raises(FileSetError, match="Type 1"):
            bytes_of(FileSet("X", "1.2.3", (good, bad)))


def test_depths_may_not_skip() -> None:
    with pytest.raises(FileSetError, match="depth"):
        write_one(patient(), 1)


def test_illegal_file_ids_are_refused() -> None:
    image = next(record for _, record in many(1) if record.type == "IMAGE")
    check_record(image)
    keys_ = (e(0x00041500, "CS", b"a/b"), *image.keys[1:])
    with pytest.raises(FileIdError):
        check_record(Record("IMAGE", keys_))


@pytest.mark.parametrize(
    "fileset",
    [
        FileSet("too long a File-set ID", "1.2"),
        FileSet("lower", "1.2"),
        FileSet("X", ""),
        FileSet("X", "1.02"),
        FileSet("X", "1." + "2" * 64),
        FileSet("X", "1.2", (), ("read.me",)),
        FileSet("X", "1.2", (), (), "ISO_IR 100"),
        FileSet("X", "1.2", (), (), None, (e(0x00020010, "UI", b"1"),)),
    ],
    ids=repr,
)
def test_illegal_identification_is_refused(fileset: FileSet) -> None:
    with pytest.raises(FileSetError):
        bytes_of(fileset)


def test_oversized_values_are_refused() -> None:
    with pytest.raises(EncodingError):
        write_one(patient(b"P" * 70_000))


def test_four_gibibytes_are_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_LIMIT", 1000)
    with pytest.raises(EncodingError, match="4 GiB"):
        bytes_of(FileSet("X", "1.2", tuple(patient(b"P%d" % n) for n in range(20))))


def test_a_lenient_check_lets_strange_records_survive() -> None:
    out = io.BytesIO()
    fileset = FileSet("X", "1.2.3", (Record("VENDOR", (e(0x00091001, "LO", b"x"),)),))
    write(out, fileset, WRITING, check=lambda record: None)
    assert read(out.getvalue()).fileset == fileset


def test_walk_is_depth_first() -> None:
    records = [record for _, record in many(60)]
    tree = io.BytesIO()
    write_records(tree, FileSet("X", "1.2"), many(60), WRITING)
    found = list(walk(read(tree.getvalue()).fileset.records))
    assert [flat(record) for _, record in found] == records
    assert [depth for depth, _ in found] == [depth for depth, _ in many(60)]
