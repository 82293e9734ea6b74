"""Folders into the catalogue: walk, read headers, store."""

from catalog.indexing.journey import Counts, Settings, index

__all__ = ["Counts", "Settings", "index"]
