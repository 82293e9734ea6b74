"""Folders and files whose names are no UTF-8: every message has them in the reversible text form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.files.paths import from_text
from tests import behind, builders
from tests.cli.conftest import Dcat, Said
from tests.cli.test_dicomdir import GARBAGE
from tests.maintaining.test_updating import new_file
from tests.media.medium import Medium, values_of

NAME = os.fsdecode(b"disc\xff")
TEXT = r"disc\xff"
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder whose name has the byte FFH."""
    folder = tmp_path / NAME
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    return folder


@pytest.fixture
def medium(odd: Path) -> Path:
    """A faultless medium below it."""
    return Medium(odd / "medium").write()


def said_well(said: Said, *codes: int) -> Said:
    """Return `said`, proved to have none of the forms that cannot be turned back into the path."""
    assert said.code in codes, said.err
    for text in (said.out, said.err):
        assert "\\udc" not in text
        assert "�" not in text
        assert not any("\udc80" <= c <= "\udcff" for c in text)
    assert "Traceback" not in said.err
    return said


def test_show(medium: Path, dcat: Dcat) -> None:
    tree = said_well(dcat("dicomdir", "show", medium), 0).out
    place = tree.splitlines()[0].rpartition("  ")[2]
    assert from_text(place) == str(medium / "DICOMDIR")
    document = json.loads(said_well(dcat("dicomdir", "show", medium, "-f", "json"), 0).out)
    assert from_text(document["dicomdir"]) == str(medium / "DICOMDIR")
    for line in said_well(dcat("dicomdir", "show", medium, "-f", "ndjson"), 0).out.splitlines():
        json.loads(line)
    ET.fromstring(said_well(dcat("dicomdir", "show", medium, "-f", "xml"), 0).out)
    said_well(dcat("dicomdir", "show", medium / "DICOMDIR", "-f", "dump"), 0)


def test_check(medium: Path, dcat: Dcat) -> None:
    assert said_well(dcat("dicomdir", "check", medium), 0).out == ""
    builders.write(medium / NAME, **values_of(1) | {"SOPInstanceUID": "1.2.3.9"})
    for form in ("table", "csv", "tsv"):
        assert TEXT in said_well(dcat("dicomdir", "check", medium, "-o", form), 4).out
    (row,) = json.loads(said_well(dcat("dicomdir", "check", medium, "-o", "json"), 4).out)
    assert (row["Code"], from_text(row["Place"])) == ("file-unnamed", NAME)


def test_check_of_a_directory_of_an_odd_name(medium: Path, dcat: Dcat) -> None:
    (medium / "DICOMDIR").rename(medium / NAME)
    said = said_well(dcat("dicomdir", "check", medium / NAME, "-o", "json"), 0)
    (row,) = json.loads(said.out)  # it is not called DICOMDIR, and it is not a file without record
    assert row["Code"] == "dicomdir-name"
    assert from_text(row["Place"]) == NAME
    said_well(dcat("verify", "--media", medium / NAME), 0)


def test_create(odd: Path, dcat: Dcat) -> None:
    builders.write(odd / "IM1")
    said = said_well(dcat("dicomdir", "create", odd), 0)
    assert f"{TEXT}/DICOMDIR has 4 records" in said.err
    assert f"{TEXT}/DICOMDIR exists. --replace" in said_well(dcat("dicomdir", "create", odd), 1).err
    said = said_well(dcat("dicomdir", "create", odd, "--replace"), 0)
    assert f"The old DICOMDIR is kept as {odd.parent}/{TEXT}/DICOMDIR.1.bak." in said.err


def test_create_with_odd_names_inside(odd: Path, dcat: Dcat) -> None:
    builders.write(odd / NAME)
    said = said_well(dcat("dicomdir", "create", odd), 1)
    assert f"  illegal-file-id: {TEXT}: " in said.err
    said = said_well(dcat("dicomdir", "create", odd, "--rename"), 0)
    assert said.out.startswith(f"{TEXT}\tDICOM/")
    assert f"{TEXT}/dcat-renames.ndjson" in said.err
    said = said_well(dcat("dicomdir", "create", odd, "--undo-rename"), 0)
    assert said.out.endswith(f"\t{TEXT}\n")
    assert f"{TEXT}/DICOMDIR.1.bak" in said.err
    assert (odd / NAME).exists()
    said = said_well(dcat("dicomdir", "create", odd, "--undo-rename"), 1)
    assert f"{TEXT} has no dcat-renames.ndjson" in said.err


def test_add_and_remove(medium: Path, odd: Path, dcat: Dcat) -> None:
    source = new_file(odd / NAME)
    assert said_well(dcat("dicomdir", "add", medium, source, "--dry-run"), 0).out.startswith(
        f"{odd.parent}/{TEXT}/{TEXT}/new.dcm\t"
    )
    said = said_well(dcat("dicomdir", "add", medium, source), 0)
    assert f"{TEXT}/medium/DICOMDIR.1.bak" in said.err
    assert (
        f"already there: {odd.parent}/{TEXT}/{TEXT}/new.dcm is"
        in said_well(dcat("dicomdir", "add", medium, source), 0).err
    )
    assert TEXT in said_well(dcat("dicomdir", "add", medium, odd / "nothing"), 1, 3).err
    said = said_well(dcat("dicomdir", "remove", medium, NAME, "--keep-files"), 1)
    assert f"{TEXT}/medium/DICOMDIR has the UID or File ID {TEXT}." in said.err
    said = said_well(
        dcat("dicomdir", "remove", medium, "1.2.3.4.5.6", "--move-files", odd / "out"), 0
    )
    assert f"{TEXT}/medium/DICOMDIR.2.bak" in said.err
    (odd / "out/DICOM").mkdir(exist_ok=True)
    (odd / "out/DICOM/IM5").write_text("mine")
    said = said_well(dcat("dicomdir", "remove", medium, "2.1", "--move-files", odd / "out"), 1)
    assert f"{TEXT}/out/DICOM/IM5 exists already" in said.err
    said = said_well(dcat("dicomdir", "remove", medium, "2.1", "--move-files", medium / "x"), 1)
    assert f"{TEXT}/medium/x lies on the medium" in said.err


def test_diff(medium: Path, odd: Path, dcat: Dcat) -> None:
    other = Medium(odd / "other")
    other.patient.with_(0x00100010, "PN", b"Roe")
    other.write()
    assert "Roe" in said_well(dcat("dicomdir", "diff", medium, odd / "other"), 4).out


def damaged(odd: Path) -> Path:
    m = Medium(odd / "damaged")
    m.patient.lower = 0
    return m.write()


def without_module(odd: Path) -> Path:
    m = Medium(odd / "bare", roots=[])
    m.layout.no_sequence = True
    return m.write()


def garbage(odd: Path) -> Path:
    (odd / "DICOMDIR").write_bytes(GARBAGE["text"])
    return odd


@pytest.mark.parametrize("make", [lambda odd: odd / "absent", lambda odd: odd, garbage, damaged, without_module],
                         ids=["absent", "no DICOMDIR", "garbage", "damaged", "no module"])  # fmt: skip
@pytest.mark.parametrize(
    "arguments",
    [
        ["dicomdir", "show", "{}"],
        ["dicomdir", "show", "{}", "-f", "dump"],
        ["dicomdir", "check", "{}"],
        ["dicomdir", "create", "{}"],
        ["dicomdir", "create", "{}", "--undo-rename"],
        ["dicomdir", "add", "{}", "{}"],
        ["dicomdir", "remove", "{}", "1.2.3", "--keep-files"],
        ["dicomdir", "diff", "{}", "{}"],
        ["import", "{}", "--db", "{}-c.db"],
        ["verify", "--media", "{}"],
        ["verify", "{}", "--db", "{}-c.db"],
        ["index", "{}", "--db", "{}-c.db", "-j", "1"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]) if isinstance(arguments, list) else "",
)
def test_errors(make: Callable[[Path], Path], arguments: list[str], odd: Path, dcat: Dcat) -> None:
    path = make(odd)
    said = said_well(dcat(*(each.format(path) for each in arguments)), 0, 1, 3, 4)
    if said.code == 1:
        assert TEXT in said.err


def test_index_export_import_verify(odd: Path, dcat: Dcat) -> None:
    for number in (1, 2):
        builders.write(odd / "archive" / f"IM{number}", **values_of(number))
    db = odd / "c.db"
    said = said_well(dcat("index", odd / "archive", "--db", db, "-j", "1"), 0)
    if not behind.is_on():
        assert f"The catalogue is {odd.parent}/{TEXT}/c.db." in said.err
    plan = said_well(dcat("export", odd / "out", "--dry-run", "--db", db), 0)
    assert f"would be copied to {odd.parent}/{TEXT}/out" in plan.err
    assert TEXT in plan.out
    said = said_well(dcat("export", odd / "out", "--db", db), 0)
    assert f"are in {odd.parent}/{TEXT}/out." in said.err
    said = said_well(dcat("export", odd / "out", "--db", db), 1)
    assert f"{TEXT}/out is not empty" in said.err
    said = said_well(dcat("import", odd / "out", "--db", db), 0)
    assert f" at {odd.parent}/{TEXT}/out: " in said.err
    said_well(dcat("verify", "--media", odd / "out"), 0)
    (odd / "archive/IM1").unlink()
    said = said_well(dcat("verify", odd / "archive", "--db", db), 4)
    assert f"{TEXT}/archive/IM1" in said.out


def test_export_of_a_file_that_changed(odd: Path, dcat: Dcat) -> None:
    for number in (1, 2):
        builders.write(odd / "archive" / f"IM{number}", **values_of(number))
    assert dcat("index", odd / "archive", "--db", odd / "c.db", "-j", "1").code == 0
    (odd / "archive/IM2").write_bytes(b"changed")
    said = said_well(dcat("export", odd / "out", "--db", odd / "c.db"), 1)
    assert f"  changed  {odd.parent}/{TEXT}/archive/IM2: " in said.err
    assert not (odd / "out").exists()
    said = said_well(dcat("export", "--as-found", odd / "out", "--db", odd / "c.db"), 3)
    assert f"      {odd.parent}/{TEXT}/archive/IM2\n" in said.err


@pytest.mark.parametrize("arguments", [["dicomdir", "show"], ["dicomdir", "check"], ["import"], ["verify", "--media"]],
                         ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_process_itself(arguments: list[str], encoding: str, odd: Path, tmp_path: Path) -> None:
    """Standard error of a process has the text form, whatever its encoding is."""
    command = [sys.executable, "-m", "catalog", *arguments, os.fsencode(odd / "absent")]
    environment = os.environ | {
        "PYTHONIOENCODING": encoding,
        "XDG_DATA_HOME": str(tmp_path),
    }
    done = subprocess.run(
        command, capture_output=True, cwd=CHECKOUT, env=environment, timeout=60, check=False
    )
    assert done.returncode == 1
    assert rb"disc\xff/absent" in done.stderr


def test_a_name_of_a_folder_cannot_steer_the_terminal(tmp_path: Path, dcat: Dcat) -> None:
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    builders.write(folder / "IM1")
    for arguments in (["show"], ["create"], ["create"], ["create", "--undo-rename"], ["show"]):
        said = dcat("dicomdir", arguments[0], folder, *arguments[1:])
        assert "\x1b" not in said.out + said.err
