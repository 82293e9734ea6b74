"""A stretch of a file as a stream of its own."""

from __future__ import annotations

from typing import BinaryIO

from catalog.files.sized import SizedStream


class Stretch(SizedStream):
    """The `size_bytes` bytes from `start` of an open file, to be read and sought at will.

    It moves the file's position, and does not close it.
    """

    def __init__(self, file: BinaryIO, start: int, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._file, self._start = file, start

    def _at(self, position: int, size: int) -> bytes:
        self._file.seek(self._start + position)
        return self._file.read(size)
