"""The one table of attributes against the standard's dictionary, and everything that must follow it."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_keyword, dictionary_VM, dictionary_VR

from catalog.attributes import ATTRIBUTES, BY_COLUMN, BY_KEYWORD, BY_TAG, Attribute, at, column_name
from catalog.entities import Instance, Level, Patient, Series, Study

ENTITIES = {
    Level.PATIENT: Patient,
    Level.STUDY: Study,
    Level.SERIES: Series,
    Level.INSTANCE: Instance,
}


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: a.keyword)
def test_keyword_tag_vr_and_vm_are_those_of_the_dictionary(attribute: Attribute) -> None:
    assert dictionary_keyword(attribute.tag) == attribute.keyword
    assert dictionary_VR(attribute.tag) == attribute.vr
    assert dictionary_VM(attribute.tag) == attribute.vm


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: a.keyword)
def test_an_attribute_is_described(attribute: Attribute) -> None:
    assert attribute.description
    assert attribute.type in {"1", "1C", "2", "2C", "3"}
    assert attribute.clause.startswith("PS3.10 §" if attribute.level is Level.FILE else "C.")


def test_keywords_tags_and_columns_are_unique() -> None:
    assert len(BY_KEYWORD) == len(BY_TAG) == len(BY_COLUMN) == len(ATTRIBUTES)


@pytest.mark.parametrize("level", ENTITIES, ids=str)
def test_an_entity_has_the_attributes_of_its_level_in_order_and_what_is_beyond(
    level: Level,
) -> None:
    assert ENTITIES[level]._fields == (*(a.column for a in at(level)), "raw", "attributes")
    assert ENTITIES[level]() == (*(None for _ in at(level)), (), ())


@pytest.mark.parametrize(
    ("level", "keywords"),
    [
        (Level.PATIENT, {"PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "OtherPatientIDs"}),
        (
            Level.STUDY,
            {"StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "ReferringPhysicianName"},
        ),
        (Level.FILE, {"TransferSyntaxUID", "ImplementationClassUID", "ImplementationVersionName"}),
    ],
    ids=["patient", "study", "file"],
)  # fmt: skip
def test_what_a_level_holds(level: Level, keywords: set[str]) -> None:
    assert {a.keyword for a in at(level)} == keywords


def test_every_attribute_belongs_to_one_level() -> None:
    assert sum(len(at(level)) for level in Level) == len(ATTRIBUTES)


@pytest.mark.parametrize(
    ("keyword", "column"),
    [
        ("StudyInstanceUID", "study_instance_uid"),
        ("SOPInstanceUID", "sop_instance_uid"),
        ("SOPClassUID", "sop_class_uid"),
        ("PatientID", "patient_id"),
        ("OtherPatientIDs", "other_patient_ids"),
        ("IssuerOfPatientID", "issuer_of_patient_id"),
        ("PatientName", "patient_name"),
        ("FrameOfReferenceUID", "frame_of_reference_uid"),
        ("TransferSyntaxUID", "transfer_syntax_uid"),
        ("Rows", "rows"),
        ("AcquisitionDateTime", "acquisition_date_time"),
        ("BurnedInAnnotation", "burned_in_annotation"),
        ("TypeOfPatientID", "type_of_patient_id"),
        ("KVP", "kvp"),
    ],
)
def test_the_column_follows_from_the_keyword(keyword: str, column: str) -> None:
    assert column_name(keyword) == column


@pytest.mark.parametrize(
    ("keyword", "is_number", "is_multi_valued"),
    [
        ("SeriesNumber", True, False),
        ("Rows", True, False),
        ("SliceThickness", True, False),
        ("PixelSpacing", False, True),
        ("ImageType", False, True),
        ("PatientID", False, False),
        ("StudyDate", False, False),
        ("PerformingPhysicianName", False, True),
    ],
)
def test_how_a_column_holds_its_values(
    keyword: str, is_number: bool, is_multi_valued: bool
) -> None:
    attribute = BY_KEYWORD[keyword]
    assert (attribute.is_number, attribute.is_multi_valued) == (is_number, is_multi_valued)
