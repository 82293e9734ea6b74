"""dcat: a catalogue of DICOM files."""

__version__ = "0.1.0"

IMPLEMENTATION_CLASS_UID = "2.25.67678149737928565217419584082887740414"
"""Implementation Class UID of every file that dcat writes (PS3.7 D.3.3.2; a UUID-derived UID)."""

IMPLEMENTATION_VERSION_NAME = "DCAT_" + "_".join(__version__.split(".")[:2])
"""Implementation Version Name, at most 16 characters (PS3.10 §7.1)."""
