"""Who received a patient's images, as the ledger has it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.ledger_reading import (
    ALL,
    DISCLOSED,
    Asked,
    Entry,
    StudyShare,
    entries,
    studies,
)
from catalog.shapes import field, frozen


@frozen
class Disclosure:
    """What an export holds of one study of the patient who is asked for."""

    entry: Entry
    share: StudyShare

    @property
    def instances(self) -> int:
        """How many instances were copied."""
        return self.share.outcomes.get(DISCLOSED, 0)

    @property
    def most_instances(self) -> int:
        """How many may have been copied: more than `instances` if the export was killed."""
        more = self.share.outcomes.get("planned", 0) if self.entry.lost_its_last_words else 0
        return self.instances + more


@frozen
class Answer:
    """Who received a patient's images.

    Attributes
    ----------
    disclosures:
        Latest export first. Of media that are not finished, what was copied to them; of an update
        all that was on the medium then.
    without:
        Entries that selected instances of the patient and copied none.
    """

    disclosures: tuple[Disclosure, ...]
    without: tuple[Entry, ...] = field(default=())


def patient(
    catalogue: Catalogue, identities: Sequence[tuple[str, str | None]], asked: Asked = ALL
) -> Answer:
    """Return who received images of a patient.

    Parameters
    ----------
    identities:
        Patient ID and issuer by which the patient is known; the issuer `None` stands for any, and
        `''` for none.
    """
    i, e = m.export_item.c, m.export.c
    numbers: set[int] = set()
    with catalogue.read() as connection:
        for patient_id, _ in identities:
            holding = select(i.export_ref).where(i.patient_id == patient_id)
            uids = select(e.file_set_uid).where(e.id.in_(holding))
            # An update hands out anew what was on the medium before.
            numbers.update(
                connection.execute(
                    select(e.id).where(e.id.in_(holding) | e.file_set_uid.in_(uids))
                ).scalars()
            )
    disclosures, without = [], []
    chosen = Asked(asked.since, asked.until, asked.recipient, asked.destination, tuple(numbers))
    for each in entries(catalogue, chosen):
        with catalogue.read() as connection:
            held = studies(connection, each, of_medium=True)
        own = [share for share in held if _is_of(share, identities)]
        received = [d for d in (Disclosure(each, s) for s in own) if d.most_instances]
        disclosures += received
        if own and not received:
            without.append(each)
    return Answer(tuple(disclosures), tuple(without))


def _is_of(share: StudyShare, identities: Sequence[tuple[str, str | None]]) -> bool:
    return any(
        share.patient_id == patient_id
        and (issuer is None or (share.issuer_of_patient_id or "") == issuer)
        for patient_id, issuer in identities
    )


def known_as(
    connection: Connection, patient_id: str, issuer: str | None
) -> list[tuple[str, str | None]]:
    """Return the identities of a patient: the one that is asked for, and those that are linked to it.

    An issuer of `None` stands for any, `''` for none.
    """
    c = m.patient_link.c
    links = [
        (
            (row.patient_id, row.issuer_of_patient_id),
            (row.local_patient_id, row.local_issuer_of_patient_id),
        )
        for row in connection.execute(select(m.patient_link).order_by(c.id))
    ]

    def is_asked(identity: tuple[str, str]) -> bool:
        return identity[0] == patient_id and issuer in (None, identity[1])

    local = {here for foreign, here in links if is_asked(foreign) or is_asked(here)}
    linked = {each for pair in links if pair[1] in local for each in pair}
    return [(patient_id, issuer), *sorted(each for each in linked if not is_asked(each))]
