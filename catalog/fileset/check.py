"""What a File-set's directory breaks of the rules of PS3.3 Annex F, judged by itself alone.

Nothing here opens a referenced file: that a file is missing, or differs from its record, is for
whoever has the medium.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import TypeAlias

from catalog.dicom.elements import Element, tag_text
from catalog.errors import FileIdError
from catalog.fileset.file_id import FileId, components_of, unsafe
from catalog.fileset.layout import Noted
from catalog.fileset.linking import Entry
from catalog.fileset.record_types import (
    MRDR,
    PRIVATE,
    RECORD_TYPES,
    ROOT,
    RecordType,
    a_record,
    may_stand_below,
)
from catalog.fileset.tree import FILE_ID, SOP_INSTANCE_IN_FILE, FileSet, Record, is_full, walk
from catalog.findings import Finding, Severity
from catalog.shapes import frozen

_REFERENCE = (
    (FILE_ID, "ReferencedFileID"),
    (0x00041510, "ReferencedSOPClassUIDInFile"),
    (SOP_INSTANCE_IN_FILE, "ReferencedSOPInstanceUIDInFile"),
    (0x00041512, "ReferencedTransferSyntaxUIDInFile"),
)
_UNIQUE = {
    "PATIENT": (0x00100020, "patient-id", "Patient ID", "PS3.3 F.5.1"),
    "STUDY": (0x0020000D, "study", "Study Instance UID", "PS3.3 F.5.2"),
    "SERIES": (0x0020000E, "series", "Series Instance UID", "PS3.3 F.5.3"),
}
_UNIQUE_REFERENCE = (
    (FILE_ID, "file-id", "File ID", "PS3.3 F.2.1"),
    (SOP_INSTANCE_IN_FILE, "sop-instance", "Referenced SOP Instance UID", "PS3.3 F.2.1"),
)
CODES = {
    **{code: (name, tag) for name, (tag, code, _, _) in _UNIQUE.items()},
    **{code: (None, tag) for tag, code, _, _ in _UNIQUE_REFERENCE},
}
"""Of what may occur once: the type of the records that have it, `None` for all others, and its tag."""

_LEGAL = re.compile(rb"[A-Z0-9_]{1,8}(\\[A-Z0-9_]{1,8}){0,7}")
_BLANK = (0x20, 0x00)
_MOST_PLANS = 1024
_TAG: Callable[[Element], int] = attrgetter("tag")
_FILE_SET_ID = re.compile(r"[A-Z0-9_]{0,16}")


_Shape: TypeAlias = tuple[str | int, ...]
"""Type, type of the parent, and tags of a record."""

Standing: TypeAlias = tuple[int, Record, bool, int | None]
"""How deep a record stands, the record, whether it is in use, and its offset."""

Met: TypeAlias = Callable[[bytes, int], bool]
"""Takes a value and the number of a record, from 0, and remembers it; returns whether one before had that value."""


def check(fileset: FileSet, entries: Sequence[Entry] = ()) -> tuple[Finding, ...]:
    """Return what `fileset` breaks: record types, hierarchy, keys, File IDs, uniqueness.

    Parameters
    ----------
    entries:
        Depth first, one a record, as the reader gives them; they lend findings their offsets, and
        inactive records are left out of the tests of uniqueness. May be empty.

    Sorted by place in the tree; the File-set's own attributes first.
    """

    def each() -> Iterator[Standing]:
        active, offset = True, None
        for number, (depth, record) in enumerate(walk(fileset.records)):
            if entries:
                active, offset = entries[number].in_use, entries[number].offset_bytes
            yield depth, record, active, offset

    findings: list[Finding] = []
    check_each(fileset, each(), findings, _Met())
    return tuple(findings)


def check_each(
    fileset: FileSet, records: Iterable[Standing], findings: Noted, met: Mapping[str, Met]
) -> None:  # fmt: skip
    """Put into `findings` what `check` returns, with `records` in place of those of `fileset`.

    Parameters
    ----------
    met:
        What remembers values, by code of `CODES`.
    """
    checker = _Checker(findings, met)
    checker.file_set(fileset)
    parents = [ROOT]
    for number, (depth, record, active, offset) in enumerate(records):
        del parents[depth + 1 :]
        checker.number = number
        checker.record(record, parents[depth], active, offset)
        parents.append(record.type)


class _Met(dict[str, Met]):
    """Remembers values as they are."""

    def __missing__(self, code: str) -> Met:
        seen: set[bytes] = set()

        def met(value: bytes, number: int) -> bool:
            before = len(seen)
            seen.add(value)
            return len(seen) == before

        self[code] = met
        return met


@frozen
class _Plan:
    """What is left to look at in records of one type and place that have the same tags.

    Attributes
    ----------
    full:
        Places among the keys of those that are Type 1.
    file_id:
        Place of (0004,1500), -1 if there is none.
    unique:
        Place of each key that may occur once, with code, name and clause.
    """

    full: tuple[int, ...]
    file_id: int
    unique: tuple[tuple[int, str, str, str], ...]


class _Checker:
    """Collects findings; `subject`, `offset` and `number` say which record they are about."""

    def __init__(self, findings: Noted, met: Mapping[str, Met]) -> None:
        self.findings = findings
        self.offset: int | None = None
        self.subject: Record | None = None
        self.number = 0
        self._met = met
        self._plans: dict[_Shape, _Plan | None] = {}

    def _note(self, code: str, severity: Severity, message: str, clause: str) -> None:
        place = "" if self.subject is None else _place(self.subject)
        self.findings.append(Finding(code, severity, message, place, clause, self.offset))

    def file_set(self, fileset: FileSet) -> None:
        if not _FILE_SET_ID.fullmatch(fileset.file_set_id):
            message = "The File-set ID is not 0 to 16 of A-Z, 0-9 and _."
            self._note("file-set-id", Severity.WARNING, message, "PS3.10 §8.5")
        if not fileset.file_set_uid:
            message = "There is no File-set UID (0002,0003)."
            self._note("file-set-uid", Severity.ERROR, message, "PS3.10 §8.1")
        if fileset.descriptor_file_id:
            self._file_id(fileset.descriptor_file_id, "descriptor's File ID")

    def record(self, record: Record, parent: str, active: bool, offset: int | None) -> None:
        self.subject, self.offset = record, offset
        keys = record.keys
        shape: _Shape = (record.type, parent, *map(_TAG, keys))
        try:
            plan = self._plans[shape]
        except KeyError:
            plan = self._plan(record, parent, shape)
        if plan is None or not _faultless(keys, plan):
            self._in_full(record, parent)
        if not active:
            return
        for at, code, what, clause in _unique(record.type, keys) if plan is None else plan.unique:
            value = value_of(keys[at])
            if value and self._met[code](value, self.number):
                message = f"Another record has the same {what}."
                self._note(f"duplicate-{code}", Severity.ERROR, message, clause)

    def _plan(self, record: Record, parent: str, shape: _Shape) -> _Plan | None:
        """Keep and return the plan for records of `shape`; `None` if each of them gives findings."""
        known, plan = RECORD_TYPES.get(record.type), None
        if known is not None:
            place = {element.tag: at for at, element in enumerate(record.keys)}
            required = _required(known.name, FILE_ID in place)
            trial = _Checker([], self._met)
            trial._standing(known, parent)
            if FILE_ID in place and known.references_file is False:
                trial._refers(known)
            if not len(trial.findings) and all(tag in place for tag, _, _ in required):
                full = tuple(place[tag] for tag, _, type_ in required if type_ == "1")
                unique = _unique(record.type, record.keys)
                plan = _Plan(full, place.get(FILE_ID, -1), unique)
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[shape] = plan
        return plan

    def _in_full(self, record: Record, parent: str) -> None:
        """Report all but repeated keys."""
        present = {element.tag: element for element in record.keys}
        known = RECORD_TYPES.get(record.type)
        if known is None:
            self._unknown(record.type)
        else:
            self._standing(known, parent)
            self._keys(present, known)
        file_id = value_of(present.get(FILE_ID))
        if file_id and not _LEGAL.fullmatch(file_id):
            self._file_id(components_of(file_id), "File ID")

    def _unknown(self, name: str) -> None:
        if name:
            message = f"The record type {name!r} is not known."
            self._note("record-type-unknown", Severity.WARNING, message, "PS3.3 F.3.2.2")
        else:
            message = "The record has no type."
            self._note("record-type-missing", Severity.ERROR, message, "PS3.3 F.3.2.2")

    def _standing(self, known: RecordType, parent: str) -> None:
        if known.retired and known.name != MRDR:
            message = f"The record type {known.name} is retired."
            self._note("record-type-retired", Severity.NOTE, message, known.clause)
        if not may_stand_below(known.name, parent):
            where = "at the root" if parent == ROOT else f"below {parent or 'no type'}"
            message = f"{a_record(known.name, capital=True)} stands {where}, not below {' or '.join(known.parents)}."
            self._note("wrong-parent", Severity.ERROR, message, "PS3.3 Table F.4-1")

    def _keys(self, present: dict[int, Element], known: RecordType) -> None:
        refers = FILE_ID in present
        for tag, keyword, type_ in _required(known.name, refers):
            element = present.get(tag)
            if element is None:
                severity = Severity.ERROR if type_ == "1" else Severity.WARNING
                message = f"{keyword} {tag_text(tag)}, Type {type_}, is missing from {a_record(known.name)}."
                self._note("key-missing", severity, message, known.clause)
            elif type_ == "1" and not is_full(element):
                message = f"{keyword} {tag_text(tag)}, Type 1, is empty in {a_record(known.name)}."
                self._note("key-empty", Severity.ERROR, message, known.clause)
        if refers and known.references_file is False:
            self._refers(known)

    def _refers(self, known: RecordType) -> None:
        message = f"{a_record(known.name, capital=True)} refers to a file."
        self._note("unexpected-reference", Severity.WARNING, message, known.clause)

    def _file_id(self, components: tuple[str, ...], what: str) -> None:
        if reason := unsafe(components):
            message = f"The {what} is refused: {reason}."
            self._note("file-id-unsafe", Severity.ERROR, message, "PS3.10 §8.2")
            return
        try:
            FileId(components)
        except FileIdError as error:
            self._note("file-id-illegal", Severity.WARNING, str(error), "PS3.10 §8.2")


def _faultless(keys: Sequence[Element], plan: _Plan) -> bool:
    """Return whether the keys that `plan` names are full and legal."""
    for at in plan.full:
        value = keys[at].value
        # A first byte that is no padding is full enough; only the others are looked at closely.
        if not value or (value[0] in _BLANK and not is_full(keys[at])):
            return False
    if plan.file_id < 0:
        return True
    file_id = value_of(keys[plan.file_id])
    return not file_id or _LEGAL.fullmatch(file_id) is not None


def _unique(name: str, keys: Sequence[Element]) -> tuple[tuple[int, str, str, str], ...]:
    """Return the places in `keys` of those that may occur once, with code, name and clause."""
    rules = (_UNIQUE[name],) if name in _UNIQUE else () if name == PRIVATE else _UNIQUE_REFERENCE
    place = {element.tag: at for at, element in enumerate(keys)}
    return tuple(
        (place[tag], code, what, clause) for tag, code, what, clause in rules if tag in place
    )


@cache
def _required(name: str, refers: bool) -> tuple[tuple[int, str, str], ...]:
    """Return (tag, keyword, type) of the keys that a record must have, 1 and 2."""
    known = RECORD_TYPES[name]
    keys = tuple((key.tag, key.keyword, key.type) for key in known.keys if key.type in ("1", "2"))
    if not known.references_file:
        return keys
    return keys + tuple((tag, keyword, "1") for tag, keyword in _REFERENCE[: None if refers else 1])


def value_of(element: Element | None) -> bytes:
    """Return the value without padding around it; `b''` if there is none, or items."""
    return element.value.strip(b" \0") if element and isinstance(element.value, bytes) else b""


def _place(record: Record) -> str:
    """Return the File ID that a record claims, or its type: neither names a patient."""
    components = record.file_components
    return "/".join(components) if components else record.type
