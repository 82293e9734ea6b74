"""What Dask costs beside processes of one machine: `dcat index --cluster` and `--jobs`, on the same files.

    python benchmarks/cluster.py                   10,000 made files, as many workers as cores
    python benchmarks/cluster.py --corpus FOLDER   your own files; the folder is only read
    python benchmarks/cluster.py --files 500       to see that it works

All workers are on this machine, so this is the cost alone: a cluster pays where there is more
storage to wait for than one machine can have under way. The result is Markdown. For Linux.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import loops
from corpus import Recipe
from index import Report, figure, times
from measuring import Task, adopt_orphans
from running import FIRST

SERVE = """
import os, sys
if os.fork():
    os._exit(0)
os.setsid()
import distributed
cluster = distributed.LocalCluster(
    n_workers=int(sys.argv[1]), threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
)
print(cluster.scheduler_address, flush=True)
sys.stdin.read()
cluster.close()
"""


@contextmanager
def scheduler(workers: int) -> Iterator[str]:
    """Give the address of a cluster that is no child of this process: what it takes is not counted."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            sys.exit("No cluster could be started; is the extra `cluster` installed?")
        process.wait()
        yield address


def tasks(report: Report, folder: Path, address: str) -> list[Task]:
    """Return what is measured: the same files, read by each kind of executor."""
    jobs = report.options.jobs

    def task(name: str, processes: int | None, *more: str) -> Task:
        plain = report.dcat(FIRST, name, folder, processes or 1, "dcat.db")
        words = list(plain.command)
        if processes is None:
            at = words.index("--jobs")
            del words[at : at + 2]
        return replace(plain, command=[*words, *more])

    return [
        task("this process", 1),
        task(f"{jobs} processes", jobs),
        task(f"Dask, {jobs} workers started for it", jobs, "--cluster", "local"),
        task(f"Dask, {jobs} workers that were there", None, "--cluster", address),
    ]


def lines(report: Report, folder: Path, address: str) -> Iterator[str]:
    """Measure and yield the lines of the report."""
    files = int(loops.read(str(folder))["files"])  # this warms the cache, too
    costs = report.run(tasks(report, folder, address), folder)
    yield from report.about()
    yield f"| {files:,} files are read by | wall s | CPU s | wall ÷ processes | files/s | peak MiB |"
    yield "|---|---:|---:|---:|---:|---:|"
    base = costs[FIRST, f"{report.options.jobs} processes"]
    for (_, name), cost in costs.items():
        yield (
            f"| {name} | {figure(cost.wall_s)} | {figure(cost.cpu_s)} | {times(cost.wall_s / base.wall_s)} "
            f"| {figure(files / cost.wall_s)} | {figure(cost.peak_mib)} |"
        )
    yield ""
    yield "Time and memory of workers that were there are not counted, nor those of their scheduler."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--corpus", type=Path, metavar="FOLDER", help="measure this folder; it is only read")
    add("--work", type=Path, metavar="FOLDER", help="keep made archives here for the next time")
    add("--files", type=int, default=10_000, help="files of the made archive (10000)")
    add("--runs", type=int, default=5, help="runs of each (5)")
    add("--jobs", type=int, help="processes or workers (as many as this machine has cores)")
    options = parser.parse_args(arguments)
    options.jobs = options.jobs or len(os.sched_getaffinity(0))
    options.log_every = 10.0
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
    with (
        scheduler(options.jobs) as address,
        tempfile.TemporaryDirectory(dir=options.work, prefix="running-") as scratch,
    ):
        adopt_orphans()  # from here on: the cluster is nobody's child by now
        report = Report(options, Path(scratch).resolve())
        folder = options.corpus.resolve() if options.corpus else report.made(Recipe(options.files))
        for line in lines(report, folder, address):
            print(line, flush=True)


if __name__ == "__main__":
    main()
