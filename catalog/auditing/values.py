"""What is given for an audit's parameters, as its SQL takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

from catalog import normal_forms
from catalog.auditing.headers import Audit
from catalog.errors import SelectionError

_AGO = re.compile(r"(\d{1,6}) days? ago", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_CHOICES = ("yes", "no")
_ISO = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def settled(
    audit: Audit, given: Mapping[str, str], since: int, today: date | None = None
) -> dict[str, str]:
    """Return a value for every parameter of the audit.

    An option whose default is `today` or `N days ago` takes a date and gives `YYYY-MM-DD`; one
    whose default is a number takes a number, and one whose default is yes or no one of the two.

    Parameters
    ----------
    since:
        The run after which something must have been noticed, 0 for whatever there is.
    today:
        What `today` means; without it the date of this machine.

    Raises
    ------
    SelectionError
        If a value is missing, unknown or none that the option takes.
    """
    missing = [f"{name} ({text})" for name, text in audit.arguments.items() if name not in given]
    if missing:
        raise SelectionError(
            f"The audit {audit.name} needs -p {missing[0].partition(' ')[0]}=…: {', '.join(missing)}."
        )
    known = {*audit.arguments, *audit.options}
    for name in sorted(set(given) - known):
        takes = f"It takes {', '.join(sorted(known))}." if known else "It takes none."
        since_hint = " Write --since RUN." if name == "since" else ""
        raise SelectionError(
            f"The audit {audit.name} takes no parameter {name!r}.{since_hint or ' ' + takes}", name
        )
    day = today or date.today()  # noqa: DTZ011 - the user's own day
    values = {name: given[name] for name in audit.arguments}
    for name, default in audit.defaults.items():
        values[name] = _value(name, given.get(name, default), default, day)
    if audit.knows_since:
        values["since"] = str(since)
    elif since:
        raise SelectionError(
            f"The audit {audit.name} cannot tell what is new since a run; ask it without --since."
        )
    return values


def _value(name: str, text: str, default: str, today: date) -> str:
    """Return one option's value; its default tells what it takes."""
    if default == "today" or _AGO.fullmatch(default):
        return _date(name, text.strip(), today)
    if default in _CHOICES:
        if (chosen := text.strip().lower()) not in _CHOICES:
            raise SelectionError(f"{name}={text} is neither yes nor no.", text)
        return chosen
    if _NUMBER.fullmatch(default) and not _NUMBER.fullmatch(text):
        raise SelectionError(f"{name}={text} is no whole number; write {name}={default}.", text)
    return text


def _date(name: str, text: str, today: date) -> str:
    if text == "today":
        return today.isoformat()
    if ago := _AGO.fullmatch(text):
        try:
            return (today - timedelta(days=int(ago[1]))).isoformat()
        except OverflowError:
            pass
    digits = text.replace("-", "") if _ISO.fullmatch(text) else text
    if found := normal_forms.date(digits):
        return found
    raise SelectionError(
        f"{name}={text} is no date; write {name}=2024-01-31, {name}=today or {name}='90 days ago'.",
        text,
    )
