"""Options that several commands share, and what they become."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from catalog.cli import declared, typed_line
from catalog.cli.render import Format

if TYPE_CHECKING:
    from catalog.attributes import Further
    from catalog.config import Config
    from catalog.database.catalogue import Catalogue, Patience
    from catalog.errors import UnknownKeyword
    from catalog.query.selection import Selection

LOCK_TIMEOUT_S = 60
"""How long a command waits for another writer, unless the configuration says."""

_SELECTION = "Selection (repeat an option: either; different options: both)"

Db = Annotated[
    str | None,
    declared.Option(
        "--db",
        metavar="PATH|URL",
        help="The catalogue: a file, or postgresql://USER@HOST/DATABASE.",
        show_default="DCAT_DB, the configuration, the user data folder",
    ),
]
FORMATS = "table, json, ndjson, csv, csv-excel (for spreadsheets: no text becomes a formula or number) or tsv."
Output = Annotated[
    Format,
    declared.Option("--output", "-o", metavar="FORMAT", help=FORMATS),
]
PatientIds = Annotated[
    list[str] | None,
    declared.Option(
        "--patient",
        metavar="ID",
        help="Patient ID; * and ? are wildcards.",
        rich_help_panel=_SELECTION,
    ),
]
StudyUids = Annotated[
    list[str] | None,
    declared.Option(
        "--study", metavar="UID", help="Study Instance UID.", rich_help_panel=_SELECTION
    ),
]
SeriesUids = Annotated[
    list[str] | None,
    declared.Option(
        "--series", metavar="UID", help="Series Instance UID.", rich_help_panel=_SELECTION
    ),
]
InstanceUids = Annotated[
    list[str] | None,
    declared.Option(
        "--instance", metavar="UID", help="SOP Instance UID.", rich_help_panel=_SELECTION
    ),
]
Modalities = Annotated[
    list[str] | None,
    declared.Option(
        "--modality", metavar="CODE", help="Modality, such as CT.", rich_help_panel=_SELECTION
    ),
]
Dates = Annotated[
    list[str] | None,
    declared.Option(
        "--date",
        metavar="DATE|RANGE",
        help="Study Date: 20240131, 2024-01, 20240101-20240131, 20240101-, -20240131, today, yesterday, last-30d (d, w, m, y).",
        rich_help_panel=_SELECTION,
    ),
]
Accessions = Annotated[
    list[str] | None,
    declared.Option(
        "--accession", metavar="NUMBER", help="Accession Number.", rich_help_panel=_SELECTION
    ),
]
Keys = Annotated[
    list[str] | None,
    declared.Option(
        "-k",
        "--key",
        metavar="KEYWORD=VALUE",
        help='Any attribute that the catalogue keeps, by DICOM matching: wildcards * and ?, ranges of dates and times, UID lists, "" for empty; also !=, and <, <=, >, >= of numbers, dates and times; StudyDate+StudyTime=… for both together.',
        rich_help_panel=_SELECTION,
    ),
]
Exact = Annotated[
    bool,
    declared.Option(
        "--exact",
        help="Compare names of people as they are written, with case and accents.",
        rich_help_panel=_SELECTION,
    ),
]
NoLinks = Annotated[
    bool,
    declared.Option(
        "--no-links",
        help="Patient IDs as files have them: without patients who are linked to the one that is asked for (`dcat patient link`).",
        rich_help_panel=_SELECTION,
    ),
]
Words = Annotated[
    list[str] | None,
    declared.Option(
        "--text",
        metavar="WORDS",
        help="Words of names, numbers, descriptions, protocols, institutions, equipment; all of them of one series with its study and patient; * at the end of a word for its beginning.",
        rich_help_panel=_SELECTION,
    ),
]
Where = Annotated[
    list[str] | None,
    declared.Option(
        "--where",
        metavar="SQL",
        help="SQL condition over the columns of v_instance.",
        rich_help_panel=_SELECTION,
    ),
]
Sql = Annotated[
    list[str] | None,
    declared.Option(
        "--sql",
        metavar="SELECT",
        help="SQL query whose first column is a UID, PatientID or …_ref.",
        rich_help_panel=_SELECTION,
    ),
]
From = Annotated[
    str | None,
    declared.Option(
        "--from",
        metavar="FILE|-",
        help="List of UIDs or paths, one a line or ended by NUL; - is standard input.",
        rich_help_panel=_SELECTION,
    ),
]


def selection(
    patient: list[str] | None = None,
    study: list[str] | None = None,
    series: list[str] | None = None,
    instance: list[str] | None = None,
    modality: list[str] | None = None,
    date: list[str] | None = None,
    accession: list[str] | None = None,
    key: list[str] | None = None,
    where: list[str] | None = None,
    sql: list[str] | None = None,
    listed: str | None = None,
    db: str | None = None,
    words: list[str] | None = None,
    exact: bool = False,
    no_links: bool = False,
) -> Selection:
    """Return the selection that the options describe; `db` is where the catalogue is.

    Relative dates are understood by the day it is here, now.

    Raises
    ------
    SelectionError
        If one of them is malformed, or the list cannot be read.
    """
    from datetime import datetime

    from catalog.errors import SelectionError, UnknownKeyword
    from catalog.query import parse
    from catalog.query.values import Manner

    for values in (patient, study, series, instance, modality, date, accession, where, sql, words):
        if any(not value.strip() for value in values or ()):
            raise SelectionError(
                "A selection option has a blank value; leave it out to select all."
            )
    options = (
        ("PatientID", patient or ()),
        ("StudyInstanceUID", study or ()),
        ("SeriesInstanceUID", series or ()),
        ("SOPInstanceUID", instance or ()),
        ("Modality", modality or ()),
        ("StudyDate", date or ()),
        ("AccessionNumber", accession or ()),
    )
    lines = None if listed is None else lines_of(listed)
    further = () if all(map(parse.is_always_kept, key or ())) else _kept(db)
    manner = Manner(datetime.now().astimezone().date(), exact, not no_links)
    try:
        return parse.selection(
            key or (),
            options,
            where or (),
            sql or (),
            lines,
            typed_line.typed(),
            further,
            words or (),
            manner,
        )
    except UnknownKeyword as exc:
        raise SelectionError(_not_kept(exc), exc.name) from exc


def _not_kept(unknown: UnknownKeyword) -> str:
    """Return what is wrong with a name of no attribute that is kept; DICOM may know it, or one like it."""
    from catalog.database import columns
    from catalog.dicom import asking, dictionary

    name = unknown.name.strip()
    if not any(map(str.isalnum, name)):
        return f"{name[:100]!r} names no attribute. Write KEYWORD=VALUE, such as Modality=CT."
    if (fact := columns.fact_of_files(name)) is not None:
        return f'{fact} is no attribute of DICOM but a fact about files, and is asked for in SQL: `dcat find files --sql "SELECT file_ref FROM v_file WHERE {fact} = …"`.'
    if (lacking := asking.not_kept(name)) is not None:
        return lacking
    near = dictionary.nearest(name)
    if near is None or near == unknown.near or unknown.is_sure:
        return str(unknown)
    return f"{name!r} is not a keyword that the catalogue keeps. Did you mean {near}? The catalogue does not keep that either; to have it kept, add it to `attributes` under [index] in the configuration file and index again."


def _kept(db: str | None) -> tuple[Further, ...]:
    """Return the attributes that the catalogue keeps since a configuration asked for them; none if there is no catalogue."""
    from catalog.database import attribute_sets
    from catalog.errors import CatalogueMissing

    try:
        with opened(db) as catalogue, catalogue.read() as connection:
            return attribute_sets.kept(connection)
    except CatalogueMissing:
        return ()  # whoever opens it next says so


def lines_of(name: str) -> list[str]:
    """Return the lines of a list; `-` is standard input.

    Raises
    ------
    SelectionError
        If it cannot be read.
    """
    from catalog.errors import SelectionError
    from catalog.files.paths import named

    try:
        if name == "-":
            data = sys.stdin.buffer.read()
        else:
            data = Path(name).read_bytes()
    except OSError as exc:
        raise SelectionError(f"The list {name} cannot be read: {exc.strerror}.", name) from exc
    separator = b"\0" if b"\0" in data else b"\n"
    lines = [
        line.removesuffix(b"\r").decode("utf-8", "surrogateescape")
        for line in data.split(separator)
    ]
    return [named(line) if "/" in line else line for line in lines]


@contextmanager
def opened(db: str | None, *, create: bool = False, journal: str = "wal") -> Iterator[Catalogue]:
    """Open the catalogue that the option, environment or configuration names.

    Raises
    ------
    ConfigError, CatalogueError
        If it cannot be found, made or used.
    """
    from catalog import config
    from catalog.database.catalogue import open_catalogue

    settled = config.load()
    config.settle_storage(settled)
    place = config.database_place(db, settled)
    with open_catalogue(place.location, create=create, journal=journal) as catalogue:
        catalogue.patience = patience(settled)
        yield catalogue


def patience(settled: Config) -> Patience:
    """Return how to wait for other writers, as the configuration says, telling the user."""
    from catalog.database.catalogue import Patience

    timeout_s = LOCK_TIMEOUT_S if settled.lock_timeout_s is None else settled.lock_timeout_s
    return Patience(timeout_s, partial(_say_who_writes, timeout_s), _say_lost)


def _say_who_writes(timeout_s: float, holder: str) -> None:
    from catalog.cli.saying import say

    say(f"Waiting for another dcat that is writing ({holder}), at most {timeout_s:.0f} s.")


def _say_lost(sentence: str) -> None:
    from catalog.cli.saying import say

    say(f"{sentence.partition('. ')[0].rstrip('.')}. Trying again.")


def parameters(pairs: list[str] | None) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a mapping.

    Raises
    ------
    SelectionError
        If one has no `=`.
    """
    from catalog.errors import SelectionError

    result = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SelectionError(f"{pair!r} is not of the form NAME=VALUE.", pair)
        result[name] = value
    return result
