"""--profile of `dicomdir create`, `dicomdir check` and `export`: what fits, and what is listed and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.encaps import encapsulate

from tests import builders
from tests.cli.conftest import Dcat
from tests.maintaining.test_updating import snapshot
from tests.media.medium import values_of

JPEG, MR = "1.2.840.10008.1.2.4.50", "1.2.840.10008.5.1.4.1.1.4"
MISFITS: dict[str, dict[str, Any]] = {
    # by its Transfer Syntax, and by its SOP Class
    "STD-GEN-CD": {"transfer_syntax": JPEG, "PixelData": encapsulate([b"\xff\xd8\xff\xd9"])},
    "STD-XABC-CD": {"SOPClassUID": MR, "Modality": "MR"},
}
REASONS = {
    "STD-GEN-CD": "its Transfer Syntax (JPEG Baseline (Process 1)) is none of STD-GEN-CD (PS3.11 Annex D)",
    "STD-XABC-CD": "its SOP Class (MR Image Storage) is none of STD-XABC-CD (PS3.11 Annex A)",
}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Two CT instances that fit STD-GEN-CD."""
    for number in (1, 2):
        builders.write(tmp_path / "files" / f"IM{number}", **values_of(number))
    return tmp_path / "files"


@pytest.fixture
def mixed(good: Path) -> Path:
    """The same with one in JPEG, which does not."""
    builders.write(good / "JPEG", **values_of(3), **MISFITS["STD-GEN-CD"])
    return good


@pytest.mark.parametrize("name", ["STD-GEN-CD", "std-gen-cd"])
def test_a_good_medium(name: str, good: Path, tmp_path: Path, dcat: Dcat) -> None:
    assert dcat("dicomdir", "create", good, "--profile", name).code == 0
    checked = dcat("dicomdir", "check", good, "--profile", name)
    assert (checked.code, checked.out) == (0, "")
    db = tmp_path / "c.db"
    assert dcat("index", good, "--db", db).code == 0
    assert dcat("export", tmp_path / "out", "--profile", name, "--db", db).code == 0
    checked = dcat("dicomdir", "check", tmp_path / "out", "--profile", name)
    assert (checked.code, checked.out) == (0, "")


def test_image_type_is_in_the_records(good: Path, dcat: Dcat) -> None:
    assert dcat("dicomdir", "create", good).code == 0
    shown = dcat("dicomdir", "show", good, "-f", "json").out
    keys = [r["keys"] for r in json.loads(shown)["records"] if r["type"] == "IMAGE"]
    assert [each["00080008"]["Value"] for each in keys] == [["ORIGINAL", "PRIMARY", "AXIAL"]] * 2


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--replace"], ["--rename"]], ids=str)
def test_create_lists_what_does_not_fit_and_writes_nothing(
    more: list[str], mixed: Path, dcat: Dcat
) -> None:
    before = snapshot(mixed)
    said = dcat("dicomdir", "create", mixed, "--profile", "STD-GEN-CD", *more)
    assert (said.code, said.out) == (1, "")
    assert f"  profile: JPEG: {REASONS['STD-GEN-CD']}\n" in said.err
    assert "IM1" not in said.err
    assert "1 of 3 files does not fit STD-GEN-CD" in said.err
    assert said.err.endswith("Nothing was written.\n")
    assert snapshot(mixed) == before


def test_create_without_what_does_not_fit(mixed: Path, dcat: Dcat) -> None:
    said = dcat("dicomdir", "create", mixed, "--profile", "STD-GEN-CD", "--partial")
    assert said.code == 3
    assert f"  profile: JPEG: {REASONS['STD-GEN-CD']}\n" in said.err
    said = dcat("dicomdir", "check", mixed, "--profile", "STD-GEN-CD", "-o", "json")
    assert said.code == 4  # the directory follows the profile; that it is not whole is seen, too
    assert [(row["Code"], row["Place"]) for row in json.loads(said.out)] == [
        ("file-unnamed", "JPEG")
    ]


def test_renaming_leaves_what_does_not_fit_alone(tmp_path: Path, dcat: Dcat) -> None:
    builders.write(tmp_path / "one.dcm", **values_of(1))
    jpeg = builders.write(tmp_path / "two.dcm", **values_of(3), **MISFITS["STD-GEN-CD"])
    said = dcat("dicomdir", "create", tmp_path, "--profile", "STD-GEN-CD", "--rename", "--partial")
    assert said.code == 3
    assert said.out.startswith("one.dcm\t")
    assert said.out.count("\n") == 1
    assert jpeg.exists()


def test_create_lists_keys_that_no_record_can_have(good: Path, dcat: Dcat) -> None:
    builders.write(good / "IM3", **values_of(3) | {"Rows": ..., "PixelData": b"\1\2"})
    before = snapshot(good)
    said = dcat("dicomdir", "create", good, "--profile", "STD-CTMR-CD")
    assert said.code == 1
    assert "  profile: IM3: Rows (0028,0010), Type 1 in IMAGE records, is missing" in said.err
    assert "IM1" not in said.err
    assert "1 of 3 files does not fit STD-CTMR-CD" in said.err
    assert snapshot(good) == before


@pytest.mark.parametrize("name", MISFITS)
def test_check_lists_what_does_not_fit(name: str, good: Path, dcat: Dcat) -> None:
    builders.write(good / "ODD", **values_of(3) | MISFITS[name])
    assert dcat("dicomdir", "create", good).code == 0
    before = snapshot(good)
    said = dcat("dicomdir", "check", good, "--profile", name, "-o", "json")
    assert said.code == 4
    reasons = {
        row["Place"]: row["Message"]
        for row in json.loads(said.out)
        if row["Code"] == "profile-misfit"
    }
    assert reasons["ODD"] == f"The instance does not fit the profile: {REASONS[name]}."
    assert ("IM1" in reasons) == (name == "STD-XABC-CD")
    assert snapshot(good) == before


def test_export_lists_what_does_not_fit(mixed: Path, tmp_path: Path, dcat: Dcat) -> None:
    db, out = tmp_path / "c.db", tmp_path / "out"
    assert dcat("index", mixed, "--db", db).code == 0
    said = dcat("export", out, "--profile", "STD-GEN-CD", "--db", db, "--dry-run")
    assert said.code == 3
    assert REASONS["STD-GEN-CD"] in said.err
    assert not out.exists()
    said = dcat("export", out, "--profile", "STD-GEN-CD", "--db", db)
    assert said.code == 3
    assert f"left out: 1 instance: {REASONS['STD-GEN-CD']}\n      1.2.3.4.5.3\n" in said.err
    assert dcat("dicomdir", "check", out, "--profile", "STD-GEN-CD").code == 0


def test_export_of_nothing_that_fits_writes_nothing(
    mixed: Path, tmp_path: Path, dcat: Dcat
) -> None:
    db, out = tmp_path / "c.db", tmp_path / "out"
    assert dcat("index", mixed, "--db", db).code == 0
    said = dcat("export", out, "--profile", "STD-US-ID-SF-CDR", "--db", db)
    assert said.code == 3
    assert "left out: 3 instances: its SOP Class (CT Image Storage) is none of " in said.err
    assert "nothing was written" in said.err
    assert not out.exists()


@pytest.mark.parametrize("command", ["create", "check", "export"])
def test_a_profile_that_is_none(command: str, good: Path, tmp_path: Path, dcat: Dcat) -> None:
    db = tmp_path / "c.db"
    assert dcat("dicomdir", "create", good).code == 0
    assert dcat("index", good, "--db", db).code == 0
    before = snapshot(tmp_path)
    arguments = {
        "create": ("dicomdir", "create", good, "--replace"),
        "check": ("dicomdir", "check", good),
        "export": ("export", tmp_path / "out", "--db", db),
    }[command]
    said = dcat(*arguments, "--profile", "STD-GEN-DC")
    assert (said.code, said.out) == (2 if command == "export" else 1, "")
    assert "'STD-GEN-DC' is no Application Profile" in said.err
    assert "Did you mean STD-GEN-CD" in said.err
    assert snapshot(tmp_path) == before
