"""What a catalogue is and whether it is sound."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select

from catalog.database import attribute_sets, totals
from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.rows import KEYWORDS, LEVELS
from catalog.database.settle import disputed_refs

_REMEDY = "Take the catalogue from a backup, or index the same folders into a new one."


def counts(catalogue: Catalogue) -> Mapping[str, int]:
    """Return the number of rows of each table, by name."""
    with catalogue.read() as connection:
        return {
            table.name: int(
                connection.execute(select(func.count()).select_from(table)).scalar_one()
            )
            for table in m.metadata.sorted_tables
        }


def roots(catalogue: Catalogue) -> list[tuple[str, int, int]]:
    """Return (path, files, bytes) of each root, files that are there, sorted by path."""
    with catalogue.read() as connection:
        rows = connection.execute(
            select(
                m.root.c.path,
                func.count(m.file.c.id),
                func.coalesce(func.sum(m.file.c.size_bytes), 0),
            )
            .select_from(
                m.root.outerjoin(
                    m.file, (m.file.c.root_ref == m.root.c.id) & (m.file.c.status != "missing")
                )
            )
            .group_by(m.root.c.id)
            .order_by(m.root.c.path)
        )
        return [(path, files, size) for path, files, size in rows]


def problems(catalogue: Catalogue) -> list[str]:
    """Return what is wrong with the catalogue, a sentence each; none if it is sound.

    Checks the database itself (`Catalogue.damage`), that rows say of themselves whether they are
    disputed, and the totals of series.
    """
    found: list[str] = []
    with catalogue.write() as connection:
        found += catalogue.damage(connection)
        for level in LEVELS:
            table = m.ENTITY_TABLES[level]
            marked = set(
                connection.execute(
                    select(table.c.id).where(table.c.is_disputed.is_(True))
                ).scalars()
            )
            wrong = marked ^ disputed_refs(connection, level)
            if wrong:
                found.append(
                    f"{len(wrong)} rows of {table.name} do not say rightly whether they are disputed."
                )
        stray = connection.execute(
            select(func.count())
            .select_from(m.discrepancy)
            .where(
                m.discrepancy.c.keyword.not_in(
                    [keyword for level in LEVELS for keyword in KEYWORDS[level]]
                    + list(attribute_sets.definitions(connection))
                )
            )
        ).scalar_one()
        if stray:
            found.append(f"{stray} discrepancies name attributes that the catalogue does not keep.")
        kept = connection.execute(select(*m.series_total.c)).all()
        wrong_totals = set(kept) ^ set(connection.execute(totals.counted()).all())
        if wrong_totals:
            series = {row[0] for row in wrong_totals}
            found.append(
                f"The totals of {len(series)} series are not what their files add up to. {_REMEDY}"
            )
    return found
