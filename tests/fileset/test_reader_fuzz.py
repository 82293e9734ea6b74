"""Whatever a DICOMDIR holds, reading it ends, in time, with a tree or a DicomdirError.

The long run: `pytest -m heavy -s tests/fileset/test_reader_fuzz.py` (200,000 inputs, some minutes).
"""

from __future__ import annotations

import gc
import io
import random
import resource
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from pydicom.data import data_manager

from catalog.errors import DicomdirError
from catalog.fileset.check import _Checker
from catalog.fileset.forms import Forms
from catalog.fileset.reader import read
from catalog.fileset.tree import FileSet, walk
from catalog.fileset.writer import Writing, write_records

from .by_hand import Layout, R, dicomdir, flatten, image, patient, series, study, two_patients
from .test_reader_defects import CYCLES, KEYS, SAME_TREE
from .test_writer import many

PYDICOM = Path(data_manager.DATA_ROOT) / "test_files" / "dicomdirtests"
SHARED = Path(__file__).parents[3] / "shared" / "data"
OTHERS = [SHARED / "filesets/dcmtk-mixed/DICOMDIR", SHARED / "process-dcm/tests/DICOMDIR"]
ITEM = b"\xfe\xff\0\xe0"

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

LAYOUTS = [
    Layout(),
    Layout(explicit=False),
    Layout(order=">"),
    Layout(undefined_items=True, undefined_sequence=True),
    Layout(preamble=False, group_lengths=True),
]


def seeds() -> list[bytes]:
    return [dicomdir(two_patients(), layout) for layout in LAYOUTS]


def series_of(images: int) -> list[R]:
    """Three patients with one series each, of records that are mostly alike."""
    return [
        patient(b"P%d" % n, study(b"1.%d" % n, series(b"1.%d.1" % n, *(
            image(number) for number in range(n * images, (n + 1) * images)
        ))))
        for n in range(3)
    ]  # fmt: skip


def written(images: int) -> bytes:
    out = io.BytesIO()
    write_records(out, FileSet("X", "1.2.3"), many(images), Writing("1.2.3", "X"))
    return out.getvalue()


def defects() -> Iterator[bytes]:
    """Every defect that `test_reader_defects` makes by hand."""
    for case in SAME_TREE:
        roots, layout = two_patients(), Layout()
        case.values[0](roots, layout)
        yield dicomdir(roots, layout)
    for case in (*CYCLES, *KEYS):
        roots = two_patients()
        case.values[0](roots)
        yield dicomdir(roots)


@cache
def corpus() -> tuple[bytes, ...]:
    """What mutations start from: other programs' files, dcat's own, and every known defect."""
    files = [
        path.read_bytes() for path in (*sorted(PYDICOM.glob("DICOMDIR*")), *OTHERS) if path.exists()
    ]
    alike = [dicomdir(series_of(20), layout) for layout in LAYOUTS]
    return (*seeds(), *alike, *defects(), *files, written(20), written(120))


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


def spliced(one: bytes, other: bytes, order: random.Random) -> bytes:
    """Return the start of `one` and the end of `other`, both cut where an item begins."""
    cuts = [order.randrange(max(len(data), 1)) for data in (one, other)]
    ends = [data.find(ITEM, cut) for data, cut in zip((one, other), cuts, strict=True)]
    return one[: ends[0]] + other[ends[1] :] if min(ends) >= 0 else one


def hostile(order: random.Random, originals: tuple[bytes, ...]) -> bytes:
    """Return one input: a mutated or spliced file, or one whose links lead anywhere."""
    choice = order.random()
    if choice < 0.1:
        return links_at_random(order)
    data = mutate(order.choice(originals), order)
    return spliced(data, order.choice(originals), order) if choice < 0.3 else data


def test_mutations() -> None:
    order, originals = random.Random(20200101), tuple(seeds())
    start = time.process_time()
    read_ = sum(reads_or_refuses(mutate(order.choice(originals), order)) for _ in range(2_000))
    assert read_ > 1_500, "most damage leaves something to read"
    for _ in range(1_000):
        reads_or_refuses(hostile(order, corpus()))
    assert time.process_time() - start < 120


@pytest.mark.heavy
def test_many_mutations() -> None:
    order, originals = random.Random(7), corpus()
    slowest, biggest, read_ = 0.0, 0, 0
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(200_000):
        data = hostile(order, originals)
        start = time.process_time()
        try:
            read_ += reads_or_refuses(data)
        except Exception as error:
            raise AssertionError(f"input {number}: {data!r}") from error
        slowest = max(slowest, time.process_time() - start)
        biggest = max(biggest, len(data))
        assert slowest < 1, f"input {number} takes {slowest:.2f} s: {data!r}"
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    print(
        f"200,000 inputs up to {biggest:,} bytes: {read_:,} read, the others refused; "
        f"slowest {slowest:.3f} s, {grown_mib:.0f} MiB grown"
    )
    assert grown_mib < 256


def outcome(data: bytes) -> str:
    try:
        return repr(read(data))
    except DicomdirError as error:
        return f"{error} {error.offset_bytes}"


def slow_ways(patch: pytest.MonkeyPatch) -> None:
    """Have each record read and checked by itself, whatever those before it were like."""
    patch.setattr(Forms, "learn", lambda *_: None)
    patch.setattr(_Checker, "_plan", lambda *_: None)


@pytest.mark.parametrize("inputs", [400, pytest.param(30_000, marks=pytest.mark.heavy)])
def test_short_cuts_change_nothing(inputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    order, originals = random.Random(3), corpus()
    cases = [*originals, *(hostile(order, originals) for _ in range(inputs))]
    for data in cases:
        quick = outcome(data)
        with monkeypatch.context() as patch:
            slow_ways(patch)
            assert outcome(data) == quick, data


def test_the_collector_is_as_it_was() -> None:
    assert gc.isenabled()
    read(seeds()[0])
    assert gc.isenabled()
    with pytest.raises(DicomdirError):
        read(b"no DICOM")
    assert gc.isenabled()


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
        start = time.thread_time()
        reads_or_refuses(data)
        return time.thread_time() - start

    # Of a machine that others use, too, the least of some times is what the work takes.
    small = min(seconds(2_000) for _ in range(3))
    large = min_until(16 * max(small, 0.05), lambda: seconds(16_000))
    assert large < 16 * max(small, 0.05)


def min_until(enough: float, measure: Callable[[], float], most: int = 5) -> float:
    """Return the first measurement below `enough`, or the least of `most`."""
    least = measure()
    for _ in range(most - 1):
        if least < enough:
            break
        least = min(least, measure())
    return least
