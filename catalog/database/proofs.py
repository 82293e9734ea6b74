"""Which files a verification found to have the bytes that their digests are of: kept by file, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType

from sqlalchemy import Connection, update

from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.dialect import is_listed
from catalog.database.file_paths import is_below
from catalog.entities import Status
from catalog.errors import DcatError

BATCH_FILES = 5_000


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
        self._folders: list[tuple[int, str]] = []

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

    def below(self, root_ref: int, path: str) -> None:
        """Take in that all files below `path` have their content, as those of an archive that has its own."""
        self._folders.append((root_ref, path))

    def _store(self) -> None:
        files, self._files = self._files, []
        folders, self._folders = self._folders, []
        if files or folders:
            self._catalogue.store(partial(_marked, self._run_ref, files, folders))


def _marked(
    run_ref: int,
    files: Sequence[tuple[int, str]],
    folders: Sequence[tuple[int, str]],
    connection: Connection,
) -> None:
    f = m.file.c
    change = update(m.file).values(verified_run_ref=run_ref)
    if files:
        refs, digests = zip(*files, strict=True)
        # A row that was read anew has a digest that was not proved here; two lists cost less than pairs.
        connection.execute(change.where(is_listed(f.id, refs), is_listed(f.digest, digests)))
    for root_ref, path in folders:
        members = (
            f.root_ref == root_ref,
            is_below(path),
            f.status != Status.MISSING.value,
            f.last_run_ref < run_ref,
        )
        connection.execute(change.where(*members))
