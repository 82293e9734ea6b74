"""What is looked at before a byte is written: are the sources there and as the catalogue has them?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from catalog.exporting.folder import block_bytes, check_space
from catalog.exporting.order import Order
from catalog.exporting.plan import Item
from catalog.files.paths import on_disk, split_member


class Unlike(NamedTuple):
    """A source that is not as the catalogue has it, and how not."""

    item: Item
    reason: str


def unlike(items: Sequence[Item]) -> tuple[Unlike, ...]:
    """Return the items whose source is not as it was when it was indexed, in their order.

    Asks the file system for size and modification time; nothing is opened. Of a member of an
    archive it is the archive that is asked about, once.
    """
    found = []
    archives: dict[str, os.stat_result | str] = {}
    for item in items:
        source = item.source
        inside = split_member(source.path)
        if inside is None:
            status = _status(on_disk(source.root, source.path))
        else:
            path = on_disk(source.root, inside[0])
            if path not in archives:
                archives[path] = _status(path)
            status = archives[path]
        if isinstance(status, str):
            found.append(Unlike(item, status))
        elif inside is None and source.size_bytes not in (None, status.st_size):
            found.append(
                Unlike(item, f"it has {status.st_size:,} bytes and had {source.size_bytes:,}")
            )
        elif source.mtime_ns not in (None, status.st_mtime_ns):
            found.append(Unlike(item, "it was written since it was indexed"))
    return tuple(found)


def _status(path: str) -> os.stat_result | str:
    try:
        return os.stat(path)  # noqa: PTH116 - the name may not be UTF-8
    except OSError as exc:
        return f"it cannot be found: {exc.strerror}"


def needed_bytes(order: Order, items: Sequence[Item]) -> int:
    """Return what the copies of `items` and their DICOMDIR take at the destination, about.

    Files in a folder take whole blocks of its file system; links take next to nothing.
    """
    directory = len(items) * 512
    if order.link is not None:
        return directory
    sizes = [item.source.size_bytes or 0 for item in items]
    if order.container != "folder":
        return sum(sizes) + directory
    block = block_bytes(order.destination)
    return sum(-(-size // block) * block for size in sizes) + directory


def check_total_space(order: Order, items: Sequence[Item]) -> None:
    """Make sure that all volumes together have space at the destination.

    Raises
    ------
    ExportError, MediaFull
        If there is too little, or it cannot be written.
    """
    folder = order.destination if order.container == "folder" else order.destination.parent
    check_space(folder, needed_bytes(order, items))
