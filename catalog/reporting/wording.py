"""Values as text for a page: readable whatever they hold, and never able to steer what is around them.

Escaping for HTML is not done here: the template does it to everything (`page.html.jinja`), and the
writer of SVG to everything (`svg`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

LONGEST = 300
"""Letters of a value that a page shows; the rest is counted."""

_JOINERS = frozenset("\u200c\u200d")
"""Format characters that words of some languages are spelled with."""

_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that are not seen, and may change how others are shown."""

_PLAIN = re.compile(r"[ -~]*")


def shown(value: object, longest: int = LONGEST) -> str:
    r"""Return a value as text that shows all it holds.

    Control and format characters, lone surrogates and what Unicode never assigns are spelled
    `\xNN` or `\uNNNN`. What is longer than `longest` is cut, and says how long it is.
    `None` is `''`.
    """
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    cut = text[:longest] if len(text) > longest else text
    spelled = visible(cut)
    return f"{spelled}… ({len(text):,} characters)" if cut is not text else spelled


def visible(text: str) -> str:
    """Return `text` with what cannot be seen, or cannot stand in HTML, spelled as `shown` does."""
    return text if _PLAIN.fullmatch(text) else "".join(map(_spelled, text))


def _spelled(letter: str) -> str:
    code = ord(letter)
    never = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    if not never and (unicodedata.category(letter) not in _STEERING or letter in _JOINERS):
        return letter
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # a byte that is no UTF-8, as Python holds it
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def fitted(text: str, width: float, em: float) -> str:
    """Return `text` cut so that it is about `width` wide in letters of size `em`, both in the same unit.

    What font a page is read in is not known; the widths are those of wide ones.
    """
    room = width / em
    kept = 0
    for place, letter in enumerate(text):
        room -= _width(letter)
        if room < 0:
            return text[:kept].rstrip() + "…"
        if room >= _width("…"):
            kept = place + 1
    return text


def width_of(text: str, em: float) -> float:
    """Return about how wide `text` is in letters of size `em`."""
    return em * sum(map(_width, text))


def _width(letter: str) -> float:
    """Return the width of a letter in em."""
    if letter in "ijltfrI.,:;'|!()[] -·":
        return 0.4
    if letter in "mwMW%@—…":
        return 1.0
    if letter.isascii():
        return 0.75 if letter.isupper() else 0.62
    if unicodedata.combining(letter):
        return 0.0
    return 0.75 if unicodedata.east_asian_width(letter) in ("N", "Na", "H", "A") else 1.0


def number(value: int) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}"


def counted(value: int, noun: str, plural: str | None = None) -> str:
    """Return `1 file`, `2,000 files`."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def size(size_bytes: int) -> str:
    """Return a size in powers of 1000: `1.4 GB`."""
    if size_bytes < 1000:
        return counted(size_bytes, "byte")
    amount = size_bytes / 1000
    for unit in ("kB", "MB", "GB", "TB"):
        if amount < 999.95:
            return f"{amount:,.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} PB"


def moment(when: datetime) -> str:
    """Return a moment with its zone, `2026-11-23 05:55 UTC+01:00`."""
    offset = when.strftime("%z")
    return (
        f"{when:%Y-%m-%d %H:%M} UTC{offset[:3]}:{offset[3:5]}"
        if offset
        else f"{when:%Y-%m-%d %H:%M}"
    )


def stamp(text: str) -> str:
    """Return a stored moment (ISO 8601 with offset) for people; as it is if it is none."""
    try:
        return moment(datetime.fromisoformat(text))
    except ValueError:
        return shown(text)


def duration(seconds: int | None) -> str:
    """Return a duration, `1:02:03`, `2:03`, `3 s`; `''` if it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def counts(numbers: Mapping[str, Any]) -> str:
    """Return what is not nothing of a run's counts: `176 files, 3 new`."""
    return ", ".join(
        f"{value:,} {shown(name).removeprefix('status ')}"
        for name, value in numbers.items()
        if isinstance(value, int) and value
    )


def severity_class(severity: str) -> str:
    """Return the class of the page's style for a severity."""
    return severity if severity in ("error", "warning", "note") else "rest"
