"""What imports brought in, by patient and study."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from catalog.database import file_paths, runs
from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.database.ledger_reading import DISCLOSED, StudyShare
from catalog.database.runs import RunRow
from catalog.shapes import frozen


@frozen
class Import:
    """What one import brought in.

    Attributes
    ----------
    place:
        The medium's folder or file; `None` if it had no directory.
    shares:
        By patient and study; instances that the catalogue knows from it count as copied.
    """

    run: RunRow
    place: str | None
    file_set_uid: str
    shares: tuple[StudyShare, ...]


def import_of_process(catalogue: Catalogue, host: str, pid: int, after: int) -> Import | None:
    """Return what the latest import of a process brought in; `None` if it made none after run `after`."""
    r = m.run.c
    with catalogue.read() as connection:
        ref = connection.execute(
            select(func.max(r.id)).where(
                r.host == host, r.pid == pid, r.id > after, r.command == "import"
            )
        ).scalar()
    row = None if ref is None else runs.one(catalogue, ref)
    if row is None:
        return None
    f = m.fileset.c
    with catalogue.read() as connection:
        fileset = connection.execute(
            select(f.id, f.folder, f.file_set_uid).where(
                f.run_ref == row.ref, f.direction == "imported"
            )
        ).first()
        shares = _brought_in(connection, row.ref, None if fileset is None else fileset.id)
    if fileset is None:
        return Import(row, None, "", shares)
    return Import(row, fileset.folder, fileset.file_set_uid or "", shares)


def directory_digests(connection: Connection) -> dict[str, frozenset[str]]:
    """Return the SHA-256 of the DICOMDIRs that were imported, by the folder or the file that held them.

    Several discs may have been at one place.
    """
    f = m.fileset.c
    found: dict[str, set[str]] = {}
    query = select(f.folder, f.dicomdir_digest).where(f.direction == "imported")
    for folder, digest in connection.execute(query):
        found.setdefault(folder, set()).add(digest)
    return {folder: frozenset(digests) for folder, digests in found.items()}


def digest_of_file(file_ref: int, connection: Connection) -> str | None:
    """Return the digest that a file's row has, `None` if it has none."""
    digest = connection.execute(select(m.file.c.digest).where(m.file.c.id == file_ref)).scalar()
    return None if digest is None else str(digest)


def time_of_files_below(root_ref: int, below: str, connection: Connection) -> int | None:
    """Return the latest modification time of the files below a path, in nanoseconds; `None` without any."""
    f = m.file.c
    query = select(func.max(f.mtime_ns)).where(f.root_ref == root_ref, file_paths.is_below(below))
    return connection.execute(query).scalar()


def _brought_in(
    connection: Connection, run_ref: int, fileset_ref: int | None
) -> tuple[StudyShare, ...]:
    """Return the instances that a File-set's records name, or, without one, those whose files a run read."""
    p, t, s, i = m.patient.c, m.study.c, m.series.c, m.instance.c
    if fileset_ref is not None:
        named = select(m.fileset_record.c.instance_ref).where(
            m.fileset_record.c.fileset_ref == fileset_ref
        )
    else:
        named = select(m.file.c.instance_ref).where(m.file.c.last_run_ref == run_ref)
    rows = connection.execute(
        select(
            p.patient_id, p.issuer_of_patient_id, t.study_instance_uid, i.sop_class_uid,
            p.patient_name, t.accession_number, func.count().label("instances"),
        )
        .select_from(m.instance)
        .outerjoin(m.series, s.id == i.series_ref)
        .outerjoin(m.study, t.id == s.study_ref)
        .outerjoin(m.patient, p.id == t.patient_ref)
        .where(i.id.in_(named))
        .group_by(
            p.patient_id, p.issuer_of_patient_id, t.study_instance_uid, i.sop_class_uid,
            p.patient_name, t.accession_number,
        )
    ).all()  # fmt: skip
    found: dict[tuple[str | None, ...], StudyShare] = {}
    for row in sorted(rows, key=lambda row: tuple((each is None, each or "") for each in row[:4])):
        before = found.get(tuple(row[:3]))
        classes = dict(before.sop_classes) if before else {}
        classes[row.sop_class_uid or ""] = classes.get(row.sop_class_uid or "", 0) + row.instances
        found[tuple(row[:3])] = StudyShare(
            row.patient_id,
            row.issuer_of_patient_id,
            row.study_instance_uid,
            {DISCLOSED: sum(classes.values())},
            classes,
            0,
            row.patient_name,
            row.accession_number,
        )
    return tuple(found.values())
