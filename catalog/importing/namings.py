"""Which records name each file of a medium."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from catalog.fileset.outline import Outline
from catalog.fileset.tree import Record
from catalog.importing.records import Step


class Naming(NamedTuple):
    """A record that names a file, with those above it, where they stand, and whether records are below it."""

    chain: tuple[Record, ...]
    offsets: tuple[int, ...]
    has_lower: bool


class _Above(NamedTuple):
    """What stands above records that follow each other."""

    records: tuple[Record, ...] = ()
    offsets: tuple[int, ...] = ()


class Namings(Collection[str]):
    """The paths of the files that records name, in the order in which they first do.

    Of each only the places of the records are held; they are read again from `directory`.
    """

    def __init__(self, directory: Outline | None) -> None:
        self._directory = directory
        self._first: dict[str, int] = {}
        self._further: dict[str, list[int]] = {}
        self._aboves: list[_Above] = [_Above()]
        self._begins = array("q", [0])  # from which place on each of `_aboves` holds

    def add(self, path: str, step: Step, offsets: Sequence[int]) -> None:
        """Keep that the record of `step`, which comes after those before, names `path`; `offsets` are those of its chain."""
        above = step.chain[-2] if len(step.chain) > 1 else None
        latest = self._aboves[-1].records
        if above is not (latest[-1] if latest else None):
            self._aboves.append(_Above(step.chain[:-1], tuple(offsets[:-1])))
            self._begins.append(step.position)
        if path in self._first:
            self._further.setdefault(path, []).append(step.position)
        else:
            self._first[path] = step.position

    def of(self, path: str) -> list[Naming]:
        """Return the records that name `path`, in their order."""
        return [self._naming(place) for place in (self._first[path], *self._further.get(path, ()))]

    def _naming(self, place: int) -> Naming:
        directory = self._directory
        assert directory is not None
        above = self._aboves[bisect_right(self._begins, place) - 1]
        return Naming(
            (*above.records, directory.record(place)),
            (*above.offsets, directory.offset(place)),
            directory.has_lower(place),
        )

    def __contains__(self, path: object) -> bool:
        """Return whether a record names `path`."""
        return path in self._first

    def __iter__(self) -> Iterator[str]:
        """Yield the paths."""
        return iter(self._first)

    def __len__(self) -> int:
        """Return how many files are named."""
        return len(self._first)
