"""The schema tables against the specification sheet and pydicom's dictionaries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import dictionary_keyword, dictionary_VR
from pydicom.uid import UID_dictionary

from catalog.fileset.record_types import a_record
from catalog.fileset.records import (
    GENERAL_PURPOSE_KEYS,
    RECORD_TYPES,
    SOP_CLASS_RECORDS,
    Key,
    children_of,
    may_stand_below,
    record_type_for,
)

SPEC = Path(__file__).parents[3] / "shared" / "spec"

# PS3.3 Table 10-11, which the specification includes by name.
MACROS = {"Table 10-11": [("(0008,1150)", "ReferencedSOPClassUID", "UI", "1"),
                          ("(0008,1155)", "ReferencedSOPInstanceUID", "UI", "1")]}  # fmt: skip
COPIED_WHOLE = {"Table 8.8-1", "Table C.17-5", "Table C.17-3", "Table C.7-11b"}
RETIRED = [
    "PRINT QUEUE",
    "FILM SESSION",
    "FILM BOX",
    "IMAGE BOX",
    "OVERLAY",
    "MODALITY LUT",
    "VOI LUT",
    "CURVE",
    "TOPIC",
    "VISIT",
    "RESULTS",
    "INTERPRETATION",
    "STUDY COMPONENT",
    "STORED PRINT",
    "MRDR",
    "HL7 STRUC DOC",
]


def load(name: str) -> dict[str, Any]:
    path = SPEC / name
    if not path.exists():
        pytest.skip(f"the specification sheet {name} is not beside the checkout")
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def row(key: Key) -> tuple[str, str, str, str]:
    return (f"({key.tag >> 16:04X},{key.tag & 0xFFFF:04X})", key.keyword, key.vr, key.type)


def test_keys_are_those_of_the_specification() -> None:
    spec = load("record_keys.json")
    for name, wanted in spec.items():
        if name in ("ROOT", "PRIVATE"):
            continue
        compare(RECORD_TYPES[name].keys, wanted["keys"], name)


def compare(keys: tuple[Key, ...], wanted: list[dict[str, Any]], where: str) -> None:
    expected = []
    nested = {}
    for each in wanted:
        if "include" in each:
            expected += MACROS.get(each["include"], [])
            continue
        expected.append((each["tag"], each["keyword"], each["vr"], each["type"]))
        nested[each["keyword"]] = each.get("items", [])
    assert sorted(map(row, keys)) == sorted(expected), where
    for key in keys:
        inside = nested.get(key.keyword, [])
        if any(each.get("include") in COPIED_WHOLE for each in inside):
            assert key.nested == (), where
        else:
            compare(key.nested, inside, f"{where}/{key.keyword}")


def test_conditions_belong_to_conditional_keys() -> None:
    for known in RECORD_TYPES.values():
        for key in known.keys:
            assert (key.condition is not None) == key.type.endswith("C"), (known.name, key)


def test_hierarchy_is_that_of_the_specification() -> None:
    spec = load("record_keys.json")
    current = {name for name in spec if name != "ROOT"}
    assert {name for name, known in RECORD_TYPES.items() if not known.retired} == current
    for name, wanted in spec.items():
        if name == "PRIVATE":
            continue
        # Table F.4-1 forgets SURFACE SCAN below SERIES.
        extra = {"SURFACE SCAN"} if name == "SERIES" else set()
        assert set(children_of(name)) == set(wanted["children"]) | extra, name
        if name != "ROOT":
            known = RECORD_TYPES[name]
            assert list(known.parents) == wanted["parents"]
            assert known.references_file == wanted["references_file"]
            assert known.clause == wanted["clause"].split(" /")[0]


def test_retired_types_are_named() -> None:
    assert [name for name, known in RECORD_TYPES.items() if known.retired] == RETIRED


@pytest.mark.parametrize(
    ("name", "parent", "expected"),
    [
        ("PATIENT", "ROOT", True),
        ("PATIENT", "STUDY", False),
        ("STUDY", "PATIENT", True),
        ("IMAGE", "SERIES", True),
        ("IMAGE", "STUDY", False),
        ("IMAGE", "ROOT", False),
        ("PRIVATE", "IMAGE", True),
        ("PRIVATE", "ROOT", True),
        ("IMAGE", "PRIVATE", True),
        ("WHATEVER", "ROOT", True),
        ("IMAGE", "WHATEVER", True),
        ("HANGING PROTOCOL", "ROOT", True),
        ("HANGING PROTOCOL", "SERIES", False),
    ],
)
def test_may_stand_below(name: str, parent: str, expected: bool) -> None:
    assert may_stand_below(name, parent) is expected


def test_sop_classes_are_those_of_the_specification() -> None:
    spec = load("sop_class_records.json")
    assert set(SOP_CLASS_RECORDS) == set(spec)
    for uid, wanted in spec.items():
        found = SOP_CLASS_RECORDS[uid]
        assert (found.uid, found.name) == (uid, wanted["name"])
        assert (found.record_type, found.level) == (wanted["record_type"], wanted["level"])
        assert found.retired == wanted["retired"]


def test_every_record_type_named_exists_and_refers_to_files() -> None:
    for found in SOP_CLASS_RECORDS.values():
        if found.record_type is None:
            assert found.reason
        else:
            assert RECORD_TYPES[found.record_type].references_file
            assert not RECORD_TYPES[found.record_type].retired or found.retired


def test_every_storage_class_that_pydicom_knows_is_mapped_or_refused_by_name() -> None:
    services = {"1.2.840.10008.1.3.10", "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2"}
    for uid, (name, kind, _, retired, _) in UID_dictionary.items():
        if kind == "SOP Class" and "Storage" in name and not retired and uid not in services:
            found = record_type_for(uid)
            assert found.record_type or found.reason, name
            assert found.name, name


def test_an_unknown_class_is_refused() -> None:
    found = record_type_for("1.2.3.4")
    assert (found.record_type, found.level) == (None, None)
    assert found.reason


def test_tags_keywords_and_vrs_agree_with_pydicom() -> None:
    unknown = []

    def check(key: Key) -> None:
        try:
            keyword, vr = dictionary_keyword(key.tag), dictionary_VR(key.tag)
        except KeyError:
            unknown.append(key.keyword)
            return
        assert (keyword, vr) == (key.keyword, key.vr)
        for inner in key.nested:
            check(inner)

    for known in RECORD_TYPES.values():
        for key in known.keys:
            check(key)
    for keys in GENERAL_PURPOSE_KEYS.values():
        for key in keys:
            check(key)
    # Retired so long ago that PS3.6 gives no keyword any more.
    assert set(unknown) <= {"OverlayNumber", "CurveNumber", "LUTNumber"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("IMAGE", "an IMAGE record"),
        ("ENCAP DOC", "an ENCAP DOC record"),
        ("RT DOSE", "an RT DOSE record"),
        ("SR DOCUMENT", "an SR DOCUMENT record"),
        ("STUDY", "a STUDY record"),
        ("RAW DATA", "a RAW DATA record"),
        ("VOI LUT", "a VOI LUT record"),
    ],
)
def test_records_have_their_article(name: str, said: str) -> None:
    assert a_record(name) == said
    assert a_record(name, capital=True) == said[0].upper() + said[1:]
