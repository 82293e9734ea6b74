"""The journey from a medium to rows, and to copies in an archive.

Records are walked as the reader gives them, whatever their types; nothing depends on the files
being there. Each record keeps a row of its own, also when it can be placed under no patient. Where
files are read, what their headers say is stored as indexing would store it.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog.database import (
    attribute_sets,
    ledger,
    ledger_missing,
    patient_links,
    roots,
    runs,
)
from catalog.database.catalogue import Catalogue
from catalog.database.rows import patient_identity
from catalog.database.upsert import RowWriter
from catalog.dicom.claims import partial_claims
from catalog.entities import Level, Reading
from catalog.errors import MediaFull
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.paths import absolute_text, is_archive_name
from catalog.importing import naming
from catalog.importing.copying import Copied, Copying, Instance, check_folder
from catalog.importing.keys import ChainReader
from catalog.importing.meeting import BATCH_FILES, BATCH_RECORDS, Met
from catalog.importing.opening import Gone, Opened, open_medium
from catalog.importing.outcome import CopyItem, Imported, Order
from catalog.importing.packed import Packed
from catalog.importing.reading import FileRead, Files, HeaderReader
from catalog.importing.records import TRANSFER_SYNTAX, Step, row_of

COPYING = "Copying"
BATCH_COPIES = 100
_COLLECTED_RECORDS = 10 * BATCH_RECORDS
_HIERARCHY = frozenset(["PATIENT", "STUDY", "SERIES"])


def import_medium(
    catalogue: Catalogue,
    path: Path | Opened,
    arguments: str = "",
    listener: Listener = ignore,
    order: Order | None = None,
    reader: HeaderReader | None = None,
) -> Imported:
    """Bring the medium at `path` (or an opened one) into the catalogue, and copy it if that is asked for.

    Rows made from headers stay as they are. Importing a File-set again replaces its records; a
    File-set is known by its UID and place, so another disc at the same place does not replace the
    first, whose files there are then missing. Where copies are made, rows of files are those of the
    copies: the medium goes back to whom it belongs.

    Parameters
    ----------
    order:
        What is asked for; `None`: the records, and whether the files are there.
    reader:
        Reads headers; needed if the order reads files. It makes the row of the DICOMDIR, too.

    Raises
    ------
    PathError, DicomdirError
        As `open_medium` does; also if the medium vanishes while it is copied.
    ConfigError
        If the template of names is none.
    LinkRefused
        If a patient cannot be linked as asked; then nothing was imported.
    MediaFull, ExportError
        If the archive folder takes no more; what was copied before is whole, and in the catalogue.
    CatalogueBusy
        If another process is writing.
    """
    order = order or Order()
    opened = path if isinstance(path, Opened) else _opened(path, order)
    copying = _copying(opened, order, reader)
    catalogue.spare_memory()
    with catalogue.writer_lock(_held(opened, order)):
        catalogue.mark_dead_runs()
        catalogue.ask(lambda connection: patient_links.check(connection, order.links))
        with runs.recorded(catalogue, "import", arguments) as run:
            imported = Imported(opened.medium.folder)
            run.counts = imported.as_dict
            _Importing(catalogue, opened, order, run.ref, listener, imported).run(reader, copying)
    return imported


def _held(opened: Opened, order: Order) -> set[str]:
    """Return the folders to hold: the medium's, and the one that copies go to."""
    held = {opened.medium.base}
    if order.copy is not None:
        held.add(absolute_text(order.copy.folder))
    return held


def plan_import(path: Path | Opened, order: Order, reader: HeaderReader | None, listener: Listener = ignore) -> Imported:  # fmt: skip
    """Return what importing the medium would meet, and where copies would go; nothing is written.

    Raises
    ------
    PathError, DicomdirError, ConfigError
        As `import_medium` does.
    """
    opened = path if isinstance(path, Opened) else _opened(path, order)
    imported = Imported(opened.medium.folder)
    met = Met(opened, order, imported, listener)
    for _ in met.steps():
        pass
    instances: list[Instance] = []
    if order.reads_files and reader is not None:
        instances = [instance for read in met.read(reader) if (instance := _instance(read))]
        met.finish()
    if (copying := _copying(opened, order, reader)) is not None:
        planned, findings = copying.plan(instances)
        imported.findings += findings
        imported.copies = [each.item for each in planned]
        copying.close()
    return imported


def _opened(path: Path, order: Order) -> Opened:
    return open_medium(path, needs_directory=order.copy is None)


def _copying(opened: Opened, order: Order, reader: HeaderReader | None) -> Copying | None:
    if order.reads_files and reader is None:
        raise ValueError("an import that reads files needs a reader")
    if order.copy is None or reader is None:
        return None
    template = naming.template(order.copy.name)
    check_folder(order.copy.folder, opened.medium)
    return Copying(opened.medium, order.copy.folder, template, reader)


def _instance(read: FileRead) -> Instance | None:
    file, claims, _ = read.reading
    return None if claims is None else Instance(read.path, file.size_bytes or 0, claims)


class _Importing:
    """The state of one import."""

    def __init__(
        self,
        catalogue: Catalogue,
        opened: Opened,
        order: Order,
        run_ref: int,
        listener: Listener,
        imported: Imported,
    ) -> None:
        self.catalogue = catalogue
        self.medium = opened.medium
        self.digest = opened.dicomdir_digest
        self.order = order
        self.run_ref = run_ref
        self.listener = listener
        self.imported = imported
        self._met = Met(opened, order, imported, listener)
        self._writer = RowWriter(run_ref)
        self._chains = ChainReader()
        self._rows = Packed()
        self._there: set[str] = set()
        self._fileset_ref: int | None = None
        self._now = runs.now_text()

    def run(self, reader: HeaderReader | None, copying: Copying | None) -> None:
        """Store the records, then what the files say, then the copies, then the links."""
        place = self._place()
        gc.freeze()  # modules and models stay: they are not to be looked at each time
        try:
            self._store_records(place)
        finally:
            gc.unfreeze()
        # Before files are read: their headers may take instances away from records that lie.
        self._store_fileset(place)
        if reader is not None and place is not None and copying is None:
            self._store_own(reader, place)
        noticed = len(self.imported.findings)
        instances: list[Instance] = []
        if reader is not None and self.order.reads_files:
            instances = self._read(reader, None if copying else place)
        planned, findings = copying.plan(instances) if copying else ([], [])
        self.imported.findings += findings
        try:
            if copying is not None:
                copying.check_space(planned)
                self.imported.copies = [each.item for each in planned]
                self._copy(copying, planned)
        finally:
            if copying is not None:
                copying.close()
            self._store_findings(noticed)
        if self.order.links:
            self.catalogue.store(self._link, self.run_ref)

    def _link(self, connection: Any) -> None:
        """Link the patients, in a transaction."""
        self.imported.linked = patient_links.add(
            connection, self.order.links, self.run_ref, self._now
        )
        asked = {link.foreign for link in self.order.links}
        self.imported.linked_without_study = [
            each.link.foreign
            for each in patient_links.stored(connection)
            if each.link.foreign in asked and not each.studies
        ]

    # -- records ---------------------------------------------------------------------------

    def _store_records(self, place: roots.Place | None) -> None:
        """Store what the records state, in batches."""
        batch: list[Step] = []
        for step in self._met.steps():
            batch.append(step)
            if len(batch) == BATCH_RECORDS:
                self._store(place, batch)
                batch = []
                if step.position % _COLLECTED_RECORDS == _COLLECTED_RECORDS - 1:
                    # Statements are cycles, and hold the values of their batch; `dcat` lets cycles be for long.
                    gc.collect()
        self._store(place, batch)

    def _place(self) -> roots.Place | None:
        """Return the medium's place; `None` if copies are made and nothing is known of it from before."""
        if not self.imported.has_directory:
            return None
        find = roots.place_for if self.order.copy is None else roots.place_of
        place = self.catalogue.store(lambda connection: find(connection, self.medium.base))
        if place is None:
            return None
        if self.medium.within:
            place = place._replace(below=f"{place.below}/{self.medium.within}".lstrip("/"))
        return place

    def _store(self, place: roots.Place | None, batch: list[Step]) -> None:
        instance_of = self.catalogue.store(
            lambda connection: self._stored(connection, place, batch),
            self.run_ref,
            self._writer.forget,
        )
        self._rows.add(row_of(step, instance_of.get(step.position)) for step in batch)
        self._there.update(step.path for step in batch if step.path is not None)

    def _stored(
        self, connection: Any, place: roots.Place | None, batch: list[Step]
    ) -> dict[int, int]:
        """Store what records state, in a transaction; return the instances by the records' positions."""
        with_claims = [step for step in batch if step.claims is not None]
        placed = self._writer.store_records(
            connection, [step.claims for step in with_claims if step.claims]
        )
        instance_of = {
            step.position: rows.instance for step, rows in zip(with_claims, placed, strict=True)
        }
        self._store_empty(connection, batch)
        if place is not None and self.order.copy is None:
            files = [
                self._referenced(place, step, instance_of[step.position])
                for step in with_claims
                if step.named is not None
            ]
            ledger.store_referenced(connection, self.run_ref, place.root_ref, files, self._now)
        return instance_of

    def _referenced(
        self, place: roots.Place, step: Step, instance_ref: int
    ) -> ledger.ReferencedFile:
        entry = self.medium.files.get(step.path) if step.path else None
        return ledger.ReferencedFile(
            _below(place, step.named or ""),
            entry.size_bytes if entry else None,
            entry.mtime_ns if entry else None,
            step.record.plain(TRANSFER_SYNTAX),
            instance_ref,
        )

    def _store_empty(self, connection: Any, batch: Sequence[Step]) -> None:
        """Store patients, studies and series that have no records below them."""
        for step in batch:
            if step.record.type not in _HIERARCHY or step.has_lower:
                continue
            stated = partial_claims(self._chains.elements(step.chain))
            types = {record.type for record in step.chain}
            uid = stated.study.study_instance_uid if "STUDY" in types else None
            identity = patient_identity(stated.patient, uid)
            place_entity = self._writer.place_entity
            patient = place_entity(connection, Level.PATIENT, None, stated.patient, identity)
            if not uid:
                continue
            study = place_entity(connection, Level.STUDY, patient, stated.study, uid)
            series_uid = stated.series.series_instance_uid if "SERIES" in types else None
            if series_uid:
                place_entity(connection, Level.SERIES, study, stated.series, series_uid)

    def _store_fileset(self, place: roots.Place | None) -> None:
        imported = self.imported
        if not imported.has_directory:
            return
        stored = ledger.StoredFileSet(
            absolute_text(self.medium.folder),
            "imported",
            imported.file_set_uid,
            imported.file_set_id,
            self.digest,
        )

        def store(connection: Any) -> int:
            if place is not None:
                named = {_below(place, path) for path in self._there}
                ledger.mark_unnamed_missing(connection, self.run_ref, place, named, self._now)
                is_gone = Gone(self.medium)
                ledger_missing.mark_gone(connection, self.run_ref, place, is_gone, self._now)
            rows = map(ledger.RecordRow._make, self._rows)
            return ledger.store_fileset(connection, self.run_ref, stored, rows, imported.findings)

        self._fileset_ref = self.catalogue.store(store, self.run_ref)
        self._rows, self._there = Packed(), set()

    def _store_findings(self, before: int) -> None:
        """Store what was noticed after the File-set was stored with the first `before` findings."""
        findings = self.imported.findings
        fileset_ref = self._fileset_ref
        if len(findings) > before and fileset_ref is not None:
            self.catalogue.store(
                lambda connection: ledger.add_findings(
                    connection, self.run_ref, fileset_ref, findings.since(before)
                ),
                self.run_ref,
            )

    # -- files -----------------------------------------------------------------------------

    def _store_own(self, reader: HeaderReader, place: roots.Place) -> None:
        """Store the DICOMDIR and its manifest as the files that they are, so that both are known to be there."""
        files = Files(self.medium, reader, self.imported, with_digest=False)
        readings = [_at(place, each) for each in files.of_file_set(self.digest)]
        self._storing()(place.root_ref, readings)

    def _read(self, reader: HeaderReader, place: roots.Place | None) -> list[Instance]:
        """Read the files, store what they say if `place` is given, and return the instances."""
        instances = []
        batch: list[Reading] = []
        store = self._storing()
        for read in self._met.read(reader):
            if (instance := _instance(read)) is not None and self.order.copy is not None:
                instances.append(instance)
            if place is None or (instance is None and self._is_archive(read.path)):
                continue  # only indexing looks into archives; a row would say that it had
            batch.append(_at(place, read.reading))
            if len(batch) == BATCH_FILES:
                store(place.root_ref, batch)
                batch = []
        if place is not None and batch:
            store(place.root_ref, batch)
        self._met.finish()
        return instances

    def _is_archive(self, path: str) -> bool:
        return path not in self._met.named and is_archive_name(path)

    def _storing(self) -> Any:
        """Return what stores readings, as indexing stores them."""
        asked = self.catalogue.store(
            lambda connection: attribute_sets.set_ref(connection, self.order.attributes)
        )
        writer = RowWriter(self.run_ref, asked)

        def store(root_ref: int, readings: Sequence[Reading]) -> None:
            self.catalogue.store(
                lambda connection: writer.store(connection, root_ref, readings),
                self.run_ref,
                writer.forget,
            )

        return store

    # -- copies ----------------------------------------------------------------------------

    def _copy(self, copying: Copying, planned: Sequence[Any]) -> None:
        """Make the copies, and store what they say in batches; what was copied is stored whatever happens."""
        assert self.order.copy is not None
        store = self._storing()
        done: dict[str, CopyItem] = {}
        batch: list[Copied] = []
        place: roots.Place | None = None

        def flush() -> None:
            nonlocal place, batch
            copies, batch = batch, []
            if not copies:
                return
            copying.settle(copies)
            if place is None:
                assert self.order.copy is not None
                folder = absolute_text(self.order.copy.folder)
                place = self.catalogue.store(lambda connection: roots.place_for(connection, folder))
            readings = {}
            for _, reading in copies:
                if reading is not None:
                    stored = _at(place, reading)
                    readings[stored.file.path] = stored
            store(place.root_ref, list(readings.values()))
            self.listener(Progress(COPYING, len(done), len(planned)))

        self.listener(Started(COPYING, len(planned), "files"))
        try:
            for each in copying.copied(planned, self.imported.findings.append):
                done[each.item.source] = each.item
                batch.append(each)
                if len(batch) == BATCH_COPIES:
                    flush()
        except MediaFull as exc:
            raise MediaFull(
                f"{exc} {len(done):,} of {len(planned):,} instances are in the archive and in the catalogue; free some space and run the same command again."
            ) from exc
        finally:
            flush()
            self.imported.copies = [done.get(p.instance.path, p.item) for p in planned]
        self.listener(Finished(COPYING, len(done)))


def _at(place: roots.Place, reading: Reading) -> Reading:
    """Return the reading of a file of the medium with its path below the place's root."""
    return reading._replace(file=reading.file._replace(path=_below(place, reading.file.path)))


def _below(place: roots.Place, path: str) -> str:
    """Return the path below the place's root of what lies at `path` below the place."""
    return f"{place.below}/{path}" if place.below else path
