"""A medium as a listing: which of its files is the DICOMDIR."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(r"dicomdir\.?(;[0-9]+)?", re.IGNORECASE)


def dicomdir_names(names: Iterable[str]) -> list[str]:
    """Return which of the names in a medium's root mean DICOMDIR, the best first.

    The name is `DICOMDIR` (PS3.10 §8.6); drivers and copies make `dicomdir`, `DICOMDIR.` and
    `DICOMDIR;1` of it.
    """
    return sorted(
        (n for n in names if _NAME.fullmatch(n)),
        key=lambda n: (n != "DICOMDIR", n.casefold() != "dicomdir", n),
    )
