"""The journey from a medium that somebody sent to rows, and to copies in an archive.

`journey` is the order of the work; `opening` the medium, `meeting` what it holds, `records`, `namings` and
`keys` its directory, `reading`, `comparing` and `manifest` its files, `naming` and `copying` the copies, `outcome` what is
asked for and what comes of it.
"""

from catalog.importing.journey import import_medium, plan_import
from catalog.importing.naming import checked_template
from catalog.importing.opening import Opened, open_medium
from catalog.importing.outcome import (
    Check,
    CopyItem,
    CopyOrder,
    CopyOutcome,
    Difference,
    Imported,
    Order,
)

__all__ = ["Check", "CopyItem", "CopyOrder", "CopyOutcome", "Difference", "Imported", "Opened", "Order", "checked_template", "import_medium", "open_medium", "plan_import"]  # fmt: skip
