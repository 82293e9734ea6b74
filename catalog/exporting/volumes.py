"""Several media for one export: which instance goes onto which, and how much room is left.

Each volume is a File-set of its own, as DICOM knows none that goes over several (PS3.11 D.3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from catalog.errors import ExportError
from catalog.exporting.plan import Item, LeftOut, Plan
from catalog.exporting.transcoding import is_transcoded, size_estimate
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
    items: tuple[Item, ...]
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
    size = _BASE_BYTES + _size(items, 0)
    return Packed((Volume(1, tuple(items), size, None),) if items else (), ())


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
    position = {id(item): n for n, item in enumerate(items)}
    limit = capacity_bytes - _BASE_BYTES
    bins: list[_Bin] = []
    too_large: list[Item] = []

    def place(unit: list[Item], depth: int) -> None:
        size = _size(unit, extra_bytes, sizes)
        if size <= limit:
            _best(bins, size, limit).add(unit, size)
        elif depth < len(_KEYS):
            for part in _largest_first(unit, _KEYS[depth], extra_bytes, sizes):
                place(part, depth + 1)
        else:
            _spread(unit)

    def _spread(unit: list[Item]) -> None:
        """Split a series between instances; it stays on a volume as long as that takes more."""
        current: _Bin | None = None
        for item in unit:
            size = _size([item], extra_bytes, sizes)
            if size > limit:
                too_large.append(item)
                continue
            if current is None or current.size + size > limit:
                current = _best(bins, size, limit)
            current.add([item], size)

    for patient in _largest_first(list(items), _patient, extra_bytes, sizes):
        place(patient, 0)
    bins.sort(key=lambda each: min(position[id(item)] for item in each.items))
    volumes = tuple(
        Volume(
            number,
            tuple(sorted(each.items, key=lambda item: position[id(item)])),
            _BASE_BYTES + each.size,
            capacity_bytes,
        )
        for number, each in enumerate(bins, 1)
    )
    return Packed(volumes, tuple(sorted(too_large, key=lambda item: position[id(item)])))


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
        if is_transcoded(item.source.transfer_syntax_uid, transfer_syntax):
            return size_estimate(item.candidate.claims.instance, item.source.size_bytes or 0)
        return item.source.size_bytes or 0

    extra_bytes = (icons * icons + 512 if icons else 0) + (_PAGES_BYTES if with_pages else 0)
    found = packed(plan.items, capacity_bytes, extra_bytes, size)
    reason = f"it is too large for a volume of {capacity_bytes:,} bytes"
    too_large = [
        LeftOut(item.candidate, "too-large", reason, f"{size(item):,} bytes")
        for item in found.too_large
    ]
    kept = {id(item) for volume in found.volumes for item in volume.items}
    return replace(
        plan,
        items=tuple(item for item in plan.items if id(item) in kept),
        left_out=(*plan.left_out, *too_large),
        volumes=found.volumes,
    )


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
    """A volume that is being filled."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.size = 0

    def add(self, unit: Iterable[Item], size: int) -> None:
        self.items += unit
        self.size += size


def _best(bins: list[_Bin], size: int, limit: int) -> _Bin:
    """Return the fullest volume that still takes `size`, a new one if none does."""
    fitting = [each for each in bins if each.size + size <= limit]
    if fitting:
        return max(fitting, key=lambda each: each.size)
    bins.append(_Bin())
    return bins[-1]


def _source_bytes(item: Item) -> int:
    return item.source.size_bytes or 0


def _patient(item: Item) -> str:
    return item.candidate.patient_identity or ""


def _study(item: Item) -> str:
    study = item.candidate.claims.study
    return (study and study.study_instance_uid) or ""


def _series(item: Item) -> str:
    series = item.candidate.claims.series
    return (series and series.series_instance_uid) or ""


_KEYS: tuple[Callable[[Item], str], ...] = (_study, _series)


def _largest_first(
    items: list[Item], key: Callable[[Item], str], extra_bytes: int, sizes: Sizes | None
) -> list[list[Item]]:
    """Return the items by `key`, the groups that take most first; by key where they take the same."""
    ordered = sorted(items, key=key)
    groups = [(name, list(group)) for name, group in groupby(ordered, key)]
    groups.sort(key=lambda each: (-_size(each[1], extra_bytes, sizes), each[0]))
    return [group for _, group in groups]


def size_with(present_bytes: Iterable[int], items: Sequence[Item]) -> int:
    """Return what a medium takes with files that are on it, given by their sizes, and items that come."""
    present = sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in present_bytes)
    return _DESCRIPTORS_BYTES + present + _size(items, 0)


def _size(items: Sequence[Item], extra_bytes: int, sizes: Sizes | None = None) -> int:
    """Return what items take on a medium at most, the directory records above them included."""
    series = {(_patient(item), _study(item), _series(item)) for item in items}
    size_of = sizes or _source_bytes
    files = sum(-(-size_of(item) // BLOCK_BYTES) * BLOCK_BYTES for item in items)
    return files + len(items) * (_RECORD_BYTES + extra_bytes) + len(series) * _RECORDS_ABOVE_BYTES
