"""Imports that read files, as one-liners for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from catalog.database.catalogue import Catalogue
from catalog.importing import Check, CopyOrder, Imported, Order, import_medium, plan_import
from catalog.indexing.reading import FileReader, How


def order(check: str = "header", copy_to: Path | None = None, name: str | None = None, **more: Any) -> Order:  # fmt: skip
    copy = None
    if copy_to is not None:
        copy = CopyOrder(copy_to) if name is None else CopyOrder(copy_to, name)
    return Order(Check(check), copy, **more)


def taken_in(catalogue: Catalogue, medium: Path, check: str = "header", **more: Any) -> Imported:
    """Import `medium`, reading its files."""
    return import_medium(catalogue, medium, order=order(check, **more), reader=FileReader(How()))


def would_take_in(medium: Path, **more: Any) -> Imported:
    """Plan the import of `medium`."""
    return plan_import(medium, order(**more), FileReader(How()))


def codes(imported: Imported) -> dict[str, int]:
    """Return how many findings of each code there are."""
    found: dict[str, int] = {}
    for finding in imported.findings:
        found[finding.code] = found.get(finding.code, 0) + 1
    return found
