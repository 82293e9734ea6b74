"""The schema of audit messages (PS3.15 A.5.1.1, RELAX NG), as a table, and a judge that goes by it.

Each element has its attributes (`?` after a name: optional) with what their values match, its
children in order as a regular expression over their names, and what its text matches.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree.ElementTree import Element, fromstring

TOKEN = r"(?s).*"
ANY = TOKEN
DATE_TIME = r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
BOOLEAN = r"true|false|1|0"
BASE64 = r"[A-Za-z0-9+/=\s]*"
INTEGER = r"[+-]?\d+"

_CODE = {"csd-code": r".+", "codeSystemName": r".+", "displayName?": TOKEN, "originalText": r".+"}
_NO_TEXT = r"\s*"


class _Rule(NamedTuple):
    attributes: dict[str, str]
    children: str = ""
    text: str = _NO_TEXT


RULES = {
    "AuditMessage": _Rule(
        {},
        "EventIdentification (ActiveParticipant )+AuditSourceIdentification (ParticipantObjectIdentification )*",
    ),
    "EventIdentification": _Rule(
        {
            "EventActionCode?": "[CRUDE]",
            "EventDateTime": DATE_TIME,
            "EventOutcomeIndicator": "0|4|8|12",
        },
        "EventID (EventTypeCode )*(EventOutcomeDescription )?",
    ),
    "EventID": _Rule(_CODE),
    "EventTypeCode": _Rule(_CODE),
    "EventOutcomeDescription": _Rule({}, text=ANY),
    "ActiveParticipant": _Rule(
        {
            "UserID": ANY,
            "AlternativeUserID?": ANY,
            "UserName?": ANY,
            "UserIsRequestor": BOOLEAN,
            "NetworkAccessPointID?": TOKEN,
            "NetworkAccessPointTypeCode?": "[1-5]",
        },
        "(RoleIDCode )*(MediaIdentifier )?",
    ),
    "RoleIDCode": _Rule(_CODE),
    "MediaIdentifier": _Rule({}, "MediaType "),
    "MediaType": _Rule(_CODE),
    "AuditSourceIdentification": _Rule(
        {"AuditEnterpriseSiteID?": TOKEN, "AuditSourceID": TOKEN}, "(AuditSourceTypeCode )*"
    ),
    "ParticipantObjectIdentification": _Rule(
        {
            "ParticipantObjectID": TOKEN,
            "ParticipantObjectTypeCode?": "[1-4]",
            "ParticipantObjectTypeCodeRole?": r"[1-9]|1\d|2[0-6]",
            "ParticipantObjectDataLifeCycle?": r"[1-9]|1[0-5]",
            "ParticipantObjectSensitivity?": TOKEN,
        },
        "ParticipantObjectIDTypeCode (ParticipantObjectName |ParticipantObjectQuery )"
        "(ParticipantObjectDetail )*(ParticipantObjectDescription )*",
    ),
    "ParticipantObjectIDTypeCode": _Rule(_CODE),
    "ParticipantObjectName": _Rule({}, text=TOKEN),
    "ParticipantObjectQuery": _Rule({}, text=BASE64),
    "ParticipantObjectDetail": _Rule({"type": TOKEN, "value": BASE64}),
    "ParticipantObjectDescription": _Rule(
        {},
        "(MPPS )*(Accession )*(SOPClass )*(ParticipantObjectContainsStudy )?(Encrypted )?(Anonymized )?",
    ),
    "MPPS": _Rule({"UID": TOKEN}),
    "Accession": _Rule({"Number": TOKEN}),
    "SOPClass": _Rule({"UID?": TOKEN, "NumberOfInstances": INTEGER}, "(Instance )*"),
    "Instance": _Rule({"UID": TOKEN}),
    "ParticipantObjectContainsStudy": _Rule({}, "(StudyIDs )*"),
    "StudyIDs": _Rule({"UID": TOKEN}),
    "Encrypted": _Rule({}, text=BOOLEAN),
    "Anonymized": _Rule({}, text=BOOLEAN),
}


def valid(document: bytes) -> Element:
    """Return the root of `document`, having made sure that it follows the schema."""
    root = fromstring(document.decode("utf-8").encode("utf-8"))
    assert root.tag == "AuditMessage"
    for element in root.iter():
        _judge(element)
    return root


def _judge(element: Element) -> None:
    rule = RULES[element.tag]
    known = {name.removesuffix("?"): pattern for name, pattern in rule.attributes.items()}
    assert set(element.attrib) <= set(known), (element.tag, element.attrib)
    required = {name for name in rule.attributes if not name.endswith("?")}
    assert required <= set(element.attrib), (element.tag, element.attrib)
    for name, value in element.attrib.items():
        assert re.fullmatch(known[name], value), (element.tag, name, value)
    children = "".join(f"{child.tag} " for child in element)
    assert re.fullmatch(rule.children, children), (element.tag, children)
    assert re.fullmatch(rule.text, element.text or ""), (element.tag, element.text)


def participants(root: Element, role: str) -> list[Element]:
    """Return the active participants in the role with this code."""
    return [
        each
        for each in root.iter("ActiveParticipant")
        if any(code.get("csd-code") == role for code in each.iter("RoleIDCode"))
    ]


def valid_event(document: bytes) -> Element:
    """As `valid`, with the rules of Export and Import (PS3.15 A.5.3.4, A.5.3.5)."""
    root = valid(document)
    identification = root[0]
    code = identification[0].get("csd-code")
    assert identification.get("EventActionCode") == {"110106": "R", "110107": "C"}[code or ""]
    others, mine, media = (
        ("110152", "110153", "110154") if code == "110106" else ("110153", "110152", "110155")
    )
    assert 1 <= len(participants(root, mine)) <= 2
    assert sum(each.get("UserIsRequestor") == "true" for each in participants(root, mine)) == 1
    (medium,) = participants(root, media)
    assert medium.get("UserIsRequestor") == "false"
    (kind,) = medium.iter("MediaType")
    assert kind.get("csd-code") in {"110010", *(str(n) for n in range(110030, 110039))}
    for other in participants(root, others):
        assert other.get("UserIsRequestor") == "false"
    for each in root.iter("ParticipantObjectIdentification"):
        number = (each[0].get("csd-code"), each[0].get("codeSystemName"))
        kind_and_role = (
            each.get("ParticipantObjectTypeCode"),
            each.get("ParticipantObjectTypeCodeRole"),
        )
        assert (number, kind_and_role) in [
            (("110180", "DCM"), ("2", "3")),
            (("2", "RFC-3881"), ("1", "1")),
        ]
    return root
