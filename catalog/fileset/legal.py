"""Whether a value is legal for its VR (PS3.5 §6.2), as far as bytes alone tell."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

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


_OFFSET = re.compile(rb"([+-])(\d{2})([0-5]\d)")


def instant(value: bytes, default_offset: bytes = b"") -> datetime | None:
    """Return the moment that a DT value names, in UTC; `None` if it is no DT.

    What the value leaves out counts as its least. Without an offset of its own it has
    `default_offset`, Timezone Offset From UTC (0008,0201); without that either, none
    (PS3.5 §6.2; PS3.3 C.12.1).
    """
    value = value.strip(b" \0")
    if not value or not _PATTERNS["DT"].fullmatch(value):
        return None
    own = value[-5:] if value[-5:-4] in (b"+", b"-") else b""
    digits, _, fraction = value[: len(value) - len(own)].partition(b".")
    parts = [int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, len(digits), 2))]
    parts += [1, 1, 0, 0, 0][len(parts) - 1 :]
    offset = _OFFSET.fullmatch(own or default_offset.strip(b" \0"))
    shift = timedelta()
    if offset:
        shift = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        shift = -shift if offset[1] == b"-" else shift
    year, month, day, hour, minute, second = parts
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        leap = timedelta(seconds=second == 60, microseconds=int(fraction.ljust(6, b"0")))
        return moment - shift + leap
    except (ValueError, OverflowError):
        return None


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
