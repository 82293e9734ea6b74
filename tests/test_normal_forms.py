"""Normal forms of DICOM text (PS3.5 §6.2)."""

from __future__ import annotations

from datetime import date as calendar_date
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog import normal_forms as nf


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("20240131", "2024-01-31"),
        ("20240229", "2024-02-29"),
        ("20230229", None),
        ("19000229", None),
        ("20000229", "2000-02-29"),
        ("00010101", "0001-01-01"),
        ("00000101", None),
        ("20241301", None),
        ("20240100", None),
        ("20240431", None),
        ("2024.01.31", None),
        ("2024-01-31", None),
        ("202401", None),
        ("202401311", None),
        (" 20240131", None),
        ("20240131\n", None),
        ("２０２４０１３１", None),
        ("", None),
        ("TODAY", None),
    ],
)
def test_date(text: str, form: str | None) -> None:
    assert nf.date(text) == form


@given(st.dates(min_value=calendar_date(1, 1, 1)))
def test_every_date_of_the_calendar_has_its_iso_form(day: calendar_date) -> None:
    assert nf.date(day.isoformat().replace("-", "")) == day.isoformat()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("10", "10"),
        ("1015", "10:15"),
        ("101500", "10:15:00"),
        ("101500.5", "10:15:00.5"),
        ("101500.123456", "10:15:00.123456"),
        ("000000", "00:00:00"),
        ("235959.999999", "23:59:59.999999"),
        ("235960", "23:59:60"),
        ("240000", None),
        ("106000", None),
        ("101561", None),
        ("101500.", None),
        ("101500.1234567", None),
        ("1", None),
        ("101", None),
        ("10150", None),
        ("10:15", None),
        ("10.5", None),
        ("1015.5", None),
        ("", None),
        ("noon", None),
        ("-10000", None),
    ],
)
def test_time(text: str, form: str | None) -> None:
    assert nf.time(text) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2024", "2024"),
        ("202401", "2024-01"),
        ("20240131", "2024-01-31"),
        ("2024013110", "2024-01-31T10"),
        ("202401311015", "2024-01-31T10:15"),
        ("20240131101500", "2024-01-31T10:15:00"),
        ("20240131101500.25", "2024-01-31T10:15:00.25"),
        ("20240131101500.25+0100", "2024-01-31T10:15:00.25+01:00"),
        ("20240131101500-0330", "2024-01-31T10:15:00-03:30"),
        ("20240131+0000", "2024-01-31+00:00"),
        ("20240131-0000", None),
        ("20240131+1400", "2024-01-31+14:00"),
        ("20240131+1401", None),
        ("20240131-1200", "2024-01-31-12:00"),
        ("20240131-1201", None),
        ("20240131+0160", None),
        ("20240230", None),
        ("20230229", None),
        ("202413", None),
        ("2024013124", None),
        ("20240131101500.", None),
        ("0000", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_date_time(text: str, form: str | None) -> None:
    assert nf.date_time(text) == form


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("7", 7),
        ("+7", 7),
        ("-7", -7),
        ("007", 7),
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("-2147483648", -2147483648),
        ("-2147483649", None),
        ("1A", None),
        ("1.0", None),
        ("1e3", None),
        ("1_000", None),
        ("٣", None),
        ("", None),
        ("+", None),
        ("--1", None),
        ("1 2", None),
    ],
)
def test_integer(text: str, number: int | None) -> None:
    assert nf.integer(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        ("-1.5", -1.5),
        ("+.5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        (".", None),
        ("e3", None),
        ("1e", None),
        ("1,5", None),
        ("nan", None),
        ("inf", None),
        ("-Infinity", None),
        ("1e999", None),
        ("0x10", None),
        ("1_0.5", None),
        ("", None),
    ],
)
def test_decimal(text: str, number: float | None) -> None:
    assert nf.decimal(text) == number


@pytest.mark.parametrize(
    ("vr", "multi_valued", "text", "expected"),
    [
        ("LO", False, None, (None, None)),
        ("LO", False, "", ("", None)),
        ("LO", False, "a b", ("a b", None)),
        ("IS", False, None, (None, None)),
        ("IS", False, "", (None, "")),
        ("IS", False, "12", (12, None)),
        ("IS", False, "1A", (None, "1A")),
        ("US", False, "512", (512, None)),
        ("DS", False, "1.5", (1.5, None)),
        ("DS", False, "", (None, "")),
        ("DS", False, "thin", (None, "thin")),
        ("DS", True, "0.5\\0.5", ("0.5\\0.5", None)),
        ("DS", True, "thin\\0.5", ("thin\\0.5", None)),
        ("DA", False, "", ("", None)),
        ("DA", False, "20240131", ("2024-01-31", None)),
        ("DA", False, "31.1.2024", (None, "31.1.2024")),
        ("TM", False, "", ("", None)),
        ("TM", False, "1015", ("10:15", None)),
        ("TM", False, "25", (None, "25")),
        # The forms of ACR-NEMA are understood, and kept as they stand.
        ("DA", False, "2024.01.31", ("2024-01-31", "2024.01.31")),
        ("DA", False, "2024.02.30", (None, "2024.02.30")),
        ("TM", False, "10:15:30", ("10:15:30", "10:15:30")),
        ("TM", False, "10:15:30.5", ("10:15:30.5", "10:15:30.5")),
        ("TM", False, "10:15", ("10:15", "10:15")),
        ("TM", False, "25:15:30", (None, "25:15:30")),
        ("TM", False, "10:1530", (None, "10:1530")),
        ("DT", False, "", ("", None)),
        ("DT", False, "2024", ("2024", None)),
        ("DT", False, "x", (None, "x")),
    ],
)
def test_normal(
    vr: str, multi_valued: bool, text: str | None, expected: tuple[object, object]
) -> None:
    assert nf.normal(vr, multi_valued, text) == expected


NUMBERS = st.one_of(
    st.text("0123456789+-.eE", max_size=16),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.integers().map(str),
)


@given(NUMBERS | st.text(max_size=20))
@example("1e-400")
@example("123456789.1234567")
def test_a_number_is_never_lost(text: str) -> None:
    for vr in ("IS", "US", "DS"):
        value, raw = nf.normal(vr, False, text)
        if raw is None:
            assert isinstance(value, int | float)
            exact = Decimal(text)
            assert abs(Decimal(value) - exact) <= abs(exact) * Decimal("1e-15")
        else:
            assert (value, raw) == (None, nf.without_nul(text))


@given(
    st.sampled_from(["DA", "TM", "DT"]),
    st.text("0123456789.+-", max_size=26) | st.text(max_size=20),
)
def test_a_date_or_time_is_never_lost(vr: str, text: str) -> None:
    value, raw = nf.normal(vr, False, text)
    if raw is None:
        back = str(value)
        if vr == "DA":
            back = back.replace("-", "")
        elif vr == "TM":
            back = back.replace(":", "")
        else:
            offset = back[-6:] if len(back) > 6 and back[-6] in "+-" and back[-3] == ":" else ""
            back = (
                back.removesuffix(offset).replace("-", "").replace(":", "").replace("T", "")
            ) + offset.replace(":", "")
        assert back == text
    else:
        assert (value, raw) == (None, text.replace("\0", "\u2400"))


@given(st.sampled_from(["LO", "SH", "PN", "CS", "UI", "ST"]), st.text(max_size=20))
def test_text_is_kept_as_it_is(vr: str, text: str) -> None:
    stored = text.replace("\0", "\u2400")  # which no text of PostgreSQL can hold
    assert nf.normal(vr, False, text) == (stored, None if stored == text else stored)


@given(st.text(max_size=600), st.text(max_size=600))
def test_a_text_in_an_index_is_short_and_told_from_others(one: str, other: str) -> None:
    for text in (one, one * 3, other):
        kept = nf.indexed(text)
        assert len(kept) <= nf.LONGEST
        assert kept == text or (len(text) > nf.LONGEST and kept.startswith(text[: nf.KEPT]))
    assert (nf.indexed(one * 3) == nf.indexed(other * 3)) == (one == other)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Müller", "muller"),
        ("MÜLLER", "muller"),
        ("Mu\u0308ller", "muller"),
        ("Muller", "muller"),
        ("Groß", "gross"),
        ("GROSS", "gross"),
        ("Sørensen", "sorensen"),
        ("Łukasz", "lukasz"),
        ("Æsa", "aesa"),
        ("Đặng", "dang"),
        ("Þór", "thor"),
        ("İstanbul", "istanbul"),
        ("Iğdır", "igdir"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("Ёлкин", "елкин"),
        ("山田^太郎", "山田^太郎"),
        ("ﾔﾏﾀﾞ", "ヤマタ"),
        ("홍^길동", "홍^길동"),
        ("Doe^Jane", "doe^jane"),
        ("", ""),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert nf.fold(text) == folded


@given(st.text(max_size=12))
@example("℻")
def test_folding_twice_changes_nothing(text: str) -> None:
    assert nf.fold(nf.fold(text)) == nf.fold(text)


@given(st.text(st.characters(max_codepoint=0x24F, categories=["L"]), max_size=12))
def test_folding_ignores_case(text: str) -> None:
    assert nf.fold(text.upper()) == nf.fold(text.upper().lower())


@pytest.mark.parametrize("text", ["℻", "™", "ℌ"])
def test_folding_ignores_case_of_letters_inside_a_symbol(text: str) -> None:
    assert nf.fold(text) == nf.fold(text).lower()


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("Doe^Jane", ("Doe^Jane", "", "")),
        ("Doe^Jane^^^", ("Doe^Jane", "", "")),
        (" Doe^Jane ", ("Doe^Jane", "", "")),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ("Yamada^Tarou", "山田^太郎", "やまだ^たろう")),
        ("=山田^太郎", ("", "山田^太郎", "")),
        ("Wang^XiaoDong==phonetic", ("Wang^XiaoDong", "", "phonetic")),
        ("A=B=C=D", ("A", "B", "C")),
        ("^^^", ("", "", "")),
        ("", ("", "", "")),
        ("Doe^^Jane", ("Doe^^Jane", "", "")),
        ("^Jane", ("^Jane", "", "")),
    ],
)
def test_name_groups(name: str, groups: tuple[str, str, str]) -> None:
    assert nf.name_groups(name) == groups


@pytest.mark.parametrize(
    ("names", "key"),
    [
        ("Müller^Anna", "muller^anna"),
        ("Yamada^Tarou=山田^太郎", "yamada^tarou=山田^太郎"),
        ("Doe^J\\Roe^R", "doe^j=roe^r"),
        ("", ""),
        ("^^", ""),
    ],
)
def test_folded_name(names: str, key: str) -> None:
    assert nf.folded_name(names) == key
