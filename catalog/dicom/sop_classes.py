"""Unique Identifiers that the catalogue has to know, and their names (PS3.6 §A)."""

from __future__ import annotations

from catalog.dicom.loading import load_pydicom

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP Class of a DICOMDIR (PS3.10 §8.6)."""

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

DEFLATED = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)
"""Transfer Syntaxes whose whole data set is deflated (PS3.5 §A.5, §A.7, §A.12)."""

NON_PATIENT = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.201.1",  # Inventory
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol
        "1.2.840.10008.5.1.4.39.1",  # Color Palette
        "1.2.840.10008.5.1.4.43.1",  # Generic Implant Template
        "1.2.840.10008.5.1.4.44.1",  # Implant Assembly Template
        "1.2.840.10008.5.1.4.45.1",  # Implant Template Group
    }
)
"""SOP Classes whose instances belong to no patient, study or series (PS3.3 §A.1.2)."""

_STANDARD_ROOT = "1.2.840.10008."


def is_standard(uid: str) -> bool:
    """Return whether `uid` is one of the standard's own, registered or not (PS3.5 §9)."""
    return uid.startswith(_STANDARD_ROOT)


def name(uid: str) -> str:
    """Return the name that PS3.6 gives to `uid`, or `uid` itself if it gives none."""
    load_pydicom()
    from pydicom.uid import UID_dictionary

    entry = UID_dictionary.get(uid)
    return str(entry[0]) if entry else uid


def is_storage(uid: str) -> bool:
    """Return whether `uid` is a SOP Class whose instances are stored as files, a DICOMDIR apart.

    Only registered SOP Classes are known; a private one gives `False`.
    """
    load_pydicom()
    from pydicom.uid import UID_dictionary

    entry = UID_dictionary.get(uid)
    if entry is None or entry[1] != "SOP Class" or uid == MEDIA_STORAGE_DIRECTORY:
        return False
    return "Storage" in entry[0] and "Storage Commitment" not in entry[0]
