"""The command line that is being run."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DATABASE = re.compile(
    r"(--[a-z-]+=)?(postgres(?:ql)?(?:\+psycopg)?://.*)", re.IGNORECASE | re.DOTALL
)

_arguments: list[str] = []


def remember(arguments: Sequence[str]) -> None:
    """Keep the command line that is being run, for `typed`."""
    _arguments[:] = arguments


def typed() -> str:
    """Return the command line as the user typed it, for runs and the ledger; without passwords of databases."""
    import shlex

    return (
        shlex.join(map(_without_password, _arguments))
        .encode("utf-8", "backslashreplace")
        .decode("utf-8")
    )


def _without_password(argument: str) -> str:
    """Return an argument as it may be stored and shown."""
    found = _DATABASE.fullmatch(argument)
    if found is None:
        return argument
    from catalog.database.location import located
    from catalog.errors import ConfigError

    try:
        name = str(located(found[2]))
    except ConfigError:
        name = "postgresql://..."
    return f"{found[1] or ''}{name}"
