"""The golden directories: they drift only on purpose, follow their profiles, and satisfy the judges."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from catalog.dicom import icons
from catalog.fileset.check import check
from catalog.fileset.profiles import PROFILES, check_profile
from catalog.fileset.reader import read

from .families import FAMILIES, HERE, files, made, written

NEED_ICONS = {name for name, family in FAMILIES.items() if family.icon_size}


def need_icons(name: str) -> None:
    if name in NEED_ICONS and not icons.are_possible():
        pytest.skip("numpy is not installed: pip install 'dicom-dcat[pixels]'")


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_made_is_what_was_made(name: str) -> None:
    need_icons(name)
    for path, content in files(name).items():
        assert path.read_bytes() == content, f"{path.name}: see tests/golden/README.md"


def test_every_golden_file_belongs_to_a_family() -> None:
    kinds = {".txt", ".dcmdir", ".sha256"}
    assert {path.stem for path in HERE.iterdir() if path.suffix in kinds} == set(FAMILIES)


def test_there_is_one_for_every_profile() -> None:
    assert {f.profile for f in FAMILIES.values() if f.profile} == set(PROFILES)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_follows_its_profile_and_the_standard(name: str) -> None:
    need_icons(name)
    fileset = made(FAMILIES[name])
    profile = FAMILIES[name].profile
    assert check(fileset) == ()
    assert profile is None or check_profile(fileset, PROFILES[profile]) == ()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_reader_gives_back_what_was_written(name: str) -> None:
    need_icons(name)
    fileset = made(FAMILIES[name])
    directory = read(written(fileset))
    assert directory.findings == ()
    assert directory.fileset == fileset


def test_golden_files_stand_alone() -> None:
    """The stored bytes are read as the stored text says, whatever the writer does today."""
    from .dump import dumped

    for path in sorted(HERE.glob("*.dcmdir")):
        assert dumped(path.read_bytes()) == path.with_suffix(".txt").read_text("utf-8")


def judge(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        if os.environ.get("DCAT_REQUIRE_JUDGES"):
            pytest.fail(f"{program} is not installed, and DCAT_REQUIRE_JUDGES is set")
        pytest.skip(f"{program} is not installed")
    return found


def asked(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [judge(program), *arguments],
        capture_output=True, check=False, timeout=30, encoding="utf-8", errors="replace",
    )  # fmt: skip


def medium(name: str, folder: Path) -> Path:
    need_icons(name)
    path = folder / "DICOMDIR"
    path.write_bytes(written(made(FAMILIES[name])))
    return path


# PS3.3 F.5.23: the one is there if the IOD has the Presentation State Relationship Module, the
# other if it has the Presentation State Blending Module; dicom3tools of 2022 wants both.
FALSE = re.compile(r"Type 1C Conditional Element=<BlendingSequence>")


@pytest.mark.judges
@pytest.mark.parametrize("name", FAMILIES)
def test_dciodvfy_finds_no_error(name: str, tmp_path: Path) -> None:
    result = asked("dciodvfy", str(medium(name, tmp_path)))
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert [line for line in errors if not FALSE.search(line)] == []


@pytest.mark.judges
@pytest.mark.parametrize("name", FAMILIES)
def test_dcmdump_reads_every_record(name: str, tmp_path: Path) -> None:
    result = asked("dcmdump", "-q", "+L", str(medium(name, tmp_path)))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("(0004,1430)") == 3 + len(FAMILIES[name].instances)


def test_large_ones_are_kept_as_digests() -> None:
    digests = sorted(path.stem for path in HERE.glob("*.sha256"))
    assert digests == ["angio-1024", "cardiac", "std-xa1k-cd"]
    for name in digests:
        need_icons(name)
        stream = io.BytesIO(written(made(FAMILIES[name])))
        assert (HERE / f"{name}.sha256").read_text("ascii").strip() == hashlib.sha256(
            stream.getvalue()
        ).hexdigest()
