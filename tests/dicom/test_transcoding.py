"""Transcoded files: element for element what they were, and the frames that the decoder gives."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import warnings
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data.data_manager import DATA_ROOT
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from catalog.dicom.transcoding import Implementation, Transcoded, obstacle, transcode
from catalog.errors import DcatError, EncodingError, HeaderError
from tests.builders import dataset, dicom_bytes
from tests.journeys.judging import need

FILES = Path(DATA_ROOT) / "test_files"
US = Implementation("1.2.3.4", "US_1")
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4.50"
MPEG4 = "1.2.840.10008.1.2.4.102"

CHANGED = {0x7FE00010, 0x00280004, 0x00280006, 0x00280100, 0x7FE00001, 0x7FE00002}
has_numpy = find_spec("numpy") is not None
decoders = pytest.mark.skipif(
    not (has_numpy and find_spec("libjpeg") and find_spec("openjpeg")),
    reason="no decoders are installed: pip install 'dicom-dcat[pixels]'",
)
numpy = pytest.mark.skipif(not has_numpy, reason="numpy is not installed")


def done(content: bytes) -> tuple[bytes, Transcoded]:
    out = io.BytesIO()
    made = transcode(io.BytesIO(content), len(content), out, US)
    assert made.size_bytes == len(out.getvalue())
    return out.getvalue(), made


def read(content: bytes) -> pydicom.FileDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(content))
        for element in ds.iterall():  # values are converted when they are asked for
            element.value  # noqa: B018
        return ds


def saved(ds: Dataset, syntax: str) -> bytes:
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def rich() -> Dataset:
    ds = dataset(
        PatientName="Müller^Änne",
        SpecificCharacterSet="ISO_IR 100",
        PixelRepresentation=1,
        SmallestImagePixelValue=-5,
        WindowCenter=["40", "50.50"],
        ImageComments="line\r\nline ",
    )
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "Bedeutung ß"
    inner.LUTDescriptor = [2, -1, 16]
    outer = Dataset()
    outer.ConceptNameCodeSequence = Sequence([inner, Dataset()])
    ds.RequestAttributesSequence = Sequence([outer])
    ds.add_new(0x00091010, "OB", b"\1\2\3\4")
    ds.add_new(0x00090010, "LO", "dcat test")
    return ds


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG, DEFLATED])
def test_every_element_of_an_uncompressed_file_stays(syntax: str) -> None:
    source = saved(rich(), syntax)
    made, how = done(source)
    before, after = read(source), read(made)
    assert after.file_meta.TransferSyntaxUID == EXPLICIT
    assert after.file_meta.ImplementationClassUID == "1.2.3.4"
    assert after.file_meta.ImplementationVersionName == "US_1"
    assert (how.transfer_syntax_uid, how.is_decompressed) == (syntax, False)
    assert sorted(after.keys()) == sorted(before.keys())
    for element in before:
        if element.tag == 0x00091010 and syntax == IMPLICIT:
            assert after[element.tag].value == element.value  # its VR was not written
            continue
        if element.tag != 0x7FE00010 or syntax != BIG:
            assert after[element.tag] == element
    assert after["SmallestImagePixelValue"].VR == "SS"
    assert struct.unpack("<4H", after.PixelData) == struct.unpack(
        (">" if syntax == BIG else "<") + "4H", before.PixelData
    )


def test_meta_information_of_the_source_stays() -> None:
    ds = dataset()
    ds.file_meta.SourceApplicationEntityTitle = "SCANNER"
    ds.file_meta.PrivateInformationCreatorUID = "1.2.3.5"
    ds.file_meta.PrivateInformation = b"private!"
    after = read(done(saved(ds, IMPLICIT))[0])
    assert after.file_meta.SourceApplicationEntityTitle == "SCANNER"
    assert after.file_meta.PrivateInformationCreatorUID == "1.2.3.5"
    assert after.file_meta.PrivateInformation == b"private!"
    assert after.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert after.preamble == b"\0" * 128


@pytest.mark.filterwarnings("ignore:The value length")
def test_a_value_too_long_for_its_vr_becomes_unknown() -> None:
    ds = dataset(ImageComments="x" * 70_000)
    after = read(done(saved(ds, IMPLICIT))[0])
    assert after["ImageComments"].VR in ("UN", "LT")
    value = after["ImageComments"].value
    assert (value if isinstance(value, str) else value.decode()) == "x" * 70_000


real = [
    FILES / name
    for name in (
        "rtplan.dcm", "rtdose.dcm", "image_dfl.dcm", "nested_priv_SQ.dcm",
        "priv_SQ.dcm", "ExplVR_BigEnd.dcm", "MR_small_bigendian.dcm", "test-SR.dcm",
        "no_meta_group_length.dcm", "UN_sequence.dcm",
    )
    if (FILES / name).exists()
]  # fmt: skip


@pytest.mark.parametrize("path", real, ids=lambda path: path.name)
def test_real_files(path: Path) -> None:
    source = path.read_bytes()
    before = read(source)
    if before.file_meta.TransferSyntaxUID == EXPLICIT:
        pytest.skip("it is in Explicit VR Little Endian already")
    if why := obstacle(before.file_meta.TransferSyntaxUID):
        pytest.skip(why)
    after = read(done(source)[0])
    same(before, after)
    if has_numpy and "PixelData" in before and "BitsAllocated" in before:
        assert (before.pixel_array == after.pixel_array).all()


@pytest.mark.parametrize("name", ["rtdose_expb.dcm"])
def test_long_big_endian_pixels_are_nobodys_guess(name: str) -> None:
    path = FILES / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    with pytest.raises(EncodingError, match="32 bits are big endian"):
        done(path.read_bytes())


def same(before: Dataset, after: Dataset) -> None:
    ours = {tag for tag in before.keys() - CHANGED if tag.element}
    assert ours == {tag for tag in after.keys() - CHANGED if tag.element}
    for tag in sorted(ours):
        old, new = before[tag], after[tag]
        if old.VR == "OW" and before.is_little_endian is False:
            continue  # pydicom leaves the words of other elements in the order of the file
        # An odd length in an item, which the standard does not allow, is made even.
        assert old == new or str(old.value) == str(new.value).replace("\\x00", ""), tag


@decoders
@pytest.mark.parametrize(
    "name",
    [
        "JPEG2000.dcm", "MR_small_RLE.dcm", "SC_rgb_rle_16bit_2frame.dcm", "examples_ybr_color.dcm",
        "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm", "MR_small_jpeg_ls_lossless.dcm",
        "examples_jpeg2k.dcm",
        "SC_rgb_small_odd_jpeg.dcm", "JPGExtended.dcm",
    ],
)  # fmt: skip
def test_compressed_images_are_what_the_decoder_gives(name: str) -> None:
    path = FILES / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    source = path.read_bytes()
    before, expected = read(source), read(source)
    expected.decompress(generate_instance_uid=False)
    made, how = done(source)
    after = read(made)
    assert how.is_decompressed
    assert after.SOPInstanceUID == before.SOPInstanceUID
    assert after.PixelData == expected.PixelData
    for keyword in ("PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated"):
        assert after.get(keyword) == expected.get(keyword), keyword
    same(before, after)
    assert after["PixelData"].is_undefined_length is False
    assert after.get("LossyImageCompression") == before.get("LossyImageCompression")
    assert how.was_lossy == (before.get("LossyImageCompression") == "01")


def rle(**values: Any) -> Dataset:
    """Return an image whose two frames of two by two pixels are compressed."""
    ds = dataset(BitsAllocated=8, BitsStored=8, HighBit=7, NumberOfFrames="2", **values)
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\3abcd"
    ds.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)] * 2)
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    return ds


@numpy
def test_frames_one_by_one() -> None:
    after = read(done(saved(rle(), RLE))[0])
    assert after.PixelData == b"abcdabcd"
    assert after["PixelData"].VR == "OB"
    assert after.NumberOfFrames == 2


@numpy
@pytest.mark.parametrize("stated", ["1", "3"])
def test_a_wrong_number_of_frames_is_refused(stated: str) -> None:
    ds = rle()
    ds.NumberOfFrames = stated
    with pytest.raises(EncodingError):
        done(saved(ds, RLE))


@numpy
def test_an_icon_that_is_compressed_is_refused() -> None:
    ds, icon = rle(), Dataset()
    icon.PixelData = encapsulate([b"ab"])
    icon["PixelData"].VR = "OB"
    icon["PixelData"].is_undefined_length = True
    ds.IconImageSequence = Sequence([icon])
    with pytest.raises(EncodingError, match="icon"):
        done(saved(ds, RLE))


@numpy
def test_broken_pixel_data_are_refused() -> None:
    ds = rle()
    ds.PixelData = encapsulate([b"rubbish!", b"rubbish!"])
    with pytest.raises(EncodingError, match="cannot be decoded"):
        done(saved(ds, RLE))


@numpy
def test_pixel_data_that_are_not_encapsulated_are_refused() -> None:
    source = dicom_bytes()
    wrong = source.replace(EXPLICIT.encode() + b"\0", RLE.encode() + b"\0")
    with pytest.raises(EncodingError, match="not encapsulated"):
        done(wrong)


def test_without_a_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.dicom.rendering.is_possible", lambda: False)
    assert "no decoder is installed" in (obstacle(JPEG) or "")
    assert "dicom-dcat[pixels]" in (obstacle(RLE) or "")
    with pytest.raises(EncodingError, match="no decoder is installed"):
        done(saved(rle(), RLE))
    for native in (IMPLICIT, BIG, DEFLATED, EXPLICIT):
        assert obstacle(native) is None


def test_films_have_no_decoder() -> None:
    assert "there is no decoder" in (obstacle(MPEG4) or "")
    assert "(1.2.3)" in (obstacle("1.2.3") or "")
    assert "(none)" in (obstacle("") or "")


def test_an_inflating_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.dicom.extents.MAX_INFLATED_BYTES", 1 << 20)
    ds = dataset(PixelData=b"\0" * (2 << 20), Rows=1024, Columns=1024)
    with pytest.raises(HeaderError, match="gives more than"):
        done(saved(ds, DEFLATED))


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG, DEFLATED])
def test_truncated_files_are_refused(syntax: str) -> None:
    source = saved(rich(), syntax)
    for missing in (1, 3, 9, 200):
        with pytest.raises(HeaderError):
            done(source[:-missing])


@given(st.binary(max_size=200), st.integers(0, 2000), st.sampled_from([IMPLICIT, BIG, DEFLATED]))
def test_damaged_files_give_our_errors_or_a_file(noise: bytes, at: int, syntax: str) -> None:
    source = bytearray(SAVED[syntax])
    at = 132 + at % (len(source) - 132)
    source[at : at + len(noise)] = noise
    try:
        made, _ = done(bytes(source))
    except DcatError:
        return
    assert made[128:132] == b"DICM"


SAVED = {syntax: saved(rich(), syntax) for syntax in (IMPLICIT, BIG, DEFLATED)}


def test_the_same_bytes_every_time_and_nothing_lost_twice() -> None:
    once, _ = done(SAVED[IMPLICIT])
    assert done(SAVED[IMPLICIT])[0] == once
    assert done(once)[0] == once


def test_deflating_is_undone_beyond_one_chunk() -> None:
    pixels = bytes(range(256)) * (3 << 12)
    ds = dataset(PixelData=pixels, Rows=1536, Columns=1024)
    source = saved(ds, DEFLATED)
    assert zlib.crc32(read(done(source)[0]).PixelData) == zlib.crc32(pixels)


@pytest.mark.judges
@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("rtplan.dcm", "dcmconv"),
        ("MR_small_bigendian.dcm", "dcmconv"),
        ("image_dfl.dcm", "dcmconv"),
        ("MR_small_RLE.dcm", "dcmdrle"),
    ],
)
def test_dcmtk_makes_the_same_of_it(name: str, tool: str, tmp_path: Path) -> None:
    path = FILES / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    if tool != "dcmconv" and not has_numpy:
        pytest.skip("numpy is not installed")
    ours, theirs = tmp_path / "ours.dcm", tmp_path / "theirs.dcm"
    ours.write_bytes(done(path.read_bytes())[0])
    options = ["--write-xfer-little"] if tool == "dcmconv" else []
    subprocess.run([need(tool), *options, path, theirs], check=True, timeout=60)
    assert dumped(ours) == dumped(theirs)


def dumped(path: Path) -> list[str]:
    """Return what dcmdump says of a data set: tags, VRs and values."""
    said = subprocess.run(
        [need("dcmdump"), "+L", path], capture_output=True, timeout=60, check=True
    ).stdout.decode("latin-1")
    lines = (re.sub(r"(with (explicit|undefined) length.*|#.*)", "", line) for line in said.split("\n"))  # fmt: skip
    return [
        line.strip()
        for line in lines
        if line.strip() and not line.strip().startswith(("(0002", "(fffe")) and ",0000)" not in line
    ]  # fmt: skip
