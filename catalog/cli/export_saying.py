"""What `dcat export` says: the plan, what is left out, how it ended."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from catalog.cli.render import Format, write_rows
from catalog.cli.saying import counted, path_text, plain, say, size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.exporting import Item, Order, Outcome, Plan
    from catalog.exporting.preflight import Unlike
    from catalog.exporting.rehearsal import Rehearsed
    from catalog.findings import Finding

SHOWN = 3
"""How many of what is left out for one reason are shown."""


def show_plan_table(plan: Plan, order: Order) -> None:
    """Write the plan's files as a table, by volume if there are several."""
    from catalog.exporting.journey import parts_of

    parts = parts_of(order, plan)
    several = len(parts) > 1
    rows = [
        (
            *((number,) if several else ()),
            item.file_id.path,
            item.source.size_bytes or 0,
            record_type_of(item),
            source_of(item),
        )
        for number, part in enumerate(parts, 1)
        for item in part.items
    ]
    names = (*(("Volume",) if several else ()), "FileID", "Bytes", "Record", "Source")
    write_rows(names, rows, Format.TABLE)
    for number, part in enumerate(parts, 1):
        if part.used_bytes is not None and part.order.capacity_bytes is not None:
            say(
                f"  volume {number}: {part.order.file_set_id}, {counted(len(part.items), 'instance')}, up to {size_text(part.used_bytes)} of {size_text(part.order.capacity_bytes)}, {size_text(part.order.capacity_bytes - part.used_bytes)} free"
            )
    show_left_out(plan)


def show_rehearsed(plan: Plan, rehearsed: Rehearsed) -> None:
    """Say what could not be copied, what records would get that files lack, and what else would be noticed."""
    from catalog.cli.findings_shown import show_findings
    from catalog.fileset.supplied import Supplied

    failed = sorted(rehearsed.failed, key=lambda failure: failure[1])
    for why, failures in groupby(failed, key=lambda failure: failure[1]):
        items = [item for item, _ in failures]
        say(f"  would fail: {counted(len(items), 'instance')}: {plain(why)}")
        for item in items[:SHOWN]:
            say(f"      {source_of(item)}")
        if len(items) > SHOWN:
            say(f"      … and {len(items) - SHOWN:,} more; {_BY_DRY_RUN}")
    sources = {item.file_id.path: source_of(item) for item in plan.items}
    given = [each for each in rehearsed.findings if isinstance(each, Supplied)]
    by_key = sorted(given, key=lambda each: (each.record_type, each.tag, each.rule))
    for (kind, keyword, rule), group in groupby(by_key, key=lambda each: (each.record_type, each.keyword, each.rule)):  # fmt: skip
        members = list(group)
        one = len(members) == 1
        say(
            f"  supplied: {counted(len(members), f'{kind} record')} {'gets' if one else 'get'} the {keyword} that {'its file lacks' if one else 'their files lack'}, {rule}:"
        )
        for each in members[:SHOWN]:
            say(f"      {each.value}: {plain(sources.get(each.place, each.place))}")
        if len(members) > SHOWN:
            say(f"      … and {len(members) - SHOWN:,} more; `--dry-run -o json` lists all")
    others = [each for each in rehearsed.findings if not isinstance(each, Supplied)]
    if others:
        show_findings(others, every=False)


def show_changed(changed: Sequence[Unlike]) -> None:
    """Say which sources are not as they were indexed."""
    for each in changed[: 5 * SHOWN]:
        say(f"  changed  {source_of(each.item)}: {each.reason}")
    if len(changed) > 5 * SHOWN:
        say(f"  … and {len(changed) - 5 * SHOWN:,} more; `--dry-run -o json` lists all")
    say(
        f"{counted(len(changed), 'source is', 'sources are')} not as the catalogue has them. Run `dcat index` on their folders again, or take them as they are with --as-found."
    )


_BY_DRY_RUN = "`--dry-run -o json` lists all"


def show_left_out(plan: Plan, listing: str = _BY_DRY_RUN) -> None:
    """Say what is left out: how many for each reason, the first of them, and what lists all."""
    by_reason = sorted(plan.left_out, key=lambda out: (out.code, out.reason))
    for (_, reason), group in groupby(by_reason, key=lambda out: (out.code, out.reason)):
        members = list(group)
        say(f"  left out: {counted(len(members), 'instance')}: {plain(reason)}")
        for out in members[:SHOWN]:
            uid = plain(out.candidate.claims.instance.sop_instance_uid)
            say(f"      {uid}{f': {_brief(plain(out.detail))}' if out.detail else ''}")
        if len(members) > SHOWN:
            say(f"      … and {len(members) - SHOWN:,} more; {listing}")


def show_way_out(plan: Plan, profile: str) -> None:
    """Say what takes in what does not fit the `profile` of --pdi, to somebody who named none."""
    if any(out.code == "profile" for out in plan.left_out):
        say(
            f"  --pdi follows {profile}, which has uncompressed images only: --transfer-syntax explicit-le decompresses, --profile names another."
        )


def in_ledger(refs: Sequence[int]) -> str:
    """Return what lists all that became of an export, given its entries in the ledger."""
    return f"`dcat ledger show {refs[0]} -o csv` lists all" if refs else "the ledger has each one"


def show_outcome(outcome: Outcome) -> None:
    """Say what failed, what was noticed, and what stands where."""
    from catalog.cli.findings_shown import show_findings

    failed = sorted(outcome.failed, key=lambda failure: failure[1])
    for why, group in groupby(failed, key=lambda failure: failure[1]):
        members = list(group)
        say(f"  failed: {counted(len(members), 'instance')}: {plain(why)}")
        for item, _ in members[:SHOWN]:
            say(f"      {source_of(item)}")
        if len(members) > SHOWN:
            say(f"      … and {len(members) - SHOWN:,} more; {in_ledger(outcome.refs)}")
    findings: Sequence[Finding] = outcome.findings
    if findings:
        show_findings(findings, every=False)
    for volume in outcome.volumes:
        if not volume.copied:
            say(f"No file could be copied; {path_text(volume.place)} has no DICOMDIR.")
            continue
        free = waste_bytes(volume.used_bytes, volume.capacity_bytes)
        room = "" if free is None else f" At least {size_text(free)} of the medium stay free."
        say(
            f"{counted(volume.copied, 'instance')} ({size_text(volume.copied_bytes)}) and a DICOMDIR ({size_text(volume.dicomdir_size_bytes)}) are in {path_text(volume.place)}.{room}"
        )
    if not outcome.is_complete:
        left_out = len(outcome.plan.left_out)
        say(
            f"{counted(left_out, 'selected instance was', 'selected instances were')} left out and {len(outcome.failed):,} failed; {in_ledger(outcome.refs)}."
        )


def waste_bytes(used: int | None, capacity: int | None) -> int | None:
    """Return what stays free of a medium, `None` where its capacity is not known."""
    return None if used is None or capacity is None else capacity - used


def source_of(item: Item) -> str:
    """Return where the file of an item lies."""
    return f"{item.source.root.rstrip('/')}/{item.source.path}"


def record_type_of(item: Item) -> str:
    """Return the record type that will refer to the instance; only private ones lack their own."""
    return item.candidate.claims.directory_record_type or "PRIVATE"


def _brief(detail: str) -> str:
    """Return a list of paths with the first two of them."""
    paths = detail.split(", /")
    if len(paths) <= 2:
        return detail
    return f"{', /'.join(paths[:2])} and {len(paths) - 2:,} more"
