"""What is said of a selection that finds less than people expect."""

from __future__ import annotations

import pytest

from catalog.query import parse
from catalog.query.advice import advice


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Modality=ct", "Modality is written in capitals: CT."),
        ("BodyPartExamined=*head", "BodyPartExamined is written in capitals: *HEAD."),
        ("PatientName=Doe", "PatientName is matched whole: 'doe^*' finds a family name, 'doe*' what begins so."),
        ("StudyDescription=*Brain MRA*", "In StudyDescription capitals count; --text 'brain mra' looks for words."),
        ("Manufacturer=acme", "In Manufacturer capitals count, and the whole value is matched; --text 'acme' looks for words."),
    ],
)  # fmt: skip
def test_what_surprises_people(typed: str, said: str) -> None:
    assert advice(parse.selection((typed,))) == (said,)


@pytest.mark.parametrize(
    "typed",
    ["Modality=CT", "Modality!=ct", "PatientName=doe^*", "PatientName=doe^j", "PatientName=doe*", "PatientID=p1",
     "AccessionNumber=a1", "StudyDescription=", 'StudyDescription=""', "Rows>5", "StudyDate=2024"],
)  # fmt: skip
def test_what_is_plain(typed: str) -> None:
    assert advice(parse.selection((typed,))) == ()


def test_each_thing_once() -> None:
    both = parse.selection(("Modality=ct", "PatientName=roe", "Modality=mr"))
    assert len(advice(both)) == 2
