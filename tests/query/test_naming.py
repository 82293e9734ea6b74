"""Names of attributes, as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.attributes import ATTRIBUTES
from catalog.dicom.asking import asked
from catalog.errors import UnknownKeyword
from catalog.query.computed import COMPUTED
from catalog.query.naming import _CALLED, attribute_named, is_always_kept

EVERY = (*ATTRIBUTES, *COMPUTED)
FURTHER = asked(["PatientAge", "00191008", "RequestAttributesSequence.RequestedProcedureID"])


@pytest.mark.parametrize("attribute", EVERY, ids=lambda each: each.keyword)
def test_each_attribute_is_named_by_keyword_and_tag(attribute: object) -> None:
    keyword, tag = attribute.keyword, f"{attribute.tag:08X}"  # type: ignore[attr-defined]
    for name in (keyword, keyword.lower(), keyword.upper(), f" {keyword} ", tag, tag.lower(), f"({tag[:4]},{tag[4:]})"):  # fmt: skip
        assert attribute_named(name) == attribute
        assert is_always_kept(name)


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("patientage", "PatientAge"),
        ("PatientAge@study", "PatientAge"),
        ("00101010", "PatientAge"),
        ("(0019,1008)", "00191008"),
        ("requestattributessequence.requestedprocedureid", "RequestAttributesSequence.RequestedProcedureID"),
    ],
)  # fmt: skip
def test_what_the_configuration_adds_is_named_likewise(name: str, keyword: str) -> None:
    assert attribute_named(name, FURTHER).keyword == keyword
    assert not is_always_kept(name)
    with pytest.raises(UnknownKeyword):
        attribute_named(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Patient Name", "PatientName"),
        ("Patient's Name", "PatientName"),
        ("patient_name", "PatientName"),
        ("patient-id", "PatientID"),
        ("MRN", "PatientID"),
        ("DOB", "PatientBirthDate"),
        ("accession", "AccessionNumber"),
        ("StudyUID", "StudyInstanceUID"),
        ("transfer syntax", "TransferSyntaxUID"),
        ("Modalty", "Modality"),
        ("PatientAg", "PatientAge"),
        ("Xyzzy", None),
        ("", None),
        ("+", None),
    ],
)
def test_what_is_no_name_is_answered_by_the_nearest(name: str, near: str | None) -> None:
    with pytest.raises(UnknownKeyword) as caught:
        attribute_named(name, FURTHER)
    assert caught.value.near == near
    assert ("Did you mean" in str(caught.value)) is (near is not None)


def test_what_people_call_attributes_is_theirs_alone() -> None:
    names = [name for called in _CALLED.values() for name in called.split()]
    assert len(names) == len(set(names))
    assert {each.keyword for each in EVERY} >= _CALLED.keys()
    assert not {each.keyword.lower() for each in EVERY} & set(names)


@given(st.text(max_size=30) | st.just("a" * 100_000))
def test_any_name_is_one_or_refused(name: str) -> None:
    try:
        assert attribute_named(name, FURTHER)
    except UnknownKeyword as exc:
        assert len(str(exc)) < 600  # noqa: PT017
