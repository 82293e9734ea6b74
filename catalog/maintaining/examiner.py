"""What a file can be in a directory, found from its header alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import is_
from typing import BinaryIO, NamedTuple

from catalog.dicom import claims as dicom_claims
from catalog.dicom.alike import HeaderReader
from catalog.dicom.elements import Element
from catalog.dicom.header import Header, read_header
from catalog.entities import Claims
from catalog.errors import HeaderError, NotDicom
from catalog.fileset import build
from catalog.fileset.file_id import FileId
from catalog.fileset.recall import Recall, Watched
from catalog.fileset.records import SopClassRecord, record_type_for
from catalog.fileset.supplied import full
from catalog.fileset.tree import SOP_INSTANCE_IN_FILE, Record, padded
from catalog.findings import Finding, Severity
from catalog.maintaining.examining import PATIENT_ID, Candidate, LeftOut
from catalog.normal_forms import is_uid

_COMMON = (
    0x00080005,
    build.SOP_CLASS_UID,
    build.STUDY_INSTANCE_UID,
    build.SERIES_INSTANCE_UID,
    PATIENT_ID,
    0x00100021,
)
"""What says where a file belongs, apart from its own UID: Issuer of Patient ID is the last."""

_SAYING_WHERE = (*_COMMON, build.SOP_INSTANCE_UID)
_INSTANCE_NUMBER = 0x00200013
_UID = re.compile(rb"(?=[0-9.]{1,64}[\0 ]?\Z)((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)[\0 ]?")
"""A legal UID (PS3.5 §9.1) with or without padding."""

_NUMBER = re.compile(rb"(?:[0-9]{2}){1,6}|[0-9](?:[0-9]{2}){0,5} ")
"""A legal IS of digits alone, padded to even length (PS3.5 §6.2): a record has it as it stands."""

_WANTED = build.WANTED | dicom_claims.WANTED
_UNNAMED = FileId(("X",))
"""Stands in a record until its file has a File ID; `named` replaces it."""

_MOST_MODELS = 16


class _Place(NamedTuple):
    """What a file says of itself: its UIDs, its patient, and how its SOP Class stands in a File-set."""

    sop_instance_uid: str
    study_instance_uid: str | None
    series_instance_uid: str | None
    patient_id: str
    issuer: str
    known: SopClassRecord


@dataclass(frozen=True, slots=True)
class _Model:
    """A file that others are like but for their SOP Instance UID and Instance Number.

    Attributes
    ----------
    base:
        The header that they all were read by (`catalog.dicom.alike`).
    asked:
        Tags of all elements that `candidate` was made from, except those that may vary.
    uid_at, number_at:
        Places among the keys of its record; -1 if it has no Instance Number.
    """

    base: Header
    candidate: Candidate
    asked: frozenset[int]
    uid_at: int
    number_at: int

    def like(self, header: Header, size_bytes: int, source: str, place: str) -> Candidate | None:
        """Return what the file with `header`, read by the same base, can be; `None` if it is not like this."""
        if not self.asked.isdisjoint(header.changed):
            return None
        get = header.elements.get
        uid = get(build.SOP_INSTANCE_UID)
        if uid is None or uid.vr != "UI" or (plain := _UID.fullmatch(uid.data)) is None:
            return None
        was = self.candidate
        keys = list(was.record.keys)
        if self.number_at >= 0:
            number = get(_INSTANCE_NUMBER)
            if number is None or number.vr != "IS" or not _NUMBER.fullmatch(number.data):
                return None
            keys[self.number_at] = number
        value = plain[1]
        keys[self.uid_at] = Element(SOP_INSTANCE_IN_FILE, "UI", padded("UI", value))
        return Candidate(
            source,
            place,
            size_bytes,
            value.decode("ascii"),
            was.study_instance_uid,
            was.series_instance_uid,
            was.patient_id,
            was.issuer,
            was.above,
            Record(was.record.type, tuple(keys)),
        )


def _model(header: Header, candidate: Candidate, asked: Iterable[int]) -> _Model | None:
    """Return `candidate` as a model, or `None` if what was noticed may not be so of other files.

    Without a finding nothing was supplied for a key, so the two elements that vary are in the
    record as they stand and have no part in anything else.
    """
    if (
        header.findings
        or header.is_truncated
        or candidate.findings
        or any(built.findings for built in candidate.above)
    ):
        return None
    at = {element.tag: n for n, element in enumerate(candidate.record.keys)}
    number_at = at.get(_INSTANCE_NUMBER, -1)
    varying = {build.SOP_INSTANCE_UID, *([_INSTANCE_NUMBER] if number_at >= 0 else ())}
    fixed = frozenset(asked) - varying
    if not fixed.isdisjoint(header.changed):
        return None
    base = header if header.base is None else header.base
    return _Model(base, candidate, fixed, at[SOP_INSTANCE_IN_FILE], number_at)


class Examiner:
    """Examines files one after the other; what those of one series have in common is worked out once.

    The result for a file is the same whatever was examined before it. For one thread.
    """

    def __init__(self) -> None:
        self._reader = HeaderReader(_WANTED)
        self._places: Recall[_Place] = Recall()
        self._memory = build.Memory()
        self._above: tuple[build.Built, ...] = ()
        self._models: dict[int, _Model] = {}  # by the id of their base, which they keep alive

    def examine(
        self, stream: BinaryIO, size_bytes: int, source: str, place: str
    ) -> Candidate | LeftOut | None:
        """Return what the file in `stream` can be in a directory; `None` if it is not DICOM.

        Files that are not DICOM may be on a medium and are never referenced (PS3.10 §8.1). A DICOM
        file without preamble, with illegal UIDs, of a SOP Class without a record type, or that
        cannot be read, is left out with the reason.
        """
        return self._examined(
            lambda: read_header(stream, size_bytes, _WANTED), size_bytes, source, place
        )

    def examine_file(
        self, path: str, size_bytes: int, source: str, place: str
    ) -> Candidate | LeftOut | None:
        """As `examine`, for the file at `path`; fastest for those that are alike (`catalog.dicom.alike`)."""
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError as exc:
            return LeftOut(place, "file-unreadable", f"it cannot be read: {exc.strerror}")
        try:
            return self._examined(
                lambda: self._reader.read(fd, size_bytes), size_bytes, source, place
            )
        finally:
            os.close(fd)

    def _examined(
        self, read: Callable[[], Header], size_bytes: int, source: str, place: str
    ) -> Candidate | LeftOut | None:
        try:
            header = read()
        except NotDicom:
            return None
        except (HeaderError, OSError) as exc:
            return LeftOut(place, "file-unreadable", f"it cannot be read: {exc}")
        if header.base is not None and (model := self._models.get(id(header.base))) is not None:
            alike = model.like(header, size_bytes, source, place)
            if alike is not None:
                return alike
        if header.is_dicomdir:
            return LeftOut(
                place, "another-dicomdir", "it is a DICOMDIR, and a File-set has one (PS3.10 §8.6)"
            )
        if header.findings and any(
            finding.code in ("no-preamble", "meta-missing") for finding in header.findings
        ):
            reason = "it has no preamble, prefix and File Meta Information, so it is no DICOM file of a File-set (PS3.10 §7.1)"
            return LeftOut(place, "not-part-10", reason)
        found = self._placed(header, place)
        if isinstance(found, LeftOut):
            return found
        return self._candidate(header, found, size_bytes, source, place)

    def _placed(self, header: Header, place: str) -> _Place | LeftOut:
        """Return which instance of which patient, study and series the file is."""
        elements = header.elements
        series = elements.get(build.SERIES_INSTANCE_UID)
        name = None if series is None else series.value
        own = elements.get(build.SOP_INSTANCE_UID)
        # A UID that is plainly legal is what its bytes are; all else goes the way of every value.
        plain = _UID.fullmatch(own.data) if own is not None and own.vr == "UI" else None
        if plain is not None and (known := self._places.find(name, elements)) is not None:
            return known._replace(sop_instance_uid=plain[1].decode("ascii"))
        result = dicom_claims.claims(
            {tag: elements[tag] for tag in _SAYING_WHERE if tag in elements}, header.meta
        )
        if result.claims is None:
            return LeftOut(place, "no-identity", f"it {result.reason}")
        if problem := _illegal_uid(result.claims):
            return LeftOut(place, "illegal-uid", problem)
        patient, study, series_, instance, _ = result.claims
        found = _Place(
            instance.sop_instance_uid or "",
            study and study.study_instance_uid,
            series_ and series_.series_instance_uid,
            (patient and patient.patient_id) or "",
            (patient and patient.issuer_of_patient_id) or "",
            record_type_for(instance.sop_class_uid or ""),
        )
        if full(elements, build.SOP_CLASS_UID):  # not taken from File Meta Information
            self._places.keep(name, {tag: elements.get(tag) for tag in _COMMON}, found)
        return found

    def _candidate(
        self, header: Header, where: _Place, size_bytes: int, source: str, place: str
    ) -> Candidate | LeftOut:
        elements = Watched(build.with_meta_uids(header.elements, header.meta))
        known = where.known
        if known.record_type is None:
            what = known.name or known.uid or "without a SOP Class"
            return LeftOut(
                place, "no-record-type", f"no record type can refer to it: {what}: {known.reason}"
            )
        built = build.instance_record(
            elements,
            _UNNAMED,
            header.transfer_syntax_uid or "",
            place=place,
            memory=self._memory,
        )
        if built.record is None:
            return LeftOut(place, "no-record", " ".join(f.message for f in built.findings))
        above: tuple[build.Built, ...] = ()
        if known.level == "series":
            if where.study_instance_uid is None or where.series_instance_uid is None:
                return LeftOut(place, "no-identity", "it says no study and series")
            above = self._records_above(elements, place)
            if any(each.record is None for each in above):
                return LeftOut(
                    place, "no-record", " ".join(f.message for a in above for f in a.findings)
                )
        findings = built.findings
        if header.is_truncated:
            message = "The file ends inside its Pixel Data; it is in the directory all the same."
            findings += (Finding("truncated", Severity.WARNING, message, place),)
        candidate = Candidate(
            source,
            place,
            size_bytes,
            where.sop_instance_uid,
            (where.study_instance_uid or "") if above else "",
            (where.series_instance_uid or "") if above else "",
            where.patient_id if above else "",
            where.issuer if above else "",
            above,
            built.record,
            findings,
        )
        model = _model(header, candidate, (*elements.seen, *_SAYING_WHERE))
        if model is not None:
            if len(self._models) >= _MOST_MODELS:
                self._models.clear()
            self._models[id(model.base)] = model
        return candidate

    def _records_above(self, elements: Watched, place: str) -> tuple[build.Built, ...]:
        """Return the PATIENT, STUDY and SERIES records; the tuple of the last file if they are its."""
        memory, last = self._memory, self._above
        above = (
            build.patient_record(elements, place, memory=memory),
            build.study_record(elements, place, memory=memory),
            build.series_record(elements, place, memory=memory),
        )
        if not (last and all(map(is_, above, last))):
            self._above = above
        return self._above


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
