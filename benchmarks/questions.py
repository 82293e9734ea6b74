"""What questions to a catalogue of a million instances cost, with the plan of each, beside `dicomfind`.

    python benchmarks/questions.py                         some minutes and 2 GB: 1,000,000 instances
    python benchmarks/questions.py --instances 10000000    ten times that
    python benchmarks/questions.py --quick                 less than a minute, to see that it works

The catalogue is made in a temporary folder, or in the one that --work names and used again from
there. Questions are asked as `dcat find` asks them, all rows are fetched, inside one process that
runs already, and the median of the later of several times is told. Then the same questions are
asked of the files of a smaller archive: by `dcat find` on a catalogue of it and by `dicomfind`, as
processes of their own. The result is Markdown.
"""

from __future__ import annotations

import argparse
import platform
import random
import re
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from corpus import FAMILY, GIVEN, PARTS, ROOT, SERIES, STUDIES, Recipe, make
from dicomdir import processor
from measuring import Task, measured, versions
from sqlalchemy import event

from catalog.auditing import asked, audits
from catalog.database import fetch, grouping
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.make import make as make_catalogue
from catalog.entities import Level
from catalog.normal_forms import fold, words
from catalog.query import parse

PER_SERIES = 60
"""As in the archives of `corpus.py`."""
GOAL_S, AUDIT_GOAL_S = 0.05, 10.0
MODALITIES = ("CT", "MR", "US", "CR", "PT", "DX", "MG")
PLACES = ("General Hospital", "St. Mary's Clinic", "Universitätsklinik Zürich", "Centre Médical")
DAY = date(2012, 1, 1)

GROWING = frozenset(
    ["patient", "study", "series", "series_total", "instance", "file", "discrepancy", "finding"]
)
"""Tables that grow with the archive."""

_SCAN = re.compile(r"Seq Scan on (\w+)")

Ask = Callable[[Catalogue], int]


class Question(NamedTuple):
    """One question: how `dcat find` is told it, and what asks it here and returns how many rows fit."""

    name: str
    line: str
    ask: Ask


def generated(instances: int) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Yield the tables of a catalogue of so many instances with their rows: values differ as in an archive of clinics."""
    rng = random.Random(1)
    series = instances // PER_SERIES
    studies = max(1, series // 3)
    patients = max(1, studies // 2)
    stated = {"provenance": "header", "is_disputed": False}

    def root_rows() -> Iterator[dict[str, Any]]:
        yield {"id": 1, "path": "/archive"}

    def run_rows() -> Iterator[dict[str, Any]]:
        yield {
            "id": 1, "command": "index", "arguments": "", "version": "1", "login": "me", "host": "here", "pid": 1,
            "started_at": "2024-01-01T00:00:00+00:00", "finished_at": "2024-01-01T01:00:00+00:00", "outcome": "done",
        }  # fmt: skip

    def patient_rows() -> Iterator[dict[str, Any]]:
        for n in range(1, patients + 1):
            name = f"{rng.choice(FAMILY)}{n % 97 or ''}^{rng.choice(GIVEN)}"
            born = date(1930, 1, 1) + timedelta(days=rng.randrange(30000))
            yield {
                "id": n, "identity": f'["P{n:07d}", ""]', "patient_id": f"P{n:07d}", "patient_name": name,
                "patient_name_alphabetic": name, "patient_name_folded": fold(name),
                "patient_birth_date": born.isoformat(), "patient_sex": "FM"[n % 2],
                "words": " ".join(words(f"{name} P{n:07d}")), **stated,
            }  # fmt: skip

    def study_rows() -> Iterator[dict[str, Any]]:
        for n in range(1, studies + 1):
            day = DAY + timedelta(days=rng.randrange(5000))
            what = rng.choice(STUDIES)
            yield {
                "id": n, "patient_ref": n % patients + 1, "study_instance_uid": f"{ROOT}.1.{n}", "study_id": str(n),
                "study_date": day.isoformat(), "study_time": "10:15:00", "accession_number": f"A{n:08d}",
                "study_description": what, "referring_physician_name": "Roe^Richard", "referring_physician_name_folded": "roe^richard",
                "words": " ".join(words(f"{what} A{n:08d} Roe Richard")), **stated,
            }  # fmt: skip

    def series_rows() -> Iterator[dict[str, Any]]:
        for n in range(1, series + 1):
            what, where = rng.choice(SERIES), rng.choice(PLACES)
            yield {
                "id": n, "study_ref": n % studies + 1, "series_instance_uid": f"{ROOT}.2.{n}", "series_number": n % 7,
                "modality": rng.choice(MODALITIES), "series_description": what, "body_part_examined": rng.choice(PARTS),
                "manufacturer": "ACME", "manufacturer_model_name": f"Scanner {n % 9}", "station_name": f"ST{n % 9}",
                "institution_name": where, "frame_of_reference_uid": f"{ROOT}.3.{n}",
                "words": " ".join(words(f"{what} {where} ACME Scanner {n % 9}")), **stated,
            }  # fmt: skip

    def total_rows() -> Iterator[dict[str, Any]]:
        for n in range(1, series + 1):
            yield {
                "series_ref": n, "number_of_instances": PER_SERIES, "number_of_files": PER_SERIES,
                "size_bytes": PER_SERIES * 525_000,
            }  # fmt: skip

    def instance_rows() -> Iterator[dict[str, Any]]:
        for n in range(1, series * PER_SERIES + 1):
            k = n % PER_SERIES
            yield {
                "id": n, "series_ref": (n - 1) // PER_SERIES + 1, "sop_instance_uid": f"{ROOT}.4.{n}",
                "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2", "instance_number": k + 1, "acquisition_number": 1,
                "content_date": "2024-01-31", "content_time": "10:16:00", "image_type": "ORIGINAL\\PRIMARY\\AXIAL",
                "rows": 512, "columns": 512, "bits_allocated": 16, "photometric_interpretation": "MONOCHROME2",
                "image_position_patient": f"-100\\-100\\{k}", "image_orientation_patient": "1\\0\\0\\0\\1\\0",
                "pixel_spacing": "0.5\\0.5", "slice_thickness": 1.0, "specific_character_set": "ISO_IR 100",
                "directory_record_type": "IMAGE", **stated,
            }  # fmt: skip

    def file_rows() -> Iterator[dict[str, Any]]:
        for n in range(1, series * PER_SERIES + 1):
            yield {
                "id": n, "root_ref": 1, "path": f"{n // 1000:06d}/{n:09d}.dcm", "size_bytes": 525_000, "mtime_ns": 1,
                "status": "ok", "transfer_syntax_uid": "1.2.840.10008.1.2.1", "instance_ref": n,
                "first_run_ref": 1, "last_run_ref": 1,
            }  # fmt: skip

    yield "root", root_rows()
    yield "run", run_rows()
    yield "patient", patient_rows()
    yield "study", study_rows()
    yield "series", series_rows()
    yield "series_total", total_rows()
    yield "instance", instance_rows()
    yield "file", file_rows()


def fill(path: Path, instances: int) -> None:
    """Make a catalogue of so many generated instances in a file."""
    make_catalogue(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous=OFF")
        for table, rows in generated(instances):
            _insert(db, table, rows)
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(db: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    statement = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({', '.join('?' * len(first))})"
    db.execute(statement, tuple(first.values()))
    db.executemany(statement, (tuple(row.values()) for row in rows))


def finding(level: Level, **what: Any) -> Ask:
    """Return what finds rows of `level` and counts them."""

    def ask(catalogue: Catalogue) -> int:
        with fetch.found(catalogue, level, parse.selection(**what)) as (_, rows):
            return sum(1 for _ in rows)

    return ask


def grouping_by(*names: str, **what: Any) -> Ask:
    """Return what totals by group and counts the groups."""

    def ask(catalogue: Catalogue) -> int:
        keys = grouping.group_keys(names)
        with grouping.grouped(catalogue, keys, parse.selection(**what)) as (_, rows):
            return sum(1 for _ in rows)

    return ask


def questions(instances: int) -> list[Question]:
    """Return the questions; each is about things in the middle of the catalogue."""
    series = instances // PER_SERIES
    studies = max(1, series // 3)
    patients = max(1, studies // 2)
    patient, accession = f"P{patients // 2:07d}", f"A{studies // 2:08d}"
    study, one_series = f"{ROOT}.1.{studies // 2}", f"{ROOT}.2.{series // 2}"
    instance = f"{ROOT}.4.{instances // 2}"
    month = "20200101-20200131"
    return [
        Question("Patient ID", f"studies --patient {patient}", finding(Level.STUDY, options=[("PatientID", [patient])])),
        Question("Accession Number", f"studies --accession {accession}", finding(Level.STUDY, options=[("AccessionNumber", [accession])])),
        Question("Study Instance UID", f"series --study {study}", finding(Level.SERIES, options=[("StudyInstanceUID", [study])])),
        Question("Series Instance UID", f"instances --series {one_series}", finding(Level.INSTANCE, options=[("SeriesInstanceUID", [one_series])])),
        Question("SOP Instance UID", f"instances --instance {instance}", finding(Level.INSTANCE, options=[("SOPInstanceUID", [instance])])),
        Question("a file by its instance", f"files --instance {instance}", finding(Level.FILE, options=[("SOPInstanceUID", [instance])])),
        Question("name prefix", "patients -k 'PatientName=müller42*'", finding(Level.PATIENT, keys=["PatientName=müller42*"])),
        Question("name, exactly", "patients -k PatientName=li7^wei", finding(Level.PATIENT, keys=["PatientName=li7^wei"])),
        Question("a month of one modality", f"studies --modality CT --date {month}", finding(Level.STUDY, options=[("Modality", ["CT"]), ("StudyDate", [month])])),
        Question("series of a day", "series --date 20200115", finding(Level.SERIES, options=[("StudyDate", ["20200115"])])),
        Question("group by modality and year", "--group-by modality,year", grouping_by("modality", "year")),
        Question("group by institution", "--group-by InstitutionName", grouping_by("InstitutionName")),
        Question("group one modality by month", "--modality MG --group-by month", grouping_by("month", options=[("Modality", ["MG"])])),
        Question("words of a name and a description", "studies --text 'thorax muller42'", finding(Level.STUDY, words=["thorax muller42"])),
        Question("words of a place and a day", "series --text 'zurich lung' --date 20200115", finding(Level.SERIES, words=["zurich lung"], options=[("StudyDate", ["20200115"])])),
        Question("beginning of a word", "patients --text 'papadopoulos4*'", finding(Level.PATIENT, words=["papadopoulos4*"])),
    ]  # fmt: skip


class Asked(NamedTuple):
    """What a question took: rows, the median of its later times, the plan of its first statement."""

    rows: int
    elapsed_s: float
    scans: tuple[str, ...]


def timed(catalogue: Catalogue, question: Question, runs: int) -> Asked:
    """Ask a question some times; the first does not count, as it warms."""
    statements: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        statements.append((statement, parameters))

    engine = catalogue._reading
    event.listen(engine, "before_cursor_execute", note)
    rows = question.ask(catalogue)
    event.remove(engine, "before_cursor_execute", note)
    spent = []
    for _ in range(runs):
        begin_s = time.perf_counter()
        question.ask(catalogue)
        spent.append(time.perf_counter() - begin_s)
    return Asked(rows, statistics.median(spent), tuple(scans(catalogue, statements)))


def scans(catalogue: Catalogue, statements: list[tuple[str, Any]]) -> Iterator[str]:
    """Yield what of the plans looks at every row of a table that grows with the archive."""
    if catalogue.path is None:
        yield from _scans_on_postgresql(catalogue, statements)
        return
    seen = set()
    with catalogue.read() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        for statement, parameters in statements:
            if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
                continue
            # Only dcat's own questions pass the authorizer; a plan is not one.
            raw.set_authorizer(None)
            for *_, step in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
                words_of_step = step.split()
                if words_of_step[0] == "SCAN" and words_of_step[1] in GROWING and step not in seen:
                    seen.add(step)
                    yield step


def _scans_on_postgresql(catalogue: Catalogue, statements: list[tuple[str, Any]]) -> Iterator[str]:
    seen = set()
    with catalogue.read() as connection:
        raw: Any = connection.connection.driver_connection
        for statement, parameters in statements:
            if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
                continue
            for (line,) in raw.execute(f"EXPLAIN {statement}", parameters):
                found = _SCAN.search(line)
                if found and found[1] in GROWING and found[0] not in seen:
                    seen.add(found[0])
                    yield found[0]


def audit_questions(known: Mapping[str, Any]) -> list[Question]:
    """Return each audit as a question; what it needs is a patient that is there."""

    def asking(audit: Any) -> Ask:
        def ask(catalogue: Catalogue) -> int:
            values = dict.fromkeys(audit.arguments, "P0000001")
            with asked(catalogue, audit, values) as (_, rows):
                return sum(1 for _ in rows)

        return ask

    return [Question(name, name, asking(audit)) for name, audit in known.items()]


def report(options: argparse.Namespace, work: Path) -> Iterator[str]:
    """Measure everything and yield the lines of the report."""
    path = work / f"catalogue-{options.instances}.db"
    if not path.exists():
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        fill(making, options.instances)
        making.rename(path)
    yield f"Measured on {processor()}, {platform.machine()}, with Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, by `python benchmarks/questions.py{'' if options.instances == 1_000_000 else f' --instances {options.instances}'}`."
    yield f"The catalogue has {options.instances:,} instances in {options.instances // PER_SERIES:,} series and {path.stat().st_size / 1e9:.1f} GB. Medians of {options.runs} runs after one that warms."
    yield ""
    yield "| question | `dcat find …` | rows | ms | at most 50 ms | full scans of the plan |"
    yield "|---|---|---:|---:|---|---|"
    with open_catalogue(path) as catalogue:
        for question in questions(options.instances):
            found = timed(catalogue, question, options.runs)
            met = "yes" if found.elapsed_s <= GOAL_S else "**no**"
            told = "; ".join(f"`{step}`" for step in found.scans) or "none"
            yield f"| {question.name} | `{question.line}` | {found.rows:,} | {found.elapsed_s * 1000:.1f} | {met} | {told} |"
        yield ""
        yield "| audit | rows | s | at most 10 s |"
        yield "|---|---:|---:|---|"
        for question in audit_questions(audits()):
            begin_s = time.perf_counter()
            count = question.ask(catalogue)
            elapsed_s = time.perf_counter() - begin_s
            yield f"| {question.name} | {count:,} | {elapsed_s:.2f} | {'yes' if elapsed_s <= AUDIT_GOAL_S else '**no**'} |"
    yield ""
    yield from beside_dicomfind(options, work)


def beside_dicomfind(options: argparse.Namespace, work: Path) -> Iterator[str]:
    """Yield the same questions asked of the files of an archive, by other programs."""
    if not shutil.which("dicomfind"):
        yield "`dicomfind` (vtk-dicom-tools) is not installed."
        return
    folder = work / f"archive-{options.files}"
    if not folder.exists():
        make(folder, Recipe(options.files))
    catalogue = work / "archive.db"
    dcat = [sys.executable, "-m", "catalog"]
    first = Task(
        "index", "dcat index", [*dcat, "index", "--db", str(catalogue), str(folder)], accepts=(0, 3)
    )
    notes: list[str] = []
    measured([first], 1, notes)
    pairs = [
        ("one patient", ["--patient", "P000001"], ["PatientID=P000001"]),
        ("one modality", ["--modality", "MR"], ["Modality=MR"]),
        ("names by prefix", ["-k", "PatientName=smi*"], ["PatientName=Smi*"]),
        ("a range of dates", ["--date", "20200101-20201231"], ["StudyDate=20200101-20201231"]),
    ]
    yield f"| the same of {options.files:,} files, whole processes | program | wall s | ÷ dcat |"
    yield "|---|---|---:|---:|"
    for name, ours, theirs in pairs:
        keys = [word for key in theirs for word in ("-k", key)]
        tasks = [
            Task(
                name,
                "dcat find files",
                [*dcat, "find", "files", "-o", "paths", "--db", str(catalogue), *ours],
            ),
            Task(name, "dicomfind", ["dicomfind", *keys, str(folder)]),
        ]
        costs = measured(tasks, options.runs, notes)
        base = costs[tasks[0].key].wall_s
        for task in tasks:
            wall = costs[task.key].wall_s
            yield f"| {name} | {task.program} | {wall:.2f} | {wall / base:.1f} × |"
    yield ""
    yield f"With {', '.join(versions())}."


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=1_000_000, help="instances (1,000,000)")
    parser.add_argument("--files", type=int, default=20_000, help="files for dicomfind (20,000)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each question (5)")
    parser.add_argument("--work", type=Path, help="folder to keep what is made")
    parser.add_argument("--quick", action="store_true", help="20,000 instances, 500 files")
    options = parser.parse_args()
    if options.quick:
        options.instances, options.files, options.runs = 20_000, 500, 2
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        for line in report(options, work):
            print(line, flush=True)


if __name__ == "__main__":
    main()
