"""A file whose bytes are asked for in ranges, as a stream."""

from __future__ import annotations

import io
from collections.abc import Callable

LEAST_BYTES = 16 << 10
"""Bytes that are asked for at once at least: a request takes as long as that many."""

MOST_BYTES = 8 << 20
"""Bytes that are asked for at once at most, where reading goes straight on."""

Fetch = Callable[[int, int], bytes]
"""Gives the bytes from an offset to before another."""


class RangedStream(io.RawIOBase):
    """A file of `size_bytes` bytes, to be read and sought at will.

    What is sought over is not asked for. Where reading goes straight on each request is for twice
    as much as the one before.

    Parameters
    ----------
    head:
        Its first bytes, which have come already.
    """

    def __init__(self, fetch: Fetch, size_bytes: int, head: bytes) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self._fetch = fetch
        self._head = head[:LEAST_BYTES]
        self._start, self._data = 0, head
        self._position = 0

    def readable(self) -> bool:
        """Return `True`."""
        return True

    def seekable(self) -> bool:
        """Return `True`."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to `offset`; nothing is read."""
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self.size_bytes
        self._position = max(0, offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, none only at the end; all that are left without `size`.

        Raises
        ------
        OSError
            If the bytes cannot be had, or are no longer those of the same file.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(MOST_BYTES), b""))
        at = self._position
        if not size or at >= self.size_bytes:
            return b""
        if not self._start <= at < self._start + len(self._data):
            if at < len(self._head):
                self._start, self._data = 0, self._head
            else:
                self._come(at, size)
        begin = at - self._start
        data = self._data[begin : begin + size]
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io gives a memoryview; typeshed says any buffer
        """Fill `buffer` with the following bytes; return how many."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _come(self, at: int, size: int) -> None:
        """Have the bytes from `at` on come."""
        goes_on = at == self._start + len(self._data)
        wanted = max(size, 2 * len(self._data) if goes_on else 0, LEAST_BYTES)
        end = min(at + min(wanted, MOST_BYTES), self.size_bytes)
        self._data = self._fetch(at, end)
        self._start = at
