"""dcat verify"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import options
from catalog.cli.render import Format


def verify(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH...]", help="Indexed folders; all of them without one."),
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option(
            "--media",
            metavar="PATH",
            help="A medium: hold its DICOMDIR against its files. Needs no catalogue.",
        ),
    ] = None,
    digest: Annotated[
        bool,
        typer.Option(
            "--digest",
            help="Read all files to their end and hold them against the digests of `dcat index --digest`.",
        ),
    ] = False,
    output: Annotated[Format, typer.Option("--output", "-o")] = Format.TABLE,
    db: options.Db = None,
    patient: options.PatientIds = None,
    study: options.StudyUids = None,
    series: options.SeriesUids = None,
    instance: options.InstanceUids = None,
    modality: options.Modalities = None,
    date: options.Dates = None,
    accession: options.Accessions = None,
    key: options.Keys = None,
    where: options.Where = None,
    sql: options.Sql = None,
    listed: options.From = None,
) -> int:
    """Compare the catalogue with the disk: missing, changed and unindexed files; or prove a medium.

    Only reads. Exit code 4 if anything is not as it should be.
    """
    from catalog.cli import progress
    from catalog.cli.render import counted, say, write_rows
    from catalog.errors import SelectionError
    from catalog.verifying import verify_roots, verify_selection

    chosen = options.selection(
        patient, study, series, instance, modality, date, accession, key, where, sql, listed, db
    )
    if media is not None:
        if paths or not chosen.is_everything or digest:
            raise SelectionError("--media takes neither folders nor a selection, nor --digest.")
        return _verify_medium(media, output)
    if paths and not chosen.is_everything:
        raise SelectionError("Name folders or a selection, not both.")
    with options.opened(db) as catalogue, progress.shown() as listener:
        if chosen.is_everything:
            result = verify_roots(catalogue, paths or (), options.typed(), listener, digest=digest)
        else:
            result = verify_selection(catalogue, chosen, options.typed(), listener, digest=digest)
    write_rows(("State", "Path", "Detail"), result.differences, output)
    parts = [f"{result.counts['same']:,} as catalogued"]
    parts += [
        f"{result.counts[state]:,} {state}"
        for state in ("missing", "changed", "unindexed", "unknown")
        if result.counts[state]
    ]
    say(f"{counted(result.counts.total(), 'file')}: {', '.join(parts)}.")
    if result.without_digest:
        say(
            f"{counted(result.without_digest, 'file has', 'files have')} no digest; `dcat index --digest` makes them for what can be read to its end."
        )
    return 4 if result.differences else 0


def _verify_medium(path: Path, output: Format) -> int:
    from catalog.cli import progress
    from catalog.cli.render import counted, say, there_and_right, write_rows
    from catalog.findings import Severity
    from catalog.verifying import verify_medium

    with progress.shown() as listener:
        result = verify_medium(path, listener)
    rows = [
        (f.severity.value, f.code, f.place, f.message, f.clause, f.offset_bytes)
        for f in result.findings
    ]
    write_rows(("Severity", "Code", "Place", "Message", "Clause", "OffsetBytes"), rows, output)
    say(
        f"{counted(result.records.total(), 'directory record')}; {there_and_right(result.right, result.files)}."
    )
    bad = any(f.severity is not Severity.NOTE for f in result.findings)
    say("The medium is not as it should be." if bad else "The medium is as its DICOMDIR says.")
    return 4 if bad else 0
