"""Files that contradict each other: which of them one directory can hold together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from catalog.files.digest import digest
from catalog.files.paths import from_text
from catalog.findings import Finding, Severity
from catalog.maintaining.examining import Candidate, LeftOut
from catalog.shapes import replace


def same_bytes(one: Candidate, other: Candidate) -> bool:
    """Return whether two files are equal; `False` if one cannot be read any more."""
    if one.size_bytes != other.size_bytes:
        return False
    try:
        return digest(from_text(one.source)) == digest(from_text(other.source))
    except OSError:
        return False


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
