"""What importing a medium costs: its records, its headers, and copies beside `cp -r`.

    python benchmarks/import.py                     100,000 records, 2,000 instances
    python benchmarks/import.py --records 25000 --files 500

Each command is a process of its own, so its start counts. Wall time, CPU time and peak memory are
those of all its processes (`measuring.py`). The result is Markdown.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from dicomdir import make_directory, make_instances
from measuring import Costs, Task, adopt_orphans, measured

sys.path.insert(0, str(Path(__file__).parents[1]))

BOUND_S = 30
"""How long 100,000 records may take."""


def imported(job: str, medium: Path, scratch: Path, *options: str, again: bool = False) -> Task:
    """Return the task that imports `medium` into a new catalogue, or `again` into the one that was made."""
    database = scratch / f"{medium.name}{'-'.join(options[:2]).replace('/', '_')}.db"

    def clean() -> None:
        for ending in ("", "-wal", "-shm", "-lock"):
            database.with_name(database.name + ending).unlink(missing_ok=True)
        if "--copy-to" in options:
            shutil.rmtree(options[options.index("--copy-to") + 1], ignore_errors=True)

    words = ["-m", "catalog", "import", str(medium), "--db", str(database), *options]
    return Task(
        job, "dcat import", [sys.executable, *words], prepare=(lambda: None) if again else clean,
        accepts=(0, 3), environment=os.environ | {"XDG_CONFIG_HOME": str(scratch)},
    )  # fmt: skip


def made(path: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder that `make` fills."""
    path.mkdir()
    make(path)
    return path


def tasks(options: argparse.Namespace, scratch: Path) -> Iterator[Task]:
    """Yield what is measured, the cheapest first."""
    for count in (options.records // 4, options.records // 2, options.records):
        medium = made(scratch / f"r{count}", lambda p, n=count: make_directory(p / "DICOMDIR", n))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        yield imported(f"{count:,} records", medium, scratch)
    yield imported(f"{options.records:,} records, again", medium, scratch, again=True)

    def with_directory(folder: Path) -> None:
        from catalog.maintaining import create, plan_creation

        make_instances(folder, options.files, 50)
        create(plan_creation(folder), "2.25.1")

    medium = made(scratch / "files", with_directory)
    what = f"{options.files:,} small files"
    yield imported(f"{what}, exist", medium, scratch)
    yield imported(f"{what}, headers", medium, scratch, "--check", "header")
    yield imported(f"{what}, digests", medium, scratch, "--check", "digest")
    target = scratch / "archive"
    yield imported(f"{what}, copied", medium, scratch, "--copy-to", str(target))
    copied = scratch / "copied"
    yield Task(
        f"{what}, copied", "cp -r", ["cp", "-r", str(medium), str(copied)],
        prepare=lambda: shutil.rmtree(copied, ignore_errors=True),
    )  # fmt: skip


def table(costs: Costs) -> Iterator[str]:
    """Yield the result as lines of Markdown."""
    yield "| what | program | wall s | CPU s | peak MiB |"
    yield "|---|---|---|---|---|"
    for (job, program), cost in costs.items():
        yield f"| {job} | {program} | {cost.wall_s:.3g} | {cost.cpu_s:.3g} | {cost.peak_mib:.0f} |"


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    adopt_orphans()
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        costs = measured(list(tasks(options, Path(folder))), options.runs, notes)
    print("\n".join(table(costs)))
    slowest = costs[f"{options.records:,} records", "dcat import"].wall_s
    within = "within" if slowest <= BOUND_S * options.records / 100_000 else "beyond"
    print(f"\n{options.records:,} records are {within} the bound of {BOUND_S} s for 100,000.")
    print("\n".join(notes))


if __name__ == "__main__":
    main()
