"""The disclosure ledger, and the File-sets that were imported and exported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from catalog.database import models as m
from catalog.database.roots import Place
from catalog.database.rows import in_chunks
from catalog.database.settle import remove_unclaimed
from catalog.database.stored_files import below_condition
from catalog.database.upsert import finding_values
from catalog.entities import Status
from catalog.findings import Finding


class RecordRow(NamedTuple):
    """One directory record, as `fileset_record` keeps it; see the comments of its columns."""

    position: int
    depth: int
    record_type: str
    offset_bytes: int | None
    file_id: str | None
    path: str | None
    sop_class_uid: str | None
    sop_instance_uid: str | None
    transfer_syntax_uid: str | None
    keys: Mapping[str, Any] | None
    instance_ref: int | None


class StoredFileSet(NamedTuple):
    """A File-set, as `fileset` keeps it; see the comments of its columns."""

    folder: str
    direction: str
    file_set_uid: str
    file_set_id: str
    dicomdir_digest: str

    @property
    def identity(self) -> str:
        """What makes it one File-set, wherever it lies."""
        return self.file_set_uid or f"sha256:{self.dicomdir_digest}"


class ItemRow(NamedTuple):
    """One instance of an export, as `export_item` keeps it; see the comments of its columns."""

    sop_instance_uid: str
    patient_id: str | None
    issuer_of_patient_id: str | None
    study_instance_uid: str | None
    file_id: str | None
    source: str
    size_bytes: int | None
    digest: str | None
    outcome: str
    reason: str | None


def begin_export(
    connection: Connection,
    run_ref: int,
    destination: str,
    selection: str,
    file_set_uid: str,
    reason: str | None,
    recipient: str | None,
) -> int:
    """Record that an export begins, before a byte is copied; return its id."""
    values = {
        "run_ref": run_ref,
        "destination": destination,
        "selection": selection,
        "file_set_uid": file_set_uid,
        "reason": reason,
        "recipient": recipient,
    }
    return int(
        connection.execute(insert(m.export).values(values).returning(m.export.c.id)).scalar_one()
    )


def add_items(connection: Connection, export_ref: int, items: Sequence[ItemRow]) -> None:
    """Record what became of instances of the export."""
    if items:
        connection.execute(
            insert(m.export_item), [{"export_ref": export_ref, **item._asdict()} for item in items]
        )


def end_export(connection: Connection, export_ref: int, fileset_ref: int) -> None:
    """Record that the DICOMDIR of the export stands."""
    connection.execute(
        update(m.export).where(m.export.c.id == export_ref).values(fileset_ref=fileset_ref)
    )


def store_fileset(
    connection: Connection,
    run_ref: int,
    stored: StoredFileSet,
    records: Iterable[RecordRow],
    findings: Sequence[Finding] = (),
) -> int:
    """Store a File-set with its records and findings, in place of what was known of it.

    Instances that only the replaced records named are removed. Returns the File-set's id.
    """
    former = connection.execute(
        select(m.fileset.c.id).where(
            m.fileset.c.folder == stored.folder,
            m.fileset.c.identity == stored.identity,
            m.fileset.c.direction == stored.direction,
        )
    ).scalar()
    named: set[int] = set()
    if former is not None:
        named.update(
            connection.execute(
                select(m.fileset_record.c.instance_ref).where(
                    m.fileset_record.c.fileset_ref == former,
                    m.fileset_record.c.instance_ref.is_not(None),
                )
            ).scalars()
        )
        connection.execute(
            update(m.export).where(m.export.c.fileset_ref == former).values(fileset_ref=None)
        )
        connection.execute(delete(m.fileset).where(m.fileset.c.id == former))
    values = {"run_ref": run_ref, "identity": stored.identity, **stored._asdict()}
    ref = int(
        connection.execute(insert(m.fileset).values(values).returning(m.fileset.c.id)).scalar_one()
    )
    for chunk in in_chunks(records, 1000):
        connection.execute(
            insert(m.fileset_record), [{"fileset_ref": ref, **row._asdict()} for row in chunk]
        )
    if findings:
        connection.execute(
            insert(m.finding), [finding_values(f, run_ref, fileset_ref=ref) for f in findings]
        )
    remove_unclaimed(connection, named)
    return ref


class ReferencedFile(NamedTuple):
    """A file that a directory record names: `size_bytes` is `None` if it is not there."""

    path: str
    size_bytes: int | None
    mtime_ns: int | None
    transfer_syntax_uid: str | None
    instance_ref: int


def store_referenced(
    connection: Connection, run_ref: int, root_ref: int, files: Sequence[ReferencedFile], now: str
) -> None:
    """Make file rows for what directory records name, so that it can be found, copied and indexed.

    Rows of files that were read themselves stay as they are: a header knows better than a record.
    """
    known: dict[str, Any] = {}
    f = m.file.c
    for chunk in in_chunks([file.path for file in files]):
        for row in connection.execute(
            select(f.path, f.id, f.status, f.last_status).where(
                f.root_ref == root_ref, f.path.in_(chunk)
            )
        ):
            known[row.path] = row
    made, changed = [], []
    for file in {file.path: file for file in files}.values():
        is_there = file.size_bytes is not None
        values = {
            "size_bytes": file.size_bytes,
            "mtime_ns": file.mtime_ns,
            "status": "referenced" if is_there else "missing",
            "error": "known from a DICOMDIR; its header has not been read"
            if is_there
            else "named by a DICOMDIR, but not there",
            "transfer_syntax_uid": file.transfer_syntax_uid,
            "instance_ref": file.instance_ref,
            "last_run_ref": run_ref,
            "missing_since": None if is_there else now,
            "last_status": None if is_there else "referenced",
        }
        found = known.get(file.path)
        if found is None:
            made.append(
                values | {"root_ref": root_ref, "path": file.path, "first_run_ref": run_ref}
            )
        elif "referenced" in (found.status, found.last_status):
            changed.append(values | {"file_id": found.id})
    if made:
        connection.execute(insert(m.file), made)
    if changed:
        columns = [name for name in changed[0] if name != "file_id"]
        connection.execute(
            update(m.file)
            .where(f.id == bindparam("file_id"))
            .values({name: bindparam(name) for name in columns}),
            changed,
        )


def mark_unnamed_missing(
    connection: Connection, run_ref: int, place: Place, named: Collection[str], now: str
) -> None:
    """Mark files missing that were known at a place from a DICOMDIR only, and are not of the disc there now.

    `named` are the paths, below the root, of the files that are there and belong to it.
    """
    f = m.file.c
    rows = connection.execute(
        select(f.id, f.path).where(
            f.root_ref == place.root_ref,
            below_condition(place.below),
            f.status == Status.REFERENCED.value,
        )
    ).all()
    gone = [row.id for row in rows if row.path not in named]
    for chunk in in_chunks(gone):
        connection.execute(
            update(m.file)
            .where(f.id.in_(chunk))
            .values(
                status=Status.MISSING.value,
                last_status=Status.REFERENCED.value,
                missing_since=now,
                last_run_ref=run_ref,
            )
        )
