"""Digests of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import hashlib

    from catalog.files.opening import Opener, Source


def digest(path: str) -> str:
    """Return the SHA-256 of the file at `path`, in hexadecimal.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    import hashlib  # OpenSSL takes long to load, and only files of one SOP Instance UID are digested

    with open(path, "rb") as stream:  # noqa: PTH123 - the name may not be UTF-8
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(source: Source, opener: Opener, mtime_ns: int | None = None) -> str:
    """Return the SHA-256, in hexadecimal, of a file in a folder or in an archive; `mtime_ns` as for `Opener.open`.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    import hashlib

    with opener.open(source, mtime_ns) as opened:
        stream = cast("hashlib._FileDigestFileObj", opened.stream)
        return hashlib.file_digest(stream, "sha256").hexdigest()
