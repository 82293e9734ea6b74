"""Plots as inline SVG, drawn by Matplotlib.

Each is drawn twice, for wide and for narrow pages, since text that shrinks with a plot cannot be
read. Positions are in CSS pixels; colours are classes that the page's style gives a value.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from catalog.reporting.svg import COLOURS, inline
from catalog.reporting.timeline import Timeline
from catalog.reporting.values import ReportUnavailable
from catalog.reporting.wording import fitted, number, shown, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT_SIZE = 13.0
NARROW = 340
"""Width of a plot on a telephone."""
HALF = 520
"""Width of one of two plots beside each other."""
WHOLE = 1080
"""Width of a plot that has a line of its own."""

_ROW_HEIGHT = 40.0
_BAR_HEIGHT = 11.0
_HEIGHTS = {WHOLE: 300.0, NARROW: 240.0}
_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_TOP, _MARGIN_BOTTOM = 46.0, 14.0, 10.0, 24.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, how long it is, what stands at its end, and a class of `svg.COLOURS`."""

    label: str
    value: float
    text: str
    colour: str = "c0"


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot for wide pages and one for narrow ones, as SVG elements."""

    wide: str
    narrow: str


def bars(name: str, title: str, description: str, rows: Sequence[Bar], width: int = HALF) -> Plot:
    """Return a plot of horizontal bars, in the order of `rows`; `name` begins its ids.

    `width` is that of the plot for wide pages.

    Raises
    ------
    ReportUnavailable
        If Matplotlib is not installed.
    """

    def drawn(width: int) -> str:
        height = _ROW_HEIGHT * len(rows) + 4
        with _figure(width, height) as (figure, axes):
            _draw_bars(axes, rows, width)
            return inline(_svg(figure), f"{name}-{width}", title, description, {})

    return Plot(drawn(width), drawn(NARROW))


def _draw_bars(axes: Axes, rows: Sequence[Bar], width: float) -> None:
    most = max((row.value for row in rows), default=0) or 1
    for place, row in enumerate(rows):
        top = place * _ROW_HEIGHT
        bar_top = top + FONT_SIZE + 8
        room = width - width_of(row.text, FONT_SIZE) - FONT_SIZE
        _text(axes, 0, top + FONT_SIZE + 1, fitted(row.label, room, FONT_SIZE), "left", "ink")
        _text(axes, width, top + FONT_SIZE + 1, row.text, "right", "quiet")
        _bar(axes, bar_top, width, "track")
        if row.value > 0:
            # What is there is seen, however little it is.
            _bar(axes, bar_top, max(2.0, width * row.value / most), row.colour)


def _bar(axes: Axes, top: float, width: float, colour: str) -> None:
    axes.barh(
        top + _BAR_HEIGHT / 2,
        width,
        height=_BAR_HEIGHT,
        color=COLOURS[colour],
        linewidth=0,
        clip_on=False,
    )


def over_time(name: str, title: str, description: str, line: Timeline) -> Plot:
    """Return a plot of studies by step of time, a layer for each modality; there must be steps.

    Layer n has the class `cn`, and the last `rest` if others share it.

    Raises
    ------
    ReportUnavailable
        If Matplotlib is not installed.
    """

    def drawn(width: int) -> str:
        with _figure(width, _HEIGHTS[width]) as (figure, axes):
            titles = _draw_layers(axes, line, width, _HEIGHTS[width])
            return inline(_svg(figure), f"{name}-{width}", title, description, titles)

    return Plot(drawn(WHOLE), drawn(NARROW))


def layer_colours(line: Timeline) -> list[str]:
    """Return the class of each layer's colour."""
    names = [f"c{place}" for place in range(len(line.layers))]
    if len(names) > 7:
        names[-1] = "rest" if line.others else "c7"
    return names


def _draw_layers(axes: Axes, line: Timeline, width: int, height: float) -> dict[str, str]:
    left, right = _MARGIN_LEFT, width - _MARGIN_RIGHT
    top, bottom = _MARGIN_TOP, height - _MARGIN_BOTTOM
    totals = [line.total(step) for step in range(line.steps)]
    ticks = _ticks(max(totals))
    scale = (bottom - top) / ticks[-1]
    for tick in ticks:
        y = bottom - tick * scale
        axes.plot(
            [left, right],
            [y, y],
            color=COLOURS["axis" if tick == 0 else "grid"],
            linewidth=1,
            clip_on=False,
            zorder=3 if tick == 0 else 0,
        )
        _text(axes, left - 6, y + FONT_SIZE * 0.35, number(tick), "right", "quiet")
    stride = (right - left) / line.steps
    edges = [left + stride * step for step in range(line.steps + 1)]
    base = [bottom] * line.steps
    for (_, counts), colour in zip(line.layers, layer_colours(line), strict=True):
        level = [y - count * scale for y, count in zip(base, counts, strict=True)]
        axes.stairs(
            level,
            edges,
            baseline=base,
            fill=True,
            color=COLOURS[colour],
            linewidth=0,
            clip_on=False,
            zorder=1,
        )
        base = level
    for step, text in _time_labels(line, 6 if width < HALF else 14):
        x = left + stride * (step + (0.5 if line.step_months != 1 or line.steps <= 18 else 0))
        _text(axes, x, bottom + FONT_SIZE + 6, text, "center", "quiet")
    return _hovering(axes, line, edges, top, bottom) if width > HALF else {}


def _hovering(
    axes: Axes, line: Timeline, edges: Sequence[float], top: float, bottom: float
) -> dict[str, str]:
    """Draw what is hovered over in each step, unseen; return what to tell there, by id."""
    titles = {}
    for step in range(line.steps):
        if not line.total(step):
            continue
        told = [
            f"{counts[step]:,} {shown(name, 40)}" for name, counts in line.layers if counts[step]
        ]
        gid = f"step-{step}"
        titles[gid] = f"{line.label(step)}: {', '.join(told)}"
        axes.bar(
            (edges[step] + edges[step + 1]) / 2,
            bottom - top,
            width=edges[step + 1] - edges[step],
            bottom=top,
            color=COLOURS["hover"],
            linewidth=0,
            clip_on=False,
            zorder=5,
            gid=gid,
        )
    return titles


def _ticks(most: int) -> list[int]:
    """Return whole numbers for an axis from 0 to at least `most`, three to six of them."""
    step = 1
    while most > 5 * step:
        step = _next_round(step)
    return [step * place for place in range(max(2, -(-most // step)) + 1)]


def _next_round(step: int) -> int:
    """Return what follows in 1, 2, 5, 10, 20, 50, …"""
    leading = int(str(step)[0])
    return step * 5 // 2 if leading == 2 else step * 2


def _time_labels(line: Timeline, most: int) -> Iterator[tuple[int, str]]:
    """Yield the steps that get a label, and the label: months of a short time, else years."""
    if line.step_months == 1 and line.steps <= 18:
        every = next(n for n in (1, 2, 3, 6) if line.steps / n <= most or n == 6)
        for step in range(0, line.steps, every):
            yield step, line.label(step)
        return
    years = line.steps * line.step_months / 12
    every_years = 1
    while years / every_years > most:
        every_years = _next_round(every_years)
    for step in range(line.steps):
        year, month = divmod(line.first_month + step * line.step_months, 12)
        if month == 0 and year % every_years == 0:
            yield step, str(year)


def _text(axes: Axes, x: float, y: float, text: str, align: Any, colour: str) -> None:
    axes.text(
        x,
        y,
        text,
        ha=align,
        va="baseline",
        fontsize=FONT_SIZE,
        color=COLOURS[colour],
        parse_math=False,  # a dollar sign is a dollar sign
        clip_on=False,
    )


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Give a figure, and axes whose units are pixels from its upper left corner."""
    try:
        import matplotlib
        from matplotlib import style
        from matplotlib.figure import Figure as Drawing
    except ImportError as exc:
        raise unavailable("matplotlib") from exc
    chatter = logging.getLogger("matplotlib")
    before = chatter.level
    chatter.setLevel(logging.ERROR)  # of caches of fonts, with which nothing is drawn here
    try:
        with (
            warnings.catch_warnings(),
            style.context("default"),
            matplotlib.rc_context(
                {"svg.fonttype": "none", "svg.hashsalt": "dcat", "path.simplify": False}
            ),
        ):
            # That its own font lacks a letter does not matter: the page's reader draws the text.
            warnings.filterwarnings("ignore", category=UserWarning, module="matplotlib")
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure = Drawing(figsize=(width / 72, height / 72), dpi=72)
            figure.patch.set_visible(False)
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set_axis_off()
            axes.set_xlim(0, width)
            axes.set_ylim(height, 0)
            axes.set_autoscale_on(False)
            yield figure, axes
    finally:
        chatter.setLevel(before)


def _svg(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def unavailable(package: str) -> ReportUnavailable:
    """Return the error that says which package a report needs."""
    return ReportUnavailable(
        f"A report needs the package {package}, which is not installed. "
        "Install it with `pip install 'dicom-dcat[report]'`."
    )
