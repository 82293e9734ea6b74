"""A file's bytes, all at once."""

from __future__ import annotations

from pathlib import Path

from catalog.errors import PathError
from catalog.files.paths import to_text


def content(path: Path, most_bytes: int | None = None, otherwise: str = "too many") -> bytes:
    """Return the bytes of `path`.

    Raises
    ------
    PathError
        If it cannot be read, or is longer than `most_bytes`; the message then says what that makes
        of it `otherwise`.
    """
    try:
        size_bytes = path.stat().st_size
        if most_bytes is not None and size_bytes > most_bytes:
            raise PathError(
                f"{to_text(str(path))} has {size_bytes:,} bytes, {otherwise}: dcat takes {most_bytes:,}."
            )
        return path.read_bytes()
    except OSError as exc:
        raise PathError(f"{to_text(str(path))} cannot be read: {exc.strerror}.") from exc
