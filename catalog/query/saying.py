"""What was typed, as messages show it."""

from __future__ import annotations


def shown(text: str) -> str:
    """Return a text in quotes, cut if it is long."""
    return repr(text) if len(text) <= 100 else f"{text[:100]!r}…"
