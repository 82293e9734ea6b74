"""The elements and Directory Records of a DICOMDIR, found in physical order.

The lenient first half of the reader. It follows no offset; it only finds the items, whatever
their encoding and however wrong their lengths are. Work is linear in the size of the file.
"""

from __future__ import annotations

import struct
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
    Element,
    Encoding,
    Head,
    parse_element,
    read_head,
    tag_text,
)
from catalog.errors import DicomdirError, HeaderError
from catalog.fileset.forms import LINK_HEADS, LINKS, Forms
from catalog.fileset.layout import DIRECTORY_RECORDS, Keys, Laid, LaidRecords, Layout, Noted, rest
from catalog.fileset.opening import encoding_of, read_meta
from catalog.fileset.record_types import MRDR, RECORD_TYPES
from catalog.fileset.tree import IN_USE, LOWER_RECORD, MRDR_OFFSET, NEXT_RECORD, RECORD_TYPE
from catalog.findings import Severity

_DIRECTORY_CLASS = b"1.2.840.10008.1.3.10"
_FORBIDDEN_GROUPS = (0x0000, 0x0002, 0x0006)

_NESTING = 12
"""Deepest nesting of sequences inside a record. Keys need five; a hostile file that opens a sequence
in each record costs this many times its size."""

_BLOCK_BYTES = 1 << 16
_MOST_UNRESTED = 512
_MOST_UNRESTED_BYTES = 1 << 22
_HEAD = struct.Struct("<HH2sH").unpack_from
_SHORT = {vr: vr.decode("ascii") for vr in SHORT_VRS}
_TAGS = {tag: tag for known in RECORD_TYPES.values() for key in known.keys for tag in (key.tag,)}


def lay_out(data: bytes, *, hold: bool = True, findings: Noted | None = None) -> Layout:
    """Return what is in the DICOMDIR `data`.

    Parameters
    ----------
    hold:
        Hold the keys of all records; else they are read again from `data` whenever they are asked for.
    findings:
        Where findings go; `None`: into a list.

    Raises
    ------
    DicomdirError
        If `data` is not DICOM, or holds no directory.
    """
    layout = Layout(
        records=LaidRecords(len(data), hold=hold), findings=[] if findings is None else findings
    )
    offset = read_meta(data, layout)
    encoding = encoding_of(data, offset, layout)
    walk = _Walk(data, encoding, layout)
    walk.data_set(offset)
    if not hold:
        layout.records.read_again_by(walk.keys)
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


class _Walk:
    """Walks over the data set once, from front to back."""

    def __init__(self, data: bytes, encoding: Encoding, layout: Layout) -> None:
        self.data = data
        self.encoding = encoding
        self.layout = layout
        self.end = len(data)
        self.stop = self.end  # of the Directory Record Sequence
        self.end_of_content = _end_of_content(data)
        self.little = encoding.little_endian
        self.forms = Forms(data, layout.records) if encoding == EXPLICIT_LITTLE else None
        self._unrested = 0
        self._item_mark = b"\xfe\xff\x00\xe0" if self.little else b"\xff\xfe\xe0\x00"
        self._group_4 = b"\4\0" if self.little else b"\0\4"

    def keys(self, offset: int, end: int) -> Keys:
        """Return the keys of the record from `offset` to `end`, which gave no finding when it was laid out.

        Nothing else is read after that: the layout is not that of the file any more.
        """
        self._unrested += 1
        if self._unrested > _MOST_UNRESTED:
            self._rest()
        if self.forms is not None and (keys := self.forms.keys(offset, end)) is not None:
            return keys
        self.layout, self.stop = Layout(), end
        self._record(read_head(self.data, offset, end, self.encoding), offset)
        return self.layout.records.keys(0)

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
        rested = offset
        while offset < self.stop:
            if self.forms is not None:
                offset = self.forms.read(offset, self.stop)
                if offset - rested > _MOST_UNRESTED_BYTES:
                    rested = offset
                    self._rest()
                if offset >= self.stop:
                    break
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
        keys: list[Element] = []
        noted = len(self.layout.findings)
        exact = head.length != UNDEFINED
        limit = head.start + head.length if exact else self.stop
        if limit > self.stop and (self._is_record(limit) or limit == self.end):
            self._widen(offset)
        elif limit > self.stop:
            self._length(offset, "reaches beyond its sequence")
            limit, exact = self.stop, False
        at = self._ordinary(laid, keys, head.start, limit)
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
            self._keep(laid, keys, element)
            at = after
        self._finish(laid, keys)
        is_plain = len(self.layout.findings) == noted
        # What ends where damage or another item begins may end elsewhere when read by itself.
        self.layout.records.add(laid, at, hold=not is_plain)
        if self.forms is not None and is_plain:
            self.forms.learn(laid, at)
        return at

    def _ordinary(self, laid: Laid, keys: list[Element], at: int, limit: int) -> int:
        """Read the plain elements at the start of a record; return the offset after them.

        A shortcut for what nearly all of a DICOMDIR consists of: links as every writer lays them
        out, then elements with 16-bit lengths. Whatever else comes is left to the general way.
        """
        if self.encoding != EXPLICIT_LITTLE:
            return at
        data = self.data
        if at + LINKS.size <= limit:
            next_, following, flag, in_use, lower, below = LINKS.unpack_from(data, at)
            if (next_, flag, lower) == LINK_HEADS:
                laid.next, laid.in_use, laid.lower = following, in_use != 0, below
                at += LINKS.size
        while at + 8 <= limit:
            group, number, vr, length = _HEAD(data, at)
            text = _SHORT.get(vr)
            after = at + 8 + length
            if text is None or after > limit or group == 0xFFFE:
                break
            tag = group << 16 | number
            element = Element(_TAGS.get(tag, tag), text, data[at + 8 : after])
            if group > 0x0006 and number:
                keys.append(element)
            else:
                self._keep(laid, keys, element)
            at = after
        return at

    def _length(self, offset: int, how: str) -> None:
        self._note(
            "item-length", Severity.ERROR, f"A Directory Record {how}.", offset, "PS3.5 §7.5"
        )

    def _keep(self, laid: Laid, keys: list[Element], element: Element) -> None:
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
                keys.append(element)
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
            keys.append(element)

    def _finish(self, laid: Laid, keys: list[Element]) -> None:
        """Give `laid` its `keys` sorted, and its type normalised, with findings."""
        tags = [element.tag for element in keys]
        if any(a >= b for a, b in pairwise(tags)):
            message = "Elements of a Directory Record are out of order or repeated; the first of each counts."
            self._note("key-order", Severity.WARNING, message, laid.offset_bytes, "PS3.5 §7.1")
            first = {element.tag: element for element in reversed(keys)}
            keys = [first[tag] for tag in sorted(first)]
        laid.keys = tuple(keys)
        if laid.type != laid.type.upper():
            message = f"The record type {laid.type} is not in capitals."
            self._note(
                "record-type-case", Severity.ERROR, message, laid.offset_bytes, "PS3.3 F.3.2.2"
            )
            laid.type = laid.type.upper()
        if laid.type != MRDR and (laid.next is None or laid.lower is None):
            message = "A Directory Record lacks (0004,1400) or (0004,1420); zero is assumed."
            self._note("link-missing", Severity.ERROR, message, laid.offset_bytes, "PS3.3 F.3.2.2")

    def _rest(self) -> None:
        """Give back the memory of the pages that were looked at, if the data are a mapped file's."""
        self._unrested = 0
        rest(self.data)

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


def _end_of_content(data: bytes) -> int:
    """Return where the zero bytes at the end of `data` begin."""
    end = len(data)
    while end:
        start = max(0, end - _BLOCK_BYTES)
        if content := data[start:end].rstrip(b"\0"):
            return start + len(content)
        end = start
    return 0
