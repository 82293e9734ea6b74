"""The command line in this process, and a small catalogue for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from catalog.cli.main import main
from tests.builders import archive


class Said(NamedTuple):
    code: int
    out: str
    err: str


Dcat = Callable[..., Said]


@pytest.fixture
def dcat(capsys: pytest.CaptureFixture[str]) -> Dcat:
    """A function that runs a command line and returns its exit code and what it said."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def indexed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `archive` (two patients, 24 files) and `c.db`; do not change it."""
    folder = tmp_path_factory.mktemp("indexed")
    archive(folder / "archive")
    assert main(["index", str(folder / "archive"), "--db", str(folder / "c.db"), "-j", "1"]) == 0
    return folder


@pytest.fixture
def db(indexed_once: Path, tmp_path: Path) -> Path:
    """A copy of the catalogue of `indexed_once`."""
    return Path(shutil.copy(indexed_once / "c.db", tmp_path / "c.db"))
