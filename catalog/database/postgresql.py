"""A catalogue in a database on a PostgreSQL server: its connections and transactions.

Any number of processes, on any machines, write to it. Each holds advisory locks (`pg_locks` shows
them), which the server takes back when their connection ends, however it ends:

* a run holds its number, so that everybody can tell whether it is alive;
* whoever writes entities holds the places that it works on (`catalog.database.places`);
* every writing transaction holds one lock for all, so batches come one after another.

All that a run writes goes through the one connection that holds its locks. So what is stored was
stored while they were held, and who loses the connection loses both at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, select, text, update
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.pool import QueuePool

from catalog.database import postgresql_errors as errors
from catalog.database import postgresql_locks as locks
from catalog.database.catalogue import (
    PLACES_WERE_FREE,
    Catalogue,
    Patience,
    check_revision,
    do_nothing,
)
from catalog.database.location import PostgresqlUrl
from catalog.database.models import metadata
from catalog.database.models import run as run_table
from catalog.database.places import ALL, Lock, locks_for
from catalog.database.postgresql_driver import connect, psycopg
from catalog.errors import CatalogueBusy, CatalogueMissing, ConnectionLost, NotACatalogue

RETRY_S = 300.0
"""For how long a lost connection is tried again."""

LOCK_INTERVAL_S = 0.25
"""How long to wait between two attempts at the locks of places."""

T = TypeVar("T")


class PostgresqlCatalogue(Catalogue):
    """An open catalogue on a PostgreSQL server."""

    def __init__(self, location: PostgresqlUrl) -> None:
        self.location = location
        self.name = location.name
        self.path = None
        self.own_paths = ()
        self.patience = Patience()
        self.engine = engine_for(location)
        self._reading = engine_for(location, read_only=True)
        self._mutex = threading.RLock()
        self._depth = 0
        self._session: Connection | None = None
        self._places: set[Lock] = set()
        self._runs: set[int] = set()
        self._stored: dict[int, int] = {}

    def close(self) -> None:
        """Close all connections."""
        self._drop_session()
        self.engine.dispose()
        self._reading.dispose()

    # -- transactions ----------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """As `Catalogue.read` says; the transaction is READ ONLY, and of one snapshot."""
        with (
            errors.sentences(self.name),
            self._reading.connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """As `Catalogue.write` says; within a `session` on its connection."""
        with self._mutex, errors.sentences(self.name):
            # A connection that was lost before anything was done on it is made again here.
            connection = self._persevering(lambda _: self._begun())
            try:
                yield connection
                connection.commit()
            except BaseException:
                with suppress(DBAPIError, InvalidRequestError, psycopg().Error):
                    connection.rollback()
                raise
            finally:
                self._ended(connection)

    def _begun(self) -> Connection:
        """Return a connection in a writing transaction that is the only one."""
        with errors.sentences(self.name):
            connection = self._held() if self._depth else self.engine.connect()
            try:
                locks.enter(connection)
            except BaseException:
                with suppress(DBAPIError, InvalidRequestError, psycopg().Error):
                    connection.rollback()
                self._ended(connection)
                raise
            return connection

    def _ended(self, connection: Connection) -> None:
        if connection is not self._session:
            connection.close()
        elif is_lost(connection):
            self._drop_session()

    def store(
        self,
        work: Callable[[Connection], T],
        run_ref: int | None = None,
        undone: Callable[[], None] = do_nothing,
    ) -> T:
        """As `Catalogue.store` says."""
        done: list[T] = []
        number = 0
        if run_ref is not None:
            number = self._stored[run_ref] = self._stored.get(run_ref, 0) + 1

        def once(is_again: bool) -> T:
            with self.write() as connection:
                if done and run_ref is not None:
                    r = run_table.c
                    query = select(r.batches).where(r.id == run_ref)
                    if (connection.execute(query).scalar() or 0) >= number:
                        return done[-1]  # it had arrived; only the answer was lost
                if is_again:
                    undone()
                done.append(work(connection))
                if run_ref is not None:
                    change = update(run_table).where(run_table.c.id == run_ref)
                    connection.execute(change.values(batches=number))
            return done[-1]

        try:
            return self._persevering(once)
        except BaseException:
            undone()
            raise

    def ask(self, work: Callable[[Connection], T]) -> T:
        """As `Catalogue.ask` says."""

        def once(is_again: bool) -> T:
            with self.read() as connection:
                return work(connection)

        return self._persevering(once)

    def _persevering(self, once: Callable[[bool], T]) -> T:
        """Return what `once` returns, called again (with true) while the connection is lost."""
        try:
            return once(False)
        except ConnectionLost as exc:
            self.patience.lost(str(exc))
        import stamina
        from stamina.instrumentation import set_on_retry_hooks

        set_on_retry_hooks([])  # it has been said, in words for people
        attempts = stamina.retry_context(
            on=ConnectionLost, attempts=None, timeout=RETRY_S, wait_initial=0.05, wait_max=10.0
        )
        results: list[T] = []
        for attempt in attempts:
            with attempt:
                results.append(once(True))
        return results[-1]

    # -- sessions --------------------------------------------------------------------------

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep one connection for all that is written in the block, with the locks that it holds."""
        with self._mutex:
            self._depth += 1
        try:
            yield
        finally:
            with self._mutex:
                self._depth -= 1
                if not self._depth:
                    self._give_back()
                    self._drop_session()
                    self._places.clear()
                    self._runs.clear()

    def _held(self) -> Connection:
        """Return the session's connection; one that was lost is made again, with its locks."""
        if self._session is None or is_lost(self._session):
            self._drop_session()
            connection = self.engine.connect()
            self._session = connection
            try:
                self._take_again(connection)
            except BaseException:
                self._drop_session()
                raise
        return self._session

    def _give_back(self) -> None:
        """Give the locks back now: the server notices some time later that a connection has ended."""
        if self._session is not None and not is_lost(self._session):
            with suppress(DBAPIError, InvalidRequestError, psycopg().Error), self._session.begin():
                locks.give_back(self._session)

    def _drop_session(self) -> None:
        connection, self._session = self._session, None
        if connection is not None:
            with suppress(DBAPIError, psycopg().Error):
                connection.invalidate()  # closed, not given back: so its locks end
            with suppress(DBAPIError, psycopg().Error):
                connection.close()

    def _take_again(self, connection: Connection) -> None:
        """Take the session's locks on a new connection; the lost one may hold them for a while."""
        if not (self._places or self._runs):
            return
        began_s = time.monotonic()
        while True:
            with connection.begin():
                if locks.took(connection, self._places, self._runs):
                    connection.info[PLACES_WERE_FREE] = True
                    return
                holder = locks.holder_of(connection, self._places)
            if time.monotonic() - began_s > max(RETRY_S / 2, self.patience.timeout_s):
                raise CatalogueBusy(
                    self.name, f"{holder}, since the connection of this one was lost"
                )
            time.sleep(LOCK_INTERVAL_S)

    # -- writers ---------------------------------------------------------------------------

    @contextmanager
    def writer_lock(self, places: Collection[str] | None = None) -> Iterator[None]:
        """As `Catalogue.writer_lock` says: others may write at other places meanwhile."""
        with self.session():
            self._wait_for(set(ALL) if places is None else locks_for(places))
            yield

    def _wait_for(self, wanted: set[Lock]) -> None:
        began_s = time.monotonic()
        told = ""
        while True:
            holder = self._persevering(lambda _: self._attempt(wanted))
            if holder is None:
                return
            waited_s = time.monotonic() - began_s
            if waited_s >= self.patience.timeout_s:
                waited = f"; waited {waited_s:.0f} s for it" if self.patience.timeout_s else ""
                raise CatalogueBusy(self.name, holder + waited)
            if holder != told:
                told = holder
                self.patience.tell(holder)
            time.sleep(LOCK_INTERVAL_S)

    def _attempt(self, wanted: set[Lock]) -> str | None:
        """Take the locks of places, all or none; return who stands in the way, `None` if nobody."""
        with self._mutex, errors.sentences(self.name):
            connection = self._held()
            try:
                with connection.begin():
                    if locks.took(connection, wanted, set()):
                        self._places |= wanted
                        return None
                    return locks.holder_of(connection, wanted)
            finally:
                self._ended(connection)

    def claim(self, connection: Connection, run_ref: int) -> None:
        """As `Catalogue.claim` says: before the run's row can be seen, so that nobody takes it for dead."""
        locks.claim(connection, run_ref)
        self._runs.add(run_ref)

    def at_work(self) -> frozenset[int]:
        """Return the runs that some process, on any machine, is at work on."""
        with self.read() as connection:
            return locks.at_work(connection)

    def is_being_written(self) -> bool:
        """Return whether a process holds a place; the answer may be old at once."""
        with self.read() as connection:
            return locks.holder_pids(connection, set(ALL)) != []

    def mark_dead_runs(self) -> None:
        """Mark all runs that never ended, and on which nobody is at work, as killed."""

        def mark(connection: Connection) -> None:
            alive = locks.at_work(connection)
            r = run_table.c
            connection.execute(
                update(run_table)
                .where(r.outcome.is_(None), r.id.not_in(list(alive)))
                .values(outcome="killed")
            )

        self.store(mark)

    def note_growth(self) -> None:
        """Gather statistics: the server does it by itself too, but only after a while."""
        self.store(lambda connection: connection.exec_driver_sql(_ANALYZE))

    def damage(self, connection: Connection) -> list[str]:
        """Return which indexes are not valid, and which tables would number a new row like an old one."""
        found = [
            f"The index {name} is not valid; run REINDEX INDEX {name}."
            for name in connection.execute(_INVALID).scalars()
        ]
        for table, sequence in connection.execute(_SEQUENCES).all():
            if sequence is None or table not in metadata.tables:
                continue  # it is another program's
            query = text(
                f"SELECT (SELECT max(id) FROM {table}) > (SELECT last_value FROM {sequence})"
            )
            # Ids of these are given by the writer, from the highest there is.
            if table not in _NUMBERED and connection.execute(query).scalar():
                found.append(
                    f"The table {table} would give an id that is taken; run SELECT setval('{sequence}', max(id)) FROM {table}."
                )
        return found

    def size_bytes(self) -> int:
        """Return the size of the catalogue's tables and indexes."""
        query = text(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
            "WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
        )
        with self.read() as connection:
            return int(connection.execute(query).scalar_one())


# -- connections -----------------------------------------------------------------------------


def engine_for(location: PostgresqlUrl, *, read_only: bool = False) -> Engine:
    """Return an engine on the database; it opens nothing yet."""
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(location, read_only=read_only),
        poolclass=QueuePool,
        # A connection may have ended while it was not used.
        pool_pre_ping=True,
        use_native_hstore=False,
    )


def is_lost(connection: Connection) -> bool:
    """Return whether nothing can be asked of a connection any more."""
    if connection.closed or connection.invalidated:
        return True
    driver: Any = connection.connection.driver_connection
    return driver is None or bool(driver.closed or driver.broken)


_INVALID = text(
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready)"
)
_SEQUENCES = text(
    "SELECT c.relname, pg_get_serial_sequence(quote_ident(c.relname), 'id') FROM pg_class c "
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id' AND a.atthasdef "
    "WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname"
)
_ANALYZE = (
    "ANALYZE patient, study, series, series_total, instance, file, discrepancy, finding, root, run"
)
_NUMBERED = frozenset(["patient", "study", "series", "instance", "file"])
# -- opening ---------------------------------------------------------------------------------


def opened(location: PostgresqlUrl, *, create: bool = False) -> PostgresqlCatalogue:
    """Open the catalogue in a database, as `catalogue.open_catalogue` says."""
    try:
        revision = revision_of(location)
    except CatalogueMissing:
        if not create:
            raise
        from catalog.database.postgresql_make import make

        make(location)
        revision = revision_of(location)
    check_revision(location.name, revision)
    return PostgresqlCatalogue(location)


def revision_of(location: PostgresqlUrl) -> str:
    """Return the schema revision of the catalogue in a database.

    Raises
    ------
    CatalogueMissing
        If nothing of dcat's is in it.
    NotACatalogue
        If it holds another program's tables under names that dcat uses.
    CatalogueError
        If it cannot be reached.
    """
    psycopg()  # that it is lacking is said before anything else
    with errors.sentences(location.name):
        connection = connect(location)
        try:
            return _revision(location, connection)
        finally:
            connection.close()


def _revision(location: PostgresqlUrl, connection: Any) -> str:
    names = ["alembic_version", "instance", "file", "run", "patient"]
    query = "SELECT n FROM unnest(%s::text[]) AS n WHERE to_regclass(quote_ident(n)) IS NOT NULL"
    there = [name for (name,) in connection.execute(query, [names])]
    if not there:
        raise CatalogueMissing(location.name)
    if len(there) < len(names):
        raise NotACatalogue(
            location.name,
            f"it has a table {there[0]} of another program; give dcat a database of its own",
        )
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        raise NotACatalogue(location.name, "its schema revision is not recorded")
    return str(row[0])
