"""Findings as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.findings import Finding


def show_findings(findings: Sequence[Finding], every: bool) -> None:
    """Say what was noticed: by kind, or each with its place."""
    from collections import Counter

    from catalog.cli.saying import counted, plain, say

    if every:
        for finding in findings:
            at = f" at byte {finding.offset_bytes}" if finding.offset_bytes is not None else ""
            clause = f" [{finding.clause}]" if finding.clause else ""
            place = f"{plain(finding.place)}: " if finding.place else ""
            say(
                f"  {finding.severity.value:7}  {finding.code}{at}: {place}{plain(finding.message)}{clause}"
            )
        return
    for (severity, code), count in sorted(
        Counter((f.severity.value, f.code) for f in findings).items()
    ):
        first = next(f for f in findings if f.code == code and f.severity.value == severity)
        place = f"{plain(first.place)}: " if first.place else ""
        more = f" ({counted(count - 1, 'more', 'more')})" if count > 1 else ""
        say(f"  {severity:7}  {code}: {place}{plain(first.message)}{more}")
