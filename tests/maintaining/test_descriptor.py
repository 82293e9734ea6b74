"""The descriptor file that a new DICOMDIR names."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.cli.main import main
from catalog.fileset.reader import read
from tests.builders import archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    archive(tmp_path, patients=1, studies=1, series=1, instances=2)
    (tmp_path / "README").write_bytes("Grüße".encode("latin-1"))
    return tmp_path


def created(folder: Path, *arguments: str) -> int:
    return main(["dicomdir", "create", str(folder), "--rename", *arguments])


def test_the_directory_names_it(folder: Path) -> None:
    assert created(folder, "--descriptor", "README", "--descriptor-charset", "ISO_IR 100") == 0
    fileset = read((folder / "DICOMDIR").read_bytes()).fileset
    assert fileset.descriptor_file_id == ("README",)
    assert fileset.descriptor_character_set == "ISO_IR 100"


def test_a_new_directory_keeps_it_while_it_is_there(folder: Path) -> None:
    created(folder, "--descriptor", "README")
    assert created(folder, "--replace") == 0
    fileset = read((folder / "DICOMDIR").read_bytes()).fileset
    assert (fileset.descriptor_file_id, fileset.descriptor_character_set) == (("README",), None)
    (folder / "README").unlink()
    assert created(folder, "--replace") == 0
    assert read((folder / "DICOMDIR").read_bytes()).fileset.descriptor_file_id == ()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--descriptor", "readme"], "is no component of a File ID"),
        (["--descriptor", "../README"], "is no component of a File ID"),
        (["--descriptor", "NONE"], "There is no descriptor file"),
        (["--descriptor", "LINK"], "There is no descriptor file"),
        (["--descriptor", "IMAGE"], "is a DICOM file"),
        (["--descriptor", "README", "--descriptor-charset", "latin-1"], "is no character set of a descriptor file"),
        (["--descriptor-charset", "ISO_IR 100"], "goes with --descriptor"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_one(
    folder: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "LINK").symlink_to(folder / "README")
    (folder / "IMAGE").write_bytes(bytes(128) + b"DICM")
    assert created(folder, *arguments) in (1, 2)
    assert sentence in capsys.readouterr().err
    assert not (folder / "DICOMDIR").exists()
