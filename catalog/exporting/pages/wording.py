"""Values of attributes as people read them."""

from __future__ import annotations

import re

from catalog.entities import Instance, Patient, Series, Study

_SEXES = {"F": "female", "M": "male", "O": "other"}
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d):?(\d\d)(?::?(\d\d))?(\.\d+)?(?:[+-]\d{4})?", re.ASCII)

Entity = Patient | Study | Series | Instance


def stated(entity: Entity | None, field: str, keyword: str) -> str:
    """Return what an entity says, as text; where its field cannot hold that, as it stood."""
    if entity is None:
        return ""
    value = getattr(entity, field)
    return str(value) if value is not None else dict(entity.raw).get(keyword, "")


def person(name: str) -> str:
    """Return a person's name: family name first, other groups of it in brackets (PS3.5 §6.2.1)."""
    groups = [shown for group in name.split("=") if (shown := _group(group))]
    return f"{groups[0]} ({', '.join(groups[1:])})" if len(groups) > 1 else "".join(groups)


def _group(group: str) -> str:
    family, given, middle, prefix, suffix = (
        " ".join(part.split()) for part in (group.split("^") + [""] * 5)[:5]
    )
    return ", ".join(
        part for part in (family, " ".join(filter(None, (prefix, given, middle))), suffix) if part
    )


def date(text: str) -> str:
    """Return a date as `2024-01-31`; what is none stays as it is."""
    match = _DATE.fullmatch(text)
    return "-".join(match.groups()) if match else text


def time(text: str) -> str:
    """Return a time to the minute; what is none stays as it is."""
    match = _TIME.fullmatch(text)
    return f"{match[1]}:{match[2]}" if match else text


def moment(date_text: str, time_text: str) -> str:
    """Return date and time."""
    return " ".join(part for part in (date(date_text), time(time_text)) if part)


def date_time(text: str) -> str:
    """Return a DICOM date time to the minute."""
    return moment(text[:8], text[8:]) if text[:8].isdecimal() and len(text) >= 8 else text


def sex(text: str) -> str:
    """Return what a Patient's Sex means."""
    return _SEXES.get(text, text)


def several(text: str) -> str:
    r"""Return values that are joined by `\` with commas."""
    return ", ".join(part for part in text.split("\\") if part)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 image`, `2 images`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(size_bytes: int) -> str:
    """Return a size in the unit that fits."""
    value = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return (
                f"{value:.0f} {unit}" if unit == "bytes" or value >= 10 else f"{value:.1f} {unit}"
            )
        value /= 1000
    return f"{value:.1f} GB"
