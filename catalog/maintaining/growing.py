"""A directory's tree while it changes: what was there stays where it is, new records go to the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from catalog.dicom.elements import Element
from catalog.fileset.build import Built
from catalog.fileset.texts import key_text
from catalog.fileset.tree import SOP_INSTANCE_IN_FILE, Record, flat
from catalog.findings import Finding, Severity
from catalog.maintaining.examining import PATIENT_ID, Candidate
from catalog.shapes import field, particular

LEVELS = (("PATIENT", PATIENT_ID), ("STUDY", 0x0020000D), ("SERIES", 0x0020000E))
"""The records above an instance, each with the tag of what it is known by."""


@particular
class Node:
    """A record in a tree that can change; `record` is `None` for the root entity alone."""

    record: Record | None
    parent: Node | None
    children: list[Node] = field(default_factory=list)


class Tree:
    """Records that can be added to and taken from; nothing else about them changes."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.root = Node(None, None)
        self._index: dict[tuple[str, str], list[Node]] = defaultdict(list)
        self._latest: tuple[Chosen, tuple[str, ...], Node] | None = None
        pending = [(self.root, iter(records))]
        while pending:
            above, siblings = pending[-1]
            record = next(siblings, None)
            if record is None:
                pending.pop()
                continue
            node = self._hang(above, flat(record))
            if record.children:
                pending.append((node, iter(record.children)))

    def _hang(self, above: Node, record: Record) -> Node:
        node = Node(record, above)
        above.children.append(node)
        if (key := _identity(record)) is not None:
            self._index[key].append(node)
        return node

    def records(self) -> tuple[Record, ...]:
        """Return the records of the root entity, in order; recursion is as deep as the tree."""

        def built(node: Node) -> Record:
            assert node.record is not None
            if not node.children:
                return flat(node.record)
            below = tuple([built(child) for child in node.children])
            return Record(node.record.type, node.record.keys, below)

        return tuple(built(child) for child in self.root.children)

    def find(self, kind: str, identity: str) -> list[Node]:
        """Return the nodes of a `PATIENT`, `STUDY`, `SERIES` or `INSTANCE` by Patient ID or UID."""
        return self._index.get((kind, identity), [])

    def nodes(self) -> Iterator[Node]:
        """Yield every node depth first."""
        pending = self.root.children[::-1]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(node.children))

    def owners(self) -> dict[str, str]:
        """Return the Patient ID above each study that has one record, by Study Instance UID."""
        found = {}
        for (kind, uid), nodes in self._index.items():
            if kind == "STUDY" and len(nodes) == 1:
                above = nodes[0].parent
                if (
                    above is not None
                    and above.record is not None
                    and above.record.type == "PATIENT"
                ):
                    found[uid] = key_text(above.record, PATIENT_ID)
        return found

    def conflict(self, candidate: Candidate) -> tuple[str, str] | None:
        """Return code and reason if `candidate` contradicts what is in the tree, or `None`."""
        if not candidate.above:
            return None
        patients = self.find("PATIENT", candidate.directory_patient_id)
        studies = self.find("STUDY", candidate.study_instance_uid)
        series = self.find("SERIES", candidate.series_instance_uid)
        if len(patients) > 1:
            return (
                "patient-id-twice",
                "its Patient ID has several PATIENT records in the directory (PS3.3 F.5.1)",
            )
        if any(node.parent not in patients for node in studies):
            return (
                "study-twice",
                f"its study is in the directory under another patient (PS3.3 F.5.2): {candidate.study_instance_uid}",
            )
        if len(studies) > 1:
            return (
                "study-twice",
                f"its study has several STUDY records in the directory (PS3.3 F.5.2): {candidate.study_instance_uid}",
            )
        if any(node.parent not in studies for node in series):
            return (
                "series-twice",
                f"its series is in the directory in another study (PS3.3 F.5.3): {candidate.series_instance_uid}",
            )
        if len(series) > 1:
            return (
                "series-twice",
                f"its series has several SERIES records in the directory (PS3.3 F.5.3): {candidate.series_instance_uid}",
            )
        return None

    def add(self, candidate: Candidate, record: Record, chosen: Chosen) -> list[Finding]:
        """Hang `record` into its place, at the end; return what was noticed.

        `chosen` has the PATIENT, STUDY and SERIES records to make where the tree has none.
        """
        if not candidate.above:
            self._hang(self.root, record)
            return []
        where = (candidate.patient_id, *_identities(candidate))
        if self._latest is not None and self._latest[0] is chosen and self._latest[1] == where:
            self._hang(self._latest[2], record)
            return []
        node = self.root
        findings: list[Finding] = []
        is_own = True
        for level, (kind, tag) in enumerate(LEVELS):
            built = chosen[key_at(candidate, level)][0]
            assert built.record is not None
            identity = key_text(built.record, tag)
            if kind == "PATIENT" and candidate.patient_id:
                identity = candidate.patient_id
            found = [each for each in self.find(kind, identity) if each.parent is node]
            if found:
                if found[0].record is not built.record:
                    findings += _differences(found[0], built.record, candidate.place)
                    is_own = False
                node = found[0]
            else:
                node = self._hang(node, built.record)
                findings += built.findings
        self._hang(node, record)
        # Below records that were there already, each file is told to differ or not.
        self._latest = (chosen, where, node) if is_own else None
        return findings

    def take(self, nodes: Sequence[Node]) -> list[Record]:
        """Take `nodes` with all below them, and what they leave empty above; return the records, in order."""
        self._latest = None
        chosen = {id(node) for node in nodes}
        walked = list(self.nodes())
        gone: set[int] = set()
        for node in walked:
            if id(node) in chosen or id(node.parent) in gone:
                gone.add(id(node))
        for node in reversed(walked):  # a parent comes after all of its children
            if node.children and all(id(child) in gone for child in node.children):
                gone.add(id(node))
        for node in [self.root, *walked]:
            if any(id(child) in gone for child in node.children):
                node.children = [child for child in node.children if id(child) not in gone]
        return [node.record for node in walked if id(node) in gone and node.record is not None]


def _identity(record: Record) -> tuple[str, str] | None:
    for kind, tag in LEVELS:
        if record.type == kind:
            return kind, key_text(record, tag)
    uid = record.plain(SOP_INSTANCE_IN_FILE)
    return ("INSTANCE", uid) if uid else None


def _differences(node: Node, record: Record, place: str) -> Iterator[Finding]:
    """Yield a finding for each key in which the file differs from the record that is there."""
    assert node.record is not None
    for element in record.keys:
        mine = node.record.element(element.tag)
        if (
            element.tag == 0x00080005
            or mine is None
            or not element.data
            or isinstance(mine.value, tuple)
        ):
            continue
        if key_text(node.record, element.tag) != key_text(record, element.tag):
            message = f"The file has another value for ({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) than the {record.type} record, which stays as it is."
            yield Finding("key-differs", Severity.WARNING, message, place, "PS3.3 F.5")


Chosen: TypeAlias = dict[tuple[str, str], tuple[Built, int]]
"""By record type and identity: the record that speaks best, and how many files differ from it."""


def chosen_above(candidates: Sequence[Candidate]) -> Chosen:
    """Return the record that speaks best for each patient, study and series, and how many files differ.

    The key is (record type, identity). Records with more keys filled win, then those that more
    files give, then the smaller; so the order of the files does not matter.
    """
    # Most files give the very records that others of their series do: what is alike votes at once.
    alike: Counter[tuple[object, ...]] = Counter()
    firsts: dict[tuple[object, ...], Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: c.sop_instance_uid):
        name = (*[id(built.record) for built in candidate.above], *_identities(candidate))
        alike[name] += 1
        firsts.setdefault(name, candidate)
    votes: dict[tuple[str, str], Counter[tuple[Element, ...]]] = defaultdict(Counter)
    first: dict[tuple[str, str, tuple[Element, ...]], Built] = {}
    for name, candidate in firsts.items():
        for level, built in enumerate(candidate.above):
            assert built.record is not None
            key = key_at(candidate, level)
            votes[key][built.record.keys] += alike[name]
            first.setdefault((*key, built.record.keys), built)
    chosen = {}
    for key, counter in votes.items():
        best = min(
            counter,
            key=lambda keys: (-sum(bool(e.value) for e in keys), -counter[keys], repr(keys)),
        )
        chosen[key] = first[(*key, best)], counter.total() - counter[best]
    return chosen


def key_at(candidate: Candidate, level: int) -> tuple[str, str]:
    """Return the key of `candidate`'s patient, study or series (`level` 0, 1, 2) in `chosen_above`."""
    return LEVELS[level][0], _identities(candidate)[level]


def _identities(candidate: Candidate) -> tuple[str, str, str]:
    return (
        candidate.directory_patient_id,
        candidate.study_instance_uid,
        candidate.series_instance_uid,
    )
