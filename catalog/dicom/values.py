r"""The text of values: character sets, padding, several values, numbers (PS3.5 §6.1, §6.2).

Decoding gives what pydicom gives (tests hold the two together), without its warnings: what
cannot be decoded is replaced and reported, never dropped and never raised. One difference: the
escape sequences of ISO 2022 IR 58 are removed.
"""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from catalog.dicom.elements import VRS, Element, dictionary_vr
from catalog.dicom.loading import load_pydicom
from catalog.findings import Finding, Severity

SPECIFIC_CHARACTER_SET = 0x00080005

DEFAULT: tuple[str, ...] = ("iso8859",)
"""The default repertoire is ASCII; bytes beyond it are read as ISO 8859-1, as pydicom does."""

CHARACTER_SET_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs to which Specific Character Set applies (PS3.5 §6.1.2.2)."""

_TEXTS = frozenset({"LT", "ST", "UT", "UR"})
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_BYTES = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_PADDING = " \0"

_STAND_ALONE = frozenset({"ISO_IR 192", "GBK", "GB18030"})
# So that the usual files need no pydicom.
_USUAL = {
    "": DEFAULT,
    "ISO_IR 6": DEFAULT,
    "ISO_IR 100": ("latin_1",),
    "ISO_IR 192": ("UTF8",),
}

UNDECODABLE = "undecodable-text"
UNDECLARED = "undeclared-characters"
BROKEN_NUMBER = "broken-number"


class Decoded(NamedTuple):
    """A value as text.

    `problem` is `None`, or the code of a finding: `undecodable-text` (the text holds U+FFFD or
    U+0080 to U+00FF where bytes meant something else), `undeclared-characters` (bytes beyond
    ASCII without a character set that allows them, read as ISO 8859-1), `broken-number` (binary
    numbers of a ragged length, given as hexadecimal digits).
    """

    text: str
    problem: str | None = None


def character_sets(elements: Mapping[int, Element]) -> tuple[str, ...]:
    """Return Python's names of the encodings that (0008,0005) in `elements` declares, in order.

    Never empty. What is unknown is replaced by the default repertoire; see
    `character_set_findings` (PS3.3 C.12.1.1.2).
    """
    return _resolve(_declared(elements))[0]


def character_set_findings(elements: Mapping[int, Element]) -> tuple[Finding, ...]:
    """Return a finding for each value of (0008,0005) that is misspelt, unknown or out of place."""
    return _resolve(_declared(elements))[1]


def text(element: Element, encodings: tuple[str, ...] = DEFAULT) -> str:
    r"""Return the value as text, without its padding; see `decode`."""
    return decode(element, encodings).text


def decode(element: Element, encodings: tuple[str, ...] = DEFAULT) -> Decoded:
    r"""Return the value as text, and what was wrong with it.

    Values of an element are joined by `\`; in LT, ST, UT and UR a `\` is only a character.
    Insignificant spaces and NULs are removed, at both ends of each value, for PN and UC at the
    end of each (PN without its empty last groups), for LT, ST, UT and UR at the end (PS3.5 §6.2).
    Numbers are in decimal, AT as
    eight hexadecimal digits, bytes of OB and the like as hexadecimal digits. UN and VRs that the
    standard does not know are read by the dictionary's VR. A sequence has no text: `''`.

    Parameters
    ----------
    element:
        With little endian numbers.
    encodings:
        As `character_sets` returns them for the data set or item that holds the element.
    """
    vr = element.vr
    if vr == "UN" or vr.encode("ascii", "replace") not in VRS:
        vr = dictionary_vr(element.tag)
    return decode_value(vr, element.data, encodings)


def decode_value(vr: str, data: bytes, encodings: tuple[str, ...] = DEFAULT) -> Decoded:
    """Return the value bytes `data` of a `vr` as text; see `decode`."""
    if not data:
        return Decoded("")
    if kind := _NUMBERS.get(vr):
        return _numbers(kind, data)
    if vr == "AT":
        return _tags(data)
    if vr in _BYTES:
        return Decoded(data.hex())
    problem = None
    if vr in CHARACTER_SET_VRS:
        decoded, problem = decode_bytes(data, encodings)
    else:
        decoded = data.decode("latin-1")
        if not data.isascii():
            problem = UNDECLARED
    return Decoded(without_padding(vr, decoded), problem)


def without_padding(vr: str, decoded: str) -> str:
    r"""Return `decoded`, a value or values joined by `\`, without insignificant characters."""
    if vr in _TEXTS:
        return decoded.rstrip(_PADDING)
    if vr == "PN":
        return "\\".join(value.rstrip(_PADDING).rstrip("=") for value in decoded.split("\\"))
    if vr == "UC":
        return "\\".join(value.rstrip(_PADDING) for value in decoded.split("\\"))
    if "\\" not in decoded:
        return decoded.strip(_PADDING)
    return "\\".join(value.strip(_PADDING) for value in decoded.split("\\"))


def _numbers(kind: str, data: bytes) -> Decoded:
    count, ragged = divmod(len(data), struct.calcsize("<" + kind))
    if ragged:
        return Decoded(data.hex(), BROKEN_NUMBER)
    numbers = struct.unpack(f"<{count}{kind}", data)
    if kind == "f":
        return Decoded("\\".join(map(_single, numbers)))
    return Decoded("\\".join(map(repr, numbers)))


def _single(number: float) -> str:
    """Return the shortest decimal form that gives back the same single precision number."""
    for digits in range(6, 9):
        form = f"{number:.{digits}g}"
        try:
            if struct.pack("<f", float(form)) == struct.pack("<f", number):
                return repr(float(form))
        except OverflowError:  # rounded up beyond the largest single precision number
            continue
    return repr(float(f"{number:.9g}"))


def _tags(data: bytes) -> Decoded:
    if len(data) % 4:
        return Decoded(data.hex(), BROKEN_NUMBER)
    pairs = struct.iter_unpack("<HH", data)
    return Decoded("\\".join(f"{group:04X}{number:04X}" for group, number in pairs))


def decode_bytes(data: bytes, encodings: tuple[str, ...]) -> Decoded:
    """Return `data` decoded with its code extensions (PS3.5 §6.1.2.5), padding and all."""
    if b"\x1b" not in data:
        if data.isascii():  # every character set of the standard contains ASCII
            return Decoded(data.decode("ascii"))
        decoded = _strict_or_replaced(data, encodings[0])
        if decoded.problem is None and encodings[0] == DEFAULT[0]:
            return Decoded(decoded.text, UNDECLARED)
        return decoded
    parts = [_fragment(part, encodings) for part in _FRAGMENTS.findall(data)]
    problem = next((part.problem for part in parts if part.problem), None)
    return Decoded("".join(part.text for part in parts), problem)


_FRAGMENTS = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_RESET = re.compile(rb"[\r\n\t\f]")


def _strict_or_replaced(data: bytes, encoding: str) -> Decoded:
    try:
        return Decoded(data.decode(encoding))
    except UnicodeError:
        return Decoded(data.decode(encoding, "replace"), UNDECODABLE)


def _fragment(data: bytes, encodings: tuple[str, ...]) -> Decoded:
    """Return the text of one run of bytes, which an escape sequence begins or nothing does."""
    if not data.startswith(b"\x1b"):
        return _strict_or_replaced(data, encodings[0])
    load_pydicom()
    from pydicom import charset

    length = 4 if data.startswith((b"\x1b$(", b"\x1b$)")) else 3
    encoding = charset.CODES_TO_ENCODINGS.get(data[:length], "")
    body = data[length:]
    if encoding not in encodings and encoding != charset.default_encoding:
        return Decoded(data.decode(encodings[0], "replace"), UNDECODABLE)
    try:
        # Python wants to see the escape sequences of ISO 2022-JP. It does not know that of
        # GB 2312, which pydicom therefore leaves in the text.
        if encoding in charset.handled_encodings and encoding != "iso_ir_58":
            return Decoded(data.decode(encoding))
        # A control character ends the extension (PS3.5 §6.1.2.5.3).
        if reset := _RESET.search(body):
            at = reset.start()
            return Decoded(body[:at].decode(encoding) + body[at:].decode(encodings[0]))
        return Decoded(body.decode(encoding))
    except UnicodeError:
        return Decoded(data.decode(encodings[0], "replace"), UNDECODABLE)


def _declared(elements: Mapping[int, Element]) -> bytes:
    element = elements.get(SPECIFIC_CHARACTER_SET)
    # The longest honest value has ten terms; an endless one must not fill the cache.
    return element.data[:1024] if element else b""


@lru_cache(maxsize=256)
def _resolve(declared: bytes) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Return Python's encodings for a value of (0008,0005), and what is wrong with it."""
    terms = [term.strip(_PADDING) for term in declared.decode("latin-1").split("\\")]
    if len(terms) == 1 and (usual := _USUAL.get(terms[0])):
        return usual, ()
    terms[0] = terms[0] or "ISO_IR 6"
    findings: list[Finding] = []
    encodings: list[str] = []
    for position, term in enumerate(terms):
        if position and term in _STAND_ALONE:
            findings.append(_charset_finding(term, "admits no other beside it and is passed over"))
            continue
        encoding, remark = _python_encoding(term)
        encodings.append(encoding)
        if remark:
            findings.append(_charset_finding(term, remark))
        if position == 0 and term in _STAND_ALONE and len(terms) > 1:
            findings.append(
                _charset_finding(term, "admits no code extensions; the other terms are passed over")
            )
            break
    return tuple(encodings), tuple(findings)


def _charset_finding(term: str, remark: str) -> Finding:
    message = f"Specific Character Set {term[:32]!r} {remark}."
    return Finding("character-set", Severity.WARNING, message, clause="PS3.3 C.12.1.1.2")


def _python_encoding(term: str) -> tuple[str, str | None]:
    """Return Python's encoding for one term, and a remark if it is not a term of the standard."""
    load_pydicom()
    from pydicom.charset import python_encoding

    if term in python_encoding:
        return python_encoding[term], None
    right = None
    if re.match(r"ISO[^_]IR", term):
        right = "ISO_IR" + term[6:]
    elif re.match(r"ISO.2022.IR.", term):
        right = "ISO 2022 IR " + term[12:]
    if right in python_encoding:
        return python_encoding[right], f"is read as {right!r}"
    # Some writers put a name of their programming language's there. Only those are taken that
    # mean a set of the standard: Python also has codecs of quadratic time, and no texts at all.
    try:
        meant = codecs.lookup(term).name
    except (LookupError, ValueError):
        meant = ""
    for standard in python_encoding.values():
        if meant and standard != DEFAULT[0] and codecs.lookup(standard).name == meant:
            return standard, "is not a term of the standard"
    return DEFAULT[0], "is unknown; the default repertoire is taken"
