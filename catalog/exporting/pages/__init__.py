"""Web pages that go with a File-set: the Portable Data for Imaging profile of IHE (RAD TF-2 §4.47)."""

from catalog.exporting.pages.collecting import Pages
from catalog.exporting.pages.contents import Facility

__all__ = ["Facility", "Pages"]
