"""The plan: pure, whatever the order, and nothing that cannot be represented."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue
from catalog.database.fetch import Candidate, SourceFile
from catalog.entities import Claims, Instance, Patient, Series, Status, Study
from catalog.exporting import make_plan
from tests.builders import archive, write
from tests.journeys.steps import indexed, planned

LEGAL = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
SYNTAX = "1.2.840.10008.1.2.1"


def source(ref: int, path: str = "a.dcm", **changes: object) -> SourceFile:
    file = SourceFile(ref, "/archive", path, 100, 1, Status.OK, SYNTAX, None)
    return file._replace(**changes)


def candidate(
    ref: int,
    patient: str = "P",
    study: str = "1.1",
    series: str = "1.1.1",
    uid: str = "1.1.1.1",
    issuer: str | None = None,
    files: tuple[SourceFile, ...] | None = None,
    record_type: str | None = "IMAGE",
) -> Candidate:
    claims = Claims(
        Patient(patient_id=patient, issuer_of_patient_id=issuer),
        Study(study_instance_uid=study),
        Series(series_instance_uid=series),
        Instance(sop_instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.2"),
        record_type,
    )
    return Candidate(
        ref, f"{patient}|{issuer or ''}", claims, (source(ref),) if files is None else files
    )


def codes(*candidates: Candidate, take_first: bool = False) -> dict[int, str]:
    """Return the code of each instance that is left out, by its reference."""
    plan = make_plan(candidates, {}, take_first=take_first)
    return {out.candidate.instance_ref: out.code for out in plan.left_out}


small = st.integers(0, 2)
many = st.lists(
    st.tuples(small, st.sampled_from([None, "A"]), small, small, st.integers(0, 5)),
    max_size=25,
    unique=True,
).map(
    lambda found: [
        candidate(ref, f"P{p}", f"1.{t}", f"1.{t}.{s}", f"1.{t}.{s}.{i}", issuer)
        for ref, (p, issuer, t, s, i) in enumerate(found)
    ]
)


@given(candidates=many, data=st.data())
def test_the_order_of_candidates_does_not_matter(
    candidates: list[Candidate], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(candidates))
    assert make_plan(shuffled, {}) == make_plan(candidates, {})


@given(candidates=many)
def test_everything_is_planned_or_left_out_once(candidates: list[Candidate]) -> None:
    plan = make_plan(candidates, {})
    seen = [i.candidate.instance_ref for i in plan.items]
    seen += [out.candidate.instance_ref for out in plan.left_out]
    assert sorted(seen) == [c.instance_ref for c in candidates]
    assert all(out.code and out.reason for out in plan.left_out)
    assert plan.size_bytes == 100 * len(plan.items)


@given(candidates=many)
def test_what_is_planned_can_stand_in_one_directory(candidates: list[Candidate]) -> None:
    claims = [i.candidate.claims for i in make_plan(candidates, {}).items]
    for key, owner in (
        (lambda c: c.patient.patient_id, lambda c: c.patient.issuer_of_patient_id),
        (lambda c: c.study.study_instance_uid, lambda c: c.patient.patient_id),
        (lambda c: c.series.series_instance_uid, lambda c: c.study.study_instance_uid),
        (lambda c: c.instance.sop_instance_uid, lambda c: c.series.series_instance_uid),
    ):
        owners = {key(c): owner(c) for c in claims}
        assert all(owners[key(c)] == owner(c) for c in claims)
    uids = [c.instance.sop_instance_uid for c in claims]
    assert len(uids) == len(set(uids))


@given(candidates=many)
def test_file_ids_are_legal_and_unique(candidates: list[Candidate]) -> None:
    ids = [i.file_id.components for i in make_plan(candidates, {}).items]
    assert len(set(ids)) == len(ids)
    for components in ids:
        assert 1 <= len(components) <= 8
        assert all(1 <= len(part) <= 8 and set(part) <= LEGAL for part in components)


@given(
    more=st.lists(st.tuples(small, small, small, st.integers(0, 9)), max_size=30, unique=True),
    data=st.data(),
)
def test_exporting_more_renames_nothing(more: list[tuple[int, ...]], data: st.DataObject) -> None:
    # Every study has one patient here, so nothing is in conflict.
    candidates = [
        candidate(ref, f"P{p}", f"1.{p}.{t}", f"1.{p}.{t}.{s}", f"1.{p}.{t}.{s}.{i}")
        for ref, (p, t, s, i) in enumerate(more)
    ]
    fewer = [c for c in candidates if data.draw(st.booleans())]

    def named(chosen: list[Candidate]) -> dict[int, str]:
        return {i.candidate.instance_ref: i.file_id.path for i in make_plan(chosen, {}).items}

    names = named(candidates)
    assert len(names) == len(candidates)
    assert named(fewer) == {c.instance_ref: names[c.instance_ref] for c in fewer}


def test_one_study_under_two_patients() -> None:
    assert codes(candidate(1, "A", uid="1.1"), candidate(2, "B", uid="1.2")) == dict.fromkeys(
        (1, 2), "study-twice"
    )


def test_one_patient_id_of_two_issuers() -> None:
    one = candidate(1, "A", "1.1", "1.1.1", "1.1.1.1", issuer="X")
    other = candidate(2, "A", "1.2", "1.2.1", "1.2.1.1", issuer="Y")
    bystander = candidate(3, "B", "1.3", "1.3.1", "1.3.1.1")
    assert codes(one, other, bystander) == dict.fromkeys((1, 2), "patient-id-twice")
    assert codes(one, bystander) == {}


def test_empty_patient_ids_are_no_conflict() -> None:
    # They are kept apart by study, and each gets an ID of its own.
    one = candidate(1, "", "1.1", "1.1.1", "1.1.1.1")._replace(patient_identity="study 1.1")
    other = candidate(2, "", "1.2", "1.2.1", "1.2.1.1")._replace(patient_identity="study 1.2")
    assert codes(one, other) == {}


def test_one_series_in_two_studies() -> None:
    one = candidate(1, study="1.1", series="9", uid="1.1")
    other = candidate(2, study="1.2", series="9", uid="1.2")
    assert codes(one, other) == dict.fromkeys((1, 2), "series-twice")


def test_one_sop_instance_in_two_series() -> None:
    one, other = candidate(1, series="1.1.1", uid="7"), candidate(2, series="1.1.2", uid="7")
    assert codes(one, other) == dict.fromkeys((1, 2), "sop-instance-twice")


def test_a_conflict_with_something_left_out_is_none() -> None:
    gone = candidate(1, "A", uid="1.1", files=(source(1, status=Status.MISSING),))
    assert codes(gone, candidate(2, "B", uid="1.2")) == {1: "missing"}


@pytest.mark.parametrize(
    ("files", "code"),
    [
        pytest.param((), "no-file", id="only a record"),
        pytest.param((source(1, status=Status.MISSING),), "missing", id="missing"),
        pytest.param((source(1, transfer_syntax_uid=None),), "no-transfer-syntax", id="no syntax"),
        pytest.param((source(1, "a"), source(2, "b", size_bytes=7)), "different-bytes", id="sizes"),
    ],
)
def test_no_file_to_copy(files: tuple[SourceFile, ...], code: str) -> None:
    assert codes(candidate(1, files=files)) == {1: code}


@pytest.mark.parametrize("status", [Status.OK, Status.TRUNCATED, Status.REFERENCED])
def test_a_file_that_can_be_copied(status: Status) -> None:
    assert codes(candidate(1, files=(source(1, status=status),))) == {}


def test_of_a_missing_and_a_present_file_the_present_is_taken() -> None:
    files = (source(1, "a", status=Status.MISSING), source(2, "b"))
    plan = make_plan([candidate(1, files=files)], {})
    assert [item.source.path for item in plan.items] == ["b"]


@pytest.mark.parametrize("digests", [{1: "x", 2: "x"}, {1: "x", 2: "y"}, {1: "x"}, {}], ids=str)
def test_files_of_one_size_are_told_apart_by_digest(digests: dict[int, str]) -> None:
    plan = make_plan([candidate(1, files=(source(1, "a"), source(2, "b")))], digests)
    same = len(digests) == 2 and len(set(digests.values())) == 1
    assert [i.source.path for i in plan.items] == (["a"] if same else [])
    assert [out.code for out in plan.left_out] == ([] if same else ["different-bytes"])


def test_take_first_takes_the_first_by_path() -> None:
    files = (source(1, "a", size_bytes=7), source(2, "b"))
    plan = make_plan([candidate(1, files=files)], {}, take_first=True)
    assert [item.source.path for item in plan.items] == ["a"]


def test_a_private_sop_class_has_no_record_type() -> None:
    assert codes(candidate(1, record_type=None)) == {1: "no-record-type"}


def test_items_are_in_the_order_of_people() -> None:
    def numbered(ref: int, number: int | None) -> Candidate:
        made = candidate(ref, uid=f"1.{ref}")
        instance = made.claims.instance._replace(instance_number=number)
        return made._replace(claims=made.claims._replace(instance=instance))

    plan = make_plan([numbered(1, 10), numbered(2, None), numbered(3, 9), numbered(4, -1)], {})
    assert [i.candidate.instance_ref for i in plan.items] == [4, 3, 1, 2]


# -- from files ---------------------------------------------------------------------------


def test_two_files_with_one_uid(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "a/same.dcm")
    write(tmp_path / "b/same.dcm")
    indexed(catalogue, tmp_path)
    assert len(planned(catalogue).items) == 1
    write(tmp_path / "c/other.dcm", PatientComments="another")
    indexed(catalogue, tmp_path)
    assert [out.code for out in planned(catalogue).left_out] == ["different-bytes"]
    taken = planned(catalogue, take_first=True).items
    assert [item.source.path for item in taken] == ["a/same.dcm"]


def test_two_files_of_one_size_with_one_uid(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", PatientComments="AA")
    write(tmp_path / "b.dcm", PatientComments="BB")
    indexed(catalogue, tmp_path)
    assert [out.code for out in planned(catalogue).left_out] == ["different-bytes"]


def test_conflicts_from_files(new_catalogue: Callable[[], Catalogue], tmp_path: Path) -> None:
    cases = {
        "study-twice": {"PatientID": "P2"},
        "patient-id-twice": {"IssuerOfPatientID": "X", "StudyInstanceUID": "1.9", "SeriesInstanceUID": "1.9.1"},
        "series-twice": {"StudyInstanceUID": "1.9"},
        "sop-instance-twice": {"SeriesInstanceUID": "1.9", "SOPInstanceUID": "1.2.3.1.1.1"},
    }  # fmt: skip
    for code, second in cases.items():
        catalogue = new_catalogue()
        write(tmp_path / code / "a.dcm")
        write(tmp_path / code / "b.dcm", **({"SOPInstanceUID": "1.2.3.9"} | second))
        indexed(catalogue, tmp_path / code)
        plan = planned(catalogue)
        assert [out.code for out in plan.left_out] == [code, code]
        assert plan.items == ()


def test_a_private_sop_class_from_a_file(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", SOPClassUID="1.2.3.4.5.6.7")
    write(tmp_path / "b.dcm", SOPInstanceUID="1.2.3.9")
    indexed(catalogue, tmp_path)
    plan = planned(catalogue)
    assert [out.code for out in plan.left_out] == ["no-record-type"]
    assert len(plan.items) == 1


def test_a_plan_writes_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 2)
    indexed(catalogue, tmp_path / "archive")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert len(planned(catalogue).items) == len(files)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_indexing_in_another_order_plans_the_same(
    new_catalogue: Callable[[], Catalogue], tmp_path: Path
) -> None:
    archive(tmp_path, 2, 1, 2, 2)
    plans = []
    for order in ((tmp_path / "p1", tmp_path / "p2"), (tmp_path / "p2", tmp_path / "p1")):
        catalogue = new_catalogue()
        for place in order:
            indexed(catalogue, place)
        plan = planned(catalogue)
        plans.append([(i.file_id.path, i.candidate.claims) for i in plan.items])
    assert plans[0] == plans[1]
    assert len(plans[0]) == 8
