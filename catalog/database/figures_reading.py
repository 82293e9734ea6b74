"""Counting the figures of a whole catalogue.

Counting takes one pass over the files and none over the instances: what series hold is read from
`series_total`. Everything is read in one transaction, so the figures agree with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from datetime import date

from sqlalchemy import Connection, String, case, func, literal, select

from catalog.database import figures_of_time
from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.figures import (
    ExportFigure,
    Figures,
    FindingFigure,
    ModalityFigure,
    ScannerFigure,
    Scanners,
    StatusFigure,
    SyntaxFigure,
    Totals,
)
from catalog.database.runs import Outcome
from catalog.entities import Status

DEFECTIVE = frozenset({Status.UNREADABLE, Status.TRUNCATED, Status.INCOMPLETE})
"""Statuses of files that seem to be DICOM and from which no whole instance can be made."""


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
            months=figures_of_time.months(connection),
            modalities=_modalities(connection),
            ages=figures_of_time.ages(connection, today),
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
