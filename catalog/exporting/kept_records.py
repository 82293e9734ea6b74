"""The records of one entity's instances, kept in little room until the directory is written.

Those of a series differ in File ID, SOP Instance UID and Instance Number, and the plan has the first
two. So of most only the number is kept, and the record is made again whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_

from catalog.database.ledger import RecordRow
from catalog.dicom.elements import Element
from catalog.exporting.plan import Item
from catalog.fileset.tree import (
    FILE_ID,
    SOP_CLASS_IN_FILE,
    SOP_INSTANCE_IN_FILE,
    TRANSFER_SYNTAX_IN_FILE,
    Record,
    file_id_element,
    padded,
)
from catalog.shapes import frozen

_INSTANCE_NUMBER = 0x00200013


@frozen
class _Model:
    """A record that others are like, and the places among its keys of those that vary.

    `patterns` say for each key whether others have the very same object there, with another
    Instance Number and with the same. `number_at` is -1 if it has none.
    """

    record: Record
    file_at: int
    uid_at: int
    number_at: int
    patterns: tuple[tuple[bool, ...], ...]

    def is_like(self, item: Item, record: Record) -> bool:
        """Return whether `like` gives `record`, that of `item`, from its Instance Number."""
        keys = record.keys
        if len(keys) != len(self.record.keys) or record.type != self.record.type:
            return False
        # What names the file is made from the item's File ID in either case.
        uid = item.candidate.claims.instance.sop_instance_uid or ""
        return tuple(map(is_, keys, self.record.keys)) in self.patterns and keys[
            self.uid_at
        ].data.rstrip(b"\0") == uid.encode("ascii", "backslashreplace")

    def like(self, item: Item, number: Element | None) -> Record:
        """Return the record of `item` with that number."""
        keys = list(self.record.keys)
        keys[self.file_at] = file_id_element(item.file_id)
        keys[self.uid_at] = _uid_of(item)
        if number is not None:
            keys[self.number_at] = number
        return Record(self.record.type, tuple(keys))


class KeptRecords:
    """Records that refer to files, in the order in which they came; iterating gives them."""

    __slots__ = ("_items", "_kept", "_model")

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._kept: list[Record | Element | None] = []
        """Of each item its record, the model of those that follow, or what makes it of its model."""
        self._model: _Model | None = None

    def append(self, item: Item, record: Record) -> None:
        """Keep the record of `item`."""
        self._items.append(item)
        model = self._model
        if model is not None and model.is_like(item, record):
            self._kept.append(record.keys[model.number_at] if model.number_at >= 0 else None)
        else:
            self._kept.append(record)
            self._model = _model(record)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Record]:
        model = None
        for item, kept in zip(self._items, self._kept, strict=True):
            if isinstance(kept, Record):
                model = _model(kept)
                yield kept
            else:
                assert model is not None
                yield model.like(item, kept)

    def rows(self, position: int, depth: int) -> Iterator[RecordRow]:
        """Yield their rows; the first is at `position`, all are at `depth`."""
        like = None
        for at, (item, kept) in enumerate(zip(self._items, self._kept, strict=True), position):
            if isinstance(kept, Record):
                like = row_of(at, depth, kept, item.candidate.instance_ref)
                yield like
            else:
                assert like is not None
                path = item.file_id.path
                yield like._replace(
                    position=at, file_id=path, path=path,
                    sop_instance_uid=item.candidate.claims.instance.sop_instance_uid,
                    instance_ref=item.candidate.instance_ref,
                )  # fmt: skip


def row_of(position: int, depth: int, record: Record, instance_ref: int | None = None) -> RecordRow:
    """Return the row that keeps a record."""
    components = record.file_components
    path = "/".join(components) if components else None
    return RecordRow(
        position, depth, record.type, None, path, path,
        record.plain(SOP_CLASS_IN_FILE), record.plain(SOP_INSTANCE_IN_FILE),
        record.plain(TRANSFER_SYNTAX_IN_FILE), None, instance_ref,
    )  # fmt: skip


def _model(record: Record) -> _Model | None:
    """Return what others can be like, `None` if the record does not name its file as others do."""
    at = {element.tag: n for n, element in enumerate(record.keys)}
    if FILE_ID not in at or SOP_INSTANCE_IN_FILE not in at:
        return None
    file_at, uid_at, number_at = at[FILE_ID], at[SOP_INSTANCE_IN_FILE], at.get(_INSTANCE_NUMBER, -1)
    own = (file_at, uid_at)
    same = tuple(n not in own for n in range(len(record.keys)))
    varied = tuple(n not in own and n != number_at for n in range(len(record.keys)))
    return _Model(record, file_at, uid_at, number_at, (varied, same))


def _uid_of(item: Item) -> Element:
    """Return (0004,1511) with the UID that was planned, which the copy was proved to have."""
    uid = item.candidate.claims.instance.sop_instance_uid or ""
    value = uid.encode("ascii", "backslashreplace")
    return Element(SOP_INSTANCE_IN_FILE, "UI", padded("UI", value))
