"""The records of one entity's instances, kept in little room until the directory is written.

Those of a series differ in File ID, SOP Instance UID and Instance Number. So of most only these are
kept, packed together, and the record is made again whenever it is asked for.
"""

from __future__ import annotations

import marshal
import pickle
import zlib
from collections.abc import Iterator
from operator import is_
from typing import Any, NamedTuple

from catalog.database.ledger import RecordRow
from catalog.dicom.elements import Element
from catalog.exporting.item import Item
from catalog.fileset.tree import (
    FILE_ID,
    SOP_CLASS_IN_FILE,
    SOP_INSTANCE_IN_FILE,
    TRANSFER_SYNTAX_IN_FILE,
    Record,
    padded,
)
from catalog.shapes import frozen

_INSTANCE_NUMBER = 0x00200013
_PER_BLOCK = 512
_LEVEL = 1


class _Kept(NamedTuple):
    """What is kept of a record: what it does not share with its model, or all of it.

    `whole` is a packed `Record`, the model of those that follow; `number` its Instance Number as
    (tag, VR, value), `None` if it is that of the model.
    """

    path: str
    uid: str
    instance_ref: int
    number: tuple[int, str, bytes] | None
    whole: bytes | None


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

    def like(self, kept: _Kept) -> Record:
        """Return the record of which that is kept."""
        keys = list(self.record.keys)
        file_id = kept.path.replace("/", "\\").encode("ascii")
        uid = kept.uid.encode("ascii", "backslashreplace")
        keys[self.file_at] = Element(FILE_ID, "CS", padded("CS", file_id))
        keys[self.uid_at] = Element(SOP_INSTANCE_IN_FILE, "UI", padded("UI", uid))
        if kept.number is not None:
            keys[self.number_at] = Element(*kept.number)
        return Record(self.record.type, tuple(keys))


class KeptRecords:
    """Records that refer to files, in the order in which they came; iterating gives them."""

    __slots__ = ("_blocks", "_count", "_model", "_waiting")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._waiting: list[_Kept] = []
        self._model: _Model | None = None
        self._count = 0

    def append(self, item: Item, record: Record) -> None:
        """Keep the record of `item`."""
        model, number, whole = self._model, None, None
        if model is not None and model.is_like(item, record):
            if model.number_at >= 0:
                own = record.keys[model.number_at]
                number = own.tag, own.vr, own.data
        else:
            whole = packed(record)
            self._model = _model(record)
        uid = item.candidate.claims.instance.sop_instance_uid or ""
        kept = _Kept(item.file_id.path, uid, item.candidate.instance_ref, number, whole)
        self._waiting.append(kept)
        self._count += 1
        if len(self._waiting) == _PER_BLOCK:
            self._pack()

    def close(self) -> None:
        """Take as little room as possible, as hardly more will come."""
        self._pack()
        self._model = None

    def _pack(self) -> None:
        if self._waiting:
            rows = marshal.dumps([tuple(each) for each in self._waiting])
            self._blocks.append(zlib.compress(rows, _LEVEL))
            self._waiting = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        model = None
        for kept in self._kept():
            if kept.whole is not None:
                record: Record = unpacked(kept.whole)
                model = _model(record)
                yield record
            else:
                assert model is not None
                yield model.like(kept)

    def rows(self, position: int, depth: int) -> Iterator[RecordRow]:
        """Yield their rows; the first is at `position`, all are at `depth`."""
        like = None
        for at, kept in enumerate(self._kept(), position):
            if kept.whole is not None:
                like = row_of(at, depth, unpacked(kept.whole), kept.instance_ref)
                yield like
            else:
                assert like is not None
                yield like._replace(
                    position=at, file_id=kept.path, path=kept.path,
                    sop_instance_uid=kept.uid, instance_ref=kept.instance_ref,
                )  # fmt: skip

    def _kept(self) -> Iterator[_Kept]:
        for block in self._blocks:
            rows = marshal.loads(zlib.decompress(block))
            yield from (_Kept(*row) for row in rows)
        yield from self._waiting


def packed(value: object) -> bytes:
    """Return records or elements in little room."""
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), _LEVEL)


def unpacked(data: bytes) -> Any:
    """Return what was `packed`."""
    return pickle.loads(zlib.decompress(data))


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
