"""Files against their digests: every byte is read. A second pass, over what the first found as it should be."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from catalog.database import fetch, stored_files
from catalog.database.catalogue import Catalogue
from catalog.database.roots import Place
from catalog.entities import Status
from catalog.files.digest import digest_of
from catalog.files.opening import Opener, Source
from catalog.files.paths import SEPARATOR, is_archive_name, on_disk, split_member
from catalog.files.urls import is_url

if TYPE_CHECKING:
    from catalog.database.proofs import Proofs
    from catalog.verifying.disk import Verified

_WITHOUT_CONTENT = frozenset([Status.MISSING, Status.REFERENCED, Status.NOT_FOLLOWED])
"""Files that have no digest because nobody has read them."""

OTHER_CONTENT = "same size and time, but not the content that its digest is of"


AHEAD = 8
"""How many files behind a URL are read at a time; each is asked for in large pieces."""


class _Asked(NamedTuple):
    """A file, its row's id, what that has of size and time, and its digest."""

    file_ref: int
    source: Source
    size_bytes: int | None
    mtime_ns: int | None
    digest: str | None


class _Found(NamedTuple):
    """What is not as it should be: a state and the reason; without a state the file has no digest."""

    state: str
    detail: str = ""


_RIGHT = _Found("same")


def prove_place(
    catalogue: Catalogue, place: Place, opener: Opener, result: Verified, proofs: Proofs
) -> None:
    """Hold the files at a place that have a digest against it.

    An archive's digest is of the whole archive, so its members are not read one by one.

    Raises
    ------
    StorageError
        If storage behind a URL cannot be reached any more.
    """
    rows = stored_files.known_files(catalogue, place.root_ref, place.below, with_digest=True)
    asked = (
        _Asked(row.id, Source(place.root_path, row.path), row.size_bytes, row.mtime_ns, row.digest)
        for row in rows
        if row.status not in _WITHOUT_CONTENT and split_member(row.path) is None
    )
    if not is_url(place.root_path):
        for each in asked:
            found = _proved(each, opener)
            _note(each, found, result, proofs)
            _note_members(place, each, found, proofs)
        return
    from concurrent.futures import ThreadPoolExecutor

    from catalog.files.ahead import answers

    def prove(each: _Asked) -> tuple[_Asked, _Found | None]:
        return each, _proved(each, opener)  # of what is no member of an archive it keeps nothing

    with ThreadPoolExecutor(AHEAD) as pool:
        for each, answer in answers(pool, prove, asked, 2 * AHEAD):
            _note(each, answer, result, proofs)
            _note_members(place, each, answer, proofs)


def prove_candidate(
    candidate: fetch.Candidate, opener: Opener, result: Verified, proofs: Proofs
) -> None:
    """Hold the files of an instance, members of archives too, against their digests."""
    for file in candidate.files:
        if file.status not in _WITHOUT_CONTENT:
            source = Source(file.root, file.path)
            each = _Asked(file.file_ref, source, file.size_bytes, file.mtime_ns, file.digest)
            _note(each, _proved(each, opener), result, proofs)


def _proved(asked: _Asked, opener: Opener) -> _Found | None:
    """Return what is wrong with a file's content; `None` too if the first pass has said what is wrong."""
    _, source, size_bytes, mtime_ns, digest = asked
    is_remote = is_url(source.root)
    if not is_remote:
        inside = split_member(source.path)
        path = source.path if inside is None else inside[0]
        try:
            status = os.stat(on_disk(source.root, path))  # noqa: PTH116
        except OSError:
            return None
        if status.st_mtime_ns != mtime_ns or (inside is None and status.st_size != size_bytes):
            return None
    if digest is None:
        return _Found("")
    try:
        found = digest_of(source, opener, mtime_ns)
    except OSError as exc:
        if is_remote and exc.errno in (errno.ENOENT, errno.ESTALE):
            return None  # opening it tells that it is gone, or another
        return _Found("unknown", f"it cannot be read to its end: {exc.strerror or exc}")
    return _RIGHT if found == digest else _Found("changed", OTHER_CONTENT)


def _note(asked: _Asked, found: _Found | None, result: Verified, proofs: Proofs) -> None:
    if found is None:
        return
    if found is _RIGHT:
        assert asked.digest is not None
        proofs.file(asked.file_ref, asked.digest)
        return
    if not found.state:
        result.without_digest += 1
        return
    source = asked.source
    result.correct(found.state, f"{source.root.rstrip('/')}/{source.path}", found.detail)


def _note_members(place: Place, asked: _Asked, found: _Found | None, proofs: Proofs) -> None:
    """Note that the members of an archive are as they should be, if it is one and is so itself."""
    if found is _RIGHT and is_archive_name(asked.source.path):
        assert asked.digest is not None
        below = asked.source.path + SEPARATOR[0]
        proofs.members(place.root_ref, below, asked.file_ref, asked.digest)
