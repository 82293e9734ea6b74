"""dcat export --resume: an export that was interrupted, finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def resumed(
    destination: Path, db: str | None, report: Path | None, audit_message: Path | None
) -> int:
    """Finish the export to `destination`; return the exit code."""
    from catalog.cli import disclosures, options, progress, typed_line
    from catalog.cli.export_saying import show_outcome
    from catalog.cli.saying import counted, say
    from catalog.exporting.resuming import resume

    with (
        options.opened(db) as catalogue,
        disclosures.told(catalogue, report, audit_message),
        progress.shown() as listener,
    ):
        outcome = resume(catalogue, destination, typed_line.typed(), listener)
    if outcome.kept:
        say(
            f"{counted(outcome.kept, 'copy', 'copies')} of before {'is' if outcome.kept == 1 else 'are'} right and stayed."
        )
    show_outcome(outcome)
    return 0 if outcome.is_complete else 3
