"""What is ordered of an export, and the part of it that the ledger keeps, so that it can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from catalog.errors import ExportError
from catalog.files.copy import Link
from catalog.query.selection import Selection
from catalog.shapes import frozen

if TYPE_CHECKING:
    from catalog.exporting.pages import Facility

_ELSEWHERE = frozenset(["selection", "destination", "file_set_uid", "reason", "recipient"])
"""Fields that have columns of their own in the ledger, or are not needed to go on."""


@frozen
class Order:
    """What to export and where to.

    Attributes
    ----------
    file_set_id:
        Up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1); may be empty. Of several volumes each has it with
        its number, and DISC1, DISC2, … if it is empty.
    file_set_uid:
        The UID of the new File-set; made by the caller, as nothing below is random. Of several
        volumes the first has it; those of the others follow from it.
    reason, recipient:
        For the ledger.
    profile:
        Name of the Application Profile (PS3.11) that the File-set is to follow, or `None`.
    charset:
        `utf-8`: the text of records is written in UTF-8; `None`: as each source has it.
    icons:
        Rows and Columns of icons in IMAGE records, 64 or 128; `None`: no icons, unless the
        profile demands them.
    private:
        Instances of private SOP Classes get PRIVATE records; otherwise they are left out.
    transfer_syntax:
        `explicit-le`: all copies are in Explicit VR Little Endian; `None`: byte for byte.
    facility:
        Web pages go with the File-set (IHE PDI), in the name of this institution; `None`: none.
    created:
        The date that those pages bear, such as `2024-01-31`.
    container:
        What `destination` becomes: a folder, a ZIP file or an ISO image.
    created_s:
        The date of files in a container that are no copies, in seconds since 1970 UTC.
    capacity_bytes:
        What each volume holds, as its medium; `None`: everything is one File-set.
    link:
        Links to the sources instead of copies, in a folder.
    jobs:
        How many files are copied at a time, to a folder or ZIP file.
    """

    selection: Selection
    destination: Path
    file_set_uid: str
    file_set_id: str = ""
    reason: str | None = None
    recipient: str | None = None
    take_first: bool = False
    profile: str | None = None
    charset: str | None = None
    icons: int | None = None
    private: bool = False
    transfer_syntax: str | None = None
    facility: Facility | None = None
    created: str = ""
    container: Literal["folder", "zip", "iso"] = "folder"
    created_s: int = 0
    capacity_bytes: int | None = None
    link: Link | None = None
    jobs: int = 1


def options_of(order: Order) -> dict[str, Any]:
    """Return all that going on with `order` needs besides the ledger's own columns, for JSON."""
    names = [name for name in Order.__match_args__ if name not in _ELSEWHERE]
    values: dict[str, Any] = {name: getattr(order, name) for name in names}
    if order.facility is not None:
        values["facility"] = list(_fields(order.facility))
    return values


def order_from(
    options: Mapping[str, Any], destination: Path, file_set_uid: str, selection: Selection
) -> Order:
    """Return the order that `options_of` was made from, with another `selection`.

    Raises
    ------
    ExportError
        If a later version wrote it, with options that this one does not know.
    """
    values = dict(options)
    unknown = values.keys() - set(Order.__match_args__)
    if unknown:
        raise ExportError(
            f"The export to {destination} was begun by another version of dcat, which knows {', '.join(sorted(unknown))}. Resume it with that version."
        )
    if values.get("facility") is not None:
        from catalog.exporting.pages import Facility

        values["facility"] = Facility(*values["facility"])
    return Order(selection, destination, file_set_uid, **values)


def _fields(value: Any) -> list[Any]:
    return [getattr(value, name) for name in value.__match_args__]
