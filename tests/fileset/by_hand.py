"""DICOMDIRs laid out by hand, without dcat's writer, so that any rule can be broken."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

LONG = ("OB", "OW", "SQ", "UN", "UT", "UV")
ABSENT = "absent"


@dataclass(eq=False)
class R:
    """A record: `next`, `lower` are `None` (right), `ABSENT`, a number, or the record to lead to."""

    type: str
    keys: list[tuple[int, str, Any]] = field(default_factory=list)
    children: list[R] = field(default_factory=list)
    next: Any = None
    lower: Any = None
    in_use: int = 0xFFFF
    mrdr: Any = None

    def without(self, *tags: int) -> R:
        self.keys = [key for key in self.keys if key[0] not in tags]
        return self

    def with_(self, tag: int, vr: str, value: Any) -> R:
        self.without(tag).keys.append((tag, vr, value))
        self.keys.sort(key=lambda key: key[0])
        return self


@dataclass
class Layout:
    """How the file is laid out."""

    preamble: bool = True
    meta: bool = True
    syntax: bytes | None = None
    sop_class: bytes = b"1.2.840.10008.1.3.10"
    explicit: bool = True
    order: str = "<"
    undefined_items: bool = False
    undefined_sequence: bool = False
    group_lengths: bool = False
    first: Any = None
    last: Any = None
    shift: int = 0
    flag: int | str = 0
    file_set_id: bytes | None = b"MEDIA"
    extra_head: bytes = b""
    trailing: bytes = b""
    physical: list[R] | None = None
    sequence_length: int | None = None
    no_sequence: bool = False


def element(tag: int, vr: str, value: bytes, layout: Layout = Layout()) -> bytes:  # noqa: B008
    """Return an element whose `value` is already in the layout's byte order."""
    order = layout.order
    if len(value) % 2:
        value += b"\0" if vr == "UI" else b" "
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if not layout.explicit:
        return head + struct.pack(order + "I", len(value)) + value
    if vr in LONG:
        return head + vr.encode() + struct.pack(order + "HI", 0, len(value)) + value
    return head + vr.encode() + struct.pack(order + "H", len(value)) + value


def number(tag: int, vr: str, value: int, layout: Layout) -> bytes:
    return element(tag, vr, struct.pack(layout.order + {"UL": "I", "US": "H"}[vr], value), layout)


def flatten(records: list[R]) -> list[R]:
    out: list[R] = []
    for record in records:
        out += [record, *flatten(record.children)]
    return out


def item(record: R, layout: Layout, next_: Any, lower: Any, mrdr: Any) -> bytes:
    parts = [(0x00041410, number(0x00041410, "US", record.in_use, layout))]
    if next_ != ABSENT:
        parts.append((0x00041400, number(0x00041400, "UL", next_, layout)))
    if lower != ABSENT:
        parts.append((0x00041420, number(0x00041420, "UL", lower, layout)))
    if record.type:
        parts.append((0x00041430, element(0x00041430, "CS", record.type.encode(), layout)))
    if mrdr is not None:
        parts.append((0x00041504, number(0x00041504, "UL", mrdr, layout)))
    parts += [(tag, element(tag, vr, value, layout)) for tag, vr, value in record.keys]
    body = b"".join(data for _, data in sorted(parts, key=lambda part: part[0]))
    if layout.group_lengths:
        body = number(0x00040000, "UL", len(body), layout) + body
    order = layout.order
    if layout.undefined_items:
        end = struct.pack(order + "HHI", 0xFFFE, 0xE00D, 0)
        return struct.pack(order + "HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + body + end
    return struct.pack(order + "HHI", 0xFFFE, 0xE000, len(body)) + body


def dicomdir(roots: list[R], layout: Layout | None = None) -> bytes:
    """Return the bytes of a DICOMDIR; everything is right except what `layout` and records break."""
    return laid_out(roots, layout)[0]


def laid_out(roots: list[R], layout: Layout | None = None) -> tuple[bytes, dict[R, int]]:
    """As `dicomdir`, with the byte offset of each record."""
    layout = layout or Layout()
    plain = Layout()
    syntax = layout.syntax
    if syntax is None:
        syntax = b"1.2.840.10008.1.2.1" if layout.explicit else b"1.2.840.10008.1.2"
        syntax = b"1.2.840.10008.1.2.2" if layout.order == ">" else syntax
    meta = b"".join(
        (
            element(0x00020001, "OB", b"\0\1", plain),
            element(0x00020002, "UI", layout.sop_class, plain),
            element(0x00020003, "UI", b"1.2.3.4", plain),
            element(0x00020010, "UI", syntax, plain),
            element(0x00020012, "UI", b"1.2.3", plain),
        )
    )
    meta = number(0x00020000, "UL", len(meta), plain) + meta
    start = (bytes(128) + b"DICM" if layout.preamble else b"") + (meta if layout.meta else b"")
    physical = flatten(roots) if layout.physical is None else layout.physical
    offsets: dict[R, int] = {}

    def head(first: int, last: int, length: int) -> bytes:
        out = (
            element(0x00041130, "CS", layout.file_set_id, layout)
            if layout.file_set_id is not None
            else b""
        )
        for tag, value in ((0x00041200, first), (0x00041202, last)):
            if value != ABSENT:
                out += number(tag, "UL", value, layout)
        if layout.flag != ABSENT:
            out += number(0x00041212, "US", int(layout.flag), layout)
        out += layout.extra_head
        if layout.no_sequence:
            return out
        full = element(0x00041220, "SQ", b"", layout)
        return out + full[:-4] + struct.pack(layout.order + "I", length)

    def value(link: Any, right: int) -> Any:
        if link is None:
            return right + layout.shift if right else 0
        return link if link == ABSENT or isinstance(link, int) else offsets[link] + layout.shift

    def build() -> bytes:
        right: dict[R, list[int]] = {record: [0, 0] for record in physical}
        for siblings in (roots, *(record.children for record in flatten(roots))):
            for one, other in pairwise(siblings):
                right.setdefault(one, [0, 0])[0] = offsets.get(other, 0)
        for record in flatten(roots):
            if record.children:
                right[record][1] = offsets.get(record.children[0], 0)
        items = [
            item(
                record,
                layout,
                value(record.next, right[record][0]),
                value(record.lower, right[record][1]),
                None if record.mrdr is None else value(record.mrdr, 0),
            )
            for record in physical
        ]
        body = b"".join(items)
        length = len(body) if layout.sequence_length is None else layout.sequence_length
        if layout.undefined_sequence:
            length = 0xFFFFFFFF
            body += struct.pack(layout.order + "HHI", 0xFFFE, 0xE0DD, 0)
        first = value(layout.first, offsets.get(roots[0], 0) if roots else 0)
        last = value(layout.last, offsets.get(roots[-1], 0) if roots else 0)
        prefix = start + head(first, last, length)
        at = len(prefix)
        for record, data in zip(physical, items, strict=True):
            offsets[record] = at
            at += len(data)
        return prefix + body + layout.trailing

    offsets.update(dict.fromkeys((*flatten(roots), *physical), 0))
    build()
    return build(), offsets


def image(number: int, file_id: bytes | None = None) -> R:
    return R(
        "IMAGE",
        [
            (0x00041500, "CS", file_id or b"DICOM\\IM%d" % number),
            (0x00041510, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
            (0x00041511, "UI", b"1.2.3.4.5.%d" % number),
            (0x00041512, "UI", b"1.2.840.10008.1.2.1"),
            (0x00200013, "IS", b"%d" % number),
        ],
    )


def series(uid: bytes, *children: R) -> R:
    keys = [(0x00080060, "CS", b"CT"), (0x0020000E, "UI", uid), (0x00200011, "IS", b"1")]
    return R("SERIES", keys, list(children))


def study(uid: bytes, *children: R) -> R:
    keys = [
        (0x00080020, "DA", b"20200101"),
        (0x00080030, "TM", b"1200"),
        (0x00080050, "SH", b""),
        (0x00081030, "LO", b""),
        (0x0020000D, "UI", uid),
        (0x00200010, "SH", b"1"),
    ]
    return R("STUDY", keys, list(children))


def patient(key: bytes, *children: R) -> R:
    return R("PATIENT", [(0x00100010, "PN", b"Doe"), (0x00100020, "LO", key)], list(children))


def two_patients() -> list[R]:
    """P1 with two series of two images, P2 with one of one."""
    return [
        patient(
            b"P1",
            study(
                b"1.1", series(b"1.1.1", image(1), image(2)), series(b"1.1.2", image(3), image(4))
            ),
        ),
        patient(b"P2", study(b"2.1", series(b"2.1.1", image(5)))),
    ]


TWO_PATIENTS = (
    "PATIENT(STUDY(SERIES(IMAGE IMAGE) SERIES(IMAGE IMAGE))) PATIENT(STUDY(SERIES(IMAGE)))"
)
