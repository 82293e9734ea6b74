"""A medium with its manifest: the SHA-256 of every file, written before the DICOMDIR."""

from __future__ import annotations

import marshal
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from heapq import merge
from pathlib import Path
from threading import Lock
from typing import BinaryIO, cast

from catalog.exporting.receiver import ANY_TIME, DICOMDIR, Check, Receiver, Turn, chunks_of
from catalog.files.copy import Copied
from catalog.files.opening import Opened
from catalog.fileset import manifest
from catalog.fileset.file_id import FileId

MOST_IN_MEMORY_BYTES = 4 << 20
"""A manifest longer than this waits in a temporary file until it is written."""

PER_BLOCK = 512
"""So many copies are packed together."""


class WithManifest:
    """A receiver that puts a manifest of all that it is given into another.

    The manifest lists every file but itself, the DICOMDIR too, whose bytes are known before they
    are written; so the DICOMDIR stays the last that is written. No copy is read again for it.

    Parameters
    ----------
    inner:
        Takes in the File-set.
    name:
        What the manifest is called.
    """

    def __init__(self, inner: Receiver, name: str = manifest.MANIFEST) -> None:
        self._inner = inner
        self._name = name
        self._copies = _Copies()
        self._others: dict[str, str] = {}
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
        """Take in a file; its digest is that of the copy."""
        copied = self._inner.put(file_id, opening, check, turn)
        with self._lock:  # several threads put at a time
            self._copies.add(file_id, copied.digest)
        return copied

    def put_data(self, name: str, data: bytes | BinaryIO) -> None:
        """Take in another file."""
        self._inner.put_data(name, data)
        self._others[name] = _digest(data)

    def finish(self, dicomdir: BinaryIO) -> None:
        """Write the manifest, and then finish with the DICOMDIR."""
        self._others[DICOMDIR] = _digest(dicomdir)
        dicomdir.seek(0)
        with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY_BYTES) as spooled:
            written = cast(BinaryIO, spooled)
            for name, value in merge(self._copies.in_order(), sorted(self._others.items())):
                written.write(manifest.line(name, value).encode("utf-8"))
            self._copies = _Copies()
            self._inner.put_data(self._name, written)
        self._inner.finish(dicomdir)


def _digest(data: bytes | BinaryIO) -> str:
    import hashlib

    digest = hashlib.sha256()
    for chunk in chunks_of(data)[0]:
        digest.update(chunk)
    return digest.hexdigest()


class _Copies:
    """Paths and digests of copies, kept in little more room than the digests.

    Those of one folder mostly come together, and are packed when another one's come.
    """

    def __init__(self) -> None:
        self._packed: dict[tuple[str, ...], list[bytes]] = {}
        self._folder: tuple[str, ...] = ()
        self._waiting: list[tuple[str, bytes]] = []

    def add(self, file_id: FileId, digest: str) -> None:
        """Keep the hexadecimal `digest` of a copy."""
        *folder, name = file_id.components
        own = tuple(folder)
        if own != self._folder or len(self._waiting) == PER_BLOCK:
            self._pack()
            self._folder = own
        self._waiting.append((name, bytes.fromhex(digest)))

    def _pack(self) -> None:
        if self._waiting:
            block = zlib.compress(marshal.dumps(self._waiting), 1)
            self._packed.setdefault(self._folder, []).append(block)
            self._waiting = []

    def in_order(self) -> Iterator[tuple[str, str]]:
        """Yield path and digest of each copy, sorted by path.

        That is the order of their components, too: no character of a File ID comes before `/`.
        """
        self._pack()
        depths = {len(folder) for folder in self._packed}
        for components, digest in merge(*map(self._at, depths)):
            yield "/".join(components), digest

    def _at(self, depth: int) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield components and digest of the copies in folders of one depth, in order.

        No such folder is within another, so what is in each comes together.
        """
        for folder in sorted(folder for folder in self._packed if len(folder) == depth):
            found = [each for block in self._packed[folder] for each in _unpacked(block)]
            for name, digest in sorted(found):
                yield (*folder, name), digest.hex()


def _unpacked(block: bytes) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = marshal.loads(zlib.decompress(block))
    return found
