"""What PostgreSQL and its driver say went wrong, in sentences: what, where, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError, InvalidRequestError

from catalog.database.location import PostgresqlUrl
from catalog.errors import CatalogueBusy, CatalogueError, ConnectionLost

_BUSY = ("55P03", "40P01", "40001")
_NO_ROOM = ("53100",)
_NO_RIGHTS = ("42501",)
_READ_ONLY = ("25006",)
_TOO_LONG = ("54000",)
_STOPPED = ("57014",)
_LOST = ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04")


def plain(error: BaseException) -> str:
    """Return what an error says, on one line and without a full stop."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    words = str(primary or error).strip()
    return " ".join(words.split()).rstrip(".") or type(error).__name__


@contextmanager
def sentences(name: str) -> Iterator[None]:
    """Turn the database's errors into ours."""
    import psycopg

    try:
        yield
    except DBAPIError as exc:
        raise told(name, exc.orig, is_lost=exc.connection_invalidated) from exc
    except psycopg.Error as exc:
        raise told(name, exc) from exc
    except InvalidRequestError as exc:
        # What SQLAlchemy says of a transaction whose connection went away under it.
        if "invalid transaction" not in str(exc) and "invalidat" not in str(exc):
            raise
        raise ConnectionLost(name, "it ended in the middle of a transaction") from exc


def told(name: str, error: BaseException | None, *, is_lost: bool = False) -> CatalogueError:
    """Return the error to raise instead of the driver's."""
    state = str(getattr(error, "sqlstate", None) or "")
    reason = plain(error) if error is not None else "no reason is given"
    if state in _BUSY:
        return CatalogueBusy(name, "its transaction does not end")
    if state in _NO_ROOM:
        return CatalogueError(
            f"The server of {name} has no space left ({reason}). What was stored before is safe; have space made and run the command again."
        )
    if state in _NO_RIGHTS:
        return CatalogueError(
            f"The user of {name} may not do that: {reason}. Have the owner of the database grant it."
        )
    if state in _READ_ONLY:
        return CatalogueError(
            f"The server of {name} takes no changes: {reason}. Name the primary server instead of a standby."
        )
    if state in _TOO_LONG:
        return CatalogueError(f"The database {name} cannot hold a text that is so long: {reason}.")
    if state in _STOPPED:
        return CatalogueError(
            f"The server of {name} stopped a statement ({reason}). What was stored before is safe. If it is a limit (statement_timeout), have it raised for this user; then run the command again."
        )
    if is_lost or state.startswith("08") or state in _LOST or (not state and _is_closed(error)):
        return ConnectionLost(name, reason)
    return CatalogueError(f"The catalogue {name} cannot be used: {reason}.")


def _is_closed(error: BaseException | None) -> bool:
    """Return whether an error without a code says that the connection ended under it."""
    words = str(error)
    return any(
        said in words
        for said in ("connection is closed", "connection is lost", "server closed the connection", "consuming input failed", "sending query", "connection was closed", "SSL SYSCALL", "connection is bad", "could not receive data", "could not send data")
    )  # fmt: skip


def unreachable(location: PostgresqlUrl, error: Any) -> CatalogueError:
    """Return the error to raise when no connection could be made."""
    name, words = location.name, str(error)
    if "password" in words or "fe_sendauth" in words or "no pg_hba.conf entry" in words:
        if "no password" in words or "fe_sendauth" in words:
            return CatalogueError(
                f"The server of {name} asks for a password. Give it in the file ~/.pgpass or the variable PGPASSWORD, or in the URL."
            )
        if "no pg_hba.conf entry" in words:
            return CatalogueError(
                f"The server of {name} lets nobody in from this machine as that user (its pg_hba.conf names no such entry). Ask who runs it."
            )
        return CatalogueError(
            f"The server of {name} does not take that user or password. Check the user in the URL, and the password in ~/.pgpass, PGPASSWORD or the URL."
        )
    if "does not exist" in words and "database" in words:
        return CatalogueError(
            f"There is no database {name}. Make it with `createdb --encoding=UTF8 --template=template0 NAME`, or name another with --db."
        )
    if "does not exist" in words and "role" in words:
        return CatalogueError(
            f"The server of {name} knows no such user. Name one in the URL: postgresql://USER@HOST/DATABASE."
        )
    if "too many" in words or "remaining connection slots" in words:
        return ConnectionLost(name, "it has no connection left for another client", is_new=True)
    return ConnectionLost(name, _last_line(words), is_new=True)


def _last_line(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("Is the server", "Multiple", "- "))]
    return (kept or lines or [""])[0].removeprefix("connection failed: ").rstrip(".?")
