"""A medium against its own DICOMDIR: sound, and damaged in one way each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.errors import DcatError, PathError
from catalog.findings import Severity
from catalog.verifying import MediumVerified, check_medium, verify_medium
from tests.builders import archive, dicom_bytes
from tests.journeys.steps import DICOMDIR_TESTS, exported, indexed, named_file, referencing


@pytest.fixture
def medium(catalogue: Catalogue, tmp_path: Path) -> Path:
    archive(tmp_path / "archive", 1, 1, 2, 2)
    indexed(catalogue, tmp_path / "archive")
    assert exported(catalogue, tmp_path / "medium").is_complete
    return tmp_path / "medium"


def bad(result: MediumVerified) -> set[str]:
    return {f.code for f in result.findings if f.severity is not Severity.NOTE}


def first_file(medium: Path) -> Path:
    return named_file(medium, referencing(medium / "DICOMDIR")[0])


def test_a_sound_medium(medium: Path) -> None:
    result = verify_medium(medium)
    assert result.findings == []
    assert (result.files, result.right) == (4, 4)
    assert result.records == {"PATIENT": 1, "STUDY": 1, "SERIES": 2, "IMAGE": 4}
    assert verify_medium(medium / "DICOMDIR").right == 4


def test_the_medium_of_pydicom() -> None:
    result = verify_medium(DICOMDIR_TESTS)
    assert (result.files, result.right) == (31, 31)
    # The other DICOMDIRs and the folder TINY_ALPHA lie there and no record names them.
    assert bad(result) == {"file-unnamed"}


def test_a_text_file_beside_is_allowed(medium: Path) -> None:
    (medium / "README.TXT").write_text("hello")
    assert bad(verify_medium(medium)) == {"manifest-unlisted"}
    (medium / "MANIFEST.SHA256").unlink()
    assert bad(verify_medium(medium)) == set()


def _link_to_folder(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere)


def _link_to_nothing(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere / "nothing")


def _pipe(path: Path, elsewhere: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_link_to_folder, _link_to_nothing, _pipe])
@pytest.mark.parametrize("with_manifest", [False, True])
def test_what_cannot_be_looked_into_is_told(
    make: Callable[[Path, Path], None], with_manifest: bool, medium: Path, tmp_path: Path
) -> None:
    """Files may hide behind it, and the manifest lists nothing but files."""
    make(medium / "MORE", tmp_path / "archive")
    if not with_manifest:
        (medium / "MANIFEST.SHA256").unlink()
    for result in (verify_medium(medium), check_medium(medium)):
        assert [(f.code, f.place) for f in result.findings if f.severity is not Severity.NOTE] == [("not-examined", "MORE")]  # fmt: skip
        assert result.right == 4


def test_an_export_that_is_not_finished_is_called_so(medium: Path) -> None:
    (medium / "DICOMDIR").unlink()
    (medium / "UNFINISHED.TXT").write_text("not complete")
    with pytest.raises(PathError, match=r"not finished.*--resume"):
        verify_medium(medium)


def test_a_folder_of_volumes_names_one(medium: Path) -> None:
    medium.rename(medium.with_name("DISC1"))
    with pytest.raises(PathError, match=r"it holds .*/DISC1\. Name one"):
        verify_medium(medium.parent)


def _remove(medium: Path) -> None:
    first_file(medium).unlink()


def _replace(medium: Path) -> None:
    first_file(medium).write_bytes(dicom_bytes(SOPInstanceUID="1.2.3.88"))


def _text(medium: Path) -> None:
    first_file(medium).write_text("no DICOM")


def _syntax(medium: Path) -> None:
    path = first_file(medium)
    data = path.read_bytes()
    start = data.index(b"\x02\x00\x10\x00UI") + 8
    syntax = b"1.2.840.10008.1.2.1\0"
    assert data[start : start + 20] == syntax
    path.write_bytes(data[:start] + b"1.2.840.10008.1.2.5\0" + data[start + 20 :])


def _edit(medium: Path) -> None:
    data = (medium / "DICOMDIR").read_bytes()
    assert data.count(b"Doe^Number1") == 1
    (medium / "DICOMDIR").write_bytes(data.replace(b"Doe^Number1", b"Doe^Number2"))


def _number(medium: Path) -> None:
    data = (medium / "DICOMDIR").read_bytes()
    old, new = b"\x20\x00\x13\x00IS\x02\x001 ", b"\x20\x00\x13\x00IS\x02\x009 "
    assert old in data
    (medium / "DICOMDIR").write_bytes(data.replace(old, new, 1))


def _extra(medium: Path) -> None:
    (medium / "DICOM/EXTRA").write_bytes(dicom_bytes(SOPInstanceUID="1.2.3.88"))


def _uid(medium: Path) -> None:
    data = (medium / "DICOMDIR").read_bytes()
    old = b"\x04\x00\x11\x15UI"
    start = data.index(old) + 8
    (medium / "DICOMDIR").write_bytes(data[:start] + b"9" + data[start + 1 :])


@pytest.mark.parametrize(
    ("damage", "code", "right"),
    [
        (_remove, "file-missing", 3),
        (_replace, "reference-wrong", 3),
        (_text, "file-unreadable", 3),
        (_syntax, "reference-wrong", 3),
        (_uid, "reference-wrong", 3),
        (_edit, "key-differs", 4),
        (_number, "key-differs", 4),
        (_extra, "file-unnamed", 4),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else None,
)
def test_damage_is_named(
    damage: Callable[[Path], None], code: str, right: int, medium: Path
) -> None:
    damage(medium)
    result = verify_medium(medium)
    assert code in bad(result)
    assert (result.files, result.right) == (4, right)


def test_a_medium_without_dicomdir(tmp_path: Path) -> None:
    with pytest.raises(DcatError, match="DICOMDIR"):
        verify_medium(tmp_path)


def test_every_medium_that_was_exported_from_real_files_is_right(
    empty_catalogue: Path, shared_data: Path, tmp_path: Path
) -> None:
    with open_catalogue(tmp_path / "c.db", create=True) as catalogue:
        indexed(catalogue, shared_data)
        outcome = exported(catalogue, tmp_path / "medium")
    result = verify_medium(tmp_path / "medium")
    assert result.files == result.right == outcome.copied
    assert [f for f in result.findings if f.severity is Severity.ERROR] == []
    # Files of one patient with two names, and of one series with nine numbers, differ among themselves.
    assert bad(result) <= {"key-differs"}
