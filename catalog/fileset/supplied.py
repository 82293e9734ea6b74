"""Values for Type 1 keys that an instance lacks (PS3.11 D.3.3.1 note): the documented rules.

They go into the Directory Record only, never into the copied file, and each one is reported. All
follow from the instance's own identity and dates, so they are the same in every export.

* Dates and times come from the nearest other date of the object; the time follows its date.
  Without any, `19000101` and `000000`: legal, sorted first, and before any digital image.
* `PatientID`: `NOID_` and eleven characters hashed from the Study Instance UID. Two studies
  without a Patient ID are never made one patient.
* `StudyID`: `S` and seven characters hashed from the Study Instance UID.
* `SeriesNumber`, `InstanceNumber`: nine digits beginning with 9, hashed from the UID.
* `Modality`: `OT`, the standard's term for "other".
* Labels and names: `UNLABELLED` or `UNKNOWN`, which claim nothing.
* `CompletionFlag`, `VerificationFlag`: `PARTIAL` and `UNVERIFIED`, which claim least.
* `NumberOfFrames`: 1. `MIMETypeOfEncapsulatedDocument`: that of the SOP Class.

Codes, measures, enumerations and part numbers have no honest substitute: such an instance is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from catalog.dicom.elements import Element
from catalog.fileset.naming import hash_text
from catalog.findings import Finding
from catalog.shapes import frozen


class Header(Protocol):
    """What records are made from: a mapping from tag to top-level element, asked one by one."""

    def get(self, tag: int, /) -> Element | None:
        """Return the element `tag`, `None` if the instance lacks it."""


@frozen
class Supplied(Finding):
    """The finding `type1-supplied`: which key of which record gets what value, and by what rule."""

    record_type: str = ""
    keyword: str = ""
    tag: int = 0
    value: str = ""
    rule: str = ""


UNKNOWN_DATE = b"19000101"
UNKNOWN_TIME = b"000000"

_STUDY_UID, _SERIES_UID, _SOP_UID, _SOP_CLASS = 0x0020000D, 0x0020000E, 0x00080018, 0x00080016
_STUDY, _SERIES, _ACQUISITION, _CONTENT = (
    (0x00080020, 0x00080030),
    (0x00080021, 0x00080031),
    (0x00080022, 0x00080032),
    (0x00080023, 0x00080033),
)
_CREATION = (0x00080012, 0x00080013)
_ACQUISITION_DATE_TIME = 0x0008002A

_SOURCES: dict[int, tuple[tuple[int, int], ...]] = {
    0x00080020: (_STUDY, _SERIES, _ACQUISITION, _CONTENT, _CREATION),
    0x00080023: (_CONTENT, _ACQUISITION, _CREATION, _SERIES, _STUDY),
    0x00700082: ((0x00700082, 0x00700083), _CONTENT, _CREATION, _SERIES, _STUDY),
    0x00080012: (_CREATION, _CONTENT, _ACQUISITION, _SERIES, _STUDY),
}
"""For each date key: the (date, time) pairs to take it from, nearest first."""

_DATE_OF_TIME = {
    0x00080030: 0x00080020,
    0x00080033: 0x00080023,
    0x00700083: 0x00700082,
    0x00080013: 0x00080012,
}

_MIME_TYPES = {
    b"1.2.840.10008.5.1.4.1.1.104.1": b"application/pdf",
    b"1.2.840.10008.5.1.4.1.1.104.2": b"text/XML",
    b"1.2.840.10008.5.1.4.1.1.104.3": b"model/stl",
    b"1.2.840.10008.5.1.4.1.1.104.4": b"model/obj",
    b"1.2.840.10008.5.1.4.1.1.104.5": b"model/mtl",
}

_CONSTANTS = {
    0x00080060: b"OT",  # Modality
    0x00280008: b"1",  # NumberOfFrames
    0x0040A491: b"PARTIAL",  # CompletionFlag
    0x0040A493: b"UNVERIFIED",  # VerificationFlag
    0x00700080: b"UNLABELLED",  # ContentLabel
    0x30060002: b"UNLABELLED",  # StructureSetLabel
    0x300A0002: b"UNLABELLED",  # RTPlanLabel
    0x00720002: b"UNLABELLED",  # HangingProtocolName
    0x00720004: b"UNLABELLED",  # HangingProtocolDescription
    0x00720008: b"UNKNOWN",  # HangingProtocolCreator
    0x00080070: b"UNKNOWN",  # Manufacturer
    0x00221095: b"UNKNOWN",  # ImplantName
    0x00760001: b"UNKNOWN",  # ImplantAssemblyTemplateName
    0x00780001: b"UNKNOWN",  # ImplantTemplateGroupName
    0x00780020: b"UNKNOWN",  # ImplantTemplateGroupIssuer
}

READ = frozenset(
    (_STUDY_UID, _SERIES_UID, _SOP_UID, _SOP_CLASS, _ACQUISITION_DATE_TIME, *_SOURCES)
) | {tag for pairs in _SOURCES.values() for pair in pairs for tag in pair}
"""Tags that the rules look at."""


def supply(tag: int, header: Header) -> bytes | None:
    """Return a value for the Type 1 key `tag` that the instance lacks, or `None`: there is none.

    The bytes are in the default repertoire and not padded.
    """
    rule = _RULES.get(tag)
    return rule(header) if rule else _CONSTANTS.get(tag)


def rule_of(tag: int, value: bytes) -> str:
    """Return in words where `supply` had `value` from, to go on after it and a comma."""
    if tag in _SOURCES:
        return "as there is no date" if value == UNKNOWN_DATE else "from the nearest other date"
    if tag in _DATE_OF_TIME:
        if value == UNKNOWN_TIME:
            return "as no time goes with that date"
        return "the time of the nearest other date"
    return _WORDS.get(tag, "which claims nothing")


def full(header: Header, tag: int) -> bytes:
    """Return the value of `tag` without padding; empty if absent or blank."""
    element = header.get(tag)
    return element.data.strip(b" \0") if element else b""


def _uid(header: Header, tag: int) -> str:
    return full(header, tag).decode("ascii", "backslashreplace")


def _number(tag: int) -> Callable[[Header], bytes]:
    """Return a rule that gives nine digits, the first a 9, from the UID in `tag`."""

    def rule(header: Header) -> bytes:
        import hashlib  # most files have all values, and it takes long to load

        digest = hashlib.sha256(_uid(header, tag).encode("ascii")).digest()
        return b"%d" % (900_000_000 + int.from_bytes(digest[:8], "big") % 100_000_000)

    return rule


def _date(tag: int) -> Callable[[Header], bytes]:
    def rule(header: Header) -> bytes:
        for date, _ in _SOURCES[tag]:
            if value := full(header, date):
                return value
        return _moment(header)[:8] or UNKNOWN_DATE

    return rule


def _time(tag: int) -> Callable[[Header], bytes]:
    def rule(header: Header) -> bytes:
        for date, time in _SOURCES[_DATE_OF_TIME[tag]]:
            if full(header, date):
                return full(header, time) or UNKNOWN_TIME
        return _moment(header)[8:14] or UNKNOWN_TIME

    return rule


def _moment(header: Header) -> bytes:
    """Return AcquisitionDateTime if it names a day."""
    value = full(header, _ACQUISITION_DATE_TIME).split(b".")[0]
    return (
        value
        if value[:8].isdigit() and len(value) >= 8 and value[8:14].isdigit() | (not value[8:14])
        else b""
    )


def _hanging_protocol_moment(header: Header) -> bytes:
    return _date(0x00080012)(header) + _time(0x00080013)(header)


def _patient_id(header: Header) -> bytes:
    return b"NOID_" + hash_text((_uid(header, _STUDY_UID),), 11).encode("ascii")


def _study_id(header: Header) -> bytes:
    return b"S" + hash_text((_uid(header, _STUDY_UID),), 7).encode("ascii")


_RULES: dict[int, Callable[[Header], bytes | None]] = {
    0x00100020: _patient_id,
    0x00200010: _study_id,
    0x00200011: _number(_SERIES_UID),
    0x00200013: _number(_SOP_UID),
    0x0072000A: _hanging_protocol_moment,
    0x00420012: lambda header: _MIME_TYPES.get(full(header, _SOP_CLASS)),
    **{tag: _date(tag) for tag in _SOURCES},
    **{tag: _time(tag) for tag in _DATE_OF_TIME},
}

_WORDS = {
    0x00100020: "made from the Study Instance UID",
    0x00200010: "made from the Study Instance UID",
    0x00200011: "made from the Series Instance UID",
    0x00200013: "made from the SOP Instance UID",
    0x0072000A: "from the nearest other date and time",
    0x00420012: "which goes with the SOP Class",
    0x00080060: "the standard's code for other",
    0x00280008: "as a single frame",
    0x0040A491: "which claims least",
    0x0040A493: "which claims least",
}
