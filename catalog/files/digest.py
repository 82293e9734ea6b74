"""Digests of files."""

from __future__ import annotations

import hashlib


def digest(path: str) -> str:
    """Return the SHA-256 of the file at `path`, in hexadecimal.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open(path, "rb") as stream:  # noqa: PTH123 - the name may not be UTF-8
        return hashlib.file_digest(stream, "sha256").hexdigest()
