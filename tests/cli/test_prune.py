"""`dcat index --prune` from the command line: what it says, asks, refuses, and deletes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests import builders, tables
from tests.cli.conftest import Dcat
from tests.journeys.steps import rows


@pytest.fixture
def archive(tmp_path: Path, dcat: Dcat) -> Path:
    """A folder of two patients that is indexed in `c.db`, of which one is gone since."""
    folder = tmp_path / "archive"
    builders.archive(folder, patients=2, studies=1, series=1, instances=2)
    assert dcat("index", folder, "--db", tmp_path / "c.db", "-j", "1").code == 0
    shutil.rmtree(folder / "p1")
    return folder


def files(db: Path) -> int:
    """Return how many files the catalogue knows."""
    return len(rows(db, "SELECT id FROM file"))


def test_it_says_what_goes_and_deletes_it(dcat: Dcat, archive: Path, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    said = dcat("index", archive, "--prune", "--yes", "--db", db, "-j", "1")
    assert said.code == 0
    amounts = "2 missing files, 2 instances, 1 series, 1 study and 1 patient."
    assert f"Pruning deletes what is known of {amounts}" in said.err
    assert f"Pruned: {amounts}" in said.err
    assert files(db) == 2
    said = dcat("index", archive, "--prune", "--yes", "--db", db, "-j", "1", "--json")
    assert json.loads(said.out)["pruned"]["files"] == 0
    assert "No file is missing" in said.err


def test_nothing_is_pruned_without_being_asked_to(
    dcat: Dcat, archive: Path, tmp_path: Path
) -> None:
    assert dcat("index", archive, "--db", tmp_path / "c.db", "-j", "1").code == 0
    assert files(tmp_path / "c.db") == 4


def test_a_dry_run_lists_and_changes_nothing(dcat: Dcat, archive: Path, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    before = tables.content(db)
    said = dcat("index", archive, "--prune", "--dry-run", "--json", "--db", db)
    assert said.code == 0
    assert tables.content(db) == before
    assert json.loads(said.out) == {
        "files": 0,
        "instances": 0,
        "series": 0,
        "studies": 0,
        "patients": 0,
        "listed": [{"missing_since": None, "path": f"{archive}/p1/t1/s1/i{i}.dcm"} for i in (1, 2)],
    }
    dcat("index", archive, "--db", db, "-j", "1")
    found = json.loads(dcat("index", archive, "--prune", "--dry-run", "--json", "--db", db).out)
    assert (found["files"], found["patients"], len(found["listed"])) == (2, 1, 2)
    said = dcat("index", archive, "--prune", "--dry-run", "--db", db)
    assert said.out.count("i1.dcm") == 1
    assert "Nothing was changed" in said.err
    assert files(db) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("--prune",),
        ("--yes",),
        ("--dry-run",),
        ("--older-than", "3"),
        ("--prune", "--yes", "--older-than", "-1"),
        ("--prune", "--yes", "--watch"),
        ("--poll",),
        ("--every", "5"),
        ("--watch", "--json"),
    ],
    ids=" ".join,
)
def test_wrong_usage_does_nothing(
    dcat: Dcat, archive: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    before = tables.content(tmp_path / "c.db")
    said = dcat("index", archive, *arguments, "--db", tmp_path / "c.db")
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert tables.content(tmp_path / "c.db") == before


@pytest.mark.parametrize("answer", [True, False])
def test_at_a_terminal_it_asks(
    dcat: Dcat, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    asked = []

    def confirm(question: str, **more: object) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr("catalog.cli.index._can_be_asked", lambda: True)
    monkeypatch.setattr("typer.confirm", confirm)
    said = dcat("index", archive, "--prune", "--db", tmp_path / "c.db", "-j", "1")
    assert said.code == 0
    assert len(asked) == 1
    assert files(tmp_path / "c.db") == (2 if answer else 4)
    assert ("Nothing was pruned" in said.err) == (not answer)


def test_an_empty_mount_point_is_refused(
    dcat: Dcat, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.cli.index._can_be_asked", lambda: True)
    db = tmp_path / "c.db"
    shutil.rmtree(archive)
    archive.mkdir()
    for _ in range(2):
        said = dcat("index", archive, "--prune", "--db", db, "-j", "1")
        assert said.code == 1
        assert f"{archive} is empty. Is it mounted? Nothing was pruned." in said.err
    assert files(db) == 4
    said = dcat("index", archive, "--prune", "--yes", "--db", db, "-j", "1")
    assert f"{archive} is empty; as --yes says, its files are gone for good." in said.err
    assert files(db) == 0


def test_a_folder_that_does_not_exist_is_refused(
    dcat: Dcat, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.cli.index._can_be_asked", lambda: True)
    db = tmp_path / "c.db"
    shutil.rmtree(archive)
    said = dcat("index", archive, "--prune", "--db", db)
    assert said.code == 1
    assert f"{archive} does not exist. Is it mounted? Nothing was pruned." in said.err
    assert files(db) == 4
    said = dcat("index", archive, "--prune", "--dry-run", "--db", db)
    assert (said.code, said.out.count(".dcm")) == (0, 4)
    assert files(db) == 4
    said = dcat("index", archive, "--prune", "--yes", "--db", db)
    assert said.code == 0
    assert f"{archive} does not exist; as --yes says, its files are gone for good." in said.err
    assert rows(db, "SELECT * FROM root") == []
    said = dcat("index", tmp_path / "never", "--prune", "--yes", "--db", db)
    assert said.code == 1
    assert "never indexed" in said.err


def test_a_dry_run_with_nothing_to_prune_says_so(dcat: Dcat, archive: Path, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    assert dcat("index", archive, "--prune", "--yes", "--db", db, "-j", "1").code == 0
    said = dcat("index", archive, "--prune", "--dry-run", "--db", db)
    assert (said.code, said.out) == (0, "")
    assert said.err == "No file is missing that could be pruned. Nothing was changed.\n"


def test_a_dry_run_asks_for_yes_only_where_it_was_not_given(
    dcat: Dcat, archive: Path, tmp_path: Path
) -> None:
    shutil.rmtree(archive)
    command = ("index", archive, "--prune", "--dry-run", "--db", tmp_path / "c.db")
    assert "--prune needs --yes" in dcat(*command).err
    said = dcat(*command, "--yes")
    assert "needs --yes" not in said.err
    assert "as --yes says" in said.err
