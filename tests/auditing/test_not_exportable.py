"""The audit not-exportable says the same as an export of everything plans."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.auditing import asked, audit_named
from catalog.database import fetch
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.entities import Claims, Instance, Reading, Status, StoredFile
from catalog.exporting.planning import make_plan
from catalog.exporting.refusing import ambiguous
from catalog.query.selection import Selection
from tests.auditing.cases import CASES, whole
from tests.database.stating import copied, reading, store, store_records

pytestmark = pytest.mark.both

Reasons = Counter[tuple[str, str | None]]


def planned(catalogue: Catalogue) -> Reasons:
    """Return how many instances an export of everything leaves out, by code and SOP Class.

    Files of one size whose digests are not known count as alike, as nobody can know before.
    """
    candidates = list(fetch.candidates(catalogue, Selection()))
    digests = {}
    for candidate in candidates:
        files = ambiguous(candidate)
        known = {file.digest for file in files if file.digest}
        for file in files:
            digests[file.file_ref] = file.digest or min(known, default="unknown")
    plan = make_plan(candidates, digests)
    return Counter((out.code, out.candidate.claims.instance.sop_class_uid) for out in plan.left_out)


def audited(catalogue: Catalogue) -> Reasons:
    with asked(catalogue, audit_named("not-exportable"), {}) as (columns, rows):
        assert columns[:4] == ("Code", "Why", "SOPClassUID", "Instances")
        return Counter({(row[0], row[2]): row[3] for row in rows})


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_says_what_an_export_plans(catalogue: Catalogue, name: str) -> None:
    CASES[name].make(catalogue)
    assert audited(catalogue) == planned(catalogue)


def test_instances_of_no_patient_can_be_exported(catalogue: Catalogue) -> None:
    protocol = Claims(None, None, None, Instance(sop_instance_uid="1.2", sop_class_uid="1.2.840.10008.5.1.4.38.1"), "HANGING PROTOCOL")  # fmt: skip
    store(catalogue, [reading("1", protocol)])
    assert audited(catalogue) == planned(catalogue) == Counter()


def test_what_only_a_dicomdir_names_has_no_file(catalogue: Catalogue) -> None:
    store_records(catalogue, [whole()])
    assert audited(catalogue) == planned(catalogue)
    assert [code for code, _ in audited(catalogue)] == ["no-file"]


UIDS = st.sampled_from(["1.1", "1.2", "1.3", "1.02", ""])
CLAIMS = st.builds(
    lambda sop, series, study, patient, issuer, private: whole(
        sop_instance_uid=sop or "1.9", series_instance_uid=series or "1.8", study_instance_uid=study or "1.7",
        patient_id=patient, issuer_of_patient_id=issuer,
    )._replace(**{"directory_record_type": None} if private else {}),
    UIDS, UIDS, UIDS, st.sampled_from(["P1", "P2", ""]), st.sampled_from(["A", None]), st.booleans(),
)  # fmt: skip
FILES = st.tuples(
    CLAIMS,
    st.sampled_from([Status.OK, Status.OK, Status.TRUNCATED, Status.MISSING]),
    st.sampled_from([100, 101]),
    st.sampled_from(["1.2.840.10008.1.2.1", None]),
    st.sampled_from(["a", "b", None]),
)


@pytest.fixture(scope="module")
def template(empty_catalogue, tmp_path_factory):  # type: ignore[no-untyped-def]
    return empty_catalogue, tmp_path_factory.mktemp("property")


@settings(max_examples=40)
@given(st.lists(FILES, max_size=8))
def test_it_says_what_an_export_plans_whatever_there_is(template, given_files) -> None:  # type: ignore[no-untyped-def]
    path, folder = template
    readings = [
        Reading(StoredFile(str(n), size, 1, status, None, syntax, digest=digest), claims)
        for n, (claims, status, size, syntax, digest) in enumerate(given_files)
    ]
    with open_catalogue(copied(path, str(folder))) as catalogue:
        store(catalogue, readings)
        assert audited(catalogue) == planned(catalogue)
