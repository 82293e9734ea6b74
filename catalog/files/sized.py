"""Streams of bytes that are known to be so many."""

from __future__ import annotations

import errno
import io
from abc import abstractmethod


class SizedStream(io.RawIOBase):
    """`size_bytes` bytes, to be read and sought at will; a subclass says how they are had.

    Attributes
    ----------
    piece_bytes:
        How many bytes are asked for at once where all are wanted.
    """

    piece_bytes = 1 << 20

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self._position = 0

    @abstractmethod
    def _at(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from `position` on, at least one; so many there must be."""

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
            If the bytes cannot be had, or end before they should.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(self.piece_bytes), b""))
        size = min(size, self.size_bytes - self._position)
        if size <= 0:
            return b""
        data = self._at(self._position, size)
        if not data:
            # Taken for the end it would make a file that is cut short look whole.
            message = f"its bytes end after {self._position:,} of {self.size_bytes:,}"
            raise OSError(errno.EIO, message)
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io gives a memoryview; typeshed says any buffer
        """Fill `buffer` with the following bytes; return how many."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
