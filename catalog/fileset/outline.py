"""A DICOMDIR of which only numbers are held: its records are read again, one by one, when they are walked.

`reader.read` makes a tree of objects of all records, some hundred times the bytes of what is held here.
Both put records in place and judge them by the same code.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

from catalog.fileset.check import CODES, Met, Standing, check_each, value_of
from catalog.fileset.items import lay_out
from catalog.fileset.layout import IN_USE, Noted, Numbers
from catalog.fileset.linking import Linked
from catalog.fileset.reader import linked_and_said, suspected
from catalog.fileset.tree import FileSet, Record

_MOST_READ_AGAIN = 10_000


class Outline:
    """A DICOMDIR as read.

    Attributes
    ----------
    fileset:
        What it says of itself, without records.
    refused:
        The offsets of the records of whose File ID the findings say that it leads nowhere.
    """

    def __init__(self, fileset: FileSet, linked: Linked) -> None:
        self.fileset = fileset
        self.refused: frozenset[int] = frozenset()
        self._linked = linked

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._linked.order)

    def offset(self, place: int) -> int:
        """Return where the record stands in the file whose place, depth first, is `place`."""
        return self._linked.laid.offsets[self._linked.order[place]]

    def has_lower(self, place: int) -> bool:
        """Return whether there are records below that one."""
        depths = self._linked.depths
        return place + 1 < len(depths) and depths[place + 1] > depths[place]

    def record(self, place: int) -> Record:
        """Return that record without those below it."""
        i, laid = self._linked.order[place], self._linked.laid
        return Record(laid.type(i), laid.keys(i))

    def chains(self) -> Iterator[tuple[Record, ...]]:
        """Yield, depth first, each record with those above it, outermost first, as `tree.paths`.

        Each is without those below it. What stands above is one object for all below.
        """
        chain: list[Record] = []
        for place, depth in enumerate(self._linked.depths):
            del chain[depth:]
            chain.append(self.record(place))
            yield tuple(chain)

    def standing(self) -> Iterator[Standing]:
        """Yield what `check_each` is to look at."""
        flags, offsets = self._linked.laid.flags, self._linked.laid.offsets
        for place, (i, depth) in enumerate(zip(self._linked.order, self._linked.depths, strict=True)):  # fmt: skip
            yield depth, self.record(place), bool(flags[i] & IN_USE), offsets[i]

    def count(self, name: str) -> int:
        """Return how many records of the file have the type `name`."""
        return self._linked.laid.count(name)


def outlined(data: bytes, findings: Noted) -> Outline:
    """Return the directory that the DICOMDIR `data` holds; every deviation goes into `findings`.

    It is what `reader.read` returns, and the findings are the same in the same order.

    Parameters
    ----------
    data:
        Bytes, or what is sliced, searched and unpacked as they are: a file that is mapped, which
        nobody else may change or cut.

    Raises
    ------
    DicomdirError
        If `data` is not DICOM or no directory: nothing can be made of it.
    """
    layout = lay_out(data, hold=False, findings=findings)
    outline = Outline(*linked_and_said(layout, findings))
    check_each(outline.fileset, outline.standing(), findings, _Met(outline))
    outline.refused = _refused(outline, findings)
    return outline


def _refused(outline: Outline, findings: Noted) -> frozenset[int]:
    """Return the same as `reader.refused`."""
    found, empty = suspected(findings)
    for place in range(len(outline) if empty else 0):
        if outline.offset(place) in empty and outline.record(place).file_components == ():
            found.add(outline.offset(place))
    return frozenset(found)


class _Met(dict[str, Met]):
    """Remembers which values were met by the numbers of the records that have them."""

    def __init__(self, outline: Outline) -> None:
        super().__init__()
        self._outline = outline

    def __missing__(self, code: str) -> Met:
        outline, (name, tag) = self._outline, CODES[code]
        if name is not None:
            most = outline.count(name)
        else:
            most = len(outline) - sum(outline.count(each) for each, _ in CODES.values() if each)
        values = _Values(most, lambda place: value_of(outline.record(place).element(tag)))
        self[code] = values.met
        return values.met


class _Values:
    """Values that records have, eight bytes each in a table half again as long; compared with what the file says."""

    def __init__(self, most: int, value_at: Callable[[int], bytes]) -> None:
        self._size = most + most // 2 + 8
        self._marks: Numbers = array("I", [0]) * self._size
        self._places: Numbers = array("I", [0]) * self._size  # plus 1; 0: free
        self._value_at = value_at
        # Thousands of records may repeat the value of one that is long.
        self._read_again: dict[int, bytes] = {}

    def met(self, value: bytes, place: int) -> bool:
        """Return whether a record before has the value; else keep that the one at `place` has it."""
        places, marks, size = self._places, self._marks, self._size
        mixed = hash(value)
        mark, at = mixed & 0xFFFFFFFF, (mixed >> 32) % size
        while before := places[at]:
            if marks[at] == mark and self._value(before - 1) == value:
                return True
            at = at + 1 if at + 1 < size else 0
        places[at], marks[at] = place + 1, mark
        return False

    def _value(self, place: int) -> bytes:
        value = self._read_again.get(place)
        if value is None:
            if len(self._read_again) >= _MOST_READ_AGAIN:
                self._read_again.clear()
            value = self._read_again[place] = self._value_at(place)
        return value
