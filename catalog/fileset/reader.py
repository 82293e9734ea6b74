"""A File-set from the bytes of its DICOMDIR, whatever state they are in.

Lenient where the writer is strict: whatever deviates from PS3.3 Annex F becomes a finding, and
every record that can be made out is in the tree.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from catalog.dicom.elements import Buffer, Element, tag_text
from catalog.fileset.file_id import components_of
from catalog.fileset.items import lay_out
from catalog.fileset.layout import DIRECTORY_RECORDS, Layout, Noted
from catalog.fileset.linking import Entry, Linked, link
from catalog.fileset.tree import FileSet, walk
from catalog.findings import Finding, Severity
from catalog.shapes import frozen, replace

__all__ = ["Directory", "Entry", "read", "refused"]

_ROOT_FIRST = 0x00041200
_ROOT_LAST = 0x00041202
_CONSISTENCY = 0x00041212
_FILE_SET_ID = 0x00041130
_DESCRIPTOR = 0x00041141
_DESCRIPTOR_CHARACTER_SET = 0x00041142
_OWN = (
    _ROOT_FIRST, _ROOT_LAST, _CONSISTENCY, _FILE_SET_ID, _DESCRIPTOR, _DESCRIPTOR_CHARACTER_SET, DIRECTORY_RECORDS,
)  # fmt: skip


@frozen
class Directory:
    """A DICOMDIR as read.

    Attributes
    ----------
    fileset:
        What it says.
    entries:
        How each record stood in the file; depth first, as `tree.walk(fileset.records)` goes.
    meta:
        File Meta Information (group 0002) in the order of the file.
    findings:
        Every deviation: first those of the bytes, then of the offsets, then of the content.
    """

    fileset: FileSet
    entries: tuple[Entry, ...]
    meta: tuple[Element, ...]
    findings: tuple[Finding, ...]


def refused(directory: Directory) -> frozenset[int]:
    """Return the offsets of the records of whose File ID `directory.findings` say that it leads nowhere.

    Looking such a File ID up on the medium gives `file-id-unsafe` again, which is the same fact.
    """
    found, empty = suspected(directory.findings)
    if empty:
        records = walk(directory.fileset.records)
        for (_, record), entry in zip(records, directory.entries, strict=True):
            if entry.offset_bytes in empty and record.file_components == ():
                found.add(entry.offset_bytes)
    return frozenset(found)


def suspected(findings: Iterable[Finding]) -> tuple[set[int], set[int]]:
    """Return the offsets of records whose File ID is unsafe, and of those that may have an empty one."""
    unsafe: set[int] = set()
    empty: set[int] = set()
    into = {"file-id-unsafe": unsafe, "key-empty": empty}
    for finding in findings:
        if finding.code in into and finding.offset_bytes is not None:
            into[finding.code].add(finding.offset_bytes)
    return unsafe, empty


def read(data: Buffer, *, by_rules: bool = True) -> Directory:
    """Return the directory that the DICOMDIR `data` holds.

    Records keep the order of their chains. Records that no offset reaches are put where physical
    order and record types suggest; inactive ones stay. Time is linear in the size of `data`.

    Parameters
    ----------
    by_rules:
        Report also what records say against the rules for their contents (`catalog.fileset.check`);
        without only what is wrong with bytes, offsets and character sets.

    Raises
    ------
    DicomdirError
        If `data` is not DICOM or no directory: nothing can be made of it.
    """
    with _no_collection():
        findings: list[Finding] = []
        layout = lay_out(data if isinstance(data, bytes) else bytes(data), findings=findings)
        del data  # a caller who has no other use for it lets go of it, too: then it goes before the tree grows
        said, linked = linked_and_said(layout, findings)
        entries = tuple(linked.entries())
        fileset = replace(said, records=linked.used_up())
        if by_rules:
            from catalog.fileset.check import check

            findings += check(fileset, entries)
    return Directory(fileset, entries, tuple(layout.meta.values()), tuple(findings))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the cycle collector rest.

    A directory becomes hundreds of thousands of objects, none of which is in a cycle and nearly
    all of which stay; passing over them again and again would take a fifth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def linked_and_said(layout: Layout, findings: Noted) -> tuple[FileSet, Linked]:
    """Return what a DICOMDIR that was laid out says of itself, as a File-set without records, and its records in place.

    `findings` are those of `layout`; what is noticed goes into them.
    """
    _identification(layout)
    fileset = FileSet(
        file_set_id=_text(layout.elements.get(_FILE_SET_ID)) or "",
        file_set_uid=_text(layout.meta.get(0x00020003)) or "",
        descriptor_file_id=components_of(_data(layout, _DESCRIPTOR)),
        descriptor_character_set=_text(layout.elements.get(_DESCRIPTOR_CHARACTER_SET)),
        extra=tuple(_extra(layout)),
    )
    first, last = _number(layout, _ROOT_FIRST), _number(layout, _ROOT_LAST)
    return fileset, link(layout.records, first, last, findings)


def _data(layout: Layout, tag: int) -> bytes:
    element = layout.elements.get(tag)
    return element.data if element else b""


def _text(element: Element | None) -> str | None:
    if element is None:
        return None
    return element.data.strip(b" \0").decode("ascii", "backslashreplace")


def _number(layout: Layout, tag: int) -> int | None:
    """Return an unsigned offset of the root entity, `None` if absent or not 32 bits."""
    data = _data(layout, tag)
    return int.from_bytes(data, "little") if len(data) == 4 else None


def _identification(layout: Layout) -> None:
    """Report what the data set lacks or should not have beside its records."""
    clause = "PS3.3 F.3.2"
    if not layout.has_sequence and not layout.records:
        message = "There is no Directory Record Sequence: the files of the set are not listed."
        layout.note("no-directory", Severity.WARNING, message, None, clause)
    else:
        for tag in (_ROOT_FIRST, _ROOT_LAST, _CONSISTENCY):
            if tag not in layout.elements:
                layout.note(
                    "attribute-missing",
                    Severity.ERROR,
                    f"{tag_text(tag)} is missing.",
                    None,
                    clause,
                )
    if _FILE_SET_ID not in layout.elements:
        message = f"File-set ID {tag_text(_FILE_SET_ID)} is missing."
        layout.note("attribute-missing", Severity.WARNING, message, None, clause)
    if (flag := _data(layout, _CONSISTENCY)) and flag != b"\0\0":
        message = (
            "The Consistency Flag is not 0000H: the directory says that it may not match the files."
        )
        layout.note("consistency-flag", Severity.WARNING, message, None, clause)


def _extra(layout: Layout) -> Iterator[Element]:
    """Yield elements that are no part of the Basic Directory IOD, sorted by tag."""
    for tag in sorted(layout.elements):
        if tag in _OWN:
            continue
        if tag < DIRECTORY_RECORDS or tag >> 16 == 0x0006:
            message = f"{tag_text(tag)} is no element of a DICOMDIR; it is left out."
            layout.note("unexpected-element", Severity.WARNING, message, None, "PS3.3 F.3.2")
            continue
        yield layout.elements[tag]
