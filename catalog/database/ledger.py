"""The disclosure ledger, and the File-sets that were imported and exported."""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from catalog.database import file_paths, totals
from catalog.database import models as m
from catalog.database.insertion import insert_rows, next_free_id
from catalog.database.roots import Place
from catalog.database.rows import in_chunks, storable
from catalog.database.settle import remove_unclaimed
from catalog.database.stored_files import below_condition
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


_RECORD_COLUMNS = ("fileset_ref", *RecordRow._fields)
_FINDING_COLUMNS = ("run_ref", "fileset_ref", "code", "severity", "place", "message", "clause", "offset_bytes")  # fmt: skip


def _json(keys: Mapping[str, Any] | None) -> Any:
    """Return keys as the column's driver has them."""
    return None if keys is None else json.dumps({k: storable(v) for k, v in keys.items()})


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


class Volume(NamedTuple):
    """Which volume of an export it is, and what is needed to go on with it; see `export`'s comments."""

    options: Mapping[str, Any]
    base_destination: str
    volume: int | None = None
    volumes: int | None = None


class StoredExport(NamedTuple):
    """An export of one volume, as `export` keeps it; see the comments of its columns."""

    ref: int
    run_ref: int
    resumed_run_ref: int | None
    fileset_ref: int | None
    destination: str
    base_destination: str
    selection: str
    file_set_uid: str
    options: Mapping[str, Any]
    volume: int | None
    volumes: int | None
    reason: str | None
    recipient: str | None


def begin_export(
    connection: Connection,
    run_ref: int,
    destination: str,
    selection: str,
    file_set_uid: str,
    reason: str | None,
    recipient: str | None,
    volume: Volume | None = None,
) -> int:
    """Record that an export begins, before a byte is copied; return its id."""
    values = {
        **(volume._asdict() if volume is not None else {}),
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


def add_items(connection: Connection, export_ref: int, items: Iterable[ItemRow]) -> None:
    """Record what became of instances of the export."""
    for chunk in in_chunks(items, 1000):
        rows = [(export_ref, *item) for item in chunk]
        insert_rows(connection, m.export_item, ("export_ref", *ItemRow._fields), rows)


def item_refs(connection: Connection, export_ref: int) -> array[int]:
    """Return the ids of the items of an export, in the order in which they were added."""
    x = m.export_item.c
    query = select(x.id).where(x.export_ref == export_ref).order_by(x.id)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        return array("q", rows.scalars())


class Settled(NamedTuple):
    """What became of a planned item; the columns of `export_item`."""

    ref: int
    outcome: str
    size_bytes: int | None
    digest: str | None
    reason: str | None


def settle_items(connection: Connection, settled: Sequence[Settled]) -> None:
    """Record what became of planned items."""
    if settled:
        connection.execute(
            update(m.export_item)
            .where(m.export_item.c.id == bindparam("ref"))
            .values({name: bindparam(f"new_{name}") for name in Settled._fields if name != "ref"}),
            [
                {
                    "ref": each.ref,
                    "new_outcome": each.outcome,
                    "new_size_bytes": each.size_bytes,
                    "new_digest": each.digest,
                    "new_reason": each.reason,
                }
                for each in settled
            ],
        )


def exports_at(connection: Connection, destination: str) -> list[StoredExport]:
    """Return the exports to `destination`, or to volumes of it, latest first, by volume.

    Those of versions that kept no options are not among them.
    """
    e = m.export.c
    query = (
        select(*(e.id if name == "ref" else e[name] for name in StoredExport._fields))
        .where(or_(e.destination == destination, e.base_destination == destination))
        .where(e.options.is_not(None))
        .order_by(e.run_ref.desc(), e.volume, e.id)
    )
    return [StoredExport(*row) for row in connection.execute(query)]


def items_of(connection: Connection, export_ref: int) -> list[tuple[int, ItemRow]]:
    """Return the items of an export with their ids, in the order in which they were added."""
    x = m.export_item.c
    query = (
        select(x.id, *(x[name] for name in ItemRow._fields))
        .where(x.export_ref == export_ref)
        .order_by(x.id)
    )
    return [(row[0], ItemRow(*row[1:])) for row in connection.execute(query)]


def copies_of(connection: Connection, file_set_uid: str) -> dict[str, ItemRow]:
    """Return what stands on the medium of a File-set, by File ID: of each the latest entry.

    A medium that was updated has entries of several exports.
    """
    x, e = m.export_item.c, m.export.c
    query = (
        select(*(x[name] for name in ItemRow._fields))
        .select_from(m.export_item.join(m.export, x.export_ref == e.id))
        .where(e.file_set_uid == file_set_uid, x.outcome.in_(("copied", "removed")))
        .order_by(x.export_ref, x.id)
    )
    found: dict[str, ItemRow] = {}
    for values in connection.execute(query):
        row = ItemRow(*values)
        if row.file_id is None:
            continue
        if row.outcome == "removed":
            found.pop(row.file_id, None)
        else:
            found[row.file_id] = row
    return found


def instances_named(connection: Connection, file_set_uid: str) -> dict[str, int]:
    """Return the instance of each record of an exported File-set, by SOP Instance UID."""
    r, f = m.fileset_record.c, m.fileset.c
    query = (
        select(r.sop_instance_uid, r.instance_ref)
        .select_from(m.fileset_record.join(m.fileset, r.fileset_ref == f.id))
        .where(f.file_set_uid == file_set_uid, f.direction == "exported")
        .where(r.sop_instance_uid.is_not(None), r.instance_ref.is_not(None))
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def exports_of(connection: Connection, file_set_uid: str) -> list[int]:
    """Return the ids of the finished exports that wrote a File-set."""
    e = m.export.c
    query = select(e.id).where(e.file_set_uid == file_set_uid, e.fileset_ref.is_not(None))
    return list(connection.execute(query).scalars())


def resume_export(connection: Connection, export_ref: int, run_ref: int) -> None:
    """Record that a run takes up an export again."""
    connection.execute(
        update(m.export).where(m.export.c.id == export_ref).values(resumed_run_ref=run_ref)
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
    stored = StoredFileSet(*map(storable, stored))
    values = {"run_ref": run_ref, "identity": stored.identity, **stored._asdict()}
    ref = int(
        connection.execute(insert(m.fileset).values(values).returning(m.fileset.c.id)).scalar_one()
    )
    for chunk in in_chunks(records, 1000):
        rows = [(ref, *map(storable, row._replace(keys=_json(row.keys)))) for row in chunk]
        insert_rows(connection, m.fileset_record, _RECORD_COLUMNS, rows)
    add_findings(connection, run_ref, ref, findings)
    remove_unclaimed(connection, named)
    return ref


def add_findings(
    connection: Connection, run_ref: int, fileset_ref: int, findings: Iterable[Finding]
) -> None:
    """Store what was noticed of a File-set after it was stored, as when its files are read."""
    for chunk in in_chunks(findings, 1000):
        rows = [
            (run_ref, fileset_ref, f.code, f.severity.value, storable(f.place), storable(f.message), f.clause, f.offset_bytes)
            for f in chunk
        ]  # fmt: skip
        insert_rows(connection, m.finding, _FINDING_COLUMNS, rows)


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
    files = [ReferencedFile(*map(storable, file)) for file in files]
    f = m.file.c
    for chunk in in_chunks([file.path for file in files]):
        for row in connection.execute(
            select(f.path, f.id, f.status, f.last_status, f.instance_ref).where(
                f.root_ref == root_ref, file_paths.is_one_of(chunk)
            )
        ):
            known[row.path] = row
    made: list[dict[str, Any]] = []
    changed = []
    next_id = next_free_id(connection, m.file)
    instances: set[int | None] = set()
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
            instances.add(file.instance_ref)
            place = {"id": next_id + len(made), "root_ref": root_ref, "path": file.path}
            made.append(values | place | {"first_run_ref": run_ref})
        elif "referenced" in (found.status, found.last_status):
            instances |= {file.instance_ref, found.instance_ref}
            changed.append(values | {"file_id": found.id})
    with totals.kept(connection, instances):
        if made:
            insert_rows(connection, m.file, tuple(made[0]), [tuple(row.values()) for row in made])
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
        select(f.id, f.path, f.instance_ref).where(
            f.root_ref == place.root_ref,
            below_condition(place.below),
            f.status == Status.REFERENCED.value,
        )
    ).all()
    gone = [row for row in rows if row.path not in named]
    with totals.kept(connection, [row.instance_ref for row in gone]):
        for chunk in in_chunks([row.id for row in gone]):
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
