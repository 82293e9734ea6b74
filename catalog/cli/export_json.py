"""What `dcat export --dry-run -o json` writes: the whole plan of an export, or of an update of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from catalog.cli.export_saying import record_type_of, source_of, waste_bytes
from catalog.cli.saying import path_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from catalog.exporting import Item, Order, Plan
    from catalog.exporting.item import LeftOut
    from catalog.exporting.preflight import Unlike
    from catalog.exporting.rehearsal import Rehearsed
    from catalog.exporting.updating import Update
    from catalog.findings import Finding

    Place = tuple[str, str | None]
    """File ID and source of what a finding is about."""


def show_plan_json(
    plan: Plan, order: Order, changed: Sequence[Unlike], rehearsed: Rehearsed
) -> None:
    """Write the whole plan as JSON."""
    from catalog.exporting.journey import parts_of

    parts = parts_of(order, plan)
    sources = {item.file_id.path: source_of(item) for item in plan.items}
    volume_of = {
        item.file_id: number for number, part in enumerate(parts, 1) for item in part.items
    }
    _write(
        {
            "instances": len(plan.items),
            "size_bytes": plan.size_bytes,
            "volumes": [
                {
                    "volume": number,
                    "destination": path_text(part.order.destination),
                    "file_set_id": part.order.file_set_id,
                    "instances": len(part.items),
                    "used_bytes": part.used_bytes,
                    "capacity_bytes": part.order.capacity_bytes,
                    "waste_bytes": waste_bytes(part.used_bytes, part.order.capacity_bytes),
                }
                for number, part in enumerate(parts, 1)
            ],
            "items": [
                _item(item, item.file_id.path) | {"volume": volume_of[item.file_id]}
                for item in plan.items
            ],
        }
        | _refused(plan.left_out, changed, rehearsed.failed)
        | _noticed(rehearsed.findings, lambda place: (place, sources.get(place)))
    )


def show_update_json(
    destination: Path,
    wanted: Update,
    changed: Sequence[Unlike],
    rehearsed: Rehearsed,
    file_ids: Mapping[str, str],
) -> None:
    """Write all that an update would do as JSON; `file_ids` are those that copies would get, by source."""

    def file_id(item: Item) -> str:
        return file_ids.get(source_of(item), item.file_id.path)

    places = {source_of(item): (file_id(item), source_of(item)) for item in wanted.coming}
    _write(
        {
            "destination": path_text(destination),
            "instances": len(wanted.coming),
            "size_bytes": sum(item.source.size_bytes or 0 for item in wanted.coming),
            "unchanged": wanted.unchanged,
            "added": [_item(item, file_id(item)) for item in wanted.added],
            "replaced": [_item(item, file_id(item)) for item in wanted.replaced],
            "removed": [
                {
                    "file_id": row.file_id,
                    "source": row.source,
                    "size_bytes": row.size_bytes,
                    "sop_instance_uid": row.sop_instance_uid,
                }
                for row in wanted.removed
            ],
        }
        | _refused(wanted.left_out, changed, rehearsed.failed)
        | _noticed(rehearsed.findings, lambda place: places.get(place, (place, None)))
    )


def _item(item: Item, file_id: str) -> dict[str, Any]:
    return {
        "file_id": file_id,
        "source": source_of(item),
        "size_bytes": item.source.size_bytes,
        "sop_instance_uid": item.candidate.claims.instance.sop_instance_uid,
        "record_type": record_type_of(item),
    }


def _refused(
    left_out: Iterable[LeftOut], changed: Iterable[Unlike], failed: Iterable[tuple[Item, str]]
) -> dict[str, Any]:
    return {
        "left_out": [
            {
                "sop_instance_uid": out.candidate.claims.instance.sop_instance_uid,
                "code": out.code,
                "reason": out.reason,
                "detail": out.detail,
            }
            for out in left_out
        ],
        "changed": [{"source": source_of(each.item), "reason": each.reason} for each in changed],
        "failing": [{"source": source_of(item), "reason": why} for item, why in failed],
    }


def _noticed(findings: Sequence[Finding], placed: Callable[[str], Place]) -> dict[str, Any]:
    """Return what records would get that files lack, and what else would be noticed.

    `placed` returns File ID and source of what a finding's place means.
    """
    from catalog.fileset.supplied import Supplied

    def where(finding: Finding) -> dict[str, Any]:
        file_id, source = placed(finding.place)
        return {"file_id": file_id, "source": source}

    return {
        "supplied": [
            where(each)
            | {
                "record_type": each.record_type,
                "keyword": each.keyword,
                "tag": f"{each.tag:08X}",
                "value": each.value,
                "rule": each.rule,
            }
            for each in findings
            if isinstance(each, Supplied)
        ],
        "findings": [
            {"severity": each.severity.value, "code": each.code}
            | where(each)
            | {"message": each.message, "clause": each.clause}
            for each in findings
            if not isinstance(each, Supplied)
        ],
    }


def _write(data: dict[str, Any]) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))  # noqa: T201
