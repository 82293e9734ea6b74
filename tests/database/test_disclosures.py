"""Who received a patient's images: the ledger and the audit, with links and without, on both databases."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.auditing import asked, audit_named
from catalog.database import disclosures, ledger, patient_links, runs
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import Location
from catalog.database.patient_links import Link, LinkRefused, PatientId, parsed
from tests.database.stating import copied

NOW = "2026-01-01T00:00:00+00:00"
Told = Counter[tuple[str, str, str]]
"""How many exports have each Patient ID, issuer and study."""


def link(catalogue: Catalogue, *links: Link) -> None:
    with catalogue.write() as connection:
        patient_links.add(connection, links, None, NOW)


def export(
    catalogue: Catalogue, *items: tuple[str | None, str | None, str | None], outcome: str = "copied"
) -> None:
    """Record an export of one instance each of (Patient ID, issuer, study)."""
    with runs.recorded(catalogue, "export", "test") as run, catalogue.write() as connection:
        ref = ledger.begin_export(connection, run.ref, "/medium", "", f"1.2.{run.ref}", None, None)
        rows = [
            ledger.ItemRow(f"1.9.{number}", *item, f"F{number}", "/a", 1, "d", outcome, None)
            for number, item in enumerate(items)
        ]
        ledger.add_items(connection, ref, rows)


def by_ledger(catalogue: Catalogue, patient_id: str, *, links: bool) -> Told:
    with catalogue.read() as connection:
        known = disclosures.known_as(connection, patient_id, None)
    answer = disclosures.patient(catalogue, known if links else known[:1])
    return Counter(
        (d.share.patient_id or "", d.share.issuer_of_patient_id or "", d.share.study_instance_uid or "")
        for d in answer.disclosures
    )  # fmt: skip


def by_audit(catalogue: Catalogue, patient_id: str, *, links: bool) -> Told:
    given = {"patient": patient_id} | ({} if links else {"links": "no"})
    with asked(catalogue, audit_named("disclosures"), given) as (columns, rows):
        of = columns.index
        return Counter(
            (row[of("PatientID")], row[of("IssuerOfPatientID")], row[of("StudyInstanceUID")] or "")
            for row in rows
        )


BOTH_WAYS = pytest.mark.parametrize("told", [by_ledger, by_audit], ids=lambda f: f.__name__)


@pytest.fixture
def linked(catalogue: Catalogue) -> Catalogue:
    """F^ACME and G are 4711^LOCAL; an export of each, of 4711 of two issuers, and of a stranger."""
    link(catalogue, parsed("F^ACME=4711^LOCAL"), parsed("G=4711^LOCAL"))
    for item in (("F", "ACME", "1.1"), ("F", None, "1.2"), ("G", None, "1.3"), ("4711", "LOCAL", "1.4"), ("4711", "OTHER", "1.5"), ("Z", None, "1.6")):  # fmt: skip
        export(catalogue, item)
    return catalogue


@BOTH_WAYS
@pytest.mark.parametrize(
    ("patient_id", "with_links", "alone"),
    [
        ("4711", ["1.1", "1.3", "1.4", "1.5"], ["1.4", "1.5"]),
        # Whoever is asked for: what the ledger has of F may have been sent as 4711 before.
        ("F", ["1.1", "1.2", "1.3", "1.4"], ["1.1", "1.2"]),
        ("G", ["1.1", "1.3", "1.4"], ["1.3"]),
        ("Z", ["1.6"], ["1.6"]),
        ("f", [], []),
        ("%", [], []),
        ("' OR 1=1 --", [], []),
    ],
)
def test_whichever_id_is_named(
    told: Callable[..., Told],
    patient_id: str,
    with_links: list[str],
    alone: list[str],
    linked: Catalogue,
) -> None:
    assert sorted(study for _, _, study in told(linked, patient_id, links=True)) == with_links
    assert sorted(study for _, _, study in told(linked, patient_id, links=False)) == alone


@BOTH_WAYS
def test_nothing_is_counted_twice(told: Callable[..., Told], catalogue: Catalogue) -> None:
    """Two issuers of one Patient ID that are linked to each other."""
    link(catalogue, parsed("P^A=P^B"), parsed("Q=P^B"))
    export(catalogue, ("P", "A", "1.1"), ("P", "B", "1.2"), ("Q", None, "1.3"))
    for patient_id in ("P", "Q"):
        assert set(told(catalogue, patient_id, links=True).values()) == {1}
        assert len(told(catalogue, patient_id, links=True)) == 3


@BOTH_WAYS
def test_a_link_taken_back_counts_no_more(told: Callable[..., Told], linked: Catalogue) -> None:
    with linked.write() as connection:
        assert patient_links.remove(connection, PatientId("F", "ACME"))
    assert ("F", "ACME", "1.1") not in told(linked, "4711", links=True)
    assert sorted(study for _, _, study in told(linked, "F", links=True)) == ["1.1", "1.2"]


@BOTH_WAYS
def test_what_was_not_copied_was_not_received(told: Callable[..., Told], linked: Catalogue) -> None:
    export(linked, ("F", "ACME", "1.7"), outcome="failed")
    export(linked, ("F", "ACME", "1.8"), outcome="left-out")
    assert not {"1.7", "1.8"} & {study for _, _, study in told(linked, "4711", links=True)}


def test_links_is_yes_or_no(linked: Catalogue) -> None:
    from catalog.errors import SelectionError

    for wrong in ("none", "false", "0", ""):
        with (
            pytest.raises(SelectionError, match="neither yes nor no"),
            asked(linked, audit_named("disclosures"), {"patient": "F", "links": wrong}),
        ):
            pass
    for right in ("no", "No", " NO "):
        with asked(linked, audit_named("disclosures"), {"patient": "F", "links": right}) as (
            _,
            rows,
        ):
            assert len(list(rows)) == 2


IDS = st.sampled_from(["P", "Q", "R", "4711"])
ISSUERS = st.sampled_from(["", "A", "B"])
PATIENTS = st.builds(PatientId, IDS, ISSUERS)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(PATIENTS, PATIENTS), max_size=5),
    st.lists(st.tuples(PATIENTS, st.integers(1, 3)), max_size=8),
    IDS,
)
@example([], [], "P")
@example([(PatientId("P", "A"), PatientId("Q")), (PatientId("P", "B"), PatientId("R"))], [(PatientId("Q"), 1), (PatientId("R"), 2)], "P")  # fmt: skip
def test_ledger_and_audit_say_what_follows_from_the_links(
    empty_catalogue: Location,
    pairs: Sequence[tuple[PatientId, PatientId]],
    sent: Sequence[tuple[PatientId, int]],
    patient_id: str,
) -> None:
    with tempfile.TemporaryDirectory() as folder, open_catalogue(copied(empty_catalogue, folder)) as catalogue:  # fmt: skip
        local: dict[PatientId, PatientId] = {}
        for foreign, here in pairs:
            try:
                link(catalogue, Link(foreign, here))
            except LinkRefused:
                continue
            local[foreign] = here
        for patient, study in sent:
            export(catalogue, (patient.patient_id, patient.issuer or None, f"1.{study}"))
        # One person is who has the same patient of this place.
        people = {local.get(p, p) for p in (*local, *local.values()) if p.patient_id == patient_id}
        expected: Told = Counter()
        for patient, study in sent:
            if patient.patient_id == patient_id or local.get(patient, patient) in people:
                expected[patient.patient_id, patient.issuer, f"1.{study}"] += 1
        alone = Counter({key: n for key, n in expected.items() if key[0] == patient_id})
        for told in (by_ledger, by_audit):
            assert told(catalogue, patient_id, links=True) == expected
            assert told(catalogue, patient_id, links=False) == alone
