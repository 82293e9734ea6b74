"""How a DICOMDIR begins: preamble, File Meta Information, and the encoding of what follows."""

from __future__ import annotations

from catalog.dicom.elements import (
    EXPLICIT_LITTLE,
    VRS,
    Encoding,
    parse_element,
    read_head,
)
from catalog.errors import DicomdirError, HeaderError
from catalog.fileset.layout import Layout
from catalog.findings import Severity

_ENCODINGS = {
    b"1.2.840.10008.1.2": Encoding(False, True),
    b"1.2.840.10008.1.2.1": EXPLICIT_LITTLE,
    b"1.2.840.10008.1.2.2": Encoding(True, False),
}


def start_of(data: bytes) -> int:
    """Return where the first element begins: after preamble and prefix, after the prefix, or at 0.

    Raises
    ------
    DicomdirError
        If nothing there looks like DICOM.
    """
    if data[128:132] == b"DICM":
        return 132
    if data[:4] == b"DICM":
        return 4
    if not _looks_like_elements(data):
        raise DicomdirError("The file is not DICOM", 0, "PS3.10 §7.1")
    return 0


def read_meta(data: bytes, layout: Layout) -> int:
    """Read the File Meta Information, if any; return where the data set begins."""
    offset = start_of(data)
    if offset != 132:
        message = "The file does not begin with a preamble of 128 bytes and DICM."
        layout.note("no-preamble", Severity.ERROR, message, 0, "PS3.10 §7.1")
    while data[offset : offset + 2] == b"\2\0":
        try:
            head = read_head(data, offset, len(data), _guess(data, offset))
            element, offset = parse_element(data, head, len(data), EXPLICIT_LITTLE, 0)
        except HeaderError as error:
            found = data.find(b"\x04\x00\x30\x11", offset)
            found = found if found >= 0 else data.find(b"\x04\x00\x20\x12", offset)
            if found < 0:
                raise DicomdirError(
                    f"The File Meta Information is damaged: {error}", offset, "PS3.10 §7.1"
                ) from error
            layout.note(
                "damaged",
                Severity.ERROR,
                f"The File Meta Information: {error}.",
                offset,
                "PS3.10 §7.1",
            )
            return found
        layout.meta[element.tag] = element
    if not layout.meta:
        message = "There is no File Meta Information."
        layout.note("no-file-meta", Severity.ERROR, message, offset, "PS3.10 §7.1")
    return offset


def _looks_like_elements(data: bytes) -> bool:
    """Return whether `data` begins with an element of group 2 or 4, little or big endian."""
    return data[:4] in (b"\2\0\0\0", b"\2\0\1\0", b"\4\0\0\0") or data[:2] in (b"\4\0", b"\0\4")


def _guess(data: bytes, offset: int) -> Encoding:
    """Return the encoding that the element head at `offset` shows."""
    return Encoding(data[offset + 4 : offset + 6] in VRS, data[offset : offset + 1] != b"\0")


def encoding_of(data: bytes, offset: int, layout: Layout) -> Encoding:
    """Return the data set's encoding: what its first bytes show, whatever the meta says."""
    declared = layout.meta.get(0x00020010)
    uid = declared.data.rstrip(b"\0 ") if declared else b""
    if declared and uid not in _ENCODINGS and data[offset : offset + 2] not in (b"\4\0", b"\0\4"):
        name = uid.decode("ascii", "backslashreplace")
        raise DicomdirError(
            f"A DICOMDIR in Transfer Syntax {name} cannot be read", offset, "PS3.10 §8.6"
        )
    found = _guess(data, offset) if offset < len(data) else EXPLICIT_LITTLE
    if declared and _ENCODINGS.get(uid) != found:
        message = "The data set is not encoded as the Transfer Syntax UID says."
        layout.note("transfer-syntax-mismatch", Severity.ERROR, message, offset, "PS3.10 §7.1")
    if found != EXPLICIT_LITTLE:
        vr, order = (
            ("explicit" if found.explicit else "implicit"),
            ("little" if found.little_endian else "big"),
        )
        message = f"The DICOMDIR is {vr} VR {order} endian, not Explicit VR Little Endian."
        layout.note("transfer-syntax", Severity.ERROR, message, offset, "PS3.10 §8.6")
    return found
