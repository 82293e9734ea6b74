"""The parts of a page that have plots, as the template needs them: words, drawing, legend and table.

No text here is HTML but that of `Section.wide` and `Section.narrow`, which is written by `svg`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.database.figures import AgeFigure, ScannerFigure
from catalog.dicom import sop_classes
from catalog.reporting import plots
from catalog.reporting.plots import Bar
from catalog.reporting.tables import Table
from catalog.reporting.timeline import Timeline, timeline
from catalog.reporting.values import Report
from catalog.reporting.wording import counted, number, severity_class, shown, size

MOST_BARS = 12
"""Bars that a plot shows; the rest are one bar together."""


@dataclass(frozen=True, slots=True)
class Section:
    """A plot with its words, legend (class and name) and table; without a plot `empty` says why."""

    name: str
    title: str
    lead: str
    table: Table | None = None
    wide: str = ""
    narrow: str = ""
    is_whole: bool = False
    legend: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    empty: str = ""


def plots_of(report: Report) -> list[Section]:
    """Return the sections with plots, in the order of the page."""
    return [
        _studies(report),
        _modalities(report),
        _syntaxes(report),
        _ages(report),
        _findings(report),
        _scanners(report),
    ]


def _studies(report: Report) -> Section:
    line = timeline(report.figures.months)
    title = f"Studies per {line.unit} by modality"
    lead = (
        "By Study Date. A study with several modalities counts once, as the one with most of its "
        "instances."
    )
    if not line.steps:
        nothing = (
            f"None of the {counted(line.undated, 'study', 'studies')} has a date."
            if line.undated
            else "There are no studies."
        )
        return Section(
            "studies", "Studies per month by modality", lead, empty=nothing, is_whole=True
        )
    dated = sum(line.total(step) for step in range(line.steps))
    description = (
        f"{counted(dated, 'study', 'studies')} from {line.label(0)} to "
        f"{line.label(line.steps - 1)}; most in {line.label(_busiest(line))}. "
        "The table that follows has the figures."
    )
    plot = plots.over_time("studies", title, description, line)
    notes = []
    if line.before or line.after:
        notes.append(
            f"Not drawn, as they lie far from all others and their dates may be wrong: {_apart(line)}."
        )
    if line.undated:
        notes.append(f"{counted(line.undated, 'study has', 'studies have')} no date.")
    names = [shown(name, 40) for name, _ in line.layers]
    return Section(
        "studies",
        title,
        lead,
        table=_studies_table(line, names),
        wide=plot.wide,
        narrow=plot.narrow,
        is_whole=True,
        legend=list(zip(plots.layer_colours(line), names, strict=True)),
        notes=notes,
    )


def _busiest(line: Timeline) -> int:
    return max(range(line.steps), key=lambda step: (line.total(step), -step))


def _apart(line: Timeline) -> str:
    first, last = line.label(0), line.label(line.steps - 1)
    parts = [
        f"{counted(studies, 'study', 'studies')} {where}"
        for studies, where in ((line.before, f"before {first}"), (line.after, f"after {last}"))
        if studies
    ]
    return " and ".join(parts)


def _studies_table(line: Timeline, names: Sequence[str]) -> Table:
    rows = [
        (
            line.label(step),
            *(number(counts[step]) for _, counts in line.layers),
            number(line.total(step)),
        )
        for step in range(line.steps)
        if line.total(step)
    ]
    blank = [""] * len(names)
    if line.before:
        rows.insert(0, ("before", *blank, number(line.before)))
    if line.after:
        rows.append(("after", *blank, number(line.after)))
    if line.undated:
        rows.append(("no date", *blank, number(line.undated)))
    step = line.unit.capitalize() if line.step_months <= 12 else "Years"
    return Table(
        f"Studies per {line.unit}",
        (step, *names, "All"),
        rows,
        (False, *(True for _ in names), True),
    )


def _bars(
    name: str, title: str, lead: str, description: str, rows: Sequence[Bar], table: Table, *, is_whole: bool = False
) -> Section:  # fmt: skip
    if not rows:
        return Section(name, title, lead, empty="There is nothing to show.", is_whole=is_whole)
    told = f"{description} The table that follows has the figures."
    plot = plots.bars(name, title, told, rows, plots.WHOLE if is_whole else plots.HALF)
    return Section(name, title, lead, table, plot.wide, plot.narrow, is_whole)


def _modalities(report: Report) -> Section:
    found = report.figures.modalities
    first, rest = found[:MOST_BARS], found[MOST_BARS:]
    rows = [
        Bar(shown(each.modality, 60) or "no modality", each.size_bytes, size(each.size_bytes))
        for each in first
    ]
    if rest:
        amount = sum(each.size_bytes for each in rest)
        rows.append(Bar(counted(len(rest), "other"), amount, size(amount), "rest"))
    table = Table(
        "Storage by modality",
        ("Modality", "Studies", "Series", "Instances", "Size"),
        [
            (
                shown(each.modality, 60) or "no modality",
                number(each.studies),
                number(each.series),
                number(each.instances),
                size(each.size_bytes),
            )
            for each in found[:MOST_ROWS]
        ],
        (False, True, True, True, True),
        _left_out(len(found), "modality", "modalities"),
    )
    return _bars(
        "modalities",
        "Storage by modality",
        "Size of the files that hold instances of each modality.",
        f"{counted(len(found), 'modality', 'modalities')}.",
        rows,
        table,
    )


MOST_ROWS = 200
"""Rows of a table beside a plot."""


def _left_out(rows: int, noun: str, plural: str) -> str:
    if rows <= MOST_ROWS:
        return ""
    return f"The table has the first {MOST_ROWS}; {counted(rows - MOST_ROWS, noun, plural)} more are left out."


def _syntaxes(report: Report) -> Section:
    found = report.figures.syntaxes
    names = [_syntax(each.uid) for each in found]
    rows = [
        Bar(name, each.size_bytes, size(each.size_bytes))
        for name, each in zip(names[:MOST_BARS], found, strict=False)
    ]
    rest = found[MOST_BARS:]
    if rest:
        amount = sum(each.size_bytes for each in rest)
        rows.append(Bar(counted(len(rest), "other"), amount, size(amount), "rest"))
    table = Table(
        "Storage by Transfer Syntax",
        ("Transfer Syntax", "UID", "Files", "Size"),
        [
            (name, shown(each.uid), number(each.files), size(each.size_bytes))
            for name, each in zip(names[:MOST_ROWS], found, strict=False)
        ],
        (False, False, True, True),
        _left_out(len(found), "Transfer Syntax", "Transfer Syntaxes"),
    )
    return _bars(
        "syntaxes",
        "Storage by Transfer Syntax",
        "Size of the files that hold instances, by how they are encoded.",
        f"{counted(len(found), 'Transfer Syntax', 'Transfer Syntaxes')}.",
        rows,
        table,
    )


def _syntax(uid: str) -> str:
    """Return the name of a Transfer Syntax, without what the standard adds in brackets and after a colon."""
    if not uid:
        return "not known"
    name = sop_classes.name(uid)
    return shown(name.partition(":")[0] if name != uid else uid, 160)


def _ages(report: Report) -> Section:
    found = [
        each
        for each in report.figures.ages
        # What should not be there is mentioned only if it is.
        if each.studies or (each.months is not None and each.months >= 0)
    ]
    total = report.figures.totals.studies
    rows = [
        Bar(
            age_name(each),
            each.studies,
            f"{counted(each.studies, 'study', 'studies')}, {size(each.size_bytes)}",
            "c0" if each.months is not None and each.months >= 0 else "rest",
        )
        for each in found
    ]
    table = Table(
        "Age of studies",
        ("Age", "Studies", "Size"),
        [(age_name(each), number(each.studies), size(each.size_bytes)) for each in found],
        (False, True, True),
    )
    return _bars(
        "ages",
        "Age of studies",
        f"From the Study Date to {report.moment:%Y-%m-%d}.",
        f"{counted(total, 'study', 'studies')}.",
        rows if total else [],
        table,
    )


def age_name(each: AgeFigure) -> str:
    """Return what a class of age is called."""
    if each.months is None:
        return "no date"
    if each.months < 0:
        return "dated in the future"
    if each.until_months is None:
        return f"{each.months // 12} years and more"
    if each.months == 0:
        return f"less than {counted(each.until_months, 'month')}"
    if each.until_months <= 12:
        return f"{each.months} to {each.until_months} months"
    return f"{each.months // 12} to {each.until_months // 12} years"


def _scanners(report: Report) -> Section:
    scanners = report.figures.scanners
    first = scanners.most[:MOST_BARS]
    rows = [
        Bar(_scanner(each), each.instances, counted(each.instances, "instance")) for each in first
    ]
    others = len(scanners.most[MOST_BARS:]) + scanners.rest_scanners
    if others:
        amount = sum(each.instances for each in scanners.most[MOST_BARS:]) + scanners.rest_instances
        rows.append(Bar(counted(others, "other"), amount, counted(amount, "instance"), "rest"))
    dates = ("First study", "Last study") if report.is_identifying else ()
    table = Table(
        "Scanners",
        (
            "Manufacturer",
            "Model",
            "Station",
            "Serial number",
            "Studies",
            "Series",
            "Instances",
            "Size",
            *dates,
        ),
        [
            (
                shown(each.manufacturer, 60) or ("" if _is_told(each) else "not told"),
                shown(each.model, 60),
                shown(each.station, 60),
                shown(each.serial_number, 60),
                number(each.studies),
                number(each.series),
                number(each.instances),
                size(each.size_bytes),
                *((shown(each.first_date), shown(each.last_date)) if dates else ()),
            )
            for each in scanners.most
        ],
        (False, False, False, False, True, True, True, True, *(False for _ in dates)),
        f"{counted(scanners.rest_scanners, 'scanner has', 'scanners have')} fewer instances: "
        f"{number(scanners.rest_instances)} in {number(scanners.rest_series)} series, {size(scanners.rest_size_bytes)}."
        if scanners.rest_scanners
        else "",
    )
    number_of = len(scanners.most) + scanners.rest_scanners
    return _bars(
        "scanners",
        "Scanners",
        "Equipment by manufacturer, model, station name and serial number.",
        f"{counted(number_of, 'scanner')}.",
        rows,
        table,
        is_whole=True,
    )


def _is_told(each: ScannerFigure) -> bool:
    return any((each.manufacturer, each.model, each.station, each.serial_number))


def _scanner(each: ScannerFigure) -> str:
    model = each.model
    maker = each.manufacturer
    if maker and model.lower().startswith(maker.lower()):
        maker = ""
    which = each.station or each.serial_number
    name = " ".join(part for part in (maker, model) if part) or "not told"
    return shown(f"{name} · {which}" if which else name, 120)


def _findings(report: Report) -> Section:
    found = report.figures.findings
    first, rest = found[:MOST_BARS], found[MOST_BARS:]
    rows = [
        Bar(
            f"{shown(each.code, 80)} ({shown(each.severity, 20)})",
            each.findings,
            number(each.findings),
            severity_class(each.severity),
        )
        for each in first
    ]
    if rest:
        amount = sum(each.findings for each in rest)
        rows.append(Bar(f"{number(len(rest))} other kinds", amount, number(amount), "rest"))
    table = Table(
        "Findings by kind",
        ("Severity", "Kind", "Findings", "Files"),
        [
            (shown(each.severity), shown(each.code, 80), number(each.findings), number(each.files))
            for each in found[:MOST_ROWS]
        ],
        (False, False, True, True),
        _left_out(len(found), "kind", "kinds"),
    )
    return _bars(
        "findings",
        "Findings",
        "What was noticed in files and File-sets while they were read, worst first.",
        f"{counted(len(found), 'kind')}.",
        rows,
        table,
    )
