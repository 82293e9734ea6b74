"""An import whose connection to PostgreSQL is lost at any statement stores what an undisturbed one does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from catalog.database import health, runs
from catalog.database.catalogue import Patience, open_catalogue
from catalog.database.location import located
from catalog.database.postgresql import PostgresqlCatalogue
from catalog.database.runs import Outcome
from catalog.importing import journey
from tests import postgres, tables
from tests.builders import archive
from tests.database.test_many_writers import Cutter
from tests.importing.steps import taken_in
from tests.journeys.steps import exported, indexed

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="needs a PostgreSQL server")


def test_a_connection_lost_at_any_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey, "BATCH_RECORDS", 5)
    archive(tmp_path / "archive", 2, 1, 2, 2)
    url = postgres.take_catalogue()
    with open_catalogue(located(url)) as source:
        indexed(source, tmp_path / "archive")
        assert exported(source, tmp_path / "medium").is_complete
    postgres.give_back(url)

    def rows_of(at: int) -> tuple[dict[str, object], int]:
        url = postgres.take_catalogue()
        with open_catalogue(located(url)) as catalogue:
            assert isinstance(catalogue, PostgresqlCatalogue)
            catalogue.patience = Patience(30)
            cutter = Cutter(catalogue, at)
            taken_in(catalogue, tmp_path / "medium")
            statements = cutter.seen
            assert health.problems(catalogue) == []
            assert [run.outcome for run in runs.listed(catalogue)] == [Outcome.DONE]
        found = tables.dump(located(url))
        postgres.give_back(url)
        return found, statements

    expected, statements = rows_of(0)
    points = random.Random(4).sample(range(1, statements + 1), 16)
    for at in sorted({1, *points, statements}):
        assert rows_of(at)[0] == expected, at
