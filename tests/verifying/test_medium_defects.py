"""Each medium of `tests.media` is checked: exactly its findings, and never an exception."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.findings import Severity
from catalog.verifying import check_medium, verify_medium
from tests.media.defects import DEFECTS, Defect


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_check_names_the_defect_and_nothing_else(defect: Defect, tmp_path: Path) -> None:
    result = check_medium(defect.write(tmp_path))
    assert {finding.code for finding in result.findings} == defect.codes
    errors = [f for f in result.findings if f.severity is Severity.ERROR]
    assert bool(errors) == defect.is_error
    assert all(finding.message.endswith(".") for finding in result.findings)
    # Every finding says which clause it is about, but for damage that no clause foresees.
    assert all(f.clause for f in result.findings if f.code not in ("damaged", "truncated"))


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_verify_finds_no_more_than_check(defect: Defect, tmp_path: Path) -> None:
    folder = defect.write(tmp_path)
    assert {f.code for f in verify_medium(folder).findings} <= defect.codes


def test_names_of_defects_are_unique() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)
