"""Dask clusters for tests, on the loopback interface."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

HIDING = """
import errno, os, signal, stat

signal.signal(signal.SIGINT, signal.SIG_IGN)


def hidden(function, real_stat=os.stat):
    def called(path, *arguments, **options):
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if "not-on-workers" in text:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if "denied-to-workers" in text:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        if "other-on-workers" in text and stat.S_ISREG(real_stat(text).st_mode):
            path = "/dev/null"
        return function(path, *arguments, **options)

    return called


os.open = hidden(os.open)
os.stat = hidden(os.stat)
"""
"""What workers of tests do not see, by what the paths are called."""

SCHEDULER = """
import asyncio
from distributed import Scheduler


async def main():
    async with Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()


asyncio.run(main())
"""

WORKER = """
import asyncio, sys
{before}
from distributed import Worker


async def main():
    async with Worker(sys.argv[1], host="127.0.0.1", dashboard_address="127.0.0.1:0", nthreads=1) as worker:
        print(worker.address, flush=True)
        await worker.finished()


asyncio.run(main())
"""

WITHOUT_DCAT = """
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name == "catalog":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Lacking())
for name in [name for name in sys.modules if name.partition(".")[0] == "catalog"]:
    del sys.modules[name]
"""


@contextmanager
def scheduler() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give a scheduler without workers, as a process, and its address."""
    with _running(SCHEDULER) as found:
        yield found


@contextmanager
def worker(address: str, before: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give a worker, as a process that runs `before` first, and its address."""
    with _running(WORKER.replace("{before}", before), address) as found:
        yield found


@contextmanager
def _running(script: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
