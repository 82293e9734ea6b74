"""What `dcat index` says of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.indexing import Counts


_WORDS = {
    "ok": "readable instances",
    "truncated": "cut short inside their Pixel Data",
    "dicomdir": "DICOMDIR files",
    "incomplete": "DICOM without a UID that places them",
    "unreadable": "unreadable",
    "not-dicom": "not DICOM",
    "not-followed": "links, special files and archives, left alone",
    "archive": "archives that were looked into",
}


def summary(counts: Counts, elapsed_s: float) -> None:
    from catalog.cli.saying import counted, say

    rate = f", {counts.files / elapsed_s:,.0f} a second" if elapsed_s > 0.1 else ""
    say(
        f"{counted(counts.files, 'file')} in {elapsed_s:.1f} s{rate}; {counted(counts.done['opened'], 'was', 'were')} opened."
    )
    done = counts.done
    parts = [f"{done[name]:,} {name}" for name in ("new", "changed", "unchanged")]
    parts += [
        f"{done[name]:,} {word}"
        for name, word in (
            ("moved", "of the new moved here"),
            ("returned", "back again"),
            ("missing", "gone since the last run"),
        )
        if done[name]
    ]
    say("  " + ", ".join(parts))
    for status, word in _WORDS.items():
        if counts.by_status[status]:
            say(f"  {counts.by_status[status]:>9,}  {word}")
    if done["unlisted"]:
        say(
            f"  {counted(done['unlisted'], 'folder')} could not be listed; what is known of them was left as it is."
        )
    if any(counts.by_status[s] for s in ("unreadable", "truncated", "incomplete")):
        say("`dcat audit unreadable-files` lists what could not be read, with the reason.")


def lacking(counts: Counts) -> None:
    """Say how many files were read before an attribute was added to the configuration, if any were."""
    from catalog.cli.saying import counted, say

    if counts.lacking:
        names = ", ".join(sorted(counts.lacking))
        say(
            f"{counted(counts.done['lacking'], 'file was', 'files were')} read before the configuration asked for {names}; "
            "`dcat index --reread-attributes` with the same folders reads these again."
        )


def in_short(counts: Counts) -> str:
    """Return what a run did in one line: `3 files: 2 new, 1 changed`."""
    from catalog.cli.saying import counted

    names = ("new", "changed", "unchanged", "returned", "missing", "moved")
    parts = [f"{counts.done[name]:,} {name}" for name in names if counts.done[name]]
    return f"{counted(counts.files, 'file')}: {', '.join(parts) or 'nothing to do'}"
