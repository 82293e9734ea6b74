"""A file's bytes, all at once."""

from __future__ import annotations

from pathlib import Path

from catalog.errors import PathError
from catalog.files.paths import to_text


def content(path: Path) -> bytes:
    """Return the bytes of `path`.

    Raises
    ------
    PathError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise PathError(f"{to_text(str(path))} cannot be read: {exc.strerror}.") from exc
