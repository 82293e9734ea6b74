"""A medium with its manifest: the SHA-256 of every file, written before the DICOMDIR."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from heapq import merge
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from catalog.exporting.receiver import ANY_TIME, DICOMDIR, Check, Receiver, Turn
from catalog.files.copy import Copied
from catalog.files.opening import Opened
from catalog.fileset import manifest
from catalog.fileset.file_id import FileId

CHUNK_BYTES = 1 << 20
DIGEST_BYTES = 32


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
        self._copies: list[FileId] = []
        self._digests = bytearray()
        """Those of the copies, one after the other."""
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
            self._copies.append(file_id)
            self._digests += bytes.fromhex(copied.digest)
        return copied

    def put_data(self, name: str, data: bytes) -> None:
        """Take in another file."""
        import hashlib

        self._inner.put_data(name, data)
        self._others[name] = hashlib.sha256(data).hexdigest()

    def finish(self, dicomdir: BinaryIO) -> None:
        """Write the manifest, and then finish with the DICOMDIR."""
        import hashlib

        digest = hashlib.sha256()
        while chunk := dicomdir.read(CHUNK_BYTES):
            digest.update(chunk)
        dicomdir.seek(0)
        self._others[DICOMDIR] = digest.hexdigest()
        written = BytesIO()
        for name, value in merge(self._sorted_copies(), sorted(self._others.items())):
            written.write(manifest.line(name, value).encode("utf-8"))
        self._copies.clear()
        self._digests.clear()
        self._inner.put_data(self._name, written.getvalue())
        self._inner.finish(dicomdir)

    def _sorted_copies(self) -> Iterator[tuple[str, str]]:
        """Yield path and digest of each copy, sorted by path.

        That is the order of their components, too: no character of a File ID comes before `/`.
        """
        copies, size = self._copies, DIGEST_BYTES
        for n in sorted(range(len(copies)), key=lambda n: copies[n].components):
            yield copies[n].path, self._digests[n * size : (n + 1) * size].hex()
