"""A stretch of a file as a stream of its own."""

from __future__ import annotations

import io
from typing import BinaryIO


class Stretch(io.RawIOBase):
    """The `size_bytes` bytes from `start` of an open file, to be read and sought at will.

    It moves the file's position, and does not close it.
    """

    def __init__(self, file: BinaryIO, start: int, size_bytes: int) -> None:
        super().__init__()
        self._file, self._start, self._size_bytes = file, start, size_bytes
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
            offset += self._size_bytes
        self._position = max(0, offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, none only at the end; all that are left without `size`."""
        left = max(0, self._size_bytes - self._position)
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        self._file.seek(self._start + self._position)
        data = self._file.read(min(size, left))
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io gives a memoryview; typeshed says any buffer
        """Fill `buffer` with the following bytes; return how many."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
