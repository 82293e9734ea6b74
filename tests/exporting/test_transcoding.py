"""Exports whose copies are brought into another Transfer Syntax."""

from __future__ import annotations

import struct
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.encaps import encapsulate

from catalog.database.catalogue import Catalogue
from catalog.entities import Instance
from catalog.errors import ExportError
from catalog.exporting import Order, Outcome, export, plan_export
from catalog.exporting.transcoding import size_estimate, target_named
from catalog.query import parse
from catalog.query.selection import Selection
from tests.builders import dataset, dicom_bytes
from tests.journeys.steps import FILE_SET_UID, generic, indexed, rows, sha256

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
RLE = "1.2.840.10008.1.2.5"
MPEG4 = "1.2.840.10008.1.2.4.102"
numpy = pytest.mark.skipif(find_spec("numpy") is None, reason="numpy is not installed")


def image(uid: str, syntax: str, **values: Any) -> bytes:
    """Return an image of two by two pixels, compressed if `syntax` asks for that."""
    if syntax in (EXPLICIT, IMPLICIT):
        return dicom_bytes(SOPInstanceUID=uid, transfer_syntax=pydicom.uid.UID(syntax), **values)
    ds = dataset(
        SOPInstanceUID=uid, BitsAllocated=8, BitsStored=8, HighBit=7,
        transfer_syntax=pydicom.uid.UID(syntax), **values,
    )  # fmt: skip
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\3abcd\0"
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].is_undefined_length = True
    stream = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def everything() -> Selection:
    return parse.selection()


def transcoded(catalogue: Catalogue, destination: Path, **options: Any) -> Outcome:
    plan = plan_export(
        catalogue, everything(), profile=options.get("profile"), transfer_syntax="explicit-le"
    )
    order = Order(everything(), destination, FILE_SET_UID, transfer_syntax="explicit-le", **options)
    return export(catalogue, order, plan)


def written(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.dcm").write_bytes(content)
    return folder


def copies(medium: Path) -> dict[str, Path]:
    return {
        generic(path).SOPInstanceUID: path for path in medium.rglob("I???????") if path.is_file()
    }


@numpy
def test_all_copies_are_in_one_transfer_syntax(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = written(
        tmp_path / "in",
        a=image("1.2.9.1", EXPLICIT),
        b=image("1.2.9.2", IMPLICIT, InstanceNumber="2"),
        c=image("1.2.9.3", RLE, InstanceNumber="3"),
    )
    indexed(catalogue, folder)
    outcome = transcoded(catalogue, tmp_path / "medium", profile="STD-GEN-CD")
    assert outcome.is_complete
    made = copies(tmp_path / "medium")
    assert set(made) == {"1.2.9.1", "1.2.9.2", "1.2.9.3"}
    assert {generic(path).file_meta.TransferSyntaxUID for path in made.values()} == {EXPLICIT}
    assert made["1.2.9.1"].read_bytes() == (folder / "a.dcm").read_bytes()
    assert pydicom.dcmread(made["1.2.9.3"]).PixelData == b"abcd"
    notes = {f.place: f for f in outcome.findings if f.code == "transcoded"}
    assert len(notes) == 2
    assert "from RLE Lossless to Explicit VR Little Endian" in next(
        f.message for f in notes.values() if "RLE" in f.message
    )
    # What the ledger has is of the copy.
    items = rows(catalogue.path, "SELECT sop_instance_uid, digest, size_bytes FROM export_item")
    for item in items:
        path = made[item["sop_instance_uid"]]
        assert item["digest"] == sha256(path)
        assert item["size_bytes"] == path.stat().st_size
    directory = pydicom.dcmread(tmp_path / "medium/DICOMDIR")
    syntaxes = {
        r.ReferencedTransferSyntaxUIDInFile
        for r in directory.DirectoryRecordSequence
        if "ReferencedTransferSyntaxUIDInFile" in r
    }
    assert syntaxes == {EXPLICIT}


@numpy
def test_lossy_images_stay_called_lossy(catalogue: Catalogue, tmp_path: Path) -> None:
    indexed(
        catalogue, written(tmp_path / "in", a=image("1.2.9.1", RLE, LossyImageCompression="01"))
    )
    outcome = transcoded(catalogue, tmp_path / "medium")
    (note,) = (f for f in outcome.findings if f.code == "transcoded")
    assert "compressed with loss" in note.message
    (path,) = copies(tmp_path / "medium").values()
    assert generic(path).LossyImageCompression == "01"


def test_members_of_archives(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in/a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", image("1.2.9.1", IMPLICIT))
    indexed(catalogue, tmp_path / "in")
    assert transcoded(catalogue, tmp_path / "medium").is_complete
    (path,) = copies(tmp_path / "medium").values()
    assert generic(path).file_meta.TransferSyntaxUID == EXPLICIT


def test_what_has_no_decoder_is_left_out_of_the_plan(catalogue: Catalogue, tmp_path: Path) -> None:
    indexed(
        catalogue,
        written(tmp_path / "in", a=image("1.2.9.1", MPEG4), b=image("1.2.9.2", EXPLICIT)),
    )
    plan = plan_export(catalogue, everything(), transfer_syntax="explicit-le")
    (out,) = plan.left_out
    assert out.code == "not-transcodable"
    assert "there is no decoder for its Transfer Syntax (MPEG-4" in out.reason
    assert out.detail.endswith("a.dcm")
    assert len(plan_export(catalogue, everything()).items) == 2


def test_without_decoders_the_plan_says_what_to_install(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.dicom.rendering.is_possible", lambda: False)
    indexed(catalogue, written(tmp_path / "in", a=image("1.2.9.1", RLE)))
    (out,) = plan_export(catalogue, everything(), transfer_syntax="explicit-le").left_out
    assert "no decoder is installed for its Transfer Syntax (RLE Lossless)" in out.reason
    assert "dicom-dcat[pixels]" in out.reason


@numpy
def test_what_cannot_be_decoded_fails_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    broken = image("1.2.9.1", RLE).replace(struct.pack("<16I", 1, 64, *[0] * 14), b"\xff" * 64)
    indexed(catalogue, written(tmp_path / "in", a=broken, b=image("1.2.9.2", IMPLICIT)))
    outcome = transcoded(catalogue, tmp_path / "medium")
    ((item, why),) = outcome.failed
    assert item.source.path.endswith("a.dcm")
    assert "cannot be decoded" in why
    assert set(copies(tmp_path / "medium")) == {"1.2.9.2"}


def test_a_source_that_vanished_fails_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = written(tmp_path / "in", a=image("1.2.9.1", IMPLICIT), b=image("1.2.9.2", IMPLICIT))
    indexed(catalogue, folder)
    plan = plan_export(catalogue, everything(), transfer_syntax="explicit-le")
    (folder / "a.dcm").unlink()
    order = Order(everything(), tmp_path / "medium", FILE_SET_UID, transfer_syntax="explicit-le")
    outcome = export(catalogue, order, plan)
    assert ["cannot be opened" in why for _, why in outcome.failed] == [True]
    assert set(copies(tmp_path / "medium")) == {"1.2.9.2"}


def test_an_unknown_target() -> None:
    with pytest.raises(ExportError, match="'jpeg' is no Transfer Syntax that dcat writes"):
        target_named("jpeg")


def test_sizes_are_estimated_from_the_matrix() -> None:
    instance = Instance(
        rows=100, columns=200, bits_allocated=16, number_of_frames=3,
        photometric_interpretation="RGB",
    )  # fmt: skip
    assert 360_000 < size_estimate(instance, 1000) < 500_000
    assert size_estimate(Instance(), 1000) >= 1000
