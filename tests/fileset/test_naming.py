"""File IDs for new files: unique, legal, and a function of their own identity."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import FileSetError
from catalog.fileset.naming import Identity, hash_text, names

LEGAL = re.compile(r"DICOM(/[PTSIR][A-Z2-7]{7})+")

text = st.text(max_size=4)
identities = st.lists(
    st.one_of(st.tuples(text, text, text, text), st.tuples(text)), unique=True, max_size=40
)


@given(identities)
def test_unique_legal_and_one_each(wanted: list[Identity]) -> None:
    found = names(wanted)
    assert set(found) == set(wanted)
    assert len(set(found.values())) == len(found)
    for identity, file_id in found.items():
        assert LEGAL.fullmatch(file_id.path)
        assert len(file_id.components) == len(identity) + 1


@given(identities, st.randoms())
def test_order_does_not_matter(wanted: list[Identity], order: random.Random) -> None:
    shuffled = wanted[:]
    order.shuffle(shuffled)
    assert names(shuffled) == names(wanted)


@given(identities)
def test_a_name_does_not_depend_on_the_others(wanted: list[Identity]) -> None:
    together = names(wanted)
    for identity in wanted:
        assert names([identity])[identity] == together[identity]


@given(identities)
def test_files_of_one_folder_share_identity_and_only_they(wanted: list[Identity]) -> None:
    found = {i: f for i, f in names(wanted).items() if len(i) == 4}
    for level in (1, 2, 3):
        folders = {(i[:level], f.components[: level + 1]) for i, f in found.items()}
        assert max(Counter(prefix for prefix, _ in folders).values(), default=1) == 1
        assert max(Counter(folder for _, folder in folders).values(), default=1) == 1


def one_character(prefix: Identity, salt: int) -> str:
    return hash_text(prefix, 1, salt)


small = st.lists(
    st.tuples(*(st.sampled_from("abcdef"),) * 3, st.integers(0, 99).map(str)),
    unique=True,
    max_size=25,
)


@given(small, st.randoms())
def test_collisions_are_resolved_the_same_way(wanted: list[Identity], order: random.Random) -> None:
    found = names(wanted, one_character)
    assert len(set(found.values())) == len(found)
    shuffled = wanted[:]
    order.shuffle(shuffled)
    assert names(shuffled, one_character) == found


def test_the_smaller_identity_keeps_its_name() -> None:
    wanted = [("P", "T", "S", str(n)) for n in range(20)]
    found = names(wanted, one_character)
    plain = {identity: names([identity], one_character)[identity] for identity in wanted}
    assert len(set(plain.values())) < len(wanted), "the shortened hash must collide"
    for identity in wanted:
        first = min(other for other in wanted if plain[other] == plain[identity])
        assert (found[identity] == plain[identity]) == (identity == first)


def test_full_folders_are_refused() -> None:
    with pytest.raises(FileSetError, match="No free name"):
        names([("P", "T", "S", str(n)) for n in range(40)], lambda prefix, salt: "A")


def test_identities_have_one_or_four_parts() -> None:
    with pytest.raises(FileSetError, match="one or four"):
        names([("1", "2")])


def test_hash_is_sha_256_of_lengths_and_parts() -> None:
    digest = hashlib.sha256(b"\0\0\0\0\0\0\0\1A\0\0\0\0\0\0\0\2BC").digest()
    bits = "".join(f"{byte:08b}" for byte in digest)
    expected = "".join(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[int(bits[at : at + 5], 2)] for at in range(0, 35, 5)
    )
    assert hash_text(("A", "BC"), 7) == expected
    assert hash_text(("AB", "C"), 7) != expected


def test_names_are_stable_between_releases() -> None:
    identity = ("12345", "1.2.3", "1.2.3.4", "1.2.3.4.5")
    assert names([identity, ("1.2.9",)])[identity].path == STABLE
    assert names([("1.2.9",)])["1.2.9",].path == STABLE_ROOT


STABLE = "DICOM/PDGNHPGU/TURME5AW/SU7QXCYZ/IAPIVZW3"
STABLE_ROOT = "DICOM/R6EGYY5I"
