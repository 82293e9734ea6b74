"""The journey from a selection to a File-set, or several, with their entries in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from catalog.database import ledger, runs
from catalog.database.catalogue import Catalogue
from catalog.database.fetch import Candidate, SourceFile, candidates
from catalog.events import Listener, ignore
from catalog.exporting.book import Book, left_out_row, planned_row
from catalog.exporting.carrying import carry_out, making_of, receiver_of
from catalog.exporting.folder import FolderReceiver, check_destination
from catalog.exporting.item import Item
from catalog.exporting.order import Order, options_of
from catalog.exporting.plan import Plan
from catalog.exporting.planning import make_plan
from catalog.exporting.preflight import check_container, check_total_space, needed_bytes
from catalog.exporting.receiver import Receiver
from catalog.exporting.refusing import ambiguous
from catalog.exporting.transcoding import target_named
from catalog.exporting.volumes import divided, volume_label, volume_uid
from catalog.exporting.write import Written
from catalog.files.digest import digest_of
from catalog.files.opening import Opener, Source
from catalog.files.paths import absolute_text
from catalog.fileset.profiles import profile_named
from catalog.findings import Finding
from catalog.query.selection import Selection
from catalog.shapes import frozen, replace

__all__ = ["Order", "Outcome", "WrittenVolume", "export", "parts_of", "plan_export"]


class WrittenVolume(NamedTuple):
    """A volume that was written.

    `dicomdir_size_bytes` is 0 if nothing could be copied, and it has no DICOMDIR.
    `used_bytes` and `capacity_bytes` are as planned; `None` where the size is not limited.
    """

    number: int
    place: Path
    file_set_id: str
    file_set_uid: str
    copied: int
    copied_bytes: int
    dicomdir_size_bytes: int
    used_bytes: int | None = None
    capacity_bytes: int | None = None


@frozen
class Outcome:
    """How an export ended: what was planned, copied and failed, and what was noticed.

    `kept` is how many copies of an interrupted export were right already; `refs` are the volumes'
    entries in the ledger.
    """

    plan: Plan
    copied: int
    copied_bytes: int
    failed: tuple[tuple[Item, str], ...]
    findings: tuple[Finding, ...]
    dicomdir_size_bytes: int
    volumes: tuple[WrittenVolume, ...] = ()
    kept: int = 0
    refs: tuple[int, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything that was selected is on the medium."""
        return not self.failed and not self.plan.left_out


def plan_export(  # noqa: PLR0913 - each is a choice of its own
    catalogue: Catalogue,
    selection: Selection,
    *,
    take_first: bool = False,
    profile: str | None = None,
    private: bool = False,
    transfer_syntax: str | None = None,
    capacity_bytes: int | None = None,
    icons: int | None = None,
    with_pages: bool = False,
    container: str = "folder",
) -> Plan:
    """Return the plan of an export; only files of which several hold one instance are read.

    With a `capacity_bytes` it is divided into volumes that hold so much; `icons` and `with_pages`
    say what else goes onto them. What the `container` cannot hold is left out.

    Raises
    ------
    SelectionError
        If the selection holds SQL that cannot be run.
    FileSetError
        If there is no such profile.
    ExportError
        If there is no such Transfer Syntax to transcode to.
    """
    syntax = target_named(transfer_syntax) if transfer_syntax else None
    named = profile_named(profile) if profile else None
    digests: dict[int, str] = {}
    with closing(candidates(catalogue, selection, whole=False, by_series=True)) as chosen:
        plan = make_plan(
            chosen if take_first else _with_digests(chosen, digests),
            digests,
            take_first=take_first,
            profile=named,
            private=private,
            transfer_syntax=syntax,
            longest_bytes=_longest_bytes(container),
        )
    if capacity_bytes is None:
        return plan
    rule = named.icons if named else None
    return divided(
        plan,
        capacity_bytes,
        icons=icons or (rule.size if rule is not None and rule.type == "1" else None),
        transfer_syntax=syntax,
        with_pages=with_pages,
    )


def _longest_bytes(container: str) -> int | None:
    """Return how long a file may be in a container of that kind; `None` if that is not bounded."""
    if container != "iso":
        return None
    from catalog.exporting.iso_image import MAX_FILE_BYTES

    return MAX_FILE_BYTES


def _with_digests(chosen: Iterable[Candidate], digests: dict[int, str]) -> Iterator[Candidate]:
    """Yield what was chosen, when `digests` has those of its files that must be told apart."""
    with Opener() as opener:
        for candidate in chosen:
            for file in ambiguous(candidate):
                digests[file.file_ref] = _digest_or_name(file, opener)
            yield candidate


def _digest_or_name(file: SourceFile, opener: Opener) -> str:
    try:
        return digest_of(Source(file.root, file.path), opener)
    except OSError:
        return f"unreadable {file.file_ref}"  # equal to no other, so it counts as different bytes


class Part(NamedTuple):
    """One volume of an order: the order for it alone, and its number if there are several."""

    order: Order
    items: Sequence[Item]
    number: int | None = None
    used_bytes: int | None = None


def parts_of(order: Order, plan: Plan) -> list[Part]:
    """Return the volumes of `plan`, each with where it goes, its File-set ID and its File-set UID.

    One volume goes to the destination itself; several go to DISC1, DISC2, … in that folder, or to
    NAME-1.zip, NAME-2.zip, … beside that file.

    Raises
    ------
    ExportError
        If a File-set ID would become too long.
    """
    if not plan.volumes:
        return [Part(order, plan.items)]
    count = len(plan.volumes)
    parts = []
    for volume in plan.volumes:
        own = replace(
            order,
            destination=_place(order, volume.number) if count > 1 else order.destination,
            file_set_id=volume_label(order.file_set_id, volume.number, count),
            file_set_uid=volume_uid(order.file_set_uid, volume.number),
        )
        number = volume.number if count > 1 else None
        parts.append(Part(own, volume.items, number, volume.size_bytes))
    return parts


def _place(order: Order, number: int) -> Path:
    if order.container == "folder":
        return order.destination / f"DISC{number}"
    destination = order.destination
    return destination.with_name(f"{destination.stem}-{number}{destination.suffix}")


def export(
    catalogue: Catalogue, order: Order, plan: Plan, arguments: str = "", listener: Listener = ignore
) -> Outcome:
    """Carry out `plan` and return how it ended.

    The ledger has the export with all that is planned before the first byte is copied, and each
    instance as it is copied, so that an interrupted export is on record too and can be resumed.

    Raises
    ------
    DestinationNotEmpty, MediaFull, ExportError
        If the destination cannot be used or written, or the order cannot be carried out.
    FileSetError
        If there is no such profile, or the File-set ID is none.
    """
    catalogue.spare_memory()
    parts = parts_of(order, plan)
    prepared = _prepared(order, parts)
    with runs.recorded(catalogue, "export", arguments) as run:
        books = _recorded(catalogue, order, plan, parts, run.ref)
        run.counts = lambda: counts_of(books, len(plan.left_out))
        for part, (receiver, _) in zip(parts, prepared, strict=True):
            if part.number is not None and order.container == "folder":
                # From the start each volume is visibly unfinished, the later ones too.
                FolderReceiver(receiver.place, part.order.file_set_uid).begin()
        written = [
            carry_out(catalogue, part.order, part.items, receiver, book, run.ref, listener)
            for part, (receiver, _), book in zip(parts, prepared, books, strict=True)
        ]
    notes = {finding: None for _, noted in prepared for finding in noted}
    return outcome_of(plan, parts, books, written, list(notes))


def _prepared(order: Order, parts: list[Part]) -> list[tuple[Receiver, list[Finding]]]:
    """Return what takes in each volume, with what is to be noted; nothing is written yet."""
    for part in parts:
        making_of(part.order)
        check_container(part.order, part.items)
    prepared = [receiver_of(part.order) for part in parts]
    if len(parts) > 1:
        if order.container == "folder":
            check_destination(order.destination, 0)
        check_total_space(order, [part.items for part in parts])
    for part, (receiver, _) in zip(parts, prepared, strict=True):
        receiver.prepare(needed_bytes(part.order, part.items))
    return prepared


def _recorded(
    catalogue: Catalogue, order: Order, plan: Plan, parts: list[Part], run_ref: int
) -> list[Book]:
    """Put all volumes with all that is planned into the ledger, or nothing."""
    books = []
    base = absolute_text(order.destination)
    with catalogue.write() as connection:
        for number, part in enumerate(parts):
            volumes = len(parts) if part.number is not None else None
            going_on = ledger.Volume(options_of(part.order), base, part.number, volumes)
            export_ref = ledger.begin_export(
                connection,
                run_ref,
                absolute_text(part.order.destination),
                order.selection.text,
                part.order.file_set_uid,
                order.reason,
                order.recipient,
                going_on,
            )
            ledger.add_items(connection, export_ref, map(planned_row, part.items))
            books.append(Book(catalogue, export_ref, ledger.item_refs(connection, export_ref)))
            if number == 0:
                ledger.add_items(connection, export_ref, map(left_out_row, plan.left_out))
    return books


def counts_of(books: list[Book], left_out: int) -> Mapping[str, int]:
    """Return what was done, for the run's row."""
    return {
        "copied": sum(book.copied for book in books),
        "bytes": sum(book.copied_bytes for book in books),
        "failed": sum(len(book.failed) for book in books),
        "left out": left_out,
    }


def outcome_of(
    plan: Plan,
    parts: list[Part],
    books: list[Book],
    written: list[Written],
    notes: list[Finding],
    kept: int = 0,
) -> Outcome:
    """Return the outcome of all volumes together."""
    volumes = tuple(
        WrittenVolume(
            part.number or 1,
            part.order.destination,
            part.order.file_set_id,
            part.order.file_set_uid,
            book.copied,
            book.copied_bytes,
            wrote.dicomdir_size_bytes,
            part.used_bytes,
            part.order.capacity_bytes,
        )
        for part, book, wrote in zip(parts, books, written, strict=True)
    )
    return Outcome(
        plan,
        sum(book.copied for book in books),
        sum(book.copied_bytes for book in books),
        tuple(failure for book in books for failure in book.failed),
        (*notes, *(finding for wrote in written for finding in wrote.findings)),
        sum(wrote.dicomdir_size_bytes for wrote in written),
        volumes,
        kept,
        tuple(book.export_ref for book in books),
    )
