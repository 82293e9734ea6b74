"""The directory of an export, as it grows: PATIENT, STUDY and SERIES records over the instances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catalog.database.rows import Entity, differences, entity_at
from catalog.dicom.elements import Element, tag_text
from catalog.entities import Level
from catalog.errors import EncodingError
from catalog.exporting.making import PLAIN, Making
from catalog.exporting.plan import Item
from catalog.exporting.proof import Proved
from catalog.fileset import build
from catalog.fileset.recoding import in_utf8, utf8
from catalog.fileset.records import RECORD_TYPES
from catalog.fileset.supplied import full
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET, Record, needs_character_set
from catalog.findings import Finding, Severity
from catalog.shapes import field, mutable

_LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES)
_KINDS = ("PATIENT", "STUDY", "SERIES")
_MAKERS = (build.patient_record, build.study_record, build.series_record)
_UTF8 = Element(SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192")

Rank = tuple[int, str]


@mutable
class _Node:
    """A PATIENT, STUDY or SERIES in the making.

    `elements` is the header that speaks for it best so far. `gifts` are values of the profile's
    keys, each with (0008,0005) of its header, for the case that this header has none: such a key
    is there if any instance below has a value (PS3.11 Table H.3-2).
    """

    rank: Rank = (1 << 30, "")
    elements: dict[int, Element] = field(default_factory=dict)
    gifts: dict[int, tuple[Rank, Element, Element | None]] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    latest: tuple[object, object, int] = (None, None, 0)

    def distance(self, level: Level, ours: Entity, theirs: Entity) -> int:
        """Return in how many attributes both differ; instances of a series mostly share them."""
        if self.latest[0] is not ours or self.latest[1] != theirs:
            self.latest = ours, theirs, len(differences(level, ours, theirs))
        return self.latest[2]

    def hear(self, rank: Rank, elements: dict[int, Element], tags: Sequence[int]) -> None:
        """Take what an instance below says."""
        if rank < self.rank:
            self.rank, self.elements = rank, elements
        for tag in tags:
            if full(elements, tag) and (tag not in self.gifts or rank < self.gifts[tag][0]):
                self.gifts[tag] = (rank, elements[tag], elements.get(SPECIFIC_CHARACTER_SET))


class Directory:
    """The directory in the order of the plan.

    PATIENT, STUDY and SERIES records are made from the header of one of their instances: the one
    that differs least from the catalogue's row, and of those the one with the smallest SOP Instance UID.
    """

    def __init__(self, making: Making = PLAIN) -> None:
        self._root = _Node()
        self._making = making
        self._extra_tags = [
            tuple(key.tag for key in making.keys.get(kind, ()) if key.vr != "SQ") for kind in _KINDS
        ]

    def add(self, item: Item, proved: Proved) -> None:
        """Put the record of a copied instance in its place."""
        _, study, series, _, _ = item.candidate.claims
        uid = proved.claims.instance.sop_instance_uid or ""
        node = self._root
        if study is not None and series is not None:
            names = (
                item.candidate.patient_identity or "",
                study.study_instance_uid or "",
                series.series_instance_uid or "",
            )
            for name, level, tags in zip(names, _LEVELS, self._extra_tags, strict=True):
                node = node.children.setdefault(name, _Node())
                ours, theirs = (
                    entity_at(item.candidate.claims, level),
                    entity_at(proved.claims, level),
                )
                assert ours is not None
                assert theirs is not None
                rank = (node.distance(level, ours, theirs), uid)
                node.hear(rank, proved.elements, tags)
        node.records.append(proved.record)

    def records(self, findings: list[Finding]) -> tuple[Record, ...]:
        """Return the records of the root entity; what had to be supplied joins `findings`."""

        def make(node: _Node, depth: int) -> Iterator[Record]:
            for child in node.children.values():
                header = _completed(child, _KINDS[depth], findings, self._making)
                built = _MAKERS[depth](header, extra=self._making.keys)
                assert built.record is not None, "an instance without UIDs cannot be planned"
                findings.extend(built.findings)
                record = in_utf8(built.record) if self._making.utf8 else built.record
                yield Record(record.type, record.keys, tuple(make(child, depth + 1)))
            yield from node.records

        return tuple(make(self._root, 0))


def _completed(
    node: _Node, kind: str, findings: list[Finding], making: Making
) -> dict[int, Element]:
    """Return the node's header with the values that other instances have and it lacks.

    A record has one character set. If a value's own is another than that of the header, the text
    of both becomes UTF-8.
    """
    header = dict(node.elements)
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
