"""The ledger of one volume while it is written: what was planned becomes copied or failed."""

from __future__ import annotations

import time
from collections.abc import Iterable

from catalog.database import ledger
from catalog.database.catalogue import Catalogue
from catalog.database.fetch import Candidate, SourceFile
from catalog.exporting.item import Item, LeftOut
from catalog.exporting.write import Done

LEDGER_BATCH = 500
LEDGER_SECONDS = 1.0
"""At most so much of what was copied is not on record yet when the process is killed."""


class Book:
    """Writes what became of the items of one volume, in batches.

    Parameters
    ----------
    refs:
        The ids of the items in the ledger, in the order in which they will be reported.
    """

    def __init__(self, catalogue: Catalogue, export_ref: int, refs: Iterable[int]) -> None:
        self.export_ref = export_ref
        self._refs = iter(refs)
        self._flushed_s = time.monotonic()
        self.copied = self.copied_bytes = 0
        self.failed: list[tuple[Item, str]] = []
        self._catalogue = catalogue
        self._waiting: list[ledger.Settled] = []

    def report(self, done: Done) -> None:
        """Take note of what became of the next item."""
        if done.reason is None:
            self.copied += 1
            self.copied_bytes += done.size_bytes or 0
        else:
            self.failed.append((done.item, done.reason))
        outcome = "copied" if done.reason is None else "failed"
        self._waiting.append(
            ledger.Settled(next(self._refs), outcome, done.size_bytes, done.digest, done.reason)
        )
        if (
            len(self._waiting) >= LEDGER_BATCH
            or time.monotonic() - self._flushed_s > LEDGER_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        """Bring the ledger up to date."""
        self._flushed_s = time.monotonic()
        waiting, self._waiting = self._waiting, []
        if waiting:
            with self._catalogue.write() as connection:
                ledger.settle_items(connection, waiting)


def planned_row(item: Item) -> ledger.ItemRow:
    """Return the row of an item before its copy is made."""
    return _row(item.candidate, item.source, item.file_id.path, "planned", None)


def left_out_row(out: LeftOut) -> ledger.ItemRow:
    """Return the row of an instance that cannot go onto the medium."""
    source = out.candidate.files[0] if out.candidate.files else None
    reason = f"{out.reason}: {out.detail}" if out.detail else out.reason
    return _row(out.candidate, source, None, "left-out", reason)


def _row(
    candidate: Candidate,
    source: SourceFile | None,
    file_id: str | None,
    outcome: str,
    reason: str | None,
) -> ledger.ItemRow:
    patient, study, _, instance, _ = candidate.claims
    return ledger.ItemRow(
        sop_instance_uid=instance.sop_instance_uid or "",
        patient_id=patient and patient.patient_id,
        issuer_of_patient_id=patient and patient.issuer_of_patient_id,
        study_instance_uid=study and study.study_instance_uid,
        file_id=file_id,
        source=source_path(source) if source else "",
        size_bytes=None,
        digest=None,
        outcome=outcome,
        reason=reason,
    )


def source_path(source: SourceFile) -> str:
    """Return the whole path of a source, in text form, as the ledger has it."""
    return f"{source.root.rstrip('/')}/{source.path}"
