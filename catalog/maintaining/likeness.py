"""Files that are like one before but for their SOP Instance UID and Instance Number."""

from __future__ import annotations

import re
from collections.abc import Iterable

from catalog.dicom.elements import Element
from catalog.dicom.header import Header
from catalog.fileset import build
from catalog.fileset.tree import SOP_INSTANCE_IN_FILE, Record, padded
from catalog.maintaining.examining import Candidate
from catalog.shapes import frozen

_INSTANCE_NUMBER = 0x00200013
UID = re.compile(rb"(?=[0-9.]{1,64}[\0 ]?\Z)((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)[\0 ]?")
"""A legal UID (PS3.5 §9.1) with or without padding."""

_NUMBER = re.compile(rb"(?:[0-9]{2}){1,6}|[0-9](?:[0-9]{2}){0,5} ")
"""A legal IS of digits alone, padded to even length (PS3.5 §6.2): a record has it as it stands."""


@frozen
class Model:
    """A file that others are like but for their SOP Instance UID and Instance Number.

    Attributes
    ----------
    base:
        The header that they all were read by (`catalog.dicom.alike`).
    asked:
        Tags of all elements that `candidate` was made from, except those that may vary.
    uid_at, number_at:
        Places among the keys of its record; -1 if it has no Instance Number.
    """

    base: Header
    candidate: Candidate
    asked: frozenset[int]
    uid_at: int
    number_at: int

    def like(self, header: Header, size_bytes: int, source: str, place: str) -> Candidate | None:
        """Return what the file with `header`, read by the same base, can be; `None` if it is not like this."""
        if not self.asked.isdisjoint(header.changed):
            return None
        get = header.elements.get
        uid = get(build.SOP_INSTANCE_UID)
        if uid is None or uid.vr != "UI" or (plain := UID.fullmatch(uid.data)) is None:
            return None
        was = self.candidate
        keys = list(was.record.keys)
        if self.number_at >= 0:
            number = get(_INSTANCE_NUMBER)
            if number is None or number.vr != "IS" or not _NUMBER.fullmatch(number.data):
                return None
            keys[self.number_at] = number
        value = plain[1]
        keys[self.uid_at] = Element(SOP_INSTANCE_IN_FILE, "UI", padded("UI", value))
        return Candidate(
            source,
            place,
            size_bytes,
            value.decode("ascii"),
            was.study_instance_uid,
            was.series_instance_uid,
            was.patient_id,
            was.issuer,
            was.above,
            Record(was.record.type, tuple(keys)),
        )


def model(header: Header, candidate: Candidate, asked: Iterable[int]) -> Model | None:
    """Return `candidate` as a model, or `None` if what was noticed may not be so of other files.

    Without a finding nothing was supplied for a key, so the two elements that vary are in the
    record as they stand and have no part in anything else.
    """
    if (
        header.findings
        or header.is_truncated
        or candidate.findings
        or any(built.findings for built in candidate.above)
    ):
        return None
    at = {element.tag: n for n, element in enumerate(candidate.record.keys)}
    number_at = at.get(_INSTANCE_NUMBER, -1)
    varying = {build.SOP_INSTANCE_UID, *([_INSTANCE_NUMBER] if number_at >= 0 else ())}
    fixed = frozenset(asked) - varying
    if not fixed.isdisjoint(header.changed):
        return None
    base = header if header.base is None else header.base
    return Model(base, candidate, fixed, at[SOP_INSTANCE_IN_FILE], number_at)
