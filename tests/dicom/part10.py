"""Bytes of DICOM files, made without the code under test."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable

from catalog.dicom.claims import WANTED
from catalog.dicom.header import Header, read_header

LONG = {"OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UC", "UN", "UR", "UT", "SV", "UV"}
UNDEFINED = 0xFFFFFFFF

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"

CT = "1.2.840.10008.5.1.4.1.1.2"


def element(
    tag: int,
    vr: str,
    value: bytes | str,
    *,
    explicit: bool = True,
    little: bool = True,
    length: int | None = None,
) -> bytes:
    """One element; `length` overrides the stated length."""
    data = value.encode("latin-1") if isinstance(value, str) else value
    if len(data) % 2:
        data += b"\0" if vr in ("UI", "OB", "UN") else b" "
    stated = len(data) if length is None else length
    order = "<" if little else ">"
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack(order + "I", stated) + data
    if vr in LONG:
        return head + vr.encode("latin-1") + b"\0\0" + struct.pack(order + "I", stated) + data
    return head + vr.encode("latin-1") + struct.pack(order + "H", stated) + data


def item(*elements: bytes, undefined: bool = False, little: bool = True) -> bytes:
    order = "<" if little else ">"
    body = b"".join(elements)
    if not undefined:
        return struct.pack(order + "HHI", 0xFFFE, 0xE000, len(body)) + body
    end = struct.pack(order + "HHI", 0xFFFE, 0xE00D, 0)
    return struct.pack(order + "HHI", 0xFFFE, 0xE000, UNDEFINED) + body + end


def sequence(
    tag: int,
    *items: bytes,
    vr: str = "SQ",
    undefined: bool = False,
    explicit: bool = True,
    little: bool = True,
) -> bytes:
    body = b"".join(items)
    if not undefined:
        return element(tag, vr, body, explicit=explicit, little=little)
    end = struct.pack(("<" if little else ">") + "HHI", 0xFFFE, 0xE0DD, 0)
    return element(tag, vr, body + end, explicit=explicit, little=little, length=UNDEFINED)


def meta(
    syntax: str | None = EXPLICIT, *more: bytes, sop_class: str = CT, instance: str = "1.2.3.4"
) -> bytes:
    body = element(0x00020001, "OB", b"\0\1")
    body += element(0x00020002, "UI", sop_class) + element(0x00020003, "UI", instance)
    if syntax is not None:
        body += element(0x00020010, "UI", syntax)
    body += b"".join(more)
    return element(0x00020000, "UL", struct.pack("<I", len(body))) + body


def part10(data_set: bytes, syntax: str | None = EXPLICIT, **meta_options: str) -> bytes:
    """A whole file; the data set is deflated where the syntax says so."""
    if syntax == DEFLATED:
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        data_set = compressor.compress(data_set) + compressor.flush()
    return bytes(128) + b"DICM" + meta(syntax, **meta_options) + data_set


# Tag, VR and value of a small, complete CT header.
SMALL: tuple[tuple[int, str, bytes], ...] = (
    (0x00080005, "CS", b"ISO_IR 100"),
    (0x00080016, "UI", CT.encode()),
    (0x00080018, "UI", b"1.2.3.4"),
    (0x00080020, "DA", b"20240229"),
    (0x00080030, "TM", b"101500.5"),
    (0x00080060, "CS", b"CT"),
    (0x00100010, "PN", b"M\xfcller^Anna"),
    (0x00100020, "LO", b"  P 1 "),
    (0x0020000D, "UI", b"1.2.3"),
    (0x0020000E, "UI", b"1.2.3.1"),
    (0x00200011, "IS", b"7"),
    (0x00200013, "IS", b"12"),
    (0x00280010, "US", struct.pack("<H", 16)),
    (0x00280011, "US", struct.pack("<H", 8)),
)


def encode(
    elements: Iterable[tuple[int, str, bytes]] = SMALL,
    *,
    explicit: bool = True,
    little: bool = True,
) -> bytes:
    """The elements of `elements`, whose numbers are little endian, encoded."""
    out = b""
    for tag, vr, value in elements:
        if vr == "US" and not little:
            value = value[::-1]
        out += element(tag, vr, value, explicit=explicit, little=little)
    return out


def without(*tags: int) -> tuple[tuple[int, str, bytes], ...]:
    return tuple(e for e in SMALL if e[0] not in tags)


def pixel_data(
    count: int = 256, *, stated: int | None = None, explicit: bool = True, little: bool = True
) -> bytes:
    return element(0x7FE00010, "OW", bytes(count), explicit=explicit, little=little, length=stated)


def read(data: bytes, wanted: frozenset[int] = WANTED) -> Header:
    return read_header(io.BytesIO(data), len(data), wanted)


def codes(header: Header) -> list[str]:
    return [finding.code for finding in header.findings]
