"""The command line that is being run."""

from __future__ import annotations

from collections.abc import Sequence

_arguments: list[str] = []


def remember(arguments: Sequence[str]) -> None:
    """Keep the command line that is being run, for `typed`."""
    _arguments[:] = arguments


def typed() -> str:
    """Return the command line as the user typed it, for runs and the ledger."""
    import shlex

    return shlex.join(_arguments).encode("utf-8", "backslashreplace").decode("utf-8")
