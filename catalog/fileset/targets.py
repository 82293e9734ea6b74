"""Which Directory Record each offset of a DICOMDIR means, exact or not (PS3.3 F.3.2.2)."""

from __future__ import annotations

from bisect import bisect_left

from catalog.fileset.layout import Laid
from catalog.findings import Finding, Severity

_NEAR_BYTES = 64
_OFFSETS = "PS3.3 F.3.2.2"


class Targets:
    """Which record each offset in the file means: `index` maps offset to record number."""

    def __init__(self, laid: list[Laid], first: int | None) -> None:
        self.items = [record.offset_bytes for record in laid]
        self.index: dict[int, int] = {}
        self.findings: list[Finding] = []
        self._at = at = {offset: i for i, offset in enumerate(self.items)}
        # In nearly every file all are right; a set of them would be half as large as the records.
        asked = (o for each in laid for o in (each.next, each.lower, each.mrdr) if o)
        if all(map(at.__contains__, asked)) and (not first or first in at):
            self.index = at
            return
        wanted = {offset for record in laid for offset in (record.next, record.lower) if offset}
        if first:
            wanted.add(first)
        shift = self._common_shift(wanted) if self.items else 0
        if shift:
            message = f"All offsets are {-shift:+d} bytes off; {len(wanted)} were corrected."
            self._note("offset-shift", message, None)
        # An MRDR is pointed at from elsewhere, and may be missing: it has no say in the shift.
        wanted |= {record.mrdr for record in laid if record.mrdr}
        if not shift and wanted <= self._at.keys():
            self.index = self._at
            return
        self._resolve(sorted(wanted), shift)

    def _note(self, code: str, message: str, offset: int | None) -> None:
        self.findings.append(Finding(code, Severity.ERROR, message, "", _OFFSETS, offset))

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

    def _resolve(self, wanted: list[int], shift: int) -> None:
        """Fill `index` in ascending order, so that a shift that begins somewhere is carried on."""
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
            self.index[target] = hit

    def _nearest(self, target: int) -> int | None:
        """Return the record whose item begins within a few bytes of `target`."""
        right = bisect_left(self.items, target)
        near = [i for i in (right - 1, right) if 0 <= i < len(self.items)]
        best = min(near, key=lambda i: abs(self.items[i] - target), default=None)
        return best if best is not None and abs(self.items[best] - target) <= _NEAR_BYTES else None
