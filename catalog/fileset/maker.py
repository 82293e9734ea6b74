"""The elements of one Directory Record, from the header of an instance (PS3.3 F.5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from catalog.dicom.elements import WIDTH, Element, Item, tag_text
from catalog.fileset import supplied
from catalog.fileset.legal import deviation, instant, modernised
from catalog.fileset.profile import ExtraKey
from catalog.fileset.records import Key
from catalog.fileset.supplied import Header, full
from catalog.fileset.tree import (
    SPECIFIC_CHARACTER_SET,
    Record,
    is_full,
    needs_character_set,
    padded,
)
from catalog.findings import Finding, Severity
from catalog.shapes import field, frozen, mutable

VERIFYING_OBSERVERS = 0x0040A073
TIMEZONE_OFFSET = 0x00080201
SHARED_GROUPS = 0x52009229
_VERIFICATION_DATE_TIME = 0x0040A030
_VERIFICATION_FLAG = 0x0040A493
_CONTENT_SEQUENCE = 0x0040A730
_RELATIONSHIP_TYPE = 0x0040A010
_NEVER = datetime.min.replace(tzinfo=UTC)


@frozen
class Built:
    """A record and what was noticed; `record` is `None` if none can be made, a finding says why."""

    record: Record | None
    findings: tuple[Finding, ...] = ()


def refusal(message: str, place: str, clause: str) -> Finding:
    """Return the finding that says why there is no record."""
    return Finding("not-exportable", Severity.ERROR, message, place, clause)


@mutable
class Maker:
    """Makes the elements of one record; what it notices is in `findings`.

    `refused` is set when a Type 1 key has no honest value, and there can be no record.
    """

    header: Header
    record_type: str
    clause: str
    place: str
    findings: list[Finding] = field(default_factory=list)
    refused: Finding | None = None

    def note(self, code: str, severity: Severity, message: str) -> None:
        """Keep a finding about the record's source."""
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
        if (
            isinstance(key, ExtraKey)
            and key.in_shared_groups
            and not (element and is_full(element))
        ):
            element = _shared(self.header, key.tag) or element
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
        observers = self.header.get(VERIFYING_OBSERVERS)
        zone = full(self.header, TIMEZONE_OFFSET)
        moments = [
            element.data.strip(b" \0")
            for item in (observers.items if observers else ())
            for element in item
            if element.tag == _VERIFICATION_DATE_TIME and element.data.strip(b" \0")
        ]
        if moments:
            # An illegal value counts only where there is no legal one.
            latest = max(moments, key=lambda each: (instant(each, zone) or _NEVER, each))
            if problem := deviation(key.vr, latest):
                self._deviates(key, problem)
            return Element(key.tag, key.vr, padded(key.vr, latest))
        message = "The document is VERIFIED and Verifying Observer Sequence holds no date and time."
        self.note("verification-date-time", Severity.WARNING, message)
        return None

    def _supplied(self, key: Key) -> Element | None:
        value = supplied.supply(key.tag, self.header)
        what = f"{key.keyword} {tag_text(key.tag)}, Type 1 in {self.record_type} records,"
        if value is None:
            message = f"{what} is missing, and nothing can honestly stand for it."
            self.refused = refusal(message, self.place, self.clause)
            return None
        shown = value.decode("ascii", "backslashreplace")
        rule = supplied.rule_of(key.tag, value)
        message = f"{what} is missing in the file; the record gets {shown!r} instead, {rule}."
        self.findings.append(
            supplied.Supplied(
                "type1-supplied", Severity.WARNING, message, self.place, self.clause,
                record_type=self.record_type, keyword=key.keyword, tag=key.tag, value=shown, rule=rule,
            )
        )  # fmt: skip
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


def _shared(header: Header, tag: int) -> Element | None:
    """Return `tag` with a value from the Shared Functional Groups Sequence, or `None`.

    A functional group is a sequence in its one item; `tag` is that sequence itself, or stands in
    the group's first item that has it (PS3.3 C.7.6.16).
    """
    groups = header.get(SHARED_GROUPS)
    for element in groups.items[0] if groups and groups.items else ():
        if element.tag == tag and is_full(element):
            return element
        for inner in (each for item in element.items for each in item):
            if inner.tag == tag and is_full(inner):
                return inner
    return None


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
