"""dcat export --dry-run: what an export would write, and what would fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.exporting import Order, Plan
    from catalog.exporting.preflight import Unlike


def rehearsed(plan: Plan, order: Order, changed: Sequence[Unlike], *, as_json: bool) -> int:
    """Show what an export would do; return how many files could not be copied, changed ones aside."""
    from catalog.cli import progress
    from catalog.cli.export_json import show_plan_json
    from catalog.cli.export_saying import show_plan_table, show_rehearsed
    from catalog.exporting.journey import parts_of
    from catalog.exporting.preflight import check_container
    from catalog.exporting.rehearsal import Rehearsed, rehearse

    for part in parts_of(order, plan):
        check_container(part.order, part.items)
    with progress.shown() as listener:
        found = rehearse(order, plan, listener)
    told = {each.item.file_id for each in changed}
    failed = tuple((item, why) for item, why in found.failed if item.file_id not in told)
    found = Rehearsed(found.findings, failed)
    if as_json:
        show_plan_json(plan, order, changed, found)
    else:
        show_plan_table(plan, order)
    if plan.items:
        show_rehearsed(plan, found)
    return len(failed)
