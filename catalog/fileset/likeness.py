"""Files that are like one before but for their SOP Instance UID and Instance Number, and their records."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from catalog.dicom.elements import Element
from catalog.dicom.header import Header
from catalog.fileset import build
from catalog.fileset.file_id import FileId
from catalog.fileset.tree import FILE_ID, SOP_INSTANCE_IN_FILE, Record, file_id_element, padded
from catalog.shapes import frozen

_INSTANCE_NUMBER = 0x00200013
UID = re.compile(rb"(?=[0-9.]{1,64}[\0 ]?\Z)((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)[\0 ]?")
"""A legal UID (PS3.5 §9.1) with or without padding."""

_NUMBER = re.compile(rb"(?:[0-9]{2}){1,6}|[0-9](?:[0-9]{2}){0,5} ")
"""A legal IS of digits alone, padded to even length (PS3.5 §6.2): a record has it as it stands."""


@frozen
class Likeness:
    """A file that others are like but for their SOP Instance UID and Instance Number.

    Attributes
    ----------
    base:
        The header that they all were read by (`catalog.dicom.alike`).
    model:
        The record of the file.
    asked:
        Tags of all elements that `model`, and whatever else is taken over, was made from, except
        those that may vary.
    file_at, uid_at, number_at:
        Places among the keys of the record; -1 if it has no Instance Number.
    """

    base: Header
    model: Record
    asked: frozenset[int]
    file_at: int
    uid_at: int
    number_at: int

    def record(self, header: Header, file_id: FileId | None = None) -> tuple[Record, str] | None:
        """Return the record and the UID of the file with `header`, read by the same base.

        `None` if it is not like this one.

        Parameters
        ----------
        file_id:
            Its File ID; `None`: the record has that of `model`, and is named later.
        """
        if not self.asked.isdisjoint(header.changed):
            return None
        get = header.elements.get
        uid = get(build.SOP_INSTANCE_UID)
        if uid is None or uid.vr != "UI" or (plain := UID.fullmatch(uid.data)) is None:
            return None
        keys = list(self.model.keys)
        if self.number_at >= 0:
            number = get(_INSTANCE_NUMBER)
            if number is None or number.vr != "IS" or not _NUMBER.fullmatch(number.data):
                return None
            keys[self.number_at] = _number(number.data)
        value = plain[1]
        if file_id is not None:
            keys[self.file_at] = file_id_element(file_id)
        keys[self.uid_at] = Element(SOP_INSTANCE_IN_FILE, "UI", padded("UI", value))
        return Record(self.model.type, tuple(keys)), value.decode("ascii")


@lru_cache(maxsize=4096)
def _number(value: bytes) -> Element:
    """Return an Instance Number; series count from 1, so most are there from the one before."""
    return Element(_INSTANCE_NUMBER, "IS", value)


def likeness(header: Header, record: Record, asked: Iterable[int]) -> Likeness | None:
    """Return what files must be like to have a record like `record`, of which nothing was noticed.

    Without a finding nothing was supplied for a key, so the two elements that vary are in the
    record as they stand and have no part in anything else. `None` if what was `asked` varies.
    """
    at = {element.tag: n for n, element in enumerate(record.keys)}
    number_at = at.get(_INSTANCE_NUMBER, -1)
    varying = {build.SOP_INSTANCE_UID, *([_INSTANCE_NUMBER] if number_at >= 0 else ())}
    fixed = frozenset(asked) - varying
    if not fixed.isdisjoint(header.changed):
        return None
    base = header if header.base is None else header.base
    return Likeness(base, record, fixed, at[FILE_ID], at[SOP_INSTANCE_IN_FILE], number_at)
