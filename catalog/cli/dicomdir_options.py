"""What several commands that read or write a DICOMDIR declare alike."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from catalog.cli import declared

Medium = Annotated[
    Path,
    declared.Argument(
        metavar="PATH",
        help="A DICOMDIR, the folder of a medium that has one, or a ZIP, tar or ISO file that holds one.",
    ),
]


class Charset(StrEnum):
    """In which character set the text of records is written."""

    SOURCE = "source"
    UTF_8 = "utf-8"


class Private(StrEnum):
    """What becomes of instances of private SOP Classes."""

    REFUSE = "refuse"
    RECORD = "record"


class IconSize(StrEnum):
    """Rows and Columns of icons."""

    SMALL = "64"
    LARGE = "128"
