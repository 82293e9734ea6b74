"""A tree from Directory Records and their offsets, however damaged (PS3.3 F.2.2.2, F.4).

The lenient second half of the reader. Every record of the file comes to stand somewhere exactly
once: where the offsets put it, or, when no offset does, where physical order and record types
suggest. Work is linear (one sort apart); nothing recurses along siblings, and depth is bounded.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator

from catalog.dicom.elements import Element
from catalog.fileset.layout import (
    DECLARES,
    IN_NEED,
    IN_USE,
    RECOVERED,
    LaidRecords,
    Noted,
    Numbers,
    declared,
)
from catalog.fileset.record_types import MRDR, PRIVATE, RECORD_TYPES, ROOT, may_stand_below
from catalog.fileset.targets import Targets
from catalog.fileset.tree import (
    MRDR_OFFSET,
    NUMBER_OF_REFERENCES,
    SPECIFIC_CHARACTER_SET,
    Record,
)
from catalog.findings import Finding, Severity
from catalog.shapes import frozen

MAX_DEPTH = 32
"""Deepest chain of parents that is kept. The standard needs four, and private records a few more."""

_ROOT = -1
_NOWHERE = -2
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
    """Records in place.

    Attributes
    ----------
    laid:
        Those of the file, their links used up.
    order, depths:
        The number of each record and how deep it stands, depth first, a parent before its children.
    """

    laid: LaidRecords
    order: Numbers
    depths: bytearray

    def entries(self) -> Iterator[Entry]:
        """Yield how each record stood in the file, depth first."""
        offsets, flags = self.laid.offsets, self.laid.flags
        for i in self.order:
            yield Entry(offsets[i], bool(flags[i] & IN_USE), bool(flags[i] & RECOVERED))

    def used_up(self) -> tuple[Record, ...]:
        """Return the records at the root, those below them inside; `laid` lets go of all keys."""
        laid, depths = self.laid, self.depths
        # Of each level, what was built and waits for its parent, the last first.
        levels: list[list[Record]] = [[] for _ in range(max(depths, default=0) + 2)]
        for place in range(len(depths) - 1, -1, -1):
            i, depth = self.order[place], depths[place]
            below: tuple[Record, ...] = ()
            if waiting := levels[depth + 1]:
                below = tuple(reversed(waiting))
                waiting.clear()
            levels[depth].append(Record(laid.type(i), laid.let_go(i), below))
        return tuple(reversed(levels[0]))


def link(laid: LaidRecords, first: int | None, last: int | None, findings: Noted) -> Linked:
    """Return the tree that `laid` forms, starting from the root entity's offsets; what is noticed goes into `findings`.

    `first` and `last` are the values of (0004,1200) and (0004,1202), `None` where absent.
    """
    linker = _Linker(laid, first, findings)
    linker.follow(first)
    linker.recover()
    linker.check_last(last)
    return linker.finish()


class _Linker:
    """Puts each record in place once."""

    def __init__(self, laid: LaidRecords, first: int | None, findings: Noted) -> None:
        self.laid = laid
        self.findings = findings
        self.targets = Targets(laid, first, findings)
        laid.next, laid.lower = array("I"), array("I")  # `targets` says it better
        self.children: dict[int, Numbers] = {}
        self.root: Numbers = array("I")
        self.parent: Numbers = array("i", [_NOWHERE]) * len(laid)
        self.depth = bytearray(len(laid))
        self.order: Numbers = array("I")  # placed, parents before children

    def note(
        self, code: str, severity: Severity, message: str, i: int | None, clause: str = _OFFSETS
    ) -> None:
        place = "" if i is None else self.laid.type(i)
        offset = None if i is None else self.laid.offsets[i]
        self.findings.append(Finding(code, severity, message, place, clause, offset))

    def follow(self, first: int | None) -> None:
        """Place everything that offsets reach from the root entity."""
        start = self.targets.number(first)
        if start is None:
            return
        type_ = self.laid.type(start)
        if not may_stand_below(type_, ROOT) and self._referred(range(len(self.laid)))[start]:
            message = f"The root entity begins with a {type_} that belongs to another record."
            self.note("first-root-offset", Severity.ERROR, message, start)
            return
        self._chains(start, _ROOT)

    def _chains(self, start: int, parent: int) -> None:
        """Place the chain of siblings from `start`, then their children, level by level."""
        pending = [(start, parent)]
        while pending:
            head, above = pending.pop()
            if self.parent[head] != _NOWHERE:
                self._twice(above, head, "lower")
                continue
            lower = self.targets.lower
            for i in reversed(self._chain(head, above)):
                if lower[i]:
                    pending.append((lower[i] - 1, i))

    def _chain(self, start: int, parent: int) -> Numbers:
        """Place `start` and its following siblings and return them."""
        following, parents = self.targets.next, self.parent
        depth = 0 if parent == _ROOT else self.depth[parent] + 1
        chain: Numbers = array("I")
        at: int | None = start
        while at is not None:
            if depth < MAX_DEPTH:
                parents[at], self.depth[at] = parent, depth
            else:
                self._place(at, parent)
            chain.append(at)
            after = following[at] - 1 if following[at] else None
            if after is not None and parents[after] != _NOWHERE:
                self._twice(at, after, "next")
                break
            at = after
        if depth < MAX_DEPTH:
            self._siblings(parent).extend(chain)
            self.order.extend(chain)
        return chain

    def _siblings(self, parent: int) -> Numbers:
        if parent == _ROOT:
            return self.root
        if parent not in self.children:
            self.children[parent] = array("I")
        return self.children[parent]

    def _twice(self, source: int, target: int, which: str) -> None:
        """Report that the `which` offset of `source` leads to a record that has its place."""
        ancestor = source
        while ancestor not in (target, _ROOT, _NOWHERE):
            ancestor = self.parent[ancestor]
        sibling = which == "next" and self.parent[source] == self.parent[target]
        if ancestor == target or sibling:
            code, what = "offset-cycle", "leads back to itself, an ancestor or an earlier sibling"
        else:
            code, what = "shared-record", "leads to a record that belongs elsewhere"
        message = (
            f"The {which} offset of a {self.laid.type(source)} record {what}; it is not followed."
        )
        self.note(code, Severity.ERROR, message, source)

    def _place(self, i: int, parent: int) -> None:
        if parent != _ROOT and self.depth[parent] + 1 >= MAX_DEPTH:
            message = (
                f"Records are nested deeper than {MAX_DEPTH}; this one is put beside its parent."
            )
            self.note("too-deep", Severity.ERROR, message, i, "PS3.3 F.4")
            above = self.parent[parent]
            parent = _ROOT if above == _NOWHERE else above
        self.parent[i] = parent
        self.depth[i] = 0 if parent == _ROOT else self.depth[parent] + 1
        self._siblings(parent).append(i)
        self.order.append(i)

    def recover(self) -> None:
        """Place the records that no offset reaches."""
        left = array("I", (i for i, parent in enumerate(self.parent) if parent == _NOWHERE))
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
        self._recover_heads(lambda i: not referred[i], rebuilt)
        self._recover_heads(lambda i: True, rebuilt)

    def _referred(self, left: Iterable[int]) -> bytearray:
        """Return of each record whether one of those in `left` leads to it, itself apart."""
        out = bytearray(len(self.laid))
        for i in left:
            for target in (self.targets.next[i] - 1, self.targets.lower[i] - 1):
                if target not in (-1, i):
                    out[target] = 1
        return out

    def _recover_heads(self, is_head: Callable[[int], bool], quiet: bool) -> None:
        """Place unreached records that `is_head` picks, and what hangs on them, in physical order.

        The parent is the nearest record before it of a higher level that has its place.
        """
        open_levels: list[int] = []
        previous = _ROOT
        for i in range(len(self.laid)):
            type_ = self.laid.type(i)
            rank = _rank(type_)
            if type_ in _LEVELS:
                while open_levels and _rank(self.laid.type(open_levels[-1])) >= rank:
                    open_levels.pop()
            if self.parent[i] == _NOWHERE and type_ != MRDR and is_head(i):
                self._recover_one(i, self._guess_parent(i, rank, open_levels, previous), quiet)
            if type_ in _LEVELS:
                open_levels.append(i)
            previous = i

    def _guess_parent(self, i: int, rank: int, open_levels: list[int], previous: int) -> int:
        kind = self.laid.type(i)
        if kind == PRIVATE or kind not in RECORD_TYPES:
            above = self.parent[previous] if previous != _ROOT else _NOWHERE
            return _ROOT if above == _NOWHERE else above
        for candidate in reversed(open_levels):
            if self.parent[candidate] != _NOWHERE and _rank(self.laid.type(candidate)) < rank:
                return candidate
        return _ROOT

    def _recover_one(self, i: int, parent: int, quiet: bool) -> None:
        before = len(self.order)
        self._chains(i, parent)
        for placed in self.order[before:]:
            self.laid.flags[placed] |= RECOVERED
        if not quiet:
            where = "at the root" if parent == _ROOT else f"below a {self.laid.type(parent)} record"
            count = len(self.order) - before
            message = f"No offset leads to {count} record(s) from here; they are put {where}."
            self.note("orphan", Severity.ERROR, message, i)

    def check_last(self, last: int | None) -> None:
        """Report a last-root offset that is not that of the last record at the root."""
        offsets = self.laid.offsets
        expected = offsets[self.root[-1]] if self.root else 0
        found = self.targets.number(last)
        actual = offsets[found] if found is not None else last
        if last is not None and (actual != expected or (found is None and last != expected)):
            message = f"The last record of the root entity is at byte {expected}, not at {last}."
            self.note("last-root-offset", Severity.WARNING, message, None)

    def finish(self) -> Linked:
        """Resolve MRDRs and character sets and tell the order of the tree."""
        self._resolve_mrdrs()
        self._inherit_character_sets()
        flags = self.laid.flags
        for i in self.order:
            if not flags[i] & IN_USE:
                message = (
                    "The In-use Flag is 0000H: an inactive record, retired in 2008; it is kept."
                )
                self.note("inactive-record", Severity.WARNING, message, i)
        order: Numbers = array("I")
        depths = bytearray()
        open_levels = [iter(self.root)]
        while open_levels:
            placed = next(open_levels[-1], None)
            if placed is None:
                open_levels.pop()
                continue
            order.append(placed)
            depths.append(len(open_levels) - 1)
            if placed in self.children:
                open_levels.append(iter(self.children.pop(placed)))
        return Linked(self.laid, order, depths)

    def _resolve_mrdrs(self) -> None:
        """Copy file references out of multi-referenced file records, which go away when all used.

        No record keeps (0004,1504): it is an offset, and would lead anywhere in another file.
        """
        laid = self.laid
        if not laid.mrdr and not laid.has(MRDR):
            return
        used: set[int] = set()
        for i, offset in laid.mrdr.items():
            target = self.targets.number(offset)
            # An MRDR refers to a file and to no other MRDR, itself included.
            if target is None or laid.type(target) != MRDR or laid.type(i) == MRDR:
                laid.hold(i, (e for e in laid.keys(i) if e.tag != MRDR_OFFSET))
                message = (
                    f"(0004,1504) of a {laid.type(i)} record leads to no MRDR that it may use; "
                    "it is left out."
                )
                self.note("dangling-mrdr", Severity.ERROR, message, i)
                continue
            if target not in used:
                used.add(target)
                # Thousands may refer to it, and it may be long.
                laid.hold(target, laid.keys(target))
            laid.hold(i, _merged(laid.keys(i), laid.keys(target)))
            message = (
                "The file is referenced through an MRDR, retired in 2004; the reference is copied."
            )
            self.note("mrdr", Severity.NOTE, message, i, "PS3.3 F.3.2.2")
        gone = {i for i in used if not self.children.get(i)}
        self.order = _without(self.order, gone)
        self.root = _without(self.root, gone)
        for parent in {self.parent[i] for i in gone} - {_NOWHERE, _ROOT}:
            self.children[parent] = _without(self.children[parent], gone)
        for i in range(len(laid)):
            if self.parent[i] == _NOWHERE and i not in used:
                self._place(i, _ROOT)
                laid.flags[i] |= RECOVERED
                self.note(
                    "orphan",
                    Severity.ERROR,
                    "No record refers to this MRDR; it is put at the root.",
                    i,
                )

    def _inherit_character_sets(self) -> None:
        """Give records with non-ASCII text the character set of the nearest ancestor that has one."""
        laid, children = self.laid, self.children
        effective: dict[int, Element | None] = {_ROOT: None}
        for i in self.order:
            in_need = laid.flags[i] & IN_NEED
            if not in_need and i not in children:
                continue
            inherited = effective[self.parent[i]]
            if i in children:
                own = declared(laid.keys(i)) if laid.flags[i] & DECLARES else None
                effective[i] = own or inherited
            if not in_need:
                continue
            if inherited is None:
                message = (
                    "Text goes beyond the default repertoire, and no character set is declared."
                )
                self.note("character-set-missing", Severity.ERROR, message, i, "PS3.5 §6.1.2.3")
                continue
            rest = (e for e in laid.keys(i) if e.tag != SPECIFIC_CHARACTER_SET)
            laid.hold(i, sorted((*rest, inherited), key=lambda e: e.tag))
            message = "Text lacks a character set; that of a record above is taken."
            self.note("character-set-inherited", Severity.WARNING, message, i, "PS3.5 §7.5.3")


def _without(numbers: Iterable[int], gone: set[int]) -> Numbers:
    return array("I", (i for i in numbers if i not in gone))


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
