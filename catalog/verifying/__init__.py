"""The journeys that prove: catalogue against disk, and a medium's DICOMDIR against its files."""

from catalog.verifying.disk import Difference, Verified, verify_roots, verify_selection
from catalog.verifying.medium import MediumVerified, check_medium, verify_medium

__all__ = [
    "Difference",
    "MediumVerified",
    "Verified",
    "check_medium",
    "verify_medium",
    "verify_roots",
    "verify_selection",
]
