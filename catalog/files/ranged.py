"""A file whose bytes are asked for in ranges, as a stream."""

from __future__ import annotations

from collections.abc import Callable

from catalog.files.sized import SizedStream

LEAST_BYTES = 16 << 10
"""Bytes that are asked for at once at least: a request takes as long as that many."""

MOST_BYTES = 8 << 20
"""Bytes that are asked for at once at most, where reading goes straight on."""

Fetch = Callable[[int, int], bytes]
"""Gives the bytes from an offset to before another."""


class RangedStream(SizedStream):
    """A file of `size_bytes` bytes, to be read and sought at will.

    What is sought over is not asked for. Where reading goes straight on each request is for twice
    as much as the one before. Reading raises what `fetch` raises.

    Parameters
    ----------
    head:
        Its first bytes, which have come already.
    """

    piece_bytes = MOST_BYTES

    def __init__(self, fetch: Fetch, size_bytes: int, head: bytes) -> None:
        super().__init__(size_bytes)
        self._fetch = fetch
        self._head = head[:LEAST_BYTES]
        self._start, self._data = 0, head

    def _at(self, position: int, size: int) -> bytes:
        if not self._start <= position < self._start + len(self._data):
            if position < len(self._head):
                self._start, self._data = 0, self._head
            else:
                self._come(position, size)
        begin = position - self._start
        return self._data[begin : begin + size]

    def _come(self, at: int, size: int) -> None:
        """Have the bytes from `at` on come."""
        goes_on = at == self._start + len(self._data)
        wanted = max(size, 2 * len(self._data) if goes_on else 0, LEAST_BYTES)
        end = min(at + min(wanted, MOST_BYTES), self.size_bytes)
        self._data = self._fetch(at, end)
        self._start = at
