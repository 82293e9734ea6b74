"""An outline says of any file what the tree of records says, and takes a few bytes a record."""

from __future__ import annotations

import mmap
import random
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.elements import Element
from catalog.errors import DicomdirError
from catalog.fileset import outline
from catalog.fileset.layout import Laid, LaidRecords
from catalog.fileset.outline import Outline, outlined
from catalog.fileset.reader import read, refused
from catalog.fileset.tree import flat, paths
from catalog.findings import Finding
from catalog.shapes import replace

from .by_hand import R, dicomdir, two_patients
from .test_reader_fuzz import corpus, hostile, series_of, written


def of_tree(data: bytes) -> object:
    """Return all that is known of a DICOMDIR that was read at once."""
    try:
        directory = read(data)
    except DicomdirError as error:
        return str(error), error.offset_bytes
    records = directory.fileset.records
    return (
        replace(directory.fileset, records=()),
        [tuple(map(flat, chain)) for chain in paths(records)],
        [bool(chain[-1].children) for chain in paths(records)],
        [entry.offset_bytes for entry in directory.entries],
        list(directory.findings),
        refused(directory),
    )


def of_outline(data: bytes) -> object:
    """Return the same by an outline."""
    findings: list[Finding] = []
    try:
        found = outlined(data, findings)
    except DicomdirError as error:
        return str(error), error.offset_bytes
    places = range(len(found))
    return (
        found.fileset,
        list(found.chains()),
        [found.has_lower(place) for place in places],
        [found.offset(place) for place in places],
        findings,
        found.refused,
    )


@pytest.mark.parametrize("inputs", [600, pytest.param(30_000, marks=pytest.mark.heavy)])
def test_it_says_what_the_tree_says(inputs: int) -> None:
    order, originals = random.Random(4), corpus()
    for data in (*originals, *(hostile(order, originals) for _ in range(inputs))):
        assert of_outline(data) == of_tree(data), data


def test_of_a_mapped_file_it_says_the_same(tmp_path: Path) -> None:
    order, originals = random.Random(5), corpus()
    for data in (*originals, *(hostile(order, originals) for _ in range(100))):
        if not data:
            continue
        with tempfile.TemporaryFile(dir=tmp_path) as file:
            file.write(data)
            file.flush()
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert of_outline(cast("bytes", whole)) == of_tree(data), data


def test_memory_is_given_back_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    data, rests = written(300), []
    monkeypatch.setattr("catalog.fileset.items._MOST_UNRESTED", 7)
    monkeypatch.setattr("catalog.fileset.items.rest", rests.append)
    assert of_outline(data) == of_tree(data)
    assert len(rests) > 300 * 2 // 8


def made(data: bytes) -> Outline:
    return outlined(data, [])


def test_what_stands_above_is_one_object_for_all_below() -> None:
    """Whoever works out what siblings share asks whether it is the same record."""
    before = 0
    for data in (dicomdir(two_patients()), dicomdir(series_of(5))):
        chains = list(made(data).chains())
        for one, other in zip(chains[1:], chains, strict=False):
            assert all(a is b for a, b in zip(one[:-1], other, strict=False))
            before += len(one) > 1
    assert before > 20


@given(st.lists(st.binary(min_size=1, max_size=2), max_size=60), st.sampled_from([1, 2, 1 << 64]))
def test_values_are_met_as_in_a_set(values: list[bytes], kinds: int) -> None:
    """Also when many values look the same in the table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outline, "hash", lambda value: hash(value) % kinds, raising=False)
        met = outline._Values(len(values), values.__getitem__).met
        found = [met(value, place) for place, value in enumerate(values)]
    assert found == [value in values[:place] for place, value in enumerate(values)]


def mrdr(count: int) -> bytes:
    """Return images that all refer to one MRDR, which is long."""
    roots = two_patients()
    shared = R("MRDR", [(0x00041500, "CS", b"SHARED"), (0x00091010, "UN", bytes(5000))])
    images = [R("IMAGE", mrdr=shared) for _ in range(count)]
    roots[0].children[0].children[0].children.extend(images)
    return dicomdir([*roots, shared])


def repeated(count: int) -> bytes:
    """Return images that all have the File ID of one that is long."""
    keys = [(0x00041500, "CS", b"SAME")]
    long = R("IMAGE", [*keys, (0x00091010, "UN", bytes(5000))])
    roots = two_patients()
    roots[0].children[0].children[0].children += [long, *(R("IMAGE", keys) for _ in range(count))]
    return dicomdir(roots)


@pytest.mark.parametrize("make", [mrdr, repeated])
def test_a_long_record_is_read_again_a_few_times(
    make: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many others have to do with it; else a hostile file would take days."""
    read_again = LaidRecords.keys
    lengths: list[int] = []

    def counted(self: LaidRecords, i: int) -> tuple[Element, ...]:
        if i not in self._held:
            lengths.append(self.ends[i] - self.offsets[i])
        return read_again(self, i)

    monkeypatch.setattr(LaidRecords, "keys", counted)
    data = make(300)
    assert len(made(data)) > 300
    assert 0 < sum(length > 5000 for length in lengths) <= 3
    assert of_outline(data) == of_tree(data)


def test_a_file_may_be_longer_than_offsets_reach() -> None:
    records = LaidRecords(1 << 33)
    records.add(Laid(1 << 32, "IMAGE"), (1 << 32) + 100, hold=True)
    assert list(records.offsets) == [1 << 32]
    assert list(records.ends) == [(1 << 32) + 100]


def test_keys_that_are_nowhere_are_an_error() -> None:
    records = LaidRecords(hold=False)
    records.add(Laid(5, "IMAGE"), 9, hold=False)
    with pytest.raises(LookupError, match="byte 5"):
        records.keys(0)


def test_memory_hardly_grows_with_the_number_of_records() -> None:
    def taken(count: int) -> int:
        data = written(count)
        tracemalloc.start()
        try:
            made(data)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    taken(100)
    few, many = taken(5000), taken(20_000)
    assert (many - few) / 15_000 < 80  # objects took 900 bytes
