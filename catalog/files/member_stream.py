"""The bytes of one member of an archive, as a stream that is proved when its end is reached."""

from __future__ import annotations

import hashlib
import io
import zlib

from catalog.errors import ArchiveError
from catalog.files.inflating import PIECE_BYTES, Giver

HISTORY_BYTES = 9 << 20
"""How far back a member can be read again: the longest sequence that a header holds, and a window."""


class MemberStream(io.RawIOBase):
    """A member's bytes: forward at will, back by as much as is remembered.

    Parameters
    ----------
    flow:
        Gives the member's bytes, from its first on.
    size_bytes:
        How many they are; `None`: all that come.
    crc:
        CRC-32 that they must have; `None` if nobody knows.
    ends_flow:
        Nothing but the member's bytes may come.
    """

    def __init__(
        self,
        flow: Giver,
        size_bytes: int | None,
        crc: int | None = None,
        *,
        ends_flow: bool = False,
    ) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self._flow, self._crc, self._ends_flow = flow, crc, ends_flow
        self._running_crc = 0
        self._position = self._came = 0
        self._kept = bytearray()
        self._is_proved = False
        self._error = ""
        self._hash: hashlib._Hash | None = None

    def readable(self) -> bool:
        """Return `True`."""
        return True

    def seekable(self) -> bool:
        """Return `True`; how far back is bounded."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to `offset`; nothing is read before `read` needs it."""
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            self.drain()
            offset += self._came
        self._position = max(0, offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, none only at the end; all that are left without `size`.

        Raises
        ------
        ArchiveError
            If the bytes break off, cannot be inflated or are not those that the archive states,
            or lie further back than is remembered.
        OSError
            If the archive cannot be read.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(PIECE_BYTES), b""))
        while self._came < self._position:
            if not self._come(min(self._position - self._came, PIECE_BYTES)):
                return b""
        if self._position == self._came and size and not self._come(size):
            return b""
        at = self._position - (self._came - len(self._kept))
        if at < 0:
            raise ArchiveError("a member of an archive cannot be read so far back")
        data = bytes(self._kept[at : at + size])
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io gives a memoryview; typeshed says any buffer
        """Fill `buffer` with the following bytes; return how many."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def begin_digest(self) -> None:
        """Have a digest made of the bytes as they come; only some of the first may have come yet."""
        assert len(self._kept) == self._came
        self._hash = hashlib.sha256(self._kept)

    def digest(self) -> str:
        """Return the SHA-256 of all bytes, in hexadecimal; `begin_digest` must have been called.

        Raises
        ------
        ArchiveError, OSError
            As `read`.
        """
        assert self._hash is not None
        self.drain()
        return self._hash.hexdigest()

    def drain(self) -> int:
        """Read what has not come yet, and return how many bytes the member has.

        Raises
        ------
        ArchiveError, OSError
            As `read`.
        """
        self._kept.clear()
        while self._pull(PIECE_BYTES):
            pass
        return self._came

    def _come(self, count: int) -> bool:
        """Have some of the following bytes come and remembered; return whether any are left."""
        data = self._pull(count)
        self._kept += data
        if len(self._kept) > 2 * HISTORY_BYTES:
            del self._kept[:-HISTORY_BYTES]
        return bool(data)

    def _pull(self, count: int) -> bytes:
        if self._error:
            raise ArchiveError(self._error)
        if self._is_proved:
            return b""
        size = self.size_bytes
        data = self._flow.read(count if size is None else min(count, size - self._came))
        self._came += len(data)
        if self._hash is not None:
            self._hash.update(data)
        if self._crc is not None:
            self._running_crc = zlib.crc32(data, self._running_crc)
        if not data or self._came == size:
            self._prove()
        return data

    def _prove(self) -> None:
        """Hold what has come against what the archive states."""
        size = self.size_bytes
        if size is not None and self._came < size:
            self._error = f"it ends after {self._came:,} of {size:,} bytes"
        elif self._ends_flow and size is not None and self._flow.read(1):
            self._error = f"it gives more than the {size:,} bytes that the archive states"
        elif self._crc is not None and self._crc != self._running_crc:
            self._error = (
                f"its CRC-32 is {self._running_crc:08x}, the archive states {self._crc:08x}"
            )
        if self._error:
            raise ArchiveError(self._error)
        self._is_proved = True
