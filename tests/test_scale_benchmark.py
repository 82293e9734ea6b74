"""The benchmark of growth on PostgreSQL runs from end to end."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import postgres

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.sqlite
def test_every_part_tells_its_figures(tmp_path: Path) -> None:
    if not postgres.is_available():
        pytest.skip("no PostgreSQL server can be started")
    url = postgres.admin_url()
    said = subprocess.run(
        [sys.executable, BENCHMARKS / "scale.py", "--work", tmp_path, "--url", url,
         "--instances", "1200", "--files", "60", "--runs", "1", "--jobs", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    for name in ("scale_1200", "indexed_60"):
        postgres.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    assert said.returncode == 0, said.stderr[-2000:]
    lines = said.stdout.splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    figures = {row[0]: row[1:] for row in cells}
    assert float(figures["all tables"][0].replace(",", "")) > 300
    assert [row[1] for row in cells if row[0] == "60"] == ["SQLite", "PostgreSQL"]
    on_sqlite, on_postgresql = figures["Study Instance UID"]
    rows = re.compile(r"\((\d+)\)")
    assert rows.findall(on_sqlite) == rows.findall(on_postgresql) == ["4"]
    assert rows.findall(figures["volumes-by-sop-class"][1]) == ["1"]
    grown = [
        row[:2]
        for row in cells
        if len(row) == 8
        and row[1] in ("SQLite", "PostgreSQL")
        and row[2] not in ("SQLite", "PostgreSQL")
    ]
    assert grown == [
        [before, name] for before in ("0", "1,200") for name in ("SQLite", "PostgreSQL")
    ]
    copied = [row[1:3] for row in cells if len(row) == 8 and row[2] in ("SQLite", "PostgreSQL")]
    assert copied == [["SQLite", "PostgreSQL"], ["PostgreSQL", "SQLite"], ["PostgreSQL"] * 2]
    assert str(tmp_path) not in said.stdout
