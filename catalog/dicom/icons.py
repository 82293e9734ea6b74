"""Icon images for directory records, from the pixel data of an instance (PS3.3 F.7).

Whatever the image was, its icon is 8-bit MONOCHROME2: colours become their luminance
(ITU-R BT.601), so that one rule holds for every profile. Decoding is pydicom's, with the decoders
that are installed; where they fail there is no icon, and never a made-up one.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from catalog.dicom.elements import Element, Item
from catalog.dicom.sop_classes import DEFLATED

if TYPE_CHECKING:
    from pydicom import Dataset

ICON_IMAGE_SEQUENCE = 0x00880200
MAX_PIXELS = 100_000_000
"""Most pixels of a frame that is decoded."""


class Icon(NamedTuple):
    """An icon, or why there is none: one of the two is `None`.

    `element` is Icon Image Sequence with one item; `problem` completes "No icon: …".
    """

    element: Element | None
    problem: str | None = None


def are_possible() -> bool:
    """Return whether the packages are installed without which no icon can be made."""
    return find_spec("numpy") is not None


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
    with _quiet():
        try:
            gray, rows, columns = _frame(stream, frame_position)
            pixels = _fitted(gray, rows, columns, size)
        except Exception as exc:  # noqa: BLE001 - decoders are plug-ins and raise what they like
            reason = " ".join(str(exc).split())[:200].rstrip(" .") or type(exc).__name__
            return Icon(None, f"its pixel data cannot be decoded ({reason})")
    return Icon(Element(ICON_IMAGE_SEQUENCE, "SQ", (_item(pixels, size),)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom's warnings and tracebacks out of the user's sight: the reason is returned."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


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


def _frame(stream: BinaryIO, frame_position: float) -> tuple[Any, float, float]:
    """Return a frame's display values from 0 to 1, and its height and width in equal units."""
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    stream.seek(0)
    ds = dcmread(stream, stop_before_pixels=True)
    if ds.file_meta.get("TransferSyntaxUID") in DEFLATED:
        # pydicom inflates without a limit.
        raise ValueError("its data set is deflated")
    if "Rows" not in ds or "Columns" not in ds:
        raise ValueError("it has no Rows and Columns")
    rows, columns = int(ds.Rows), int(ds.Columns)
    if not 0 < rows * columns <= MAX_PIXELS:
        raise ValueError(f"a frame of {rows} by {columns} pixels")
    frames = int(ds.get("NumberOfFrames") or 1)
    index = _index(ds, frames, frame_position)
    stream.seek(0)
    array = pixel_array(stream, index=index)
    gray = _display(ds, array, index)
    tall, wide = _pixel_shape(ds, index)
    return gray, rows * tall, columns * wide


def _index(ds: Dataset, frames: int, frame_position: float) -> int:
    representative = int(ds.get("RepresentativeFrameNumber") or 0)
    if 1 <= representative <= frames:
        return representative - 1
    return min(int(frames * frame_position), frames - 1)


def _display(ds: Dataset, array: Any, index: int) -> Any:
    """Return display values from 0, black, to 1, white."""
    import numpy as np
    from pydicom.pixels import apply_color_lut

    photometric = str(ds.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR":
        array = apply_color_lut(array, ds)
        top = float(np.iinfo(array.dtype).max)
        return _luminance(array[..., :3].astype(np.float64) / top)
    if array.ndim == 3:
        top = float((1 << int(ds.get("BitsStored", 8))) - 1)
        return _luminance(np.clip(array[..., :3].astype(np.float64) / top, 0.0, 1.0))
    gray = _windowed(ds, array, index)
    return 1.0 - gray if photometric == "MONOCHROME1" else gray


def _luminance(rgb: Any) -> Any:
    return rgb[..., 0] * 0.299 + rgb[..., 1] * 0.587 + rgb[..., 2] * 0.114


def _macro(ds: Dataset, index: int, keyword: str) -> Dataset:
    """Return the item of a functional group macro that holds for a frame, or `ds` itself."""
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    per_frame = ds.get("PerFrameFunctionalGroupsSequence") or []
    own = [per_frame[index]] if index < len(per_frame) else []
    for group in (*own, *shared[:1]):
        if group.get(keyword):
            return group[keyword].value[0]
    return ds


def _windowed(ds: Dataset, array: Any, index: int) -> Any:
    """Return grey values from 0 to 1 after the Modality LUT and the VOI LUT (PS3.3 C.11.2)."""
    import numpy as np
    from pydicom.pixels import apply_modality_lut, apply_voi

    padding = array == int(ds.PixelPaddingValue) if "PixelPaddingValue" in ds else None
    values = apply_modality_lut(array, _macro(ds, index, "PixelValueTransformationSequence"))
    voi = _macro(ds, index, "FrameVOILUTSequence")
    if ds.get("VOILUTSequence"):
        looked_up = apply_voi(values.astype(np.int64), ds).astype(np.float64)
        bits = int(ds.VOILUTSequence[0].LUTDescriptor[2])
        return np.clip(looked_up / ((1 << bits) - 1), 0.0, 1.0)
    values = values.astype(np.float64)
    centers, widths = voi.get("WindowCenter"), voi.get("WindowWidth")
    if centers not in (None, "") and widths not in (None, "") and float(_first(widths)) > 0:
        function = str(voi.get("VOILUTFunction") or "LINEAR")
        return _window(values, float(_first(centers)), float(_first(widths)), function)
    shown = values if padding is None or padding.all() else values[~padding]
    shown = shown[np.isfinite(shown)]
    if not shown.size:
        raise ValueError("no finite pixel values")
    low, high = float(shown.min()), float(shown.max())
    if high <= low:  # one value everywhere has no range of its own
        return np.full(values.shape, _brightness(ds, array))
    return np.clip(np.nan_to_num((values - low) / (high - low), nan=0.0), 0.0, 1.0)


def _brightness(ds: Dataset, array: Any) -> float:
    """Return where the one value of `array` lies, from 0 to 1, in what its bits can hold."""
    if array.dtype.kind == "f":
        return 0.5
    bits = int(ds.get("BitsStored") or 8 * array.dtype.itemsize)
    least = -(1 << (bits - 1)) if ds.get("PixelRepresentation") else 0
    return min(max((int(array.flat[0]) - least) / ((1 << bits) - 1), 0.0), 1.0)


def _first(value: Any) -> Any:
    return value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value


def _window(values: Any, center: float, width: float, function: str) -> Any:
    """Return grey values from 0 to 1 by a window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    import numpy as np

    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0)))
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, width - 1.0
    if width <= 0:
        return (values > center).astype(np.float64)
    return np.clip((values - center) / width + 0.5, 0.0, 1.0)


def _pixel_shape(ds: Dataset, index: int) -> tuple[float, float]:
    """Return height and width of a pixel, in units of which only the ratio counts."""
    for holder, keyword in (
        (ds, "PixelAspectRatio"),
        (_macro(ds, index, "PixelMeasuresSequence"), "PixelSpacing"),
        (ds, "ImagerPixelSpacing"),
        (ds, "NominalScannedPixelSpacing"),
    ):
        shape = holder.get(keyword)
        if shape and len(shape) == 2 and min(map(float, shape)) > 0:
            return float(shape[0]), float(shape[1])
    return 1.0, 1.0


def _fitted(gray: Any, rows: float, columns: float, size: int) -> bytes:
    """Return `size` rows of `size` bytes: the image in its proportions, centred on black."""
    import numpy as np

    scale = size / max(rows, columns)
    height = max(1, min(size, round(rows * scale)))
    width = max(1, min(size, round(columns * scale)))
    small = _shares(gray.shape[0], height) @ gray @ _shares(gray.shape[1], width).T
    out = np.zeros((size, size), dtype=np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    out[top : top + height, left : left + width] = np.floor(np.clip(small, 0.0, 1.0) * 255 + 0.5)
    return out.tobytes()


def _shares(many: int, few: int) -> Any:
    """Return the matrix whose rows say which share each of `many` pixels has in each of `few`."""
    import numpy as np

    edges = np.arange(few + 1) * (many / few)
    pixels = np.arange(many)
    overlap = np.minimum(edges[1:, None], pixels[None, :] + 1) - np.maximum(
        edges[:-1, None], pixels[None, :]
    )
    shares = np.clip(overlap, 0.0, None)
    return shares / shares.sum(axis=1, keepdims=True)
