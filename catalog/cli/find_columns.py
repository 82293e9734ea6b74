"""Which columns `dcat find` shows, what they are called in a table, and what they are sorted by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from catalog.entities import Level

if TYPE_CHECKING:
    from catalog.attributes import Further
    from catalog.database.columns import Column
    from catalog.database.listing import SortKey

IN_TABLES = {
    Level.PATIENT: ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances", "SizeBytes"),
    Level.STUDY: ("PatientID", "PatientName", "StudyDate", "ModalitiesInStudy", "StudyDescription", "AccessionNumber", "NumberOfStudyRelatedInstances", "SizeBytes"),
    Level.SERIES: ("PatientID", "StudyDate", "Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances", "SizeBytes", "SeriesInstanceUID"),
    Level.INSTANCE: ("PatientID", "Modality", "SeriesNumber", "InstanceNumber", "NumberOfFiles", "SizeBytes", "SOPInstanceUID"),
    Level.FILE: ("Status", "SizeBytes", "Path"),
}  # fmt: skip
"""Columns of the table for people; every other format has all columns."""

SHORT = {
    "PatientName": "Name",
    "StudyDate": "Date",
    "StudyDescription": "Description",
    "SeriesDescription": "Description",
    "SeriesNumber": "Series",
    "InstanceNumber": "Number",
    "NumberOfPatientRelatedStudies": "Studies",
    "NumberOfPatientRelatedInstances": "Instances",
    "NumberOfStudyRelatedInstances": "Instances",
    "NumberOfSeriesRelatedInstances": "Instances",
    "NumberOfPatients": "Patients",
    "NumberOfStudies": "Studies",
    "NumberOfSeries": "Series",
    "NumberOfInstances": "Instances",
    "NumberOfFiles": "Files",
    "ModalitiesInStudy": "Modalities",
    "SizeBytes": "Size",
    "PatientBirthDate": "BirthDate",
    "PatientSex": "Sex",
    "AccessionNumber": "Accession",
}
"""What columns are called at the head of a table."""

NO_VALUE = "(none)"
"""What a table of groups shows for those that have no value, or an empty one."""


def listed(text: str) -> list[str]:
    """Return the names in a list that is joined by commas."""
    return [name.strip() for name in text.split(",")]


def full_names(names: Iterable[str], shown: Collection[str]) -> list[str]:
    """Return names of columns as they are, those at the head of a table (`shown`) in full.

    What people read there they may type: `Size` is SizeBytes.
    """
    heads = {SHORT[name].lower(): name for name in shown if name in SHORT}
    return [heads.get(name.lower(), name) for name in names]


def chosen(
    level: Level, names: str | None, further: Sequence[Further], asked: Sequence[str], *, is_table: bool
) -> tuple[Column, ...]:  # fmt: skip
    """Return the columns to show: `names`, if given; else the main ones in a table, elsewhere all.

    Parameters
    ----------
    asked:
        Attributes by which rows were selected; a table shows of them what the configuration added.

    Raises
    ------
    SelectionError
        If a row of `level` has no column of that name.
    """
    from catalog.database import columns

    if names is not None:
        return columns.named(level, full_names(listed(names), IN_TABLES[level]), further)
    everything = columns.usual(level, further)
    if not is_table:
        return everything
    added = {each.name for each in everything[len(columns.columns_of(level)) :]}
    return columns.named(
        level, [*IN_TABLES[level], *(name for name in asked if name in added)], further
    )


def sort_keys(level: Level, text: str | None, further: Sequence[Further]) -> tuple[SortKey, ...]:
    """Return what `KEYWORD,-KEYWORD` asks to be sorted by; a minus is for descending.

    Raises
    ------
    SelectionError
        If a row of `level` has no column of that name.
    """
    from catalog.database import columns
    from catalog.database.listing import SortKey

    if text is None:
        return ()
    pairs = sort_names(text, IN_TABLES[level])
    found = columns.named(level, [name for name, _ in pairs], further)
    return tuple(
        SortKey(column, goes_down) for column, (_, goes_down) in zip(found, pairs, strict=True)
    )


def sort_names(text: str, shown: Collection[str]) -> list[tuple[str, bool]]:
    """Return the names in `KEYWORD,-KEYWORD`, each with whether it is descending."""
    words = listed(text)
    names = full_names([word.removeprefix("-") for word in words], shown)
    return [(name, word.startswith("-")) for name, word in zip(names, words, strict=True)]


def headings(names: Sequence[str]) -> list[str]:
    """Return what columns are called at the head of a table: short, where that is no other's name."""
    short = [SHORT.get(name, name) for name in names]
    return [
        name if short.count(brief) > 1 else brief for name, brief in zip(names, short, strict=True)
    ]


def for_people(
    names: Sequence[str], rows: Iterable[Sequence[Any]], keys: int = 0
) -> Iterator[list[Any]]:
    """Yield rows with sizes as people read them; of the first `keys` cells also that there is no value."""
    from catalog.cli.saying import size_text

    size = names.index("SizeBytes") if "SizeBytes" in names else -1
    for row in rows:
        cells = [NO_VALUE if n < keys and cell is None else cell for n, cell in enumerate(row)]
        if size >= 0:
            cells[size] = size_text(row[size] or 0)
        yield cells
