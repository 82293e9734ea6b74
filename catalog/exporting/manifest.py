"""A medium with its manifest: the SHA-256 of every file, written before the DICOMDIR."""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from catalog.exporting.receiver import DICOMDIR, Check, Receiver
from catalog.files.copy import Copied
from catalog.files.opening import Opened
from catalog.fileset import manifest
from catalog.fileset.file_id import FileId

CHUNK_BYTES = 1 << 20


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
        self._copies: list[tuple[FileId, bytes]] = []
        self._others: dict[str, bytes] = {}

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

    def put(self, file_id: FileId, opening: AbstractContextManager[Opened], check: Check) -> Copied:
        """Take in a file; its digest is that of the copy."""
        copied = self._inner.put(file_id, opening, check)
        self._copies.append((file_id, bytes.fromhex(copied.digest)))
        return copied

    def put_data(self, name: str, data: bytes) -> None:
        """Take in another file."""
        import hashlib

        self._inner.put_data(name, data)
        self._others[name] = hashlib.sha256(data).digest()

    def finish(self, dicomdir: BinaryIO) -> None:
        """Write the manifest, and then finish with the DICOMDIR."""
        import hashlib

        digest = hashlib.sha256()
        while chunk := dicomdir.read(CHUNK_BYTES):
            digest.update(chunk)
        dicomdir.seek(0)
        self._others[DICOMDIR] = digest.digest()
        copies = ((file_id.path, value) for file_id, value in self._copies)
        listed = chain(copies, self._others.items())
        lines = manifest.text((name, value.hex()) for name, value in listed)
        self._copies.clear()
        self._inner.put_data(self._name, lines.encode("utf-8"))
        self._inner.finish(dicomdir)
