"""Programs that others wrote, asked for their opinion of a medium."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
from pydicom.fileset import FileSet

# dicom3tools of 2022 does not know the record types that came after SURFACE, takes both
# conditional sequences of PRESENTATION for required, and wants a conditional sequence in
# SPECTROSCOPY; PS3.3 F.5 says otherwise.
_FALSE = re.compile(
    r"Unrecognized enumerated value <(PLAN|SURFACE SCAN|TRACT|ASSESSMENT|ANNOTATION|INVENTORY)> for value 1 of attribute <Directory Record Type>"
    r"|Type 1C Conditional Element=<(BlendingSequence|ReferencedSeriesSequence|ReferencedImageEvidenceSequence)>"
)


def need(program: str) -> str:
    """Return where `program` is; skip the test without it, or fail where judges are required."""
    found = shutil.which(program)
    if found is not None:
        return found
    if os.environ.get("DCAT_REQUIRE_JUDGES"):
        pytest.fail(f"{program} is not installed, and DCAT_REQUIRE_JUDGES is set")
    pytest.skip(f"{program} is not installed")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, check=False, timeout=60, encoding="utf-8", errors="replace"
    )


def dciodvfy_errors(medium: Path) -> list[str]:
    """Return what dciodvfy calls an error, without what it is wrong about."""
    result = _run(need("dciodvfy"), str(medium / "DICOMDIR"))
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    return [line for line in errors if not _FALSE.search(line)]


def dcmdump(dicomdir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return _run(need("dcmdump"), *options, str(dicomdir))


def record_type_lines(dicomdir: Path) -> int:
    """Return how many Directory Record Types dcmdump prints."""
    result = dcmdump(dicomdir, "-q", "+P", "0004,1430")
    return sum(line.lstrip().startswith("(0004,1430)") for line in result.stdout.splitlines())


def dcdirdmp(medium: Path) -> subprocess.CompletedProcess[str]:
    return _run(need("dcdirdmp"), str(medium / "DICOMDIR"))


def loaded_by_pydicom(medium: Path) -> set[str]:
    """Return the SOP Instance UIDs that pydicom's FileSet loads; orphans are an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fileset = FileSet()
        try:
            fileset.load(medium / "DICOMDIR", raise_orphans=True)
            return {str(instance.ReferencedSOPInstanceUIDInFile) for instance in fileset}
        finally:
            fileset._stage["t"].cleanup()  # else it warns when it is collected
