"""PNG files of small pictures (ISO/IEC 15948).

Written here, not by a library: a picture of 8 bits a sample needs three chunks and zlib, which
Python has, while pillow would be one more package that every export of pages asks for.
"""

from __future__ import annotations

import struct
import zlib

from catalog.dicom.rendering import Picture

_GREY, _RGB = 0, 2
_UP = 2


def png(picture: Picture) -> bytes:
    """Return the PNG file: 8-bit grey or RGB, each row filtered by the one above it."""
    import numpy as np  # which rendered the picture

    colour = _GREY if picture.channels == 1 else _RGB
    values = np.frombuffer(picture.data, dtype=np.uint8).reshape(picture.height, -1)
    rows = np.empty((picture.height, values.shape[1] + 1), dtype=np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = values[0]
    rows[1:, 1:] = values[1:] - values[:-1]
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
