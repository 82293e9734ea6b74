"""Wildcard patterns: `*` any run of characters, also none, `?` exactly one (PS3.4 C.2.2.2.4).

There is no escape: a value with `*` or `?` in it is found by `?` in their place. The time to compare
grows with the lengths of pattern and text multiplied at most, whatever the pattern.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_CHARACTERS = 10_240
"""Longest pattern, that of a value of LT. Databases bound theirs too, and less politely."""

_STARS = re.compile(r"\*+")
_FIRST = re.compile("[*?]")


def is_pattern(text: str) -> bool:
    """Return whether `text` holds a wildcard."""
    return "*" in text or "?" in text


def collapsed(pattern: str) -> str:
    """Return the shortest spelling of `pattern`: several `*` side by side mean one."""
    return _STARS.sub("*", pattern)


def beginning(pattern: str) -> str:
    """Return what every text that fits begins with: the pattern up to its first wildcard."""
    return _FIRST.split(pattern, maxsplit=1)[0]


def fits(pattern: str, text: str) -> bool:
    """Return whether the whole of `text` fits `pattern`."""
    first, *rest = pattern.split("*")
    if not rest:
        return len(first) == len(text) and _stands_at(first, text, 0)
    *between, last = rest
    end = len(text) - len(last)
    if end < len(first) or not _stands_at(first, text, 0) or not _stands_at(last, text, end):
        return False
    # Each piece is taken as early as it goes; if that fails no later place would have done better.
    at = len(first)
    for piece in between:
        found = _find(piece, text, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _stands_at(piece: str, text: str, at: int) -> bool:
    if "?" not in piece:
        return text.startswith(piece, at)
    return _expression(piece).match(text, at) is not None


def _find(piece: str, text: str, start: int, end: int) -> int:
    if "?" not in piece:
        return text.find(piece, start, end)
    found = _expression(piece).search(text, start, end)
    return -1 if found is None else found.start()


@lru_cache(maxsize=256)
def _expression(piece: str) -> re.Pattern[str]:
    """Return the expression of a piece without `*`; all that fits is as long as it."""
    return re.compile("".join("." if c == "?" else re.escape(c) for c in piece), re.DOTALL)
