"""What an image shows: one frame as display values, by its own pixel data (PS3.3 C.7.6, C.11).

Decoding is pydicom's, with the decoders that are installed. Modality LUT, VOI LUT or the first
window are applied; without either, grey values go from the least to the greatest. Where anything
fails there is no picture, and never a made-up one. Icons and thumbnails are made of this.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from catalog.dicom.loading import load_pydicom
from catalog.dicom.sop_classes import DEFLATED

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_PIXELS = 100_000_000
"""Most pixels of a frame that is decoded."""

_SAMPLES_PER_PIXEL = 4
"""At least so many pixels, in each direction, speak for one pixel of a small picture."""


class Frame(NamedTuple):
    """A frame as it is displayed.

    Attributes
    ----------
    values:
        An array of numpy, from 0 to 1: rows and columns, for colours then red, green, blue.
    height, width:
        In equal units, of which only the ratio counts.
    number, of:
        Which frame it is, from 1, and how many there are.
    """

    values: Any
    height: float
    width: float
    number: int
    of: int


class NoFrame(ValueError):
    """There is no frame to be decoded, or none that should be."""


class Picture(NamedTuple):
    """A small picture: rows of 8-bit values from the top, `channels` (1 or 3) for each pixel."""

    width: int
    height: int
    channels: int
    data: bytes
    frame_number: int = 1
    number_of_frames: int = 1


def is_possible() -> bool:
    """Return whether the packages are installed without which nothing can be rendered."""
    return find_spec("numpy") is not None


def picture(stream: BinaryIO, size: int) -> Picture | str:
    """Return the image file in `stream` as a picture whose longer side has `size` pixels, or why not.

    In its true proportions and its colours; of several frames the representative one, or the one
    in the middle. The reason is a phrase that completes "No picture: …".

    Parameters
    ----------
    stream:
        Open for reading and seekable; position 0 is the first byte of the file.
    """
    if not is_possible():
        return "numpy is not installed"
    try:
        with quiet():
            shown = frame(stream, 0.5, size * _SAMPLES_PER_PIXEL)
            return _small(shown, size)
    except NoFrame as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 - decoders are plug-ins and raise what they like
        return problem(exc)


def problem(exc: Exception) -> str:
    """Return why no frame could be had, in one short phrase."""
    reason = " ".join(str(exc).split())[:200].rstrip(" .") or type(exc).__name__
    return f"its pixel data cannot be decoded ({reason})"


@contextmanager
def quiet() -> Iterator[None]:
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


def frame(stream: BinaryIO, frame_position: float, samples: int | None = None) -> Frame:
    """Return a frame's display values.

    Parameters
    ----------
    frame_position:
        Which frame of several, from 0 the first to 1 the last, where the image has no
        Representative Frame Number (0028,6010).
    samples:
        If this many rows or columns are enough, others between them are passed over.

    Raises whatever pydicom and its decoders raise; call it within `quiet`.
    """
    load_pydicom()
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    stream.seek(0)
    ds = dcmread(stream, stop_before_pixels=True)
    if ds.file_meta.get("TransferSyntaxUID") in DEFLATED:
        # pydicom inflates without a limit.
        raise NoFrame("its data set is deflated")
    if "Rows" not in ds or "Columns" not in ds:
        raise NoFrame("it has no Rows and Columns")
    rows, columns = int(ds.Rows), int(ds.Columns)
    if not 0 < rows * columns <= MAX_PIXELS:
        raise NoFrame(f"a frame of {rows} by {columns} pixels")
    frames = int(ds.get("NumberOfFrames") or 1)
    index = _index(ds, frames, frame_position)
    stream.seek(0)
    array = pixel_array(stream, index=index)
    step = max(1, max(rows, columns) // samples) if samples else 1
    if step > 1:
        array = array[::step, ::step]
    tall, wide = _pixel_shape(ds, index)
    return Frame(_display(ds, array, index), rows * tall, columns * wide, index + 1, frames)


def luminance(values: Any) -> Any:
    """Return the grey values of a frame's display values (ITU-R BT.601)."""
    if values.ndim == 2:
        return values
    return values[..., 0] * 0.299 + values[..., 1] * 0.587 + values[..., 2] * 0.114


def scaled(values: Any, height: int, width: int) -> Any:
    """Return grey values scaled to `height` by `width` pixels, each the mean of what it covers."""
    return _shares(values.shape[0], height) @ values @ _shares(values.shape[1], width).T


def eight_bit(values: Any) -> Any:
    """Return values from 0 to 1 as bytes."""
    import numpy as np

    return np.floor(np.clip(values, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def _small(shown: Frame, size: int) -> Picture:
    import numpy as np

    scale = size / max(shown.height, shown.width)
    height = max(1, min(size, round(shown.height * scale)))
    width = max(1, min(size, round(shown.width * scale)))
    planes = [shown.values] if shown.values.ndim == 2 else np.moveaxis(shown.values, -1, 0)
    small = [eight_bit(scaled(plane, height, width)) for plane in planes]
    data = np.stack(small, axis=-1).tobytes()
    return Picture(width, height, len(small), data, shown.number, shown.of)


def _index(ds: Dataset, frames: int, frame_position: float) -> int:
    representative = int(ds.get("RepresentativeFrameNumber") or 0)
    if 1 <= representative <= frames:
        return representative - 1
    return min(int(frames * frame_position), frames - 1)


def _display(ds: Dataset, array: Any, index: int) -> Any:
    """Return display values from 0, black, to 1, white."""
    import numpy as np

    load_pydicom()
    from pydicom.pixels import apply_color_lut

    photometric = str(ds.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR":
        array = apply_color_lut(array, ds)
        top = float(np.iinfo(array.dtype).max)
        return array[..., :3].astype(np.float64) / top
    if array.ndim == 3:
        top = float((1 << int(ds.get("BitsStored", 8))) - 1)
        return np.clip(array[..., :3].astype(np.float64) / top, 0.0, 1.0)
    gray = _windowed(ds, array, index)
    return 1.0 - gray if photometric == "MONOCHROME1" else gray


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

    load_pydicom()
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
