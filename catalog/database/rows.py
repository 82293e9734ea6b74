"""Entities to rows and rows to entities."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from catalog.attributes import (
    BY_KEYWORD,
    REAL_VRS,
    WORDS,
    Attribute,
    at,
    column_name,
    further_label,
)
from catalog.database.models import ENTITY_TABLES, NAME_GROUPS
from catalog.entities import Claims, Instance, Level, Patient, Provenance, Series, Study, Value
from catalog.findings import Finding
from catalog.normal_forms import folded_name, name_groups, without_nul, words

Entity: TypeAlias = Patient | Study | Series | Instance
Claim: TypeAlias = tuple[Value, str | None]
"""What one source states of one attribute: the column's value, and the raw text where it cannot hold it."""

ABSENT: Claim = (None, None)
"""What is stated of an attribute by a source that lacks it, or that was not asked for it."""

KINDS: dict[Level, Any] = {
    Level.PATIENT: Patient,
    Level.STUDY: Study,
    Level.SERIES: Series,
    Level.INSTANCE: Instance,
}
LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE)
KEYWORDS = {level: tuple(a.keyword for a in at(level)) for level in LEVELS}
COLUMNS = {level: tuple(a.column for a in at(level)) for level in LEVELS}
PARENT_COLUMN = {
    Level.STUDY: "patient_ref",
    Level.SERIES: "study_ref",
    Level.INSTANCE: "series_ref",
}
UID_COLUMN = {
    Level.STUDY: "study_instance_uid",
    Level.SERIES: "series_instance_uid",
    Level.INSTANCE: "sop_instance_uid",
}
_KEYWORDS = {level: frozenset(KEYWORDS[level]) for level in LEVELS}
_WORDS = {level: tuple(map(column_name, keywords)) for level, keywords in WORDS.items()}
_NAMES = {level: tuple(a.column for a in at(level) if a.vr == "PN") for level in LEVELS}

Key: TypeAlias = tuple[int | None, str]
"""What makes an entity one row: its parent's id (`None` for patients and root-level instances) and its identity."""


def entity_at(claims: Claims, level: Level) -> Entity | None:
    """Return the entity of `level` that the claims name, or `None`."""
    entities = {
        Level.PATIENT: claims.patient,
        Level.STUDY: claims.study,
        Level.SERIES: claims.series,
        Level.INSTANCE: claims.instance,
    }
    return entities[level]


class Row(NamedTuple):
    """One stored entity."""

    id: int
    entity: Entity
    provenance: str
    is_disputed: bool
    record_type: str | None = None
    """Type of the directory record; for instances alone."""


def patient_identity(patient: Patient, study_instance_uid: str | None) -> str:
    """Return the text that makes a patient one row: Patient ID and issuer, as a JSON list.

    Without a Patient ID two objects are of one patient only if they are of one study, so the
    Study Instance UID becomes part of the identity.
    """
    parts = [patient.patient_id or "", patient.issuer_of_patient_id or ""]
    if not parts[0]:
        parts.append(study_instance_uid or "")
    return json.dumps(parts, ensure_ascii=False)


def entity_columns(level: Level, entity: Entity) -> dict[str, Any]:
    """Return the values of the columns that follow from `entity`, search keys and words included."""
    values: dict[str, Any] = dict(zip(COLUMNS[level], entity[:-2], strict=True))
    values["raw"] = dict(entity.raw) or None
    values["attributes"] = dict(entity.attributes) or None
    for name in _NAMES[level]:
        text = values[name]
        values[f"{name}_folded"] = None if text is None else folded_name(text)
        if level is Level.PATIENT:
            groups = name_groups(text or "")
            for group, part in zip(NAME_GROUPS, groups, strict=True):
                values[f"{name}_{group}"] = None if text is None else part
    if level in _WORDS:
        values["words"] = " ".join(words(" ".join(values[name] or "" for name in _WORDS[level])))
    return values


def selected_columns(level: Level) -> list[Any]:
    """Return the columns to select so that `entity_from` can make the entity of its mapping."""
    table = ENTITY_TABLES[level]
    return [table.c[name] for name in (*COLUMNS[level], "raw", "attributes")]


def entity_from(level: Level, values: Sequence[Any]) -> Entity:
    """Return the entity whose `selected_columns` have these values."""
    *own, raw, attributes = values
    entity: Entity = KINDS[level](*own, _pairs(raw), _pairs(attributes))
    return entity


def _pairs(stored: dict[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(stored.items())) if stored else ()


def claims_of(level: Level, entity: Entity) -> Iterator[tuple[str, Claim]]:
    """Yield (keyword, claim) for every attribute of the level, and for each further one that is stated.

    Further attributes stand there by name and level, as in `discrepancy`.
    """
    raw = dict(entity.raw)
    for keyword, value in zip(KEYWORDS[level], entity[:-2], strict=True):
        yield keyword, (value, raw.get(keyword))
    if entity.attributes or not raw.keys() <= _KEYWORDS[level]:
        further = dict(entity.attributes)
        for name in sorted(further.keys() | (raw.keys() - _KEYWORDS[level])):
            yield further_label(name, level), (further.get(name), raw.get(name))


def with_claims(level: Level, entity: Entity, changed: dict[str, Claim]) -> Entity:
    """Return `entity` with these claims instead of its own."""
    claims = dict(claims_of(level, entity)) | changed
    names = {label: label.rpartition("@")[0] or label for label in claims}
    raw = sorted((names[label], text) for label, (_, text) in claims.items() if text is not None)
    attributes = sorted(
        (names[label], value)
        for label, (value, _) in claims.items()
        if label not in _KEYWORDS[level] and value is not None
    )
    values = (claims[keyword][0] for keyword in KEYWORDS[level])
    result: Entity = KINDS[level](*values, tuple(raw), tuple(attributes))
    return result


def differences(level: Level, row: Entity, stated: Entity) -> list[tuple[str, Claim]]:
    """Return what `stated` says where it differs from `row`, by keyword."""
    if row == stated:
        return []
    ours = dict(claims_of(level, row))
    found = [
        (keyword, claim)
        for keyword, claim in claims_of(level, stated)
        if claim != ours.pop(keyword, ABSENT)
    ]
    return found + [(keyword, ABSENT) for keyword in ours]  # further ones that it does not state


def stored_claim(claim: Claim) -> tuple[str | None, str | None]:
    """Return a claim as the text columns of `discrepancy` hold it."""
    value, raw = claim
    return (None if value is None else str(value)), raw


def claim_from(
    keyword: str, value: str | None, raw: str | None, further: Mapping[str, Attribute]
) -> Claim:
    """Return the claim that `stored_claim` made into text; `further` are the attributes beyond the table."""
    attribute = BY_KEYWORD.get(keyword) or further[keyword]
    if not value or not attribute.is_number:
        return value, raw
    return (float(value) if attribute.vr in REAL_VRS else int(value)), raw


def rank(claim: Claim) -> tuple[int, str, str]:
    """Return the order in which equally common claims are preferred: stated, then empty, then absent.

    Among stated values the smaller text wins: an arbitrary rule, but one that does not depend on
    which file was read first.
    """
    value, raw = stored_claim(claim)
    silent = 0 if value or raw else 1 if value == "" or raw == "" else 2
    return silent, value or "", raw or ""


def merged(level: Level, one: Entity, other: Entity) -> Entity:
    """Return the entity that two directory records together describe, whichever came first."""
    if one == other:
        return one
    ours = dict(claims_of(level, one))
    best = {
        keyword: min(claim, ours.get(keyword, ABSENT), key=rank)
        for keyword, claim in claims_of(level, other)
    }
    return with_claims(level, one, best)


def is_record(row: Row) -> bool:
    """Return whether the row is known from directory records only."""
    return row.provenance == Provenance.RECORD


def storable(value: Any) -> Any:
    """Return a value as every database takes it: text without U+0000 (`normal_forms.without_nul`)."""
    return without_nul(value) if isinstance(value, str) and "\0" in value else value


def finding_values(
    finding: Finding, run_ref: int, *, file_ref: int | None = None, fileset_ref: int | None = None
) -> dict[str, Any]:
    """Return the columns of a finding's row."""
    return {
        "run_ref": run_ref,
        "file_ref": file_ref,
        "fileset_ref": fileset_ref,
        "code": finding.code,
        "severity": finding.severity.value,
        "place": storable(finding.place),
        "message": storable(finding.message),
        "clause": finding.clause,
        "offset_bytes": finding.offset_bytes,
    }


_Item = TypeVar("_Item")


def in_chunks(items: Iterable[_Item], size: int = 500) -> Iterator[list[_Item]]:
    """Yield `items` in lists of at most `size`, for `IN (…)` lists that every database takes."""
    chunk: list[_Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
