"""The ledger's entry of an update: what was planned, and what stands on the medium in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from catalog.database import ledger, runs
from catalog.database.catalogue import Catalogue
from catalog.errors import DicomdirError, ExportError
from catalog.exporting.book import left_out_row, planned_row, source_path
from catalog.exporting.order import Order, options_of
from catalog.exporting.receiver import DICOMDIR
from catalog.exporting.updating import TO_BE_REMOVED, UPDATE, Update
from catalog.files.digest import digest
from catalog.files.paths import absolute_text
from catalog.fileset.reader import read
from catalog.fileset.tree import Record, walk


def _removed(rows: Iterable[tuple[int, ledger.ItemRow]]) -> list[ledger.Settled]:
    return [ledger.Settled(ref, "removed", row.size_bytes, row.digest, None) for ref, row in rows]


class Entry:
    """The ledger's entry of an update under way."""

    def __init__(
        self,
        catalogue: Catalogue,
        update: Update,
        run_ref: int,
        export_ref: int,
        refs: Sequence[int],
    ) -> None:
        self._catalogue, self._update = catalogue, update
        self._run_ref, self.export_ref, self._refs = run_ref, export_ref, refs
        self.counts = {"copied": 0, "removed": 0, "failed": 0, "left out": len(update.left_out)}

    def removed(self) -> None:
        """Record that the copies that the selection no longer has are gone."""
        settled = _removed(
            zip(self._refs[len(self._update.coming) :], self._update.removed, strict=True)
        )
        with self._catalogue.write() as connection:
            ledger.settle_items(connection, settled)
        self.counts["removed"] = len(self._update.removed)

    def finished(self, failed: Mapping[str, str]) -> None:
        """Record what stands on the medium now; `failed` has reasons by source path."""
        order = self._update.existing.order
        try:
            data = (order.destination / DICOMDIR).read_bytes()
            fileset = read(data).fileset
        except (OSError, DicomdirError) as exc:
            raise ExportError(f"The DICOMDIR of {order.destination} cannot be read: {exc}") from exc
        named = {
            record.plain(0x00041511) or "": record
            for _, record in walk(fileset.records)
            if record.file_components
        }
        settled = []
        for ref, item in zip(self._refs, self._update.coming, strict=False):
            uid = item.candidate.claims.instance.sop_instance_uid or ""
            record = named.get(uid)
            why = failed.get(source_path(item.source))
            if record is None or why is not None:
                reason = why or "it could not be added"
                settled.append(ledger.Settled(ref, "failed", None, None, reason))
                self.counts["failed"] += 1
                continue
            path = "/".join(record.file_components or ())
            copy = order.destination / path
            size = copy.stat().st_size
            settled.append(ledger.Settled(ref, "copied", size, digest(str(copy)), None))
            self.counts["copied"] += 1
        settled += self._caught_up()
        with self._catalogue.write() as connection:
            ledger.settle_items(connection, settled)
            known = ledger.instances_named(connection, order.file_set_uid)
            rows = self._record_rows([*walk(fileset.records)], known)
            stored = ledger.StoredFileSet(
                absolute_text(order.destination),
                "exported",
                order.file_set_uid,
                order.file_set_id,
                digest(str(order.destination / DICOMDIR)),
            )
            former = ledger.exports_of(connection, order.file_set_uid)
            fileset_ref = ledger.store_fileset(connection, self._run_ref, stored, rows)
            for export_ref in (*former, *self._update.done_before, self.export_ref):
                ledger.end_export(connection, export_ref, fileset_ref)

    def _caught_up(self) -> list[ledger.Settled]:
        """Return what became of the items of interrupted updates; these name who received them."""
        found = self._update.existing
        gone = self._update.gone_before
        settled = _removed((found.going[row.sop_instance_uid], row) for row in gone)
        for item, path in self._update.caught_up:
            copy = found.order.destination / path
            ref = found.coming[item.candidate.claims.instance.sop_instance_uid or ""]
            size_bytes = copy.stat().st_size
            settled.append(ledger.Settled(ref, "copied", size_bytes, digest(str(copy)), None))
        return settled

    def _record_rows(
        self, walked: Sequence[tuple[int, Record]], known: Mapping[str, int]
    ) -> list[ledger.RecordRow]:
        instances = dict(known)
        caught_up = [item for item, _ in self._update.caught_up]
        for item in (*self._update.coming, *caught_up):
            uid = item.candidate.claims.instance.sop_instance_uid or ""
            instances[uid] = item.candidate.instance_ref
        rows = []
        for position, (depth, record) in enumerate(walked):
            path = "/".join(record.file_components) if record.file_components else None
            uid = record.plain(0x00041511) or ""
            rows.append(
                ledger.RecordRow(
                    position, depth, record.type, None, path, path,
                    record.plain(0x00041510), uid or None, record.plain(0x00041512), None,
                    instances.get(uid),
                )
            )  # fmt: skip
        return rows


@contextmanager
def recorded(catalogue: Catalogue, update: Update, order: Order, arguments: str) -> Iterator[Entry]:
    """Give the ledger's entry of `update`; all that is planned stands in it before the medium changes.

    `order` has the selection, the reason and the recipient of the update itself.
    """
    found = update.existing.order
    place = absolute_text(found.destination)
    with runs.recorded(catalogue, "export", arguments) as run:
        with catalogue.write() as connection:
            going_on = ledger.Volume(options_of(found) | {UPDATE: True}, place)
            export_ref = ledger.begin_export(
                connection, run.ref, place, order.selection.text, found.file_set_uid,
                order.reason, order.recipient, going_on,
            )  # fmt: skip
            rows = [planned_row(item) for item in update.coming]
            rows += [
                row._replace(outcome="planned", reason=TO_BE_REMOVED) for row in update.removed
            ]
            ledger.add_items(connection, export_ref, rows)
            refs = ledger.item_refs(connection, export_ref)
            ledger.add_items(connection, export_ref, [left_out_row(o) for o in update.left_out])
        entry = Entry(catalogue, update, run.ref, export_ref, refs)
        run.counts = lambda: entry.counts
        yield entry
