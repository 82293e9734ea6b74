"""dcat audit"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from catalog.cli import declared, options
from catalog.cli.render import Format
from catalog.cli.saying import plain

if TYPE_CHECKING:
    from catalog.auditing import Answer, Audit


class Severity(StrEnum):
    """Severities of problems."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


def audit(
    name: Annotated[
        str | None,
        declared.Argument(metavar="[NAME]", help="The audit; without one they are listed."),
    ] = None,
    everything: Annotated[
        bool,
        declared.Option(
            "--all", help="Ask all audits that look for problems, and print one line for each."
        ),
    ] = False,
    severity: Annotated[
        Severity | None,
        declared.Option(
            "--severity",
            help="With --all: leave out what is less severe than this.",
            show_default="note",
        ),
    ] = None,
    fail_on: Annotated[
        Severity | None,
        declared.Option(
            "--fail-on",
            help="With --all: exit code 4 only if something so severe, or worse, is found.",
            show_default="--severity",
        ),
    ] = None,
    since: Annotated[
        int | None,
        declared.Option(
            "--since",
            metavar="RUN",
            min=1,
            help="Only what is new since that run; `dcat db runs` lists runs.",
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        declared.Option("-p", "--param", metavar="NAME=VALUE", help="A parameter of the audit."),
    ] = None,
    folder: Annotated[
        Path | None,
        declared.Option(
            "--folder",
            metavar="DIR",
            help="Folder with audits of your own.",
            show_default="`folder` under [audit] in the configuration",
        ),
    ] = None,
    timeout: Annotated[
        float,
        declared.Option(
            "--timeout", metavar="SECONDS", min=0.1, help="Stop an audit after so long."
        ),
    ] = 600.0,
    output: options.Output = Format.TABLE,
    db: options.Db = None,
) -> int:
    """Ask questions that archives should be asked: what is wrong, and what is there.

    Exit code 4 if a problem is found, so that cron can watch an archive: `dcat audit --all
    --severity warning`. Code 3 if an audit could not be answered.
    """
    from catalog import config
    from catalog.auditing import audit_named, audits, known_run

    _check(name, everything, (severity, fail_on), since, parameter)
    place = folder if folder is not None else config.load().audit_folder
    if name is None and not everything:
        _list(list(audits(place).values()), output)
        return 0
    chosen = audit_named(name, place) if name is not None else None
    known = [] if chosen else list(audits(place).values())
    with options.opened(db) as catalogue:
        ref = 0 if since is None else known_run(catalogue, since)
        if chosen:
            from catalog.auditing import asked

            given = options.parameters(parameter)
            with asked(catalogue, chosen, given, timeout, since=ref) as (columns, rows):
                return _show(chosen, columns, rows, output)
        from catalog.auditing import problems

        least = severity or Severity.NOTE
        answers = problems(catalogue, known, severity=least, since=ref, limit_s=timeout)
        return _summary(answers, output, fail_on or least)


def _check(
    name: str | None,
    everything: bool,
    severities: tuple[Severity | None, ...],
    since: int | None,
    parameter: list[str] | None,
) -> None:
    """Refuse options that do not go together."""
    from catalog.errors import SelectionError

    if everything and name is not None:
        raise SelectionError("Name an audit or say --all, not both.")
    if any(severities) and not everything:
        raise SelectionError("--severity and --fail-on go with --all.")
    if parameter and everything:
        raise SelectionError("-p goes with one audit; --all asks each with its defaults.")
    if (parameter or since is not None) and name is None and not everything:
        raise SelectionError("Name an audit; `dcat audit` lists them.")


def _list(known: list[Audit], output: Format) -> None:
    """Write the audits: by group for people, one row each for programs."""
    from catalog.auditing import grouped
    from catalog.cli.render import write_rows

    if output is not Format.TABLE:
        columns = ("Name", "Group", "Kind", "Title", "Parameters", "KnowsSince")
        rows = [
            (a.name, group, a.kind, a.title, ", ".join(_parameters(a)), a.knows_since)
            for group, members in grouped(known)
            for a in members
        ]
        write_rows(columns, rows, output)
        return
    width = max(len(each.name) for each in known)
    for number, (group, members) in enumerate(grouped(known)):
        _print(("\n" if number else "") + _styled(plain(group), "1"))
        for each in members:
            needs = "".join(f" (needs -p {p}=…)" for p in each.arguments)
            before = f"  {each.name:{width}}  {each.kind:7}  "
            _print(before + _wrapped(plain(each.title + needs), len(before)))


def _parameters(audit: Audit) -> Iterator[str]:
    yield from audit.arguments
    for name, default in audit.defaults.items():
        yield f"{name}={default}"


def _show(audit: Audit, columns: tuple[str, ...], rows: Iterator[Any], output: Format) -> int:
    """Write what one audit answered."""
    from itertools import chain

    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say

    if output is not Format.TABLE:
        count = write_rows(columns, rows, output)
        return 4 if count and audit.is_problem else 0
    first = next(rows, None)
    say(f"{audit.title}{f' ({audit.severity})' if audit.severity else ''}.")
    if first is None:
        say("None.")
        return 0
    say(f"A row: {audit.description}")
    if audit.action:
        say(f"What to do: {audit.action}")
    count = write_rows(columns, chain([first], rows), output)
    say(f"{counted(count, 'row')}.")
    return 4 if audit.is_problem else 0


def _summary(answers: Iterator[Answer], output: Format, fail_on: str) -> int:
    """Write one line for each audit; return the exit code."""
    from catalog.auditing import is_at_least
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say

    met: list[Answer] = []
    if output is Format.TABLE:
        for answer in answers:
            if not met:
                _print(_styled(f"{'Severity':8}  {'Rows':>9}  {'Audit':30}  Title", "1"))
            met.append(answer)
            _print(_line(answer))
    else:

        def rows() -> Iterator[tuple[Any, ...]]:
            for answer in answers:
                met.append(answer)
                yield _cells(answer)

        write_rows(("Severity", "Audit", "Rows", "Title", "Error", "Seconds"), rows(), output)
    for answer in met:
        if answer.error:
            say(answer.error)
        elif answer.is_whole and answer.count:
            say(f"{answer.audit.name} cannot tell what is new: all its rows are counted.")
    found = [answer for answer in met if answer.count and not answer.error]
    failed = sum(1 for answer in met if answer.error)
    parts = [
        f"{counted(sum(a.audit.severity == severity for a in found), severity.value)}"
        for severity in Severity
        if any(a.audit.severity == severity for a in found)
    ]
    summary = f"{counted(len(met), 'audit')} asked; " + (
        f"{len(found):,} found something ({', '.join(parts)})" if found else "nothing found"
    )
    say(summary + (f"; {failed:,} could not be answered." if failed else "."))
    if found and output is Format.TABLE:
        say("`dcat audit NAME` shows the rows, what they mean and what to do.")
    if any(is_at_least(answer.audit.severity, fail_on) for answer in found):
        return 4
    return 3 if failed else 0


def _cells(answer: Answer) -> tuple[Any, ...]:
    audit, count = answer.audit, None if answer.error else answer.count
    seconds = round(answer.elapsed_s, 2)
    return audit.severity, audit.name, count, audit.title, answer.error or None, seconds


_COLOURS = {"error": "1;31", "warning": "33", "note": "36"}


def _line(answer: Answer) -> str:
    """Return the line of one audit, cut to the width of a terminal."""
    audit = answer.audit
    rows = "failed" if answer.error else f"{answer.count:,}"
    before = f"{audit.severity:8}  {rows:>9}  {audit.name:30}  "
    title, width = plain(audit.title), _width()
    if width is not None and len(before) + len(title) > width:
        title = title[: max(width - len(before) - 1, 0)] + "…"
    is_quiet = not answer.count and not answer.error
    return _styled(before + title, "2" if is_quiet else _COLOURS[audit.severity])


def _width() -> int | None:
    """Return the columns of the terminal, `None` if the output is none."""
    import shutil
    import sys

    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None


def _wrapped(text: str, indent: int) -> str:
    """Return text that begins at a column, broken at the margin of a terminal."""
    import textwrap

    width = _width()
    if width is None:
        return text
    room = max(width - indent, 20)
    return ("\n" + " " * indent).join(textwrap.wrap(text, room, break_on_hyphens=False))


def _styled(text: str, style: str) -> str:
    import os
    import sys

    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{style}m{text}\x1b[0m"


def _print(text: str) -> None:
    """Write lines to standard output at once."""
    import sys

    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # on a large archive an audit takes seconds
