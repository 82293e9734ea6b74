"""Directory Records made from the headers of instances (PS3.3 F.5).

Values are copied as they stand, in the source's own character set; only padding is repaired and
dates and times of ACR-NEMA form (`1994.01.31`, `12:30`) are written as DICOM has them. Nothing is read from disk: a
header is a mapping from tag to top-level element, numbers little endian.

Who makes the records of many instances gives a `Memory` along: the records are the same as without
one, and what instances have in common is made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter

from catalog.dicom.elements import Element, tag_text
from catalog.dicom.sop_classes import is_standard
from catalog.fileset import supplied
from catalog.fileset.file_id import FileId
from catalog.fileset.maker import (
    SHARED_GROUPS,
    TIMEZONE_OFFSET,
    VERIFYING_OBSERVERS,
    Built,
    Maker,
    refusal,
)
from catalog.fileset.profile import ExtraKey
from catalog.fileset.recall import ExtraKeys, Memory, Watched
from catalog.fileset.records import (
    CHARACTER_SET,
    GENERAL_PURPOSE_KEYS,
    PRIVATE,
    RECORD_TYPES,
    SOP_CLASS_RECORDS,
    record_type_for,
)
from catalog.fileset.supplied import Header, full
from catalog.fileset.tree import (
    TRANSFER_SYNTAX_IN_FILE,
    Record,
    file_id_element,
    needs_character_set,
    padded,
)
from catalog.findings import Severity

SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E

_RELATED_CLASSES = 0x0008001A
_ICON = 0x00880200
_PRIVATE_RECORD_UID = 0x00041432
_GIVEN = frozenset((CHARACTER_SET.tag, _ICON))
_TAG = attrgetter("tag")

WANTED: frozenset[int] = (
    frozenset(
        key.tag
        for known in (*RECORD_TYPES.values(),)
        for key in known.keys
        if key.tag >> 16 != 0x0004 and key.tag != _ICON
    )
    | {key.tag for keys in GENERAL_PURPOSE_KEYS.values() for key in keys}
    | {SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID}
    | {_RELATED_CLASSES, VERIFYING_OBSERVERS, TIMEZONE_OFFSET}
    | supplied.READ
)
"""Every tag that records are made from: what a header must be read for."""


def wanted(extra: ExtraKeys) -> frozenset[int]:
    """Return every tag that records with the keys of `extra` are made from."""
    keys = [key for added in extra.values() for key in added]
    shared = any(isinstance(key, ExtraKey) and key.in_shared_groups for key in keys)
    return WANTED | {key.tag for key in keys} - {_ICON} | ({SHARED_GROUPS} if shared else set())


def is_private(sop_class_uid: str) -> bool:
    """Return whether a SOP Class is neither the standard's own nor in the table of record types."""
    return (
        bool(sop_class_uid)
        and not is_standard(sop_class_uid)
        and sop_class_uid not in SOP_CLASS_RECORDS
    )


def with_meta_uids(
    elements: Mapping[int, Element], meta: Mapping[int, bytes]
) -> dict[int, Element]:
    """Return the elements of a data set, with the UIDs that only its File Meta Information has.

    SOP Class and Instance UID, where the data set lacks them (PS3.10 §7.1).
    """
    result = dict(elements)
    for tag, meta_tag in ((SOP_CLASS_UID, 0x00020002), (SOP_INSTANCE_UID, 0x00020003)):
        own = result.get(tag)
        if (own is None or not own.data.strip(b" \0")) and meta_tag in meta:
            result[tag] = Element(tag, "UI", meta[meta_tag])
    return result


def patient_record(
    header: Header,
    place: str = "",
    *,
    extra: ExtraKeys = GENERAL_PURPOSE_KEYS,
    memory: Memory | None = None,
) -> Built:
    """Return the PATIENT record of an instance (PS3.3 F.5.1).

    A supplied Patient ID depends on the Study Instance UID. `place` names the source in findings.
    """
    return record_for(
        "PATIENT", header, (STUDY_INSTANCE_UID,), extra=extra, place=place, memory=memory
    )


def study_record(
    header: Header,
    place: str = "",
    *,
    extra: ExtraKeys = GENERAL_PURPOSE_KEYS,
    memory: Memory | None = None,
) -> Built:
    """Return the STUDY record of an instance (PS3.3 F.5.2).

    A supplied date is taken from this very instance: choose it by a rule, such as the smallest
    SOP Instance UID, if exports are to repeat.
    """
    return record_for(
        "STUDY", header, (STUDY_INSTANCE_UID,), extra=extra, place=place, memory=memory
    )


def series_record(
    header: Header,
    place: str = "",
    *,
    extra: ExtraKeys = GENERAL_PURPOSE_KEYS,
    memory: Memory | None = None,
) -> Built:
    """Return the SERIES record of an instance (PS3.3 F.5.3)."""
    return record_for(
        "SERIES", header, (SERIES_INSTANCE_UID,), extra=extra, place=place, memory=memory
    )


def instance_record(
    header: Header,
    file_id: FileId,
    transfer_syntax_uid: str,
    *,
    extra: ExtraKeys = GENERAL_PURPOSE_KEYS,
    icon: Element | None = None,
    private: bool = False,
    place: str = "",
    memory: Memory | None = None,
) -> Built:
    """Return the record that refers to the file `file_id`, of the type its SOP Class asks for.

    Parameters
    ----------
    transfer_syntax_uid:
        Of the file, from its File Meta Information.
    extra:
        Keys that the application profile adds to record types.
    icon:
        Icon Image Sequence (0088,0200), for the record types that have it (PS3.3 F.7).
    private:
        Refer to an instance of a private SOP Class by a PRIVATE record. Its Private Record UID
        (0004,1432) is the SOP Class UID: that too was given by the owner of the class, tells what
        kind of record it is, and is the same in every export (PS3.3 F.3.2.2, F.6.1). It has no keys.
    place:
        The source's name in findings.
    memory:
        Of the records made before.

    The record is `None`, with the finding `not-exportable`, for a SOP Class without a record type,
    an instance without a UID, and a Type 1 key that has no honest substitute.
    """
    sop_class_uid = full(header, SOP_CLASS_UID)
    row = record_type_for(sop_class_uid.decode("ascii", "backslashreplace"))
    record_type = PRIVATE if private and is_private(row.uid) else row.record_type
    if record_type is None:
        what = row.name or row.uid or "no SOP Class"
        return Built(None, (refusal(f"{what}: {row.reason}.", place, "PS3.3 F.5"),))
    if not transfer_syntax_uid:
        return Built(None, (refusal("The file names no Transfer Syntax.", place, "PS3.10 §7.1"),))
    reference = [
        file_id_element(file_id),
        _frequent_uid(0x00041510, sop_class_uid),
        _uid(0x00041511, full(header, SOP_INSTANCE_UID)),
        _frequent_uid(TRANSFER_SYNTAX_IN_FILE, transfer_syntax_uid.encode("ascii")),
    ]
    if related := full(header, _RELATED_CLASSES):
        reference.append(_uid(0x0004151A, related))
    identity: tuple[int, ...] = (SOP_INSTANCE_UID,)
    if record_type == PRIVATE:
        reference.append(_uid(_PRIVATE_RECORD_UID, sop_class_uid))
    elif icon is not None and any(key.tag == _ICON for key in RECORD_TYPES[record_type].keys):
        reference.append(icon)
    if row.level != "root":
        identity += (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)
    return record_for(
        record_type, header, identity, reference=reference, extra=extra, place=place, memory=memory
    )


def record_for(
    record_type: str,
    header: Header,
    identity: Sequence[int] = (),
    *,
    reference: Sequence[Element] = (),
    extra: ExtraKeys = GENERAL_PURPOSE_KEYS,
    place: str = "",
    memory: Memory | None = None,
) -> Built:
    """Return a `record_type` record with the keys of its table, sorted by tag, no children.

    Type 2 keys are always there, empty if the instance lacks them. Type 1 keys that it lacks are
    supplied by the rules of `catalog.fileset.supplied` (finding `type1-supplied`). Conditional and
    optional keys are there when the instance has a value for them. (0008,0005) is there when some
    text needs it.

    Parameters
    ----------
    identity:
        UIDs without which there is no record.
    reference:
        Elements that refer to a file, added as they are.
    memory:
        Of the records made before; the result is the same as without.
    """
    if memory is None:
        return _made(record_type, header, identity, reference, extra, place, None)
    memory.begin(extra)
    if reference:  # an instance has its own UID, so its record is never that of another
        return _made(record_type, header, identity, reference, extra, place, memory)
    # Each entity has a memory of its own: files of several series may come in any order.
    name = (record_type, *map(header.get, identity))
    built = memory.whole(name, header, place)
    if built is None:
        watched = Watched(header)
        built = _made(record_type, watched, identity, reference, extra, place, None)
        memory.keep(name, watched, built)
    return built


def _made(
    record_type: str,
    header: Header,
    identity: Sequence[int],
    reference: Sequence[Element],
    extra: ExtraKeys,
    place: str,
    memory: Memory | None,
) -> Built:
    known = RECORD_TYPES[record_type]
    maker = Maker(header, record_type, known.clause, place)
    for tag in identity:
        if not full(header, tag):
            return Built(
                None, (refusal(f"The instance lacks {tag_text(tag)}.", place, known.clause),)
            )
    if known.retired:
        message = f"The record type {record_type} is retired; readers may ignore it."
        maker.note("record-type-retired", Severity.WARNING, message)
    elements = list(reference)
    is_text = needs_character_set(reference)
    given = {element.tag for element in reference} | _GIVEN
    keys = {key.tag: key for key in known.keys}
    keys |= {k.tag: k for k in extra.get(record_type, ()) if k.tag not in keys or k.type == "1"}
    for key in keys.values():
        if key.tag in given:
            continue
        if memory is None:
            element = maker.element(key)
            is_text = is_text or (element is not None and needs_character_set((element,)))
        else:
            element, needs_it = memory.part(maker, key)
            is_text = is_text or needs_it
        if element is not None:
            elements.append(element)
        elif maker.refused is not None:
            return Built(None, (*maker.findings, maker.refused))
    if is_text:
        elements += maker.character_set()
    elements.sort(key=_TAG)
    return Built(Record(record_type, tuple(elements)), tuple(maker.findings))


def _uid(tag: int, value: bytes) -> Element:
    return Element(tag, "UI", padded("UI", value))


_frequent_uid = lru_cache(maxsize=64)(_uid)
"""As `_uid`; elements that many records share are one object."""

__all__ = [
    "WANTED",
    "Built",
    "ExtraKeys",
    "Memory",
    "instance_record",
    "is_private",
    "patient_record",
    "record_for",
    "series_record",
    "study_record",
    "wanted",
    "with_meta_uids",
]
