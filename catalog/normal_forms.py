"""Normal forms: the text of a DICOM value as the catalogue stores and compares it.

Pure functions from text to text or number, shared by header reading, importing and queries, so
that a stored value and a query for it always take the same form (PS3.5 §6.2).
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime, timedelta

from catalog.entities import Value

_DA = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
_LEGACY_DA = re.compile(r"\d{4}\.\d\d\.\d\d", re.ASCII)
_LEGACY_TM = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_TM = re.compile(r"(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?", re.ASCII)
_DT = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?",
    re.ASCII,
)
_IS = re.compile(r"[+-]?\d{1,12}", re.ASCII)
_DS = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

_UI = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)

LONGEST = 512
"""Characters of the longest text that a column with an index holds as it is: eight times what any
VR of such a column allows. An index of PostgreSQL holds some 2,700 bytes."""

KEPT = 255
"""Characters that are kept of a longer one, before the digest of the whole."""

NUL = "\u2400"
"""What stands for U+0000, which no text of the standard has, and no text of PostgreSQL."""

INTEGER_RANGE = range(-(2**31), 2**31)
"""Values that IS may take (PS3.5 Table 6.2-1)."""


def date(text: str) -> str | None:
    """Return `YYYYMMDD` as `YYYY-MM-DD`, or `None` if it is not a date of the calendar."""
    found = _DA.fullmatch(text)
    if not found or not _is_date(*found.groups()):
        return None
    return "-".join(found.groups())


def _is_date(year: str, month: str, day: str) -> bool:
    return (
        year != "0000"
        and 1 <= int(month) <= 12
        and 1 <= int(day) <= _last_day(int(year), int(month))
    )


def _last_day(year: int, month: int) -> int:
    """Return the number of days of a month in the Gregorian calendar."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def time(text: str) -> str | None:
    """Return `HHMMSS.FFFFFF`, truncated anywhere, as `HH:MM:SS.FFFFFF` truncated likewise.

    `None` if it is not a time of day. Second 60, a leap second, is one (PS3.5 §6.2). The result
    sorts as text by its earliest moment.
    """
    found = _TM.fullmatch(text)
    if not found:
        return None
    hour, minute, second, fraction = found.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return None
    return ":".join(x for x in (hour, minute, second) if x is not None) + (fraction or "")


def date_time(text: str) -> str | None:
    """Return a DT value in ISO 8601 form, as precise as given, its UTC offset kept as `+HH:MM`.

    `None` if it is not a DT value: no calendar date, offset outside -12:00 to +14:00 or -00:00.
    """
    found = _DT.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if not _is_date(year, month or "01", day or "01"):
        return None
    result = "-".join(x for x in (year, month, day) if x is not None)
    if hour is not None:
        clock = time("".join(x for x in (hour, minute, second) if x is not None) + (fraction or ""))
        if clock is None:
            return None
        result += "T" + clock
    if offset is not None:
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        if (
            int(offset[3:]) > 59
            or offset == "-0000"
            or minutes > (720 if offset[0] == "-" else 840)
        ):
            return None
        result += f"{offset[:3]}:{offset[3:]}"
    return result


_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d\d:\d\d)?",
    re.ASCII,
)


def clock(form: str, *, last: bool = False) -> str | None:
    """Return the first moment that a normal form of DT covers, `YYYY-MM-DDTHH:MM:SS.FFFFFF`, without its offset.

    `None` if `form` is no such form. With `last` the last one; a fraction of a second is exact.
    """
    found = _FORM.fullmatch(form)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, _ = found.groups()
    month = month or ("12" if last else "01")
    day = day or (f"{_last_day(int(year), int(month)):02d}" if last else "01")
    if last:
        # Second 60 is a leap second, and sorts after all others.
        fraction = "999999" if second is None or fraction is None else fraction
        hour, minute, second = hour or "23", minute or "59", second or "60"
    return f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}.{(fraction or '').ljust(6, '0')}"


def instant(form: str, *, last: bool = False) -> str | None:
    """Return `clock` in UTC; `None` if the form has no offset."""
    at = clock(form, last=last)
    if at is None or len(form) < 10 or form[-3] != ":" or form[-6] not in "+-":
        return None
    hours, minutes = int(form[-6:-3]), int(form[-6] + form[-2:])
    try:
        moved = datetime.fromisoformat(at[:16]) - timedelta(hours=hours, minutes=minutes)
    except OverflowError:  # beyond the years 1 and 9999: before, or after, all there is
        return "" if form[-6] == "+" else "~"
    except ValueError:  # digits in the form of a date that no calendar has
        return None
    return moved.isoformat(timespec="minutes") + at[16:]


def number(text: str) -> int | float | None:
    """Return a number that stands as text among several, `None` if it is none; whole ones of 64 bits exactly."""
    if _WHOLE.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    return decimal(text)


_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)


def integer(text: str) -> int | None:
    """Return an IS value as a number, or `None` if it is not one (PS3.5 Table 6.2-1)."""
    if not _IS.fullmatch(text) or int(text) not in INTEGER_RANGE:
        return None
    return int(text)


def decimal(text: str) -> float | None:
    """Return a DS value as a finite number, or `None` if it is not one."""
    if not _DS.fullmatch(text):
        return None
    number = float(text)
    is_lost = number == 0 and text.strip("+-").lower().partition("e")[0].strip("0.") != ""
    return number if math.isfinite(number) and not is_lost else None


def normal(vr: str, multi_valued: bool, text: str | None) -> tuple[Value, str | None]:
    r"""Return the column's value for `text`, and the text itself where the column cannot hold it.

    Parameters
    ----------
    vr:
        The attribute's VR by the dictionary.
    multi_valued:
        Whether the attribute allows several values; these are kept as text, joined by `\`.
    text:
        The decoded value without padding; `None` if the attribute is absent.

    Returns
    -------
    (value, raw):
        `raw` is `None` when `value` says everything. An invalid date, time or number gives
        `(None, text)`; an empty number gives `(None, '')`; an empty text or date gives `('', None)`.
        In a text with U+0000 another character stands for that, and the text is `raw` too.
    """
    if text is None:
        return None, None
    if "\0" in text:
        text = without_nul(text)
        value, _ = _normal(vr, multi_valued, text)
        return value, text
    return _normal(vr, multi_valued, text)


def without_nul(text: str) -> str:
    """Return `text` with another character in place of U+0000."""
    return text.replace("\0", NUL)


def indexed(text: str) -> str:
    """Return a text as a column with an index holds it: cut if it is longer than `LONGEST`, and told from others by a digest."""
    if len(text) <= LONGEST:
        return text
    from hashlib import sha256

    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:KEPT]}…{digest[:32]}"


def _normal(vr: str, multi_valued: bool, text: str) -> tuple[Value, str | None]:
    if multi_valued:
        return text, None
    match vr:
        case "IS" | "US":
            number = integer(text)
            return (number, None) if number is not None else (None, text)
        case "DS":
            real = decimal(text)
            return (real, None) if real is not None else (None, text)
        case "DA":
            form = date(text) if text else ""
            if form is None and _LEGACY_DA.fullmatch(text) and (iso := date(text.replace(".", ""))):
                return iso, text  # the form of ACR-NEMA: understood, and kept as it stands
        case "TM":
            form = time(text) if text else ""
            if form is None and _LEGACY_TM.fullmatch(text) and (iso := time(text.replace(":", ""))):
                return iso, text
        case "DT":
            form = date_time(text) if text else ""
        case _:
            return text, None
    return (form, None) if form is not None else (None, text)


def is_uid(text: str) -> bool:
    """Return whether `text` is a legal UID: at most 64 of 0-9 and dots, no leading zeros (PS3.5 §9.1)."""
    return len(text) <= 64 and _UI.fullmatch(text) is not None


def fold(text: str) -> str:
    """Return `text` for comparing without case and accents: `MÜLLER` and `Muller` → `muller`.

    Letters whose plain form is not a decomposition are spelled out (`ß` → `ss`, `ø` → `o`).
    """
    plain = text
    while True:  # a symbol may decompose into capitals: twice is the most that any text needs
        before = plain
        plain = unicodedata.normalize("NFKD", plain.casefold())
        plain = "".join(_PLAIN.get(c, c) for c in plain if not unicodedata.combining(c))
        plain = unicodedata.normalize("NFKC", plain)
        if plain == before:
            return plain


def words(text: str) -> tuple[str, ...]:
    r"""Return the words of `text` without case and accents, each once, in order: `O'NEIL^Zoë` → `o`, `neil`, `zoe`.

    A word is a run of letters and digits (Unicode categories L and N). Marks are dropped without
    parting a word; everything else parts words, `^`, `=`, `\` and `_` among it.
    """
    plain = text.lower() if text.isascii() else fold(text)
    if not plain.isascii():
        kinds = ((c, unicodedata.category(c)[0]) for c in plain)
        plain = "".join(c if kind in "LN" else " " for c, kind in kinds if kind != "M")
        return tuple(dict.fromkeys(plain.split()))
    return tuple(dict.fromkeys(_ASCII_WORD.findall(plain)))


_ASCII_WORD = re.compile("[a-z0-9]+")

_PLAIN = {
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "æ": "ae",
    "œ": "oe",
    "ı": "i",
    "ħ": "h",
    "ŧ": "t",
}


def name_groups(name: str) -> tuple[str, str, str]:
    """Return the alphabetic, ideographic and phonetic groups of a PN value, `''` where absent.

    Trailing empty components and spaces at the ends are dropped (PS3.5 §6.2.1).
    """
    groups = [_group(group) for group in name.split("=")[:3]]
    alphabetic, ideographic, phonetic = (*groups, "", "")[:3]
    return alphabetic, ideographic, phonetic


def folded_name(names: str) -> str:
    """Return the search key of PN values: all groups of all values, folded, joined by `=`."""
    groups = [fold(_group(group)) for name in names.split("\\") for group in name.split("=")]
    return "=".join(group for group in groups if group)


def name_key(names: str) -> str:
    """Return all groups of all PN values as they stand, joined by `=`: without empty groups and empty ends."""
    groups = (_group(group) for name in names.split("\\") for group in name.split("="))
    return "=".join(group for group in groups if group)


def _group(text: str) -> str:
    return text.strip().rstrip("^ ")
