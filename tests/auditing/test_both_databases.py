"""Audits, figures and the report say the same on PostgreSQL as on SQLite, of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from catalog.auditing import Audit, asked, audits
from catalog.cli.main import main
from catalog.cli.report import values_of
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.figures_reading import figures
from catalog.reporting import page
from tests import asked as asking
from tests.auditing.cases import CASES, TODAY
from tests.conftest import SHARED_DATA

DAY = date.fromisoformat(TODAY)
GIVEN = {"patient": "P1"}


def samples(folder: Path) -> Path:
    """Make a catalogue of pydicom's samples and a few files more, with exports."""
    return asking.make(folder)


def cases(folder: Path) -> Path:
    """Make a catalogue in which most audits of problems have rows."""
    with open_catalogue(folder / "c.db", create=True) as catalogue:
        for made in dict.fromkeys(each.make for each in CASES.values()):  # in one order
            made(catalogue)
    return folder / "c.db"


def real(folder: Path) -> Path:
    """Make a catalogue of the real files of other projects."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real files of other projects are not beside this checkout")
    assert main(["index", str(SHARED_DATA), "--digest", "-j", "2", "--db", str(folder / "c.db")]) == 3  # fmt: skip
    dicomdir = SHARED_DATA / "filesets/dcmtk-mixed/DICOMDIR"
    assert main(["import", str(dicomdir), "--db", str(folder / "c.db")]) in (0, 3)
    return folder / "c.db"


@pytest.fixture(scope="module", params=[samples, cases, real], ids=lambda make: make.__name__)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Catalogue, Catalogue]]:
    """A catalogue on SQLite, and the same on PostgreSQL."""
    make: Callable[[Path], Path] = request.param
    path = make(tmp_path_factory.mktemp(make.__name__))
    with open_catalogue(path) as catalogue, asking.on_postgresql(path) as other:
        yield catalogue, other


def answer(catalogue: Catalogue, audit: Audit, since: int = 0) -> tuple[Any, ...]:
    """Return columns and rows, with the kinds of the cells."""
    given = {name: GIVEN[name] for name in audit.arguments}
    with asked(catalogue, audit, given, since=since, today=DAY) as (columns, rows):
        return columns, [[(type(cell), cell) for cell in row] for row in rows]


@pytest.mark.parametrize("audit", audits().values(), ids=lambda a: a.name)
def test_an_audit_has_the_same_rows(both: tuple[Catalogue, Catalogue], audit: Audit) -> None:
    sqlite, postgresql = both
    for since in (0, 1) if audit.knows_since else (0,):
        assert answer(postgresql, audit, since) == answer(sqlite, audit, since)


def test_figures_are_the_same(both: tuple[Catalogue, Catalogue]) -> None:
    sqlite, postgresql = both
    assert repr(figures(postgresql, DAY)) == repr(figures(sqlite, DAY))


def test_the_report_is_the_same(both: tuple[Catalogue, Catalogue]) -> None:
    sqlite, postgresql = (values_of(each, True, 10, 60.0) for each in both)
    assert page(replace(postgresql, place=sqlite.place, moment=sqlite.moment)) == page(sqlite)
