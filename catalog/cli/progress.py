"""Events as a progress bar on standard error, where that is a terminal; elsewhere only findings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from catalog.cli.saying import plain, say
from catalog.events import Event, Finished, Listener, Noticed, Progress, Started


@contextmanager
def shown() -> Iterator[Listener]:
    """Give a listener that draws what it is told."""
    if not sys.stderr.isatty():
        yield _findings_only
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    class Rate(ProgressColumn):
        """Units finished a second."""

        def render(self, task: Any) -> Any:
            from rich.text import Text

            return Text(f"{task.speed or 0:,.0f}/s")

    console = Console(stderr=True)
    counting = (
        TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.completed:,.0f}"),
        TextColumn("{task.fields[unit]}"), Rate(), TimeRemainingColumn(compact=True),
    )  # fmt: skip
    bytes_ = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    bars: dict[str, tuple[Bar, Any]] = {}

    def listen(event: Event) -> None:
        match event:
            case Started(stage, total, unit):
                bar = Bar(
                    *(bytes_ if unit == "bytes" else counting), console=console, transient=True
                )
                bars[stage] = bar, bar.add_task(stage, total=total, unit=unit)
                bar.start()
            case Progress(stage, done, total):
                bar, task = bars[stage]
                bar.update(task, completed=done, total=total)
            case Finished(stage, _):
                if stage in bars:
                    bars.pop(stage)[0].stop()
            case Noticed(finding):
                console.print(
                    f"{finding.severity.value}: {plain(finding.message)}",
                    markup=False,
                    highlight=False,
                )

    try:
        yield listen
    finally:
        for bar, _ in bars.values():
            bar.stop()


def _findings_only(event: Event) -> None:
    if isinstance(event, Noticed):
        say(f"{event.finding.severity.value}: {plain(event.finding.message)}")
