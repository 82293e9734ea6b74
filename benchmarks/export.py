"""A selection onto a medium by dcat, beside other ways to the same bytes, on the same files.

    python benchmarks/export.py WORK                   10,000 small files and 2,000 × 525 kB
    python benchmarks/export.py WORK --files 500       smaller, to try it
    python benchmarks/export.py WORK --growth          adds 10,000 and 100,000 headers, for memory

WORK is a folder for archives, catalogues and copies; archives stay there for the next time. Each
program is a process of its own, so its start counts. Figures are medians of runs taken in turns.
Everything is flushed to the disk within the time: dcat does so itself, the others are followed by
`sync`. Rows that say "not flushed" are cp alone. The result is Markdown.

Nothing is removed before everything was measured: ext4 passes over the inodes of files that were
removed within the last minute one by one, so whoever makes files then takes ten times as long.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from corpus import Recipe, archive
from measuring import Costs, Task, adopt_orphans, measured, storage, versions

DCAT = [sys.executable, "-m", "catalog"]
PYDICOM = """
import sys
from pathlib import Path
from pydicom.fileset import FileSet
fileset = FileSet()
for path in sorted(Path(sys.argv[1]).rglob("*.dcm")):
    fileset.add(path)
fileset.write(sys.argv[2])
"""

ZIPFILE = """
import sys, zipfile
from pathlib import Path
source = Path(sys.argv[1])
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_STORED) as packed:
    for path in sorted(source.rglob("*.dcm")):
        packed.write(path, path.relative_to(source))
"""

FLOOR = """
import hashlib, os, sys
source, medium = sys.argv[1:]
for folder, _, names in os.walk(source):
    target = medium + folder[len(source):]
    os.makedirs(target)
    for name in names:
        handle = os.open(f"{folder}/{name}", os.O_RDONLY)
        status = os.fstat(handle)
        data = os.read(handle, status.st_size + 1)
        os.close(handle)
        hashlib.sha256(data).hexdigest()
        handle = os.open(f"{target}/{name}.part", os.O_WRONLY | os.O_CREAT)
        os.write(handle, data)
        os.utime(handle, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.close(handle)
        os.replace(f"{target}/{name}.part", f"{target}/{name}")
os.sync()
"""

MKDIR = """
cp -r "$1" "$2" && cd "$2" && n=0
find . -name '*.dcm' | sort | while read -r path; do
    n=$((n + 1)); mv "$path" "F$(printf %07d $n)"
done
dcmmkdir -Pgp +D DICOMDIR +r -Nxc +id . >/dev/null 2>&1 && sync
"""


def aside(work: Path) -> Path:
    """Return the folder for what was written before."""
    folder = work / "written"
    folder.mkdir(exist_ok=True)
    return folder


def tasks(source: Path, work: Path, *, pydicom: bool) -> list[Task]:
    """Return every way to bring `source` onto a medium in `work`."""
    medium, packed, database = work / "medium", work / "medium.zip", work / "export.db"
    environment = dict(os.environ) | {
        "DCAT_DB": str(database), "PYTHONPATH": str(Path(__file__).parents[1]),
    }  # fmt: skip

    def clear() -> None:
        for made in (medium, packed):
            if made.exists():
                made.rename(aside(work) / f"{time.monotonic_ns()}")

    def task(job: str, program: str, *command: str, rival: bool = True) -> Task:
        # Of headers alone, reports lack what their records need, so dcat leaves some out.
        return Task(
            job, program, command, clear, is_rival=rival, environment=environment,
            accepts=(0,) if rival else (0, 3),
        )  # fmt: skip

    def shell(script: str) -> list[str]:
        return ["sh", "-c", script, "sh", str(source), str(medium)]

    python, folder = sys.executable, "to a folder"
    found = [
        task(folder, "dcat export", *DCAT, "export", str(medium), rival=False),
        task(folder, "dcat export --jobs 1", *DCAT, "export", "-j", "1", str(medium), rival=False),
        task(folder, "cp -r, then sync", *shell('cp -r "$1" "$2" && sync')),
        task(folder, "cp -r, not flushed", *shell('cp -r "$1" "$2"')),
        task(folder, "bare Python loop with SHA-256, flushed", python, "-c", FLOOR, str(source), str(medium)),
    ]  # fmt: skip
    if shutil.which("dcmmkdir"):
        found.append(task(folder, "cp -r, dcmmkdir, sync", *shell(MKDIR)))
    if pydicom:
        found.append(task(folder, "pydicom FileSet", python, "-c", PYDICOM, str(source), str(medium)))  # fmt: skip
    zipped = "to a ZIP file, stored"
    found += [
        task(zipped, "dcat export --zip", *DCAT, "export", "--zip", str(packed), rival=False),
        task(zipped, "Python's zipfile, then sync", "sh", "-c", '"$1" -c "$2" "$3" "$4" && sync', "sh", python, ZIPFILE, str(source), str(packed)),
    ]  # fmt: skip
    return found


def lines(recipe: Recipe, costs: Costs) -> Iterator[str]:
    """Yield a row of the table for each program; times beside those of the first of its job."""
    first: dict[str, float] = {}
    for (job, program), cost in costs.items():
        wall_s = first.setdefault(job, cost.wall_s)
        ratio = "" if wall_s == cost.wall_s else f"{cost.wall_s / wall_s:.2f} ×"
        yield (
            f"| {recipe.title}, {job} | {program} | {cost.wall_s:.2f} | {ratio} "
            f"| {cost.cpu_s:.2f} | {cost.peak_mib:.0f} |"
        )


def report(options: argparse.Namespace) -> Iterator[str]:
    """Measure everything and yield the lines of the report."""
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    told = f"Measured with {', '.join(versions())}, Python {platform.python_version()}"
    yield f"{told} on {os.cpu_count()} cores and {storage(work)}. Medians of {options.runs} runs."
    yield ""
    yield "| job | program | wall s | wall ÷ dcat | CPU s | peak MiB |"
    yield "|---|---|---:|---:|---:|---:|"
    notes: list[str] = []
    counts = (options.files, options.files) if options.files else (10_000, 2_000)
    recipes = [Recipe(counts[0]), Recipe(counts[1], pixels=512)]
    if options.growth:
        recipes += [Recipe(10 * counts[0] // part, headers_only=True) for part in (10, 1)]
    package = {"PYTHONPATH": str(Path(__file__).parents[1])}
    for recipe in recipes:
        source = archive(work, recipe)
        database = work / "export.db"
        for path in work.glob("export.db*"):
            path.unlink()
        index = [*DCAT, "index", str(source), "--db", str(database)]
        measured([Task("index", "dcat", index, environment=os.environ | package)], 1, notes)
        found = tasks(source, work, pydicom=recipe.files <= 2_000)
        if recipe.headers_only:
            found = [task for task in found if task.program in ("dcat export", "cp -r, then sync")]
        yield from lines(recipe, measured(found, options.runs, notes))
    shutil.rmtree(aside(work))
    shutil.rmtree(work / "medium", ignore_errors=True)
    (work / "medium.zip").unlink(missing_ok=True)
    for note in notes:
        yield f"\n{note}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("work", type=Path, help="a folder with 30 GB of space")
    parser.add_argument("--growth", action="store_true", help="add ten times as many headers")
    parser.add_argument("--runs", type=int, default=3, help="runs of each program (3)")
    parser.add_argument("--files", type=int, default=0, help="files of either archive")
    options = parser.parse_args()
    adopt_orphans()
    for line in report(options):
        print(line, flush=True)


if __name__ == "__main__":
    main()
