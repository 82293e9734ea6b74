"""An existing export brought in step with a selection: what that takes, and its entry in the ledger.

The medium itself is changed by the journeys around a DICOMDIR (`catalog.maintaining`), which a
command calls in between: records that other programs added stay, and so do all File IDs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from catalog.database import ledger, runs
from catalog.database.catalogue import Catalogue
from catalog.errors import DicomdirError, ExportError, MediaFull
from catalog.exporting.item import Item, LeftOut
from catalog.exporting.order import Order, order_from
from catalog.exporting.plan import Plan
from catalog.exporting.receiver import DICOMDIR
from catalog.exporting.volumes import size_with
from catalog.files.digest import digest, digest_of
from catalog.files.opening import Opener, Source
from catalog.files.paths import absolute_text, split_member, to_text
from catalog.files.urls import is_url
from catalog.fileset.reader import read
from catalog.fileset.tree import walk
from catalog.query.selection import Selection

UPDATE = "update"
"""Name among the options of an export that says that it is an update of one."""

TO_BE_REMOVED = "to be removed"
"""Reason of an item of an update that is planned to be taken away."""


class Existing(NamedTuple):
    """An export that stands: as it was ordered, and its copies in the ledger by File ID.

    Attributes
    ----------
    coming, going:
        What updates were to bring and to take away that were interrupted: the ledger's item, by
        SOP Instance UID.
    interrupted:
        The entries of these.
    """

    order: Order
    copies: Mapping[str, ledger.ItemRow]
    coming: Mapping[str, int] = MappingProxyType({})
    going: Mapping[str, int] = MappingProxyType({})
    interrupted: tuple[int, ...] = ()


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
    caught_up, gone_before:
        Copies that an interrupted update brought and took away, of which the ledger does not know;
        of the former the File ID, too.
    """

    existing: Existing
    added: tuple[Item, ...]
    replaced: tuple[Item, ...]
    removed: tuple[ledger.ItemRow, ...]
    unchanged: int
    left_out: tuple[LeftOut, ...]
    caught_up: tuple[tuple[Item, str], ...] = ()
    gone_before: tuple[ledger.ItemRow, ...] = ()

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

    @property
    def done_before(self) -> tuple[int, ...]:
        """The entries of interrupted updates, if all that they were to do stands."""
        found = self.existing
        done = len(self.caught_up) + len(self.gone_before)
        return found.interrupted if 0 < done == len(found.coming) + len(found.going) else ()

    @property
    def has_caught_up(self) -> bool:
        """Whether the ledger lacks what an interrupted update did."""
        return bool(self.caught_up or self.gone_before)

    @property
    def is_empty(self) -> bool:
        """Whether neither the medium nor the ledger is to be changed."""
        return not (self.coming or self.removed or self.has_caught_up)


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
        open_ones = [
            each
            for each in found
            if each.options.get(UPDATE)
            and each.fileset_ref is None
            and each.file_set_uid == latest.file_set_uid
        ]
        planned = [
            (ref, row)
            for each in reversed(open_ones)
            for ref, row in ledger.items_of(connection, each.ref)
            if row.outcome == "planned"
        ]
    for each in open_ones:
        run = runs.one(catalogue, each.run_ref)
        if run is not None and run.outcome is runs.Outcome.RUNNING:
            raise ExportError(
                f"An update of {shown} is under way: process {run.pid} on {run.host}, since {run.started_at}."
            )
    going = {row.sop_instance_uid: ref for ref, row in planned if row.reason == TO_BE_REMOVED}
    coming = {row.sop_instance_uid: ref for ref, row in planned if row.reason != TO_BE_REMOVED}
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
    return Existing(order, copies, coming, going, tuple(each.ref for each in open_ones))


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
    caught_up: list[tuple[Item, str]] = []
    unchanged = 0
    for item in plan.items:
        uid = item.candidate.claims.instance.sop_instance_uid or ""
        path = on_medium.get(uid)
        if path is None or path not in found.copies:
            if path is not None and uid in found.coming:
                caught_up.append((item, path))
            elif path is not None:
                unchanged += 1  # another program's record: it is left as it is
            elif (why := _cannot_be_added(item)) is not None:
                left_out.append(LeftOut(item.candidate, *why, _source(item)))
            else:
                added.append(item)
        elif _is_as_before(destination / path, found.copies[path], item):
            if uid in found.coming and _is_newer(destination / path, found.copies[path], item):
                caught_up.append((item, path))
            else:
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
    gone_before = [
        row
        for path, row in sorted(found.copies.items())
        if row.sop_instance_uid in found.going and row.sop_instance_uid not in on_medium
    ]
    return Update(found, tuple(added), tuple(replaced), tuple(removed), unchanged, tuple(left_out), tuple(caught_up), tuple(gone_before))  # fmt: skip


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


def check_capacity(update: Update) -> None:
    """Make sure that a volume of a certain size can hold what is added to it.

    Raises
    ------
    MediaFull
        If it cannot. Nothing was written.
    """
    order = update.existing.order
    capacity_bytes = order.capacity_bytes
    if capacity_bytes is None or not update.coming:
        return
    gone = set(update.gone)
    present = (
        path.stat().st_size
        for path in order.destination.rglob("*")
        if path.is_file() and path.relative_to(order.destination).as_posix() not in gone
    )
    used = size_with(present, update.coming)
    if used > capacity_bytes:
        raise MediaFull(
            f"{to_text(str(order.destination))} is a volume of {capacity_bytes:,} bytes and would come to {used:,}. Select less for it, or export again with --media. Nothing was written."
        )


def _is_newer(copy: Path, row: ledger.ItemRow, item: Item) -> bool:
    """Return whether a copy has the bytes of its source, and others than the ledger has of it."""
    try:
        own = digest(str(copy))
        with Opener() as opener:
            source = Source(item.source.root, item.source.path)
            return own != row.digest and own == digest_of(source, opener)
    except OSError:  # what cannot be read is not recorded; verifying the medium tells it
        return False


def _source(item: Item) -> str:
    return f"{item.source.root.rstrip('/')}/{item.source.path}"
