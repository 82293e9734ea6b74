"""A question for a patient finds who was linked to them, unless it is said otherwise; in SQL as in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.database import fetch, grouping, patient_links
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.followed_links import links_of
from catalog.database.patient_links import Link, LinkRefused, PatientId, parsed
from catalog.entities import Claims, Instance, Level
from catalog.query.parse import selection
from catalog.query.selection import Selection
from catalog.query.values import Manner
from tests.cli.conftest import dcat  # noqa: F401 - a fixture
from tests.database.stating import copied, reading, stated, store
from tests.database.test_select import found

FOLLOWING = Manner(follows_links=True)
NOW = "2026-01-01T00:00:00+00:00"


def one_of(number: int, patient_id: str, issuer: str = "", **values: Any) -> Claims:
    """Return the claims of an instance in a study of its own."""
    return stated(
        patient_id=patient_id, issuer_of_patient_id=issuer, study_instance_uid=f"1.{number}",
        series_instance_uid=f"1.{number}.1", sop_instance_uid=f"1.{number}.1.1", **values,
    )  # fmt: skip


def link(catalogue: Catalogue, *links: Link) -> None:
    with catalogue.write() as connection:
        patient_links.add(connection, links, None, NOW)


def asked(*keys: str, manner: Manner = FOLLOWING, **more: Any) -> Selection:
    return selection(keys, manner=manner, **more)


@pytest.fixture
def linked(catalogue: Catalogue) -> Catalogue:
    """4711 of LOCAL with a CT study; F^ACME, who is linked to it, with an MR study; 4711 of OTHER, who is somebody else."""
    store(catalogue, [
        reading("local", one_of(1, "4711", "LOCAL", modality="CT")),
        reading("foreign", one_of(2, "F", "ACME", modality="MR")),
        reading("other", one_of(3, "4711", "OTHER", modality="US")),
        reading("palette", Claims(None, None, None, Instance(sop_instance_uid="1.9", sop_class_uid="1.2.840.10008.5.1.4.39.1"), "PALETTE")),
    ])  # fmt: skip
    link(catalogue, parsed("F^ACME=4711^LOCAL"), parsed("4711^OTHER=99^LOCAL"))
    return catalogue


@pytest.mark.parametrize(
    ("keys", "files"),
    [
        (["PatientID=4711"], "foreign local other"),
        (["PatientID=4711", "IssuerOfPatientID=LOCAL"], "foreign local"),
        (["PatientID=4711", "IssuerOfPatientID=OTHER"], "other"),
        (["PatientID=4711", "IssuerOfPatientID!=LOCAL"], "other"),
        (["PatientID=4711", "IssuerOfPatientID=ACME"], ""),
        (["PatientID=99"], "other"),
        (["PatientID=99", "IssuerOfPatientID=OTHER"], ""),
        (["PatientID=F"], "foreign"),
        (["PatientID=47*"], "foreign local other"),
        (["PatientID=F", "PatientID=99"], "foreign other"),
        (["IssuerOfPatientID=LOCAL"], "local"),
        (["PatientID!=4711"], "palette"),
        (["PatientID!=F"], "local other palette"),
        (["PatientID!=99", "PatientID=4711"], "foreign local"),
        (['PatientID=""'], "palette"),
        (["PatientID=*"], "foreign local other palette"),
        (["PatientID=4711", "Modality=MR"], "foreign"),
    ],
)
def test_whose_it_is(linked: Catalogue, keys: list[str], files: str) -> None:
    assert " ".join(sorted(found(linked, Level.FILE, asked(*keys)))) == files


def test_without_links_it_is_what_files_state(linked: Catalogue) -> None:
    plain = selection(["PatientID=4711"], manner=Manner())
    assert found(linked, Level.FILE, plain) == {"local", "other"}


def test_two_selections_together_find_what_both_find(linked: Catalogue) -> None:
    of_patient, of_issuer = asked("PatientID=4711"), asked("IssuerOfPatientID=ACME")
    assert found(linked, Level.FILE, of_patient & of_issuer) == {"foreign"}
    assert found(linked, Level.FILE, of_patient & asked("PatientID=99")) == {"other"}
    as_stated = selection(["PatientID=4711"], manner=Manner())
    assert found(linked, Level.FILE, of_patient & as_stated) == {"local", "other"}


def test_everything_that_selects_follows(linked: Catalogue) -> None:
    wanted = asked("PatientID=4711", "IssuerOfPatientID=LOCAL")
    with linked.read() as connection:
        counts = [fetch.count_of(connection, level, wanted) for level in Level]
    assert counts == [2] * 5
    keys = grouping.group_keys(["PatientID"])
    with grouping.grouped(linked, keys, wanted) as (_, rows):
        assert [row[:5] for row in rows] == [("4711", 1, 1, 1, 1), ("F", 1, 1, 1, 1)]
    taken = [(c.claims.patient, c.files[0].path) for c in fetch.candidates(linked, wanted)]
    # What is copied, and recorded, is what the files state.
    assert [(p and p.patient_id, path) for p, path in taken] == [("4711", "local"), ("F", "foreign")]  # fmt: skip


def test_the_linked_patient_can_be_shown(linked: Catalogue) -> None:
    from catalog.database.columns import named

    names = ["PatientID", "LinkedPatientID", "LinkedIssuerOfPatientID"]
    for level in Level:
        wanted = fetch.Arrangement(named(level, names, ()))
        with fetch.found(linked, level, asked("PatientID=F"), wanted) as (_, rows):
            assert list(rows) == [("F", "4711", "LOCAL")], level


def test_it_can_be_told_whom_links_bring_or_take(linked: Catalogue) -> None:
    def told(*keys: str) -> list[str]:
        with linked.read() as connection:
            return [f"{each.foreign}={each.local}" for each in links_of(connection, asked(*keys))]

    assert told("PatientID=4711") == ["F^ACME=4711^LOCAL"]
    assert told("PatientID!=4711") == ["F^ACME=4711^LOCAL"]
    assert told("PatientID=9*") == ["4711^OTHER=99^LOCAL"]
    assert told("PatientID=F") == told("IssuerOfPatientID=LOCAL") == told() == []
    link(linked, parsed("NOBODY=4711^LOCAL"))
    assert told("PatientID=4711", "IssuerOfPatientID=LOCAL") == ["F^ACME=4711^LOCAL"]


def test_many_links_are_followed(catalogue: Catalogue) -> None:
    store(catalogue, [reading(f"{n}", one_of(n, f"F{n}")) for n in range(120)])
    link(catalogue, *(parsed(f"F{n}=L") for n in range(120)))
    assert len(found(catalogue, Level.FILE, asked("PatientID=L"))) == 120
    assert found(catalogue, Level.FILE, asked("PatientID!=L")) == set()


IDS = st.sampled_from(["1", "2", "12", "*"])
ISSUERS = st.sampled_from(["", "X", "Y"])
IDENTITIES = st.builds(PatientId, IDS, ISSUERS)
TYPED = st.sampled_from(["1", "2", "12", "1*", "*", '""', "", "?", "X", "Y"])
KEYS = st.lists(
    st.tuples(st.sampled_from(["PatientID", "IssuerOfPatientID"]), st.sampled_from(["=", "!="]), TYPED)
    .filter(lambda key: key[1] == "=" or key[2] not in ("", "*"))
    .map("".join),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=60)
@given(
    patients=st.lists(IDENTITIES, min_size=1, max_size=5, unique=True),
    links=st.lists(st.builds(Link, IDENTITIES, IDENTITIES), max_size=5),
    questions=st.lists(st.lists(KEYS, min_size=1, max_size=2), min_size=1, max_size=6),
)
@example([PatientId("1", "X")], [Link(PatientId("1", "X"), PatientId("2", "Y"))], [[["PatientID=1", "IssuerOfPatientID=Y"]]])  # fmt: skip
def test_sql_finds_what_memory_finds(
    empty_catalogue: Path,
    patients: list[PatientId],
    links: list[Link],
    questions: list[list[list[str]]],
) -> None:
    palette = Claims(None, None, None, Instance(sop_instance_uid="1.99", sop_class_uid="1.2.840.10008.5.1.4.39.1"), "PALETTE")  # fmt: skip
    claims = [*(one_of(n, *each) for n, each in enumerate(patients)), palette]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_catalogue(copied(empty_catalogue, folder)) as catalogue,
    ):
        store(catalogue, [reading(f"{n}", each) for n, each in enumerate(claims)])
        standing: dict[PatientId, Mapping[str, str]] = {}
        for each in links:
            try:
                link(catalogue, each)
            except LinkRefused:
                continue
            standing[each.foreign] = {
                "patient_id": each.local.patient_id,
                "issuer_of_patient_id": each.local.issuer,
            }
        for parts in questions:
            wanted = Selection()
            for keys in parts:
                wanted &= asked(*keys)
            fitting = {
                n
                for n, each in enumerate(claims)
                if wanted.matches(each, linked=standing.get(patients[n]) if n < len(patients) else None)
            }  # fmt: skip
            assert found(catalogue, Level.FILE, wanted) == {str(n) for n in fitting}, parts
            assert found(catalogue, Level.PATIENT, wanted) == {
                patients[n].patient_id for n in fitting if n < len(patients)
            }, parts


@given(patients=st.lists(IDENTITIES, min_size=1, max_size=5, unique=True), typed=TYPED.filter(lambda t: t not in ("", "*")), to=IDENTITIES)  # fmt: skip
def test_not_equal_is_what_equal_is_not(patients: list[PatientId], typed: str, to: PatientId) -> None:  # fmt: skip
    linked = {"patient_id": to.patient_id, "issuer_of_patient_id": to.issuer}
    equal, unequal = asked(f"PatientID={typed}"), asked(f"PatientID!={typed}")
    for each in patients:
        claims = one_of(1, *each)
        for identity in (None, linked):
            assert equal.matches(claims, linked=identity) is not unequal.matches(claims, linked=identity)  # fmt: skip


def test_the_commands(
    tmp_path: Path,
    dcat: Callable[..., tuple[int, str, str]],  # noqa: F811
) -> None:
    from tests.builders import write

    db = ("--db", str(tmp_path / "c.db"))
    write(tmp_path / "archive/a", PatientID="F1", IssuerOfPatientID="ACME", StudyInstanceUID="1.2.1", SeriesInstanceUID="1.2.1.1", SOPInstanceUID="1.2.1.1.1")  # fmt: skip
    write(tmp_path / "archive/b", PatientID="L1", StudyInstanceUID="1.2.2", SeriesInstanceUID="1.2.2.1", SOPInstanceUID="1.2.2.1.1")  # fmt: skip
    assert dcat("index", tmp_path / "archive", *db)[0] == 0
    assert dcat("patient", "link", "F1^ACME=L1", *db)[0] == 0
    code, out, err = dcat("find", "--patient", "L1", "--count", *db)
    assert (code, out) == (0, "2\n")
    assert err == "F1^ACME is linked to L1 and counts as that patient; --no-links leaves links aside.\n"  # fmt: skip
    assert dcat("find", "--patient", "L1", "--count", "--no-links", *db) == (0, "1\n", "")
    assert dcat("find", "--patient", "F1", "--count", *db) == (0, "1\n", "")
    assert dcat("find", "--count", *db) == (0, "2\n", "")
    assert dcat("selection", "save", "all", "--patient", "L1", *db)[0] == 0
    assert dcat("selection", "save", "own", "--patient", "L1", "--no-links", *db)[0] == 0
    assert [dcat("find", f"@{name}", "--count", *db)[1] for name in ("all", "own")] == ["2\n", "1\n"]  # fmt: skip
    assert "--no-links" in dcat("selection", "show", "own", *db)[1]
    code, _, err = dcat("export", "--patient", "L1", tmp_path / "out", *db)
    assert code == 0
    assert "F1^ACME is linked to L1 and counts as that patient, and keeps its own Patient ID in files and records" in err  # fmt: skip
    directory = (tmp_path / "out/DICOMDIR").read_bytes()
    assert b"F1" in directory
    assert b"L1" in directory
