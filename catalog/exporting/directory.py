"""The directory of an export, as it grows: PATIENT, STUDY and SERIES records over the instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import is_

from catalog.database.ledger import RecordRow
from catalog.database.rows import differences, entity_at
from catalog.dicom.elements import Element, tag_text
from catalog.entities import Level
from catalog.errors import EncodingError
from catalog.exporting.item import Item
from catalog.exporting.kept_records import KeptRecords, packed, row_of, unpacked
from catalog.exporting.making import PLAIN, Making
from catalog.exporting.proof import Proved
from catalog.fileset import build
from catalog.fileset.recoding import in_utf8, utf8
from catalog.fileset.records import RECORD_TYPES
from catalog.fileset.supplied import full
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET, Record, needs_character_set
from catalog.findings import Finding, Severity
from catalog.shapes import field, mutable, replace

_LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES)
_KINDS = ("PATIENT", "STUDY", "SERIES")
_MAKERS = (build.patient_record, build.study_record, build.series_record)
_UTF8 = Element(SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192")

Rank = tuple[int, str]


@mutable
class _Node:
    """A PATIENT, STUDY or SERIES in the making.

    `elements` is the header that speaks for it best so far, that of the file `place`. `gifts` are
    values of the profile's keys, each with (0008,0005) of its header, for the case that this header
    has none: such a key is there if any instance below has a value (PS3.11 Table H.3-2).
    """

    rank: Rank = (1 << 30, "")
    elements: Mapping[int, Element] | bytes = field(default_factory=dict)
    place: str = ""
    gifts: dict[int, tuple[Rank, Element, Element | None]] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)
    records: KeptRecords = field(default_factory=KeptRecords)
    record: bytes | None = None

    @property
    def made(self) -> Record:
        """Its own record."""
        assert self.record is not None, "finish() comes first"
        record: Record = unpacked(self.record)
        return record

    def header(self) -> dict[int, Element]:
        """Return what speaks for it."""
        elements = unpacked(self.elements) if isinstance(self.elements, bytes) else self.elements
        return dict(elements)

    def close(self) -> None:
        """Take as little room as possible, as hardly more will come."""
        self.records.close()
        if not isinstance(self.elements, bytes):
            self.elements = packed(dict(self.elements))

    def hear(
        self, rank: Rank, elements: Mapping[int, Element], item: Item, tags: Sequence[int]
    ) -> None:
        """Take what the copy of `item`, an instance below, says."""
        if rank < self.rank:
            self.rank, self.elements, self.place = rank, elements, item.file_id.path
        for tag in tags:
            if (tag not in self.gifts or rank < self.gifts[tag][0]) and full(elements, tag):
                self.gifts[tag] = (rank, elements[tag], elements.get(SPECIFIC_CHARACTER_SET))


class Directory:
    """The directory in the order of the plan.

    PATIENT, STUDY and SERIES records are made from the header of one of their instances: the one
    that differs least from the catalogue's row, and of those the one with the smallest SOP Instance UID.
    """

    def __init__(self, making: Making = PLAIN) -> None:
        self._root = self._last = _Node()
        self._last_key: tuple[object, ...] = ()
        self._last_above: list[tuple[_Node, int]] = []
        self._making = making
        self._extra_tags = [
            tuple(key.tag for key in making.keys.get(kind, ()) if key.vr != "SQ") for kind in _KINDS
        ]

    def add(self, item: Item, proved: Proved) -> None:
        """Put the record of a copied instance in its place."""
        uid = proved.claims.instance.sop_instance_uid or ""
        for (node, distance), tags in zip(
            self._above(item, proved), self._extra_tags, strict=False
        ):
            node.hear((distance, uid), proved.elements, item, tags)
        self._last.records.append(item, proved.record)

    def _above(self, item: Item, proved: Proved) -> list[tuple[_Node, int]]:
        """Return the nodes above an instance, each with how far its header is from the catalogue's row.

        Its own node is `_last`. The instances of a series mostly have all of that in common.
        """
        patient, study, series, _, _ = item.candidate.claims
        stated = proved.claims
        key = (item.candidate.patient_identity, patient, study, series, *stated[:3])
        if len(key) == len(self._last_key) and all(map(is_, key, self._last_key)):
            return self._last_above
        self._last_key, self._last_above, node = key, [], self._root
        if study is not None and series is not None:
            names = (
                item.candidate.patient_identity or "",
                study.study_instance_uid or "",
                series.series_instance_uid or "",
            )
            for name, level in zip(names, _LEVELS, strict=True):
                node = node.children.setdefault(name, _Node())
                ours = entity_at(item.candidate.claims, level)
                theirs = entity_at(stated, level)
                assert ours is not None
                assert theirs is not None
                self._last_above.append((node, len(differences(level, ours, theirs))))
        if node is not self._last:
            self._last.close()
        self._last = node
        return self._last_above

    def finish(self, findings: list[Finding]) -> None:
        """Make the records above the instances; what had to be supplied joins `findings`."""

        def make(node: _Node, depth: int) -> None:
            for child in node.children.values():
                header = _completed(child, _KINDS[depth], findings, self._making)
                built = _MAKERS[depth](header, child.place, extra=self._making.keys)
                assert built.record is not None, "an instance without UIDs cannot be planned"
                findings.extend(built.findings)
                child.record = packed(in_utf8(built.record) if self._making.utf8 else built.record)
                child.elements = {}  # what it said is in the record now
                make(child, depth + 1)

        make(self._root, 0)

    def walk(self) -> Iterator[tuple[int, Record]]:
        """Yield (depth, record) depth first, after `finish`; the records have no children."""

        def below(node: _Node, depth: int) -> Iterator[tuple[int, Record]]:
            for child in node.children.values():
                yield depth, child.made
                yield from below(child, depth + 1)
            for record in node.records:
                yield depth, record

        return below(self._root, 0)

    def records(self) -> tuple[Record, ...]:
        """Return the records of the root entity with all that is below them, after `finish`."""

        def below(node: _Node) -> Iterator[Record]:
            for child in node.children.values():
                yield replace(child.made, children=tuple(below(child)))
            yield from node.records

        return tuple(below(self._root))

    def rows(self) -> Iterator[RecordRow]:
        """Yield what the catalogue keeps of each record, in the order of `walk`."""
        position = 0

        def below(node: _Node, depth: int) -> Iterator[RecordRow]:
            nonlocal position
            for child in node.children.values():
                yield row_of(position, depth, child.made)
                position += 1
                yield from below(child, depth + 1)
            yield from node.records.rows(position, depth)
            position += len(node.records)

        return below(self._root, 0)


def _completed(
    node: _Node, kind: str, findings: list[Finding], making: Making
) -> dict[int, Element]:
    """Return the node's header with the values that other instances have and it lacks.

    A record has one character set. If a value's own is another than that of the header, the text
    of both becomes UTF-8.
    """
    header = node.header()
    foreign: list[tuple[Element, Element | None]] = []
    for tag, (_, element, charset) in sorted(node.gifts.items()):
        if full(header, tag):
            continue
        declared = header.get(SPECIFIC_CHARACTER_SET)
        if needs_character_set((element,)) and charset != declared:
            foreign.append((element, charset))
        else:
            header[tag] = element
    if not foreign:
        return header
    keys = (*RECORD_TYPES[kind].keys, *making.keys.get(kind, ()))
    tags = {key.tag for key in keys} | {SPECIFIC_CHARACTER_SET}
    try:
        own = {e.tag: e for e in utf8(header[tag] for tag in sorted(tags) if tag in header)}
        for element, charset in foreign:
            own |= {e.tag: e for e in utf8((element, charset) if charset else (element,))}
    except EncodingError as exc:
        missing = ", ".join(tag_text(element.tag) for element, _ in foreign)
        message = f"The {kind} record lacks {missing}, which one of its instances has: {exc}."
        findings.append(Finding("key-omitted", Severity.WARNING, message, clause="PS3.5 §6.1"))
        return header
    message = f"Instances of one {kind} use several character sets; its record is in UTF-8."
    findings.append(Finding("character-sets-mixed", Severity.NOTE, message, clause="PS3.5 §6.1"))
    return {**header, **own, SPECIFIC_CHARACTER_SET: _UTF8}
