"""Named questions: each is one SQL file in `catalog/audits` with a header that describes it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

from catalog.database import sql
from catalog.database.catalogue import Catalogue
from catalog.errors import SelectionError

_FIELD = re.compile(r"-- (Title|Columns|Args|Tags|Description): (.*)")


@dataclass(frozen=True, slots=True)
class Audit:
    """One named question.

    Attributes
    ----------
    name:
        The file's name without `.sql`.
    columns:
        What each column means, as one text.
    arguments:
        Parameters that must be given, by name, with what they mean.
    is_problem:
        Whether a row is something to look into, rather than a figure.
    severity:
        error, warning or note for problems; `''` for figures.
    """

    name: str
    title: str
    columns: str
    arguments: Mapping[str, str]
    is_problem: bool
    severity: str
    description: str
    sql: str


def audits() -> dict[str, Audit]:
    """Return all audits by name, sorted."""
    folder = files("catalog") / "audits"
    found = [
        _parse(entry.name[:-4], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return {audit.name: audit for audit in sorted(found, key=lambda audit: audit.name)}


def _parse(name: str, text: str) -> Audit:
    fields = dict(_FIELD.findall(text))
    tags = [tag.strip() for tag in fields["Tags"].split(",")]
    arguments = dict(
        part.strip().split(": ", 1) for part in fields.get("Args", "").split(";") if part.strip()
    )
    is_problem = "problem" in tags
    severity = (
        next((tag for tag in tags if tag in ("error", "warning", "note")), "") if is_problem else ""
    )
    return Audit(
        name,
        fields["Title"],
        fields["Columns"],
        arguments,
        is_problem,
        severity,
        fields["Description"],
        text,
    )


def audit_named(name: str) -> Audit:
    """Return the audit of that name.

    Raises
    ------
    SelectionError
        If there is none; the message names the nearest.
    """
    known = audits()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else " `dcat audit` lists them."
        raise SelectionError(f"There is no audit {name!r}.{hint}", name)
    return known[name]


@contextmanager
def asked(
    catalogue: Catalogue, audit: Audit, parameters: Mapping[str, str], limit_s: float = 600.0
) -> Iterator[tuple[tuple[str, ...], sql.Rows]]:
    """Give the columns and rows of an audit's answer.

    Raises
    ------
    SelectionError
        If a parameter is missing or unknown.
    QueryError
        If it takes longer than `limit_s` seconds.
    """
    missing = [
        f"{name} ({meaning})" for name, meaning in audit.arguments.items() if name not in parameters
    ]
    if missing:
        raise SelectionError(
            f"The audit {audit.name} needs -p {missing[0].partition(' ')[0]}=…: {', '.join(missing)}."
        )
    unknown = sorted(set(parameters) - set(audit.arguments))
    if unknown:
        raise SelectionError(
            f"The audit {audit.name} takes no parameter {unknown[0]!r}.", unknown[0]
        )
    with sql.query(catalogue, audit.sql, parameters, limit_s=limit_s) as answer:
        yield answer
