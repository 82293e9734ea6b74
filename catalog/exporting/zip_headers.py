"""What ZIP writes beside the bytes of its entries: their headers, the central directory and its end (APPNOTE 4.3)."""

from __future__ import annotations

import stat
import struct
import time
from typing import NamedTuple

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
LIMIT = 0xFFFFFFFF
"""Sizes and offsets of so many bytes need the 64-bit forms."""

STORED, DEFLATED = 0, 8
_PLAIN, _WITH_DEFLATE, _WITH_64 = 10, 20, 45
_UNIX = 3 << 8
UTF8 = 0x0800
_MODE = (stat.S_IFREG | 0o644) << 16
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_LATEST = (2107, 12, 31, 23, 59, 58)


class Head(NamedTuple):
    """What both headers of an entry say."""

    name: bytes
    flags: int
    method: int
    dated: tuple[int, int]
    is_wide: bool


class Sums(NamedTuple):
    """What is known of an entry when it is written."""

    crc: int
    packed_bytes: int
    size_bytes: int


def dos_time(seconds: int) -> tuple[int, int]:
    """Return time and date as ZIP has them (APPNOTE 4.4.6), in UTC."""
    try:
        moment = tuple(time.gmtime(seconds)[:6])
    except (OverflowError, ValueError, OSError):
        moment = _EARLIEST
    year, month, day, hour, minute, second = min(max(moment, _EARLIEST), _LATEST)
    return hour << 11 | minute << 5 | min(second, 59) // 2, (year - 1980) << 9 | month << 5 | day


def local_header(head: Head, sums: Sums) -> bytes:
    """Return what stands before the bytes of an entry; its length follows from `head` alone."""
    extra = struct.pack("<2H2Q", 1, 16, sums.size_bytes, sums.packed_bytes) if head.is_wide else b""
    packed, size = (LIMIT, LIMIT) if head.is_wide else (sums.packed_bytes, sums.size_bytes)
    fixed = _LOCAL.pack(
        b"PK\x03\x04", _version(head), head.flags, head.method, *head.dated,
        sums.crc, packed, size, len(head.name), len(extra),
    )  # fmt: skip
    return fixed + head.name + extra


def central_header(head: Head, sums: Sums, start: int) -> bytes:
    """Return the entry's part of the central directory; `start` is the offset of its local header."""
    packed, size = sums.packed_bytes, sums.size_bytes
    wide = b""
    if head.is_wide:
        wide = struct.pack("<2Q", size, packed)
        packed = size = LIMIT
    if start >= LIMIT:
        wide += struct.pack("<Q", start)
        start = LIMIT
    extra = struct.pack("<2H", 1, len(wide)) + wide if wide else b""
    needed = _WITH_64 if wide else _version(head)
    fixed = _CENTRAL.pack(
        b"PK\x01\x02", _UNIX | needed, needed, head.flags, head.method, *head.dated,
        sums.crc, packed, size, len(head.name), len(extra), 0, 0, 0, _MODE, start,
    )  # fmt: skip
    return fixed + head.name + extra


def _version(head: Head) -> int:
    if head.is_wide:
        return _WITH_64
    return _WITH_DEFLATE if head.method else _PLAIN


def end_of_directory(count: int, start: int, length: int) -> bytes:
    """Return what follows the central directory."""
    wide = b""
    if count >= 0xFFFF or start >= LIMIT or length >= LIMIT:
        wide = _END_64.pack(
            b"PK\x06\x06", _END_64.size - 12, _UNIX | _WITH_64, _WITH_64, 0, 0, count, count, length, start,
        ) + _LOCATOR_64.pack(b"PK\x06\x07", 0, start + length, 1)  # fmt: skip
        count, length, start = min(count, 0xFFFF), min(length, LIMIT), min(start, LIMIT)
    return wide + _END.pack(b"PK\x05\x06", 0, 0, count, count, length, start, 0)
