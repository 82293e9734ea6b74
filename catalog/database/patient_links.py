"""Links from patients of foreign media to those of this place: stated by people, kept apart from what files say.

A link joins two identities (Patient ID and issuer), not two rows. So it holds whether or not the
catalogue knows either patient at the moment, and no import, index or prune can break it. Links have
one step: who is linked is nobody's target, which rules out chains and circles.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from catalog.database import models as m
from catalog.errors import SelectionError


class PatientId(NamedTuple):
    """A Patient ID and who issued it, `''` if that is not known."""

    patient_id: str
    issuer: str = ""

    @property
    def identity(self) -> str:
        """The form of `patient.identity`."""
        return json.dumps([self.patient_id, self.issuer], ensure_ascii=False)

    def __str__(self) -> str:
        parts = [self.patient_id, self.issuer] if self.issuer else [self.patient_id]
        return "^".join(part.replace("\\", "\\\\").replace("=", "\\=").replace("^", "\\^") for part in parts)  # fmt: skip


class Link(NamedTuple):
    """That a foreign patient is one of this place."""

    foreign: PatientId
    local: PatientId
    reason: str | None = None


class StoredLink(NamedTuple):
    """A link as the catalogue keeps it; the studies are those that it holds of the foreign patient."""

    link: Link
    said_at: str
    said_by: str
    run_ref: int | None
    studies: int


class LinkRefused(SelectionError):
    """A link that contradicts itself or another."""


def add(connection: Connection, links: Sequence[Link], run_ref: int | None, now: str) -> int:
    """Store links; return how many are new or changed. One that stands already stays as it is.

    Raises
    ------
    LinkRefused
        If one links a patient to itself, names one who is linked already as its target, links one
        who is the target of others, or contradicts a link that stands. Then none is stored.
    """
    changed = 0
    for link in links:
        changed += _add(connection, link, run_ref, now)
    return changed


def check(connection: Connection, links: Sequence[Link]) -> None:
    """Raise what `add` would raise, without storing anything.

    Raises
    ------
    LinkRefused
        As `add`.
    """
    rows = connection.execute(select(m.patient_link)).all()
    known = {r.identity: PatientId(r.local_patient_id, r.local_issuer_of_patient_id) for r in rows}
    aimed = {r.local_identity: PatientId(r.patient_id, r.issuer_of_patient_id) for r in rows}
    for link in links:
        foreign, local = link.foreign, link.local
        if not foreign.patient_id or not local.patient_id:
            raise LinkRefused("A link needs two Patient IDs; one of them is empty.")
        if foreign == local:
            raise LinkRefused(f"{foreign} cannot be linked to itself.")
        if foreign.identity in aimed:
            raise LinkRefused(
                f"{foreign} is the target of a link from {aimed[foreign.identity]}, so it cannot be linked to another. "
                "Link both to the one that you mean."
            )
        if local.identity in known:
            raise LinkRefused(
                f"{local} is linked to {known[local.identity]} itself. Link {foreign} to that one."
            )
        before = known.get(foreign.identity)
        if before is not None and before != local:
            raise LinkRefused(
                f"{foreign} is linked to {before} already. If that is wrong, unlink it first: `dcat patient unlink {foreign}`."
            )
        known[foreign.identity] = local
        aimed[local.identity] = foreign


def _add(connection: Connection, link: Link, run_ref: int | None, now: str) -> int:
    check(connection, [link])
    c = m.patient_link.c
    foreign, local, reason = link
    if connection.execute(select(c.id).where(c.identity == foreign.identity)).scalar() is not None:
        return 0
    values = {
        "identity": foreign.identity, "patient_id": foreign.patient_id, "issuer_of_patient_id": foreign.issuer,
        "local_identity": local.identity, "local_patient_id": local.patient_id, "local_issuer_of_patient_id": local.issuer,
        "run_ref": run_ref, "said_at": now, "said_by": _login(), "reason": reason,
    }  # fmt: skip
    connection.execute(insert(m.patient_link).values(values))
    return 1


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def remove(connection: Connection, foreign: PatientId) -> bool:
    """Remove the link of a foreign patient; return whether there was one."""
    c = m.patient_link.c
    return bool(
        connection.execute(delete(m.patient_link).where(c.identity == foreign.identity)).rowcount
    )


def stored(connection: Connection) -> list[StoredLink]:
    """Return all links, sorted by the foreign patient."""
    c = m.patient_link.c
    found = []
    for row in connection.execute(select(m.patient_link).order_by(c.patient_id, c.issuer_of_patient_id)):  # fmt: skip
        link = Link(
            PatientId(row.patient_id, row.issuer_of_patient_id),
            PatientId(row.local_patient_id, row.local_issuer_of_patient_id),
            row.reason,
        )
        count = len(
            connection.execute(
                select(m.study.c.id)
                .join(m.patient, m.patient.c.id == m.study.c.patient_ref)
                .where(m.patient.c.identity == row.identity)
            ).all()
        )
        found.append(StoredLink(link, row.said_at, row.said_by, row.run_ref, count))
    return found


def parsed_id(text: str) -> PatientId:
    r"""Return the patient that `ID` or `ID^ISSUER` means; `\^`, `\=` and `\\` stand for the character itself.

    Raises
    ------
    LinkRefused
        If there is no ID.
    """
    parts = _split(text, "^")
    if len(parts) > 2:
        raise LinkRefused(
            rf"{text!r} has more than one ^, which stands between Patient ID and issuer. Write \^ for one that belongs to the ID."
        )
    own = PatientId(*(_unescaped(part).strip() for part in parts))
    if not own.patient_id:
        raise LinkRefused(f"{text!r} names no Patient ID.")
    return own


def parsed(text: str, reason: str | None = None) -> Link:
    r"""Return the link that `FOREIGN[^ISSUER]=LOCAL[^ISSUER]` means; `\=`, `\^` and `\\` as in `parsed_id`.

    Raises
    ------
    LinkRefused
        If it has not that form.
    """
    parts = _split(text, "=")
    if len(parts) != 2:
        raise LinkRefused(
            rf"{text!r} is not of the form FOREIGN[^ISSUER]=LOCAL[^ISSUER]. Write \= for a = that belongs to an ID."
        )
    return Link(parsed_id(parts[0]), parsed_id(parts[1]), reason)


def _split(text: str, separator: str) -> list[str]:
    """Return the parts of `text` between separators that no backslash precedes, still escaped."""
    parts, part, escaped = [], "", False
    for character in text:
        if escaped or character != separator:
            part += character
        else:
            parts.append(part)
            part = ""
        escaped = character == "\\" and not escaped
    return [*parts, part]


def _unescaped(text: str) -> str:
    result, escaped = "", False
    for character in text:
        if not escaped and character == "\\":
            escaped = True
            continue
        if escaped and character not in "\\=^":
            result += "\\"
        result, escaped = result + character, False
    return result + ("\\" if escaped else "")
