"""`dcat report` at a command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from catalog.database.figures import MonthFigure
from catalog.reporting.timeline import timeline
from catalog.reporting.wording import fitted, shown, size
from tests.cli.conftest import Dcat, db, dcat, indexed_once

__all__ = ["db", "dcat", "indexed_once"]


def test_it_writes_a_page_and_says_so(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    said = dcat("report", target, "--db", db)
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith(f"The report is {target}.\n")
    text = target.read_text("utf-8")
    assert "Doe" not in text
    assert "1.2.3.1" not in text
    assert str(db.parent / "archive") not in text
    assert sorted(path.name for path in tmp_path.iterdir() if "html" in path.name) == ["r.html"]


def test_it_replaces_nothing_unless_told_to(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    target.write_text("mine")
    said = dcat("report", target, "--db", db)
    assert (said.code, said.out) == (1, "")
    assert said.err == f"dcat: {target} exists already. Name another file, or replace it with --force.\n"  # fmt: skip
    assert target.read_text() == "mine"
    assert dcat("report", target, "--force", "--patients", "--db", db).code == 0
    assert "This page identifies people" in target.read_text("utf-8")


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["", "--force"])
def test_targets_that_are_no_files(
    force: tuple[str, ...], dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    for target, told in ((tmp_path, "is a folder"), (tmp_path / "none/r.html", "is no folder"), (os.devnull, "is no regular file")):  # fmt: skip
        said = dcat("report", target, *force, "--db", db)
        assert said.code == 1
        assert told in said.err
    assert not Path(os.devnull).is_file()


def test_standard_output(dcat: Dcat, db: Path) -> None:
    said = dcat("report", "-", "--db", db)
    assert said.code == 0
    assert said.out.startswith("<!DOCTYPE html>")
    assert said.out.rstrip().endswith("</html>")


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_without_a_package(
    package: str, dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.reporting import page

    monkeypatch.setattr(sys.modules["catalog.reporting.page"], "_template", sys.modules["catalog.reporting.page"]._template.__wrapped__)  # fmt: skip
    monkeypatch.setitem(sys.modules, package, None)
    said = dcat("report", tmp_path / "r.html", "--db", db)
    assert said.code == 1
    assert said.err.endswith("is not installed. Install it with `pip install 'dicom-dcat[report]'`.\n")  # fmt: skip
    assert not (tmp_path / "r.html").exists()
    assert page


def test_an_audit_that_takes_too_long_is_3(
    dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.auditing import asking
    from catalog.errors import QueryError

    def stopped(*arguments: object, **values: object) -> None:
        raise QueryError("The query was stopped after 1 s.")

    monkeypatch.setattr(asking.sql, "query", stopped)
    said = dcat("report", tmp_path / "r.html", "--db", db)
    assert said.code == 3
    assert "The query was stopped after 1 s." in said.err
    assert "not answered" in (tmp_path / "r.html").read_text("utf-8")


# -- steps of time ------------------------------------------------------------------------------


def counted(*months: str, each: int = 1) -> list[MonthFigure]:
    return [MonthFigure(month, "CT", each) for month in months]


def test_months_then_quarters_then_years() -> None:
    def unit(last: str) -> tuple[str, str, str]:
        line = timeline(counted("2000-02", last))
        return line.unit, line.label(0), line.label(line.steps - 1)

    assert unit("2000-02") == ("month", "1999-03", "2000-02")
    assert unit("2014-12") == ("month", "2000-02", "2014-12")
    assert unit("2020-05") == ("quarter", "2000 Q1", "2020 Q2")
    assert unit("2100-05") == ("year", "2000", "2100")
    assert unit("2999-05") == ("5 years", "2000–2004", "2995–2999")


def test_dates_far_from_all_others_are_counted_apart() -> None:
    usual = [f"{year}-{month:02}" for year in range(2012, 2020) for month in range(1, 13)]
    line = timeline(
        [*counted(*usual, each=10), *counted("1900-01", "1900-02"), *counted("2099-12")]
    )
    assert (line.before, line.after, line.label(0), line.label(line.steps - 1)) == (2, 1, "2012-01", "2019-12")  # fmt: skip
    assert sum(line.total(step) for step in range(line.steps)) == 960
    near = timeline([*counted(*usual, each=10), *counted("2011-01")])
    assert (near.before, near.label(0)) == (0, "2011-01")
    many = timeline([*counted(*usual, each=10), *counted("1900-01", each=50)])
    assert (many.before, many.label(0)) == (0, "1900")


def test_modalities_beyond_the_colours_share_one() -> None:
    line = timeline([MonthFigure("2020-01", f"M{n:03}", n) for n in range(1, 101)])
    assert [name for name, _ in line.layers] == [*(f"M{n:03}" for n in range(100, 93, -1)), "93 others"]  # fmt: skip
    assert sum(line.total(step) for step in range(line.steps)) == 5050


def test_wording() -> None:
    assert shown("a\u202eb\u200dc") == "a\\u202eb\u200dc"
    assert shown(1234567) == "1,234,567"
    assert (size(999), size(1000), size(999_950), size(10**16)) == ("999 bytes", "1.0 kB", "1.0 MB", "10.0 PB")  # fmt: skip
    assert fitted("short", 100, 10) == "short"
    assert fitted("W" * 50, 100, 10).endswith("…")
    assert len(fitted("W" * 50, 100, 10)) <= 10
