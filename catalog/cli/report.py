"""dcat report"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from catalog.cli import declared, options

if TYPE_CHECKING:
    from catalog.auditing import Answer
    from catalog.database.catalogue import Catalogue
    from catalog.reporting import AuditAnswer, Report

RUNS = 12
"""The latest runs that a report lists."""


def report(
    target: Annotated[
        str, declared.Argument(metavar="FILE|-", help="The page to write; - is standard output.")
    ],
    patients: Annotated[
        bool,
        declared.Option(
            "--patients",
            help="Show also what identifies people: patient names and IDs, UIDs, dates, paths, recipients.",
        ),
    ] = False,
    rows: Annotated[
        int,
        declared.Option(
            "--rows", metavar="N", min=0, max=1000, help="How many rows of each audit to show."
        ),
    ] = 10,
    timeout: Annotated[
        float,
        declared.Option(
            "--timeout", metavar="SECONDS", min=0.1, help="Stop an audit after so long."
        ),
    ] = 600.0,
    force: Annotated[bool, declared.Option("--force", help="Replace FILE if it exists.")] = False,
    db: options.Db = None,
) -> int:
    """Write one page of HTML about the catalogue: what it holds, plots, and what the audits find.

    The page needs nothing else, neither network nor scripts, and can be mailed and printed. It
    shows nothing that identifies people unless --patients says so. Needs the extra `report`.
    Exit code 3 if an audit could not be answered.
    """
    import sys

    from catalog.cli.saying import counted, path_text, say
    from catalog.files.writing import atomic
    from catalog.reporting import page

    if target != "-":
        _check(Path(target), force)
    with options.opened(db) as catalogue:
        values = values_of(catalogue, patients, rows, timeout)
    text = page(values).encode()
    if target == "-":
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    else:
        with atomic(Path(target)) as stream:
            stream.write(text)
        say(f"The report is {path_text(target)}.")
    if patients:
        say("It identifies people; keep it as you keep medical records.")
    failed = [answer for answer in values.audits if answer.failure]
    for answer in failed:
        say(answer.failure)
    found = sum(1 for answer in values.audits if answer.count)
    say(f"{counted(len(values.audits), 'audit')}; {found:,} found something.")
    return 3 if failed else 0


def _check(target: Path, force: bool) -> None:
    """Refuse a target that is there already, before minutes are spent on what to write."""
    from catalog.cli.saying import path_text
    from catalog.errors import PathError

    named = path_text(target)
    if target.is_dir():
        raise PathError(f"{named} is a folder. Name the file to write, such as report.html.")
    if target.exists() and not target.is_file():
        raise PathError(
            f"{named} is no regular file, and is not replaced. Name another; - is standard output."
        )
    if target.exists() and not force:
        raise PathError(f"{named} exists already. Name another file, or replace it with --force.")
    if not target.parent.is_dir():
        raise PathError(
            f"{path_text(target.parent)} is no folder. Make it first, or name another file."
        )


def values_of(catalogue: Catalogue, patients: bool, rows: int, timeout: float) -> Report:
    """Return what the page shows of a catalogue, as it is now."""
    from datetime import datetime

    from catalog import __version__
    from catalog.auditing import audits, problems
    from catalog.database import runs
    from catalog.database.figures_reading import figures
    from catalog.reporting import Report

    now = datetime.now().astimezone()
    known = list(audits().values())
    answers = problems(catalogue, known, first=rows, limit_s=timeout, today=now.date())
    return Report(
        place=_place(catalogue),
        moment=now,
        version=__version__,
        figures=figures(catalogue, now.date()),
        audits=[_plain(answer) for answer in answers],
        figure_audits=[audit.name for audit in known if not audit.is_problem],
        runs=runs.listed(catalogue, RUNS),
        is_identifying=patients,
    )


def _place(catalogue: Catalogue) -> str:
    """Return the catalogue's file, or its URL without a password."""
    from catalog.cli.saying import path_text

    return catalogue.name if catalogue.path is None else path_text(catalogue.path.absolute())


def _plain(answer: Answer) -> AuditAnswer:
    """Return an answer as the page takes it: a report knows nothing of how audits are asked."""
    from catalog.reporting import AuditAnswer

    audit = answer.audit
    return AuditAnswer(
        name=audit.name,
        title=audit.title,
        severity=audit.severity,
        description=audit.description,
        action=audit.action,
        meaning=audit.columns,
        columns=answer.columns,
        rows=answer.rows,
        count=answer.count,
        failure=answer.error,
    )
