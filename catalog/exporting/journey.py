"""The journey from a selection to a File-set, with its entry in the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalog.database import ledger, runs
from catalog.database.catalogue import Catalogue
from catalog.database.fetch import Candidate, SourceFile, candidates
from catalog.errors import ExportError, FileSetError
from catalog.events import Listener, ignore
from catalog.exporting.making import Making, making
from catalog.exporting.plan import Item, LeftOut, Plan, ambiguous, make_plan
from catalog.exporting.write import DICOMDIR, Done, Written, check_destination, write_plan
from catalog.files.digest import digest, digest_of
from catalog.files.opening import Opener, Source
from catalog.files.paths import absolute_text
from catalog.fileset.file_id import is_file_set_id
from catalog.fileset.profiles import profile_named
from catalog.fileset.tree import walk
from catalog.findings import Finding
from catalog.query.selection import Selection

LEDGER_BATCH = 500
LEDGER_SECONDS = 1.0
"""At most so much of what was copied is not on record yet when the process is killed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to export and where to.

    Attributes
    ----------
    file_set_id:
        Up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1); may be empty.
    file_set_uid:
        The UID of the new File-set; made by the caller, as nothing below is random.
    reason, recipient:
        For the ledger.
    profile:
        Name of the Application Profile (PS3.11) that the File-set is to follow, or `None`.
    charset:
        `utf-8`: the text of records is written in UTF-8; `None`: as each source has it.
    icons:
        Rows and Columns of icons in IMAGE records, 64 or 128; `None`: no icons, unless the
        profile demands them.
    private:
        Instances of private SOP Classes get PRIVATE records; otherwise they are left out.
    """

    selection: Selection
    destination: Path
    file_set_uid: str
    file_set_id: str = ""
    reason: str | None = None
    recipient: str | None = None
    take_first: bool = False
    profile: str | None = None
    charset: str | None = None
    icons: int | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an export ended: what was planned, copied and failed, and what was noticed."""

    plan: Plan
    copied: int
    copied_bytes: int
    failed: tuple[tuple[Item, str], ...]
    findings: tuple[Finding, ...]
    dicomdir_size_bytes: int

    @property
    def is_complete(self) -> bool:
        """Whether everything that was selected is on the medium."""
        return not self.failed and not self.plan.left_out


def plan_export(
    catalogue: Catalogue,
    selection: Selection,
    *,
    take_first: bool = False,
    profile: str | None = None,
    private: bool = False,
) -> Plan:
    """Return the plan of an export; only files of which several hold one instance are read.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    FileSetError
        If there is no such profile.
    """
    named = profile_named(profile) if profile else None
    chosen = list(candidates(catalogue, selection))
    digests = {} if take_first else dict(_digests(chosen))
    return make_plan(chosen, digests, take_first=take_first, profile=named, private=private)


def _digests(chosen: list[Candidate]) -> Iterator[tuple[int, str]]:
    with Opener() as opener:
        for candidate in chosen:
            for file in ambiguous(candidate):
                yield file.file_ref, _digest_or_name(file, opener)


def _digest_or_name(file: SourceFile, opener: Opener) -> str:
    try:
        return digest_of(Source(file.root, file.path), opener)
    except OSError:
        return f"unreadable {file.file_ref}"  # equal to no other, so it counts as different bytes


def export(
    catalogue: Catalogue, order: Order, plan: Plan, arguments: str = "", listener: Listener = ignore
) -> Outcome:
    """Carry out `plan` and return how it ended.

    The ledger has the export before the first byte is copied, and each instance as it is copied,
    so an interrupted export is on record too.

    Raises
    ------
    DestinationNotEmpty, MediaFull, ExportError
        If the destination cannot be used or written, or the order cannot be carried out.
    FileSetError
        If there is no such profile, or the File-set ID is none.
    """
    how = _making(order)
    check_destination(order.destination, plan.size_bytes)
    with runs.recorded(catalogue, "export", arguments) as run:
        with catalogue.write() as connection:
            export_ref = ledger.begin_export(
                connection,
                run.ref,
                absolute_text(order.destination),
                order.selection.text,
                order.file_set_uid,
                order.reason,
                order.recipient,
            )
        book = _Book(catalogue, export_ref, len(plan.left_out))
        run.counts = book.counts
        try:
            book.add([_left_out_row(out) for out in plan.left_out])
            written = write_plan(
                plan,
                order.destination,
                order.file_set_id,
                order.file_set_uid,
                book.report,
                listener,
                how,
            )
            _store_fileset(catalogue, order, run.ref, export_ref, book.done, written)
        finally:
            book.flush()
    return Outcome(
        plan,
        book.copied,
        book.copied_bytes,
        tuple(book.failed),
        tuple(written.findings),
        written.dicomdir_size_bytes,
    )


def _making(order: Order) -> Making:
    """Return how the directory is made; refuse an order that cannot be carried out."""
    if not is_file_set_id(order.file_set_id):
        raise FileSetError(
            f"{order.file_set_id!r} is no File-set ID: up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1)."
        )
    profile = profile_named(order.profile) if order.profile else None
    return making(profile, order.charset, order.icons, order.private)


class _Book:
    """Writes the ledger's items in batches."""

    def __init__(self, catalogue: Catalogue, export_ref: int, left_out: int) -> None:
        self._left_out = left_out
        self._flushed_s = time.monotonic()
        self.copied = self.copied_bytes = 0
        self.failed: list[tuple[Item, str]] = []
        self.done: list[Done] = []
        self._catalogue = catalogue
        self._export_ref = export_ref
        self._waiting: list[ledger.ItemRow] = []

    def counts(self) -> dict[str, int]:
        """Return what was done, for the run's row."""
        return {
            "copied": self.copied,
            "bytes": self.copied_bytes,
            "failed": len(self.failed),
            "left out": self._left_out,
        }

    def report(self, done: Done) -> None:
        item = done.item
        if done.reason is None:
            self.copied += 1
            self.copied_bytes += done.size_bytes or 0
            self.done.append(done)
        else:
            self.failed.append((item, done.reason))
        row = _row(item.candidate, item.source)._replace(
            file_id=item.file_id.path if done.reason is None else None,
            size_bytes=done.size_bytes,
            digest=done.digest,
            outcome="copied" if done.reason is None else "failed",
            reason=done.reason,
        )
        self.add([row])

    def add(self, rows: list[ledger.ItemRow]) -> None:
        self._waiting += rows
        if (
            len(self._waiting) >= LEDGER_BATCH
            or time.monotonic() - self._flushed_s > LEDGER_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        self._flushed_s = time.monotonic()
        waiting, self._waiting = self._waiting, []
        if waiting:
            with self._catalogue.write() as connection:
                ledger.add_items(connection, self._export_ref, waiting)


def _row(candidate: Candidate, source: SourceFile | None) -> ledger.ItemRow:
    patient, study, _, instance, _ = candidate.claims
    return ledger.ItemRow(
        sop_instance_uid=instance.sop_instance_uid or "",
        patient_id=patient and patient.patient_id,
        issuer_of_patient_id=patient and patient.issuer_of_patient_id,
        study_instance_uid=study and study.study_instance_uid,
        file_id=None,
        source=f"{source.root.rstrip('/')}/{source.path}" if source else "",
        size_bytes=None,
        digest=None,
        outcome="",
        reason=None,
    )


def _left_out_row(out: LeftOut) -> ledger.ItemRow:
    source = out.candidate.files[0] if out.candidate.files else None
    reason = f"{out.reason}: {out.detail}" if out.detail else out.reason
    return _row(out.candidate, source)._replace(outcome="left-out", reason=reason)


def _store_fileset(
    catalogue: Catalogue,
    order: Order,
    run_ref: int,
    export_ref: int,
    done: list[Done],
    written: Written,
) -> None:
    """Store the File-set that now stands at the destination."""
    if not done:
        return
    try:
        dicomdir_digest = digest(str(order.destination / DICOMDIR))
    except OSError as exc:
        raise ExportError(
            f"The DICOMDIR just written to {order.destination} cannot be read back: {exc.strerror}."
        ) from exc
    instances = {d.item.file_id.path: d.item.candidate.instance_ref for d in done}
    rows = []
    for position, (depth, record) in enumerate(walk(written.fileset.records)):
        path = "/".join(record.file_components) if record.file_components else None
        rows.append(
            ledger.RecordRow(
                position, depth, record.type, None, path, path,
                record.plain(0x00041510), record.plain(0x00041511), record.plain(0x00041512), None,
                instances.get(path) if path else None,
            )
        )  # fmt: skip
    with catalogue.write() as connection:
        stored = ledger.StoredFileSet(
            absolute_text(order.destination),
            "exported",
            order.file_set_uid,
            order.file_set_id,
            dicomdir_digest,
        )
        fileset_ref = ledger.store_fileset(connection, run_ref, stored, rows, written.findings)
        ledger.end_export(connection, export_ref, fileset_ref)
