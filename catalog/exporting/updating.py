"""An existing export brought in step with a selection: what that takes, and its entry in the ledger.

The medium itself is changed by the journeys around a DICOMDIR (`catalog.maintaining`), which a
command calls in between: records that other programs added stay, and so do all File IDs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from catalog.database import ledger, runs
from catalog.database.catalogue import Catalogue
from catalog.errors import DicomdirError, ExportError
from catalog.exporting.book import left_out_row, planned_row
from catalog.exporting.order import Order, options_of, order_from
from catalog.exporting.plan import Item, LeftOut, Plan
from catalog.exporting.receiver import DICOMDIR
from catalog.files.digest import digest, digest_of
from catalog.files.opening import Opener, Source
from catalog.files.paths import absolute_text, split_member, to_text
from catalog.files.urls import is_url
from catalog.fileset.reader import read
from catalog.fileset.tree import Record, walk
from catalog.query.selection import Selection

UPDATE = "update"
"""Name among the options of an export that says that it is an update of one."""


class Existing(NamedTuple):
    """An export that stands: as it was ordered, and its copies in the ledger by File ID."""

    order: Order
    copies: Mapping[str, ledger.ItemRow]


class Update(NamedTuple):
    """What an update would do.

    Attributes
    ----------
    added, replaced:
        Items that the medium lacks, and those whose source has other bytes than the copy.
    removed:
        Copies that the selection no longer has, sorted by File ID.
    unchanged:
        How many copies are as their sources.
    """

    existing: Existing
    added: tuple[Item, ...]
    replaced: tuple[Item, ...]
    removed: tuple[ledger.ItemRow, ...]
    unchanged: int
    left_out: tuple[LeftOut, ...]

    @property
    def gone(self) -> list[str]:
        """File IDs of copies that are taken away, at first."""
        return sorted(
            {row.file_id or "" for row in self.removed} | {i.file_id.path for i in self.replaced}
        )

    @property
    def coming(self) -> tuple[Item, ...]:
        """Items whose sources are copied."""
        return (*self.added, *self.replaced)


def existing(catalogue: Catalogue, destination: Path, selection: Selection) -> Existing:
    """Return the finished export in the folder `destination`, as the ledger has it.

    Raises
    ------
    ExportError
        If there is none, or it is one that cannot be updated.
    """
    shown = to_text(str(destination))
    place = absolute_text(destination)
    with catalogue.read() as connection:
        known = ledger.exports_at(connection, place)
        found = [each for each in known if each.destination == place]
        if not found:
            several = f" It has volumes; update each by itself, such as {shown}/DISC1." if known else ""  # fmt: skip
            raise ExportError(f"The catalogue knows of no export to {shown}.{several}")
        latest = next((each for each in found if each.fileset_ref is not None), None)
        if latest is None:
            raise ExportError(
                f"The export to {shown} was not finished; `dcat export --resume {shown}` goes on with it."
            )
        copies = ledger.copies_of(connection, latest.file_set_uid)
    options = {name: value for name, value in latest.options.items() if name != UPDATE}
    order = order_from(options, destination, latest.file_set_uid, selection)
    for is_so, what in (
        (order.container != "folder", "a ZIP file or ISO image is"),
        (order.transfer_syntax is not None, "an export into another Transfer Syntax is"),
        (order.facility is not None, "the web pages of --pdi are"),
        (order.link is not None, "links are"),
    ):
        if is_so:
            raise ExportError(f"{shown} cannot be updated, as {what} made anew: export again.")
    return Existing(order, copies)


def plan_update(
    found: Existing, plan: Plan, *, remove: bool, named: Mapping[str, str] | None = None
) -> Update:
    """Return what brings the medium in step with `plan`; files are read where size and time do not tell.

    Raises
    ------
    ExportError
        If the medium's DICOMDIR is not that of the export.
    """
    destination = found.order.destination
    on_medium = named if named is not None else files_named(found.order)
    left_out = list(plan.left_out)
    added, replaced = [], []
    unchanged = 0
    for item in plan.items:
        uid = item.candidate.claims.instance.sop_instance_uid or ""
        path = on_medium.get(uid)
        if path is None or path not in found.copies:
            if path is not None:
                unchanged += 1  # another program's record: it is left as it is
            elif (why := _cannot_be_added(item)) is not None:
                left_out.append(LeftOut(item.candidate, *why, _source(item)))
            else:
                added.append(item)
        elif _is_as_before(destination / path, found.copies[path], item):
            unchanged += 1
        elif is_url(item.source.root):
            left_out.append(LeftOut(item.candidate, *_AT_URL, _source(item)))
        else:
            replaced.append(item)
    chosen = [item.candidate for item in plan.items] + [out.candidate for out in plan.left_out]
    wanted = {candidate.claims.instance.sop_instance_uid for candidate in chosen}
    removed = [
        row
        for path, row in sorted(found.copies.items())
        if remove and row.sop_instance_uid not in wanted and on_medium.get(row.sop_instance_uid) == path
    ]  # fmt: skip
    return Update(found, tuple(added), tuple(replaced), tuple(removed), unchanged, tuple(left_out))


def files_named(order: Order) -> dict[str, str]:
    """Return the File ID of each instance that the medium's DICOMDIR names, by SOP Instance UID.

    Raises
    ------
    ExportError
        If it cannot be read, or is that of another File-set.
    """
    path = order.destination / DICOMDIR
    try:
        fileset = read(path.read_bytes()).fileset
    except (OSError, DicomdirError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise ExportError(f"{to_text(str(path))} cannot be read: {why}") from exc
    if fileset.file_set_uid != order.file_set_uid:
        raise ExportError(
            f"{to_text(str(path))} is that of another File-set, {fileset.file_set_uid}; the ledger has {order.file_set_uid} there. Nothing was written."
        )
    return {
        record.plain(0x00041511) or "": "/".join(record.file_components)
        for _, record in walk(fileset.records)
        if record.file_components
    }


_AT_URL = "at-url", "it lies behind a URL, from which an update does not copy; export again"


def _cannot_be_added(item: Item) -> tuple[str, str] | None:
    """Return code and reason if an update cannot copy from where the source lies."""
    if is_url(item.source.root):
        return _AT_URL
    if split_member(item.source.path) is not None:
        reason = "it lies in an archive, from which an update does not copy; export again"
        return "in-archive", reason
    return None


def _is_as_before(copy: Path, row: ledger.ItemRow, item: Item) -> bool:
    """Return whether the source of a copy has the bytes that were copied."""
    source = item.source
    if split_member(source.path) is not None:
        return True  # what lies in an archive cannot be replaced one by one
    if source.size_bytes != row.size_bytes:
        return False
    try:
        status = copy.stat()
        if (status.st_size, status.st_mtime_ns) == (source.size_bytes, source.mtime_ns):
            return True
        with Opener() as opener:
            return digest_of(Source(source.root, source.path), opener) == row.digest
    except OSError:
        return False


def _source(item: Item) -> str:
    return f"{item.source.root.rstrip('/')}/{item.source.path}"


class Entry:
    """The ledger's entry of an update under way."""

    def __init__(
        self, catalogue: Catalogue, update: Update, run_ref: int, export_ref: int, refs: list[int]
    ) -> None:
        self._catalogue, self._update = catalogue, update
        self._run_ref, self.export_ref, self._refs = run_ref, export_ref, refs
        self.counts = {"copied": 0, "removed": 0, "failed": 0, "left out": len(update.left_out)}

    def removed(self) -> None:
        """Record that the copies that the selection no longer has are gone."""
        refs = self._refs[len(self._update.coming) :]
        with self._catalogue.write() as connection:
            ledger.settle_items(
                connection,
                [
                    ledger.Settled(ref, "removed", row.size_bytes, row.digest, None)
                    for ref, row in zip(refs, self._update.removed, strict=True)
                ],
            )
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
            why = failed.get(_source(item))
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
            for export_ref in (*former, self.export_ref):
                ledger.end_export(connection, export_ref, fileset_ref)

    def _record_rows(
        self, walked: Sequence[tuple[int, Record]], known: Mapping[str, int]
    ) -> list[ledger.RecordRow]:
        instances = dict(known)
        for item in self._update.coming:
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
                row._replace(outcome="planned", reason="to be removed") for row in update.removed
            ]
            ledger.add_items(connection, export_ref, rows)
            refs = ledger.item_refs(connection, export_ref)
            ledger.add_items(connection, export_ref, [left_out_row(o) for o in update.left_out])
        entry = Entry(catalogue, update, run.ref, export_ref, refs)
        run.counts = lambda: entry.counts
        yield entry
