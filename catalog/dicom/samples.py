"""The real DICOM files that pydicom ships."""

from __future__ import annotations

from pathlib import Path


def folder() -> Path | None:
    """Return the folder of pydicom's sample files, or `None` if this pydicom has none."""
    from pydicom.data.data_manager import DATA_ROOT

    found = Path(DATA_ROOT) / "test_files"
    return found if found.is_dir() else None
