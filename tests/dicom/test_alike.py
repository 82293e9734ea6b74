"""Reading by comparison gives what reading anew gives, for whatever comes after whatever."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.attributes import further
from catalog.dicom import remembered
from catalog.dicom.alike import HeaderReader
from catalog.dicom.claiming import ClaimsMaker
from catalog.dicom.claims import WANTED, claims, wanted
from catalog.dicom.header import read_header
from catalog.entities import Level
from catalog.errors import HeaderError
from tests.dicom.part10 import (
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    UNDEFINED,
    element,
    item,
    part10,
    pixel_data,
    sequence,
)
from tests.dicom.test_against_pydicom import roots

PRIVATE_LONG = 0x00191010
REFERENCES = 0x00081140
REQUEST = 0x00400275
FURTHER = (
    further("00191010", (PRIVATE_LONG,), "OB", "1", Level.INSTANCE),
    further("PatientAge", (0x00101010,), "AS", "1", Level.STUDY),
    further(
        "RequestAttributesSequence.ReferencedSOPInstanceUID",
        (REQUEST, 0x00081155),
        "UI",
        "1",
        Level.SERIES,
    ),
)
WITH_SEQUENCES = WANTED | {REQUEST}


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def outcome(read: Any, *arguments: Any) -> Any:
    """The header without how it was found, or what was raised."""
    try:
        return tuple(read(*arguments))[:6]
    except HeaderError as error:
        return type(error), str(error)


def anew(path: Path, wanted: frozenset[int]) -> Any:
    with path.open("rb", buffering=0) as stream:
        return outcome(read_header, stream, path.stat().st_size, wanted)


def by_comparison(reader: HeaderReader, path: Path) -> Any:
    with opened(path) as fd:
        return outcome(reader.read, fd, path.stat().st_size)


def assert_same(paths: Sequence[Path], wanted: frozenset[int] = WANTED) -> HeaderReader:
    reader, of_bytes = HeaderReader(wanted), HeaderReader(wanted)
    for path in paths:
        expected = anew(path, wanted)
        assert by_comparison(reader, path) == expected, path
        data = path.read_bytes()
        assert outcome(of_bytes.read, data, len(data)) == expected, path
    return reader


# -- made files ----------------------------------------------------------------------------

TEXT = st.text("AB^\\ 0123456789.", max_size=9)


@st.composite
def data_sets(draw: st.DrawFn, explicit: bool) -> bytes:
    """A data set of a family in which everything that can vary does, sometimes."""

    def one(tag: int, vr: str, value: bytes | str) -> bytes:
        return element(tag, vr, value, explicit=explicit)

    def rarely(usual: Any, strategy: st.SearchStrategy[Any]) -> Any:
        return draw(strategy) if draw(st.integers(0, 7)) == 0 else usual

    def references(tag: int, uid: str) -> bytes:
        undefined = rarely(True, st.booleans())
        inner = one(0x00081155, "UI", uid) + (
            sequence(0x0040A170, item(one(0x00080100, "SH", uid), undefined=True), undefined=True)
            if explicit
            else b""
        )
        return sequence(
            tag, item(inner, undefined=undefined), undefined=undefined, explicit=explicit
        )

    number = draw(st.integers(1, 12000))
    parts = [
        one(
            0x00080005, "CS", rarely("ISO_IR 100", st.sampled_from(["ISO_IR 192", "", "NONSENSE"]))
        ),
        one(0x00080008, "CS", "ORIGINAL\\PRIMARY"),
        one(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2"),
        one(0x00080018, "UI", f"1.2.3.4.{number}"),
        one(0x00080060, "CS", rarely("CT", TEXT)),
        references(REFERENCES, f"1.2.{number}"),
        one(0x00100010, "PN", rarely("M\xfcller^Anna", TEXT)),
        one(0x00100020, "LO", rarely("P1", TEXT)),
        one(PRIVATE_LONG & 0xFFFF0000 | 0x0010, "LO", "ACME 1"),
        one(PRIVATE_LONG, "OB", bytes(draw(st.sampled_from([4, 300, 300, 300, 20_000])))),
        one(0x0020000D, "UI", "1.2.3"),
        one(0x0020000E, "UI", draw(st.sampled_from(["1.2.3.1", "1.2.3.22"]))),
        one(0x00200011, "IS", "7"),
        one(0x00200013, "IS", str(number)),
        one(0x00200032, "DS", f"0\\0\\{number / 10}"),
        one(0x00280010, "US", struct.pack("<H", rarely(16, st.integers(0, 65535)))),
        references(REQUEST, f"1.3.{rarely(1, st.integers(0, 99))}"),
    ]
    if rarely(False, st.just(True)):
        del parts[draw(st.integers(0, len(parts) - 1))]
    if rarely(False, st.just(True)):
        parts.insert(0, parts[draw(st.integers(0, len(parts) - 1))])
    ending = rarely("pixels", st.sampled_from(["none", "encapsulated", "cut", "zeros", "behind"]))
    if ending == "encapsulated":
        parts.append(
            one(0x7FE00010, "OB", b"")
            if not explicit
            else sequence(0x7FE00010, item(), vr="OB", undefined=True)
        )
    elif ending == "cut":
        parts.append(pixel_data(16, stated=4000, explicit=explicit))
    elif ending == "zeros":
        parts.append(bytes(draw(st.integers(1, 40))))
    elif ending != "none":
        parts.append(pixel_data(64, explicit=explicit))
    if ending == "behind":
        parts.append(one(0xFFFCFFFC, "OB", b"\0\0"))
    return b"".join(parts)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    syntax = draw(st.sampled_from([EXPLICIT] * 6 + [IMPLICIT] * 3 + [DEFLATED]))
    explicit = syntax != IMPLICIT
    if draw(st.integers(0, 15)) == 0:
        explicit = not explicit  # the Transfer Syntax does not say what is there
    uid = draw(st.sampled_from(["1.2.3.4", "1.2.3.44", "1.2.3.4.12000"]))
    data = bytearray(part10(draw(data_sets(explicit)), syntax, instance=uid))
    if draw(st.integers(0, 5)) == 0:  # damage
        for _ in range(draw(st.integers(1, 3))):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.sampled_from([0, 0xFF, 0x41, 0x10]))
    if draw(st.integers(0, 9)) == 0:
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


@settings(deadline=None, max_examples=400)
@given(contents=st.lists(files(), min_size=2, max_size=12))
def test_comparing_never_changes_what_is_read(
    contents: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("alike")
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / str(number))
        paths[-1].write_bytes(content)
    for tags in (
        WANTED,
        WITH_SEQUENCES,
        WANTED | {REFERENCES, PRIVATE_LONG},
        WANTED | {0xFFFCFFFC},
    ):
        assert_same(paths, tags)
    for path in paths:
        path.unlink()


def series(folder: Path, count: int, **options: Any) -> list[Path]:
    """Files of one series that differ in UID, number and position, each of growing length."""
    paths = []
    for number in range(1, count + 1):
        body = b"".join(
            (
                element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2"),
                element(0x00080018, "UI", f"1.2.3.4.{number}"),
                element(0x00100020, "LO", "P1"),
                element(PRIVATE_LONG, "OB", bytes([number % 256]) * options.get("private", 300)),
                element(0x0020000D, "UI", "1.2.3"),
                element(0x0020000E, "UI", options.get("uid", "1.2.3.1")),
                element(0x00200013, "IS", str(number)),
                element(0x00200032, "DS", f"0\\0\\{number / 7:.3f}"),
                pixel_data(),
            )
        )
        path = folder / f"{options.get('uid', '')}-{number:04}"
        path.write_bytes(part10(body, instance=f"1.2.3.4.{number}"))
        paths.append(path)
    return paths


def test_a_series_is_read_by_comparison(tmp_path: Path) -> None:
    reader = assert_same(series(tmp_path, 50))
    assert (reader.anew, reader.resembling) == (1, 1)  # the position was not known to vary
    assert reader.alike == 48


def test_values_larger_than_the_first_read_are_passed_over(tmp_path: Path) -> None:
    reader = assert_same(series(tmp_path, 20, private=100_000))
    assert reader.alike >= 17


@pytest.mark.parametrize(("private", "reads"), [(300, 1), (3_000, 1), (4_200, 2), (100_000, 2)])
def test_short_values_are_read_over_and_long_ones_leapt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: int, reads: int
) -> None:
    *first, last = series(tmp_path, 8, private=private)
    reader = assert_same(first)
    offsets = []
    read_at = os.pread

    def pread(fd: int, count: int, offset: int) -> bytes:
        offsets.append(offset)
        return read_at(fd, count, offset)

    monkeypatch.setattr(remembered, "_pread", pread)
    assert by_comparison(reader, last) == anew(last, WANTED)
    assert len(offsets) == reads


def test_series_that_lie_mixed_are_each_remembered(tmp_path: Path) -> None:
    groups = [series(tmp_path, 20, uid=f"1.2.3.{n}") for n in range(4)]
    reader = assert_same([path for together in zip(*groups, strict=True) for path in together])
    assert reader.alike >= 60


def test_what_differs_and_is_the_same_is_told(tmp_path: Path) -> None:
    first, second = series(tmp_path, 2)[:2]
    reader = HeaderReader(WANTED)
    by_comparison(reader, first)
    by_comparison(reader, second)
    with opened(first) as fd:
        header = reader.read(fd, first.stat().st_size)
    assert header.base is not None
    assert set(header.changed) == {0x00080018, 0x00200013, 0x00200032}
    assert header.elements[0x00100020] is header.base.elements[0x00100020]


def test_a_file_that_grew_shorter_than_its_series_is_truncated(tmp_path: Path) -> None:
    paths = series(tmp_path, 4)
    paths[3].write_bytes(paths[3].read_bytes()[:-40])
    reader = HeaderReader(WANTED)
    truncated = [by_comparison(reader, path)[3] for path in paths]
    assert truncated == [False, False, False, True]


def test_undefined_lengths_and_sequences_that_vary(tmp_path: Path) -> None:
    paths = []
    for number in range(30):
        inner = item(element(0x00081155, "UI", f"1.2.{number}"), undefined=True)
        body = (
            element(0x00080018, "UI", f"1.2.3.4.{number}")
            + sequence(REFERENCES, *[inner] * (1 + number % 3), undefined=True)
            + sequence(0x00081199, inner)
            + element(0x00200013, "IS", str(number))
            + sequence(0x7FE00010, item(), vr="OB", undefined=True)
        )
        paths.append(tmp_path / f"{number:02}")
        paths[-1].write_bytes(part10(body, instance=f"1.2.3.4.{number}"))
    for tags in (WANTED, WANTED | {REFERENCES}, WANTED | {0x00081199}):
        assert assert_same(paths, tags).alike >= 27
    assert UNDEFINED == 0xFFFFFFFF


@pytest.mark.parametrize(("root", "least"), list(roots()))
def test_real_files(root: Path, least: int, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of their paths, and each right after a copy of itself."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    reader = assert_same(paths)
    twice = assert_same([path for path in paths for _ in (1, 2)])
    assert reader.alike + reader.resembling + reader.anew == len(paths)
    assert twice.alike >= least // 2
    with capsys.disabled():
        print(
            f" {len(paths)} files: {reader.alike} by comparison, {reader.resembling} element by "
            f"element, {reader.anew} anew",
            end="",
        )


# -- claims --------------------------------------------------------------------------------


def assert_same_claims(paths: Sequence[Path]) -> None:
    for asked in ((), FURTHER):
        what = wanted(asked)
        reader, maker = HeaderReader(what.tags), ClaimsMaker(what)
        for path in paths:
            try:
                with opened(path) as fd:
                    header = reader.read(fd, path.stat().st_size)
            except HeaderError:
                continue
            assert maker.claims(header) == claims(header.elements, header.meta, what), path


@settings(deadline=None, max_examples=400)
@given(contents=st.lists(files(), min_size=2, max_size=12))
def test_claims_by_comparison_are_those_of_the_whole_header(
    contents: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("alike")
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / str(number))
        paths[-1].write_bytes(content)
    assert_same_claims(paths)
    for path in paths:
        path.unlink()


@pytest.mark.parametrize(("root", "least"), list(roots()))
def test_claims_of_real_files(root: Path, least: int) -> None:
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    assert len(paths) >= least
    assert_same_claims([path for path in paths for _ in (1, 2)])


def test_files_of_a_series_share_their_patient_study_and_series(tmp_path: Path) -> None:
    reader, maker = HeaderReader(WANTED), ClaimsMaker(wanted(()))
    seen = []
    for path in series(tmp_path, 9):
        with opened(path) as fd:
            seen.append(maker.claims(reader.read(fd, path.stat().st_size)).claims)
    last = seen[-1]
    assert last is not None
    shared = [s for s in seen if s is not None and s.series is last.series]
    assert len(shared) >= 7
    assert all(s.patient is last.patient and s.study is last.study for s in shared)
    assert len({s.instance.sop_instance_uid for s in seen if s}) == 9


def test_a_longer_sequence_is_skipped_to_its_own_end(tmp_path: Path) -> None:
    """Where it ended in the file before, elements stand here as well: within a value of an item."""

    def after(name: str, number: int) -> bytes:
        return b"".join(
            (
                element(0x00100010, "PN", name),
                element(0x0020000D, "UI", "1.2.3"),
                element(0x0020000E, "UI", "1.2.3.1"),
                element(0x00200013, "IS", str(number)),
                pixel_data(),
            )
        )

    def file(number: int, value: bytes, name: str) -> Path:
        inner = item(element(0x00420011, "OB", value), undefined=True)
        body = (
            element(0x00080018, "UI", f"1.2.3.4.{number}")
            + sequence(REFERENCES, inner, undefined=True)
            + after(name, number)
        )
        path = tmp_path / f"{number}"
        path.write_bytes(part10(body, instance=f"1.2.3.4.{number}"))
        return path

    delimiters = 16  # of the item and of the sequence
    first = file(1, bytes(400), "Other")
    second = file(2, bytes(400 + delimiters) + after("False", 2), "True")
    reader = assert_same([first, second])
    assert reader.resembling == 1
