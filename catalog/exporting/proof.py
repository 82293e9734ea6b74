"""A copy's own bytes read again: proof that it is the instance that was planned, and its record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import BytesIO, FileIO
from typing import BinaryIO, NamedTuple

from catalog.attributes import at
from catalog.dicom import claims as dicom_claims
from catalog.dicom import icons
from catalog.dicom.alike import HeaderReader
from catalog.dicom.elements import Element
from catalog.dicom.header import Header, read_header
from catalog.entities import Claims, Instance, Level
from catalog.errors import EncodingError, HeaderError, SourceChanged
from catalog.exporting.item import Item
from catalog.exporting.making import PLAIN, Making
from catalog.fileset import build
from catalog.fileset.likeness import Likeness, likeness
from catalog.fileset.profiles import misfit, unmet
from catalog.fileset.recall import Recall, Watched
from catalog.fileset.recoding import in_utf8
from catalog.fileset.records import record_type_for
from catalog.fileset.supplied import full
from catalog.fileset.tree import Record
from catalog.findings import Finding, Severity


class Proved(NamedTuple):
    """What a copy's own header gives: its record, and what it states."""

    record: Record
    elements: Mapping[int, Element]
    claims: Claims


_PLAIN_UID = re.compile(
    rb"(?=[0-9.]{1,64}[\0 ]?\Z)((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)[\0 ]?"
)
"""A UID that is plainly legal: what its bytes are."""

_NOT_OF_THE_INSTANCE = tuple(
    sorted(
        dicom_claims.WANTED - {attribute.tag for attribute in at(Level.INSTANCE)}
        | {build.SOP_CLASS_UID, 0x00080005}
    )
)
"""What the claims of all instances of a series depend on, apart from their own attributes."""


class _Model(NamedTuple):
    """A copy that others are like but for their SOP Instance UID, Instance Number and File ID."""

    likeness: Likeness
    claims: Claims
    identity: tuple[str | None, ...]


_MOST_MODELS = 16


class Reading:
    """What was read of the copies before: those of a series have most in common. For one thread.

    Parameters
    ----------
    whole:
        Claims have all that a header says of its instance; otherwise perhaps its UIDs alone.
    """

    def __init__(self, making: Making = PLAIN, *, whole: bool = True) -> None:
        self._reader = HeaderReader(making.wanted)
        self.memory = build.Memory()
        self._whole = whole
        self._claims: Recall[Claims] = Recall()
        self._models: dict[int, _Model] = {}  # by the id of their base, which they keep alive
        # What profiles ask, icons, and records in UTF-8 depend on more than is watched here.
        self._has_models = not (
            whole or making.profile is not None or making.icon_size is not None or making.utf8
        )

    def claims(self, header: Header) -> Claims | None:
        """Return what a header states; `None` if it does not say which instance it is."""
        elements = header.elements
        own = elements.get(build.SOP_INSTANCE_UID)
        plain = _PLAIN_UID.fullmatch(own.data) if own is not None and own.vr == "UI" else None
        if self._whole or plain is None:
            return dicom_claims.claims(elements, header.meta).claims
        series = elements.get(build.SERIES_INSTANCE_UID)
        name = None if series is None else series.value
        known = self._claims.find(name, elements)
        if known is None:
            stated = dicom_claims.claims(elements, header.meta).claims
            if stated is not None and full(elements, build.SOP_CLASS_UID):
                seen = {tag: elements.get(tag) for tag in _NOT_OF_THE_INSTANCE}
                self._claims.keep(name, seen, stated)
            return stated
        uid = plain[1].decode("ascii")
        return known._replace(instance=known.instance._replace(sop_instance_uid=uid))

    def header(self, stream: BinaryIO, size_bytes: int) -> Header:
        """Return the header of a file; by comparison with others if it is a file of its own.

        Raises
        ------
        HeaderError
            If it cannot be read.
        """
        if isinstance(stream, FileIO):
            return self._reader.read(stream.fileno(), size_bytes)
        if isinstance(stream, BytesIO):
            return self._reader.read(stream.getvalue(), size_bytes)
        return read_header(stream, size_bytes, self._reader.wanted)

    def like(self, header: Header, item: Item) -> Proved | None:
        """Return what the copy of `item` with `header` gives, if it is like one before, and that instance."""
        known = None if header.base is None else self._models.get(id(header.base))
        if known is None:
            return None
        made = known.likeness.record(header, item.file_id)
        if made is None:
            return None
        record, uid = made
        planned = item.candidate.claims
        if planned.instance.sop_instance_uid != uid or _above(planned) != known.identity:
            return None  # which the general way tells
        patient, study, series, _, record_type = known.claims
        own = Claims(patient, study, series, Instance(uid), record_type)
        return Proved(record, header.elements, own)

    def keep(self, header: Header, proved: Proved, seen: Iterable[int]) -> None:
        """Remember a copy of which nothing was noticed; `seen` is what its record was made from."""
        if not self._has_models or not full(header.elements, build.SOP_CLASS_UID):
            return
        found = likeness(header, proved.record, (*seen, *_NOT_OF_THE_INSTANCE))
        if found is None:
            return
        if len(self._models) >= _MOST_MODELS:
            self._models.clear()
        self._models[id(found.base)] = _Model(found, proved.claims, _above(proved.claims))


class Proof:
    """Reads a copy's header from its own bytes: it must still be the instance that was planned.

    `proved` is set when it is; what was noticed joins `findings`.
    """

    def __init__(
        self,
        item: Item,
        findings: list[Finding],
        making: Making = PLAIN,
        reading: Reading | None = None,
    ) -> None:
        self._reading = reading or Reading(making)
        self.item = item
        self.proved: Proved | None = None
        self._findings = findings
        self._making = making
        self._place = item.file_id.path

    def check(self, stream: BinaryIO, size_bytes: int) -> None:
        """Refuse the copy with SourceChanged unless it can stand in the File-set as planned."""
        try:
            header = self._reading.header(stream, size_bytes)
        except HeaderError as exc:
            raise SourceChanged(f"its header can no longer be read: {exc}") from exc
        self.proved = self._reading.like(header, self.item)
        if self.proved is not None:
            return
        if any(finding.code == "no-preamble" for finding in header.findings):
            raise SourceChanged(
                "it has no preamble and prefix, so it is no DICOM file of a File-set (PS3.10 §7.1)"
            )
        stated = self._reading.claims(header)
        if stated is None or _identity(stated) != _identity(self.item.candidate.claims):
            raise SourceChanged(
                "it holds another instance than when it was indexed; index it again"
            )
        elements = build.with_meta_uids(header.elements, header.meta)
        syntax = header.transfer_syntax_uid or ""
        self._fits(elements, syntax)
        found: list[Finding] = []
        watched = Watched(elements)
        built = build.instance_record(
            watched,
            self.item.file_id,
            syntax,
            extra=self._making.keys,
            icon=self._icon(stream, elements, found),
            private=self._making.private,
            place=self._place,
            memory=self._reading.memory,
        )
        if built.record is None:
            raise SourceChanged(" ".join(f.message for f in built.findings))
        record = self._encoded(built.record, elements) if self._making.utf8 else built.record
        self._findings += [*built.findings, *found]
        if header.is_truncated:
            self._note("truncated", "The file ends inside its Pixel Data; it was copied as it is.")
        self.proved = Proved(record, elements, stated)
        if not (built.findings or header.findings or header.is_truncated):
            self._reading.keep(header, self.proved, watched.seen)

    def _note(self, code: str, message: str) -> None:
        self._findings.append(Finding(code, Severity.WARNING, message, self._place))

    def _fits(self, elements: dict[int, Element], syntax: str) -> None:
        profile = self._making.profile
        if profile is None:
            return
        sop_class = full(elements, build.SOP_CLASS_UID).decode("ascii", "backslashreplace")
        reason = misfit(profile, sop_class, syntax) or unmet(profile, elements, syntax)
        if reason:
            raise SourceChanged(reason)

    def _icon(
        self, stream: BinaryIO, elements: dict[int, Element], found: list[Finding]
    ) -> Element | None:
        """Return the icon for an IMAGE record, `None` if there is to be none or none can be made."""
        size = self._making.icon_size
        sop_class = full(elements, build.SOP_CLASS_UID).decode("ascii", "backslashreplace")
        if size is None or record_type_for(sop_class).record_type != "IMAGE":
            return None
        made = icons.icon(stream, size, self._making.frame_position)
        if made.element is None:
            if self._making.needs_icons:
                raise SourceChanged(f"the profile demands an icon of it: {made.problem}")
            message = f"The record has no icon: {made.problem}."
            found.append(
                Finding("icon-missing", Severity.WARNING, message, self._place, "PS3.3 F.7")
            )
        return made.element

    def _encoded(self, record: Record, elements: dict[int, Element]) -> Record:
        """Return `record` in UTF-8, having made sure that the records above can be made so too."""
        above = (build.patient_record, build.study_record, build.series_record)
        try:
            for make in above:
                made = make(elements, extra=self._making.keys).record
                if made is not None:
                    in_utf8(made)
            return in_utf8(record)
        except EncodingError as exc:
            raise SourceChanged(str(exc)) from exc


def _identity(claims: Claims) -> tuple[str | None, ...]:
    return (*_above(claims), claims.instance.sop_instance_uid)


def _above(claims: Claims) -> tuple[str | None, ...]:
    patient, study, series, _, _ = claims
    return (
        (patient and patient.patient_id) or None,
        study and study.study_instance_uid,
        series and series.series_instance_uid,
    )
