"""Whether a value is legal for its VR (PS3.5 §6.2), as far as bytes alone tell."""

from __future__ import annotations

import re

_LENGTHS = {
    "AE": 16,
    "AS": 4,
    "CS": 16,
    "DS": 16,
    "DT": 26,
    "IS": 12,
    "LO": 64,
    "SH": 16,
    "TM": 14,
    "UI": 64,
}
_WHOLE_LENGTHS = {"ST": 1024, "LT": 10240}
_PN_GROUP = 64

_DATE = re.compile(rb"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(rb"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?")
_PATTERNS = {
    "CS": re.compile(rb"[A-Z0-9_ ]*"),
    "DA": _DATE,
    "TM": _TIME,
    "IS": re.compile(rb"[+-]?\d+"),
    "DT": re.compile(rb"\d{4}(\d{2}(\d{2}(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?"),
    "UI": re.compile(rb"(0|[1-9]\d*)(\.(0|[1-9]\d*))*"),
}


_LEGACY = {
    "DA": (re.compile(rb"\d{4}\.\d{2}\.\d{2}"), b"."),
    "TM": (re.compile(rb"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"), b":"),
}


def modernised(vr: str, data: bytes) -> bytes | None:
    """Return a date `YYYY.MM.DD` or time `HH:MM:SS` of ACR-NEMA days as DICOM writes it.

    `None` if `data` is not of that form (PS3.5 §6.2, notes on DA and TM).
    """
    pattern, separator = _LEGACY.get(vr, (None, b""))
    value = data.strip(b" ")
    if pattern is None or not pattern.fullmatch(value):
        return None
    return value.replace(separator, b"")


def deviation(vr: str, data: bytes) -> str | None:
    """Return what is wrong with the value `data`, as the end of a sentence, or `None`.

    Padding is overlooked. Lengths of text outside ASCII are not judged: they count characters,
    and bytes do not tell how many there are. Backslashes separate values, except in ST, LT and UT.
    """
    if not data.isascii():
        return "is not in the default repertoire" if vr in _PATTERNS else None
    if vr in _WHOLE_LENGTHS:
        whole = _WHOLE_LENGTHS[vr]
        return f"is longer than {whole} characters" if len(data.rstrip(b" ")) > whole else None
    for value in data.split(b"\\"):
        value = value.strip(b" \0")
        limit = _LENGTHS.get(vr)
        if limit and len(value) > limit:
            return f"is longer than {limit} characters"
        if vr == "PN" and any(len(group) > _PN_GROUP for group in value.split(b"=")):
            return f"has a component group longer than {_PN_GROUP} characters"
        pattern = _PATTERNS.get(vr)
        if value and pattern and not pattern.fullmatch(value):
            return f"is no legal {vr}"
    return None
