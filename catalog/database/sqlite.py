"""A catalogue in a SQLite file: its connections, transactions and locks."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, update
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from catalog.database import full_text
from catalog.database.catalogue import LOCKING_COMMANDS, Catalogue, Patience, check_revision
from catalog.database.liveness import is_over
from catalog.database.models import run as run_table
from catalog.database.sql_reading import connect_read_only
from catalog.errors import (
    CatalogueBusy,
    CatalogueError,
    CatalogueMissing,
    NotACatalogue,
)

BUSY_TIMEOUT_MS = 30_000
"""How long a statement waits for another process's short transaction."""

CACHE_KIB = 64 * 1024
"""Memory that a writing connection may use for pages: the inner pages of a million rows' indexes."""

FEW_PAGES_KIB = 8 * 1024
"""That of one whose work goes through the tables in one order, where more gains nothing."""

CHECKPOINT_PAGES = 8000
"""Pages (of 4 KiB) that the journal collects before they are written back, which takes two syncs."""

LOCK_INTERVAL_S = 0.25
"""How long to wait between two attempts at the writer's lock."""


class SqliteCatalogue(Catalogue):
    """An open catalogue in a SQLite file, written by the one process that holds `writer_lock`."""

    path: Path

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self.location = path
        self.name = str(path)
        self.engine = engine
        self.patience = Patience()
        self.own_paths = own_paths(path)
        self._lock_path = lock_path(path)
        self._reading = _engine(lambda: connect_read_only(path, BUSY_TIMEOUT_MS), QueuePool)
        self._inode = _inode(path)

    def close(self) -> None:
        """Close all connections, and leave one file behind where that is possible."""
        self.engine.dispose()
        self._reading.dispose()
        _leave_one_file(self.path)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """As `Catalogue.read` says; the connection is `connect_read_only`'s."""
        with self._sentences(), self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """As `Catalogue.write` says, waiting up to the busy timeout for another transaction."""
        self.check_place()
        with self._sentences(), self.engine.connect() as connection:
            connection = connection.execution_options(dcat_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection
        self.check_place()

    def check_place(self) -> None:
        """As `Catalogue.check_place` says; SQLite itself goes on writing to a file that has no name any more."""
        now = _inode(self.path)
        if now == self._inode:
            return
        what = "is not there any more" if now is None else "is another file now"
        raise CatalogueError(
            f"The catalogue {self.name} {what}: it was removed, moved or replaced while dcat wrote to it. What was stored meanwhile went with it; put it back, and run the command again."
        )

    @contextmanager
    def writer_lock(self, places: Collection[str] | None = None) -> Iterator[None]:
        """As `Catalogue.writer_lock` says, for everything at once.

        The lock is a transaction on a small database beside the catalogue, because every platform
        on which SQLite works releases it when its owner dies.
        """
        try:
            lock = sqlite3.connect(self._lock_path, timeout=0, isolation_level=None)
        except sqlite3.Error as exc:
            raise CatalogueError(f"The lock {self._lock_path} cannot be opened: {exc}.") from exc
        try:
            self._take(lock)
            yield
        finally:
            lock.close()

    def _take(self, lock: sqlite3.Connection) -> None:
        began_s = time.monotonic()
        told = ""
        while True:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc):
                    raise CatalogueError(
                        f"The lock of the catalogue {self.path} cannot be taken: {exc}."
                    ) from exc
                waited_s = time.monotonic() - began_s
                holder = self._holder()
                if waited_s >= self.patience.timeout_s:
                    waited = f"; waited {waited_s:.0f} s for it" if self.patience.timeout_s else ""
                    raise CatalogueBusy(str(self.path), holder + waited) from exc
            else:
                return
            if holder != told:
                told = holder
                self.patience.tell(holder)
            time.sleep(LOCK_INTERVAL_S)

    def _holder(self) -> str:
        r = run_table.c
        with self.read() as connection:
            row = connection.execute(
                select(r.command, r.pid, r.host, r.started_at)
                .where(r.outcome.is_(None), r.command.in_(LOCKING_COMMANDS))
                .order_by(r.id.desc())
                .limit(1)
            ).first()
        if row is None or is_over(row.host, row.pid, row.started_at):
            return "it has just started"
        return f"dcat {row.command}, process {row.pid} on {row.host}, since {row.started_at}"

    def is_being_written(self) -> bool:
        """Return whether a process holds the writer's lock; the answer may be old at once."""
        if not self._lock_path.exists():
            return False
        try:
            with closing(_open_lock(self._lock_path)) as lock:
                lock.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as exc:
            if "locked" in str(exc):
                return True
            raise CatalogueError(
                f"The lock of the catalogue {self.path} cannot be read: {exc}."
            ) from exc
        return False

    def mark_dead_runs(self) -> None:
        """Mark writers' runs that never ended as killed; call it holding `writer_lock`."""
        with self.write() as connection:
            connection.execute(
                update(run_table)
                .where(run_table.c.outcome.is_(None), run_table.c.command.in_(LOCKING_COMMANDS))
                .values(outcome="killed")
            )

    def spare_memory(self) -> None:
        """Give connections a small cache, those too that are open already."""
        event.listen(self.engine, "checkout", _with_few_pages)

    def damage(self, connection: Connection) -> list[str]:
        """Return what SQLite's own checks find, and full-text indexes that are not in step."""
        answers = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
        found = [f"The database file is damaged: {answer}." for answer in answers if answer != "ok"]
        for row in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()[:20]:
            found.append(
                f"Row {row[1]} of table {row[0]} points at a row of {row[2]} that is not there."
            )
        for index in full_text.INDEXES:
            if not full_text.is_sound(connection, index):
                found.append(
                    f"The full-text index {index} does not say what its table says, so words are not found rightly. Take the catalogue from a backup, or index the same folders into a new one."
                )
        return found

    def size_bytes(self) -> int:
        """Return the size of the file, without its journal."""
        return self.path.stat().st_size

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        with database_sentences(self.path):
            yield


def _inode(path: Path) -> int | None:
    """Return the number by which the file system, and SQLite, tell a file from others."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


@contextmanager
def database_sentences(path: Path) -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except OperationalError as exc:
        reason = str(exc.orig)
        if "locked" in reason:
            raise CatalogueBusy(str(path), "its transaction does not end") from exc
        if "full" in reason:
            raise CatalogueError(
                f"No space is left for the catalogue {path}. What was stored before is safe; free some space and run the command again."
            ) from exc
        raise CatalogueError(f"The catalogue {path} cannot be used: {reason}.") from exc
    except DatabaseError as exc:
        raise CatalogueError(f"The catalogue {path} cannot be used: {exc.orig}.") from exc


def lock_path(path: Path) -> Path:
    """Return the file that is locked for the catalogue in `path`, by whatever name that is called."""
    real = Path(os.path.realpath(path))
    return real.with_name(f"{real.name}-lock")


def own_paths(path: Path) -> tuple[Path, ...]:
    """Return the files of a catalogue, there or not: the database, its journals, and the lock's."""
    path = Path(os.path.realpath(path))  # beside which SQLite has its journals
    journals = ("", "-wal", "-shm", "-journal")
    names = [f"{path.name}{lock}{suffix}" for lock in ("", "-lock") for suffix in journals]
    return tuple(path.with_name(name) for name in names)


def refuse_journals(path: Path) -> None:
    """Refuse to make a catalogue in the file `path` if the journals of one that is gone lie beside it.

    SQLite would put what they say into the new file.

    Raises
    ------
    CatalogueError
        If there is one.
    """
    for journal in own_paths(path)[1:4]:
        if journal.exists() and journal.stat().st_size:
            raise CatalogueError(
                f"{journal} is there, the journal of a catalogue {path.name} that is gone. Name another file, or move the journal away."
            )


def _leave_one_file(path: Path) -> None:
    """Have the journal files removed, if nobody else uses the catalogue and it can be written.

    The last connection to close takes them along, but not if it could only read.
    """
    with suppress(sqlite3.Error), closing(_connect(path, "rw", "", timeout_s=0)) as last:
        last.execute("SELECT count(*) FROM sqlite_master").fetchone()


def engine_for(path: Path, *, create: bool = False, journal: str = "wal") -> Engine:
    """Return an engine on the SQLite file `path`; it opens nothing yet."""
    mode = "rwc" if create else "rw"
    # Kept open: the last connection that closes writes the whole journal back, with two syncs.
    return _engine(lambda: _connect(path, mode, journal), QueuePool)


def _engine(creator: Callable[[], sqlite3.Connection], poolclass: type[Pool] = NullPool) -> Engine:
    engine = create_engine("sqlite://", creator=creator, poolclass=poolclass)
    event.listen(engine, "begin", _begin)
    return engine


def _connect(
    path: Path, mode: str, journal: str, timeout_s: float | None = None
) -> sqlite3.Connection:
    if timeout_s is None:
        timeout_s = BUSY_TIMEOUT_MS / 1000
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=timeout_s, isolation_level=None,
        check_same_thread=False,
    )  # fmt: skip
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        if mode == "rwc":
            connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _with_few_pages(connection: sqlite3.Connection, *_: object) -> None:
    connection.execute(f"PRAGMA cache_size=-{FEW_PAGES_KIB}")


def _open_lock(path: Path) -> sqlite3.Connection:
    """Return a connection that only looks whether the lock is held; it waits for nothing."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)


def _begin(connection: Connection) -> None:
    # The driver's own BEGIN is deferred: two readers that both go on to write then fail at once
    # instead of waiting. BEGIN IMMEDIATE takes the lock at the start and waits for it.
    connection.exec_driver_sql(str(connection.get_execution_options().get("dcat_begin", "BEGIN")))


def opened(path: Path, *, create: bool = False, journal: str = "wal") -> SqliteCatalogue:
    """Open the catalogue in the file `path`, as `catalogue.open_catalogue` says."""
    if not path.exists():
        if not create:
            raise CatalogueMissing(str(path))
        from catalog.database.make import make

        make(path, journal)
    check_revision(str(path), revision_of(path))
    return SqliteCatalogue(path, engine_for(path))


def revision_of(path: Path) -> str:
    """Return the schema revision of the catalogue at `path`, with one SELECT.

    Raises
    ------
    NotACatalogue
        If it is no SQLite database, or one that dcat did not write.
    """
    if path.is_dir():
        raise NotACatalogue(str(path), "it is a folder")
    engine = _engine(lambda: connect_read_only(path))
    try:
        with engine.connect() as connection:
            tables: set[Any] = set(
                connection.exec_driver_sql(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                ).scalars()
            )
            if not {"alembic_version", "instance", "file", "run"} <= tables:
                raise NotACatalogue(str(path), "it lacks dcat's tables")
            revision = connection.exec_driver_sql(
                "SELECT version_num FROM alembic_version"
            ).scalar()
    except OperationalError as exc:
        raise CatalogueError(f"The catalogue {path} cannot be opened: {exc.orig}.") from exc
    except DatabaseError as exc:
        raise NotACatalogue(str(path), str(exc.orig)) from exc
    finally:
        engine.dispose()
        _leave_one_file(path)
    if revision is None:
        raise NotACatalogue(str(path), "its schema revision is not recorded")
    return str(revision)
