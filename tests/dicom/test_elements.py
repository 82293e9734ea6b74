"""Elements as values and as bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.elements import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Element,
    Encoding,
    dictionary_vr,
    encode,
    parse,
    swap,
    tag_text,
)
from catalog.errors import EncodingError, HeaderError, TruncatedHeader
from tests.dicom.part10 import UNDEFINED, element, item, sequence

PATIENT_ID = 0x00100020
SEQUENCE = 0x00081115


def parsed(data: bytes, encoding: Encoding = EXPLICIT_LITTLE) -> tuple[Element, ...]:
    return tuple(parse(data, 0, len(data), encoding))


PLAIN = st.builds(
    lambda tag_vr, value: Element(*tag_vr, value if len(value) % 2 == 0 else value + b" "),
    st.sampled_from(
        [(PATIENT_ID, "LO"), (0x00080081, "ST"), (0x00020102, "LO"), (0x00080119, "UC")]
    ),
    st.binary(max_size=20),
)
TREES = st.recursive(
    PLAIN,
    lambda inner: st.builds(
        lambda items: Element(SEQUENCE, "SQ", tuple(items)),
        st.lists(
            st.lists(inner, max_size=3, unique_by=lambda e: e.tag).map(
                lambda i: tuple(sorted(i, key=lambda e: e.tag))
            )
        ),
    ),
    max_leaves=8,
)


@given(TREES)
def test_what_is_encoded_is_parsed_again(tree: Element) -> None:
    assert parsed(encode(tree)) == (tree,)


@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
@pytest.mark.parametrize(
    "encoding",
    [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG],
    ids=["explicit", "implicit", "big"],
)
def test_sequences(encoding: Encoding, undefined: bool) -> None:
    explicit, little = encoding
    rows = element(
        0x00280010,
        "US",
        struct.pack("<H" if little else ">H", 16),
        explicit=explicit,
        little=little,
    )
    inner = sequence(
        0x00081140,
        item(rows, undefined=undefined, little=little),
        undefined=undefined,
        explicit=explicit,
        little=little,
    )
    outer = item(inner, undefined=undefined, little=little)
    data = sequence(SEQUENCE, outer, undefined=undefined, explicit=explicit, little=little)
    expected = Element(
        SEQUENCE, "SQ", ((Element(0x00081140, "SQ", ((Element(0x00280010, "US", b"\x10\0"),),)),),)
    )
    assert parsed(data, encoding) == (expected,)


@pytest.mark.parametrize("explicit", [False, True], ids=["by-the-standard", "left-explicit"])
@pytest.mark.parametrize("little", [False, True], ids=["in-big", "in-little"])
def test_an_un_of_undefined_length_is_a_sequence(explicit: bool, little: bool) -> None:
    inner = item(element(PATIENT_ID, "LO", "in", explicit=explicit), undefined=True)
    data = element(
        0x00091001,
        "UN",
        inner + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
        little=little,
        length=UNDEFINED,
    )
    expected = Element(0x00091001, "SQ", ((Element(PATIENT_ID, "LO", b"in"),),))
    assert parsed(data, Encoding(True, little)) == (expected,)


@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
def test_implicit_items_within_an_explicit_sequence(undefined: bool) -> None:
    data = sequence(
        SEQUENCE, item(element(PATIENT_ID, "LO", "in", explicit=False), undefined=undefined)
    )
    assert parsed(data) == (Element(SEQUENCE, "SQ", ((Element(PATIENT_ID, "LO", b"in"),),)),)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x10\0", TruncatedHeader),
        (element(PATIENT_ID, "LO", "abcd")[:-1], TruncatedHeader),
        (element(PATIENT_ID, "UT", "abcd")[:10], TruncatedHeader),
        (element(PATIENT_ID, "zz", "abcd"), HeaderError),
        (element(PATIENT_ID, "UT", "abcd", length=UNDEFINED), HeaderError),
        (element(SEQUENCE, "SQ", b"", length=UNDEFINED), TruncatedHeader),
        (element(SEQUENCE, "SQ", element(PATIENT_ID, "LO", "a")), HeaderError),
        (element(SEQUENCE, "SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 99)), TruncatedHeader),
        (
            element(SEQUENCE, "SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff", length=UNDEFINED) * 100,
            HeaderError,
        ),
    ],
)
def test_what_cannot_be_parsed(data: bytes, error: type[HeaderError]) -> None:
    with pytest.raises(error):
        parsed(data)


@pytest.mark.parametrize(
    "bad",
    [Element(1, "zz", b""), Element(1, "LO", bytes(65_536)), Element(1, "Äß", b"")],
    ids=["vr", "long", "non-ascii"],
)
def test_what_cannot_be_encoded(bad: Element) -> None:
    with pytest.raises(EncodingError):
        encode(bad)


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (PATIENT_ID, "LO"),
        (0x00100000, "UL"),
        (0x00090010, "LO"),
        (0x00091001, "UN"),
        (0x00280106, "US"),
        (0x7FE00010, "OW"),
        (0x00080003, "UN"),
    ],
)
def test_dictionary(tag: int, vr: str) -> None:
    assert dictionary_vr(tag) == vr


def test_small_parts() -> None:
    assert swap(b"\1\2\3\4\5", 2) == b"\2\1\4\3\5"
    assert swap(b"\1\2\3\4", 4) == b"\4\3\2\1"
    assert tag_text(0x7FE00010) == "(7FE0,0010)"
    assert Element(SEQUENCE, "SQ", ((),)).data == b""
    assert Element(PATIENT_ID, "LO", b"a").items == ()
