"""DICOM files and archives for tests, made by pydicom so that none of our own code makes its own input."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"


def dataset(**values: Any) -> FileDataset:
    """Return a small CT instance of patient P1, study 1.2.3.1, series 1.2.3.1.1; `values` change it.

    A value of `...` removes the attribute.
    """
    syntax = values.pop("transfer_syntax", ExplicitVRLittleEndian)
    standard: dict[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": "1.2.3.1.1.1",
        "StudyInstanceUID": "1.2.3.1",
        "SeriesInstanceUID": "1.2.3.1.1",
        "PatientID": "P1",
        "PatientName": "Doe^Jane",
        "PatientBirthDate": "19700131",
        "PatientSex": "F",
        "StudyDate": "20240131",
        "StudyTime": "101500",
        "StudyID": "1",
        "AccessionNumber": "A1",
        "StudyDescription": "Thorax",
        "ReferringPhysicianName": "Ref^Dr",
        "Modality": "CT",
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 2,
        "Columns": 2,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }
    meta = FileMetaDataset()
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in (standard | values).items():
        if value is not ...:
            setattr(ds, keyword, value)
    if "PixelData" not in values and "Rows" in ds:
        ds.PixelData = b"\1\2\3\4\5\6\7\x08"
        ds["PixelData"].VR = "OW"
    meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", CT)
    meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3.4")
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = "1.2.3.99"
    return ds


def dicom_bytes(**values: Any) -> bytes:
    """Return the bytes of `dataset(**values)` as a DICOM file."""
    ds = dataset(**values)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def write(path: Path, **values: Any) -> Path:
    """Write `dicom_bytes(**values)` to `path`, making its folder; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dicom_bytes(**values))
    return path


def archive(
    folder: Path, patients: int = 2, studies: int = 2, series: int = 2, instances: int = 3
) -> list[Path]:
    """Write a regular archive below `folder` and return its files, sorted by path."""
    written = []
    for p in range(1, patients + 1):
        for t in range(1, studies + 1):
            for s in range(1, series + 1):
                for i in range(1, instances + 1):
                    written.append(
                        write(
                            folder / f"p{p}" / f"t{t}" / f"s{s}" / f"i{i}.dcm",
                            PatientID=f"P{p}",
                            PatientName=f"Doe^Number{p}",
                            StudyInstanceUID=f"1.2.3.{p}.{t}",
                            StudyDate=f"202401{t:02d}",
                            SeriesInstanceUID=f"1.2.3.{p}.{t}.{s}",
                            SeriesNumber=str(s),
                            Modality="MR" if s % 2 else "CT",
                            SOPInstanceUID=f"1.2.3.{p}.{t}.{s}.{i}",
                            InstanceNumber=str(i),
                        )
                    )
    return sorted(written)
