"""The benchmark of indexing: its archives, its measuring, and a run from end to end."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pydicom
import pytest
from pydicom import config
from pydicom.dataset import Dataset

from catalog.database.catalogue import open_catalogue
from tests.builders import archive
from tests.journeys.steps import indexed, rows

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import corpus

    return corpus


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import index

    return index


def _read(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


@pytest.mark.parametrize(
    "options",
    [{}, {"headers_only": True}, {"private_bytes": 6_000}, {"pixels": 64}],
    ids=["small", "headers", "private", "pixels"],
)
def test_archives_have_legal_values(
    corpus: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, int]
) -> None:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.RAISE)
    corpus.make(tmp_path / "a", corpus.Recipe(150, per_series=3, **options))
    found = _read(tmp_path / "a")
    assert len(found) == 150
    for dataset in found:
        for element in dataset.iterall():
            assert element.value is not None or element.is_empty
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert len({dataset.SOPInstanceUID for dataset in found}) == 150
    assert {"CT", "MR", "SR"} == {dataset.Modality for dataset in found}
    assert len({dataset.PatientID for dataset in found}) > 2
    series = {dataset.SeriesInstanceUID: dataset.StudyInstanceUID for dataset in found}
    assert len(series) > len(set(series.values())) > 2
    assert len({len(dataset.ContentTime) for dataset in found}) > 1
    if "private_bytes" in options:
        lengths = {len(d[tag].value) for d in found for tag in corpus.PRIVATE_TAGS if tag in d}
        assert len(lengths) > 1
        assert min(lengths) >= 6_000
    if "headers_only" in options:
        sizes = [path.stat().st_size for path in (tmp_path / "a").rglob("*.dcm")]
        assert 800 < sum(sizes) / len(sizes) < 1_300
        assert not any("PixelData" in dataset for dataset in found)


def test_archives_are_the_same_every_time(corpus: ModuleType) -> None:
    recipe = corpus.Recipe(40)
    assert list(corpus.instances(recipe)) == list(corpus.instances(recipe))
    assert list(corpus.instances(recipe)) != list(corpus.instances(corpus.Recipe(40, seed=2)))


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0, 0, "000000"),
        (86_399.9999, 2, "000000.00"),
        (3_661.5, 3, "010101.500"),
        (86_400 + 59.25, 6, "000059.250000"),
    ],
)
def test_times_of_day(corpus: ModuleType, seconds: float, digits: int, text: str) -> None:
    assert corpus.time_text(seconds, digits) == text


def test_an_archive_is_made_once_and_again_if_it_is_unfinished(
    corpus: ModuleType, tmp_path: Path
) -> None:
    recipe = corpus.Recipe(3)
    folder = corpus.archive(tmp_path, recipe)
    (folder / "mark").touch()
    assert (corpus.archive(tmp_path, recipe) / "mark").exists()
    (tmp_path / f"{recipe.slug}.made").write_text("unfinished\n")
    assert not (corpus.archive(tmp_path, recipe) / "mark").exists()


def test_a_folder_of_somebody_else_is_left_alone(corpus: ModuleType, tmp_path: Path) -> None:
    recipe = corpus.Recipe(3)
    (tmp_path / recipe.slug).mkdir()
    with pytest.raises(FileExistsError, match="was not made by this benchmark"):
        corpus.archive(tmp_path, recipe)


MEASURE_ORPHANS = """
import sys
from measuring import Task, adopt_orphans, once
burn = "import time\\nheld = bytearray(b'x' * 40_000_000)\\nend = time.process_time() + 0.4\\nwhile time.process_time() < end: pass"
leave = f"import subprocess, sys, time\\nheld = bytearray(b'x' * 40_000_000)\\nsubprocess.Popen([sys.executable, '-c', {burn!r}])\\ntime.sleep(0.3)"
adopt_orphans()
cost = once(Task("", "", [sys.executable, "-c", leave]))
print(cost.cpu_s, cost.peak_mib)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark is for Linux")
def test_processes_left_behind_are_counted() -> None:
    said = subprocess.run(
        [sys.executable, "-c", MEASURE_ORPHANS],
        cwd=BENCHMARKS, capture_output=True, text=True, check=True,
    )  # fmt: skip
    cpu_s, peak_mib = map(float, said.stdout.split())
    assert cpu_s >= 0.4
    assert peak_mib > 76  # two times 40 MB


def test_goals_are_judged_by_the_figures(index: ModuleType, tmp_path: Path) -> None:
    cost = index.Cost

    def archive(title: str, files: int, dcat_s: float, peak_mib: float) -> object:
        costs = {
            (index.FIRST, index.DCAT): cost(dcat_s, 1, peak_mib),
            (index.SECOND, index.DCAT): cost(2, 1, 1),
            (index.FIRST, index.CSV): cost(10, 1, 1),
            (index.FIRST, index.MKDIR): cost(100, 1, 1),
            (index.FIRST, index.PYDICOM): cost(300, 1, 1),
            (index.SECOND, index.FIND): cost(1, 1, math.nan),
        }
        return index.Archive(title, tmp_path, files, costs)

    report = index.Report(None, tmp_path)
    report.archives += [archive("fast", 10_000, 10, 381), archive("slow", 10_001, 10.1, 382)]
    cells = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in report.goals()]
    verdicts = {(goal, title): verdict for goal, title, _, verdict in filter(None, cells)}
    assert [v for (_, title), v in verdicts.items() if title == "fast"] == ["met"] * 5
    assert [v for (_, title), v in verdicts.items() if title == "slow"] == [
        "not met",
        "(judged at 10,000 files)",
        "not met",
        "met",
        "not met",
    ]


@pytest.mark.sqlite
def test_the_floor_has_the_rows_and_the_full_text_of_the_catalogue(
    empty_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import loops

    old, new = tmp_path / "old.db", tmp_path / "new.db"
    shutil.copy(empty_file, old)
    archive(tmp_path / "archive", patients=2, studies=1, series=1, instances=3)
    with open_catalogue(old) as catalogue:
        indexed(catalogue, tmp_path / "archive")
    assert loops.insert(str(old), str(new))["rows"] > 6
    counts = "SELECT count(*) FROM {}"
    for table in ("patient", "series", "instance", "file", "series_total", "patient_words_docsize"):
        before, after = (rows(path, counts.format(table)) for path in (old, new))
        assert before == after != [{"count(*)": 0}], table


@pytest.mark.heavy
@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark is for Linux")
def test_a_quick_run_reports_everything(tmp_path: Path) -> None:
    words = ["--quick", "--files=200", "--slow=1", "--million=300", "--log-every=0.2", "--work"]
    run = subprocess.run(
        [sys.executable, str(BENCHMARKS / "index.py"), *words, str(tmp_path / "work")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    titles = [line.strip("# ") for line in run.stdout.splitlines() if line.startswith("###")]
    assert titles == [
        "Start-up",
        "Archives",
        "The floor",
        "Where the time goes: 200 files, 32 × 32, --jobs 1, under cProfile",
        "Growth",
        "300 headers of 1.2 kB, as it went (the last run)",
        "Each file takes 1 ms more to open: 200 files, 32 × 32",
        "Goals",
        "Commands",
    ]
    for row in (
        "| 200 files, 32 × 32 | first run | dcat |",
        "| 300 headers of 1.2 kB | second run | dcat |",
        "| 200 files, 32 × 32 | first run | pydicom |",
        "| 200 files, 32 × 32 | floor | insert dcat's rows |",
        "| memory below 400 MB | 300 headers of 1.2 kB |",
    ):
        assert row in run.stdout
    assert str(tmp_path) not in run.stdout
    assert not list((tmp_path / "work").glob("running-*"))
