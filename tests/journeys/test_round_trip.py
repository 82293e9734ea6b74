"""Index → export → import into an empty catalogue: the same patients, studies, series, instances."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from catalog.database.catalogue import open_catalogue
from tests.builders import write
from tests.journeys.steps import PYDICOM_FILES, exported, imported, indexed, rows

# What records carry, and which of it a directory must have although an object need not
# (PS3.3 F.5.1-F.5.4 against C.7.1.1, C.7.2.1, C.7.3.1, C.7.6.1).
CARRIED = {
    "patient": ("PatientID", "PatientName"),
    "study": ("StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"),
    "series": ("Modality", "SeriesNumber"),
    "instance": ("SOPClassUID", "InstanceNumber", "TransferSyntaxUID"),
}
MAY_BE_SUPPLIED = {"PatientID", "StudyDate", "StudyTime", "StudyID", "SeriesNumber", "InstanceNumber"}  # fmt: skip

NAMES = {
    "": "Doe^Jane",
    "ISO_IR 100": "Müller^Jürgen^^Dr.",
    "ISO_IR 126": "Διονυσιος",
    "ISO_IR 127": "قباني^لنزار",
    "ISO_IR 138": "שרון^דבורה",
    "ISO_IR 144": "Люкceмбypг",
    "ISO_IR 166": "นามสกุล^ชื่อ",
    "ISO_IR 13": "ﾔﾏﾀﾞ^ﾀﾛｳ",
    "ISO_IR 192": "Wang^XiaoDong=王^小東=",
    "GB18030": "Wang^XiaoDong=王^小东=",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
}
PLAIN_TEXT = {
    "ISO_IR 100": "Schädel nativ",
    "ISO_IR 144": "Грудная клетка",
    "ISO_IR 192": "脳 MRI – ½",
    "GB18030": "胸部",
}

absent_or_empty = st.sampled_from([..., ""])
dates = st.dates().map(lambda d: d.strftime("%Y%m%d").zfill(8)) | absent_or_empty
times = st.sampled_from(["10", "1015", "101530", "101530.123", "235959.999999"]) | absent_or_empty
short_ids = (
    st.text("ABCXYZ0189-_. /", min_size=1, max_size=12).filter(lambda t: t.strip())
    | absent_or_empty
)
numbers = st.integers(-(2**31), 2**31 - 1).map(str) | absent_or_empty
modalities = st.sampled_from(["CT", "MR", "OT", "ZZ"])
syntaxes = st.sampled_from(["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])

instances = st.fixed_dictionaries(
    {
        "InstanceNumber": numbers,
        "ContentDate": dates,
        "ImageType": st.sampled_from([["ORIGINAL", "PRIMARY"], ["DERIVED", "SECONDARY", "X"], ...]),
        "transfer_syntax": syntaxes,
    }
)
series = st.fixed_dictionaries(
    {
        "keys": st.fixed_dictionaries(
            {
                "SeriesNumber": numbers,
                "Modality": modalities,
                "SoftwareVersions": st.sampled_from([["1", "2"], "1", ...]),
            }
        ),
        "below": st.lists(instances, min_size=1, max_size=3),
    }
)
studies = st.fixed_dictionaries(
    {
        "keys": st.fixed_dictionaries(
            {
                "StudyDate": dates,
                "StudyTime": times,
                "StudyID": short_ids,
                "AccessionNumber": short_ids,
                "StudyDescription": st.sampled_from(["Thorax", "own", "", ...]),
            }
        ),
        "in_utf_8": st.booleans(),
        "below": st.lists(series, min_size=1, max_size=2),
    }
)
patients = st.fixed_dictionaries(
    {
        "character_set": st.sampled_from(list(NAMES)),
        "PatientID": st.sampled_from(["own", "own", "", ...]),
        "IssuerOfPatientID": st.sampled_from([..., ..., "HOSPITAL"]),
        "PatientName": st.sampled_from(["own", "own", "", ...]),
        "below": st.lists(studies, min_size=1, max_size=2),
    }
)
trees = st.lists(patients, min_size=1, max_size=3)


def _lay_out(folder: Path, tree: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write the files of `tree`; return the keywords given to each instance."""
    given_values = []
    for p, patient in enumerate(tree, 1):
        own = patient["character_set"]
        for t, study in enumerate(patient["below"], 1):
            used = "ISO_IR 192" if study["in_utf_8"] and own else own
            description = study["keys"]["StudyDescription"]
            for s, each_series in enumerate(study["below"], 1):
                for i, instance in enumerate(each_series["below"], 1):
                    uid = f"1.2.3.{p}.{t}.{s}.{i}"
                    values = {
                        **study["keys"],
                        **each_series["keys"],
                        **instance,
                        "PatientID": f"P{p}"
                        if patient["PatientID"] == "own"
                        else patient["PatientID"],
                        "IssuerOfPatientID": patient["IssuerOfPatientID"],
                        "PatientName": NAMES[own]
                        if patient["PatientName"] == "own"
                        else patient["PatientName"],
                        "StudyDescription": PLAIN_TEXT.get(used if own == used else own, "Text")
                        if description == "own"
                        else description,
                        "StudyInstanceUID": f"1.2.3.{p}.{t}",
                        "SeriesInstanceUID": f"1.2.3.{p}.{t}.{s}",
                        "SOPInstanceUID": uid,
                        "SpecificCharacterSet": used.split("\\") if used else ...,
                    }
                    # The character set comes first, as pydicom encodes what is set after it.
                    write(folder / f"{uid}.dcm", **values)
                    given_values.append(values)
    return given_values


_VIEW = "SELECT * FROM v_instance ORDER BY SOPInstanceUID"


def _same_grouping(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], ref: str) -> bool:
    """Return whether two lists of instances fall into the same groups by `ref`."""
    pairs = {(a[ref], b[ref]) for a, b in zip(ours, theirs, strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def assert_same(
    ours: list[dict[str, Any]],
    theirs: list[dict[str, Any]],
    disputed: frozenset[tuple[str, str]] = frozenset(),
    supplied: frozenset[str] = frozenset(MAY_BE_SUPPLIED),
) -> None:
    """Hold instances with all above them against those that came back from the DICOMDIR.

    `disputed` are keywords with values that some file states and the row does not: a record may
    have such a value where the files that agree with the row were left out.
    """
    assert [row["SOPInstanceUID"] for row in theirs] == [row["SOPInstanceUID"] for row in ours]
    for a, b in zip(ours, theirs, strict=True):
        assert a["StudyInstanceUID"] == b["StudyInstanceUID"]
        assert a["SeriesInstanceUID"] == b["SeriesInstanceUID"]
        for keyword in [k for keywords in CARRIED.values() for k in keywords]:
            if a[keyword] in (None, "") and keyword in supplied:
                assert b[keyword] not in (None, ""), f"{keyword} was not supplied"
            elif (keyword, str(b[keyword])) not in disputed:
                assert (b[keyword] == a[keyword]) or {a[keyword], b[keyword]} <= {None, ""}, keyword
    for ref in ("patient_ref", "study_ref", "series_ref", "instance_ref"):
        assert _same_grouping(ours, theirs, ref), ref


@settings(max_examples=40, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(tree=trees)
def test_generated_archives(empty_catalogue: Path, tree: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        values = _lay_out(folder / "archive", tree)
        first = Path(shutil.copy(empty_catalogue, folder / "first.db"))
        second = Path(shutil.copy(empty_catalogue, folder / "second.db"))
        with open_catalogue(first) as catalogue:
            indexed(catalogue, folder / "archive")
            outcome = exported(catalogue, folder / "medium")
        assert outcome.is_complete
        assert outcome.copied == len(values)
        supplied = [f for f in outcome.findings if f.code == "type1-supplied"]
        event(f"{min(len(supplied), 3)} or more values supplied")
        with open_catalogue(second) as catalogue:
            assert imported(catalogue, folder / "medium").is_complete
        ours, theirs = rows(first, _VIEW), rows(second, _VIEW)
        assert_same(ours, theirs)
        for value, row in zip(
            sorted(values, key=lambda v: v["SOPInstanceUID"]), theirs, strict=True
        ):
            for keyword in ("PatientName", "StudyDescription"):
                wanted = "" if value[keyword] is ... else value[keyword]
                assert (row[keyword] or "").rstrip("=^ ") == wanted.rstrip("=^ ")
        lacking = sum(
            len({v[uid] for v in values if v[keyword] in (..., "")})
            for keyword, uid in (
                ("StudyDate", "StudyInstanceUID"), ("StudyTime", "StudyInstanceUID"),
                ("StudyID", "StudyInstanceUID"), ("SeriesNumber", "SeriesInstanceUID"),
                ("InstanceNumber", "SOPInstanceUID"), ("PatientID", "StudyInstanceUID"),
            )
        )  # fmt: skip
        assert len(supplied) == lacking, "each supplied value is reported, and no other"


@pytest.mark.parametrize("source", ["pydicom", "shared"])
def test_real_files(source: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder = PYDICOM_FILES if source == "pydicom" else request.getfixturevalue("shared_data")
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    with open_catalogue(first, create=True) as catalogue:
        indexed(catalogue, folder)
        exported(catalogue, tmp_path / "medium")
    with open_catalogue(second, create=True) as catalogue:
        imported(catalogue, tmp_path / "medium")
    ours = rows(
        first,
        "SELECT * FROM v_instance WHERE SOPInstanceUID IN (SELECT sop_instance_uid FROM export_item WHERE outcome = 'copied') ORDER BY SOPInstanceUID",
    )
    theirs = rows(second, _VIEW)
    assert len(ours) > 50
    disputed = rows(first, "SELECT keyword, value FROM discrepancy")
    # Modality is Type 1 in objects too, but test files lack it.
    assert_same(
        ours,
        theirs,
        frozenset((row["keyword"], str(row["value"])) for row in disputed),
        frozenset({*MAY_BE_SUPPLIED, "Modality"}),
    )


@pytest.mark.parametrize("character_set", NAMES, ids=lambda text: text.strip("\\") or "default")
def test_text_comes_back_from_every_character_set(character_set: str, tmp_path: Path) -> None:
    write(
        tmp_path / "archive/a.dcm",
        SpecificCharacterSet=character_set.split("\\") if character_set else ...,
        PatientName=NAMES[character_set],
    )
    with open_catalogue(tmp_path / "first.db", create=True) as catalogue:
        indexed(catalogue, tmp_path / "archive")
        assert exported(catalogue, tmp_path / "medium").is_complete
    with open_catalogue(tmp_path / "second.db", create=True) as catalogue:
        imported(catalogue, tmp_path / "medium")
    for name in ("first.db", "second.db"):
        (row,) = rows(tmp_path / name, "SELECT PatientName FROM v_patient")
        assert row["PatientName"] == NAMES[character_set].rstrip("=")
