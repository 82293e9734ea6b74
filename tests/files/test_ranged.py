"""Streams over ranges, and asking ahead."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.files import ranged
from catalog.files.ahead import answers
from catalog.files.ranged import LEAST_BYTES, RangedStream

STEPS = st.lists(
    st.tuples(st.sampled_from(["read", "seek", "end", "on"]), st.integers(0, 70_000)), max_size=20
)


@given(size=st.integers(0, 200_000), head=st.integers(0, 40_000), steps=STEPS)
def test_it_reads_as_a_file_does(size: int, head: int, steps: list[tuple[str, int]]) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        assert 0 <= start < end <= size
        return data[start:end]

    stream, judge = RangedStream(fetch, size, data[:head]), io.BytesIO(data)
    for what, number in steps:
        if what == "read":
            got = stream.read(number)
            assert got == judge.read(len(got))
            assert got or not number or judge.tell() >= size
        elif what == "seek":
            assert stream.seek(number) == judge.seek(number)
        elif what == "end":
            assert stream.seek(-min(number, size), io.SEEK_END) == judge.seek(
                -min(number, size), io.SEEK_END
            )
        else:
            assert stream.seek(number, io.SEEK_CUR) == judge.seek(number, io.SEEK_CUR)
        assert stream.tell() == judge.tell()
    stream.seek(0)
    assert stream.read() == data


def test_what_is_passed_over_is_not_asked_for_and_pieces_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranged, "MOST_BYTES", 1 << 20)
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return bytes(end - start)

    stream = RangedStream(fetch, 10 << 20, bytes(LEAST_BYTES))
    stream.read(100)
    stream.seek(5 << 20)
    stream.read(12)
    assert asked == [(5 << 20, (5 << 20) + LEAST_BYTES)]
    asked.clear()
    while stream.read(4096):
        pass
    sizes = [end - start for start, end in asked]
    assert sizes[:4] == [32 << 10, 64 << 10, 128 << 10, 256 << 10]
    assert max(sizes) == 1 << 20
    asked.clear()
    stream.seek(0)
    stream.read(LEAST_BYTES)  # the first bytes are kept
    assert asked == []


def test_what_ends_early_is_no_end() -> None:
    """A store that gives nothing more must not make a file look shorter than it is."""
    stream = RangedStream(lambda start, end: b"", 100_000, bytes(LEAST_BYTES))
    assert stream.read(LEAST_BYTES) == bytes(LEAST_BYTES)
    with pytest.raises(OSError, match="bytes end after 16,384 of 100,000"):
        stream.read(10)
    stream.seek(0)
    with pytest.raises(OSError, match="bytes end"):
        stream.read()


def test_answers_come_in_order_and_so_many_are_under_way() -> None:
    lock, under_way, most = threading.Lock(), 0, 0
    together = threading.Barrier(4, timeout=20)

    def ask(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait()  # passes only where four are asked at a time
        with lock:
            under_way -= 1
        return number * number

    with ThreadPoolExecutor(4) as pool:
        assert list(answers(pool, ask, range(40), 4)) == [n * n for n in range(40)]
    assert most == 4


def test_after_a_failure_nothing_more_is_asked() -> None:
    asked: list[int] = []

    def ask(number: int) -> int:
        asked.append(number)
        if number == 3:
            raise OSError("as the test has it")
        return number

    with ThreadPoolExecutor(1) as pool:
        found = answers(pool, ask, range(100), 5)
        assert list(islice(found, 3)) == [0, 1, 2]
        with pytest.raises(OSError, match="as the test has it"):
            next(found)
    assert len(asked) < 20
