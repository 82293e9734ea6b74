"""What the disclosure ledger says: who got what, when, why and where to.

An entry stands on its own: what it answers is read from `run`, `export`, `export_item`, `fileset` and
`fileset_record`, which nothing prunes. Names and Accession Numbers come from the catalogue's rows and
are missing where those are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from catalog.database import models as m
from catalog.database import runs
from catalog.database.catalogue import Catalogue
from catalog.database.rows import in_chunks
from catalog.database.runs import Outcome, RunRow
from catalog.normal_forms import fold
from catalog.shapes import frozen

DISCLOSED = "copied"
"""The outcome of an instance that is on the medium."""

UPDATE = "update"
"""Name among an export's options that says that it updated a medium."""

FETCHED = 1000


@frozen
class Entry:
    """One export, or one volume of it, as the ledger has it.

    Attributes
    ----------
    number:
        By which the ledger names it.
    run, resumed:
        Who began it and when, and who took it up again last; `None` if nobody did.
    selection:
        As typed, with what a saved selection meant (`[@NAME is …]`).
    file_set_id:
        `None` until the DICOMDIR stands.
    dicomdir_digest:
        SHA-256; `None` until the DICOMDIR stands, and after another export replaced it.
    options:
        What was ordered, by name; empty for exports of earlier versions.
    volume, volumes:
        Which of how many; `None` if it was not divided.
    outcomes:
        How many instances were `copied`, `left-out`, `failed`, are still `planned`, or were
        `removed` by an update.
    size_bytes:
        Of what was copied.
    patients, studies:
        How many different ones were copied.
    """

    number: int
    run: RunRow
    resumed: RunRow | None
    destination: str
    selection: str
    reason: str | None
    recipient: str | None
    file_set_uid: str
    file_set_id: str | None
    dicomdir_digest: str | None
    fileset_ref: int | None
    options: Mapping[str, Any]
    volume: int | None
    volumes: int | None
    outcomes: Mapping[str, int]
    size_bytes: int
    patients: int
    studies: int

    @property
    def last_run(self) -> RunRow:
        """The run that worked on it last."""
        return self.resumed or self.run

    @property
    def who(self) -> str:
        """`login@host` of who began it."""
        return f"{self.run.login}@{self.run.host}"

    @property
    def outcome(self) -> Outcome:
        """How it ended: done once its DICOMDIR stands, failed if nothing could be copied."""
        if self.fileset_ref is not None:
            return Outcome.DONE
        if self.last_run.outcome is Outcome.DONE and not self.outcomes.get(DISCLOSED):
            return Outcome.FAILED
        return self.last_run.outcome

    @property
    def lost_its_last_words(self) -> bool:
        """Whether instances may be on the medium that are still `planned` here.

        What is copied is written down in batches, and the last one was not if the process was killed.
        """
        return not self.is_finished and self.outcome in (
            Outcome.KILLED,
            Outcome.RUNNING,
            Outcome.UNKNOWN,
        )

    @property
    def is_finished(self) -> bool:
        """Whether the medium is finished, though instances may have failed."""
        return self.outcome is Outcome.DONE


@frozen
class StudyShare:
    """What an export holds of one study of one patient.

    `outcomes` counts instances as `Entry.outcomes`; `sop_classes` those that were copied, by SOP
    Class UID, `''` where it is not known any more. `patient_name` and `accession_number` are
    `None` if the catalogue has no row of it any more.
    """

    patient_id: str | None
    issuer_of_patient_id: str | None
    study_instance_uid: str | None
    outcomes: Mapping[str, int]
    sop_classes: Mapping[str, int]
    size_bytes: int
    patient_name: str | None = None
    accession_number: str | None = None


@frozen
class Item:
    """One instance of an export; see the comments of `export_item`. `findings` are sentences."""

    sop_instance_uid: str
    sop_class_uid: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None
    study_instance_uid: str | None
    file_id: str | None
    source: str
    size_bytes: int | None
    digest: str | None
    outcome: str
    reason: str | None
    findings: tuple[str, ...] = ()


@frozen
class Asked:
    """Which entries are asked for; all without anything.

    Attributes
    ----------
    since, until:
        First and last day, such as `2024-01-31`, as the clock showed it where the export ran.
    recipient, destination:
        Text that they contain, whatever the case and accents.
    """

    since: str | None = None
    until: str | None = None
    recipient: str | None = None
    destination: str | None = None
    numbers: tuple[int, ...] | None = None


ALL = Asked()


def entries(catalogue: Catalogue, asked: Asked = ALL) -> list[Entry]:
    """Return the exports that are asked for, latest first."""
    e, f = m.export.c, m.fileset.c
    query = (
        select(
            m.export, f.file_set_id, f.dicomdir_digest, m.run.c.started_at
        )
        .join_from(m.export, m.run, m.run.c.id == e.run_ref)
        .outerjoin(m.fileset, f.id == e.fileset_ref)
        .order_by(e.id.desc())
    )  # fmt: skip
    if asked.since is not None:
        query = query.where(func.substr(m.run.c.started_at, 1, 10) >= asked.since)
    if asked.until is not None:
        query = query.where(func.substr(m.run.c.started_at, 1, 10) <= asked.until)
    with catalogue.read() as connection:
        rows = [row for row in connection.execute(query) if _is_asked(row, asked)]
        sums = _sums(connection, [row.id for row in rows])
    wanted = {ref for row in rows for ref in (row.run_ref, row.resumed_run_ref) if ref is not None}
    known = {ref: run for ref in wanted if (run := runs.one(catalogue, ref)) is not None}
    return [
        Entry(
            number=row.id,
            run=known[row.run_ref],
            resumed=known.get(row.resumed_run_ref),
            destination=row.destination,
            selection=row.selection,
            reason=row.reason,
            recipient=row.recipient,
            file_set_uid=row.file_set_uid,
            file_set_id=row.file_set_id,
            dicomdir_digest=row.dicomdir_digest,
            fileset_ref=row.fileset_ref,
            options=row.options or {},
            volume=row.volume,
            volumes=row.volumes,
            **sums[row.id],
        )
        for row in rows
    ]


def _is_asked(row: Row[Any], asked: Asked) -> bool:
    if asked.numbers is not None and row.id not in asked.numbers:
        return False
    return _contains(row.recipient, asked.recipient) and _contains(
        row.destination, asked.destination
    )


def _contains(text: str | None, part: str | None) -> bool:
    return part is None or fold(part) in fold(text or "")


def _sums(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the counts of entries, by their numbers."""
    i = m.export_item.c
    sums: dict[int, dict[str, Any]] = {
        number: {"outcomes": {}, "size_bytes": 0, "patients": 0, "studies": 0} for number in numbers
    }
    shares: dict[int, set[tuple[str | None, ...]]] = {number: set() for number in numbers}
    for chunk in in_chunks(numbers):
        for number, outcome, count, size in connection.execute(
            select(i.export_ref, i.outcome, func.count(), func.sum(i.size_bytes))
            .where(i.export_ref.in_(chunk))
            .group_by(i.export_ref, i.outcome)
        ):
            sums[number]["outcomes"][outcome] = count
            if outcome == DISCLOSED:
                sums[number]["size_bytes"] = int(size or 0)
        for row in connection.execute(
            select(i.export_ref, i.patient_id, i.issuer_of_patient_id, i.study_instance_uid)
            .where(i.export_ref.in_(chunk), i.outcome == DISCLOSED)
            .distinct()
        ):
            shares[row.export_ref].add(tuple(row[1:]))
    for number, found in shares.items():
        sums[number]["patients"] = len({key[:2] for key in found if key != (None, None, None)})
        sums[number]["studies"] = len({key for key in found if key[2]})
    return sums


def entry(catalogue: Catalogue, number: int) -> Entry | None:
    """Return the entry `number`, `None` if there is none."""
    return next(iter(entries(catalogue, Asked(numbers=(number,)))), None)


def of_process(catalogue: Catalogue, host: str, pid: int, after: int) -> list[Entry]:
    """Return the entries on which a process has worked, in order.

    Parameters
    ----------
    after:
        Only runs later than this one count, as numbers of processes are used again.
    """
    e, r = m.export.c, m.run.c
    with catalogue.read() as connection:
        refs = select(r.id).where(r.host == host, r.pid == pid, r.id > after)
        numbers = connection.execute(
            select(e.id).where(e.run_ref.in_(refs) | e.resumed_run_ref.in_(refs))
        ).scalars()
        found = tuple(int(number) for number in numbers)
    return entries(catalogue, Asked(numbers=found))[::-1] if found else []


def last_run(catalogue: Catalogue) -> int:
    """Return the number of the latest run, 0 if there was none."""
    with catalogue.read() as connection:
        return int(connection.execute(select(func.max(m.run.c.id))).scalar() or 0)


def studies(connection: Connection, entry: Entry, *, of_medium: bool = False) -> list[StudyShare]:
    """Return what an export wrote, by patient and study; what belongs to no patient last.

    Parameters
    ----------
    of_medium:
        What was on the medium then: of an update also what earlier exports had put there.
    """
    i = m.export_item.c
    classes = _sop_classes(connection, entry)
    found: dict[tuple[str | None, ...], _Share] = {}
    query = select(
        i.patient_id, i.issuer_of_patient_id, i.study_instance_uid,
        i.outcome, i.size_bytes, i.sop_instance_uid,
    )  # fmt: skip
    rows: Iterable[Row[Any]]
    if of_medium and entry.options.get(UPDATE):
        rows = _held(connection, query, entry)
    else:
        rows = connection.execute(query.where(i.export_ref == entry.number))
    for row in rows:
        share = found.setdefault(tuple(row[:3]), _Share())
        share.outcomes[row.outcome] += 1
        if row.outcome == DISCLOSED:
            share.classes[classes.get(row.sop_instance_uid) or ""] += 1
            share.size_bytes += row.size_bytes or 0
    names = _names(connection, found)
    return [
        StudyShare(
            key[0],
            key[1],
            key[2],
            dict(share.outcomes),
            dict(sorted(share.classes.items())),
            share.size_bytes,
            *names.get(key, (None, None)),
        )
        for key, share in sorted(
            found.items(), key=lambda pair: tuple((part is None, part or "") for part in pair[0])
        )
    ]


def _held(connection: Connection, query: Select[Any], entry: Entry) -> list[Row[Any]]:
    """Return the last that is known of each instance when an update of a medium had ended."""
    i, e = m.export_item.c, m.export.c
    last: dict[str, Row[Any]] = {}
    for row in connection.execute(
        query.join_from(m.export_item, m.export, e.id == i.export_ref)
        .where(e.file_set_uid == entry.file_set_uid, e.id <= entry.number)
        .order_by(i.id)
    ):
        if row.outcome in (DISCLOSED, "removed") or row.sop_instance_uid not in last:
            last[row.sop_instance_uid] = row
    return list(last.values())


class _Share:
    """Counts of one study."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.size_bytes = 0


def _sop_classes(connection: Connection, entry: Entry) -> dict[str, str]:
    """Return the SOP Class of each instance of the File-set, as its directory records say.

    An update has a new row for the same File-set, so it is found by its UID. For a medium without
    a directory the catalogue is asked, which may have forgotten.
    """
    r, f = m.fileset_record.c, m.fileset.c
    known = {
        uid: sop_class
        for uid, sop_class in connection.execute(
            select(r.sop_instance_uid, r.sop_class_uid)
            .join_from(m.fileset_record, m.fileset, f.id == r.fileset_ref)
            .where(
                f.file_set_uid == entry.file_set_uid,
                f.direction == "exported",
                r.sop_instance_uid.is_not(None),
            )
        )
        if sop_class
    }
    if known:
        return known
    i, own = m.export_item.c, m.instance.c
    return {
        uid: sop_class
        for uid, sop_class in connection.execute(
            select(own.sop_instance_uid, own.sop_class_uid)
            .join_from(m.export_item, m.instance, own.sop_instance_uid == i.sop_instance_uid)
            .where(i.export_ref == entry.number)
        )
        if sop_class
    }


def _names(
    connection: Connection, keys: Mapping[tuple[str | None, ...], object]
) -> dict[tuple[str | None, ...], tuple[str | None, str | None]]:
    """Return name and Accession Number by patient and study, of those that the catalogue still has."""
    p, s = m.patient.c, m.study.c
    found: dict[tuple[str | None, ...], tuple[str | None, str | None]] = {}
    uids = {key[2] for key in keys if key[2]}
    for chunk in in_chunks(sorted(uid for uid in uids if uid is not None)):
        for row in connection.execute(
            select(
                p.patient_id, p.issuer_of_patient_id, s.study_instance_uid,
                p.patient_name, s.accession_number,
            )
            .join_from(m.study, m.patient, p.id == s.patient_ref)
            .where(s.study_instance_uid.in_(chunk))
        ):  # fmt: skip
            found[tuple(row[:3])] = (row.patient_name, row.accession_number)
    return found


def items(connection: Connection, entry: Entry, *outcomes: str) -> Iterator[Item]:
    """Yield the instances of an export in the order in which they were written down.

    Those of the given `outcomes` only, if there are any.
    """
    i = m.export_item
    classes = _sop_classes(connection, entry)
    noticed = findings(connection, entry)
    query = select(i).where(i.c.export_ref == entry.number).order_by(i.c.id)
    if outcomes:
        query = query.where(i.c.outcome.in_(outcomes))
    after = 0
    while rows := connection.execute(query.where(i.c.id > after).limit(FETCHED)).all():
        after = rows[-1].id
        for row in rows:
            yield Item(
                row.sop_instance_uid,
                classes.get(row.sop_instance_uid),
                row.patient_id,
                row.issuer_of_patient_id,
                row.study_instance_uid,
                row.file_id,
                row.source,
                row.size_bytes,
                row.digest,
                row.outcome,
                row.reason,
                tuple(noticed.get(row.file_id, ())) if row.outcome == DISCLOSED else (),
            )


def findings(connection: Connection, entry: Entry) -> dict[str, list[str]]:
    """Return what was noticed when the medium was written, by File ID; `''` for what is of no one file."""
    if entry.fileset_ref is None:
        return {}
    f, i = m.finding.c, m.export_item.c
    file_ids = set(
        connection.execute(select(i.file_id).where(i.export_ref == entry.number)).scalars()
    )
    found: dict[str, list[str]] = {}
    for row in connection.execute(
        select(f.place, f.message).where(f.fileset_ref == entry.fileset_ref).order_by(f.id)
    ):
        if row.place in file_ids:
            found.setdefault(row.place, []).append(row.message)
        else:
            place = f"{row.place}: " if row.place else ""
            found.setdefault("", []).append(place + row.message)
    return found
