"""URLs of storage, and their paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import PathError
from catalog.files.paths import from_text, on_disk
from catalog.files.urls import Url, is_url, text_of, where

KEYS = st.text(st.characters(codec="utf-8"), max_size=30)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("S3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3a://bucket/a", "s3://bucket/a"),
        ("s3://bucket/a//b", "s3://bucket/a//b"),
        ("s3://bucket/../a", "s3://bucket/../a"),
        ("s3://bucket/a%20b?c#d", "s3://bucket/a%20b?c#d"),
        ("s3://bucket/a\\b", r"s3://bucket/a\\b"),
        ("memory://store/a", "memory://store/a"),
        ("sftp://user@host:22/a", "sftp://user@host:22/a"),
    ],
)
def test_a_url_is_kept_to_the_letter(typed: str, text: str) -> None:
    found = where(typed)
    assert isinstance(found, Url)
    assert (found.text, text_of(found)) == (text, text)
    assert is_url(text)


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("archive", "archive"),
        ("/archive", "/archive"),
        ("./s3://bucket", "s3:/bucket"),
        ("file:///archive/a%20b", "/archive/a b"),
        ("file://localhost/archive", "/archive"),
        ("FILE:///archive/../x", "/archive/../x"),
    ],
)
def test_everything_else_is_a_path(typed: str, path: str) -> None:
    assert where(typed) == Path(path)


@pytest.mark.parametrize(
    "typed",
    [
        "s3://",
        "s3:///a",
        "s3://bucket//",
        "s3://bucket/a//",
        "s3://AKIAEXAMPLE:SeCrEt@bucket/a",
        "s3://AKIAEXAMPLE:Se/CrEt@bucket/a",
        "s3://SeCrEt@bucket/a",
        "sftp://user:SeCrEt@host/a",
        "sftp://user:SeC/rEt@host/a",
        "ftp://user:SeCrEt:x@host/a",
        "abfs://container/a?sig=SeCrEt",
        "https://host/a?X-Amz-Signature=SeCrEt",
        "file://other/archive",
        "file://",
        "s3://bucket/a\udce4",
    ],
)
def test_what_names_nothing_or_holds_a_secret_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(PathError) as refused:
        where(typed)
    for secret in ("SeCrEt", "SeC", "CrEt", "AKIA"):
        assert secret not in str(refused.value)


@given(KEYS, KEYS)
def test_distinct_urls_have_distinct_texts_that_lead_back(one: str, other: str) -> None:
    def text(key: str) -> str | None:
        try:
            return text_of(where(f"s3://bucket/x{key}"))
        except PathError:
            return None

    first, second = text(one), text(other)
    if first is not None:
        assert from_text(first) == f"s3://bucket/x{one}".removesuffix("/")
    if one.removesuffix("/") != other.removesuffix("/") and None not in (first, second):
        assert first != second


@given(KEYS.filter(bool))
def test_no_key_is_ever_a_path_of_this_machine(key: str) -> None:
    for path in (key, ""):
        with pytest.raises(PathError, match="is a URL"):
            on_disk("s3://bucket/prefix", path)
