"""dcat sql"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from catalog.cli import declared, options
from catalog.cli.render import Format

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue

MOST_BYTES = 1_000_001
"""What is read of a file with SQL: a little more than SQL may have."""

TABLE_CHARACTERS = 32_000_000
"""How much text a table lays out at once; the other forms write row by row."""

_DICOM_DATE = re.compile(r"'(?:19|20)\d{6}'")
"""A date as DICOM writes it, which the catalogue does not."""


def sql(
    statement: Annotated[
        str | None,
        declared.Argument(
            metavar="[SQL]",
            help='One statement that reads, such as "SELECT * FROM v_study"; - reads it from standard input.',
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        str | None,
        declared.Option(
            "--file", "-f", metavar="FILE|-", help="Take the statement from a file of UTF-8 text."
        ),
    ] = None,
    shell: Annotated[
        bool,
        declared.Option(
            "--shell", help="Ask one statement after the other, with completion and history."
        ),
    ] = False,
    output: options.Output = Format.TABLE,
    parameter: Annotated[
        list[str] | None,
        declared.Option(
            "-p", "--param", metavar="NAME=VALUE", help="Value for :NAME in the statement."
        ),
    ] = None,
    limit_rows: Annotated[
        int | None,
        declared.Option(
            "--limit-rows",
            metavar="N",
            min=0,
            help="Write so many rows at most, and say if there are more. The exit code stays 0.",
            show_default="all; 1000 in the shell",
        ),
    ] = None,
    timeout: Annotated[
        float,
        declared.Option(
            "--timeout", metavar="SECONDS", min=0.1, help="Stop a statement after so long."
        ),
    ] = 60.0,
    db: options.Db = None,
) -> int:
    """Ask the catalogue in SQL. Only reading is possible, whatever the statement says.

    The views v_patient, v_study, v_series, v_instance and v_file have the standard's keywords as
    columns; `dcat db schema` describes everything. A statement that is wrong or does not only read
    ends with exit code 2, one that takes too long or too much with 1.
    """
    from catalog.errors import SelectionError

    if sum((statement is not None, file is not None, shell)) != 1:
        raise SelectionError(
            'Give one of the three: a statement, as in `dcat sql "SELECT * FROM v_study"`; --file FILE; or --shell.'
        )
    parameters = options.parameters(parameter)
    if shell:
        from catalog.cli.sql_shell import LIMIT_ROWS, Settings, run

        limit = LIMIT_ROWS if limit_rows is None else limit_rows
        with options.opened(db) as catalogue:
            return run(catalogue, Settings(output, limit, timeout, parameters))
    text = statement if file is None and statement != "-" else _read("-" if file is None else file)
    with options.opened(db) as catalogue:
        ask(catalogue, text or "", parameters, output, limit_rows, timeout)
    return 0


def ask(
    catalogue: Catalogue,
    text: str,
    parameters: dict[str, str],
    form: Format,
    limit_rows: int | None,
    timeout_s: float,
    *,
    whose_limit: str = "--limit-rows",
) -> None:
    """Write the rows of one statement to standard output, and say what is to be said of them.

    Raises
    ------
    QueryError, CatalogueError
        If it is wrong, refused or stopped, or the catalogue cannot be read.
    KeyboardInterrupt
        If the user stops it.
    """
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say
    from catalog.database.sql import query

    with query(catalogue, text, parameters, limit_s=timeout_s, give_up=_giving_up(timeout_s)) as (
        columns,
        answer,
    ):
        rows = First(answer, limit_rows)
        if form is Format.TABLE:
            count = write_rows(columns, _narrow(rows), form)
        else:
            count = write_rows(distinct(columns), rows, form)
    if rows.is_cut:
        say(
            f"Only the first {counted(count, 'row')} {'is' if count == 1 else 'are'} shown, as "
            f"{whose_limit} says; there are more."
        )
    elif form is Format.TABLE:
        say(counted(count, "row") + ".")
        if count == 0 and any(map(_DICOM_DATE.search, (text, *map(repr, parameters.values())))):
            say("Dates are stored as text with hyphens, such as '2024-01-31'.")


class First:
    """The first rows of an answer, all of them if `limit` is `None`.

    Attributes
    ----------
    is_cut:
        Whether there were more; known when all are read.
    """

    def __init__(self, rows: Iterable[Sequence[Any]], limit: int | None) -> None:
        self._rows = rows
        self._limit = limit
        self.is_cut = False

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for number, row in enumerate(self._rows):
            if number == self._limit:
                self.is_cut = True
                return
            yield row


def distinct(columns: Sequence[str]) -> tuple[str, ...]:
    """Return column names of which no two are the same: `id`, `id_2`. Objects of JSON would lose one."""
    taken = set(columns)
    seen: set[str] = set()
    names = []
    for column in columns:
        name, number = column, 2
        while name in seen or (name != column and name in taken):
            name, number = f"{column}_{number}", number + 1
        seen.add(name)
        names.append(name)
    return tuple(names)


def _narrow(rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Yield rows for a table, whose widths are found by keeping many of them at once."""
    from catalog.cli.render import SAMPLE_ROWS
    from catalog.errors import QueryError

    characters = 0
    for number, row in enumerate(rows):
        if number < SAMPLE_ROWS:
            characters += sum(len(cell) for cell in row if isinstance(cell, str))
            if characters > TABLE_CHARACTERS:
                raise QueryError(
                    "The rows are too long for a table. Use -o ndjson or -o csv, or ask for less of them."
                )
        yield row


def _read(name: str) -> str:
    """Return the text of the file `name`, of standard input for `-`."""
    import sys
    from pathlib import Path

    from catalog.errors import SelectionError, StatementError

    where = "standard input" if name == "-" else name
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MOST_BYTES)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(MOST_BYTES)
    except OSError as exc:
        raise SelectionError(f"The SQL in {where} cannot be read: {exc.strerror}.", name) from exc
    if len(data) == MOST_BYTES:
        raise StatementError(
            f"The SQL in {where} is longer than {MOST_BYTES - 1:,} bytes. Is it the right file?"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise StatementError(
            f"The SQL in {where} is no UTF-8 text: the byte at {exc.start} cannot be read. Is it the right file?"
        ) from exc


def _giving_up(timeout_s: float) -> Callable[[], None]:
    """Return what ends the process where a statement cannot be stopped in any other way."""

    def give_up() -> None:
        import os
        import sys

        # No tidying up: the main thread is inside SQLite and does not come back. Nothing is lost, as
        # the catalogue is only being read; rows that are waiting to be written are.
        sys.stdout.flush()
        print(  # noqa: T201
            f"dcat: The query could not be stopped after {timeout_s:g} s, so dcat has ended. One of its "
            "functions works on too long a text; ask for less.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)

    return give_up
