"""An import holds few directory records at a time: what it needs does not grow with their number."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue
from catalog.dicom.elements import Element
from catalog.files import mapped
from catalog.fileset.tree import FileSet, Record, padded
from catalog.fileset.writer import Writing, write_records
from catalog.findings import Finding, Severity
from catalog.importing import import_medium, open_medium, packed
from catalog.importing.packed import Findings, Packed
from tests.journeys.steps import imported

CT = "1.2.840.10008.5.1.4.1.1.2"


VALUES = st.tuples(
    st.integers(), st.none() | st.text(), st.dictionaries(st.text(), st.none() | st.text())
)


@given(st.lists(st.lists(VALUES, max_size=5), max_size=5))
def test_what_is_packed_comes_out_as_it_went_in(chunks: list[list[tuple[object, ...]]]) -> None:
    packed = Packed()
    for chunk in chunks:
        packed.add(iter(chunk))
    expected = [value for chunk in chunks for value in chunk]
    assert list(packed) == expected
    assert list(packed) == expected  # a transaction may be done again


def test_lone_surrogates_are_packed() -> None:
    packed = Packed()
    packed.add([(1, "a\udc80", {"x": "\ud800"})])
    assert list(packed) == [(1, "a\udc80", {"x": "\ud800"})]


class More(Finding):
    """A finding that says more."""


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5), st.integers(0, 35))
def test_findings_are_a_list_of_findings(kinds: list[bool], chunk: int, number: int) -> None:
    findings = Findings()
    expected: list[Finding] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "CHUNK", chunk)
        for i, is_more in enumerate(kinds):
            kind = More if is_more else Finding
            finding = kind("code", Severity.ERROR, f"A message {i}.", "a\udc80", None, i)
            expected.append(finding)
            if i % 2:
                findings.append(finding)
            else:
                findings += [finding]
        assert len(findings) == len(expected)
        assert list(findings) == expected
        assert list(map(type, findings)) == list(map(type, expected))
        assert list(findings.since(number)) == expected[number:]
        assert findings[number:] == expected[number:]
        assert [findings[i] for i in range(-len(expected), len(expected))] == expected + expected
        with pytest.raises(IndexError):
            findings[len(expected)]
        assert bool(findings) == bool(expected)


def write_many(folder: Path, count: int) -> None:
    """Write a DICOMDIR of one patient, study and series with `count` IMAGE records, whose files are not there."""

    def record(kind: str, *keys: tuple[int, str, str]) -> Record:
        return Record(kind, tuple(Element(t, v, padded(v, text.encode())) for t, v, text in keys))

    def records() -> Iterator[tuple[int, Record]]:
        yield 0, record("PATIENT", (0x00100010, "PN", "Doe^Jane"), (0x00100020, "LO", "P1"))
        yield 1, record("STUDY", (0x00080020, "DA", "20200101"), (0x00080030, "TM", "1200"), (0x00080050, "SH", ""), (0x00081030, "LO", ""), (0x0020000D, "UI", "1.2.1"), (0x00200010, "SH", "1"))  # fmt: skip
        yield 2, record("SERIES", (0x00080060, "CS", "CT"), (0x0020000E, "UI", "1.2.1.1"), (0x00200011, "IS", "1"))  # fmt: skip
        for number in range(count):
            yield 3, record("IMAGE", (0x00041500, "CS", f"IM{number:06}"), (0x00041510, "UI", CT), (0x00041511, "UI", f"1.2.1.1.{number}"), (0x00041512, "UI", "1.2.840.10008.1.2.1"), (0x00200013, "IS", str(number)))  # fmt: skip

    folder.mkdir()
    with (folder / "DICOMDIR").open("wb") as stream:
        write_records(stream, FileSet("MANY", "1.2"), records(), Writing("1.2.9"))


def alive() -> int:
    gc.collect()
    return sum(type(each) is Record for each in gc.get_objects())


def test_no_record_outlives_its_batch(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.importing.journey import _Importing

    write_many(tmp_path / "m", 6000)
    before = alive()
    opened = open_medium(tmp_path / "m")
    assert alive() == before
    counts = []
    store = _Importing._store

    def counted(self: _Importing, *given: object) -> None:
        store(self, *given)  # type: ignore[arg-type]
        counts.append(alive() - before)

    monkeypatch.setattr(_Importing, "_store", counted)
    monkeypatch.setattr(gc, "freeze", lambda: None)  # what is frozen cannot be counted
    import_medium(catalogue, opened)
    monkeypatch.undo()
    assert len(counts) == 7
    assert max(counts) < 1100  # the batch that was stored last
    assert opened.directory is None


def peak(work: Callable[[], object]) -> int:
    """Return the most bytes that Python's own objects take at once while `work` is done."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_hardly_grows_with_the_number_of_records(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "MOST_IN_MEMORY_BYTES", 1 << 16)

    def taken(count: int) -> int:
        write_many(tmp_path / f"m{count}", count)
        catalogue = new_catalogue()
        return peak(lambda: import_medium(catalogue, tmp_path / f"m{count}"))

    taken(100)  # what is imported and remembered once
    few, many = taken(2000), taken(8000)
    assert (many - few) / 6000 < 100


def test_an_opened_medium_is_imported_once(
    catalogue: Catalogue, new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    write_many(tmp_path / "m", 10)
    opened = open_medium(tmp_path / "m")
    import_medium(catalogue, opened)
    with pytest.raises(ValueError, match="taken before"):
        import_medium(new_catalogue(), opened)
    assert imported(catalogue, tmp_path / "m").records.total() == 10 + 3
