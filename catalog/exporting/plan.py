"""What an export would do: pure, from values to values. `--dry-run` prints it.

Whatever was selected is in the plan: as an item to copy, or as left out with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import is_
from typing import TYPE_CHECKING, NamedTuple

from catalog.database.fetch import Candidate, SourceFile
from catalog.entities import Status
from catalog.fileset.build import is_private
from catalog.fileset.file_id import FileId
from catalog.fileset.naming import names
from catalog.fileset.profiles import Profile, misfit
from catalog.fileset.records import record_type_for
from catalog.normal_forms import is_uid
from catalog.shapes import frozen

if TYPE_CHECKING:
    from catalog.exporting.volumes import Volume

READABLE = frozenset([Status.OK, Status.TRUNCATED, Status.REFERENCED])
"""States of a file in which it can be copied."""


class Item(NamedTuple):
    """One instance to copy: which of its files, and under which File ID."""

    candidate: Candidate
    source: SourceFile
    file_id: FileId


class LeftOut(NamedTuple):
    """One selected instance that cannot go into the File-set.

    `code` is short and stable, `reason` the same sentence for all of one kind, `detail` what is
    particular to this one, or `''`.
    """

    candidate: Candidate
    code: str
    reason: str
    detail: str = ""


@frozen
class Plan:
    """A complete plan.

    Attributes
    ----------
    items:
        In the order of the directory: by patient, study date, series number, instance number, and
        UIDs where those are equal or absent.
    left_out:
        In the same order.
    volumes:
        The items by medium, where the export is divided (`catalog.exporting.volumes`); else none.
    """

    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...]
    volumes: tuple[Volume, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The bytes of all files to copy, without the DICOMDIR."""
        return sum(item.source.size_bytes or 0 for item in self.items)


def make_plan(
    candidates: Iterable[Candidate],
    digests: Mapping[int, str],
    *,
    take_first: bool = False,
    profile: Profile | None = None,
    private: bool = False,
    transfer_syntax: str | None = None,
    longest_bytes: int | None = None,
) -> Plan:
    """Return the plan for `candidates`, the same in whatever order they come.

    Parameters
    ----------
    digests:
        The digest of each file, by `file_ref`, of instances that have several (`ambiguous`).
    take_first:
        Of files with one SOP Instance UID and different bytes, take the first by path; otherwise
        the instance is left out, because nobody can know which one is meant.
    profile:
        Leave out whatever does not fit this Application Profile, with the code `profile`.
    private:
        Take instances of private SOP Classes too (for PRIVATE records).
    transfer_syntax:
        UID of the Transfer Syntax into which all files are brought, or `None`: each stays in its
        own. A file for which that is not possible is left out, with the code `not-transcodable`.
    longest_bytes:
        What is longer is left out, with the code `too-large`: an ISO image cannot hold it.
    """
    order = _Order()
    left_out: list[LeftOut] = []
    chosen: list[tuple[Candidate, SourceFile]] = []
    for candidate in sorted(candidates, key=order):
        refusal = _refusal(candidate, private)
        if refusal is None:
            source, refusal = _source(candidate, digests, take_first)
            if source is not None and profile is not None:
                refusal = _misfit(candidate, source, profile, transfer_syntax)
            if source is not None and refusal is None:
                refusal = _obstacle(source, transfer_syntax)
            if source is not None and refusal is None:
                refusal = _too_long(source, longest_bytes)
            if source is not None and refusal is None:
                chosen.append((candidate, source))
                continue
        assert refusal is not None
        left_out.append(LeftOut(candidate, *refusal))
    conflicts = _conflicts([candidate for candidate, _ in chosen])
    left_out += [
        LeftOut(c, *conflicts[c.instance_ref]) for c, _ in chosen if c.instance_ref in conflicts
    ]
    chosen = [(c, source) for c, source in chosen if c.instance_ref not in conflicts]
    file_ids = names(_identity(c) for c, _ in chosen)
    items = tuple(Item(c, source, file_ids[_identity(c)]) for c, source in chosen)
    return Plan(items, tuple(sorted(left_out, key=lambda out: order(out.candidate))))


def present(candidate: Candidate) -> tuple[SourceFile, ...]:
    """Return the candidate's files that can be copied, sorted by path."""
    return tuple(f for f in candidate.files if f.status in READABLE)


def ambiguous(candidate: Candidate) -> tuple[SourceFile, ...]:
    """Return the files whose digests the plan needs: several of equal size; else none."""
    files = present(candidate)
    return files if len(files) > 1 and len({f.size_bytes for f in files}) == 1 else ()


class _Order:
    """The order of the directory, as keys for sorting; instances of a series share most of theirs."""

    def __init__(self) -> None:
        self._last: tuple[object, ...] = ()
        self._above: tuple[object, ...] = ()

    def __call__(self, candidate: Candidate) -> tuple[object, ...]:
        instance = candidate.claims.instance
        number = instance.instance_number
        above = self._above_of(candidate)
        return above, number is None, number or 0, instance.sop_instance_uid or ""

    def _above_of(self, candidate: Candidate) -> tuple[object, ...]:
        patient, study, series, _, _ = candidate.claims
        last = (candidate.patient_identity, patient, study, series)
        if len(self._last) != len(last) or not all(map(is_, last, self._last)):
            number = series and series.series_number
            self._last = last
            self._above = (
                patient is None,
                (patient and patient.patient_id) or "",
                candidate.patient_identity or "",
                (study and study.study_date) or "",
                (study and study.study_instance_uid) or "",
                number is None,
                number or 0,
                (series and series.series_instance_uid) or "",
            )
        return self._above


def _identity(candidate: Candidate) -> tuple[str, ...]:
    """Return what the File ID is made from."""
    _, study, series, instance, _ = candidate.claims
    uid = instance.sop_instance_uid or ""
    if study is None or series is None:
        return (uid,)
    return (
        candidate.patient_identity or "",
        study.study_instance_uid or "",
        series.series_instance_uid or "",
        uid,
    )


_is_legal = lru_cache(maxsize=1024)(is_uid)
"""For UIDs that many instances share."""

Why = tuple[str, str, str]
"""Code, reason and detail of something left out."""


def _refusal(candidate: Candidate, private: bool) -> Why | None:
    """Return why the instance can be in no File-set, or `None`."""
    taken = private and is_private(candidate.claims.instance.sop_class_uid or "")
    if candidate.claims.directory_record_type is None and not taken:
        known = record_type_for(candidate.claims.instance.sop_class_uid or "")
        return (
            "no-record-type",
            f"{known.name or known.uid or 'without a SOP Class'}: {known.reason}",
            "",
        )
    _, study, series, instance, _ = candidate.claims
    for name, uid, is_good in (
        ("SOP Class UID", instance.sop_class_uid, _is_legal),
        ("SOP Instance UID", instance.sop_instance_uid, is_uid),
        ("Study Instance UID", study and study.study_instance_uid, _is_legal),
        ("Series Instance UID", series and series.series_instance_uid, _is_legal),
    ):
        if uid and not is_good(uid):
            return (
                "illegal-uid",
                f"its {name} is no legal UID (PS3.5 §9.1), so no directory record can name it",
                uid,
            )
    return None


def _misfit(
    candidate: Candidate, source: SourceFile, profile: Profile, transfer_syntax: str | None
) -> Why | None:
    """Return why the instance, in the Transfer Syntax of its copy, does not fit the profile."""
    sop_class_uid = candidate.claims.instance.sop_class_uid or ""
    reason = misfit(profile, sop_class_uid, transfer_syntax or source.transfer_syntax_uid or "")
    return ("profile", reason, "") if reason else None


def _obstacle(source: SourceFile, transfer_syntax: str | None) -> Why | None:
    """Return why the file cannot be brought into the ordered Transfer Syntax, or `None`."""
    if transfer_syntax in (None, source.transfer_syntax_uid):
        return None
    from catalog.dicom.transcoding import obstacle

    reason = obstacle(source.transfer_syntax_uid or "")
    return ("not-transcodable", reason, _path(source)) if reason else None


def _too_long(source: SourceFile, longest_bytes: int | None) -> Why | None:
    """Return why the file cannot stand in an ISO image, or `None`."""
    if longest_bytes is None or (source.size_bytes or 0) <= longest_bytes:
        return None
    reason = f"a file on an ISO 9660 Level 1 disc has at most {longest_bytes:,} bytes; export it to a folder or ZIP file"
    return "too-large", reason, f"{source.size_bytes:,} bytes"


def _source(
    candidate: Candidate, digests: Mapping[int, str], take_first: bool
) -> tuple[SourceFile | None, Why | None]:
    """Return the file to copy, or why there is none."""
    files = present(candidate)
    if len(files) == 1 and files[0].transfer_syntax_uid is not None:
        return files[0], None
    if not files:
        if candidate.files:
            return None, ("missing", "its file is missing", _path(candidate.files[0]))
        return None, ("no-file", "no file of it is known, only a directory record", "")
    different = (
        len({f.size_bytes for f in files}) > 1
        or len({digests.get(f.file_ref, f.file_ref) for f in files}) > 1
    )
    if len(files) > 1 and different and not take_first:
        return None, (
            "different-bytes",
            "several files have its SOP Instance UID and differ; --take-first takes the first by path",
            ", ".join(map(_path, files)),
        )
    if files[0].transfer_syntax_uid is None:
        return None, (
            "no-transfer-syntax",
            "its file does not say its Transfer Syntax, so it is no DICOM file of a File-set (PS3.10 §7.1)",
            _path(files[0]),
        )
    return files[0], None


def _path(file: SourceFile) -> str:
    return f"{file.root.rstrip('/')}/{file.path}"


def _conflicts(candidates: Sequence[Candidate]) -> dict[int, Why]:
    """Return code, reason and detail by instance for what one File-set cannot hold together.

    A directory has one PATIENT record for a Patient ID, one STUDY for a Study and one SERIES for a
    Series Instance UID (PS3.3 F.5.1–F.5.3), and a SOP Instance UID names one file (F.2.1). Which
    of two is right is not for this program to say, so both are left out.
    """
    rules: tuple[tuple[str, str, Callable[[Candidate], Hashable], Callable[[Candidate], Hashable]], ...] = (
        ("patient-id-twice", "its Patient ID is used by several patients, with different issuers; select one with -k IssuerOfPatientID=…", _patient_id, _patient),
        ("study-twice", "its Study Instance UID is used under several patients; select one with --patient", _study_uid, _patient),
        ("series-twice", "its Series Instance UID is used in several studies; select one with --study", _series_uid, _study),
        ("sop-instance-twice", "its SOP Instance UID is used in several series; select one with --series", _sop_uid, _series),
    )  # fmt: skip
    found: dict[int, Why] = {}
    for code, reason, name, owner in rules:
        owners: dict[Hashable, Hashable] = {}
        several = set()
        for candidate in candidates:
            named = name(candidate)
            if named and owners.setdefault(named, own := owner(candidate)) != own:
                several.add(named)
        for candidate in candidates if several else ():
            if (named := name(candidate)) in several:
                found.setdefault(candidate.instance_ref, (code, reason, str(named)))
    return found


def _patient_id(c: Candidate) -> Hashable:
    return (c.claims.patient and c.claims.patient.patient_id) or ""


def _patient(c: Candidate) -> Hashable:
    return c.patient_identity


def _study_uid(c: Candidate) -> Hashable:
    return (c.claims.study and c.claims.study.study_instance_uid) or ""


def _study(c: Candidate) -> Hashable:
    return _patient(c), _study_uid(c)


def _series_uid(c: Candidate) -> Hashable:
    return (c.claims.series and c.claims.series.series_instance_uid) or ""


def _series(c: Candidate) -> Hashable:
    return _study(c), _series_uid(c)


def _sop_uid(c: Candidate) -> Hashable:
    return c.claims.instance.sop_instance_uid or ""
