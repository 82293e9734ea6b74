"""What takes in a File-set: a folder, a ZIP file or an ISO image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, Protocol

from catalog.files.copy import Copied
from catalog.files.opening import Opened
from catalog.fileset.file_id import FileId

DICOMDIR = "DICOMDIR"

CHUNK_BYTES = 1 << 20

Check = Callable[[BinaryIO, int], None]
"""Reads a copy from its first byte, given its size, and raises to refuse it."""


Turn = AbstractContextManager[None]
"""Entered before something is written whose place depends on what was written before."""

ANY_TIME: Turn = nullcontext()


class Receiver(Protocol):
    """Takes in one File-set: `begin`, then `put` and `put_data` in any order, then `finish`.

    Until `finish` has returned, what stands at `place` is visibly unfinished. An exception of any
    method leaves it so; what was put stays, where the container allows that.
    """

    @property
    def place(self) -> Path:
        """The folder or file that is written."""

    def prepare(self, size_bytes: int) -> None:
        """Make sure, before anything is written, that the medium can take in so many bytes.

        Raises
        ------
        DestinationNotEmpty, ExportError, MediaFull
            If something is there already, it cannot be written, or has too little space.
        """

    def begin(self) -> None:
        """Start the medium.

        Raises
        ------
        ExportError, MediaFull
            If it cannot be written.
        """

    def put(
        self,
        file_id: FileId,
        opening: AbstractContextManager[Opened],
        check: Check,
        turn: Turn = ANY_TIME,
    ) -> Copied:
        """Take in what `opening` gives, byte for byte, under `file_id`; return its size and digest.

        `check` reads what was taken in; if it raises, the medium is as if nothing had been put.
        A folder, and a ZIP file that is given turns, may be called by several threads at a time.

        Raises
        ------
        SourceChanged
            If the source vanished, cannot be read, or changed meanwhile.
        MediaFull, ExportError
            If the medium cannot be written.
        """

    def put_data(self, name: str, data: bytes | BinaryIO) -> None:
        """Take in another file, which no directory record names (PS3.10 §8.1); `/` separates folders.

        A stream is read from its beginning.

        Raises
        ------
        MediaFull, ExportError
            If the medium cannot be written.
        """

    def finish(self, dicomdir: BinaryIO) -> None:
        """Write the DICOMDIR, last; when this returns all is on the disk and marked as complete.

        Raises
        ------
        MediaFull, ExportError
            If the medium cannot be written.
        """


def chunks_of(data: bytes | BinaryIO) -> tuple[Iterator[bytes], int]:
    """Return the bytes of a file in chunks, and how many they are."""
    if isinstance(data, bytes):
        return iter((data,)), len(data)
    size_bytes = data.seek(0, os.SEEK_END)
    data.seek(0)
    return iter(lambda: data.read(CHUNK_BYTES), b""), size_bytes
