"""A catalogue that is removed or replaced while a run writes to it: the run does not say that all is well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.database.catalogue import open_catalogue
from catalog.errors import CatalogueError
from catalog.events import Event, Progress
from catalog.indexing import Settings, index
from tests.indexing.test_index import copies

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there"),
]


def when_reading(does: Callable[[], object]) -> Callable[[Event], None]:
    done: list[object] = []

    def listener(event: Event) -> None:
        if isinstance(event, Progress) and not done:
            done.append(does())

    return listener


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    copies(tmp_path / "archive", 20)
    return tmp_path / "archive"


def test_a_catalogue_that_is_removed_meanwhile(
    empty_catalogue: Path, tmp_path: Path, archive: Path
) -> None:
    db = tmp_path / "c.db"
    shutil.copy(empty_catalogue, db)
    with (
        open_catalogue(db) as catalogue,
        pytest.raises(CatalogueError, match=r"c\.db is not there any more: .*index again"),
    ):
        index(catalogue, [archive], Settings(), listener=when_reading(db.unlink))


def test_a_catalogue_that_is_replaced_meanwhile(
    empty_catalogue: Path, tmp_path: Path, archive: Path
) -> None:
    db, other = tmp_path / "c.db", tmp_path / "other.db"
    shutil.copy(empty_catalogue, db)
    shutil.copy(empty_catalogue, other)
    with (
        open_catalogue(db) as catalogue,
        pytest.raises(CatalogueError, match=r"c\.db is another file now"),
    ):
        index(catalogue, [archive], Settings(), listener=when_reading(lambda: other.replace(db)))


def test_a_catalogue_that_stays_where_it_is_serves_many_runs(
    empty_catalogue: Path, tmp_path: Path, archive: Path
) -> None:
    db = tmp_path / "c.db"
    shutil.copy(empty_catalogue, db)
    with open_catalogue(db) as catalogue:
        assert index(catalogue, [archive], Settings()).done["new"] == 20
        assert index(catalogue, [archive], Settings()).done["unchanged"] == 20
