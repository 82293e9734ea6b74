"""Directory Record types as data: keys, parents and clause of each (PS3.3 F.4, F.5).

`RECORD_TYPES` is the one table. Everything that writes, reads or checks a Directory Record asks
it; nothing else in dcat lists keys.
"""

from __future__ import annotations

from catalog.shapes import frozen, replace

ROOT = "ROOT"
"""The Root Directory Entity; not a record type."""

PRIVATE = "PRIVATE"
SERIES = "SERIES"
MRDR = "MRDR"


@frozen
class Key:
    """One key of a record type.

    Attributes
    ----------
    type:
        `1`, `1C`, `2`, `2C` or `3` (PS3.5 §7.4).
    condition:
        When a conditional key is required; `None` for the others.
    nested:
        What the items of a sequence are reduced to. Empty: items are copied whole.
    """

    tag: int
    keyword: str
    vr: str
    type: str
    condition: str | None = None
    nested: tuple[Key, ...] = ()


@frozen
class RecordType:
    """One Directory Record Type (0004,1430).

    Attributes
    ----------
    clause:
        Where it is defined; for retired types, the last edition that had it.
    parents:
        Types below which it may stand; `ROOT` is the Root Directory Entity. `PRIVATE` may be
        anywhere and is listed nowhere.
    references_file:
        Whether it names a file by (0004,1500). `None`: it may.
    keys:
        In the order of the standard's table.
    """

    name: str
    clause: str
    parents: tuple[str, ...]
    references_file: bool | None
    keys: tuple[Key, ...]
    retired: bool = False


_PRESENT = "present in the referenced instance"

CHARACTER_SET = Key(
    0x00080005,
    "SpecificCharacterSet",
    "CS",
    "1C",
    "a key of the record goes beyond the default repertoire",
)

_NUMBER = Key(0x00200013, "InstanceNumber", "IS", "1")
_ICON = Key(0x00880200, "IconImageSequence", "SQ", "3")
_SERIES_UID = Key(0x0020000E, "SeriesInstanceUID", "UI", "1")

_CONTENT_TIME = (
    Key(0x00080023, "ContentDate", "DA", "1"),
    Key(0x00080033, "ContentTime", "TM", "1"),
)
_DESCRIPTION = Key(0x00700081, "ContentDescription", "LO", "2")
_CREATOR = Key(0x00700084, "ContentCreatorName", "PN", "2")
_CONTENT_IDENTIFICATION = (  # PS3.3 Table 10-12
    _NUMBER,
    Key(0x00700080, "ContentLabel", "CS", "1"),
    _DESCRIPTION,
    _CREATOR,
)
_PRESENTATION_TIME = (
    Key(0x00700082, "PresentationCreationDate", "DA", "1"),
    Key(0x00700083, "PresentationCreationTime", "TM", "1"),
)
_DOCUMENT_TITLE = Key(0x0040A043, "ConceptNameCodeSequence", "SQ", "1")
_MODIFIERS = Key(
    0x0040A730, "ContentSequence", "SQ", "1C",
    "the root content item has HAS CONCEPT MOD children: all and only those",
)  # fmt: skip

_SOP_REFERENCE = (  # PS3.3 Table 10-11
    Key(0x00081150, "ReferencedSOPClassUID", "UI", "1"),
    Key(0x00081155, "ReferencedSOPInstanceUID", "UI", "1"),
)
_IMAGES = Key(0x00081140, "ReferencedImageSequence", "SQ", "1", nested=_SOP_REFERENCE)


def _series_references(type_: str, condition: str | None, *nested: Key) -> Key:
    return Key(
        0x00081115, "ReferencedSeriesSequence", "SQ", type_, condition, (_SERIES_UID, *nested)
    )


_BLENDING = Key(
    0x00700402, "BlendingSequence", "SQ", "1C", _PRESENT,
    (Key(0x0020000D, "StudyInstanceUID", "UI", "1"), _series_references("1", None, _IMAGES)),
)  # fmt: skip

_HANGING_DEFINITION = (
    Key(0x00080060, "Modality", "CS", "1C", "Anatomic Region Sequence is absent"),
    Key(0x00082218, "AnatomicRegionSequence", "SQ", "1C", "Modality is absent"),
    Key(0x00200060, "Laterality", "CS", "2C", "Anatomic Region Sequence is present"),
    Key(0x00081032, "ProcedureCodeSequence", "SQ", "2"),
    Key(0x0040100A, "ReasonForRequestedProcedureCodeSequence", "SQ", "2"),
)


def _type(
    name: str,
    clause: str,
    *keys: Key,
    parents: tuple[str, ...] = (SERIES,),
    file: bool = True,
    charset: bool = True,
) -> RecordType:
    return RecordType(
        name, f"PS3.3 {clause}", parents, file, (CHARACTER_SET, *keys) if charset else keys
    )


_ROOT = (ROOT,)

_CURRENT = (
    _type(
        "PATIENT", "F.5.1",
        Key(0x00100010, "PatientName", "PN", "2"),
        Key(0x00100020, "PatientID", "LO", "1"),
        parents=_ROOT, file=False,
    ),
    _type(
        "STUDY", "F.5.2",
        Key(0x00080020, "StudyDate", "DA", "1"),
        Key(0x00080030, "StudyTime", "TM", "1"),
        Key(0x00081030, "StudyDescription", "LO", "2"),
        Key(0x0020000D, "StudyInstanceUID", "UI", "1"),
        Key(0x00200010, "StudyID", "SH", "1"),
        Key(0x00080050, "AccessionNumber", "SH", "2"),
        parents=("PATIENT",), file=False,
    ),
    _type(
        "SERIES", "F.5.3",
        Key(0x00080060, "Modality", "CS", "1"),
        _SERIES_UID,
        Key(0x00200011, "SeriesNumber", "IS", "1"),
        _ICON,
        parents=("STUDY",), file=False,
    ),
    _type("IMAGE", "F.5.4", _NUMBER, _ICON),
    _type(
        "RT DOSE", "F.5.19",
        _NUMBER,
        Key(0x3004000A, "DoseSummationType", "CS", "1"),
        Key(0x30040006, "DoseComment", "LO", "3"),
        _ICON,
    ),
    _type(
        "RT STRUCTURE SET", "F.5.20",
        _NUMBER,
        Key(0x30060002, "StructureSetLabel", "SH", "1"),
        Key(0x30060008, "StructureSetDate", "DA", "2"),
        Key(0x30060009, "StructureSetTime", "TM", "2"),
    ),
    _type(
        "RT PLAN", "F.5.21",
        _NUMBER,
        Key(0x300A0002, "RTPlanLabel", "SH", "1"),
        Key(0x300A0006, "RTPlanDate", "DA", "2"),
        Key(0x300A0007, "RTPlanTime", "TM", "2"),
    ),
    _type(
        "RT TREAT RECORD", "F.5.22",
        _NUMBER,
        Key(0x30080250, "TreatmentDate", "DA", "2"),
        Key(0x30080251, "TreatmentTime", "TM", "2"),
    ),
    _type(
        "PRESENTATION", "F.5.23",
        *_PRESENTATION_TIME,
        *_CONTENT_IDENTIFICATION,
        _series_references("1C", "the IOD includes the Presentation State Relationship Module", _IMAGES),
        _BLENDING,
    ),
    _type("WAVEFORM", "F.5.24", _NUMBER, *_CONTENT_TIME),
    _type(
        "SR DOCUMENT", "F.5.25",
        _NUMBER,
        Key(0x0040A491, "CompletionFlag", "CS", "1"),
        Key(0x0040A493, "VerificationFlag", "CS", "1"),
        *_CONTENT_TIME,
        Key(
            0x0040A030, "VerificationDateTime", "DT", "1C",
            "Verification Flag is VERIFIED: the most recent in Verifying Observer Sequence",
        ),
        _DOCUMENT_TITLE,
        _MODIFIERS,
    ),
    _type("KEY OBJECT DOC", "F.5.26", _NUMBER, *_CONTENT_TIME, _DOCUMENT_TITLE, _MODIFIERS),
    _type(
        "SPECTROSCOPY", "F.5.27",
        Key(0x00080008, "ImageType", "CS", "1"),
        *_CONTENT_TIME,
        _NUMBER,
        Key(0x00089092, "ReferencedImageEvidenceSequence", "SQ", "1C", _PRESENT),
        Key(0x00280008, "NumberOfFrames", "IS", "1"),
        Key(0x00280010, "Rows", "US", "1"),
        Key(0x00280011, "Columns", "US", "1"),
        Key(0x00289001, "DataPointRows", "UL", "1"),
        Key(0x00289002, "DataPointColumns", "UL", "1"),
        _ICON,
    ),
    _type("RAW DATA", "F.5.28", *_CONTENT_TIME, replace(_NUMBER, type="2"), _ICON),
    _type("REGISTRATION", "F.5.29", *_CONTENT_TIME, *_CONTENT_IDENTIFICATION),
    _type("FIDUCIAL", "F.5.30", *_CONTENT_TIME, *_CONTENT_IDENTIFICATION),
    _type(
        "HANGING PROTOCOL", "F.5.31",
        Key(0x00720002, "HangingProtocolName", "SH", "1"),
        Key(0x00720004, "HangingProtocolDescription", "LO", "1"),
        Key(0x00720006, "HangingProtocolLevel", "CS", "1"),
        Key(0x00720008, "HangingProtocolCreator", "LO", "1"),
        Key(0x0072000A, "HangingProtocolCreationDateTime", "DT", "1"),
        Key(0x0072000C, "HangingProtocolDefinitionSequence", "SQ", "1", nested=_HANGING_DEFINITION),
        Key(0x00720014, "NumberOfPriorsReferenced", "US", "1"),
        Key(0x0072000E, "HangingProtocolUserIdentificationCodeSequence", "SQ", "2"),
        parents=_ROOT,
    ),
    _type(
        "ENCAP DOC", "F.5.32",
        *(replace(key, type="2") for key in _CONTENT_TIME),
        _NUMBER,
        Key(0x00420010, "DocumentTitle", "ST", "2"),
        Key(0x0040E001, "HL7InstanceIdentifier", "ST", "1C", "the document is an HL7 Structured Document"),
        replace(_DOCUMENT_TITLE, type="2"),
        Key(0x00420012, "MIMETypeOfEncapsulatedDocument", "LO", "1"),
    ),
    _type("VALUE MAP", "F.5.34", *_CONTENT_TIME, *_CONTENT_IDENTIFICATION),
    _type("STEREOMETRIC", "F.5.35"),
    _type("PALETTE", "F.5.36", Key(0x00700080, "ContentLabel", "CS", "1"), _DESCRIPTION, parents=_ROOT),
    _type(
        "IMPLANT", "F.5.37",
        Key(0x00080070, "Manufacturer", "LO", "1"),
        Key(0x00221095, "ImplantName", "LO", "1"),
        Key(0x00686210, "ImplantSize", "LO", "1C", _PRESENT),
        Key(0x00221097, "ImplantPartNumber", "LO", "1"),
        parents=_ROOT, charset=False,
    ),
    _type(
        "IMPLANT ASSY", "F.5.38",
        Key(0x00760001, "ImplantAssemblyTemplateName", "LO", "1"),
        Key(0x00080070, "Manufacturer", "LO", "1"),
        Key(0x00760020, "ProcedureTypeCodeSequence", "SQ", "1"),
        parents=_ROOT, charset=False,
    ),
    _type(
        "IMPLANT GROUP", "F.5.39",
        Key(0x00780001, "ImplantTemplateGroupName", "LO", "1"),
        Key(0x00780010, "ImplantTemplateGroupDescription", "ST", "3"),
        Key(0x00780020, "ImplantTemplateGroupIssuer", "LO", "1"),
        parents=_ROOT, charset=False,
    ),
    _type("PLAN", "F.5.40"),
    _type("MEASUREMENT", "F.5.41", *_CONTENT_TIME, *_CONTENT_IDENTIFICATION),
    _type("SURFACE", "F.5.42", *_CONTENT_TIME, *_CONTENT_IDENTIFICATION),
    # Table F.4-1 forgets SURFACE SCAN below SERIES; every implementation puts it there.
    _type("SURFACE SCAN", "F.5.43", *_CONTENT_TIME),
    _type("TRACT", "F.5.44", *_CONTENT_TIME, *_CONTENT_IDENTIFICATION),
    _type(
        "ASSESSMENT", "F.5.45",
        _NUMBER,
        Key(0x00080012, "InstanceCreationDate", "DA", "1"),
        Key(0x00080013, "InstanceCreationTime", "TM", "2"),
    ),
    _type(
        "RADIOTHERAPY", "F.5.46",
        _NUMBER,
        Key(0x30100033, "UserContentLabel", "SH", "1C", _PRESENT),
        Key(0x30100034, "UserContentLongLabel", "LO", "1C", _PRESENT),
        _DESCRIPTION,
        _CREATOR,
    ),
    _type("ANNOTATION", "F.5.47", *_CONTENT_TIME, *_CONTENT_IDENTIFICATION),
    _type(
        "INVENTORY", "F.5.48",
        *_CONTENT_TIME,
        Key(0x00080401, "InventoryPurpose", "LT", "2"),
        Key(0x00080403, "InventoryLevel", "CS", "1"),
        Key(0x00080400, "ScopeOfInventorySequence", "SQ", "2"),
        Key(0x00080426, "InventoryCompletionStatus", "CS", "1"),
        Key(0x00080428, "TotalNumberOfStudyRecords", "UV", "1"),
        parents=_ROOT,
    ),
    _type(
        "WF PRESENTATION", "F.5.49",
        *_PRESENTATION_TIME,
        *_CONTENT_IDENTIFICATION,
        _series_references("1C", "the IOD includes the Waveform Presentation State Relationship Module"),
    ),
    RecordType(
        PRIVATE, "PS3.3 F.6.1", (ROOT,), None,
        (CHARACTER_SET, Key(0x00041432, "PrivateRecordUID", "UI", "1")),
    ),
)  # fmt: skip


def _retired(
    name: str, year: int, *keys: Key, parents: tuple[str, ...], file: bool | None = True
) -> RecordType:
    clause = f"PS3.3 F.5, retired {year}"
    return RecordType(name, clause, parents, file, (CHARACTER_SET, *keys), retired=True)


_LUT_NUMBER = Key(0x00200026, "LUTNumber", "IS", "1")

_RETIRED = (
    _retired("PRINT QUEUE", 1998, parents=_ROOT, file=None),
    _retired("FILM SESSION", 1998, parents=("PRINT QUEUE",), file=None),
    _retired("FILM BOX", 1998, parents=("FILM SESSION",), file=None),
    _retired("IMAGE BOX", 1998, parents=("FILM BOX",), file=None),
    _retired(
        "OVERLAY", 2004, Key(0x00200022, "OverlayNumber", "IS", "1"), _ICON, parents=(SERIES,)
    ),
    _retired("MODALITY LUT", 2004, _LUT_NUMBER, parents=(SERIES,)),
    _retired("VOI LUT", 2004, _LUT_NUMBER, parents=(SERIES,)),
    _retired("CURVE", 2004, Key(0x00200024, "CurveNumber", "IS", "1"), parents=(SERIES,)),
    _retired("TOPIC", 2004, parents=_ROOT, file=None),
    _retired("VISIT", 2004, parents=("STUDY",), file=None),
    _retired("RESULTS", 2004, parents=("STUDY",), file=None),
    _retired("INTERPRETATION", 2004, parents=("RESULTS",), file=None),
    _retired("STUDY COMPONENT", 2004, parents=("STUDY",), file=None),
    _retired("STORED PRINT", 2004, replace(_NUMBER, type="2"), _ICON, parents=(SERIES,)),
    _retired(MRDR, 2004, parents=_ROOT),
    _retired("HL7 STRUC DOC", 2018, parents=("PATIENT",), file=None),
)

RECORD_TYPES: dict[str, RecordType] = {t.name: t for t in (*_CURRENT, *_RETIRED)}
"""Every record type by name: 34 current ones and PRIVATE, then those that were retired."""

_VOWELS = ("A", "E", "I", "O")

_SAID_BY_LETTERS = ("HL7", "MRDR", "RT", "SR")
"""First words that are said letter by letter, the first letter beginning with a vowel."""


def a_record(name: str, *, capital: bool = False) -> str:
    """Return `a STUDY record`, `an IMAGE record`, `an RT DOSE record`: as it is said in English."""
    is_an = name[:1] in _VOWELS or name.split(" ", maxsplit=1)[0] in _SAID_BY_LETTERS
    article = "an" if is_an else "a"
    return f"{article.capitalize() if capital else article} {name} record"


def children_of(name: str) -> tuple[str, ...]:
    """Return the current record types that may stand below `name` (`ROOT` for the root).

    In the order of the table, PRIVATE last; PRIVATE alone below an instance (PS3.3 Table F.4-1).
    """
    below = tuple(t.name for t in _CURRENT if name in t.parents and t.name != PRIVATE)
    return (*below, PRIVATE)


def may_stand_below(name: str, parent: str) -> bool:
    """Return whether a `name` record may stand below `parent`; unknown types may stand anywhere.

    Current and retired types alike (PS3.3 Table F.4-1 and its earlier editions).
    """
    known = RECORD_TYPES.get(name)
    if known is None or name == PRIVATE or parent in (PRIVATE, "TOPIC"):
        return True
    return parent in known.parents or (parent not in RECORD_TYPES and parent != ROOT)


GENERAL_PURPOSE_KEYS: dict[str, tuple[Key, ...]] = {
    "IMAGE": (
        Key(0x00080008, "ImageType", "CS", "1C", _PRESENT),
        Key(0x00081140, "ReferencedImageSequence", "SQ", "1C", _PRESENT, _SOP_REFERENCE),
    ),
}
"""Keys that the General Purpose profiles add, by record type (PS3.11 Table D.3-2)."""
