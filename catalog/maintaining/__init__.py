"""The journeys around one DICOMDIR: show it, make one, change one, compare two. No catalogue is needed.

A journey's modules are imported when it is asked for: making a DICOMDIR takes as long as importing
all of them would.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.maintaining.adding import Addition, add, foreseen, plan_addition
    from catalog.maintaining.comparing import Change, Comparison, compare
    from catalog.maintaining.creating import Created, Creation, create, plan_creation
    from catalog.maintaining.describing import Described, Shown, show
    from catalog.maintaining.dumping import Line, dump, dump_at
    from catalog.maintaining.examining import LeftOut
    from catalog.maintaining.opening import Updated
    from catalog.maintaining.removing import Fate, Removal, plan_removal, remove
    from catalog.maintaining.renaming import undo_renames

_HOMES = {
    "adding": ("Addition", "add", "foreseen", "plan_addition"),
    "comparing": ("Change", "Comparison", "compare"),
    "creating": ("Created", "Creation", "create", "plan_creation"),
    "describing": ("Described", "Shown", "show"),
    "dumping": ("Line", "dump", "dump_at"),
    "examining": ("LeftOut",),
    "opening": ("Updated",),
    "removing": ("Fate", "Removal", "plan_removal", "remove"),
    "renaming": ("undo_renames",),
}

__all__ = [
    "Addition",
    "Change",
    "Comparison",
    "Created",
    "Creation",
    "Described",
    "Fate",
    "LeftOut",
    "Line",
    "Removal",
    "Shown",
    "Updated",
    "add",
    "compare",
    "create",
    "dump",
    "dump_at",
    "foreseen",
    "plan_addition",
    "plan_creation",
    "plan_removal",
    "remove",
    "show",
    "undo_renames",
]


def __getattr__(name: str) -> object:
    """Import what is asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
