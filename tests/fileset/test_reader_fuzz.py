"""Whatever a DICOMDIR holds, reading it ends, in time, with a tree or a DicomdirError."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from catalog.errors import DicomdirError
from catalog.fileset.reader import read
from catalog.fileset.tree import walk

from .by_hand import Layout, R, dicomdir, flatten, two_patients

INTERESTING = [0, 1, 0xFF, 0x7F, 0x80, 0xFE]
MARKS = [
    b"\xfe\xff\0\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0",
    b"\xff\xff\xff\xff",
    b"SQ\0\0",
    b"UN\0\0",
    b"\4\0\x20\x12",
]


def seeds() -> list[bytes]:
    layouts = [
        Layout(),
        Layout(explicit=False),
        Layout(order=">"),
        Layout(undefined_items=True, undefined_sequence=True),
        Layout(preamble=False, group_lengths=True),
    ]
    return [dicomdir(two_patients(), layout) for layout in layouts]


def mutate(data: bytes, order: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(order.choice([1, 1, 2, 4, 16])):
        at = order.randrange(len(out))
        match order.randrange(6):
            case 0:
                out[at] = order.choice(INTERESTING)
            case 1:
                out[at] ^= 1 << order.randrange(8)
            case 2:
                mark = order.choice(MARKS)
                out[at : at + len(mark)] = mark
            case 3:
                del out[at : at + order.randrange(1, 40)]
            case 4:
                out[at:at] = out[at : at + order.randrange(1, 200)]
            case 5:
                del out[at:]
        if not out:
            break
    return bytes(out)


def reads_or_refuses(data: bytes) -> bool:
    try:
        directory = read(data)
    except DicomdirError:
        return False
    found = list(walk(directory.fileset.records))
    assert len(found) == len(directory.entries)
    assert len({entry.offset_bytes for entry in directory.entries}) == len(found)
    assert max((depth for depth, _ in found), default=0) < 32
    return True


def test_mutations() -> None:
    order, originals = random.Random(20200101), seeds()
    start = time.monotonic()
    read_ = sum(reads_or_refuses(mutate(order.choice(originals), order)) for _ in range(2_000))
    assert read_ > 1_500, "most damage leaves something to read"
    assert time.monotonic() - start < 120


@pytest.mark.heavy
def test_many_mutations() -> None:
    order, originals = random.Random(7), seeds()
    for _ in range(100_000):
        reads_or_refuses(mutate(order.choice(originals), order))


def test_every_truncation() -> None:
    for data in seeds()[:2]:
        for end in range(len(data)):
            reads_or_refuses(data[:end])


def links_at_random(order: random.Random) -> bytes:
    roots = two_patients()
    records = flatten(roots)
    for record in records:
        for link in ("next", "lower"):
            if order.random() < 0.3:
                value = order.choice([order.choice(records), 0, order.randrange(3_000), 0xFFFFFFFF])
                setattr(record, link, value)
    layout = Layout(physical=order.sample(records, len(records)))
    if order.random() < 0.3:
        layout.first = order.choice([*records, 0, 5])
    return dicomdir(roots, layout)


def test_random_links_lose_no_record() -> None:
    order = random.Random(1)
    for _ in range(500):
        data = links_at_random(order)
        directory = read(data)
        assert len(list(walk(directory.fileset.records))) == 12


def nested(count: int) -> bytes:
    """Sequences that open other sequences and never end."""
    return (b"\xfe\xff\0\xe0\xff\xff\xff\xff" + b"\4\0\x20\x12SQ\0\0\xff\xff\xff\xff") * count


HOSTILE: list[tuple[str, Callable[[int], bytes]]] = [
    ("open-sequences", nested),
    ("giant-values", lambda n: (b"\xfe\xff\0\xe0\xff\xff\xff\x00" + b"\4\0\0\x15UN\0\0\0\0\1\0") * n),
    ("empty-items", lambda n: b"\xfe\xff\0\xe0\0\0\0\0" * n),
    ("delimiters", lambda n: b"\xfe\xff\x0d\xe0\0\0\0\0" * n),
    ("item-marks", lambda n: b"\xfe\xff\0\xe0" * n),
    ("zeros", lambda n: bytes(20 * n)),
    ("sequences", lambda n: b"\4\0\x20\x12SQ\0\0\0\0\0\0" * n),
    ("bad-vr", lambda n: (b"\xfe\xff\0\xe0\x10\0\0\0" + b"\4\0\0\x14??\4\0abcd") * n),
    ("self-links", lambda n: (b"\xfe\xff\0\xe0\x0c\0\0\0" + b"\4\0\0\x14UL\4\0\1\1\0\0") * n),
]  # fmt: skip


@pytest.mark.parametrize("make", [make for _, make in HOSTILE], ids=[name for name, _ in HOSTILE])
@pytest.mark.parametrize("length", [0xFFFFFFFF, 0, None], ids=["undefined", "zero", "exact"])
def test_hostile_files_take_linear_time(make: Callable[[int], bytes], length: int | None) -> None:
    def seconds(count: int) -> float:
        body = make(count)
        size = len(body) if length is None else length
        data = dicomdir([R("PATIENT")], Layout(physical=[], sequence_length=size)) + body
        start = time.process_time()
        reads_or_refuses(data)
        return time.process_time() - start

    small, large = seconds(2_000), seconds(16_000)
    assert large < 16 * max(small, 0.05)
