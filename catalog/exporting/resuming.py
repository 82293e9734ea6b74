"""Going on with an export that was interrupted: what is right already is not copied again.

Everything that is needed stands in the ledger: what was ordered, and each planned item with its
File ID. So the finished medium is, to the byte, the one that the export would have made undisturbed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from catalog.database import ledger, runs
from catalog.database.catalogue import Catalogue
from catalog.database.fetch import Candidate, SourceFile, candidates
from catalog.entities import Claims, Instance, Patient, Series, Status, Study
from catalog.errors import DicomdirError, ExportError, FileIdError, SourceChanged
from catalog.events import Listener, ignore
from catalog.exporting.book import Book, source_path
from catalog.exporting.carrying import carry_out, making_of, manifest_name, receiver_of
from catalog.exporting.container import partial_of
from catalog.exporting.folder import FolderReceiver, check_space, unfinished_text
from catalog.exporting.item import Item, LeftOut
from catalog.exporting.journey import Outcome, Part, counts_of, outcome_of, parts_of
from catalog.exporting.order import Order, order_from
from catalog.exporting.plan import Plan
from catalog.exporting.preflight import needed_bytes
from catalog.exporting.receiver import ANY_TIME, DICOMDIR, Check, Receiver, Turn
from catalog.files.copy import Copied
from catalog.files.opening import Opened
from catalog.files.paths import absolute_text, to_text
from catalog.files.writing import PARTIAL_SUFFIX, UNFINISHED, write_error
from catalog.fileset.file_id import FileId, file_id
from catalog.fileset.reader import read
from catalog.findings import Finding
from catalog.query.selection import Selection

_PAGES = ("README.TXT", "INDEX.HTM", "IHE_PDI/")
_FOREIGN_SHOWN = 5


class _Stored(NamedTuple):
    """A volume as the ledger has it, made into a plan again."""

    part: Part
    export_ref: int
    refs: list[int]
    kept: dict[str, ledger.ItemRow]
    left_out: list[LeftOut]


def resume(
    catalogue: Catalogue, destination: Path, arguments: str = "", listener: Listener = ignore
) -> Outcome:
    """Finish the last export to `destination`, a folder or file, or a folder with its volumes.

    Copies that have the recorded size and SHA-256 stay, as do such as are equal to their source;
    the others are made. A ZIP file or ISO image is made anew.

    Raises
    ------
    ExportError, DestinationNotEmpty, MediaFull
        If the ledger has no unfinished export to there, it is under way, what stands there is not
        that export, or it cannot be written.
    """
    catalogue.spare_memory()
    place = absolute_text(destination)
    with catalogue.read() as connection:
        found = ledger.exports_at(connection, place)
    if not found:
        raise ExportError(
            f"The catalogue knows of no export to {to_text(str(destination))} that can be resumed. `dcat audit unfinished-exports` lists them; --db names another catalogue."
        )
    latest = [each for each in found if each.run_ref == found[0].run_ref]
    open_ones = [each for each in latest if each.fileset_ref is None]
    if not open_ones:
        raise ExportError(
            f"The export to {to_text(str(destination))} was finished; there is nothing to resume."
        )
    _check_is_over(catalogue, open_ones)
    if any(each.options.get("update") for each in open_ones):
        raise ExportError(
            f"What was interrupted at {to_text(str(destination))} was an update. Repeat it: `dcat export --update` with the selection does what is left."
        )
    stored = [_stored(catalogue, each) for each in open_ones]
    receivers = [_receiver(each) for each in stored]
    for each, (receiver, _, _) in zip(stored, receivers, strict=True):
        making_of(each.part.order)
        receiver.prepare(_missing_bytes(each))
    left_out = [out for each in stored for out in each.left_out]
    parts = [each.part for each in stored]
    plan = Plan(tuple(item for part in parts for item in part.items), tuple(left_out))
    with runs.recorded(catalogue, "export", arguments) as run:
        books = [Book(catalogue, each.export_ref, each.refs) for each in stored]
        run.counts = lambda: counts_of(books, len(left_out))
        with catalogue.write() as connection:
            now = {each.ref: each for each in ledger.exports_at(connection, place)}
            if any(now.get(each.ref) != each for each in open_ones):
                raise ExportError(
                    f"Somebody else has just begun to resume the export to {to_text(str(destination))}. Nothing was written."
                )
            for each in stored:
                ledger.resume_export(connection, each.export_ref, run.ref)
        written = [
            carry_out(
                catalogue, each.part.order, each.part.items, receiver, book, run.ref, listener
            )
            for each, (receiver, _, _), book in zip(stored, receivers, books, strict=True)
        ]
    kept = sum(folder.kept for _, folder, _ in receivers if folder is not None)
    notes = {finding: None for _, _, noted in receivers for finding in noted}
    return outcome_of(plan, parts, books, written, list(notes), kept)


def is_begun(order: Order, plan: Plan) -> bool:
    """Return whether a folder bears the mark that the export of `plan` is not finished.

    A ZIP file or ISO image that is not finished does not tell whose it is.
    """
    for part in parts_of(order, plan):
        mark = unfinished_text(part.order.file_set_uid).encode("ascii")
        try:
            if (part.order.destination / UNFINISHED).read_bytes() == mark:
                return True
        except OSError:  # there is none, or it cannot be asked any more
            continue
    return False


def _check_is_over(catalogue: Catalogue, exports: list[ledger.StoredExport]) -> None:
    for each in exports:
        row = runs.one(catalogue, each.resumed_run_ref or each.run_ref)
        if row is not None and row.outcome is runs.Outcome.RUNNING:
            raise ExportError(
                f"The export to {each.destination} is under way: process {row.pid} on {row.host}, since {row.started_at}."
            )


def _stored(catalogue: Catalogue, export: ledger.StoredExport) -> _Stored:
    """Return a volume of the ledger as it was planned."""
    order = order_from(
        export.options, Path(_path(export.destination)), export.file_set_uid, Selection(text=export.selection)
    )  # fmt: skip
    with catalogue.read() as connection:
        rows = ledger.items_of(connection, export.ref)
    known = {
        (source_path(file), candidate.claims.instance.sop_instance_uid or ""): (candidate, file)
        for candidate in candidates(catalogue, Selection(), export_ref=export.ref, whole=False)
        for file in candidate.files
    }
    items, refs, left_out = [], [], []
    kept = {}
    for ref, row in rows:
        if row.outcome == "left-out" or row.file_id is None:
            left_out.append(LeftOut(_stand_in(row), "left-out", row.reason or ""))
            continue
        candidate, file = known.get((row.source, row.sop_instance_uid)) or _gone(row)
        items.append(Item(candidate, file, _file_id(row.file_id)))
        refs.append(ref)
        if row.outcome == "copied":
            kept[row.file_id] = row
    return _Stored(Part(order, tuple(items), export.volume), export.ref, refs, kept, left_out)


def _path(text: str) -> str:
    from catalog.files.paths import from_text

    return from_text(text)


def _file_id(text: str) -> FileId:
    try:
        return file_id(text.split("/"))
    except FileIdError as exc:
        raise ExportError(f"The ledger has {text!r}, which is no File ID: {exc}") from exc


def _stand_in(row: ledger.ItemRow) -> Candidate:
    """Return what the ledger knows of an instance."""
    claims = Claims(
        Patient(patient_id=row.patient_id, issuer_of_patient_id=row.issuer_of_patient_id),
        Study(study_instance_uid=row.study_instance_uid),
        Series(),
        Instance(sop_instance_uid=row.sop_instance_uid),
        None,
    )
    return Candidate(0, None, claims, ())


def _gone(row: ledger.ItemRow) -> tuple[Candidate, SourceFile]:
    """Return stand-ins for an instance that the catalogue no longer has at this path.

    Its copy cannot be proved to be it, so it fails with that reason.
    """
    root, _, name = row.source.rpartition("/")
    file = SourceFile(0, root or "/", name, row.size_bytes, None, Status.MISSING, None, None)
    return _stand_in(row), file


def _missing_bytes(stored: _Stored) -> int:
    items = [item for item in stored.part.items if item.file_id.path not in stored.kept]
    return needed_bytes(stored.part.order, items)


def _receiver(
    stored: _Stored,
) -> tuple[Receiver, _ResumedFolder | None, list[Finding]]:
    order = stored.part.order
    folder = None
    if order.container == "folder":
        folder = _ResumedFolder(order, stored.part.items, stored.kept)
    else:
        _remove_partial(order)
    receiver, notes = receiver_of(order, folder)
    return receiver, folder, notes


def _remove_partial(order: Order) -> None:
    """Take away what an interrupted export has left of a container, which is made anew."""
    if os.path.lexists(order.destination):
        raise ExportError(
            f"{to_text(str(order.destination))} exists, though the ledger does not have it as finished. Prove it with `dcat verify --media`; to make it anew, remove it first."
        )
    try:
        partial_of(order.destination).unlink(missing_ok=True)
    except OSError as exc:
        raise write_error(exc, order.destination) from exc


class _ResumedFolder(FolderReceiver):
    """The folder of an interrupted export: copies that are right already stay.

    Attributes
    ----------
    kept:
        How many stayed.
    """

    def __init__(
        self, order: Order, items: Sequence[Item], recorded: dict[str, ledger.ItemRow]
    ) -> None:
        super().__init__(order.destination, order.file_set_uid, link=order.link)
        self.kept = 0
        self._uid = order.file_set_uid
        self._recorded = recorded
        self._names = {item.file_id.path for item in items}
        others = _PAGES if order.facility is not None else ()
        self._others = (*others, manifest_name(order))
        self._leftovers: list[Path] = []

    def prepare(self, size_bytes: int) -> None:
        """Make sure that the folder is that of the export, holds nothing else, and has space."""
        check_space(self.place, 0 if self._link else size_bytes)
        try:
            found = sorted(self._files()) if self.place.exists() else []
            self._check_is_ours(found)
        except OSError as exc:
            raise write_error(exc, self.place) from exc
        foreign = [name for name in found if not self._is_own(name)]
        if foreign:
            shown = ", ".join(map(to_text, foreign[:_FOREIGN_SHOWN]))
            more = f" and {len(foreign) - _FOREIGN_SHOWN:,} more" if len(foreign) > _FOREIGN_SHOWN else ""  # fmt: skip
            raise ExportError(
                f"{to_text(str(self.place))} holds files that are not of this export: {shown}{more}. Move them away and resume again; nothing was written."
            )
        self._leftovers = [self.place / name for name in found if name.endswith(PARTIAL_SUFFIX)]

    def begin(self) -> None:
        """Remove what was half written, and mark the folder as unfinished."""
        for path in self._leftovers:
            try:
                path.unlink(missing_ok=True)
            except OSError as exc:
                raise write_error(exc, path) from exc
        super().begin()

    def _may_stand_there(self) -> bool:
        return True

    def put(
        self,
        file_id: FileId,
        opening: AbstractContextManager[Opened],
        check: Check,
        turn: Turn = ANY_TIME,
    ) -> Copied:
        """Keep the copy that is there, if it is right; else make it."""
        target = Path(self._target(file_id.path))
        if os.path.lexists(target):
            found = self._as_it_should_be(file_id, target, opening, check)
            if found is not None:
                self._note(str(target))
                self.kept += 1
                return found
            try:
                target.unlink()
            except OSError as exc:
                raise write_error(exc, target) from exc
        return super().put(file_id, opening, check, turn)

    def _as_it_should_be(
        self,
        file_id: FileId,
        target: Path,
        opening: AbstractContextManager[Opened],
        check: Check,
    ) -> Copied | None:
        """Return size and digest of the copy that is there, `None` if it is to be made again."""
        if target.is_symlink() != (self._link == "symbolic"):
            return None
        recorded = self._recorded.get(file_id.path)
        try:
            if not target.is_file():
                return None
            with open(target, "rb", buffering=0) as stream:  # noqa: PTH123 - a file without buffer
                size_bytes = os.fstat(stream.fileno()).st_size
                if recorded is not None and recorded.size_bytes != size_bytes:
                    return None
                own = hashlib.file_digest(stream, "sha256").hexdigest()
                if own != (recorded.digest if recorded is not None else _digest(opening)):
                    return None
                stream.seek(0)
                try:
                    check(cast(BinaryIO, stream), size_bytes)
                except SourceChanged:
                    if recorded is None:
                        raise
                    return None
        except OSError as exc:
            raise write_error(exc, target) from exc
        return Copied(size_bytes, own)

    def _files(self) -> list[str]:
        """Return the paths of all files below the folder, relative to it."""
        found = []
        for folder, _, names in os.walk(self.place):
            relative = os.path.relpath(folder, self.place)
            prefix = "" if relative == "." else f"{relative.replace(os.sep, '/')}/"
            found += [f"{prefix}{name}" for name in names]
        return found

    def _is_own(self, name: str) -> bool:
        name = name.removesuffix(PARTIAL_SUFFIX)
        if name in (UNFINISHED, DICOMDIR) or name in self._names:
            return True
        return any(
            name.startswith(own) if own.endswith("/") else name == own for own in self._others
        )

    def _check_is_ours(self, found: list[str]) -> None:
        """Refuse a folder that another export, or something else, has written."""
        if UNFINISHED in found:
            text = (self.place / UNFINISHED).read_bytes()
            if text == unfinished_text(self._uid).encode("ascii"):
                return
        elif DICOMDIR in found:
            # Killed when all was written, before the ledger knew.
            if _uid_of(self.place / DICOMDIR) == self._uid:
                return
        elif all(name.removesuffix(PARTIAL_SUFFIX) == UNFINISHED for name in found):
            return
        raise ExportError(
            f"{to_text(str(self.place))} is not the unfinished export that the ledger has there: its UNFINISHED.TXT or DICOMDIR does not bear the File-set UID {self._uid}. Nothing was written."
        )


def _digest(opening: AbstractContextManager[Opened]) -> str | None:
    """Return the digest of a source; `None` if it cannot be read, which making the copy will tell."""
    try:
        with opening as source:
            return hashlib.file_digest(source.stream, "sha256").hexdigest()  # type: ignore[arg-type]  # has readinto; typeshed asks for getbuffer, too
    except OSError:
        return None


def _uid_of(dicomdir: Path) -> str:
    try:
        return read(dicomdir.read_bytes()).fileset.file_set_uid
    except DicomdirError:
        return ""
