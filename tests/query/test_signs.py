"""Negation, comparison, dates and times together, relative dates; and selections taken together."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.attributes import ATTRIBUTES, BY_KEYWORD
from catalog.entities import Claims, Instance, Patient, Series, Study, Value
from catalog.errors import SelectionError
from catalog.query.parse import selection
from catalog.query.selection import Selection
from catalog.query.values import Manner

TODAY = date(2024, 3, 31)


def asked(*keys: str, today: date | None = TODAY) -> Selection:
    return selection(keys, manner=Manner(today))


def claims(**values: Value) -> Claims:
    """Return the claims of one instance with these values at whatever level they belong."""
    kinds = (Patient, Study, Series, Instance)
    return Claims(
        *(kind(**{k: v for k, v in values.items() if k in kind._fields}) for kind in kinds)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("Modality!=", "Modality!= excludes everything"),
        ("Modality!=*", "Modality!= excludes everything"),
        ("Modality<CT", "Modality cannot be compared by <: its values are no numbers, dates or times (CS)"),
        ("PatientName>=A", "PatientName cannot be compared by >="),
        ("StudyInstanceUID>1.2", "StudyInstanceUID cannot be compared by >"),
        ("Rows>", "'' is not a number, with which Rows can be compared."),
        ("Rows>many", "'many' is not a number, with which Rows"),
        ("Rows>NaN", "'NaN' is not a number"),
        ("Rows>1e999", "'1e999' is not a number"),
        ("Rows=>512", "'>512' is not a number, and Rows is one."),
        ("Rows==512", "'=512' is not a number"),
        ('Rows>""', "is not a number"),
        ("SeriesNumber=1-5", "A range of numbers is asked for in two: -k 'SeriesNumber>=1' -k 'SeriesNumber<=5'."),
        ("StudyDate>=20240101-20240131", "is not one date, with which StudyDate can be compared. Write StudyDate>=20240131."),
        ("StudyDate<", "'' is not one date"),
        ("StudyDate>=soon", "'soon' is not one date"),
        ("StudyTime<25", "'25' is not one time"),
        ("AcquisitionDateTime<now", "'now' is not one date and time"),
        ("StudyDate=last-30", "is not a date or range"),
        ("StudyDate=last-x", "is not a date or range"),
        ("StudyDate=last-99999y", "begins before the first year"),
        ("StudyDate=last-99999m", "begins before the first year"),
        ("StudyDate=today-yesterday", "ends before it begins"),
        ("StudyDate+StudyTime=tomorrow", "is not a date and time without a UTC offset or range for StudyDate"),
        ("StudyDate+StudyTime=2024010112+0100", "is not a date and time without a UTC offset"),
        ("StudyDate+StudyTime=2024010212-2024010112", "ends before it begins"),
        ("StudyDate+SeriesTime=2024", "one is of the study, the other of the series"),
        ("StudyTime+StudyDate=2024", "cannot be taken together; name a date and a time"),
        ("StudyDate+Modality=2024", "cannot be taken together"),
        ("StudyDate+=2024", "'' is not a keyword"),
        ("PatientAge=1", "'PatientAge' is not a keyword"),
        ("!=1", "'' is not a keyword"),
        ("StudyInstanceUID=1.2\0", "holds a NUL"),
        ("PatientName=\udc80", "holds bytes that are no text"),
        ("PatientID=" + "*a" * 6000, "The pattern for PatientID has 12,000 characters, more than 10,240."),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_sentence(key: str, said: str) -> None:
    with pytest.raises(SelectionError) as caught:
        asked(key)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 600


def test_without_a_day_there_is_no_today() -> None:
    with pytest.raises(SelectionError, match="'today' for StudyDate has no meaning here"):
        asked("StudyDate=today", today=None)


def test_too_many_conditions_are_refused() -> None:
    asked(*(f"Rows!={i}" for i in range(2000)))
    asked(*(f"PatientID=P{i}*" for i in range(2000)))
    for many in (
        [f"Rows>{i}" for i in range(500)],
        [f"PatientName=doe{i}" for i in range(500)],
        [f"StudyDate={1500 + i}" for i in range(500)],
        ["ImageType=" + "\\".join(f"T{i}" for i in range(500))],
    ):
        with pytest.raises(SelectionError, match=r"\d+ different conditions are asked at once"):
            asked(*many)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("last-0d", "2024-03-31"),
        ("last-1d", "2024-03-30"),
        ("last-2w", "2024-03-17"),
        ("last-1m", "2024-02-29"),
        ("last-3m", "2023-12-31"),
        ("last-13m", "2023-02-28"),
        ("last-1y", "2023-03-31"),
        ("LAST-30D", "2024-03-01"),
    ],
)
def test_relative_dates(typed: str, first: str) -> None:
    found = asked(f"StudyDate={typed}")
    day = date.fromisoformat(first)
    assert found.matches(claims(study_date=first))
    assert found.matches(claims(study_date="2024-03-31"))
    assert not found.matches(claims(study_date="2024-04-01"))
    assert not found.matches(claims(study_date=date.fromordinal(day.toordinal() - 1).isoformat()))


def test_a_leap_day_a_year_ago_is_the_last_of_its_month() -> None:
    found = selection(["StudyDate=last-1y"], manner=Manner(date(2024, 2, 29)))
    assert found.matches(claims(study_date="2023-02-28"))
    assert not found.matches(claims(study_date="2023-02-27"))


SOME = st.sampled_from(["CT", "SR", "A\\B", "", None, "2024-01-31", "2024-02-01", "10:00", "1.2"])
TYPED = st.sampled_from(["CT", "S?", "A", "20240131", "2024-", "today", "10", "1.2", '""', "7", "doe*"])  # fmt: skip


@given(st.sampled_from([a for a in ATTRIBUTES if not a.is_number]), TYPED, SOME)
def test_each_value_fits_either_a_key_or_its_negation(
    attribute: object, typed: str, stored: Value
) -> None:
    keyword, column = attribute.keyword, attribute.column  # type: ignore[attr-defined]
    if column not in {*Patient._fields, *Study._fields, *Series._fields, *Instance._fields}:
        return
    try:
        positive, negative = asked(f"{keyword}={typed}"), asked(f"{keyword}!={typed}")
    except SelectionError:
        return
    one = claims(**{column: stored})
    assert positive.matches(one) is not negative.matches(one)


@given(
    st.sampled_from(["Rows", "SliceThickness", "SeriesNumber"]),
    st.integers(-3, 3),
    st.none() | st.integers(-3, 3),
)
def test_numbers_are_in_order(keyword: str, bound: int, stored: int | None) -> None:
    one = claims(**{BY_KEYWORD[keyword].column: stored})
    fits = {sign: asked(f"{keyword}{sign}{bound}").matches(one) for sign in ("<", "<=", "=", ">=", ">")}  # fmt: skip
    if stored is None:
        assert not any(fits.values())
        return
    wanted = {"<": stored < bound, "<=": stored <= bound, "=": stored == bound, ">=": stored >= bound, ">": stored > bound}  # fmt: skip
    assert fits == wanted


@pytest.mark.parametrize("key", ["StudyDate{}20240115", "StudyTime{}1030", "AcquisitionDateTime{}2024", "StudyDate+StudyTime{}2024011510"])  # fmt: skip
def test_what_is_typed_parts_time_in_three(key: str) -> None:
    """Before what is covered, in it, after it: every moment is in one of them."""
    for day in ("2023-12-31", "2024-01-15", "2024-01-16"):
        for time in ("09:59:59.9", "10", "10:30", "10:30:59.999999", "10:31", "11"):
            one = claims(study_date=day, study_time=time, acquisition_date_time=f"{day}T{time}")
            fits = {sign: asked(key.format(sign)).matches(one) for sign in ("<", "<=", "=", ">=", ">")}  # fmt: skip
            assert fits["<"] + fits["="] + fits[">"] == 1
            assert fits["<="] is (fits["<"] or fits["="])
            assert fits[">="] is (fits[">"] or fits["="])


class TestTogether:
    """Within one selection one attribute is either; of two selections both."""

    CT = claims(modality="CT", patient_id="P1")
    MR = claims(modality="MR", patient_id="P1")

    def test_terms_on_one_attribute_in_two_selections_are_both(self) -> None:
        both = asked("Modality=CT", "Modality=MR") & asked("Modality=MR")
        assert not both.matches(self.CT)
        assert both.matches(self.MR)

    def test_nothing_that_is_asked_is_lost(self) -> None:
        one = selection(["Modality=CT"], (), ["1"], ["SELECT 1"], ["a"], "typed", (), ["x"])
        other = selection(["PatientID=P1"], (), ["2"], ["SELECT 2"], ["b"], "other", (), ["y"])
        both = one & other
        assert [len(part) for part in (both.terms, both.conditions, both.statements, both.lists, both.texts)] == [2] * 5  # fmt: skip
        assert both.listed == ("a", "b")
        assert both.keywords == ("Modality", "PatientID")
        assert (both.text, (Selection() & other).text) == ("typed", "other")

    def test_everything_changes_nothing(self) -> None:
        one = selection(["Modality=CT", "Rows>1"], listed=["1.2"], words=["a"])
        assert one & Selection() == Selection() & one == one & one == one

    def test_an_empty_list_selects_nothing_whatever_stands_beside_it(self) -> None:
        assert (selection(listed=[]) & selection(listed=["1.2"])).lists == ((), ("1.2",))
