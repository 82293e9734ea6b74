"""Each medium of `tests.media` is checked: exactly its findings, and never an exception."""

from __future__ import annotations

import builtins
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.files.medium import Medium
from catalog.fileset.check import check
from catalog.fileset.reader import Directory
from catalog.fileset.tree import FileSet
from catalog.findings import Severity
from catalog.verifying import MediumVerified, annex_f, check_medium, verify_medium
from tests.media.defects import DEFECTS, Defect


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_check_names_the_defect_and_nothing_else(defect: Defect, tmp_path: Path) -> None:
    result = check_medium(defect.write(tmp_path))
    assert {finding.code for finding in result.findings} == defect.codes
    errors = [f for f in result.findings if f.severity is Severity.ERROR]
    assert bool(errors) == defect.is_error
    refused = [f.offset_bytes for f in result.findings if f.code == "file-id-unsafe"]
    assert len(refused) == len(set(refused))  # the reader's finding and the look-up's are one fact
    assert all(finding.message.endswith(".") for finding in result.findings)
    # Every finding says which clause it is about, but for damage that no clause foresees.
    assert all(f.clause for f in result.findings if f.code not in ("damaged", "truncated"))


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_verify_finds_no_more_than_check(defect: Defect, tmp_path: Path) -> None:
    folder = defect.write(tmp_path)
    assert {f.code for f in verify_medium(folder).findings} - {"no-manifest"} <= defect.codes


def test_names_of_defects_are_unique() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)


@pytest.mark.parametrize(
    "name", ["a_link_out_of_the_medium", "a_link_out_of_the_medium_that_no_record_names"]
)
@pytest.mark.parametrize("prove", [check_medium, verify_medium])
def test_nothing_outside_of_the_medium_is_opened(
    prove: Callable[[Path], MediumVerified],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = next(d for d in DEFECTS if d.name == name).write(tmp_path)
    opened: list[str] = []
    real, ours = builtins.open, threading.get_ident()

    def watched(file: Any, *arguments: Any, **options: Any) -> Any:
        # Other threads of this process look after themselves.
        if threading.get_ident() == ours and isinstance(file, str | bytes | os.PathLike):
            opened.append(os.path.realpath(os.fsdecode(file)))
        return real(file, *arguments, **options)

    monkeypatch.setattr(builtins, "open", watched)
    result = prove(folder)
    assert len(opened) >= 4
    assert all(path.startswith(f"{os.path.realpath(folder)}/") for path in opened)
    assert "link-out" in {finding.code for finding in result.findings}
    assert result.right == (4 if name == "a_link_out_of_the_medium" else 5)


def test_a_descriptor_that_leads_out_is_told_once(tmp_path: Path) -> None:
    fileset = FileSet("", "1.2.3", descriptor_file_id=("DICOM", ".."))
    findings = [
        *check(fileset),
        *annex_f.of_medium(
            Medium(tmp_path, tmp_path / "DICOMDIR", {}, ()), Directory(fileset, (), (), ())
        ),
    ]
    assert [finding.code for finding in findings] == ["file-id-unsafe"]


def test_a_descriptor_that_is_not_there(tmp_path: Path) -> None:
    fileset = FileSet("", "1.2.3", descriptor_file_id=("README",))
    findings = annex_f.of_medium(
        Medium(tmp_path, tmp_path / "DICOMDIR", {}, ()), Directory(fileset, (), (), ())
    )
    assert [finding.code for finding in findings] == ["descriptor"]
