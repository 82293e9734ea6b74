"""Values that wait, compressed, at a tenth of the memory: directory records and findings by the hundred thousand."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, overload

from catalog.findings import Finding

CHUNK = 1000
"""So many findings are compressed together."""

_values = attrgetter("code", "severity", "message", "place", "clause", "offset_bytes")


class Packed:
    """Tuples of plain values in the order in which they came."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def add(self, values: Iterable[tuple[Any, ...]]) -> None:
        """Add tuples; a thousand at a time compress well."""
        self._chunks.append(_packed([tuple(value) for value in values]))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield them, as often as is asked."""
        for chunk in self._chunks:
            yield from _unpacked(chunk)


class Findings(Sequence[Finding]):
    """Findings in the order in which they came; only the latest are held as they are."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._latest: list[Finding] = []

    def append(self, finding: Finding) -> None:
        """Add a finding."""
        self._latest.append(finding)
        if len(self._latest) == CHUNK:
            # Of a kind that says more the object itself is kept.
            self._chunks.append(
                _packed([_values(f) if type(f) is Finding else f for f in self._latest])
            )
            self._latest = []

    def __iadd__(self, findings: Iterable[Finding]) -> Findings:
        """Add findings."""
        for finding in findings:
            self.append(finding)
        return self

    def __len__(self) -> int:
        """Return how many there are."""
        return CHUNK * len(self._chunks) + len(self._latest)

    def __iter__(self) -> Iterator[Finding]:
        """Yield them, as often as is asked."""
        return self.since(0)

    def since(self, number: int) -> Iterator[Finding]:
        """Yield those that came after the first `number`."""
        before = number
        for chunk in self._chunks:
            if before < CHUNK:
                found = (Finding(*f) if type(f) is tuple else f for f in _unpacked(chunk))
                yield from islice(found, before, None)
            before = max(0, before - CHUNK)
        yield from self._latest[before:]

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> list[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | list[Finding]:
        """Return one, or some of them."""
        if isinstance(index, slice):
            return list(self)[index]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return next(self.since(index % len(self)))


def _packed(values: list[Any]) -> bytes:
    return zlib.compress(pickle.dumps(values, pickle.HIGHEST_PROTOCOL), 1)


def _unpacked(chunk: bytes) -> Iterator[Any]:
    return iter(pickle.loads(zlib.decompress(chunk)))
