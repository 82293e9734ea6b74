"""The driver of PostgreSQL, and its connections as dcat wants them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from catalog.database import postgresql_errors as errors
from catalog.database.location import PostgresqlUrl
from catalog.errors import CatalogueError

if TYPE_CHECKING:
    import psycopg as driver

# What it says of a connection that was lost is told in a sentence; without a handler Python would
# write it to standard error. --debug shows it.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

LEAST_VERSION = 14
CONNECT_TIMEOUT_S = 10

LOCK_TIMEOUT_MS = 120_000
"""How long a transaction waits for those of other writers."""

_SETTINGS = {
    "lock_timeout": LOCK_TIMEOUT_MS,
    "client_min_messages": "'warning'",
    "standard_conforming_strings": "on",
    # A writer whose machine is gone is noticed within two minutes, and its locks end.
    "tcp_keepalives_idle": 60,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 6,
    # Statements are small and many; those that read much are read to their end.
    "jit": "off",
    "cursor_tuple_fraction": 1,
    # A view and a selection beside it join more tables than the planner weighs at once by itself;
    # it would go through all instances to find those of one patient.
    "join_collapse_limit": 16,
    "from_collapse_limit": 16,
}


def psycopg() -> Any:
    """Return the driver's module.

    Raises
    ------
    CatalogueError
        If it is not installed.
    """
    try:
        import psycopg as module
    except ImportError as exc:
        raise CatalogueError(
            "A catalogue on PostgreSQL needs the driver psycopg: pip install 'dicom-dcat[postgres]'."
        ) from exc
    return module


def connect(
    location: PostgresqlUrl, *, read_only: bool = False, autocommit: bool = False
) -> driver.Connection[Any]:
    """Return a new connection to the database; its transactions only read if `read_only`.

    Raises
    ------
    CatalogueError
        If the server cannot be reached, lets nobody in, or cannot hold a catalogue.
    """
    module = psycopg()
    try:
        given = module.conninfo.conninfo_to_dict(location.url)
    except module.ProgrammingError as exc:
        # It quotes what it does not understand; that may be of a password.
        reason = errors.plain(exc) if location.name == location.url else "libpq cannot read it"
        raise CatalogueError(f"{location.name} is no URL of PostgreSQL: {reason}.") from exc
    given.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
    given.setdefault("application_name", "dcat")
    given["client_encoding"] = "UTF8"
    try:
        connection = module.connect(**given, autocommit=True)
    except module.OperationalError as exc:
        raise errors.unreachable(location, exc) from exc
    try:
        _check(location, connection)
        connection.execute(";".join(f"SET {name} = {value}" for name, value in _SETTINGS.items()))
        connection.adapters.register_loader("numeric", _number_loader(module))
        connection.autocommit = autocommit
        if read_only:
            connection.read_only = True
            connection.isolation_level = module.IsolationLevel.REPEATABLE_READ
    except BaseException:
        connection.close()
        raise
    return connection  # type: ignore[no-any-return]  # the driver's module is loaded late, as Any


def _check(location: PostgresqlUrl, connection: Any) -> None:
    version = connection.info.server_version // 10000
    if version < LEAST_VERSION:
        raise CatalogueError(
            f"The server of {location.name} is PostgreSQL {version}; dcat needs {LEAST_VERSION} or later."
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise CatalogueError(
            f"The database {location.name} has the encoding {encoding}, which cannot hold every name; make one with `createdb --encoding=UTF8 --template=template0 NAME`."
        )


_loaders: dict[str, Any] = {}


def _number_loader(module: Any) -> Any:
    """Return what reads a `numeric`, such as the sum of sizes, as SQLite has it: a whole number or a float."""
    if "numeric" not in _loaders:

        class NumberLoader(module.adapt.Loader):  # type: ignore[misc]  # its base is loaded late, as Any
            def load(self, data: Any) -> int | float:
                written = bytes(data)
                return int(written) if written.lstrip(b"-").isdigit() else float(written)

        _loaders["numeric"] = NumberLoader
    return _loaders["numeric"]
