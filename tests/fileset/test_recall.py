"""What was made before changes nothing: records with a memory are the records without one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.elements import Element
from catalog.fileset.build import (
    Built,
    Memory,
    instance_record,
    patient_record,
    series_record,
    study_record,
)
from catalog.fileset.file_id import FileId
from catalog.fileset.recall import MOST_REMEMBERED, Recall, Watched
from catalog.fileset.record_types import GENERAL_PURPOSE_KEYS, Key

from .synthetic import SOP_CLASSES, Header, code, e, header

NAME = FileId(("A",))
OTHER_KEYS = {"IMAGE": (Key(0x00080060, "Modality", "CS", "1"),)}
VALUES = st.sampled_from(
    [b"", b" ", b"1.2.3", b"7", b"77 ", b"20200101", b"2020.01.01", b"12:30", b"a\xe4", b"\0\0", b"X" * 70]
)  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> list[Header]:
    """Headers that follow each other: what differs is in a few elements, as a rule."""
    types = st.sampled_from(sorted(SOP_CLASSES))
    some = [header(draw(types)) for _ in range(draw(st.integers(1, 2)))]
    found = []
    for number in range(draw(st.integers(2, 8))):
        changed = dict(draw(st.sampled_from(some)))
        changed[0x00080018] = e(0x00080018, "UI", b"1.2.3.4.%d" % number)
        for tag in draw(st.lists(st.sampled_from(sorted(changed)), max_size=3)):
            match draw(st.integers(0, 3)):
                case 0:
                    changed.pop(tag, None)
                case 1:
                    changed[tag] = e(tag, "SQ", (code(draw(VALUES)),))
                case _:
                    was = changed.get(tag)
                    changed[tag] = e(tag, was.vr if was else "LO", draw(VALUES))
        if draw(st.booleans()):  # the next may have what this one changed, too
            some.append(changed)
        found.append(changed)
    return found


def all_of(elements: Header, place: str, **options: Any) -> list[Built]:
    return [
        patient_record(elements, place, **options),
        study_record(elements, place, **options),
        series_record(elements, place, **options),
        instance_record(elements, NAME, "1.2.840.10008.1.2.1", place=place, **options),
    ]


@given(files(), st.data())
def test_a_memory_changes_nothing(headers: list[Header], data: st.DataObject) -> None:
    memory = Memory()
    for number, elements in enumerate(headers):
        extra = data.draw(st.sampled_from([GENERAL_PURPOSE_KEYS, OTHER_KEYS]))
        place = f"file {number}"
        assert all_of(elements, place, extra=extra, memory=memory) == all_of(
            elements, place, extra=extra
        )


def test_records_alike_are_one() -> None:
    memory = Memory()
    first = all_of(header("IMAGE"), "one", memory=memory)
    again = header("IMAGE") | {0x00080018: e(0x00080018, "UI", b"1.2.3.4.6")}
    second = all_of(again, "two", memory=memory)
    assert all(a is b for a, b in zip(first[:3], second[:3], strict=True))
    assert first[3] != second[3]


def test_findings_say_which_file() -> None:
    memory = Memory()
    elements = header("IMAGE")
    del elements[0x00200010]
    places = [study_record(elements, name, memory=memory).findings for name in ("one", "two")]
    assert [[f.place for f in findings] for findings in places] == [["one"], ["two"]]


def test_a_recall_forgets_rather_than_grows() -> None:
    recall: Recall[int] = Recall()
    for number in range(2 * MOST_REMEMBERED + 1):
        recall.keep(number, {}, number)
    assert recall.find(0, {}) is None
    assert recall.find(2 * MOST_REMEMBERED, {}) == 2 * MOST_REMEMBERED


@given(st.dictionaries(st.integers(0, 5), st.integers(0, 1)), st.sets(st.integers(0, 5)))
def test_what_was_asked_decides(other: dict[int, int], asked: set[int]) -> None:
    def elements(values: dict[int, int]) -> dict[int, Element]:
        return {tag: Element(tag, "IS", b"%d" % value) for tag, value in values.items()}

    watched = Watched(elements(dict.fromkeys(range(4), 0)))
    for tag in asked:
        watched.get(tag)
    recall: Recall[str] = Recall()
    recall.keep("it", watched.seen, "made")
    alike = all(other.get(tag) == (0 if tag < 4 else None) for tag in asked)
    assert (recall.find("it", elements(other)) == "made") is alike
