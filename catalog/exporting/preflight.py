"""What is looked at before a byte is written: are the sources there and as the catalogue has them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from catalog.errors import ExportError
from catalog.exporting.folder import block_bytes, check_space
from catalog.exporting.item import Item
from catalog.exporting.kept_items import kept, roots_of, sizes_of
from catalog.exporting.order import Order
from catalog.exporting.plan import Plan
from catalog.exporting.transcoding import expected_size, target_named
from catalog.files.paths import split_member
from catalog.files.store import stats_of
from catalog.files.urls import is_url
from catalog.shapes import replace

_AT_A_TIME = 1_000
"""So many sources are asked about before the next are taken from the plan."""


class Unlike(NamedTuple):
    """A source that is not as the catalogue has it, and how not."""

    item: Item
    reason: str


def unlike(items: Sequence[Item]) -> tuple[Unlike, ...]:
    """Return the items whose source is not as it was when it was indexed, in their order.

    Asks the file system for size and modification time; nothing is opened. Of a member of an
    archive it is the archive that is asked about, once.
    """
    found: list[Unlike] = []
    waiting = iter(items)
    while some := list(islice(waiting, _AT_A_TIME)):
        found += _unlike(some)
    return tuple(found)


def _unlike(items: Sequence[Item]) -> Iterator[Unlike]:
    paths = [_asked_about(item) for item in items]
    once = list(dict.fromkeys(paths))
    stats = dict(zip(once, stats_of(once), strict=True))
    for item, path in zip(items, paths, strict=True):
        source, stat = item.source, stats[path]
        if isinstance(stat, OSError):
            yield Unlike(item, f"it cannot be found: {stat.strerror}")
        elif path[1] == source.path and source.size_bytes not in (None, stat.size_bytes):
            yield Unlike(item, f"it has {stat.size_bytes:,} bytes and had {source.size_bytes:,}")
        elif source.mtime_ns not in (None, stat.mtime_ns):
            yield Unlike(item, "it was written since it was indexed")


def as_found(plan: Plan, changed: Sequence[Unlike]) -> Plan:
    """Return the plan with changed sources taken as they are now; others must stay as they were indexed."""
    if not changed:
        return plan
    odd = {each.item.source.file_ref for each in changed}

    def taken(item: Item) -> Item:
        if item.source.file_ref not in odd:
            return item
        return item._replace(source=item.source._replace(mtime_ns=None))

    volumes = (replace(v, items=kept(map(taken, v.items))) for v in plan.volumes)
    return replace(plan, items=kept(map(taken, plan.items)), volumes=tuple(volumes))


def _asked_about(item: Item) -> tuple[str, str]:
    """Return root and path of the file whose size and time tell, of a member those of its archive."""
    inside = split_member(item.source.path)
    return item.source.root, item.source.path if inside is None else inside[0]


def needed_bytes(order: Order, items: Sequence[Item]) -> int:
    """Return what the copies of `items` and their DICOMDIR take at the destination, about.

    What is transcoded is reckoned decompressed. Files in a folder take whole blocks of its file
    system; links take next to nothing.
    """
    directory = len(items) * 512
    if order.link is not None:
        return directory
    sizes = sizes_of(items)
    if order.transfer_syntax is not None:
        target = target_named(order.transfer_syntax)
        sizes = (expected_size(item, target) for item in items)
    if order.container != "folder":
        return sum(sizes) + directory
    block = block_bytes(order.destination)
    return sum(-(-size // block) * block for size in sizes) + directory


def check_container(order: Order, items: Sequence[Item]) -> None:
    """Make sure that one volume of the order's kind can hold these files, and so many folders.

    Raises
    ------
    ExportError
        If it cannot, or links are to be made to storage behind a URL.
    """
    if order.link is not None:
        for root in sorted(roots_of(items)):
            if is_url(root):
                raise ExportError(
                    f"{root} is storage behind a URL, to which no link can be made; export without --link. Nothing was written."
                )
    if order.container == "iso":
        from catalog.exporting.iso_image import check_bounds

        names = [item.file_id.path for item in items]
        check_bounds(names, needed_bytes(order, items), with_pages=order.facility is not None)


def check_total_space(order: Order, volumes: Iterable[Sequence[Item]]) -> None:
    """Make sure that the items of all volumes together have space at the destination.

    Raises
    ------
    ExportError, MediaFull
        If there is too little, or it cannot be written.
    """
    folder = order.destination if order.container == "folder" else order.destination.parent
    check_space(folder, sum(needed_bytes(order, items) for items in volumes))
