"""Where a catalogue is: a SQLite file, or a database on a PostgreSQL server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

from catalog.errors import ConfigError
from catalog.shapes import frozen

_SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")
_AUTHORITY = re.compile(
    r"(?:(?P<user>[^/?#]*)@)?(?P<host>[^/?#@]*)/(?P<database>[^?#]*)(?P<rest>.*)"
)
_NAMES_ANOTHER_WAY = re.compile(r"[?&](?:dbname|service)=[^&]")
_SECRET = re.compile(r"(?i)((?:password|sslpassword)=)[^&]*")
_HOST = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
_NO_CODE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_USER = re.compile(r"(?<=[?&])user=[^&]*")


@frozen
class PostgresqlUrl:
    """A database on a PostgreSQL server.

    Attributes
    ----------
    url:
        As libpq has it, `postgresql://…`; it may hold a password.
    name:
        The same without one, for people.
    """

    url: str
    name: str

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:  # so that no message and no traceback shows the password
        return f"PostgresqlUrl({self.name!r})"


Location: TypeAlias = Path | PostgresqlUrl


def located(text: str) -> Location:
    """Return the location that a path or a URL names.

    Raises
    ------
    ConfigError
        If it is a URL of another database, or an incomplete one.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text).expanduser()
    if scheme == "sqlite":
        # SQLAlchemy's form: three slashes before a relative path, four before an absolute one.
        path = rest.removeprefix("/")
        if not path:
            raise ConfigError(
                "sqlite:/// names no file; write sqlite:///catalogue.db, or just the path."
            )
        return Path(path).expanduser()
    if scheme.lower() in _SCHEMES:
        return _on_server(rest)
    raise ConfigError(
        f"{scheme}:// is no database that this version of dcat can use; give a file, sqlite:///file, or postgresql://USER@HOST/DATABASE."
    )


def _on_server(rest: str) -> PostgresqlUrl:
    found = _AUTHORITY.fullmatch(rest)
    if found is None or not (unquote(found["database"]) or _NAMES_ANOTHER_WAY.search(rest)):
        raise ConfigError(
            "The postgresql:// URL names no database; write postgresql://USER@HOST/DATABASE."
        )
    if _may_be_taken_apart_otherwise(found):
        raise ConfigError(
            "The postgresql:// URL has a character where it means something else. In a user, a password or a name "
            "write @ as %40, / as %2F, : as %3A, ? as %3F, # as %23 and % as %25; or give the password in ~/.pgpass or PGPASSWORD."
        )
    user = (found["user"] or "").partition(":")[0]
    place = f"{user}@{found['host']}" if user else found["host"]
    kept = _SECRET.sub(r"\1***", found["rest"])
    name = f"postgresql://{place}/{found['database']}{kept}"
    return PostgresqlUrl(f"postgresql://{rest}", name)


def _may_be_taken_apart_otherwise(found: re.Match[str]) -> bool:
    """Return whether a part may belong to another: of a password that was not encoded, the end would be shown."""
    hosts = found["host"].split(",")
    return (
        "@" in (found["user"] or "") + found["database"] + _USER.sub("", found["rest"])
        or not all(map(_HOST.fullmatch, hosts))
        or _NO_CODE.search(found[0]) is not None
    )


def name_of(location: Location) -> str:
    """Return what messages call a location: a path as text, a URL without its password."""
    return str(location)
