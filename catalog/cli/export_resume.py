"""dcat export --resume: an export that was interrupted, finished."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalog.exporting import Order, Plan


def resumed(
    destination: Path, db: str | None, report: Path | None, audit_message: Path | None
) -> int:
    """Finish the export to `destination`; return the exit code."""
    from catalog.cli import disclosures, options, progress, typed_line
    from catalog.cli.export_saying import show_outcome
    from catalog.cli.saying import counted, say
    from catalog.exporting.resuming import resume

    with options.opened(db) as catalogue, disclosures.told(catalogue, report, audit_message):
        with progress.shown() as listener:
            outcome = resume(catalogue, destination, typed_line.typed(), listener)
        if outcome.kept:
            say(
                f"{counted(outcome.kept, 'copy', 'copies')} of before {'is' if outcome.kept == 1 else 'are'} right and stayed."
            )
        show_outcome(outcome)
    return 0 if outcome.is_complete else 3


@contextmanager
def hinted(order: Order, plan: Plan) -> Iterator[None]:
    """Say how an export goes on that the block began and could not finish."""
    from catalog.errors import ExportError

    try:
        yield
    except ExportError:
        from catalog.cli.saying import path_text, say
        from catalog.exporting.resuming import is_begun

        if is_begun(order, plan):
            place = path_text(order.destination)
            say(
                f"What stands at {place} is not finished. When the cause is gone, `dcat export --resume {place}` goes on."
                if order.link is None
                else f"What stands at {place} is not finished; remove it before you export there in another way."
            )
        raise
