"""A copy's own bytes read again: proof that it is the instance that was planned, and its record."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from catalog.dicom import claims as dicom_claims
from catalog.dicom import icons
from catalog.dicom.elements import Element
from catalog.dicom.header import read_header
from catalog.entities import Claims
from catalog.errors import EncodingError, HeaderError, SourceChanged
from catalog.exporting.making import PLAIN, Making
from catalog.exporting.plan import Item
from catalog.fileset import build
from catalog.fileset.profiles import misfit, unmet
from catalog.fileset.recoding import in_utf8
from catalog.fileset.records import record_type_for
from catalog.fileset.supplied import full
from catalog.fileset.tree import Record
from catalog.findings import Finding, Severity


class Proved(NamedTuple):
    """What a copy's own header gives: its record, and what it states."""

    record: Record
    elements: dict[int, Element]
    claims: Claims


class Proof:
    """Reads a copy's header from its own bytes: it must still be the instance that was planned.

    `proved` is set when it is; what was noticed joins `findings`.
    """

    def __init__(self, item: Item, findings: list[Finding], making: Making = PLAIN) -> None:
        self.item = item
        self.proved: Proved | None = None
        self._findings = findings
        self._making = making
        self._place = item.file_id.path

    def check(self, stream: BinaryIO, size_bytes: int) -> None:
        """Refuse the copy with SourceChanged unless it can stand in the File-set as planned."""
        try:
            header = read_header(stream, size_bytes, self._making.wanted)
        except HeaderError as exc:
            raise SourceChanged(f"its header can no longer be read: {exc}") from exc
        if any(finding.code == "no-preamble" for finding in header.findings):
            raise SourceChanged(
                "it has no preamble and prefix, so it is no DICOM file of a File-set (PS3.10 §7.1)"
            )
        stated = dicom_claims.claims(header.elements, header.meta).claims
        if stated is None or _identity(stated) != _identity(self.item.candidate.claims):
            raise SourceChanged(
                "it holds another instance than when it was indexed; index it again"
            )
        elements = build.with_meta_uids(header.elements, header.meta)
        syntax = header.transfer_syntax_uid or ""
        self._fits(elements, syntax)
        found: list[Finding] = []
        built = build.instance_record(
            elements,
            self.item.file_id,
            syntax,
            extra=self._making.keys,
            icon=self._icon(stream, elements, found),
            private=self._making.private,
            place=self._place,
        )
        if built.record is None:
            raise SourceChanged(" ".join(f.message for f in built.findings))
        record = self._encoded(built.record, elements) if self._making.utf8 else built.record
        self._findings += [*built.findings, *found]
        if header.is_truncated:
            self._note("truncated", "The file ends inside its Pixel Data; it was copied as it is.")
        self.proved = Proved(record, elements, stated)

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
    patient, study, series, instance, _ = claims
    return (
        (patient and patient.patient_id) or None,
        study and study.study_instance_uid,
        series and series.series_instance_uid,
        instance.sop_instance_uid,
    )
