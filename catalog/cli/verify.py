"""dcat verify"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from catalog.cli import declared, options, typed_line
from catalog.cli.render import Format


def verify(
    paths: Annotated[
        list[str] | None,
        declared.Argument(
            metavar="[PATH...]",
            help="Indexed folders and URLs, or saved selections (@NAME); all folders without one.",
        ),
    ] = None,
    media: Annotated[
        Path | None,
        declared.Option(
            "--media",
            metavar="PATH",
            help="A medium (its folder, or a ZIP, tar or ISO file): hold its DICOMDIR and manifest against its files. Needs no catalogue.",
        ),
    ] = None,
    digest: Annotated[
        bool,
        declared.Option(
            "--digest",
            help="Read all files to their end and hold them against the digests of `dcat index --digest`, and of imports.",
        ),
    ] = False,
    output: Annotated[Format, declared.Option("--output", "-o")] = Format.TABLE,
    db: options.Db = None,
    patient: options.PatientIds = None,
    study: options.StudyUids = None,
    series: options.SeriesUids = None,
    instance: options.InstanceUids = None,
    modality: options.Modalities = None,
    date: options.Dates = None,
    accession: options.Accessions = None,
    key: options.Keys = None,
    words: options.Words = None,
    exact: options.Exact = False,
    no_links: options.NoLinks = False,
    where: options.Where = None,
    sql: options.Sql = None,
    listed: options.From = None,
) -> int:
    """Compare the catalogue with the disk: missing, changed and unindexed files; or prove a medium.

    Of imported media the DICOMDIR is held against the one that was imported. Only reads. Exit code 4 if anything is not as it should be.
    """
    from catalog.cli import progress
    from catalog.cli import saved as saved_selections
    from catalog.cli.find import report_links
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say
    from catalog.errors import SelectionError
    from catalog.files.urls import where as place_named
    from catalog.verifying import verify_roots, verify_selection

    chosen = options.selection(
        patient,
        study,
        series,
        instance,
        modality,
        date,
        accession,
        key,
        where,
        sql,
        listed,
        db,
        words,
        exact,
        no_links,
    )
    named = [path for path in paths or () if path.startswith("@")]
    places = [place_named(path) for path in paths or () if path not in named]
    chosen = saved_selections.beside(chosen, named, db)
    if media is not None:
        if places or not chosen.is_everything or digest:
            raise SelectionError("--media takes neither folders nor a selection, nor --digest.")
        return _verify_medium(media, output)
    if places and not chosen.is_everything:
        raise SelectionError("Name folders or a selection, not both.")
    with options.opened(db) as catalogue, progress.shown() as listener:
        report_links(catalogue, chosen)
        if chosen.is_everything:
            result = verify_roots(catalogue, places, typed_line.typed(), listener, digest=digest)
        else:
            result = verify_selection(
                catalogue, chosen, typed_line.typed(), listener, digest=digest
            )
    write_rows(("State", "Path", "Detail"), result.differences, output)
    parts = [f"{result.counts['same']:,} as catalogued"]
    parts += [
        f"{result.counts[state]:,} {state}"
        for state in ("missing", "changed", "unindexed", "unknown")
        if result.counts[state]
    ]
    say(f"{counted(result.counts.total(), 'file')}: {', '.join(parts)}.")
    if result.counts["unindexed"]:
        say("`dcat index` takes in what is unindexed.")
    if result.without_digest:
        say(
            f"{counted(result.without_digest, 'file has', 'files have')} no digest; `dcat index --digest` makes them for what can be read to its end."
        )
    return 4 if result.differences else 0


def _verify_medium(path: Path, output: Format) -> int:
    import sys

    from catalog.cli import progress
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, plain, say, there_and_right, wrapped
    from catalog.findings import Severity
    from catalog.verifying import verify_medium

    with progress.shown() as listener:
        result = verify_medium(path, listener)
    if output is Format.TABLE and sys.stdout.isatty():
        for f in result.findings:  # sentences would be cut in columns
            place = f"{f.place}: " if f.place else ""
            clause = f" [{f.clause}]" if f.clause else ""
            text = plain(f"{f.severity.value:<9}{f.code}: {place}{f.message}{clause}")
            print(wrapped(text, 9))  # noqa: T201 - the answer
    else:
        rows = [
            (f.severity.value, f.code, f.place, f.message, f.clause, f.offset_bytes)
            for f in result.findings
        ]
        columns = ("Severity", "Code", "Place", "Message", "Clause", "OffsetBytes")
        write_rows(columns, rows, output)
    say(
        f"{counted(result.records.total(), 'directory record')}; {there_and_right(result.right, result.files)}."
    )
    bad = any(f.severity is not Severity.NOTE for f in result.findings)
    proof = result.digests
    if proof is None or not proof.manifests:
        say("There is no manifest: contents are proved by headers alone.")
        whole = "its DICOMDIR says"
    else:
        named = ", ".join(proof.manifests)
        verb = "has" if proof.listed == 1 else "have"
        say(
            f"{proof.same:,} of {counted(proof.listed, 'file')} that {named} lists {verb} the digest that it says."
        )
        whole = "its DICOMDIR and its manifest say"
    say("The medium is not as it should be." if bad else f"The medium is as {whole}.")
    return 4 if bad else 0
