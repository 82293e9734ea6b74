"""Which Directory Record each offset of a DICOMDIR means, exact or not (PS3.3 F.3.2.2)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import chain

from catalog.fileset.layout import LaidRecords, Noted, Numbers
from catalog.findings import Finding, Severity

_NEAR_BYTES = 64
_OFFSETS = "PS3.3 F.3.2.2"


class Targets:
    """Which record each offset in the file means.

    Attributes
    ----------
    next, lower:
        Of each record, the number of the record that its offset means, plus 1; 0 if there is none.
    """

    def __init__(self, laid: LaidRecords, first: int | None, findings: Noted) -> None:
        self.items = laid.offsets
        self._findings = findings
        self._index: dict[int, int] | None = None  # None: every offset is exact
        # In nearly every file all are right; what finds those that are not is larger than the records.
        next_, lower = self._exact(laid.next), self._exact(laid.lower)
        others = (offset for offset in (first, *laid.mrdr.values()) if offset)
        if next_ is not None and lower is not None and all(map(self._is_exact, others)):
            self.next, self.lower = next_, lower
            return
        del next_, lower
        self._at = {offset: i for i, offset in enumerate(self.items)}
        self._index = self._inexact(laid, first)
        if self._index is self._at:
            self._index = None
        self.next, self.lower = self._meant(laid.next), self._meant(laid.lower)
        del self._at

    def number(self, offset: int | None) -> int | None:
        """Return the number of the record that `offset` means, `None` if it means none."""
        if not offset:
            return None
        if self._index is not None:
            return self._index.get(offset)
        i = bisect_left(self.items, offset)
        return i if i < len(self.items) and self.items[i] == offset else None

    def _is_exact(self, offset: int) -> bool:
        i = bisect_left(self.items, offset)
        return i < len(self.items) and self.items[i] == offset

    def _exact(self, offsets: Numbers) -> Numbers | None:
        """Return what the offset of each record means; `None` if one of them is not that of an item."""
        items, count = self.items, len(self.items)
        found = array("I", [0]) * len(offsets)
        for i, offset in enumerate(offsets, 1):
            if not offset:
                continue
            # Nearly always it is the next in the file.
            if i == count or items[i] != offset:
                at = bisect_left(items, offset)
                if at == count or items[at] != offset:
                    return None
                found[i - 1] = at + 1
            else:
                found[i - 1] = i + 1
        return found

    def _meant(self, offsets: Numbers) -> Numbers:
        numbers = map(self.number, offsets)
        return array("I", (0 if number is None else number + 1 for number in numbers))

    def _inexact(self, laid: LaidRecords, first: int | None) -> dict[int, int]:
        """Return which record each offset means, with findings on those that are not exact."""
        wanted = {offset for offset in chain(laid.next, laid.lower) if offset}
        if first:
            wanted.add(first)
        shift = self._common_shift(wanted) if self.items else 0
        if shift:
            message = f"All offsets are {-shift:+d} bytes off; {len(wanted)} were corrected."
            self._note("offset-shift", message, None)
        # An MRDR is pointed at from elsewhere, and may be missing: it has no say in the shift.
        wanted.update(filter(None, laid.mrdr.values()))
        if not shift and wanted <= self._at.keys():
            return self._at
        return self._resolve(sorted(wanted), shift)

    def _note(self, code: str, message: str, offset: int | None) -> None:
        self._findings.append(Finding(code, Severity.ERROR, message, "", _OFFSETS, offset))

    def _common_shift(self, wanted: set[int]) -> int:
        """Return what added to every offset makes them hit items, 0 if they do or nothing does."""
        exact = sum(target in self._at for target in wanted)
        if exact == len(wanted):
            return 0
        guesses = {
            self.items[0] - min(wanted),
            self.items[-1] - max(wanted),
            132,
            -132,
            128,
            -128,
            8,
            -8,
        }
        hits = {
            shift: sum(target + shift in self._at for target in wanted)
            for shift in sorted(guesses)
            if shift
        }
        best = max(hits, key=lambda shift: (hits[shift], -abs(shift)), default=0)
        # One or two offsets fit anything, so they are believed only near by.
        good = hits.get(best, 0) > exact and hits[best] * 10 >= len(wanted) * 9
        return best if good and (len(wanted) > 2 or abs(best) <= 132) else 0

    def _resolve(self, wanted: list[int], shift: int) -> dict[int, int]:
        """Return what is meant, found in ascending order, so that a shift that begins somewhere is carried on."""
        index: dict[int, int] = {}
        local = told = shift
        for target in wanted:
            hit = self._at.get(target + shift)
            if hit is None:
                hit = self._at.get(target + local)
                if hit is None:
                    hit = self._nearest(target + local)
                if hit is None:
                    self._note(
                        "dangling-offset",
                        f"No Directory Record is at or near byte {target}.",
                        target,
                    )
                    continue
                local = self.items[hit] - target
                if local != told:
                    message = f"The offset {target} is {-local:+d} bytes off the nearest Directory Record; so may be those after it."
                    self._note("inexact-offset", message, target)
                    told = local
            index[target] = hit
        return index

    def _nearest(self, target: int) -> int | None:
        """Return the record whose item begins within a few bytes of `target`."""
        right = bisect_left(self.items, target)
        near = [i for i in (right - 1, right) if 0 <= i < len(self.items)]
        best = min(near, key=lambda i: abs(self.items[i] - target), default=None)
        return best if best is not None and abs(self.items[best] - target) <= _NEAR_BYTES else None
