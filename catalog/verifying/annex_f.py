"""Rules of PS3.3 Annex F and PS3.10 §8 that a record, its file or the medium can break, beyond what reading notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from catalog.dicom.dictionary import keyword
from catalog.dicom.elements import LONG_VRS, WIDTH, Element, Item, tag_text
from catalog.dicom.header import Header
from catalog.dicom.values import character_set_findings, character_sets, decode
from catalog.files.medium import Medium
from catalog.files.paths import to_text
from catalog.fileset import build
from catalog.fileset.file_id import FileId, Listing, resolve
from catalog.fileset.legal import deviation
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.reader import Directory
from catalog.fileset.records import RECORD_TYPES, Key, record_type_for
from catalog.fileset.tree import FILE_ID, SPECIFIC_CHARACTER_SET, Record, is_full, unpadded
from catalog.findings import Finding, Severity
from catalog.normal_forms import is_uid

WANTED = build.WANTED

_META = {
    0x00020000: "File Meta Information Group Length",
    0x00020001: "File Meta Information Version",
    0x00020002: "Media Storage SOP Class UID",
    0x00020003: "Media Storage SOP Instance UID",
    0x00020010: "Transfer Syntax UID",
    0x00020012: "Implementation Class UID",
}
_ICON = 0x00880200
_RELATED_CLASSES = 0x0004151A
_VERIFICATION = 0x0040A030
"""In the file it stands in a sequence."""
_PLACEHOLDER = FileId(("X",))
_BELOW = {"PATIENT": "STUDY", "STUDY": "SERIES", "SERIES": ""}
_EITHER = {
    # Enhanced RT Image and its continuous form: DCMTK says IMAGE, the 2026a text RADIOTHERAPY; RT
    # Patient Position Acquisition Instruction: PLAN or RADIOTHERAPY.
    "1.2.840.10008.5.1.4.1.1.481.23": ("IMAGE", "RADIOTHERAPY"),
    "1.2.840.10008.5.1.4.1.1.481.24": ("IMAGE", "RADIOTHERAPY"),
    "1.2.840.10008.5.1.4.1.1.481.16": ("PLAN", "RADIOTHERAPY"),
}
"""SOP Classes for which sources name two record types; both are accepted."""


def of_medium(medium: Medium, directory: Directory) -> Iterator[Finding]:
    """Yield what the medium and the DICOMDIR's own attributes break."""
    name = to_text(medium.dicomdir.name)
    if name != "DICOMDIR":
        message = f"The directory is called {name}, not DICOMDIR."
        yield Finding("dicomdir-name", Severity.WARNING, message, name, "PS3.10 §8.6")
    others = dicomdir_names(path for path in medium.files if "/" not in path)
    if len(others) > 1:
        message = f"{len(others)} files in the root mean DICOMDIR: {', '.join(others)}."
        yield Finding("several-dicomdirs", Severity.ERROR, message, name, "PS3.10 §8.6")
    yield from _meta(directory)
    yield from _descriptor(medium, directory)


def _meta(directory: Directory) -> Iterator[Finding]:
    """Yield what is wrong with the File Meta Information (PS3.10 Table 7.1-1)."""
    if not directory.meta:
        return  # the reader has said so
    found = {element.tag: element for element in directory.meta}
    for tag, name in _META.items():
        if tag not in found or not found[tag].data:
            message = f"{name} {tag_text(tag)}, Type 1, is missing from the File Meta Information."
            yield Finding("meta-incomplete", Severity.ERROR, message, "", "PS3.10 §7.1")
    length = found.get(0x00020000)
    if length is not None and len(length.data) == 4:
        actual = sum(
            (12 if e.vr.encode("ascii", "replace") in LONG_VRS else 8) + len(e.data)
            for e in directory.meta
            if e.tag != 0x00020000
        )
        stated = int.from_bytes(length.data, "little")
        if actual != stated:
            message = (
                f"The File Meta Information has {actual} bytes, its Group Length says {stated}."
            )
            yield Finding("meta-length", Severity.ERROR, message, "", "PS3.10 §7.1")
    uid = directory.fileset.file_set_uid
    if uid and not is_uid(uid):
        message = "The File-set UID is no legal UID."
        yield Finding("file-set-uid", Severity.ERROR, message, "", "PS3.5 §9.1")


def _descriptor(medium: Medium, directory: Directory) -> Iterator[Finding]:
    components = directory.fileset.descriptor_file_id
    if not components:
        return
    for finding in resolve(components, Listing(medium.files)).findings:
        if finding.code == "file-id-unsafe":
            continue  # the reader has said so
        message = f"The File-set descriptor: {finding.message}"
        yield Finding(
            "descriptor", Severity.WARNING, message, "/".join(components), "PS3.3 F.3.2.1"
        )


def of_record(record: Record, offset: int) -> Iterator[Finding]:
    """Yield what one record's values break: VRs, lengths, forms, character sets, icon, links to nothing."""
    place = "/".join(record.file_components or ()) or record.type

    def found(code: str, severity: Severity, message: str, clause: str) -> Finding:
        return Finding(code, severity, message, place, clause, offset)

    known = RECORD_TYPES.get(record.type)
    keys: Mapping[int, Key] = {key.tag: key for key in known.keys} if known else {}
    elements = {e.tag: e for e in record.keys if e.tag == SPECIFIC_CHARACTER_SET}
    for finding in character_set_findings(elements):
        yield found("character-set-unknown", Severity.ERROR, finding.message, "PS3.3 C.12.1.1.2")
    encodings = character_sets(elements)
    for element in record.keys:
        name = f"{keyword(element.tag) or 'A private element'} {tag_text(element.tag)}"
        key = keys.get(element.tag)
        if key is not None and element.vr not in (key.vr, "UN"):
            yield found(
                "key-vr", Severity.ERROR, f"{name} is {element.vr}, not {key.vr}.", "PS3.5 §6.2"
            )
        if isinstance(element.value, tuple):
            continue
        if len(element.value) % 2:
            yield found("odd-length", Severity.ERROR, f"{name} has an odd length.", "PS3.5 §7.1")
        if (width := WIDTH.get(element.vr)) and len(element.value) % width:
            yield found("key-illegal", Severity.ERROR, f"{name} is no {element.vr}.", "PS3.5 §6.2")
        elif element.tag in (SPECIFIC_CHARACTER_SET, FILE_ID):
            continue  # judged above, and by the reader
        elif problem := deviation(element.vr, element.value):
            yield found("key-illegal", Severity.WARNING, f"{name} {problem}.", "PS3.5 §6.2")
        elif (
            not element.value.isascii() and decode(element, encodings).problem == "undecodable-text"
        ):
            message = f"{name} has bytes that its character set does not allow."
            yield found("undecodable-text", Severity.ERROR, message, "PS3.5 §6.1")
    below = _BELOW.get(record.type)
    if below is not None and not record.children:
        message = f"The {record.type} record has no record below it."
        yield found("nothing-below", Severity.NOTE, message, "PS3.3 F.4")
    yield from _sop_class(record, place, offset)
    icon = record.element(_ICON)
    if icon is not None:
        for problem in _icon_problems(icon.items):
            yield found("icon", Severity.ERROR, f"The icon {problem}.", "PS3.3 F.7")


def _sop_class(record: Record, place: str, offset: int) -> Iterator[Finding]:
    """Yield whether the record's type is that of the SOP Class that it refers to (PS3.3 F.5)."""
    uid = record.plain(0x00041510)
    if not uid or record.type in ("PRIVATE", "MRDR") or record.type not in RECORD_TYPES:
        return
    row = record_type_for(uid)
    if row.record_type is None:
        message = f"The SOP Class {row.name or uid} has no record type: {row.reason}."
        yield Finding("no-record-type", Severity.WARNING, message, place, "PS3.3 F.5", offset)
    elif record.type not in _EITHER.get(uid, (row.record_type,)):
        message = f"{row.name} is referred to by a {record.type} record, not by {row.record_type}."
        yield Finding("record-type-wrong", Severity.ERROR, message, place, "PS3.3 F.5", offset)


def _icon_problems(items: Sequence[Item]) -> Iterator[str]:
    """Yield what is wrong with an icon, as the end of a sentence (PS3.3 F.7)."""
    if len(items) != 1:
        yield f"has {len(items)} items, not one"
        return
    found = {element.tag: element for element in items[0]}

    def number(tag: int) -> int | None:
        element = found.get(tag)
        return (
            int.from_bytes(element.data, "little") if element and len(element.data) == 2 else None
        )

    photometric = (
        unpadded(found[0x00280004]).decode("ascii", "replace") if 0x00280004 in found else ""
    )
    rows, columns, bits = number(0x00280010), number(0x00280011), number(0x00280100)
    if number(0x00280002) != 1:
        yield "has not one sample a pixel"
    if photometric not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"):
        yield f"is {photometric or 'of no photometric interpretation'}"
    if bits not in (1, 8) or number(0x00280101) != bits or number(0x00280102) != (bits or 0) - 1:
        yield "has other bits than 1 or 8, all stored"
    elif photometric == "PALETTE COLOR" and bits != 8:
        yield "is PALETTE COLOR of 1 bit"
    if number(0x00280103) != 0:
        yield "has not the pixel representation 0"
    if 0x00280006 in found:
        yield "has a planar configuration"
    pixels = found.get(0x7FE00010)
    if not rows or not columns or pixels is None:
        yield "lacks rows, columns or pixels"
    elif bits in (1, 8) and len(pixels.data) < (rows * columns * bits + 7) // 8:
        yield f"has {len(pixels.data)} bytes for {rows} by {columns} pixels"


def of_file(path: str, header: Header, record: Record, offset: int) -> Iterator[Finding]:
    """Yield what the file at `path` shows to be wrong with its record, beside UIDs and keys of levels."""

    def found(code: str, severity: Severity, message: str, clause: str) -> Finding:
        return Finding(code, severity, message, path, clause, offset)

    if header.is_dicomdir:
        yield found(
            "file-is-directory", Severity.ERROR, "A record refers to a DICOMDIR.", "PS3.10 §8.6"
        )
        return
    if any(finding.code in ("no-preamble", "meta-missing") for finding in header.findings):
        message = "The file has no preamble, prefix or File Meta Information."
        yield found("file-not-part-10", Severity.ERROR, message, "PS3.10 §7.1")
    if header.is_truncated:
        yield found(
            "file-truncated", Severity.ERROR, "The file ends inside its Pixel Data.", "PS3.5 §8"
        )
    expected = build.instance_record(
        header.elements, _PLACEHOLDER, header.transfer_syntax_uid or "1", extra={}
    ).record
    if expected is None or expected.type != record.type:
        return
    known = {key.tag: key for key in RECORD_TYPES[record.type].keys}
    encodings = character_sets(header.elements)
    own = character_sets({e.tag: e for e in record.keys if e.tag == SPECIFIC_CHARACTER_SET})
    for element in expected.keys:
        tag = element.tag
        key, name = known.get(tag), f"{keyword(tag)} {tag_text(tag)}"
        mine = record.element(tag)
        if tag == _RELATED_CLASSES or (
            key is not None and key.type == "1C" and tag != SPECIFIC_CHARACTER_SET
        ):
            if mine is None or not mine.value:
                message = f"{name} is not in the record, and the file has it."
                yield found("key-absent", Severity.ERROR, message, RECORD_TYPES[record.type].clause)
                continue
        elif key is None or mine is None or tag == SPECIFIC_CHARACTER_SET:
            continue
        source = header.elements.get(tag)
        if tag != _VERIFICATION and (source is None or not is_full(source)):
            continue  # supplied: any value will do
        if mine is not None and not _equal(mine, element, own, encodings):
            message = f"{name} in the {record.type} record is not that of the file."
            yield found("key-differs", Severity.WARNING, message, "PS3.3 F.5")


def _equal(
    mine: Element, theirs: Element, own: tuple[str, ...], encodings: tuple[str, ...]
) -> bool:
    """Return whether a record's element says what the one made from the file says.

    Items may hold more than what the standard reduces them to.
    """
    if isinstance(mine.value, tuple) or isinstance(theirs.value, tuple):
        if len(mine.items) != len(theirs.items):
            return False
        for one, other in zip(mine.items, theirs.items, strict=True):
            have = {element.tag: element for element in one}
            for element in other:
                if not element.value or element.tag == SPECIFIC_CHARACTER_SET:
                    continue
                if element.tag not in have or not _equal(
                    have[element.tag], element, own, encodings
                ):
                    return False
        return True
    return decode(mine, own).text == decode(theirs, encodings).text
