"""Records with a profile's keys, icons, private SOP Classes, and text in UTF-8."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.elements import Element, Item
from catalog.errors import EncodingError
from catalog.fileset.build import (
    WANTED,
    instance_record,
    is_private,
    patient_record,
    series_record,
    wanted,
)
from catalog.fileset.file_id import file_id
from catalog.fileset.legal import instant
from catalog.fileset.profiles import PROFILES
from catalog.fileset.recoding import in_utf8
from catalog.fileset.records import RECORD_TYPES
from catalog.fileset.tree import Record
from catalog.fileset.writer import check_record

from .synthetic import Header, code, e, header, reference

FILE = file_id(["DICOM", "IM1"])
EXPLICIT = "1.2.840.10008.1.2.1"
TABLE_H = PROFILES["STD-GEN-DVD-JPEG"].keys
ICON = Element(0x00880200, "SQ", ((e(0x00280004, "CS", b"MONOCHROME2"),),))
US = b"\x40\0"


def record(source: Header, **options: object) -> Record:
    built = instance_record(source, FILE, EXPLICIT, **options)  # type: ignore[arg-type]
    assert built.record is not None, built.findings
    return built.record


def image(*elements: Element) -> Header:
    size = (e(0x00280010, "US", US), e(0x00280011, "US", US))
    return header("IMAGE") | {element.tag: element for element in (*size, *elements)}


def tags(made: Record) -> list[int]:
    return [element.tag for element in made.keys]


def test_keys_are_there_once_and_the_stricter_type_counts() -> None:
    source = header("SPECTROSCOPY")
    made = record(source, extra=TABLE_H)
    assert tags(made) == sorted(set(tags(made)))
    assert made.element(0x00280008) is not None
    del source[0x00280008]
    assert record(source, extra=TABLE_H).plain(0x00280008) == "1", "Type 1 in F.5.27, 1C in H.3-2"


def test_references_are_whole_where_the_table_says_so() -> None:
    noise = e(0x00081160, "IS", b"3")
    source = image(e(0x00081140, "SQ", (reference(b"1.2.3.9", noise),)))
    whole = record(source, extra=TABLE_H).element(0x00081140)
    assert whole == source[0x00081140]
    reduced = record(source, extra=PROFILES["STD-CTMR-CD"].keys).element(0x00081140)
    assert reduced is not None
    assert [element.tag for element in reduced.items[0]] == [0x00081150, 0x00081155]


def groups(*elements: Element) -> Element:
    return e(0x52009229, "SQ", (elements,))


SPACING = e(0x00289110, "SQ", ((e(0x00280030, "DS", b"0.5\\0.5 "),),))
SHARED_REFERENCES = e(0x00081140, "SQ", (reference(b"1.2.3.8"),))


def test_values_of_shared_functional_groups() -> None:
    source = image(groups(SHARED_REFERENCES, SPACING))
    del source[0x00081140]
    made = record(source, extra=TABLE_H)
    assert made.element(0x00081140) == SHARED_REFERENCES
    assert made.plain(0x00280030) == "0.5\\0.5"
    assert record(source, extra=PROFILES["STD-CTMR-CD"].keys).element(0x00280030) is None
    assert record(source).element(0x00081140) is None


def test_the_top_level_comes_before_functional_groups() -> None:
    source = image(groups(SHARED_REFERENCES, SPACING), e(0x00280030, "DS", b"2\\2 "))
    made = record(source, extra=TABLE_H)
    assert made.element(0x00081140) == source[0x00081140]
    assert made.plain(0x00280030) == "2\\2"
    source[0x00280030] = e(0x00280030, "DS", b"")
    assert record(source, extra=TABLE_H).plain(0x00280030) == "0.5\\0.5"


@pytest.mark.parametrize("broken", [(), ((),), (((),),)])
def test_functional_groups_without_content(broken: tuple[Item, ...]) -> None:
    empty = Element(0x52009229, "SQ", ((Element(0x00289110, "SQ", broken[0]),),) if broken else ())
    assert record(image(empty), extra=TABLE_H).element(0x00280030) is None


def test_type_1_of_a_profile_has_no_substitute() -> None:
    source = image()
    del source[0x00280011]
    built = instance_record(source, FILE, EXPLICIT, extra=TABLE_H)
    assert built.record is None
    assert "Columns (0028,0011), Type 1" in built.findings[-1].message


def test_levels_get_the_profile_s_keys() -> None:
    keys = PROFILES["STD-XA1K-CD"].keys
    source = image(e(0x00100040, "CS", b"F"))
    patient, series = (
        patient_record(source, extra=keys).record,
        series_record(source, extra=keys).record,
    )
    assert patient is not None
    assert series is not None
    assert (patient.value(0x00100030), patient.value(0x00100040)) == (b"", b"F")
    assert series.value(0x00080080) == b""
    plain = patient_record(source).record
    assert plain is not None
    assert plain.element(0x00100040) is None


@pytest.mark.parametrize("name", PROFILES)
def test_wanted_is_all_that_profiles_read(name: str) -> None:
    keys = PROFILES[name].keys
    assert wanted(keys) >= WANTED
    source = image(groups(SPACING), e(0x00280030, "DS", b""), e(0x00500004, "CS", b"YES"))
    reduced = {tag: element for tag, element in source.items() if tag in wanted(keys)}
    for make in (patient_record, series_record):
        assert make(reduced, extra=keys) == make(source, extra=keys)
    assert record(reduced, extra=keys) == record(source, extra=keys)
    assert (0x52009229 in wanted(keys)) == (
        name.startswith("STD-GEN-") and "IMAGE" in keys and len(keys["IMAGE"]) > 5
    )


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_icons_stand_only_where_the_standard_has_them(record_type: str) -> None:
    known = RECORD_TYPES[record_type]
    if known.retired or not known.references_file:
        return
    made = record(header(record_type), icon=ICON)
    has = any(key.tag == 0x00880200 for key in known.keys)
    assert (made.element(0x00880200) is not None) == has
    check_record(made)


PRIVATE = b"1.2.3.4.5.6"


def test_private_records() -> None:
    source = header("IMAGE") | {0x00080016: e(0x00080016, "UI", PRIVATE)}
    assert instance_record(source, FILE, EXPLICIT).record is None
    made = record(source, private=True, extra=TABLE_H, icon=ICON)
    assert made.type == "PRIVATE"
    assert tags(made) == [0x00041432, 0x00041500, 0x00041510, 0x00041511, 0x00041512]
    assert made.plain(0x00041432) == PRIVATE.decode()
    check_record(made)
    for missing in (0x0020000D, 0x0020000E):
        partial = {tag: element for tag, element in source.items() if tag != missing}
        assert instance_record(partial, FILE, EXPLICIT, private=True).record is None


def test_private_changes_nothing_for_other_classes() -> None:
    assert record(header("IMAGE"), private=True) == record(header("IMAGE"))
    for uid in (b"1.2.840.10008.5.1.4.1.1.200.2", b"1.2.840.10008.5.1.4.1.1.999", b""):
        source = header("IMAGE") | {0x00080016: e(0x00080016, "UI", uid)}
        assert instance_record(source, FILE, EXPLICIT, private=True).record is None
    assert not is_private("1.2.840.10008.5.1.4.1.1.2")


MOMENTS = [
    (b"20240131", "2024-01-31T00:00:00+00:00"),
    (b"2024", "2024-01-01T00:00:00+00:00"),
    (b"20240131101530.5", "2024-01-31T10:15:30.500000+00:00"),
    (b"20240131101530+0130 ", "2024-01-31T08:45:30+00:00"),
    (b"202401311015-0500", "2024-01-31T15:15:00+00:00"),
    (b"20161231235960", "2017-01-01T00:00:00+00:00"),
]


@pytest.mark.parametrize(("value", "expected"), MOMENTS)
def test_instants(value: bytes, expected: str) -> None:
    assert instant(value) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "value", [b"", b"yesterday", b"20241301", b"20240230", b"0001+1400", b"0000"]
)
def test_no_instants(value: bytes) -> None:
    assert instant(value) is None


def test_instants_without_an_offset_have_that_of_the_instance() -> None:
    assert instant(b"2024013110", b"+0200 ") == datetime(2024, 1, 31, 8, tzinfo=UTC)
    assert instant(b"2024013110-0100", b"+0200") == datetime(2024, 1, 31, 11, tzinfo=UTC)


@given(st.binary(max_size=30), st.binary(max_size=6))
def test_instants_never_fail(value: bytes, offset: bytes) -> None:
    instant(value, offset)


VERIFIED = [
    ([b"20240201120000+0100", b"20240201113000+0000"], b"", b"20240201113000+0000"),
    ([b"20240201120000+0100", b"20240201113000"], b"", b"20240201113000"),
    ([b"20240201120000+0100", b"20240201113000"], b"+0200", b"20240201120000+0100"),
    ([b"2024", b"20240101"], b"", b"20240101"),
    ([b"tomorrow", b"20240101", b""], b"", b"20240101"),
]


@pytest.mark.parametrize(("moments", "zone", "latest"), VERIFIED)
def test_the_most_recent_verification_is_compared_by_meaning(
    moments: list[bytes], zone: bytes, latest: bytes
) -> None:
    source = header("SR DOCUMENT")
    source[0x0040A073] = e(0x0040A073, "SQ", tuple((e(0x0040A030, "DT", m),) for m in moments))
    source[0x00080201] = e(0x00080201, "SH", zone)
    assert record(source).value(0x0040A030) == latest


def test_an_illegal_verification_time_is_kept_and_reported() -> None:
    source = header("SR DOCUMENT")
    source[0x0040A073] = e(0x0040A073, "SQ", ((e(0x0040A030, "DT", b"tomorrow"),),))
    built = instance_record(source, FILE, EXPLICIT)
    assert built.record is not None
    assert built.record.value(0x0040A030) == b"tomorrow"
    assert [finding.code for finding in built.findings] == ["illegal-value"]


def test_modifiers_of_key_objects_too() -> None:
    source = header("KEY OBJECT DOC")
    modifier = (e(0x0040A010, "CS", b"HAS CONCEPT MOD"), e(0x0040A043, "SQ", (code(),)))
    other = (e(0x0040A010, "CS", b"CONTAINS"), e(0x0040A730, "SQ", (modifier,)))
    source[0x0040A730] = e(0x0040A730, "SQ", (other, modifier, modifier))
    content = record(source).element(0x0040A730)
    assert content is not None
    assert content.items == (modifier, modifier), "not those of deeper levels"


def test_several_related_general_classes() -> None:
    source = header("IMAGE") | {0x0008001A: e(0x0008001A, "UI", b"1.2.3\\1.2.4\\1.25")}
    assert record(source).plain(0x0004151A) == "1.2.3\\1.2.4\\1.25"
    source[0x0008001A] = e(0x0008001A, "UI", b"")
    assert record(source).element(0x0004151A) is None


CONVERTED = [
    (b"ISO_IR 100", b"M\xfcller^Zo\xeb", "Müller^Zoë"),
    (b"ISO_IR 144", b"\xb8\xd2\xd0\xdd", "Иван"),
    (b"ISO_IR 192", "Łukasz".encode(), "Łukasz"),
    (b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B", "Yamada=山田"),
    (b"GB18030", "王^小东".encode("gb18030"), "王^小东"),
    (b"ISO_IR 100", b"plain", "plain"),
    (b"\\ISO 2022 IR 100", b"plain\x1b-A\xe4", "plainä"),
]


@pytest.mark.parametrize(("declared", "name", "expected"), CONVERTED)
def test_text_in_utf8(declared: bytes, name: bytes, expected: str) -> None:
    source = header("IMAGE") | {
        0x00080005: e(0x00080005, "CS", declared),
        0x00100010: e(0x00100010, "PN", name),
    }
    before = patient_record(source).record
    assert before is not None
    made = in_utf8(before)
    assert (made.value(0x00100010) or b"").decode("utf-8") == expected
    assert made.character_set == (None if expected.isascii() else ("ISO_IR 192",))
    assert in_utf8(made) == made
    assert [key for key in made.keys if key.vr not in ("PN", "CS")] == [
        key for key in before.keys if key.vr not in ("PN", "CS")
    ]


def test_items_follow_their_record() -> None:
    own = (e(0x00080005, "CS", b"ISO_IR 144"), e(0x00080104, "LO", b"\xb8\xd2\xd0\xdd"))
    plain = (e(0x00080104, "LO", b"\xe4"),)
    nested = e(0x0040A043, "SQ", (own, plain))
    made = in_utf8(Record("SR DOCUMENT", (e(0x00080005, "CS", b"ISO_IR 100"), nested)))
    assert made.character_set == ("ISO_IR 192",)
    sequence = made.element(0x0040A043)
    assert sequence is not None
    assert [[each.data.strip() for each in item] for item in sequence.items] == [
        ["Иван".encode()],
        ["ä".encode()],
    ]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (b"", b"M\xfcller"),
        (b"ISO_IR 192", b"M\xfcller"),
        (b"ISO_IR 999", b"M\xfcller"),
        (b"\\ISO 2022 IR 87", b"\x1b$B\xff\xff\x1b(B"),
        (b"ISO_IR 100", b"\x1b$B;3ED\x1b(B"),
    ],
)
def test_what_cannot_be_decoded_is_an_error(declared: bytes, value: bytes) -> None:
    keys = (e(0x00080005, "CS", declared), e(0x00100010, "PN", value))
    with pytest.raises(EncodingError, match=r"^\(0010,0010\) cannot be written in UTF-8"):
        in_utf8(Record("PATIENT", keys))


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), max_size=20)
)
def test_utf8_stays_what_it_is(text: str) -> None:
    text = text.rstrip(" \0")
    keys = (e(0x00080005, "CS", b"ISO_IR 192"), e(0x00100010, "PN", text.encode()))
    made = in_utf8(Record("PATIENT", keys))
    assert (made.value(0x00100010) or b"").decode("utf-8") == text
