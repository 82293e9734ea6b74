"""What a user may type, and what it then means (PS3.4 C.2.2.2)."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.attributes import BY_KEYWORD
from catalog.entities import Claims, Instance, Patient, Series, Study
from catalog.errors import SelectionError
from catalog.normal_forms import indexed, normal
from catalog.query.naming import attribute_named
from catalog.query.parse import key_terms, selection, term
from catalog.query.values import matcher


def accepts(keyword: str, typed: str, stored: str | float | None) -> bool:
    """Return whether `typed` finds an attribute stored as `stored`."""
    attribute = BY_KEYWORD[keyword]
    return matcher(attribute, typed).accepts(attribute, stored)


CASES = [
    # single value matching (.1): exact and case-sensitive, spaces at the ends aside
    ("PatientID", "P1", "P1", True),
    ("PatientID", "p1", "P1", False),
    ("PatientID", "P1", "P12", False),
    ("PatientID", " P1 ", "P1", True),
    ("PatientID", "P 1", "P 1", True),
    ("PatientID", "P-1", "P-1", True),
    ("PatientID", "a[1]", "a[1]", True),
    ("PatientID", "a[1]", "a1", False),
    ("PatientID", "5'3\"", "5'3\"", True),
    ("PatientID", "Ü", "Ü", True),
    ("Modality", "CT", "CT", True),
    ("Modality", "CT", "CTA", False),
    ("Modality", "CT", None, False),
    ("Modality", "CT", "", False),
    ("AccessionNumber", "20240101-20240131", "20240101-20240131", True),
    # person names (.1.1): no case, no accents, any component group
    ("PatientName", "müller^anna", "Muller^Anna", True),
    ("PatientName", "MULLER^ANNA", "Müller^Anna", True),
    ("PatientName", "Muller", "Müller^Anna", False),
    ("PatientName", "Muller*", "Müller^Anna", True),
    ("PatientName", "*anna", "Müller^Anna", True),
    ("PatientName", "m?ller^*", "Müller^Anna", True),
    ("PatientName", "Doe^Jane", "Doe^Jane^^^", True),
    ("PatientName", "Doe^Jane^^^", "Doe^Jane", True),
    ("PatientName", "山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("PatientName", "yamada^tarou", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("PatientName", "Yamada^Tarou=山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("PatientName", "太郎", "Yamada^Tarou=山田^太郎", False),
    ("PatientName", "Doe^Jane", None, False),
    ("PatientName", "Doe^Jane", "", False),
    ("PerformingPhysicianName", "roe^r", "Doe^J\\Roe^R", True),
    # lists of UIDs (.2)
    ("StudyInstanceUID", "1.2.3", "1.2.3", True),
    ("StudyInstanceUID", "1.2.3", "1.2.34", False),
    ("StudyInstanceUID", "1.2.3\\1.2.4", "1.2.4", True),
    ("StudyInstanceUID", "1.2.3,1.2.4", "1.2.3", True),
    ("StudyInstanceUID", "1.2.3, 1.2.4", "1.2.4", True),
    ("StudyInstanceUID", "1.2.3,1.2.4", "1.2.5", False),
    # universal matching (.3)
    ("PatientID", "", None, True),
    ("PatientID", "", "", True),
    ("PatientID", "", "P1", True),
    ("PatientID", "*", None, True),
    ("PatientID", "*", "", True),
    ("StudyDate", "", None, True),
    ("SeriesNumber", "", None, True),
    # wildcard matching (.4)
    ("PatientID", "P*", "P", True),
    ("PatientID", "P*", "P123", True),
    ("PatientID", "P*", "p123", False),
    ("PatientID", "P?", "P1", True),
    ("PatientID", "P?", "P", False),
    ("PatientID", "P?", "P12", False),
    ("PatientID", "*1*", "P12", True),
    ("PatientID", "[P]*", "P1", False),
    ("PatientID", "[P]*", "[P]1", True),
    ("PatientID", "P.*", "P1", False),
    ("PatientID", "P%", "P1", False),
    ("PatientID", "P_", "P1", False),
    ("PatientID", "P*", None, False),
    ("PatientID", "**", "", True),
    ("PatientID", "?*", "", False),
    ("StudyDescription", "*thorax*", "CT\nthorax", True),
    ("ImageType", "DERIV*", "ORIGINAL\\PRIMARY", False),
    ("ImageType", "PRIM*", "ORIGINAL\\PRIMARY", True),
    # range matching (.5), both ends included
    ("StudyDate", "20240131", "2024-01-31", True),
    ("StudyDate", "2024-01-31", "2024-01-31", True),
    ("StudyDate", "20240131", "2024-01-30", False),
    ("StudyDate", "20240101-20240131", "2024-01-01", True),
    ("StudyDate", "20240101-20240131", "2024-01-31", True),
    ("StudyDate", "20240101-20240131", "2024-02-01", False),
    ("StudyDate", "20240101-20240131", "2023-12-31", False),
    ("StudyDate", "2024-01-01-2024-01-31", "2024-01-15", True),
    ("StudyDate", "20240101-", "2099-01-01", True),
    ("StudyDate", "2024", "2024-12-31", True),
    ("StudyDate", "20240101-", "2023-12-31", False),
    ("StudyDate", "-20240131", "1900-01-01", True),
    ("StudyDate", "-20240131", "2024-02-01", False),
    ("StudyDate", "20240101-", None, False),
    ("StudyDate", "-20240131", "", False),
    ("StudyTime", "10", "10:00:00", True),
    ("StudyTime", "1000", "10", True),
    ("StudyTime", "10:00", "10:00:00.000", True),
    ("StudyTime", "100000", "10:00:01", False),
    ("StudyTime", "101500.5", "10:15:00.500", True),
    ("StudyTime", "101500.5", "10:15:00.51", False),
    ("StudyTime", "0800-1200", "08:00", True),
    ("StudyTime", "0800-1200", "08", True),
    ("StudyTime", "0800-1200", "12:00:30", True),
    ("StudyTime", "0800-1200", "12:01", False),
    ("StudyTime", "0800-1200", "07:59:59.999999", False),
    ("StudyTime", "08:00-12:00", "10:15:00.5", True),
    ("StudyTime", "0800-", "23:59:60", True),
    ("StudyTime", "-1200", "00", True),
    ("AcquisitionDateTime", "20240131101500", "2024-01-31T10:15:00", True),
    ("AcquisitionDateTime", "20240131-20240201", "2024-01-31T00:00:00", True),
    ("AcquisitionDateTime", "20240131-20240201", "2024-02-01T23:59:59.9", True),
    ("AcquisitionDateTime", "20240131-20240201", "2024-02-02", False),
    ("AcquisitionDateTime", "20240131-", "2024-03", True),
    ("AcquisitionDateTime", "-20240131", "2024-01-31T23", True),
    # numbers
    ("SeriesNumber", "7", 7, True),
    ("SeriesNumber", "007", 7, True),
    ("SeriesNumber", "+7", 7, True),
    ("SeriesNumber", "7", 70, False),
    ("SeriesNumber", "7", None, False),
    ("SliceThickness", "1.50", 1.5, True),
    ("SliceThickness", "15e-1", 1.5, True),
    # empty value matching (.7)
    ("PatientID", '""', None, True),
    ("PatientID", '""', "", True),
    ("PatientID", '""', "P1", False),
    ("StudyDate", '""', "", True),
    ("SeriesNumber", '""', None, True),
    ("SeriesNumber", '""', 0, False),
    # multi-valued attributes match by any value (C.2.2.3)
    ("ImageType", "PRIMARY", "ORIGINAL\\PRIMARY\\AXIAL", True),
    ("ImageType", "PRIM", "ORIGINAL\\PRIMARY", False),
    ("OtherPatientIDs", "B", "A\\B", True),
    ("OtherPatientIDs", "B", "A\\BB", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("keyword", "typed", "stored", "expected"),
    CASES,
    ids=[f"{k}={t} {'finds' if e else 'passes over'} {s}" for k, t, s, e in CASES],
)
def test_what_is_found(
    keyword: str, typed: str, stored: str | float | None, expected: bool
) -> None:
    assert accepts(keyword, typed, stored) is expected


def test_several_values_of_one_attribute_must_all_be_there() -> None:
    """Multiple value matching (PS3.4 C.2.2.2.8)."""
    assert accepts("ImageType", "ORIGINAL\\PRIMARY", "ORIGINAL\\PRIMARY\\AXIAL")
    assert not accepts("ImageType", "ORIGINAL\\SECONDARY", "ORIGINAL\\PRIMARY\\AXIAL")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("20240131101500", "2024-01-31T10:15:00.000000"),
        ("20240131101500.000", "2024-01-31T10:15:00"),
        ("202401311015", "2024-01-31T10:15:00"),
    ],
)
def test_moments_are_compared_by_meaning_as_times_are(typed: str, stored: str) -> None:
    assert accepts("AcquisitionDateTime", typed, stored)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("PatientId", None),
        ("patientid", None),
        ("PatientIDs", "Did you mean PatientID?"),
        ("Modalty", "Did you mean Modality?"),
        ("StudyInstanceUId", None),
        ("StudyUID", "Did you mean"),
        ("Xyzzy", "'Xyzzy' is not a keyword that the catalogue keeps."),
        ("", "'' is not a keyword"),
        ("TransferSyntaxUID", None),
        ("00101010", "not a keyword"),
    ],
)
def test_keywords_are_known_or_the_nearest_is_named(typed: str, said: str | None) -> None:
    if said is None:
        assert attribute_named(typed).keyword.lower() == typed.lower()
        return
    with pytest.raises(SelectionError) as caught:
        attribute_named(typed)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2
    assert caught.value.term == typed


@pytest.mark.parametrize(
    ("keyword", "typed", "said"),
    [
        ("StudyDate", "tomorrow", "is not a date or range for StudyDate. Write 20240131"),
        ("StudyDate", "yesterday", "'yesterday' for StudyDate has no meaning here"),
        ("StudyDate", "20240230", "is not a date"),
        ("StudyDate", "20", "is not a date"),
        ("StudyDate", "202", "is not a date"),
        ("StudyDate", "2024*", "is not a date"),
        ("StudyDate", "*", "is not a date"),
        ("StudyDate", "-", "is not a date"),
        ("StudyDate", "20240101-20240201-20240301", "is not a date"),
        ("StudyDate", "20240201-20240101", "ends before it begins"),
        ("StudyDate", "31.01.2024", "is not a date"),
        ("StudyTime", "noon", "is not a time or range for StudyTime"),
        ("StudyTime", "2500", "is not a time"),
        ("StudyTime", "1200-0800", "ends before it begins"),
        ("StudyTime", "10*", "is not a time"),
        ("StudyTime", "-", "is not a time"),
        ("AcquisitionDateTime", "now", "is not a date and time or range"),
        ("AcquisitionDateTime", "20240201-20240101", "ends before it begins"),
        ("AcquisitionDateTime", "-", "is not a date and time"),
        ("SeriesNumber", "one", "'one' is not a number, and SeriesNumber is one."),
        ("SeriesNumber", "1*", "is not a number"),
        ("SeriesNumber", "1-5", "is not a number"),
        ("SeriesNumber", "1.5", "is not a number"),
        ("Rows", "0x10", "is not a number"),
        ("SliceThickness", "thin", "is not a number"),
        ("SliceThickness", "nan", "is not a number"),
        ("PixelSpacing", "wide", "is not a number"),
        ("StudyInstanceUID", "1.2.*", "is not a UID; StudyInstanceUID takes whole UIDs"),
        ("StudyInstanceUID", "1.2.3,", "is not a UID"),
        ("StudyInstanceUID", "1..2", "is not a UID"),
        ("StudyInstanceUID", "abc", "is not a UID"),
    ],
)
def test_what_cannot_be_a_value_is_refused(keyword: str, typed: str, said: str) -> None:
    with pytest.raises(SelectionError) as caught:
        matcher(BY_KEYWORD[keyword], typed)
    assert said in str(caught.value)
    assert keyword in str(caught.value)


@pytest.mark.parametrize("typed", ["Modality", "", "Modality:CT"])
def test_a_key_needs_an_equals_sign(typed: str) -> None:
    with pytest.raises(SelectionError, match="not of the form KEYWORD=VALUE"):
        key_terms([typed])


def test_a_value_may_hold_an_equals_sign() -> None:
    (found,) = key_terms(["PatientName=a=b"])
    assert found.accepts("A=B")


def claims(**values: str | int | None) -> Claims:
    """Return the claims of one instance with these values at whatever level they belong."""
    kinds = (Patient, Study, Series, Instance)
    return Claims(
        *(kind(**{k: v for k, v in values.items() if k in kind._fields}) for kind in kinds)
    )


class TestSelection:
    """Repeating a key is OR, different keys are AND."""

    CT_P1 = claims(patient_id="P1", modality="CT")
    MR_P1 = claims(patient_id="P1", modality="MR")
    US_P2 = claims(patient_id="P2", modality="US")

    @pytest.mark.parametrize(
        ("keys", "options", "found"),
        [
            ([], [], "CT MR US"),
            (["Modality=CT"], [], "CT"),
            (["Modality=CT", "Modality=US"], [], "CT US"),
            (["modality=CT", "MODALITY=US"], [], "CT US"),
            (["Modality=CT", "PatientID=P1"], [], "CT"),
            (["Modality=CT", "PatientID=P2"], [], ""),
            (["Modality=CT"], [("Modality", ["US"])], "CT US"),
            ([], [("Modality", ["CT", "MR"]), ("PatientID", ["P1"])], "CT MR"),
            ([], [("Modality", [])], "CT MR US"),
            (["Modality="], [], "CT MR US"),
        ],
    )  # fmt: skip
    def test_or_and_and(
        self, keys: list[str], options: list[tuple[str, list[str]]], found: str
    ) -> None:
        asked = selection(keys, options)
        names = {"CT": self.CT_P1, "MR": self.MR_P1, "US": self.US_P2}
        assert " ".join(name for name, stated in names.items() if asked.matches(stated)) == found

    def test_nothing_asked_is_everything(self) -> None:
        assert selection().is_everything
        assert not selection(listed=[]).is_everything
        assert not selection(["Modality=CT"]).is_everything
        assert not selection(conditions=["1"]).is_everything

    def test_lists_lose_line_ends_and_blank_lines_only(self) -> None:
        assert selection(listed=["1.2.3\r\n", "\n", " a b\n", "", "  \n"]).listed == (
            "1.2.3",
            " a b",
        )

    def test_an_instance_of_no_patient_is_found_by_its_own_attributes_alone(self) -> None:
        palette = Claims(None, None, None, Instance(sop_class_uid="1.2"))
        assert selection(["SOPClassUID=1.2"]).matches(palette)
        assert not selection(["PatientID=*x"]).matches(palette)
        assert selection(['PatientID=""']).matches(palette)


NAMES = st.text("ABc äÉ山^=' ", min_size=1, max_size=12).filter(lambda s: s.strip(" ^="))


@given(NAMES)
@example("Wang^XiaoDong==phonetic")
@example("Doe^Jane^^^=山田")
@example("=山田^太郎")
def test_a_name_finds_itself(name: str) -> None:
    assert accepts("PatientName", name, name.strip())


@given(
    st.sampled_from(["PatientID", "StudyID", "Modality", "StudyDescription", "InstitutionAddress"]),
    st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=12).filter(
        lambda s: s.strip() and s.strip() != '""'
    ),
)
def test_a_text_finds_itself(keyword: str, text: str) -> None:
    # Of an address the leading spaces count.
    assert accepts(
        keyword, text, text.rstrip() if keyword == "InstitutionAddress" else text.strip()
    )


@given(st.sampled_from(["StudyDate", "StudyTime", "AcquisitionDateTime"]), st.data())
def test_a_date_or_time_finds_itself(keyword: str, data: st.DataObject) -> None:
    moment = data.draw(
        st.datetimes(datetime(1900, 1, 1)).map(lambda d: d.strftime("%Y%m%d%H%M%S"))  # noqa: DTZ001
    )
    lengths, start, end = {"StudyDate": ((8,), 0, 8), "StudyTime": ((2, 4, 6), 8, 14), "AcquisitionDateTime": ((4, 6, 8, 10, 12, 14), 0, 14)}[keyword]  # fmt: skip
    text = moment[start:end][: data.draw(st.sampled_from(lengths))]
    attribute = BY_KEYWORD[keyword]
    stored, raw = normal(attribute.vr, False, text)
    assert raw is None
    assert accepts(keyword, text, stored)
    assert accepts(keyword, f"{text}-", stored)
    assert accepts(keyword, f"-{text}", stored)
    assert accepts(keyword, f"{text}-{text}", stored)


@given(st.sampled_from(sorted(BY_KEYWORD)), st.text(max_size=20))
def test_whatever_is_typed_has_a_meaning_or_a_sentence(keyword: str, typed: str) -> None:
    try:
        found = term(keyword, [typed])
    except SelectionError as exc:
        assert keyword in str(exc)  # noqa: PT017
    else:
        assert isinstance(found.accepts("x"), bool)


def test_what_is_too_long_for_an_index_is_found_by_all_of_it() -> None:
    whole = "P" + "1" * 5000
    kept = indexed(whole)
    (term,) = selection([f"PatientID={whole}"]).terms
    assert term.accepts(kept)
    assert not term.accepts(indexed(whole + "1"))
    (term,) = selection([f"StudyInstanceUID=1.{'2' * 600}"]).terms
    assert term.accepts(indexed(f"1.{'2' * 600}"))
    (term,) = selection([f"StudyDescription={whole}"]).terms
    assert term.accepts(whole)
