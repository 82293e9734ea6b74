"""Names of data elements by PS3.6."""

from __future__ import annotations

from functools import lru_cache

from catalog.dicom.loading import load_pydicom


@lru_cache(maxsize=4096)
def keyword(tag: int) -> str:
    """Return the keyword of `tag`; `''` for private and unknown ones, `GroupLength` for (gggg,0000)."""
    if tag & 0xFFFF == 0:
        return "GroupLength"
    if tag >> 16 & 1:
        return "PrivateCreator" if 0x10 <= tag & 0xFFFF <= 0xFF else ""
    load_pydicom()
    from pydicom.datadict import dictionary_keyword

    try:
        return str(dictionary_keyword(tag))
    except KeyError:
        return ""


def nearest(name: str) -> str | None:
    """Return the keyword of PS3.6 that is spelt most like `name`, whose spaces and case do not count."""
    from difflib import get_close_matches

    load_pydicom()
    from pydicom.datadict import keyword_dict

    plain = {keyword.lower(): keyword for keyword in keyword_dict}
    asked = "".join(c for c in name[:100].lower().replace("'s", "") if c.isalnum())
    near = [asked] if asked in plain else get_close_matches(asked, plain, n=1, cutoff=0.85)
    return plain[near[0]] if near else None
