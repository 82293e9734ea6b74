"""Which files a verification found to have the bytes that their digests are of: kept by file, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import NamedTuple

from sqlalchemy import Connection, exists, select, update

from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.dialect import is_listed
from catalog.database.file_paths import is_below
from catalog.database.rows import in_chunks
from catalog.entities import Status
from catalog.errors import DcatError

BATCH_FILES = 5_000


class _Members(NamedTuple):
    """Files below a path, as of an archive whose row had a digest."""

    root_ref: int
    path: str
    archive_ref: int
    digest: str


class Proofs:
    """Takes in what a run found right, and stores it in a few transactions. Use it in a `with` block.

    A file that another run has changed meanwhile is left alone: what was proved is a digest.

    Parameters
    ----------
    at_once:
        Store nothing before the block ends, where one reads the catalogue all the time.
    """

    def __init__(self, catalogue: Catalogue, run_ref: int, *, at_once: bool = False) -> None:
        self._catalogue, self._run_ref = catalogue, run_ref
        self._most = None if at_once else BATCH_FILES
        self._files: list[tuple[int, str]] = []
        self._members: list[_Members] = []

    def __enter__(self) -> Proofs:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Store what is left, also if the work was interrupted."""
        if error is None:
            self._store()
        else:
            with suppress(DcatError):  # the first error is the one to tell
                self._store()

    def file(self, file_ref: int, digest: str) -> None:
        """Take in that a file has the content that `digest` is of."""
        self._files.append((file_ref, digest))
        if self._most is not None and len(self._files) >= self._most:
            self._store()

    def members(self, root_ref: int, path: str, archive_ref: int, digest: str) -> None:
        """Take in that all files below `path` have their content, as their archive has what `digest` is of."""
        self._members.append(_Members(root_ref, path, archive_ref, digest))

    def _store(self) -> None:
        files, self._files = self._files, []
        members, self._members = self._members, []
        if files or members:
            self._catalogue.store(partial(_marked, self._run_ref, files, members))


def _marked(
    run_ref: int,
    files: Sequence[tuple[int, str]],
    members: Sequence[_Members],
    connection: Connection,
) -> None:
    f = m.file.c
    change = update(m.file).values(verified_run_ref=run_ref)
    for chunk in in_chunks(files, BATCH_FILES):
        # A row that was read anew has a digest that was not proved here, though perhaps of another file.
        proved = dict(chunk)
        digests = connection.execute(select(f.id, f.digest).where(is_listed(f.id, list(proved))))
        same = [ref for ref, digest in digests if digest == proved[ref]]
        if same:
            connection.execute(change.where(is_listed(f.id, same)))
    archive = m.file.alias("archive").c
    for root_ref, path, archive_ref, digest in members:
        # Members that were read anew may be stored before their archive is; they have its time.
        is_as_before = exists().where(
            archive.id == archive_ref, archive.digest == digest, archive.mtime_ns == f.mtime_ns
        )
        connection.execute(
            change.where(
                f.root_ref == root_ref,
                is_below(path),
                f.status != Status.MISSING.value,
                f.last_run_ref < run_ref,
                is_as_before,
            )
        )
