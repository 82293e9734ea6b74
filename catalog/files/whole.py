"""A file's bytes, all at once or in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from catalog.errors import PathError
from catalog.files.paths import to_text

BLOCK_BYTES = 1 << 20


def content(path: Path, most_bytes: int | None = None, otherwise: str = "too many") -> bytes:
    """Return the bytes of `path`.

    Raises
    ------
    PathError
        If it cannot be read, or is longer than `most_bytes`; the message then says what that makes
        of it `otherwise`.
    """
    return b"".join(blocks(path, most_bytes, otherwise, -1))


def blocks(
    path: Path,
    most_bytes: int | None = None,
    otherwise: str = "too many",
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[bytes]:
    """Yield the bytes of `path`, some at a time.

    Raises
    ------
    PathError
        As `content` does.
    """
    try:
        size_bytes = path.stat().st_size
        if most_bytes is not None and size_bytes > most_bytes:
            raise PathError(
                f"{to_text(str(path))} has {size_bytes:,} bytes, {otherwise}: dcat takes {most_bytes:,}."
            )
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(block_bytes):
                yield block
    except OSError as exc:
        raise PathError(f"{to_text(str(path))} cannot be read: {exc.strerror}.") from exc
