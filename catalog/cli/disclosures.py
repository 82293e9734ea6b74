"""Reports and audit messages of exports and imports: the files that `--report` and `--audit-message` name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from catalog.cli import declared
from catalog.errors import DcatError, PathError, SelectionError

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue
    from catalog.database.ledger_reading import Entry
    from catalog.disclosing import Account, AuditEvent

Report = Annotated[
    Path | None,
    declared.Option(
        "--report",
        metavar="FILE",
        help="Write a report with each instance to FILE, whose name ends in .json, .csv or .html.",
    ),
]
AuditMessage = Annotated[
    Path | None,
    declared.Option(
        "--audit-message",
        metavar="FILE",
        help="Write the audit message of DICOM (PS3.15 A.5, XML) to FILE; further ones to FILE-2 and so on.",
    ),
]

_ENDINGS = {".json": "json", ".csv": "csv", ".html": "html", ".htm": "html"}


def check(
    report: Path | None,
    message: Path | None,
    destination: Path | None = None,
    *,
    may_replace: bool = False,
) -> None:
    """Refuse files that cannot be written, before anything is done.

    Parameters
    ----------
    destination:
        The medium, on which they must not lie: they say where its files come from.
    may_replace:
        They may exist already, as those of an export that is resumed.

    Raises
    ------
    SelectionError, PathError
        If the ending is none, both are one, a folder is missing, or a file is there already.
    """
    import os

    from catalog.cli.saying import path_text

    if report is not None and report.suffix.lower() not in _ENDINGS:
        raise SelectionError(
            f"--report {path_text(report)}: its name says how it is written, and must end in .json, .csv or .html.",
            str(report),
        )
    for option, path in (("--report", report), ("--audit-message", message)):
        if path is None:
            continue
        named = f"{option} {path_text(path)}"
        if path.is_dir():
            raise PathError(f"{named} is a folder. Name a file.")
        if not path.parent.is_dir():
            raise PathError(f"{named}: {path_text(path.parent)} is no folder. Make it first.")
        if os.path.lexists(path) and not (may_replace and path.is_file()):
            raise PathError(f"{named} exists already. Name another file.")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PathError(f"{named}: {path_text(path.parent)} cannot be written by this user.")
        if destination is not None and _real(destination) in (_real(path), *_real(path).parents):
            raise SelectionError(
                f"{named} lies on the medium, and says more than its recipient needs to know. Name a file elsewhere.",
                str(path),
            )
    if report is not None and message is not None and _real(report) == _real(message):
        raise SelectionError("--report and --audit-message name one file.", str(report))


def _real(path: Path) -> Path:
    import os

    return Path(os.path.realpath(path))


@contextmanager
def told(
    catalogue: Catalogue, report: Path | None, message: Path | None, media: str | None = None
) -> Iterator[None]:
    """Write report and audit messages of the exports on which the block works, also when it fails.

    Parameters
    ----------
    media:
        The medium as `--media` named it.
    """
    if report is None and message is None:
        yield
        return
    import os
    import socket

    from catalog.database import ledger_reading

    before = ledger_reading.last_run(catalogue)

    def tell() -> None:
        entries = ledger_reading.of_process(catalogue, socket.gethostname(), os.getpid(), before)
        if entries:
            write(catalogue, entries, report, message, media)

    try:
        yield
    except BaseException:
        # What was written before it failed is what somebody will ask for.
        try:
            tell()
        except DcatError as exc:  # the first error must not be hidden by this one
            from catalog.cli.saying import say

            say(f"The report could not be written: {exc} `dcat ledger show` makes it.")
        raise
    tell()


@contextmanager
def told_of_import(
    catalogue: Catalogue, message: Path | None, place: Path, failures: Callable[[], int]
) -> Iterator[None]:
    """Write the audit message of the import that the block makes, also when it fails.

    Parameters
    ----------
    place:
        The medium, for the case that it has no directory.
    failures:
        How many instances could not be copied; asked when the block has ended.
    """
    if message is None:
        yield
        return
    import os
    import socket

    from catalog.database import imports_reading, ledger_reading
    from catalog.database.runs import Outcome
    from catalog.disclosing import import_event
    from catalog.files.paths import absolute_text
    from catalog.shapes import replace

    before = ledger_reading.last_run(catalogue)

    def tell() -> None:
        done = imports_reading.import_of_process(
            catalogue, socket.gethostname(), os.getpid(), before
        )
        if done is None:
            return
        why = (
            "" if done.run.outcome is Outcome.DONE else f"{done.run.outcome}: not all was imported."
        )
        where = done.place or absolute_text(place)
        event = import_event(
            done.run, done.shares, where, done.file_set_uid, audit_source_id(), why
        )
        events = [event]
        if not why and (failed := failures()):
            why = f"{failed} instance{'' if failed == 1 else 's'} could not be copied."
            events.append(replace(event, outcome=4, description=why, studies=()))
        write_messages(events, message)

    try:
        yield
    except BaseException:
        try:
            tell()
        except DcatError as exc:  # the first error must not be hidden by this one
            from catalog.cli.saying import say

            say(f"The audit message could not be written: {exc}")
        raise
    tell()


def write(
    catalogue: Catalogue,
    entries: Sequence[Entry],
    report: Path | None,
    message: Path | None,
    media: str | None = None,
) -> None:
    """Write the report and the audit messages of `entries`.

    Raises
    ------
    CatalogueError
        If an audit message of an export is asked for that is still at work.
    MediaFull, ExportError
        If a file cannot be written.
    """
    from catalog.database import ledger_reading
    from catalog.disclosing import export_events

    if report is not None:
        write_report(catalogue, entries, report)
    if message is not None:
        events: list[AuditEvent] = []
        source_id = audit_source_id()
        for entry in entries:
            with catalogue.read() as connection:
                shares = ledger_reading.studies(connection, entry)
            events += export_events(entry, shares, source_id, media)
        write_messages(events, message)


def write_report(catalogue: Catalogue, entries: Sequence[Entry], path: Path) -> None:
    """Write the report of `entries` to `path`, in the form that its name says."""
    import io

    from catalog.cli.saying import path_text, say
    from catalog.disclosing import Form, report
    from catalog.files.writing import atomic

    form = Form(_ENDINGS[path.suffix.lower()])
    with catalogue.read() as connection:
        accounts = [_account(connection, entry) for entry in entries]
        with atomic(path) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
            for piece in report(accounts, form):
                text.write(piece)
            text.flush()
            text.detach()
    say(f"The report is {path_text(path)}; it identifies people.")


def _account(connection: object, entry: Entry) -> Account:
    from typing import Any, cast

    from catalog.database import ledger_reading
    from catalog.disclosing import Account

    at = cast(Any, connection)
    return Account(
        entry,
        tuple(ledger_reading.studies(at, entry)),
        partial(ledger_reading.items, at, entry),
        tuple(ledger_reading.findings(at, entry).get("", ())),
    )


def write_messages(events: Sequence[AuditEvent], path: Path) -> None:
    """Write one message for each of `events`: the first to `path`, the others beside it."""
    from catalog.cli.saying import path_text, say
    from catalog.disclosing import message
    from catalog.files.writing import atomic

    for position, event in enumerate(events):
        target = path if position == 0 else _next_free(path, position + 1)
        with atomic(target) as stream:
            stream.write(message(event))
        what = f"outcome {event.outcome}" if event.outcome else "success"
        say(f"The audit message ({what}) is {path_text(target)}; it identifies people.")
    if not events:
        say("Nothing was attempted, so there is no audit message.")


def _next_free(path: Path, number: int) -> Path:
    """Return a name like that of `path` with a number, of which there is no file."""
    import os

    while True:
        target = path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not os.path.lexists(target):
            return target
        number += 1


def audit_source_id() -> str:
    """Return which system reports, as configured; this machine's name without that."""
    import socket

    from catalog import config

    return config.load().audit_source_id or socket.gethostname()
