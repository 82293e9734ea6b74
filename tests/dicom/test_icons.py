"""Icons: their form, what they show, and that there is none where pixels cannot be decoded."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from pydicom.data.data_manager import DATA_ROOT
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from catalog.dicom.icons import Icon, icon
from tests.builders import dicom_bytes

np = pytest.importorskip("numpy", reason="numpy is not installed: pip install 'dicom-dcat[pixels]'")

FILES = Path(DATA_ROOT) / "test_files"
EIGHT = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}


def of(content: bytes, size: int = 64, **more: Any) -> Icon:
    return icon(io.BytesIO(content), size, **more)


def image(rows: int, columns: int, pixels: bytes, **values: Any) -> bytes:
    return dicom_bytes(Rows=rows, Columns=columns, PixelData=pixels, **values)


def shown(made: Icon) -> Any:
    """Return the pixels of an icon as an array."""
    assert made.element is not None, made.problem
    values = {element.tag: element.data for element in made.element.items[0]}
    (rows,) = struct.unpack("<H", values[0x00280010])
    return np.frombuffer(values[0x7FE00010], dtype=np.uint8).reshape(rows, -1)


@pytest.mark.parametrize("size", [64, 128])
def test_form(size: int) -> None:
    made = of(image(2, 2, bytes([0, 85, 170, 255]), **EIGHT), size)
    assert made.element is not None
    assert (made.element.tag, made.element.vr, len(made.element.items)) == (0x00880200, "SQ", 1)
    (item,) = made.element.items
    assert [(e.tag, e.vr, e.data) for e in item[:-1]] == [
        (0x00280002, "US", b"\1\0"),
        (0x00280004, "CS", b"MONOCHROME2 "),
        (0x00280010, "US", struct.pack("<H", size)),
        (0x00280011, "US", struct.pack("<H", size)),
        (0x00280100, "US", b"\x08\0"),
        (0x00280101, "US", b"\x08\0"),
        (0x00280102, "US", b"\7\0"),
        (0x00280103, "US", b"\0\0"),
    ]
    assert (item[-1].tag, item[-1].vr, len(item[-1].data)) == (0x7FE00010, "OB", size * size)


def test_the_same_bytes_every_time() -> None:
    content = image(3, 5, bytes(range(15)), **EIGHT)
    assert of(content) == of(content)


def test_full_range_without_a_window() -> None:
    pixels = shown(of(image(2, 2, struct.pack("<4H", 1000, 1100, 1200, 1300))))
    assert [pixels[y, x] for y in (0, 63) for x in (0, 63)] == [0, 85, 170, 255]


def test_padding_does_not_count_for_the_range() -> None:
    content = image(2, 2, struct.pack("<4H", 0, 1100, 1200, 1300), PixelPaddingValue=0)
    pixels = shown(of(content))
    assert [pixels[y, x] for y in (0, 63) for x in (0, 63)] == [0, 0, 128, 255]


WINDOWS = [
    ({}, [0, 0, 255, 255]),  # by PS3.3 C.11.2.1.2: up to 50 black, beyond 149 white
    ({"VOILUTFunction": "LINEAR_EXACT"}, [0, 0, 255, 255]),
    ({"WindowWidth": "1"}, [0, 0, 255, 255]),
    ({"WindowWidth": "401", "WindowCenter": "100.5"}, [64, 96, 159, 255]),
    ({"WindowWidth": ["401", "1"], "WindowCenter": ["100.5", "7"]}, [64, 96, 159, 255]),
]


@pytest.mark.parametrize(("values", "expected"), WINDOWS)
def test_the_first_window(values: dict[str, Any], expected: list[int]) -> None:
    window = {"WindowCenter": "100", "WindowWidth": "100"} | values
    pixels = shown(of(image(2, 2, struct.pack("<4H", 0, 50, 150, 300), **window)))
    assert [pixels[y, x] for y in (0, 63) for x in (0, 63)] == expected


def test_sigmoid_window() -> None:
    window = {"WindowCenter": "100", "WindowWidth": "100", "VOILUTFunction": "SIGMOID"}
    pixels = shown(of(image(1, 2, struct.pack("<2H", 100, 200), **window)))
    assert [pixels[32, 0], pixels[32, 63]] == [128, 250]


def test_rescale_comes_before_the_window() -> None:
    values = {
        "RescaleSlope": "2", "RescaleIntercept": "-1000", "WindowCenter": "0.5", "WindowWidth": "201",
        "PixelRepresentation": 0,
    }  # fmt: skip
    pixels = shown(of(image(1, 3, struct.pack("<3H", 450, 500, 550), **values)))
    assert [pixels[32, x] for x in (0, 31, 63)] == [0, 128, 255]


def test_voi_lut_is_preferred() -> None:
    table = Dataset()
    table.LUTDescriptor = [4, 0, 8]
    table.LUTData = struct.pack("<4H", 255, 170, 85, 0)
    table["LUTData"].VR = "OW"
    table["LUTDescriptor"].VR = "US"
    values = {"VOILUTSequence": Sequence([table]), "WindowCenter": "1", "WindowWidth": "2"}
    pixels = shown(of(image(2, 2, bytes([0, 1, 2, 3]), **EIGHT, **values)))
    assert [pixels[y, x] for y in (0, 63) for x in (0, 63)] == [255, 170, 85, 0]


def test_monochrome1_is_turned() -> None:
    content = image(1, 2, bytes([0, 255]), **EIGHT, PhotometricInterpretation="MONOCHROME1")
    assert [shown(of(content))[32, x] for x in (0, 63)] == [255, 0]


def test_one_value_everywhere_stays_as_bright_as_it_is() -> None:
    assert shown(of(image(2, 2, bytes([51] * 4), **EIGHT))).max() == 51
    signed = image(1, 2, struct.pack("<2h", 0, 0), PixelRepresentation=1)
    assert shown(of(signed))[32, 32] == 128


@pytest.mark.parametrize(
    ("rows", "columns", "filled"),
    [(4, 4, (64, 64)), (2, 4, (32, 64)), (4, 1, (64, 16)), (1, 500, (1, 64))],
)
def test_proportions_are_kept_on_black(rows: int, columns: int, filled: tuple[int, int]) -> None:
    content = image(
        rows, columns, bytes([200] * rows * columns + [0] * (rows * columns % 2)), **EIGHT
    )
    pixels = shown(of(content))
    ys, xs = np.nonzero(pixels)
    assert (ys.max() - ys.min() + 1, xs.max() - xs.min() + 1) == filled
    assert set(np.unique(pixels)) <= {0, 200}
    assert abs((ys.min() + ys.max()) - 63) <= 1
    assert abs((xs.min() + xs.max()) - 63) <= 1


SHAPES = [
    ({"PixelSpacing": ["2", "1"]}, (64, 32)),
    ({"PixelAspectRatio": ["1", "2"]}, (32, 64)),
    ({"ImagerPixelSpacing": ["1", "4"]}, (16, 64)),
    ({"PixelSpacing": ["0", "1"]}, (64, 64)),
]


@pytest.mark.parametrize(("values", "filled"), SHAPES)
def test_pixels_that_are_not_square(values: dict[str, Any], filled: tuple[int, int]) -> None:
    ys, xs = np.nonzero(shown(of(image(4, 4, bytes([200] * 16), **EIGHT, **values))))
    assert (ys.max() - ys.min() + 1, xs.max() - xs.min() + 1) == filled


def test_reduction_is_the_mean_of_areas() -> None:
    pixels = bytes((0 if x % 2 else 254) for y in range(128) for x in range(128))
    made = shown(of(image(128, 128, pixels, **EIGHT, WindowCenter="128", WindowWidth="256")))
    assert set(np.unique(made)) == {127}


def test_colours_become_luminance() -> None:
    rgb = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
    values = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    pixels = shown(of(image(2, 2, rgb, **EIGHT, **values)))
    assert [pixels[y, x] for y in (0, 63) for x in (0, 63)] == [76, 150, 29, 255]


def test_palettes_become_luminance() -> None:
    lut = struct.pack("<2H", 0, 0xFFFF)
    values: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        values[f"{colour}PaletteColorLookupTableDescriptor"] = [2, 0, 16]
        values[f"{colour}PaletteColorLookupTableData"] = lut
    pixels = shown(of(image(1, 2, bytes([0, 1]), **EIGHT, **values)))
    assert [pixels[32, x] for x in (0, 63)] == [0, 255]


FRAMES = [
    ({}, 0.5, 3),
    ({}, 1 / 3, 2),
    ({}, 1.0, 5),
    ({"RepresentativeFrameNumber": 5}, 0.5, 4),
    ({"RepresentativeFrameNumber": 99}, 0.5, 3),
]


@pytest.mark.parametrize(("values", "position", "expected"), FRAMES)
def test_which_frame(values: dict[str, Any], position: float, expected: int) -> None:
    pixels = b"".join(bytes([40 * n] * 4) for n in range(6))
    window = {"WindowCenter": "128", "WindowWidth": "256"}
    content = image(2, 2, pixels, **EIGHT, NumberOfFrames="6", **window, **values)
    assert shown(of(content, frame_position=position))[32, 32] == 40 * expected


def test_window_of_a_functional_group() -> None:
    window = Dataset()
    window.WindowCenter, window.WindowWidth = "150.5", "101"
    group = Dataset()
    group.FrameVOILUTSequence = Sequence([window])
    content = image(
        1, 2, bytes([100, 200]), **EIGHT, SharedFunctionalGroupsSequence=Sequence([group])
    )
    assert [shown(of(content))[32, x] for x in (0, 63)] == [0, 255]


REAL = [
    ("CT_small.dcm", ""),
    ("MR_small_bigendian.dcm", ""),
    ("SC_rgb_rle.dcm", ""),
    ("liver_1frame.dcm", ""),
    ("MR_small_jpeg_ls_lossless.dcm", "libjpeg"),
    ("MR_small_jp2klossless.dcm", "openjpeg"),
    ("SC_rgb_jpeg_dcmtk.dcm", "PIL"),
]


@pytest.mark.parametrize(("name", "decoder"), REAL)
def test_real_files(name: str, decoder: str) -> None:
    if decoder:
        pytest.importorskip(decoder, reason=f"no decoder: {decoder} is not installed")
    if not (FILES / name).is_file():
        pytest.skip(f"pydicom has no {name}")
    pixels = shown(of((FILES / name).read_bytes()))
    assert pixels.max() - pixels.min() > 20


BROKEN = [
    pytest.param(dicom_bytes(Rows=..., Columns=...), "Rows", id="no-rows"),
    pytest.param(image(2, 2, b"\1"), "", id="too-few-pixels"),
    pytest.param(
        dicom_bytes(Rows=60000, Columns=60000, PixelData=b"\0\0"), "60000 by 60000", id="huge"
    ),
    pytest.param(image(2, 2, b"", transfer_syntax="1.2.840.10008.1.2.1.99"), "", id="deflated"),
    pytest.param(b"no DICOM at all", "", id="text"),
]


@pytest.mark.parametrize(("content", "reason"), BROKEN)
def test_where_nothing_can_be_decoded_there_is_none(content: bytes, reason: str) -> None:
    made = of(content)
    assert made.element is None
    assert made.problem is not None
    assert made.problem.startswith("its pixel data cannot be decoded (")
    assert reason in made.problem


def test_failed_decoders_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    assert of((FILES / "JPEG-lossy.dcm").read_bytes()).element is None
    assert caplog.records == []


def test_a_transfer_syntax_without_a_decoder() -> None:
    content = image(2, 2, bytes(4), **EIGHT)
    video = content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0", 1)
    assert video != content
    assert of(video).element is None
