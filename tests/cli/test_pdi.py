"""`dcat export --pdi` and `--transfer-syntax`, as somebody types them."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from tests.builders import dicom_bytes
from tests.cli.conftest import Dcat
from tests.journeys.steps import files_below, rows

RLE = "1.2.840.10008.1.2.5"
EXPLICIT = "1.2.840.10008.1.2.1"


def compressed(folder: Path) -> Path:
    """Write an instance whose Transfer Syntax STD-GEN-CD does not have."""
    folder.mkdir()
    content = dicom_bytes(SOPInstanceUID="1.2.9.1", Rows=..., Columns=..., PixelData=...)
    (folder / "a.dcm").write_bytes(content.replace(EXPLICIT.encode() + b"\0", RLE.encode() + b"\0"))
    return folder


def test_pages_in_the_name_of_the_institution(
    dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "dcat.toml"
    config.write_text('[media]\ninstitution = "Hospital Ä"\ncontact = "Street"\n', encoding="utf-8")
    monkeypatch.setenv("DCAT_CONFIG", str(config))
    said = dcat("export", "--pdi", tmp_path / "medium", "--db", db)
    assert said.code == 0, said.err
    assert "institution" not in said.err
    page = (tmp_path / "medium/INDEX.HTM").read_text(encoding="utf-8")
    assert "Hospital Ä" in page
    assert "Street" in page
    assert "IHE_PDI/PAGES.CSS" in files_below(tmp_path / "medium")


def test_without_an_institution_it_says_where_to_write_one(
    dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    said = dcat("export", "--pdi", tmp_path / "medium", "--db", db)
    assert said.code == 0
    assert "write `institution` and `contact` under [media]" in said.err
    assert "The institution is not named." in (tmp_path / "medium/README.TXT").read_text()


def test_without_pdi_there_are_no_pages(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    assert dcat("export", tmp_path / "medium", "--db", db).code == 0
    assert not any(name.endswith(".HTM") for name in files_below(tmp_path / "medium"))


def test_pdi_follows_std_gen_cd_and_says_so(dcat: Dcat, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    dcat("index", compressed(tmp_path / "in"), "--db", db)
    said = dcat("export", "--pdi", tmp_path / "medium", "--db", db)
    assert said.code == 3
    assert "--pdi follows STD-GEN-CD" in " ".join(said.err.split())
    assert "--transfer-syntax explicit-le decompresses" in " ".join(said.err.split())
    other = dcat("export", "--pdi", "--profile", "STD-GEN-USB-JPEG", "--dry-run", tmp_path / "m", "--db", db)  # fmt: skip
    assert "--pdi follows" not in other.err


def test_transcoding_from_the_command_line(dcat: Dcat, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    implicit = pydicom.uid.ImplicitVRLittleEndian
    (folder / "a.dcm").write_bytes(dicom_bytes(transfer_syntax=implicit))
    db = tmp_path / "c.db"
    dcat("index", folder, "--db", db)
    plan = dcat("export", "--transfer-syntax", "explicit-le", "--profile", "STD-GEN-CD", "--dry-run", "-o", "json", tmp_path / "m", "--db", db)  # fmt: skip
    assert json.loads(plan.out)["instances"] == 1
    assert dcat("export", "--profile", "STD-GEN-CD", "--dry-run", tmp_path / "m", "--db", db).code == 3  # fmt: skip
    said = dcat("export", "--transfer-syntax", "explicit-le", tmp_path / "m", "--db", db)
    assert said.code == 0
    assert "Transcoded from Implicit VR Little Endian" in " ".join(said.err.split())
    (path,) = (p for p in (tmp_path / "m/DICOM").rglob("*") if p.is_file())
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == EXPLICIT
    (item,) = rows(db, "SELECT size_bytes FROM export_item")
    assert item["size_bytes"] == path.stat().st_size


def test_an_unknown_transfer_syntax_is_a_slip(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    said = dcat("export", "--transfer-syntax", "jpeg", tmp_path / "m", "--db", db)
    assert said.code == 2
    assert "explicit-le" in said.err
    assert not (tmp_path / "m").exists()
