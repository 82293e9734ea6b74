"""What files state of attributes that the configuration adds."""

from __future__ import annotations

import io
import pickle
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.asking import asked
from catalog.dicom.claims import ALWAYS, WANTED, claims, wanted
from catalog.dicom.elements import Element, encode
from catalog.dicom.header import read_header
from catalog.entities import Claims, Value
from tests.builders import dicom_bytes
from tests.dicom.part10 import element, part10

IDENTITY = (
    (0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
    (0x00080018, "UI", b"1.2.3"),
    (0x0020000D, "UI", b"1.2"),
    (0x0020000E, "UI", b"1.2.1"),
)


def sequence(tag: int, *items: tuple[Element, ...]) -> Element:
    return Element(tag, "SQ", items)


def stated(
    name: str, *elements: Element, charset: bytes = b""
) -> tuple[Value, str | None, list[str]]:
    """Return value and raw text of the attribute `name`, and the codes of the findings."""
    (attribute,) = asked([name])
    given = [Element(*e) for e in IDENTITY] + list(elements)
    if charset:
        given.append(Element(0x00080005, "CS", charset))
    result = claims({e.tag: e for e in given}, {}, wanted((attribute,)))
    assert result.claims is not None
    entity = getattr(result.claims, attribute.level.value)
    others = [e for e in result.claims[:4] if e is not entity]
    assert all(e.attributes == () for e in others)
    for finding in result.findings:
        assert attribute.keyword in finding.message
    values = dict(entity.attributes)
    assert set(values) <= {attribute.keyword}
    raw = dict(entity.raw)
    return values.get(attribute.keyword), raw.get(attribute.keyword), [f.code for f in result.findings]  # fmt: skip


US = struct.pack
PLAIN = [
    ("PatientAge", 0x00101010, "AS", b"033Y", "033Y"),
    ("PatientAge", 0x00101010, "AS", b" 033Y \0", "033Y"),
    ("PatientAge", 0x00101010, "AS", b"", ""),
    ("PatientAge", 0x00101010, "AS", b"  ", ""),
    ("PatientWeight", 0x00101030, "DS", b"72.50 ", 72.5),
    ("PatientWeight", 0x00101030, "DS", b"72", 72.0),
    ("PatientWeight", 0x00101030, "DS", b"", ""),
    ("ExposureTime", 0x00181150, "IS", b" 012 ", 12),
    ("ExposureTime", 0x00181150, "IS", b"-3", -3),
    ("SamplesPerPixel", 0x00280002, "US", US("<H", 3), 3),
    ("PixelPaddingValue", 0x00280120, "SS", US("<h", -2000), -2000),
    ("PixelPaddingValue", 0x00280120, "US", US("<H", 63536), 63536),
    ("RegionLocationMinX0", 0x00186018, "UL", US("<I", 4294967295), 4294967295),
    ("ReferencePixelX0", 0x00186020, "SL", US("<i", -7), -7),
    ("DopplerCorrectionAngle", 0x00186034, "FD", US("<d", 0.1), 0.1),
    ("DopplerCorrectionAngle", 0x00186034, "FD", US("<d", -1e-300), -1e-300),
    ("AcquisitionDate", 0x00080022, "DA", b"20240131", "2024-01-31"),
    ("AcquisitionTime", 0x00080032, "TM", b"0830", "08:30"),
    ("FrameAcquisitionDateTime@series", 0x00189074, "DT", b"20240131083000.5+0100", "2024-01-31T08:30:00.5+01:00"),
    ("KVP", 0x00180060, "DS", b"120\\130", None),
    ("ImageComments", 0x00204000, "LT", b" a\\b \r\n", " a\\b \r\n"),
    ("PatientComments", 0x00104000, "LT", b"long", "long"),
    ("OperatorsName", 0x00081070, "PN", b"Doe^Jane \\Roe^Jo", "Doe^Jane\\Roe^Jo"),
    ("WindowCenter", 0x00281050, "DS", b"40 \\ 400", "40\\400"),
    ("FrameIncrementPointer", 0x00280009, "AT", US("<HH", 0x18, 0x1063), "00181063"),
    ("DateOfLastCalibration", 0x00181200, "DA", b"20240131\\20240201", "2024-01-31\\2024-02-01"),
    ("00191008", 0x00191008, "LO", b"private ", "private"),
    ("00191008", 0x00191008, "IS", b"12", "12"),
    ("00191008", 0x00191008, "UN", b"\1\2", "0102"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "tag", "vr", "data", "value"), PLAIN)
def test_values_are_numbers_dates_or_text(
    name: str, tag: int, vr: str, data: bytes, value: Value
) -> None:
    found, raw, codes = stated(name, Element(tag, vr, data))
    if value is None:
        assert (found, raw, codes) == (None, data.decode(), ["invalid-value"])
    else:
        assert (found, type(found), raw, codes) == (value, type(value), None, [])


@pytest.mark.parametrize("name", ["PatientAge", "RequestAttributesSequence.RequestedProcedureID", "00191008"])  # fmt: skip
def test_absent_is_a_name_that_is_not_there(name: str) -> None:
    assert stated(name) == (None, None, [])


@pytest.mark.parametrize(
    ("name", "tag", "vr", "data", "value", "raw"),
    [
        ("ExposureTime", 0x00181150, "IS", b"1A", None, "1A"),
        ("PatientWeight", 0x00101030, "DS", b"heavy", None, "heavy"),
        ("PatientComments", 0x00104000, "LT", b"a\0b", None, "a\u2400b"),
        ("PatientWeight", 0x00101030, "DS", b"1e400", None, "1e400"),
        ("AcquisitionDate", 0x00080022, "DA", b"20240230", None, "20240230"),
        ("AcquisitionDate", 0x00080022, "DA", b"2024.01.31", "2024-01-31", "2024.01.31"),
        ("AcquisitionDate", 0x00080022, "DA", b"20240131\\20240201", None, "20240131\\20240201"),
        ("DateOfLastCalibration", 0x00181200, "DA", b"20240131\\x", "2024-01-31\\", "20240131\\x"),
        ("DateOfLastCalibration", 0x00181200, "DA", b"x\\y", None, "x\\y"),
        ("DopplerCorrectionAngle", 0x00186034, "FD", US("<d", float("nan")), None, "nan"),
        ("DopplerCorrectionAngle", 0x00186034, "FD", US("<d", float("inf")), None, "inf"),
    ],
)
def test_what_is_no_number_or_date_stands_in_raw_with_a_finding(
    name: str, tag: int, vr: str, data: bytes, value: Value, raw: str
) -> None:
    assert stated(name, Element(tag, vr, data)) == (value, raw, ["invalid-value"])


def test_a_binary_number_of_ragged_length() -> None:
    assert stated("SamplesPerPixel", Element(0x00280002, "US", b"\1\2\3")) == (
        None,
        "010203",
        ["broken-number", "invalid-value"],
    )


REQUESTED = "RequestAttributesSequence.RequestedProcedureID"


def request(*values: bytes | None) -> Element:
    return sequence(
        0x00400275,
        *(() if v is None else (Element(0x00401001, "SH", v),) for v in values),
    )


@pytest.mark.parametrize(
    ("values", "value"),
    [
        ((), None),
        ((None,), None),
        ((b"A ",), "A"),
        ((b"",), ""),
        ((b"", b""), ""),
        ((b"A", b"B"), "A\\B"),
        ((b"A", None, b"B"), "A\\B"),
        ((b"A", b"", b"B"), "A\\\\B"),
        ((b"A", b"A"), "A\\A"),
    ],
)
def test_the_values_of_all_items_are_joined(
    values: tuple[bytes | None, ...], value: str | None
) -> None:
    assert stated(REQUESTED, request(*values)) == (value, None, [])


def test_a_path_through_several_sequences_takes_all_items_in_order() -> None:
    def codes(*values: bytes) -> Element:
        return sequence(0x00400008, *((Element(0x00080100, "SH", v),) for v in values))

    outer = sequence(0x00400275, (codes(b"1", b"2"),), (), (codes(b"3"),))
    name = "RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue"
    assert stated(name, outer) == ("1\\2\\3", None, [])


def test_dates_in_sequences_take_their_normal_form() -> None:
    name = "RequestAttributesSequence.ScheduledProcedureStepStartDate"
    items = [(Element(0x00400002, "DA", v),) for v in (b"20240131", b"20240201")]
    assert stated(name, sequence(0x00400275, *items)) == ("2024-01-31\\2024-02-01", None, [])


@pytest.mark.parametrize(
    ("name", "given"),
    [
        (REQUESTED, Element(0x00400275, "UN", b"\1\2")),
        ("00191008", sequence(0x00191008, ())),
        ("00191008.00191009", Element(0x00191008, "LO", b"text")),
    ],
)
def test_a_sequence_that_is_none_or_a_value_that_is_one_is_noted(name: str, given: Element) -> None:
    assert stated(name, given) == (None, None, ["attribute-unreadable"])


def test_text_is_read_in_the_character_set_of_its_item() -> None:
    latin = (Element(0x00400007, "LO", b"M\xfcll"),)
    utf8 = (Element(0x00080005, "CS", b"ISO_IR 192"), Element(0x00400007, "LO", "Mü".encode()))
    name = "RequestAttributesSequence.ScheduledProcedureStepDescription"
    given = sequence(0x00400275, latin, utf8)
    assert stated(name, given, charset=b"ISO_IR 100") == ("Müll\\Mü", None, [])
    assert stated(name, given)[2] == ["undeclared-characters"]
    assert stated("PatientComments", Element(0x00104000, "LT", b"\xff"), charset=b"ISO_IR 192") == (
        "�", None, ["undecodable-text"],
    )  # fmt: skip


@pytest.mark.parametrize("count", [65_536, 65_537])
def test_a_long_value_is_kept_whole_or_left_out_with_a_finding(count: int) -> None:
    value, raw, codes = stated("PatientComments", Element(0x00104000, "LT", b"x" * count))
    if count == 65_536:
        assert (value, raw, codes) == ("x" * count, None, [])
    else:
        assert (value, raw, codes) == (None, None, ["value-too-long"])


def test_no_finding_shows_a_value() -> None:
    (attribute,) = asked(["ExposureTime"])
    given = {e.tag: e for e in (*(Element(*e) for e in IDENTITY), Element(0x00181150, "IS", b"Secret\xff"))}  # fmt: skip
    findings = claims(given, {}, wanted((attribute,))).findings
    assert findings
    assert not any("Secret" in f.message for f in findings)


def test_what_is_wanted() -> None:
    assert ALWAYS.tags == WANTED
    assert wanted(()) is ALWAYS
    some = wanted(asked(["PatientAge", REQUESTED, "KVP"]))
    assert some.tags == WANTED | {0x00101010, 0x00400275, 0x00180060}
    assert [len(level) for level in (some.patient, some.study, some.series, some.instance)] == [0, 1, 1, 1]  # fmt: skip
    assert pickle.loads(pickle.dumps(some)) is some
    assert pickle.loads(pickle.dumps(ALWAYS)) is ALWAYS


@given(st.sets(st.sampled_from([row[0] for row in PLAIN])))
def test_what_is_always_kept_does_not_depend_on_what_else_is_asked_for(names: set[str]) -> None:
    given = {e.tag: e for e in (*(Element(*e) for e in IDENTITY), *(Element(*row[1:4]) for row in PLAIN))}  # fmt: skip
    plain = claims(given, {}).claims
    more = claims(given, {}, wanted(asked(names))).claims
    assert plain is not None
    assert more is not None
    bare = [
        entity._replace(
            attributes=(), raw=tuple(p for p in entity.raw if p[0] not in {n.partition("@")[0] for n in names})
        )
        for entity in more[:4]
    ]  # fmt: skip
    assert Claims(*bare, more.directory_record_type) == plain


def test_from_the_bytes_of_a_file() -> None:
    what = wanted(asked(["PatientAge", REQUESTED, "00191008", "PatientWeight"]))
    body = [Element(*e) for e in IDENTITY] + [
        Element(0x00101010, "AS", b"033Y"),
        Element(0x00101030, "DS", b"70.5"),
        Element(0x00191008, "SH", b"p1"),
        request(b"R1", b"R2"),
    ]
    data = part10(b"".join(encode(e) for e in sorted(body, key=lambda e: e.tag)) + element(0x7FE00010, "OW", b"\0\0"))  # fmt: skip
    header = read_header(io.BytesIO(data), len(data), what.tags)
    found = claims(header.elements, header.meta, what).claims
    assert found is not None
    assert found.study is not None
    assert found.series is not None
    assert found.study.attributes == (("PatientAge", "033Y"), ("PatientWeight", 70.5))
    assert found.series.attributes == ((REQUESTED, "R1\\R2"),)
    assert found.instance.attributes == (("00191008", "p1"),)
    plain = dicom_bytes()
    header = read_header(io.BytesIO(plain), len(plain), what.tags)
    assert claims(header.elements, header.meta, what).claims == claims(header.elements, header.meta).claims  # fmt: skip
