"""The schema of the directory: record types, their keys, and the SOP Classes they refer to.

One door to the two tables, `record_types` and `sop_class_records`.
"""

from __future__ import annotations

from catalog.fileset.record_types import (
    CHARACTER_SET,
    GENERAL_PURPOSE_KEYS,
    MRDR,
    PRIVATE,
    RECORD_TYPES,
    ROOT,
    Key,
    RecordType,
    children_of,
    may_stand_below,
)
from catalog.fileset.sop_class_records import SOP_CLASS_RECORDS, SopClassRecord

__all__ = [
    "CHARACTER_SET",
    "GENERAL_PURPOSE_KEYS",
    "MRDR",
    "PRIVATE",
    "RECORD_TYPES",
    "ROOT",
    "SOP_CLASS_RECORDS",
    "Key",
    "RecordType",
    "SopClassRecord",
    "children_of",
    "may_stand_below",
    "record_type_for",
]


def record_type_for(sop_class_uid: str) -> SopClassRecord:
    """Return how instances of `sop_class_uid` stand in a File-set.

    Never fails: a SOP Class that nobody knows has record type `None` and says so in `reason`.
    """
    known = SOP_CLASS_RECORDS.get(sop_class_uid)
    if known is not None:
        return known
    return SopClassRecord(
        sop_class_uid, "", None, None, reason="the SOP Class is private or not known"
    )
