"""DICOMDIRs written and read by dcat, DCMTK and pydicom, side by side on the same files.

    python benchmarks/dicomdir.py             minutes
    python benchmarks/dicomdir.py --full      adds 10,000 and 100,000 files, 1,000,000 records to dcat

Each program is a process of its own, so its start counts. Wall time, CPU time (user and system)
and peak memory are what the operating system says of it; each figure is the median of several
runs, taken in turns so that a busy machine is unfair to all alike. The result is Markdown.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = "1.2.826.0.1.3680043.10.543"
CT = "1.2.840.10008.5.1.4.1.1.2"
LITTLE = "1.2.840.10008.1.2.1"
PATIENCE_S = 20  # what takes longer is run once
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}
"""Python compiles what is not installed but once, as an installer does for what is."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Task:
    """A command to measure; `prepare` comes before each run and does not count."""

    name: str
    command: list[str]
    prepare: Callable[[], object] = lambda: None


def once(task: Task) -> Cost:
    """Run `task` and return its cost."""
    task.prepare()
    start = time.monotonic()
    with subprocess.Popen(
        task.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{task.name} failed ({process.returncode}):\n{errors.decode(errors='replace')}")
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measured(tasks: Sequence[Task], runs: int) -> dict[str, Cost]:
    """Return the median cost of each of `tasks`."""
    found: dict[str, list[Cost]] = {task.name: [] for task in tasks}
    for _ in range(runs):
        for task in tasks:
            if not found[task.name] or found[task.name][0].wall_s < PATIENCE_S:
                found[task.name].append(once(task))
    return {
        name: Cost(
            statistics.median(cost.wall_s for cost in costs),
            statistics.median(cost.cpu_s for cost in costs),
            max(cost.peak_mib for cost in costs),
        )
        for name, costs in found.items()
    }


def rows(what: str, costs: dict[str, Cost]) -> Iterator[str]:
    """Yield a line of the table for each program, dcat first."""
    dcat = costs["dcat"]
    for name, cost in costs.items():
        ratio = "" if name == "dcat" else f"{cost.wall_s / dcat.wall_s:.1f} ×"
        cpu = "" if name == "dcat" else f"{cost.cpu_s / dcat.cpu_s:.1f} ×"
        yield (
            f"| {what} | {name} | {cost.wall_s:.3g} | {ratio} | {cost.cpu_s:.3g} | {cpu} "
            f"| {'' if math.isnan(cost.peak_mib) else f'{cost.peak_mib:.0f}'} |"
        )


def make_instances(folder: Path, count: int, of_series: int) -> None:
    """Put `count` CT instances without pixels into `folder`, `of_series` into each series.

    Their names are legal File IDs.
    """
    from pydicom.dataset import Dataset, FileMetaDataset

    for number in range(count):
        series, image = divmod(number, of_series)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = CT
        dataset.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.{series}.1.1.{image}"
        dataset.file_meta.TransferSyntaxUID = LITTLE
        dataset.SOPClassUID, dataset.SOPInstanceUID = CT, f"{ROOT}.{series}.1.1.{image}"
        dataset.StudyDate, dataset.StudyTime = "20200101", "120000"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Modality, dataset.Manufacturer = "CT", "DCAT"
        dataset.AccessionNumber, dataset.StudyDescription = f"A{series}", "Benchmark"
        dataset.PatientName, dataset.PatientID = f"Patient^{series}", f"P{series}"
        dataset.StudyInstanceUID = f"{ROOT}.{series}.1"
        dataset.SeriesInstanceUID = f"{ROOT}.{series}.1.1"
        dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, image + 1
        path = folder / f"SE{series:06}" / f"IM{image:06}"
        path.parent.mkdir(exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)


def make_directory(path: Path, count: int) -> None:
    """Write a DICOMDIR of one patient, study and series with `count` IMAGE records, by dcat."""
    from catalog.dicom.elements import Element
    from catalog.fileset.tree import FileSet, Record, padded
    from catalog.fileset.writer import Writing, write_records

    def record(type_: str, *keys: tuple[int, str, str]) -> Record:
        return Record(type_, tuple(Element(t, v, padded(v, text.encode())) for t, v, text in keys))

    def records() -> Iterator[tuple[int, Record]]:
        yield 0, record("PATIENT", (0x00100010, "PN", "Doe^Jane"), (0x00100020, "LO", "P1"))
        yield 1, record(
            "STUDY",
            (0x00080020, "DA", "20200101"), (0x00080030, "TM", "1200"), (0x00080050, "SH", ""),
            (0x00081030, "LO", ""), (0x0020000D, "UI", f"{ROOT}.1"), (0x00200010, "SH", "1"),
        )  # fmt: skip
        yield 2, record(
            "SERIES",
            (0x00080060, "CS", "CT"), (0x0020000E, "UI", f"{ROOT}.1.1"), (0x00200011, "IS", "1"),
        )  # fmt: skip
        for number in range(count):
            yield 3, record(
                "IMAGE",
                (0x00041500, "CS", f"SE{number // 1000:06}\\IM{number % 1000:06}"),
                (0x00041510, "UI", CT), (0x00041511, "UI", f"{ROOT}.1.1.{number}"),
                (0x00041512, "UI", LITTLE), (0x00200013, "IS", str(number)),
            )  # fmt: skip

    with path.open("wb") as stream:
        write_records(stream, FileSet("BENCH", ROOT), records(), Writing(f"{ROOT}.9"))


# What is measured imports nothing but what it needs.
READ = """
import sys
from pathlib import Path
from catalog.fileset.reader import read
directory = read(Path(sys.argv[1]).read_bytes())
sys.exit(not directory.entries or directory.findings or 0)
"""
READ_PYDICOM = """
import sys
from pydicom.fileset import FileSet
sys.exit(not len(FileSet(sys.argv[1])))
"""
LOAD_BOTH = """
import sys
from pathlib import Path
from time import perf_counter, process_time
from catalog.fileset.reader import read
from pydicom.fileset import FileSet
path = Path(sys.argv[1])
for load in (lambda: read(path.read_bytes()), lambda: FileSet(path)):
    load()
    wall_s, cpu_s = perf_counter(), process_time()
    load()
    print(perf_counter() - wall_s, process_time() - cpu_s)
"""
WRITE_ALONE = """
import sys
from pathlib import Path
from time import perf_counter, process_time
from catalog.maintaining import create, plan_creation
folder = Path(sys.argv[1])
wall_s, cpu_s = perf_counter(), process_time()
create(plan_creation(folder), "2.25.1")
print(perf_counter() - wall_s, process_time() - cpu_s)
"""
WRITE_ALONE_PYDICOM = """
import sys
from pathlib import Path
from time import perf_counter, process_time
from pydicom.fileset import FileSet
folder = Path(sys.argv[1])
files = sorted(path for path in folder.rglob("*") if path.is_file())
wall_s, cpu_s = perf_counter(), process_time()
made = FileSet()
for path in files:
    made.add(path)
made.write(folder.with_name("pydicom"))
print(perf_counter() - wall_s, process_time() - cpu_s)
"""
WRITE_PYDICOM = """
import sys
from pathlib import Path
from pydicom.fileset import FileSet
folder, made = Path(sys.argv[1]), FileSet()
for path in sorted(path for path in folder.rglob("*") if path.is_file()):
    made.add(path)
made.write(folder.with_name("pydicom"))
"""

MAKERS: dict[str, Callable[..., None]] = {"instances": make_instances, "records": make_directory}


def made(name: str, *arguments: object) -> list[str]:
    """Return the command that runs one of `MAKERS`."""
    return [sys.executable, __file__, "--make", name, *map(str, arguments)]


def script(text: str, path: Path) -> list[str]:
    """Return the command that runs a program of one argument."""
    return [sys.executable, "-c", text, str(path)]


def writing(folder: Path, *, pydicom: bool) -> list[Task]:
    """Return the tasks that make a DICOMDIR for the files in `folder`."""
    dicomdir = folder / "DICOMDIR"

    def clean() -> None:
        dicomdir.unlink(missing_ok=True)
        shutil.rmtree(folder.with_name("pydicom"), ignore_errors=True)

    tasks = [
        Task("dcat", [sys.executable, "-m", "catalog", "dicomdir", "create", str(folder)], clean)
    ]
    if shutil.which("dcmmkdir"):
        command = ["dcmmkdir", "+r", "+id", str(folder), "+D", str(dicomdir), "-nb"]
        tasks.append(Task("dcmmkdir", command, clean))
    if pydicom:
        tasks.append(Task("pydicom FileSet", script(WRITE_PYDICOM, folder), clean))
    return tasks


def reading(dicomdir: Path, *, pydicom: bool) -> list[Task]:
    """Return the tasks that read `dicomdir`."""
    tasks = [Task("dcat", script(READ, dicomdir))]
    if shutil.which("dcmdump"):
        tasks.append(Task("dcmdump -q", ["dcmdump", "-q", str(dicomdir)]))
    if pydicom:
        tasks.append(Task("pydicom FileSet", script(READ_PYDICOM, dicomdir)))
    return tasks


def running(path: Path, runs: int, *programs: str, clean: Callable[[], object]) -> dict[str, Cost]:
    """Return what dcat and pydicom take in `programs`, which run already; no peaks.

    Each program tells its wall time and CPU time, or one tells both for dcat and for pydicom.
    """
    found: list[list[float]] = []
    for _ in range(runs):
        told: list[float] = []
        for program in programs:
            clean()
            said = subprocess.run(
                script(program, path), capture_output=True, text=True, check=True, env=ENVIRONMENT
            )
            told += [float(figure) for figure in said.stdout.split()]
        found.append(told)
    wall, cpu, other_wall, other_cpu = map(statistics.median, zip(*found, strict=True))
    nan = float("nan")
    return {"dcat": Cost(wall, cpu, nan), "pydicom FileSet": Cost(other_wall, other_cpu, nan)}


def report(options: argparse.Namespace, work: Path) -> Iterator[str]:
    """Measure everything and yield the lines of the report."""
    yield from about(options)
    package = Path(__file__).parent.parent / "catalog"
    once(Task("compiling", [sys.executable, "-m", "compileall", "-q", str(package)]))
    yield "| job | program | wall s | wall ÷ dcat | CPU s | CPU ÷ dcat | peak MiB |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    sizes = [(1_000, 50), (5_000, 50), (1_000, 1_000), (2_000, 2_000)]
    if options.full:
        sizes += [(10_000, 50), (10_000, 10_000), (100_000, 50)]
    for count, series in [(0, 0)] if options.folder else sizes:
        folder = work / "files"
        shutil.rmtree(folder, ignore_errors=True)
        what = f"{count:,} files, {series:,} a series"
        if options.folder:
            shutil.copytree(options.folder, folder)
            (folder / "DICOMDIR").unlink(missing_ok=True)
            count = sum(path.is_file() for path in folder.rglob("*"))
            what = f"{count:,} files"
        else:
            folder.mkdir()
            # In a process of its own: what this one holds would count as its children's peak.
            once(Task("instances", made("instances", folder, count, series)))
        tasks = writing(folder, pydicom=count <= 1_000)
        yield from rows(f"write, {what}", measured(tasks, options.runs))
        if count <= 1_000:
            costs = running(
                folder, options.runs, WRITE_ALONE, WRITE_ALONE_PYDICOM, clean=tasks[0].prepare
            )
            yield from rows(f"write, {what}, without the start of Python", costs)
        once(tasks[0])
        tasks = reading(folder / "DICOMDIR", pydicom=count <= 5_000)
        yield from rows(f"read, {what}", measured(tasks, options.runs))
        if count <= 5_000:
            costs = running(folder / "DICOMDIR", options.runs, LOAD_BOTH, clean=lambda: None)
            yield from rows(f"read, {what}, without the start of Python", costs)
    for count in [10_000, 100_000, *([1_000_000] if options.full else [])]:
        path = work / "RECORDS"
        encoded = measured([Task("dcat", made("records", path, count))], options.runs)
        yield from rows(f"encode, {count:,} records", encoded)
        yield from rows(
            f"read, {count:,} records ({path.stat().st_size / 1e6:.1f} MB)",
            measured(reading(path, pydicom=False), options.runs),
        )


def about(options: argparse.Namespace) -> Iterator[str]:
    """Yield what was measured with, and how."""
    told = [f"dcat {metadata.version('dicom-dcat')}", f"pydicom {metadata.version('pydicom')}"]
    if program := shutil.which("dcmdump"):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        told.append("DCMTK " + said.stdout.partition("dcmdump v")[2].split(" ")[0])
    told.append(f"Python {platform.python_version()}")
    arguments = "".join(
        (
            " --full" if options.full else "",
            " FOLDER" if options.folder else "",
            f" --runs {options.runs}",
        )
    )
    yield f"Measured with {', '.join(told)} on {processor()}, {os.cpu_count()} cores, by"
    yield f"`python benchmarks/dicomdir.py{arguments}`. Medians of {options.runs} runs; one run where it takes over {PATIENCE_S} s."
    yield ""


def processor() -> str:
    """Return the name of the processor, as far as the machine tells it."""
    path = Path("/proc/cpuinfo")
    names = path.read_text().partition("model name")[2] if path.exists() else ""
    return names.partition(":")[2].partition("\n")[0].strip() or platform.machine()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark, or make its input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, help="DICOM files to copy and use instead of made ones"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each program (3)")
    parser.add_argument("--full", action="store_true", help="the sizes that take long, too")
    parser.add_argument("--make", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.make:
        name, path, *counts = options.make
        MAKERS[name](Path(path), *map(int, counts))
        return
    with tempfile.TemporaryDirectory() as work:
        for line in report(options, Path(work)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
