"""Carrying out the order of one volume: what takes in the File-set, and its place in the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.database import ledger
from catalog.database.catalogue import Catalogue
from catalog.errors import ExportError, FileSetError, PathError
from catalog.events import Listener
from catalog.exporting.book import Book
from catalog.exporting.bounded import Bounded
from catalog.exporting.folder import FolderReceiver
from catalog.exporting.item import Item
from catalog.exporting.kept_items import roots_of
from catalog.exporting.making import Making, making
from catalog.exporting.manifest import WithManifest
from catalog.exporting.order import Order
from catalog.exporting.receiver import DICOMDIR, Receiver
from catalog.exporting.transcoding import target_named
from catalog.exporting.write import Additions, Written, write_fileset
from catalog.files.digest import digest
from catalog.files.medium import medium_at
from catalog.files.paths import absolute_text, split_member
from catalog.files.urls import is_url
from catalog.fileset.file_id import is_file_set_id
from catalog.fileset.manifest import MANIFEST, MANIFEST_LEVEL_1
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.profiles import profile_named
from catalog.findings import Finding, Severity


def carry_out(
    catalogue: Catalogue,
    order: Order,
    items: Sequence[Item],
    receiver: Receiver,
    book: Book,
    run_ref: int,
    listener: Listener,
) -> Written:
    """Write one volume into `receiver` and store it in the catalogue; `book` has what became of each item.

    Raises
    ------
    MediaFull, ExportError, FileSetError
        If the medium cannot be written, or the order cannot be carried out.
    """
    try:
        written = write_fileset(
            items,
            receiver,
            order.file_set_id,
            order.file_set_uid,
            book.report,
            listener,
            making_of(order),
            additions_of(order, items),
        )
        _store_fileset(catalogue, order, run_ref, book, written)
    finally:
        book.flush()
    return written


def making_of(order: Order) -> Making:
    """Return how the directory is made; refuse an order that cannot be carried out.

    Raises
    ------
    FileSetError
        If there is no such profile, or the File-set ID is none.
    ExportError
        If the character set is none, or icons cannot be made so.
    """
    if not is_file_set_id(order.file_set_id):
        raise FileSetError(
            f"{order.file_set_id!r} is no File-set ID: up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1)."
        )
    profile = profile_named(order.profile) if order.profile else None
    return making(profile, order.charset, order.icons, order.private)


def additions_of(order: Order, items: Sequence[Item]) -> Additions:
    """Return what the export does beside copying."""
    pages = None
    if order.facility is not None:
        from catalog.exporting.pages import Pages

        pages = Pages(items, order.facility, order.created, order.file_set_id)
    syntax = target_named(order.transfer_syntax) if order.transfer_syntax else None
    return Additions(pages, syntax, _jobs(order, items))


def _jobs(order: Order, items: Sequence[Item]) -> int:
    """Return how many files are taken in at a time.

    A ZIP file is written in one order, so it gains where whole files are read and digested ahead:
    not where they are members of archives or lie behind a URL.
    """
    if order.jobs > 1 and order.container == "zip":
        inside = (split_member(item.source.path) is not None for item in items)
        if any(map(is_url, roots_of(items))) or any(inside):
            return 1
    return 1 if order.container == "iso" else order.jobs


def receiver_of(
    order: Order, folder: FolderReceiver | None = None
) -> tuple[Receiver, list[Finding]]:
    """Return what takes in the File-set, and what is to be noted of it.

    `folder` stands in for a new folder, where an export is resumed.
    """
    inner, notes = _container_of(order, folder)
    receiver: Receiver = WithManifest(inner, manifest_name(order))
    if order.capacity_bytes is not None:
        receiver = Bounded(receiver, order.capacity_bytes)
    return receiver, notes


def manifest_name(order: Order) -> str:
    """Return what the manifest of a medium is called."""
    is_level_1 = order.container == "iso" or order.facility is not None
    return MANIFEST_LEVEL_1 if is_level_1 else MANIFEST


def _container_of(order: Order, folder: FolderReceiver | None) -> tuple[Receiver, list[Finding]]:
    match order.container:
        case "folder":
            if folder is None:
                folder = FolderReceiver(order.destination, order.file_set_uid, link=order.link)
            if order.link == "symbolic":
                note = "The copies are symbolic links: a stage on this machine, not a medium to hand out."
                return folder, [Finding("links", Severity.WARNING, note)]
            if order.link == "hard":
                note = "The copies are hard links: changing one changes the source in the archive."
                return folder, [Finding("links", Severity.WARNING, note)]
            return folder, []
        case "zip":
            from catalog.exporting.zip_file import ZipReceiver

            return ZipReceiver(order.destination, dated_s=order.created_s), []
        case "iso":
            from catalog.exporting.iso_image import IsoReceiver, file_system_of

            udf, note = file_system_of(order.profile)
            receiver = IsoReceiver(
                order.destination, order.file_set_id, udf=udf, dated_s=order.created_s
            )
            return receiver, [Finding("file-system", Severity.WARNING, note)] if note else []


def _directory_digest(order: Order) -> str:
    """Return the SHA-256 of the DICOMDIR as it stands at the destination."""
    if order.container == "folder":
        return digest(str(order.destination / DICOMDIR))
    import hashlib

    medium = medium_at(order.destination, dicomdir_names)
    try:
        return hashlib.sha256(medium.directory()).hexdigest()
    finally:
        medium.close()


def _store_fileset(
    catalogue: Catalogue,
    order: Order,
    run_ref: int,
    book: Book,
    written: Written,
) -> None:
    """Store the File-set that now stands at the destination."""
    if not book.copied:
        return
    try:
        dicomdir_digest = _directory_digest(order)
    except (OSError, PathError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise ExportError(
            f"The DICOMDIR just written to {order.destination} cannot be read back: {why}."
        ) from exc
    book.flush()  # what the DICOMDIR names is on record before the DICOMDIR is
    with catalogue.write() as connection:
        stored = ledger.StoredFileSet(
            absolute_text(order.destination),
            "exported",
            order.file_set_uid,
            order.file_set_id,
            dicomdir_digest,
        )
        fileset_ref = ledger.store_fileset(
            connection, run_ref, stored, written.directory.rows(), written.findings
        )
        ledger.end_export(connection, book.export_ref, fileset_ref)
