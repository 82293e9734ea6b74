"""`dcat index` beside other programs on the same files, and beside what the machine needs at least.

    python benchmarks/index.py                   an hour: archives of 2,000 to 100,000 files
    python benchmarks/index.py --million         adds 1,000,000 files of a good kilobyte
    python benchmarks/index.py --slow 5          adds files that take 5 ms more to open
    python benchmarks/index.py --corpus FOLDER   your own files instead of made ones
    python benchmarks/index.py --quick           less than a minute, to see that it works

Archives are made in a temporary folder, or in the folder that --work names and used again from
there. Each program is a process of its own, with all processes that it starts. The result is
Markdown. For Linux.
"""

from __future__ import annotations

import argparse
import json
import math
import operator
import os
import platform
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import loops
from corpus import Recipe
from dicomdir import processor
from measuring import PATIENCE_S, SAMPLING_S, Cost, Task, adopt_orphans, storage, versions
from running import (
    CSV,
    DCAT,
    FIND,
    FIRST,
    FLOOR,
    HERE,
    INSERT,
    MKDIR,
    MKDIR_FILES,
    ONE_JOB,
    PYDICOM,
    READ,
    SECOND,
    Archive,
    Bench,
    rows_in,
)

SLOW_JOBS = (1, 2, 8, 16)
SMALL, HEADERS = "small files", "headers of 1.2 kB"

SLOW = """
import builtins, io, os, time


def _slowed(function):
    def opened(path, *arguments, **options):
        if not isinstance(path, int) and os.fsdecode(path).startswith({folder!r}):
            time.sleep({delay_s!r})
        return function(path, *arguments, **options)

    return opened


builtins.open = io.open = _slowed(builtins.open)
os.open = _slowed(os.open)
"""


@dataclass(slots=True)
class Report(Bench):
    """The report, part by part."""

    growth: dict[str, list[tuple[int, Cost]]] = field(
        default_factory=lambda: {SMALL: [], HEADERS: []}
    )
    start_s: float = 0.0

    def start_up(self) -> Iterator[str]:
        """Measure what does not depend on the number of files."""
        empty = self.scratch / "empty"
        empty.mkdir(exist_ok=True)
        version = Task("start", "dcat --version", [sys.executable, "-m", "catalog", "--version"])
        tasks = [version, self.dcat("start", "dcat index, empty folder", empty, 1, "empty.db")]
        costs = self.run(tasks, empty, max(3, self.options.runs))
        self.start_s = costs[tasks[1].key].wall_s
        yield "### Start-up"
        yield ""
        yield "| command | wall s | CPU s | peak MiB |"
        yield "|---|---:|---:|---:|"
        for (_, name), cost in costs.items():
            yield f"| {name} | {figure(cost.wall_s)} | {figure(cost.cpu_s)} | {figure(cost.peak_mib)} |"
        yield ""

    def rows(self, result: Archive) -> Iterator[str]:
        """Yield the lines of one archive."""
        for (job, program), cost in sorted(result.costs.items(), key=_order):
            base = result.costs[SECOND if job == SECOND else FIRST, DCAT]
            of_dcat = program == DCAT
            yield (
                f"| {result.title} | {job} | {program} | {figure(cost.wall_s)} "
                f"| {'' if of_dcat else times(cost.wall_s / base.wall_s)} | {figure(cost.cpu_s)} "
                f"| {'' if of_dcat else times(cost.cpu_s / base.cpu_s)} "
                f"| {figure(result.files / cost.wall_s)} | {figure(cost.peak_mib)} |"
            )

    def floors(self) -> Iterator[str]:
        """Yield how far dcat is from what reading and storing take at least."""
        yield "### The floor"
        yield ""
        yield "| archive | read s | insert s | sum s | dcat wall ÷ sum | dcat CPU ÷ sum's CPU | dcat --jobs 1 wall ÷ sum |"
        yield "|---|---:|---:|---:|---:|---:|---:|"
        for each in self.archives:
            read, insert = each.costs[FLOOR, READ], each.costs[FLOOR, INSERT]
            sum_s, sum_cpu_s = read.wall_s + insert.wall_s, read.cpu_s + insert.cpu_s
            dcat, one = each.costs[FIRST, DCAT], each.costs[FIRST, ONE_JOB]
            yield (
                f"| {each.title} | {figure(read.wall_s)} | {figure(insert.wall_s)} | {figure(sum_s)} "
                f"| {times(dcat.wall_s / sum_s)} | {times(dcat.cpu_s / sum_cpu_s)} "
                f"| {times(one.wall_s / sum_s)} |"
            )
        yield ""

    def breakdown(self, result: Archive) -> Iterator[str]:
        """Profile `dcat index --jobs 1` and yield where the time goes, by room."""
        full = self._profile(result.folder)
        start = self._profile(self.scratch / "empty")
        rooms = {room: max(0.0, s - start.get(room, 0.0)) for room, s in full.items()}
        rooms["import and start-up"] = sum(start.values())
        total_s = sum(rooms.values())
        yield f"### Where the time goes: {result.title}, --jobs 1, under cProfile"
        yield ""
        yield "| room | share | µs a file |"
        yield "|---|---:|---:|"
        for room, s in sorted(rooms.items(), key=lambda item: -item[1]):
            if s >= 0.002 * total_s:
                yield f"| {room} | {s / total_s:.1%} | {figure(s / result.files * 1e6)} |"
        plain = result.costs[FIRST, ONE_JOB].wall_s
        yield f"| all: {figure(total_s)} s; without the profiler {figure(plain)} s | 100% | {figure(total_s / result.files * 1e6)} |"
        yield ""

    def _profile(self, folder: Path) -> dict[str, float]:
        index = self.dcat("profile", "by cProfile", folder, 1, "profile.db")
        index.prepare()
        script, database = str(HERE / "profiling.py"), str(self.scratch / "profile.db")
        said = subprocess.run(
            [sys.executable, script, str(folder), database],
            env=self.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        seconds: dict[str, float] = json.loads(said.stdout)
        return seconds

    def grow(self, name: str, recipes: Sequence[Recipe]) -> None:
        """Measure how dcat does with ever more files of one kind."""
        known = {each.title: each.costs[FIRST, DCAT] for each in self.archives}
        grown = self.growth[name]
        for recipe in recipes:
            if recipe.title not in known:
                folder = self.made(recipe)
                loops.read(str(folder))
                task = self.dcat(FIRST, DCAT, folder, self.options.jobs, "dcat.db")
                known[recipe.title] = self.run([task], folder)[task.key]
            grown.append((recipe.files, known[recipe.title]))

    def growing(self) -> Iterator[str]:
        """Yield time and memory by the number of files."""
        yield "### Growth"
        yield ""
        yield "| files | wall s | µs a file | µs a file without start-up | CPU µs a file | peak MiB |"
        yield "|---|---:|---:|---:|---:|---:|"
        for name, sizes in self.growth.items():
            for files, cost in sizes:
                net_s = cost.wall_s - self.start_s
                yield (
                    f"| {files:,} {name} | {figure(cost.wall_s)} | {figure(cost.wall_s / files * 1e6)} "
                    f"| {figure(net_s / files * 1e6 if net_s > 0 else math.nan)} | {figure(cost.cpu_s / files * 1e6)} "
                    f"| {figure(cost.peak_mib)} |"
                )
        yield ""

    def slowly(self, recipe: Recipe) -> Iterator[str]:
        """Yield how jobs hide the latency of a slow file system."""
        delay_s, folder = self.options.slow / 1000, self.made(recipe)
        loops.read(str(folder))
        place = self.scratch / "slow"
        place.mkdir()
        text = SLOW.format(folder=os.path.realpath(folder) + "/", delay_s=delay_s)
        (place / "sitecustomize.py").write_text(text)
        path = os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))
        yield f"### Each file takes {self.options.slow:g} ms more to open: {recipe.title}"
        yield ""
        yield "| --jobs | wall s | files/s | times as fast as one job | delays alone, shared by all jobs, s | CPU s | peak MiB |"
        yield "|---:|---:|---:|---:|---:|---:|---:|"
        one_s = None
        for jobs in SLOW_JOBS:
            task = self.dcat("slow", f"--jobs {jobs}", folder, jobs, "slow.db")
            slowed = Task(
                task.job, task.program, task.command, task.prepare,
                environment=self.environment | {"PYTHONPATH": path},
            )  # fmt: skip
            cost = self.run([slowed], folder)[slowed.key]
            one_s = one_s or cost.wall_s
            if one_s < recipe.files * delay_s:
                sys.exit("The delays did not take effect: one job was faster than they are.")
            yield (
                f"| {jobs} | {figure(cost.wall_s)} | {figure(recipe.files / cost.wall_s)} "
                f"| {times(one_s / cost.wall_s)} | {figure(recipe.files * delay_s / jobs)} "
                f"| {figure(cost.cpu_s)} | {figure(cost.peak_mib)} |"
            )
        yield ""

    def million(self) -> Iterator[str]:
        """Measure the largest archive and yield the log of its first run."""
        recipe = Recipe(self.options.million, headers_only=True)
        folder = self.made(recipe)
        log: list[tuple[float, int, float]] = []
        plain = self.dcat(FIRST, DCAT, folder, self.options.jobs, "dcat.db")
        database = self.scratch / "dcat.db"

        def on_log(elapsed_s: float, mib: float) -> None:
            log.append((elapsed_s, rows_in(database), mib))

        def prepare() -> None:
            log.clear()
            plain.prepare()

        task = Task(
            plain.job, plain.program, plain.command, prepare, accepts=plain.accepts,
            environment=plain.environment, on_log=on_log,
        )  # fmt: skip
        result = self.measure(recipe.title, folder, task)
        yield f"### {recipe.title}, as it went (the last run)"
        yield ""
        yield "| after s | files stored | files/s since the line above | MiB |"
        yield "|---:|---:|---:|---:|"
        last_s, last_files = 0.0, 0
        for elapsed_s, files, mib in log:
            rate = (files - last_files) / (elapsed_s - last_s)
            yield f"| {figure(elapsed_s)} | {files:,} | {figure(rate)} | {figure(mib)} |"
            last_s, last_files = elapsed_s, files
        cost = result.costs[FIRST, DCAT]
        yield f"| {figure(cost.wall_s)} (end) | {result.files:,} | all: {figure(result.files / cost.wall_s)} | largest: {figure(cost.peak_mib)} |"
        yield ""
        sizes = [max(1, recipe.files // part) for part in (100, 10, 1)]
        self.grow(HEADERS, [Recipe(files, headers_only=True) for files in sizes])

    def goals(self) -> Iterator[str]:
        """Yield what was hoped for and whether the figures above meet it."""
        yield "### Goals"
        yield ""
        yield "| goal | archive | figure | met? |"
        yield "|---|---|---:|---|"
        dcat, again = (FIRST, DCAT), (SECOND, DCAT)
        no_more, no_less = operator.le, operator.ge
        wanted: list[tuple[str, Callable[[Archive], float | None], Callable[..., bool], float]] = [
            ("first run at most 1.0 × dicomtocsv", lambda a: a.ratio(dcat, (FIRST, CSV)), no_more, 1),
            ("at least 10 × as fast as dcmmkdir", lambda a: a.ratio((FIRST, MKDIR), dcat), no_less, 10),
            ("at least 30 × as fast as pydicom", lambda a: a.ratio((FIRST, PYDICOM), dcat), no_less, 30),
            ("second run at most 3 × find", lambda a: a.ratio(again, (SECOND, FIND)), no_more, 3),
        ]  # fmt: skip
        for goal, found, relation, bound in wanted:
            for each in self.archives:
                value = found(each)
                if value is None:
                    continue
                verdict = "met" if relation(value, bound) else "not met"
                if goal.endswith(MKDIR) and each.files != MKDIR_FILES:
                    verdict = f"(judged at {MKDIR_FILES:,} files)"
                yield f"| {goal} | {each.title} | {times(value)} | {verdict} |"
        for each in self.archives:
            megabytes = each.costs[dcat].peak_mib * 2**20 / 1e6
            verdict = "met" if megabytes < 400 else "not met"
            yield f"| memory below 400 MB | {each.title} | {figure(megabytes)} MB | {verdict} |"
        yield ""

    def lines(self) -> Iterator[str]:
        """Measure everything and yield the lines of the report."""
        options = self.options
        yield from self.about()
        yield from self.start_up()
        yield "### Archives"
        yield ""
        yield "| archive | job | program | wall s | wall ÷ dcat | CPU s | CPU ÷ dcat | files/s | peak MiB |"
        yield "|---|---|---|---:|---:|---:|---:|---:|---:|"
        if options.corpus:
            files = sum(len(names) for _, _, names in os.walk(options.corpus))
            found = [(f"{options.corpus.name}, {files:,} files", options.corpus)]
        else:
            found = [(recipe.title, recipe) for recipe in self.recipes()]
        for title, source in found:
            folder = source if isinstance(source, Path) else self.made(source)
            yield from self.rows(self.measure(title, folder))
        later: list[str] = []
        if options.million:
            later = list(self.million())
            yield from self.rows(self.archives[-1])
        yield ""
        yield from self.floors()
        yield from self.breakdown(self.archives[0])
        if not options.corpus:
            sizes = [options.files // part for part in (4, 2, 1)] if options.quick else [10_000, 30_000, 100_000]  # fmt: skip
            self.grow(SMALL, [Recipe(max(1, files)) for files in sizes])
        if any(self.growth.values()):
            yield from self.growing()
        yield from later
        if options.slow:
            yield from self.slowly(Recipe(options.files if options.quick else 10_000))
        yield from self.goals()
        yield from self.closing()

    def recipes(self) -> list[Recipe]:
        """Return the archives of a run without --corpus; the first is the one looked at closely."""
        if self.options.quick:
            return [Recipe(self.options.files)]
        return [
            Recipe(10_000), Recipe(100_000), Recipe(2_000, pixels=512),
            Recipe(2_000, private_bytes=60_000),
        ]  # fmt: skip

    def about(self) -> Iterator[str]:
        """Yield what was measured with, and how."""
        given = [re.sub("^(--(work|corpus)=).*", r"\1FOLDER", word) for word in sys.argv[1:]]
        before = ["", *given]
        words = [
            "FOLDER" if option in ("--work", "--corpus") else word
            for option, word in zip(before, given, strict=False)
        ]
        shown = shlex.join(words)
        runs = f"Medians of {self.options.runs} runs in turns, one run where it takes over {PATIENCE_S} s"
        if self.options.runs == 1:
            runs = "One run each"
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        yield f"Measured on {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {storage(self.scratch)}, Linux {platform.release()}, load average {os.getloadavg()[0]:.1f} at the start, with Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {', '.join(versions())}, by"
        script = Path(sys.argv[0]).name
        yield f"`{f'python benchmarks/{script} {shown}'.strip()}`. {runs}, warm cache."
        yield f"CPU time is that of all processes of a program. Peak memory is the largest of all runs: the proportional set sizes (PSS) of all its processes together, sampled each {SAMPLING_S * 1000:.0f} ms."
        yield ""

    def closing(self) -> Iterator[str]:
        """Yield the notes and the commands."""
        for note in self.notes:
            yield f"* {note}"
        if self.notes:
            yield ""
        yield "### Commands"
        yield ""
        yield "```"
        for name, command in self.commands.items():
            yield f"{name + ':':42} {command}"
        yield "```"


def _order(item: tuple[tuple[str, str], Cost]) -> tuple[int, bool]:
    job, program = item[0]
    return (FIRST, SECOND, FLOOR).index(job), program not in (DCAT, ONE_JOB)


def figure(value: float) -> str:
    """Return a number with three digits that count; nothing for NaN."""
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(value: float) -> str:
    """Return a ratio."""
    return f"{value:.2f} ×" if value < 1.995 else f"{value:,.1f} ×"


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--corpus", type=Path, metavar="FOLDER", help="measure this folder; it is only read")
    add("--work", type=Path, metavar="FOLDER", help="keep made archives here for the next time")
    add("--runs", type=int, help="runs of each program (5; 1 with --quick)")
    add("--jobs", type=int, help="jobs of dcat (as many as this machine has cores)")
    add("--quick", action="store_true", help="one archive of 2,000 files, one run")
    add("--files", type=int, default=2_000, help="files of --quick (2000)")
    add("--slow", type=float, metavar="MS", help="also with files slow to open, 1 to 16 jobs")
    add("--million", type=int, nargs="?", const=1_000_000, metavar="FILES",
        help="also with 1,000,000 (or FILES) headers, and how it went over time")  # fmt: skip
    add("--log-every", type=float, default=10.0, metavar="S", help="seconds of that log (10)")
    options = parser.parse_args(arguments)
    options.runs = options.runs or (1 if options.quick else 5)
    options.jobs = options.jobs or len(os.sched_getaffinity(0))
    if options.corpus and not options.corpus.is_dir():
        parser.error(f"{options.corpus} is no folder")
    if options.corpus:
        options.corpus = options.corpus.resolve()
    if options.files < 1 or (options.million is not None and options.million < 1):
        parser.error("an archive has at least one file")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = parsed(arguments)
    adopt_orphans()
    if options.work:
        options.work = options.work.resolve()
        options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work, prefix="running-") as scratch:
        for line in Report(options, Path(scratch).resolve()).lines():
            print(line, flush=True)


if __name__ == "__main__":
    main()
