"""Elements as the DICOM JSON Model (PS3.18 F.2) and the Native DICOM Model in XML (PS3.19 A.1)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any

from catalog.dicom.dictionary import keyword
from catalog.dicom.elements import Element
from catalog.dicom.values import character_sets, text
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET

_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_NUMBERS = frozenset(("US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "IS", "DS"))
_WHOLE_TEXTS = frozenset(("LT", "ST", "UT", "UR"))
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FINITE = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_LARGEST_EXACT = 2**53


def json_model(elements: Iterable[Element], encodings: tuple[str, ...]) -> dict[str, Any]:
    """Return `elements` in the DICOM JSON Model: keys of eight hexadecimal digits, in the order given.

    Numbers that JSON cannot hold exactly or at all, such as an IS of `1A`, stay texts
    (PS3.18 F.2.3.1). Bytes are `InlineBinary` in base 64. `encodings` are those of the record; an
    item that declares its own is read by them.
    """
    return {f"{e.tag:08X}": _json_element(e, encodings) for e in elements}


def _json_element(element: Element, encodings: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {"vr": element.vr}
    if isinstance(element.value, tuple):
        items = [json_model(item, _inner(item, encodings)) for item in element.value]
        return out | {"Value": items} if items else out
    if not element.value:
        return out
    if element.vr in _BINARY:
        return out | {"InlineBinary": base64.b64encode(element.value).decode("ascii")}
    values = [_json_value(element.vr, value) for value in _values(element, encodings)]
    return out | {"Value": values} if any(value is not None for value in values) else out


def _json_value(vr: str, value: str) -> Any:
    if value == "":
        return None
    if vr == "PN":
        groups = {
            name: group for name, group in zip(_GROUPS, value.split("="), strict=False) if group
        }
        return groups or None
    if vr in _NUMBERS and _FINITE.fullmatch(value):
        number = float(value) if vr in ("DS", "FL", "FD") else None
        if number is None and value.lstrip("+-").isdigit() and abs(int(value)) <= _LARGEST_EXACT:
            return int(value)
        return value if number is None or number in (float("inf"), float("-inf")) else number
    return value


def _values(element: Element, encodings: tuple[str, ...]) -> list[str]:
    decoded = text(element, encodings)
    return [decoded] if element.vr in _WHOLE_TEXTS else decoded.split("\\")


def _inner(item: tuple[Element, ...], encodings: tuple[str, ...]) -> tuple[str, ...]:
    own = next((e for e in item if e.tag == SPECIFIC_CHARACTER_SET), None)
    return encodings if own is None else character_sets({own.tag: own})


def native_xml(
    elements: Iterable[Element], encodings: tuple[str, ...], indent: str = ""
) -> Iterator[str]:
    """Yield lines of `DicomAttribute` elements, without the enclosing `NativeDicomModel`.

    Characters that XML 1.0 has no place for become U+FFFD. Recursion is as deep as the sequences,
    which the reader bounds.
    """
    # Imported here: it brings in the network modules of Python, which nothing else needs.
    from xml.sax.saxutils import quoteattr

    for element in elements:
        name = keyword(element.tag)
        head = f"{indent}<DicomAttribute tag={quoteattr(f'{element.tag:08X}')} vr={quoteattr(element.vr)}"
        head += f" keyword={quoteattr(name)}" if name and name != "PrivateCreator" else ""
        if not element.value:
            yield head + "/>"
            continue
        yield head + ">"
        if isinstance(element.value, tuple):
            for number, item in enumerate(element.value, 1):
                yield f'{indent}  <Item number="{number}">'
                yield from native_xml(item, _inner(item, encodings), indent + "    ")
                yield f"{indent}  </Item>"
        elif element.vr in _BINARY:
            yield f"{indent}  <InlineBinary>{base64.b64encode(element.value).decode('ascii')}</InlineBinary>"
        else:
            for number, value in enumerate(_values(element, encodings), 1):
                yield from _xml_value(element.vr, number, value, indent + "  ")
        yield f"{indent}</DicomAttribute>"


def _xml_value(vr: str, number: int, value: str, indent: str) -> Iterator[str]:
    if vr != "PN":
        if value:
            yield f'{indent}<Value number="{number}">{xml_text(value)}</Value>'
        return
    yield f'{indent}<PersonName number="{number}">'
    for name, group in zip(_GROUPS, value.split("="), strict=False):
        parts = [
            f"<{part}>{xml_text(each)}</{part}>"
            for part, each in zip(_PARTS, group.split("^"), strict=False)
            if each
        ]
        if parts:
            yield f"{indent}  <{name}>{''.join(parts)}</{name}>"
    yield f"{indent}</PersonName>"


def xml_text(value: str) -> str:
    """Return `value` as XML character data."""
    from xml.sax.saxutils import escape

    return escape(legal_in_xml(value))


def legal_in_xml(value: str) -> str:
    """Return `value` with U+FFFD for characters that XML 1.0 has no place for; not escaped."""
    return _NOT_IN_XML.sub("\ufffd", value)
