"""Settling rows: which value a row shows when its files disagree, by a rule and not by who came first.

For each attribute the row holds the value that most of its files state. Files that are silent
(absent or empty) do not outvote one that speaks; equally common values are decided by
`rows.rank`; missing files have no vote while any file is there, and decide where none is. Every
file that states something else has a row in `discrepancy`, so each file's claims can be rebuilt
and conflicts listed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from catalog.attributes import further_label
from catalog.database import attribute_sets, totals
from catalog.database import models as m
from catalog.database.rows import (
    ABSENT,
    KEYWORDS,
    PARENT_COLUMN,
    Claim,
    Entity,
    claim_from,
    claims_of,
    entity_columns,
    entity_from,
    in_chunks,
    rank,
    selected_columns,
    stored_claim,
    with_claims,
)
from catalog.entities import Level, Provenance, Status

_FILES: Any = m.file.join(m.instance, m.file.c.instance_ref == m.instance.c.id)
_SOURCES: dict[Level, tuple[Any, Any]] = {
    Level.INSTANCE: (_FILES, m.instance.c.id),
    Level.SERIES: (_FILES, m.instance.c.series_ref),
    Level.STUDY: (_FILES.join(m.series, m.instance.c.series_ref == m.series.c.id), m.series.c.study_ref),
    Level.PATIENT: (
        _FILES.join(m.series, m.instance.c.series_ref == m.series.c.id).join(m.study, m.series.c.study_ref == m.study.c.id),
        m.study.c.patient_ref,
    ),
}  # fmt: skip
"""For each level the join from files to it, and the column that names its row."""

_IS_THERE = m.file.c.status.not_in([Status.MISSING.value, Status.REFERENCED.value])
"""A file that votes: it is there, and its header was read."""

_WAS_READ = and_(
    m.file.c.status != Status.REFERENCED.value,
    func.coalesce(m.file.c.last_status, "") != Status.REFERENCED.value,
)
"""A file that states something: its header was read once."""


class Tally:
    """The votes on one settled row whose files disagree, so that new ones need no recount.

    Attributes
    ----------
    voters:
        How many files have a vote.
    """

    __slots__ = ("_against", "_others", "_own", "voters")

    def __init__(
        self, voters: int, own: dict[str, Claim], others: dict[str, dict[Claim, int]]
    ) -> None:
        self.voters = voters
        self._own = own
        self._others = others
        # Kept, not summed for each vote: files may all state something different.
        self._against = {keyword: sum(votes.values()) for keyword, votes in others.items()}

    def add(self, count: int, differing: Iterable[tuple[str, Claim]]) -> bool:
        """Count `count` files that differ from the row in `differing`; return whether the row stays as it is.

        Only what was just voted for can win where it had not won before.
        """
        self.voters += count
        stays = True
        for keyword, claim in differing:
            others = self._others.setdefault(keyword, {})
            others[claim] = others.get(claim, 0) + count
            self._against[keyword] = self._against.get(keyword, 0) + count
            own = self._own.get(keyword, ABSENT)
            agreeing = self.voters - self._against[keyword]
            stays = stays and agreeing > 0 and _order(own, agreeing) < _order(claim, others[claim])
        return stays


Tallies = dict[tuple[Level, int], Tally]
"""Tallies by level and row."""


def settle(
    connection: Connection, level: Level, refs: Collection[int], tallies: Tallies | None = None
) -> bool:
    """Settle the rows `refs` of `level`; return whether any row changed.

    `tallies` receives those of rows that stayed as they were.
    """
    changed = False
    for chunk in in_chunks(sorted(refs)):
        changed |= _settle_chunk(connection, level, chunk, tallies)
    return changed


def _settle_chunk(
    connection: Connection, level: Level, refs: list[int], tallies: Tallies | None
) -> bool:
    changed = _elect(connection, level, refs, _IS_THERE, tallies)
    # Where no file is there, those that went missing decide: the row is then the same, however
    # they went.
    deserted = _deserted(connection, level, refs)
    if deserted:
        changed |= _elect(connection, level, deserted, _WAS_READ)
    return _mark_disputed(connection, level, refs) or changed


def _elect(
    connection: Connection,
    level: Level,
    refs: list[int],
    has_a_vote: ColumnElement[bool],
    tallies: Tallies | None = None,
) -> bool:
    """Give disputed rows the values that win among the files with a vote; return whether any changed."""
    source, owner = _SOURCES[level]
    votes = _votes(connection, level, refs, has_a_vote)
    if not votes:
        return False
    voters: dict[int, int] = dict(
        connection.execute(
            select(owner, func.count()).select_from(source).where(owner.in_(list(votes)), has_a_vote).group_by(owner)
        ).all()
    )  # fmt: skip
    table = m.ENTITY_TABLES[level]
    rows = connection.execute(
        select(table.c.id, *selected_columns(level)).where(table.c.id.in_(list(votes)))
    )
    changed = False
    for ref, *values in rows.all():
        entity = entity_from(level, values)
        own = dict(claims_of(level, entity))
        won: dict[str, Claim] = {}
        for keyword, others in votes[ref].items():
            before = own.get(keyword, ABSENT)
            agreeing = voters.get(ref, 0) - sum(others.values())
            best = _winner(before, agreeing, others)
            if best != before:
                won[keyword] = best
                _exchange(connection, level, ref, keyword, before, best)
        if not won and tallies is not None:
            tallies[level, ref] = Tally(voters.get(ref, 0), own, votes[ref])
        if won:
            changed = True
            settled: Entity = with_claims(level, entity, won)
            connection.execute(
                update(table).where(table.c.id == ref).values(entity_columns(level, settled))
            )
    return changed


def _deserted(connection: Connection, level: Level, refs: list[int]) -> list[int]:
    """Return those of the rows `refs` about which files differ, and none of whose files is there."""
    source, owner = _SOURCES[level]
    disputed = disputed_refs(connection, level, refs)
    if not disputed:
        return []
    query = select(owner).select_from(source).where(owner.in_(sorted(disputed)), _IS_THERE)
    return sorted(disputed - set(connection.execute(query.distinct()).scalars()))


def _votes(
    connection: Connection, level: Level, refs: list[int], has_a_vote: ColumnElement[bool]
) -> dict[int, dict[str, dict[Claim, int]]]:
    """Return how many files with a vote state what, where they differ from their row."""
    source, owner = _SOURCES[level]
    d = m.discrepancy.c
    rows = connection.execute(
        select(owner, d.keyword, d.value, d.raw, func.count())
        .select_from(source.join(m.discrepancy, d.file_ref == m.file.c.id))
        .where(owner.in_(refs), is_about(level), has_a_vote)
        .group_by(owner, d.keyword, d.value, d.raw)
    ).all()
    is_further = any("@" in keyword for _, keyword, *_ in rows)
    further = attribute_sets.definitions(connection) if is_further else {}
    votes: dict[int, dict[str, dict[Claim, int]]] = defaultdict(lambda: defaultdict(dict))
    for ref, keyword, value, raw, count in rows:
        votes[ref][keyword][claim_from(keyword, value, raw, further)] = count
    return votes


def is_about(level: Level) -> ColumnElement[bool]:
    """Return the condition that a discrepancy is about an attribute of `level`."""
    keyword = m.discrepancy.c.keyword
    return or_(keyword.in_(KEYWORDS[level]), keyword.endswith(further_label("", level)))


def _winner(own: Claim, agreeing: int, others: dict[Claim, int]) -> Claim:
    candidates = dict(others)
    if agreeing > 0:
        candidates[own] = agreeing
    return min(candidates, key=lambda claim: _order(claim, candidates[claim]))


def _order(claim: Claim, count: int) -> tuple[int, int, tuple[int, str, str]]:
    """Return what sorts claims with so many votes, the winner first."""
    of_claim = rank(claim)
    return of_claim[0], -count, of_claim


def _exchange(
    connection: Connection, level: Level, ref: int, keyword: str, old: Claim, new: Claim
) -> None:
    """Let `discrepancy` say who differs from `new` instead of who differs from `old`."""
    source, owner = _SOURCES[level]
    d = m.discrepancy.c
    stated = exists().where(and_(d.file_ref == m.file.c.id, d.keyword == keyword))
    agreeing = connection.execute(
        select(m.file.c.id).select_from(source).where(owner == ref, _WAS_READ, ~stated)
    ).scalars().all()  # fmt: skip
    value, raw = stored_claim(new)
    files = select(m.file.c.id).select_from(source).where(owner == ref)
    connection.execute(
        delete(m.discrepancy).where(
            d.keyword == keyword, d.value.is_not_distinct_from(value), d.raw.is_not_distinct_from(raw), d.file_ref.in_(files)
        )
    )  # fmt: skip
    value, raw = stored_claim(old)
    if agreeing:
        connection.execute(
            insert(m.discrepancy),
            [{"file_ref": f, "keyword": keyword, "value": value, "raw": raw} for f in agreeing],
        )


def disputed_refs(connection: Connection, level: Level, refs: list[int] | None = None) -> set[int]:
    """Return those of the rows `refs` of `level`, or of all, from which some file differs."""
    source, owner = _SOURCES[level]
    d = m.discrepancy.c
    query = (
        select(owner)
        .select_from(source.join(m.discrepancy, d.file_ref == m.file.c.id))
        .where(is_about(level), owner.is_not(None))
        .distinct()
    )
    return set(
        connection.execute(query if refs is None else query.where(owner.in_(refs))).scalars()
    )


def _mark_disputed(connection: Connection, level: Level, refs: list[int]) -> bool:
    """Bring `is_disputed` of the rows in step with `discrepancy`; return whether any changed."""
    disputed = disputed_refs(connection, level, refs)
    table = m.ENTITY_TABLES[level]
    changed = 0
    for value, members in ((True, disputed), (False, set(refs) - disputed)):
        if members:
            changed += connection.execute(
                update(table)
                .where(table.c.id.in_(members), table.c.is_disputed.is_(not value))
                .values(is_disputed=value)
            ).rowcount
    return changed > 0


def remove_unclaimed(connection: Connection, instances: Iterable[int]) -> Counter[Level]:
    """Remove those instances, and what is left empty above them, that no source states any more.

    A file that was overwritten with another instance no longer states the old one. Missing files
    still do, and so do directory records. Returns how many rows of each level were removed, and
    nothing for a level that lost none.
    """
    removed: Counter[Level] = Counter()
    for chunk in in_chunks(sorted(instances)):
        unclaimed = connection.execute(
            select(m.instance.c.id, m.instance.c.series_ref).where(
                m.instance.c.id.in_(chunk),
                ~exists().where(m.file.c.instance_ref == m.instance.c.id),
                ~exists().where(m.fileset_record.c.instance_ref == m.instance.c.id),
            )
        ).all()
        if not unclaimed:
            continue
        removed[Level.INSTANCE] += len(unclaimed)
        connection.execute(
            delete(m.instance).where(m.instance.c.id.in_([row.id for row in unclaimed]))
        )
        totals.add_instances(connection, [row.series_ref for row in unclaimed], -1)
        parents = {row.series_ref for row in unclaimed if row.series_ref is not None}
        for level, child in (
            (Level.SERIES, Level.INSTANCE),
            (Level.STUDY, Level.SERIES),
            (Level.PATIENT, Level.STUDY),
        ):
            parents = _remove_empty(connection, level, child, parents, removed)
    return removed


def _remove_empty(
    connection: Connection, level: Level, child: Level, refs: set[int], removed: Counter[Level]
) -> set[int]:
    """Remove and count the header-derived rows of `level` without children; return their parents."""
    if not refs:
        return set()
    table, below = m.ENTITY_TABLES[level], m.ENTITY_TABLES[child]
    parent = table.c[PARENT_COLUMN[level]] if level in PARENT_COLUMN else table.c.id
    empty = connection.execute(
        select(table.c.id, parent.label("parent")).where(
            table.c.id.in_(refs),
            table.c.provenance == Provenance.HEADER.value,
            ~exists().where(below.c[PARENT_COLUMN[child]] == table.c.id),
        )
    ).all()
    if empty:
        removed[level] += len(empty)
        connection.execute(delete(table).where(table.c.id.in_([row.id for row in empty])))
    return {row.parent for row in empty} if level in PARENT_COLUMN else set()
