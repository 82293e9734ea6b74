"""Directory Records that look like one before them, read at once.

The records of one series have the same elements and mostly the same lengths, so a record that the
general way has read without a finding becomes a `Form`: the bytes that have to stand where they
stood, and what may change between them. A record that fits a form in every byte is unpacked by one
call; any other goes the general way, which alone decides what is wrong with it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from operator import getitem
from typing import Any

from catalog.dicom.elements import SHORT_VRS, Element
from catalog.fileset.layout import IN_USE, Keys, Laid, LaidRecords, text_flags
from catalog.fileset.tree import MRDR_OFFSET, RECORD_TYPE, SPECIFIC_CHARACTER_SET, TEXT_VRS
from catalog.shapes import frozen

LINKS = struct.Struct("<8sI8sH8sI")
LINK_HEADS = (b"\4\0\0\x14UL\4\0", b"\4\0\x10\x14US\2\0", b"\4\0\x20\x14UL\4\0")
"""The three links as every writer lays them out: (0004,1400), (0004,1410), (0004,1420)."""

_UNDEFINED_ITEM = b"\xfe\xff\0\xe0\xff\xff\xff\xff"
_ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
_TYPE = b"\4\0\x30\x14CS"

_MOST_COLUMNS = 64
_MOST_ALIKE = 8  # forms of one item length
_MOST_LENGTHS = 256
_MOST_VALUES = 1024  # of one attribute, kept for reuse
_TRIALS = 64
_MOST_AT_ONCE = 4096


class _Known(dict[bytes, Element]):
    """The elements of one attribute by their values; what it does not have is made, and some are kept."""

    __slots__ = ("tag", "vr")

    def __init__(self, tag: int, vr: str) -> None:
        super().__init__()
        self.tag, self.vr = tag, vr

    def __missing__(self, value: bytes) -> Element:
        element = Element(self.tag, self.vr, value)
        if len(self) < _MOST_VALUES:
            self[value] = element
        return element


@frozen
class Form:
    """What records have in common.

    Attributes
    ----------
    unpack:
        Takes a record's item apart after its first eight bytes: in turn bytes that are the same in
        all, and a value: first the three links, then one for each of `columns`.
    fixed:
        The bytes that are the same in all.
    columns:
        The known elements of each key.
    size_bytes:
        Of the item, with its head and delimiter.
    has_text:
        False if no character set is among the keys and no key can be in need of one.
    """

    type: str
    unpack: Callable[[bytes, int], tuple[Any, ...]]
    fixed: tuple[bytes, ...]
    columns: tuple[_Known, ...]
    size_bytes: int
    delimited: bool
    has_text: bool


class Forms:
    """The forms met so far in one Explicit VR Little Endian file; how many is bounded."""

    def __init__(self, data: bytes, records: LaidRecords) -> None:
        self._data = data
        self._records = records
        self._forms: dict[bytes, list[Form]] = {}  # by the eight bytes that begin the item
        self._known: dict[tuple[int, str], _Known] = {}
        self._learnt = 0
        self._used = 0

    def read(self, offset: int, stop: int) -> int:
        """Append the records from `offset` that fit known forms; return the offset after them.

        None that begins at or reaches beyond `stop` is read, nor more than some thousands.
        """
        records = self._records
        before, holds_all, add = len(records), records.holds_all, records.add_plain
        fit = self._fit
        for _ in range(_MOST_AT_ONCE):
            fitting = fit(offset, stop)
            if fitting is None:
                break
            form, found = fitting
            flags = IN_USE if found[3] else 0
            if holds_all or form.has_text:
                keys = _keys(form, found)
                if holds_all:
                    records.hold_next(keys)
                if form.has_text:
                    flags |= text_flags(keys)
            after = offset + form.size_bytes
            add(offset, after, records.type_number(form.type), found[1], found[5], flags)
            offset = after
        self._used += len(records) - before
        return offset

    def keys(self, offset: int, end: int) -> Keys | None:
        """Return the keys of the record that begins at `offset` and ends at `end`; `None` if it fits no form."""
        fitting = self._fit(offset, end)
        if fitting is None:
            return None
        form, found = fitting
        return _keys(form, found) if offset + form.size_bytes == end else None

    def _fit(self, offset: int, stop: int) -> tuple[Form, tuple[Any, ...]] | None:
        """Return the form of the record at `offset`, and the record taken apart; `None` if it fits none."""
        data = self._data
        alike = self._forms.get(data[offset : offset + 8])
        if alike is None:
            return None
        form = alike[0]
        after = offset + form.size_bytes
        if after > stop:
            return None
        found = form.unpack(data, offset + 8)
        if found[::2] != form.fixed:
            other = self._other(alike, offset, stop)
            if other is None:
                return None
            form, after = other, offset + other.size_bytes
            found = form.unpack(data, offset + 8)
        if not (form.delimited or after == stop or data[after : after + 2] == b"\xfe\xff"):
            return None
        return form, found

    def _other(self, alike: list[Form], offset: int, stop: int) -> Form | None:
        """Return the form after the first that fits at `offset`, which becomes the first."""
        for i, form in enumerate(alike):
            fits = i and offset + form.size_bytes <= stop
            if fits and form.unpack(self._data, offset + 8)[::2] == form.fixed:
                alike.insert(0, alike.pop(i))
                return form
        return None

    def learn(self, laid: Laid, after: int) -> None:
        """Make a form of `laid`, which ended at `after` and gave no finding, if it is plain."""
        # Where no two records are alike, forms are only a burden.
        if self._learnt > _TRIALS + self._used:
            return
        form = self._form_of(laid, after)
        if form is None:
            return
        self._learnt += 1
        if len(self._forms) >= _MOST_LENGTHS:
            self._forms.clear()
        start = self._data[laid.offset_bytes : laid.offset_bytes + 8]
        alike = self._forms.setdefault(start, [])
        alike.insert(0, form)
        del alike[_MOST_ALIKE:]

    def _form_of(self, laid: Laid, after: int) -> Form | None:
        """Return the form of `laid`, or `None` if it holds more than links, a type and plain keys."""
        data, at = self._data, laid.offset_bytes + 8
        delimited = data[at - 8 : at] == _UNDEFINED_ITEM
        end = after - 8 if delimited else after
        if (delimited and data[end:after] != _ITEM_END) or len(laid.keys) > _MOST_COLUMNS:
            return None
        if not delimited and int.from_bytes(data[at - 4 : at], "little") != end - at:
            return None
        if at + LINKS.size + 8 > end or LINKS.unpack_from(data, at)[::2] != LINK_HEADS:
            return None
        at += LINKS.size
        if data[at : at + 6] != _TYPE:
            return None
        layout, fixed = "<8sI8sH8sI", list(LINK_HEADS)
        same, at = at, at + 8 + int.from_bytes(data[at + 6 : at + 8], "little")
        columns: list[_Known] = []
        last = RECORD_TYPE
        while at + 8 <= end:
            group, number = struct.unpack_from("<HH", data, at)
            tag, vr = group << 16 | number, data[at + 4 : at + 6]
            size = int.from_bytes(data[at + 6 : at + 8], "little")
            # Other groups are forbidden in items, or are delimiters and padding.
            key = group == 0x0004 or 0x0006 < group < 0xFFFC
            if vr not in SHORT_VRS or not (key and number and tag > last) or tag == MRDR_OFFSET:
                return None
            layout += f"{at + 8 - same}s{size}s"
            fixed.append(data[same : at + 8])
            name = vr.decode("ascii")
            if (tag, name) not in self._known:
                self._known[tag, name] = _Known(tag, name)
            columns.append(self._known[tag, name])
            last, same = tag, at + 8 + size
            at = same
        if at != end or [column.tag for column in columns] != [key.tag for key in laid.keys]:
            return None
        layout += f"{after - same}s"
        fixed.append(data[same:after])
        has_text = any(c.tag == SPECIFIC_CHARACTER_SET or c.vr in TEXT_VRS for c in columns)
        unpack = struct.Struct(layout).unpack_from
        size_bytes = after - laid.offset_bytes
        return Form(
            laid.type, unpack, tuple(fixed), tuple(columns), size_bytes, delimited, has_text
        )


def _keys(form: Form, found: tuple[Any, ...]) -> Keys:
    """Return the keys of a record of `form` that was taken apart into `found`."""
    return tuple(map(getitem, form.columns, found[7::2]))
