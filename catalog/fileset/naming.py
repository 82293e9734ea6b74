"""File IDs for new files: each follows from the identity of its instance alone.

`DICOM/P…/T…/S…/I…`, one level each for patient, study, series and instance. A component is a
letter and seven characters of a base-32 hash of the identity down to that level, so exporting more
or fewer instances renames none of the others, and no name tells anything (PS3.10 §8.2: a File ID
carries no semantics).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable

from catalog.errors import FileSetError
from catalog.fileset.file_id import FileId

Identity = tuple[str, ...]
"""(patient key, Study, Series, SOP Instance UID), or (SOP Instance UID,) below no patient."""

TOP = "DICOM"
_LEVELS = "PTSI"
_ROOT_LEVEL = "R"
_MAX_SALT = 10_000


def hash_text(parts: Iterable[str], length: int, salt: int = 0) -> str:
    """Return `length` characters A-Z and 2-7 of the SHA-256 of `parts`, five bits each.

    Parts are hashed with their lengths, so ("A", "BC") and ("AB", "C") differ. At most 51.
    """
    import hashlib  # OpenSSL takes long to load, and a DICOMDIR for files in place names none

    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    if salt:
        digest.update(b"salt" + salt.to_bytes(8, "big"))
    return base64.b32encode(digest.digest()).decode("ascii")[:length]


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
    folders: dict[Identity, set[Identity]] = {}
    for identity in wanted:
        if len(identity) not in (1, 4):
            raise FileSetError(f"An identity has one or four parts, not {len(identity)}.")
        for level in range(len(identity)):
            folders.setdefault((str(len(identity)), *identity[:level]), set()).add(
                identity[: level + 1]
            )
    component: dict[tuple[int, Identity], str] = {}
    for folder, children in folders.items():
        arity = int(folder[0])
        for prefix, text in _spread(sorted(children), hashed).items():
            letter = _ROOT_LEVEL if arity == 1 else _LEVELS[len(prefix) - 1]
            component[arity, prefix] = letter + text
    return {
        identity: FileId(
            (TOP, *(component[len(identity), identity[: n + 1]] for n in range(len(identity))))
        )
        for identity in wanted
    }


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
