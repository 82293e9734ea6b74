"""The items of a plan, kept in little room: they are made again whenever they are asked for.

An item is some fifty values, of which its neighbours in a series have most alike: 1.3 kB of
objects. Packed with those neighbours it takes some sixty bytes.
"""

from __future__ import annotations

import marshal
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any, NamedTuple, overload

from catalog.database.fetch import Candidate, SourceFile
from catalog.entities import Claims, Instance, Patient, Series, Status, Study
from catalog.exporting.item import Item
from catalog.fileset.file_id import FileId

PER_BLOCK = 512
"""So many items are packed together; whoever asks for one makes all of them."""

_LEVEL = 1
"""Of compression: more takes three times as long for a tenth of the room."""

_STATUS = {status.value: status for status in Status}

Range = tuple[int, int]
"""First position, and the one after the last."""


class Chosen(NamedTuple):
    """An instance, which of its files is copied, and the last component of its File ID."""

    candidate: Candidate
    source: SourceFile
    name: str


class Block:
    """Items in one folder of the medium, in order, packed.

    Attributes
    ----------
    folder:
        The components of their File IDs but the last.
    sizes:
        Of the sources, in bytes; 0 where it is not known.
    roots:
        Where their sources lie.
    """

    __slots__ = ("_packed", "folder", "roots", "sizes")

    def __init__(self, folder: tuple[str, ...], chosen: Sequence[Chosen]) -> None:
        self.folder = folder
        self.sizes = array("q", (each.source.size_bytes or 0 for each in chosen))
        self.roots = tuple({each.source.root: None for each in chosen})
        self._packed = zlib.compress(_packed(chosen), _LEVEL)

    def __len__(self) -> int:
        return len(self.sizes)

    def chosen(self) -> list[Chosen]:
        """Return what was packed."""
        return _unpacked(zlib.decompress(self._packed))

    def items(self) -> list[Item]:
        """Return the items."""
        folder = self.folder
        return [
            Item(candidate, source, FileId((*folder, name)))
            for candidate, source, name in self.chosen()
        ]


def blocks(folder: tuple[str, ...], chosen: Sequence[Chosen]) -> list[Block]:
    """Return all that is `chosen` for one folder, packed, in its order."""
    return [Block(folder, chosen[at : at + PER_BLOCK]) for at in range(0, len(chosen), PER_BLOCK)]


class KeptItems(Sequence[Item]):
    """Items in their order; equal to any other sequence of the same items.

    What it gives are new objects each time, so they are told apart by their File IDs.
    """

    __slots__ = ("_ends", "_last", "_parts")

    def __init__(self, parts: Iterable[tuple[Block, int, int]]) -> None:
        """Take the items of blocks, of each those from one position to before another."""
        self._parts = [part for part in parts if part[1] < part[2]]
        self._ends = array("q", accumulate(stop - start for _, start, stop in self._parts))
        self._last: tuple[int, list[Item]] | None = None

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Item]:
        for block, start, stop in self._parts:
            items = block.items()
            yield from items if stop - start == len(items) else items[start:stop]

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Item]: ...
    def __getitem__(self, at: int | slice) -> Item | Sequence[Item]:
        if isinstance(at, slice):
            return [self[n] for n in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at %= len(self)
        number = bisect_right(self._ends, at)
        last = self._last
        if last is None or last[0] != number:
            block, start, stop = self._parts[number]
            last = self._last = number, block.items()[start:stop]
        return last[1][at - (self._ends[number - 1] if number else 0)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as a list: it can be equal to one

    def __repr__(self) -> str:
        return f"<{len(self):,} items>"

    def sizes(self) -> Iterator[int]:
        """Yield the sizes of the sources in bytes, 0 where one is not known."""
        for block, start, stop in self._parts:
            yield from block.sizes[start:stop]

    def roots(self) -> set[str]:
        """Return where the sources lie."""
        return {root for block, _, _ in self._parts for root in block.roots}

    def picked(self, ranges: Iterable[Range]) -> KeptItems:
        """Return the items at these positions, in ascending order."""

        def parts() -> Iterator[tuple[Block, int, int]]:
            for first, after in ranges:
                at = first
                number = bisect_right(self._ends, at)
                while at < after:
                    block, start, _ = self._parts[number]
                    begin, end = (self._ends[number - 1] if number else 0), self._ends[number]
                    until = min(after, end)
                    yield block, start + at - begin, start + until - begin
                    at, number = until, number + 1

        return KeptItems(parts())


def kept(items: Iterable[Item]) -> KeptItems:
    """Return `items` as such as are kept in little room."""

    def parts() -> Iterator[tuple[Block, int, int]]:
        for folder, group in groupby(items, lambda item: item.file_id.components[:-1]):
            waiting: list[Chosen] = []
            for item in group:
                waiting.append(Chosen(item.candidate, item.source, item.file_id.components[-1]))
                if len(waiting) == PER_BLOCK:
                    yield Block(folder, waiting), 0, len(waiting)
                    waiting = []
            if waiting:
                yield Block(folder, waiting), 0, len(waiting)

    return KeptItems(parts())


def sizes_of(items: Sequence[Item]) -> Iterator[int]:
    """Yield the sizes of the items' sources in bytes, 0 where one is not known."""
    if isinstance(items, KeptItems):
        return items.sizes()
    return (item.source.size_bytes or 0 for item in items)


def roots_of(items: Sequence[Item]) -> set[str]:
    """Return where the items' sources lie."""
    return items.roots() if isinstance(items, KeptItems) else {i.source.root for i in items}


def picked(items: Sequence[Item], ranges: Iterable[Range]) -> Sequence[Item]:
    """Return the items at these positions, in ascending order."""
    if isinstance(items, KeptItems):
        return items.picked(ranges)
    return tuple(item for start, stop in ranges for item in items[start:stop])


def _packed(chosen: Sequence[Chosen]) -> bytes:
    """Return plain tuples of what was chosen, as bytes; what is above the instances once."""
    above: list[Any] = []
    last: tuple[Any, ...] = ()
    rows = []
    for (ref, identity, claims, files), source, name in chosen:
        at = next((n for n, file in enumerate(files) if file is source), None)
        patient, study, series, instance, record_type = claims
        own = (identity, patient, study, series)
        if len(last) != 4 or any(a is not b for a, b in zip(own, last, strict=True)):
            last = own
            above.append((identity, *(part and tuple(part) for part in (patient, study, series))))
        rows.append(
            (
                len(above) - 1, ref, record_type, tuple(instance), name,
                tuple(map(_plain, files)), _plain(source) if at is None else at,
            )
        )  # fmt: skip
    return marshal.dumps((above, rows))


def _unpacked(data: bytes) -> list[Chosen]:
    above, rows = marshal.loads(data)
    owners = [
        (
            identity,
            None if patient is None else Patient(*patient),
            None if study is None else Study(*study),
            None if series is None else Series(*series),
        )
        for identity, patient, study, series in above
    ]
    found = []
    for number, ref, record_type, instance, name, stored, at in rows:
        identity, patient, study, series = owners[number]
        files = tuple(map(_file, stored))
        source = files[at] if isinstance(at, int) else _file(at)
        claims = Claims(patient, study, series, Instance(*instance), record_type)
        found.append(Chosen(Candidate(ref, identity, claims, files), source, name))
    return found


def _plain(file: SourceFile) -> tuple[Any, ...]:
    return (*file[:5], file.status.value, *file[6:])


def _file(plain: tuple[Any, ...]) -> SourceFile:
    return SourceFile._make((*plain[:5], _STATUS[plain[5]], *plain[6:]))
