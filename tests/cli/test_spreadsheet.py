"""CSV that is opened in a spreadsheet: nothing in it may become a formula or another number."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cli import spreadsheet
from catalog.cli.render import Format, write_rows
from tests import builders
from tests.cli.conftest import Dcat

DANGEROUS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1", "0042", "12345678901234567"]  # fmt: skip


@pytest.mark.parametrize("text", DANGEROUS, ids=ascii)
def test_what_would_become_something_else(text: str) -> None:
    assert spreadsheet.as_text(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "A-1", "0", "0.5", "98890234", "1.2.840.10008", "2024-01-31", "Doe^Jane", -5, 0.25, "'x"])  # fmt: skip
def test_what_stays_as_it_is(value: object) -> None:
    assert spreadsheet.as_text(value) == value


@given(st.lists(st.tuples(st.text(), st.integers() | st.none()), max_size=5))
def test_only_an_apostrophe_is_added(rows: list[tuple[str, int | None]]) -> None:
    out = io.StringIO(newline="")
    assert write_rows(("a", "=b"), rows, Format.CSV_EXCEL, out) == len(rows)
    text = out.getvalue()
    assert text.startswith("\ufeffa,'=b\r\n")
    read = list(csv.reader(io.StringIO(text[1:], newline="")))[1:]
    for (name, number), (first, second) in zip(rows, read, strict=True):
        assert first in (name, f"'{name}")
        assert not first.lstrip().startswith(("=", "+", "-", "@"))
        assert second == ("" if number is None else str(number))


def test_find_and_sql(dcat: Dcat, tmp_path: Path) -> None:
    builders.write(tmp_path / "archive" / "a", PatientID="=1+1", PatientName="M\xfcller^J")
    db = tmp_path / "c.db"
    assert dcat("index", tmp_path / "archive", "--db", db).code == 0
    said = dcat(
        "find", "patients", "--columns", "PatientID,PatientName", "-o", "csv-excel", "--db", db
    )
    assert said.out == "\ufeffPatientID,PatientName\r\n'=1+1,M\xfcller^J\r\n"
    plain = dcat("sql", "SELECT PatientID FROM v_patient", "-o", "csv", "--db", db)
    assert plain.out == "PatientID\n=1+1\n"
