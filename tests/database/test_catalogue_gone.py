"""A catalogue that is removed or replaced while dcat writes to it: nothing says that all is well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.database.catalogue import open_catalogue
from catalog.errors import CatalogueError
from catalog.events import Event, Progress
from catalog.exporting import Order, export, plan_export
from catalog.importing import import_medium
from catalog.indexing import Settings, index
from tests.indexing.test_index import copies
from tests.journeys.steps import DICOMDIR_TESTS, FILE_SET_UID, everything, indexed

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
        pytest.raises(
            CatalogueError, match=r"c\.db is not there any more: .*run the command again"
        ),
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


def test_a_transaction_that_goes_with_the_file(empty_catalogue: Path, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    shutil.copy(empty_catalogue, db)
    with open_catalogue(db) as catalogue:
        with pytest.raises(CatalogueError, match="not there any more"), catalogue.write():
            db.unlink()
        with pytest.raises(CatalogueError, match="not there any more"), catalogue.write():
            raise AssertionError("nothing may be written to a file without a name")


def test_an_export_whose_catalogue_is_removed_is_not_told_as_done(
    empty_catalogue: Path, tmp_path: Path, archive: Path
) -> None:
    db = tmp_path / "c.db"
    shutil.copy(empty_catalogue, db)
    with open_catalogue(db) as catalogue:
        indexed(catalogue, archive)
        chosen = everything()
        plan = plan_export(catalogue, chosen, take_first=True)
        order = Order(chosen, tmp_path / "medium", file_set_uid=FILE_SET_UID, take_first=True)
        with pytest.raises(CatalogueError, match="not there any more"):
            export(catalogue, order, plan, listener=when_reading(db.unlink))


def test_an_import_whose_catalogue_is_removed_is_not_told_as_done(
    empty_catalogue: Path, tmp_path: Path
) -> None:
    db = tmp_path / "c.db"
    shutil.copy(empty_catalogue, db)
    with (
        open_catalogue(db) as catalogue,
        pytest.raises(CatalogueError, match="not there any more"),
    ):
        import_medium(catalogue, DICOMDIR_TESTS, listener=lambda event: db.unlink(missing_ok=True))
