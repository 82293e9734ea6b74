"""Directory Records made from the headers of instances (PS3.3 F.5).

Values are copied as they stand, in the source's own character set; only padding is repaired and
dates and times of ACR-NEMA form (`1994.01.31`, `12:30`) are written as DICOM has them. Nothing is read from disk: a
header is a mapping from tag to top-level element, numbers little endian.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalog.dicom.elements import WIDTH, Element, Item, tag_text
from catalog.fileset import supplied
from catalog.fileset.file_id import FileId
from catalog.fileset.legal import deviation, modernised
from catalog.fileset.records import (
    CHARACTER_SET,
    GENERAL_PURPOSE_KEYS,
    RECORD_TYPES,
    Key,
    record_type_for,
)
from catalog.fileset.supplied import Header, full
from catalog.fileset.tree import (
    SPECIFIC_CHARACTER_SET,
    TRANSFER_SYNTAX_IN_FILE,
    Record,
    file_id_element,
    needs_character_set,
    padded,
)
from catalog.findings import Finding, Severity

SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E

_RELATED_CLASSES = 0x0008001A
_VERIFYING_OBSERVERS = 0x0040A073
_VERIFICATION_DATE_TIME = 0x0040A030
_VERIFICATION_FLAG = 0x0040A493
_CONTENT_SEQUENCE = 0x0040A730
_RELATIONSHIP_TYPE = 0x0040A010
_ICON = 0x00880200

ExtraKeys = Mapping[str, Sequence[Key]]
"""Keys that an application profile adds, by record type."""

WANTED: frozenset[int] = (
    frozenset(
        key.tag
        for known in (*RECORD_TYPES.values(),)
        for key in known.keys
        if key.tag >> 16 != 0x0004 and key.tag != _ICON
    )
    | {key.tag for keys in GENERAL_PURPOSE_KEYS.values() for key in keys}
    | {SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID}
    | {_RELATED_CLASSES, _VERIFYING_OBSERVERS}
    | supplied.READ
)
"""Every tag that records are made from: what a header must be read for."""


@dataclass(frozen=True, slots=True)
class Built:
    """A record and what was noticed; `record` is `None` if none can be made, a finding says why."""

    record: Record | None
    findings: tuple[Finding, ...] = ()


def patient_record(header: Header, place: str = "") -> Built:
    """Return the PATIENT record of an instance (PS3.3 F.5.1).

    A supplied Patient ID depends on the Study Instance UID. `place` names the source in findings.
    """
    return record_for("PATIENT", header, (STUDY_INSTANCE_UID,), place=place)


def study_record(header: Header, place: str = "") -> Built:
    """Return the STUDY record of an instance (PS3.3 F.5.2).

    A supplied date is taken from this very instance: choose it by a rule, such as the smallest
    SOP Instance UID, if exports are to repeat.
    """
    return record_for("STUDY", header, (STUDY_INSTANCE_UID,), place=place)


def series_record(header: Header, place: str = "") -> Built:
    """Return the SERIES record of an instance (PS3.3 F.5.3)."""
    return record_for("SERIES", header, (SERIES_INSTANCE_UID,), place=place)


def instance_record(
    header: Header,
    file_id: FileId,
    transfer_syntax_uid: str,
    *,
    extra: ExtraKeys = GENERAL_PURPOSE_KEYS,
    place: str = "",
) -> Built:
    """Return the record that refers to the file `file_id`, of the type its SOP Class asks for.

    Parameters
    ----------
    transfer_syntax_uid:
        Of the file, from its File Meta Information.
    extra:
        Keys that the application profile adds to record types.
    place:
        The source's name in findings.

    The record is `None`, with the finding `not-exportable`, for a SOP Class without a record type,
    an instance without a UID, and a Type 1 key that has no honest substitute.
    """
    row = record_type_for(full(header, SOP_CLASS_UID).decode("ascii", "backslashreplace"))
    if row.record_type is None:
        what = row.name or row.uid or "no SOP Class"
        return Built(None, (_refusal(f"{what}: {row.reason}.", place, "PS3.3 F.5"),))
    if not transfer_syntax_uid:
        return Built(None, (_refusal("The file names no Transfer Syntax.", place, "PS3.10 §7.1"),))
    reference = [
        file_id_element(file_id),
        _uid(0x00041510, full(header, SOP_CLASS_UID)),
        _uid(0x00041511, full(header, SOP_INSTANCE_UID)),
        _uid(TRANSFER_SYNTAX_IN_FILE, transfer_syntax_uid.encode("ascii")),
    ]
    if related := full(header, _RELATED_CLASSES):
        reference.append(_uid(0x0004151A, related))
    identity: tuple[int, ...] = (SOP_INSTANCE_UID,)
    if row.level == "series":
        identity += (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)
    return record_for(
        row.record_type, header, identity, reference=reference, extra=extra, place=place
    )


def record_for(
    record_type: str,
    header: Header,
    identity: Sequence[int] = (),
    *,
    reference: Sequence[Element] = (),
    extra: ExtraKeys = GENERAL_PURPOSE_KEYS,
    place: str = "",
) -> Built:
    """Return a `record_type` record with the keys of its table, sorted by tag, no children.

    Type 2 keys are always there, empty if the instance lacks them. Type 1 keys that it lacks are
    supplied by the rules of `catalog.fileset.supplied` (finding `type1-supplied`). Conditional and
    optional keys are there when the instance has a value for them. (0008,0005) is there when some
    text needs it.

    Parameters
    ----------
    identity:
        UIDs without which there is no record.
    reference:
        Elements that refer to a file, added as they are.
    """
    known = RECORD_TYPES[record_type]
    maker = _Maker(header, record_type, known.clause, place)
    for tag in identity:
        if not full(header, tag):
            return Built(
                None, (_refusal(f"The instance lacks {tag_text(tag)}.", place, known.clause),)
            )
    if known.retired:
        message = f"The record type {record_type} is retired; readers may ignore it."
        maker.note("record-type-retired", Severity.WARNING, message)
    elements = list(reference)
    for key in (*known.keys, *extra.get(record_type, ())):
        if key.tag in (CHARACTER_SET.tag, _ICON):
            continue
        element = maker.element(key)
        if element is not None:
            elements.append(element)
        elif maker.refusal is not None:
            return Built(None, (*maker.findings, maker.refusal))
    if needs_character_set(elements):
        elements += maker.character_set()
    elements.sort(key=lambda e: e.tag)
    return Built(Record(record_type, tuple(elements)), tuple(maker.findings))


def _uid(tag: int, value: bytes) -> Element:
    return Element(tag, "UI", padded("UI", value))


def _refusal(message: str, place: str, clause: str) -> Finding:
    return Finding("not-exportable", Severity.ERROR, message, place, clause)


@dataclass(slots=True)
class _Maker:
    """Makes the elements of one record."""

    header: Header
    record_type: str
    clause: str
    place: str
    findings: list[Finding] = field(default_factory=list)
    refusal: Finding | None = None

    def note(self, code: str, severity: Severity, message: str) -> None:
        self.findings.append(Finding(code, severity, message, self.place, self.clause))

    def element(self, key: Key) -> Element | None:
        """Return `key` for the record, or `None` if it does not belong there."""
        found = self._source(key)
        if found is not None:
            return found
        if key.type == "1":
            return self._supplied(key)
        return Element(key.tag, key.vr, () if key.vr == "SQ" else b"") if key.type == "2" else None

    def _source(self, key: Key) -> Element | None:
        """Return the instance's own value for `key`, `None` if it has none."""
        if key.tag == _VERIFICATION_DATE_TIME:
            return self._verified(key)
        element = self.header.get(key.tag)
        if element is None:
            return None
        if key.vr == "SQ":
            items = element.items
            if element.data:
                self._deviates(key, "is no sequence")
            if key.tag == _CONTENT_SEQUENCE:
                items = tuple(item for item in items if _is_modifier(item))
            reduced = tuple(_reduced(item, key.nested) for item in items) if key.nested else items
            return Element(key.tag, "SQ", reduced) if reduced else None
        return self._plain(key, element)

    def _plain(self, key: Key, element: Element) -> Element | None:
        data = element.data
        width = WIDTH.get(key.vr)
        if width:
            if element.vr not in (key.vr, "UN") or len(data) < width:
                if data:
                    self._deviates(key, f"is no {key.vr}")
                return None
            return Element(key.tag, key.vr, data)
        data = data.rstrip(b"\0")
        if not data.strip(b" "):
            return None
        if element.vr in WIDTH:
            self._deviates(key, f"is {element.vr}, not {key.vr}")
            return None
        if (modern := modernised(key.vr, data)) is not None:
            message = f"{key.keyword} {tag_text(key.tag)} has the ACR-NEMA form; the record has that of DICOM."
            self.note("legacy-value", Severity.NOTE, message)
            data = modern
        if problem := deviation(key.vr, data):
            self._deviates(key, problem)
        if key.vr == "UI":
            data = data.strip(b" ")
        return Element(key.tag, key.vr, padded(key.vr, data))

    def _deviates(self, key: Key, problem: str) -> None:
        message = f"{key.keyword} {tag_text(key.tag)} {problem}."
        self.note("illegal-value", Severity.WARNING, message)

    def _verified(self, key: Key) -> Element | None:
        """Return the most recent Verification DateTime if the document is VERIFIED."""
        if full(self.header, _VERIFICATION_FLAG) != b"VERIFIED":
            return None
        observers = self.header.get(_VERIFYING_OBSERVERS)
        moments = [
            element.data.strip(b" \0")
            for item in (observers.items if observers else ())
            for element in item
            if element.tag == _VERIFICATION_DATE_TIME
        ]
        latest = max(filter(None, moments), default=b"")
        if latest:
            return Element(key.tag, key.vr, padded(key.vr, latest))
        message = "The document is VERIFIED and Verifying Observer Sequence holds no date and time."
        self.note("verification-date-time", Severity.WARNING, message)
        return None

    def _supplied(self, key: Key) -> Element | None:
        value = supplied.supply(key.tag, self.header)
        what = f"{key.keyword} {tag_text(key.tag)}, Type 1 in a {self.record_type} record,"
        if value is None:
            message = f"{what} is missing, and nothing can honestly stand for it."
            self.refusal = _refusal(message, self.place, self.clause)
            return None
        message = f"{what} is missing; the record gets a value of its own."
        self.note("type1-supplied", Severity.WARNING, message)
        return Element(key.tag, key.vr, padded(key.vr, value))

    def character_set(self) -> list[Element]:
        """Return (0008,0005) of the instance, if it has any."""
        element = self.header.get(SPECIFIC_CHARACTER_SET)
        if element is not None and element.data.strip(b" \0"):
            return [Element(SPECIFIC_CHARACTER_SET, "CS", element.data)]
        message = (
            "Text goes beyond the default repertoire, and the instance declares no character set."
        )
        self.note("character-set-missing", Severity.WARNING, message)
        return []


def _is_modifier(item: Item) -> bool:
    return any(
        e.tag == _RELATIONSHIP_TYPE and e.data.strip(b" \0") == b"HAS CONCEPT MOD" for e in item
    )


def _reduced(item: Item, nested: Sequence[Key]) -> Item:
    """Return `item` with the elements of `nested` alone; absent Type 2 ones are added empty."""
    present = {element.tag: element for element in item}
    out: list[Element] = []
    for key in nested:
        element = present.get(key.tag)
        if element is not None and key.nested:
            inner = tuple(_reduced(each, key.nested) for each in element.items)
            out.append(Element(key.tag, "SQ", inner))
        elif element is not None:
            out.append(element)
        elif key.type == "2":
            out.append(Element(key.tag, key.vr, () if key.vr == "SQ" else b""))
    if needs_character_set(out) and SPECIFIC_CHARACTER_SET in present:
        out.append(present[SPECIFIC_CHARACTER_SET])
    return tuple(sorted(out, key=lambda e: e.tag))
