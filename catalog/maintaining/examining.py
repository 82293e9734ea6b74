"""Files that are to go into a directory: what records each gives, and which cannot go together."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, NamedTuple

from catalog.dicom import claims as dicom_claims
from catalog.dicom.header import Header, read_header
from catalog.entities import Claims
from catalog.errors import HeaderError, NotDicom
from catalog.files.digest import digest
from catalog.files.paths import from_text
from catalog.fileset import build
from catalog.fileset.file_id import FileId
from catalog.fileset.records import record_type_for
from catalog.fileset.tree import FILE_ID, Record, file_id_element
from catalog.findings import Finding, Severity
from catalog.maintaining.describing import key_text
from catalog.normal_forms import is_uid

PATIENT_ID = 0x00100020
_WANTED = build.WANTED | dicom_claims.WANTED
_UNNAMED = FileId(("X",))
"""Stands in a record until its file has a File ID; `named` replaces it."""


class LeftOut(NamedTuple):
    """A DICOM file that gets no record: `reason` completes the sentence "It is left out because …"."""

    place: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that can have a record.

    Attributes
    ----------
    source:
        Its path on disk, in text form (`catalog.files.paths`).
    place:
        Its name for people and findings.
    sop_instance_uid, study_instance_uid, series_instance_uid:
        Study and Series are `''` for instances of no patient.
    patient_id, issuer:
        As the file states them, trimmed, `''` if it does not.
    above:
        The PATIENT, STUDY and SERIES records that its header gives, with what was noticed; empty
        for instances of no patient.
    record:
        Its own record, without its File ID: see `named`.
    """

    source: str
    place: str
    size_bytes: int
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str
    issuer: str
    above: tuple[build.Built, ...]
    record: Record
    findings: tuple[Finding, ...] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """What its File ID is made from; the same as in an export of the same instance."""
        if not self.above:
            return (self.sop_instance_uid,)
        parts = [self.patient_id, self.issuer]
        if not self.patient_id:
            parts.append(self.study_instance_uid)
        patient = json.dumps(parts, ensure_ascii=False)
        return (patient, self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid)

    @property
    def directory_patient_id(self) -> str:
        """The Patient ID of its PATIENT record, supplied where the file has none."""
        record = self.above[0].record if self.above else None
        return self.patient_id or (key_text(record, PATIENT_ID) if record else "")


def named(record: Record, file_id: FileId) -> Record:
    """Return `record` with `file_id` as its (0004,1500)."""
    element = file_id_element(file_id)
    return replace(record, keys=tuple(element if e.tag == FILE_ID else e for e in record.keys))


def examine(
    stream: BinaryIO, size_bytes: int, source: str, place: str
) -> Candidate | LeftOut | None:
    """Return what the file in `stream` can be in a directory; `None` if it is not DICOM.

    Files that are not DICOM may be on a medium and are never referenced (PS3.10 §8.1). A DICOM
    file without preamble, with illegal UIDs, of a SOP Class without a record type, or that cannot
    be read, is left out with the reason.
    """
    try:
        header = read_header(stream, size_bytes, _WANTED)
    except NotDicom:
        return None
    except (HeaderError, OSError) as exc:
        return LeftOut(place, "file-unreadable", f"it cannot be read: {exc}")
    if header.is_dicomdir:
        return LeftOut(
            place, "another-dicomdir", "it is a DICOMDIR, and a File-set has one (PS3.10 §8.6)"
        )
    if any(finding.code in ("no-preamble", "meta-missing") for finding in header.findings):
        reason = "it has no preamble, prefix and File Meta Information, so it is no DICOM file of a File-set (PS3.10 §7.1)"
        return LeftOut(place, "not-part-10", reason)
    result = dicom_claims.claims(header.elements, header.meta)
    if result.claims is None:
        return LeftOut(place, "no-identity", f"it {result.reason}")
    if problem := _illegal_uid(result.claims):
        return LeftOut(place, "illegal-uid", problem)
    return _candidate(header, result.claims, size_bytes, source, place)


def examine_file(path: str, size_bytes: int, source: str, place: str) -> Candidate | LeftOut | None:
    """As `examine`, for the file at `path`."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - the name may not be UTF-8
            return examine(stream, size_bytes, source, place)
    except OSError as exc:
        return LeftOut(place, "file-unreadable", f"it cannot be read: {exc.strerror}")


def same_bytes(one: Candidate, other: Candidate) -> bool:
    """Return whether two files are equal; `False` if one cannot be read any more."""
    if one.size_bytes != other.size_bytes:
        return False
    try:
        return digest(from_text(one.source)) == digest(from_text(other.source))
    except OSError:
        return False


def _illegal_uid(claims: Claims) -> str | None:
    _, study, series, instance, _ = claims
    for name, uid in (
        ("SOP Class UID", instance.sop_class_uid),
        ("SOP Instance UID", instance.sop_instance_uid),
        ("Study Instance UID", study and study.study_instance_uid),
        ("Series Instance UID", series and series.series_instance_uid),
    ):
        if uid and not is_uid(uid):
            return f"its {name} {uid} is no legal UID (PS3.5 §9.1)"
    return None


def _candidate(
    header: Header, claims: Claims, size_bytes: int, source: str, place: str
) -> Candidate | LeftOut:
    elements = build.with_meta_uids(header.elements, header.meta)
    patient, study, series, instance, _ = claims
    known = record_type_for(instance.sop_class_uid or "")
    if known.record_type is None:
        what = known.name or known.uid or "without a SOP Class"
        return LeftOut(
            place, "no-record-type", f"no record type can refer to it: {what}: {known.reason}"
        )
    built = build.instance_record(elements, _UNNAMED, header.transfer_syntax_uid or "", place=place)
    if built.record is None:
        return LeftOut(place, "no-record", " ".join(f.message for f in built.findings))
    above: tuple[build.Built, ...] = ()
    if known.level == "series":
        if study is None or series is None:
            return LeftOut(place, "no-identity", "it says no study and series")
        makers = (build.patient_record, build.study_record, build.series_record)
        above = tuple(make(elements, place) for make in makers)
        if any(each.record is None for each in above):
            return LeftOut(
                place, "no-record", " ".join(f.message for a in above for f in a.findings)
            )
    findings = list(built.findings)
    if header.is_truncated:
        message = "The file ends inside its Pixel Data; it is in the directory all the same."
        findings.append(Finding("truncated", Severity.WARNING, message, place))
    return Candidate(
        source=source,
        place=place,
        size_bytes=size_bytes,
        sop_instance_uid=instance.sop_instance_uid or "",
        study_instance_uid=(study and study.study_instance_uid) or "" if above else "",
        series_instance_uid=(series and series.series_instance_uid) or "" if above else "",
        patient_id=(patient and patient.patient_id) or "" if above else "",
        issuer=(patient and patient.issuer_of_patient_id) or "" if above else "",
        above=above,
        record=built.record,
        findings=tuple(findings),
    )


def settled(
    candidates: Sequence[Candidate],
    same: Callable[[Candidate, Candidate], bool],
    owners: dict[str, str] | None = None,
) -> tuple[list[Candidate], list[LeftOut]]:
    """Return the candidates that one directory can hold together, sorted by place, and the rest.

    A directory has one PATIENT record for a Patient ID, one STUDY for a Study and one SERIES for a
    Series Instance UID (PS3.3 F.5.1–F.5.3), and a SOP Instance UID names one file (F.2.1). Where
    files contradict each other all of them are left out: which is right is not for a program to
    say. Of files with the same bytes the first by place stays. A file that states no Patient ID
    goes with the patient whom the other files of its study state.

    Parameters
    ----------
    same:
        Whether two files have the same bytes.
    owners:
        Patient IDs of studies that the directory has already, by Study Instance UID.
    """
    ordered = sorted(candidates, key=lambda c: c.place)
    ordered = _adopted(ordered, owners or {})
    kept, left_out = _without_copies(ordered, same)
    why = _conflicts(kept)
    left_out += [LeftOut(c.place, *why[c.place]) for c in kept if c.place in why]
    return [c for c in kept if c.place not in why], sorted(left_out)


def _adopted(candidates: list[Candidate], owners: dict[str, str]) -> list[Candidate]:
    """Give files without a Patient ID that of their study, where the others state exactly one."""
    stated: dict[str, dict[str, Candidate | None]] = defaultdict(dict)
    for study, owner in owners.items():
        stated[study][owner] = None
    for candidate in candidates:
        if candidate.patient_id:
            stated[candidate.study_instance_uid].setdefault(candidate.patient_id, candidate)
    out = []
    for candidate in candidates:
        patients = stated.get(candidate.study_instance_uid, {})
        if candidate.above and not candidate.patient_id and len(patients) == 1:
            ((patient_id, other),) = patients.items()
            message = "It states no Patient ID; it goes with the patient of its study."
            note = Finding(
                "patient-id-adopted", Severity.WARNING, message, candidate.place, "PS3.3 A.1.2"
            )
            above = (other.above[0] if other else candidate.above[0], *candidate.above[1:])
            candidate = replace(
                candidate,
                patient_id=patient_id,
                issuer=other.issuer if other else "",
                above=above,
                findings=(*candidate.findings, note),
            )
        out.append(candidate)
    return out


def _without_copies(
    ordered: list[Candidate], same: Callable[[Candidate, Candidate], bool]
) -> tuple[list[Candidate], list[LeftOut]]:
    by_uid: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in ordered:
        by_uid[candidate.sop_instance_uid].append(candidate)
    kept, left_out = [], []
    for group in by_uid.values():
        first = group[0]
        if len(group) == 1:
            kept.append(first)
        elif all(same(first, other) for other in group[1:]):
            kept.append(first)
            reason = f"it is a copy of {first.place}, and an instance has one record (PS3.3 F.2.1)"
            left_out += [LeftOut(other.place, "copy", reason) for other in group[1:]]
        else:
            reason = f"{len(group)} files have its SOP Instance UID and differ (PS3.3 F.2.1): {first.sop_instance_uid}"
            left_out += [LeftOut(each.place, "sop-instance-twice", reason) for each in group]
    return kept, left_out


def _conflicts(candidates: Iterable[Candidate]) -> dict[str, tuple[str, str]]:
    """Return code and reason by place for files that contradict others."""
    chosen = [c for c in candidates if c.above]
    rules: tuple[tuple[str, str, Callable[[Candidate], str], Callable[[Candidate], object]], ...] = (
        ("patient-id-twice", "its Patient ID is used with different issuers (PS3.3 F.5.1)", lambda c: c.patient_id, lambda c: c.issuer),
        ("study-twice", "its study is under several patients (PS3.3 F.5.2)", lambda c: c.study_instance_uid, lambda c: c.directory_patient_id),
        ("series-twice", "its series is in several studies (PS3.3 F.5.3)", lambda c: c.series_instance_uid, lambda c: c.study_instance_uid),
    )  # fmt: skip
    found: dict[str, tuple[str, str]] = {}
    for code, reason, name, owner in rules:
        owners: dict[str, set[object]] = defaultdict(set)
        for candidate in chosen:
            if name(candidate):
                owners[name(candidate)].add(owner(candidate))
        for candidate in chosen:
            if len(owners.get(name(candidate), ())) > 1:
                uid = "" if code == "patient-id-twice" else f": {name(candidate)}"
                found.setdefault(candidate.place, (code, reason + uid))
    return found
