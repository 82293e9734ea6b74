"""For each problem audit what it must find, beside what is like it and no problem."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, update

from catalog.database import models as m
from catalog.database import roots, runs
from catalog.database.catalogue import Catalogue
from catalog.entities import Claims, Reading, Status, StoredFile
from catalog.findings import Finding, Severity
from tests.database.stating import reading, stated, store

HELD_UNDER = "1.2.840.10008.5.1.4.1.1.2"
PRIVATE_CLASS = "1.2.3.99"
TODAY = "2024-06-15"
AXIAL = "1\\0\\0\\0\\1\\0"
CORONAL = "1\\0\\0\\0\\0\\-1"

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """What is stored, and what the audit then says in these columns."""

    make: Callable[[Catalogue], None]
    columns: tuple[str, ...]
    rows: Rows


CASES: dict[str, Case] = {}


def case(
    name: str, columns: str, rows: Rows
) -> Callable[[Callable[[Catalogue], None]], Callable[[Catalogue], None]]:
    def kept(make: Callable[[Catalogue], None]) -> Callable[[Catalogue], None]:
        CASES[name] = Case(make, tuple(columns.split()), rows)
        return make

    return kept


def whole(**values: Any) -> Claims:
    """Return claims of a CT image that no audit has anything to say about."""
    standard = {
        "patient_birth_date": "1970-01-31",
        "patient_sex": "F",
        "study_date": "2024-01-31",
        "study_time": "12:00:00",
        "accession_number": "A1",
        "frame_of_reference_uid": "1.2.3.7",
        "instance_number": 1,
        "rows": 512,
        "columns": 512,
        "bits_allocated": 16,
        "photometric_interpretation": "MONOCHROME2",
        "image_type": "ORIGINAL\\PRIMARY\\AXIAL",
        "image_position_patient": "0\\0\\0",
        "image_orientation_patient": AXIAL,
        "pixel_spacing": "1\\1",
        "slice_thickness": 5.0,
    }
    return stated(**standard | values)


def raw(claims: Claims, level: str, **texts: str) -> Claims:
    """Return claims with values at a level that their columns cannot hold."""
    entity = getattr(claims, level)
    kept = entity._replace(raw=tuple(sorted((*entity.raw, *texts.items()))))
    return claims._replace(**{level: kept})


def with_status(path: str, claims: Claims | None, status: Status, **values: Any) -> Reading:
    found = reading(path, claims)
    return found._replace(file=found.file._replace(status=status, **values))


def with_finding(found: Reading, code: str) -> Reading:
    return found._replace(findings=(Finding(code, Severity.WARNING, f"It is {code}."),))


def slices(
    series: str, numbers: list[int], locations: list[float] | None = None, **values: Any
) -> list[Reading]:
    """Return the files of a series with these instance numbers and places along z."""
    found = []
    for place, number in enumerate(numbers):
        uid = f"{series}.{place + 1}"
        at = {} if locations is None else {"image_position_patient": f"0\\0\\{locations[place]}"}
        none = {"image_position_patient": None} if locations is None else {}
        claims = whole(
            **{"series_instance_uid": series, "sop_instance_uid": uid, "instance_number": number, **none, **at} | values
        )  # fmt: skip
        found.append(reading(f"{series}/{place}", claims))
    return found


@case(
    "conflicting-instances",
    "SOPInstanceUID Files Instances Sizes TransferSyntaxes Digests FirstPath LastPath",
    [
        ("1.2", 2, 1, 2, 1, 0, "/archive/size/1", "/archive/size/2"),
        ("1.3", 2, 2, 1, 1, 0, "/archive/series/1", "/archive/series/2"),
        ("1.5", 2, 1, 1, 1, 2, "/archive/digest/1", "/archive/digest/2"),
        ("1.6", 2, 1, 1, 2, 0, "/archive/syntax/1", "/archive/syntax/2"),
    ],
)
@case(
    "duplicate-instances",
    "SOPInstanceUID Files SizeBytes Verdict FirstPath LastPath",
    [
        ("1.1", 2, 100, "same size", "/archive/same/1", "/archive/same/2"),
        ("1.7", 3, 100, "same bytes", "/archive/copy/1", "/archive/copy/3"),
        ("1.8", 2, 100, "same size", "/archive/half/1", "/archive/half/2"),
    ],
)
def duplicates(catalogue: Catalogue) -> None:
    def one(path: str, uid: str, **values: Any) -> Reading:
        series = {"series_instance_uid": values.pop("series")} if "series" in values else {}
        found = reading(path, whole(sop_instance_uid=uid, **series))
        return found._replace(file=found.file._replace(**values))

    store(
        catalogue,
        [
            one("same/1", "1.1"),
            one("same/2", "1.1"),
            one("size/1", "1.2"),
            one("size/2", "1.2", size_bytes=101),
            one("series/1", "1.3"),
            one("series/2", "1.3", series="1.9"),
            one("single", "1.4"),
            one("digest/1", "1.5", digest="a"),
            one("digest/2", "1.5", digest="b"),
            one("syntax/1", "1.6"),
            one("syntax/2", "1.6", transfer_syntax_uid="1.2.840.10008.1.2"),
            one("copy/1", "1.7", digest="a"),
            one("copy/2", "1.7", digest="a"),
            one("copy/3", "1.7", digest="a"),
            one("half/1", "1.8", digest="a"),
            one("half/2", "1.8"),
            one("gone/1", "1.10"),
            with_status("gone/2", whole(sop_instance_uid="1.10"), Status.MISSING, size_bytes=7),
        ],
    )


@case(
    "patient-id-conflicts",
    "PatientID Attribute Value Files FirstPath",
    [
        ("P1", "PatientBirthDate", "1970-01-31", 2, "/archive/1"),
        ("P1", "PatientBirthDate", "1980-01-31", 1, "/archive/3"),
        ("P1", "PatientBirthDate", "unknown", 1, "/archive/5"),
        ("P1", "PatientName", "Doe^Jane", 3, "/archive/1"),
        ("P1", "PatientName", "Roe^Jane", 1, "/archive/3"),
    ],
)
def several_people(catalogue: Catalogue) -> None:
    odd = raw(
        whole(sop_instance_uid="1.5", patient_birth_date=None, patient_sex=None),
        "patient", PatientBirthDate="unknown",
    )  # fmt: skip
    store(
        catalogue,
        [
            reading("1", whole(sop_instance_uid="1.1")),
            reading("2", whole(sop_instance_uid="1.2")),
            reading("3", whole(sop_instance_uid="1.3", patient_birth_date="1980-01-31", patient_name="Roe^Jane")),
            reading("4", whole(sop_instance_uid="1.4", patient_birth_date="", patient_name="")),
            reading("5", odd),
            reading("6", whole(sop_instance_uid="1.6", study_instance_uid="1.6", patient_id="P2", patient_name="A", patient_sex="F")),
            reading("7", whole(sop_instance_uid="1.7", study_instance_uid="1.6", patient_id="P2", patient_name="A", patient_sex=None)),
            with_status("8", whole(sop_instance_uid="1.8", study_instance_uid="1.6", patient_id="P2", patient_name="B"), Status.MISSING),
        ],
    )  # fmt: skip


@case(
    "people-with-several-ids",
    "PatientName PatientBirthDate PatientSex IssuerOfPatientID PatientID IDs Studies",
    [
        ("Müller^Jörg", "1970-01-31", "F", "", "P1", 2, 1),
        ("MULLER^JORG", "1970-01-31", "F", "", "P2", 2, 2),
    ],
)
def several_ids(catalogue: Catalogue) -> None:
    def one(number: str, **values: Any) -> Reading:
        uids = {"study_instance_uid": f"1.{number}", "series_instance_uid": f"1.{number}.1"}
        return reading(number, whole(sop_instance_uid=f"1.{number}.1.1", **uids | values))

    store(
        catalogue,
        [
            one("1", patient_id="P1", patient_name="Müller^Jörg"),
            one("2", patient_id="P2", patient_name="MULLER^JORG"),
            one("3", patient_id="P2", patient_name="MULLER^JORG"),
            one("4", patient_id="P3", patient_name="Müller^Jörg", patient_birth_date="1971-01-31"),
            one("5", patient_id="P4", patient_name="Müller^Jörg", issuer_of_patient_id="X"),
            one("6", patient_id="", patient_name="Müller^Jörg"),
            one("7", patient_id="P5", patient_name="", patient_birth_date="1970-01-31"),
            one("8", patient_id="P6", patient_name=""),
            one("9", patient_id="P7", patient_name="Solo^Han", patient_birth_date=""),
            one("10", patient_id="P8", patient_name="Solo^Han", patient_birth_date=""),
        ],
    )


@case(
    "similar-names",
    "Likeness PatientBirthDate PatientID PatientName OtherPatientID OtherPatientName",
    [
        (100, "1970-01-31", "P1", "Doe^Jane", "P2", "Jane^Doe"),
        (94, "1970-01-31", "P3", "Smith^John", "P4", "Smyth^John"),
    ],
)
def like_names(catalogue: Catalogue) -> None:
    def one(number: str, name: str, **values: Any) -> Reading:
        uids = {"study_instance_uid": f"1.{number}", "series_instance_uid": f"1.{number}.1"}
        claims = whole(
            patient_id=f"P{number}", patient_name=name, sop_instance_uid=f"1.{number}.1.1", **uids | values
        )  # fmt: skip
        return reading(number, claims)

    store(
        catalogue,
        [
            one("1", "Doe^Jane"),
            one("2", "Jane^Doe"),
            one("3", "Smith^John", patient_sex="M"),
            one("4", "Smyth^John", patient_sex=None),
            one("5", "Brown^Alice"),
            one("6", "Brown^Alicia", patient_birth_date="1971-01-31"),
            one("7", "Weber^Andrea", patient_sex="F"),
            one("8", "Weber^Andreas", patient_sex="M"),
            one("9", "Unknown^Person", patient_birth_date=""),
            one("10", "Unknown^Persona", patient_birth_date=""),
        ],
    )


@case(
    "studies-under-several-patients",
    "StudyInstanceUID PatientID Instances FirstPath",
    [("1.2.3.1", "P1", 2, "/archive/1"), ("1.2.3.1", "P2", 1, "/archive/3")],
)
def shared_studies(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading("1", whole(sop_instance_uid="1.1")),
            reading("2", whole(sop_instance_uid="1.2")),
            reading("3", whole(sop_instance_uid="1.3", patient_id="P2")),
            reading("4", whole(sop_instance_uid="1.4", patient_id="P3", study_instance_uid="1.8")),
        ],
    )


@case(
    "series-under-several-studies",
    "SeriesInstanceUID StudyInstanceUID PatientID Modality Instances FirstPath",
    [
        ("1.2.3.1.1", "1.2.3.1", "P1", "CT", 2, "/archive/1"),
        ("1.2.3.1.1", "1.2.3.2", "P1", "CT", 1, "/archive/3"),
    ],
)
def shared_series(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading("1", whole(sop_instance_uid="1.1")),
            reading("2", whole(sop_instance_uid="1.2")),
            reading("3", whole(sop_instance_uid="1.3", study_instance_uid="1.2.3.2")),
            reading("4", whole(sop_instance_uid="1.4", study_instance_uid="1.2.3.2", series_instance_uid="1.8")),
        ],
    )  # fmt: skip


@case(
    "accession-on-several-studies",
    "AccessionNumber Studies Patients StudyInstanceUID StudyDate PatientID",
    [
        ("A2", 2, 2, "1.3", "2024-01-31", "P2"),
        ("A2", 2, 2, "1.4", "2024-01-31", "P3"),
        ("A1", 2, 1, "1.1", "2024-01-30", "P1"),
        ("A1", 2, 1, "1.2", "2024-01-31", "P1"),
    ],
)
def shared_accessions(catalogue: Catalogue) -> None:
    def one(number: str, **values: Any) -> Reading:
        uids = {"study_instance_uid": f"1.{number}", "series_instance_uid": f"1.{number}.1"}
        return reading(number, whole(sop_instance_uid=f"1.{number}.1.1", **uids | values))

    store(
        catalogue,
        [
            one("1", accession_number="A1", study_date="2024-01-30"),
            one("2", accession_number="A1"),
            one("3", accession_number="A2", patient_id="P2"),
            one("4", accession_number="A2", patient_id="P3"),
            one("5", accession_number="A3"),
            one("6", accession_number=""),
            one("7", accession_number=""),
            one("8", accession_number=None),
        ],
    )


@case(
    "mixed-modality",
    "SeriesInstanceUID Modality OtherModality Files FirstPath PatientID",
    [("1.1", "CT", "OT", 2, "/archive/1.1/o1", "P1")],
)
@case(
    "mixed-frame-of-reference",
    "SeriesInstanceUID Modality FrameOfReferenceUID OtherFrameOfReferenceUID Files FirstPath",
    [("1.2", "CT", "1.2.3.7", "1.2.3.8", 1, "/archive/1.2/o")],
)
def mixed(catalogue: Catalogue) -> None:
    def odd(path: str, series: str, uid: str, **values: Any) -> Reading:
        return reading(path, whole(series_instance_uid=series, sop_instance_uid=uid, **values))

    store(
        catalogue,
        [
            *slices("1.1", [1, 2, 3], [0, 1, 2]),
            odd("1.1/o1", "1.1", "1.1.8", modality="OT", instance_number=4),
            odd("1.1/o2", "1.1", "1.1.9", modality="OT", instance_number=5),
            with_status("1.1/o3", whole(series_instance_uid="1.1", sop_instance_uid="1.1.10", modality="MR", instance_number=6), Status.MISSING),
            *slices("1.2", [1, 2], [0, 1]),
            odd("1.2/o", "1.2", "1.2.9", frame_of_reference_uid="1.2.3.8", instance_number=3),
            *slices("1.3", [1, 2], [0, 1]),
            odd("1.3/silent", "1.3", "1.3.9", frame_of_reference_uid=None, modality="", instance_number=3, sop_class_uid=PRIVATE_CLASS),
        ],
    )  # fmt: skip


@case(
    "mixed-matrix",
    "SeriesInstanceUID Modality Matrices LeastRows MostRows LeastColumns MostColumns Images",
    [("1.1", "CT", 2, 512, 600, 512, 800, 3), ("1.2", "MR", 2, 256, 256, 128, 256, 2)],
)
def matrices(catalogue: Catalogue) -> None:
    def one(series: str, number: int, rows: int, columns: int, **values: Any) -> Reading:
        claims = whole(
            series_instance_uid=series, sop_instance_uid=f"{series}.{number}", instance_number=number,
            rows=rows, columns=columns, **values,
        )  # fmt: skip
        return reading(f"{series}/{number}", claims)

    store(
        catalogue,
        [
            one("1.1", 1, 512, 512),
            one("1.1", 2, 512, 512),
            one("1.1", 3, 600, 800),
            one("1.2", 1, 256, 256, modality="MR"),
            one("1.2", 2, 256, 128, modality="MR"),
            one("1.3", 1, 256, 256),
            one("1.3", 2, 256, 512, image_type="ORIGINAL\\PRIMARY\\LOCALIZER"),
            one("1.4", 1, 256, 256, modality="US"),
            one("1.4", 2, 256, 512, modality="US"),
        ],
    )


@case(
    "mixed-orientation",
    "SeriesInstanceUID Modality Orientations FirstOrientation LastOrientation Images",
    [
        (
            "1.1", "CT", 2,
            "1.00\\0.00\\0.00\\0.00\\0.00\\-1.00", "1.00\\0.00\\0.00\\0.00\\1.00\\0.00", 3,
        ),
    ],
)  # fmt: skip
def orientations(catalogue: Catalogue) -> None:
    def one(series: str, number: int, orientation: str | None, **values: Any) -> Reading:
        claims = whole(
            series_instance_uid=series, sop_instance_uid=f"{series}.{number}", instance_number=number,
            image_orientation_patient=orientation, **values,
        )  # fmt: skip
        return reading(f"{series}/{number}", claims)

    store(
        catalogue,
        [
            one("1.1", 1, AXIAL),
            one("1.1", 2, AXIAL),
            one("1.1", 3, CORONAL),
            one("1.2", 1, AXIAL),
            one("1.2", 2, "1.000\\0.0001\\-0.0\\0e0\\.9999\\0"),
            one("1.3", 1, AXIAL, image_type="ORIGINAL\\PRIMARY\\LOCALIZER"),
            one("1.3", 2, CORONAL, image_type="ORIGINAL\\PRIMARY\\LOCALIZER"),
            one("1.4", 1, AXIAL, modality="OT", sop_class_uid=PRIVATE_CLASS),
            one("1.4", 2, "", modality="OT", sop_class_uid=PRIVATE_CLASS),
        ],
    )


@case(
    "instance-number-gaps",
    "Verdict Evidence SeriesInstanceUID Instances FirstNumber LastNumber Missing Positions",
    [
        ("suspect", "positions", "1.2", 7, 1, 12, 5, 4),
        ("suspect", "numbers", "1.6", 4, 1, 6, 2, 0),
        ("suspect", "positions", "1.1", 5, 1, 6, 1, 5),
    ],
)
def gaps(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            *slices("1.1", [1, 2, 3, 5, 6], [0, 5, 10, 20, 25]),
            # Two echoes at each position, one of them missing.
            *slices("1.2", [1, 2, 3, 4, 9, 10, 12], [0, 0, 5, 5, 10, 15, 15]),
            # Numbers in equal steps: every second one is the other echo's series.
            *slices("1.3", [1, 3, 5, 7], [0, 5, 10, 15]),
            # A gap in numbers, none in space.
            *slices("1.4", [1, 2, 3, 11, 12], [0, 5, 10, 15, 20]),
            # The same with two echoes.
            *slices("1.5", [1, 2, 5, 6, 17, 18], [0, 0, 5, 5, 10, 10]),
            *slices("1.6", [1, 2, 4, 6]),
            *slices("1.7", [1, 2, 3, 4]),
            *slices("1.8", [4, 4, 5, 5, 6, 6], [0, 0, 5, 5, 10, 10]),
            *slices("1.9", [1, 9], [0, 50]),
        ],
    )


@case(
    "short-series",
    "Verdict SeriesInstanceUID Modality SeriesDescription StationName Slices UsualSlices Alike",
    [("suspect", "1.5", "CT", "Head", "CT1", 2, 6, 5)],
)
def short(catalogue: Catalogue) -> None:
    like = {"series_description": "Head", "station_name": "CT1"}

    def many(series: str, positions: int, echoes: int = 1, **values: Any) -> list[Reading]:
        places = [float(n) for n in range(positions) for _ in range(echoes)]
        return slices(series, list(range(1, len(places) + 1)), places, **like | values)

    store(
        catalogue,
        [
            *many("1.1", 6),
            *many("1.2", 6),
            *many("1.3", 6, 2),  # two echoes are not longer
            *many("1.4", 3),  # a half is not less than half
            *many("1.5", 2, 4),  # many echoes of few positions are short
            *many("1.6", 1, station_name="CT2"),  # another station
            *many("1.7", 1, image_type="ORIGINAL\\PRIMARY\\LOCALIZER"),
            *many("1.8", 1, series_description=""),
            *many("1.9", 1, modality="CR"),
        ],
    )


@case(
    "future-dates",
    "Attribute Value Level PatientID StudyInstanceUID SeriesInstanceUID Instances FirstPath",
    [
        ("AcquisitionDateTime", "2024-06-16", "instance", "P1", "1.1", "1.1.1", 1, "/archive/a"),
        ("ContentDate", "2031-01-01", "instance", "P1", "1.1", "1.1.1", 1, "/archive/b"),
        ("PatientBirthDate", "2070-01-31", "patient", "P2", "", "", 1, "/archive/c"),
        ("SeriesDate", "2024-06-16", "series", "P1", "1.1", "1.4", 1, "/archive/d"),
        ("StudyDate", "2024-06-16", "study", "P3", "1.5", "", 2, "/archive/e1"),
        ("StudyDate", "2042-01-31", "file", "P1", "1.1", "1.1.1", 1, "/archive/f"),
    ],
)
def future(catalogue: Catalogue) -> None:
    def one(
        path: str, uid: str, study: str = "1.1", series: str = "1.1.1", **values: Any
    ) -> Reading:
        uids = {"study_instance_uid": study, "series_instance_uid": series, "sop_instance_uid": uid}
        return reading(path, whole(**uids | values))

    store(
        catalogue,
        [
            one("1", "1.1", content_date=TODAY, acquisition_date_time=f"{TODAY}T23:59:59"),
            one("2", "1.2", study_date="2024-01-31"),
            one("a", "1.3", acquisition_date_time="2024-06-16T00:00:00"),
            one("b", "1.4", content_date="2031-01-01"),
            one("c", "1.5", "1.2", "1.2.1", patient_id="P2", patient_birth_date="2070-01-31"),
            one("d", "1.6", series="1.4", series_date="2024-06-16"),
            one("e1", "1.7", "1.5", "1.5.1", patient_id="P3", study_date="2024-06-16"),
            one("e2", "1.8", "1.5", "1.5.1", patient_id="P3", study_date="2024-06-16"),
            one("f", "1.9", study_date="2042-01-31"),
        ],
    )


@case(
    "impossible-dates",
    "Attribute Fault Value PatientID StudyInstanceUID SeriesInstanceUID Instances FirstPath",
    [
        ("ContentTime", "not a date or time", "noon", "P1", "1.1", "1.1.1", 1, "/archive/a"),
        ("PatientBirthDate", "not a date or time", "31.1.70", "P4", "", "", 1, "/archive/b"),
        ("SeriesDate", "not a date or time", "20240230", "P1", "1.1", "1.3", 1, "/archive/d"),
        ("StudyDate", "before X-rays were discovered", "1001-01-01", "P6", "1.6", "", 1, "/archive/g"),
        ("StudyDate", "not a date or time", "20241301", "P5", "1.4", "", 1, "/archive/c"),
        ("StudyDate", "not a date or time", "yesterday", "P1", "1.1", "1.1.1", 1, "/archive/h"),
        ("StudyDate", "older than 130 years", "2024-01-31", "P3", "1.5", "", 1, "/archive/f"),
        ("StudyDate", "study before birth", "1969-01-31", "P2", "1.2", "", 1, "/archive/e"),
    ],
)  # fmt: skip
def impossible(catalogue: Catalogue) -> None:
    def one(uid: str, study: str = "1.1", series: str = "1.1.1", **values: Any) -> Claims:
        uids = {"study_instance_uid": study, "series_instance_uid": series, "sop_instance_uid": uid}
        return whole(**uids | values)

    legacy = raw(one("1.10", "1.9", "1.9.1", patient_id="P9"), "study", StudyDate="2024.01.31")
    store(
        catalogue,
        [
            reading("1", one("1.1")),
            reading("2", one("1.2")),
            reading("a", raw(one("1.3"), "instance", ContentTime="noon")),
            reading("b", raw(one("1.4", "1.7", "1.7.1", patient_id="P4", patient_birth_date=None), "patient", PatientBirthDate="31.1.70")),
            reading("c", raw(one("1.5", "1.4", "1.4.1", patient_id="P5", study_date=None), "study", StudyDate="20241301")),
            reading("d", raw(one("1.6", series="1.3"), "series", SeriesDate="20240230")),
            reading("e", one("1.7", "1.2", "1.2.1", patient_id="P2", study_date="1969-01-31")),
            reading("f", one("1.8", "1.5", "1.5.1", patient_id="P3", patient_birth_date="1890-01-31")),
            reading("g", one("1.9", "1.6", "1.6.1", patient_id="P6", study_date="1001-01-01")),
            reading("h", raw(one("1.11", study_date=None), "study", StudyDate="yesterday")),
            reading("legacy", legacy),
            reading("empty", one("1.12", "1.8", "1.8.1", patient_id="P8", study_date="", patient_birth_date="")),
        ],
    )  # fmt: skip


@case(
    "missing-dates",
    "Attribute PatientID StudyInstanceUID Studies FirstStudyDate",
    [
        ("StudyDate", "P1", "1.2", 1, ""),
        ("StudyDate", "P1", "1.3", 1, ""),
        ("PatientBirthDate", "P2", "", 1, "2024-01-31"),
    ],
)
def dateless(catalogue: Catalogue) -> None:
    def one(number: str, **values: Any) -> Claims:
        uids = {"study_instance_uid": f"1.{number}", "series_instance_uid": f"1.{number}.1"}
        return whole(sop_instance_uid=f"1.{number}.1.1", **uids | values)

    store(
        catalogue,
        [
            reading("1", one("1")),
            reading("2", one("2", study_date="")),
            reading("3", one("3", study_date=None)),
            reading("4", one("4", patient_id="P2", patient_birth_date=None)),
            reading("5", raw(one("5", study_date=None), "study", StudyDate="20241301")),
            reading("6", raw(one("6", patient_id="P3", patient_birth_date=None), "patient", PatientBirthDate="?")),
        ],
    )  # fmt: skip


@case(
    "empty-type-1",
    "Attribute Fault SeriesInstanceUID Instances FirstPath",
    [
        ("Columns", "absent", "1.1", 1, "/archive/a"),
        ("PhotometricInterpretation", "empty", "1.1", 1, "/archive/a"),
        ("Rows", "empty", "1.1", 2, "/archive/a"),
        ("ImageOrientationPatient", "empty", "1.2", 1, "/archive/d"),
        ("ImagePositionPatient", "absent", "1.2", 1, "/archive/d"),
        ("PixelSpacing", "absent", "1.2", 1, "/archive/d"),
        ("FrameOfReferenceUID", "empty", "1.3", 1, "/archive/e"),
        ("Modality", "absent", "1.3", 1, "/archive/e"),
        ("Modality", "empty", "1.4", 1, "/archive/g"),
        ("NumberOfFrames", "empty", "1.5", 1, "/archive/h"),
        ("BitsAllocated", "absent", "1.6", 1, "/archive/i"),
    ],
)
def lacking(catalogue: Catalogue) -> None:
    def one(series: str, uid: str, **values: Any) -> Claims:
        return whole(series_instance_uid=series, sop_instance_uid=uid, **values)

    us = {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.6.1", "modality": "US"}
    no_image = one("1.9", "1.15", rows=None, columns=None, sop_class_uid=PRIVATE_CLASS)
    store(
        catalogue,
        [
            reading("1", one("1.1", "1.1")),
            reading("a", raw(one("1.1", "1.2", rows=None, columns=None, photometric_interpretation=""), "instance", Rows="")),
            reading("b", raw(one("1.1", "1.3", rows=None), "instance", Rows="")),
            reading("c", raw(one("1.1", "1.4", rows=None), "instance", Rows="many")),
            reading("d", one("1.2", "1.5", image_position_patient=None, image_orientation_patient="", pixel_spacing=None)),
            reading("e", one("1.3", "1.6", frame_of_reference_uid="", modality=None)),
            reading("f", one("1.4", "1.7")),
            reading("f2", one("1.4", "1.8")),
            reading("g", one("1.4", "1.9", modality="")),
            reading("h", raw(one("1.5", "1.10", **us), "instance", NumberOfFrames="")),
            reading("i", one("1.6", "1.11", bits_allocated=None, frame_of_reference_uid=None, image_position_patient=None, image_orientation_patient=None, pixel_spacing=None, **us)),
            reading("j", no_image._replace(directory_record_type=None)),
        ],
    )  # fmt: skip


@case(
    "burned-in-annotation",
    "SeriesInstanceUID Instances FirstPath StudyInstanceUID PatientID",
    [("1.1", 2, "/archive/1", "1.2.3.1", "P1"), ("1.3", 1, "/archive/5a", "1.2.3.1", "P1")],
)
def burned_in(catalogue: Catalogue) -> None:
    def one(path: str, series: str, uid: str, says: str | None) -> Reading:
        claims = whole(series_instance_uid=series, sop_instance_uid=uid, burned_in_annotation=says)
        return reading(path, claims)

    store(
        catalogue,
        [
            one("1", "1.1", "1.1", "YES"),
            one("2", "1.1", "1.2", "YES"),
            one("3", "1.1", "1.3", "NO"),
            one("4", "1.2", "1.4", "NO"),
            one("4a", "1.2", "1.6", None),
            # Two files of one instance that differ: the row says NO, one file says YES.
            one("5", "1.3", "1.5", "NO"),
            one("5a", "1.3", "1.5", "YES"),
            one("5b", "1.3", "1.5", "NO"),
            one("5c", "1.3", "1.5", "NO"),
        ],
    )


@case(
    "unreadable-files",
    "Status Error SizeBytes Path",
    [
        ("unreadable", "is unreadable", 5, "/archive/unreadable"),
        ("truncated", "is truncated", 5, "/archive/truncated"),
        ("incomplete", "is incomplete", 5, "/archive/incomplete"),
    ],
)
def broken(catalogue: Catalogue) -> None:
    def one(status: Status) -> Reading:
        return Reading(StoredFile(status.value, 5, 1, status, f"is {status.value}"), None)

    states = (Status.UNREADABLE, Status.TRUNCATED, Status.INCOMPLETE, Status.NOT_DICOM)
    store(catalogue, [*map(one, (*states, Status.MISSING)), reading("right", whole())])


@case(
    "missing-files",
    "SOPInstanceUID OtherFiles PatientID Path",
    [
        ("1.2.3.1.1.1", 1, "P1", "/archive/gone"),
        ("1.2", 0, "P1", "/archive/lost"),
        (None, 0, None, "/archive/other"),
    ],
)
def gone(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            with_status("gone", whole(), Status.MISSING),
            reading("copy", whole()),
            with_status("lost", whole(sop_instance_uid="1.2"), Status.MISSING),
            with_status("other", None, Status.MISSING),
        ],
    )


@case(
    "no-preamble",
    "Path SizeBytes TransferSyntaxUID Status",
    [("/archive/bare", 100, "1.2.840.10008.1.2.1", "ok")],
)
@case(
    "changed-files",
    "Code SOPInstanceUID Message Path",
    [
        ("changed-while-read", "1.4", "It is changed-while-read.", "/archive/while"),
        ("content-changed", "1.3", "It is content-changed.", "/archive/rotten"),
        ("content-unreadable", "1.5", "It is content-unreadable.", "/archive/sector"),
    ],
)
def noticed(catalogue: Catalogue) -> None:
    def one(path: str, uid: str, code: str) -> Reading:
        return with_finding(reading(path, whole(sop_instance_uid=uid)), code)

    store(
        catalogue,
        [
            reading("right", whole(sop_instance_uid="1.1")),
            one("bare", "1.2", "no-preamble"),
            one("rotten", "1.3", "content-changed"),
            one("while", "1.4", "changed-while-read"),
            one("sector", "1.5", "content-unreadable"),
            one("odd", "1.6", "invalid-value"),
        ],
    )


def verified(catalogue: Catalogue, **counts: int) -> None:
    with runs.recorded(catalogue, "verify", "verify --digest") as run:
        run.counts = lambda: counts


@case(
    "verified-with-differences",
    "Arguments Missing Changed Unindexed Unknown Same",
    [("verify --digest", 1, 0, 2, 0, 5), ("verify --digest", 0, 3, 0, 1, 4)],
)
def differing(catalogue: Catalogue) -> None:
    verified(catalogue, same=1, missing=4)  # an index run since has dealt with it
    store(catalogue, [reading("1", whole())])
    verified(catalogue, same=5, missing=1, unindexed=2)
    verified(catalogue, same=8)
    verified(catalogue, same=4, changed=3, unknown=1)


def proved(catalogue: Catalogue, when: str, *paths: str) -> None:
    """Have a verification, at that time, find files right."""
    with runs.recorded(catalogue, "verify", "verify --digest") as run:
        pass
    f = m.file.c
    with catalogue.write() as connection:
        connection.execute(update(m.run).where(m.run.c.id == run.ref).values(started_at=when))
        connection.execute(update(m.file).where(f.path.in_(paths)).values(verified_run_ref=run.ref))


@case(
    "unverified-files",
    "Root Why Files SizeBytes WithoutDigest LastRead LastVerified FirstPath",
    [
        ("/archive", "changed since", 1, 101, 0, "2001-02-03", "2001-02-03", "/archive/changed"),
        ("/archive", "never verified", 2, 200, 1, "2001-02-03", "", "/archive/1"),
        ("/archive", "too long ago", 2, 200, 0, "2001-02-03", "2002-03-04", "/archive/old/1"),
    ],
)
def unverified(catalogue: Catalogue) -> None:
    def hashed(path: str, uid: str, **facts: int) -> Reading:
        found = reading(path, whole(sop_instance_uid=uid), **facts)
        return found._replace(file=found.file._replace(digest="a"))

    store(
        catalogue,
        [
            reading("1", whole(sop_instance_uid="1.1")),
            hashed("2", "1.2"),
            Reading(StoredFile("text", 5, 1, Status.NOT_DICOM, "is text"), None),
            with_status("gone", whole(sop_instance_uid="1.3"), Status.MISSING),
            hashed("changed", "1.4"),
            hashed("old/1", "1.5"),
            hashed("old/2", "1.6"),
            hashed("right", "1.7"),
        ],
    )
    with catalogue.write() as connection:
        connection.execute(update(m.run).values(started_at="2001-02-03T12:00:00+01:00"))
    proved(catalogue, "2001-02-03T13:00:00+01:00", "changed", "old/1", "right")
    store(catalogue, [hashed("changed", "1.4", size_bytes=101)])
    with catalogue.write() as connection:
        connection.execute(update(m.run).where(m.run.c.command != "verify").values(started_at="2001-02-03T14:00:00+01:00"))  # fmt: skip
    proved(catalogue, "2002-03-04T12:00:00+01:00", "old/1", "old/2")
    with runs.recorded(catalogue, "verify", "verify --digest") as run:
        pass
    with catalogue.write() as connection:
        connection.execute(update(m.file).where(m.file.c.path == "right").values(verified_run_ref=run.ref))  # fmt: skip
    store(catalogue, [hashed("new", "1.8")], root="/new")
    verified(catalogue, same=9)  # by size and time alone


@case(
    "not-exportable",
    "Code SOPClassUID Instances FirstSOPInstanceUID",
    [
        ("no-record-type", PRIVATE_CLASS, 2, "1.1"),
        ("patient-id-twice", HELD_UNDER, 2, "1.50"),
        ("series-twice", HELD_UNDER, 2, "1.30"),
        ("sop-instance-twice", HELD_UNDER, 2, "1.40"),
        ("study-twice", HELD_UNDER, 2, "1.20"),
        ("different-bytes", HELD_UNDER, 1, "1.6"),
        ("illegal-uid", HELD_UNDER, 1, "1.02"),
        ("missing", HELD_UNDER, 1, "1.3"),
        ("no-transfer-syntax", HELD_UNDER, 1, "1.7"),
    ],
)
def unfit(catalogue: Catalogue) -> None:
    def one(path: str, uid: str, **values: Any) -> Reading:
        return reading(path, whole(sop_instance_uid=uid, **values))

    def untold(path: str, uid: str) -> Reading:
        found = one(path, uid)
        return found._replace(file=found.file._replace(transfer_syntax_uid=None))

    private = [
        one(f"private/{uid}", uid, sop_class_uid=PRIVATE_CLASS)._replace(
            claims=whole(sop_instance_uid=uid, sop_class_uid=PRIVATE_CLASS)._replace(directory_record_type=None)
        )
        for uid in ("1.1", "1.11")
    ]  # fmt: skip
    store(
        catalogue,
        [
            *private,
            one("illegal", "1.02"),
            with_status("gone", whole(sop_instance_uid="1.3"), Status.MISSING),
            with_status("half-gone", whole(sop_instance_uid="1.4"), Status.MISSING),
            one("half-there", "1.4"),
            one("copy/1", "1.5"),
            one("copy/2", "1.5"),
            one("differs/1", "1.6"),
            one("differs/2", "1.6")._replace(file=StoredFile("differs/2", 101, 1, transfer_syntax_uid="1.2.840.10008.1.2.1")),
            untold("untold", "1.7"),
            one("told/1", "1.8"),
            untold("told/2", "1.8"),
            one("study/1", "1.20", study_instance_uid="1.2.20", series_instance_uid="1.2.20.1"),
            one("study/2", "1.21", study_instance_uid="1.2.20", series_instance_uid="1.2.20.2", patient_id="P2"),
            one("series/1", "1.30", study_instance_uid="1.2.30", series_instance_uid="1.2.30.1"),
            one("series/2", "1.31", study_instance_uid="1.2.31", series_instance_uid="1.2.30.1"),
            one("sop/1", "1.40", series_instance_uid="1.2.40"),
            one("sop/2", "1.40", series_instance_uid="1.2.41"),
            one("issuer/1", "1.50", study_instance_uid="1.2.50", series_instance_uid="1.2.50.1", patient_id="P5", issuer_of_patient_id="A"),
            one("issuer/2", "1.51", study_instance_uid="1.2.51", series_instance_uid="1.2.51.1", patient_id="P5", issuer_of_patient_id="B"),
        ],
    )  # fmt: skip


def fileset(catalogue: Catalogue, folder: str, name: str, records: list[dict[str, Any]]) -> None:
    """Store an imported File-set as `dcat import` does."""
    with runs.recorded(catalogue, "import", "import") as run, catalogue.write() as connection:
        ref = connection.execute(
            insert(m.fileset).values(
                folder=folder, run_ref=run.ref, direction="imported", file_set_id=name,
                dicomdir_digest="d", identity=name,
            ).returning(m.fileset.c.id)
        ).scalar_one()  # fmt: skip
        standard = dict.fromkeys(("file_id", "path", "sop_instance_uid", "instance_ref"))
        for position, record in enumerate(records):
            values = {"fileset_ref": ref, "depth": 0, "record_type": "IMAGE", "position": position}
            connection.execute(insert(m.fileset_record).values(values | standard | record))


@case(
    "records-without-file",
    "FileSetID Folder FileID RecordType SOPInstanceUID OtherFiles",
    [
        ("DISC", "/archive/disc", "IM/2", "IMAGE", "1.2", 0),
        ("DISC", "/archive/disc", "IM/4", "IMAGE", "1.2.3.1.1.1", 3),
    ],
)
@case(
    "files-without-record",
    "FileSetID Folder Path Status SOPInstanceUID RecordType",
    [
        ("DISC", "/archive/disc", "/archive/disc/IM/6", "ok", "1.2.3.1.1.1", "IMAGE"),
        ("DISC", "/archive/disc", "/archive/disc/bad", "unreadable", "", ""),
    ],
)
def discs(catalogue: Catalogue) -> None:
    store(
        catalogue,
        [
            reading("disc/IM/1", whole(sop_instance_uid="1.1")),
            reading("disc/IM/5", whole()),
            reading("disc/IM/6", whole()),
            reading("disc/sub/1", whole(sop_instance_uid="1.3")),
            reading("disc2/IM/1", whole(sop_instance_uid="1.4")),
            reading("elsewhere", whole()),
            Reading(StoredFile("disc/bad", 5, 1, Status.UNREADABLE, "is bad"), None),
            Reading(StoredFile("disc/README", 5, 1, Status.NOT_DICOM, "is text"), None),
            Reading(StoredFile("disc/DICOMDIR", 5, 1, Status.DICOMDIR), None),
            with_status("disc/gone", whole(sop_instance_uid="1.5"), Status.MISSING),
        ],
    )
    with catalogue.read() as connection:
        found = connection.exec_driver_sql(
            "SELECT id FROM instance WHERE sop_instance_uid = '1.2.3.1.1.1'"
        ).scalar_one()
        assert roots.place_of(connection, "/archive/disc") is not None
    fileset(
        catalogue,
        "/archive/disc",
        "DISC",
        [
            {"record_type": "PATIENT"},
            {"file_id": "IM/1", "path": "IM/1", "sop_instance_uid": "1.1"},
            {"file_id": "IM/2", "sop_instance_uid": "1.2"},
            {"file_id": "IM/4", "sop_instance_uid": "1.2.3.1.1.1", "instance_ref": found},
            {"file_id": "IM/5", "sop_instance_uid": "1.2.3.1.1.1", "instance_ref": found},
        ],
    )
    fileset(catalogue, "/archive/disc/sub", "SUB", [{"file_id": "1", "path": "1"}])


@case(
    "unfinished-exports",
    "Outcome Destination Selection Copied",
    [("failed", "/out/1", "export 1", 2), ("running or killed", "/out/3", "export 3", 0)],
)
def exports(catalogue: Catalogue) -> None:
    # A process of this machine that is over: of another machine's, only a server could tell.
    over = {"host": socket.gethostname(), "pid": 2**30}
    with catalogue.write() as connection:
        for number, outcome in (("1", "failed"), ("2", "done"), ("3", None)):
            run = {
                "command": "export", "arguments": "", "version": "", "login": "", **over,
                "started_at": f"2024-01-0{number}", "outcome": outcome,
            }  # fmt: skip
            run_ref = connection.execute(insert(m.run).values(run).returning(m.run.c.id)).scalar()
            export = {
                "destination": f"/out/{number}",
                "selection": f"export {number}",
                "file_set_uid": "1.2",
            }
            ref = connection.execute(
                insert(m.export).values(run_ref=run_ref, **export).returning(m.export.c.id)
            ).scalar()
            for outcome in ("copied", "copied", "failed") if number == "1" else ():
                connection.execute(insert(m.export_item).values(export_ref=ref, sop_instance_uid="1.2", source="x", outcome=outcome))  # fmt: skip


def clean(catalogue: Catalogue) -> None:
    """Store an archive in which no audit finds a problem."""
    readings = []
    for patient, name in enumerate(("Doe^Jane", "Roe^Richard", "Poe^Edgar"), 1):
        for study in (1, 2):
            uid = f"1.2.{patient}.{study}"
            for series in range(1, 4):
                readings += slices(
                    f"{uid}.{series}", list(range(1, 7)), [5.0 * n for n in range(6)],
                    patient_id=f"P{patient}", patient_name=name, study_instance_uid=uid,
                    accession_number=f"{patient}{study}", frame_of_reference_uid=f"{uid}.9",
                    series_description="Head", sop_class_uid=HELD_UNDER, burned_in_annotation="NO",
                )  # fmt: skip
    store(catalogue, readings)
    verified(catalogue, same=len(readings))
