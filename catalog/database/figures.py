"""Figures of a whole catalogue, for reports: what it holds, from when, of which equipment.

`catalog.database.figures_reading` counts them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is.

    Attributes
    ----------
    files:
        Files that are there, whatever they are.
    instance_files, size_bytes:
        Those of them that hold an instance, and their size together.
    missing, defective:
        Files that are gone; files that are unreadable, cut short or incomplete.
    """

    patients: int
    studies: int
    series: int
    instances: int
    files: int
    instance_files: int
    size_bytes: int
    missing: int
    defective: int


@dataclass(frozen=True, slots=True)
class StatusFigure:
    """Files of one status; `size_bytes` is what they had when they were last seen."""

    status: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SyntaxFigure:
    """Files of one Transfer Syntax that hold an instance and are there; `''` if it is not known."""

    uid: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class MonthFigure:
    """Studies of one month and modality.

    `month` is `YYYY-MM`, `''` for studies without a date; `modality` that of most of the study's
    instances, the first by name if two are even, `''` for studies without one.
    """

    month: str
    modality: str
    studies: int


@dataclass(frozen=True, slots=True)
class ModalityFigure:
    """What is stored of one modality; `''` for series without one.

    A study with two modalities counts for both.
    """

    modality: str
    studies: int
    series: int
    instances: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class AgeFigure:
    """Studies of one class of age, that is from `months` to below `until_months` months old.

    `months` is -1 for studies of the future, and `None` for those without a date; `until_months` is
    `None` where there is no end.
    """

    months: int | None
    until_months: int | None
    studies: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ScannerFigure:
    """What one piece of equipment made, told by the four attributes that say which it is.

    `first_date` and `last_date` are Study Dates, `None` if no study has one.
    """

    manufacturer: str
    model: str
    station: str
    serial_number: str
    studies: int
    series: int
    instances: int
    size_bytes: int
    first_date: str | None
    last_date: str | None


@dataclass(frozen=True, slots=True)
class Scanners:
    """The equipment with most instances, most first, and how much all other equipment has.

    `rest` has the sums of what is not in `most`; its studies count once for each scanner.
    """

    most: tuple[ScannerFigure, ...]
    rest_scanners: int
    rest_series: int
    rest_instances: int
    rest_size_bytes: int


@dataclass(frozen=True, slots=True)
class FindingFigure:
    """How often a kind of finding was noticed, and in how many files."""

    severity: str
    code: str
    findings: int
    files: int


@dataclass(frozen=True, slots=True)
class ExportFigure:
    """One export: what of it was copied, left out and failed, in instances."""

    started_at: str
    outcome: str
    destination: str
    recipient: str
    reason: str
    copied: int
    left_out: int
    failed: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a catalogue.

    `statuses`, `syntaxes` and `modalities` are sorted by size, largest first; `months` by month;
    `ages` from the future to the oldest, then those without a date, also classes without studies;
    `findings` by severity, then number; `exports` are the latest, latest first, of `all_exports`.
    `last_indexed_at` is when the last `dcat index` that was done ended, `None` if there was none.
    """

    totals: Totals
    statuses: tuple[StatusFigure, ...]
    syntaxes: tuple[SyntaxFigure, ...]
    months: tuple[MonthFigure, ...]
    modalities: tuple[ModalityFigure, ...]
    ages: tuple[AgeFigure, ...]
    scanners: Scanners
    findings: tuple[FindingFigure, ...]
    exports: tuple[ExportFigure, ...]
    all_exports: int
    last_indexed_at: str | None
