"""The journeys around one DICOMDIR: show it, make one, change one, compare two. No catalogue is needed."""

from catalog.maintaining.adding import Addition, add, plan_addition
from catalog.maintaining.comparing import Change, Comparison, compare
from catalog.maintaining.creating import Creation, create, plan_creation
from catalog.maintaining.describing import Described, Shown, show
from catalog.maintaining.dumping import Line, dump
from catalog.maintaining.examining import LeftOut
from catalog.maintaining.opening import Updated
from catalog.maintaining.removing import Fate, Removal, plan_removal, remove
from catalog.maintaining.renaming import undo_renames

__all__ = [
    "Addition",
    "Change",
    "Comparison",
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
    "plan_addition",
    "plan_creation",
    "plan_removal",
    "remove",
    "show",
    "undo_renames",
]
