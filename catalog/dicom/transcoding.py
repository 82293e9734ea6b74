"""Files in another Transfer Syntax: the same instance, its pixel data without compression (PS3.5 §10).

The only target is Explicit VR Little Endian. Elements of a source that is explicit and little
endian already are copied byte by byte; others are re-encoded one by one, their values unchanged.
Pixel Data are decoded frame by frame by pydicom's decoders. The SOP Instance UID stays: a new one
is for pixel values that differ (PS3.3 C.7.6.1.1.2), and these are what every reader of the source
decodes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from catalog.dicom import rendering, sop_classes
from catalog.dicom.elements import (
    PIXEL_DATA,
    SHORT_VRS,
    UNDEFINED,
    VRS,
    WIDTH,
    Element,
    Encoding,
    Head,
    dictionary_vr,
    encode,
    parse_element,
    swap,
    tag_text,
)
from catalog.dicom.extents import PIXEL_TAGS, DataSet, Extent, chunks, data_set, extents
from catalog.dicom.header import read_header
from catalog.dicom.loading import load_pydicom
from catalog.dicom.sop_classes import (
    DEFLATED,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from catalog.errors import EncodingError, HeaderError

TARGETS: Mapping[str, str] = {"explicit-le": EXPLICIT_VR_LITTLE_ENDIAN}
"""The Transfer Syntaxes into which files can be brought, by the names that users type."""

NATIVE = frozenset(
    {
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
    }
)
"""Transfer Syntaxes whose Pixel Data are not compressed."""

PHOTOMETRIC_INTERPRETATION = 0x00280004
PLANAR_CONFIGURATION = 0x00280006
BITS_ALLOCATED = 0x00280100
PIXEL_REPRESENTATION = 0x00280103
NUMBER_OF_FRAMES = 0x00280008
LOSSY_IMAGE_COMPRESSION = 0x00282110
_ICON_IMAGE_SEQUENCE = 0x00880200
_DIGITAL_SIGNATURES = 0xFFFAFFFA
_OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
"""Extended Offset Table, its lengths, and Encapsulated Pixel Data Value Total Length."""

_ASKED = frozenset(
    {BITS_ALLOCATED, PIXEL_REPRESENTATION, NUMBER_OF_FRAMES, LOSSY_IMAGE_COMPRESSION}
)
_ENCAPSULATED = tuple(b"\xe0\x7f\x10\x00" + vr + b"\0\0\xff\xff\xff\xff" for vr in (b"OB", b"OW"))
_MAX_ICON_BYTES = 8 << 20


class Implementation(NamedTuple):
    """Who writes the File Meta Information."""

    class_uid: str
    version_name: str


class Transcoded(NamedTuple):
    """What was done.

    Attributes
    ----------
    size_bytes:
        Of the whole new file.
    transfer_syntax_uid:
        Of the source.
    is_decompressed:
        Whether Pixel Data were decoded.
    was_lossy:
        The source says that its image had been compressed with loss; nothing brings that back.
    had_signatures:
        It holds digital signatures over what it was before.
    """

    size_bytes: int
    transfer_syntax_uid: str
    is_decompressed: bool
    was_lossy: bool
    had_signatures: bool


def obstacle(transfer_syntax_uid: str) -> str | None:
    """Return why no file in this Transfer Syntax can be transcoded here, or `None`.

    As a sentence without its end.
    """
    if transfer_syntax_uid in NATIVE:
        return None
    name = sop_classes.name(transfer_syntax_uid) or "none"
    if transfer_syntax_uid in DEFLATED:
        return f"its Transfer Syntax ({name}) holds no pixel data"
    load_pydicom()
    from pydicom.pixels import get_decoder

    try:
        with rendering.quiet():  # what is no UID has a warning of its own
            decoder = get_decoder(transfer_syntax_uid)
    except NotImplementedError:  # so pydicom says that it knows no decoder for this UID
        return f"there is no decoder for its Transfer Syntax ({name})"
    if not (rendering.is_possible() and decoder.is_available):
        return f"no decoder is installed for its Transfer Syntax ({name}); pip install 'dicom-dcat[pixels]' brings most of them"
    return None


def transcode(
    stream: BinaryIO, size_bytes: int, into: BinaryIO, implementation: Implementation
) -> Transcoded:
    """Write the file in `stream` to `into` in Explicit VR Little Endian; return what was done.

    Memory holds one frame, or one sequence, at a time. The preamble becomes zeros: whatever it
    pointed to has moved. Group lengths are left out (retired, PS3.5 §7.2).

    Parameters
    ----------
    stream:
        Open for reading and seekable; position 0 is the first byte of the file.
    into:
        Open for writing and seekable, empty.

    Raises
    ------
    HeaderError
        If the source cannot be read to its end.
    EncodingError
        If its Pixel Data cannot be decoded, or what results cannot be encoded.
    """
    header = read_header(stream, size_bytes, _ASKED)
    with data_set(stream, size_bytes) as it:
        syntax = it.beginning.transfer_syntax_uid or ""
        if why := obstacle(syntax):
            raise EncodingError(why)
        work = _Work(it, into, header.elements, syntax not in NATIVE)
        into.write(b"\0" * 128 + b"DICM" + _meta(it.beginning.meta, implementation))
        work.run()
    return Transcoded(
        into.tell(),
        syntax,
        work.is_decompressed,
        _text(header.elements, LOSSY_IMAGE_COMPRESSION) == "01",
        work.had_signatures,
    )


def _meta(meta: Mapping[int, bytes], implementation: Implementation) -> bytes:
    """Return File Meta Information with the new Transfer Syntax and writer, the rest as it was."""
    values = {tag: value for tag, value in meta.items() if tag != 0x00020000}
    values[0x00020001] = b"\0\1"
    values[0x00020010] = EXPLICIT_VR_LITTLE_ENDIAN.encode("ascii")
    values[0x00020012] = implementation.class_uid.encode("ascii")
    values[0x00020013] = implementation.version_name.encode("ascii")
    body = b"".join(
        encode(Element(tag, "OB" if tag == 0x00020001 else dictionary_vr(tag), value))
        for tag, value in sorted(values.items())
    )
    return encode(Element(0x00020000, "UL", struct.pack("<I", len(body)))) + body


class _Work:
    """The elements of one data set on their way to another file."""

    def __init__(
        self, it: DataSet, into: BinaryIO, known: Mapping[int, Element], is_compressed: bool
    ) -> None:
        self._it, self._into, self._known = it, into, known
        self._is_compressed = is_compressed
        self._is_signed = _number(known, PIXEL_REPRESENTATION) == 1
        self._is_verbatim = it.encoding == Encoding(True, True)
        self.is_decompressed = self.had_signatures = False

    def run(self) -> None:
        """Write all elements."""
        frames: _Frames | None = None
        if self._is_compressed:
            pixels = next((e for e in extents(self._it) if e.tag in PIXEL_TAGS), None)
            frames = self._frames(pixels) if pixels else None
        changes = dict(frames.changes) if frames else {}
        for extent in extents(self._it):
            for tag in [tag for tag in changes if tag < extent.tag]:
                self._into.write(encode(changes.pop(tag)))
            if extent.tag & 0xFFFF == 0 or (frames and extent.tag in _OFFSET_TABLES):
                continue
            if extent.tag in changes:
                self._into.write(encode(changes.pop(extent.tag)))
            elif frames is not None and extent.tag == PIXEL_DATA:
                frames.write(self._into)
                self.is_decompressed = True
            else:
                self._element(extent)
            self.had_signatures |= extent.tag == _DIGITAL_SIGNATURES

    def _frames(self, pixels: Extent) -> _Frames:
        if not pixels.is_undefined or pixels.tag != PIXEL_DATA:
            raise EncodingError(
                "its Pixel Data are not encapsulated, though its Transfer Syntax says so"
            )
        stated = _text(self._known, NUMBER_OF_FRAMES)
        count = int(stated) if stated.isdecimal() and int(stated) else 1
        return _Frames(self._it.stream, pixels, count)

    def _element(self, extent: Extent) -> None:
        if self._is_compressed and extent.tag == _ICON_IMAGE_SEQUENCE:
            self._refuse_compressed_icon(extent)
        if self._is_verbatim and extent.is_explicit:
            self._copy(extent.at, extent.end)
        elif extent.vr != "SQ" and not extent.is_undefined and extent.vr in _STREAMED:
            self._bulk(extent)
        else:
            self._converted(extent)

    def _refuse_compressed_icon(self, extent: Extent) -> None:
        data = b"".join(chunks(self._it.stream, extent.start, min(extent.end, _MAX_ICON_BYTES)))
        if any(mark in data for mark in _ENCAPSULATED):
            raise EncodingError("its icon (0088,0200) is compressed too, which dcat cannot decode")

    def _copy(self, start: int, end: int, width: int = 1) -> None:
        for chunk in chunks(self._it.stream, start, end):
            self._into.write(swap(chunk, width) if width > 1 else chunk)

    def _bulk(self, extent: Extent) -> None:
        """Write a long value without having it in memory."""
        vr, width = extent.vr, WIDTH.get(extent.vr, 1)
        bits = _number(self._known, BITS_ALLOCATED) or 16
        if extent.tag == PIXEL_DATA:
            if bits > 16 and not self._it.encoding.little_endian:
                # By PS3.5 §8.1.1 the low word comes first, as DCMTK reads it; pydicom, and some
                # writers, take such a pixel for one number.
                raise EncodingError(
                    f"its pixels of {bits} bits are big endian, which programs read in two ways"
                )
            if not extent.is_explicit:
                vr = "OB" if bits <= 8 else "OW"
        length = extent.end - extent.start
        if length >= UNDEFINED - 1:
            raise EncodingError(f"{tag_text(extent.tag)} is longer than 4 GiB")
        self._into.write(_long_head(extent.tag, vr, length + length % 2))
        self._copy(extent.start, extent.end, 1 if self._it.encoding.little_endian else width)
        self._into.write(b"\0" * (length % 2))

    def _converted(self, extent: Extent) -> None:
        """Write an element in the new encoding; its value, or that of each of its items, stays."""
        data = b"".join(chunks(self._it.stream, extent.start, extent.end))
        encoding = self._it.encoding
        if not extent.is_explicit:
            encoding = Encoding(False, encoding.little_endian)
        length = UNDEFINED if extent.is_undefined else len(data)
        head = Head(extent.tag, extent.vr, length, 0)
        element, _ = parse_element(data, head, len(data), encoding, 0)
        self._into.write(encode(_settled(element, self._is_signed)))


_STREAMED = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN", "UT", "UC", "UR", "SV", "UV"})


def _long_head(tag: int, vr: str, length: int) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), 0, length)


def _settled(element: Element, is_signed: bool) -> Element:
    """Return the element as explicit VR can have it, its value unchanged.

    US or SS is as Pixel Representation says, of the item or what encloses it (PS3.6 §6); a value
    that is too long for its VR's length field is UN (PS3.5 §6.2.2).
    """
    if isinstance(element.value, tuple):
        items = []
        for item in element.value:
            own = {inner.tag: inner for inner in item}
            number = _number(own, PIXEL_REPRESENTATION)
            signed = is_signed if number is None else number == 1
            items.append(tuple(_settled(inner, signed) for inner in item))
        return Element(element.tag, "SQ", tuple(items))
    vr = element.vr
    if vr == "US" and is_signed and _is_us_or_ss(element.tag):
        vr = "SS"
    raw = vr.encode("ascii", "replace")
    if raw not in VRS or (raw in SHORT_VRS and len(element.value) > 0xFFFE):
        vr = "UN"
    return Element(element.tag, vr, element.value)


def _is_us_or_ss(tag: int) -> bool:
    load_pydicom()
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    return dictionary_has_tag(tag) and str(dictionary_VR(tag)) == "US or SS"


def _number(elements: Mapping[int, Element], tag: int) -> int | None:
    element = elements.get(tag)
    if element is None or len(element.data) < 2:
        return None
    return int(struct.unpack_from("<H", element.data)[0])


def _text(elements: Mapping[int, Element], tag: int) -> str:
    element = elements.get(tag)
    return element.data.strip(b" \0").decode("latin-1") if element else ""


class _Frames:
    """The decoded frames of encapsulated Pixel Data, and what changes in the header with them.

    The first frame is decoded at once: only then is it known what `changes`.
    """

    def __init__(self, stream: BinaryIO, pixels: Extent, count: int) -> None:
        self._count = count
        self._frames = _decoded(stream, pixels)
        try:
            self._first, self._properties = next(self._frames)
        except StopIteration:
            raise EncodingError("its Pixel Data hold no frame") from None
        self._bits = int(self._properties["bits_allocated"])
        self.changes = dict(self._changes())

    def _changes(self) -> Iterator[tuple[int, Element]]:
        properties = self._properties
        photometric = str(properties["photometric_interpretation"]).encode("ascii")
        yield PHOTOMETRIC_INTERPRETATION, Element(PHOTOMETRIC_INTERPRETATION, "CS", photometric)
        if int(properties["samples_per_pixel"]) > 1:
            planar = struct.pack("<H", int(properties["planar_configuration"]))
            yield PLANAR_CONFIGURATION, Element(PLANAR_CONFIGURATION, "US", planar)
        bits = struct.pack("<H", self._bits)
        yield BITS_ALLOCATED, Element(BITS_ALLOCATED, "US", bits)

    def write(self, into: BinaryIO) -> None:
        """Write Pixel Data; the length is put in when it is known."""
        start = into.tell()
        into.write(_long_head(PIXEL_DATA, "OB" if self._bits <= 8 else "OW", 0))
        length = into.write(self._first)
        count = 1
        self._first = b""
        for frame, properties in self._frames:
            if properties != self._properties:
                raise EncodingError("the frames of its Pixel Data are not of one kind")
            length += into.write(frame)
            count += 1
            if length >= UNDEFINED - 1:
                raise EncodingError("its Pixel Data would be longer than 4 GiB")
        if count != self._count:
            raise EncodingError(f"it states {self._count} frames and has {count}")
        length += into.write(b"\0" * (length % 2))
        end = into.tell()
        into.seek(start)
        into.write(_long_head(PIXEL_DATA, "OB" if self._bits <= 8 else "OW", length))
        into.seek(end)


Decoding = Iterator[tuple[bytes, Mapping[str, Any]]]


def _decoded(stream: BinaryIO, pixels: Extent) -> Decoding:
    """Yield each frame, little endian, with the properties that describe it."""
    load_pydicom()
    from pydicom import dcmread
    from pydicom.pixels import get_decoder
    from pydicom.pixels.utils import as_pixel_options

    def begin() -> Iterator[tuple[Any, Mapping[str, Any]]]:
        stream.seek(0)
        ds = dcmread(stream, stop_before_pixels=True)
        options = as_pixel_options(ds)
        options["transfer_syntax_uid"] = ds.file_meta.TransferSyntaxUID
        options["pixel_keyword"] = "PixelData"
        options["pixel_vr"] = pixels.vr
        stream.seek(pixels.start)
        decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
        frames: Iterator[tuple[Any, Mapping[str, Any]]] = decoder.iter_array(
            stream, as_rgb=True, **options
        )
        return frames

    frames = _guarded(begin)
    position = pixels.start
    while True:
        # Others read the stream between two frames.
        stream.seek(position)
        try:
            array, properties = _guarded(lambda: next(frames))
        except StopIteration:
            return
        position = stream.tell()
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        yield little.tobytes(), dict(properties)


def _guarded(work: Callable[[], Any]) -> Any:
    """Return what `work` does; a decoder's own exceptions become one of ours."""
    try:
        with rendering.quiet():
            return work()
    except StopIteration:
        raise
    except HeaderError:
        raise
    except Exception as exc:
        raise EncodingError(rendering.problem(exc)) from exc
