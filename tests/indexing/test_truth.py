"""The rows are true: the same files give the same tables, whatever way led there."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.database import health
from catalog.database.catalogue import Catalogue
from catalog.indexing import Settings, index, plan, prune
from tests import builders, tables
from tests.indexing.test_prune import NOW

NewCatalogue = Callable[[], Catalogue]
PARTS = ("north", "north/ct", "south", "south/mr", "odd", "")


def dump(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a catalogue that has no problems, but for what says when and by whom."""
    assert health.problems(catalogue) == []
    return tables.dump(catalogue.path)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose files disagree about all that they share, across its folders."""
    folder = tmp_path_factory.mktemp("truth") / "archive"
    chance = random.Random(3)
    for i in range(120):
        part = chance.choice(["north", "north/ct", "south", "south/mr"])
        builders.write(
            folder / part / f"{i:03}.dcm",
            PatientID=chance.choice(["P1", "P2", ""]),
            PatientName=chance.choice(["Doe^Jane", "Doe^J", "DOE^JANE", ""]),
            PatientBirthDate=chance.choice(["19700131", "19700201", ""]),
            StudyInstanceUID=chance.choice(["1.1", "1.2"]),
            StudyDescription=chance.choice(["Thorax", "thorax", ..., ""]),
            SeriesInstanceUID=chance.choice(["1.1.1", "1.1.2"]),
            Modality=chance.choice(["CT", "MR"]),
            SOPInstanceUID=f"1.1.1.{chance.randrange(90)}",  # some are there twice
            InstanceNumber=str(chance.randrange(5)),
        )
    builders.write(folder / "odd" / "no-series.dcm", SeriesInstanceUID=...)
    whole = builders.dicom_bytes(SOPInstanceUID="9.1")
    (folder / "odd" / "short.dcm").write_bytes(whole[:-4])
    (folder / "odd" / "bare.dcm").write_bytes(whole[132:])
    (folder / "odd" / "cut.dcm").write_bytes(whole[:200])
    (folder / "odd" / "notes.txt").write_text("not DICOM")
    (folder / "odd" / "link").symlink_to("../north")
    return folder


@pytest.fixture
def archive(template: Path, tmp_path: Path) -> Path:
    """A copy of the template, to change."""
    return Path(shutil.copytree(template, tmp_path / "archive", symlinks=True))


def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make so few files go through processes, in several chunks and batches."""
    monkeypatch.setattr("catalog.indexing.one_run.CHUNK_FILES", 8)
    monkeypatch.setattr("catalog.indexing.one_run.BATCH_FILES", 30)
    monkeypatch.setattr("catalog.indexing.executing.CHUNK_FILES", 8)
    monkeypatch.setattr("catalog.indexing.executing.FEW_FILES", 16)


def test_every_table_is_compared() -> None:
    from catalog.database.models import metadata

    elsewhere = {
        "run",
        "attribute_set",
        "saved_selection",
        "fileset",
        "fileset_record",
        "export",
        "export_item",
        "patient_link",
    }
    assert set(metadata.tables) - elsewhere == set(tables._QUERIES)


def test_processes_and_parts(
    new_catalogue: NewCatalogue, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, eight, parts, chunked = (new_catalogue() for _ in range(4))
    index(one, [archive], Settings(jobs=1))
    small_pieces(monkeypatch)
    index(eight, [archive], Settings(jobs=8))
    index(chunked, [archive], Settings(jobs=1))
    index(parts, [archive / "south"], Settings(jobs=1))
    index(parts, [archive / "north"], Settings(jobs=1))
    index(parts, [archive], Settings(jobs=1))
    assert dump(eight) == dump(one)
    assert dump(chunked) == dump(one)
    assert dump(parts) == dump(one)
    assert any(row["is_disputed"] for row in dump(one)["study"])


@pytest.mark.parametrize("seed", range(5))
def test_runs_in_any_order(
    new_catalogue: NewCatalogue, archive: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pieces(monkeypatch)
    chance = random.Random(seed)
    catalogue, fresh = new_catalogue(), new_catalogue()
    away = archive.parent / "away"
    away.mkdir()
    files = sorted(path for path in archive.rglob("*.dcm"))
    hidden: dict[Path, Path] = {}
    for _ in range(8):
        for path in chance.sample(files, 15):
            if path in hidden:
                hidden.pop(path).rename(path)
            else:
                hidden[path] = away / str(files.index(path))
                path.rename(hidden[path])
        settings = Settings(full=chance.random() < 0.2, digest=chance.random() < 0.3)
        index(catalogue, [archive / chance.choice(PARTS)], settings)
    for path, hiding in hidden.items():
        hiding.rename(path)
    index(catalogue, [archive], Settings())
    index(fresh, [archive], Settings())
    without = ("digest",)
    assert health.problems(catalogue) == []
    assert tables.dump(catalogue.path, without=without) == tables.dump(fresh.path, without=without)


@pytest.mark.parametrize("seed", range(5))
def test_files_that_went_missing_in_any_order(
    new_catalogue: NewCatalogue, archive: Path, seed: int
) -> None:
    chance = random.Random(seed)
    at_once, in_steps, pruned, fresh = (new_catalogue() for _ in range(4))
    files = sorted(path for path in archive.rglob("*.dcm"))
    gone = chance.sample(files, chance.choice([20, len(files) - 5, len(files)]))
    for catalogue in (at_once, in_steps, pruned):
        index(catalogue, [archive], Settings())
    for start in range(0, len(gone), 25):
        for path in gone[start : start + 25]:
            path.unlink()
        index(in_steps, [archive], Settings())
        index(pruned, [archive], Settings())
        prune(pruned, plan(pruned, [archive], None, NOW))
    index(at_once, [archive], Settings())
    index(fresh, [archive], Settings())
    assert dump(in_steps) == dump(at_once)
    assert dump(pruned) == dump(fresh)
