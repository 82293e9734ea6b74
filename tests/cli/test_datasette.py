"""The catalogue in the real Datasette, in process, with what `dcat db datasette-metadata` says."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.auditing import audits
from catalog.cli.datasette import FACETS, LABELS, SORTS, TITLES, UNITS, metadata
from catalog.cli.main import main
from catalog.database.catalogue import open_catalogue
from catalog.database.sql import relations

pytestmark = pytest.mark.sqlite  # Datasette serves SQLite files

datasette_app = pytest.importorskip("datasette.app")


@pytest.fixture(scope="module")
def told(indexed_once: Path) -> dict[str, Any]:
    with open_catalogue(indexed_once / "c.db") as catalogue:
        return metadata(catalogue)


@pytest.fixture(scope="module")
def page(indexed_once: Path, told: dict[str, Any]) -> Callable[[str], Any]:
    """A function that gives Datasette's answer for a path."""
    from datasette.plugins import pm

    from catalog.cli import datasette_plugin

    if not pm.is_registered(datasette_plugin):
        pm.register(datasette_plugin)
    app = datasette_app.Datasette(
        [str(indexed_once / "c.db")], metadata=told, settings={"sql_time_limit_ms": 20_000}
    )

    async def get(path: str) -> Any:
        await app.invoke_startup()
        return await app.client.get(path)

    return lambda path: asyncio.run(get(path))


def test_the_command_writes_it_as_json(
    indexed_once: Path, told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "datasette-metadata", "--db", str(indexed_once / "c.db")]) == 0
    assert json.loads(capsys.readouterr().out) == told


def test_every_table_view_and_column_is_told(indexed_once: Path, told: dict[str, Any]) -> None:
    tables = told["databases"]["c"]["tables"]
    with open_catalogue(indexed_once / "c.db") as catalogue:
        known = relations(catalogue)
    assert list(tables) == list(known)
    for name, columns in known.items():
        assert tables[name]["description"]
        if not name.endswith("_words"):
            assert list(tables[name]["columns"]) == list(columns)


def test_it_names_only_what_there_is(indexed_once: Path) -> None:
    with open_catalogue(indexed_once / "c.db") as catalogue:
        known = relations(catalogue)
    assert set(TITLES) <= set(known)
    for table, columns in FACETS.items():
        assert set(columns) <= set(known[table])
    for table, column in LABELS.items():
        assert column in known[table]
    for table, sort in SORTS.items():
        assert set(sort.values()) <= set(known[table])
    assert all(any(column in columns for columns in known.values()) for column in UNITS)


def test_the_first_page_has_the_title(page: Callable[[str], Any], told: dict[str, Any]) -> None:
    for path in ("/", "/c"):
        answer = page(path)
        assert answer.status_code == 200
    assert told["title"] in html.unescape(page("/").text)
    assert told["databases"]["c"]["description"] in html.unescape(page("/c").text)


def test_every_table_and_view_opens_with_what_is_told_of_it(
    page: Callable[[str], Any], told: dict[str, Any]
) -> None:
    for name, entry in told["databases"]["c"]["tables"].items():
        answer = page(f"/c/{name}")
        assert answer.status_code == 200, name
        text = html.unescape(answer.text)
        assert entry["title"] in text
        assert entry["description"] in text
        for column, said in entry["columns"].items():
            assert f"<dt>{column}</dt><dd>{said}</dd>" in text, (name, column)
        assert page(f"/c/{name}.json?_size=1").json()["database"] == "c"


def test_rows_units_and_facets(page: Callable[[str], Any]) -> None:
    found = page("/c/v_series.json?_shape=objects&_facet=Modality").json()
    assert len(found["rows"]) == 8
    assert {each["value"]: each["count"] for each in found["facet_results"]["Modality"]["results"]} == {"CT": 4, "MR": 4}  # fmt: skip
    assert '/c/v_series?Modality=CT"' in page("/c/v_series").text
    assert "&nbsp;kB<" in page("/c/v_series").text or "&nbsp;B<" in page("/c/v_series").text


@pytest.mark.parametrize("name", audits())
def test_every_audit_is_a_query_that_answers(
    page: Callable[[str], Any], told: dict[str, Any], name: str
) -> None:
    entry = told["databases"]["c"]["queries"][name]
    answer = page(f"/c/{name}")
    assert answer.status_code == 200
    text = html.unescape(answer.text)
    assert entry["title"] in text
    assert audits()[name].description in text
    for parameter in entry.get("params", ()):
        assert f'name="{parameter}"' in text


def test_a_query_answers_as_the_audit_does(
    page: Callable[[str], Any], indexed_once: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = str(indexed_once / "c.db")
    for name, parameters in (
        ("volumes", {}),
        ("not-exportable", {}),
        ("disclosures", {"patient": "P1"}),
        ("missing-dates", {}),
        ("short-series", {"alike": "2"}),
        ("similar-names", {"likeness": "1"}),
    ):
        words = [word for pair in parameters.items() for word in ("-p", "=".join(pair))]
        capsys.readouterr()
        assert main(["audit", name, *words, "-o", "json", "--db", db]) in (0, 4)
        ours = json.loads(capsys.readouterr().out)
        query = "&".join(f"{key}={value}" for key, value in parameters.items())
        theirs = page(f"/c/{name}.json?_shape=array&{query}").json()
        assert theirs == ours, name
