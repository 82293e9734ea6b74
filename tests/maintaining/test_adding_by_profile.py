"""`dicomdir add --profile`: new records follow the profile, what does not fit is listed before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.encaps import encapsulate

from tests import builders
from tests.cli.conftest import Dcat, dcat  # noqa: F401 - a fixture
from tests.journeys.steps import records
from tests.maintaining.test_updating import snapshot
from tests.media.medium import values_of

JPEG = "1.2.840.10008.1.2.4.50"


@pytest.fixture
def medium(tmp_path: Path, dcat: Dcat) -> Path:  # noqa: F811
    """A medium that follows STD-GEN-CD, with one instance."""
    builders.write(tmp_path / "medium/IM1", **values_of(1))
    assert dcat("dicomdir", "create", tmp_path / "medium", "--profile", "STD-GEN-CD").code == 0
    return tmp_path / "medium"


def files(folder: Path, **misfit: Any) -> Path:
    """Write an instance that fits, with an institution, and one in JPEG unless it is changed."""
    builders.write(folder / "good", **values_of(5), InstitutionName="General", InstitutionAddress="Main St")  # fmt: skip
    builders.write(folder / "jpeg", **values_of(3), **misfit)
    return folder


IN_JPEG: dict[str, Any] = {"transfer_syntax": JPEG, "PixelData": encapsulate([b"\xff\xd8\xff\xd9"])}


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=str)
def test_what_does_not_fit_is_listed_and_nothing_is_written(
    more: list[str], medium: Path, tmp_path: Path, dcat: Dcat  # noqa: F811
) -> None:  # fmt: skip
    before = snapshot(medium)
    said = dcat("dicomdir", "add", medium, files(tmp_path / "in", **IN_JPEG), "--profile", "std-gen-cd", *more)  # fmt: skip
    assert (said.code, said.out) == (1, "")
    assert "  profile: " in said.err
    assert "its Transfer Syntax (JPEG Baseline (Process 1)) is none of STD-GEN-CD" in said.err
    assert "1 of 2 files does not fit STD-GEN-CD" in said.err
    assert said.err.endswith("Nothing was written.\n")
    assert snapshot(medium) == before


def test_the_rest_is_added_with_partial(medium: Path, tmp_path: Path, dcat: Dcat) -> None:  # noqa: F811
    said = dcat("dicomdir", "add", medium, files(tmp_path / "in", **IN_JPEG), "--profile", "STD-GEN-CD", "--partial")  # fmt: skip
    assert said.code == 3
    assert "1 file added" in said.err
    checked = dcat("dicomdir", "check", medium, "--profile", "STD-GEN-CD")
    assert checked.code == 0, checked.out


def test_a_value_that_the_profile_wants_is_asked_for(
    medium: Path, tmp_path: Path, dcat: Dcat  # noqa: F811
) -> None:  # fmt: skip
    before = snapshot(medium)
    lacking = files(tmp_path / "in", Rows=..., PixelData=b"\1\2")
    said = dcat("dicomdir", "add", medium, lacking, "--profile", "STD-CTMR-CD")
    assert said.code == 1
    assert "Rows (0028,0010), Type 1 in IMAGE records, is missing" in said.err
    assert snapshot(medium) == before
    assert dcat("dicomdir", "add", medium, lacking).code == 0  # without the profile it is taken


def test_new_records_have_the_keys_of_the_profile(
    medium: Path, tmp_path: Path, dcat: Dcat  # noqa: F811
) -> None:  # fmt: skip
    assert dcat("dicomdir", "add", medium, files(tmp_path / "in"), "--profile", "STD-GEN-CD").code == 0  # fmt: skip
    checked = dcat("dicomdir", "check", medium, "--profile", "STD-GEN-CD")
    assert checked.code == 0, checked.out
    images = [each for each in records(medium / "DICOMDIR") if each.DirectoryRecordType == "IMAGE"]
    assert all("ImageType" in each for each in images)


def test_what_the_old_records_lack_is_told(tmp_path: Path, dcat: Dcat) -> None:  # noqa: F811
    builders.write(tmp_path / "medium/IM1", **values_of(1), **IN_JPEG)
    assert dcat("dicomdir", "create", tmp_path / "medium").code == 0
    builders.write(tmp_path / "new", **values_of(5))
    said = dcat("dicomdir", "add", tmp_path / "medium", tmp_path / "new", "--profile", "STD-GEN-CD")
    assert said.code == 0
    assert "profile-misfit" in said.err


def test_options_that_say_nothing_are_refused(medium: Path, dcat: Dcat) -> None:  # noqa: F811
    said = dcat("dicomdir", "add", medium, medium, "--partial")
    assert said.code == 2
    assert "--partial goes with --profile" in said.err
    said = dcat("dicomdir", "add", medium, medium, "--profile", "STD-NONE")
    assert said.code != 0
    assert "STD-NONE" in said.err
