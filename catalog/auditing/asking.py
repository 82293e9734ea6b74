"""Asking audits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from catalog.auditing.finding import audits
from catalog.auditing.headers import SEVERITIES, Audit
from catalog.auditing.values import settled
from catalog.database import runs, sql
from catalog.database.catalogue import Catalogue
from catalog.errors import QueryError, SelectionError

LIMIT_S = 600.0
"""Seconds after which an audit is stopped."""


@contextmanager
def asked(
    catalogue: Catalogue,
    audit: Audit,
    parameters: Mapping[str, str],
    limit_s: float = LIMIT_S,
    *,
    since: int = 0,
    today: date | None = None,
) -> Iterator[tuple[tuple[str, ...], sql.Rows]]:
    """Give the columns and rows of an audit's answer.

    Parameters
    ----------
    since:
        Only rows about something that was noticed after this run; 0 for all.
    today:
        What `today` means in the audit's options; without it the date of this machine.

    Raises
    ------
    SelectionError
        If a parameter is missing, unknown or malformed, or the audit cannot tell what is new.
    QueryError
        If its SQL cannot be run, or takes longer than `limit_s` seconds.
    """
    values = settled(audit, parameters, since, today)
    try:
        with sql.query(catalogue, audit.sql, values, limit_s=limit_s) as answer:
            yield answer
    except QueryError as exc:
        raise type(exc)(f"The audit {audit.name} cannot be answered. {exc}") from exc


@dataclass(frozen=True, slots=True)
class Answer:
    """What one audit answered.

    Attributes
    ----------
    count:
        How many rows there are.
    rows:
        The first of them.
    error:
        Why there is no answer, `''` if there is one.
    is_whole:
        Whether rows older than the asked run are among them, as the audit cannot tell.
    elapsed_s:
        How long it took.
    """

    audit: Audit
    columns: tuple[str, ...]
    count: int
    rows: tuple[Sequence[Any], ...]
    error: str
    is_whole: bool
    elapsed_s: float


def problems(
    catalogue: Catalogue,
    known: Iterable[Audit] | None = None,
    *,
    severity: str = "note",
    since: int = 0,
    first: int = 0,
    limit_s: float = LIMIT_S,
    today: date | None = None,
) -> Iterator[Answer]:
    """Yield the answers of all audits of problems of a severity or worse, the worst first, then by name.

    An audit that cannot be answered is one of them and says why; the others are asked all the same.

    Parameters
    ----------
    known:
        The audits to choose from; dcat's own by default.
    first:
        How many rows to keep of each answer.
    limit_s:
        Seconds after which each of them is stopped.
    """
    chosen = [a for a in (audits().values() if known is None else known) if a.is_problem]
    chosen = [a for a in chosen if is_at_least(a.severity, severity)]
    for audit in sorted(chosen, key=lambda a: (SEVERITIES.index(a.severity), a.name)):
        yield _answer(catalogue, audit, since, first, limit_s, today)


def _answer(
    catalogue: Catalogue, audit: Audit, since: int, first: int, limit_s: float, today: date | None
) -> Answer:
    began_s = time.monotonic()
    columns: tuple[str, ...] = ()
    kept: list[Sequence[Any]] = []
    count, error = 0, ""
    asked_since = since if audit.knows_since else 0
    try:
        with asked(catalogue, audit, {}, limit_s, since=asked_since, today=today) as (names, rows):
            columns = names
            for row in rows:
                count += 1
                if count <= first:
                    kept.append(row)
    except QueryError as exc:
        error = str(exc)
    elapsed_s = time.monotonic() - began_s
    is_whole = asked_since != since
    return Answer(audit, columns, count, tuple(kept), error, is_whole, elapsed_s)


def is_at_least(severity: str, limit: str) -> bool:
    """Return whether a severity is `limit` or worse; that of figures, `''`, never is."""
    return severity in SEVERITIES[: SEVERITIES.index(limit) + 1]


def known_run(catalogue: Catalogue, ref: int) -> int:
    """Return `ref` if it is a run of this catalogue.

    Raises
    ------
    SelectionError
        If there is no such run; the message says which is the latest.
    """
    if runs.one(catalogue, ref) is None:
        latest = runs.listed(catalogue, 1)
        said = f"the latest is {latest[0].ref}" if latest else "there has been none"
        raise SelectionError(f"There is no run {ref}; {said}. `dcat db runs` lists them.", str(ref))
    return ref
