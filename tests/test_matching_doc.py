"""docs/matching.md against the program: every row of its tables is run, in memory and in SQL."""

from __future__ import annotations

import re
import shlex
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from catalog.attributes import BY_KEYWORD
from catalog.database.catalogue import open_catalogue
from catalog.dicom.asking import asked
from catalog.dicom.further import form
from catalog.entities import Claims, Level, Reading, StoredFile
from catalog.normal_forms import normal
from catalog.query.naming import attribute_named
from catalog.query.parse import selection
from catalog.query.selection import Selection
from catalog.query.values import Manner
from tests.database.stating import copied, stated, store
from tests.database.test_select import found

pytestmark = pytest.mark.both

DOC = Path(__file__).parent.parent / "docs" / "matching.md"
TODAY = date(2024, 3, 31)
FURTHER = asked(
    ["PatientWeight", "RequestAttributesSequence.RequestedProcedureID", "00191008@instance"]
)
OPTIONS = {"--patient": "PatientID", "--study": "StudyInstanceUID", "--date": "StudyDate"}
CELL = re.compile(r"`([^`]+)`|(absent|empty)")
PAIR = re.compile(r"([A-Z]\w+): (.*)")


def rows() -> list[tuple[str, str, str]]:
    """Return what is typed, found and passed over, of each row of the tables."""
    lines = [line for line in DOC.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [(row[0].strip("`"), row[1], row[2]) for row in cells if row[0] != "You type"]


def typed_selection(typed: str) -> tuple[Selection, str]:
    """Return the selection that a command line means, and the first attribute that it names."""
    words = iter(shlex.split(typed))
    keys, options, texts, exact, named = [], [], [], False, ""
    for word in words:
        if word == "--exact":
            exact = True
        elif word == "--text":
            texts.append(next(words))
        elif word == "-k":
            keys.append(next(words))
            named = named or re.split("[=!<>]", keys[0])[0]
        else:
            options.append((OPTIONS[word], [next(words)]))
            named = named or OPTIONS[word]
    manner = Manner(TODAY, exact)
    return selection(keys, options, further=FURTHER, words=texts, manner=manner), named


def values_in(cell: str, keyword: str) -> list[dict[str, str | None]]:
    """Return the examples of a cell, as texts by keyword."""
    found = []
    for value, word in CELL.findall(cell):
        text = value if value else None if word == "absent" else ""
        if value and PAIR.match(value):
            found.append(dict(PAIR.fullmatch(each).groups() for each in value.split("; ")))  # type: ignore[union-attr]
        elif "+" in keyword:
            parts = (None if part == "absent" else part for part in value.split("+"))
            found.append(dict(zip(keyword.split("+"), parts, strict=True)))
        else:
            found.append({attribute_named(keyword, FURTHER).keyword: text})
    return found


def reading_of(path: str, values: dict[str, str | None]) -> Reading:
    """Return a file that states these values."""
    columns: dict[str, Any] = {}
    raw, further = [], []
    for keyword, text in values.items():
        attribute = BY_KEYWORD.get(keyword)
        if attribute is None:
            attribute = attribute_named(keyword, FURTHER)
            value, _ = form(attribute, text) if text is not None else (None, None)
            further += [(attribute, value)] if value is not None else []
        else:
            columns[attribute.column], odd = normal(attribute.vr, attribute.is_multi_valued, text)
            raw += [(keyword, odd)] if odd is not None else []
    syntax = columns.pop("transfer_syntax_uid", None)
    plain = {"patient_name": None, "patient_id": path, "study_instance_uid": f"1.{path}", "series_instance_uid": f"1.{path}.1", "sop_instance_uid": f"1.{path}.1.1"}  # fmt: skip
    claims = stated(**plain | columns)
    entities = [
        each._replace(
            raw=tuple(r for r in raw if BY_KEYWORD[r[0]].level is level),
            attributes=tuple((a.keyword, v) for a, v in further if a.level is level),
        )
        for each, level in zip(claims[:4], list(Level)[:4], strict=True)
    ]
    return Reading(
        StoredFile(path, 1, 1, transfer_syntax_uid=syntax), Claims(*entities, "IMAGE"), ()
    )


def test_the_tables_are_found() -> None:
    assert len(rows()) > 70


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_is_true(empty_catalogue: Path, row: tuple[str, str, str]) -> None:
    typed, finds, passes_over = row
    asked_for, keyword = typed_selection(typed)
    wanted = values_in(finds, keyword)
    others = values_in(passes_over, keyword)
    assert wanted
    readings = [reading_of(str(i + 1), values) for i, values in enumerate([*wanted, *others])]
    expected = {each.file.path for each in readings[: len(wanted)]}
    in_memory = {
        each.file.path
        for each in readings
        if each.claims and asked_for.matches(each.claims, each.file)
    }
    assert in_memory == expected
    with (
        tempfile.TemporaryDirectory() as folder,
        open_catalogue(copied(empty_catalogue, folder)) as catalogue,
    ):
        store(catalogue, readings, further=FURTHER)
        assert found(catalogue, Level.FILE, asked_for) == expected
