"""Names of attributes as users write them."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import keyword_dict

from catalog.attributes import BY_KEYWORD, Further, further_from
from catalog.dicom.asking import asked, further_named
from catalog.dicom.levels import MODULES, level_of
from catalog.entities import Level
from catalog.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "name", "path", "vr", "vm", "level"),
    [
        ("PatientAge", "PatientAge", (0x00101010,), "AS", "1", "study"),
        (" PatientAge ", "PatientAge", (0x00101010,), "AS", "1", "study"),
        ("00101010", "PatientAge", (0x00101010,), "AS", "1", "study"),
        ("(0010,1010)", "PatientAge", (0x00101010,), "AS", "1", "study"),
        ("0010,1010", "PatientAge", (0x00101010,), "AS", "1", "study"),
        ("PatientAge@series", "PatientAge", (0x00101010,), "AS", "1", "series"),
        ("EthnicGroup", "EthnicGroup", (0x00102160,), "SH", "1", "patient"),
        ("ClinicalTrialSubjectID", "ClinicalTrialSubjectID", (0x00120040,), "LO", "1", "patient"),
        ("OperatorsName", "OperatorsName", (0x00081070,), "PN", "1-n", "series"),
        ("KVP", "KVP", (0x00180060,), "DS", "1", "instance"),
        (
            "RequestAttributesSequence.RequestedProcedureID",
            "RequestAttributesSequence.RequestedProcedureID",
            (0x00400275, 0x00401001),
            "SH",
            "1-n",
            "series",
        ),
        (
            "00400275.00401001@study",
            "RequestAttributesSequence.RequestedProcedureID",
            (0x00400275, 0x00401001),
            "SH",
            "1-n",
            "study",
        ),
        ("00191008", "00191008", (0x00191008,), "UN", "1-n", "instance"),
        ("0019100a", "0019100A", (0x0019100A,), "UN", "1-n", "instance"),
        ("00190010", "00190010", (0x00190010,), "LO", "1", "instance"),
        ("00191008.00191009", "00191008.00191009", (0x00191008, 0x00191009), "UN", "1-n", "instance"),
        ("60000010", "60000010", (0x60000010,), "US", "1", "instance"),
        ("60020010", "60020010", (0x60020010,), "US", "1", "instance"),
    ],
)  # fmt: skip
def test_what_a_name_means(
    text: str, name: str, path: tuple[int, ...], vr: str, vm: str, level: str
) -> None:
    found = further_named(text)
    assert (found.keyword, found.path, found.vr, found.vm, found.level) == (
        name,
        path,
        vr,
        vm,
        level,
    )
    assert found.tag == path[0]
    assert found.column == f"{name}@{level}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' in '' is no keyword"),
        ("PatientAeg", "Did you mean PatientAge?"),
        ("Patient Age", "Did you mean PatientAge?"),
        ("patientage", "is no keyword of PS3.6"),
        ("PatientAge.", "'' in 'PatientAge.' is no keyword"),
        ("0019100", "no tag such as 00191008"),
        ("PatientAge@", "names no level"),
        ("PatientAge@file", "write patient, study, series or instance"),
        ("PatientAge@Study", "names no level"),
        ("PatientName", "is always kept"),
        ("00100010", "is always kept"),
        ("PatientName@instance", "is always kept"),
        ("NumberOfStudyRelatedInstances", "is computed"),
        ("RequestAttributesSequence", "is a sequence"),
        ("PatientAge.CodeValue", "leads through (0010,1010), which is no sequence"),
        ("PixelData", "no attribute to catalogue"),
        ("DataSetTrailingPadding", "no attribute to catalogue"),
        ("7FE00001", "bulk data"),
        ("TransferSyntaxUID", "is always kept"),
        ("SourceApplicationEntityTitle", "no attribute to catalogue"),
        ("00000002", "no attribute to catalogue"),
        ("00100000", "no attribute to catalogue"),
        ("FFFEE000", "no attribute to catalogue"),
        ("OverlayData", "is no keyword"),
        ("60003000", "bulk data"),
        ("EncapsulatedDocument", "bulk data"),
        (".".join(["ContentSequence"] * 40 + ["CodeValue"]), "more sequences"),
        ("../../etc/passwd", "is no keyword"),
        ('x"; DROP TABLE file; --', "is no keyword"),
    ],
)
def test_what_cannot_be_kept_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        further_named(text)
    assert said in str(caught.value)


def test_a_list_is_sorted_and_each_attribute_stands_once() -> None:
    one = asked(["KVP", "PatientAge", "00101010", "PatientAge@study"])
    assert [a.keyword for a in one] == ["KVP", "PatientAge"]
    assert one == asked(["00101010", "KVP"])
    assert asked([]) == ()
    with pytest.raises(ConfigError, match="two levels"):
        asked(["PatientAge", "PatientAge@series"])


@given(st.sampled_from(sorted(set(keyword_dict) - set(BY_KEYWORD))), st.sampled_from(list(Level)))
def test_any_keyword_is_kept_or_refused_and_survives_the_way_to_others(
    keyword: str, level: Level
) -> None:
    try:
        found = further_named(f"{keyword}@{level}")
    except ConfigError:
        return
    assert isinstance(found, Further)
    assert set(found.keyword) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789."
    )
    assert further_from(json.loads(json.dumps(found.as_dict()))) == found
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_modules_name_attributes_of_the_standard_each_once() -> None:
    keywords = [keyword for _, _, words in MODULES for keyword in words.split()]
    assert len(keywords) == len(set(keywords))
    assert [keyword for keyword in keywords if keyword not in keyword_dict] == []


@pytest.mark.parametrize("attribute", BY_KEYWORD.values(), ids=lambda a: a.keyword)
def test_the_modules_agree_with_the_table_of_attributes(attribute: object) -> None:
    assert isinstance(attribute, type(next(iter(BY_KEYWORD.values()))))
    if attribute.level in (Level.PATIENT, Level.STUDY, Level.SERIES):
        assert level_of(attribute.keyword) is attribute.level
    else:
        assert level_of(attribute.keyword) is Level.INSTANCE
