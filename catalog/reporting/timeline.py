"""Studies over time, in as many steps as a plot can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from catalog.database.figures import MonthFigure

MOST_LAYERS = 7
"""Modalities that have a colour of their own; the others share one."""

_STEPS = ((1, 180), (3, 180), (12, 200), (60, 200), (120, 200), (600, 200), (1200, 200))
"""Widths of a step in months, and how many of them a plot can show."""

_FEWEST_MONTHS = 12
_STRAY_SHARE = 200
"""One study in so many may lie apart on either side and be left out of the plot."""

_GAP_MONTHS = 24
"""Studies lie apart if there are none for longer than this between them and the others."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Studies by step and modality.

    Attributes
    ----------
    step_months:
        Width of a step.
    first_month:
        Month of the first step, counted from January of year 0.
    layers:
        Name of each modality and its studies by step, most studies first, the rest last.
    others:
        Number of modalities that the last layer is made of; 0 if it is one like the others.
    before, after:
        Studies that lie so far outside that the plot would not be readable with them.
    undated:
        Studies without a date.
    """

    step_months: int
    first_month: int
    layers: tuple[tuple[str, tuple[int, ...]], ...]
    others: int
    before: int
    after: int
    undated: int

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.layers[0][1]) if self.layers else 0

    @property
    def unit(self) -> str:
        """What a step is called."""
        named = {1: "month", 3: "quarter", 12: "year"}
        return named.get(self.step_months, f"{self.step_months // 12} years")

    def label(self, step: int) -> str:
        """Return the name of a step: `2024-01`, `2024 Q1`, `2024`, `1900–1909`."""
        year, month = divmod(self.first_month + step * self.step_months, 12)
        if self.step_months == 1:
            return f"{year:04}-{month + 1:02}"
        if self.step_months == 3:
            return f"{year:04} Q{month // 3 + 1}"
        if self.step_months == 12:
            return f"{year:04}"
        return f"{year:04}–{year + self.step_months // 12 - 1:04}"

    def total(self, step: int) -> int:
        """Return the studies of a step."""
        return sum(counts[step] for _, counts in self.layers)


def timeline(months: Sequence[MonthFigure]) -> Timeline:
    """Return studies by step and modality.

    A step is a month if that makes fewer than 180 of them, then a quarter, a year, and so on. Where a
    few studies (at most one in 200 on either side) make the time more than three times as long,
    as wrong dates do, these are counted apart.
    """
    by_month: Counter[int] = Counter()
    undated = 0
    for each in months:
        if each.month:
            by_month[_index(each.month)] += each.studies
        else:
            undated += each.studies
    if not by_month:
        return Timeline(1, 0, (), 0, 0, 0, undated)
    low, high = _range(by_month)
    low = min(low, high - _FEWEST_MONTHS + 1)
    step = next(
        (width for width, most in _STEPS if high // width - low // width < most), _STEPS[-1][0]
    )
    first = low // step
    length = high // step - first + 1
    low, high = first * step, (first + length) * step - 1
    counts: dict[str, list[int]] = {}
    before = after = 0
    for each in months:
        if not each.month:
            continue
        place = _index(each.month)
        if place < low:
            before += each.studies
        elif place > high:
            after += each.studies
        else:
            counts.setdefault(each.modality, [0] * length)[place // step - first] += each.studies
    layers, others = _layers(counts, length)
    return Timeline(step, low, layers, others, before, after, undated)


def _index(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def _range(by_month: Mapping[int, int]) -> tuple[int, int]:
    """Return the first and last month to show."""
    order = sorted(by_month)
    stray = sum(by_month.values()) // _STRAY_SHARE
    low, high = _near(by_month, order[::-1], stray), _near(by_month, order, stray)
    whole = order[-1] - order[0] + 1
    if whole > _STEPS[0][1] and whole > 3 * max(high - low + 1, _FEWEST_MONTHS):
        return low, high
    return order[0], order[-1]


def _near(by_month: Mapping[int, int], order: Sequence[int], stray: int) -> int:
    """Return the last month of `order` beyond which at most `stray` studies lie, all of them apart."""
    left = sum(by_month.values())
    for month, following in pairwise(order):
        left -= by_month[month]
        if left <= stray and abs(following - month) > _GAP_MONTHS:
            return month
    return order[-1]


def _layers(
    counts: Mapping[str, Sequence[int]], length: int
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], int]:
    names = sorted(counts, key=lambda name: (-sum(counts[name]), name))
    if len(names) <= MOST_LAYERS + 1:
        return tuple((name or "no modality", tuple(counts[name])) for name in names), 0
    rest = names[MOST_LAYERS:]
    together = tuple(sum(counts[name][step] for name in rest) for step in range(length))
    own = tuple((name or "no modality", tuple(counts[name])) for name in names[:MOST_LAYERS])
    return (*own, (f"{len(rest)} others", together)), len(rest)
