"""`dcat export --update --dry-run` tells what the update then tells, and writes nothing."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.cli.main import main
from catalog.maintaining import add, foreseen, plan_addition, plan_removal, remove
from catalog.maintaining.removing import Fate
from tests.builders import archive, write
from tests.cli.conftest import Dcat
from tests.maintaining.test_updating import UID, snapshot


@pytest.fixture
def place(dcat: Dcat, tmp_path: Path) -> Path:
    """A folder with an indexed archive of four instances and an export of them."""
    archive(tmp_path / "archive", 1, 1, 1, 4)
    index(dcat, tmp_path)
    assert dcat("export", tmp_path / "medium", "--db", tmp_path / "c.db").code == 0
    return tmp_path


def index(dcat: Dcat, place: Path) -> None:
    assert dcat("index", place / "archive", "-j", "1", "--db", place / "c.db").code == 0


def noticed(err: str, *marks: str) -> Counter[str]:
    """Return the lines that tell findings."""
    return Counter(line for line in err.splitlines() if any(mark in line for mark in marks))


def new(place: Path, name: str = "new.dcm", **values: Any) -> Path:
    told = {"PatientID": "P9", "StudyInstanceUID": "1.9", "SeriesInstanceUID": "1.9.1", "SOPInstanceUID": "1.9.1.1"}  # fmt: skip
    return write(place / "archive" / name, **told | values)


def test_what_is_supplied_is_told_and_nothing_is_written(dcat: Dcat, place: Path) -> None:
    new(place, StudyDate="", StudyID="", PatientID="")
    index(dcat, place)
    before = snapshot(place / "medium")
    dry = dcat("export", "--update", "--dry-run", place / "medium", "--db", place / "c.db")
    assert dry.code == 0, dry.err
    assert snapshot(place / "medium") == before
    for keyword in ("StudyDate", "StudyID", "PatientID"):
        assert f"gets the {keyword} that its file lacks" in dry.err, dry.err
    assert "archive/new.dcm" in dry.err
    assert "1 to add" in dry.err
    said = dcat("export", "--update", place / "medium", "--db", place / "c.db")
    assert said.code == 0, said.err
    assert "type1-supplied" in said.err


def test_records_that_are_there_get_nothing_anew(dcat: Dcat, tmp_path: Path) -> None:
    """The study's record was supplied with its ID when the medium was made."""
    write(tmp_path / "archive/a.dcm", StudyID="", SOPInstanceUID="1.2.3.1")
    index(dcat, tmp_path)
    assert dcat("export", tmp_path / "medium", "--db", tmp_path / "c.db").code == 0
    write(tmp_path / "archive/b.dcm", StudyID="", SOPInstanceUID="1.2.3.2", InstanceNumber="2")
    index(dcat, tmp_path)
    dry = dcat("export", "--update", "--dry-run", tmp_path / "medium", "--db", tmp_path / "c.db")
    assert dry.code == 0, dry.err
    assert "1 to add" in dry.err
    assert "supplied" not in dry.err


def test_what_is_replaced_is_told_as_after_its_removal(dcat: Dcat, place: Path) -> None:
    path = sorted((place / "archive").rglob("*.dcm"))[1]
    write(path, PatientID="P1", PatientName="Doe^Number1", StudyInstanceUID="1.2.3.1.1", StudyDate="20240101", SeriesInstanceUID="1.2.3.1.1.1", SeriesNumber="1", Modality="MR", SOPInstanceUID="1.2.3.1.1.1.2", InstanceNumber="", StudyDescription="corrected")  # fmt: skip
    index(dcat, place)
    before = snapshot(place / "medium")
    dry = dcat("export", "--update", "--dry-run", place / "medium", "--db", place / "c.db")
    assert dry.code == 0, dry.err
    assert "1 to replace" in dry.err
    assert "would fail" not in dry.err
    assert "gets the InstanceNumber that its file lacks" in dry.err
    assert snapshot(place / "medium") == before
    said = dcat("export", "--update", place / "medium", "--db", place / "c.db")
    assert said.code == 0, said.err
    assert dcat("verify", "--media", place / "medium").code == 0


def test_what_the_medium_cannot_hold_would_fail(dcat: Dcat, place: Path) -> None:
    """The new file says that a study of the medium is another patient's."""
    new(place, PatientID="P7", StudyInstanceUID="1.2.3.1.1")
    index(dcat, place)
    selection = ("--patient", "P7", "--db", place / "c.db")
    dry = dcat("export", "--update", "--dry-run", place / "medium", *selection)
    assert dry.code == 3, dry.err
    assert "would fail: 1 instance" in dry.err
    said = dcat("export", "--update", place / "medium", *selection)
    assert said.code == 3
    assert "failed" in said.err


def test_a_source_that_is_gone(dcat: Dcat, place: Path) -> None:
    path = new(place)
    index(dcat, place)
    path.unlink()
    before = snapshot(place / "medium")
    dry = dcat("export", "--update", "--dry-run", place / "medium", "--db", place / "c.db")
    assert dry.code == 3, dry.err
    assert "cannot be found" in dry.err
    assert dcat("export", "--update", place / "medium", "--db", place / "c.db").code == 1
    taken = dcat("export", "--update", "--as-found", place / "medium", "--db", place / "c.db")
    assert taken.code == 3, taken.err
    assert "left out: 1 instance: its file is not there any more" in taken.err
    assert snapshot(place / "medium") == before


def test_a_copy_stays_whose_source_changed_and_then_went(dcat: Dcat, place: Path) -> None:
    path = sorted((place / "archive").rglob("*.dcm"))[1]
    write(path, PatientID="P1", StudyInstanceUID="1.2.3.1.1", SeriesInstanceUID="1.2.3.1.1.1", SOPInstanceUID="1.2.3.1.1.1.2", StudyDescription="corrected")  # fmt: skip
    index(dcat, place)
    path.unlink()
    before = snapshot(place / "medium")
    dry = dcat("export", "--update", "--dry-run", place / "medium", "--db", place / "c.db")
    assert dry.code == 3, dry.err
    taken = dcat("export", "--update", "--as-found", place / "medium", "--db", place / "c.db")
    assert taken.code == 3, taken.err
    assert snapshot(place / "medium") == before


LACKING = st.sets(st.sampled_from(["PatientID", "StudyDate", "StudyTime", "StudyID", "Modality", "SeriesNumber", "InstanceNumber"]))  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(
    first=st.lists(st.tuples(LACKING, st.integers(0, 1)), min_size=1, max_size=3),
    second=st.lists(st.tuples(LACKING, st.integers(0, 2)), min_size=1, max_size=3),
    goes=st.booleans(),
)
def test_what_is_foreseen_is_what_the_change_notices(
    first: list[Any], second: list[Any], goes: bool
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def written(place: str, number: int, lacking: set[str], study: int) -> Path:
            values: dict[str, Any] = dict.fromkeys(lacking, "")
            return write(folder / place / f"I{number}", StudyInstanceUID=f"1.{study + 1}", SeriesInstanceUID=f"1.{study + 1}.1", SOPInstanceUID=f"1.{study + 1}.1.{number}", **values)  # fmt: skip

        for number, (lacking, study) in enumerate(first, 1):
            written("medium", number, lacking, study)
        assert main(["dicomdir", "create", "--partial", str(folder / "medium")]) in (0, 1, 3)
        if not (folder / "medium/DICOMDIR").exists():
            return  # all of them contradict each other
        sources = [
            written("new", 100 + n, lacking, study) for n, (lacking, study) in enumerate(second)
        ]
        gone = ["I1"] if goes else []
        before = snapshot(folder / "medium")
        opened = plan_removal(folder / "medium", gone, UID).after() if gone else None
        plan = plan_addition(folder / "medium", sources, UID, opened=opened)
        left_out = plan.left_out
        told = Counter(foreseen(plan))
        assert snapshot(folder / "medium") == before
        if gone:
            remove(plan_removal(folder / "medium", gone, UID), Fate.DELETE)
        real = plan_addition(folder / "medium", sources, UID)
        assert real.left_out == left_out
        done = add(real)
        assert Counter(f for f in done.findings if not f.code.startswith("manifest")) == told


def as_json(dcat: Dcat, place: Path, *options: object) -> tuple[int, dict[str, Any]]:
    said = dcat("export", "--update", "--dry-run", "-o", "json", *options, place / "medium", "--db", place / "c.db")  # fmt: skip
    return said.code, json.loads(said.out)


def test_json_holds_the_whole_plan(dcat: Dcat, place: Path) -> None:
    paths = sorted((place / "archive").rglob("*.dcm"))
    write(paths[1], PatientID="P1", StudyInstanceUID="1.2.3.1.1", SeriesInstanceUID="1.2.3.1.1.1", SOPInstanceUID="1.2.3.1.1.1.2", StudyDescription="corrected")  # fmt: skip
    for number in range(1, 13):
        new(place, f"new{number}.dcm", SOPInstanceUID=f"1.9.1.{number}", InstanceNumber="", PatientID="")  # fmt: skip
    for number in range(1, 6):
        new(place, f"odd{number}.dcm", SOPClassUID="1.2.3.4", SOPInstanceUID=f"1.9.2.{number}")
    index(dcat, place)
    before = snapshot(place / "medium")
    code, plan = as_json(dcat, place, "--remove", "-k", f"SOPInstanceUID!={'1.2.3.1.1.1.3'}")
    assert code == 3
    assert snapshot(place / "medium") == before
    assert (plan["destination"], plan["unchanged"]) == (str(place / "medium"), 2)
    assert len(plan["added"]) == 12
    assert [each["sop_instance_uid"] for each in plan["replaced"]] == ["1.2.3.1.1.1.2"]
    assert [each["sop_instance_uid"] for each in plan["removed"]] == ["1.2.3.1.1.1.3"]
    (gone,) = plan["removed"]
    assert (place / "medium" / gone["file_id"]).exists()
    assert plan["size_bytes"] == sum(each["size_bytes"] for each in (*plan["added"], *plan["replaced"]))  # fmt: skip
    assert {out["sop_instance_uid"] for out in plan["left_out"]} == {f"1.9.2.{n}" for n in range(1, 6)}  # fmt: skip
    supplied = {(each["source"], each["keyword"]) for each in plan["supplied"]}
    assert {(str(place / f"archive/new{n}.dcm"), "InstanceNumber") for n in range(1, 13)} <= supplied  # fmt: skip
    assert {each["file_id"] for each in plan["supplied"]} <= {each["file_id"] for each in plan["added"] + plan["replaced"]}  # fmt: skip
    assert (plan["changed"], plan["failing"]) == ([], [])


def test_json_of_what_would_fail_and_of_what_changed(dcat: Dcat, place: Path) -> None:
    gone = [new(place, f"gone{n}.dcm", SOPInstanceUID=f"1.9.1.{n}") for n in range(20)]
    for n in range(5):
        new(place, f"other{n}.dcm", PatientID="P7", StudyInstanceUID="1.2.3.1.1", SOPInstanceUID=f"1.8.1.{n}", SeriesInstanceUID="1.8.1")  # fmt: skip
    index(dcat, place)
    for path in gone:
        path.unlink()
    code, plan = as_json(dcat, place, "--patient", "P9", "--patient", "P7")
    assert code == 3
    assert {each["source"] for each in plan["changed"]} == set(map(str, gone))
    assert {each["source"] for each in plan["failing"]} == {str(place / f"archive/other{n}.dcm") for n in range(5)}  # fmt: skip
    assert "study" in plan["failing"][0]["reason"]


def test_json_of_nothing_to_do(dcat: Dcat, place: Path) -> None:
    code, plan = as_json(dcat, place)
    assert (code, plan["added"], plan["replaced"], plan["removed"], plan["unchanged"]) == (0, [], [], [], 4)  # fmt: skip
