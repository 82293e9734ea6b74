"""File IDs for new files: each follows from the identity of its instance alone.

`DICOM/P…/T…/S…/I…`, one level each for patient, study, series and instance. A component is a
letter and seven characters of a base-32 hash of the identity down to that level, so exporting more
or fewer instances renames none of the others, and no name tells anything (PS3.10 §8.2: a File ID
carries no semantics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from catalog.errors import FileSetError
from catalog.fileset.file_id import FileId

Identity = tuple[str, ...]
"""(patient key, Study, Series, SOP Instance UID), or (SOP Instance UID,) below no patient."""

TOP = "DICOM"
_LEVELS = "PTSI"
_ROOT_LEVEL = "R"
_MAX_SALT = 10_000
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = tuple(one + other for one in _LETTERS for other in _LETTERS)
"""Text of ten bits."""


def hash_text(parts: Iterable[str], length: int, salt: int = 0) -> str:
    """Return `length` characters A-Z and 2-7 of the SHA-256 of `parts`, five bits each.

    Parts are hashed with their lengths, so ("A", "BC") and ("AB", "C") differ. At most 51.
    """
    import hashlib  # OpenSSL takes long to load, and a DICOMDIR for files in place names none

    pieces: list[bytes] = []
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        pieces += len(data).to_bytes(8, "big"), data
    if salt:
        pieces += b"salt", salt.to_bytes(8, "big")
    digest = hashlib.sha256(b"".join(pieces)).digest() + b"\0"
    count = -(-length // 2)
    number = int.from_bytes(digest[: -(-count * 10 // 8)], "big")
    shifts = range(-(-count * 10 // 8) * 8 - 10, -1, -10)
    return "".join([_PAIRS[number >> shift & 1023] for shift in shifts])[:length]


def _seven(prefix: Identity, salt: int) -> str:
    return hash_text(prefix, 7, salt)


def names(
    identities: Iterable[Identity], hashed: Callable[[Identity, int], str] = _seven
) -> dict[Identity, FileId]:
    """Return a File ID for each identity; unique, legal, and the same in whatever order they come.

    Parameters
    ----------
    identities:
        Tuples of four (series level) or one (root level) texts; repeats are one.
    hashed:
        The text of one component for an identity down to its level and a salt; up to seven
        characters A-Z, 0-9, _.

    Two neighbours in one folder with equal hashes: the lexically smaller identity keeps the name,
    the other is hashed again with a salt, avoiding every name that needed fewer salts.

    Raises
    ------
    FileSetError
        If an identity has neither four nor one part, or the hash leaves no free name.
    """
    wanted = sorted(set(identities))
    above = folders({identity[:-1] for identity in wanted}, hashed)
    found: dict[Identity, FileId] = {}
    for length in (1, 4):
        some = (identity for identity in wanted if len(identity) == length)
        for prefix, group in groupby(some, lambda identity: identity[:-1]):
            for identity, name in files(group, hashed).items():
                found[identity] = FileId((*above[prefix], name))
    return found


def folders(
    prefixes: Iterable[Identity], hashed: Callable[[Identity, int], str] = _seven
) -> dict[Identity, tuple[str, ...]]:
    """Return the components of the folder for the files of each prefix: identities but their last part.

    Raises
    ------
    FileSetError
        As `names`.
    """
    found: dict[Identity, tuple[str, ...]] = {(): (TOP,)}
    wanted = sorted(set(prefixes))
    for prefix in wanted:
        if len(prefix) not in (0, len(_LEVELS) - 1):
            raise FileSetError(f"An identity has one or four parts, not {len(prefix) + 1}.")
    deep = [prefix for prefix in wanted if prefix]
    for depth in range(1, len(_LEVELS)):
        neighbours = dict.fromkeys(prefix[:depth] for prefix in deep)
        for above, group in groupby(neighbours, lambda prefix: prefix[:-1]):
            for prefix, text in _spread(list(group), hashed).items():
                found[prefix] = (*found[above], _LEVELS[depth - 1] + text)
    return {prefix: found[prefix] for prefix in wanted}


def files(
    identities: Iterable[Identity], hashed: Callable[[Identity, int], str] = _seven
) -> dict[Identity, str]:
    """Return the last component for each identity of one folder.

    Raises
    ------
    FileSetError
        If the hash leaves no free name.
    """
    neighbours = sorted(set(identities))
    letter = _ROOT_LEVEL if neighbours and len(neighbours[0]) == 1 else _LEVELS[-1]
    return {identity: letter + text for identity, text in _spread(neighbours, hashed).items()}


def _spread(
    prefixes: list[Identity], hashed: Callable[[Identity, int], str]
) -> dict[Identity, str]:
    """Return distinct texts for the neighbours `prefixes`, which are sorted."""
    texts: dict[Identity, str] = {}
    taken: set[str] = set()
    waiting = prefixes
    for salt in range(_MAX_SALT):
        losers: list[Identity] = []
        for prefix in waiting:
            text = hashed(prefix, salt)
            if text in taken:
                losers.append(prefix)
            else:
                taken.add(text)
                texts[prefix] = text
        if not losers:
            return texts
        waiting = losers
    raise FileSetError(f"No free name is left for {len(waiting)} of {len(prefixes)} neighbours.")
