"""Audit messages follow the schema of PS3.15, whatever the text, and say what happened."""

from __future__ import annotations

from typing import Any, Literal
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.disclosing import AuditEvent, MediaKind, Patient, Study, message
from catalog.disclosing.events import media_kind
from catalog.shapes import replace
from tests.disclosing.audit_schema import participants, valid, valid_event

EVENT = AuditEvent(
    kind="export",
    outcome=0,
    description="",
    happened_at="2024-01-31T12:00:00+01:00",
    login="mm",
    host="pacs-1",
    pid=77,
    program="dcat 1.0",
    others=("Dr Müller <m@example.org>",),
    media_uri="file://pacs-1/media/disc",
    media_id="2.25.1",
    media=MediaKind.CD,
    source_id="archive",
    patients=(Patient("P1", "HOSP", "Doe^Jane", ("1.2.3",)),),
    studies=(Study("1.2.3", "A1", {"1.2.840.10008.5.1.4.1.1.2": 5}),),
)


def test_an_export() -> None:
    root = valid_event(message(EVENT))
    event = root[0]
    assert event.attrib == {
        "EventActionCode": "R",
        "EventDateTime": "2024-01-31T12:00:00+01:00",
        "EventOutcomeIndicator": "0",
    }
    assert event[0].attrib == {
        "csd-code": "110106",
        "codeSystemName": "DCM",
        "originalText": "Export",
    }
    (receiver,) = participants(root, "110152")
    assert receiver.get("UserID") == "Dr Müller <m@example.org>"
    user, process = participants(root, "110153")
    assert (user.get("UserID"), user.get("NetworkAccessPointID")) == ("mm@pacs-1", "pacs-1")
    assert user.get("NetworkAccessPointTypeCode") == "1"
    assert (process.get("UserID"), process.get("UserName")) == ("77", "dcat 1.0")
    (medium,) = participants(root, "110154")
    assert medium.get("UserID") == "file://pacs-1/media/disc"
    assert medium.get("AlternativeUserID") == "2.25.1"
    assert [kind.get("csd-code") for kind in medium.iter("MediaType")] == ["110032"]
    (source,) = root.iter("AuditSourceIdentification")
    assert source.attrib == {"AuditSourceID": "archive"}
    study, patient = root.iter("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == "1.2.3"
    assert [each.attrib for each in study.iter("SOPClass")] == [
        {"UID": "1.2.840.10008.5.1.4.1.1.2", "NumberOfInstances": "5"}
    ]
    assert [each.get("Number") for each in study.iter("Accession")] == ["A1"]
    assert [each.text for each in study.iter("Encrypted")] == ["false"]
    assert [each.text for each in study.iter("Anonymized")] == ["false"]
    assert patient.get("ParticipantObjectID") == "P1^^^HOSP"
    assert patient.findtext("ParticipantObjectName") == "Doe^Jane"
    assert [each.get("UID") for each in patient.iter("StudyIDs")] == ["1.2.3"]


def test_an_import_has_the_roles_turned() -> None:
    root = valid_event(message(replace(EVENT, kind="import", others=())))
    assert root[0][0].get("csd-code") == "110107"
    assert participants(root, "110153") == []
    assert len(participants(root, "110155")) == 1
    assert len(participants(root, "110152")) == 2


@pytest.mark.parametrize("outcome", [4, 8])
def test_a_failure_says_why(outcome: Literal[4, 8]) -> None:
    root = valid_event(message(replace(EVENT, outcome=outcome, description="1 < 2 & 'so'")))
    assert root[0].get("EventOutcomeIndicator") == str(outcome)
    assert root[0].findtext("EventOutcomeDescription") == "1 < 2 & 'so'"


def test_instances_of_an_unknown_class_are_counted() -> None:
    study = Study("1.2.3", "", {"": 2, "1.2.4": 1})
    root = valid_event(message(replace(EVENT, studies=(study,))))
    assert [each.attrib for each in root.iter("SOPClass")] == [
        {"NumberOfInstances": "2"},
        {"UID": "1.2.4", "NumberOfInstances": "1"},
    ]
    assert not list(root.iter("Accession"))


@pytest.mark.parametrize(
    ("patient_id", "issuer", "expected"),
    [
        ("P1", "", "P1"),
        ("A^B", "", "A^B"),
        ("A^B", "X&Y", "A\\S\\B^^^X\\T\\Y"),
        ("", "X", "^^^X"),
    ],
)
def test_patient_ids(patient_id: str, issuer: str, expected: str) -> None:
    patient = Patient(patient_id, issuer, "", ())
    root = valid_event(message(replace(EVENT, patients=(patient,))))
    objects = list(root.iter("ParticipantObjectIdentification"))
    assert objects[-1].get("ParticipantObjectID") == expected


texts = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["<b>", "]]>", "&amp;", "\x00\x1b[31m", "\udcff", "\ufffe", '" onload="', "\r\n\t", "\u202e"]
)


@given(texts, texts, texts, texts, texts, texts)
def test_any_text_gives_a_valid_message(a: str, b: str, c: str, d: str, e: str, f: str) -> None:
    event = replace(
        EVENT,
        login=a,
        others=(b,),
        media_uri=c,
        description=d,
        patients=(Patient(e, f, a, (b,)),),
        studies=(Study(c, d, {e: 1}),),
    )
    document = message(event)
    assert document == message(event)
    root = valid(document)
    (receiver,) = participants(root, "110152")
    if b.isprintable():
        assert receiver.get("UserID") == b


def test_the_codes_of_media_are_those_of_cid_405() -> None:
    concepts: Any = pytest.importorskip("pydicom.sr._concepts_dict").concepts
    known = {
        code: meaning
        for each in concepts["DCM"].values()
        for code, (meaning, cids) in each.items()
        if 405 in cids
    }
    assert {kind.value for kind in MediaKind} <= set(known.items())


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("STD-GEN-CD", MediaKind.CD),
        ("STD-GEN-DVD-JPEG", MediaKind.DVD),
        ("STD-GEN-USB-JPEG", MediaKind.USB),
        ("STD-GEN-ZIP-MAIL", MediaKind.EMAIL),
        ("STD-GEN-BD-JPEG", MediaKind.URI),
        ("dvd-dl", MediaKind.DVD),
        ("cd", MediaKind.CD),
        ("usb", MediaKind.USB),
        ("4.7GB", MediaKind.URI),
        (None, MediaKind.URI),
    ],
)
def test_kinds_of_media(words: str | None, kind: MediaKind) -> None:
    assert media_kind(words) is kind


def test_the_judge_is_strict() -> None:
    good = message(EVENT).decode()
    for old, new in (
        (' UserIsRequestor="true"', ""),
        ('EventOutcomeIndicator="0"', 'EventOutcomeIndicator="5"'),
        ("<Encrypted>false</Encrypted>", "<Encrypted>no</Encrypted>"),
        ('EventDateTime="2024-01-31T12:00:00+01:00"', 'EventDateTime="2024-01-31"'),
        ("ActiveParticipant", "ActiveParticipants"),
        ("<MediaIdentifier>", "<MediaIdentifier x='1'>"),
    ):
        assert old in good
        fromstring(good.replace(old, new))
        with pytest.raises((AssertionError, KeyError)):
            valid(good.replace(old, new).encode())
