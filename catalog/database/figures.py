"""Figures of a whole catalogue, for reports: what it holds, from when, of which equipment.

Counting takes one pass over the files and none over the instances: what series hold is read from
`series_total`. Everything is read in one transaction, so the figures agree with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

from sqlalchemy import Connection, String, case, func, literal, null, or_, select

from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.runs import Outcome
from catalog.entities import Status

AGE_MONTHS = (1, 3, 12, 24, 60, 120, 240)
"""Where one class of age ends and the next begins, in months before the day of the question."""

DEFECTIVE = frozenset({Status.UNREADABLE, Status.TRUNCATED, Status.INCOMPLETE})
"""Statuses of files that seem to be DICOM and from which no whole instance can be made."""


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


def figures(
    catalogue: Catalogue, today: date, *, most_scanners: int = 20, most_exports: int = 10
) -> Figures:
    """Return the figures of a catalogue; ages are counted back from `today`.

    Raises
    ------
    CatalogueError
        If the catalogue cannot be read.
    """
    with catalogue.read() as connection:
        statuses, syntaxes = _files(connection)
        exports, all_exports = _exports(connection, most_exports)
        return Figures(
            totals=_totals(connection, statuses, syntaxes),
            statuses=statuses,
            syntaxes=syntaxes,
            months=_months(connection),
            modalities=_modalities(connection),
            ages=_ages(connection, today),
            scanners=_scanners(connection, most_scanners),
            findings=_findings(connection),
            exports=exports,
            all_exports=all_exports,
            last_indexed_at=connection.execute(
                select(m.run.c.finished_at)
                .where(m.run.c.command == "index", m.run.c.outcome == Outcome.DONE.value)
                .order_by(m.run.c.id.desc())
                .limit(1)
            ).scalar(),
        )


def _files(
    connection: Connection,
) -> tuple[tuple[StatusFigure, ...], tuple[SyntaxFigure, ...]]:
    f = m.file.c
    holds = case((f.instance_ref.is_(None), 0), else_=1).label("holds")
    statuses: Counter[str] = Counter()
    status_bytes: Counter[str] = Counter()
    syntaxes: Counter[str] = Counter()
    syntax_bytes: Counter[str] = Counter()
    for status, syntax, is_instance, files, size in connection.execute(
        select(f.status, f.transfer_syntax_uid, holds, func.count(), func.sum(f.size_bytes))
        .group_by(f.status, f.transfer_syntax_uid, "holds")
    ):  # fmt: skip
        statuses[status] += files
        status_bytes[status] += int(size or 0)
        if is_instance and status != Status.MISSING:
            syntaxes[syntax or ""] += files
            syntax_bytes[syntax or ""] += int(size or 0)
    return (
        tuple(
            StatusFigure(name, statuses[name], status_bytes[name])
            for name in sorted(statuses, key=lambda n: (-status_bytes[n], -statuses[n], n))
        ),
        tuple(
            SyntaxFigure(uid, syntaxes[uid], syntax_bytes[uid])
            for uid in sorted(syntaxes, key=lambda u: (-syntax_bytes[u], -syntaxes[u], u))
        ),
    )


def _totals(
    connection: Connection, statuses: Sequence[StatusFigure], syntaxes: Sequence[SyntaxFigure]
) -> Totals:
    def number(level: str) -> int:
        table = m.metadata.tables[level]
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    files = {each.status: each.files for each in statuses}
    missing = files.get(Status.MISSING, 0)
    return Totals(
        patients=number("patient"),
        studies=number("study"),
        series=number("series"),
        instances=number("instance"),
        files=sum(files.values()) - missing,
        instance_files=sum(each.files for each in syntaxes),
        size_bytes=sum(each.size_bytes for each in syntaxes),
        missing=missing,
        defective=sum(files.get(status, 0) for status in DEFECTIVE),
    )


def _months(connection: Connection) -> tuple[MonthFigure, ...]:
    s, t, total = m.series.c, m.study.c, m.series_total.c
    month = func.substr(t.study_date, 1, 7).label("month")
    modality = func.coalesce(s.modality, literal("", String)).label("told_modality")
    # The month is taken along from the innermost query: a subquery has no index to be joined by.
    weight = (
        select(
            s.study_ref,
            month,
            modality,
            func.sum(total.number_of_instances).label("instances"),
        )
        .select_from(
            m.series.join(m.series_total, total.series_ref == s.id).join(
                m.study, t.id == s.study_ref
            )
        )
        .group_by(s.study_ref, "month", "told_modality")
        .subquery()
    )
    place = func.row_number().over(
        partition_by=weight.c.study_ref,
        order_by=(weight.c.instances.desc(), weight.c.told_modality),
    )
    ranked = select(weight.c.month, weight.c.told_modality, place.label("place")).subquery()
    found: Counter[tuple[str, str]] = Counter()
    for when, what, studies in connection.execute(
        select(ranked.c.month, ranked.c.told_modality, func.count())
        .where(ranked.c.place == 1)
        .group_by(ranked.c.month, ranked.c.told_modality)
    ):
        found[when or "", what] += studies
    for when, studies in connection.execute(
        select(month, func.count())
        .where(~select(s.id).where(s.study_ref == t.id).exists())
        .group_by("month")
    ):  # known from a DICOMDIR that lists no series of it
        found[when or "", ""] += studies
    return tuple(MonthFigure(*key, found[key]) for key in sorted(found))


def _modalities(connection: Connection) -> tuple[ModalityFigure, ...]:
    s, total = m.series.c, m.series_total.c
    modality = func.coalesce(s.modality, literal("", String)).label("told_modality")
    rows = connection.execute(
        select(
            modality,
            func.count(s.study_ref.distinct()),
            func.count(),
            func.sum(total.number_of_instances),
            func.sum(total.size_bytes),
        )
        .join_from(m.series, m.series_total, total.series_ref == s.id)
        .group_by("told_modality")
    )
    found = [ModalityFigure(name, *(int(number or 0) for number in rest)) for name, *rest in rows]
    return tuple(sorted(found, key=lambda each: (-each.size_bytes, -each.instances, each.modality)))


def months_before(today: date, months: int) -> date:
    """Return the day `months` months before `today`, the month's last day if it has no such day."""
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    for day in range(today.day, 27, -1):
        try:
            return date(year, month + 1, day)
        except ValueError:
            continue  # the 30th of February: one day earlier
    return date(year, month + 1, min(today.day, 27))


def _ages(connection: Connection, today: date) -> tuple[AgeFigure, ...]:
    when = m.study.c.study_date
    bounds = (0, *AGE_MONTHS)
    cuts = [months_before(today, months).isoformat() for months in AGE_MONTHS]
    # ISO dates compare as text; the first condition that holds decides.
    age = case(
        (or_(when.is_(None), when == ""), null()),
        (when > today.isoformat(), -1),
        *((when > cut, bound) for cut, bound in zip(cuts, bounds, strict=False)),
        else_=bounds[-1],
    ).label("age")
    held = (
        select(m.series.c.study_ref, func.sum(m.series_total.c.size_bytes).label("size_bytes"))
        .join_from(m.series, m.series_total, m.series_total.c.series_ref == m.series.c.id)
        .group_by(m.series.c.study_ref)
        .subquery()
    )
    found = {
        months: (studies, int(size or 0))
        for months, studies, size in connection.execute(
            select(age, func.count(), func.sum(held.c.size_bytes))
            .select_from(m.study.outerjoin(held, held.c.study_ref == m.study.c.id))
            .group_by("age")
        )
    }
    classes: list[tuple[int | None, int | None]] = [
        (-1, 0),
        *zip(bounds, (*AGE_MONTHS, None), strict=True),
        (None, None),
    ]
    return tuple(AgeFigure(months, until, *found.get(months, (0, 0))) for months, until in classes)


_SCANNER_FIELDS = tuple(each.name for each in fields(ScannerFigure))


def _scanners(connection: Connection, most: int) -> Scanners:
    s, total = m.series.c, m.series_total.c
    # Labels that are no columns' names: in GROUP BY a column would be meant.
    told = [
        func.coalesce(column, literal("", String)).label(f"told_{name}")
        for name, column in (
            ("manufacturer", s.manufacturer),
            ("model", s.manufacturer_model_name),
            ("station", s.station_name),
            ("serial_number", s.device_serial_number),
        )
    ]
    names = [each.name for each in told]
    when = case((m.study.c.study_date != "", m.study.c.study_date))
    rows = connection.execute(
        select(
            *told,
            func.count(s.study_ref.distinct()).label("studies"),
            func.count().label("series"),
            func.sum(total.number_of_instances).label("instances"),
            func.sum(total.size_bytes).label("size_bytes"),
            func.min(when).label("first_date"),
            func.max(when).label("last_date"),
        )
        .select_from(
            m.series.join(m.series_total, total.series_ref == s.id).join(
                m.study, m.study.c.id == s.study_ref
            )
        )
        .group_by(*names)
        .order_by(func.sum(total.number_of_instances).desc(), *names)
    )
    kept: list[ScannerFigure] = []
    rest = [0, 0, 0, 0]
    for row in rows:  # all of them, as the rest is summed, but not all are kept
        each = ScannerFigure(**dict(zip(_SCANNER_FIELDS, row, strict=True)))
        if len(kept) < most:
            kept.append(each)
        else:
            for place, number in enumerate((1, each.series, each.instances, each.size_bytes)):
                rest[place] += number
    return Scanners(tuple(kept), *rest)


def _findings(connection: Connection) -> tuple[FindingFigure, ...]:
    f = m.finding.c
    rows = connection.execute(
        select(f.severity, f.code, func.count(), func.count(f.file_ref.distinct())).group_by(
            f.severity, f.code
        )
    )
    found = [FindingFigure(severity, code, number, files) for severity, code, number, files in rows]
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(
        sorted(
            found,
            key=lambda each: (order.get(each.severity, 3), -each.findings, each.code),
        )
    )


def _exports(connection: Connection, most: int) -> tuple[tuple[ExportFigure, ...], int]:
    e, r, x = m.export.c, m.run.c, m.export_item.c
    number = connection.execute(select(func.count()).select_from(m.export)).scalar_one()
    latest = connection.execute(
        select(e.id, r.started_at, r.outcome, e.destination, e.recipient, e.reason)
        .join_from(m.export, m.run, r.id == e.run_ref)
        .order_by(e.id.desc())
        .limit(most)
    ).all()
    counted: dict[tuple[int, str], tuple[int, int]] = {
        (ref, outcome): (items, int(size or 0))
        for ref, outcome, items, size in connection.execute(
            select(x.export_ref, x.outcome, func.count(), func.sum(x.size_bytes))
            .where(x.export_ref.in_([row.id for row in latest]))
            .group_by(x.export_ref, x.outcome)
        )
    }

    def of(ref: int, outcome: str) -> tuple[int, int]:
        return counted.get((ref, outcome), (0, 0))

    return tuple(
        ExportFigure(
            row.started_at,
            row.outcome or "running or killed",
            row.destination,
            row.recipient or "",
            row.reason or "",
            of(row.id, "copied")[0],
            of(row.id, "left-out")[0],
            of(row.id, "failed")[0],
            of(row.id, "copied")[1],
        )
        for row in latest
    ), int(number)
