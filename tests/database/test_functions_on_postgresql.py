"""dcat's functions on PostgreSQL have the results of those in Python, whatever they are given."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import normal_forms
from catalog.database import sql_functions
from catalog.database.views import functions
from tests import postgres
from tests.database import folding

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="there is no PostgreSQL server")

SOME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

# What newer Unicode tables say of characters that Python does not know yet is not the question.
KNOWN = st.characters(min_codepoint=1, exclude_categories=("Cs",)).filter(
    lambda c: unicodedata.ucd_3_2_0.category(c) != "Cn"
)
TEXTS = st.text(KNOWN, max_size=30) | st.text(
    "abcÄöß^=\\ .-é李ｱ한가\u0301\u0323\u1161", max_size=20
)
NAMES = TEXTS | st.lists(
    st.sampled_from(["doe", "DOE", "jane", "jnae", "ann", "müller", "Mueller", "x", "李", ""]), max_size=6
).map("^".join)  # fmt: skip
NUMBERS = (
    st.floats(-1000, 1000).map(lambda x: f"{x:.6g}")
    | st.integers(-(10**6), 10**6).map(lambda x: repr(x / 8))
    | st.integers(-(10**6), 10**6).map(lambda x: repr(x / 200))
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.text("0123456789.-+eE", max_size=12)
    | st.sampled_from([
        "0", "-0", "-0.0", "1e999", "1e-999", "-1e999", "0.125", "2.675", "-0.005", "1e308", "1.7976931348623157e308",
        "1.797693134862315807e308", "1.7976931348623159e308", "4.9e-324", "2.4e-324", "2.5e-324", ".5", "5.", "9" * 400,
        "0." + "0" * 400 + "1", "1" * 1000 + "e-999", "1" * 900 + "." + "1" * 900, "5e-324", "1e0000000000000000005",
        "1e99999999999999999999", "-1e-99999999999999999999", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        " 1.5 ", "\u00a01", "x", "nan", "inf", "1_0", "٣", "1e-05", "1\n",
    ])
)  # fmt: skip
FORMS = st.builds(
    lambda date, time, offset: date + time + offset,
    st.sampled_from(["2024", "2024-02", "2024-02-29", "2023-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2024-13", "1900-04-31", "024"]),
    st.sampled_from(["", "T00", "T23", "T10:15", "T10:60", "T25:00", "T10:15:30", "T10:15:60", "T10:15:30.1", "T10:15:30.123456", "T10:15:30.1234567"]),
    st.sampled_from(["", "+00:00", "-00:00", "+14:00", "-12:00", "+05:45", "+99:99", "-99:99", "+1:00", "Z", "\n"]),
)  # fmt: skip


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[..., Any]]:
    """A function that gives the value of an expression with parameters."""
    import psycopg

    with postgres.database() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(functions("0006"))

        def value(sql: str, *parameters: object) -> Any:
            row = connection.execute(f"SELECT {sql}", parameters).fetchone()
            assert row is not None
            return row[0]

        yield value


def test_the_tables_are_those_of_python() -> None:
    """`python -m tests.database.folding` writes them."""
    made_with = folding.whole().partition("-- One character beyond ASCII, folded; Unicode ")[2]
    stored = folding.FILE.read_text(encoding="utf-8")
    if f"Unicode {unicodedata.unidata_version}." not in stored:
        pytest.skip("the tables were made by a Python with other Unicode tables")
    assert made_with
    assert stored == folding.whole()


def test_every_character_is_folded_as_in_python(ask: Callable[..., Any]) -> None:
    known = [c for c in folding.characters() if unicodedata.ucd_3_2_0.category(c) != "Cn"]
    # Ideographs and syllables by the thousand are what they are; a part of them says so.
    asked = [c for c in known if not "\u3400" <= c <= "\ud7a3" or ord(c) % 50 == 0]
    asked = [c for c in asked if c < "\U00020000" or normal_forms.fold(c) != c]
    found = ask("array_agg(dcat_fold(u.c) ORDER BY u.n) FROM unnest(%s::text[]) WITH ORDINALITY AS u(c, n)", asked)  # fmt: skip
    assert found == [normal_forms.fold(c) for c in asked]


@SOME
@given(TEXTS)
def test_texts(ask: Callable[..., Any], text: str) -> None:
    assert ask("dcat_fold(%s)", text) == normal_forms.fold(text)
    assert ask("dcat_folded_name(%s)", text) == normal_forms.folded_name(text)
    assert ask("dcat_name_key(%s)", text) == normal_forms.name_key(text)


@SOME
@given(NAMES, NAMES)
def test_name_likeness(ask: Callable[..., Any], one: str, other: str) -> None:
    assert ask("dcat_name_likeness(%s, %s)", one, other) == sql_functions.name_likeness(one, other)


@SOME
@given(st.text("01.2", max_size=70) | st.sampled_from(["1.2\n", "", "1" * 64, "1" * 65, "١.2"]))
def test_uids(ask: Callable[..., Any], text: str) -> None:
    assert ask("dcat_is_uid(%s)", text) == int(normal_forms.is_uid(text))


@SOME
@given(st.lists(NUMBERS, max_size=6).map("\\".join), st.sampled_from([2, 2, 0, 1, 5, 6, -2, 15, 99, -99]))  # fmt: skip
def test_rounded(ask: Callable[..., Any], text: str, digits: int) -> None:
    assert ask("dcat_rounded(%s, %s)", text, digits) == sql_functions.rounded(text, digits)


@SOME
@given(st.lists(NUMBERS, min_size=2, max_size=4), st.lists(NUMBERS, min_size=5, max_size=7))
def test_slice_location(ask: Callable[..., Any], place: list[str], orientation: list[str]) -> None:
    given = "\\".join(place), "\\".join(orientation)
    assert ask("dcat_slice_location(%s, %s)", *given) == sql_functions.slice_location(*given)


USUAL = st.floats(-500, 500).map(lambda x: f"{x:.6g}")
COSINES = st.floats(-1, 1).map(lambda x: f"{x:.6f}")


@SOME
@given(st.lists(USUAL, min_size=3, max_size=3), st.lists(COSINES, min_size=6, max_size=6))
def test_slice_location_of_usual_numbers(
    ask: Callable[..., Any], place: list[str], orientation: list[str]
) -> None:
    given = "\\".join(place), "\\".join(orientation)
    found = ask("dcat_slice_location(%s, %s)", *given)
    assert found == sql_functions.slice_location(*given)
    assert found is not None


@SOME
@given(NUMBERS)
def test_numbers(ask: Callable[..., Any], text: str) -> None:
    found, wanted = ask("dcat_number(%s)", text), normal_forms.number(text)
    if isinstance(wanted, int):
        assert found == wanted
    elif wanted is not None:
        assert float(found) == wanted
    else:
        assert found is None


@SOME
@given(FORMS)
def test_dates(ask: Callable[..., Any], form: str) -> None:
    assert ask("dcat_clock(%s)", form) == normal_forms.clock(form)
    assert ask("dcat_instant(%s)", form) == normal_forms.instant(form)


def test_all_pass_null_on_and_may_run_in_parallel(ask: Callable[..., Any]) -> None:
    nulls = "dcat_fold(NULL), dcat_folded_name(NULL), dcat_name_key(NULL), dcat_name_likeness('a', NULL), dcat_is_uid(NULL), dcat_rounded(NULL, 2), dcat_slice_location(NULL, ''), dcat_slice_location('', NULL), dcat_number(NULL), dcat_clock(NULL), dcat_instant(NULL)"
    assert ask(f"num_nonnulls({nulls})") == 0
    unsafe = (
        "array_agg(proname::text) FROM pg_proc WHERE proname LIKE 'dcat%%' AND proparallel <> 's'"
    )
    assert ask(unsafe) is None
    changing = (
        "array_agg(proname::text) FROM pg_proc WHERE proname LIKE 'dcat%%' AND provolatile <> 'i'"
    )
    assert ask(changing) == ["dcat_too_large"]


@pytest.mark.parametrize(
    "words", ["a-b", "a AND b", "", " ", '"a"', "*", "a**", "a'", "NOT a", "a | b"]
)
def test_words_that_cannot_be_asked_are_refused(ask: Callable[..., Any], words: str) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.InvalidParameterValue, match="cannot be understood"):
        ask("dcat_asked_words(%s)", words)
