"""The audit messages Export and Import (PS3.15 A.5.3.4 and A.5.3.5), as XML by the schema of PS3.15 A.5.1.

Pure: the same event gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from catalog.shapes import frozen

_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (§2.2), however it is written."""

_HL7 = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
"""How HL7 writes its delimiters inside a value (HL7 v2 §2.7.1)."""


class MediaKind(Enum):
    """The medium, by CID 405 of PS3.16; what has no code there, such as BD, is a URI."""

    USB = ("110030", "USB Disk Emulation")
    EMAIL = ("110031", "Email")
    CD = ("110032", "CD")
    DVD = ("110033", "DVD")
    CF = ("110034", "Compact Flash")
    MMC = ("110035", "Multi-media Card")
    SD = ("110036", "Secure Digital Card")
    URI = ("110037", "URI")


@frozen
class Patient:
    """A patient whose instances were exported or imported; `name` is empty if it is not known."""

    patient_id: str
    issuer: str
    name: str
    study_instance_uids: tuple[str, ...]


@frozen
class Study:
    """A study, or the part of it that was exported or imported.

    `sop_classes` says how many instances there are of each SOP Class UID, `''` where it is not known.
    """

    study_instance_uid: str
    accession_number: str
    sop_classes: Mapping[str, int]


@frozen
class AuditEvent:
    """One event to report.

    Attributes
    ----------
    outcome:
        0 success, 4 minor failure (single instances), 8 serious failure (it came to no end).
    description:
        Why it is no success; empty for one.
    happened_at:
        ISO 8601 with offset.
    login, host, pid, program:
        Who did it, where, and the process.
    others:
        Who received it or, of an import, sent it; may be empty.
    media_uri, media_id, media:
        The medium: where it lies, its File-set UID or ID, and its kind.
    source_id:
        Which system reports (Audit Source ID).
    """

    kind: Literal["export", "import"]
    outcome: Literal[0, 4, 8]
    description: str
    happened_at: str
    login: str
    host: str
    pid: int
    program: str
    others: tuple[str, ...]
    media_uri: str
    media_id: str
    media: MediaKind
    source_id: str
    patients: tuple[Patient, ...]
    studies: tuple[Study, ...]


_EVENTS = {"export": ("110106", "Export", "R"), "import": ("110107", "Import", "C")}
_SOURCE = ("110153", "Source Role ID")
_DESTINATION = ("110152", "Destination Role ID")
_MEDIA = {"export": ("110154", "Destination Media"), "import": ("110155", "Source Media")}
_STUDY_UID = ("110180", "Study Instance UID")
_PATIENT_NUMBER = ("2", "Patient Number")


def message(event: AuditEvent) -> bytes:
    """Return the message: an XML document in UTF-8.

    The user is `login@host` (A.5.2.1), the process its number; both are at the machine `host`. The
    medium's UserID is its URI (A.5.2.1), its AlternativeUserID the File-set UID (A.5.2.2). A
    Patient ID with an issuer stands as `ID^^^ISSUER` (HL7 v2 CX). What XML cannot hold is spelled
    `\\x1b`.
    """
    root = Element("AuditMessage")
    code, name, action = _EVENTS[event.kind]
    identification = SubElement(
        root,
        "EventIdentification",
        EventActionCode=action,
        EventDateTime=_text(event.happened_at),
        EventOutcomeIndicator=str(event.outcome),
    )
    _code(identification, "EventID", (code, name))
    if event.description:
        why = SubElement(identification, "EventOutcomeDescription")
        why.text = _text(event.description)
    mine, theirs = (_SOURCE, _DESTINATION) if event.kind == "export" else (_DESTINATION, _SOURCE)
    for other in event.others:
        _participant(root, theirs, other, is_requestor=False)
    _participant(root, mine, f"{event.login}@{event.host}", is_requestor=True, host=event.host)
    _participant(
        root, mine, str(event.pid), is_requestor=False, host=event.host, name=event.program
    )
    _medium(root, event)
    SubElement(root, "AuditSourceIdentification", AuditSourceID=_text(event.source_id))
    for study in event.studies:
        _study(root, study)
    for patient in event.patients:
        _patient(root, patient)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _participant(
    root: Element,
    role: tuple[str, str],
    user_id: str,
    *,
    is_requestor: bool,
    host: str = "",
    name: str = "",
) -> Element:
    given = {"UserID": _text(user_id)}
    if name:
        given["UserName"] = _text(name)
    given["UserIsRequestor"] = "true" if is_requestor else "false"
    if host:
        given["NetworkAccessPointID"] = _text(host)
        given["NetworkAccessPointTypeCode"] = "1"  # a machine's name
    made = SubElement(root, "ActiveParticipant", given)
    _code(made, "RoleIDCode", role)
    return made


def _medium(root: Element, event: AuditEvent) -> None:
    role = _MEDIA[event.kind]
    made = _participant(root, role, event.media_uri, is_requestor=False)
    if event.media_id:
        made.set("AlternativeUserID", _text(event.media_id))
    _code(SubElement(made, "MediaIdentifier"), "MediaType", event.media.value)


def _study(root: Element, study: Study) -> None:
    made = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_text(study.study_instance_uid),
        ParticipantObjectTypeCode="2",
        ParticipantObjectTypeCodeRole="3",
    )
    _code(made, "ParticipantObjectIDTypeCode", _STUDY_UID)
    # The schema wants a name or a query; a study's UID is the only name that is always known.
    SubElement(made, "ParticipantObjectName").text = _text(study.study_instance_uid)
    described = SubElement(made, "ParticipantObjectDescription")
    if study.accession_number:
        SubElement(described, "Accession", Number=_text(study.accession_number))
    for uid, count in study.sop_classes.items():
        given = {"UID": _text(uid)} if uid else {}
        SubElement(described, "SOPClass", given, NumberOfInstances=str(count))
    # dcat neither encrypts media nor takes identities away.
    SubElement(described, "Encrypted").text = "false"
    SubElement(described, "Anonymized").text = "false"


def _patient(root: Element, patient: Patient) -> None:
    made = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_text(_number(patient)),
        ParticipantObjectTypeCode="1",
        ParticipantObjectTypeCodeRole="1",
    )
    _code(made, "ParticipantObjectIDTypeCode", _PATIENT_NUMBER, "RFC-3881")
    SubElement(made, "ParticipantObjectName").text = _text(patient.name or patient.patient_id)
    if patient.study_instance_uids:
        described = SubElement(made, "ParticipantObjectDescription")
        contained = SubElement(described, "ParticipantObjectContainsStudy")
        for uid in patient.study_instance_uids:
            SubElement(contained, "StudyIDs", UID=_text(uid))


def _number(patient: Patient) -> str:
    if not patient.issuer:
        return patient.patient_id
    return f"{_escaped(patient.patient_id)}^^^{_escaped(patient.issuer)}"


def _escaped(text: str) -> str:
    return "".join(_HL7.get(letter, letter) for letter in text)


def _code(parent: Element, tag: str, code: tuple[str, str], system: str = "DCM") -> None:
    value, meaning = code
    given = {"csd-code": value, "codeSystemName": system, "originalText": meaning}
    SubElement(parent, tag, given)


def _text(text: str) -> str:
    """Return `text` as XML can hold it."""
    return _ILLEGAL.sub(_spelled, text)


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a path that is no UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
