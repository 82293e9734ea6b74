"""What a File-set's directory breaks of the rules of PS3.3 Annex F, judged by itself alone.

Nothing here opens a referenced file: that a file is missing, or differs from its record, is for
whoever has the medium.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from catalog.dicom.elements import Element, tag_text
from catalog.findings import Finding, Severity
from catalog.fileset.file_id import FileId, unsafe
from catalog.fileset.linking import Entry
from catalog.fileset.record_types import MRDR, PRIVATE, RECORD_TYPES, ROOT, RecordType, may_stand_below
from catalog.fileset.tree import FILE_ID, SOP_INSTANCE_IN_FILE, FileSet, Record, walk
from catalog.errors import FileIdError

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
_FILE_SET_ID = re.compile(r"[A-Z0-9_]{0,16}")


def check(fileset: FileSet, entries: Sequence[Entry] = ()) -> tuple[Finding, ...]:
    """Return what `fileset` breaks: record types, hierarchy, keys, File IDs, uniqueness.

    Parameters
    ----------
    entries:
        Depth first, one a record, as the reader gives them; they lend findings their offsets, and
        inactive records are left out of the tests of uniqueness. May be empty.

    Sorted by place in the tree; the File-set's own attributes first.
    """
    checker = _Checker()
    checker.file_set(fileset)
    parents = [ROOT]
    for number, (depth, record) in enumerate(walk(fileset.records)):
        del parents[depth + 1 :]
        entry = entries[number] if entries else None
        checker.offset = entry.offset_bytes if entry else None
        checker.record(record, parents[-1])
        if entry is None or entry.in_use:
            checker.uniqueness(record)
        parents.append(record.type)
    return tuple(checker.findings)


class _Checker:
    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.offset: int | None = None
        self._seen: set[tuple[str, bytes]] = set()

    def _note(self, code: str, severity: Severity, message: str, place: str, clause: str) -> None:
        self.findings.append(Finding(code, severity, message, place, clause, self.offset))

    def file_set(self, fileset: FileSet) -> None:
        if not _FILE_SET_ID.fullmatch(fileset.file_set_id):
            message = "The File-set ID is not 0 to 16 of A-Z, 0-9 and _."
            self._note("file-set-id", Severity.WARNING, message, "", "PS3.10 §8.5")
        if not fileset.file_set_uid:
            self._note("file-set-uid", Severity.ERROR, "There is no File-set UID (0002,0003).", "", "PS3.10 §8.1")
        if fileset.descriptor_file_id:
            self._file_id(fileset.descriptor_file_id, "descriptor")

    def record(self, record: Record, parent: str) -> None:
        place = _place(record)
        known = RECORD_TYPES.get(record.type)
        if known is None:
            what = f"The record type {record.type!r} is not known" if record.type else "The record has no type"
            code = "record-type-unknown" if record.type else "record-type-missing"
            self._note(code, Severity.WARNING, f"{what}.", place, "PS3.3 F.3.2.2")
            self._own_file_id(record, place)
            return
        if known.retired and record.type != MRDR:
            message = f"The record type {record.type} is retired."
            self._note("record-type-retired", Severity.NOTE, message, place, known.clause)
        if not may_stand_below(record.type, parent):
            where = "at the root" if parent == ROOT else f"below {parent or 'a record without type'}"
            message = f"A {record.type} record stands {where}, not below {' or '.join(known.parents)}."
            self._note("wrong-parent", Severity.ERROR, message, place, "PS3.3 Table F.4-1")
        self._keys(record, known, place)
        self._own_file_id(record, place)

    def _keys(self, record: Record, known: RecordType, place: str) -> None:
        present = {element.tag: element for element in record.keys}
        wanted = [(key.tag, key.keyword, key.type) for key in known.keys if key.type in ("1", "2")]
        if known.references_file and FILE_ID in present:
            wanted += [(tag, keyword, "1") for tag, keyword in _REFERENCE]
        elif known.references_file:
            wanted.append((*_REFERENCE[0], "1"))
        elif known.references_file is False and FILE_ID in present:
            message = f"A {record.type} record refers to a file."
            self._note("unexpected-reference", Severity.WARNING, message, place, known.clause)
        for tag, keyword, type_ in wanted:
            element = present.get(tag)
            if element is None:
                severity = Severity.ERROR if type_ == "1" else Severity.WARNING
                message = f"{keyword} {tag_text(tag)}, Type {type_}, is missing from a {record.type} record."
                self._note("key-missing", severity, message, place, known.clause)
            elif type_ == "1" and _is_empty(element):
                message = f"{keyword} {tag_text(tag)}, Type 1, is empty in a {record.type} record."
                self._note("key-empty", Severity.ERROR, message, place, known.clause)

    def _own_file_id(self, record: Record, place: str) -> None:
        components = record.file_components
        if components:
            self._file_id(components, place)

    def _file_id(self, components: tuple[str, ...], place: str) -> None:
        if reason := unsafe(components):
            self._note("file-id-unsafe", Severity.ERROR, f"The File ID is refused: {reason}.", place, "PS3.10 §8.2")
            return
        try:
            FileId(components)
        except FileIdError as error:
            self._note("file-id-illegal", Severity.WARNING, str(error), place, "PS3.10 §8.2")

    def uniqueness(self, record: Record) -> None:
        """Report a key that an earlier record has already."""
        place = _place(record)
        if unique := _UNIQUE.get(record.type):
            tag, code, what, clause = unique
            self._once(record.value(tag), code, f"Another {record.type} record has the same {what}.", place, clause)
        if record.type == PRIVATE:
            return
        message = "Another record refers to the same file."
        self._once(record.value(FILE_ID), "file-id", message, place, "PS3.3 F.2.1")
        message = "Another record refers to the same SOP Instance."
        self._once(record.value(SOP_INSTANCE_IN_FILE), "sop-instance", message, place, "PS3.3 F.2.1")

    def _once(self, value: bytes | None, code: str, message: str, place: str, clause: str) -> None:
        value = value.strip(b" \0") if value else value
        if not value:
            return
        if (code, value) in self._seen:
            self._note(f"duplicate-{code}", Severity.ERROR, message, place, clause)
        self._seen.add((code, value))


def _is_empty(element: Element) -> bool:
    return not (element.value if isinstance(element.value, tuple) else element.value.strip(b" \0"))


def _place(record: Record) -> str:
    """Return the File ID that a record claims, or its type: neither names a patient."""
    components = record.file_components
    return "/".join(components) if components else record.type
