"""Figures of when studies were made: by month, and by how old they are."""

from __future__ import annotations

from collections import Counter
from datetime import date

from sqlalchemy import Connection, String, case, func, literal, null, or_, select

from catalog.database import models as m
from catalog.database.figures import AgeFigure, MonthFigure

AGE_MONTHS = (1, 3, 12, 24, 60, 120, 240)
"""Where one class of age ends and the next begins, in months before the day of the question."""


def months(connection: Connection) -> tuple[MonthFigure, ...]:
    """Return the studies of each month and modality, sorted by month."""
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


def months_before(today: date, months: int) -> date:
    """Return the day `months` months before `today`, the month's last day if it has no such day."""
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    for day in range(today.day, 27, -1):
        try:
            return date(year, month + 1, day)
        except ValueError:
            continue  # the 30th of February: one day earlier
    return date(year, month + 1, min(today.day, 27))


def ages(connection: Connection, today: date) -> tuple[AgeFigure, ...]:
    """Return the studies of each class of age, from the future to the oldest, then those without a date."""
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
