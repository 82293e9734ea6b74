"""Names of data elements by PS3.6."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def keyword(tag: int) -> str:
    """Return the keyword of `tag`; `''` for private and unknown ones, `GroupLength` for (gggg,0000)."""
    if tag & 0xFFFF == 0:
        return "GroupLength"
    if tag >> 16 & 1:
        return "PrivateCreator" if 0x10 <= tag & 0xFFFF <= 0xFF else ""
    from pydicom.datadict import dictionary_keyword

    try:
        return str(dictionary_keyword(tag))
    except KeyError:
        return ""
