"""The bytes of a stretch of a file, plain or compressed, from the first to the last.

They may come from an attacker: nothing is inflated but what is asked for, in pieces of bounded
size, and never more than was allowed.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from enum import Enum
from typing import BinaryIO, Protocol

from catalog.errors import ArchiveError

FEED_BYTES = 64 * 1024
PIECE_BYTES = 1 << 20
"""Most bytes that are inflated at once."""

MAX_EMPTY_STREAMS = 1000
"""Compressed streams without a byte that may follow each other."""

MAX_XZ_BYTES = 256 << 20
"""Most memory that inflating xz may take; `xz -9` makes files that take 65 MiB."""

CHECKPOINT_BYTES = 1 << 20
MAX_CHECKPOINTS = 256
"""When there are so many, every second is dropped; each takes some 100 kB."""


class Codec(Enum):
    """How a stretch is compressed; the value is what a stream begins with."""

    DEFLATE = b""
    GZIP = b"\x1f\x8b"
    BZIP2 = b"BZh"
    XZ = b"\xfd7zXZ\0"


_NAMES = {
    Codec.DEFLATE: "deflated",
    Codec.GZIP: "gzip",
    Codec.BZIP2: "bzip2",
    Codec.XZ: "xz",
}


class Giver(Protocol):
    """Bytes that come one after the other."""

    def read(self, count: int) -> bytes:
        """Return up to `count` of the following bytes, none only at the end."""


class Flow(Giver, Protocol):
    """A whole stretch's bytes; `position` is how many have come."""

    position: int

    def move_to(self, offset: int) -> None:
        """Go to `offset`, or to the end if that comes first; the bytes between are lost."""


class Plain:
    """A stretch of a file as it stands; the file may end before it does."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self.position = 0
        self._file, self._start, self._length = file, start, length

    def read(self, count: int) -> bytes:
        """Return up to `count` of the following bytes, none only at the end."""
        self._file.seek(self._start + self.position)
        data = self._file.read(max(0, min(count, PIECE_BYTES, self._length - self.position)))
        self.position += len(data)
        return data

    def move_to(self, offset: int) -> None:
        """Go to `offset`, or to the end if that comes first."""
        self.position = min(offset, self._length)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """zlib with the face of the other decompressors."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)
        self._tail = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inner.decompress(self._tail + data, max_length)
        self._tail = self._inner.unconsumed_tail
        # A full piece may mean that more waits inside, though all input was taken.
        self.needs_input = not self._tail and len(out) < max_length
        return out

    def copy(self) -> _Zlib:
        copied = _Zlib.__new__(_Zlib)
        copied._inner, copied._tail = self._inner.copy(), self._tail
        copied.needs_input = self.needs_input
        return copied


_MAKERS: dict[Codec, Callable[[], _Decompressor]] = {
    Codec.DEFLATE: lambda: _Zlib(-zlib.MAX_WBITS),
    Codec.GZIP: lambda: _Zlib(zlib.MAX_WBITS + 16),
    Codec.BZIP2: bz2.BZ2Decompressor,
    Codec.XZ: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_BYTES),
}


class Inflated:
    """What a compressed stretch of a file gives; several streams, one after the other, are one.

    Parameters
    ----------
    allowed_bytes:
        More than so many bytes are an error.
    is_one:
        The stretch is one stream, and not, as files of gzip, bzip2 and xz may be, several.
    remembers:
        Keep the state of decompression at some places, so that going back costs little.
    """

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        length: int,
        codec: Codec,
        allowed_bytes: int,
        *,
        is_one: bool = False,
        remembers: bool = False,
    ) -> None:
        self.position = 0
        self.notes: list[str] = []
        """Sentences about what is odd and does no harm."""
        self._file, self._codec, self._allowed = file, codec, allowed_bytes
        self._start, self._end, self._is_one = start, start + length, is_one
        self._next = start
        self._decompressor = _MAKERS[codec]()
        self._pending = b""
        self._empty_streams = self._stream_start = 0
        self._error = ""
        self._interval = CHECKPOINT_BYTES if remembers and codec is Codec.GZIP else 0
        self._checkpoints: list[tuple[int, int, bytes, int, _Zlib]] = []

    def read(self, count: int) -> bytes:
        """Return up to `count` of the following bytes, none only at the end.

        Raises
        ------
        ArchiveError
            If they cannot be inflated, break off, or are more than was allowed; then again at
            every later call.
        OSError
            If the file cannot be read.
        """
        if self._error:
            raise ArchiveError(self._error)
        count = min(count, PIECE_BYTES)
        while count > 0:
            if self._decompressor.eof:
                if not self._opens_next():
                    return b""
                continue
            feed = b""
            if self._decompressor.needs_input:
                feed, self._pending = self._pending or self._feed(), b""
            hungry = self._decompressor.needs_input and not feed
            try:
                data = self._decompressor.decompress(feed, count)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as exc:
                self._fail(f"its {_NAMES[self._codec]} data cannot be inflated ({exc})", exc)
            if data:
                self.position += len(data)
                if self.position > self._allowed:
                    self._fail(f"it inflates to more than {self._allowed:,} bytes")
                if self._interval:
                    self._remember()
                return data
            if hungry and not self._decompressor.eof:
                self._fail(
                    f"its {_NAMES[self._codec]} data break off after {self.position:,} bytes"
                )
        return b""

    def move_to(self, offset: int) -> None:
        """Go to `offset`, or to the end if that comes first, by way of the nearest checkpoint.

        Raises
        ------
        ArchiveError, OSError
            As `read`.
        """
        if offset < self.position or any(
            self.position < checkpoint[0] <= offset for checkpoint in self._checkpoints
        ):
            self._jump(offset)
        while self.position < offset and self.read(min(offset - self.position, PIECE_BYTES)):
            pass

    def _feed(self) -> bytes:
        self._file.seek(self._next)
        data = self._file.read(max(0, min(FEED_BYTES, self._end - self._next)))
        self._next += len(data)
        return data

    def _opens_next(self) -> bool:
        """Return whether another stream follows, and begin it."""
        if self._is_one:
            return False
        magic = self._codec.value
        rest = self._decompressor.unused_data
        while len(rest.lstrip(b"\0")) < len(magic) and (more := self._feed()):
            rest = rest.lstrip(b"\0") + more
        rest = rest.lstrip(b"\0")
        if not rest.startswith(magic):
            note = f"Bytes that are not {_NAMES[self._codec]} follow the end of its data."
            if rest and note not in self.notes:
                self.notes.append(note)
            self._is_one = True
            return False
        self._empty_streams = self._empty_streams + 1 if self.position == self._stream_start else 0
        if self._empty_streams > MAX_EMPTY_STREAMS:
            self._fail(f"it has more than {MAX_EMPTY_STREAMS:,} empty streams")
        self._stream_start = self.position
        self._decompressor, self._pending = _MAKERS[self._codec](), rest
        return True

    def _fail(self, message: str, cause: Exception | None = None) -> None:
        self._error = message
        raise ArchiveError(message) from cause

    def _remember(self) -> None:
        last = self._checkpoints[-1][0] if self._checkpoints else 0
        decompressor = self._decompressor
        if self.position < last + self._interval or not isinstance(decompressor, _Zlib):
            return
        if decompressor.eof:
            return
        state = self.position, self._next, self._pending, self._stream_start, decompressor.copy()
        self._checkpoints.append(state)
        if len(self._checkpoints) >= MAX_CHECKPOINTS:
            del self._checkpoints[::2]
            self._interval *= 2

    def _jump(self, offset: int) -> None:
        """Go to the last checkpoint before `offset`, or to the start."""
        self._error = ""
        self._is_one = self._is_one and self._codec is Codec.DEFLATE
        self._empty_streams = 0
        for position, following, pending, stream_start, decompressor in reversed(self._checkpoints):
            if position <= offset:
                self.position, self._next, self._pending = position, following, pending
                self._stream_start, self._decompressor = stream_start, decompressor.copy()
                return
        self.position = self._stream_start = 0
        self._next, self._pending = self._start, b""
        self._decompressor = _MAKERS[self._codec]()
