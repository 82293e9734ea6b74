"""A medium that holds so much and no more: noticed before the disc is burnt."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from catalog.errors import MediaFull
from catalog.exporting.receiver import ANY_TIME, Check, Receiver, Turn, chunks_of
from catalog.exporting.volumes import BLOCK_BYTES
from catalog.files.copy import Copied
from catalog.files.opening import Opened
from catalog.fileset.file_id import FileId


class Bounded:
    """A receiver that hands everything to another, and refuses what the medium has no room for.

    Files are counted in the blocks that they take on a disc. The plan leaves more room than this
    counts, so only a source that grew, or pages and icons larger than planned, come to that.
    """

    def __init__(self, inner: Receiver, capacity_bytes: int) -> None:
        self._inner = inner
        self._capacity_bytes = capacity_bytes
        self._used_bytes = 0
        self._lock = Lock()

    @property
    def place(self) -> Path:
        """The folder or file that is written."""
        return self._inner.place

    def prepare(self, size_bytes: int) -> None:
        """As the other receiver."""
        self._inner.prepare(size_bytes)

    def begin(self) -> None:
        """As the other receiver."""
        self._inner.begin()

    def put(
        self,
        file_id: FileId,
        opening: AbstractContextManager[Opened],
        check: Check,
        turn: Turn = ANY_TIME,
    ) -> Copied:
        """As the other receiver.

        Raises
        ------
        MediaFull
            If it does not fit on the medium any more.
        """

        def checked(stream: BinaryIO, size_bytes: int) -> None:
            self._take(size_bytes)
            check(stream, size_bytes)

        return self._inner.put(file_id, opening, checked, turn)

    def put_data(self, name: str, data: bytes | BinaryIO) -> None:
        """As the other receiver; raises MediaFull as `put`."""
        self._take(chunks_of(data)[1])
        self._inner.put_data(name, data)

    def finish(self, dicomdir: BinaryIO) -> None:
        """As the other receiver; raises MediaFull as `put`."""
        self._take(dicomdir.seek(0, os.SEEK_END))
        dicomdir.seek(0)
        self._inner.finish(dicomdir)

    def _take(self, size_bytes: int) -> None:
        with self._lock:  # several threads put at a time
            self._used_bytes += -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
            is_full = self._used_bytes > self._capacity_bytes
        if is_full:
            raise MediaFull(
                f"{self.place} comes to more than the {self._capacity_bytes:,} bytes of the medium: its files are larger than was planned. Index the sources again, or name a smaller --media, and export anew."
            )
