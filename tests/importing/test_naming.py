"""Names of copies: whatever stands in a file, the name is one that any file system takes."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from catalog.entities import Claims, Instance, Patient, Series, Study
from catalog.errors import ConfigError
from catalog.importing.naming import Folders, apart, component, folded, template

DEFAULT = "{PatientID}/{StudyDate}_{StudyInstanceUID}/{SeriesNumber}_{Modality}/{SOPInstanceUID}.dcm"  # fmt: skip
HOSTILE = st.one_of(
    st.text(max_size=400),
    st.text(alphabet='./\\:*?"<>|\0\n\r ~-_;!$%ABCcon', max_size=30),
    st.sampled_from(["..", ".", "", " ", "CON", "nul.dcm", "COM1", "lpt9.x.y", "aux ", "AUX .txt", "a" * 300,
                     "é" * 200, "../../etc/passwd", "C:\\x", "a.zip", "x.part", "dicomdir", "DICOMDIR;1", "\u202egnp.exe", "e\u0301", "COM¹", "-rf", "~", "x.tar.GZ"]),
)  # fmt: skip


def stated(patient_id: str | None = "P1", **instance: object) -> Claims:
    return Claims(
        Patient(patient_id=patient_id),
        Study(study_instance_uid="1.2", study_date="2024-01-31"),
        Series(series_instance_uid="1.2.3", series_number=4, modality="CT"),
        Instance(sop_instance_uid="1.2.3.4", **instance),  # type: ignore[arg-type]
    )


def is_safe(name: str) -> bool:
    """Say whether POSIX, Windows, macOS and UDF take `name`, by rules of their own and not of the code."""
    device = re.split(r"[.]", name, maxsplit=1)[0].rstrip(" ").upper()
    return (
        0 < len(name.encode("utf-8")) <= 255 - len(".part")
        and name not in (".", "..")
        and not re.search(r'[\x00-\x1f\x7f/\\:*?"<>|]', name)
        and name[-1] not in ". "
        and name[0] not in ". "
        and device not in {"CON", "PRN", "AUX", "NUL", *(f"{p}{n}" for p in ("COM", "LPT") for n in "0123456789¹²³")}
        and unicodedata.is_normalized("NFC", name)
        and not name.lower().endswith((".part", ".zip", ".tar", ".tar.gz", ".iso", ".dcm.gz"))
        and PureWindowsPath(name).name == name == PurePosixPath(name).name
    )  # fmt: skip


@given(text=HOSTILE)
@example(text="\ud800")
def test_any_text_becomes_a_name_that_every_file_system_takes(text: str) -> None:
    name = component(text)
    assert is_safe(name)
    assert component(name) == name


@given(text=HOSTILE, most=st.integers(40, 220))
def test_a_name_is_as_short_as_asked(text: str, most: int) -> None:
    assert len(component(text, most).encode("utf-8")) <= most + 2


@given(one=st.text(min_size=230), other=st.text(min_size=230))
def test_long_names_that_are_cut_stay_apart(one: str, other: str) -> None:
    assume(unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other))
    assume(len(one.encode("utf-8", "replace")) > 230 < len(other.encode("utf-8", "replace")))
    start = "x" * 220
    assert component(start + one) != component(start + other)


@given(value=HOSTILE, text=st.sampled_from([DEFAULT, "{PatientID}", "{PatientID}{PatientID}.dcm", "a/{PatientID}/b", "/".join(["{PatientID}"] * 16)]))  # fmt: skip
def test_a_value_makes_no_folder_and_leads_nowhere(value: str, text: str) -> None:
    path = template(text).path(stated(value))
    assert path.count("/") == text.count("/")
    assert all(is_safe(part) for part in path.split("/"))
    assert len(path.encode("utf-8")) <= 1000
    assert not PureWindowsPath(path).is_absolute()


def test_the_default() -> None:
    assert template(DEFAULT).path(stated()) == "P1/20240131_1.2/4_CT/1.2.3.4.dcm"


@pytest.mark.parametrize("empty", [None, "", "   "])
def test_what_is_empty_has_a_name_all_the_same(empty: str | None) -> None:
    assert template("{PatientID}/{InstanceNumber}").path(stated(empty)) == "no-PatientID/no-InstanceNumber"  # fmt: skip


def test_an_invalid_number_is_as_it_stands_in_the_file() -> None:
    claims = stated(raw=(("InstanceNumber", "1/A"),))
    assert template("{InstanceNumber}").path(claims) == "1_A"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{PatientId}", "Did you mean {PatientID}?"),
        ("{StudyInstnceUID}.dcm", "Did you mean {StudyInstanceUID}?"),
        ("{}", "not a keyword"),
        ("{__class__}", "not a keyword"),
        ("{PatientID.__class__}", "not a keyword"),
        ("{PatientID!r}", "not a keyword"),
        ("{0}", "not a keyword"),
        ("{PatientID", "brace"),
        ("PatientID}", "brace"),
        ("{{PatientID}}", "brace"),
        ("", "empty"),
        ("  ", "empty"),
        ("/{PatientID}", "below the archive folder"),
        ("{PatientID}/", "below the archive folder"),
        ("../{PatientID}", "below the archive folder"),
        ("a//{PatientID}", "below the archive folder"),
        ("C:/{PatientID}", "':'"),
        ("a\\{PatientID}", "not every file system"),
        ("all.dcm", "names no attribute"),
        ("/".join(["{PatientID}"] * 17), "16 are allowed"),
    ],
)
def test_a_template_that_is_none_says_why(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        template(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ABC", "abc"), ("Straße", "STRASSE"), ("\u00e9", "e\u0301"), ("\ufb01x", "FIX")],
)
def test_names_that_some_file_systems_take_for_one_are_folded_to_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@given(names=st.lists(st.text(alphabet="aAbBéÉ.", min_size=1, max_size=3).map(component), min_size=1, max_size=12))  # fmt: skip
def test_settled_names_differ_in_more_than_case(names: list[str]) -> None:
    folders = Folders(lambda folder: ["Ab"] if not folder else [])
    settled = {name: folders.settled(name) for name in dict.fromkeys(names)}
    assert len({folded(name) for name in settled.values()}) == len(settled)
    assert settled.get("Ab", "Ab") == "Ab"
    # Another run, which finds on disk what this one made, says the same.
    again = Folders(lambda folder: ["Ab", *settled.values()] if not folder else [])
    assert {name: again.settled(name) for name in reversed(list(settled))} == settled


def test_a_folder_is_told_apart_for_all_that_lies_in_it() -> None:
    folders = Folders(lambda folder: [])
    first, second, third = (folders.settled(path) for path in ("abc/x", "ABC/x", "ABC/y"))
    assert first == "abc/x"
    assert second.split("/")[0] == third.split("/")[0] != "ABC"


@given(name=HOSTILE.map(component), mark=st.just("0123456789abcdef"))
def test_a_mark_keeps_a_name_safe(name: str, mark: str) -> None:
    marked = apart(apart(name, "01234567"), mark)
    assert is_safe(marked)
    assert PurePosixPath(marked).suffix == PurePosixPath(name).suffix or len(PurePosixPath(name).suffix) > 9 or "." not in name[1:]  # fmt: skip
