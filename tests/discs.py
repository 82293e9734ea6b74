"""ISO 9660 images for tests, made sector by sector, so that they can be wrong in any way."""

from __future__ import annotations

import struct
from collections.abc import Sequence

SECTOR = 2048
FOLDER, ASSOCIATED, GOES_ON = 0x02, 0x04, 0x80


def both(value: int, kind: str) -> bytes:
    """Return a number in both byte orders (ECMA-119 §7.2.3, §7.3.3)."""
    return struct.pack(f"<{kind}", value) + struct.pack(f">{kind}", value)


def record(
    name: bytes,
    sector: int,
    size: int = 0,
    flags: int = 0,
    use: bytes = b"",
    attributes: int = 0,
    unit: int = 0,
) -> bytes:
    """Return a directory record (ECMA-119 §9.1); `use` is its System Use field."""
    body = b"".join(
        (
            bytes((attributes,)), both(sector, "L"), both(size, "L"), b"\x7c\1\2\3\4\5\0",
            bytes((flags, unit, 0)), both(1, "H"), bytes((len(name),)), name, b"\0" * (1 - len(name) % 2), use,
        )
    )  # fmt: skip
    body += b"\0" * (1 - len(body) % 2)
    return bytes((len(body) + 1,)) + body


def folder(name: bytes, sector: int, use: bytes = b"", size: int = SECTOR) -> bytes:
    return record(name, sector, size, FOLDER, use)


class Disc:
    """An image under way: `root` at sector 20, that of Joliet at 21."""

    def __init__(self, identifier: bytes = b"DISC1") -> None:
        self.sectors: dict[int, bytes] = {}
        self.identifier = identifier
        self.descriptors = [self.descriptor(1, 20), b"\xffCD001\1"]
        self.entries(20)

    def descriptor(
        self, kind: int, root: int, escapes: bytes = b"", block: int = SECTOR, blocks: int = 60
    ) -> bytes:
        data = bytearray(SECTOR)
        data[0:7] = bytes((kind,)) + b"CD001\1"
        data[40:72] = self.identifier.ljust(32)
        data[80:88] = both(blocks, "L")
        data[88 : 88 + len(escapes)] = escapes
        data[128:132] = both(block, "H")
        data[156:190] = folder(b"\0", root)
        return bytes(data)

    def entries(self, sector: int, *records: bytes, use: bytes = b"") -> Disc:
        """Fill a folder of one sector; `use` is of its own record."""
        self.sectors[sector] = b"".join((folder(b"\0", sector, use), folder(b"\1", 20), *records))
        return self

    def joliet(self, *records: bytes) -> Disc:
        self.descriptors.insert(1, self.descriptor(2, 21, b"%/E"))
        return self.entries(21, *records)

    def data(self, sector: int, data: bytes) -> Disc:
        self.sectors[sector] = data
        return self

    def bytes(self, size: int = 60 * SECTOR) -> bytes:
        image = bytearray(size)
        for number, data in enumerate(self.descriptors):
            self.sectors[16 + number] = data
        for sector, data in self.sectors.items():
            image[sector * SECTOR : sector * SECTOR + len(data)] = data
        return bytes(image[:size])


def use(kind: bytes, data: bytes) -> bytes:
    """Return a System Use entry (SUSP 4.1)."""
    return kind + bytes((4 + len(data), 1)) + data


SP = use(b"SP", b"\xbe\xef\0")


def rock_ridge_name(name: bytes, *, goes_on: bool = False) -> bytes:
    return use(b"NM", bytes((int(goes_on),)) + name)


def continued(sector: int, offset: int, length: int) -> bytes:
    return use(b"CE", both(sector, "L") + both(offset, "L") + both(length, "L"))


def rock_ridge(*records: bytes) -> Disc:
    """Return a disc with Rock Ridge, and these records in its root."""
    return Disc().entries(20, *records, use=SP)


def simple(files: Sequence[tuple[bytes, bytes]]) -> Disc:
    """Return a disc with these files in its root, one sector each from 30 on."""
    disc = Disc()
    records = []
    for number, (name, data) in enumerate(files):
        disc.data(30 + number, data)
        records.append(record(name, 30 + number, len(data)))
    return disc.entries(20, *records)
