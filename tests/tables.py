"""Catalogues as comparable values: what they say, without surrogate keys, runs and times."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from catalog.database.catalogue import Catalogue
from catalog.database.location import Location, PostgresqlUrl
from tests import behind

_QUERIES = {
    "patient": "SELECT * FROM patient",
    "study": "SELECT p.identity AS parent, x.* FROM study x JOIN patient p ON p.id = x.patient_ref",
    "series": "SELECT t.study_instance_uid || p.identity AS parent, x.* FROM series x JOIN study t ON t.id = x.study_ref JOIN patient p ON p.id = t.patient_ref",
    "instance": "SELECT coalesce(s.series_instance_uid, '') || coalesce(t.study_instance_uid, '') || coalesce(p.identity, '') AS parent, x.* FROM instance x LEFT JOIN series s ON s.id = x.series_ref LEFT JOIN study t ON t.id = s.study_ref LEFT JOIN patient p ON p.id = t.patient_ref",
    "file": "SELECT r.path AS root, i.sop_instance_uid AS holds, x.* FROM file x JOIN root r ON r.id = x.root_ref LEFT JOIN instance i ON i.id = x.instance_ref",
    "discrepancy": "SELECT f.path AS file, x.* FROM discrepancy x JOIN file f ON f.id = x.file_ref",
    "finding": "SELECT f.path AS file, x.* FROM finding x LEFT JOIN file f ON f.id = x.file_ref",
    "root": "SELECT * FROM root",
    "series_total": "SELECT s.series_instance_uid || t.study_instance_uid || p.identity AS parent, x.* FROM series_total x JOIN series s ON s.id = x.series_ref JOIN study t ON t.id = s.study_ref JOIN patient p ON p.id = t.patient_ref",
}  # fmt: skip
_LEFT_OUT = ("id", "missing_since")


def dump(
    place: Location | Catalogue, *, without: tuple[str, ...] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table, sorted, without keys, references and times; `without` more columns."""
    result = {}
    with connected(place) as connection:
        for table, query in _QUERIES.items():
            cursor = connection.execute(query)
            names = [each[0] for each in cursor.description]
            rows = [
                {
                    k: value
                    for k, value in zip(names, row, strict=True)
                    if k not in _LEFT_OUT and not k.endswith("_ref") and k not in without
                }
                for row in cursor
            ]
            result[table] = sorted(
                rows, key=lambda row: repr(sorted(row.items(), key=lambda pair: pair[0]))
            )
    return result


def content(path: Path) -> object:
    """Return all that a catalogue holds: the bytes of its file, or every row if it is a database of a server."""
    if not behind.is_on():
        return path.read_bytes()
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    with connected(path) as connection:
        return {
            table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}")))
            for (table,) in connection.execute(tables).fetchall()
        }


@contextmanager
def connected(place: Location | Catalogue) -> Iterator[Any]:
    """Give a connection of the driver to a catalogue, for reading and for changing it behind dcat's back.

    Values are those of SQLite on PostgreSQL too: JSON as its text, true as 1.
    """
    location = place.location if isinstance(place, Catalogue) else place
    if isinstance(location, Path) and behind.is_on():
        location = behind.url_for(location)
    if isinstance(location, PostgresqlUrl):
        with closing(driver_connection(location)) as connection:
            yield connection
        return
    with closing(sqlite3.connect(location, isolation_level=None)) as connection:
        yield connection


def driver_connection(location: PostgresqlUrl) -> Any:
    """Return psycopg's connection to a catalogue, whose values are those of SQLite."""
    import psycopg

    connection = psycopg.connect(location.url, autocommit=True)
    connection.adapters.register_loader("json", psycopg.types.string.TextLoader)
    connection.adapters.register_loader("bool", _number_loader(psycopg))
    connection.adapters.register_loader("numeric", psycopg.types.numeric.IntLoader)
    return connection


def _number_loader(psycopg: Any) -> Any:
    class Loader(psycopg.adapt.Loader):  # type: ignore[misc]
        def load(self, data: Any) -> int:
            return int(bytes(data) == b"t")

    return Loader
