"""What `dcat export` is asked with: its arguments and options, those aside that select."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from catalog.cli import declared, dicomdir_options


class PlanFormat(StrEnum):
    """How a plan is written."""

    TABLE = "table"
    JSON = "json"


class LinkKind(StrEnum):
    """What stands in a folder instead of copies."""

    HARD = "hard"
    SYMBOLIC = "symbolic"
    REFLINK = "reflink"


class Syntax(StrEnum):
    """Into which Transfer Syntax copies are brought."""

    EXPLICIT_LE = "explicit-le"


Saved = Annotated[
    list[str],
    declared.Argument(
        metavar="@NAME",
        default_factory=list,
        show_default=False,
        help="Saved selections (`dcat selection`); what is written fits all of them.",
    ),
]
Destination = Annotated[
    Path,
    declared.Argument(
        metavar="DEST", help="A new or empty folder; with --zip or --iso a new file."
    ),
]
DryRun = Annotated[
    bool,
    declared.Option(
        "--dry-run",
        help="Write nothing; list the plan: each file with its File ID, and what would be left out and why.",
    ),
]
PlanOutput = Annotated[
    PlanFormat,
    declared.Option("--output", "-o", help="With --dry-run: how the plan is written."),
]
FileSetId = Annotated[
    str,
    declared.Option("--file-set-id", metavar="ID", help="File-set ID: up to 16 of A-Z, 0-9 and _."),
]
TakeFirst = Annotated[
    bool,
    declared.Option(
        "--take-first",
        help="Where files with one SOP Instance UID differ, take the first by path instead of leaving the instance out.",
    ),
]
ProfileName = Annotated[
    str | None,
    declared.Option(
        "--profile",
        metavar="NAME",
        help="Follow this Application Profile of PS3.11, such as STD-GEN-CD: leave out what does not fit it, write its keys and icons, check the result.",
    ),
]
Charset = Annotated[
    dicomdir_options.Charset,
    declared.Option(
        "--charset",
        help="Text of the directory: as each source has it, or all in UTF-8. What cannot be converted fails.",
    ),
]
Icons = Annotated[
    dicomdir_options.IconSize | None,
    declared.Option("--icons", help="Put icons of so many rows and columns into IMAGE records."),
]
Private = Annotated[
    dicomdir_options.Private,
    declared.Option(
        "--private",
        help="Instances of private SOP Classes: leave them out, or refer to them by PRIVATE records.",
    ),
]
AsZip = Annotated[
    bool,
    declared.Option("--zip", help="DEST is a ZIP file to be made (PS3.12 Annex V), not a folder."),
]
AsIso = Annotated[
    bool,
    declared.Option(
        "--iso",
        help="DEST is an ISO 9660 image to be made (Level 1; with UDF for profiles of DVDs), not a folder. The File-set ID becomes the volume identifier.",
    ),
]
Pdi = Annotated[
    bool,
    declared.Option(
        "--pdi",
        help="Add web pages (IHE PDI): README.TXT, INDEX.HTM and IHE_PDI with pages, pictures and reports. Follows STD-GEN-CD unless --profile names another.",
    ),
]
TransferSyntax = Annotated[
    Syntax | None,
    declared.Option(
        "--transfer-syntax",
        help="Bring every copy into this Transfer Syntax: decompress, without loss. Otherwise copies are byte for byte.",
    ),
]
Media = Annotated[
    str | None,
    declared.Option(
        "--media",
        metavar="MEDIUM",
        help="Divide into volumes for cd, dvd, dvd-dl, bd, bd-dl or a size such as 650MiB, each a File-set of its own: DEST/DISC1, …, or NAME-1.zip, …; usb: all must fit into the free space of DEST.",
    ),
]
Link = Annotated[
    LinkKind | None,
    declared.Option(
        "--link",
        help="Make links instead of copies, for a stage on the same disk; only reflink gives files that do not hang together with the sources.",
    ),
]
Jobs = Annotated[
    int | None,
    declared.Option(
        "--jobs",
        "-j",
        min=1,
        max=64,
        help="Copy so many files at a time to a folder or ZIP file; without it as many as suit their size.",
    ),
]
AsFound = Annotated[
    bool,
    declared.Option(
        "--as-found",
        help="Take sources that changed since they were indexed as they are now, and go on without those that are gone.",
    ),
]
Resume = Annotated[
    bool,
    declared.Option(
        "--resume",
        help="Finish the export to DEST that was interrupted, as it was ordered; no selection is needed.",
    ),
]
Update = Annotated[
    bool,
    declared.Option(
        "--update",
        help="Bring the export in the folder DEST in step with the selection: add what is new, replace copies whose source changed. It stays as it was ordered otherwise.",
    ),
]
Remove = Annotated[
    bool,
    declared.Option(
        "--remove", help="With --update: take away copies that the selection no longer has."
    ),
]
Reason = Annotated[str | None, declared.Option("--reason", help="Why, for the disclosure ledger.")]
Recipient = Annotated[
    str | None, declared.Option("--recipient", help="To whom, for the disclosure ledger.")
]
