"""What an entry of an ISO 9660 folder is called: by ISO 9660, Joliet (UCS-2) or Rock Ridge (RRIP 1.12)."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from catalog.shapes import frozen

MAX_CONTINUATIONS = 32
"""Most areas that the System Use fields of one record may go on in."""

_VERSION = re.compile(rb";[0-9]*\Z")
_LINK = "a link"


@frozen
class Volume:
    """How names stand in a volume.

    Attributes
    ----------
    rock_ridge:
        Bytes to skip in System Use fields (SUSP 5.3); `None` if it has no Rock Ridge.
    """

    is_joliet: bool = False
    rock_ridge: int | None = None


class Named(NamedTuple):
    """The name of an entry in UTF-8, or bytes that are not; and what Rock Ridge says it is.

    `why_not` is not empty for what is no plain file or folder. `relocated` is the block of a folder
    that stands elsewhere, whose entry here is a file of no length.
    """

    name: bytes
    why_not: str = ""
    relocated: int | None = None


def named_entry(record: bytes, volume: Volume, at: Callable[[int, int], bytes]) -> Named | None:
    """Return what the entry is called; `None` if it is to be passed over.

    Parameters
    ----------
    at:
        Gives bytes of the image, by offset and count; fewer where it ends.
    """
    own = record[33 : 33 + record[32]]
    if volume.is_joliet:
        text = own.decode("utf-16-be", "replace").encode("utf-8", "replace")
        return Named(_VERSION.sub(b"", text))
    plain = _VERSION.sub(b"", own)
    plain = plain[:-1] if plain.endswith(b".") and len(plain) > 1 else plain
    if volume.rock_ridge is None:
        return Named(plain)
    name, why_not, relocated = b"", "", None
    for kind, data in _system_use(record, volume.rock_ridge, at):
        if kind == b"NM" and len(data) > 1:
            name += data[1:]
        elif kind == b"SL":
            why_not = _LINK
        elif kind == b"PX" and len(data) >= 4:
            mode = struct.unpack_from("<L", data)[0] & 0xF000
            why_not = why_not or ("a special file" if mode in (0x1000, 0x2000, 0x6000, 0xC000) else "")  # fmt: skip
        elif kind == b"CL" and len(data) >= 4:
            relocated = struct.unpack_from("<L", data)[0]
        elif kind == b"RE":
            return (
                None  # the folder that relocated ones were moved to; they are met where they belong
            )
    return Named(name or plain, why_not, relocated)


def _system_use(
    record: bytes, skip: int, at: Callable[[int, int], bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """Yield signature and data of each System Use entry, in continuation areas, too (SUSP 4, 5.1)."""
    begin = 33 + record[32] + (1 - record[32] % 2) + skip
    area = record[begin:]
    for _ in range(MAX_CONTINUATIONS):
        following: tuple[int, int] | None = None
        offset = 0
        while offset + 4 <= len(area):
            kind, size = area[offset : offset + 2], area[offset + 2]
            if size < 4 or offset + size > len(area) or kind == b"ST":
                break
            data = area[offset + 4 : offset + size]
            if kind == b"CE" and len(data) >= 24:
                block, start, length = struct.unpack("<L4xL4xL4x", data[:24])
                # a continuation area lies in one sector
                following = block * 2048 + start, min(length, 2048)
            else:
                yield kind, data
            offset += size
        if following is None:
            return
        area = at(*following)
