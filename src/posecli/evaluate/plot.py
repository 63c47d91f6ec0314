"""A picture of accuracy against time: every run a point, those that no other run beats in both on the frontier."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from posecli.draw import PALETTE
from posecli.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

INK, QUIET, FRONTIER = "#1f2933", "#7b8794", "#d9e2ec"
# Blue, vermillion and green first: the darker colours of the palette stand out on white.
COLOURS = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b, _ in (PALETTE[i] for i in (6, 5, 2, 3, 1, 0))]
MARKERS = "osD^vP"
DOT = 6.0  # px, half the side of the square that a dot keeps free of labels
LEAST_SPAN = 5.0  # percent of AP that the axis shows at least
LOG_FROM = 4.0  # slowest over fastest: from there on, times are apart by factors
# Where a label may stand, in points from its dot, best first: away from the frontier's line, on the side of the dot.
OUTSIDE = ((-6, 6), (0, 9), (-6, -6), (6, -6), (-14, 14), (0, 20))
INSIDE = ((6, -6), (0, -9), (6, 6), (-6, 6), (14, -14), (0, -20))


@dataclass(frozen=True, slots=True)
class Point:
    """One run."""

    ms: float  # median per image
    ap: float  # in percent
    label: str
    series: str = ""  # runs of one series are joined by a line, in their order


def check_plotting() -> None:
    """Raise MissingDependencyError without matplotlib."""
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise MissingDependencyError(
            'plots are drawn with matplotlib, which is not installed; run: pip install "posecli[eval]"'
        ) from error


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other equals or beats in both time and AP, the fastest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.ms, -point.ap)):
        if not best or point.ap > best[-1].ap:
            best.append(point)
    return best


def accuracy_plot(points: Sequence[Point], title: str, caption: str) -> bytes:
    """Draw the points as a PNG; `caption` says below the title what was measured on what."""
    check_plotting()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches
    figure = Figure(figsize=(8, 5), dpi=160, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _style(axes, points, title, caption)
    best = frontier(points)
    _draw_frontier(axes, best)
    series = list(dict.fromkeys(point.series for point in points))
    for index, name in enumerate(series):
        _draw_series(axes, [point for point in points if point.series == name], name, index, best)
    # Beside the data, never on it; the layout makes room.
    place: Literal["outside right upper", "outside lower right"]
    place = "outside right upper" if any(series) else "outside lower right"
    figure.legend(loc=place, frameon=False, fontsize=9, labelcolor=INK)
    _label(figure, axes, points, best)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _style(axes: Axes, points: Sequence[Point], title: str, caption: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    times, precisions = [point.ms for point in points], [point.ap for point in points]
    if max(times) > LOG_FROM * min(times):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(min(times) / 1.25, max(times) * 1.25)
    else:
        span = max(times) - min(times) or max(times)
        axes.set_xlim(max(0, min(times) - 0.15 * span), max(times) + 0.15 * span)
    span = max(max(precisions) - min(precisions), LEAST_SPAN)
    axes.set_ylim(max(0, min(precisions) - 0.15 * span), max(precisions) + 0.15 * span)
    axes.set_xlabel("ms per image (median of resize, network and decode)", color=INK)
    axes.set_ylabel("COCO keypoint AP, %", color=INK)
    axes.set_title(title, loc="left", color=INK, fontweight="bold", pad=22)
    axes.text(0, 1.02, caption, transform=axes.transAxes, color=QUIET, fontsize=9, va="bottom")
    axes.grid(color="#e4e7eb", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=QUIET)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color("#cbd2d9")


def _draw_frontier(axes: Axes, best: Sequence[Point]) -> None:
    """The best AP that is to be had in at most a given time: a step at every point of the frontier."""
    times = [*(point.ms for point in best), axes.get_xlim()[1]]
    precisions = [*(point.ap for point in best), best[-1].ap]
    axes.step(times, precisions, where="post", color=FRONTIER, linewidth=6, zorder=1, label="frontier")


def _draw_series(axes: Axes, points: Sequence[Point], name: str, index: int, best: Sequence[Point]) -> None:
    """A line through the runs of a series; dots of the frontier are full, the others hollow."""
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    times, precisions = [point.ms for point in points], [point.ap for point in points]
    axes.plot(times, precisions, color=colour, linewidth=1.2, alpha=0.6, zorder=2)
    fills = [colour if point in best else "white" for point in points]
    axes.scatter(times, precisions, s=42, marker=marker, c=fills, edgecolors=colour, linewidths=1.6, zorder=3)
    if name:
        axes.plot([], [], color=colour, marker=marker, linewidth=1.2, label=name)


def _label(figure: Figure, axes: Axes, points: Sequence[Point], best: Sequence[Point]) -> None:
    """Write each point's label beside it, where it covers neither a dot nor another label, as far as there is room."""
    from matplotlib.transforms import Bbox

    figure.canvas.draw()  # fixes the layout, and so what is where in pixels
    dots = [axes.transData.transform((point.ms, point.ap)) for point in points]
    taken: list[Bbox] = [Bbox.from_bounds(x - DOT, y - DOT, 2 * DOT, 2 * DOT) for x, y in dots]
    for point in points:
        places = OUTSIDE if point in best else INSIDE
        for dx, dy in places:
            text = axes.annotate(
                point.label,
                (point.ms, point.ap),
                (dx, dy),
                textcoords="offset points",
                ha="center" if dx == 0 else "left" if dx > 0 else "right",
                va="bottom" if dy > 0 else "top",
                fontsize=8.5,
                color=INK,
                zorder=4,
            )
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken) or (dx, dy) == places[-1]:
                taken.append(box)
                break
            text.remove()
