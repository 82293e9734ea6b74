"""Selections in SQL find what the same selections find in memory."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from catalog.attributes import ATTRIBUTES, BY_KEYWORD, Attribute
from catalog.database.catalogue import open_catalogue
from catalog.database.location import Location
from catalog.database.matching import of_kind
from catalog.entities import Claims, Instance, Level, Patient, Series, Study, Value
from catalog.errors import SelectionError
from catalog.normal_forms import normal
from catalog.query.computed import COMPUTED
from catalog.query.matchers import COMPARISONS
from catalog.query.parse import selection
from catalog.query.selection import Selection
from catalog.query.values import Manner
from tests.database.stating import copied, reading, stated, store
from tests.database.test_select import found

TODAY = date(2024, 3, 31)

ALPHABET = "aAbB1*?[]()\"'\\^=%_-~,;: üÜß山\n"
TEXTS = st.none() | st.sampled_from(["", "a", "A", "a*", "[a]", 'a"b', "a'b", "a\\b", "\\", "\\\\", "a\\", "\\a", "Müller^A", "doe^jane^^", "DOE", "Doe^J=山田^太郎"]) | st.text(ALPHABET, max_size=5)  # fmt: skip
DATES = st.none() | st.sampled_from(
    ["", "20231231", "20240101", "20240131", "20240330", "20240331", "20240230", "x", "2024.01.31"]
)
CLOCKS = st.none() | st.sampled_from(["", "00", "08", "0830", "083000", "083000.0", "083000.50", "083000.500000", "12", "235960", "99"])  # fmt: skip
MOMENTS = st.none() | st.sampled_from(["", "2024", "202401", "20240131", "2024013108", "20240131083000.5+0100", "20240131073000.5+0000", "20240131083000", "2024-0500", "202401310730+0000", "20240101000000+1400", "0001+1400", "99991231235960-1200", "y"])  # fmt: skip
NUMBERS = st.none() | st.sampled_from(
    ["", "0", "1", "2", "-1", "007", "7", "2147483647", "9999999999", "1A"]
)
DECIMALS = st.none() | st.sampled_from(
    ["", "0", "-0", "1.5", "1.50", "15E-1", "0.1", "1e-7", "thick"]
)
LISTS = st.none() | st.lists(
    st.sampled_from(["", "A", "B", "AB", "a*", "[A]", '"', "0.5", "0.50", "1", "1e0", "doe^a"]),
    max_size=3,
).map("\\".join)
UIDS = st.sampled_from([None, "", "1.2", "1.2.3", "1.2.34"])


def typed_values(attribute: Attribute) -> st.SearchStrategy[str | None]:
    """Return texts as they may stand in a file for the attribute."""
    if attribute.is_multi_valued:
        return LISTS
    return {"DA": DATES, "TM": CLOCKS, "DT": MOMENTS, "IS": NUMBERS, "US": NUMBERS, "DS": DECIMALS, "UI": UIDS}.get(attribute.vr, TEXTS)  # fmt: skip


KEPT = [a for a in ATTRIBUTES if a.level is not Level.FILE]
IDENTITY = {
    "PatientID",
    "IssuerOfPatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
}


@st.composite
def archives(draw: st.DrawFn) -> list[Claims]:
    """Draw the claims of a few instances; those of one patient, study or series agree on it."""

    def entity(kind: type, level: Level, **identity: str) -> Any:
        values, raw = {}, []
        for attribute in KEPT:
            if attribute.level is level and attribute.keyword not in IDENTITY:
                value, text = normal(
                    attribute.vr, attribute.is_multi_valued, draw(typed_values(attribute))
                )
                values[attribute.column] = value
                if text is not None:
                    raw.append((attribute.keyword, text))
        return kind(**values, **identity, raw=tuple(sorted(raw)))

    claims = []
    for p in range(draw(st.integers(1, 2))):
        patient = entity(
            Patient,
            Level.PATIENT,
            patient_id=draw(st.sampled_from(["P", "[P]", "p*", "'P"])) + str(p),
        )
        for t in range(draw(st.integers(1, 2))):
            study = entity(Study, Level.STUDY, study_instance_uid=f"1.{p}.{t}")
            for s in range(draw(st.integers(1, 2))):
                series = entity(Series, Level.SERIES, series_instance_uid=f"1.{p}.{t}.{s}")
                for i in range(draw(st.integers(1, 2))):
                    instance = entity(
                        Instance, Level.INSTANCE, sop_instance_uid=f"1.{p}.{t}.{s}.{i}"
                    )
                    claims.append(Claims(patient, study, series, instance, "IMAGE"))
    if draw(st.booleans()):
        palette = entity(Instance, Level.INSTANCE, sop_instance_uid="1.9")
        claims.append(Claims(None, None, None, palette, "PALETTE"))
    return claims


RANGES = st.sampled_from(["20240101-20240131", "20240101-", "-20240101", "0830-12", "083000.5-", "-0830", "2024-2024", "20240131-20240131", "2024", "2024-01", "2024-01-31T08:30", "2024-01-31T08:30+01:00", "202401310730+0000-", "-202401310830", "20240131083000-0500", "20231231+0100-20240131-1200", "today", "last-1m", "yesterday-today"])  # fmt: skip
PATTERNS = st.text("aAbB*?[]\"'\\^=ü山1 ", max_size=5) | st.sampled_from(["", '""', "*", "**", "?*", "*?", "[a]*", "*\\*", '*"*', "a\\b", "A\\B", "1.2,1.2.3", "m?ller*", "*^*", "doe^*", "d*e", "doe*山", "doe*=山*", "*太郎"])  # fmt: skip
SIGNS = st.sampled_from(["=", "=", "=", "!=", "<", "<=", ">", ">="])
PAIRS = ("StudyDate+StudyTime", "SeriesDate+SeriesTime", "ContentDate+ContentTime")


@st.composite
def asked_keys(draw: st.DrawFn) -> list[str]:
    """Draw one to three KEYWORD=VALUE texts, as a user may type them."""
    keys = []
    for _ in range(draw(st.integers(1, 3))):
        attribute = draw(st.sampled_from([*KEPT, *COMPUTED, BY_KEYWORD["TransferSyntaxUID"]]))
        stored = typed_values(attribute).map(lambda text: text or "")
        keys.append(f"{attribute.keyword}{draw(SIGNS)}{draw(stored | stored | PATTERNS | RANGES)}")
    if draw(st.booleans()):
        typed = draw(RANGES | MOMENTS.map(lambda text: text or ""))
        keys.append(f"{draw(st.sampled_from(PAIRS))}{draw(SIGNS)}{typed}")
    return keys


WORDS = st.text("aAbB1*ü山^- ", min_size=1, max_size=4) | st.sampled_from(
    ["doe", "do*", "müller a", "MULLER", "山*", "jane doe", "a* b*", '"a"', "a AND b", "NEAR(a b)"]
)


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    """Draw what a user may ask, or that and something else."""
    manner = Manner(TODAY, draw(st.booleans()))
    keys = draw(asked_keys() | st.just([]))
    words = draw(st.lists(WORDS, max_size=2) if draw(st.integers(0, 3)) == 0 else st.just([]))
    try:
        asked = selection(keys, words=words, manner=manner)
    except SelectionError:
        return selection(["Modality=A"])
    return asked & draw(selections()) if draw(st.integers(0, 4)) == 0 else asked


def computed_of(claims: Sequence[Claims]) -> list[dict[str, Value]]:
    """Return, for each instance, the computed attributes of what it belongs to."""
    within: Mapping[Any, set[Any]] = defaultdict(set)
    for each in claims:
        if each.patient and each.study and each.series:
            patient, study, series = each.patient.patient_id, each.study.study_instance_uid, each.series.series_instance_uid  # fmt: skip
            instance = each.instance.sop_instance_uid
            within["number_of_patient_related_studies", patient].add(study)
            within["number_of_patient_related_series", patient].add(series)
            within["number_of_patient_related_instances", patient].add(instance)
            within["number_of_study_related_series", study].add(series)
            within["number_of_study_related_instances", study].add(instance)
            within["number_of_series_related_instances", series].add(instance)
            within["modalities_in_study", study].add(each.series.modality)
            within["sop_classes_in_study", study].add(each.instance.sop_class_uid)
    made = []
    for each in claims:
        values: dict[str, Value] = {}
        if each.patient and each.study and each.series:
            keys = (each.patient.patient_id, each.study.study_instance_uid, each.series.series_instance_uid)  # fmt: skip
            for (column, key), members in within.items():
                if key in keys:
                    values[column] = len(members) if column.startswith("number") else "\\".join(sorted(filter(None, members)))  # fmt: skip
        made.append(values)
    return made


def same_in_both(template: Path, claims: list[Claims], asked: Sequence[Selection]) -> None:
    """Hold the SQL twin to the one in memory for each of the selections."""
    readings = [reading(f"{i}", each) for i, each in enumerate(claims)]
    computed = computed_of(claims)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_catalogue(copied(template, folder)) as catalogue,
    ):
        store(catalogue, readings)
        for each in asked:
            fitting = [
                i
                for i, one in enumerate(claims)
                if each.matches(one, readings[i].file, computed[i])
            ]
            matching = [claims[i] for i in fitting]
            instances = {str(one.instance.sop_instance_uid) for one in matching}
            assert found(catalogue, Level.INSTANCE, each) == instances, each
            assert found(catalogue, Level.SERIES, each) == {
                one.series.series_instance_uid for one in matching if one.series
            }, each
            assert found(catalogue, Level.STUDY, each) == {
                one.study.study_instance_uid for one in matching if one.study
            }, each
            assert found(catalogue, Level.PATIENT, each) == {
                one.patient.patient_id for one in matching if one.patient
            }, each
            assert found(catalogue, Level.FILE, each) == {str(i) for i in fitting}, each


@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(archives(), st.lists(selections(), min_size=6, max_size=12))
def test_sql_finds_what_memory_finds(
    empty_catalogue: Location, claims: list[Claims], asked: list[Selection]
) -> None:
    same_in_both(empty_catalogue, claims, asked)


@pytest.mark.parametrize(
    ("column", "stored", "typed"),
    [
        ("ImageType", "ORIGINAL\\PRIMARY", "ORIGINAL\\PRIMARY"),
        ("ImageType", "ORIGINAL\\PRIMARY", "PRIMARY"),
        ("ImageType", "ORIGINAL\\\\AXIAL", "?*"),
        ("ImageType", 'A"\\B', '*"'),
        ("PixelSpacing", "0.5\\0.5", "0.5\\0.5"),
        ("PixelSpacing", "0.5\\0.50", "0.500"),
        ("PixelSpacing", "wide\\0.5", "0"),
        ("OtherPatientIDs", "A\\B\\C", "A\\C"),
        ("PatientName", "Ａ＝Ｂ", "ａ＝ｂ"),
        ("PatientName", "Doe^Jane", "doe^j*"),
        ("PatientName", "Doe^Jane", "d?e^j*e"),
        ("PatientName", "Doe山^Jane", "doe*"),
        ("PatientName", "Doe\u0903x", "doe*"),
        ("PatientName", "Doe^John=Roe^Jane", "d*jane"),
        ("PatientName", "Doe^John=Roe^Jane", "doe^john?roe^jane"),
        ("PatientName", "Doe", "doe^*"),
        ("PatientName", "Doe^Jane^^^", "DOE^JANE^"),
        ("PerformingPhysicianName", "Roe^R\\Doe^J", "doe^j\\roe^r"),
        ("PatientID", "\U0010ffff", "\U0010ffff*"),
        ("PatientID", "\ud7ff".encode("utf-16", "surrogatepass").decode("utf-16"), "\ud7ff*"),
        ("AcquisitionDateTime", "2024-01-31T08:30:00+01:00", "20240131073000+0000"),
        ("AcquisitionDateTime", "2024-05:00", "202403-"),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("sign", ["=", "!="])
def test_odd_values_are_alike_in_both(
    empty_catalogue: Location, column: str, stored: str, typed: str, exact: bool, sign: str
) -> None:
    same_in_both(
        empty_catalogue,
        [stated(**{BY_KEYWORD[column].column: stored})],
        [selection([f"{column}{sign}{typed}"], manner=Manner(TODAY, exact))],
    )


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.text("*?[]^-%_\\", max_size=4),
)
@example("a", "[^a]")
@example("a%b_c\\d", "a%*_?\\*")
@example("ab", "_%")
@example("a\nb", "a?*")
@example("a\\", "*\\")
@settings(max_examples=40)
def test_wildcards_are_alike_in_both(empty_catalogue: Location, text: str, pattern: str) -> None:
    typed = [f"{keyword}={value}" for keyword in ("PatientID", "InstitutionAddress", "PatientName", "SoftwareVersions") for value in (pattern, text, f"*{text}", f"{text[:2]}*{pattern}")]  # fmt: skip
    values = {
        "patient_id": text.strip(),
        "institution_address": text,
        "patient_name": text,
        "software_versions": text,
    }
    words = []
    for each in (text, text[:2] + "*"):
        try:
            words.append(selection(words=[each]))
        except SelectionError:
            continue
    asked = [selection([each], manner=Manner(TODAY, exact)) for each in typed for exact in (False, True)]  # fmt: skip
    same_in_both(empty_catalogue, [stated(**values)], asked + words)


WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.integers(2**53 - 2, 2**53 + 2)
REAL = st.floats(allow_nan=False, allow_infinity=False) | WHOLE.map(float) | st.sampled_from([0.5, -2.5, 1e300])  # fmt: skip


@given(st.sampled_from(["<", "<=", ">", ">="]), WHOLE | REAL, WHOLE | REAL)
@example(">", 2**53 + 1, 2.0**53)
@example("<=", 2.0**53, 2**53 + 1)
def test_a_bound_of_the_kind_of_the_numbers_parts_them_alike(
    sign: str, stored: float, bound: float
) -> None:
    sign_of_kind, bound_of_kind = of_kind(sign, bound, whole=isinstance(stored, int))
    if not isinstance(stored, int) or abs(bound) < 2**63:
        assert isinstance(bound_of_kind, int) is isinstance(stored, int)
    assert COMPARISONS[sign_of_kind](stored, bound_of_kind) is COMPARISONS[sign](stored, bound)


@pytest.mark.parametrize("typed", ["2147483647", "2147483648", "-9223372036854775808", "9007199254740993", "0.5", "1e300", "-1e300", "1e-320"])  # fmt: skip
def test_numbers_of_any_size_are_alike_in_both(empty_catalogue: Location, typed: str) -> None:
    names = ("Rows", "SliceThickness", "PixelSpacing", "SeriesNumber", "NumberOfStudyRelatedInstances")  # fmt: skip
    asked = [selection([f"{name}{sign}{typed}"]) for name in names for sign in ("<", "<=", ">", ">=")]  # fmt: skip
    claims = [
        stated(rows=1, slice_thickness=9007199254740992.0, pixel_spacing="0.5\\9007199254740993", series_number=2147483647),
        stated(patient_id="Q", study_instance_uid="1.5", series_instance_uid="1.5.1", sop_instance_uid="1.5.1.1", rows=-1, slice_thickness=0.5, pixel_spacing="-1e300\\1e-320", series_number=-2147483648),
    ]  # fmt: skip
    same_in_both(empty_catalogue, claims, asked)


@pytest.mark.parametrize("count", [1, 49, 51, 5000])
def test_any_number_of_values(empty_catalogue: Location, count: int) -> None:
    many = {
        "values": [f"PatientID=P{i}" for i in range(count)],
        "patterns": [f"PatientID=X{i}*" for i in range(count)] + ["PatientID=P?"],
        "others": [f"PatientID!=X{i}" for i in range(count)],
        "several": [f"ImageType=T{i}" for i in range(count)],
        "numbers": [f"SeriesNumber={i}" for i in range(count)],
        "dates": [f"StudyDate={1500 + i}" for i in range(min(count, 195))],
        "comparisons": [f"Rows!={i}" for i in range(count)]
        + [f"Columns>{i}" for i in range(min(count, 195))],
        "names": [f"PatientName=d*e{i}" for i in range(min(count, 195))],
        "all": ["ImageType=A\\T0" + "".join(f"\\T{i}" for i in range(min(count, 195)))],
    }
    claims = [
        stated(image_type="A\\T0", series_number=0),
        stated(
            patient_id="Q",
            study_instance_uid="1.5",
            series_instance_uid="1.5.1",
            sop_instance_uid="1.5.1.1",
        ),
    ]
    same_in_both(empty_catalogue, claims, [selection(keys) for keys in many.values()])


HOSTILE = ["' OR 1=1 --", '"; DROP TABLE patient; --', "a'); DELETE FROM file; --", ":p", "%(x)s", "[", "]", "[]", "[^", "[!a]", "[a-z]", "*[", "%", "_", "\\", "\\\\", "\\x00", "{0}", "${x}", "?1", "NULL", "null", "0x1F", "1e999", "NaN", "-inf", "99999999999999999999999999", "\u202e", "\ufeff", "a\nb", "\t", "=", "==", "<", ">", "!", "+", "~", "'", '"', '""""', "é" * 50, "*a" * 5000, "?" * 10_000, "a" * 100_000, "*" * 100_000, "[" * 10_000 + "*"]  # fmt: skip


@pytest.mark.parametrize("typed", HOSTILE, ids=[each[:12].encode("unicode_escape").decode() for each in HOSTILE])  # fmt: skip
def test_hostile_values_are_values_or_refused(empty_catalogue: Location, typed: str) -> None:
    asked = []
    attributes = ("PatientID", "PatientName", "InstitutionAddress", "ImageType", "Rows", "SliceThickness", "PixelSpacing", "StudyDate", "StudyTime", "AcquisitionDateTime", "StudyInstanceUID", "ModalitiesInStudy", "NumberOfStudyRelatedInstances", "StudyDate+StudyTime")  # fmt: skip
    for keyword in attributes:
        for sign in ("=", "!=", "<", ">="):
            try:
                asked.append(selection([f"{keyword}{sign}{typed}"], manner=Manner(TODAY)))
            except SelectionError as exc:
                assert len(str(exc)) < 700  # noqa: PT017
    try:
        asked.append(selection(words=[typed]))
    except SelectionError as exc:
        assert len(str(exc)) < 700  # noqa: PT017
    claims = [
        stated(patient_id="a" * 60, institution_address=typed.strip()[:1000], patient_name=typed[:60]),
        stated(study_instance_uid="1.2.3.9", series_instance_uid="1.2.3.9.1", sop_instance_uid="1.2.3.9.1.1", patient_id="P2"),
    ]  # fmt: skip
    same_in_both(empty_catalogue, claims, asked)
