"""What lies where in a DICOMDIR: its elements and Directory Records in physical order.

The lenient first half of the reader. It follows no offset; it only finds the items, whatever
their encoding and however wrong their lengths are. Work is linear in the size of the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import pairwise

from catalog.dicom.elements import (
    EXPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    MAX_DEPTH,
    SEQUENCE_END,
    SHORT_VRS,
    TRAILING_PADDING,
    UNDEFINED,
    VRS,
    Element,
    Encoding,
    Head,
    parse_element,
    read_head,
    tag_text,
)
from catalog.errors import DicomdirError, HeaderError
from catalog.fileset.record_types import MRDR, RECORD_TYPES
from catalog.fileset.tree import IN_USE, LOWER_RECORD, MRDR_OFFSET, NEXT_RECORD, RECORD_TYPE
from catalog.findings import Finding, Severity

DIRECTORY_RECORDS = 0x00041220

_DIRECTORY_CLASS = b"1.2.840.10008.1.3.10"
_ENCODINGS = {
    b"1.2.840.10008.1.2": Encoding(False, True),
    b"1.2.840.10008.1.2.1": EXPLICIT_LITTLE,
    b"1.2.840.10008.1.2.2": Encoding(True, False),
}
_FORBIDDEN_GROUPS = (0x0000, 0x0002, 0x0006)

_NESTING = 12
"""Deepest nesting of sequences inside a record. Keys need five; a hostile file that opens a sequence
in each record costs this many times its size."""

_HEAD = struct.Struct("<HH2sH").unpack_from
_SHORT = {vr: vr.decode("ascii") for vr in SHORT_VRS}
_TAGS = {tag: tag for known in RECORD_TYPES.values() for key in known.keys for tag in (key.tag,)}
_LINKS = struct.Struct("<8sI8sH8sI")
_LINK_HEADS = (b"\4\0\0\x14UL\4\0", b"\4\0\x10\x14US\2\0", b"\4\0\x20\x14UL\4\0")


@dataclass(slots=True)
class Laid:
    """One Directory Record as it lies in the file; links are `None` where the element is absent."""

    offset_bytes: int
    type: str = ""
    keys: list[Element] = field(default_factory=list)
    next: int | None = None
    lower: int | None = None
    mrdr: int | None = None
    in_use: bool = True


@dataclass(slots=True)
class Layout:
    """Everything in a DICOMDIR, in physical order: File Meta, data set, records."""

    meta: dict[int, Element] = field(default_factory=dict)
    elements: dict[int, Element] = field(default_factory=dict)
    records: list[Laid] = field(default_factory=list)
    has_sequence: bool = False
    findings: list[Finding] = field(default_factory=list)

    def note(
        self,
        code: str,
        severity: Severity,
        message: str,
        offset: int | None,
        clause: str | None = None,
    ) -> None:
        """Keep a finding."""
        self.findings.append(Finding(code, severity, message, "", clause, offset))


def lay_out(data: bytes) -> Layout:
    """Return what is in the DICOMDIR `data`.

    Raises
    ------
    DicomdirError
        If `data` is not DICOM, or holds no directory.
    """
    layout = Layout()
    offset = _meta(data, layout)
    encoding = _encoding(data, offset, layout)
    _Walk(data, encoding, layout).data_set(offset)
    media_class = layout.meta.get(0x00020002)
    is_directory = media_class is not None and media_class.data.rstrip(b"\0 ") == _DIRECTORY_CLASS
    if not is_directory:
        if (
            not layout.has_sequence
            and not layout.records
            and not any(0x00041130 <= tag <= 0x00041212 for tag in layout.elements)
        ):
            raise DicomdirError("The file holds no directory", 0, "PS3.10 §8.6")
        if media_class is not None:
            message = "The Media Storage SOP Class is not that of a directory."
            layout.note("media-storage-class", Severity.ERROR, message, None, "PS3.10 §8.6")
    return layout


def _meta(data: bytes, layout: Layout) -> int:
    """Read the File Meta Information, if any; return where the data set begins."""
    offset = 0
    if data[128:132] == b"DICM":
        offset = 132
    elif data[:4] == b"DICM":
        offset = 4
    if offset != 132:
        if not offset and not _looks_like_elements(data):
            raise DicomdirError("The file is not DICOM", 0, "PS3.10 §7.1")
        message = "The file does not begin with a preamble of 128 bytes and DICM."
        layout.note("no-preamble", Severity.ERROR, message, 0, "PS3.10 §7.1")
    while data[offset : offset + 2] == b"\2\0":
        try:
            head = read_head(data, offset, len(data), _guess(data, offset))
            element, offset = parse_element(data, head, len(data), EXPLICIT_LITTLE, 0)
        except HeaderError as error:
            found = data.find(b"\x04\x00\x30\x11", offset)
            found = found if found >= 0 else data.find(b"\x04\x00\x20\x12", offset)
            if found < 0:
                raise DicomdirError(
                    f"The File Meta Information is damaged: {error}", offset, "PS3.10 §7.1"
                ) from error
            layout.note(
                "damaged",
                Severity.ERROR,
                f"The File Meta Information: {error}.",
                offset,
                "PS3.10 §7.1",
            )
            return found
        layout.meta[element.tag] = element
    if not layout.meta:
        message = "There is no File Meta Information."
        layout.note("no-file-meta", Severity.ERROR, message, offset, "PS3.10 §7.1")
    return offset


def _looks_like_elements(data: bytes) -> bool:
    """Return whether `data` begins with an element of group 2 or 4, little or big endian."""
    return data[:4] in (b"\2\0\0\0", b"\2\0\1\0", b"\4\0\0\0") or data[:2] in (b"\4\0", b"\0\4")


def _guess(data: bytes, offset: int) -> Encoding:
    """Return the encoding that the element head at `offset` shows."""
    return Encoding(data[offset + 4 : offset + 6] in VRS, data[offset : offset + 1] != b"\0")


def _encoding(data: bytes, offset: int, layout: Layout) -> Encoding:
    """Return the data set's encoding: what its first bytes show, whatever the meta says."""
    declared = layout.meta.get(0x00020010)
    uid = declared.data.rstrip(b"\0 ") if declared else b""
    if declared and uid not in _ENCODINGS and data[offset : offset + 2] not in (b"\4\0", b"\0\4"):
        name = uid.decode("ascii", "backslashreplace")
        raise DicomdirError(
            f"A DICOMDIR in Transfer Syntax {name} cannot be read", offset, "PS3.10 §8.6"
        )
    found = _guess(data, offset) if offset < len(data) else EXPLICIT_LITTLE
    if declared and _ENCODINGS.get(uid) != found:
        message = "The data set is not encoded as the Transfer Syntax UID says."
        layout.note("transfer-syntax-mismatch", Severity.ERROR, message, offset, "PS3.10 §7.1")
    if found != EXPLICIT_LITTLE:
        vr, order = (
            ("explicit" if found.explicit else "implicit"),
            ("little" if found.little_endian else "big"),
        )
        message = f"The DICOMDIR is {vr} VR {order} endian, not Explicit VR Little Endian."
        layout.note("transfer-syntax", Severity.ERROR, message, offset, "PS3.10 §8.6")
    return found


class _Walk:
    """Walks over the data set once, from front to back."""

    def __init__(self, data: bytes, encoding: Encoding, layout: Layout) -> None:
        self.data = data
        self.encoding = encoding
        self.layout = layout
        self.end = len(data)
        self.stop = self.end  # of the Directory Record Sequence
        self.end_of_content = len(data.rstrip(b"\0"))
        self.little = encoding.little_endian
        self._item_mark = b"\xfe\xff\x00\xe0" if self.little else b"\xff\xfe\xe0\x00"
        self._group_4 = b"\4\0" if self.little else b"\0\4"

    def data_set(self, offset: int) -> None:
        """Read the elements of the data set from `offset` to the end."""
        while offset < self.end:
            try:
                head = read_head(self.data, offset, self.end, self.encoding)
                if head.tag == DIRECTORY_RECORDS:
                    offset = self._sequence(head, offset)
                    continue
                element, after = parse_element(self.data, head, self.end, self.encoding, 0)
            except HeaderError as error:
                offset = self._recover(offset, error)
                continue
            if element.tag & 0xFFFF and element.tag != TRAILING_PADDING:
                self.layout.elements.setdefault(element.tag, element)
            offset = after

    def _recover(self, offset: int, error: HeaderError) -> int:
        """Return where to go on after an unreadable element of the data set."""
        if offset >= self.end_of_content:
            count = self.end - offset
            self._note(
                "trailing-bytes",
                Severity.NOTE,
                f"{count} zero bytes follow the data set.",
                offset,
                "PS3.10 §7.2",
            )
            return self.end
        mark = b"\x04\x00\x20\x12" if self.little else b"\x00\x04\x12\x20"
        sequence = -1 if self.layout.records else self.data.find(mark, offset + 1)
        items = self._next_record(offset) if sequence < 0 else -1
        if sequence < 0 and items < 0:
            self._note(
                "truncated",
                Severity.ERROR,
                f"The data set cannot be read on: {error}.",
                offset,
                None,
            )
            return self.end
        self._note("damaged", Severity.ERROR, f"The data set is damaged: {error}.", offset, None)
        self.stop = self.end
        return sequence if sequence >= 0 else self._records(items, False)

    def _sequence(self, head: Head, offset: int) -> int:
        """Read the Directory Record Sequence; return the offset after it."""
        self.layout.has_sequence = True
        undefined = head.length == UNDEFINED
        self.stop = self.end if undefined else head.start + head.length
        if self.stop > self.end:
            message = f"The Directory Record Sequence needs {head.length} bytes, {self.end - head.start} are there."
            self._note("truncated", Severity.ERROR, message, offset, "PS3.5 §7.5")
            self.stop = self.end
        after = self._records(head.start, undefined)
        if not undefined and self._is_record(after):
            self._widen(offset)
            after = self._records(after, False)
        return after

    def _widen(self, offset: int) -> None:
        message = "Directory Records go on beyond the end of their sequence."
        self._note("sequence-length", Severity.ERROR, message, offset, "PS3.5 §7.5")
        self.stop = self.end

    def _records(self, offset: int, undefined: bool) -> int:
        """Read records from `offset` up to `self.stop`; return the offset after the last one.

        `undefined`: the sequence is to end with a delimiter.
        """
        while offset < self.stop:
            try:
                head = read_head(self.data, offset, self.stop, self.encoding)
            except HeaderError as error:
                if offset >= self.end_of_content and self.stop == self.end:
                    break
                offset = self._resume(offset + 1, str(error))
                continue
            if head.tag == SEQUENCE_END:
                return head.start
            if head.tag == ITEM_END:
                offset = head.start
            elif head.tag == ITEM:
                offset = self._record(head, offset)
            elif self.stop == self.end and not undefined and self._next_record(offset) < 0:
                return offset
            else:
                reason = f"{tag_text(head.tag)} stands where an item was due"
                offset = self._resume(offset, reason)
        if undefined:
            message = "The Directory Record Sequence has no delimiter."
            self._note("truncated", Severity.ERROR, message, offset, "PS3.5 §7.5")
        return offset

    def _resume(self, offset: int, reason: str) -> int:
        """Return where the next record begins after damage at `offset`, or `self.stop`."""
        found = self._next_record(offset)
        known = 0 <= found < self.stop
        code = "damaged" if known else "truncated"
        self._note(
            code, Severity.ERROR, f"Directory Records are damaged: {reason}.", offset, "PS3.5 §7.5"
        )
        return found if known else self.stop

    def _record(self, head: Head, offset: int) -> int:
        """Read the record whose item begins at `offset`; return the offset after it."""
        laid = Laid(offset)
        exact = head.length != UNDEFINED
        limit = head.start + head.length if exact else self.stop
        if limit > self.stop and (self._is_record(limit) or limit == self.end):
            self._widen(offset)
        elif limit > self.stop:
            self._length(offset, "reaches beyond its sequence")
            limit, exact = self.stop, False
        at = self._ordinary(laid, head.start, limit)
        while True:
            if at >= limit:
                if not exact or at >= self.stop or self._is_item(at):
                    break
                self._length(offset, "ends between its elements")
                limit, exact = self.stop, False
            try:
                inner = read_head(self.data, at, limit, self.encoding)
                if inner.tag >> 16 == 0xFFFE:
                    if exact:
                        self._length(offset, "goes beyond the next item")
                    elif inner.tag != ITEM_END and head.length == UNDEFINED:
                        self._length(offset, "has no delimiter")
                    at = inner.start if inner.tag == ITEM_END else at
                    break
                element, after = parse_element(
                    self.data, inner, limit, self.encoding, MAX_DEPTH - _NESTING
                )
            except HeaderError as error:
                if limit < self.stop:
                    self._length(offset, "ends inside an element")
                    limit, exact = self.stop, False
                    continue
                at = self._resume(at, str(error))
                break
            self._keep(laid, element)
            at = after
        self._finish(laid)
        return at

    def _ordinary(self, laid: Laid, at: int, limit: int) -> int:
        """Read the plain elements at the start of a record; return the offset after them.

        A shortcut for what nearly all of a DICOMDIR consists of: links as every writer lays them
        out, then elements with 16-bit lengths. Whatever else comes is left to the general way.
        """
        if self.encoding != EXPLICIT_LITTLE:
            return at
        data = self.data
        if at + _LINKS.size <= limit:
            next_, following, flag, in_use, lower, below = _LINKS.unpack_from(data, at)
            if (next_, flag, lower) == _LINK_HEADS:
                laid.next, laid.in_use, laid.lower = following, in_use != 0, below
                at += _LINKS.size
        while at + 8 <= limit:
            group, number, vr, length = _HEAD(data, at)
            text = _SHORT.get(vr)
            after = at + 8 + length
            if text is None or after > limit or group == 0xFFFE:
                break
            tag = group << 16 | number
            element = Element(_TAGS.get(tag, tag), text, data[at + 8 : after])
            if group > 0x0006 and number:
                laid.keys.append(element)
            else:
                self._keep(laid, element)
            at = after
        return at

    def _length(self, offset: int, how: str) -> None:
        self._note(
            "item-length", Severity.ERROR, f"A Directory Record {how}.", offset, "PS3.5 §7.5"
        )

    def _keep(self, laid: Laid, element: Element) -> None:
        """Put `element` into `laid`: links are taken apart, the rest are keys."""
        tag = element.tag
        if tag in (NEXT_RECORD, LOWER_RECORD, MRDR_OFFSET):
            if len(element.data) != 4:
                message = f"{tag_text(tag)} is not one 32-bit number."
                self._note("bad-link", Severity.ERROR, message, laid.offset_bytes, "PS3.3 F.3.2.2")
                return
            offset = int.from_bytes(element.data, "little")
            if tag == NEXT_RECORD:
                laid.next = offset
            elif tag == LOWER_RECORD:
                laid.lower = offset
            else:
                laid.mrdr = offset
                laid.keys.append(element)
        elif tag == IN_USE:
            # Other values than 0000H are read as FFFFH (PS3.3 F.3.2.2).
            laid.in_use = element.data != b"\0\0"
        elif tag == RECORD_TYPE:
            laid.type = element.data.strip(b"\0 ").decode("ascii", "backslashreplace")
        elif tag >> 16 in _FORBIDDEN_GROUPS and tag & 0xFFFF:
            message = f"{tag_text(tag)} may not be in an item; it is left out."
            self._note(
                "forbidden-group", Severity.WARNING, message, laid.offset_bytes, "PS3.5 §7.5"
            )
        elif tag & 0xFFFF and tag != TRAILING_PADDING:
            laid.keys.append(element)

    def _finish(self, laid: Laid) -> None:
        """Sort the keys of `laid` and normalise its type, with findings."""
        tags = [element.tag for element in laid.keys]
        if any(a >= b for a, b in pairwise(tags)):
            message = "Elements of a Directory Record are out of order or repeated; the first of each counts."
            self._note("key-order", Severity.WARNING, message, laid.offset_bytes, "PS3.5 §7.1")
            first = {element.tag: element for element in reversed(laid.keys)}
            laid.keys = [first[tag] for tag in sorted(first)]
        if laid.type != laid.type.upper():
            message = f"The record type {laid.type} is not in capitals."
            self._note(
                "record-type-case", Severity.ERROR, message, laid.offset_bytes, "PS3.3 F.3.2.2"
            )
            laid.type = laid.type.upper()
        if laid.type != MRDR and (laid.next is None or laid.lower is None):
            message = "A Directory Record lacks (0004,1400) or (0004,1420); zero is assumed."
            self._note("link-missing", Severity.ERROR, message, laid.offset_bytes, "PS3.3 F.3.2.2")
        self.layout.records.append(laid)

    def _is_item(self, offset: int) -> bool:
        """Return whether an item, a delimiter or the end stands at `offset`."""
        return offset >= self.end or self.data[offset : offset + 2] == self._item_mark[:2]

    def _is_record(self, offset: int) -> bool:
        return self.data[offset : offset + 4] == self._item_mark and (
            self.data[offset + 8 : offset + 10] == self._group_4
        )

    def _next_record(self, offset: int) -> int:
        """Return where after `offset` an item begins that looks like a record, or -1."""
        found = self.data.find(self._item_mark, offset)
        while found >= 0 and not self._is_record(found):
            found = self.data.find(self._item_mark, found + 1)
        return found

    def _note(
        self, code: str, severity: Severity, message: str, offset: int, clause: str | None
    ) -> None:
        self.layout.note(code, severity, message, offset, clause)
