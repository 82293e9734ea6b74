"""docs/dicomdir.md against the tests and the command line: each row of its table has tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.fileset.synthetic import SOP_CLASSES
from tests.media.defects import DEFECTS

TESTS = Path(__file__).parent
DOC = TESTS.parent / "docs" / "dicomdir.md"
HEADING = "## Against other tools"
KNOWN = ("measured", "read")
IDS = {defect.name for defect in DEFECTS} | set(SOP_CLASSES)


def rows() -> list[list[str]]:
    """Return the cells of the table's rows, the heading left out."""
    section = DOC.read_text(encoding="utf-8").partition(HEADING)[2]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_the_table_is_found() -> None:
    assert len(rows()) > 20
    assert all(len(row) == 4 for row in rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_row_names_tests_that_exist(row: list[str]) -> None:
    references = re.findall(r"`([^`]+)`", row[3])
    assert references
    assert row[3] == ", ".join(f"`{each}`" for each in references)  # nothing else is in the cell
    for reference in references:
        found = re.fullmatch(r"([a-z_/]+\.py)::(test_\w+)(?:\[(.+)\])?", reference)
        assert found, reference
        path, name, parameter = found.groups()
        assert name in functions(TESTS / path), reference
        assert parameter is None or parameter in IDS, reference


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_row_says_how_it_is_known(row: list[str]) -> None:
    claims = re.split(r"(?<=\.) (?=[a-z]+[:,])", row[2])
    assert all(claim.startswith(KNOWN) for claim in claims), claims
    # What was not run here is never called measured.
    for claim in claims:
        if claim.startswith("measured"):
            assert not re.search("dcm4che|fo-dicom", claim)


def test_every_option_of_the_commands_is_in_the_synopsis() -> None:
    import typer

    from catalog.cli.declared import group_for_typer
    from catalog.cli.dicomdir import app

    synopsis = DOC.read_text(encoding="utf-8").split("```")[1]
    commands = typer.main.get_command(group_for_typer(app)).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        line = next(each for each in synopsis.splitlines() if f"dcat dicomdir {name} " in each)
        for parameter in command.params:
            longest = max(parameter.opts, key=len)
            if longest.startswith("--") and longest not in ("--output", "--help"):
                assert longest in line, (name, longest)
