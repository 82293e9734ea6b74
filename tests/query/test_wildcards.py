"""Wildcard patterns, and how long they take."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.query.wildcards import beginning, collapsed, fits


@given(st.text("ab*?", max_size=8), st.text("ab\n", max_size=8))
@example("*ab*b", "aabb")
@example("a*a", "a")
@example("?*?", "a")
def test_what_fits_is_what_the_expression_says(pattern: str, text: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    wanted = re.fullmatch(expression, text, re.DOTALL) is not None
    assert fits(pattern, text) is wanted
    assert fits(collapsed(pattern), text) is wanted


@given(st.text("ab*?", max_size=6), st.text("ab", max_size=6))
def test_what_fits_begins_as_the_pattern_does(pattern: str, text: str) -> None:
    if fits(pattern, text):
        assert text.startswith(beginning(pattern))


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 5000 + "b", "*a?" * 3000 + "b", "*" + "a" * 5000 + "?b", "*?" * 5000 + "b", "?" * 10_000, "*" * 10_000],
    ids=["stars", "stars and marks", "long piece", "marks", "marks alone", "stars alone"],
)  # fmt: skip
def test_no_pattern_takes_long(pattern: str) -> None:
    began = time.thread_time()
    fits(pattern, "a" * 65_536)
    assert time.thread_time() - began < 5
