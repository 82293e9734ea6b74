"""The columns that `find` can give for a level, and where each is read.

A row of a level has the level's own columns and those of every level above it. Each column is at
home in one view; what is at home further up is read once for all rows that share it
(`catalog.database.listing`).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from catalog.attributes import BY_KEYWORD, INTEGER_VRS, Attribute, Further, at
from catalog.database.rows import LEVELS
from catalog.entities import Level
from catalog.errors import SelectionError
from catalog.shapes import frozen

PLURALS = {
    Level.PATIENT: "patients",
    Level.STUDY: "studies",
    Level.SERIES: "series",
    Level.INSTANCE: "instances",
    Level.FILE: "files",
}
"""The levels as `dcat find` calls them."""

_ORDER = (*LEVELS, Level.FILE)

COMPUTED = {
    Level.PATIENT: (
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    ),
    Level.STUDY: (
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: ("NumberOfSeriesRelatedInstances",),
    Level.INSTANCE: ("DirectoryRecordType", "TransferSyntaxUID"),
    Level.FILE: (),
}
"""What the views count or gather."""

LINKED = ("LinkedPatientID", "LinkedIssuerOfPatientID")
"""The patient of this place that a patient was linked to: shown if asked for."""

_OF_EACH = ("NumberOfFiles", "SizeBytes", "Provenance", "IsDisputed")
"""What the view of every level but files has of its own."""

FILE_COLUMNS = ("Path", "Status", "Error", "SizeBytes", "TransferSyntaxUID", "Digest", "MissingSince", "SOPInstanceUID",
                "SOPClassUID", "SeriesInstanceUID", "Modality", "StudyInstanceUID", "PatientID")  # fmt: skip
_MORE_OF_FILES = ("MtimeNs", "ImplementationClassUID", "ImplementationVersionName", "Root", "PathInRoot")  # fmt: skip

_INTEGERS = frozenset(["NumberOfFiles", "SizeBytes", "MtimeNs"])


@frozen
class Column:
    """One column of what `find` gives.

    Attributes
    ----------
    name:
        The keyword, or the name in the view.
    home:
        The level in whose view it is read.
    attribute:
        What the table of attributes or the configuration says of it; `None` if it is computed.
    """

    name: str
    home: Level
    attribute: Attribute | None = None

    @property
    def kind(self) -> str:
        """What its values are: `text`, `integer` or `real`."""
        if self.attribute is None:
            is_count = self.name.startswith("NumberOf") or self.name in _INTEGERS
            return "integer" if is_count or self.name == "IsDisputed" else "text"
        if not self.attribute.is_number:
            return "text"
        return "integer" if self.attribute.vr in INTEGER_VRS else "real"


def columns_of(level: Level) -> tuple[str, ...]:
    """Return the names of the columns that `find` gives for `level` if none are asked for.

    Keywords from the patient down, then counts; without what the configuration adds.
    """
    if level is Level.FILE:
        return FILE_COLUMNS
    keywords = tuple(a.keyword for each in levels_down_to(level) for a in at(each))
    return (*keywords, *COMPUTED[level], *_OF_EACH)


def levels_down_to(level: Level) -> tuple[Level, ...]:
    """Return the levels from the patient to `level`; to the instance if that is the file."""
    return LEVELS if level is Level.FILE else LEVELS[: LEVELS.index(level) + 1]


def usual(level: Level, further: Sequence[Further]) -> tuple[Column, ...]:
    """Return the columns that `find` gives if none are asked for: `columns_of`, then `further`."""
    known = _available(level, further)
    names = [*columns_of(level)]
    if level is not Level.FILE:
        names += [a.keyword for a in further if a.level in levels_down_to(level)]
    return tuple(known[name.lower()] for name in names)


def named(level: Level, names: Sequence[str], further: Sequence[Further]) -> tuple[Column, ...]:
    """Return the columns called `names`, whatever their case, in that order.

    Raises
    ------
    SelectionError
        If a row of `level` has no such column; the message names the nearest, or the level that
        has it. Also if one is named twice.
    """
    known = _available(level, further)
    found: list[Column] = []
    for name in names:
        column = known.get(name.strip().lower())
        if column is None:
            raise SelectionError(_unknown(level, name, known, further), name)
        if column in found:
            raise SelectionError(f"The column {column.name} is named twice.", name)
        found.append(column)
    return tuple(found)


def fact_of_files(name: str) -> str | None:
    """Return the column of files that is called `name`, in whatever case, and is no attribute of DICOM."""
    facts = {
        each.lower(): each for each in (*FILE_COLUMNS, *_MORE_OF_FILES) if each not in BY_KEYWORD
    }
    return facts.get({"size": "sizebytes"}.get(name.lower(), name.lower()))


def _unknown(level: Level, name: str, known: dict[str, Column], further: Sequence[Further]) -> str:
    asked = name.strip().lower()
    if not asked:
        return "The list of columns has an empty name. Write KEYWORD,KEYWORD."
    for below in _ORDER[_ORDER.index(level) + 1 :]:
        column = _available(below, further).get(asked)
        if column is not None:
            return (
                f"{column.name} is not one value for each of the {PLURALS[level]}: it says "
                f"something of {PLURALS[below]}. Ask `dcat find {PLURALS[below]}` for it."
            )
    from catalog.dicom import asking

    if (lacking := asking.not_kept(name)) is not None:
        return lacking
    near = difflib.get_close_matches(asked, known, n=1)
    hint = f" Did you mean {known[near[0]].name}?" if near else ""
    return f"{name!r} is not a column of {PLURALS[level]}.{hint} `dcat find {PLURALS[level]} --limit 1 -o json` shows those that there are."


def _available(level: Level, further: Sequence[Further]) -> dict[str, Column]:
    """Return every column that a row of `level` can have, by its name in small letters."""
    found: dict[str, Column] = {}

    def add(name: str, home: Level, attribute: Attribute | None = None) -> None:
        found.setdefault(name.lower(), Column(name, home, attribute))

    if level is Level.FILE:
        for name in (*FILE_COLUMNS, *_MORE_OF_FILES):
            add(name, Level.FILE, BY_KEYWORD.get(name))
    else:
        for name in _OF_EACH:
            add(name, level)
    levels = levels_down_to(level)
    for each in levels:
        for attribute in at(each):
            add(attribute.keyword, _home(level, each), attribute)
    for each in reversed(levels):
        for name in COMPUTED[each]:
            add(name, each, BY_KEYWORD.get(name))
    for name in LINKED:
        add(name, _home(level, Level.PATIENT))
    for extra in further:
        if extra.level in levels:
            home = _home(level, extra.level)
            add(extra.keyword, home, extra)
            found.setdefault(extra.column.lower(), found[extra.keyword.lower()])
    return found


def _home(level: Level, fact: Level) -> Level:
    """Return the level in whose view a row of `level` finds an attribute of the level `fact`.

    The view of a series has all that is above it, so instances look there for it, once a series.
    """
    if level is Level.FILE:
        return Level.INSTANCE
    if level is Level.INSTANCE and fact is not Level.INSTANCE:
        return Level.SERIES
    return level
