"""Pictures of time and energy: who works when, and where the joules go."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.performance.report import EntryReport
from cosim.performance.timing import Timing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_performance"]

_COLOURS = (BLUE, ORANGE, GREEN, PINK, "#E69F00", "#56B4E9", "#F0E442", GREY, "black", "#8c6d31", "#6a4c93")
#: What is drawn of a long run, us.
_SHOWN_US = 80.0


def draw_performance(entries: Sequence[EntryReport], timing: Timing | None = None, title: str = "") -> "Figure":
    """Energy of a frame of every entry by mechanism; above it, if there is a timing, its beginning as a Gantt chart."""
    rows = 0 if timing is None else len(_shown(timing))
    heights = [0.5 + 0.3 * len(entries)] if timing is None else [0.4 + 0.3 * rows, 0.5 + 0.3 * len(entries)]
    figure, axes = new_figure(9.0, 1.6 + sum(heights), len(heights), squeeze=False, height_ratios=heights)
    if timing is not None:
        _draw_gantt(axes[0, 0], timing)
    _draw_energy(axes[-1, 0], entries)
    figure.suptitle(title, fontsize=9)
    return figure


def _draw_gantt(axes: "Axes", timing: Timing) -> None:
    spans = _shown(timing)
    for row, bars in enumerate(spans.values()):
        axes.broken_barh(
            bars, (row - 0.38, 0.76), facecolors=_COLOURS[row % len(_COLOURS)], edgecolor="white", linewidth=0.4
        )
    axes.set_yticks(range(len(spans)), list(spans), fontsize=8)
    axes.set_ylim(len(spans) - 0.5, -0.5)
    axes.set_xlim(0, min(_SHOWN_US, 1e-3 * timing.end_ns) or 1)
    axes.set_xlabel("us", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _shown(timing: Timing) -> dict[str, list[tuple[float, float]]]:
    """Of every resource that is at work in the part that is drawn: beginning and length of its jobs, us."""
    found = {
        name: [(1e-3 * s, 1e-3 * (e - s)) for s, e, _ in jobs if e > s and 1e-3 * s < _SHOWN_US]
        for name, jobs in timing.spans().items()
    }
    return {name: bars for name, bars in found.items() if bars}


def _draw_energy(axes: "Axes", entries: Sequence[EntryReport]) -> None:
    mechanisms = list(dict.fromkeys(name for entry in entries for name in entry.by_mechanism))
    totals = {name: sum(entry.by_mechanism.get(name, 0.0) for entry in entries) for name in mechanisms}
    mechanisms.sort(key=lambda name: -totals[name])
    left = [0.0] * len(entries)
    for number, name in enumerate(mechanisms):
        values = [entry.by_mechanism.get(name, 0.0) for entry in entries]
        axes.barh(range(len(entries)), values, 0.7, left=left, color=_COLOURS[number % len(_COLOURS)], label=name)
        left = [before + value for before, value in zip(left, values, strict=True)]
    names = [one.entry if one.chip == 0 else f"{one.chip}: {one.entry}" for one in entries]
    axes.set_yticks(range(len(entries)), [name if len(name) < 40 else f"{name[:37]}..." for name in names], fontsize=8)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.set_xlabel("energy of a frame, nJ", fontsize=8)
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
