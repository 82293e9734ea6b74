"""dcat export --update: an existing export brought in step with its selection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog.database.catalogue import Catalogue
    from catalog.exporting import Order
    from catalog.exporting.preflight import Unlike
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
    as_json: bool,
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
    from catalog.exporting.update_entry import recorded
    from catalog.exporting.updating import check_capacity, existing, plan_update
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
    before = len(wanted.caught_up) + len(wanted.gone_before)
    if before:
        say(
            f"{counted(before, 'change')} of an update that was interrupted {'is' if before == 1 else 'are'} on the medium and not in the ledger yet."
        )
    if dry_run or wanted.is_empty:
        check_capacity(wanted)
        failing = _rehearsed(destination, wanted, order, changed, as_json=dry_run and as_json)
        say(f"{what} Nothing was written.")
        return 3 if wanted.left_out or changed or failing else 0
    check_capacity(wanted)
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

    from catalog.exporting.item import LeftOut

    there = {
        item.file_id: os.path.lexists(path)
        for item, path in zip(wanted.coming, _sources(wanted), strict=True)
    }
    gone = [
        LeftOut(
            item.candidate, "source-gone", "its file is not there any more",
            f"{item.source.root.rstrip('/')}/{item.source.path}",
        )
        for item in wanted.coming
        if not there[item.file_id]
    ]  # fmt: skip
    return wanted._replace(
        added=tuple(item for item in wanted.added if there[item.file_id]),
        replaced=tuple(item for item in wanted.replaced if there[item.file_id]),
        left_out=(*wanted.left_out, *gone),
    )


def _rehearsed(
    destination: Path, wanted: Update, order: Order, changed: Sequence[Unlike], *, as_json: bool
) -> int:
    """Show the update, what the records would get, and what could not be added; return how many files that are.

    It is told as the update itself finds it. Of `changed` sources it has been said that they are.
    """
    from catalog import maintaining
    from catalog.cli.export_json import show_update_json
    from catalog.cli.export_saying import show_rehearsed
    from catalog.exporting.carrying import making_of
    from catalog.exporting.plan import Plan
    from catalog.exporting.rehearsal import Rehearsed
    from catalog.files.paths import to_text

    found = Rehearsed((), ())
    file_ids: dict[str, str] = {}
    if wanted.coming:
        after = None
        if wanted.gone:
            after = maintaining.plan_removal(destination, wanted.gone, order.file_set_uid).after()
        making = making_of(order)
        addition = maintaining.plan_addition(
            destination, _sources(wanted), order.file_set_uid, making=making, opened=after
        )
        file_ids = {each.candidate.place: each.file_id.path for each in addition.items}
        findings = maintaining.foreseen(addition)
        why = {each.place: each.reason for each in addition.left_out}
        told = {each.item.file_id for each in changed}
        paths = map(to_text, map(str, _sources(wanted)))
        failing = tuple(
            (item, why[path])
            for item, path in zip(wanted.coming, paths, strict=True)
            if path in why and item.file_id not in told
        )
        found = Rehearsed(tuple(findings), failing)
    if as_json:
        show_update_json(destination, wanted, changed, found, file_ids)
    else:
        _show(wanted, file_ids)
    show_rehearsed(Plan(wanted.coming, ()), found)
    return len(found.failed)


def _show(wanted: Update, file_ids: Mapping[str, str]) -> None:
    """Write what an update would do, as a table; `file_ids` are those that copies would get, by source."""
    from catalog.cli.export_saying import source_of
    from catalog.cli.render import Format, write_rows

    rows = [
        (kind, file_ids.get(source_of(item), item.file_id.path), source_of(item))
        for kind, items in (("add", wanted.added), ("replace", wanted.replaced))
        for item in items
    ]
    rows += [("remove", row.file_id or "", row.source) for row in wanted.removed]
    if rows:
        write_rows(("Change", "FileID", "Source"), rows, Format.TABLE)
