"""A file's bytes by absolute offset, read through a window that moves forward.

A header is walked, not loaded: what is skipped is never read, and what is read is bounded, for
the bytes may come from an attacker.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from catalog.errors import HeaderError, TruncatedHeader

FIRST_WINDOW = 16 * 1024
"""Bytes of the first read: measured to hold the whole header of most objects."""

LEAP_WINDOW = 4 * 1024
"""Bytes read after a value was skipped; little, for the next element may be far again."""

NEXT_WINDOW = 64 * 1024
"""Bytes read where reading goes straight on."""

MAX_SCANNED_BYTES = 64 * 1024 * 1024
"""Most bytes of element heads that are looked at in one file before it is given up."""

MAX_INFLATED_BYTES = 64 * 1024 * 1024
"""Most bytes that a deflated data set may give before Pixel Data."""

HEAD_BYTES = 12
"""Bytes of the longest element head."""


class Source:
    """A stream of `size` bytes and the window `data` over it that begins at `base`.

    At the end of the file the window carries four NULs more, so that a head of eight bytes can
    be unpacked as one of twelve; `size` says what is real.
    """

    __slots__ = ("base", "data", "scanned_bytes", "size", "stream")

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size
        self.base = 0
        self.data = b""
        self.scanned_bytes = 0

    def at(self, offset: int) -> int:
        """Return the index in `data` of the byte at `offset`; a head can be unpacked there.

        Raises
        ------
        TruncatedHeader
            If fewer than eight bytes are left there.
        HeaderError
            If more has been looked at than any honest header holds.
        """
        index = offset - self.base
        if 0 <= index <= len(self.data) - HEAD_BYTES:
            return index
        follows = 0 <= index <= len(self.data)
        window = (NEXT_WINDOW if follows else LEAP_WINDOW) if self.data else FIRST_WINDOW
        data = self._fetch(offset, window)
        self.scanned_bytes += window
        if self.scanned_bytes > MAX_SCANNED_BYTES:
            raise HeaderError("its header is longer than any that dcat reads")
        if offset + 8 > self.size:
            if offset > self.size:
                raise TruncatedHeader(
                    f"a value reaches to byte {offset}, the file ends at byte {self.size}"
                )
            raise TruncatedHeader(f"the file ends at byte {self.size}, inside an element's head")
        if len(data) < 8:
            raise TruncatedHeader(
                f"the file ends at byte {offset + len(data)}, before its stated size"
            )
        self.base = offset
        self.data = data + b"\0\0\0\0" if len(data) < window else data
        return 0

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset`, or fewer where the file ends; the window stays."""
        index = offset - self.base
        if index >= 0 and index + count <= len(self.data) and offset + count <= self.size:
            return self.data[index : index + count]
        return self._fetch(offset, count)

    def ends_at(self, offset: int) -> bool:
        """Return whether the file ends exactly at `offset`."""
        return offset == self.size

    def is_short_of(self, offset: int) -> bool:
        """Return whether the file is known to end before `offset`."""
        return offset > self.size

    def _fetch(self, offset: int, count: int) -> bytes:
        self.stream.seek(offset)
        data = self.stream.read(count)
        while data and len(data) < count and (more := self.stream.read(count - len(data))):
            data += more
        return data


class Inflated(Source):
    """The bytes that a raw deflate stream gives, from its first on (PS3.5 §A.5).

    Only as much is inflated as is asked for. `size` is the cap until the end has been seen.
    """

    __slots__ = ("_buffer", "_decompressor", "_next")

    def __init__(self, stream: BinaryIO, start: int) -> None:
        super().__init__(stream, MAX_INFLATED_BYTES + 1)
        self._next = start
        self._buffer = bytearray()
        self._decompressor = zlib.decompressobj(-zlib.MAX_WBITS)

    def ends_at(self, offset: int) -> bool:
        """Return whether the inflated data end exactly at `offset`."""
        self._inflate(min(offset, MAX_INFLATED_BYTES) + 1)
        return offset == self.size

    def is_short_of(self, offset: int) -> bool:
        """Return `False`: to know, all Pixel Data would have to be inflated."""
        return False

    def _fetch(self, offset: int, count: int) -> bytes:
        if offset + count > MAX_INFLATED_BYTES:
            self._inflate(MAX_INFLATED_BYTES + 1)
            if self.size > MAX_INFLATED_BYTES:
                raise HeaderError(f"its deflated header gives more than {MAX_INFLATED_BYTES} bytes")
        self._inflate(offset + count)
        return bytes(self._buffer[offset : offset + count])

    def _inflate(self, end: int) -> None:
        """Grow the buffer to `end` bytes, or to all there are."""
        inflate = self._decompressor
        while len(self._buffer) < end and self.size > MAX_INFLATED_BYTES:
            chunk = inflate.unconsumed_tail
            if not chunk:
                self.stream.seek(self._next)
                chunk = self.stream.read(FIRST_WINDOW)
                self._next += len(chunk)
            try:
                more = inflate.decompress(chunk, end - len(self._buffer))
            except zlib.error as error:
                raise HeaderError("its deflated data set cannot be inflated") from error
            self._buffer += more
            if inflate.eof or not (chunk or more):
                self.size = len(self._buffer)
