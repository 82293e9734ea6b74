"""What a page says of the audits, as the template needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.reporting import identifying
from catalog.reporting.tables import Table
from catalog.reporting.values import AuditAnswer, Report
from catalog.reporting.wording import counted, number, severity_class, shown

_LONGEST = 2000
"""Letters of a description that are shown; dcat's own are shorter."""


@dataclass(frozen=True, slots=True)
class AuditSection:
    """One audit: its answer in a word, and as much of its rows as is shown."""

    name: str
    title: str
    severity: str
    verdict: str
    count: str
    is_clear: bool
    description: str
    action: str
    meaning: Sequence[tuple[str, str]]
    command: str
    table: Table | None = None
    notes: Sequence[str] = ()


def verdict(report: Report) -> str:
    """Return what the audits found all together, one or two sentences."""
    asked = counted(len(report.audits), "audit was asked", "audits were asked")
    finding = [each for each in report.audits if each.count]
    failed = sum(1 for each in report.audits if each.failure)
    if finding:
        errors = sum(1 for each in finding if each.severity == "error")
        told = f"{number(len(finding))} found something" + (
            f", {number(errors)} of them an error." if errors else "."
        )
    else:
        told = "none found anything."
    late = f" {counted(failed, 'has', 'have')} no answer." if failed else ""
    return f"{asked}; {told}{late}"


def audit(report: Report, answer: AuditAnswer) -> AuditSection:
    """Return the section of one audit."""
    command = f"dcat audit {answer.name}"
    notes = []
    table = None
    if answer.failure:
        verdict, count = "not answered", "?"
        notes.append(shown(answer.failure, _LONGEST))
    elif not answer.count:
        verdict, count = "nothing found", "0"
    else:
        verdict, count = counted(answer.count, "row"), number(answer.count)
        columns, rows = answer.columns, answer.rows
        if not report.is_identifying:
            columns, rows = identifying.harmless(columns, rows)
        numeric = [
            all(isinstance(row[place], int | float | None) for row in rows)
            for place in range(len(columns))
        ]
        if all(numeric) and len(columns) < len(answer.columns):
            columns = ()  # numbers of nobody knows what
        if not columns:
            notes.append("Its rows may identify people and are left out of this page.")
        elif len(columns) < len(answer.columns):
            withheld = counted(
                len(answer.columns) - len(columns),
                "column that may identify people is",
                "columns that may identify people are",
            )
            notes.append(f"{withheld} left out of this page.")
        if columns and rows:
            table = Table(
                f"First rows of {answer.name}"
                if len(rows) < answer.count
                else f"Rows of {answer.name}",
                columns,
                [[shown(cell) for cell in row] for row in rows],
                numeric,
                f"{number(answer.count - len(rows))} more." if len(rows) < answer.count else "",
            )
    return AuditSection(
        name=answer.name,
        title=shown(answer.title),
        severity=severity_class(answer.severity),
        verdict=verdict,
        count=count,
        is_clear=not answer.count and not answer.failure,
        description=shown(answer.description, _LONGEST),
        action=shown(answer.action, _LONGEST),
        meaning=meanings(answer.meaning),
        command=command,
        table=table,
        notes=notes,
    )


def meanings(text: str) -> list[tuple[str, str]]:
    """Return (columns, what they mean) of an audit's header."""
    parts = [part.strip().partition(": ") for part in text.split(";")]
    return [(shown(names), shown(meaning)) for names, _, meaning in parts if names]
