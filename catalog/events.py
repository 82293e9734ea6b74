"""What long work tells while it runs. Journeys send events; only `cli` draws them."""

from __future__ import annotations

from collections.abc import Callable

from catalog.findings import Finding
from catalog.shapes import frozen


@frozen
class Started:
    """A stage of work begins. `total` counts `unit`s, or is `None` while it is not known."""

    stage: str
    total: int | None
    unit: str


@frozen
class Progress:
    """`done` units of the stage are finished; sent once a batch, never once a file."""

    stage: str
    done: int
    total: int | None


@frozen
class Finished:
    """The stage is over after `done` units."""

    stage: str
    done: int


@frozen
class Noticed:
    """A finding that a person should see while the work goes on."""

    finding: Finding


Event = Started | Progress | Finished | Noticed
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
