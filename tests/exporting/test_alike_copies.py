"""Copies read one after the other give what each of them gives by itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database.fetch import Candidate, SourceFile
from catalog.dicom.claims import claims
from catalog.dicom.header import read_header
from catalog.entities import Claims, Status
from catalog.errors import HeaderError, SourceChanged
from catalog.exporting.item import Item
from catalog.exporting.making import PLAIN, Making
from catalog.exporting.proof import Proof, Reading
from catalog.fileset.file_id import FileId
from catalog.fileset.profiles import profile_named
from catalog.findings import Finding
from tests.dicom.part10 import EXPLICIT, element, part10
from tests.maintaining.test_examiner import ODD, USUAL, archives

CD = profile_named("STD-GEN-CD")
MAKINGS = [PLAIN, Making(utf8=True), Making(private=True), Making(CD)]


def stated_by(data: bytes) -> Claims | None:
    try:
        header = read_header(io.BytesIO(data), len(data), PLAIN.wanted)
    except HeaderError:
        return None
    return claims(header.elements, header.meta).claims


def item(planned: Claims, number: int) -> Item:
    source = SourceFile(number, "/root", f"f{number}", None, None, Status.OK, EXPLICIT, None)
    return Item(Candidate(number, None, planned, (source,)), source, FileId(("D", f"I{number}")))


def outcome(data: bytes, planned: Item, making: Making, reading: Reading) -> Any:
    """What a copy gives: its record, what it says of whose it is, its elements and the findings."""
    findings: list[Finding] = []
    proof = Proof(planned, findings, making, reading)
    try:
        proof.check(io.BytesIO(data), len(data))
    except SourceChanged as exc:
        return str(exc)
    assert proof.proved is not None
    record, elements, stated = proof.proved
    uid = stated.instance.sop_instance_uid
    return record, dict(elements), stated[:3], uid, findings


def assert_each_by_itself(files: Sequence[bytes], planned: Sequence[Item], making: Making) -> None:
    together = Reading(making, whole=False)
    for data, each in zip(files, planned, strict=True):
        alone = Reading(making, whole=True)
        assert outcome(data, each, making, together) == outcome(data, each, making, alone)


@given(archives(), st.sampled_from(MAKINGS), st.data())
@settings(deadline=None)
def test_what_came_before_changes_nothing(
    files: list[bytes], making: Making, data: st.DataObject
) -> None:
    stated = [each for each in map(stated_by, files) if each is not None]
    if not stated:
        return
    planned = []
    for number, each in enumerate(files):
        own = stated_by(each) or stated[0]
        if data.draw(st.integers(0, 9)) == 0:  # another instance was planned
            own = data.draw(st.sampled_from(stated))
        planned.append(item(own, number))
    assert_each_by_itself(files, planned, making)


@pytest.mark.parametrize(
    ("tag", "value"), [(tag, value) for tag in ODD for value in ODD[tag]], ids=repr
)
def test_odd_files_between_others(tag: int, value: bytes | str) -> None:
    files = []
    for number, is_odd in enumerate((False, False, True, True, False, True, False)):
        values: dict[int, tuple[str, Any]] = dict(USUAL)
        values[0x00080018] = ("UI", f"1.2.3.4.{number}")
        values[0x00200013] = ("IS", str(number))
        if is_odd:
            values[tag] = (values[tag][0], value)
        files.append(
            part10(b"".join(element(each, *values[each]) for each in sorted(values)), EXPLICIT)
        )
    planned = [item(stated_by(data) or Claims(None, None, None, _none()), n) for n, data in enumerate(files)]  # fmt: skip
    assert_each_by_itself(files, planned, PLAIN)


def _none() -> Any:
    from catalog.entities import Instance

    return Instance()


def test_copies_alike_are_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way is the one that is taken: without it records would be made one by one."""
    from catalog.exporting import proof as module

    made = []
    real = module.build.instance_record
    monkeypatch.setattr(
        module.build, "instance_record", lambda *a, **k: (made.append(1), real(*a, **k))[1]
    )
    reading = Reading(PLAIN, whole=False)
    for number in range(20):
        values = USUAL | {0x00080018: ("UI", f"1.2.{number}"), 0x00200013: ("IS", str(number))}
        data = part10(b"".join(element(tag, *values[tag]) for tag in sorted(values)), EXPLICIT)
        planned = stated_by(data)
        assert planned is not None
        record, _, _, uid, findings = outcome(data, item(planned, number), PLAIN, reading)
        assert (uid, findings) == (f"1.2.{number}", [])
        assert record.plain(0x00041511) == f"1.2.{number}"
        assert record.plain(0x00200013) == str(number)
        assert record.file_components == ("D", f"I{number}")
    assert len(made) <= 3
