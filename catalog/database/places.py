"""Which locks keep two writers from working at the same place.

Who works on a folder holds it alone, and shares every folder above it. So two that work side by
side do not meet; one that works below or above another waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import TypeAlias

Lock: TypeAlias = tuple[int, bool]
"""The number of a place, and whether it is shared."""


def number_of(name: str) -> int:
    """Return the number, of 64 bits with a sign, by which a lock is known to the server."""
    digest = blake2b(f"dcat {name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _place(path: str) -> int:
    return number_of(f"place {path}")


ALL: frozenset[Lock] = frozenset([(_place(""), False)])
"""What holds every place."""


def locks_for(places: Collection[str]) -> set[Lock]:
    """Return the locks to hold while working at `places`: absolute paths in text form, or URLs."""
    alone = {place.rstrip("/") for place in places}
    locks = {(_place(place), False) for place in alone}
    return locks | {(_place(above), True) for above in _above(alone)}


def _above(places: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for place in places:
        above, slash, _ = place.rpartition("/")
        while slash and above not in found:
            found.add(above)
            above, slash, _ = above.rpartition("/")
        found.add("") if place else None
    return found - set(places)
