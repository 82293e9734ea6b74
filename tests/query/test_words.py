"""What a user types as words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.entities import Claims, Instance
from catalog.errors import SelectionError
from catalog.query.parse import selection
from catalog.query.words import Word, text_words


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("thorax", ["thorax"]),
        ("Doe^Jane", ["doe", "jane"]),
        ("doe^ja*", ["doe", "ja*"]),
        ("doe^*", ["doe"]),
        ("doe doe*", ["doe", "doe*"]),
        ("MÜLLER ß*", ["muller", "ss*"]),
        ("- thorax", ["thorax"]),
        ("a AND b", ["a", "and", "b"]),
        ('"a" OR NEAR(b)', ["a", "or", "near", "b"]),
        ("col:word", ["col", "word"]),
        ("山田*", ["山田*"]),
        ("x**", ["x*"]),
    ],
)
def test_what_the_words_are(typed: str, words: list[str]) -> None:
    assert [word.text + "*" * word.is_prefix for word in text_words(typed)] == words


@pytest.mark.parametrize("typed", ["", " ", "*", "* *", "-", '"', "^^", "***", "\u0301"])
def test_no_word_is_refused(typed: str) -> None:
    with pytest.raises(SelectionError, match="holds no word to look for"):
        text_words(typed)


@pytest.mark.parametrize("typed", ["a*b", "*a", "x *tail"])
def test_a_star_inside_a_word_is_refused(typed: str) -> None:
    with pytest.raises(SelectionError, match="can stand at the end of one"):
        text_words(typed)


def test_too_many_words_are_refused() -> None:
    with pytest.raises(SelectionError, match="more than 100"):
        text_words(" ".join(f"w{i}" for i in range(101)))


@given(st.text(max_size=12))
def test_words_hold_letters_and_digits_alone(typed: str) -> None:
    try:
        found = text_words(typed)
    except SelectionError:
        return
    assert found
    assert all(word.text.isalnum() or not word.text.isascii() for word in found)
    assert not any(c in word.text for word in found for c in '"*^:() ')


def test_a_prefix_is_in_what_begins_so() -> None:
    known = frozenset(["doe", "jane"])
    assert Word("do", True).is_in(known)
    assert not Word("do").is_in(known)
    assert not Word("oe", True).is_in(known)


def test_what_is_of_no_patient_has_no_words() -> None:
    palette = Claims(None, None, None, Instance(sop_instance_uid="1.2"))
    assert not selection(words=["a*"]).matches(palette)
