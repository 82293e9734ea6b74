"""Plain command lines mean without Typer what they mean with it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from catalog.cli import declared, plain_lines
from catalog.cli.main import application
from tests import builders


def commands(app: typer.Typer, above: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for each in app.registered_commands:
        assert each.callback is not None
        yield f"{above}{each.name}", each.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{above}{group.name} ")


UsageError: Any = typer.BadParameter.__base__
"""Of Typer, which carries its own copy of Click or not, as the version may be."""

TYPED = dict(commands(application()))
COMMANDS = {name: inspect.unwrap(command) for name, command in TYPED.items()}
CREATE = COMMANDS["dicomdir create"]


def by_typer(command: Callable[..., Any], line: list[str]) -> dict[str, Any] | None:
    """What Typer calls `command` with, `None` if it does not."""
    found: list[dict[str, Any]] = []

    @functools.wraps(command)
    def called(**values: Any) -> None:
        found.append(values)

    app = typer.Typer()
    app.command()(declared.for_typer(called))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(UsageError):
        app(line, standalone_mode=False)
    return found[0] if found else None


WORDS = [
    "a", "b/c", "-", "--", "-h", "--help", "--debug", "--nothing", "--replace", "--partial", "--dry-run", "--rename",
    "--replace=1", "--no-replace", "--file-set-id", "--file-set-id=X", "--profile", "X", "--output", "json", "-o",
    "--jobs", "-j", "0", "2", "-1", "--full", "--archives", "--no-archives", "--journal", "wal", "--every", "--limit",
    "--repair", "--records", "--sql", "select 1", "--db", "~", "é", "1", "-k", "Rows>1", "--sort", "-Size", "-0", "--offset",
    "find", "@a", "JSON", "csv", "--timeout", "--severity", "error", "-p", "n=1",
]  # fmt: skip


@given(st.sampled_from(sorted(COMMANDS)), st.lists(st.sampled_from(WORDS), max_size=6))
def test_what_is_understood_is_what_typer_says(name: str, line: list[str]) -> None:
    values = plain_lines.values(COMMANDS[name], line)
    if values is not None:
        assert by_typer(COMMANDS[name], line) == values


@given(st.lists(st.sampled_from(WORDS), max_size=6))
def test_dicomdir_create(line: list[str]) -> None:
    values = plain_lines.values(CREATE, line)
    if values is not None:
        assert by_typer(CREATE, line) == values


@pytest.mark.parametrize(
    "line", [["a"], ["--replace", "a"], ["a", "--file-set-id", "X", "--partial", "--dry-run"]], ids=" ".join
)  # fmt: skip
def test_plain_lines_are_understood(line: list[str]) -> None:
    values = plain_lines.values(CREATE, line)
    assert values is not None
    assert values == by_typer(CREATE, line)


@pytest.mark.parametrize(
    "line", [["a"], ["a", "b/c"], ["a", "--jobs", "2", "--db", "x.db", "b"], ["--full", "a", "--json"]], ids=" ".join
)  # fmt: skip
def test_plain_lines_of_index_are_understood(line: list[str]) -> None:
    values = plain_lines.values(COMMANDS["index"], line)
    assert values is not None
    assert values == by_typer(COMMANDS["index"], line)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("find", ["--count"]),
        ("find", ["series", "@a", "@b", "-k", "Rows>1", "-k", "Columns<2", "-o", "paths", "-0"]),
        ("find", ["--date", "-2024", "--sort", "-Size", "--limit", "3", "--offset", "0"]),
        ("sql", ["select 1", "-p", "a=1", "-p", "b=2", "-o", "csv"]),
        ("audit", ["missing-files", "-o", "json"]),
        ("audit", ["--all", "--severity", "warning"]),
        ("export", ["a"]),
        ("export", ["@a", "@b", "c", "--zip", "--media", "cd", "-j", "2", "--icons", "64"]),
        ("export", ["--patient", "P", "--link", "hard", "a"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)  # fmt: skip
def test_what_is_asked_often_needs_no_typer(name: str, line: list[str]) -> None:
    values = plain_lines.values(COMMANDS[name], line)
    assert values is not None
    assert values == by_typer(COMMANDS[name], line)


@pytest.mark.parametrize("line", [[], ["a", "-j", "65"], ["a", "--link", "soft"]], ids=" ".join)
def test_other_lines_of_export_are_for_typer(line: list[str]) -> None:
    assert plain_lines.values(COMMANDS["export"], line) is None


@pytest.mark.parametrize(
    "line", [["-o", "JSON"], ["-o"], ["--count", "--count"], ["--limit", "-1"], ["-k", "--count"], ["--limit=1"]], ids=" ".join
)  # fmt: skip
def test_other_lines_of_find_are_for_typer(line: list[str]) -> None:
    assert plain_lines.values(COMMANDS["find"], line) is None


@pytest.mark.parametrize(
    "line", [[], ["a", "--jobs", "0"], ["a", "-j", "two"], ["a", "--no-archives"], ["a", "--journal", "wal"]], ids=" ".join
)  # fmt: skip
def test_other_lines_of_index_are_for_typer(line: list[str]) -> None:
    assert plain_lines.values(COMMANDS["index"], line) is None


@pytest.mark.parametrize(
    "line", [[], ["a", "b"], ["a", "--help"], ["a", "--file-set-id"], ["a", "--replace", "--replace"], ["--", "a"]], ids=" ".join
)  # fmt: skip
def test_other_lines_are_for_typer(line: list[str]) -> None:
    assert plain_lines.values(CREATE, line) is None


def test_completion_is_for_typer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_DCAT_COMPLETE", "complete_bash")
    assert plain_lines.values(CREATE, ["a"]) is None


def test_a_line_loads_the_command_that_it_names() -> None:
    assert [group.name for group in application(["dicomdir", "show"]).registered_groups] == ["dicomdir"]  # fmt: skip
    assert application(["dicomdir", "show"]).registered_commands == []
    assert [each.name for each in application(["--debug", "find"]).registered_commands] == ["find"]
    assert len(dict(commands(application(["--help"])))) == len(COMMANDS) > 10


@pytest.mark.sqlite  # every Python that a test starts loads the database beforehand
def test_dicomdir_create_loads_no_database_and_no_pydicom(tmp_path: Path) -> None:
    builders.write(tmp_path / "A")
    code = (
        "import sys; from catalog.cli.main import main; "
        f"code = main(['dicomdir', 'create', {str(tmp_path)!r}]); "
        "print(code, sorted({'sqlalchemy', 'alembic', 'pydicom'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)  # fmt: skip
    assert done.stdout.split() == ["0", "[]"]
