"""PostgreSQL behind every test: `DCAT_TEST_BACKEND=postgresql pytest`.

Tests name catalogues by a path in their own folder. With this, whatever opens such a path opens a
database of its own instead, in this process and in every dcat that a test starts. Tests about the
SQLite file itself carry the marker `sqlite` and are skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from catalog.database import catalogue as opening
from catalog.database.location import PostgresqlUrl, located
from catalog.errors import CatalogueMissing
from tests import postgres

BACKEND = "DCAT_TEST_BACKEND"
MADE = "DCAT_TEST_BEHIND"
"""The file in which databases that were made are noted, to be removed after the test."""


EMPTY = "DCAT_TEST_BEHIND_EMPTY"


def is_on() -> bool:
    """Return whether PostgreSQL stands behind the tests."""
    return os.environ.get(BACKEND) == "postgresql"


def url_for(path: Path) -> PostgresqlUrl:
    """Return the URL of the database that stands for the file `path`; it may not be there."""
    digest = blake2b(os.fsencode(os.path.realpath(path)), digest_size=10).hexdigest()
    location = located(postgres.url_of(f"dcat_behind_{digest}"))
    assert isinstance(location, PostgresqlUrl)
    return location


def is_there(path: Path) -> bool:
    """Return whether there is a database that stands for `path`."""
    name = url_for(path).url.partition("?")[0].rpartition("/")[2]
    return bool(postgres.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"))


def put_behind() -> None:
    """Have catalogues that are named by a path opened on PostgreSQL, in this process."""
    from catalog.database import postgresql, sqlite

    plain: Any = sqlite.opened

    def opened(path: Path, *, create: bool = False, journal: str = "wal") -> opening.Catalogue:
        if path.is_file() and not _is_empty(path):  # such as one that is no catalogue
            return plain(path, create=create, journal=journal)  # type: ignore[no-any-return]
        location = url_for(path)
        name = location.url.partition("?")[0].rpartition("/")[2]
        if not is_there(path):
            if not (create or path.is_file()):
                raise CatalogueMissing(str(path))
            postgres.create_database(name, postgres.template())
            _note(path)
        made_or_found = postgresql.opened(location, create=create)
        made_or_found.path = path  # by which tests name it, and look into it
        return made_or_found

    sqlite.opened = opened  # type: ignore[assignment]
    connect = sqlite3.connect

    def connected(place: Any, *given: Any, **how: Any) -> Any:
        text = os.fsdecode(place) if isinstance(place, str | bytes | os.PathLike) else ""
        path = Path(unquote(urlsplit(text).path)) if text.startswith("file:") else Path(text)
        if text in ("", ":memory:") or (path.is_file() and not _is_empty(path)):
            return connect(place, *given, **how)
        return Behind(url_for(path)) if is_there(path) else connect(place, *given, **how)

    sqlite3.connect = connected
    _put_copies_behind()


def take_for_empty(path: Path) -> None:
    """Take files of the size of this one for empty catalogues, as which a database can stand."""
    os.environ[EMPTY] = str(path.stat().st_size)


def _is_empty(path: Path) -> bool:
    return str(path.stat().st_size) == os.environ.get(EMPTY)


def _note(path: Path) -> None:
    with Path(os.environ[MADE]).open("ab") as made:
        made.write(os.fsencode(path.absolute()) + b"\0")


def _put_copies_behind() -> None:
    """Have a copy of a file for which a database stands be a copy of the database."""

    def copying(plain: Any) -> Any:
        def copy(source: Any, target: Any, **how: Any) -> Any:
            here, there = Path(source), Path(target)
            if here.exists() or not is_there(here):
                return plain(source, target, **how)
            there = there / here.name if there.is_dir() else there
            first, second = (url_for(path).url.partition("?")[0].rpartition("/")[2] for path in (here, there))  # fmt: skip
            postgres.execute(f"DROP DATABASE IF EXISTS {second} WITH (FORCE)")
            postgres.execute(
                f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{first}'"
            )
            postgres.create_database(second, first)
            _note(there)
            return str(there)

        return copy

    for name in ("copy", "copy2", "copyfile"):
        setattr(shutil, name, copying(getattr(shutil, name)))


class Behind:
    """A connection to the database that stands for a file, as the `sqlite3` module has it."""

    row_factory: Any = None

    def __init__(self, location: PostgresqlUrl) -> None:
        from tests.tables import driver_connection

        self._driver = driver_connection(location)

    def execute(self, sql: str, values: Any = ()) -> Any:
        """Run a statement; `?` stands for a value."""
        factory = partial(_rows, " v_" in sql) if self.row_factory is sqlite3.Row else None
        cursor = self._driver.cursor(row_factory=factory) if factory else self._driver.cursor()
        statement = sql.replace("%", "%%").replace("?", "%s") if values else sql
        return cursor.execute(statement, tuple(values) or None)

    def executemany(self, sql: str, rows: Any) -> None:
        """Run a statement for each of `rows`."""
        for row in rows:
            self.execute(sql, row)

    def executescript(self, sql: str) -> None:
        """Run several statements."""
        self._driver.execute(sql)

    def commit(self) -> None:
        """Do nothing: each statement is its own transaction."""

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, *exc: object) -> None:
        self.commit()


class _Row(tuple[Any, ...]):
    """A row whose values have names, in whatever case."""

    names: tuple[str, ...]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            key = [name.lower() for name in self.names].index(key.lower())
        return super().__getitem__(key)

    def keys(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return self.names


@cache
def _names() -> dict[str, str]:
    """Return the columns of the views as they are written, by what PostgreSQL makes of them."""
    from catalog.database.catalogue import HEAD
    from catalog.database.views import view_statements

    text = "".join(view_statements(HEAD, "postgresql"))
    return {name.lower(): name for name in re.findall(r" AS (\w+)", text)}


def _rows(is_of_views: bool, cursor: Any) -> Any:
    names = tuple(
        (_names() if is_of_views else {}).get(column.name, column.name)
        for column in cursor.description or ()
    )
    return type("Row", (_Row,), {"names": names})


def remove_made(below: Path | None = None) -> None:
    """Remove the databases that stand for files in the folder `below`, or all."""
    made = Path(os.environ[MADE])
    names = made.read_bytes().split(b"\0")[:-1] if made.exists() else []
    paths = [Path(os.fsdecode(name)) for name in names]
    gone = [path for path in paths if below is None or below in path.parents]
    for path in set(gone):
        name = url_for(path).url.partition("?")[0].rpartition("/")[2]
        postgres.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    kept = [os.fsencode(path) + b"\0" for path in paths if path not in set(gone)]
    made.write_bytes(b"".join(kept))


def in_every_python(folder: Path) -> None:
    """Have it done in every Python that is started from now on, by a module that all of them load.

    One of the same name that a test has put on the path as well is loaded after it.
    """
    checkout = Path(__file__).parents[1]
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.path.insert(0, {str(checkout)!r})\n"
        "from tests import behind\nbehind.put_behind()\n"
        "from importlib.machinery import PathFinder\n"
        f"theirs = PathFinder.find_spec('sitecustomize', [p for p in sys.path if p != {str(folder)!r}])\n"
        "if theirs: exec(theirs.loader.get_code('sitecustomize'), {})\n",
        encoding="utf-8",
    )
    given = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([given] if given else [])])
    sys.path_importer_cache.clear()
