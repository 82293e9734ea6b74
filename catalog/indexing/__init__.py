"""Folders into the catalogue: walk, read headers, store.

The journey's modules are imported when they are asked for: the processes that read headers are
started before the database's library, which takes as long to import as reading thousands of files.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.indexing.counting import Counts, Settings
    from catalog.indexing.executing import Executor
    from catalog.indexing.journey import index, index_changes
    from catalog.indexing.pool import executor
    from catalog.indexing.pruning import newly_gone, plan, prunable, prune
    from catalog.indexing.stopping import Interrupted, Stop
    from catalog.indexing.watching import Watched, Watching, watch

_HOMES = {
    "counting": ("Counts", "Settings"),
    "executing": ("Executor",),
    "journey": ("index", "index_changes"),
    "pool": ("executor",),
    "pruning": ("newly_gone", "plan", "prunable", "prune"),
    "stopping": ("Interrupted", "Stop"),
    "watching": ("Watched", "Watching", "watch"),
}

__all__ = [
    "Counts",
    "Executor",
    "Interrupted",
    "Settings",
    "Stop",
    "Watched",
    "Watching",
    "executor",
    "index",
    "index_changes",
    "newly_gone",
    "plan",
    "prunable",
    "prune",
    "watch",
]


def __getattr__(name: str) -> object:
    """Import what is asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
