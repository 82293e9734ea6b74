"""Fixtures for tests of the database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import located
from tests import postgres


@pytest.fixture(scope="module")
def lasting_catalogue(
    backend: str, empty_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Catalogue]:
    """An empty catalogue that the tests of a module share, on each database one."""
    if backend == "postgresql":
        url = postgres.take_catalogue()
        with open_catalogue(located(url)) as catalogue:
            yield catalogue
        postgres.give_back(url)
        return
    path = tmp_path_factory.mktemp("lasting") / "catalogue.db"
    shutil.copy(empty_file, path)
    with open_catalogue(path) as catalogue:
        yield catalogue
