"""A medium against its own manifest: whole, damaged in one way each, and hostile."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue
from catalog.findings import Severity
from catalog.verifying import MediumVerified, verify_medium
from tests.builders import archive
from tests.journeys.steps import exported, indexed, sha256

M = "MANIFEST.SHA256"


@pytest.fixture
def medium(catalogue: Catalogue, tmp_path: Path) -> Path:
    archive(tmp_path / "archive", 1, 1, 2, 2)
    indexed(catalogue, tmp_path / "archive")
    assert exported(catalogue, tmp_path / "medium").is_complete
    return tmp_path / "medium"


def codes(result: MediumVerified) -> dict[str, str]:
    return {finding.code: str(finding.severity) for finding in result.findings}


def counts(result: MediumVerified) -> tuple[int, int]:
    assert result.digests is not None
    return result.digests.listed, result.digests.same


def instance(medium: Path) -> Path:
    return min(path for path in (medium / "DICOM").rglob("*") if path.is_file())


def test_a_whole_medium(medium: Path) -> None:
    result = verify_medium(medium)
    assert result.findings == []
    assert result.digests is not None
    assert (result.digests.manifests, *counts(result)) == ((M,), 5, 5)


def _last_byte(medium: Path) -> None:
    path = instance(medium)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def _longer(medium: Path) -> None:
    with instance(medium).open("ab") as stream:
        stream.write(b"\0")


def _gone(medium: Path) -> None:
    instance(medium).unlink()


def _viewer(medium: Path) -> None:
    (medium / "VIEWER.EXE").write_bytes(b"MZ")


def _list_shortened(medium: Path) -> None:
    lines = (medium / M).read_bytes().splitlines(keepends=True)
    (medium / M).write_bytes(b"".join(lines[1:]))


def _list_cut(medium: Path) -> None:
    (medium / M).write_bytes((medium / M).read_bytes()[:-20])


def _list_empty(medium: Path) -> None:
    (medium / M).write_bytes(b"")


def _directory(medium: Path) -> None:
    data = (medium / "DICOMDIR").read_bytes()
    (medium / "DICOMDIR").write_bytes(data.replace(b"Doe^Number1", b"Doe^Nummer1"))


@pytest.mark.parametrize(
    ("damage", "expected", "same"),
    [
        (_last_byte, {"digest-differs": "error"}, (5, 4)),
        (_longer, {"digest-differs": "error"}, (5, 4)),
        (_gone, {"manifest-missing": "error", "file-missing": "error"}, (5, 4)),
        (_viewer, {"manifest-unlisted": "warning"}, (5, 5)),
        (_list_shortened, {"manifest-unlisted": "warning"}, (4, 4)),
        (_list_cut, {"manifest-line": "error", "manifest-unlisted": "warning"}, (4, 4)),
        (_list_empty, {"manifest-unlisted": "warning"}, (0, 0)),
        (_directory, {"digest-differs": "error", "key-differs": "warning"}, (5, 4)),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else None,
)
def test_damage_is_named(
    damage: Callable[[Path], None], expected: dict[str, str], same: tuple[int, int], medium: Path
) -> None:
    damage(medium)
    result = verify_medium(medium)
    assert codes(result) == expected
    assert counts(result) == same


def test_nothing_outside_of_the_medium_is_opened(
    medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (medium / "LINK").symlink_to(secret)
    digest = sha256(secret)
    with (medium / M).open("a") as stream:
        stream.write(f"{digest}  ../secret\n{digest}  {secret}\n{digest}  DICOM/../../secret\n{digest}  LINK\n")  # fmt: skip
    opened: list[str] = []
    real = open

    def spied(path: object, *args: object, **kwargs: object) -> object:
        opened.append(os.path.realpath(os.fspath(path)) if not isinstance(path, int) else "")  # type: ignore[call-overload]
        return real(path, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", spied)
    result = verify_medium(medium)
    assert len([f for f in result.findings if f.code == "manifest-path"]) == 3
    assert {"link-out", "file-unreadable"} <= set(codes(result))
    assert os.path.realpath(secret) not in opened
    assert any(path.endswith("DICOMDIR") for path in opened)  # the spy sees what is opened


def test_a_manifest_that_is_a_link_out_is_not_read(medium: Path, tmp_path: Path) -> None:
    shutil.move(medium / M, tmp_path / "elsewhere")
    (medium / M).symlink_to(tmp_path / "elsewhere")
    assert codes(verify_medium(medium))["manifest-unreadable"] == "error"


def test_without_a_manifest_it_is_said(medium: Path) -> None:
    (medium / M).unlink()
    (medium / "MD5SUMS").write_text("d41d8cd98f00b204e9800998ecf8427e  DICOMDIR\n")
    result = verify_medium(medium)
    assert codes(result) == {"no-manifest": "note"}
    assert "headers alone" in result.findings[0].message
    assert "MD5SUMS" in result.findings[0].message


def test_the_manifest_of_another_program(medium: Path) -> None:
    (medium / M).unlink()
    lines = [f"{sha256(medium / 'DICOMDIR').upper()} *./DICOMDIR\r\n"]
    (medium / "SHA256SUMS").write_text("".join(lines), newline="")
    result = verify_medium(medium)
    assert counts(result) == (1, 1)
    assert codes(result) == {"manifest-unlisted": "note"}  # it may list a part of the medium
    assert "4 files" in result.findings[0].message


def test_names_as_a_disc_has_them(medium: Path) -> None:
    """Linux shows names of an ISO 9660 disc in lower case."""
    for path in sorted(medium.rglob("*"), key=lambda p: -len(p.parts)):
        path.rename(path.with_name(path.name.lower()))
    result = verify_medium(medium)
    assert counts(result) == (5, 5)
    assert codes(result)["manifest-name"] == "note"
    assert len([f for f in result.findings if f.code == "manifest-name"]) == 1
    assert not any(f.severity is Severity.ERROR for f in result.findings)


def test_of_a_zip_file(catalogue: Catalogue, medium: Path, tmp_path: Path) -> None:
    exported(catalogue, tmp_path / "m.zip", container="zip")
    assert counts(verify_medium(tmp_path / "m.zip")) == (5, 5)
    with (
        zipfile.ZipFile(tmp_path / "m.zip") as whole,
        zipfile.ZipFile(tmp_path / "n.zip", "w") as other,
    ):
        for name in whole.namelist():
            data = whole.read(name)
            other.writestr(name, data[:-1] + b"\1" if name.startswith("DICOM/") else data)
    result = verify_medium(tmp_path / "n.zip")
    assert counts(result) == (5, 1)
    assert codes(result) == {"digest-differs": "error"}


def test_of_an_iso_image(catalogue: Catalogue, medium: Path, tmp_path: Path) -> None:
    pytest.importorskip("pycdlib")
    exported(catalogue, tmp_path / "m.iso", container="iso")
    result = verify_medium(tmp_path / "m.iso")
    assert result.findings == []
    assert counts(result) == (5, 5)
    data = (tmp_path / "m.iso").read_bytes()
    pixel = instance(medium).read_bytes()
    at = data.index(pixel) + len(pixel) - 1
    (tmp_path / "n.iso").write_bytes(data[:at] + b"\x7f" + data[at + 1 :])
    assert codes(verify_medium(tmp_path / "n.iso")) == {"digest-differs": "error"}
