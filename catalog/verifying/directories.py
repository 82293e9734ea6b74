"""DICOMDIRs on disk against those that the catalogue's directory records are of."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from catalog.database import imports_reading
from catalog.database.catalogue import Catalogue
from catalog.files.digest import digest
from catalog.files.paths import SEPARATOR, on_disk
from catalog.files.urls import is_url
from catalog.fileset.medium import dicomdir_names

ANOTHER = "it is not the DICOMDIR that was imported; `dcat import` takes in what it says now"


class State(NamedTuple):
    """How a file is: `same`, `changed`, `unindexed` or `unknown`, and the reason."""

    state: str
    detail: str = ""


_SAME = State("same")


class Imported:
    """Tells how the DICOMDIRs of imported File-sets are, and the files that hold imported media.

    The row of a file says what was indexed last. The directory records may be of an earlier
    DICOMDIR, so that is held against the digest of the one that was imported. It is read only
    where no row has its digest.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._digests = catalogue.ask(imports_reading.directory_digests)
        self.containers = 0
        """How many files that hold media were found as they were; none of these has a digest."""

    def directory(self, root: str, path: str, file_ref: int | None = None) -> State | None:
        """Return how a DICOMDIR is; `None` if no File-set was imported from its folder.

        Parameters
        ----------
        file_ref:
            Its row, if it has the size and the time that are there; `None` if there is no row.
        """
        folder, _, name = f"{root.rstrip('/')}/{path}".rpartition("/")
        imported = self._digests.get(folder or "/")
        if imported is None or not dicomdir_names([name]) or is_url(root):
            return None
        if file_ref is not None:
            known = self._catalogue.ask(partial(imports_reading.digest_of_file, file_ref))
            if known in imported:
                return _SAME
        try:
            found = digest(on_disk(root, path))
        except OSError as exc:
            return State("unknown", f"it cannot be read: {exc.strerror or exc}")
        return _SAME if found in imported else State("changed", ANOTHER)

    def container(self, root_ref: int, root: str, path: str, mtime_ns: int) -> State | None:
        """Return how a file without a row is that holds an imported medium; `None` if it holds none.

        Its members have rows with the time that it had.
        """
        if f"{root.rstrip('/')}/{path}" not in self._digests:
            return None
        asked = partial(imports_reading.time_of_files_below, root_ref, path + SEPARATOR[0])
        before_ns = self._catalogue.ask(asked)
        if before_ns is None:
            return None
        if before_ns == mtime_ns:
            self.containers += 1
            return _SAME
        return State("changed", "another modification time than when its medium was imported")
