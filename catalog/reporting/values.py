"""What a report is made of, as plain values: the same values give the same page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.database.figures import Figures
from catalog.database.runs import RunRow
from catalog.errors import DcatError


class ReportUnavailable(DcatError):
    """A report cannot be made, for want of a package."""


@dataclass(frozen=True, slots=True)
class AuditAnswer:
    """What one audit answered.

    Attributes
    ----------
    severity:
        error, warning or note.
    description, action:
        What a row means, and what to do about it.
    meaning:
        What the columns mean, as `NAME: meaning; NAME, NAME: meaning`.
    rows:
        The first rows of the answer; of `count` in all.
    failure:
        Why it has no answer, one sentence; `''` if it has one.
    """

    name: str
    title: str
    severity: str
    description: str
    action: str
    meaning: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    count: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that a page shows.

    Attributes
    ----------
    place:
        Where the catalogue is.
    moment:
        When the report was made, with its zone.
    figure_audits:
        Names of the audits that answer with figures and not with problems.
    runs:
        The latest runs, latest first.
    is_identifying:
        Whether the page shows values that may identify people.
    """

    place: str
    moment: datetime
    version: str
    figures: Figures
    audits: Sequence[AuditAnswer]
    figure_audits: Sequence[str]
    runs: Sequence[RunRow]
    is_identifying: bool = False
