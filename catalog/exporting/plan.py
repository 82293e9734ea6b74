"""What an export would do, as values. `--dry-run` prints it.

Whatever was selected is in the plan: as an item to copy, or as left out with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catalog.exporting.item import Item, LeftOut
from catalog.exporting.kept_items import sizes_of
from catalog.shapes import frozen

if TYPE_CHECKING:
    from catalog.exporting.volumes import Volume


@frozen
class Plan:
    """A complete plan.

    Attributes
    ----------
    items:
        In the order of the directory: by patient, study date, series number, instance number, and
        UIDs where those are equal or absent.
    left_out:
        In the same order.
    volumes:
        The items by medium, where the export is divided (`catalog.exporting.volumes`); else none.
    """

    items: Sequence[Item]
    left_out: tuple[LeftOut, ...]
    volumes: tuple[Volume, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The bytes of all files to copy, without the DICOMDIR."""
        return sum(sizes_of(self.items))
