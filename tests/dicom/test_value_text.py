"""Bytes to text: padding, several values, character sets, numbers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.elements import Element
from catalog.dicom.values import (
    Decoded,
    character_set_findings,
    character_sets,
    decode,
    decode_value,
    text,
)

CHARSET = 0x00080005


def declared(value: bytes) -> dict[int, Element]:
    return {CHARSET: Element(CHARSET, "CS", value)}


PADDING = [
    ("LO", b"  a b  ", "a b"),
    ("LO", b"a \\ b ", "a\\b"),
    ("LO", b"\\", "\\"),
    ("SH", b" x\0", "x"),
    ("CS", b"ORIGINAL \\ PRIMARY ", "ORIGINAL\\PRIMARY"),
    ("AE", b" SCU ", "SCU"),
    ("IS", b" 12 ", "12"),
    ("DS", b"1.5 \\ 2 ", "1.5\\2"),
    ("DA", b"20240101\0", "20240101"),
    ("TM", b"1015 ", "1015"),
    ("DT", b"2024 ", "2024"),
    ("AS", b"030Y", "030Y"),
    ("UI", b"1.2.3\0", "1.2.3"),
    ("UI", b"1.2\0\\1.3\0", "1.2\\1.3"),
    ("UI", b" 1.2.3 \0", "1.2.3"),
    ("PN", b" A^B ", " A^B"),
    ("PN", b"A^B \\C^D ", "A^B\\C^D"),
    ("PN", b"A^B==", "A^B"),
    ("PN", b"A^B=C^D=", "A^B=C^D"),
    ("ST", b"  a\\b  ", "  a\\b"),
    ("LT", b" a\r\n b \0", " a\r\n b"),
    ("UT", b" a\\ ", " a\\"),
    ("UR", b"http://a/b\\c ", "http://a/b\\c"),
    ("UC", b" a \\ b ", " a\\ b"),
    ("LO", b"", ""),
    ("LO", b"   ", ""),
    ("US", b"", ""),
]


@pytest.mark.parametrize(
    ("vr", "data", "expected"), PADDING, ids=[f"{v}-{d!r}" for v, d, _ in PADDING]
)
def test_padding_and_values(vr: str, data: bytes, expected: str) -> None:
    assert decode_value(vr, data) == Decoded(expected)


NUMBERS = [
    ("US", struct.pack("<HH", 1, 65535), "1\\65535"),
    ("SS", struct.pack("<h", -2), "-2"),
    ("UL", struct.pack("<I", 2**32 - 1), "4294967295"),
    ("SL", struct.pack("<i", -(2**31)), "-2147483648"),
    ("UV", struct.pack("<Q", 2**64 - 1), "18446744073709551615"),
    ("SV", struct.pack("<q", -1), "-1"),
    ("FL", struct.pack("<ff", 0.1, -2.5), "0.1\\-2.5"),
    ("FD", struct.pack("<d", 0.1), "0.1"),
    ("AT", struct.pack("<HHHH", 0x0010, 0x0020, 0x7FE0, 0x0010), "00100020\\7FE00010"),
    ("OB", b"\x01\xff", "01ff"),
]


@pytest.mark.parametrize(("vr", "data", "expected"), NUMBERS, ids=[n[0] for n in NUMBERS])
def test_numbers(vr: str, data: bytes, expected: str) -> None:
    assert decode_value(vr, data) == Decoded(expected)


@pytest.mark.parametrize(
    ("vr", "data"), [("US", b"\1\2\3"), ("FD", b"\1\2"), ("AT", b"\1\2\3\4\5\6")]
)
def test_numbers_of_ragged_length_keep_their_bytes(vr: str, data: bytes) -> None:
    assert decode_value(vr, data) == Decoded(data.hex(), "broken-number")


@given(st.floats(width=32, allow_nan=False))
def test_single_precision_round_trips(number: float) -> None:
    shown = decode_value("FL", struct.pack("<f", number)).text
    assert struct.pack("<f", float(shown)) == struct.pack("<f", number)


def test_vrs_that_are_unknown_go_by_the_dictionary() -> None:
    assert text(Element(0x00280010, "UN", b"\x10\0")) == "16"
    assert text(Element(0x00280010, "ZZ", b"\x10\0")) == "16"
    assert text(Element(0x00091001, "UN", b"\x10\0")) == "1000"
    assert text(Element(0x00081115, "SQ", ())) == ""


# From PS3.5 Annexes H to K.
NAMES = [
    (b"", b"Adams^John", "Adams^John"),
    (b"ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    (b"ISO_IR 101", b"Wa\xb3\xeasa", "Wałęsa"),
    (b"ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    (b"ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"),
    (b"ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
    (b"ISO_IR 144", b"\xbb\xee\xdace\xdc\xd1yp\xd3", "Люкceмбypг"),
    (b"ISO_IR 148", b"\xc7avu\xfeo\xf0lu", "Çavuşoğlu"),
    (b"ISO_IR 166", b"\xb9\xd2\xc2", "นาย"),
    (b"ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (b"ISO_IR 192", "Wang^XiaoDong=王^小東".encode(), "Wang^XiaoDong=王^小東"),
    (b"GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    (b"GBK", "王^小东".encode("gbk"), "王^小东"),
    (
        b"\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        b"ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    (
        b"\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        b"\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东",
    ),
]


@pytest.mark.parametrize(
    ("charset", "data", "expected"), NAMES, ids=[n[0].decode() or "none" for n in NAMES]
)
def test_names_of_the_standard(charset: bytes, data: bytes, expected: str) -> None:
    elements = declared(charset)
    assert character_set_findings(elements) == ()
    assert decode(Element(0x00100010, "PN", data), character_sets(elements)) == Decoded(expected)


def test_a_backslash_that_is_a_trail_byte_does_not_split() -> None:
    # 0x5C is the second byte of U+8C4C in GB18030 (and GBK), not a separator.
    name = "豛^小\\B"
    data = name.encode("gb18030")
    assert data.count(b"\\") == 2
    assert decode_value("PN", b" " + data + b" ", character_sets(declared(b"GB18030"))) == Decoded(
        " " + name
    )


def test_a_backslash_in_jis_x_0208_does_not_split() -> None:
    data = "弌\\".encode("iso2022_jp")[:-1]
    kanji = b"\x1b$B!\\\x1b(B\\B"  # 0x215C is one character
    found = decode_value("LO", kanji, character_sets(declared(b"\\ISO 2022 IR 87")))
    assert (len(found.text), found.text.count("\\"), found.problem) == (3, 1, None)
    assert data


def test_character_sets_do_not_touch_other_vrs() -> None:
    assert decode_value("CS", b"\xc4", ("UTF8",)) == Decoded("Ä", "undeclared-characters")


@pytest.mark.parametrize(
    ("charset", "encodings", "remarks"),
    [
        (b"", ("iso8859",), 0),
        (b"ISO_IR 6 ", ("iso8859",), 0),
        (b"ISO_IR 100", ("latin_1",), 0),
        (b"ISO_IR 192", ("UTF8",), 0),
        (b"ISO_IR 192\0", ("UTF8",), 0),
        (b"\\ISO 2022 IR 87", ("iso8859", "iso2022_jp"), 0),
        (b"ISO 2022 IR 6\\ISO 2022 IR 159", ("iso8859", "iso2022_jp_2"), 0),
        (b"ISO-IR 100", ("latin_1",), 1),
        (b"ISO IR 192", ("UTF8",), 1),
        (b"ISO 2022-IR 87", ("iso2022_jp",), 1),
        (b"ISO_IR 192\\ISO 2022 IR 87", ("UTF8",), 1),
        (b"\\ISO_IR 192", ("iso8859",), 1),
        (b"utf-8", ("UTF8",), 1),
        (b"latin1", ("latin_1",), 1),
        (b"KLINGON", ("iso8859",), 1),
        (b"punycode", ("iso8859",), 1),
        (b"zlib", ("iso8859",), 1),
        (b"rot13", ("iso8859",), 1),
        (b"\xff\xfe\x1b", ("iso8859",), 1),
        (b"a\0b", ("iso8859",), 1),
        (b"ISO_IR 999\\ISO_IR 998", ("iso8859", "iso8859"), 2),
    ],
)
def test_declared_character_sets(charset: bytes, encodings: tuple[str, ...], remarks: int) -> None:
    found = character_sets(declared(charset))
    assert [e.lower() for e in found] == [e.lower() for e in encodings]
    findings = character_set_findings(declared(charset))
    assert [f.code for f in findings] == ["character-set"] * remarks


def test_no_character_set() -> None:
    assert character_sets({}) == ("iso8859",)
    assert character_set_findings({}) == ()


UNDECODABLE = [
    ("utf-8", b"ISO_IR 192", b"M\xfcller", "M\ufffdller"),
    ("cut-short", b"ISO_IR 192", "Mü".encode()[:-1], "M\ufffd"),
    ("gb18030", b"GB18030", b"A\xff", "A\ufffd"),
    ("jis", b"\\ISO 2022 IR 87", b"A\x1b$B\xff\xff\x1b(B", "A\x1b$Bÿÿ"),
    ("undeclared-escape", b"ISO_IR 100", b"A\x1b$B;3", "A\x1b$B;3"),
    ("unknown-escape", b"\\ISO 2022 IR 87", b"A\x1b[0mB", "A\x1b[0mB"),
]


@pytest.mark.parametrize(
    ("charset", "data", "expected"), [u[1:] for u in UNDECODABLE], ids=[u[0] for u in UNDECODABLE]
)
def test_undecodable_bytes_are_replaced_and_reported(
    charset: bytes, data: bytes, expected: str
) -> None:
    assert decode_value("LO", data, character_sets(declared(charset))) == Decoded(
        expected, "undecodable-text"
    )


def test_characters_beyond_ascii_without_a_character_set_are_reported() -> None:
    assert decode_value("LO", b"M\xfcller") == Decoded("Müller", "undeclared-characters")


VRS = [
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FL",
    "FD",
    "IS",
    "LO",
    "LT",
    "OB",
    "OD",
    "OF",
    "OL",
    "OV",
    "OW",
    "PN",
    "SH",
    "SL",
    "SS",
    "ST",
    "SV",
    "TM",
    "UC",
    "UI",
    "UL",
    "UN",
    "UR",
    "US",
    "UT",
    "UV",
]
SETS = [
    b"",
    b"ISO_IR 192",
    b"GB18030",
    b"ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 149",
    b"\\ISO 2022 IR 58\\ISO 2022 IR 159",
]


@given(st.sampled_from(VRS), st.binary(max_size=80), st.sampled_from(SETS))
def test_any_bytes_give_text_that_can_be_stored(vr: str, data: bytes, charset: bytes) -> None:
    found = decode_value(vr, data, character_sets(declared(charset)))
    found.text.encode("utf-8")
    if data.strip(b"\0 \\=") and not found.text.strip("\\="):
        # Only what is padding may leave nothing.
        assert data.replace(b"\x1b(B", b"").strip(b"\0 \\=\x1b") == b"" or b"\x1b" in data
