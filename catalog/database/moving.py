"""Moving a whole catalogue between databases, and the proof that all of it arrived.

Rows go as they are, with their keys. The target is a catalogue when everything in it has been read
back and is the same, and nothing before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Table

from catalog import events
from catalog.database.catalogue import Catalogue, Patience, open_catalogue
from catalog.database.filling_sqlite import SqliteFile
from catalog.database.location import Location, PostgresqlUrl
from catalog.database.moved_rows import TABLES, Digest, Row, batches, count, row_name
from catalog.database.sqlite import database_sentences
from catalog.errors import CatalogueError, CatalogueMissing
from catalog.events import Listener
from catalog.shapes import frozen


@frozen
class Proof:
    """A table on both sides: how many rows it has, and their digest (`moved_rows.Digest`)."""

    table: str
    rows_from: int
    rows_to: int
    sha256_from: str
    sha256_to: str

    @property
    def is_same(self) -> bool:
        """Return whether both sides hold the same."""
        return (self.rows_from, self.sha256_from) == (self.rows_to, self.sha256_to)


class _Differs(Exception):
    """What was read back is something else; the target is given up."""

    def __init__(self, proofs: list[Proof]) -> None:
        super().__init__(proofs)
        self.proofs = proofs


def copy(
    source: Location,
    target: Location,
    listener: Listener = events.ignore,
    patience: Patience | None = None,
) -> list[Proof]:
    """Copy the catalogue at `source` to `target`; return the proof of each table, sorted by name.

    The source is read in one transaction and stays as it is; writers of entities wait meanwhile. If
    a proof is not the same, or the copy breaks off, there is no catalogue at `target`.

    Raises
    ------
    CatalogueMissing, NotACatalogue, SchemaTooOld, SchemaTooNew
        If the source is none of this dcat's.
    CatalogueBusy
        If the source is being written, for longer than `patience` has, or the target is.
    CatalogueError
        If something is at `target` already, it cannot be written, or it cannot hold a value.
    """
    with _opened(source) as origin:
        origin.patience = patience or Patience()
        place = _place(target)
        try:
            with place.taken(), _quiet(origin):
                with origin.read() as reading:
                    sent = _send(origin, reading, place, listener)
                proofs = _compared(sent, place, listener)
                if not all(proof.is_same for proof in proofs):
                    raise _Differs(proofs)
                place.keep()
        except _Differs as exc:
            return exc.proofs
    return proofs


def _opened(source: Location) -> Catalogue:
    try:
        return open_catalogue(source)
    except CatalogueMissing as exc:
        raise CatalogueError(
            f"There is no catalogue at {source}, so there is nothing to copy."
        ) from exc


def _place(target: Location) -> Any:
    if isinstance(target, PostgresqlUrl):
        from catalog.database.filling_postgresql import PostgresqlDatabase

        return PostgresqlDatabase(target)
    return SqliteFile(target)


def _quiet(origin: Catalogue) -> AbstractContextManager[None]:
    """Keep writers of entities away; where nobody can write at all, there are none."""
    if origin.path is not None and not os.access(origin.path.parent, os.W_OK):
        return nullcontext()
    return origin.writer_lock()


def _send(
    origin: Catalogue, reading: Connection, place: Any, listener: Listener
) -> dict[str, Digest]:
    """Copy all rows; return what was read of each table."""
    sent = {}
    with _sentences(origin):
        total = _total(reading)
    with place.filling() as filling, _told(listener, "copying", total) as told:
        for table in TABLES:
            sent[table.name] = digest = Digest(table)
            for rows in _read(origin, reading, table):
                try:
                    written = digest.add(rows)
                except TypeError as exc:
                    raise _not_text(table, rows) from exc
                filling.put(table, rows, written)
                told(len(rows))
    return sent


def _read(origin: Catalogue, reading: Connection, table: Table) -> Iterator[list[Row]]:
    """Yield the rows of a table; what goes wrong is told of the source, not of the target."""
    with _sentences(origin):
        yield from batches(reading, table)


def _sentences(origin: Catalogue) -> AbstractContextManager[None]:
    if origin.path is not None:
        return database_sentences(origin.path)
    from catalog.database import postgresql_errors

    return postgresql_errors.sentences(origin.name)


def _compared(sent: dict[str, Digest], place: Any, listener: Listener) -> list[Proof]:
    proofs = []
    with place.read_back() as connection, _told(listener, "checking", _total(connection)) as told:
        for table in TABLES:
            found = Digest(table)
            for rows in batches(connection, table):
                found.add(rows)
                told(len(rows))
            was = sent[table.name]
            proofs.append(
                Proof(table.name, was.rows, found.rows, was.hexdigest(), found.hexdigest())
            )
    return sorted(proofs, key=lambda proof: proof.table)


def _total(connection: Connection) -> int:
    return sum(count(connection, table) for table in TABLES)


@contextmanager
def _told(listener: Listener, stage: str, total: int) -> Iterator[Callable[[int], None]]:
    """Give what is told how many more rows are done."""
    done = 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        listener(events.Progress(stage, done, total))

    listener(events.Started(stage, total, "rows"))
    yield told
    listener(events.Finished(stage, done))


def _not_text(table: Table, rows: Sequence[Row]) -> CatalogueError:
    row = next(row for row in rows if any(isinstance(value, bytes) for value in row))
    return CatalogueError(
        f"The {row_name(table, row)} holds bytes where text belongs, so the catalogue is damaged. Nothing was copied; run `dcat db check` on it."
    )
