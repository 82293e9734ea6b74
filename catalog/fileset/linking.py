"""A tree from Directory Records and their offsets, however damaged (PS3.3 F.2.2.2, F.4).

The lenient second half of the reader. Every record of the file comes to stand somewhere exactly
once: where the offsets put it, or, when no offset does, where physical order and record types
suggest. Work is linear (one sort apart); nothing recurses along siblings, and depth is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from catalog.dicom.elements import Element
from catalog.fileset.layout import Laid
from catalog.fileset.record_types import MRDR, PRIVATE, RECORD_TYPES, ROOT, may_stand_below
from catalog.fileset.targets import Targets
from catalog.fileset.tree import (
    MRDR_OFFSET,
    NUMBER_OF_REFERENCES,
    SPECIFIC_CHARACTER_SET,
    Record,
    needs_character_set,
)
from catalog.findings import Finding, Severity
from catalog.shapes import frozen

MAX_DEPTH = 32
"""Deepest chain of parents that is kept. The standard needs four, and private records a few more."""

_ROOT = -1
_USED_UP = Laid(0)
_OFFSETS = "PS3.3 F.3.2.2"
_LEVELS = ("PATIENT", "STUDY", "SERIES")


@frozen
class Entry:
    """How a record stood in the file.

    Attributes
    ----------
    offset_bytes:
        Of its item tag, from the first byte of the file.
    in_use:
        False if its In-use Flag was 0000H: before 2008, a deleted record.
    recovered:
        True if no offset led to it.
    """

    offset_bytes: int
    in_use: bool = True
    recovered: bool = False


@frozen
class Linked:
    """Records in order, their entries depth first in the same order, and what was noticed."""

    records: tuple[Record, ...]
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]


def link(laid: list[Laid], first: int | None, last: int | None) -> Linked:
    """Return the tree that `laid` forms, starting from the root entity's offsets; `laid` is used up by it.

    `first` and `last` are the values of (0004,1200) and (0004,1202), `None` where absent.
    """
    linker = _Linker(laid)
    linker.find_targets(first)
    linker.follow(first)
    linker.recover()
    linker.check_last(last)
    return linker.finish()


class _Linker:
    """Puts each record in place once."""

    def __init__(self, laid: list[Laid]) -> None:
        self.laid = laid
        self.targets: dict[int, int] = {}
        self.findings: list[Finding] = []
        self.children: dict[int, list[int]] = {}
        self.root: list[int] = []
        self.parent: list[int | None] = [None] * len(laid)
        self.depth = [0] * len(laid)
        self.recovered: set[int] = set()
        self.order: list[int] = []  # placed, parents before children

    def note(
        self, code: str, severity: Severity, message: str, i: int | None, clause: str = _OFFSETS
    ) -> None:
        place = "" if i is None else self.laid[i].type
        offset = None if i is None else self.laid[i].offset_bytes
        self.findings.append(Finding(code, severity, message, place, clause, offset))

    def find_targets(self, first: int | None) -> None:
        found = Targets(self.laid, first)
        self.findings += found.findings
        self.targets = found.index

    def target(self, offset: int | None) -> int | None:
        return self.targets.get(offset) if offset else None

    def follow(self, first: int | None) -> None:
        """Place everything that offsets reach from the root entity."""
        start = self.target(first)
        if start is None:
            return
        if not may_stand_below(self.laid[start].type, ROOT) and start in self._referred(
            range(len(self.laid))
        ):
            message = f"The root entity begins with a {self.laid[start].type} that belongs to another record."
            self.note("first-root-offset", Severity.ERROR, message, start)
            return
        self._chains(start, _ROOT)

    def _chains(self, start: int, parent: int) -> None:
        """Place the chain of siblings from `start`, then their children, level by level."""
        pending = [(start, parent)]
        while pending:
            head, above = pending.pop()
            if self.parent[head] is not None:
                self._twice(above, head, "lower")
                continue
            laid, targets = self.laid, self.targets
            for i in reversed(self._chain(head, above)):
                lower = laid[i].lower
                below = targets.get(lower) if lower else None
                if below is not None:
                    pending.append((below, i))

    def _chain(self, start: int, parent: int) -> list[int]:
        """Place `start` and its following siblings and return them."""
        laid, targets, parents = self.laid, self.targets, self.parent
        depth = 0 if parent == _ROOT else self.depth[parent] + 1
        chain: list[int] = []
        at: int | None = start
        while at is not None:
            if depth < MAX_DEPTH:
                parents[at], self.depth[at] = parent, depth
            else:
                self._place(at, parent)
            chain.append(at)
            following = laid[at].next
            after = targets.get(following) if following else None
            if after is not None and parents[after] is not None:
                self._twice(at, after, "next")
                break
            at = after
        if depth < MAX_DEPTH:
            self._siblings(parent).extend(chain)
            self.order.extend(chain)
        return chain

    def _siblings(self, parent: int) -> list[int]:
        return self.root if parent == _ROOT else self.children.setdefault(parent, [])

    def _twice(self, source: int, target: int, which: str) -> None:
        """Report that the `which` offset of `source` leads to a record that has its place."""
        ancestor: int | None = source
        while ancestor is not None and ancestor not in (target, _ROOT):
            ancestor = self.parent[ancestor]
        sibling = which == "next" and self.parent[source] == self.parent[target]
        if ancestor == target or sibling:
            code, what = "offset-cycle", "leads back to itself, an ancestor or an earlier sibling"
        else:
            code, what = "shared-record", "leads to a record that belongs elsewhere"
        message = (
            f"The {which} offset of a {self.laid[source].type} record {what}; it is not followed."
        )
        self.note(code, Severity.ERROR, message, source)

    def _place(self, i: int, parent: int) -> None:
        if parent != _ROOT and self.depth[parent] + 1 >= MAX_DEPTH:
            message = (
                f"Records are nested deeper than {MAX_DEPTH}; this one is put beside its parent."
            )
            self.note("too-deep", Severity.ERROR, message, i, "PS3.3 F.4")
            above = self.parent[parent]
            parent = _ROOT if above is None else above
        self.parent[i] = parent
        self.depth[i] = 0 if parent == _ROOT else self.depth[parent] + 1
        self._siblings(parent).append(i)
        self.order.append(i)

    def recover(self) -> None:
        """Place the records that no offset reaches."""
        left = [i for i, parent in enumerate(self.parent) if parent is None]
        if not left:
            return
        rebuilt = not self.order
        if rebuilt:
            message = (
                f"No record is reached from the root entity: {len(left)} are put in place by what "
                "offsets they have, their physical order and their types."
            )
            self.note("rebuilt", Severity.ERROR, message, None)
        referred = self._referred(left)
        self._recover_heads(lambda i: i not in referred, rebuilt)
        self._recover_heads(lambda i: True, rebuilt)

    def _referred(self, left: Iterable[int]) -> set[int]:
        """Return which records those in `left` lead to, themselves apart."""
        out: set[int] = set()
        for i in left:
            for offset in (self.laid[i].next, self.laid[i].lower):
                target = self.target(offset)
                if target is not None and target != i:
                    out.add(target)
        return out

    def _recover_heads(self, is_head: Callable[[int], bool], quiet: bool) -> None:
        """Place unreached records that `is_head` picks, and what hangs on them, in physical order.

        The parent is the nearest record before it of a higher level that has its place.
        """
        open_levels: list[int] = []
        previous = _ROOT
        for i, laid in enumerate(self.laid):
            rank = _rank(laid.type)
            if laid.type in _LEVELS:
                while open_levels and _rank(self.laid[open_levels[-1]].type) >= rank:
                    open_levels.pop()
            if self.parent[i] is None and laid.type != MRDR and is_head(i):
                self._recover_one(i, self._guess_parent(i, rank, open_levels, previous), quiet)
            if laid.type in _LEVELS:
                open_levels.append(i)
            previous = i

    def _guess_parent(self, i: int, rank: int, open_levels: list[int], previous: int) -> int:
        kind = self.laid[i].type
        if kind == PRIVATE or kind not in RECORD_TYPES:
            above = self.parent[previous] if previous != _ROOT else None
            return _ROOT if above is None else above
        for candidate in reversed(open_levels):
            if self.parent[candidate] is not None and _rank(self.laid[candidate].type) < rank:
                return candidate
        return _ROOT

    def _recover_one(self, i: int, parent: int, quiet: bool) -> None:
        before = len(self.order)
        self._chains(i, parent)
        self.recovered.update(self.order[before:])
        if not quiet:
            where = "at the root" if parent == _ROOT else f"below a {self.laid[parent].type} record"
            count = len(self.order) - before
            message = f"No offset leads to {count} record(s) from here; they are put {where}."
            self.note("orphan", Severity.ERROR, message, i)

    def check_last(self, last: int | None) -> None:
        """Report a last-root offset that is not that of the last record at the root."""
        expected = self.laid[self.root[-1]].offset_bytes if self.root else 0
        found = self.target(last)
        actual = self.laid[found].offset_bytes if found is not None else last
        if last is not None and (actual != expected or (found is None and last != expected)):
            message = f"The last record of the root entity is at byte {expected}, not at {last}."
            self.note("last-root-offset", Severity.WARNING, message, None)

    def finish(self) -> Linked:
        """Resolve MRDRs and character sets and build the frozen tree."""
        self._resolve_mrdrs()
        self._inherit_character_sets()
        for i in self.order:
            if not self.laid[i].in_use:
                message = (
                    "The In-use Flag is 0000H: an inactive record, retired in 2008; it is kept."
                )
                self.note("inactive-record", Severity.WARNING, message, i)
        # Memory is at its height here: what is not needed any more goes before the tree grows.
        self.targets = {}
        entries = tuple(self._entries())
        return Linked(self._records(), entries, tuple(self.findings))

    def _records(self) -> tuple[Record, ...]:
        """Return the records at the root, those below them inside; what they are made of goes meanwhile."""
        laid, children = self.laid, self.children
        built: dict[int, Record] = {}
        for i in reversed(self.order):
            below = tuple([built.pop(child) for child in children[i]]) if i in children else ()
            built[i] = Record(laid[i].type, tuple(laid[i].keys), below)
            laid[i] = _USED_UP
        return tuple([built.pop(i) for i in self.root])

    def _entries(self) -> Iterator[Entry]:
        laid, children, recovered = self.laid, self.children, self.recovered
        pending = self.root[::-1]
        while pending:
            i = pending.pop()
            yield Entry(laid[i].offset_bytes, laid[i].in_use, i in recovered)
            if i in children:
                pending.extend(reversed(children[i]))

    def _resolve_mrdrs(self) -> None:
        """Copy file references out of multi-referenced file records, which go away when all used.

        No record keeps (0004,1504): it is an offset, and would lead anywhere in another file.
        """
        if not any(laid.mrdr is not None or laid.type == MRDR for laid in self.laid):
            return
        used: set[int] = set()
        for i, laid in enumerate(self.laid):
            if laid.mrdr is None:
                continue
            target = self.target(laid.mrdr)
            # An MRDR refers to a file and to no other MRDR, itself included.
            if target is None or self.laid[target].type != MRDR or laid.type == MRDR:
                laid.keys = [e for e in laid.keys if e.tag != MRDR_OFFSET]
                message = (
                    f"(0004,1504) of a {laid.type} record leads to no MRDR that it may use; "
                    "it is left out."
                )
                self.note("dangling-mrdr", Severity.ERROR, message, i)
                continue
            used.add(target)
            laid.keys = _merged(laid.keys, self.laid[target].keys)
            message = (
                "The file is referenced through an MRDR, retired in 2004; the reference is copied."
            )
            self.note("mrdr", Severity.NOTE, message, i, "PS3.3 F.3.2.2")
        self.order = [i for i in self.order if i not in used or self.children.get(i)]
        gone = used.difference(self.order)
        self.root = [i for i in self.root if i not in gone]
        for parent in {self.parent[i] for i in gone} - {None, _ROOT}:
            assert parent is not None
            self.children[parent] = [i for i in self.children[parent] if i not in gone]
        for i in range(len(self.laid)):
            if self.parent[i] is None and i not in used:
                self._place(i, _ROOT)
                self.recovered.add(i)
                self.note(
                    "orphan",
                    Severity.ERROR,
                    "No record refers to this MRDR; it is put at the root.",
                    i,
                )

    def _inherit_character_sets(self) -> None:
        """Give records with non-ASCII text the character set of the nearest ancestor that has one."""
        effective: dict[int, Element | None] = {_ROOT: None}
        for i in self.order:
            laid = self.laid[i]
            if not laid.has_text and i not in self.children:
                continue
            own = next(
                (e for e in laid.keys if e.tag == SPECIFIC_CHARACTER_SET and e.data.strip()), None
            )
            parent = self.parent[i]
            inherited = effective[_ROOT if parent is None else parent]
            if i in self.children:
                effective[i] = own or inherited
            if own is not None or not needs_character_set(laid.keys):
                continue
            if inherited is None:
                message = (
                    "Text goes beyond the default repertoire, and no character set is declared."
                )
                self.note("character-set-missing", Severity.ERROR, message, i, "PS3.5 §6.1.2.3")
                continue
            rest = [e for e in laid.keys if e.tag != SPECIFIC_CHARACTER_SET]
            laid.keys = sorted((*rest, inherited), key=lambda e: e.tag)
            message = "Text lacks a character set; that of a record above is taken."
            self.note("character-set-inherited", Severity.WARNING, message, i, "PS3.5 §7.5.3")


def _merged(keys: Iterable[Element], more: Iterable[Element]) -> list[Element]:
    """Return `keys` without the link to the MRDR and with the MRDR's file reference."""
    tags = (0x00041500, 0x00041510, 0x00041511, 0x00041512, 0x0004151A)
    found = {e.tag: e for e in more if e.tag in tags}
    found.update((e.tag, e) for e in keys if e.tag not in (MRDR_OFFSET, NUMBER_OF_REFERENCES))
    return [found[tag] for tag in sorted(found)]


def _rank(name: str) -> int:
    """Return the level of a record type: 0 PATIENT and others at the root … 3 instances."""
    known = RECORD_TYPES.get(name)
    if known is None:
        return 3
    above = known.parents[0]
    return 0 if above == ROOT else _LEVELS.index(above) + 1 if above in _LEVELS else 3
