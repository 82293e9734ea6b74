"""Icon images for directory records, from the pixel data of an instance (PS3.3 F.7).

Whatever the image was, its icon is 8-bit MONOCHROME2: colours become their luminance
(ITU-R BT.601), so that one rule holds for every profile. Decoding is pydicom's, with the decoders
that are installed; where they fail there is no icon, and never a made-up one.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, NamedTuple

from catalog.dicom.elements import Element, Item
from catalog.dicom.rendering import (
    eight_bit,
    frame,
    is_possible,
    luminance,
    problem,
    quiet,
    scaled,
)

ICON_IMAGE_SEQUENCE = 0x00880200


class Icon(NamedTuple):
    """An icon, or why there is none: one of the two is `None`.

    `element` is Icon Image Sequence with one item; `problem` completes "No icon: …".
    """

    element: Element | None
    problem: str | None = None


def are_possible() -> bool:
    """Return whether the packages are installed without which no icon can be made."""
    return is_possible()


def icon(stream: BinaryIO, size: int, frame_position: float = 0.5) -> Icon:
    """Return the icon of the image file in `stream`: exactly `size` by `size` pixels.

    The whole image is scaled to fit, in its true proportions, and centred on black. Grey values
    are those of its VOI LUT or first window; without either, from the least to the greatest.

    Parameters
    ----------
    stream:
        Open for reading and seekable; position 0 is the first byte of the file.
    size:
        Rows and Columns, in pixels.
    frame_position:
        Which frame of several, from 0 the first to 1 the last, where the image has no
        Representative Frame Number (0028,6010).
    """
    if not are_possible():
        return Icon(None, "numpy is not installed")
    with quiet():
        try:
            shown = frame(stream, frame_position)
            pixels = _fitted(luminance(shown.values), shown.height, shown.width, size)
        except Exception as exc:  # noqa: BLE001 - decoders are plug-ins and raise what they like
            return Icon(None, problem(exc))
    return Icon(Element(ICON_IMAGE_SEQUENCE, "SQ", (_item(pixels, size),)))


def _item(pixels: bytes, size: int) -> Item:
    def number(value: int) -> bytes:
        return struct.pack("<H", value)

    return (
        Element(0x00280002, "US", number(1)),
        Element(0x00280004, "CS", b"MONOCHROME2 "),
        Element(0x00280010, "US", number(size)),
        Element(0x00280011, "US", number(size)),
        Element(0x00280100, "US", number(8)),
        Element(0x00280101, "US", number(8)),
        Element(0x00280102, "US", number(7)),
        Element(0x00280103, "US", number(0)),
        Element(0x7FE00010, "OB", pixels),
    )


def _fitted(gray: Any, rows: float, columns: float, size: int) -> bytes:
    """Return `size` rows of `size` bytes: the image in its proportions, centred on black."""
    import numpy as np

    scale = size / max(rows, columns)
    height = max(1, min(size, round(rows * scale)))
    width = max(1, min(size, round(columns * scale)))
    out = np.zeros((size, size), dtype=np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    out[top : top + height, left : left + width] = eight_bit(scaled(gray, height, width))
    return out.tobytes()
