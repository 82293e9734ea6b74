"""Every way in which a file may carry, lack or break its header."""

from __future__ import annotations

import io
import random
import struct
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.claims import WANTED
from catalog.dicom.elements import Element
from catalog.dicom.header import read_header
from catalog.errors import HeaderError, NotDicom, TruncatedHeader
from tests.dicom.part10 import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    SMALL,
    UNDEFINED,
    codes,
    element,
    encode,
    item,
    meta,
    part10,
    pixel_data,
    read,
    sequence,
    without,
)

PATIENT_ID = 0x00100020
ENCODINGS = [
    pytest.param(EXPLICIT, True, True, id="explicit-little"),
    pytest.param(IMPLICIT, False, True, id="implicit-little"),
    pytest.param(BIG, True, False, id="explicit-big"),
    pytest.param(DEFLATED, True, True, id="deflated"),
    pytest.param(JPEG, True, True, id="encapsulated"),
]
EXPECTED = {
    tag: Element(
        tag, vr, value + b"\0" * (len(value) % 2) if vr == "UI" else value + b" " * (len(value) % 2)
    )
    for tag, vr, value in SMALL
}


@pytest.mark.parametrize(("syntax", "explicit", "little"), ENCODINGS)
def test_elements_are_the_same_in_every_transfer_syntax(
    syntax: str, explicit: bool, little: bool
) -> None:
    data = encode(explicit=explicit, little=little) + pixel_data(explicit=explicit, little=little)
    header = read(part10(data, syntax))
    assert header.elements == EXPECTED
    assert header.transfer_syntax_uid == syntax
    assert header.findings == ()
    assert (header.is_truncated, header.is_dicomdir) == (False, False)


@pytest.mark.parametrize(("syntax", "explicit", "little"), ENCODINGS[:3])
def test_a_file_without_preamble_and_meta(syntax: str, explicit: bool, little: bool) -> None:
    header = read(encode(explicit=explicit, little=little))
    assert header.elements == EXPECTED
    assert (header.transfer_syntax_uid, dict(header.meta)) == (None, {})
    assert codes(header) == ["no-preamble", "meta-missing"]


@pytest.mark.parametrize(("syntax", "explicit", "little"), ENCODINGS[:3])
def test_a_file_without_preamble_with_meta(syntax: str, explicit: bool, little: bool) -> None:
    header = read(meta(syntax) + encode(explicit=explicit, little=little))
    assert header.elements == EXPECTED
    assert codes(header) == ["no-preamble"]


@pytest.mark.parametrize(("syntax", "explicit", "little"), ENCODINGS[:3])
def test_a_missing_transfer_syntax_is_found_out(syntax: str, explicit: bool, little: bool) -> None:
    header = read(part10(encode(explicit=explicit, little=little), None))
    assert header.elements == EXPECTED
    assert header.transfer_syntax_uid is None
    assert codes(header) == ["transfer-syntax-missing"]


@pytest.mark.parametrize(
    ("said", "explicit", "little"),
    [
        pytest.param(EXPLICIT, False, True, id="explicit-is-implicit"),
        pytest.param(IMPLICIT, True, True, id="implicit-is-explicit"),
        pytest.param(EXPLICIT, True, False, id="little-is-big"),
        pytest.param(BIG, True, True, id="big-is-little"),
        pytest.param(JPEG, False, True, id="jpeg-is-implicit"),
    ],
)
def test_a_transfer_syntax_that_lies(said: str, explicit: bool, little: bool) -> None:
    header = read(part10(encode(explicit=explicit, little=little), said))
    assert header.elements == EXPECTED
    assert codes(header) == ["wrong-transfer-syntax"]


def test_a_data_set_that_is_not_deflated_though_it_says_so() -> None:
    header = read(bytes(128) + b"DICM" + meta(DEFLATED) + encode())
    assert header.elements == EXPECTED
    assert codes(header) == ["wrong-transfer-syntax"]


def test_a_private_transfer_syntax_with_implicit_vr_is_no_lie() -> None:
    header = read(part10(encode(explicit=False), "1.2.840.113619.5.2"))
    assert header.elements == EXPECTED
    assert header.findings == ()


def test_meta_keeps_the_bytes_of_group_2() -> None:
    header = read(part10(encode()))
    assert header.meta[0x00020003] == b"1.2.3.4\0"
    assert header.meta[0x00020010] == EXPLICIT.encode() + b"\0"


def test_meta_in_implicit_vr() -> None:
    body = element(0x00020003, "UI", "1.2.3.4", explicit=False) + element(
        0x00020010, "UI", IMPLICIT, explicit=False
    )
    header = read(bytes(128) + b"DICM" + body + encode(explicit=False))
    assert header.transfer_syntax_uid == IMPLICIT
    assert header.elements == EXPECTED


def test_a_command_set_is_passed_over() -> None:
    command = element(0, "UL", struct.pack("<I", 10), explicit=False)
    command += element(0x00000100, "US", b"\1\0", explicit=False)
    assert read(bytes(128) + b"DICM" + meta() + command + encode()).elements == EXPECTED


NOT_DICOM = {
    "empty": b"",
    "one-byte": b"\x08",
    "text": b"Patient: nobody\n" * 100,
    "json": b'{"00080018": {"vr": "UI"}}' * 50,
    "xml": b"<?xml version='1.0'?><NativeDicomModel/>" * 20,
    "csv": b"PatientID,StudyDate\n1,2\n" * 20,
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(300),
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(300),
    "gif": b"GIF89a" + bytes(300),
    "bmp": b"BM" + bytes(300),
    "zip": b"PK\3\4\x14\0\0\0\x08\0" + bytes(300),
    "gzip": b"\x1f\x8b\x08\0" + bytes(300),
    "pdf": b"%PDF-1.7\n" * 40,
    "elf": b"\x7fELF\2\1\1" + bytes(300),
    "tiff": b"II*\0\x08\0\0\0" + bytes(300),
    "sqlite": b"SQLite format 3\0" + bytes(300),
    "nifti": struct.pack("<I", 348) + bytes(344),
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "utf-16": "Ein Text".encode("utf-16") * 50,
    "mpeg": b"\0\0\1\xba" + bytes(300),
    "ico": b"\0\0\1\0\1\0" + bytes(300),
    "ds-store": b"\0\0\0\1Bud1" + bytes(300),
    "zeros-then-dicm-late": bytes(129) + b"DICM" + bytes(100),
    "group-8-then-noise": b"\x08\0\x05\0CS\x04\0ABCDnoise, nothing else follows here",
    "group-8-zeros": b"\x08\0\0\0" + bytes(300),
    "group-2-only-one": element(0x00020001, "OB", b"\0\1"),
}


@pytest.mark.parametrize("data", NOT_DICOM.values(), ids=NOT_DICOM.keys())
def test_what_is_not_dicom_is_refused(data: bytes) -> None:
    with pytest.raises(NotDicom):
        read(data)


def test_the_reason_is_clear() -> None:
    with pytest.raises(NotDicom, match=r"^no DICM prefix and no DICOM elements at the start$"):
        read(NOT_DICOM["text"])


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_refused(seed: int) -> None:
    with pytest.raises(NotDicom):
        read(random.Random(seed).randbytes(2000))


def test_only_the_prefix() -> None:
    with pytest.raises(TruncatedHeader, match="prefix"):
        read(bytes(128) + b"DICM")


def test_a_prefix_before_noise_is_a_broken_header() -> None:
    with pytest.raises(HeaderError):
        read(bytes(128) + b"DICM" + b"\xff" * 500)


def test_truncated_pixel_data() -> None:
    header = read(part10(encode() + pixel_data(100, stated=256)))
    assert header.is_truncated
    assert header.elements == EXPECTED


@pytest.mark.parametrize("tag", [0x7FE00008, 0x7FE00009], ids=["float", "double"])
def test_truncated_float_pixel_data(tag: int) -> None:
    assert read(part10(encode() + element(tag, "OF", bytes(10), length=2000))).is_truncated


def test_encapsulated_pixel_data_are_not_looked_into() -> None:
    header = read(part10(encode() + element(0x7FE00010, "OB", b"\xfe\xff", length=UNDEFINED), JPEG))
    assert not header.is_truncated
    assert header.elements == EXPECTED


def test_nothing_after_pixel_data_is_read() -> None:
    header = read(part10(encode() + pixel_data() + element(PATIENT_ID, "LO", "other")))
    assert header.elements == EXPECTED


class Sparse(io.RawIOBase):
    """A file of any size that holds `data` at its start; it counts what is read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place, self.read_bytes = data, 0, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size < 2_000_000
        out = self.data[self.place : self.place + size]
        self.place += len(out)
        self.read_bytes += len(out)
        return out


def test_large_values_that_nobody_wants_are_not_read() -> None:
    big = element(0x00091001, "OB", bytes(3_000_000))
    stream = Sparse(part10(encode(SMALL[:6]) + big + encode(SMALL[6:]) + pixel_data(5_000_000)))
    header = read_header(stream, len(stream.data), WANTED)  # type: ignore[arg-type]
    assert header.elements == EXPECTED
    assert stream.read_bytes < 40_000


@pytest.mark.parametrize("count", [16_000, 16_300, 16_384, 16_390, 70_000])
def test_values_at_the_edge_of_the_window(count: int) -> None:
    for extra in range(0, 40, 2):
        private = element(0x00091001, "UN", bytes(count - 500 + extra))
        assert (
            read(part10(encode(SMALL[:6]) + private + encode(SMALL[6:]) + pixel_data())).elements
            == EXPECTED
        )


def test_a_wanted_value_beyond_the_window() -> None:
    address = element(0x00080081, "ST", b"x" * 60_000)
    header = read(part10(encode(SMALL[:6]) + address + encode(SMALL[6:])))
    assert header.elements[0x00080081].data == b"x" * 60_000


def test_a_wanted_value_beyond_one_mebibyte_is_reported_and_left() -> None:
    long = element(0x00080081, "UT", bytes(1024 * 1024 + 2))
    header = read(part10(encode(SMALL[:6]) + long + encode(SMALL[6:])))
    assert header.elements == EXPECTED
    assert codes(header) == ["value-too-large"]


NESTED = item(
    element(PATIENT_ID, "LO", "inner"), sequence(0x00081140, item(undefined=True), undefined=True)
)
SKIPPED = {
    "defined": sequence(0x00081115, NESTED),
    "undefined": sequence(0x00081115, NESTED, undefined=True),
    "undefined-items": sequence(
        0x00081115,
        item(sequence(0x00081199, NESTED, undefined=True), undefined=True),
        item(),
        undefined=True,
    ),
    "empty": sequence(0x00081115),
    "empty-undefined": sequence(0x00081115, undefined=True),
    "private": sequence(0x00091001, NESTED, undefined=True),
    "un-implicit": sequence(
        0x00091001,
        item(
            element(PATIENT_ID, "LO", "in", explicit=False),
            sequence(0x00081140, item(undefined=True), undefined=True, explicit=False),
            undefined=True,
        ),
        vr="UN",
        undefined=True,
    ),
    "un-explicit": sequence(
        0x00091001, item(*[NESTED[8:]], undefined=True), vr="UN", undefined=True
    ),
    "implicit-items-in-sq": sequence(
        0x00081115,
        item(element(PATIENT_ID, "LO", "in", explicit=False), undefined=True),
        undefined=True,
    ),
    "fragments": sequence(
        0x00091001, item(b"\1\2\3\4"), item(b"\xfe\xff\x0d\xe0"), vr="OB", undefined=True
    ),
    "group-length": element(0x00090000, "UL", struct.pack("<I", 99)),
    "trailing-padding-within": element(0xFFFCFFFC, "OB", bytes(40)),
    "unknown-vr": element(0x00091001, "ZZ", b"abcd"),
    "implicit-element": element(0x00091001, "LO", b"abcd", explicit=False),
}


@pytest.mark.parametrize("data", SKIPPED.values(), ids=SKIPPED.keys())
def test_what_is_not_wanted_is_skipped(data: bytes) -> None:
    header = read(part10(encode(SMALL[:6]) + data + encode(SMALL[6:]) + pixel_data()))
    assert header.elements == EXPECTED
    assert header.findings == ()


def test_sequences_in_big_endian_with_an_un_in_little_endian() -> None:
    un = sequence(
        0x00091001,
        item(element(PATIENT_ID, "LO", "in", explicit=False), undefined=True),
        vr="UN",
        little=False,
    )
    body = item(element(PATIENT_ID, "LO", "in", explicit=False), undefined=True)
    body += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    un += element(0x00091002, "UN", body, little=False, length=UNDEFINED)
    un += sequence(
        0x00091003,
        item(element(PATIENT_ID, "LO", "in", little=False), undefined=True, little=False),
        undefined=True,
        little=False,
    )
    header = read(
        part10(encode(SMALL[:6], little=False) + un + encode(SMALL[6:], little=False), BIG)
    )
    assert header.elements == EXPECTED


def test_a_wanted_sequence_is_parsed() -> None:
    wanted = frozenset({0x00081115, PATIENT_ID})
    inner = Element(PATIENT_ID, "LO", b"inner ")
    for name in ("defined", "undefined"):
        header = read(part10(SKIPPED[name] + encode(SMALL[6:])), wanted)
        (first,) = header.elements[0x00081115].items
        assert first == (inner, Element(0x00081140, "SQ", ((),)))


def test_a_wanted_sequence_that_is_broken_is_reported() -> None:
    wanted = frozenset({0x00081115, PATIENT_ID})
    header = read(part10(element(0x00081115, "SQ", b"nonsense") + encode(SMALL[6:])), wanted)
    assert codes(header) == ["sequence-unreadable"]
    assert set(header.elements) == {PATIENT_ID}


def test_a_wanted_element_as_un_gets_its_vr() -> None:
    header = read(part10(encode(without(PATIENT_ID)[:6]) + element(PATIENT_ID, "UN", b"P1")))
    assert header.elements[PATIENT_ID] == Element(PATIENT_ID, "LO", b"P1")


def test_a_wanted_element_with_an_invalid_vr_gets_its_vr() -> None:
    header = read(part10(encode(without(PATIENT_ID)[:6]) + element(PATIENT_ID, "ZZ", b"P1")))
    assert header.elements[PATIENT_ID] == Element(PATIENT_ID, "LO", b"P1")
    assert codes(header) == ["invalid-vr"]


def test_of_an_element_that_occurs_twice_the_last_is_taken() -> None:
    header = read(part10(encode() + element(PATIENT_ID, "LO", "second")))
    assert header.elements[PATIENT_ID].data == b"second"
    assert codes(header) == ["duplicate-element"]


def test_elements_out_of_order_are_read() -> None:
    assert read(part10(encode(SMALL[::-1]))).elements == EXPECTED


def test_trailing_zeros_are_padding() -> None:
    header = read(part10(encode() + bytes(1000)))
    assert header.elements == EXPECTED
    assert codes(header) == ["trailing-zeros"]


def test_zeros_in_place_of_elements_are_damage() -> None:
    header = read(part10(encode() + bytes(1000) + b"x"))
    assert codes(header) == ["header-damaged"]


@pytest.mark.parametrize(
    "tail", [b"\x20", b"\x20\0\x20\0LO", b"\x20\0\x20\0LO\x40\0A"], ids=["1", "6", "value"]
)
def test_damage_after_the_uids_keeps_what_came_before(tail: bytes) -> None:
    header = read(part10(encode() + tail))
    assert header.elements == EXPECTED
    (finding,) = header.findings
    assert (finding.code, finding.severity.value) == ("header-damaged", "error")


def test_damage_before_the_uids_raises() -> None:
    with pytest.raises(TruncatedHeader):
        read(part10(encode(SMALL[:9]) + b"\x20\0\x0e\0UI\x40\x001.2"))


def test_empty_uids_do_not_place_a_damaged_file() -> None:
    empty = [(tag, vr, b"" if tag == 0x0020000D else value) for tag, vr, value in SMALL]
    with pytest.raises(TruncatedHeader):
        read(part10(encode(empty) + b"\x20"))


def test_no_data_set() -> None:
    with pytest.raises(TruncatedHeader, match="before its data set"):
        read(bytes(128) + b"DICM" + meta())


def test_a_file_shorter_than_its_stated_size() -> None:
    data = part10(encode())
    header = read_header(io.BytesIO(data), len(data) + 1000, WANTED)
    assert header.elements == EXPECTED
    assert codes(header) == ["header-damaged"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            part10(
                element(0x00041130, "CS", b"ID") + sequence(0x00041220, item()),
                sop_class="1.2.840.10008.1.3.10",
            ),
            id="both",
        ),
        pytest.param(
            part10(element(0x00041130, "CS", b"ID") + sequence(0x00041220, item())), id="records"
        ),
        pytest.param(
            part10(element(0x00041130, "CS", b"ID"), sop_class="1.2.840.10008.1.3.10"), id="class"
        ),
        pytest.param(
            element(0x00041130, "CS", b"ID") + sequence(0x00041220, item(), undefined=True),
            id="bare",
        ),
    ],
)
def test_a_dicomdir_is_recognised(data: bytes) -> None:
    try:
        assert read(data).is_dicomdir
    except NotDicom:
        pytest.fail("a DICOMDIR was refused")


# --- hostile input -------------------------------------------------------------------------


def outcome(data: bytes, wanted: frozenset[int] = WANTED) -> str:
    """Read; anything but a Header or a HeaderError fails the test."""
    try:
        header = read(data, wanted)
    except HeaderError as error:
        return type(error).__name__
    assert all(isinstance(e, Element) for e in header.elements.values())
    return "Header"


EVERYTHING = WANTED | {0x00081115, 0x00091001}


@pytest.mark.parametrize(("syntax", "explicit", "little"), ENCODINGS)
def test_truncation_at_every_offset(syntax: str, explicit: bool, little: bool) -> None:
    nested = sequence(
        0x00081115,
        item(
            element(PATIENT_ID, "LO", "inner", explicit=explicit, little=little),
            undefined=True,
            little=little,
        ),
        undefined=True,
        explicit=explicit,
        little=little,
    )
    data = encode(explicit=explicit, little=little) + nested
    whole = part10(data + pixel_data(20, explicit=explicit, little=little), syntax)
    bare = data
    for end in range(len(whole)):
        outcome(whole[:end], EVERYTHING)
    for end in range(len(bare)):
        outcome(bare[:end], EVERYTHING)


@pytest.mark.parametrize(("syntax", "explicit", "little"), ENCODINGS)
def test_flipped_bytes(syntax: str, explicit: bool, little: bool) -> None:
    chance = random.Random(7)
    whole = part10(
        encode(explicit=explicit, little=little) + pixel_data(20, explicit=explicit, little=little),
        syntax,
    )
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(128, len(broken))] = chance.choice(
                (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
            )
        outcome(bytes(broken), EVERYTHING)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    outcome(data, EVERYTHING)
    outcome(bytes(128) + b"DICM" + data, EVERYTHING)
    outcome(part10(data), EVERYTHING)
    outcome(part10(encode() + data), EVERYTHING)
    outcome(bytes(128) + b"DICM" + meta(DEFLATED) + data, EVERYTHING)


@pytest.mark.parametrize("wanted", [WANTED, EVERYTHING], ids=["skipped", "wanted"])
def test_deep_nesting(wanted: frozenset[int]) -> None:
    deep = element(0x00081115, "SQ", b"", length=UNDEFINED) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, UNDEFINED
    )
    began = time.thread_time()
    header = read(part10(encode() + deep * 50_000), wanted)
    assert header.elements == EXPECTED
    assert codes(header) == ["header-damaged"]
    assert time.thread_time() - began < 5


def test_deep_nesting_that_ends_well_is_skipped_and_reported_where_wanted() -> None:
    data = b""
    for _ in range(200):
        data = sequence(0x00081115, item(data, undefined=True), undefined=True)
    assert read(part10(encode() + data)).elements == EXPECTED
    header = read(part10(encode() + data), EVERYTHING)
    assert codes(header) == ["sequence-unreadable"]


@pytest.mark.parametrize("inside", [False, True], ids=["top", "item"])
def test_an_endless_row_of_small_elements_ends(
    monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    monkeypatch.setattr("catalog.dicom.source.MAX_SCANNED_BYTES", 1024 * 1024)
    row = element(0x00091001, "LO", "") * (1024 * 1024 // 8 + 20_000)
    if inside:
        row = sequence(0x00091000, item(row, undefined=True), undefined=True)
    header = read(part10(encode() + row))
    assert header.elements == EXPECTED
    assert codes(header) == ["header-damaged"]


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFE, 0x80000000], ids=hex)
@pytest.mark.parametrize("tag", [0x00081115, 0x00091001, PATIENT_ID], ids=hex)
def test_absurd_lengths(tag: int, length: int) -> None:
    data = element(tag, "UN", b"", length=length)
    assert codes(read(part10(encode() + data), EVERYTHING)) == ["header-damaged"]
    with pytest.raises(TruncatedHeader):
        read(part10(data), EVERYTHING)


def test_absurd_length_in_meta() -> None:
    with pytest.raises(TruncatedHeader):
        read(bytes(128) + b"DICM" + element(0x00020102, "OB", b"", length=0xFFFFFFF0) + encode())


def test_large_meta_is_not_kept() -> None:
    data = (
        bytes(128)
        + b"DICM"
        + meta(EXPLICIT, element(0x00020102, "OB", bytes(2_000_000)))
        + encode()
    )
    header = read(data)
    assert 0x00020102 not in header.meta
    assert header.elements == EXPECTED
    assert codes(header) == ["value-too-large"]


def test_a_deflate_bomb_is_stopped() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = compressor.compress(encode() + element(0x00091001, "OB", b"", length=0xFFFFFF00))
    zeros = bytes(1 << 20)
    for _ in range(200):
        bomb += compressor.compress(zeros)
    bomb += compressor.flush()
    header = read(bytes(128) + b"DICM" + meta(DEFLATED) + bomb)
    assert header.elements == EXPECTED
    assert codes(header) == ["header-damaged"]


def test_deflated_pixel_data_are_not_inflated() -> None:
    data = part10(encode() + pixel_data(30_000_000), DEFLATED)
    began = time.thread_time()
    assert read(data).elements == EXPECTED
    assert time.thread_time() - began < 0.1


def test_a_broken_deflate_stream() -> None:
    with pytest.raises(HeaderError, match="inflated"):
        read(bytes(128) + b"DICM" + meta(DEFLATED) + b"\xff" * 100)
