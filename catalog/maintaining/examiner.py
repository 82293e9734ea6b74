"""What a file can be in a directory, found from its header alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from operator import is_
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from catalog.dicom import claims as dicom_claims
from catalog.dicom.alike import HeaderReader
from catalog.dicom.header import Header, read_header
from catalog.entities import Claims
from catalog.errors import HeaderError, NotDicom
from catalog.fileset import build
from catalog.fileset.file_id import FileId
from catalog.fileset.likeness import UID, Likeness, likeness
from catalog.fileset.recall import Recall, Watched
from catalog.fileset.records import GENERAL_PURPOSE_KEYS, SopClassRecord, record_type_for
from catalog.fileset.supplied import full
from catalog.findings import Finding, Severity
from catalog.maintaining.examining import PATIENT_ID, Candidate, LeftOut
from catalog.normal_forms import is_uid

if TYPE_CHECKING:
    from catalog.fileset.making import Making
    from catalog.maintaining.finishing import Finisher

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
_WANTED = build.WANTED | dicom_claims.WANTED
_UNNAMED = FileId(("X",))
"""Stands in a record until its file has a File ID; `named` replaces it."""

_MAKERS_ABOVE = (build.patient_record, build.study_record, build.series_record)
_MOST_MODELS = 16


class _Place(NamedTuple):
    """What a file says of itself: its UIDs, its patient, and how its SOP Class stands in a File-set."""

    sop_instance_uid: str
    study_instance_uid: str | None
    series_instance_uid: str | None
    patient_id: str
    issuer: str
    known: SopClassRecord


class _Model(NamedTuple):
    """A file that others are like but for their SOP Instance UID and Instance Number."""

    likeness: Likeness
    candidate: Candidate

    def like(self, header: Header, size_bytes: int, source: str, place: str) -> Candidate | None:
        """Return what the file with `header`, read by the same base, can be; `None` if it is not like this."""
        made = self.likeness.record(header)
        if made is None:
            return None
        was = self.candidate
        return Candidate(
            source,
            place,
            size_bytes,
            made[1],
            was.study_instance_uid,
            was.series_instance_uid,
            was.patient_id,
            was.issuer,
            was.above,
            made[0],
        )


class Examiner:
    """Examines files one after the other; what those of one series have in common is worked out once.

    The result for a file is the same whatever was examined before it. For one thread.

    Parameters
    ----------
    making:
        How records are made; `None`: with the keys of the general purpose profiles, text as the
        files have it, and no icons. What a file has that `making` cannot take in leaves it out.
    """

    def __init__(self, making: Making | None = None) -> None:
        self._finisher: Finisher | None = None
        self._wanted, self._private = _WANTED, False
        self._keys: build.ExtraKeys = GENERAL_PURPOSE_KEYS
        self._asked: tuple[int, ...] = _SAYING_WHERE
        if making is not None:
            from catalog.maintaining.finishing import Finisher  # brings all profiles

            self._finisher = Finisher(making)
            self._wanted, self._keys, self._private = making.wanted, making.keys, making.private
            self._asked = (*_SAYING_WHERE, *self._finisher.looks_at)
        self._reader = HeaderReader(self._wanted)
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
        found = self._examined(
            lambda: read_header(stream, size_bytes, self._wanted), size_bytes, source, place
        )
        return self._with_icon(found, stream)

    def examine_file(
        self, path: str, size_bytes: int, source: str, place: str
    ) -> Candidate | LeftOut | None:
        """As `examine`, for the file at `path`; fastest for those that are alike (`catalog.dicom.alike`)."""
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError as exc:
            return LeftOut(place, "file-unreadable", f"it cannot be read: {exc.strerror}")
        try:
            found = self._examined(
                lambda: self._reader.read(fd, size_bytes), size_bytes, source, place
            )
            if self._finisher is None:
                return found
            with open(fd, "rb", closefd=False) as stream:
                return self._with_icon(found, stream)
        finally:
            os.close(fd)

    def _with_icon(
        self, found: Candidate | LeftOut | None, stream: BinaryIO
    ) -> Candidate | LeftOut | None:
        """Return `found` with the icon of its own file; files that are alike have different ones."""
        if self._finisher is None or not isinstance(found, Candidate):
            return found
        return self._finisher.with_icon(found, stream)

    def _examined(
        self, read: Callable[[], Header], size_bytes: int, source: str, place: str
    ) -> Candidate | LeftOut | None:
        try:
            header = read()
        except NotDicom:
            return None
        except (HeaderError, OSError) as exc:
            return LeftOut(place, "file-unreadable", f"it cannot be read: {exc}")
        if header.base is not None and (known := self._models.get(id(header.base))) is not None:
            alike = known.like(header, size_bytes, source, place)
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
        plain = UID.fullmatch(own.data) if own is not None and own.vr == "UI" else None
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
        own = build.with_meta_uids(header.elements, header.meta)
        elements = Watched(own)
        known = where.known
        if known.record_type is None and not (self._private and build.is_private(known.uid)):
            what = known.name or known.uid or "without a SOP Class"
            return LeftOut(
                place, "no-record-type", f"no record type can refer to it: {what}: {known.reason}"
            )
        syntax = header.transfer_syntax_uid or ""
        if self._finisher and (reason := self._finisher.misfit(own, syntax)):
            return LeftOut(place, "profile", reason)
        built = build.instance_record(
            elements,
            _UNNAMED,
            syntax,
            extra=self._keys,
            private=self._private,
            place=place,
            memory=self._memory,
        )
        if built.record is None:
            return self._refused(
                (built,), lambda: (build.instance_record(elements, _UNNAMED, syntax),), place
            )
        above: tuple[build.Built, ...] = ()
        if known.level != "root":
            if where.study_instance_uid is None or where.series_instance_uid is None:
                return LeftOut(place, "no-identity", "it says no study and series")
            above = self._records_above(elements, place)
            if any(each.record is None for each in above):
                return self._refused(
                    above, lambda: [make(elements) for make in _MAKERS_ABOVE], place
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
        if self._finisher is not None:
            finished = self._finisher.recoded(candidate)
            if isinstance(finished, LeftOut):
                return finished
            candidate = finished
        self._keep_model(header, candidate, elements)
        return candidate

    def _keep_model(self, header: Header, candidate: Candidate, elements: Watched) -> None:
        """Remember a candidate that others may be like; not if what was noticed may not be so of them."""
        if (
            header.findings
            or header.is_truncated
            or candidate.findings
            or any(built.findings for built in candidate.above)
        ):
            return
        found = likeness(header, candidate.record, (*elements.seen, *self._asked))
        if found is None:
            return
        if len(self._models) >= _MOST_MODELS:
            self._models.clear()
        self._models[id(found.base)] = _Model(found, candidate)

    def _refused(
        self,
        built: Iterable[build.Built],
        plain: Callable[[], Iterable[build.Built]],
        place: str,
    ) -> LeftOut:
        """Return why there are no such records; `plain` makes them without the profile's keys."""
        reason = " ".join(finding.message for each in built for finding in each.findings)
        profile = self._finisher and self._finisher.profile
        if profile and all(each.record is not None for each in plain()):
            return LeftOut(
                place, "profile", f"{reason.rstrip('.')} ({profile.name}, {profile.clause})"
            )
        return LeftOut(place, "no-record", reason)

    def _records_above(self, elements: Watched, place: str) -> tuple[build.Built, ...]:
        """Return the PATIENT, STUDY and SERIES records; the tuple of the last file if they are its."""
        memory, last = self._memory, self._above
        above = tuple(
            [make(elements, place, extra=self._keys, memory=memory) for make in _MAKERS_ABOVE]
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
