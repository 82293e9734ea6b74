"""Opening a catalogue and its transactions, whichever database holds it.

What the two databases do differently stands in `catalog.database.sqlite` and
`catalog.database.postgresql`; the second is loaded only where it is used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from catalog.database.location import Location, PostgresqlUrl
from catalog.errors import CatalogueMissing, SchemaTooNew, SchemaTooOld

HEAD = "0006"
"""Schema revision of this dcat. A constant, because importing Alembic to ask costs a second."""

KNOWN_REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every revision that this dcat can upgrade from, oldest first."""

LOCKING_COMMANDS = ("index", "prune", "import")
"""The commands whose runs hold the writer's lock from beginning to end."""

PLACES_WERE_FREE = "dcat_places_were_free"
"""What says of a connection that the one before it was lost, and with it for a while the places."""

__all__ = [
    "PLACES_WERE_FREE",
    "Catalogue",
    "Connection",
    "Patience",
    "open_catalogue",
    "revision_of",
]

T = TypeVar("T")


def _tell_nobody(holder: str) -> None:
    """Wait in silence."""


def do_nothing() -> None:
    """Do nothing."""


@dataclass(slots=True)
class Patience:
    """How to wait for another writer: so long, in seconds, telling `tell` who it is.

    `lost` is told, in a sentence, that a connection was lost and is being made again.
    """

    timeout_s: float = 0
    tell: Callable[[str], None] = _tell_nobody
    lost: Callable[[str], None] = _tell_nobody


class Catalogue(ABC):
    """An open catalogue.

    Reading and writing go through `read` and `write`, each one transaction.

    Attributes
    ----------
    name:
        What messages call it: the path, or the URL without its password.
    path:
        The SQLite file; `None` if it is on a server.
    own_paths:
        The catalogue's own files on this machine, there or not.
    """

    name: str
    path: Path | None
    own_paths: tuple[Path, ...]
    engine: Engine
    patience: Patience
    location: Location

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""

    # -- transactions ----------------------------------------------------------------------

    @abstractmethod
    def read(self) -> AbstractContextManager[Connection]:
        """Give a connection in a reading transaction: one state, whatever others write.

        It cannot write, whatever SQL reaches it.
        """

    @abstractmethod
    def write(self) -> AbstractContextManager[Connection]:
        """Give a connection in a writing transaction: all of the block is stored, or nothing.

        One transaction writes at a time.

        Raises
        ------
        CatalogueBusy
            If another process's transaction does not end in time.
        CatalogueError
            If the database cannot be written (disk full, read-only, damaged, connection lost).
        """

    def check_place(self) -> None:  # noqa: B027  # one on a server cannot go that way
        """Make sure that the file of the catalogue is still where it was opened; each `write` does so.

        Raises
        ------
        CatalogueError
            If it was removed, moved or replaced since, so that what is written goes with it.
        """

    def store(
        self,
        work: Callable[[Connection], T],
        run_ref: int | None = None,
        undone: Callable[[], None] = do_nothing,
    ) -> T:
        """Do `work` in a writing transaction, exactly once; return what it returns.

        Where the connection can be lost, `work` is done again on a new one, so it must not keep
        what it did before. With `run_ref`, a number that is stored with it tells whether the
        transaction that was lost had been stored; without, doing it twice must come to the same.
        `undone` is called when nothing is left of what `work` did: before it is done again, and if
        it fails for good.

        Raises
        ------
        CatalogueBusy, CatalogueError
            As `write` does.
        """
        try:
            with self.write() as connection:
                return work(connection)
        except BaseException:
            undone()
            raise

    def ask(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a reading transaction, again if the connection is lost; return what it returns."""
        with self.read() as connection:
            return work(connection)

    # -- writers ---------------------------------------------------------------------------

    @abstractmethod
    def writer_lock(self, places: Collection[str] | None = None) -> AbstractContextManager[None]:
        """Hold the right to write entities of what lies at `places`; given back even if the process is killed.

        While another process holds it, this waits as long as `patience` says, and tells who it is.

        Parameters
        ----------
        places:
            Absolute paths in text form, or URLs, of folders and files; `None` for all there are.
            SQLite has one lock for everything.

        Raises
        ------
        CatalogueBusy
            If another process still holds it then; the message says which.
        """

    def session(self) -> AbstractContextManager[None]:
        """Keep one connection for all that is written in the block, so that `claim` lasts as long."""
        return nullcontext()

    def claim(self, connection: Connection, run_ref: int) -> None:  # noqa: B027  # SQLite needs none
        """Say that this process is at work on a run, until the `session` ends; call it where the run is made."""

    def at_work(self) -> frozenset[int] | None:
        """Return the runs that some process, on any machine, is at work on; `None` if the database cannot tell."""
        return None

    @abstractmethod
    def is_being_written(self) -> bool:
        """Return whether a process holds the writer's lock; the answer may be old at once."""

    @abstractmethod
    def mark_dead_runs(self) -> None:
        """Mark writers' runs that never ended as killed; call it holding `writer_lock`."""

    def note_growth(self) -> None:  # noqa: B027  # SQLite needs none
        """Have the database look at what it holds, after much was stored, so that it plans questions by that."""

    def spare_memory(self) -> None:  # noqa: B027  # a server's memory is its own matter
        """Hold few pages in memory from now on: for work that goes through the tables in one order."""

    # -- what health and upgrades ask ------------------------------------------------------

    @abstractmethod
    def damage(self, connection: Connection) -> list[str]:
        """Return what is wrong with the database itself, a sentence each; `connection` is of `write`."""

    @abstractmethod
    def size_bytes(self) -> int:
        """Return how much room the catalogue takes."""


def open_catalogue(location: Location, *, create: bool = False, journal: str = "wal") -> Catalogue:
    """Open the catalogue at `location`, at the schema of this dcat.

    Parameters
    ----------
    create:
        Make it if there is none. Without it nothing is ever created. The database on a server must
        be there; its tables are made.
    journal:
        SQLite journal mode for a new catalogue: `wal`, or `delete` for network file systems.

    Raises
    ------
    CatalogueMissing, NotACatalogue, SchemaTooOld, SchemaTooNew
        If it cannot be used as it is.
    CatalogueError
        If it cannot be opened or made.
    """
    if isinstance(location, PostgresqlUrl):
        from catalog.database import postgresql

        return postgresql.opened(location, create=create)
    from catalog.database import sqlite

    return sqlite.opened(location, create=create, journal=journal)


def check_revision(name: str, revision: str) -> None:
    """Raise `SchemaTooOld` or `SchemaTooNew` if a catalogue's revision is not this dcat's."""
    if revision != HEAD:
        if revision in KNOWN_REVISIONS:
            raise SchemaTooOld(name, revision, HEAD)
        raise SchemaTooNew(name, revision)


def revision_of(location: Location) -> str:
    """Return the schema revision of the catalogue at `location`.

    Raises
    ------
    CatalogueMissing
        If there is none.
    NotACatalogue
        If something else is there.
    """
    if isinstance(location, PostgresqlUrl):
        from catalog.database import postgresql

        return postgresql.revision_of(location)
    from catalog.database import sqlite

    if not location.exists():
        raise CatalogueMissing(str(location))
    return sqlite.revision_of(location)
