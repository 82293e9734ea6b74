"""The header of a DICOM file: File Meta Information and the data set before Pixel Data (PS3.10 §7).

Reading is lenient: every encoding of PS3.5 §A is read, with or without preamble and File Meta
Information, and also where the declared Transfer Syntax is not the real one. What is not
DICOM is refused, so that no row of the catalogue comes from a text or a picture.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from catalog.dicom.elements import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    UNDEFINED,
    VRS,
    Element,
    Encoding,
    dictionary_vr,
    tag_text,
)
from catalog.dicom.sop_classes import (
    DEFLATED,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    MEDIA_STORAGE_DIRECTORY,
    is_standard,
)
from catalog.dicom.source import FIRST_WINDOW, Inflated, Source
from catalog.dicom.walk import DIRECTORY_RECORDS, Walk, walk
from catalog.errors import HeaderError, NotDicom, TruncatedHeader
from catalog.findings import Finding, Severity

MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
TRANSFER_SYNTAX_UID = 0x00020010

MAX_META_BYTES = 1024 * 1024
"""Most bytes of File Meta Information values that are kept."""

NO_ELEMENTS: Mapping[int, Element] = MappingProxyType({})

_IDENTITY = (0x00080018, 0x0020000D, 0x0020000E)
"""SOP Instance, Study and Series Instance UID: with these, a damaged header still has its place."""

_FIRST_GROUPS = frozenset({0x0002, 0x0004, 0x0008, 0x0010, 0x0018, 0x0020})
"""Groups in which a file without preamble may begin."""


class Header(NamedTuple):
    """What a file says before its Pixel Data.

    Attributes
    ----------
    transfer_syntax_uid:
        From File Meta Information, without padding; `None` if it is not there.
    meta:
        The elements of group 0002 by tag: value bytes with their padding.
    elements:
        The wanted elements of the data set's top level by tag.
    is_truncated:
        The header is whole, but Pixel Data of stated length reach beyond the end of the file.
        Not known, thus `False`, for encapsulated Pixel Data and deflated data sets.
    is_dicomdir:
        The file is a Media Storage Directory (PS3.10 §8.6).
    findings:
        What is odd about the file's encoding, in file order.
    base:
        The header of another file that this one was found to be like (`catalog.dicom.alike`).
        Elements that are not in `changed` are the very objects of `base`.
    changed:
        The elements whose values differ from those of `base`.
    """

    transfer_syntax_uid: str | None
    meta: Mapping[int, bytes]
    elements: Mapping[int, Element]
    is_truncated: bool
    is_dicomdir: bool
    findings: tuple[Finding, ...]
    base: Header | None = None
    changed: Mapping[int, Element] = NO_ELEMENTS


def read_header(stream: BinaryIO, size_bytes: int, wanted: frozenset[int]) -> Header:
    """Return the header of the file in `stream`, with the top-level elements in `wanted`.

    Pixel Data are not read; neither are values that nobody wants. A header that breaks off or
    breaks down after SOP Instance, Study and Series Instance UID is returned as far as it goes,
    with the finding `header-damaged`. Time and memory are bounded for any input.

    Parameters
    ----------
    stream:
        Open for reading and seekable; position 0 is the first byte of the file.
    size_bytes:
        The size of the file.
    wanted:
        Tags of the data set, `0xGGGGEEEE`.

    Raises
    ------
    NotDicom
        If the file does not begin as PS3.10 §7.1 says, nor with elements of a data set.
    TruncatedHeader
        If the file ends inside its header, before it says where it belongs.
    HeaderError
        If the header is broken before it says where it belongs.
    OSError
        If the stream cannot be read.
    """
    found = Walk()
    source = Source(stream, size_bytes)
    start = _start(source, found)
    meta, at = _read_meta(source, start, found)
    syntax = _uid(meta.get(TRANSFER_SYNTAX_UID))
    try:
        at = _skip_command_set(source, at)
        source, at, encoding = _open_data_set(source, at, syntax, found)
        walk(source, at, encoding, wanted, found)
    except HeaderError as error:
        if not all(
            tag in found.elements and found.elements[tag].data.strip(b"\0 ") for tag in _IDENTITY
        ):
            raise
        message = f"The header is damaged: {error}. Elements after that place are unknown."
        found.findings.append(
            Finding("header-damaged", Severity.ERROR, message, clause="PS3.5 §7.1")
        )
    is_dicomdir = (
        found.stop == DIRECTORY_RECORDS
        or _uid(meta.get(MEDIA_STORAGE_SOP_CLASS_UID)) == MEDIA_STORAGE_DIRECTORY
    )
    return Header(
        syntax, meta, found.elements, found.is_truncated, is_dicomdir, tuple(found.findings)
    )


class Beginning(NamedTuple):
    """Where the data set of a file begins.

    Attributes
    ----------
    transfer_syntax_uid, meta:
        As of `Header`.
    at:
        Offset of the first element of the data set, or of the deflated bytes that hold it.
    is_deflated:
        The data set is deflated; `encoding` is then that of what it inflates to.
    """

    transfer_syntax_uid: str | None
    meta: Mapping[int, bytes]
    at: int
    encoding: Encoding
    is_deflated: bool


def read_beginning(stream: BinaryIO, size_bytes: int) -> Beginning:
    """Return where the data set of the file in `stream` begins, and how it is encoded.

    Raises as `read_header` does.
    """
    found = Walk()
    source = Source(stream, size_bytes)
    meta, at = _read_meta(source, _start(source, found), found)
    syntax = _uid(meta.get(TRANSFER_SYNTAX_UID))
    at = _skip_command_set(source, at)
    data_set, _, encoding = _open_data_set(source, at, syntax, found)
    return Beginning(syntax, meta, at, encoding, isinstance(data_set, Inflated))


def _uid(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").strip("\0 ")


def _start(source: Source, found: Walk) -> int:
    """Return where the elements of the file begin; refuse what is not DICOM."""
    if source.size == 0:
        raise NotDicom("the file is empty")
    head = source.bytes_at(0, min(source.size, FIRST_WINDOW))
    if head[128:132] == b"DICM":
        if len(head) == 132:
            raise TruncatedHeader("the file ends after the DICM prefix")
        source.data = head if len(head) == FIRST_WINDOW else head + b"\0\0\0\0"
        return 132
    if not _begins_with_elements(head, source.size):
        raise NotDicom("no DICM prefix and no DICOM elements at the start")
    source.data = head if len(head) == FIRST_WINDOW else head + b"\0\0\0\0"
    found.note(
        "no-preamble",
        Severity.WARNING,
        "The file has no preamble and DICM prefix.",
        0,
        "PS3.10 §7.1",
    )
    return 0


def _begins_with_elements(head: bytes, size: int) -> bool:
    """Return whether at least two plausible elements, in order, stand at the start of `head`.

    Pictures, texts, archives and blocks of zeros do not pass: the groups must be low, the tags
    rising and known to PS3.6, VRs valid and lengths within the file.
    """
    if len(head) < 16:
        return False
    encoding = _guess(head[:8], EXPLICIT_LITTLE if head[1] == 0 else EXPLICIT_BIG)
    before = -1
    offset = count = 0
    while count < 3 and offset + 12 <= len(head):
        if count == 2 and before >> 16 == 2:
            break  # where group 0002 ends the encoding may change
        order = "<" if encoding.little_endian else ">"
        group, number = struct.unpack_from(order + "HH", head, offset)
        tag = group << 16 | number
        if tag <= before or (count == 0 and group not in _FIRST_GROUPS):
            return False
        if group % 2 == 0 and dictionary_vr(tag) == "UN":
            return False
        start = offset + 8
        if encoding.explicit:
            vr = head[offset + 4 : offset + 6]
            if vr not in VRS:
                return False
            (length,) = struct.unpack_from(order + "H", head, offset + 6)
            if vr in LONG_VRS:
                (length,) = struct.unpack_from(order + "I", head, offset + 8)
                start = offset + 12
        else:
            (length,) = struct.unpack_from(order + "I", head, offset + 4)
        if length == UNDEFINED:
            return count > 0
        if start + length > size:
            return False
        before, offset, count = tag, start + length, count + 1
    return count >= 2


def _read_meta(source: Source, at: int, found: Walk) -> tuple[dict[int, bytes], int]:
    """Return File Meta Information by tag and the offset after it.

    It ends where group 0002 ends: its stated length is often wrong, and pydicom does not trust
    it either. It is Explicit VR Little Endian (PS3.10 §7.1); a few writers used implicit VR.
    """
    meta: dict[int, bytes] = {}
    kept = 0
    first = at
    explicit = True
    while not source.ends_at(at):
        index = source.at(at)
        data = source.data
        if data[index : index + 2] != b"\x02\x00":
            break
        number = data[index + 2] | data[index + 3] << 8
        if at == first:
            explicit = _has_vr(data[index : index + 8])
        (length,) = struct.unpack_from("<I", data, index + 4)
        start = at + 8
        if explicit and _has_vr(data[index : index + 8]):
            length >>= 16
            if data[index + 4 : index + 6] in LONG_VRS:
                (length,) = struct.unpack_from("<I", data, index + 8)
                start = at + 12
        end = start + length
        tag = 0x00020000 | number
        if end > source.size:
            raise TruncatedHeader(
                f"{tag_text(tag)} at byte {at} reaches beyond the end of the file"
            )
        if kept + length <= MAX_META_BYTES:
            meta[tag] = source.bytes_at(start, length)
            kept += length
        else:
            message = f"{tag_text(tag)} was not read: its value has {length} bytes."
            found.note("value-too-large", Severity.WARNING, message, at)
        at = end
    if not meta:
        found.note(
            "meta-missing",
            Severity.WARNING,
            "The file has no File Meta Information.",
            first,
            "PS3.10 §7.1",
        )
    elif TRANSFER_SYNTAX_UID not in meta:
        message = "File Meta Information names no Transfer Syntax."
        found.note("transfer-syntax-missing", Severity.WARNING, message, first, "PS3.10 §7.1")
    if source.ends_at(at):
        raise TruncatedHeader("the file ends before its data set")
    return meta, at


def _has_vr(head: bytes) -> bool:
    """Return whether an element's head has two capital letters in the place of its VR."""
    return len(head) >= 6 and 0x41 <= head[4] <= 0x5A and 0x41 <= head[5] <= 0x5A


def _skip_command_set(source: Source, at: int) -> int:
    """Return the offset after elements of group 0000, which some programs leave in files.

    They are Implicit VR Little Endian always (PS3.7 §6.3).
    """
    while not source.ends_at(at):
        index = source.at(at)
        group, length = struct.unpack_from("<H2xI", source.data, index)
        if group or not length or length == UNDEFINED:
            break
        at += 8 + length
    return at


def _guess(head: bytes, declared: Encoding) -> Encoding:
    """Return the encoding of a data set whose first element's head is `head`.

    A valid place for a VR with two capital letters is explicit (as pydicom decides). The first
    group of a data set is low, so a group of which only the high byte is set is byte-swapped.
    """
    explicit = _has_vr(head)
    little = declared.little_endian
    if little and head[0] == 0 and head[1] >= 4:
        little = False
    elif not little and head[1] == 0 and head[0] >= 4:
        little = True
    return Encoding(explicit, little)


_BY_SYNTAX = {IMPLICIT_VR_LITTLE_ENDIAN: IMPLICIT_LITTLE, EXPLICIT_VR_BIG_ENDIAN: EXPLICIT_BIG}


def _open_data_set(
    source: Source, at: int, syntax: str | None, found: Walk
) -> tuple[Source, int, Encoding]:
    """Return the source, the offset and the encoding by which the data set is to be read."""
    # Any other Transfer Syntax of the standard is Explicit VR Little Endian (PS3.5 §A.4).
    declared = _BY_SYNTAX.get(syntax or "", EXPLICIT_LITTLE)
    head = source.bytes_at(at, 8)
    if syntax in DEFLATED:
        if head[4:6] in VRS and head[1] == 0:
            message = "The Transfer Syntax says deflated, the data set is not."
            found.note("wrong-transfer-syntax", Severity.WARNING, message, at, "PS3.5 §A.5")
        else:
            source, at = Inflated(source.stream, at), 0
            head = source.bytes_at(0, 8)
    if len(head) < 8:
        raise TruncatedHeader("the file ends inside the first element of its data set")
    actual = _guess(head, declared)
    if actual != declared and syntax and is_standard(syntax):
        message = f"The Transfer Syntax says {_words(declared)}, the data set is {_words(actual)}."
        found.note("wrong-transfer-syntax", Severity.WARNING, message, at, "PS3.5 §10")
    return source, at, actual


def _words(encoding: Encoding) -> str:
    vr = "Explicit" if encoding.explicit else "Implicit"
    return f"{vr} VR {'Little' if encoding.little_endian else 'Big'} Endian"
