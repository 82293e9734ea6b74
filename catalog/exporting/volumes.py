"""Several media for one export: which instance goes onto which, and how much room is left.

Each volume is a File-set of its own, as DICOM knows none that goes over several (PS3.11 D.3).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from catalog.errors import ExportError
from catalog.exporting.item import Item, LeftOut
from catalog.exporting.kept_items import Range, kept, picked
from catalog.exporting.plan import Plan
from catalog.exporting.transcoding import expected_size
from catalog.fileset.file_id import is_file_set_id
from catalog.shapes import frozen, replace

MEDIA: dict[str, int] = {
    "cd": 700_000_000,
    "dvd": 4_700_000_000,
    "dvd-dl": 8_500_000_000,
    "bd": 25_000_000_000,
    "bd-dl": 50_000_000_000,
}
"""What fits on a medium, in bytes: a little less than the discs that are sold hold."""

BLOCK_BYTES = 2048
"""Sector of optical discs (PS3.12 Annexes F, P, X); a file takes whole ones."""

_BASE_BYTES = 2 << 20
"""Volume descriptors, path tables, DICOMDIR's own head, README, manifest and their folders."""

_DESCRIPTORS_BYTES = 1 << 20
"""The part of that which is in no file."""

_RECORD_BYTES = 1024
"""More than a directory record with its keys, its line in the manifest and its folder's entry take."""

_RECORDS_ABOVE_BYTES = 8192
"""More than PATIENT, STUDY and SERIES records and folders of one series take, pages aside."""

_PAGES_BYTES = 8192
"""About what an instance adds to web pages: a line, and its share of pictures of key instances."""

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([kMGT]?)(i?)B?", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@frozen
class Volume:
    """One medium of an export.

    Attributes
    ----------
    number:
        1, 2, … in the order of the plan's first instance on each.
    items:
        In the order of the plan.
    size_bytes:
        What they take on the medium at most, with their directory.
    capacity_bytes:
        What the medium holds; `None` if that is not limited.
    """

    number: int
    items: Sequence[Item]
    size_bytes: int
    capacity_bytes: int | None

    @property
    def waste_bytes(self) -> int:
        """What stays free on the medium."""
        return 0 if self.capacity_bytes is None else self.capacity_bytes - self.size_bytes


@frozen
class Packed:
    """All volumes of an export, and what is too large for any."""

    volumes: tuple[Volume, ...]
    too_large: tuple[Item, ...]


def capacity(text: str) -> int:
    """Return how many bytes `cd`, `dvd`, … or a size such as `4.7GB`, `650 MiB` or `700000000` is.

    Raises
    ------
    ExportError
        If it is neither, or too small for any File-set.
    """
    known = MEDIA.get(text.strip().lower())
    if known is not None:
        return known
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ExportError(
            f"{text!r} is no medium: {', '.join(MEDIA)}, usb, or a size such as 4.7GB or 650MiB."
        )
    number, unit, binary = found.groups()
    size = int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])
    if size <= _BASE_BYTES + _RECORDS_ABOVE_BYTES:
        raise ExportError(
            f"{text} is too small for a File-set: {_BASE_BYTES:,} bytes are needed for its directory alone."
        )
    return size


def one_volume(items: Sequence[Item]) -> Packed:
    """Return everything as one volume, of no limited size."""
    size = _BASE_BYTES + _size(items)
    return Packed((Volume(1, items, size, None),) if items else (), ())


def packed(
    items: Sequence[Item],
    capacity_bytes: int,
    extra_bytes: int = 0,
    sizes: Sizes | None = None,
) -> Packed:
    """Return `items` on as few volumes of `capacity_bytes` as best fit finds.

    A patient stays on one volume if it fits on one, else its studies do, else its series; a series
    that fits on no volume is split between instances. The same items give the same volumes, in
    whatever order they come within the plan.

    Parameters
    ----------
    extra_bytes:
        What each instance takes besides its file and its record, such as an icon.
    sizes:
        What each file will have; `None`: what its source has.
    """
    limit = capacity_bytes - _BASE_BYTES
    bins: list[_Bin] = []
    too_large: list[Range] = []
    series, taken = _series_of(items, extra_bytes, sizes)

    def place(unit: list[_Series], depth: int) -> None:
        size = sum(each.size for each in unit)
        if size <= limit:
            _best(bins, size, limit).add([r for each in unit for r in each.ranges], size)
        elif depth < 2:
            for part in _largest_first(unit, depth + 1):
                place(part, depth + 1)
        else:
            _spread(unit)

    def _spread(unit: list[_Series]) -> None:
        """Split a series between instances; it stays on a volume as long as that takes more."""
        current: _Bin | None = None
        for at in (n for each in unit for r in each.ranges for n in range(*r)):
            size = taken[at] + _RECORDS_ABOVE_BYTES
            if size > limit:
                too_large.append((at, at + 1))
                continue
            if current is None or current.size + size > limit:
                current = _best(bins, size, limit)
            current.add([(at, at + 1)], size)

    for patient in _largest_first(series, 0):
        place(patient, 0)
    bins.sort(key=lambda each: min(each.ranges))
    volumes = tuple(
        Volume(number, picked(items, _joined(each.ranges)), _BASE_BYTES + each.size, capacity_bytes)
        for number, each in enumerate(bins, 1)
    )
    return Packed(volumes, tuple(picked(items, _joined(too_large))))


Sizes = Callable[[Item], int]
"""How many bytes the copy of an item will have."""


def divided(
    plan: Plan,
    capacity_bytes: int,
    *,
    icons: int | None = None,
    transfer_syntax: str | None = None,
    with_pages: bool = False,
) -> Plan:
    """Return `plan` with its volumes; what is too large for any is left out, with the code `too-large`.

    Parameters
    ----------
    icons:
        Rows and Columns of icons in IMAGE records; `None`: no icons.
    transfer_syntax:
        UID of the Transfer Syntax of all copies, or `None`: that of the sources.
    with_pages:
        Web pages with pictures go onto each volume.
    """

    def size(item: Item) -> int:
        return expected_size(item, transfer_syntax)

    extra_bytes = (icons * icons + 512 if icons else 0) + (_PAGES_BYTES if with_pages else 0)
    sizes = None if transfer_syntax is None else size
    found = packed(plan.items, capacity_bytes, extra_bytes, sizes)
    reason = f"it is too large for a volume of {capacity_bytes:,} bytes"
    too_large = [
        LeftOut(item.candidate, "too-large", reason, f"{size(item):,} bytes")
        for item in found.too_large
    ]
    items = plan.items
    if too_large:
        names = {item.file_id for item in found.too_large}
        items = kept(item for item in items if item.file_id not in names)
    left_out = (*plan.left_out, *too_large)
    return replace(plan, items=items, left_out=left_out, volumes=found.volumes)


def volume_label(file_set_id: str, number: int, volumes: int) -> str:
    """Return the File-set ID of a volume: `file_set_id` with its number, or DISC1, DISC2, …

    One volume alone has `file_set_id` itself.

    Raises
    ------
    ExportError
        If that has more than 16 characters (PS3.10 §8.1).
    """
    label = f"{file_set_id or 'DISC'}{number}" if volumes > 1 or not file_set_id else file_set_id
    if not is_file_set_id(label):
        raise ExportError(
            f"The File-set ID {label!r} of volume {number} would have {len(label)} characters, and 16 is the most (PS3.10 §8.1); name a shorter --file-set-id."
        )
    return label


def volume_uid(file_set_uid: str, number: int) -> str:
    """Return the File-set UID of a volume: `file_set_uid` for the first, one made from it for others.

    The same for the same UID and number; a UUID as a UID (PS3.5 §B.2).
    """
    if number == 1:
        return file_set_uid
    import hashlib

    octets = bytearray(hashlib.sha256(f"{file_set_uid}/{number}".encode("ascii")).digest()[:16])
    octets[6] = octets[6] & 0x0F | 0x80  # version 8: made by a rule of one's own (RFC 9562 §5.8)
    octets[8] = octets[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(octets, 'big')}"


class _Bin:
    """A volume that is being filled, with the positions of its items."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []
        self.size = 0

    def add(self, ranges: Iterable[Range], size: int) -> None:
        self.ranges += ranges
        self.size += size


def _best(bins: list[_Bin], size: int, limit: int) -> _Bin:
    """Return the fullest volume that still takes `size`, a new one if none does."""
    fitting = [each for each in bins if each.size + size <= limit]
    if fitting:
        return max(fitting, key=lambda each: each.size)
    bins.append(_Bin())
    return bins[-1]


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """Return the ranges in order, neighbours as one."""
    found: list[Range] = []
    for start, stop in sorted(ranges):
        if found and found[-1][1] == start:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return found


Names = tuple[str, str, str]
"""Patient, Study and Series."""


def _names(item: Item) -> Names:
    identity, (_, study, series, _, _) = item.candidate[1:3]
    return (
        identity or "",
        (study and study.study_instance_uid) or "",
        (series and series.series_instance_uid) or "",
    )


class _Series(NamedTuple):
    """A series: where its items stand, and what they take with the records above them."""

    names: Names
    ranges: list[Range]
    size: int


def _series_of(
    items: Sequence[Item], extra_bytes: int, sizes: Sizes | None
) -> tuple[list[_Series], array[int]]:
    """Return the series of `items`, and what each item takes without the records above it."""
    taken = array("q")
    ranges: dict[Names, list[Range]] = {}
    for names, group in groupby(items, _names):
        start = len(taken)
        if sizes is not None:
            taken.extend(map(sizes, group))
        else:
            taken.extend(item.source.size_bytes or 0 for item in group)
        ranges.setdefault(names, []).append((start, len(taken)))
    own = _RECORD_BYTES + extra_bytes
    taken = array("q", (_blocks(size) + own for size in taken))
    series = [
        _Series(names, each, sum(sum(taken[slice(*r)]) for r in each) + _RECORDS_ABOVE_BYTES)
        for names, each in ranges.items()
    ]
    return series, taken


def _largest_first(series: list[_Series], depth: int) -> list[list[_Series]]:
    """Return the series by patient, study or series, the groups that take most first.

    By name where they take the same; `depth` is 0, 1 or 2.
    """
    groups: dict[str, list[_Series]] = {}
    for each in sorted(series, key=lambda each: each.names):
        groups.setdefault(each.names[depth], []).append(each)
    ordered = sorted(groups.items(), key=lambda it: (-sum(e.size for e in it[1]), it[0]))
    return [group for _, group in ordered]


def size_with(present_bytes: Iterable[int], items: Sequence[Item]) -> int:
    """Return what a medium takes with files that are on it, given by their sizes, and items that come."""
    return _DESCRIPTORS_BYTES + sum(map(_blocks, present_bytes)) + _size(items)


def _size(items: Sequence[Item]) -> int:
    """Return what items take on a medium at most, the directory records above them included."""
    series, _ = _series_of(items, 0, None)
    return sum(each.size for each in series)


def _blocks(size_bytes: int) -> int:
    """Return the size of the blocks that a file takes."""
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
