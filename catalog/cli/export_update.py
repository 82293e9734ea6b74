"""dcat export --update: an existing export brought in step with its selection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.database.catalogue import Catalogue
    from catalog.exporting import Order
    from catalog.exporting.updating import Update
    from catalog.findings import Finding
    from catalog.query.selection import Selection


def update(
    catalogue: Catalogue,
    destination: Path,
    chosen: Selection,
    *,
    remove: bool,
    as_found: bool,
    dry_run: bool,
    reason: str | None,
    recipient: str | None,
) -> int:
    """Add, replace and remove what the export in `destination` lacks or has too much; return the exit code."""
    from catalog import maintaining
    from catalog.cli import typed_line
    from catalog.cli.export_saying import show_changed, show_left_out
    from catalog.cli.findings_shown import show_findings
    from catalog.cli.saying import counted, path_text, say
    from catalog.errors import ExportError
    from catalog.exporting import plan_export
    from catalog.exporting.carrying import making_of
    from catalog.exporting.plan import Plan
    from catalog.exporting.preflight import unlike
    from catalog.exporting.updating import existing, plan_update, recorded
    from catalog.shapes import replace

    found = existing(catalogue, destination, chosen)
    order = replace(found.order, selection=chosen, reason=reason, recipient=recipient)
    plan = plan_export(
        catalogue,
        chosen,
        take_first=order.take_first,
        profile=order.profile,
        private=order.private,
    )
    wanted = plan_update(found, plan, remove=remove)
    changed = unlike(wanted.coming)
    if changed:
        show_changed(changed)
    if changed and not as_found and not dry_run:
        show_left_out(Plan((), wanted.left_out))
        raise ExportError("Nothing was written, as sources changed.")
    wanted = _without_gone(wanted)
    show_left_out(Plan((), wanted.left_out))
    what = f"{len(wanted.added):,} to add, {len(wanted.replaced):,} to replace, {len(wanted.removed):,} to remove; {counted(wanted.unchanged, 'copy is', 'copies are')} as before."
    if dry_run or not (wanted.coming or wanted.removed):
        _show(wanted)
        failing = _rehearsed(destination, wanted, order, {id(each.item) for each in changed})
        say(f"{what} Nothing was written.")
        return 3 if wanted.left_out or changed or failing else 0
    failed: dict[str, str] = {}
    noticed: Sequence[Finding] = ()
    with recorded(catalogue, wanted, order, typed_line.typed()) as entry:
        if wanted.gone:
            removal = maintaining.plan_removal(destination, wanted.gone, order.file_set_uid)
            from catalog.maintaining.removing import Fate

            maintaining.remove(removal, Fate.DELETE, proving=False)
            entry.removed()
        if wanted.coming:
            addition = maintaining.plan_addition(
                destination, _sources(wanted), order.file_set_uid, making=making_of(order)
            )
            done = maintaining.add(addition, proving=False)
            failed |= {each.place: each.reason for each in (*addition.left_out, *done.failed)}
            noticed = done.findings
        entry.finished(failed)
    for place, why in failed.items():
        say(f"  failed  {place}: {why}")
    if noticed:
        show_findings(noticed, every=False)
    say(
        f"{path_text(destination)} is in step: {len(wanted.added):,} added, {len(wanted.replaced):,} replaced, {len(wanted.removed):,} removed, {wanted.unchanged:,} as before; {len(failed):,} failed. The old DICOMDIR stands beside the new one."
    )
    return 3 if wanted.left_out or failed else 0


def _sources(wanted: Update) -> list[Path]:
    from catalog.files.paths import on_disk

    return [Path(on_disk(item.source.root, item.source.path)) for item in wanted.coming]


def _without_gone(wanted: Update) -> Update:
    """Return the update without what has no source any more; a copy that was to be replaced stays."""
    import os

    from catalog.exporting.plan import LeftOut

    there = {
        id(item): os.path.lexists(path)
        for item, path in zip(wanted.coming, _sources(wanted), strict=True)
    }
    gone = [
        LeftOut(
            item.candidate, "source-gone", "its file is not there any more",
            f"{item.source.root.rstrip('/')}/{item.source.path}",
        )
        for item in wanted.coming
        if not there[id(item)]
    ]  # fmt: skip
    return wanted._replace(
        added=tuple(item for item in wanted.added if there[id(item)]),
        replaced=tuple(item for item in wanted.replaced if there[id(item)]),
        left_out=(*wanted.left_out, *gone),
    )


def _rehearsed(destination: Path, wanted: Update, order: Order, told: set[int]) -> int:
    """Say what the records would get, and what could not be added, as the update itself finds it; return how many.

    `told` are items of which it has been said that they changed.
    """
    from catalog import maintaining
    from catalog.cli.export_saying import show_rehearsed
    from catalog.exporting.carrying import making_of
    from catalog.exporting.plan import Plan
    from catalog.exporting.rehearsal import Rehearsed
    from catalog.files.paths import to_text

    if not wanted.coming:
        return 0
    after = None
    if wanted.gone:
        after = maintaining.plan_removal(destination, wanted.gone, order.file_set_uid).after()
    making = making_of(order)
    addition = maintaining.plan_addition(
        destination, _sources(wanted), order.file_set_uid, making=making, opened=after
    )
    findings = maintaining.foreseen(addition)
    why = {each.place: each.reason for each in addition.left_out}
    failing = tuple(
        (item, why[path])
        for item, path in zip(wanted.coming, map(to_text, map(str, _sources(wanted))), strict=True)
        if path in why and id(item) not in told
    )
    show_rehearsed(Plan(wanted.coming, ()), Rehearsed(tuple(findings), failing))
    return len(failing)


def _show(wanted: Update) -> None:
    """Write what an update would do, as a table."""
    from catalog.cli.render import Format, write_rows

    rows = [
        (kind, item.file_id.path, f"{item.source.root.rstrip('/')}/{item.source.path}")
        for kind, items in (("add", wanted.added), ("replace", wanted.replaced))
        for item in items
    ]
    rows += [("remove", row.file_id or "", row.source) for row in wanted.removed]
    if rows:
        write_rows(("Change", "FileID", "Source"), rows, Format.TABLE)
