"""Two DICOMDIRs record by record, matched by what records are and not by where they lie."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from catalog.dicom.dictionary import keyword
from catalog.dicom.elements import Element, tag_text
from catalog.dicom.values import text
from catalog.fileset.record_types import PRIVATE
from catalog.fileset.texts import encodings_of, key_text
from catalog.fileset.tree import SOP_INSTANCE_IN_FILE, Record, paths
from catalog.maintaining.describing import Shown, show
from catalog.maintaining.modelling import json_model
from catalog.shapes import field, mutable

_LEVELS = {"PATIENT": 0x00100020, "STUDY": 0x0020000D, "SERIES": 0x0020000E}
_PRIVATE_UID = 0x00041432


class Change(NamedTuple):
    """One difference.

    `kind` is `only-a`, `only-b` or `differs`; `keyword` names the key that differs, `''` for whole
    records; `parent` stands for the record above. `a` and `b` are the values as text, `None` where
    the key is absent. Values of sequences are the DICOM JSON Model.
    """

    kind: str
    record_type: str
    identity: str
    keyword: str = ""
    a: str | None = None
    b: str | None = None


@mutable
class Comparison:
    """How two directories compare: `same` counts the records of A whose equal is in B."""

    a: Shown
    b: Shown
    same: int = 0
    changes: list[Change] = field(default_factory=list)


class _Placed(NamedTuple):
    record: Record
    above: str
    in_use: bool


def compare(a: Path, b: Path, *, records_only: bool = False) -> Comparison:
    """Return how the DICOMDIRs at `a` and `b` differ.

    Records match by Patient ID, Study and Series Instance UID, Referenced SOP Instance UID, or
    Private Record UID and File ID; several of one identity match in their order. The order of
    siblings and offsets are no difference. Keys compare as text, each decoded by its own record's
    character set. Changes come in the order of A, then what B alone has, in the order of B.

    Parameters
    ----------
    records_only:
        Leave the File-set's own attributes (File-set UID and ID, descriptor) out.

    Raises
    ------
    PathError, DicomdirError
        If one of them cannot be read.
    """
    result = Comparison(show(a), show(b))
    if not records_only:
        result.changes += _file_sets(result.a, result.b)
    ours, theirs = _placed(result.a), _placed(result.b)
    for key, group in ours.items():
        others = theirs.get(key, [])
        for i, one in enumerate(group):
            kind, identity = one.record.type, key[1]
            if i >= len(others):
                result.changes.append(Change("only-a", kind, identity))
                continue
            found = list(_differences(one, others[i], identity))
            result.changes += found
            result.same += not found
    for key, group in theirs.items():
        for other in group[len(ours.get(key, ())) :]:
            result.changes.append(Change("only-b", other.record.type, key[1]))
    return result


def _file_sets(a: Shown, b: Shown) -> Iterator[Change]:
    one, other = a.directory.fileset, b.directory.fileset
    for name, mine, yours in (
        ("File-set UID", one.file_set_uid, other.file_set_uid),
        ("FileSetID", one.file_set_id, other.file_set_id),
        ("FileSetDescriptorFileID", "\\".join(one.descriptor_file_id), "\\".join(other.descriptor_file_id)),
        ("SpecificCharacterSetOfFileSetDescriptorFile", one.descriptor_character_set, other.descriptor_character_set),
    ):  # fmt: skip
        if mine != yours:
            yield Change("differs", "FILE-SET", "", name, mine, yours)


def _placed(shown: Shown) -> dict[tuple[str, str], list[_Placed]]:
    """Return the records by identity, in order."""
    found: dict[tuple[str, str], list[_Placed]] = defaultdict(list)
    above: list[str] = []
    entries = shown.directory.entries
    for i, chain in enumerate(paths(shown.directory.fileset.records)):
        record = chain[-1]
        del above[len(chain) - 1 :]
        key = _identity(record)
        found[key].append(_Placed(record, above[-1] if above else "", entries[i].in_use))
        above.append(f"{record.type} {key[1]}")
    return found


def _identity(record: Record) -> tuple[str, str]:
    if (tag := _LEVELS.get(record.type)) is not None:
        return record.type, key_text(record, tag)
    uid = record.plain(SOP_INSTANCE_IN_FILE)
    name = "/".join(record.file_components or ())
    if uid and record.type != PRIVATE:
        return "INSTANCE", uid  # whatever its type: that is a key like others
    return record.type, " ".join(filter(None, (record.plain(_PRIVATE_UID), name)))


def _differences(one: _Placed, other: _Placed, identity: str) -> Iterator[Change]:
    kind = one.record.type
    pairs: list[tuple[str, str | None, str | None]] = [
        ("DirectoryRecordType", one.record.type, other.record.type),
        ("parent", one.above, other.above),
        ("RecordInUseFlag", _flag(one), _flag(other)),
    ]
    mine = {e.tag: e for e in one.record.keys}
    yours = {e.tag: e for e in other.record.keys}
    encodings = encodings_of(one.record), encodings_of(other.record)
    for tag in sorted(mine.keys() | yours.keys()):
        left, right = mine.get(tag), yours.get(tag)
        if left == right and (
            encodings[0] == encodings[1] or left is None or (left.data.isascii() and not left.items)
        ):
            continue
        pairs.append(
            (keyword(tag) or tag_text(tag), _shown(left, encodings[0]), _shown(right, encodings[1]))
        )
    for name, a, b in pairs:
        if a != b:
            yield Change("differs", kind, identity, name, a, b)


def _flag(placed: _Placed) -> str:
    return "FFFF" if placed.in_use else "0000"


def _shown(element: Element | None, encodings: tuple[str, ...]) -> str | None:
    if element is None:
        return None
    if isinstance(element.value, tuple):
        return json.dumps(
            [json_model(item, encodings) for item in element.value], ensure_ascii=False
        )
    return text(element, encodings)
