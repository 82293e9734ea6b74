"""docs/sql.md: its queries run and have rows, its diagram is the models', its options are the command's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.sql import query
from catalog.database.sql_descriptions import diagram
from tests import asked

DOC = Path(__file__).parents[1] / "docs" / "sql.md"
PAGE = DOC.read_text(encoding="utf-8")


class Worked(NamedTuple):
    title: str
    sql: str
    parameters: dict[str, str]
    columns: tuple[str, ...]


def worked() -> list[Worked]:
    """Return the queries of the page."""
    section = PAGE.partition("\n## Worked queries\n")[2].partition("\n## ")[0]
    found = []
    for part in section.split("\n### ")[1:]:
        blocks = re.findall(r"```sql\n(.*?)```", part, re.DOTALL)
        given = re.search(r"^Parameters: (.*)\.$", part, re.MULTILINE)
        columns = re.search(r"^Columns: (.*)\.$", part, re.MULTILINE)
        assert len(blocks) == 1, part
        assert columns, part
        pairs = re.findall(r"`(\w+)=([^`]*)`", given[1]) if given else []
        found.append(
            Worked(
                part.partition("\n")[0],
                blocks[0],
                dict(pairs),
                tuple(re.findall(r"`(\w+)`", columns[1])),
            )
        )
    return found


QUERIES = worked()


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """A catalogue in which every question of the page has an answer."""
    with open_catalogue(asked.make(tmp_path_factory.mktemp("page"))) as catalogue:
        yield catalogue


@pytest.fixture(scope="module")
def on_postgresql(on_sqlite: Catalogue) -> Iterator[Catalogue]:
    """The same on PostgreSQL."""
    assert on_sqlite.path is not None
    with asked.on_postgresql(on_sqlite.path) as catalogue:
        yield catalogue


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    """Each of the two."""
    found = request.getfixturevalue(f"on_{request.param}")
    assert isinstance(found, Catalogue)
    return found


def test_the_page_has_its_queries() -> None:
    assert len(QUERIES) >= 20
    titles = [each.title for each in QUERIES]
    assert [title.partition(".")[0] for title in titles] == [str(n + 1) for n in range(len(titles))]


@pytest.mark.parametrize("each", QUERIES, ids=lambda each: each.title)
def test_a_query_has_the_columns_that_the_page_says_and_rows(
    catalogue: Catalogue, each: Worked
) -> None:
    with query(catalogue, each.sql, each.parameters, limit_s=30) as (columns, rows):
        found = list(rows)
    assert columns == each.columns
    assert found
    # Each column says something somewhere; one that is always empty answers nothing.
    for number, name in enumerate(columns):
        assert any(row[number] not in (None, "") for row in found), name


@pytest.mark.parametrize("each", QUERIES, ids=lambda each: each.title)
def test_a_query_has_the_same_answer_on_both_databases(
    on_sqlite: Catalogue, on_postgresql: Catalogue, each: Worked
) -> None:
    answers = []
    for catalogue in (on_sqlite, on_postgresql):
        with query(catalogue, each.sql, each.parameters, limit_s=30) as (columns, rows):
            answers.append((columns, [[(type(cell), cell) for cell in row] for row in rows]))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("each", QUERIES, ids=lambda each: each.title)
def test_a_query_says_no_more_parameters_than_it_has(each: Worked) -> None:
    assert set(re.findall(r"(?<!:):(\w+)", each.sql)) == set(each.parameters)


def test_answers_are_right(catalogue: Catalogue) -> None:
    """A few of the answers, counted by hand."""

    def answer(number: int) -> list[tuple[object, ...]]:
        each = QUERIES[number - 1]
        with query(catalogue, each.sql, each.parameters) as (_, rows):
            return [tuple(row) for row in rows]

    assert ("P1", "MR", 3, 7, 3, "1.2.3.1.1.1") in answer(8)
    copies = {row[0]: row[1:3] for row in answer(9)}
    assert copies["1.2.9.1.1"] == (2, 1)
    assert ("Doe^Number1", "1970-01-31", 2, "P1", "P9") in answer(17)
    assert [row[3] for row in answer(20)] == [0]
    runs = answer(16)
    assert runs[-1][4] == sum(int(str(row[2])) for row in runs)
    assert ("053Y", 1) in answer(11)


def test_the_diagram_is_that_of_the_models() -> None:
    shown = PAGE.partition("db schema --diagram -->\n")[2].partition("<!-- the end")[0]
    assert shown == diagram(), "put in the output of `dcat db schema --diagram`"


def test_every_table_is_in_the_diagram() -> None:
    from catalog.database.models import metadata

    for table in metadata.tables:
        assert f"\n    {table} {{\n" in diagram()


def test_the_page_names_every_option_of_the_command_and_every_command_of_the_shell() -> None:
    import inspect

    from catalog.cli.sql import sql
    from catalog.cli.sql_shell import COMMANDS

    for name in inspect.signature(sql).parameters:
        option = {"parameter": "-p", "output": "-o", "statement": "dcat sql"}.get(name)
        if name != "db":
            assert (option or "--" + name.replace("_", "-")) in PAGE, name
    for command in COMMANDS:
        assert f"`{command}" in PAGE, command


def test_the_bounds_of_the_page_are_those_of_the_code() -> None:
    from catalog.cli.sql import TABLE_CHARACTERS
    from catalog.database import postgresql_asking as asking
    from catalog.database import sql_limits as limits

    mib = 1024**2
    assert f"| {limits.VALUE_BYTES // mib} MiB |" in PAGE
    assert f"| {limits.HEAP_BYTES // mib} MiB |" in PAGE
    assert f"until {limits.SPARE_BYTES // mib // 1024} GiB is left" in PAGE
    assert f"{limits.STATEMENT_BYTES:,} bytes" in PAGE
    assert f"{TABLE_CHARACTERS // 10**6} million characters" in PAGE
    assert f"ends itself {limits.GRACE_S:g} s later" in PAGE
    assert f"| {asking.CHECK_S} s | the server notices" in PAGE
    assert f"{asking.MEMORY.removesuffix('MB')} MiB, or `work_mem`" in PAGE
    assert f"{asking.TEMPORARY_FILES.removesuffix('GB')} GB if dcat" in PAGE
    assert f"`{asking.READER}`" in PAGE
    assert f"portions of {asking._ROWS_AT_ONCE}" in PAGE
    assert asking.READING_S == 3600
