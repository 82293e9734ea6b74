"""What crosses process borders comes out as it went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catalog.entities import (
    Claims,
    Instance,
    Patient,
    Reading,
    Series,
    Status,
    StoredFile,
    Study,
)
from catalog.findings import Finding, Severity
from catalog.indexing.passing import packed, unpacked

TEXT = st.text(max_size=12)
MAYBE = st.none() | TEXT
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
FILES = st.builds(
    StoredFile,
    path=TEXT,
    size_bytes=st.none() | st.integers(0, 2**63 - 1),
    mtime_ns=st.none() | st.integers(-(2**63), 2**63 - 1),
    status=st.sampled_from(Status),
    error=MAYBE,
    digest=MAYBE,
)
INSTANCES = st.builds(
    Instance,
    sop_instance_uid=TEXT,
    instance_number=st.none() | st.integers(),
    slice_thickness=st.none() | st.floats(allow_nan=False),
    raw=PAIRS,
    attributes=st.lists(
        st.tuples(TEXT, TEXT | st.integers() | st.floats(allow_nan=False)), max_size=2
    ).map(tuple),
)
SHARED = [
    (Patient(patient_id=str(n)), Study(study_instance_uid=str(n)), Series(series_number=n))
    for n in range(3)
]
CLAIMS = st.builds(
    lambda above, instance, kind: Claims(*above, instance, kind),
    st.sampled_from([*SHARED, (None, None, None)]),
    INSTANCES,
    MAYBE,
)
FINDINGS = st.lists(
    st.builds(
        Finding,
        TEXT,
        st.sampled_from(Severity),
        TEXT,
        place=TEXT,
        clause=MAYBE,
        offset_bytes=st.none() | st.integers(0),
    ),
    max_size=3,
).map(tuple)


@given(st.lists(st.builds(Reading, FILES, st.none() | CLAIMS, FINDINGS), max_size=12))
def test_readings_come_out_as_they_went_in(readings: list[Reading]) -> None:
    out = unpacked(packed(readings))
    assert out == readings
    for reading in out:
        assert isinstance(reading.file.status, Status)
        assert all(isinstance(finding.severity, Severity) for finding in reading.findings)


def test_what_was_one_object_is_one_object() -> None:
    patient, study, series = Patient("1"), Study("1.2"), Series("1.2.3")
    readings = [
        Reading(StoredFile(str(n)), Claims(patient, study, series, Instance(f"1.2.3.{n}"), "IMAGE"))
        for n in range(5)
    ]
    stated = [reading.claims for reading in unpacked(packed(readings)) if reading.claims]
    assert len({id(claims.patient) for claims in stated}) == 1
    assert len({id(claims.series) for claims in stated}) == 1
    assert len({id(claims.instance) for claims in stated}) == 5
