"""Links of patients, followed where a selection asks whose something is: the twin of `IdentityTerm.accepts`."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, or_, select

from catalog.database import dialect
from catalog.database import models as m
from catalog.database.matching import all_of, term_condition
from catalog.database.patient_links import Link, PatientId
from catalog.query.selection import IdentityTerm, Selection


def condition(connection: Connection, whose: IdentityTerm) -> ColumnElement[bool]:
    """Return the condition on patients that fit, by what their files state or by a link.

    Links are few, and those that fit are looked up first, so that an index serves both ways.
    """
    own = all_of(map(term_condition, whose.terms))
    foreign = [link.foreign.identity for link in _fitting(connection, whose)]
    fits = or_(own, dialect.is_among(m.patient.c.identity, foreign)) if foreign else own
    return dialect.is_not_true(fits) if whose.is_negated else fits


def links_of(connection: Connection, selection: Selection) -> list[Link]:
    """Return the links that decide whether patients in the catalogue are selected, sorted by the foreign patient."""
    found: dict[PatientId, Link] = {}
    for whose in selection.identities:
        links = {link.foreign.identity: link for link in _fitting(connection, whose)}
        if not links:
            continue
        p = m.patient.c
        by_themselves = all_of(map(term_condition, whose.terms))
        query = select(p.identity).where(
            dialect.is_among(p.identity, list(links)), dialect.is_not_true(by_themselves)
        )
        for identity in connection.execute(query).scalars():
            found[links[identity].foreign] = links[identity]
    return [found[foreign] for foreign in sorted(found)]


def _fitting(connection: Connection, whose: IdentityTerm) -> list[Link]:
    """Return the links to an identity that fits."""
    c = m.patient_link.c
    of_local = select(
        c.patient_id.label("foreign_id"),
        c.issuer_of_patient_id.label("foreign_issuer"),
        c.local_patient_id.label("patient_id"),
        c.local_issuer_of_patient_id.label("issuer_of_patient_id"),
    ).subquery("of_local")
    fitting = select(of_local).where(*(term_condition(term, of_local.c) for term in whose.terms))
    return [
        Link(PatientId(row.foreign_id, row.foreign_issuer), PatientId(row.patient_id, row.issuer_of_patient_id))
        for row in connection.execute(fitting)
    ]  # fmt: skip
