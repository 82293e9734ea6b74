"""What the commands that write a DICOMDIR say on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.findings import Finding
    from catalog.maintaining import Created, LeftOut, Updated

SHOWN = 20
"""How many of what is listed for one reason are shown."""


def say_left_out(left_out: Sequence[LeftOut]) -> None:
    """Say what has no place in the directory: the first of each kind, then how many more."""
    from itertools import groupby

    from catalog.cli.saying import plain, say

    for code, group in groupby(
        sorted(left_out, key=lambda out: (out.code, out.place)), key=lambda out: out.code
    ):
        members = list(group)
        for out in members[:SHOWN]:
            say(f"  {code}: {plain(out.place)}: {plain(out.reason)}")
        if len(members) > SHOWN:
            say(f"  {code}: {len(members) - SHOWN:,} more")


def say_findings(findings: Sequence[Finding]) -> None:
    from catalog.cli.findings_shown import show_findings

    if findings:
        show_findings(list(findings), every=False)


def say_repairs(findings: Sequence[Finding]) -> None:
    from catalog.cli.saying import say

    if findings:
        say("Repaired or not carried over:")
        say_findings(findings)


def say_backup(done: Updated | Created) -> None:
    """Say where the DICOMDIR that was replaced is kept, and the manifest if it had one."""
    from catalog.cli.saying import path_text, say

    if done.backup is not None and done.manifest_backup is not None:
        say(
            f"The manifest is in step. The old DICOMDIR and manifest are kept as {path_text(done.backup)} and {path_text(done.manifest_backup)}."
        )
    elif done.backup is not None:
        say(f"The old DICOMDIR is kept as {path_text(done.backup)}.")
    elif done.manifest_backup is not None:
        say(f"The manifest is in step. The old one is kept as {path_text(done.manifest_backup)}.")
