"""Files against their digests: every byte is read. A second pass, over what the first found as it should be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from catalog.database import fetch, stored_files
from catalog.database.catalogue import Catalogue
from catalog.database.roots import Place
from catalog.entities import Status
from catalog.files.digest import digest_of
from catalog.files.opening import Opener, Source
from catalog.files.paths import on_disk, split_member

if TYPE_CHECKING:
    from catalog.verifying.disk import Verified

_WITHOUT_CONTENT = frozenset([Status.MISSING, Status.REFERENCED, Status.NOT_FOLLOWED])
"""Files that have no digest because nobody has read them."""

OTHER_CONTENT = "same size and time, but not the content that its digest is of"


def prove_place(catalogue: Catalogue, place: Place, opener: Opener, result: Verified) -> None:
    """Hold the files at a place that have a digest against it.

    An archive's digest is of the whole archive, so its members are not read one by one.
    """
    for row in stored_files.known_files(catalogue, place.root_ref, place.below, with_digest=True):
        if row.status not in _WITHOUT_CONTENT and split_member(row.path) is None:
            stamp = (row.size_bytes, row.mtime_ns)
            _prove(Source(place.root_path, row.path), stamp, row.digest, opener, result)


def prove_candidate(candidate: fetch.Candidate, opener: Opener, result: Verified) -> None:
    """Hold the files of an instance, members of archives too, against their digests."""
    for file in candidate.files:
        if file.status not in _WITHOUT_CONTENT:
            stamp = (file.size_bytes, file.mtime_ns)
            _prove(Source(file.root, file.path), stamp, file.digest, opener, result)


def _prove(
    source: Source,
    stamp: tuple[int | None, int | None],
    digest: str | None,
    opener: Opener,
    result: Verified,
) -> None:
    inside = split_member(source.path)
    path = source.path if inside is None else inside[0]
    try:
        status = os.stat(on_disk(source.root, path))  # noqa: PTH116
    except OSError:
        return  # the first pass has said so
    if status.st_mtime_ns != stamp[1] or (inside is None and status.st_size != stamp[0]):
        return  # it has changed, and the first pass has said so
    if digest is None:
        result.without_digest += 1
        return
    full = f"{source.root.rstrip('/')}/{source.path}"
    try:
        found = digest_of(source, opener)
    except OSError as exc:
        result.correct("unknown", full, f"it cannot be read to its end: {exc.strerror or exc}")
        return
    if found != digest:
        result.correct("changed", full, OTHER_CONTENT)
