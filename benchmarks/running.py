"""The programs that `index.py` measures on an archive, and how they are run."""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import loops
from corpus import Recipe, archive
from measuring import Costs, Task, inner, measured, scaled

HERE = Path(__file__).parent
KEYS = [
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "Modality",
    "StudyDate",
    "InstanceNumber",
]
FIRST, SECOND, FLOOR = "first run", "second run", "floor"
DCAT, PYDICOM, CSV, MKDIR, FIND = "dcat", "pydicom", "dicomtocsv", "dcmmkdir", "find"
ONE_JOB, READ, INSERT = "dcat --jobs 1", "walk, stat, open, read 16 kB", "insert dcat's rows"
SAMPLE_FILES = 1000
"""pydicom reads so many of an archive's files."""
MKDIR_FILES = 10_000
"""The size at which dcmmkdir is judged; it is not run with more."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Files to measure with, and what was measured."""

    title: str
    folder: Path
    files: int
    costs: Costs

    def wall_s(self, job: str, program: str) -> float | None:
        """Return a wall time; `None` if it was not measured."""
        cost = self.costs.get((job, program))
        return cost.wall_s if cost else None

    def ratio(self, over: tuple[str, str], under: tuple[str, str]) -> float | None:
        """Return a wall time divided by another; `None` if one was not measured."""
        a, b = self.wall_s(*over), self.wall_s(*under)
        return a / b if a is not None and b else None


@dataclass(slots=True)
class Bench:
    """Runs programs on archives; keeps what they took, what to say of it, and their commands."""

    options: argparse.Namespace
    scratch: Path
    notes: list[str] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)
    archives: list[Archive] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # As after an installation: sources compiled once, and not anew at each start.
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", str(HERE.parent / "catalog")], check=True
        )
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("DCAT_") and key != "PYTHONDONTWRITEBYTECODE"
        }
        self.environment = kept | {"XDG_CONFIG_HOME": str(self.scratch)}  # not the user's own

    def made(self, recipe: Recipe) -> Path:
        """Return the folder of `recipe`, made if need be."""
        print(f"making or finding {recipe.title} …", file=sys.stderr)
        return archive(self.options.work or self.scratch, recipe)

    def run(self, tasks: Sequence[Task], folder: Path, runs: int | None = None) -> Costs:
        """Measure `tasks` and remember their commands, with names instead of paths."""
        names = {self.scratch / "links": "LINKS", folder: "FOLDER", HERE: "benchmarks"}
        for task in tasks:
            words = ["python" if w == sys.executable else named(w, names) for w in task.command]
            scratch = f"{self.scratch}{os.sep}"
            shown = shlex.join(word.removeprefix(scratch) for word in words)
            self.commands.setdefault(f"{task.job}, {task.program}", shown)
        print(f"measuring {folder.name} …", file=sys.stderr)
        return measured(tasks, runs or self.options.runs, self.notes, self.options.log_every)

    # -- what is run -----------------------------------------------------------------------

    def dcat(self, job: str, program: str, folder: Path, jobs: int, database: str) -> Task:
        """Return the task that indexes `folder`: into a new catalogue if it is no second run."""
        path = self.scratch / database

        def clean() -> None:
            for ending in ("", "-wal", "-shm", "-lock"):
                path.with_name(path.name + ending).unlink(missing_ok=True)

        words = ["-m", "catalog", "index", str(folder), "--jobs", str(jobs), "--db", str(path)]
        return Task(
            job, program, [sys.executable, *words],
            prepare=(lambda: None) if job == SECOND else clean,
            accepts=(0, 3),  # 3: done, but some files could not be read
            environment=self.environment,
        )  # fmt: skip

    def rivals(self, folder: Path, files: int) -> Iterator[Task]:
        """Yield the tasks of the other programs that are there."""
        for program in (CSV, FIND):
            if not shutil.which(program):
                self.note(f"{program} is not installed, so it is left out.")
        if shutil.which(CSV):
            keys = [word for key in KEYS for word in ("-k", key)]
            out = str(self.scratch / "out.csv")
            command = [CSV, "--ignore-dicomdir", "--image", *keys, "-o", out, str(folder)]
            yield Task(FIRST, CSV, command, is_rival=True)
        listing = self.scratch / "sample"
        paths = files_below(folder)
        paths = paths[:: -(-len(paths) // SAMPLE_FILES)]
        listing.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in paths))
        yield Task(
            FIRST, PYDICOM, loop("pydicom", listing), cost=scaled(files / len(paths)), is_rival=True
        )
        if shutil.which(FIND):
            command = [FIND, str(folder), "-type", "f", "-printf", r"%s %T@ %p\n"]
            yield Task(SECOND, FIND, command, is_rival=True)

    def mkdir(self, folder: Path) -> Iterator[Task]:
        """Yield the task of dcmmkdir, on links whose names are legal File IDs."""
        if not shutil.which(MKDIR):
            self.note(f"{MKDIR} is not installed, so it is left out.")
            return
        links = self.scratch / "links"
        link_all(folder, links)
        dicomdir = links / "DICOMDIR"
        yield Task(
            FIRST, MKDIR, [MKDIR, "+r", "+id", str(links), "+D", str(dicomdir), "-nb"],
            prepare=lambda: dicomdir.unlink(missing_ok=True), is_rival=True,
        )  # fmt: skip

    def note(self, text: str) -> None:
        """Tell `text` below the tables, once."""
        if text not in self.notes:
            self.notes.append(text)

    def measure(self, title: str, folder: Path, on_log: Task | None = None) -> Archive:
        """Measure everything on one archive, dcat first."""
        files = int(loops.read(str(folder))["files"])  # this warms the cache, too
        if not files:
            sys.exit(f"There are no files in {folder}.")
        jobs = self.options.jobs
        database = self.scratch / "dcat.db"
        tasks = [
            on_log or self.dcat(FIRST, DCAT, folder, jobs, database.name),
            self.dcat(SECOND, DCAT, folder, jobs, database.name),
            self.dcat(FIRST, ONE_JOB, folder, 1, "one.db"),
            Task(FLOOR, READ, loop("read", folder), cost=inner),
            Task(
                FLOOR, INSERT, loop("insert", database, self.scratch / "floor.db"), cost=inner
            ),
            *self.rivals(folder, files),
        ]  # fmt: skip
        if files <= MKDIR_FILES and not self.archives:
            tasks += self.mkdir(folder)
        result = Archive(title, folder, files, self.run(tasks, folder))
        self.archives.append(result)
        self._compare_counts(result, database)
        if files > SAMPLE_FILES:
            self.note(
                f"pydicom read at most {SAMPLE_FILES:,} files, evenly spread over the archive; the time in its loop is multiplied up."
            )
        return result

    def _compare_counts(self, result: Archive, database: Path) -> None:
        """Note it if the programs did not find the same files."""
        with closing(sqlite3.connect(database)) as connection:
            (stored,) = connection.execute("SELECT count(*) FROM file").fetchone()
            query = "SELECT count(*) FROM file WHERE instance_ref IS NOT NULL"
            (found,) = connection.execute(query).fetchone()
        if stored < result.files:
            sys.exit(f"dcat has rows of {stored:,} of {result.files:,} files.")
        if (FIRST, CSV) in result.costs:
            out = self.scratch / "out.csv"
            with out.open(newline="", encoding="utf-8", errors="replace") as stream:
                rows = sum(1 for _ in csv.reader(stream)) - 1
            if rows != found:
                self.note(
                    f"{result.title}: dcat found {found:,} instances, {CSV} wrote {rows:,} rows."
                )


def loop(name: str, *arguments: Path) -> list[str]:
    """Return the command of one of the loops."""
    return [sys.executable, str(HERE / "loops.py"), name, *map(str, arguments)]


def named(word: str, names: dict[Path, str]) -> str:
    """Return `word` with a name for the path that it is or begins with."""
    for path, name in names.items():
        if word == str(path) or word.startswith(f"{path}{os.sep}"):
            return name + word[len(str(path)) :]
    return word


def rows_in(database: Path) -> int:
    """Return how many files the catalogue has that is being filled; 0 if it is not there yet."""
    try:
        uri = f"{database.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            (count,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM file").fetchone()
            return int(count)
    except sqlite3.OperationalError:
        return 0


def files_below(folder: Path) -> list[str]:
    """Return the paths of all files below `folder`, sorted."""
    paths = (os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)  # noqa: PTH118
    return sorted(path for path in paths if os.path.isfile(path))  # noqa: PTH113


def link_all(folder: Path, links: Path) -> None:
    """Give the files of `folder` legal File IDs in `links`: hard links, or copies if need be."""
    shutil.rmtree(links, ignore_errors=True)
    paths = [path for path in files_below(folder) if Path(path).name != "DICOMDIR"]
    for number, path in enumerate(paths):
        link = links / f"F{number // 1000:07}" / f"I{number % 1000:07}"
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.hardlink_to(path)
        except OSError:
            shutil.copyfile(path, link)
