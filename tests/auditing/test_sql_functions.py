"""The functions that reading connections add to SQL, for audits and selections."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue
from catalog.database.sql_functions import jaro_winkler, name_likeness, rounded, slice_location

NAMES = st.text(alphabet="abcdeÄöß^= .-é李", max_size=20) | st.text(max_size=80)


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("Doe^Jane", "Doe^Jane", 100, 100),
        ("Doe^Jane", "JANE^DOE", 100, 100),
        ("Müller^Jörg", "muller jorg", 100, 100),
        ("Müller^Jörg", "Mueller^Joerg", 85, 99),
        ("Smith^John", "Smyth^John", 90, 99),
        ("Doe^Jane", "Doe^Jane^Ann", 92, 99),
        ("Doe^Jane", "Doe^J", 90, 99),
        ("Smith^John", "Smith^Jane", 0, 91),
        ("Brown^Bob", "Green^Alice", 0, 50),
        ("Yamada^Tarou=山田^太郎", "YAMADA^TAROU", 100, 100),
        ("", "Doe", 0, 0),
        ("^^", "Doe", 0, 0),
    ],
)
def test_name_likeness(one: str, other: str, least: int, most: int) -> None:
    assert least <= name_likeness(one, other) <= most


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [("martha", "marhta", 0.9611), ("dwayne", "duane", 0.84), ("dixon", "dicksonx", 0.8133)],
)
def test_jaro_winkler_gives_the_values_of_the_literature(
    one: str, other: str, likeness: float
) -> None:
    assert jaro_winkler(one, other) == pytest.approx(likeness, abs=1e-4)


@given(NAMES, NAMES)
def test_likeness_is_symmetric_and_within_bounds(one: str, other: str) -> None:
    found = name_likeness(one, other)
    assert found == name_likeness(other, one)
    assert 0 <= found <= 100


@given(st.lists(st.sampled_from(["doe", "jane", "ann", "müller", "x"]), min_size=1, max_size=4))
def test_the_same_words_in_any_order_are_alike(words: list[str]) -> None:
    assert name_likeness("^".join(words), " ".join(reversed(words)).upper()) == 100


def test_long_names_take_no_longer() -> None:
    assert 0 <= name_likeness("ab" * 100_000, "ba" * 100_000) <= 100


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1\\0\\-0\\1e0\\.5", "1.00\\0.00\\0.00\\1.00\\0.50"),
        ("0.004\\-0.004", "0.00\\0.00"),
        ("one\\1", "one\\1.00"),
        ("", ""),
        ("1e999\\nan", "1e999\\nan"),
    ],
)
def test_rounded(text: str, found: str) -> None:
    assert rounded(text, 2) == found


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6))
def test_rounding_twice_changes_nothing(numbers: list[float]) -> None:
    once = rounded("\\".join(map(repr, numbers)), 2)
    assert rounded(once, 2) == once


@pytest.mark.parametrize(
    ("position", "orientation", "place"),
    [
        ("10\\20\\30", "1\\0\\0\\0\\1\\0", 30.0),
        ("10\\20\\30", "1\\0\\0\\0\\0\\-1", 20.0),
        ("10\\20\\30", "0\\1\\0\\0\\0\\-1", -10.0),
        ("10\\20", "1\\0\\0\\0\\1\\0", None),
        ("10\\20\\x", "1\\0\\0\\0\\1\\0", None),
        ("10\\20\\30\\x", "1\\0\\0\\0\\1\\0", None),
        ("", "", None),
        ("1e308\\1e308\\1e308", "1e300\\1e300\\0\\0\\1e300\\1e300", None),
    ],
)
def test_slice_location(position: str, orientation: str, place: float | None) -> None:
    assert slice_location(position, orientation) == place


@given(
    st.text(alphabet="0123456789.-+eE\\x", max_size=40), st.text(alphabet="01.\\-e", max_size=40)
)
def test_slice_location_is_a_number_or_none(position: str, orientation: str) -> None:
    found = slice_location(position, orientation)
    assert found is None or math.isfinite(found)


def test_they_stand_in_sql_and_pass_null_on(catalogue: Catalogue) -> None:
    sql = (
        "SELECT dcat_name_likeness('a', NULL), dcat_is_uid(NULL), dcat_rounded(NULL, 2), "
        "dcat_slice_location(NULL, ''), dcat_slice_location('', NULL), dcat_folded_name(NULL), "
        "dcat_name_likeness('Doe^J', 'Doe^J'), dcat_is_uid('1.2'), dcat_is_uid('1.02'), dcat_rounded('1', 1)"
    )
    with catalogue.read() as connection:
        found = tuple(connection.exec_driver_sql(sql).one())
    assert found == (None,) * 6 + (100, 1, 0, "1.0")
